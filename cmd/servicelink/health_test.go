package main

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestHealth(t *testing.T) {
	for name, test := range map[string]struct {
		answer http.HandlerFunc
		code   int
	}{
		"alive":     {func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(pathStatus(r)) }, exitFine},
		"not well":  {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) }, exitFailed},
		"elsewhere": {func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/", http.StatusFound) }, exitFailed},
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(test.answer)
			defer server.Close()
			var stdout, stderr bytes.Buffer
			code := execute([]string{"health", "--address", server.Listener.Addr().String()}, &stdout, &stderr)
			if code != test.code || (code == exitFine) != (stdout.String() == "alive\n") || (code == exitFine) == (stderr.Len() > 0) {
				t.Errorf("exit code %d, want %d; it prints %q and %q", code, test.code, stdout.String(), stderr.String())
			}
		})
	}
}

// pathStatus is what a gateway answers where /healthz is.
func pathStatus(r *http.Request) int {
	if r.Method == http.MethodGet && r.URL.Path == "/healthz" {
		return http.StatusOK
	}
	return http.StatusNotFound
}

func TestHealthOfNobody(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	server.Close()
	var stdout, stderr bytes.Buffer
	if code := execute([]string{"health", "--address", server.Listener.Addr().String()}, &stdout, &stderr); code != exitFailed {
		t.Errorf("exit code %d where nobody listens", code)
	}
	if code := execute([]string{"health", "--address", "nowhere"}, &stdout, &stderr); code != exitFailed || !strings.Contains(stderr.String(), "nowhere") {
		t.Errorf("exit code %d for no address: %s", code, stderr.String())
	}
}

func TestReachable(t *testing.T) {
	for bound, want := range map[string]string{
		"127.0.0.1:9090": "127.0.0.1:9090",
		"0.0.0.0:9090":   "127.0.0.1:9090",
		"[::]:9090":      "[::1]:9090",
		":9090":          "127.0.0.1:9090",
		"10.1.2.3:1":     "10.1.2.3:1",
		"localhost:1":    "localhost:1",
	} {
		if got, err := reachable(bound); err != nil || got != want {
			t.Errorf("reachable(%q) = %q, %v, want %q", bound, got, err, want)
		}
	}
}
