package main

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"servicelink/simprot/refcore"
	"servicelink/test/netsim"
)

// testSite is the site of a playground whose core listens nowhere.
func testSite(t *testing.T) http.Handler {
	t.Helper()
	sim := netsim.New(netsim.Options{})
	t.Cleanup(sim.Close)
	core := newSwitch(refcore.New(refcore.Options{Account: "a", Secret: "s", ConsoleFramed: true}), "")
	return (&house{}).site(core, sim, prometheus.NewRegistry())
}

// TestSiteGuards: nothing asks for a password, so no page elsewhere may reach
// anything, not even by a name that resolves to this machine.
func TestSiteGuards(t *testing.T) {
	site := testSite(t)
	for name, tt := range map[string]struct {
		method, path, host, origin string
		want                       int
	}{
		"start page":                 {"GET", "/", "127.0.0.1:8081", "", 200},
		"by localhost":               {"GET", "/", "localhost:8081", "", 200},
		"by an IPv6 address":         {"GET", "/", "[::1]:8081", "", 200},
		"state":                      {"GET", "/api/state", "127.0.0.1", "", 200},
		"console":                    {"GET", "/console/", "127.0.0.1", "", 200},
		"faults of a network":        {"GET", "/control/telegram/faults", "127.0.0.1", "", 200},
		"by a foreign name":          {"GET", "/", "rebound.example:8081", "", 403},
		"console by a foreign name":  {"GET", "/console/", "rebound.example", "", 403},
		"control by a foreign name":  {"GET", "/control/telegram/faults", "rebound.example", "", 403},
		"core from another page":     {"POST", "/api/core", "127.0.0.1", "https://elsewhere.example", 403},
		"control from another page":  {"POST", "/control/telegram/faults", "127.0.0.1", "https://elsewhere.example", 403},
		"nothing":                    {"GET", "/nothing", "127.0.0.1", "", 404},
		"an API that is not for GET": {"GET", "/api/core", "127.0.0.1", "", 404},
	} {
		t.Run(name, func(t *testing.T) {
			r := httptest.NewRequestWithContext(t.Context(), tt.method, tt.path, strings.NewReader(`{}`))
			r.Host = tt.host
			if tt.origin != "" {
				r.Header.Set("Origin", tt.origin)
			}
			w := httptest.NewRecorder()
			site.ServeHTTP(w, r)
			if w.Code != tt.want {
				t.Errorf("%d %s, want %d", w.Code, w.Body, tt.want)
			}
		})
	}
}

func TestCoreOrders(t *testing.T) {
	site := testSite(t)
	for name, body := range map[string]string{
		"not JSON": `off`, "negative": `{"off_seconds": -1}`, "too long": `{"off_seconds": 3601}`,
		"another type": `{"off_seconds": "20"}`, "huge": `{"off_seconds": ` + strings.Repeat(" ", maxBody) + `1}`,
	} {
		t.Run(name, func(t *testing.T) {
			w := httptest.NewRecorder()
			site.ServeHTTP(w, func() *http.Request {
				r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/api/core", strings.NewReader(body))
				r.Host = "127.0.0.1"
				return r
			}())
			if w.Code != http.StatusBadRequest {
				t.Errorf("%d %s, want 400", w.Code, w.Body)
			}
		})
	}
}

// TestPolicies: the start page shows the phones and the console in frames of
// its own origin; nobody else may frame any of them.
func TestPolicies(t *testing.T) {
	site := testSite(t)
	for path, want := range map[string]string{
		"/": "frame-ancestors 'none'", "/start.js": "script-src 'self'", "/console/": "frame-ancestors 'self'",
	} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil)
		r.Host = "127.0.0.1"
		w := httptest.NewRecorder()
		site.ServeHTTP(w, r)
		policy := w.Header().Get("Content-Security-Policy")
		if w.Code != http.StatusOK || !strings.Contains(policy, want) || strings.Contains(policy, "unsafe") {
			t.Errorf("%s: %d, policy %q, want it to have %q", path, w.Code, policy, want)
		}
	}
}
