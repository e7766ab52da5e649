package doctor

import (
	"context"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"servicelink/connectors"
	"servicelink/test/netsim/control"
	"servicelink/test/netsim/twilio"
)

// TestHealthy: what is set up right is not complained about, by a gateway that runs, by
// the program alone, and by the program beside a gateway.
func TestHealthy(t *testing.T) {
	h := newHouse(t)
	d := h.names(nil)
	if d.Running {
		t.Error("nothing runs")
	}
	h.run()
	if d = h.names(nil); !d.Running {
		t.Error("the running gateway was not asked")
	}
	seen := map[connectors.CheckName]bool{}
	for _, e := range d.Checks {
		seen[e.Name] = seen[e.Name] || e.State == connectors.CheckOK
	}
	for _, name := range []connectors.CheckName{
		connectors.CheckNetwork, connectors.CheckCredentials, connectors.CheckSignature, connectors.CheckWebhook, connectors.CheckSender,
		connectors.CheckClock, connectors.CheckRoundTrip, connectors.CheckCore, connectors.CheckFence, connectors.CheckPort,
		connectors.CheckConfig, connectors.CheckRunning,
	} {
		if !seen[name] {
			t.Errorf("%s is not well anywhere", name)
		}
	}
	if d = h.names(nil, "--offline"); d.Running {
		t.Error("the running gateway was asked")
	}
	if status, err := h.get("/readyz"); err != nil || status != http.StatusOK {
		t.Errorf("the gateway beside which it looked: %d, %v", status, err)
	}
	if d = h.names(nil, "my-sms"); len(d.Checks) == 0 {
		t.Error("nothing of the channel")
	}
	for _, e := range d.Checks {
		if e.Channel != "" && e.Channel != "my-sms" {
			t.Errorf("asked of my-sms, it tells of %s", e.Channel)
		}
	}
}

func TestWrongUsage(t *testing.T) {
	h := newHouse(t)
	if _, code := h.command("doctor"); code != 2 {
		t.Errorf("without --config: %d", code)
	}
	if _, code := h.command("doctor", "--config", h.file(), "nobody"); code != 2 {
		t.Errorf("a channel that is not configured: %d", code)
	}
}

func TestWrongToken(t *testing.T) {
	t.Run("telegram", func(t *testing.T) {
		h := newHouse(t)
		h.token = "100200:another-token"
		h.names([]finding{{"telegram", connectors.CheckCredentials, connectors.FaultWrongToken, "", ""}})
	})
	t.Run("twilio", func(t *testing.T) {
		h := newHouse(t)
		h.authToken = strings.Repeat("0", 32)
		h.names([]finding{
			{"whatsapp", connectors.CheckCredentials, connectors.FaultWrongToken, "", ""},
			{"sms", connectors.CheckCredentials, connectors.FaultWrongToken, "", ""},
		})
	})
}

func TestWrongWebhook(t *testing.T) {
	h := newHouse(t)
	h.sender(h.sim.Twilio().SMS(), "sms", func(a *twilio.Account) { a.MessageURL = h.url + "/old/path" })
	h.names([]finding{{"sms", connectors.CheckWebhook, connectors.FaultWrongWebhook, "", "servicelink register my-sms"}})
}

func TestForeignWebhook(t *testing.T) {
	t.Run("twilio", func(t *testing.T) {
		h := newHouse(t)
		h.sender(h.sim.Twilio().WhatsApp(), "whatsapp", func(a *twilio.Account) { a.MessageURL = "https://crm.example.net/hook/secret" })
		h.names([]finding{{"whatsapp", connectors.CheckWebhook, connectors.FaultForeignWebhook, "", "crm.example.net"}})
	})
	t.Run("telegram", func(t *testing.T) {
		h := newHouse(t)
		h.post("/telegram/bot"+botToken+"/setWebhook", `{"url":"https://crm.example.net/hook/secret"}`)
		h.names([]finding{{"telegram", connectors.CheckWebhook, connectors.FaultForeignWebhook, "", "servicelink register my-telegram"}})
		if out, _ := h.command("doctor", "--config", h.file()); strings.Contains(out, "hook/secret") {
			t.Error("it shows the other system's whole address")
		}
	})
}

// TestSecondPoller: found by the program alone, and said by a gateway that suffers
// from it.
func TestSecondPoller(t *testing.T) {
	h := newHouse(t)
	h.channels = []string{"telegram"}
	h.fault(h.sim.Telegram(), control.Fault{Kind: control.Conflict, Method: "getUpdates"})
	want := []finding{{"telegram", connectors.CheckReader, connectors.FaultSecondReader, "", ""}}
	h.names(want)
	h.run()
	h.until("the gateway hears of it", func() bool {
		status, err := h.get("/readyz?channel=my-telegram")
		return err == nil && status != http.StatusOK
	})
	h.names(want)
}

func TestPausedSender(t *testing.T) {
	t.Run("sender", func(t *testing.T) {
		h := newHouse(t)
		h.sender(h.sim.Twilio().WhatsApp(), "whatsapp", func(a *twilio.Account) { a.SenderStatus, a.OfflineCode = "OFFLINE", 63020 })
		h.names([]finding{{"whatsapp", connectors.CheckSender, connectors.FaultPausedSender, "", "63020"}})
	})
	t.Run("account", func(t *testing.T) {
		h := newHouse(t)
		h.channels = []string{"sms"}
		h.sender(h.sim.Twilio().SMS(), "sms", func(a *twilio.Account) { a.AccountStatus = "suspended" })
		h.names([]finding{{"sms", connectors.CheckSender, connectors.FaultPausedSender, "", "suspended"}})
	})
}

func TestClockSkew(t *testing.T) {
	h := newHouse(t)
	h.fault(h.sim.Telegram(), control.Fault{Kind: control.Clock, Shift: 600})
	h.fault(h.sim.Twilio().WhatsApp(), control.Fault{Kind: control.Clock, Shift: -60})
	h.names([]finding{
		{"telegram", connectors.CheckClock, connectors.FaultClockSkew, "", "ahead"},
		{"whatsapp", connectors.CheckClock, connectors.FaultClockSkew, connectors.CheckWarning, "behind"},
		{"sms", connectors.CheckClock, connectors.FaultClockSkew, connectors.CheckWarning, "behind"}, // the account's call is the same
	})
}

// TestUnreachable: each way in which public.url does not lead here is told apart.
func TestUnreachable(t *testing.T) {
	answers := func(status int, header ...string) string {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			for i := 0; i+1 < len(header); i += 2 {
				w.Header().Set(header[i], header[i+1])
			}
			w.WriteHeader(status)
		}))
		t.Cleanup(server.Close)
		return server.URL
	}
	closed := httptest.NewServer(nil)
	closed.Close()
	for name, c := range map[string]struct{ url, says string }{
		"nothing listens": {closed.URL, "refused"},
		"no such name":    {"http://gateway.invalid", "name"},
		"another server":  {answers(http.StatusOK), "another server"},
		"says 204":        {answers(http.StatusNoContent), "another server"},
		"another gateway": {answers(http.StatusNotFound), "another server"},
		"proxy":           {answers(http.StatusBadGateway), "a proxy answers"},
		"login page":      {answers(http.StatusFound, "Location", "https://login.example.com/?next=x"), "redirects to another host"},
		"password":        {answers(http.StatusUnauthorized), "asks for a login"},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t)
			h.channels = []string{"telegram"}
			h.url = c.url
			h.names([]finding{{"", connectors.CheckPublicURL, connectors.FaultUnreachable, "", c.says}})
		})
	}
}

// TestWrongSecret: the key that makes calls works, the token that Twilio signs with is
// another one. And: something in between changes what is signed.
func TestWrongSecret(t *testing.T) {
	t.Run("token", func(t *testing.T) {
		h := newHouse(t)
		h.apiKey = "SK0123456789abcdef0123456789abcdef"
		h.channels = []string{"sms"}
		h.sender(h.sim.Twilio().SMS(), "sms", func(a *twilio.Account) {
			a.AuthToken, a.APIKey, a.APISecret = strings.Repeat("9", 32), h.apiKey, "secret-of-the-key"
		})
		h.names([]finding{{"sms", connectors.CheckSignature, connectors.FaultWrongSecret, "", ""}})
	})
	t.Run("proxy", func(t *testing.T) {
		h := newHouse(t)
		h.channels = []string{"sms"}
		proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_ = r.ParseForm()
			r.Form.Set("Added", "by the proxy") // and the signature is another one
			forward(w, r, "http://"+h.public+r.URL.Path, r.Form.Encode())
		}))
		t.Cleanup(proxy.Close)
		h.url = proxy.URL
		h.sender(h.sim.Twilio().SMS(), "sms", nil)
		h.names([]finding{{"sms", connectors.CheckRoundTrip, connectors.FaultWrongSecret, "", "proxy"}})
	})
}

func TestCoreRefuses(t *testing.T) {
	h := newHouse(t)
	h.coreSecret = "another-secret"
	want := []finding{{"", connectors.CheckCore, connectors.FaultCoreRefuses, "", "credentials"}}
	h.names(want)
	h.run()
	h.until("the gateway hears of it", func() bool { return h.statusSays("core_refused") })
	h.names(want)
}

func TestCoreAway(t *testing.T) {
	h := newHouse(t)
	closed := httptest.NewServer(nil)
	closed.Close()
	h.coreAddress = strings.TrimPrefix(closed.URL, "http://")
	h.names([]finding{{"", connectors.CheckCore, connectors.FaultCoreAway, "", "refused"}})
}

func TestCoreWithoutFence(t *testing.T) {
	h := newHouse(t)
	h.core.Fences = false
	want := []finding{{"", connectors.CheckFence, connectors.FaultNoFence, connectors.CheckWarning, "core.settle"}}
	h.names(want)
	h.run()
	h.names(want)
}

// TestPortTwice: such a file is refused, and doctor says so and goes on.
func TestPortTwice(t *testing.T) {
	h := newHouse(t)
	h.ports["sms"], h.ports["whatsapp"] = "shop", "shop"
	d := h.names([]finding{
		{"sms", connectors.CheckPort, connectors.FaultPortTaken, "", "my-whatsapp"},
		{"whatsapp", connectors.CheckPort, connectors.FaultPortTaken, "", "my-sms"},
		{"", connectors.CheckConfig, connectors.FaultConfig, "", "port"},
	})
	for _, e := range d.Checks {
		if e.Channel == "my-telegram" && e.Name == connectors.CheckCredentials && e.State == connectors.CheckOK {
			return
		}
	}
	t.Error("the other channels were not looked at")
}

// forward hands a call on with another body.
func forward(w http.ResponseWriter, r *http.Request, to, body string) {
	out, err := http.NewRequestWithContext(context.WithoutCancel(r.Context()), r.Method, to, strings.NewReader(body))
	if err == nil {
		out.Header = r.Header.Clone()
		out.Host = r.Host
		var answer *http.Response
		if answer, err = client.Do(out); err == nil {
			defer answer.Body.Close()
			maps.Copy(w.Header(), answer.Header)
			w.WriteHeader(answer.StatusCode)
			return
		}
	}
	w.WriteHeader(http.StatusBadGateway)
}

// TestMistakes: a file that cannot be run is examined as far as it goes.
func TestMistakes(t *testing.T) {
	h := newHouse(t)
	want := finding{"", connectors.CheckConfig, connectors.FaultConfig, "", "servicelink.yaml:"}
	h.ports["sms"] = "shop, flavour: sweet"
	d := h.names([]finding{want})
	seen := false
	for _, e := range d.Checks {
		seen = seen || e.Name == connectors.CheckCore && e.State == connectors.CheckOK
	}
	if !seen {
		t.Error("the core was not looked at")
	}
	path := h.file()
	h.must(os.WriteFile(path, []byte("core: [unclosed"), 0o600))
	if out, code := h.command("doctor", "--config", path); code != 1 || !strings.Contains(out, "bad_configuration") {
		t.Errorf("no YAML: exit code %d\n%s", code, out)
	}
}

// TestChangedFile: a running gateway says that the file is not what it runs with.
func TestChangedFile(t *testing.T) {
	h := newHouse(t)
	h.run()
	h.ports["sms"] = "another"
	h.names([]finding{{"", connectors.CheckConfig, connectors.FaultConfig, connectors.CheckWarning, "channels"}})
}
