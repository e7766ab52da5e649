package twilio

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"servicelink/test/netsim/control"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// The Twilio account of the tests, and two senders of it.
const (
	ac    = "AC00000000000000000000000000000001"
	token = "0123456789abcdef0123456789abcdef"
	key   = "SK00000000000000000000000000000001"
	mg    = "MG00000000000000000000000000000001"
	ours  = "+420800123456"
	ann   = "+420601234567" // the customer of most tests
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// hooked is a webhook call as the gateway saw it.
type hooked struct {
	method, url string
	header      http.Header
	form        url.Values
}

// gateway takes webhooks and answers as it is told to.
type gateway struct {
	mu     sync.Mutex
	calls  []hooked
	answer func(w http.ResponseWriter, call int) // nil = an empty Response
	server *httptest.Server
	more   chan struct{}
}

func newGateway(t *testing.T) *gateway {
	t.Helper()
	g := &gateway{more: make(chan struct{}, 1000)}
	g.server = httptest.NewServer(g)
	t.Cleanup(g.server.Close)
	return g
}

func (g *gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	form, _ := url.ParseQuery(string(body))
	g.mu.Lock()
	g.calls = append(g.calls, hooked{r.Method, "http://" + r.Host + r.URL.String(), r.Header, form})
	n, answer := len(g.calls), g.answer
	g.mu.Unlock()
	g.more <- struct{}{}
	if answer != nil {
		answer(w, n)
		return
	}
	w.Header().Set("Content-Type", "text/xml")
	_, _ = io.WriteString(w, "<Response/>")
}

// got waits until n calls came and gives them all.
func (g *gateway) got(t *testing.T, n int) []hooked {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for {
		g.mu.Lock()
		calls := append([]hooked{}, g.calls...)
		g.mu.Unlock()
		if len(calls) >= n {
			return calls
		}
		select {
		case <-g.more:
		case <-ctx.Done():
			t.Fatalf("%d calls came, want %d", len(calls), n)
		}
	}
}

// newServer makes a Twilio whose two networks have the sender ours.
func newServer(t *testing.T, g *gateway) *Server {
	t.Helper()
	s := New(Options{Seed: 1, Retry: time.Millisecond, BaseURL: func() string { return "http://127.0.0.1:7/twilio" }})
	t.Cleanup(s.Close)
	for _, n := range []*Network{s.WhatsApp(), s.SMS()} {
		a := Account{Account: ours, AccountSID: ac, AuthToken: token, APIKey: key, APISecret: "secret"}
		if g != nil {
			a.MessageURL = g.server.URL + "/" + n.channel + "/message"
		}
		must(t, n.AddAccount(a))
		next := n.Settings()
		next.StatusSeconds = 0
		must(t, n.SetSettings(next))
	}
	return s
}

// answer is an answer of the API.
type answer struct {
	Status int
	Header http.Header
	Body   string
	JSON   map[string]any
}

// ask makes a request with the account's credentials; params are pairs.
func ask(t *testing.T, s *Server, method, path string, params ...string) answer {
	t.Helper()
	form := url.Values{}
	for i := 0; i < len(params); i += 2 {
		form.Add(params[i], params[i+1])
	}
	var r *http.Request
	if method == http.MethodGet {
		if len(form) > 0 {
			path += "?" + form.Encode()
		}
		r = httptest.NewRequestWithContext(t.Context(), method, path, nil)
	} else {
		r = httptest.NewRequestWithContext(t.Context(), method, path, strings.NewReader(form.Encode()))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	r.SetBasicAuth(ac, token)
	return serve(t, s, r)
}

func serve(t *testing.T, s *Server, r *http.Request) answer {
	t.Helper()
	w := httptest.NewRecorder()
	s.API().ServeHTTP(w, r)
	a := answer{Status: w.Code, Header: w.Header(), Body: w.Body.String()}
	if strings.HasPrefix(a.Header.Get("Content-Type"), "application/json") {
		must(t, json.Unmarshal(w.Body.Bytes(), &a.JSON))
	}
	return a
}

const messages = "/2010-04-01/Accounts/" + ac + "/Messages"

// send sends a message to ann; params are pairs.
func send(t *testing.T, n *Network, params ...string) answer {
	t.Helper()
	return ask(t, n.server, "POST", messages+".json", append([]string{"To", n.prefix() + ann, "From", n.prefix() + ours}, params...)...)
}

func act(t *testing.T, n *Network, a control.Action) control.ID {
	t.Helper()
	if a.Chat == "" {
		a.Chat = ann
	}
	a.User.FirstName, a.User.LastName = "Ann", "Lee"
	id, err := n.Act(ours, a)
	must(t, err)
	return id
}

// when waits until the conversation with ann is as it is meant to be.
func when(t *testing.T, n *Network, meant func([]control.Message) bool) []control.Message {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for version := int64(-1); ; {
		c, err := n.Chat(ctx, ours, ann, version)
		must(t, err)
		if meant(c.Messages) {
			return c.Messages
		}
		if ctx.Err() != nil {
			t.Fatalf("the conversation stays %+v", c)
		}
		version = c.Version
	}
}

// lastIn is when the latest message is in a state.
func lastIn(state string) func([]control.Message) bool {
	return func(list []control.Message) bool { return len(list) > 0 && list[len(list)-1].State == state }
}

// TestBothWays: a customer's text comes signed, an answer goes out, and its
// statuses come back.
func TestBothWays(t *testing.T) {
	g := newGateway(t)
	s := newServer(t, g)
	id := act(t, s.WhatsApp(), control.Action{Do: "text", Text: "hello & žluťoučký 🐎"})
	call := g.got(t, 1)[0]
	for name, want := range map[string]string{
		"MessageSid": string(id), "From": "whatsapp:" + ann, "To": "whatsapp:" + ours, "Body": "hello & žluťoučký 🐎", "ProfileName": "Ann Lee",
		"WaId": ann[1:], "NumMedia": "0", "MessageType": "text", "AccountSid": ac, "SmsStatus": "received",
	} {
		if got := call.form.Get(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	if got, want := call.header.Get("X-Twilio-Signature"), Signature(token, call.url, call.form); got != want {
		t.Errorf("signed %s, want %s", got, want)
	}
	a := send(t, s.WhatsApp(), "Body", "good day", "StatusCallback", g.server.URL+"/status?ref=a%27b")
	if a.Status != 201 || a.JSON["status"] != "queued" || a.JSON["num_segments"] != "1" || a.JSON["error_code"] != nil {
		t.Fatalf("%d %s", a.Status, a.Body)
	}
	var statuses []string
	for _, call := range g.got(t, 4)[1:] {
		statuses = append(statuses, call.form.Get("MessageStatus"))
		if call.form.Get("MessageSid") != a.JSON["sid"] || !strings.HasSuffix(call.url, "/status?ref=a%27b") ||
			call.header.Get("X-Twilio-Signature") != Signature(token, call.url, call.form) {
			t.Errorf("call %+v", call)
		}
	}
	if got := strings.Join(statuses, " "); got != "sent delivered read" {
		t.Errorf("statuses %s", got)
	}
	s.WhatsApp().messages.Wait()
	list := when(t, s.WhatsApp(), lastIn("read"))
	if len(list) != 2 || list[0].State != control.StateTaken || list[1].Text != "good day" {
		t.Errorf("shown %+v", list)
	}
	got := ask(t, s, "GET", messages+".json", "To", "whatsapp:"+ours, "DateSent>", time.Now().Add(-time.Hour).UTC().Format(time.RFC3339))
	if !strings.Contains(got.Body, string(id)) || strings.Contains(got.Body, a.JSON["sid"].(string)) {
		t.Errorf("list %s", got.Body)
	}
}
