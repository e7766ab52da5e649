package facebook

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"servicelink/connectors"
)

var customer7 = connectors.Address{TrackingID: "7|1001|facebook"}

// pdf is a file whose size is told as size.
func pdf(content string, size int64) *connectors.OutFile {
	return &connectors.OutFile{Name: `..\a"b.pdf`, Type: "application/pdf", Open: func(context.Context) (*connectors.Media, error) {
		return &connectors.Media{Body: io.NopCloser(strings.NewReader(content)), Size: size}, nil
	}}
}

var boundary = regexp.MustCompile(`[0-9a-f]{60}`)

// TestSendBodies: what goes out, letter by letter.
func TestSendBodies(t *testing.T) {
	const head = `{"recipient":{"id":"7"},"messaging_type":`
	form := func(kind, tag string) string {
		part := func(name, value string) string {
			return "--B\r\nContent-Disposition: form-data; name=\"" + name + "\"\r\n\r\n" + value + "\r\n"
		}
		return part("recipient", `{"id":"7"}`) + part("message", `{"attachment":{"type":"file","payload":{}},"metadata":"sl1:r"}`) + part("messaging_type", kind) + tag +
			"--B\r\nContent-Disposition: form-data; name=\"filedata\"; filename=\"a\\\"b.pdf\"\r\nContent-Type: application/pdf\r\n\r\nPDF\r\n--B--\r\n"
	}
	for name, tc := range map[string]struct {
		more string
		part connectors.Part
		want string
	}{
		"text":          {"", connectors.Part{Text: "hi"}, head + `"RESPONSE","message":{"text":"hi","metadata":"sl1:r"}}`},
		"late":          {"human_agent: true", connectors.Part{Text: "hi", Late: true}, head + `"MESSAGE_TAG","tag":"HUMAN_AGENT","message":{"text":"hi","metadata":"sl1:r"}}`},
		"late, without": {"", connectors.Part{Text: "hi", Late: true}, head + `"RESPONSE","message":{"text":"hi","metadata":"sl1:r"}}`},
		"in time":       {"human_agent: true", connectors.Part{Text: "hi"}, head + `"RESPONSE","message":{"text":"hi","metadata":"sl1:r"}}`},
		"reply":         {"", connectors.Part{Text: "hi", ReplyTo: "m_0"}, head + `"RESPONSE","message":{"text":"hi","metadata":"sl1:r"},"reply_to":{"mid":"m_0"}}`},
		"buttons": {
			"",
			connectors.Part{Text: "hi", Buttons: []connectors.Button{{ID: "P", Text: "T"}}},
			head + `"RESPONSE","message":{"text":"hi","quick_replies":[{"content_type":"text","title":"T","payload":"P"}],"metadata":"sl1:r"}}`,
		},
		"file":            {"", connectors.Part{File: pdf("PDF", 3)}, form("RESPONSE", "")},
		"file, size open": {"", connectors.Part{File: pdf("PDF", -1)}, form("RESPONSE", "")},
		"late file": {
			"human_agent: true",
			connectors.Part{File: pdf("PDF", 3), Late: true},
			form("MESSAGE_TAG", "--B\r\nContent-Disposition: form-data; name=\"tag\"\r\n\r\nHUMAN_AGENT\r\n"),
		},
	} {
		n := graph(t, map[string]string{"POST /v25.0/1001/messages": `{"recipient_id":"7","message_id":"m_out"}`})
		c := open(t, settings+"api_url: "+strings.TrimSuffix(n.c.api.String(), "/v25.0")+"\n"+tc.more)
		tc.part.Ref, tc.part.To = "r", customer7
		receipt, err := c.Send(t.Context(), tc.part)
		if err != nil || receipt.NetworkID != "m_out" {
			t.Errorf("%s: %+v, %v", name, receipt, err)
		}
		got := boundary.ReplaceAllString(strings.Join(n.asked, "\n"), "B")
		if got != "POST /v25.0/1001/messages "+tc.want {
			t.Errorf("%s:\n%q, want\n%q", name, got, tc.want)
		}
	}
}

// TestSendRefused: what the network would refuse is not sent.
func TestSendRefused(t *testing.T) {
	long := strings.Repeat("č", textLimit)
	for name, tc := range map[string]struct {
		part connectors.Part
		want connectors.Reason
	}{
		"nothing":       {connectors.Part{}, connectors.ReasonContent},
		"too long":      {connectors.Part{Text: long + "x"}, connectors.ReasonContent},
		"14 buttons":    {connectors.Part{Text: "x", Buttons: make([]connectors.Button, 14)}, connectors.ReasonContent},
		"long title":    {connectors.Part{Text: "x", Buttons: []connectors.Button{{ID: "P", Text: strings.Repeat("č", 21)}}}, connectors.ReasonContent},
		"long payload":  {connectors.Part{Text: "x", Buttons: []connectors.Button{{ID: strings.Repeat("x", 1001), Text: "T"}}}, connectors.ReasonContent},
		"text and file": {connectors.Part{Text: "x", File: pdf("", 0)}, connectors.ReasonContent},
		"a closed file": {connectors.Part{File: &connectors.OutFile{}}, connectors.ReasonFile},
		"a big file":    {connectors.Part{File: pdf("", maxUpload+1)}, connectors.ReasonContent},
		"another page":  {connectors.Part{Text: "x", To: connectors.Address{TrackingID: "7|1002|facebook"}}, connectors.ReasonNotFound},
	} {
		n := graph(t, nil)
		if tc.part.To.TrackingID == "" {
			tc.part.To = customer7
		}
		_, err := n.c.Send(t.Context(), tc.part)
		if se := connectors.AsSendError(err); err == nil || se.Outcome != connectors.Rejected || se.Reason != tc.want || len(n.asked) > 0 {
			t.Errorf("%s: %v, asked %q", name, err, n.asked)
		}
	}
	n := graph(t, map[string]string{"POST /v25.0/1001/messages": `{"message_id":"m_out"}`})
	if _, err := n.c.Send(t.Context(), connectors.Part{To: customer7, Text: long}); err != nil {
		t.Errorf("2000 characters: %v", err)
	}
}

// TestSendCut: half a file, and one that turns out too big, reach nobody.
func TestSendCut(t *testing.T) {
	for name, file := range map[string]*connectors.OutFile{
		"short": pdf("P", 3), "too big": pdf(strings.Repeat("x", maxUpload+1), -1),
	} {
		whole := make(chan bool, 2)
		server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			_, err := io.Copy(io.Discard, r.Body)
			whole <- err == nil
		}))
		c := open(t, settings+"api_url: "+server.URL)
		_, err := c.Send(t.Context(), connectors.Part{To: customer7, File: file})
		server.Close()
		if err == nil || connectors.AsSendError(err).Outcome == connectors.Unknown {
			t.Errorf("%s: %v", name, err)
		}
		close(whole)
		for got := range whole {
			if got {
				t.Errorf("%s: it looked whole", name)
			}
		}
	}
}

// TestSendWithoutReply: only a refusal that may be the reply's is tried without it.
func TestSendWithoutReply(t *testing.T) {
	for answer, want := range map[string]int{
		`{"error":{"code":100,"message":"Invalid parameter"}}`:                 2,
		`{"error":{"code":100,"message":"(#100) Upload attachment failure."}}`: 1,
		`{"error":{"code":551}}`: 1,
	} {
		n := graph(t, map[string]string{"POST /v25.0/1001/messages": answer})
		_, err := n.c.Send(t.Context(), connectors.Part{To: customer7, Text: "x", ReplyTo: "m_0"})
		if err == nil || len(n.asked) != want || want == 2 && strings.Contains(n.asked[1], "reply_to") {
			t.Errorf("%s: %v, asked %q", answer, err, n.asked)
		}
	}
}

func TestActions(t *testing.T) {
	n := graph(t, map[string]string{"POST /v25.0/1001/messages": `{"recipient_id":"7"}`})
	for _, err := range []error{
		n.c.Typing(t.Context(), customer7, "", true), n.c.Typing(t.Context(), customer7, "", false),
		n.c.MarkRead(t.Context(), customer7, "m_1"), n.c.MarkRead(t.Context(), customer7, ""),
	} {
		if err != nil {
			t.Error(err)
		}
	}
	want := ""
	for _, action := range []string{"typing_on", "typing_off", "mark_seen"} {
		want += fmt.Sprintf("POST /v25.0/1001/messages {\"recipient\":{\"id\":\"7\"},\"sender_action\":%q}\n", action)
	}
	if got := strings.Join(n.asked, "\n") + "\n"; got != want {
		t.Errorf("%s", got)
	}
}

// TestOpen: a file is asked for anew, led on within the hosts, and without the token.
func TestOpen(t *testing.T) {
	for name, tc := range map[string]struct {
		to, want string
		status   int
	}{
		"there":         {"", "ok", 200},
		"led":           {"/end", "ok", 302},
		"led away":      {"https://evil.example.com/", string(connectors.ReasonForbidden), 302},
		"led nowhere":   {"", "answer", 302},
		"led in rounds": {"/file", "answer", 302},
		"expired":       {"", "not_found", 403},
		"gone":          {"", "not_found", 404},
	} {
		var server *httptest.Server
		server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			switch r.URL.Path {
			case "/v25.0/m_1":
				_, _ = io.WriteString(w, `{"attachments":{"data":[{"image_data":{"url":"`+server.URL+`/file"}}]}}`)
				return
			case "/file":
				if tc.to != "" {
					w.Header().Set("Location", tc.to)
				}
				w.WriteHeader(tc.status)
			}
			if r.Header.Get("Authorization") != "" || r.Header.Get("Range") != "bytes=0-1" {
				t.Errorf("%s: headers %v", name, r.Header)
			}
			_, _ = io.WriteString(w, "ok")
		}))
		c := open(t, settings+"api_url: "+server.URL+"\nmedia_hosts: [\""+strings.TrimPrefix(server.URL, "http://")+"\"]")
		media, err := c.Open(t.Context(), connectors.File{ID: "m_1:0"}, "bytes=0-1")
		var got string
		if err != nil {
			got = string(connectors.AsSendError(err).Reason)
		} else {
			b, _ := io.ReadAll(media.Body)
			_ = media.Body.Close()
			got = string(b)
		}
		if got != tc.want {
			t.Errorf("%s: %s, %v", name, got, err)
		}
		_ = c.Close()
		server.Close()
	}
	for _, id := range []string{"", "m_1", "m_1:x", "m_1:-1", "m_1:1", ":0"} {
		n := graph(t, map[string]string{"GET /v25.0/m_1": `{"attachments":{"data":[{"file_url":"https://a.fbcdn.net/1"}]}}`})
		if _, err := n.c.Open(t.Context(), connectors.File{ID: id}, ""); err == nil || connectors.AsSendError(err).Reason != connectors.ReasonNotFound {
			t.Errorf("%q: %v", id, err)
		}
	}
}
