package omnichannel

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"servicelink/connectors"
)

// TestExamine: whatever the client's server says to OPTIONS it is there; a proxy's
// answer, a redirect and no answer are faults, and the clock is compared.
func TestExamine(t *testing.T) {
	const ok, warning, failed = connectors.CheckOK, connectors.CheckWarning, connectors.CheckFailed
	for name, tc := range map[string]struct {
		status         int // 0 = the connection breaks
		ahead          time.Duration
		network, clock connectors.CheckState
	}{
		"204":          {204, 0, ok, ok},
		"not allowed":  {405, 0, ok, ok},
		"not found":    {404, time.Minute, ok, warning},
		"it fails":     {500, 0, ok, ok},
		"a proxy":      {502, 0, failed, ok},
		"elsewhere":    {301, 0, failed, ok},
		"another time": {204, -time.Hour, ok, failed},
		"no answer":    {0, 0, failed, connectors.CheckUnknown},
	} {
		var methods []string
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			methods = append(methods, r.Method+" "+r.URL.Path)
			if tc.status == 0 {
				panic(http.ErrAbortHandler)
			}
			w.Header().Set("Date", time.Now().Add(tc.ahead).UTC().Format(http.TimeFormat))
			w.WriteHeader(tc.status)
		}))
		c := sender(t, "token: "+testToken+"\nwebhook_url: "+server.URL+"/secret")
		checks := c.(connectors.Doctor).Examine(t.Context(), connectors.Examination{})
		server.Close()
		if len(checks) != 2 || checks[0].Name != connectors.CheckNetwork || checks[0].State != tc.network ||
			checks[1].Name != connectors.CheckClock || checks[1].State != tc.clock {
			t.Errorf("%s: %+v", name, checks)
		}
		for _, check := range checks {
			if (check.Fault == "") != (check.Cure == "") || strings.Contains(check.Found+check.Cure, "secret") {
				t.Errorf("%s: %+v", name, check)
			}
		}
		if methods[0] != "OPTIONS /secret/send_message" {
			t.Errorf("%s: it asked %q", name, methods)
		}
	}
}

// TestProbe: it is the client's call, and brings nothing.
func TestProbe(t *testing.T) {
	c := open(t)
	c.public = "https://gw.example.com/in"
	r, err := c.Probe()
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(r.Body)
	if err != nil || r.Method != http.MethodPost || r.URL.String() != c.Hooks()[0].URL {
		t.Errorf("%s %s %q, %v", r.Method, r.URL, body, err)
	}
	if result, err := c.parse(request(string(body))); err != nil || len(result.Events) != 0 || result.Ignored["probe"] != 1 {
		t.Errorf("%+v, %v", result, err)
	}
}
