//go:build second

package second

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"

	"servicelink/simprot"
	"servicelink/simprot/corecheck"
)

// typist is the agent of the example core.
type typist struct{ core *exampleCore }

func (a typist) Say(_ context.Context, where corecheck.Conversation, text string) error {
	a.core.types(where.TrackingID + " " + text)
	return nil
}

// Read has nothing to do: what the example core has shown is read.
func (a typist) Read(context.Context, corecheck.Conversation) error { return nil }

func (a typist) SendMessage(_ context.Context, gateway uuid.UUID, to, text string) error {
	a.core.types("/mail " + gateway.String() + " " + to + " " + text)
	return nil
}

// registerFile is a register of two mailboxes and one way out, for --gateways.
func registerFile(t *testing.T) string {
	t.Helper()
	var list simprot.GatewayList
	for _, direction := range []string{simprot.DirectionIn, simprot.DirectionIn, simprot.DirectionOut} {
		list = append(list, &simprot.GatewayInfo{
			Id: uuid.New(), PeerAddress: "@servicelink", Device: `DropFolder {"Path":"x"}`, Direction: direction,
		})
	}
	return writeRegister(t, list)
}

func writeRegister(t *testing.T, list simprot.GatewayList) string {
	t.Helper()
	text, err := json.Marshal(list)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "gateways.json")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// without are the rules the example core does without, or that this test cannot
// see: TestGatewayWithExampleCore ends a core in order.
var without = []string{"chat-form", "forms", "registers", "agents-clients", "restart-bye"}

// TestCoreCheckOfExampleCore: the example core keeps every other rule.
func TestCoreCheckOfExampleCore(t *testing.T) {
	t.Parallel()
	core := startCore(t, "--gateways", registerFile(t), "--resend", "2")
	report, err := corecheck.Run(t.Context(), corecheck.Config{
		Address: core.address, Account: "servicelink", Secret: coreSecret, Peer: "@servicelink", Port: "core-check",
		Agent: typist{core}, Timeout: 20 * time.Second, Limit: patience, // SPEC.md 7.2, on a busy machine
		Patient: true, Resend: 2 * time.Second,
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range report.Results {
		if r.Verdict != corecheck.Kept && !slices.Contains(without, r.Name) {
			t.Errorf("%s (%s): %s: %s", r.Name, r.Spec, r.Verdict, r.Came)
		}
	}
	if n := report.Count(corecheck.Kept); n < 50 {
		t.Errorf("only %d rules were kept", n)
	}
	core.stop(syscall.SIGTERM)
}
