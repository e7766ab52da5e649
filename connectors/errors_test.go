package connectors_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"servicelink/connectors"
)

func TestSendError(t *testing.T) {
	cause := errors.New("answer is late")
	err := fmt.Errorf("part 2: %w", &connectors.SendError{
		Outcome: connectors.Unknown, Reason: connectors.ReasonTimeout, Code: "504", Err: cause,
	})
	if got, want := err.Error(), "part 2: unknown: timeout (504): answer is late"; got != want {
		t.Errorf("Error = %q, want %q", got, want)
	}
	if se := connectors.AsSendError(err); se.Code != "504" || !errors.Is(se, cause) {
		t.Errorf("AsSendError = %+v", se)
	}
	// Contract, rule 7: whatever else comes is ours, and nobody knows its fate.
	se := connectors.AsSendError(cause)
	if se.Outcome != connectors.Unknown || se.Reason != connectors.ReasonBug || !errors.Is(se, cause) {
		t.Errorf("AsSendError of a foreign error = %+v", se)
	}
}

// TestReasonsAreLabels: each names one series.
func TestReasonsAreLabels(t *testing.T) {
	all := slices.Concat(connectors.SendReasons, connectors.DeadReasons)
	slices.Sort(all)
	if len(slices.Compact(slices.Clone(all))) != len(all) {
		t.Errorf("a reason stands twice in %q", all)
	}
}
