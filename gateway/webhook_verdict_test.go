package gateway

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"servicelink/connectors"
)

// TestVerdictSaysWhy: what a connector hears of a call that nobody takes, and that it
// may thank for one that is another account's: the network would call no more for
// those that are ours, and it is counted as what it is.
func TestVerdictSaysWhy(t *testing.T) {
	t.Parallel()
	shop, desk := rigChannel{name: "shop", secret: "s1"}, rigChannel{name: "desk", secret: "s2"}
	off := rigChannel{name: "shop", secret: "s1", disabled: true}
	const forged, nobodys = "x", ""
	// What another channel of the app would take is not its own.
	mine := func(secret string) func(*connectors.Request) error {
		return func(r *connectors.Request) error {
			switch sent := r.Header.Get("Secret"); sent {
			case secret:
				return nil
			case "s1", "s2", nobodys:
				return connectors.ErrNotMine
			default:
				return connectors.ErrForged
			}
		}
	}
	type counts = map[string]float64
	for _, tt := range []struct {
		name     string
		channels []rigChannel
		secret   string
		err      error
		status   int
		counts   counts
	}{
		{"another account's", []rigChannel{shop}, nobodys, connectors.ErrNotMine, 200, counts{"requests shop refused": 1, "refused shop no_channel": 1, "seconds shop": 1}},
		{"nobody's of two", []rigChannel{shop, desk}, nobodys, connectors.ErrNotMine, 200, counts{"requests - refused": 1, "refused - no_channel": 1, "seconds -": 1}},
		{"forged", []rigChannel{shop}, forged, connectors.ErrForged, 403, counts{"requests shop refused": 1, "refused shop forged": 1, "seconds shop": 1}},
		{"forged for both", []rigChannel{shop, desk}, forged, connectors.ErrForged, 403, counts{"requests - refused": 1, "refused - forged": 1, "seconds -": 1}},
		{"of a disabled channel", []rigChannel{off, desk}, "s1", nil, 410, counts{"requests shop refused": 1, "refused shop no_channel": 1, "seconds shop": 1}},
		{"forged for a disabled one", []rigChannel{off}, forged, connectors.ErrForged, 403, counts{"requests shop refused": 1, "refused shop forged": 1, "seconds shop": 1}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			rig := newHookRig(t, tt.channels...)
			asked := 0
			for i, c := range tt.channels {
				h := &rig.channels[i].Hooks[0]
				h.Verify = mine(c.secret)
				h.Reply = func(v connectors.Verdict) connectors.Reply {
					asked++
					if v.Result != connectors.Refused || !errors.Is(v.Err, tt.err) || (v.Err == nil) != (tt.err == nil) {
						t.Errorf("verdict %d, %v", v.Result, v.Err)
					}
					switch {
					case errors.Is(v.Err, connectors.ErrNotMine):
						return connectors.Reply{Status: http.StatusOK, Body: "EVENT_RECEIVED"}
					case v.Err == nil:
						return connectors.Reply{Status: http.StatusGone}
					}
					return connectors.Reply{Status: http.StatusForbidden}
				}
			}
			rig.remount(t)
			res := rig.call(http.MethodPost, rigTarget, tt.secret, `["a"]`)
			if res.Code != tt.status || asked != 1 {
				t.Errorf("status %d, want %d; Reply was asked %d times", res.Code, tt.status, asked)
			}
			if diff := cmp.Diff(tt.counts, rig.moved(t)); diff != "" {
				t.Error(diff)
			}
			if len(rig.delivered) != 0 || len(rig.seen) != 0 {
				t.Errorf("taken: %v", rig.delivered)
			}
		})
	}
}

// TestVerdictWithItsRequest: a network may want part of its call back, whatever
// became of it; what was not read whole is not there.
func TestVerdictWithItsRequest(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, secret, body string
		away               bool
		result             connectors.Result
		want               string
	}{
		{"accepted", "s1", `["a"]`, false, connectors.Accepted, `42 ["a"] tok-PLANTED`},
		{"refused", "x", `["a"]`, false, connectors.Refused, `42 ["a"] tok-PLANTED`},
		{"malformed", "s1", `{`, false, connectors.Malformed, `42 { tok-PLANTED`},
		{"unavailable", "s1", `["a"]`, true, connectors.Unavailable, `42 ["a"] tok-PLANTED`},
		{"too large", "s1", strings.Repeat(" ", 201), false, connectors.TooLarge, "none"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			rig := newHookRig(t, rigChannel{name: "shop", secret: "s1"})
			if tt.away {
				rig.fail = errors.New("journal away")
			}
			rig.channels[0].Hooks[0].Reply = func(v connectors.Verdict) connectors.Reply {
				if v.Result != tt.result {
					t.Errorf("result %d, want %d", v.Result, tt.result)
				}
				reply := connectors.Reply{Status: 500, Body: "none"}
				if r := v.Request; r != nil {
					reply.Body = r.URL.Query().Get("hub.challenge") + " " + string(r.Body) + " " + r.Values["token"]
				}
				return reply
			}
			rig.remount(t)
			for range 2 { // the next call's place is the last one's
				if got := rig.call(http.MethodPost, rigTarget+"?hub.challenge=42", tt.secret, tt.body).Body.String(); got != tt.want {
					t.Errorf("answer %q, want %q", got, tt.want)
				}
			}
		})
	}
}
