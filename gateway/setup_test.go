package gateway

import (
	"errors"
	"slices"
	"testing"

	"servicelink/config"
	"servicelink/connectors"
)

// hooking is a network that is told whom to call.
type hooking struct {
	*fakeNetwork
	paths  []string
	closed int
}

func (n *hooking) Webhooks() []connectors.Webhook {
	hooks := make([]connectors.Webhook, len(n.paths))
	for i, p := range n.paths {
		hooks[i] = connectors.Webhook{Method: "POST", Path: p}
	}
	return hooks
}

func (n *hooking) Close() error { n.closed++; return nil }

func TestMaskHook(t *testing.T) {
	const public = "https://gw.example.com/in"
	conn := &hooking{paths: []string{"/status", "/hook/{token}/x"}}
	for url, want := range map[string]string{
		public + "/hook/s3cret/x":              public + "/hook/***/x",
		public + "/hook/s3%2Fcret/x":           public + "/hook/***/x",
		public + "/hook/s3cret/x?token=s3cret": public + "/hook/***/x?***",
		public + "/other/s3cret/x":             public + "/***", // of no pattern
		public + "/status?token=s3cret":        public + "/***", // its secret is elsewhere
		"https://s3cret.example.com/hook/a/x":  public + "/***",
	} {
		if got := MaskHook(public+"/", conn, connectors.Hook{URL: url, Secret: true}); got != want {
			t.Errorf("%s is shown as %s, want %s", url, got, want)
		}
		if got := MaskHook(public, conn, connectors.Hook{URL: url}); got != url {
			t.Errorf("%s, no secret, is shown as %s", url, got)
		}
	}
	if got := MaskHook(public, struct{ connectors.Connector }{}, connectors.Hook{URL: public + "/s3cret", Secret: true}); got != public+"/***" {
		t.Errorf("without webhooks it is shown as %s", got)
	}
}

// TestOnTrial: connectors are lent in order until one fails, and all are closed.
func TestOnTrial(t *testing.T) {
	cfg := &config.Config{Channels: []config.Channel{
		{Name: "a", Network: "x", Port: "1", Enabled: true}, {Name: "b", Network: "x", Port: "2"}, {Name: "c", Network: "x", Port: "3", Enabled: true},
	}}
	var built []*hooking
	defs := []connectors.Definition{{Network: "x", New: func(config.Channel, connectors.Dependencies) (connectors.Connector, error) {
		built = append(built, &hooking{fakeNetwork: &fakeNetwork{}})
		return built[len(built)-1], nil
	}}}
	bad := errors.New("bad")
	var lent []string
	err := OnTrial(cfg, Options{Definitions: defs}, func(ch config.Channel, conn connectors.Device) error {
		lent = append(lent, ch.Name)
		if conn.(*hooking).closed != 0 {
			t.Errorf("%s is lent when it is closed", ch.Name)
		}
		if ch.Name == "b" {
			return bad
		}
		return nil
	})
	if !errors.Is(err, bad) || !slices.Equal(lent, []string{"a", "b"}) {
		t.Errorf("lent %q, %v", lent, err)
	}
	for i, n := range built {
		if n.closed != 1 {
			t.Errorf("connector %d was closed %d times", i, n.closed)
		}
	}
}
