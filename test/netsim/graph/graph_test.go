package graph

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"servicelink/test/netsim/control"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// The page of most tests, its app, and its customer.
const (
	shop      = "100200300400500"
	other     = "100200300400501" // another page of the same app
	appID     = "777000111222333"
	secret    = "0123456789abcdef0123456789abcdef"
	pageToken = "EAApagetoken"
	appToken  = appID + "|" + secret
	ann       = "24680135792468"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// site is a Graph API, and the gateway that is its app's callback, in memory.
type site struct {
	*Server
	t      *testing.T
	bubble bool // it is in the time of testing/synctest

	mu     sync.Mutex
	posts  []posted
	status func(post int) int // what the gateway answers; nil = 200, 0 = nothing
	shakes func(r *http.Request) (int, string)
}

// posted is one post to the gateway.
type posted struct {
	number int // from 1
	header http.Header
	raw    string
	body   hookBody
	at     time.Time
}

type hookBody struct {
	Object string
	Entry  []struct {
		ID        string
		Time      int64
		Messaging []item
		Standby   []item
		Changes   []json.RawMessage
	}
}

type item map[string]any

// in gives a member of a member.
func (i item) in(path ...string) any {
	var v any = map[string]any(i)
	for _, name := range path {
		m, _ := v.(map[string]any)
		v = m[name]
	}
	return v
}

// on runs fn with a Graph API that has the page shop, and one more of its app.
func on(t *testing.T, fn func(t *testing.T, s *site)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := &site{t: t, bubble: true}
		s.Server = New(Options{Seed: 1, Transport: s, BaseURL: func() string { return "http://sim/graph" }})
		defer s.Close()
		for account, token := range map[string]string{shop: pageToken, other: "EAAother"} {
			must(t, s.AddAccount(Account{
				Account: account, Token: token, AppID: appID, AppSecret: secret, VerifyToken: "v", CallbackURL: "http://gateway/hook",
			}))
		}
		fn(t, s)
	})
}

// RoundTrip is the gateway.
func (s *site) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Method == http.MethodGet {
		status, said := s.shakes(r)
		return &http.Response{StatusCode: status, Body: io.NopCloser(strings.NewReader(said)), Request: r}, nil
	}
	raw, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	p := posted{header: r.Header.Clone(), raw: string(raw), at: time.Now()}
	if err := json.Unmarshal(raw, &p.body); err != nil {
		s.t.Errorf("%s: %v", raw, err)
	}
	s.mu.Lock()
	p.number = len(s.posts) + 1
	s.posts = append(s.posts, p)
	n, answers := len(s.posts), s.status
	s.mu.Unlock()
	status := http.StatusOK
	if answers != nil {
		status = answers(n)
	}
	if status == 0 {
		<-r.Context().Done()
		return nil, r.Context().Err()
	}
	header := http.Header{}
	if status == http.StatusFound {
		header.Set("Location", "http://elsewhere/")
	}
	return &http.Response{StatusCode: status, Header: header, Body: io.NopCloser(strings.NewReader("EVENT_RECEIVED")), Request: r}, nil
}

// answers says what the gateway answers from now on.
func (s *site) answers(status func(post int) int) {
	synctest.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.status = status
}

// got gives the posts that came, once nothing more happens.
func (s *site) got() []posted {
	synctest.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]posted{}, s.posts...)
}

// items are those of messaging that came, of all posts.
func (s *site) items() (list []item) {
	for _, p := range s.got() {
		for _, e := range p.body.Entry {
			list = append(list, e.Messaging...)
		}
	}
	return list
}

// last is the latest item.
func (s *site) last() item {
	s.t.Helper()
	list := s.items()
	if len(list) == 0 {
		s.t.Fatal("nothing came")
	}
	return list[len(list)-1]
}

// act lets Ann do something, and what comes of it happen.
func (s *site) act(a control.Action) control.ID {
	s.t.Helper()
	if a.Chat == "" {
		a.Chat = ann
	}
	id, err := s.Act(shop, a)
	must(s.t, err)
	if s.bubble {
		synctest.Wait()
	}
	return id
}

// seen is the conversation with Ann.
func (s *site) seen() control.Conversation {
	s.t.Helper()
	c, err := s.Chat(s.t.Context(), shop, ann, -1)
	must(s.t, err)
	return c
}

// set changes settings.
func (s *site) set(json string) {
	s.t.Helper()
	must(s.t, s.Set([]byte(json)))
}

// do sends a request; body is JSON, unless it is a reader; header is pairs.
func (s *site) do(method, path string, body any, header ...string) *http.Response {
	s.t.Helper()
	reader, isReader := body.(io.Reader)
	if !isReader {
		raw := []byte(nil)
		if body != nil {
			raw = encode(body)
		}
		reader = bytes.NewReader(raw)
	}
	r := httptest.NewRequestWithContext(s.t.Context(), method, "http://sim"+path, reader)
	if !isReader && body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	s.API().ServeHTTP(w, r)
	return w.Result()
}

// ask is do with the page's token, and gives the answer.
func (s *site) ask(method, path string, body any, header ...string) (int, item) {
	s.t.Helper()
	if len(header) == 0 {
		header = []string{"Authorization", "Bearer " + pageToken}
	}
	answer := s.do(method, path, body, header...)
	defer answer.Body.Close()
	raw, err := io.ReadAll(answer.Body)
	must(s.t, err)
	var v item
	if err := json.Unmarshal(raw, &v); err != nil {
		s.t.Fatalf("%s %s: %d %q", method, path, answer.StatusCode, raw)
	}
	return answer.StatusCode, v
}

// wants fails unless a call is answered so: code and subcode of the error, 0 = success.
func (s *site) wants(code, subcode int, method, path string, body any, header ...string) item {
	s.t.Helper()
	status, v := s.ask(method, path, body, header...)
	got, _ := v.in("error", "code").(float64)
	sub, _ := v.in("error", "error_subcode").(float64)
	if int(got) != code || int(sub) != subcode || (status == http.StatusOK) != (code == 0) {
		s.t.Errorf("%s %s %s: %d %v, want %d/%d", method, path, encode(body), status, v, code, subcode)
	}
	return v
}

// j is an object of JSON.
type j = map[string]any

// toAnn is the body of a send to Ann.
func toAnn(m any) j { return j{"recipient": j{"id": ann}, "messaging_type": "RESPONSE", "message": m} }

const sendPath = "/v25.0/me/messages"

// send sends a message to Ann, and gives its mid.
func (s *site) send(m any) control.ID {
	s.t.Helper()
	mid, _ := s.wants(0, 0, "POST", sendPath, toAnn(m)).in("message_id").(string)
	return control.ID(mid)
}

// TestRound: a customer's message comes signed, an answer goes out, and what became of
// it comes back.
func TestRound(t *testing.T) {
	on(t, func(t *testing.T, s *site) {
		mid := s.act(control.Action{Do: "text", Text: "Größe 😀 a/b", User: control.User{FirstName: "Ann", LastName: "Lee"}})
		p := s.got()[0]
		if p.header.Get("X-Hub-Signature-256") != Signature(secret, []byte(p.raw)) || !strings.HasPrefix(p.header.Get("X-Hub-Signature"), "sha1=") {
			t.Errorf("signed %v", p.header)
		}
		if !strings.Contains(p.raw, `"Gr\u00f6\u00dfe \ud83d\ude00 a\/b"`) || p.header.Get("Content-Type") != "application/json" {
			t.Errorf("posted %s", p.raw)
		}
		in := s.last()
		if p.body.Object != "page" || p.body.Entry[0].ID != shop || in.in("sender", "id") != ann || in.in("recipient", "id") != shop ||
			in.in("message", "mid") != string(mid) || in.in("message", "text") != "Größe 😀 a/b" || in.in("timestamp") == nil {
			t.Errorf("came %v", in)
		}
		sent := s.send(j{"text": "Hi", "metadata": "sl1:7"})
		if got := s.items(); len(got) != 1 {
			t.Errorf("before anything was answered came %v", got[1:])
		}
		time.Sleep(time.Second)
		got := s.items()[1:]
		if len(got) != 3 {
			t.Fatalf("came %v", got)
		}
		echo, delivery, read := got[0], got[1], got[2]
		if echo.in("sender", "id") != shop || echo.in("recipient", "id") != ann || echo.in("message", "is_echo") != true ||
			echo.in("message", "mid") != string(sent) || echo.in("message", "metadata") != "sl1:7" || echo.in("message", "app_id") != 777000111222333.0 {
			t.Errorf("echo %v", echo)
		}
		if mids, _ := delivery.in("delivery", "mids").([]any); len(mids) != 1 || mids[0] != string(sent) {
			t.Errorf("delivery %v", delivery)
		}
		if read.in("read", "watermark") != echo.in("timestamp") || read.in("sender", "id") != ann {
			t.Errorf("read %v", read)
		}
		c := s.seen()
		if len(c.Messages) != 2 || c.Messages[0].State != control.StateTaken || c.Messages[1].State != "read" || c.Messages[1].ID != sent {
			t.Errorf("seen %+v", c)
		}
		if list, err := s.Chats(shop); err != nil || len(list) != 1 || list[0].Name != "Ann Lee" {
			t.Errorf("chats %v, %v", list, err)
		}
	})
}
