package twilio

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"servicelink/config"
	"servicelink/connectors"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// The account of these tests.
const (
	testAccount = "AC00000000000000000000000000000001"
	testService = "MG00000000000000000000000000000001"
	testToken   = "0123456789abcdef0123456789abcdef"
	testKey     = "SK00000000000000000000000000000001"
	testSecret  = "kit-secret-0123456789"
	testSender  = "+420800123456"
	testTo      = "+420601234567|whatsapp"
	testPublic  = "https://kit.example.com"
)

var testTraits = Traits{
	Network: "whatsapp", Account: "wa", Prefix: "whatsapp:", Sender: regexp.MustCompile(`^\+[0-9]+$`), Files: true,
	Known: func(func(string) string) []connectors.Member { return nil },
}

// settings are those of a channel whose APIs are at base.
func settings(base string) Settings {
	return Settings{
		AccountSID: testAccount, AuthToken: config.NewSecret(testToken), From: testSender,
		APIURL: base + "/twilio", MessagingURL: base + "/twilio/messaging", PerSecond: 80,
	}
}

// open makes a channel that may reach loopback.
func open(t testing.TB, s Settings) *Channel {
	t.Helper()
	return openAs(t, testTraits, s)
}

func openAs(t testing.TB, traits Traits, s Settings) *Channel {
	t.Helper()
	c, err := New(config.Channel{Name: "shop"}, connectors.Dependencies{
		Log: slog.New(slog.DiscardHandler), PublicURL: testPublic,
		Egress: config.Egress{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}},
	}, traits, s, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

// request is what the fake of Twilio got.
type request struct {
	method, uri string
	header      http.Header
	form        url.Values
	body        string
}

// fake is Twilio as one handler, with what it got.
type fake struct {
	*httptest.Server
	mu  sync.Mutex
	got []request
}

func newFake(t testing.TB, answer http.HandlerFunc) *fake {
	t.Helper()
	f := &fake{}
	f.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		fields, _ := url.ParseQuery(string(body))
		f.mu.Lock()
		f.got = append(f.got, request{r.Method, r.RequestURI, r.Header, fields, string(body)})
		f.mu.Unlock()
		answer(w, r)
	}))
	t.Cleanup(f.Close)
	return f
}

func (f *fake) requests() []request {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.got
}

func says(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

const created = `{"sid":"SM1","status":"queued","num_segments":"1","error_code":null}`

func part() connectors.Part {
	return connectors.Part{
		ID: "id-1", Ref: "1z.id-1#2", Text: "hello",
		To: connectors.Address{TrackingID: testTo, RemoteAddress: "+420601234567"},
	}
}

// TestSettings: every mistake at once, none of them repeated, and no secret told.
func TestSettings(t *testing.T) {
	bad := Settings{
		AccountSID: "AC1", AuthToken: config.NewSecret("marked secret"), APIKey: testKey, From: "nobody",
		APIURL: "ftp://marked-secret", MessagingURL: "https://h/?marked-secret", PerSecond: -1,
	}
	_, err := New(config.Channel{Name: "shop"}, connectors.Dependencies{}, testTraits, bad, nil)
	for _, want := range []string{
		"account_sid: ", "auth_token: ", "api_key: ", "from: ", "api_url: ", "messaging_url: ", "messages_per_second: ", "public.url",
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error lacks %q: %v", want, err)
		}
	}
	if err != nil && strings.Contains(err.Error(), "marked") {
		t.Errorf("error gives a secret away: %v", err)
	}
	for name, change := range map[string]func(*Settings){
		"neither sender nor service": func(s *Settings) { s.From = "" },
		"sender and service":         func(s *Settings) { s.Service = testService },
		"no service":                 func(s *Settings) { s.From, s.Service = "", "MG1" },
		"no key":                     func(s *Settings) { s.APIKey, s.APISecret = "SK1", config.NewSecret("x") },
		"secret without a key":       func(s *Settings) { s.APISecret = config.NewSecret("x") },
	} {
		s := settings("http://127.0.0.1:9")
		change(&s)
		if c, err := New(config.Channel{}, connectors.Dependencies{PublicURL: testPublic}, testTraits, s, nil); err == nil || c != nil {
			t.Errorf("%s: New = %v, %v", name, c, err)
		}
	}
}

func TestAddress(t *testing.T) {
	c := open(t, settings("http://127.0.0.1:9"))
	for id, want := range map[string]string{
		testTo: "+420601234567", "_49_44.77|whatsapp": "ID.77", "12345|whatsapp": "12345",
		"": "", "+420601234567": "", "+420601234567|sms": "", "|whatsapp": "", "a b\x00|whatsapp": "", "_61|whatsapp": "",
	} {
		if addr, ok := c.Address(id); ok != (want != "") || addr.RemoteAddress != want {
			t.Errorf("Address(%q) = %+v, %v", id, addr, ok)
		}
	}
}

func TestExclusive(t *testing.T) {
	service := settings("http://127.0.0.1:9")
	service.From, service.Service = "", testService
	one, two := open(t, settings("http://127.0.0.1:9")), open(t, service)
	if one.Exclusive() != testAccount+"|"+testSender || two.Exclusive() != testAccount+"|"+testService {
		t.Errorf("Exclusive: %q, %q", one.Exclusive(), two.Exclusive())
	}
}
