package gateway

import (
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestProbesAreNotCounted: a call of the gateway to itself is answered as any other,
// and no counter moves, whether it is taken, refused or misunderstood.
func TestProbesAreNotCounted(t *testing.T) {
	rig := newHookRig(t, rigChannel{name: "shop", secret: "S"}, rigChannel{name: "desk", secret: "D"})
	var p probes
	rig.handler.(*publicHandler).probes = &p
	for name, c := range map[string]struct {
		secret, body string
		status       int
	}{
		"taken":         {"S", `["SKIP"]`, 200},
		"refused":       {"other", `["x"]`, 400},
		"nobody's":      {"", `[]`, 400},
		"misunderstood": {"D", `{`, 422},
		"panics":        {"S", `["PANIC"]`, 503},
	} {
		probe, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "https://gw.example.com/behind/a/proxy", strings.NewReader(c.body))
		if err != nil {
			t.Fatal(err)
		}
		done := p.expect(probe)
		if w := rig.call(http.MethodPost, rigTarget, c.secret, c.body); w.Code != c.status {
			t.Errorf("%s: answered %d, want %d", name, w.Code, c.status)
		}
		if diff := cmp.Diff(map[string]float64{}, rig.moved(t)); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
		done()
	}
	// The same call of somebody else, and another one while a probe is under way.
	rig.call(http.MethodPost, rigTarget, "S", `["SKIP"]`)
	probe, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "https://gw.example.com/x", strings.NewReader(`["SKIP"]`))
	if err != nil {
		t.Fatal(err)
	}
	defer p.expect(probe)()
	rig.call(http.MethodPost, rigTarget, "S", `["hello"]`)
	if got := rig.moved(t); got["requests shop accepted"] != 2 || got["ignored shop file_not_ready"] != 1 {
		t.Errorf("%v", got)
	}
}
