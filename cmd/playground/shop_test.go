package main

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func testShop() *shop { return newShop(time.Unix(1_000_000, 0), nil) }

// do sends one request with a JSON body to handler.
func do(t *testing.T, handler http.Handler, method, path, body string, header ...string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, path, strings.NewReader(body))
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, r)
	return w
}

func TestSendMessage(t *testing.T) {
	const good = `{"chat_id": 7, "message": {"id": "m1", "kind": "operator", "text": "hi", "data": {"buttons": [{"id": "yes", "text": "Yes"}]}}}`
	tests := map[string]struct {
		token, body string
		offline     bool
		status      int
		shown       int
	}{
		"shown":        {token: "Token secret", body: good, status: 200, shown: 1},
		"wrong token":  {token: "Token secre", body: good, status: 401},
		"no token":     {body: good, status: 401},
		"no id":        {token: "Token secret", body: `{"chat_id": 7, "message": {}}`, status: 400},
		"not JSON":     {token: "Token secret", body: `{"chat_id"`, status: 400},
		"network down": {token: "Token secret", body: good, offline: true, status: 503},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			s := testShop()
			s.offline = tt.offline
			w := do(t, s.handler("secret"), "POST", "/send_message", tt.body, "Authorization", tt.token)
			if w.Code != tt.status {
				t.Errorf("status = %d, want %d", w.Code, tt.status)
			}
			shown := 0
			for _, c := range s.chats {
				shown += len(c.Messages)
			}
			if shown != tt.shown {
				t.Errorf("%d messages are shown, want %d", shown, tt.shown)
			}
		})
	}
}

func TestAnswerIsShownOnce(t *testing.T) {
	s := testShop()
	for range 3 {
		if !s.take(7, &message{ID: "m1", Text: "hi"}) {
			t.Fatal("not taken")
		}
	}
	messages := s.chats[0].Messages
	if len(messages) != 1 || messages[0].Copies != 3 {
		t.Errorf("shown %d times with %d copies, want once with 3", len(messages), messages[0].Copies)
	}
}

func TestWriteAndRepeat(t *testing.T) {
	s := testShop()
	handler := s.handler("secret")
	s.addChat(0, " Ada ")
	c := s.chats[0]
	for _, tt := range []struct {
		body   string
		status int
	}{
		{`{"chat": 1, "text": "x"}`, 404},
		{`{"chat": 1000001, "text": "  "}`, 400},
		{`{"chat": 1000001, "text": "hello"}`, 202},
		{`{"chat": 1000001, "button": {"id": "y", "text": "Yes"}}`, 202},
		{`{"chat": 1000001, "repeat": "unknown"}`, 404},
	} {
		if w := do(t, handler, "POST", "/messages", tt.body); w.Code != tt.status {
			t.Errorf("%s: status = %d, want %d", tt.body, w.Code, tt.status)
		}
	}
	first := c.Messages[0].ID
	if w := do(t, handler, "POST", "/messages", `{"chat": 1000001, "repeat": "`+first+`"}`); w.Code != 202 {
		t.Errorf("repeat: status = %d", w.Code)
	}
	if got := len(c.outbox); got != 3 {
		t.Errorf("%d calls wait to be posted, want 3", got)
	}
	if got := len(c.Messages); got != 2 {
		t.Errorf("%d messages are shown, want 2: a repeat is none", got)
	}
}

func TestWebhookBody(t *testing.T) {
	c := &chat{ID: 9007199254740993, Name: "Ada"}
	tests := map[string]struct {
		message *message
		want    string
	}{
		"text": {
			&message{ID: "m1", Text: "hi"},
			`{"event":"new_message","chat_id":9007199254740993,"visitor":{"id":"v9007199254740993","fields":{"name":"Ada"}},"message":{"id":"m1","kind":"visitor","text":"hi"}}`,
		},
		"button": {
			&message{ID: "m2", Text: "Yes", pressed: &button{"y", "Yes"}},
			`{"event":"new_message","chat_id":9007199254740993,"visitor":{"id":"v9007199254740993","fields":{"name":"Ada"}},"message":{"id":"m2","kind":"keyboard_response","data":{"button":{"id":"y","text":"Yes"}}}}`,
		},
	}
	for name, tt := range tests {
		if got := string(webhookBody(c, tt.message)); got != tt.want {
			t.Errorf("%s:\n%s\nwant\n%s", name, got, tt.want)
		}
	}
}

// TestPostUntilAnswered: a message is posted until the gateway has it, and the
// next one waits for its turn.
func TestPostUntilAnswered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := testShop()
		ctx, cancel := context.WithCancel(t.Context())
		answers := []struct {
			status int
			err    error
		}{{0, errors.New("refused")}, {500, nil}, {200, nil}, {400, nil}}
		var posted []string
		post := func(_ context.Context, body []byte) (int, error) {
			var in struct {
				Message struct{ Text string }
			}
			if err := json.Unmarshal(body, &in); err != nil {
				t.Error(err)
			}
			posted = append(posted, in.Message.Text)
			a := answers[len(posted)-1]
			return a.status, a.err
		}
		done := make(chan struct{})
		go func() { s.run(ctx, post); close(done) }()
		s.mu.Lock()
		c := s.addChat(0, "Ada")
		s.mu.Unlock()
		first, second := &message{ID: "1", Text: "one"}, &message{ID: "2", Text: "two"}
		c.outbox <- first
		c.outbox <- second
		synctest.Wait()
		states := func() string {
			s.mu.Lock()
			defer s.mu.Unlock()
			return first.State + " " + second.State
		}
		if got, want := states(), "waiting "; got != want {
			t.Errorf("at first the states are %q, want %q", got, want)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if got, want := strings.Join(posted, " "), "one one one two"; got != want {
			t.Errorf("posted %q, want %q", got, want)
		}
		if got, want := states(), "taken refused"; got != want {
			t.Errorf("in the end the states are %q, want %q", got, want)
		}
		cancel()
		<-done
	})
}

func TestWatchers(t *testing.T) {
	s := testShop()
	events, cancel := s.watch()
	defer cancel()
	if got := string(<-events); !strings.HasPrefix(got, "event: state\ndata: {\"chats\":[]") {
		t.Errorf("first event %q, want the state", got)
	}
	s.mu.Lock()
	for range cap(events) + 1 { // one more than it can hold
		s.publish("offline", true)
	}
	s.mu.Unlock()
	n := 0
	for range events { // ends, because the watcher was dropped
		n++
	}
	if n != cap(events) {
		t.Errorf("%d events before the end, want %d", n, cap(events))
	}
}

func TestPageIsGuarded(t *testing.T) {
	handler := testShop().handler("secret")
	w := do(t, handler, "GET", "/", "")
	if w.Code != http.StatusOK || !strings.Contains(w.Body.String(), "Demonstration network") {
		t.Errorf("page: status %d, body %.60q", w.Code, w.Body.String())
	}
	if got := w.Header().Get("Content-Security-Policy"); !strings.HasPrefix(got, "default-src 'none'") {
		t.Errorf("policy %q", got)
	}
	w = do(t, handler, "POST", "/chats", `{}`, "Sec-Fetch-Site", "cross-site")
	if w.Code != http.StatusForbidden {
		t.Errorf("a foreign page's call: status %d, want 403", w.Code)
	}
	w = do(t, handler, "POST", "/chats", `{"name": "Ada"}`, "Sec-Fetch-Site", "same-origin")
	if w.Code != http.StatusCreated {
		t.Errorf("our page's call: status %d, want 201", w.Code)
	}
}

func TestTooManyChats(t *testing.T) {
	s := testShop()
	for range maxChats {
		s.addChat(0, "")
	}
	if w := do(t, s.handler("secret"), "POST", "/chats", `{}`); w.Code != http.StatusConflict {
		t.Errorf("status = %d, want 409", w.Code)
	}
	if !s.take(1, &message{ID: "m"}) {
		t.Error("an answer for a chat without a place must not come again for ever")
	}
}

func TestTruncate(t *testing.T) {
	for _, tt := range []struct {
		in   string
		n    int
		want string
	}{{"abc", 3, "abc"}, {"abc", 2, "ab"}, {"äöü", 2, "äö"}, {"", 1, ""}} {
		if got := truncate(tt.in, tt.n); got != tt.want {
			t.Errorf("truncate(%q, %d) = %q, want %q", tt.in, tt.n, got, tt.want)
		}
	}
}
