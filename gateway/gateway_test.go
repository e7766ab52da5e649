package gateway

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"testing"

	"servicelink/config"
	"servicelink/connectors"
	"servicelink/gateway/journal"
)

func taken(t *testing.T) string {
	t.Helper()
	ln, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ln.Close() })
	return ln.Addr().String()
}

// TestFailedStartLeavesNothing: neither a journal nor a bound address.
func TestFailedStartLeavesNothing(t *testing.T) {
	const free = "127.0.0.1:0"
	errBroken := errors.New("broken journal")
	broken := func(journal.Options) (journal.Journal, error) { return nil, errBroken }
	for name, tc := range map[string]struct {
		public, private string
		journal         func(journal.Options) (journal.Journal, error)
	}{
		"the public address is taken":  {taken(t), free, nil},
		"the private address is taken": {free, taken(t), nil},
		"the journal does not open":    {free, free, broken},
	} {
		t.Run(name, func(t *testing.T) {
			folder := filepath.Join(t.TempDir(), "data")
			g, err := New(&config.Config{
				Core:     config.Core{Address: "127.0.0.1:9", Peer: testPeer, Encoding: "msgpack"},
				Journal:  config.Journal{Driver: "sqlite", Path: filepath.Join(folder, "journal.db")},
				Public:   config.Public{Listen: tc.public},
				Private:  config.Private{Listen: tc.private},
				Channels: []config.Channel{{Name: testChannel, Network: "fake", Enabled: true, Port: testChannel}},
			}, Options{Definitions: []connectors.Definition{define("fake", &fakeNetwork{}, nil)}, Journal: tc.journal})
			if err != nil {
				t.Fatal(err)
			}
			if err := g.Run(context.Background()); err == nil || tc.journal != nil && !errors.Is(err, errBroken) {
				t.Errorf("Run = %v", err)
			}
			if _, err := os.Stat(folder); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("the journal's folder: %v, want none", err)
			}
			for _, s := range []*httpServer{g.public, g.private} {
				if s.ln == nil {
					continue
				}
				again, err := new(net.ListenConfig).Listen(t.Context(), "tcp", s.Addr().String())
				if err != nil {
					t.Errorf("the %s address is still bound: %v", s.name, err)
					continue
				}
				_ = again.Close()
			}
		})
	}
}
