package gateway

import (
	"context"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"servicelink/config"
	"servicelink/connectors"
)

// Connectors with one part each; the tests put them together.
type (
	bare   struct{ caps connectors.Capabilities }
	hooks  struct{ path string }
	runs   struct{}
	mounts struct{}
	types  struct{}
	marks  struct{}
)

func (b bare) Capabilities() connectors.Capabilities { return b.caps }
func (bare) Send(context.Context, connectors.Part) (connectors.Receipt, error) {
	return connectors.Receipt{}, nil
}

func (h hooks) Webhooks() []connectors.Webhook {
	w := (&fakeNetwork{}).Webhooks()
	w[0].Path = h.path
	return w
}
func (runs) Run(context.Context, connectors.Inbox) error                     { return nil }
func (mounts) Mount(connectors.Inbox) http.Handler                           { return nil }
func (types) Typing(context.Context, connectors.Address, string, bool) error { return nil }
func (marks) MarkRead(context.Context, connectors.Address, string) error     { return nil }
func problem(path, message string) config.Problem {
	return config.Problem{Path: path, Message: message}
}

func define(network string, c connectors.Connector, err error) connectors.Definition {
	return connectors.Definition{Network: network, New: func(config.Channel, connectors.Dependencies) (connectors.Connector, error) {
		return c, err
	}}
}

func TestCheckContract(t *testing.T) {
	typing := bare{connectors.Capabilities{Typing: true}}
	readMark := bare{connectors.Capabilities{ReadMark: true}}
	for name, tc := range map[string]struct {
		conn connectors.Connector
		want string
	}{
		"webhooks": {struct {
			bare
			hooks
		}{}, ""},
		"runs": {struct {
			bare
			runs
		}{}, ""},
		"mounts": {struct {
			bare
			mounts
		}{}, ""},
		"no way in": {bare{}, "0 ways in"},
		"two ways in": {struct {
			bare
			hooks
			runs
		}{}, "2 ways in"},
		"three ways in": {struct {
			bare
			hooks
			runs
			mounts
		}{}, "3 ways in"},
		"types": {struct {
			bare
			runs
			types
		}{bare: typing}, ""},
		"does not type": {struct {
			bare
			runs
		}{bare: typing}, "typing"},
		"marks as read": {struct {
			bare
			runs
			marks
		}{bare: readMark}, ""},
		"does not mark": {struct {
			bare
			runs
		}{bare: readMark}, "read marks"},
		"does not say so": {struct {
			bare
			runs
			types
			marks
		}{}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			err := checkContract(tc.conn)
			if (err == nil) != (tc.want == "") || err != nil && !strings.Contains(err.Error(), tc.want) {
				t.Errorf("checkContract = %v, want %q", err, tc.want)
			}
		})
	}
}

func checked(t *testing.T, cfg *config.Config, defs ...connectors.Definition) config.Problems {
	t.Helper()
	err := Check(cfg, Options{Definitions: defs})
	if err == nil {
		return nil
	}
	var problems config.Problems
	if !errors.As(err, &problems) {
		t.Fatalf("%T: %v; want config.Problems", err, err)
	}
	return problems
}

// TestCheckReportsEverything: one run of check is enough to mend a file.
func TestCheckReportsEverything(t *testing.T) {
	path := filepath.Join(t.TempDir(), "gw.yaml")
	text := `core: { address: "127.0.0.1:1", login: false }
channels:
  - { name: fine, network: good }
  - { name: pigeons, network: pigeon }
  - { name: torn, network: torn }
  - { name: broken, network: broken }
  - { name: mute, network: mute, enabled: false }
`
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, err := config.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	problems := checked(t, cfg,
		define("good", &fakeNetwork{}, nil),
		define("torn", nil, errors.Join(problem("channels[2].settings.a", "is missing"), problem("channels[2].settings.b", "is no number"))),
		define("broken", nil, errors.New("will not work")),
		define("mute", bare{}, nil),
	)
	want := []struct {
		path, message string
		line          int
	}{
		{"channels[1].network", "no such network", 4},
		{"channels[2].settings.a", "is missing", 0},
		{"channels[2].settings.b", "is no number", 0},
		{"channels[3]", "will not work", 6},
		{"channels[4]", "the connector has 0 ways in instead of one", 7},
	}
	if len(problems) != len(want) {
		t.Fatalf("%d problems, want %d:\n%v", len(problems), len(want), problems)
	}
	for i, w := range want {
		if p := problems[i]; p.Path != w.path || p.Message != w.message || p.Line != w.line {
			t.Errorf("problem %d: line %d, %s: %s; want line %d, %s: %s", i, p.Line, p.Path, p.Message, w.line, w.path, w.message)
		}
	}
	if hint := problems[0].Hint; hint != "one of: good, torn, broken, mute" {
		t.Errorf("hint %q", hint)
	}
}

func TestCheckFindsClashingWebhooks(t *testing.T) {
	conn := func(path string) connectors.Connector {
		return struct {
			bare
			hooks
		}{hooks: hooks{path}}
	}
	cfg := &config.Config{Channels: []config.Channel{
		{Name: "a", Network: "one", Enabled: true, Port: "a"}, {Name: "b", Network: "two", Enabled: true, Port: "b"},
	}}
	if p := checked(t, cfg, define("one", conn("/x/{a}"), nil), define("two", conn("/x/{b}"), nil)); len(p) != 1 {
		t.Errorf("two patterns for the same paths: %v", p)
	}
	if p := checked(t, cfg, define("one", conn("/x"), nil), define("two", conn("/y"), nil)); p != nil {
		t.Errorf("two paths: %v", p)
	}
}

func TestUnknownPolicyOfAChannel(t *testing.T) {
	for name, tc := range map[string]struct {
		cfg, caps, want config.UnknownPolicy
	}{
		"configured":      {config.Report, config.Resend, config.Report},
		"the connector's": {"", config.Resend, config.Resend},
		"nobody says":     {"", "", config.Report},
	} {
		t.Run(name, func(t *testing.T) {
			conn := struct {
				bare
				runs
			}{bare: bare{connectors.Capabilities{Unknown: tc.caps}}}
			g, err := New(&config.Config{Channels: []config.Channel{{Name: "a", Network: "n", Unknown: tc.cfg}}},
				Options{Definitions: []connectors.Definition{define("n", conn, nil)}})
			if err != nil {
				t.Fatal(err)
			}
			if got := g.now().channels["a"].unknown; got != tc.want {
				t.Errorf("policy %q, want %q", got, tc.want)
			}
		})
	}
}

// TestDisabledChannelHasNoPort: its Port may be another channel's.
func TestDisabledChannelHasNoPort(t *testing.T) {
	g, err := New(&config.Config{Channels: []config.Channel{
		{Name: "off", Network: "fake", Port: "p"}, {Name: "on", Network: "fake", Port: "p", Enabled: true},
	}}, Options{Definitions: []connectors.Definition{define("fake", &fakeNetwork{}, nil)}})
	if err != nil {
		t.Fatal(err)
	}
	if g.now().ports["p"] != g.now().channels["on"] || len(g.now().ordered) != 2 {
		t.Errorf("ports %v", g.now().ports)
	}
}

type exclusive struct {
	bare
	runs
	proof string
}

func (e exclusive) Exclusive() string { return e.proof }

// TestOneProofPerChannel: two channels that would both take a call are a
// mistake that names both, and not the secret.
func TestOneProofPerChannel(t *testing.T) {
	const secret = "planted-secret"
	on := func(name, network string) config.Channel {
		return config.Channel{Name: name, Network: network, Port: name, Enabled: true}
	}
	off := on("off", "one")
	off.Enabled = false
	for name, tc := range map[string]struct {
		channels []config.Channel
		proof    string
		want     int // problems
	}{
		"the same":              {[]config.Channel{on("a", "one"), on("b", "one")}, secret, 1},
		"three":                 {[]config.Channel{on("a", "one"), on("b", "one"), on("c", "one")}, secret, 2},
		"one is disabled":       {[]config.Channel{off, on("b", "one")}, secret, 0},
		"of different networks": {[]config.Channel{on("a", "one"), on("b", "two")}, secret, 0},
		"none to compare":       {[]config.Channel{on("a", "one"), on("b", "one")}, "", 0},
	} {
		t.Run(name, func(t *testing.T) {
			conn := exclusive{proof: tc.proof}
			problems := checked(t, &config.Config{Channels: tc.channels}, define("one", conn, nil), define("two", conn, nil))
			if len(problems) != tc.want {
				t.Fatalf("%d problems, want %d: %v", len(problems), tc.want, problems)
			}
			for _, p := range problems {
				text := p.Error()
				if !strings.Contains(text, `channel "a"`) || strings.Contains(text, secret) {
					t.Errorf("problem %q", text)
				}
			}
		})
	}
}
