package memory_test

import (
	"testing"

	"go.uber.org/goleak"

	"servicelink/gateway/journal"
	"servicelink/gateway/journal/journaltest"
	"servicelink/gateway/journal/memory"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestContract(t *testing.T) {
	journaltest.Run(t, func(testing.TB) journaltest.Driver {
		return journaltest.Driver{
			Open:     func(o journal.Options) (journal.Journal, error) { return memory.Open(o) },
			MaxBytes: 1 << 20,
		}
	})
}

func TestOpenNeedsOnCommit(t *testing.T) {
	if _, err := memory.Open(journal.Options{}); err == nil {
		t.Error("opened without OnCommit")
	}
}
