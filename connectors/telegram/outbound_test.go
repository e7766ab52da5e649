package telegram

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"maps"
	"mime"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"servicelink/config"
	"servicelink/connectors"
)

var quiet = slog.New(slog.DiscardHandler)

// said is what the server says to one call.
type said struct {
	status int
	body   string
	header http.Header
}

func ok() said { return said{200, `{"ok":true,"result":{"message_id":42,"date":1}}`, nil} }

func refusal(code int, description string) said {
	b, err := json.Marshal(map[string]any{"ok": false, "error_code": code, "description": description})
	if err != nil {
		panic(err)
	}
	return said{code, string(b), nil}
}

// botAPI is a server that notes what it is told and answers as it is scripted;
// the last answer stays.
type botAPI struct {
	*httptest.Server
	mu      sync.Mutex
	calls   []apiCall
	replies []said
}

// apiCall is one call as it arrived.
type apiCall struct {
	Method string          `json:"method"`
	Params json.RawMessage `json:"params,omitempty"` // of a JSON body
	Form   []formPart      `json:"form,omitempty"`   // of a multipart body
}

type formPart struct {
	Name  string `json:"name"`
	File  string `json:"file,omitempty"`
	Type  string `json:"type,omitempty"`
	Value string `json:"value"`
}

func newAPI(t *testing.T, replies ...said) *botAPI {
	t.Helper()
	api := &botAPI{replies: replies}
	api.Server = httptest.NewServer(http.HandlerFunc(api.serve))
	t.Cleanup(api.Close)
	return api
}

func (a *botAPI) serve(w http.ResponseWriter, r *http.Request) {
	method, found := strings.CutPrefix(r.URL.Path, "/api/bot"+testToken+"/")
	if !found {
		http.NotFound(w, r)
		return
	}
	c := apiCall{Method: method}
	kind, params, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	var err error
	if kind == "multipart/form-data" {
		c.Form, err = readForm(multipart.NewReader(r.Body, params["boundary"]))
	} else {
		c.Params, err = io.ReadAll(r.Body)
	}
	if err != nil {
		return // the client broke off
	}
	a.mu.Lock()
	a.calls = append(a.calls, c)
	answer := a.replies[min(len(a.calls), len(a.replies))-1]
	a.mu.Unlock()
	maps.Copy(w.Header(), answer.header)
	w.WriteHeader(answer.status)
	_, _ = io.WriteString(w, answer.body)
}

func readForm(r *multipart.Reader) (parts []formPart, err error) {
	for {
		p, err := r.NextRawPart()
		if err == io.EOF { //nolint:errorlint // the reader's own, never wrapped
			return parts, nil
		}
		if err != nil {
			return nil, err
		}
		value, err := io.ReadAll(p)
		if err != nil {
			return nil, err
		}
		parts = append(parts, formPart{p.FormName(), p.FileName(), p.Header.Get("Content-Type"), string(value)})
	}
}

func (a *botAPI) seen() []apiCall {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.calls
}

// methods are the calls' in order.
func (a *botAPI) methods() string {
	var list []string
	for _, c := range a.seen() {
		list = append(list, c.Method)
	}
	return strings.Join(list, " ")
}

// sender makes a connector whose Bot API is at base.
func sender(t *testing.T, base string) *Connector {
	t.Helper()
	settings, err := config.ParseSettings("token: " + testToken + "\napi_url: " + base + "/api")
	if err != nil {
		t.Fatal(err)
	}
	c, err := New(config.Channel{Name: "shop-tg", Settings: settings}, connectors.Dependencies{Log: quiet})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.(*Connector).Close(); err != nil {
			t.Error(err)
		}
	})
	return c.(*Connector)
}

func to(trackingID string) connectors.Address { return connectors.Address{TrackingID: trackingID} }

// outFile is a file whose bytes are content.
func outFile(kind, name, address, content string) *connectors.OutFile {
	return &connectors.OutFile{
		Type: kind, Name: name, URL: address,
		Open: func(context.Context) (*connectors.Media, error) {
			return &connectors.Media{Body: io.NopCloser(strings.NewReader(content)), Type: http.DetectContentType([]byte(content)), Size: int64(len(content))}, nil
		},
	}
}

const png = "\x89PNG\r\n\x1a\n bytes"

// outgoings are parts with what the server says to them; what it is told stands
// in testdata/out.
var outgoings = map[string]struct {
	part    connectors.Part
	replies []said
}{
	"text":                         {connectors.Part{To: to("77|telegram"), Text: "<b> & \"q\" *x* 😀\nnext"}, nil},
	"big chat":                     {connectors.Part{To: to("-1002147483648123|telegram"), Text: "hello"}, nil},
	"topic":                        {connectors.Part{To: to("-1001|9|telegram"), Text: "hello"}, nil},
	"business":                     {connectors.Part{To: to(conversation{Chat: 77, Business: "Xh2_iBuYc"}.trackingID()), Text: "hello"}, nil},
	"direct":                       {connectors.Part{To: to(conversation{Chat: -1001, Direct: 5}.trackingID()), Text: "hello"}, nil},
	"reply":                        {connectors.Part{To: to("77|telegram"), Text: "yes", ReplyTo: "12"}, nil},
	"reply to an event":            {connectors.Part{To: to("-1001|telegram"), Text: "yes", ReplyTo: "-1001:12"}, nil},
	"reply to an event of another": {connectors.Part{To: to("-1001|telegram"), Text: "yes", ReplyTo: "77:12"}, nil},
	"reply to a press":             {connectors.Part{To: to("77|telegram"), Text: "yes", ReplyTo: "4382819283746152637"}, nil},
	"reply to what is no message": {
		connectors.Part{To: to("77|telegram"), Text: "yes", ReplyTo: "wamid.1"}, nil,
	},
	"buttons": {connectors.Part{To: to("77|telegram"), Text: "choose", Buttons: []connectors.Button{{ID: "y", Text: "Yes"}, {ID: "číslo|2", Text: "No"}}}, nil},
	"buttons alone": {
		connectors.Part{To: to("77|telegram"), Buttons: []connectors.Button{{ID: "y", Text: "Yes"}, {ID: "n", Text: "No"}}}, nil,
	},
	"photo":     {connectors.Part{To: to("77|telegram"), Text: "look", File: outFile("image/png", "", "https://files.example/a.png", png), ReplyTo: "3"}, nil},
	"video":     {connectors.Part{To: to("77|telegram"), File: outFile("", "clip.MP4", "https://files.example/1", "")}, nil},
	"animation": {connectors.Part{To: to("77|telegram"), File: outFile("image/gif", "", "https://files.example/1", "")}, nil},
	"audio":     {connectors.Part{To: to("77|telegram"), File: outFile("audio/mpeg; rate=1", "", "https://files.example/1", "")}, nil},
	"voice":     {connectors.Part{To: to("77|telegram"), File: outFile("voice", "", "https://files.example/1.ogg", "")}, nil},
	"document": {
		connectors.Part{
			To: to("-1001|9|telegram"), Text: "the offer", File: outFile("application/pdf", "", `https://files.example/o"ffer.pdf?a=1&b=2`, ""),
			Buttons: []connectors.Button{{ID: "y", Text: "Take it"}},
		}, nil,
	},
	"unknown type":      {connectors.Part{To: to("77|telegram"), File: outFile("", "", "https://files.example/x", "")}, nil},
	"picture as a file": {connectors.Part{To: to("77|telegram"), File: outFile("document", "", "https://files.example/a.png", png)}, nil},
	"upload": {
		connectors.Part{
			To: to("-1001|9|telegram"), Text: "caption 😀", ReplyTo: "3", Buttons: []connectors.Button{{ID: "y", Text: "Yes"}},
			File: outFile("image/png", "ná\"zev\r\n.png", "https://intranet.example/a.png", png),
		},
		[]said{refusal(400, "Bad Request: wrong file identifier/HTTP URL specified"), ok()},
	},
	"upload of what was not known": {
		connectors.Part{To: to("77|telegram"), File: outFile("", "", "https://intranet.example/get?id=7", png)},
		[]said{refusal(400, "Bad Request: failed to get HTTP URL content"), ok()},
	},
	"photo that is none": {
		connectors.Part{To: to("77|telegram"), File: outFile("photo", "", "https://files.example/a", png)},
		[]said{refusal(400, "Bad Request: wrong type of the web page content"), refusal(400, "Bad Request: PHOTO_INVALID_DIMENSIONS"), ok()},
	},
	"too big for a photo": {
		connectors.Part{To: to("77|telegram"), File: outFile("photo", "", "https://files.example/a.png", png)},
		[]said{refusal(400, "Bad Request: file is too big"), refusal(400, "Bad Request: file is too big"), ok()},
	},
	"only bytes": {connectors.Part{To: to("77|telegram"), File: outFile("text/plain", "a.txt", "", "hello")}, nil},
	"topic is gone": {
		connectors.Part{To: to("-1001|9|telegram"), Text: "hello"},
		[]said{refusal(400, "Bad Request: message thread not found"), ok()},
	},
	"answered message is gone": {
		connectors.Part{To: to("77|telegram"), Text: "hello", ReplyTo: "3"},
		[]said{refusal(400, "Bad Request: message to be replied not found"), ok()},
	},
	"group has moved": {
		connectors.Part{To: to("-5|telegram"), Text: "hello"},
		[]said{{400, `{"ok":false,"error_code":400,"description":"Bad Request: group chat was upgraded to a supergroup chat","parameters":{"migrate_to_chat_id":-1009007199254740}}`, nil}, ok()},
	},
}

// TestSend: each kind of content, with what Telegram is told. -update writes the
// files anew; look at the difference.
func TestSend(t *testing.T) {
	for name, tc := range outgoings {
		t.Run(name, func(t *testing.T) {
			replies := tc.replies
			if replies == nil {
				replies = []said{ok()}
			}
			api := newAPI(t, replies...)
			receipt, err := sender(t, api.URL).Send(t.Context(), tc.part)
			if err != nil || receipt.NetworkID != "42" {
				t.Fatalf("Send = %+v, %v", receipt, err)
			}
			got := callsJSON(t, api.seen())
			file := filepath.Join("testdata", "out", strings.ReplaceAll(name, " ", "_")+".json")
			if *rewrite {
				if err := os.WriteFile(file, got, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), string(got)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func callsJSON(t *testing.T, calls []apiCall) []byte {
	t.Helper()
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "\t")
	if err := enc.Encode(calls); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// TestSendRemembersMoves: the second message goes to the supergroup at once, and
// so does what shows that the agent writes.
func TestSendRemembersMoves(t *testing.T) {
	api := newAPI(t, said{400, `{"ok":false,"error_code":400,"description":"Bad Request: group chat was upgraded to a supergroup chat","parameters":{"migrate_to_chat_id":-1007}}`, nil}, ok())
	c := sender(t, api.URL)
	for range 2 {
		if _, err := c.Send(t.Context(), connectors.Part{To: to("-5|telegram"), Text: "x"}); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.Typing(t.Context(), to("-5|telegram"), "", true); err != nil {
		t.Fatal(err)
	}
	var chats []int64
	for _, call := range api.seen() {
		var p struct {
			ChatID int64 `json:"chat_id"`
		}
		if err := json.Unmarshal(call.Params, &p); err != nil {
			t.Fatal(err)
		}
		chats = append(chats, p.ChatID)
	}
	if diff := cmp.Diff([]int64{-5, -1007, -1007, -1007}, chats); diff != "" {
		t.Error(diff)
	}
}

// TestSendGivesUp: what cannot be mended, or was mended and is refused again, is
// not tried for ever.
func TestSendGivesUp(t *testing.T) {
	unreadable := outFile("photo", "", "https://files.example/a", "")
	unreadable.Open = nil
	for name, tc := range map[string]struct {
		part   connectors.Part
		reply  said
		calls  string
		reason connectors.Reason
	}{
		"no new chat":       {connectors.Part{To: to("-5|telegram"), Text: "x"}, refusal(400, "Bad Request: group chat was upgraded to a supergroup chat"), "sendMessage", connectors.ReasonNotFound},
		"moved and moved":   {connectors.Part{To: to("-5|telegram"), Text: "x"}, said{400, `{"ok":false,"error_code":400,"description":"Bad Request: group chat was upgraded to a supergroup chat","parameters":{"migrate_to_chat_id":-1007}}`, nil}, "sendMessage sendMessage", connectors.ReasonNotFound},
		"no topic to drop":  {connectors.Part{To: to("-5|telegram"), Text: "x"}, refusal(400, "Bad Request: message thread not found"), "sendMessage", connectors.ReasonNotFound},
		"topic twice":       {connectors.Part{To: to("-5|9|telegram"), Text: "x"}, refusal(400, "Bad Request: message thread not found"), "sendMessage sendMessage", connectors.ReasonNotFound},
		"no reply to drop":  {connectors.Part{To: to("5|telegram"), Text: "x"}, refusal(400, "Bad Request: message to be replied not found"), "sendMessage", connectors.ReasonNotFound},
		"no bytes to send":  {connectors.Part{To: to("5|telegram"), File: unreadable}, refusal(400, "Bad Request: failed to get HTTP URL content"), "sendPhoto", connectors.ReasonContent},
		"upload refused":    {connectors.Part{To: to("5|telegram"), File: outFile("photo", "", "https://files.example/a", png)}, refusal(400, "Bad Request: failed to get HTTP URL content"), "sendPhoto sendPhoto", connectors.ReasonContent},
		"never a document":  {connectors.Part{To: to("5|telegram"), File: outFile("photo", "", "https://files.example/a", png)}, refusal(400, "Bad Request: IMAGE_PROCESS_FAILED"), "sendPhoto sendDocument", connectors.ReasonContent},
		"a text is no file": {connectors.Part{To: to("5|telegram"), Text: "x"}, refusal(400, "Bad Request: wrong HTTP URL specified"), "sendMessage", connectors.ReasonContent},
	} {
		t.Run(name, func(t *testing.T) {
			api := newAPI(t, tc.reply)
			_, err := sender(t, api.URL).Send(t.Context(), tc.part)
			se := connectors.AsSendError(err)
			if err == nil || se.Outcome != connectors.Rejected || se.Reason != tc.reason {
				t.Errorf("Send: %v, want rejected: %s", err, tc.reason)
			}
			if api.methods() != tc.calls {
				t.Errorf("calls %q, want %q", api.methods(), tc.calls)
			}
		})
	}
}

func TestSendToNobody(t *testing.T) {
	api := newAPI(t, ok())
	c := sender(t, api.URL)
	for _, id := range []string{"", "7", "7|omnichannel", "x|telegram", "07|telegram", "7||telegram", "7|0|telegram", "9223372036854775808|telegram"} {
		_, err := c.Send(t.Context(), connectors.Part{To: to(id), Text: "x"})
		if se := connectors.AsSendError(err); err == nil || se.Outcome != connectors.Rejected || se.Reason != connectors.ReasonNotFound {
			t.Errorf("Send to %q: %v", id, err)
		}
		if err := c.Typing(t.Context(), to(id), "", true); err == nil {
			t.Errorf("Typing to %q is shown", id)
		}
	}
	if len(api.seen()) != 0 {
		t.Errorf("calls were made for nobody: %s", api.methods())
	}
}

func TestTyping(t *testing.T) {
	api := newAPI(t, said{200, `{"ok":true,"result":true}`, nil}, refusal(403, "Forbidden: bot was blocked by the user"))
	c := sender(t, api.URL)
	if err := c.Typing(t.Context(), to("-1001|9|telegram"), "", true); err != nil {
		t.Errorf("Typing: %v", err)
	}
	if err := c.Typing(t.Context(), to("-1001|9|telegram"), "", false); err != nil {
		t.Errorf("Typing ended: %v", err)
	}
	calls := api.seen()
	if want := `{"chat_id":-1001,"message_thread_id":9,"action":"typing"}`; len(calls) != 1 || calls[0].Method != "sendChatAction" || string(calls[0].Params) != want {
		t.Errorf("calls %s %s, want one with %s", api.methods(), calls[0].Params, want)
	}
	err := c.Typing(t.Context(), to("7|telegram"), "", true)
	if se := connectors.AsSendError(err); se.Reason != connectors.ReasonBlocked {
		t.Errorf("Typing: %v", err)
	}
}
