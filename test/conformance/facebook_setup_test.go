package conformance

import (
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"

	"servicelink/config"
	"servicelink/connectors"
	"servicelink/connectors/facebook"
	"servicelink/test/netsim/control"
	sim "servicelink/test/netsim/graph"
)

// facebookSetup is a page of the simulator and the connector that works it; the
// network's calls reach the connector's own webhooks.
type facebookSetup struct {
	c *facebook.Connector
	n *sim.Server
}

const facebookPublic = "https://gw.example.com"

func newFacebookSetup(t *testing.T, callback, more string) *facebookSetup {
	t.Helper()
	s := &facebookSetup{}
	s.n = sim.New(sim.Options{Seed: 1, BaseURL: func() string { return "http://127.0.0.1/facebook" }, Transport: inMemory{withBody(http.HandlerFunc(s.hook))}})
	t.Cleanup(s.n.Close)
	if err := s.n.AddAccount(sim.Account{
		Account: facebookPage, Name: "Kit", Token: facebookToken, AppID: facebookApp, AppSecret: facebookSecret,
		VerifyToken: facebookVerify, CallbackURL: callback,
	}); err != nil {
		t.Fatal(err)
	}
	settings, err := config.ParseSettings(facebookSettings("http://127.0.0.1") + "\n" + more)
	if err != nil {
		t.Fatal(err)
	}
	c, err := facebook.New(config.Channel{Name: "shop", Enabled: true, Settings: settings}, connectors.Dependencies{
		Log: slog.New(slog.DiscardHandler), PublicURL: facebookPublic, Transport: inMemory{withBody(http.StripPrefix("/facebook", s.n.API()))},
	})
	if err != nil {
		t.Fatal(err)
	}
	s.c = c.(*facebook.Connector)
	return s
}

// withBody gives a request a body, as a server does.
func withBody(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Body == nil {
			r.Body = http.NoBody
		}
		h.ServeHTTP(w, r)
	})
}

// hook is the gateway as far as a handshake needs one.
func (s *facebookSetup) hook(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	req := &connectors.Request{Method: r.Method, URL: r.URL, Header: r.Header, Body: body}
	for _, hook := range s.c.Webhooks() {
		if hook.Method != r.Method {
			continue
		}
		verdict := connectors.Verdict{Result: connectors.Accepted, Request: req}
		if err := hook.Verify(req); err != nil {
			verdict = connectors.Verdict{Result: connectors.Refused, Err: err, Request: req}
		}
		answer := hook.Reply(verdict)
		w.WriteHeader(answer.Status)
		_, _ = io.WriteString(w, answer.Body)
	}
}

func (s *facebookSetup) check(t *testing.T, name connectors.CheckName) connectors.Check {
	t.Helper()
	checks := s.c.Examine(t.Context(), connectors.Examination{})
	i := slices.IndexFunc(checks, func(c connectors.Check) bool { return c.Name == name })
	if i < 0 {
		t.Fatalf("no check %s", name)
	}
	for _, c := range checks {
		raw, _ := json.Marshal(c)
		for _, secret := range []string{facebookToken, facebookSecret, facebookVerify} {
			if strings.Contains(string(raw), secret) {
				t.Errorf("check %s gives a secret away", c.Name)
			}
		}
	}
	return checks[i]
}

// TestFacebookExamine: each fault of a set-up is named, and only what takes nothing
// from anybody is mendable.
func TestFacebookExamine(t *testing.T) {
	const ours = facebookPublic + facebookPath
	for name, tc := range map[string]struct {
		callback string
		do, data string
		check    connectors.CheckName
		fault    connectors.FaultName
		mendable bool
	}{
		"well":             {ours, "", "", connectors.CheckWebhook, "", false},
		"all subscribed":   {ours, "", "", connectors.CheckSubscription, "", false},
		"unsubscribed":     {ours, "unsubscribe", "", connectors.CheckSubscription, connectors.FaultUnsubscribed, true},
		"a field dropped":  {ours, "drop", "message_echoes", connectors.CheckSubscription, connectors.FaultUnsubscribed, true},
		"expired":          {ours, "token", "463", connectors.CheckToken, connectors.FaultExpiredToken, false},
		"expired, by use":  {ours, "token", "463", connectors.CheckCredentials, connectors.FaultExpiredToken, false},
		"invalid":          {ours, "token", "467", connectors.CheckCredentials, connectors.FaultWrongToken, false},
		"no permission":    {ours, "scope", "pages_messaging", connectors.CheckPermissions, connectors.FaultMissingPermission, false},
		"foreign":          {"https://crm.example.net/hook?key=s", "", "", connectors.CheckWebhook, connectors.FaultForeignWebhook, false},
		"another path":     {facebookPublic + "/old", "", "", connectors.CheckWebhook, connectors.FaultWrongWebhook, false},
		"another host":     {"https://old.example.com" + facebookPath, "", "", connectors.CheckWebhook, connectors.FaultWrongWebhook, false},
		"no callback":      {"", "", "", connectors.CheckWebhook, connectors.FaultWrongWebhook, true},
		"secret, as right": {ours, "", "", connectors.CheckSignature, "", false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newFacebookSetup(t, tc.callback, "")
				if tc.do != "" {
					if _, err := s.n.Act(facebookPage, control.Action{Do: tc.do, Data: tc.data}); err != nil {
						t.Fatal(err)
					}
				}
				got := s.check(t, tc.check)
				if got.Fault != tc.fault || got.Mendable != tc.mendable || (tc.fault == "") != (got.State == connectors.CheckOK) || tc.fault != "" && got.Cure == "" {
					t.Errorf("%+v", got)
				}
			})
		})
	}
}

// TestFacebookRegister: what was undone at the network is put back, once, with the
// handshake; what is right is left alone.
func TestFacebookRegister(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFacebookSetup(t, "", "user_token: user-"+facebookApp)
		if _, err := s.n.Act(facebookPage, control.Action{Do: "unsubscribe"}); err != nil {
			t.Fatal(err)
		}
		done, err := s.c.Register(t.Context())
		if err != nil || len(done) != 3 || !strings.Contains(done[0], "page's own") || !strings.Contains(done[1], "now calls "+facebookPublic+facebookPath) ||
			!strings.Contains(done[2], "now subscribed to messages") {
			t.Fatalf("Register = %q, %v", done, err)
		}
		for _, name := range []connectors.CheckName{connectors.CheckWebhook, connectors.CheckSubscription} {
			if got := s.check(t, name); got.State != connectors.CheckOK {
				t.Errorf("after it: %+v", got)
			}
		}
		before := len(s.n.Requests(control.Filter{Method: "subscribe"})) + len(s.n.Requests(control.Filter{Method: "set_subscription"}))
		if done, err = s.c.Register(t.Context()); err != nil || !strings.Contains(strings.Join(done, "\n"), "already") {
			t.Errorf("again: %q, %v", done, err)
		}
		if after := len(s.n.Requests(control.Filter{Method: "subscribe"})) + len(s.n.Requests(control.Filter{Method: "set_subscription"})); after != before {
			t.Errorf("again it set %d things", after-before)
		}
	})
}

// TestFacebookHandshake: the challenge goes back raw, and a wrong token is refused.
func TestFacebookHandshake(t *testing.T) {
	s := newFacebookSetup(t, "", "")
	for token, want := range map[string]string{facebookVerify: "200 1158201444", "wrong": "403 refused", "": "403 refused"} {
		w := httptest.NewRecorder()
		s.hook(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, facebookPath+"?hub.mode=subscribe&hub.challenge=1158201444&hub.verify_token="+token, nil))
		if got := strconv.Itoa(w.Code) + " " + w.Body.String(); got != want {
			t.Errorf("token %q: %s, want %s", token, got, want)
		}
	}
}
