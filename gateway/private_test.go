package gateway

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"servicelink/config"
	"servicelink/gateway/journal"
)

// privateRig is a private handler over fakes.
type privateRig struct {
	handler http.Handler
	health  fakeHealth
	journal *fakeDead
	waiting fakeStranded
	parked  suspects
	logs    *bytes.Buffer
}

// rigRegistry is shared: these tests only read it.
var rigRegistry = sync.OnceValue(func() *prometheus.Registry {
	reg := prometheus.NewRegistry()
	newMetrics(reg, testChannels, "1.2.3")
	return reg
})

const rigToken = "operator-PLANTED"

func newPrivateRig(token string) *privateRig {
	rig := &privateRig{journal: newFakeDead(), logs: new(bytes.Buffer)}
	log := slog.New(slog.NewTextHandler(rig.logs, &slog.HandlerOptions{Level: slog.LevelDebug}))
	rig.handler = newPrivateHandler(config.Private{Token: config.NewSecret(token)}, rigRegistry(), &rig.health, rig.journal, &rig.waiting, &rig.parked, log, redactRow)
	return rig
}

// call asks for target at localhost; header pairs follow.
func (rig *privateRig) call(method, target string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequestWithContext(context.Background(), method, target, nil)
	r.Host = "localhost:9090"
	for i := 0; i < len(header); i += 2 {
		if header[i] == "Host" {
			r.Host = header[i+1]
			continue
		}
		r.Header.Add(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	rig.handler.ServeHTTP(w, r)
	return w
}

// everyPath is what the private listener serves.
var everyPath = []struct {
	method, target string
	open           bool // answers without the token
}{
	{"GET", "/healthz", true},
	{"GET", "/readyz", true},
	{"GET", "/metrics", false},
	{"GET", "/debug/pprof/", false},
	{"GET", "/debug/pprof/cmdline", false},
	{"GET", "/debug/pprof/heap", false},
	{"GET", "/debug/pprof/symbol", false},
	{"GET", "/api/v1/dead", false},
	{"POST", "/api/v1/dead/7/requeue", false},
	{"POST", "/api/v1/dead/8/discard", false},
	{"GET", "/api/v1/stranded", false},
	{"POST", "/api/v1/stranded/7/discard", false},
	{"POST", "/api/v1/stranded/discard?channel=gone", false},
}

func TestPrivateToken(t *testing.T) {
	t.Parallel()
	for _, p := range everyPath {
		for _, tc := range []struct {
			name, authorization string
			allowed             bool
		}{
			{"right", "Bearer " + rigToken, true},
			{"right, lower case", "bearer " + rigToken, true},
			{"none", "", false},
			{"wrong", "Bearer wrong", false},
			{"longer", "Bearer " + rigToken + "x", false},
			{"shorter", "Bearer " + rigToken[:8], false},
			{"empty", "Bearer ", false},
			{"no scheme", rigToken, false},
			{"basic", "Basic " + rigToken, false},
		} {
			rig := newPrivateRig(rigToken)
			header := []string{"Host", "gateway.example.com"} // any name: the token proves who asks
			if tc.authorization != "" {
				header = append(header, "Authorization", tc.authorization)
			}
			res := rig.call(p.method, p.target, header...)
			want := http.StatusOK
			if !tc.allowed && !p.open {
				want = http.StatusUnauthorized
			}
			if res.Code != want {
				t.Errorf("%s %s, token %s: status %d, want %d", p.method, p.target, tc.name, res.Code, want)
			}
			if want == http.StatusUnauthorized && (res.Header().Get("WWW-Authenticate") == "" || res.Body.String() != `{"error":"unauthorized"}`+"\n") {
				t.Errorf("%s %s, token %s: the refusal has another form", p.method, p.target, tc.name)
			}
			if strings.Contains(rig.logs.String(), "PLANTED") {
				t.Errorf("the log holds the token: %s", rig.logs)
			}
		}
	}
}

// TestPrivateHost: without a token a name that a foreign page could point here
// is refused on every path.
func TestPrivateHost(t *testing.T) {
	t.Parallel()
	for host, allowed := range map[string]bool{
		"localhost": true, "LOCALHOST:9090": true, "127.0.0.1": true, "127.0.0.1:9090": true,
		"[::1]": true, "[::1]:9090": true, "10.1.2.3:9090": true,
		"": false, "evil.example": false, "evil.example:9090": false, "localhost.evil.example": false,
		"127.0.0.1.evil.example": false, "localhost.": false, ":9090": false, "2130706433": false,
	} {
		for _, p := range everyPath {
			res := newPrivateRig("").call(p.method, p.target, "Host", host)
			want := http.StatusOK
			if !allowed {
				want = http.StatusForbidden
			}
			if res.Code != want {
				t.Errorf("host %q, %s %s: status %d, want %d", host, p.method, p.target, res.Code, want)
			}
		}
	}
}

// TestPrivateCrossSite: another site's page can make a browser POST; with or
// without the token that is refused.
func TestPrivateCrossSite(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name   string
		method string
		header []string
		status int
	}{
		{"command line", "POST", nil, 200},
		{"same origin", "POST", []string{"Origin", "http://localhost:9090"}, 200},
		{"another origin", "POST", []string{"Origin", "http://evil.example"}, 403},
		{"another port", "POST", []string{"Origin", "http://localhost:3000"}, 403},
		{"opaque origin", "POST", []string{"Origin", "null"}, 403},
		{"browser says cross-site", "POST", []string{"Sec-Fetch-Site", "cross-site"}, 403},
		{"browser says same-site", "POST", []string{"Sec-Fetch-Site", "same-site"}, 403},
		{"browser says same-origin", "POST", []string{"Sec-Fetch-Site", "same-origin"}, 200},
	} {
		for _, token := range []string{"", rigToken} {
			rig := newPrivateRig(token)
			res := rig.call(tc.method, "/api/v1/dead/7/requeue", append(tc.header, "Authorization", "Bearer "+rigToken)...)
			if res.Code != tc.status {
				t.Errorf("%s, token %q: status %d, want %d", tc.name, token, res.Code, tc.status)
			}
			if tc.status != 200 && len(rig.journal.requeued) != 0 {
				t.Errorf("%s, token %q: the row was requeued", tc.name, token)
			}
		}
	}
}

// TestPrivateEmbedded: a foreign page's picture or script must not start
// profiles on the operator's machine; a link to this listener can be followed.
func TestPrivateEmbedded(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, site, dest string
		status           int
	}{
		{"command line", "", "", 200},
		{"typed", "none", "document", 200},
		{"a link", "cross-site", "document", 200},
		{"own page", "same-origin", "empty", 200},
		{"a picture", "cross-site", "image", 403},
		{"a script", "cross-site", "script", 403},
		{"a frame", "cross-site", "iframe", 403},
		{"fetch", "cross-site", "empty", 403},
		{"an old browser", "cross-site", "", 403},
	} {
		for _, p := range everyPath {
			if p.method != http.MethodGet {
				continue
			}
			var header []string
			if tc.site != "" {
				header = []string{"Sec-Fetch-Site", tc.site, "Sec-Fetch-Dest", tc.dest}
			}
			if res := newPrivateRig("").call(p.method, p.target, header...); res.Code != tc.status {
				t.Errorf("%s, %s: status %d, want %d", tc.name, p.target, res.Code, tc.status)
			}
		}
	}
}

func TestPrivateRoutes(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		method, target string
		status         int
		body, allow    string
	}{
		{"GET", "/", 404, `{"error":"not found"}`, ""},
		{"GET", "/api/v1/", 404, `{"error":"not found"}`, ""},
		{"GET", "/api/v1/dead/7", 404, `{"error":"not found"}`, ""},
		{"GET", "/api/v1/dead/7/forget", 404, `{"error":"not found"}`, ""},
		{"GET", "/hook/x", 404, `{"error":"not found"}`, ""},
		{"POST", "/healthz", 405, `{"error":"method not allowed"}`, "GET"},
		{"POST", "/metrics", 405, `{"error":"method not allowed"}`, "GET"},
		{"DELETE", "/api/v1/dead", 405, `{"error":"method not allowed"}`, "GET"},
		{"GET", "/api/v1/dead/7/requeue", 405, `{"error":"method not allowed"}`, "POST"},
		{"GET", "/api/v1/dead/7/discard", 405, `{"error":"method not allowed"}`, "POST"},
		{"POST", "/debug/pprof/heap", 405, `{"error":"method not allowed"}`, "GET"},
	} {
		res := newPrivateRig("").call(tc.method, tc.target)
		body := strings.TrimSpace(res.Body.String())
		if res.Code != tc.status || body != tc.body || res.Header().Get("Allow") != tc.allow {
			t.Errorf("%s %s: %d %s, Allow %q", tc.method, tc.target, res.Code, body, res.Header().Get("Allow"))
		}
		if res.Header().Get("Cache-Control") != "no-store" || res.Header().Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s %s: headers %v", tc.method, tc.target, res.Header())
		}
	}
}

func TestPrivateMetrics(t *testing.T) {
	t.Parallel()
	res := newPrivateRig("").call("GET", "/metrics")
	body := res.Body.String()
	for _, line := range []string{
		`servicelink_build_info{goversion=`, `servicelink_accepted_total{channel="shop",direction="in",network="omnichannel"} 0`,
		`# HELP servicelink_core_link_up `, "go_goroutines ",
	} {
		if !strings.Contains(body, line) {
			t.Errorf("the scrape lacks %s", line)
		}
	}
}

func TestRedactRow(t *testing.T) {
	t.Parallel()
	view := redactRow(journal.Row{
		Seq: 7, State: journal.Dead, Reason: "blocked", Attempts: 2,
		Entry: journal.Entry{
			Lane: journal.Lane{Channel: "shop", Direction: journal.Out, TrackingID: "phone-PLANTED"},
			ID:   "m1", Content: []byte("text-PLANTED"), ChatID: "c", Counter: 3,
			Party: &journal.Party{RemoteAddress: "addr-PLANTED", PartyName: "name-PLANTED", UserToken: "user-PLANTED"},
		},
		Parts: []journal.Part{{State: journal.PartRejected, Reason: "blocked"}},
	})
	got, err := json.Marshal(view)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(got, []byte("PLANTED")) {
		t.Errorf("the view holds content or an address: %s", got)
	}
	delete(view, "accepted")
	delete(view, "ended")
	want := map[string]any{
		"seq": int64(7), "channel": "shop", "direction": "out", "tracking": "c4fbd1f8", "id": "m1",
		"state": "dead", "reason": "blocked", "hint": "", "attempts": 2, "bytes": 12, "counter": int32(3),
		"parts": []map[string]any{{"state": "rejected", "reason": "blocked", "at": time.Time{}}},
	}
	if diff := cmp.Diff(want, view); diff != "" {
		t.Error(diff)
	}
}
