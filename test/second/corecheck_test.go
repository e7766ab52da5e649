//go:build second

package second

import (
	"context"
	"slices"
	"syscall"
	"testing"
	"time"

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

// without are the rules the example core does without, or that this test cannot
// see: TestGatewayWithExampleCore ends a core in order.
var without = []string{"messages", "chat-form", "forms", "registers", "agents-clients", "restart-bye"}

// TestCoreCheckOfExampleCore: the example core keeps every other rule.
func TestCoreCheckOfExampleCore(t *testing.T) {
	t.Parallel()
	core := startCore(t)
	report, err := corecheck.Run(t.Context(), corecheck.Config{
		Address: core.address, Account: "servicelink", Secret: coreSecret, Peer: "@servicelink", Port: "core-check",
		Agent: typist{core}, Timeout: 20 * time.Second, Limit: patience, // SPEC.md 7.2, on a busy machine
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
