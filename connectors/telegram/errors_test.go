package telegram

import (
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"servicelink/config"
	"servicelink/connectors"
	"servicelink/connectors/internal/httpx"
)

// refusals are answers of the Bot API and of what may stand before it, each with
// what it means for the message.
var refusals = []struct {
	name    string
	reply   said
	outcome connectors.Outcome
	reason  connectors.Reason
	code    string
	hint    string // a part of it
}{
	{"too many", said{429, `{"ok":false,"error_code":429,"description":"Too Many Requests: retry after 5","parameters":{"retry_after":5}}`, nil}, connectors.NotSent, connectors.ReasonRate, "429", ""},
	{"flood", refusal(420, "FLOOD"), connectors.NotSent, connectors.ReasonRate, "420", ""},
	{"conflict", refusal(409, "Conflict: terminated by other getUpdates request"), connectors.NotSent, connectors.ReasonConflict, "409", "second program"},
	{"wrong token", refusal(401, "Unauthorized"), connectors.NotSent, connectors.ReasonAuth, "401", "BotFather"},
	{"invalid token", refusal(401, "Unauthorized: invalid token specified"), connectors.NotSent, connectors.ReasonAuth, "401", "BotFather"},
	{"logged out", refusal(400, "Logged out"), connectors.NotSent, connectors.ReasonAuth, "400", "api_url"},
	{"malformed token", refusal(404, "Not Found"), connectors.NotSent, connectors.ReasonAuth, "404", "BotFather"},
	{"misdirected", refusal(421, "Misdirected Request"), connectors.NotSent, connectors.ReasonAuth, "421", "api_url"},
	{"blocked", refusal(403, "Forbidden: bot was blocked by the user"), connectors.Rejected, connectors.ReasonBlocked, "403", "start it again"},
	{"deactivated", refusal(403, "Forbidden: user is deactivated"), connectors.Rejected, connectors.ReasonBlocked, "403", "deleted"},
	{"kicked", refusal(403, "Forbidden: bot was kicked from the supergroup chat"), connectors.Rejected, connectors.ReasonBlocked, "403", "added"},
	{"no member", refusal(403, "Forbidden: bot is not a member of the channel chat"), connectors.Rejected, connectors.ReasonBlocked, "403", "added"},
	{"group deleted", refusal(403, "Forbidden: the group chat was deleted"), connectors.Rejected, connectors.ReasonBlocked, "403", ""},
	{"writes first", refusal(403, "Forbidden: bot can't initiate conversation with a user"), connectors.Rejected, connectors.ReasonBlocked, "403", "first"},
	{"another 403", refusal(403, "Forbidden: something new"), connectors.Rejected, connectors.ReasonBlocked, "403", ""},
	{"upgraded, and no word where to", refusal(400, "Bad Request: group chat was upgraded to a supergroup chat"), connectors.Rejected, connectors.ReasonNotFound, "400", ""},
	{"no chat", refusal(400, "Bad Request: chat not found"), connectors.Rejected, connectors.ReasonNotFound, "400", "does not know"},
	{"no private chat", refusal(400, "Bad Request: private chat not found"), connectors.Rejected, connectors.ReasonNotFound, "400", "does not know"},
	{"no peer", refusal(400, "Bad Request: PEER_ID_INVALID"), connectors.Rejected, connectors.ReasonNotFound, "400 PEER_ID_INVALID", ""},
	{"not modified", refusal(400, "Bad Request: message is not modified: specified new message content and reply markup are exactly the same"), connectors.Rejected, connectors.ReasonContent, "400", ""},
	{"late answer to a press", refusal(400, "Bad Request: query is too old and response timeout expired or query ID is invalid"), connectors.Rejected, connectors.ReasonWindow, "400", ""},
	{"entities", refusal(400, `Bad Request: can't parse entities: Unsupported start tag "mArKed"`), connectors.Rejected, connectors.ReasonContent, "400", ""},
	{"no topic", refusal(400, "Bad Request: message thread not found"), connectors.Rejected, connectors.ReasonNotFound, "400", "topic"},
	{"topic closed", refusal(400, "Bad Request: TOPIC_CLOSED"), connectors.Rejected, connectors.ReasonBlocked, "400 TOPIC_CLOSED", "topic"},
	{"no answered message", refusal(400, "Bad Request: message to be replied not found"), connectors.Rejected, connectors.ReasonNotFound, "400", ""},
	{"wrong address", refusal(400, "Bad Request: wrong file identifier/HTTP URL specified"), connectors.Rejected, connectors.ReasonContent, "400", "could not fetch"},
	{"address cannot be fetched", refusal(400, "Bad Request: failed to get HTTP URL content"), connectors.Rejected, connectors.ReasonContent, "400", "could not fetch"},
	{"as older servers write it", refusal(400, "Bad Request: Wrong type of the web page content"), connectors.Rejected, connectors.ReasonContent, "400", "document"},
	{"file too big", refusal(400, "Bad Request: file is too big"), connectors.Rejected, connectors.ReasonContent, "400", "20 MB"},
	{"upload too big", refusal(413, "Request Entity Too Large"), connectors.Rejected, connectors.ReasonContent, "413", "50 MB"},
	{"text too long", refusal(400, "Bad Request: message is too long"), connectors.Rejected, connectors.ReasonContent, "400", ""},
	{"button data", refusal(400, "Bad Request: BUTTON_DATA_INVALID"), connectors.Rejected, connectors.ReasonContent, "400 BUTTON_DATA_INVALID", ""},
	{"may not write", refusal(400, "Bad Request: not enough rights to send text messages to the chat"), connectors.Rejected, connectors.ReasonBlocked, "400", "administrator"},
	{"may not write, its name", refusal(400, "Bad Request: CHAT_WRITE_FORBIDDEN"), connectors.Rejected, connectors.ReasonBlocked, "400 CHAT_WRITE_FORBIDDEN", "administrator"},
	{"business window", refusal(400, "Bad Request: BUSINESS_PEER_USAGE_MISSING"), connectors.Rejected, connectors.ReasonWindow, "400 BUSINESS_PEER_USAGE_MISSING", "lately"},
	{"business connection", refusal(400, "Bad Request: business connection not found"), connectors.Rejected, connectors.ReasonBlocked, "400", "business"},
	{"no such method", refusal(404, "Not Found: method not found"), connectors.Rejected, connectors.ReasonContent, "404", "too old"},
	{"restart", refusal(500, "Internal Server Error: restart"), connectors.Unknown, connectors.ReasonServer, "500", ""},
	{"not ok with 200", said{200, `{"ok":false,"error_code":400,"description":"Bad Request: chat not found"}`, nil}, connectors.Rejected, connectors.ReasonNotFound, "400", ""},
	{"not ok, and nothing else", said{200, `{"ok":false}`, nil}, connectors.Unknown, connectors.ReasonAnswer, "200", ""},
	{"not ok with a code that says yes", said{400, `{"ok":false,"error_code":200,"description":"OK"}`, nil}, connectors.Unknown, connectors.ReasonAnswer, "200", ""},
	{"ok that is broken off", said{200, `{"ok":true,"result":{"mess`, nil}, connectors.Unknown, connectors.ReasonAnswer, "200", ""},
	{"ok cut on its way", said{200, `{"ok":true,`, http.Header{"Content-Length": {"100"}}}, connectors.Unknown, connectors.ReasonCut, "200", ""},
	{"HTML with 200", said{200, "<html>mArKed</html>", nil}, connectors.Unknown, connectors.ReasonAnswer, "200", ""},
	{"HTML 502", said{502, "<html>mArKed</html>", http.Header{"Content-Type": {"text/html"}}}, connectors.Unknown, connectors.ReasonServer, "502", ""},
	{"HTML 503", said{503, "<html>mArKed</html>", nil}, connectors.NotSent, connectors.ReasonServer, "503", ""},
	{"HTML 504", said{504, "<html>mArKed</html>", nil}, connectors.Unknown, connectors.ReasonServer, "504", ""},
	{"HTML 404", said{404, "<html>mArKed</html>", nil}, connectors.NotSent, connectors.ReasonNotFound, "404", "address"},
	{"HTML 403", said{403, "<html>mArKed</html>", nil}, connectors.NotSent, connectors.ReasonAuth, "403", ""},
	{"HTML 413", said{413, "<html>mArKed</html>", nil}, connectors.Rejected, connectors.ReasonContent, "413", ""},
	{"a refusal cut on its way", said{400, `{"ok":false,"err`, http.Header{"Content-Length": {"100"}}}, connectors.Rejected, connectors.ReasonContent, "400", ""},
}

// TestRefusals: every answer to a call, through Send.
func TestRefusals(t *testing.T) {
	for _, tc := range refusals {
		t.Run(tc.name, func(t *testing.T) {
			api := newAPI(t, tc.reply)
			_, err := sender(t, api.URL).Send(t.Context(), connectors.Part{To: to("77|telegram"), Text: "x"})
			se := connectors.AsSendError(err)
			if err == nil || se.Outcome != tc.outcome || se.Reason != tc.reason || se.Code != tc.code || !strings.Contains(se.Hint, tc.hint) {
				t.Errorf("Send: %v, hint %q; want %s: %s (%s), %q", err, se.Hint, tc.outcome, tc.reason, tc.code, tc.hint)
			}
			if len(api.seen()) != 1 {
				t.Errorf("calls: %s", api.methods())
			}
			if said := fmt.Sprintf("%v %+v", err, *se); strings.Contains(said, "mArKed") || strings.Contains(said, "AAHsecret") {
				t.Errorf("the error tells too much: %s", said)
			}
		})
	}
}

// TestRulesAreMet: no rule stands behind one that takes everything of its code,
// and each that is there can be met.
func TestRulesAreMet(t *testing.T) {
	for _, want := range rules {
		r, ok := ruleOf(&apiError{Code: want.code, Description: "Bad Request: " + want.text})
		if !ok || r != want {
			t.Errorf("%d %q is taken by %q", want.code, want.text, r.text)
		}
		if want.text != strings.ToLower(want.text) {
			t.Errorf("%q is compared with small letters", want.text)
		}
		if !slices.Contains(connectors.SendReasons, want.reason) {
			t.Errorf("%q has the reason %q", want.text, want.reason)
		}
	}
}

func TestRetryAfter(t *testing.T) {
	for name, tc := range map[string]struct {
		reply said
		want  time.Duration
	}{
		"in the body":         {said{429, `{"ok":false,"error_code":429,"description":"Too Many Requests: retry after 5","parameters":{"retry_after":5}}`, http.Header{"Retry-After": {"9"}}}, 5 * time.Second},
		"in the header":       {said{429, `{"ok":false,"error_code":429,"description":"Too Many Requests"}`, http.Header{"Retry-After": {"9"}}}, 9 * time.Second},
		"a date":              {said{429, "x", http.Header{"Retry-After": {"Sun, 22 Nov 2026 08:00:09 GMT"}, "Date": {"Sun, 22 Nov 2026 08:00:00 GMT"}}}, 9 * time.Second},
		"nowhere":             {refusal(429, "Too Many Requests"), 0},
		"beyond any patience": {said{429, `{"ok":false,"error_code":429,"description":"x","parameters":{"retry_after":9000000000000000000}}`, nil}, 24 * time.Hour},
		"a proxy's":           {said{503, "busy", http.Header{"Retry-After": {"7"}}}, 7 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			api := newAPI(t, tc.reply)
			_, err := sender(t, api.URL).Send(t.Context(), connectors.Part{To: to("77|telegram"), Text: "x"})
			se := connectors.AsSendError(err)
			if se.Outcome != connectors.NotSent || se.RetryAfter != tc.want {
				t.Errorf("%v after %v, want %v", err, se.RetryAfter, tc.want)
			}
			// Only the Bot API can mean one recipient.
			if want := se.Reason == connectors.ReasonRate && tc.reply.body != "x"; (se.Scope == connectors.ScopeRecipient) != want {
				t.Errorf("Scope is %v", se.Scope)
			}
		})
	}
}

// TestLost: a call whose answer does not come.
func TestLost(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		conn, _, err := http.NewResponseController(w).Hijack()
		if err == nil {
			_ = conn.Close()
		}
	}))
	c := sender(t, server.URL)
	_, err := c.Send(t.Context(), connectors.Part{To: to("77|telegram"), Text: "x"})
	if se := connectors.AsSendError(err); err == nil || se.Outcome != connectors.Unknown || se.Reason != connectors.ReasonCut {
		t.Errorf("cut: %v", err)
	}
	server.Close()
	_, err = c.Send(t.Context(), connectors.Part{To: to("77|telegram"), Text: "x"})
	if se := connectors.AsSendError(err); err == nil || se.Outcome != connectors.NotSent || se.Reason != connectors.ReasonConnect {
		t.Errorf("nobody there: %v", err)
	}
}

// TestAccepted: what says ok was sent, whatever else can be read of it.
func TestAccepted(t *testing.T) {
	for body, want := range map[string]string{
		`{"ok":true,"result":{"message_id":9007199254740993}}`: "9007199254740993",
		`{"ok":true,"result":true}`:                            "",
		`{"ok":true,"result":{"message_id":"x"}}`:              "",
	} {
		api := newAPI(t, said{200, body, nil})
		receipt, err := sender(t, api.URL).Send(t.Context(), connectors.Part{To: to("77|telegram"), Text: "x"})
		if err != nil || receipt.NetworkID != want {
			t.Errorf("%s: %+v, %v", body, receipt, err)
		}
	}
}

// TestNothingLeaks: the token, texts and addresses stand in no error and no log,
// whatever goes wrong.
func TestNothingLeaks(t *testing.T) {
	var log syncBuffer
	part := connectors.Part{
		To: to("4200000000000017|telegram"), Text: "mArKed-text", ReplyTo: "3",
		Buttons: []connectors.Button{{ID: "mArKed-payload", Text: "mArKed-button"}},
		File:    outFile("", "mArKed-name", "https://files.example/mArKed-path", png),
	}
	replies := []said{refusal(400, "Bad Request: failed to get HTTP URL content mArKed"), {200, "mArKed", nil}}
	for _, r := range refusals {
		replies = append(replies, r.reply)
	}
	var told []string
	for _, r := range replies {
		api := newAPI(t, r)
		settings, err := config.ParseSettings("token: " + testToken + "\napi_url: " + api.URL + "/api")
		if err != nil {
			t.Fatal(err)
		}
		c, err := New(config.Channel{Name: "shop-tg", Settings: settings}, connectors.Dependencies{
			Log: slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		})
		if err != nil {
			t.Fatal(err)
		}
		bot := c.(*Connector)
		_, sendErr := bot.Send(t.Context(), part)
		_, openErr := bot.Open(t.Context(), connectors.File{ID: "mArKed-file"}, "")
		typingErr := bot.Typing(t.Context(), part.To, "", true)
		api.Close()
		_, goneErr := bot.Open(t.Context(), connectors.File{ID: "mArKed-file"}, "")
		for _, err := range []error{sendErr, openErr, typingErr, goneErr} {
			if err == nil {
				t.Errorf("%q is no failure", r.body)
				continue
			}
			se := connectors.AsSendError(err)
			told = append(told, fmt.Sprintf("%v %+v %#v %v", err, err, *se, se.Err))
		}
		_ = bot.Close()
	}
	told = append(told, log.String())
	for _, mark := range []string{"AAHsecret", "mArKed", "42000000", "files.example"} {
		for _, s := range told {
			if strings.Contains(s, mark) {
				t.Errorf("%q stands in %s", mark, s)
			}
		}
	}
}

// FuzzAnswer: no answer makes the parser panic or gives an error without a
// meaning.
func FuzzAnswer(f *testing.F) {
	f.Add(200, []byte(ok().body), false)
	for _, r := range refusals {
		f.Add(r.reply.status, []byte(r.reply.body), r.reply.header != nil)
	}
	f.Add(200, []byte(`{"ok":true,"ok":false,"result":[]}`), false)
	f.Fuzz(func(t *testing.T, status int, body []byte, cut bool) {
		if status < 100 || status > 599 {
			t.Skip("not a status")
		}
		resp := &httpx.Response{Status: status, Body: body}
		if cut {
			resp.Body = nil
			resp.BodyErr = &connectors.SendError{Outcome: connectors.Unknown, Reason: connectors.ReasonCut}
		}
		err := readAnswer(resp, nil)
		if err == nil {
			return
		}
		refused, isRefusal := err.(*apiError) //nolint:errorlint // as readAnswer makes it
		if !isRefusal {
			if se := connectors.AsSendError(err); se.Outcome != connectors.Unknown {
				t.Errorf("%d %q: %v", status, body, err)
			}
			return
		}
		se := classify(refused)
		if !slices.Contains(connectors.SendReasons, se.Reason) || se.Reason == connectors.ReasonBug || se.RetryAfter < 0 {
			t.Errorf("%d %q: %+v", status, body, se)
		}
	})
}
