package netsim

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"servicelink/test/netsim/control"
	"servicelink/test/netsim/graph"
	"servicelink/test/netsim/mail"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const token = "123456:simulated"

// site is a simulator on a real socket.
type site struct {
	t      *testing.T
	sim    *Sim
	server *httptest.Server
}

func newSite(t *testing.T) *site {
	t.Helper()
	phone := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.URL.Path) })
	host, err := mail.New(mail.Options{Pipe: true})
	if err != nil {
		t.Fatal(err)
	}
	sim := New(Options{Seed: 1, Phone: phone, Mail: host})
	server := httptest.NewServer(sim.Handler())
	t.Cleanup(func() {
		sim.Close()
		server.Close()
	})
	return &site{t, sim, server}
}

// do sends a request; header is pairs.
func (s *site) do(method, path, body string, header ...string) (int, string) {
	s.t.Helper()
	r, err := http.NewRequestWithContext(s.t.Context(), method, s.server.URL+path, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	answer, err := s.server.Client().Do(r)
	if err != nil {
		return 0, err.Error()
	}
	defer answer.Body.Close()
	got, err := io.ReadAll(answer.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return answer.StatusCode, string(got)
}

// wants fails unless the answer has this status and holds all of these.
func (s *site) wants(status int, method, path, body string, parts ...string) string {
	s.t.Helper()
	code, got := s.do(method, path, body)
	if code != status {
		s.t.Fatalf("%s %s: %d %s, want %d", method, path, code, got, status)
	}
	for _, part := range parts {
		if !strings.Contains(got, part) {
			s.t.Errorf("%s %s lacks %s: %s", method, path, part, got)
		}
	}
	return got
}

// TestControl walks through the whole interface of one network.
func TestControl(t *testing.T) {
	s := newSite(t)
	s.wants(200, "GET", "/phone/telegram", "", "/phone/telegram")
	s.wants(204, "POST", "/control/telegram/accounts", `{"token":"`+token+`","username":"shop_bot"}`)
	s.wants(200, "GET", "/control/telegram/accounts", "", token)
	s.wants(204, "POST", "/control/telegram/settings", `{"callback_seconds":5}`)
	got := s.wants(200, "POST", "/control/telegram/act/shop_bot",
		`{"do":"photo","chat":4503599627370001,"user":{"id":"4503599627370001","first_name":"Ann"},"file":{"name":"a.svg","type":"image/svg+xml","base64":"PHN2Zz4="}}`)
	var acted struct{ Message control.ID }
	if err := json.Unmarshal([]byte(got), &acted); err != nil || acted.Message == "" {
		t.Fatalf("acted %s, %v", got, err)
	}
	s.wants(204, "POST", "/control/telegram/inject/"+token, `{"new_kind":{}}`)
	s.wants(200, "GET", "/telegram/bot"+token+"/getUpdates", "", `"new_kind":{}`, `"photo":[`)
	s.wants(200, "GET", "/telegram/bot"+token+"/sendMessage?chat_id=4503599627370001&text=hi", "")
	s.wants(200, "GET", "/control/telegram/requests?account=shop_bot&method=sendmessage&wait=5", "", `"text":"hi"`, `"status":200`)
	if got := s.wants(200, "GET", "/control/telegram/requests?after=2", ""); got != "[]\n" {
		t.Errorf("after the last request: %s", got)
	}
	s.wants(200, "GET", "/control/telegram/chats/shop_bot", "", `"chat":"4503599627370001"`, `"name":"Ann"`)
	raw := s.wants(200, "GET", "/control/telegram/chat/shop_bot/4503599627370001?after=1&wait=1", "", `"text":"hi"`, `"from":"agent"`)
	var c control.Conversation
	if err := json.Unmarshal([]byte(raw), &c); err != nil {
		t.Fatal(err)
	}
	s.wants(200, "GET", c.Messages[0].File.URL, "", "<svg>")
	s.wants(204, "POST", "/control/telegram/faults", `{"kind":"rate","times":1,"retry_after":9}`)
	s.wants(200, "GET", "/control/telegram/faults", "", `"kind":"rate"`)
	s.wants(429, "GET", "/telegram/bot"+token+"/getMe", "", `"parameters":{"retry_after":9}`)
	s.wants(204, "POST", "/control/telegram/faults", `{"kind":"outage"}`)
	if code, _ := s.do("GET", "/telegram/bot"+token+"/getMe", ""); code != 0 {
		t.Errorf("an outage answers %d", code)
	}
	s.wants(204, "DELETE", "/control/telegram/faults", "")
	s.wants(200, "GET", "/telegram/bot"+token+"/getMe", "")
}

func TestMistakes(t *testing.T) {
	s := newSite(t)
	for _, tc := range []struct {
		status             int
		method, path, body string
	}{
		{404, "GET", "/control/viber/accounts", ""},
		{404, "GET", "/telegram/getMe", ""},
		{400, "POST", "/control/telegram/accounts", `{"token":"x"}`},
		{400, "POST", "/control/telegram/accounts", `{`},
		{400, "POST", "/control/telegram/settings", `{"limits":7}`},
		{404, "POST", "/control/telegram/act/nobody", `{"do":"text"}`},
		{400, "POST", "/control/telegram/act/nobody", `{"doo":"text"}`},
		{404, "POST", "/control/telegram/inject/nobody", `{}`},
		{404, "GET", "/control/telegram/chat/nobody/1", ""},
		{404, "GET", "/control/telegram/chats/nobody", ""},
		{404, "GET", "/control/telegram/file/nobody/1", ""},
		{400, "GET", "/control/telegram/requests?after=x", ""},
		{400, "GET", "/control/telegram/requests?wait=x", ""},
		{400, "GET", "/control/telegram/chat/nobody/1?wait=x", ""},
		{400, "POST", "/control/omnichannel/faults", `{"kind":"rain"}`},
		{405, "PUT", "/control/omnichannel/faults", ``},
	} {
		s.wants(tc.status, tc.method, tc.path, tc.body)
	}
}

// TestOtherSites: a page of another site cannot act for customers.
func TestOtherSites(t *testing.T) {
	s := newSite(t)
	if code, _ := s.do("POST", "/control/telegram/accounts", `{"token":"`+token+`"}`, "Sec-Fetch-Site", "cross-site"); code != 403 {
		t.Errorf("another site's page got %d", code)
	}
}

// TestOutageBreaksPolls: what waits is cut as well.
func TestOutageBreaksPolls(t *testing.T) {
	s := newSite(t)
	s.wants(204, "POST", "/control/telegram/accounts", `{"token":"`+token+`"}`)
	ended := make(chan int, 1)
	go func() {
		code, _ := s.do("GET", "/telegram/bot"+token+"/getUpdates?timeout=50", "")
		ended <- code
	}()
	s.wants(200, "GET", "/control/telegram/requests?method=getUpdates&wait=10", "", `"status":0`)
	s.wants(204, "POST", "/control/telegram/faults", `{"kind":"outage","account":"123456"}`)
	if code := <-ended; code != 0 {
		t.Errorf("the poll was answered %d", code)
	}
}

// TestOmnichannel: a file's URL leads back to the simulator.
func TestOmnichannel(t *testing.T) {
	s := newSite(t)
	bodies := make(chan []byte, 1)
	gateway := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		bodies <- body
	}))
	defer gateway.Close()
	s.wants(204, "POST", "/control/omnichannel/accounts", `{"account":"shop","webhook":"`+gateway.URL+`","token":"t"}`)
	s.wants(200, "GET", "/control/omnichannel/accounts", "", `"account":"shop"`)
	s.wants(200, "POST", "/control/omnichannel/act/shop", `{"do":"document","chat":7,"file":{"name":"a.txt","base64":"eHl6"}}`)
	var in struct {
		Message struct{ Data struct{ URL string } }
	}
	if err := json.Unmarshal(<-bodies, &in); err != nil {
		t.Fatal(err)
	}
	path, ours := strings.CutPrefix(in.Message.Data.URL, s.server.URL)
	if !ours {
		t.Fatalf("the file is at %s", in.Message.Data.URL)
	}
	s.wants(200, "GET", path, "", "xyz")
	s.wants(401, "POST", "/omnichannel/shop/send_message", `{"chat_id":7,"message":{"id":"a","text":"x"}}`)
	if got := s.sim.Omnichannel().Requests(control.Filter{Method: "send_message"}); len(got) != 1 || got[0].Status != 401 {
		t.Errorf("recorded %+v", got)
	}
}

// TestTwilio: one API, two networks of the control API, and a file that an ordinary
// client gets without credentials at another address than the API's.
func TestTwilio(t *testing.T) {
	s := newSite(t)
	forms := make(chan url.Values, 10)
	gateway := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		form, _ := url.ParseQuery(string(body))
		forms <- form
	}))
	defer gateway.Close()
	const account = "AC00000000000000000000000000000001"
	s.wants(404, "GET", "/phone-of-nobody", "")
	for _, network := range []string{"whatsapp", "sms"} {
		s.wants(204, "POST", "/control/"+network+"/accounts",
			`{"account":"+420800123456","account_sid":"`+account+`","auth_token":"t","message_url":"`+gateway.URL+`"}`)
		s.wants(200, "GET", "/control/"+network+"/accounts", "", `"account":"+420800123456"`)
		s.wants(200, "GET", "/control/"+network+"/settings", "", `"status":"read"`)
		s.wants(200, "POST", "/control/"+network+"/act/+420800123456", `{"do":"text","chat":420601234567,"text":"hi"}`)
		if from := (<-forms).Get("From"); !strings.HasSuffix(from, "+420601234567") || strings.HasPrefix(from, "whatsapp:") != (network == "whatsapp") {
			t.Errorf("%s: from %s", network, from)
		}
		s.wants(200, "GET", "/control/"+network+"/chat/420800123456/420601234567", "", `"text":"hi"`)
	}
	s.wants(401, "GET", "/twilio/2010-04-01/Accounts/"+account+"/Messages.json", "", `"code":20003`)
	basic := "Basic " + base64.StdEncoding.EncodeToString([]byte(account+":t"))
	if code, got := s.do("GET", "/twilio/2010-04-01/Accounts/"+account+"/Messages.json", "", "Authorization", basic); code != 200 || strings.Count(got, `"body":"hi"`) != 2 {
		t.Errorf("%d %s", code, got)
	}
	for range 2 { // the second time it has led somebody to its other name
		s.wants(200, "POST", "/control/sms/act/420800123456", `{"do":"photo","chat":420601234567,"file":{"name":"a.txt","base64":"eHl6"}}`)
		path, ours := strings.CutPrefix((<-forms).Get("MediaUrl0"), s.server.URL)
		if !ours {
			t.Fatalf("the file is at %s", path)
		}
		if code, got := s.do("GET", path, "", "Authorization", basic); code != 200 || got != "xyz" {
			t.Errorf("%d %s", code, got)
		}
	}
}

// TestGraph: Messenger's API, the callback of its app, and a file at the address that
// the API's client used.
func TestGraph(t *testing.T) {
	s := newSite(t)
	bodies := make(chan []byte, 10)
	gateway := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if r.Header.Get("X-Hub-Signature-256") != graph.Signature("s", body) {
			t.Errorf("signed %v", r.Header)
		}
		bodies <- body
	}))
	defer gateway.Close()
	s.wants(204, "POST", "/control/facebook/accounts",
		`{"account":"100","name":"Shop","token":"EAA","app_id":"7","app_secret":"s","verify_token":"v","callback_url":"`+gateway.URL+`"}`)
	s.wants(200, "GET", "/control/facebook/accounts", "", `"account":"100"`)
	s.wants(200, "GET", "/control/facebook/settings", "", `"status":"read"`)
	s.wants(204, "POST", "/control/facebook/settings", `{"status":"sent"}`)
	s.wants(200, "GET", "/graph/v25.0/me?access_token=EAA", "", `"name":"Shop"`)
	s.wants(200, "POST", "/control/facebook/act/100", `{"do":"document","chat":42,"file":{"name":"a.txt","base64":"eHl6"}}`)
	var in struct {
		Entry []struct {
			Messaging []struct {
				Message struct {
					Attachments []struct{ Payload struct{ URL string } }
				}
			}
		}
	}
	if err := json.Unmarshal(<-bodies, &in); err != nil {
		t.Fatal(err)
	}
	path, ours := strings.CutPrefix(in.Entry[0].Messaging[0].Message.Attachments[0].Payload.URL, s.server.URL)
	if !ours {
		t.Fatalf("the file is at %s", path)
	}
	s.wants(200, "GET", path, "", "xyz")
	s.wants(200, "POST", "/graph/v25.0/me/messages?access_token=EAA&messaging_type=RESPONSE&recipient=%7B%22id%22:42%7D&message=%7B%22text%22:%22hi%22%7D", "", `"message_id":"m_`)
	s.wants(200, "GET", "/control/facebook/chat/100/42", "", `"text":"hi"`)
	s.wants(200, "GET", "/control/facebook/requests?method=send", "", `"status":200`)
	s.wants(204, "POST", "/control/facebook/faults", `{"kind":"refuse","code":10,"subcode":2018278,"times":1}`)
	s.wants(403, "GET", "/graph/v25.0/me?access_token=EAA", "", `"error_subcode":2018278`)
	if got := s.sim.Graph().Requests(control.Filter{Method: "file"}); len(got) != 1 || got[0].Status != 200 {
		t.Errorf("recorded %+v", got)
	}
}

func TestBaseURL(t *testing.T) {
	sim := New(Options{BaseURL: "http://fixed"})
	defer sim.Close()
	w := httptest.NewRecorder()
	sim.Handler().ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "http://other/phone/x", bytes.NewReader(nil)))
	if w.Code != http.StatusNotFound || sim.baseURL() != "http://fixed" {
		t.Errorf("%d, %s", w.Code, sim.baseURL())
	}
}

// TestMail: a mail host is among the networks.
func TestMail(t *testing.T) {
	s := newSite(t)
	if err := s.sim.Mail().AddMailbox("anna@mail.test", "x"); err != nil {
		t.Fatal(err)
	}
	if status, body := s.do(http.MethodGet, "/control/mail/accounts", ""); status != http.StatusOK || !strings.Contains(body, "anna@mail.test") {
		t.Errorf("%d %s", status, body)
	}
}
