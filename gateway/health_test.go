package gateway

import (
	"strings"
	"testing"
	"time"
)

// fakeHealth is a healthSource of two channels, shop and desk.
type fakeHealth struct {
	ready, unwell []Fault
	channels      map[string][]Fault
}

func (h *fakeHealth) Ready() []Fault  { return h.ready }
func (h *fakeHealth) Unwell() []Fault { return h.unwell }
func (h *fakeHealth) ChannelFault(name string) ([]Fault, bool) {
	return h.channels[name], name == "shop" || name == "desk"
}

func TestHealth(t *testing.T) {
	t.Parallel()
	since := time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC)
	journalAway := []Fault{{What: "journal is not available", Hint: "look at the disk", Since: since}}
	paused := Fault{Channel: "desk", What: "paused", Hint: "the network refuses the token", Since: since}
	coreAway := Fault{What: "core away", Since: since}
	const (
		journalJSON = `{"what":"journal is not available","hint":"look at the disk","since":"2026-11-22T08:00:00Z"}`
		pausedJSON  = `{"channel":"desk","what":"paused","hint":"the network refuses the token","since":"2026-11-22T08:00:00Z"}`
		coreJSON    = `{"what":"core away","since":"2026-11-22T08:00:00Z"}`
	)
	well := fakeHealth{}
	unwell := fakeHealth{unwell: []Fault{coreAway, paused}, channels: map[string][]Fault{"desk": {paused}}}
	broken := fakeHealth{ready: journalAway, unwell: unwell.unwell, channels: unwell.channels}
	const auth = "Bearer " + rigToken
	for _, tc := range []struct {
		name          string
		health        fakeHealth
		target        string
		authorization string
		status        int
		body          string
	}{
		{"alive", well, "/healthz", "", 200, `{"status":"alive"}`},
		{"alive with everything broken", broken, "/healthz", "", 200, `{"status":"alive"}`},
		{"ready", well, "/readyz", auth, 200, `{"ready":true,"faults":[]}`},
		{"unwell is ready", unwell, "/readyz", auth, 200, `{"ready":true,"faults":[],"unwell":[` + coreJSON + `,` + pausedJSON + `]}`},
		{"not ready", broken, "/readyz", auth, 503, `{"ready":false,"faults":[` + journalJSON + `],"unwell":[` + coreJSON + `,` + pausedJSON + `]}`},
		{"healthy channel beside a paused one", unwell, "/readyz?channel=shop", auth, 200, `{"ready":true,"faults":[]}`},
		{"paused channel", unwell, "/readyz?channel=desk", auth, 503, `{"ready":false,"faults":[` + pausedJSON + `]}`},
		{"any channel without a journal", broken, "/readyz?channel=shop", auth, 503, `{"ready":false,"faults":[` + journalJSON + `]}`},
		{"unknown channel", well, "/readyz?channel=nobody", auth, 404, `{"error":"no such channel"}`},
		{"unknown parameter", well, "/readyz?chanel=shop", auth, 400, `{"error":"unknown or repeated parameter"}`},
		{"repeated parameter", well, "/readyz?channel=shop&channel=desk", auth, 400, `{"error":"unknown or repeated parameter"}`},
		{"stranger, ready", unwell, "/readyz", "", 200, `{"ready":true}`},
		{"stranger, not ready", broken, "/readyz", "", 503, `{"ready":false}`},
		{"stranger asks for a channel", unwell, "/readyz?channel=shop", "", 401, `{"error":"unauthorized"}`},
		{"stranger learns nothing of channels", broken, "/readyz?channel=nobody", "", 401, `{"error":"unauthorized"}`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			rig := newPrivateRig(rigToken)
			rig.health = tc.health
			res := rig.call("GET", tc.target, "Authorization", tc.authorization)
			body := strings.TrimSpace(res.Body.String())
			if res.Code != tc.status || body != tc.body {
				t.Errorf("got  %d %s\nwant %d %s", res.Code, body, tc.status, tc.body)
			}
			if ct := res.Header().Get("Content-Type"); ct != "application/json" {
				t.Errorf("content type %q", ct)
			}
		})
	}
}
