package memory_test

import (
	"testing"

	"go.uber.org/goleak"

	"servicelink/gateway/journal"
	"servicelink/gateway/journal/journaltest"
	"servicelink/gateway/journal/memory"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestContract(t *testing.T) { journaltest.Run(t, driver) }

func TestOpenNeedsOnCommit(t *testing.T) {
	if _, err := memory.Open(journal.Options{}); err == nil {
		t.Error("opened without OnCommit")
	}
}

func driver(testing.TB) journaltest.Driver {
	return journaltest.Driver{
		Open:     func(o journal.Options) (journal.Journal, error) { return memory.Open(o) },
		MaxBytes: 1 << 20,
	}
}

func BenchmarkAccept(b *testing.B)     { journaltest.BenchAccept(b, driver(b), 0) }
func BenchmarkAcceptDone(b *testing.B) { journaltest.BenchAcceptDone(b, driver(b), 0) }
