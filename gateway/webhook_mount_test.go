package gateway

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"servicelink/config"
	"servicelink/connectors"
)

func TestPublicHandlerRefusesContradictions(t *testing.T) {
	t.Parallel()
	hook := func(change func(*connectors.Webhook)) []connectors.Webhook {
		w := connectors.Webhook{
			Method: "POST", Path: "/a/{token}/b", MaxBody: 100,
			Verify: func(*connectors.Request) error { return nil },
			Parse:  func(*connectors.Request) (connectors.ParseResult, error) { return connectors.ParseResult{}, nil },
			Reply:  rigReply,
		}
		change(&w)
		return []connectors.Webhook{w}
	}
	fine := hook(func(*connectors.Webhook) {})
	for _, tc := range []struct {
		name   string
		second []connectors.Webhook // of channel "two"; "one" has fine
		want   string               // in the error; empty = none
	}{
		{"shared path", fine, ""},
		{"another method", hook(func(w *connectors.Webhook) { w.Method = "GET" }), ""},
		{"overlapping path", hook(func(w *connectors.Webhook) { w.Path = "/a/fixed/b" }), ""},
		{"same shape, other name", hook(func(w *connectors.Webhook) { w.Path = "/a/{other}/b" }), "conflicts"},
		{"crossing", hook(func(w *connectors.Webhook) { w.Path = "/a/x/{y}" }), "conflicts"},
		{"bad wildcard", hook(func(w *connectors.Webhook) { w.Path = "/{bad-name}" }), "bad wildcard name"},
		{"twice in one channel", append(fine, fine...), "channel two: webhook POST \"/a/{token}/b\": named twice"},
		{"another limit", hook(func(w *connectors.Webhook) { w.MaxBody = 99 }), "shares its path with channel one, which allows 100 bytes, not 99"},
		{"no method", hook(func(w *connectors.Webhook) { w.Method = "" }), "method must be"},
		{"lower-case method", hook(func(w *connectors.Webhook) { w.Method = "post" }), "method must be"},
		{"relative path", hook(func(w *connectors.Webhook) { w.Path = "a/b" }), "path must be"},
		{"host in path", hook(func(w *connectors.Webhook) { w.Path = "example.com/b" }), "path must be"},
		{"everything", hook(func(w *connectors.Webhook) { w.Path = "/" }), "path must be"},
		{"subtree", hook(func(w *connectors.Webhook) { w.Path = "/b/" }), "path must be"},
		{"among the files", hook(func(w *connectors.Webhook) { w.Path = "/media/{token}" }), "are for files"},
		{"in place of the files", hook(func(w *connectors.Webhook) { w.Path = "/media" }), "are for files"},
		{"no limit", hook(func(w *connectors.Webhook) { w.MaxBody = 0 }), "largest body"},
		{"absurd limit", hook(func(w *connectors.Webhook) { w.MaxBody = 1 << 40 }), "largest body"},
		{"no Verify", hook(func(w *connectors.Webhook) { w.Verify = nil }), "is missing"},
		{"no Parse", hook(func(w *connectors.Webhook) { w.Parse = nil }), "is missing"},
		{"no Reply", hook(func(w *connectors.Webhook) { w.Reply = nil }), "is missing"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			m, _ := testMetrics(t)
			deliver := func(context.Context, []connectors.Event) error { return nil }
			_, err := newPublicHandler(config.Public{}, []hookChannel{
				{Name: "one", Enabled: true, Hooks: fine, Deliver: deliver, Metrics: m.channel("one")},
				{Name: "two", Enabled: true, Hooks: tc.second, Deliver: deliver, Metrics: m.channel("two")},
			}, m.channel(""), discardLog)
			switch {
			case tc.want == "" && err != nil:
				t.Errorf("error %v, want none", err)
			case tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)):
				t.Errorf("error %v, want one with %q", err, tc.want)
			}
		})
	}
}

// TestPublicHandlerMethods: one path may serve several methods, each its own.
func TestPublicHandlerMethods(t *testing.T) {
	t.Parallel()
	rig := newHookRig(t, rigChannel{name: "shop", secret: "s1"})
	get := rig.webhook("s1")
	get.Method = http.MethodGet
	get.Reply = func(connectors.Verdict) connectors.Reply { return connectors.Reply{Status: 204} }
	rig.channels[0].Hooks = append(rig.channels[0].Hooks, get)
	rig.remount(t)
	if res := rig.call("GET", rigTarget, "s1", `[]`); res.Code != 204 {
		t.Errorf("GET: status %d, want 204", res.Code)
	}
	if res := rig.call("POST", rigTarget, "s1", `[]`); res.Code != 200 {
		t.Errorf("POST: status %d, want 200", res.Code)
	}
	if res := rig.call("PUT", rigTarget, "s1", `[]`); res.Code != 405 || res.Header().Get("Allow") != "GET, POST" {
		t.Errorf("PUT: status %d, Allow %q", res.Code, res.Header().Get("Allow"))
	}
}
