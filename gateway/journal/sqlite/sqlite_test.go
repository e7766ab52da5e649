package sqlite_test

import (
	"path/filepath"
	"testing"

	"go.uber.org/goleak"

	"servicelink/gateway/journal"
	"servicelink/gateway/journal/journaltest"
	"servicelink/gateway/journal/sqlite"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestContract(t *testing.T) {
	journaltest.Run(t, func(t testing.TB) journaltest.Driver {
		path := filepath.Join(t.TempDir(), "journal.db")
		return journaltest.Driver{
			Open:     func(o journal.Options) (journal.Journal, error) { return sqlite.Open(t.Context(), path, o) },
			MaxBytes: 1 << 20,
		}
	})
}
