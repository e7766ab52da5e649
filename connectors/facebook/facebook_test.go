package facebook

import (
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"servicelink/config"
	"servicelink/connectors"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const settings = "page_id: \"1001\"\npage_token: marked-page-token\napp_id: \"2002\"\napp_secret: marked-secret\napp_secret_other: marked-other\nverify_token: marked-verify\n"

func build(s string) (connectors.Connector, error) {
	parsed, err := config.ParseSettings(s)
	if err != nil {
		return nil, err
	}
	return New(config.Channel{Name: "shop", Settings: parsed}, connectors.Dependencies{
		Log: slog.New(slog.DiscardHandler), PublicURL: "https://gw.example.com",
	})
}

func open(t *testing.T, s string) *Connector {
	t.Helper()
	c, err := build(s)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.(*Connector).Close() })
	return c.(*Connector)
}

// network answers with what it is told, and keeps what it was asked.
type network struct {
	c     *Connector
	mu    sync.Mutex
	asked []string
}

// graph makes a network; answers are by "METHOD path", of anything else 404.
func graph(t *testing.T, answers map[string]string) *network {
	t.Helper()
	n := &network{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		n.mu.Lock()
		defer n.mu.Unlock()
		n.asked = append(n.asked, r.Method+" "+r.URL.Path+" "+string(body))
		if strings.Contains(r.URL.RawQuery, "marked") && !strings.HasSuffix(r.URL.Path, "debug_token") && !strings.HasSuffix(r.URL.Path, "access_token") {
			t.Errorf("a secret stands in the address of %s", r.URL.Path)
		}
		answer, ok := answers[r.Method+" "+r.URL.Path]
		if !ok {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		if strings.HasPrefix(answer, `{"error"`) {
			w.WriteHeader(http.StatusBadRequest)
		}
		_, _ = io.WriteString(w, answer)
	}))
	t.Cleanup(server.Close)
	n.c = open(t, settings+"api_url: "+server.URL+"\nmedia_hosts: [\""+strings.TrimPrefix(server.URL, "http://")+"\"]\n")
	return n
}

func TestSettings(t *testing.T) {
	for name, tc := range map[string]struct{ settings, want string }{
		"nothing":       {"", "page_token"},
		"no digits":     {strings.Replace(settings, "1001", "shop", 1), "page_id"},
		"a version":     {settings + "version: \"25\"", "version"},
		"a query":       {settings + "api_url: https://graph.facebook.com/?a=b", "api_url"},
		"too fast":      {settings + "messages_per_second: 301", "messages_per_second"},
		"not a number":  {settings + "messages_per_second: .nan", "messages_per_second"},
		"a host":        {settings + "media_hosts: [\"https://x/\"]", "media_hosts"},
		"unknown":       {settings + "secret: x", "secret"},
		"a split token": {strings.Replace(settings, "marked-page-token", "\"marked token\"", 1), "page_token"},
	} {
		c, err := build(tc.settings)
		if err == nil || c != nil || !strings.Contains(err.Error(), tc.want) || strings.Contains(err.Error(), "marked") {
			t.Errorf("%s: New = %v, %v", name, c, err)
		}
	}
}

// TestVerify: whose a call is, and whether it is genuine, and what the network hears.
func TestVerify(t *testing.T) {
	c := open(t, settings)
	ours, others := `{"object":"page","entry":[{"id":"9"},{"id":"1001"}]}`, `{"object":"page","entry":[{"id":"9","messaging":[{"a":"1001"}]}]}`
	escaped := `{"object":"page","entry":[{"id":"1001","x":"\u00e4"}]}`
	for name, tc := range map[string]struct {
		body, secret string
		want         error
		status       int
	}{
		"ours":               {ours, "marked-secret", nil, 200},
		"the other secret":   {ours, "marked-other", nil, 200},
		"escapes":            {escaped, "marked-secret", nil, 200},
		"forged":             {ours, "wrong", connectors.ErrForged, 403},
		"others'":            {others, "marked-secret", connectors.ErrNotMine, 200},
		"others', forged":    {others, "wrong", connectors.ErrNotMine, 200},
		"unreadable, forged": {`{"entry"`, "wrong", connectors.ErrForged, 403},
		"unreadable":         {`{"entry"`, "marked-secret", nil, 200},
	} {
		r := &connectors.Request{Body: []byte(tc.body), Header: http.Header{}}
		r.Header.Set(signatureHeader, sign(tc.secret, r.Body))
		got := c.verify(r)
		verdict := connectors.Verdict{Result: connectors.Refused, Err: got}
		if got == nil {
			verdict = connectors.Verdict{Result: connectors.Accepted}
		}
		if answer := reply(verdict); !errors.Is(got, tc.want) || answer.Status != tc.status {
			t.Errorf("%s: %v, answered %d", name, got, answer.Status)
		}
	}
}

func FuzzPeek(f *testing.F) {
	parsed, err := config.ParseSettings(settings)
	if err != nil {
		f.Fatal(err)
	}
	made, err := New(config.Channel{Name: "shop", Settings: parsed}, connectors.Dependencies{Log: slog.New(slog.DiscardHandler), PublicURL: "https://gw.example.com"})
	if err != nil {
		f.Fatal(err)
	}
	c := made.(*Connector)
	f.Add([]byte(`{"object":"page","entry":[{"id":"1001"}]}`))
	f.Add([]byte(`{"entry":[7,{"id":1001}],"object":"page"}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		ours, readable := c.peek(body)
		if ours && !readable {
			t.Error("ours, and not readable")
		}
		if p, ok := readPayload(body); ours && (!ok || len(p.Entry) == 0) {
			t.Error("ours, and nothing is there")
		}
	})
}

func TestProfile(t *testing.T) {
	for answer, want := range map[string]connectors.Profile{
		`{"id":"7","name":"Ann Lee"}`:                                      {Name: "Ann Lee"},
		`{"id":"7","first_name":"Ann","last_name":"Lee","locale":"cs_CZ"}`: {Name: "Ann Lee", Culture: "cs"},
		`{"error":{"code":230,"message":"User consent is required"}}`:      {},
		`{"error":{"code":100,"error_subcode":33}}`:                        {},
	} {
		n := graph(t, map[string]string{"GET /v25.0/7": answer})
		if got, err := n.c.Profile(t.Context(), connectors.Address{TrackingID: "7|1001|facebook"}); err != nil || got != want {
			t.Errorf("%s: %+v, %v", answer, got, err)
		}
	}
	n := graph(t, map[string]string{"GET /v25.0/7": `{"error":{"code":190,"error_subcode":463}}`})
	if _, err := n.c.Profile(t.Context(), connectors.Address{TrackingID: "7|1001|facebook"}); connectors.AsSendError(err).Reason != connectors.ReasonAuth {
		t.Errorf("an expired token: %v", err)
	}
}

// TestOpenHosts: a file is read where the network keeps files, and nowhere else.
func TestOpenHosts(t *testing.T) {
	for address, want := range map[string]connectors.Reason{
		"https://evil.example.com/a":  connectors.ReasonForbidden,
		"https://evilfbcdn.net/a":     connectors.ReasonForbidden,
		"http://x.fbcdn.net/a":        connectors.ReasonForbidden,
		"https://u:p@x.fbcdn.net/a":   connectors.ReasonForbidden,
		"https://127.0.0.1/a":         connectors.ReasonForbidden,
		"":                            connectors.ReasonNotFound,
		"https://fbcdn.net.evil.com/": connectors.ReasonForbidden,
	} {
		n := graph(t, map[string]string{"GET /v25.0/m_1": `{"attachments":{"data":[{"file_url":"` + address + `"}]}}`})
		_, err := n.c.Open(t.Context(), connectors.File{ID: "m_1:0"}, "")
		if connectors.AsSendError(err).Reason != want {
			t.Errorf("%s: %v", address, err)
		}
	}
}
