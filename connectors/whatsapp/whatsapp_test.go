package whatsapp

import (
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"servicelink/config"
	"servicelink/connectors"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	account = "account_sid: AC00000000000000000000000000000001\nauth_token: marked-token\nfrom: \"+420800123456\"\n"
	window  = "window_template:\n  content_sid: HX00000000000000000000000000000001\n  variables:\n    \"1\": \"{text}\"\n    who: \"for {name}\"\n"
)

func build(settings string) (connectors.Connector, error) {
	s, err := config.ParseSettings(settings)
	if err != nil {
		return nil, err
	}
	return New(config.Channel{Name: "shop", Settings: s}, connectors.Dependencies{
		Log: slog.New(slog.DiscardHandler), PublicURL: "https://gw.example.com",
	})
}

func open(t *testing.T, settings string) *Connector {
	t.Helper()
	c, err := build(settings)
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

func TestSettings(t *testing.T) {
	for name, tc := range map[string]struct {
		settings string
		want     []string
	}{
		"nothing":            {"", []string{"account_sid", "auth_token", "from"}},
		"an empty token":     {strings.Replace(account, "marked-token", "''", 1), []string{"auth_token"}},
		"with the prefix":    {strings.Replace(account, "+420", "whatsapp:+420", 1), []string{"from: is no sender"}},
		"a short code":       {strings.Replace(account, "+420800123456", "12345", 1), []string{"from: is no sender"}},
		"no template":        {account + "window_template: {content_sid: HX1}", []string{"window_template.content_sid"}},
		"not one of its own": {account + "mms: true", []string{"mms"}},
	} {
		c, err := build(tc.settings)
		if err == nil || c != nil {
			t.Errorf("%s: New = %v, %v", name, c, err)
			continue
		}
		for _, want := range tc.want {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s: error lacks %q: %v", name, want, err)
			}
		}
		if strings.Contains(err.Error(), "marked-token") {
			t.Errorf("%s: error gives a secret away: %v", name, err)
		}
	}
}

func TestOpenWindow(t *testing.T) {
	c := open(t, account+window)
	part := connectors.Part{Text: "first {name} line\n\tsecond", To: connectors.Address{RemoteAddress: "+420601234567"}}
	got, ok := c.OpenWindow(part)
	want := map[string]string{"1": "first {name} line second", "who": "for +420601234567"}
	if !ok || got.ID != "HX00000000000000000000000000000001" || !maps.Equal(got.Variables, want) {
		t.Errorf("OpenWindow = %+v, %v", got, ok)
	}
	if again, _ := c.OpenWindow(part); !maps.Equal(again.Variables, want) {
		t.Errorf("the second time: %+v", again)
	}
	for name, part := range map[string]connectors.Part{
		"a file": {Text: "x", File: &connectors.OutFile{}}, "nothing": {Text: " \n"},
	} {
		if got, ok := c.OpenWindow(part); ok {
			t.Errorf("%s is said as %+v", name, got)
		}
	}
	if got, ok := open(t, account).OpenWindow(part); ok {
		t.Errorf("without a template it is said as %+v", got)
	}
}

// TestTyping: the call names the answered message; where none is known, or the agent
// ceases to write, there is none.
func TestTyping(t *testing.T) {
	var got []string
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		got = append(got, r.Method+" "+r.URL.Path+" "+string(body))
	}))
	defer server.Close()
	c := open(t, account+"messaging_url: "+server.URL+"/messaging")
	to := connectors.Address{TrackingID: "+420601234567|whatsapp"}
	for _, call := range []struct {
		answering string
		typing    bool
	}{{"SM1", true}, {"SM1", false}, {"", true}} {
		if err := c.Typing(t.Context(), to, call.answering, call.typing); err != nil {
			t.Error(err)
		}
	}
	want := url.Values{"messageId": {"SM1"}, "channel": {"whatsapp"}}.Encode()
	if len(got) != 1 || got[0] != "POST /messaging/v2/Indicators/Typing.json "+want {
		t.Errorf("called %q", got)
	}
	err := c.Typing(t.Context(), connectors.Address{TrackingID: "7|telegram"}, "SM1", true)
	if connectors.AsSendError(err).Outcome != connectors.Rejected {
		t.Errorf("to nobody: %v", err)
	}
}
