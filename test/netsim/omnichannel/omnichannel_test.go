package omnichannel

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"servicelink/test/netsim/control"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	secret   = "s3cret"
	customer = "9007199254740993" // the chat of most tests, more than 2^53
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// gateway takes webhook calls and answers as it is told to.
type gateway struct {
	mu      sync.Mutex
	bodies  []string
	answers []int // then 200
	server  *httptest.Server
}

func newGateway(t *testing.T, answers ...int) *gateway {
	t.Helper()
	g := &gateway{answers: answers}
	g.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		g.mu.Lock()
		defer g.mu.Unlock()
		g.bodies = append(g.bodies, string(body))
		if len(g.answers) > 0 {
			w.WriteHeader(g.answers[0])
			g.answers = g.answers[1:]
		}
	}))
	t.Cleanup(g.server.Close)
	return g
}

func (g *gateway) got() []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return append([]string{}, g.bodies...)
}

// newNetwork makes a network with the account "shop".
func newNetwork(t *testing.T, webhook string) *Network {
	t.Helper()
	n := New(Options{Seed: 1, BaseURL: func() string { return "http://sim" }, Retry: time.Millisecond})
	t.Cleanup(n.Close)
	must(t, n.AddAccount(Account{Account: "shop", Webhook: webhook, Token: secret}))
	return n
}

// when waits until the conversation is as it is meant to be.
func when(t *testing.T, n *Network, meant func(control.Conversation) bool) control.Conversation {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for version := int64(-1); ; {
		c, err := n.Chat(ctx, "shop", customer, version)
		must(t, err)
		if meant(c) {
			return c
		}
		if ctx.Err() != nil {
			t.Fatalf("the conversation stays %+v", c)
		}
		version = c.Version
	}
}

func allIn(state string) func(control.Conversation) bool {
	return func(c control.Conversation) bool {
		for _, m := range c.Messages {
			if m.From == control.FromCustomer && m.State != state {
				return false
			}
		}
		return true
	}
}

func act(t *testing.T, n *Network, a control.Action) control.ID {
	t.Helper()
	a.Chat = customer
	a.User = control.User{ID: "v1", FirstName: "Ann", LastName: "Lee", Username: "ann", Phone: "+1", Email: "a@b.c"}
	id, err := n.Act("shop", a)
	must(t, err)
	return id
}

func post(t *testing.T, n *Network, path, auth, body string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, path, strings.NewReader(body))
	r.Header.Set("Authorization", auth)
	w := httptest.NewRecorder()
	n.API().ServeHTTP(w, r)
	return w
}

func TestSendMessage(t *testing.T) {
	const good = `{"chat_id":9007199254740993,"message":{"id":"a1","kind":"operator","text":"hi","data":{"buttons":[{"id":"y","text":"Yes"}]}}}`
	for name, tc := range map[string]struct {
		path, auth, body string
		status           int
	}{
		"good":          {"/shop/send_message", "Token " + secret, good, 200},
		"wrong token":   {"/shop/send_message", "Token x", good, 401},
		"no token":      {"/shop/send_message", "", good, 401},
		"nobody":        {"/other/send_message", "Token " + secret, good, 404},
		"other method":  {"/shop/read_message", "Token " + secret, good, 404},
		"cut":           {"/shop/send_message", "Token " + secret, good[:40], 400},
		"no id":         {"/shop/send_message", "Token " + secret, `{"chat_id":1,"message":{"text":"x"}}`, 400},
		"no text":       {"/shop/send_message", "Token " + secret, `{"chat_id":1,"message":{"id":"x"}}`, 400},
		"no chat":       {"/shop/send_message", "Token " + secret, `{"message":{"id":"x","text":"x"}}`, 400},
		"chat no whole": {"/shop/send_message", "Token " + secret, `{"chat_id":1.5,"message":{"id":"x","text":"x"}}`, 400},
		"too large":     {"/shop/send_message", "Token " + secret, `{"x":"` + strings.Repeat("x", maxBody) + `"}`, 400},
	} {
		t.Run(name, func(t *testing.T) {
			n := newNetwork(t, "")
			if w := post(t, n, tc.path, tc.auth, tc.body); w.Code != tc.status {
				t.Fatalf("%d %s", w.Code, w.Body)
			}
			post(t, n, tc.path, tc.auth, tc.body)
			c, err := n.Chat(t.Context(), "shop", "9007199254740993", -1)
			must(t, err)
			if tc.status != 200 {
				if len(c.Messages) != 0 {
					t.Errorf("shown %+v", c.Messages)
				}
				return
			}
			want := control.Button{Text: "Yes", Data: "y"}
			if len(c.Messages) != 1 || c.Messages[0].Copies != 2 || c.Messages[0].Buttons[0][0] != want {
				t.Errorf("shown %+v", c.Messages)
			}
			if asked := n.Requests(control.Filter{}); len(asked) != 2 || asked[0].Status != 200 || asked[0].Params["chat_id"] != "9007199254740993" || asked[0].Body != tc.body {
				t.Errorf("recorded %+v", asked)
			}
		})
	}
}

func TestFaults(t *testing.T) {
	n := newNetwork(t, "")
	const body = `{"chat_id":1,"message":{"id":"a","text":"x"}}`
	for kind, want := range map[control.Kind]int{
		control.Rate: 429, control.Server: 500, control.HTML: 502, control.Unauthorized: 401, control.Conflict: 409, control.Blocked: 403,
	} {
		must(t, n.Fault(control.Fault{Kind: kind, Method: "send_message", Times: 1, RetryAfter: 5}))
		w := post(t, n, "/shop/send_message", "Token "+secret, body)
		if w.Code != want || (w.Header().Get("Retry-After") == "5") != (kind == control.Rate) {
			t.Errorf("%s: %d %v", kind, w.Code, w.Header())
		}
	}
	if c, _ := n.Chat(t.Context(), "shop", "1", -1); len(c.Messages) != 0 {
		t.Errorf("shown %+v", c.Messages)
	}
}

func TestActs(t *testing.T) {
	g := newGateway(t)
	n := newNetwork(t, g.server.URL)
	post(t, n, "/shop/send_message", "Token "+secret,
		`{"chat_id":9007199254740993,"message":{"id":"a1","text":"choose","data":{"buttons":[{"id":"y","text":"Yes"}]}}}`)
	text := act(t, n, control.Action{Do: "text", Text: " hé😀 "})
	act(t, n, control.Action{Do: "photo", Caption: "see", File: &control.File{Name: "a b.png", Data: []byte("\x89PNG\r\n\x1a\n")}})
	act(t, n, control.Action{Do: "press", Data: "y"})
	c := when(t, n, func(c control.Conversation) bool { return len(c.Messages) == 4 && allIn(control.StateTaken)(c) })
	if c.Messages[1].Text != "hé😀" || c.Messages[2].File.Type != "image/png" || c.Messages[3].Text != "Yes" || c.Messages[3].ReplyTo != "a1" {
		t.Errorf("the customer sees %+v", c.Messages)
	}
	start := `{"event":"new_message","chat_id":9007199254740993,"visitor":{"id":"v1","fields":{"email":"a@b.c","login":"ann","name":"Ann Lee","phone":"+1"}},"message":{"id":"`
	got := g.got()
	for i, want := range []string{
		start + string(text) + `","kind":"visitor","text":"hé😀"}}`,
		`"kind":"file_visitor","text":"see","data":{"id":"fm`,
		`"kind":"keyboard_response","data":{"button":{"id":"y","text":"Yes"}}}}`,
	} {
		if i >= len(got) || !strings.HasPrefix(got[i], start) || !strings.Contains(got[i], want) {
			t.Errorf("call %d lacks %s:\n%v", i, want, got)
		}
	}
	var file struct {
		Message struct {
			Data struct {
				State, Name, URL string
				Type             string `json:"content_type"`
				Size             int64
			}
		}
	}
	must(t, json.Unmarshal([]byte(got[1]), &file))
	d := file.Message.Data
	if d.State != "ready" || d.Name != "a b.png" || d.Type != "image/png" || d.Size != 8 || !strings.HasSuffix(d.URL, "/a%20b.png") {
		t.Fatalf("file %+v", d)
	}
	for header, want := range map[string]string{"": "200 8", "bytes=0-3": "206 4"} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, strings.TrimPrefix(d.URL, "http://sim/omnichannel"), nil)
		r.Header.Set("Range", header)
		w := httptest.NewRecorder()
		n.API().ServeHTTP(w, r)
		if got := fmt.Sprint(w.Code, w.Body.Len()); got != want {
			t.Errorf("range %q: %s", header, got)
		}
	}
	id := c.Messages[2].File.URL[strings.LastIndexByte(c.Messages[2].File.URL, '/')+1:]
	if f, err := n.File("shop", id); err != nil || len(f.Data) != 8 {
		t.Errorf("the page gets %+v, %v", f, err)
	}
}

func TestRefusedActs(t *testing.T) {
	n := newNetwork(t, "")
	for name, a := range map[string]control.Action{
		"unknown":      {Do: "react", Chat: "1"},
		"no chat":      {Do: "text", Text: "x"},
		"chat no text": {Do: "text", Text: "x", Chat: "abc"},
		"no text":      {Do: "text", Chat: "1"},
		"no file":      {Do: "photo", Chat: "1"},
		"no button":    {Do: "press", Chat: "1", Data: "x"},
	} {
		if _, err := n.Act("shop", a); !errors.Is(err, control.ErrAction) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, a := range []Account{{Account: ""}, {Account: "a/b"}, {Account: "a", Webhook: "ftp://x"}, {Account: "a", Webhook: "http:///x"}} {
		if n.AddAccount(a) == nil {
			t.Errorf("%+v is taken", a)
		}
	}
	for _, raw := range []string{"", "{", `{"retry_seconds":0}`} {
		if n.Set([]byte(raw)) == nil {
			t.Errorf("settings %q are taken", raw)
		}
	}
	if _, err := n.Act("other", control.Action{Do: "text", Chat: "1", Text: "x"}); !errors.Is(err, control.ErrUnknownAccount) {
		t.Errorf("unknown account: %v", err)
	}
}

// TestRetry: until it is answered for good; the next waits for its turn.
func TestRetry(t *testing.T) {
	g := newGateway(t, 503, 500, 200, 400)
	n := newNetwork(t, g.server.URL)
	first := act(t, n, control.Action{Do: "text", Text: "one"})
	second := act(t, n, control.Action{Do: "text", Text: "two"})
	c := when(t, n, func(c control.Conversation) bool { return c.Messages[1].State == control.StateRefused })
	if c.Messages[0].State != control.StateTaken || !strings.Contains(c.Messages[1].Detail, "400") {
		t.Errorf("seen %+v", c.Messages)
	}
	got := strings.Join(g.got(), "\n")
	if strings.Count(got, string(first)) != 3 || strings.Count(got, string(second)) != 1 || strings.Index(got, string(second)) < strings.LastIndex(got, string(first)) {
		t.Errorf("posted\n%s", got)
	}
}

// TestAway: nothing is lost while the gateway, or the network itself, is away.
func TestAway(t *testing.T) {
	g := newGateway(t)
	n := newNetwork(t, "http://127.0.0.1:1")
	act(t, n, control.Action{Do: "text", Text: "one"})
	when(t, n, allIn(control.StateWaiting))
	must(t, n.Fault(control.Fault{Kind: control.Outage, Account: "shop"}))
	must(t, n.AddAccount(Account{Account: "shop", Webhook: g.server.URL, Token: secret}))
	before := when(t, n, allIn(control.StateWaiting)).Version
	when(t, n, func(c control.Conversation) bool { return c.Version > before+5 })
	if got := g.got(); len(got) != 0 {
		t.Errorf("posted during the outage: %v", got)
	}
	n.Clear()
	when(t, n, allIn(control.StateTaken))
	if got := g.got(); len(got) != 1 {
		t.Errorf("posted %v", got)
	}
}

func TestDuplicateAndReorder(t *testing.T) {
	g := newGateway(t)
	n := newNetwork(t, g.server.URL)
	must(t, n.Fault(control.Fault{Kind: control.Duplicate, Times: 1}))
	act(t, n, control.Action{Do: "text", Text: "one"})
	when(t, n, allIn(control.StateTaken))
	must(t, n.Fault(control.Fault{Kind: control.Reorder, Times: 1}))
	act(t, n, control.Action{Do: "text", Text: "two"})
	act(t, n, control.Action{Do: "text", Text: "three"})
	when(t, n, func(c control.Conversation) bool { return len(c.Messages) == 3 && allIn(control.StateTaken)(c) })
	got := g.got()
	order := ""
	for _, body := range got {
		for _, word := range []string{"one", "two", "three"} {
			if strings.Contains(body, `"`+word+`"`) {
				order += word + " "
			}
		}
	}
	if order != "one one three two " {
		t.Errorf("posted %s", order)
	}
}

func TestInject(t *testing.T) {
	g := newGateway(t, 500)
	n := newNetwork(t, g.server.URL)
	must(t, n.Inject("shop", []byte(`{"odd":`)))
	must(t, n.Inject("shop", []byte(`{"chat_id":5,"event":"other"}`)))
	act(t, n, control.Action{Do: "text", Text: "one"})
	when(t, n, allIn(control.StateTaken))
	n.calls.Wait()
	got := strings.Join(g.got(), "\n")
	if !strings.Contains(got, `{"odd":`) || !strings.Contains(got, `"event":"other"`) {
		t.Errorf("posted\n%s", got)
	}
	if n.Inject("other", nil) == nil {
		t.Error("an unknown account takes it")
	}
}

func FuzzSendMessage(f *testing.F) {
	f.Add(`{"chat_id":1,"message":{"id":"a","kind":"operator","text":"x","data":{"buttons":[{"id":"y","text":"Y"}]}}}`)
	n := New(Options{})
	f.Cleanup(n.Close)
	if err := n.AddAccount(Account{Account: "shop"}); err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, body string) {
		w := post(t, n, "/shop/send_message", "", body)
		if !json.Valid(w.Body.Bytes()) || w.Code != 200 && w.Code != 400 && w.Code != 507 {
			t.Fatalf("%d %q", w.Code, w.Body)
		}
	})
}
