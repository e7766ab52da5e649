package refcore

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/uuid"

	"servicelink/simprot"
)

// site is a console under test: call makes requests as a program does.
type site struct {
	*testing.T
	core    *Core
	handler http.Handler
}

func newSite(t *testing.T, o Options) *site {
	t.Helper()
	core := New(o)
	t.Cleanup(func() {
		if err := core.Close(); err != nil {
			t.Error(err)
		}
	})
	return &site{T: t, core: core, handler: core.Console()}
}

// call returns the status and, when out is given, decodes the answer into it.
func (s *site) call(method, path, body string, out any) int {
	s.Helper()
	return s.callWith(nil, method, path, body, out)
}

func (s *site) callWith(headers map[string]string, method, path, body string, out any) int {
	s.Helper()
	r := httptest.NewRequestWithContext(s.Context(), method, "http://127.0.0.1:18380"+path, strings.NewReader(body))
	if method == http.MethodPost {
		r.Header.Set("Content-Type", "application/json")
	}
	for name, value := range headers {
		r.Header.Set(name, value)
	}
	if host := headers["Host"]; host != "" {
		r.Host = host
	}
	w := httptest.NewRecorder()
	s.handler.ServeHTTP(w, r)
	if out != nil {
		if err := json.Unmarshal(w.Body.Bytes(), out); err != nil {
			s.Fatalf("%s %s: %v in %q", method, path, err, w.Body)
		}
	}
	return w.Code
}

// chatWith opens a chat from the agent's side and says something in it.
func (s *site) chatWith(text string) uuid.UUID {
	s.Helper()
	id, err := s.core.Begin(testAddress, "Jana <b>")
	if err != nil {
		s.Fatal(err)
	}
	if text != "" {
		if _, err := s.core.Say(id, text); err != nil {
			s.Fatal(err)
		}
	}
	return id
}

func TestPageAndItsFiles(t *testing.T) {
	s := newSite(t, Options{Peer: `@"><script>`})
	for path, want := range map[string]string{
		"/": "text/html", "/console.js": "text/javascript", "/console.css": "text/css", "/icon.svg": "image/svg+xml",
		"/messages": "text/html", "/messages.js": "text/javascript", "/messages.css": "text/css",
	} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "http://localhost"+path, nil)
		w := httptest.NewRecorder()
		s.handler.ServeHTTP(w, r)
		if w.Code != http.StatusOK || !strings.HasPrefix(w.Header().Get("Content-Type"), want) {
			t.Errorf("%s: %d %s", path, w.Code, w.Header().Get("Content-Type"))
		}
		csp := w.Header().Get("Content-Security-Policy")
		if !strings.Contains(csp, "default-src 'none'") || strings.Contains(csp, "unsafe") {
			t.Errorf("%s: policy %q", path, csp)
		}
		if strings.Contains(w.Body.String(), `"><script>`) {
			t.Errorf("%s: not escaped", path)
		}
		for _, foreign := range []string{"innerHTML", "insertAdjacentHTML", "//cdn", "https://", " style=", " onclick="} {
			if strings.Contains(w.Body.String(), foreign) {
				t.Errorf("%s holds %q", path, foreign)
			}
		}
	}
}

func TestForeignPagesAreRefused(t *testing.T) {
	s := newSite(t, Options{ConsoleHosts: []string{"core.test"}})
	for _, tt := range []struct {
		name    string
		headers map[string]string
		want    int
	}{
		{"a program", nil, 200},
		{"the console", map[string]string{"Origin": "http://127.0.0.1:18380", "Sec-Fetch-Site": "same-origin"}, 200},
		{"another page", map[string]string{"Sec-Fetch-Site": "cross-site"}, 403},
		{"another page, older browser", map[string]string{"Origin": "http://evil.test"}, 403},
		{"another port of this machine", map[string]string{"Origin": "http://127.0.0.1:9999"}, 403},
		{"a form", map[string]string{"Content-Type": "text/plain"}, 415},
		{"another name for this machine", map[string]string{"Host": "evil.test"}, 403},
		{"a configured name", map[string]string{"Host": "core.test:18380"}, 200},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := s.callWith(tt.headers, "POST", "/api/drop", "{}", nil); got != tt.want {
				t.Errorf("status %d, want %d", got, tt.want)
			}
		})
	}
	if got := s.callWith(map[string]string{"Host": "evil.test"}, "GET", "/api/chats", "", nil); got != 403 {
		t.Errorf("reading by another name: status %d", got)
	}
}

func TestBadRequests(t *testing.T) {
	s := newSite(t, Options{Peer: testPeer})
	open := s.chatWith("")
	closed, err := s.core.Begin(Address{testPeer, testPort, "closed"}, "")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.core.CloseChat(closed); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		method, path, body string
		want               int
	}{
		{"POST", "/api/say", `{`, 400},
		{"POST", "/api/say", `{"colour":"red"}`, 400},
		{"POST", "/api/say", `{"text":"x"}`, 400},
		{"POST", "/api/say", `{"port":"shop","tracking_id":"nobody","text":"x"}`, 404},
		{"POST", "/api/say", fmt.Sprintf(`{"chat":%q,"text":"x"}{}`, open), 400},
		{"POST", "/api/say", fmt.Sprintf(`{"chat":%q,"text":%q}`, open, strings.Repeat("x", maxBody)), 400},
		{"POST", "/api/say", fmt.Sprintf(`{"chat":%q,"text":"x"}`, closed), 409},
		{"POST", "/api/typing", fmt.Sprintf(`{"chat":%q,"on":true}`, closed), 409},
		{"POST", "/api/close", fmt.Sprintf(`{"chat":%q}`, uuid.New()), 404},
		{"POST", "/api/signal", `{"signal":"Perhaps"}`, 400},
		{"POST", "/api/fault", `{"kind":"explode"}`, 400},
		{"GET", "/api/chats/7", "", 400},
		{"GET", "/api/chats/" + open.String() + "?last=x", "", 400},
		{"GET", "/api/chats/" + uuid.NewString(), "", 404},
		{"GET", "/api/say", "", 405},
		{"GET", "/nothing", "", 404},
	} {
		if got := s.call(tt.method, tt.path, tt.body, nil); got != tt.want {
			t.Errorf("%s %s %.60s: status %d, want %d", tt.method, tt.path, tt.body, got, tt.want)
		}
	}
}

func TestSayByConversation(t *testing.T) {
	s := newSite(t, Options{Peer: testPeer})
	const to = `"port":"shop","tracking_id":"77|omnichannel"`
	if got := s.call("POST", "/api/say", `{`+to+`,"text":"first","open":true,"id":"own"}`, nil); got != 200 {
		t.Fatalf("status %d", got)
	}
	var said struct{ ID, Chat string }
	if got := s.call("POST", "/api/say", `{`+to+`,"text":"second"}`, &said); got != 200 {
		t.Fatalf("status %d", got)
	}
	var chat chatView
	if got := s.call("GET", "/api/chats/"+said.Chat+"?last=5", "", &chat); got != 200 {
		t.Fatalf("status %d", got)
	}
	if len(chat.Sentences) != 2 || chat.Sentences[0].ID != "own" || chat.Sentences[1].ID != said.ID || chat.Unconfirmed != 2 {
		t.Errorf("%+v", chat)
	}
	if got := s.call("POST", "/api/close", `{`+to+`}`, nil); got != 200 {
		t.Errorf("close: status %d", got)
	}
	var list []summary
	s.call("GET", "/api/chats", "", &list)
	if len(list) != 1 || !list[0].Closed || list[0].Last.Text != "second" {
		t.Errorf("%+v", list)
	}
}

func TestSentencesForCounting(t *testing.T) {
	s := newSite(t, Options{Peer: testPeer})
	s.chatWith("a")
	var got []placedSentence
	s.call("GET", "/api/sentences?port=shop", "", &got)
	if len(got) != 1 || !got[0].Outbound || got[0].Confirmed || got[0].TrackingID != testChat || got[0].Counter != 1 {
		t.Errorf("%+v", got)
	}
	for path, want := range map[string]int{"/api/sentences": 1, "/api/sentences?port=other": 0} {
		s.call("GET", path, "", &got)
		if len(got) != want {
			t.Errorf("%s: %d, want %d", path, len(got), want)
		}
	}
}

func TestSignalAndFaultsOverHTTP(t *testing.T) {
	s := newSite(t, Options{Peer: testPeer, Ports: []string{testPort}})
	var signal signalView
	s.call("POST", "/api/signal", `{"port":"shop","signal":"Closed"}`, &signal)
	if signal.Signal != simprot.SignalFree || signal.Ports["shop"] != simprot.SignalClosed {
		t.Errorf("%+v", signal)
	}
	for _, body := range []string{
		`{"kind":"late","code":"ES_CHAT_SENTENCE","delay_ms":25000,"count":2}`,
		`{"kind":"drop","probability":0.01,"count":-1}`,
	} {
		if got := s.call("POST", "/api/fault", body, nil); got != 200 {
			t.Errorf("%s: status %d", body, got)
		}
	}
	var faults []faultView
	s.call("GET", "/api/faults", "", &faults)
	if len(faults) != 2 || faults[0].DelayMs != 25000 || faults[0].Count != 2 || faults[1].Probability != 0.01 {
		t.Errorf("%+v", faults)
	}
	s.call("POST", "/api/faults/clear", `{}`, nil)
	s.call("GET", "/api/faults", "", &faults)
	if len(faults) != 0 {
		t.Errorf("%+v", faults)
	}
	s.chatWith("a")
	s.call("POST", "/api/restart", `{"keep_data":false}`, nil)
	var list []summary
	s.call("GET", "/api/chats", "", &list)
	if len(list) != 0 {
		t.Errorf("after a restart without data: %+v", list)
	}
}

// TestStream: the first event holds everything, the next ones what changed,
// and Close ends the stream.
func TestStream(t *testing.T) {
	s := newSite(t, Options{Peer: testPeer})
	chat := s.chatWith("one")
	server := httptest.NewServer(s.handler)
	defer server.Close()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+"/events", nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := server.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	lines := bufio.NewScanner(answer.Body)
	next := func() (u update) {
		for lines.Scan() {
			if data, ok := strings.CutPrefix(lines.Text(), "data: "); ok {
				if err := json.Unmarshal([]byte(data), &u); err != nil {
					t.Fatal(err)
				}
				return u
			}
		}
		t.Fatalf("the stream ended: %v", lines.Err())
		return u
	}
	if u := next(); !u.All || len(u.Chats) != 1 || u.Chats[0].Last.Text != "one" {
		t.Fatalf("first %+v", u)
	}
	if _, err := s.core.Say(chat, "two"); err != nil {
		t.Fatal(err)
	}
	if u := next(); u.All || len(u.Chats) != 1 || u.Chats[0].Last.Text != "two" {
		t.Fatalf("then %+v", u)
	}
	if err := s.core.Restart(false); err != nil {
		t.Fatal(err)
	}
	if u := next(); !u.All || len(u.Chats) != 0 {
		t.Fatalf("after the data was forgotten %+v", u)
	}
	if err := s.core.Close(); err != nil {
		t.Fatal(err)
	}
	for lines.Scan() {
		if lines.Text() != "" { // the blank line behind the last event
			t.Errorf("after the end: %q", lines.Text())
		}
	}
}

// TestSlowListenersAreNotWaitedFor: a subscriber that does not read learns
// that it lost something.
func TestSlowListenersAreNotWaitedFor(t *testing.T) {
	s := newSite(t, Options{Peer: testPeer})
	sub := s.core.Subscribe(1)
	defer sub.Cancel()
	for range 3 {
		s.chatWith("x")
	}
	if !sub.Lost() || sub.Lost() {
		t.Error("the loss is told once")
	}
	if e := <-sub.C; e.Kind != EventChat {
		t.Errorf("first event %+v", e)
	}
}
