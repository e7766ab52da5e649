package sqlite_test

import (
	"flag"
	"path/filepath"
	"testing"

	"go.uber.org/goleak"

	"servicelink/gateway/journal"
	"servicelink/gateway/journal/journaltest"
	"servicelink/gateway/journal/sqlite"
)

func TestMain(m *testing.M) {
	// Under the race detector SQLite is thirty times slower; -rapid.checks asks
	// for more.
	if err := flag.Set("rapid.checks", "15"); err != nil {
		panic(err)
	}
	goleak.VerifyTestMain(m)
}

func driver(t testing.TB) journaltest.Driver {
	path := filepath.Join(t.TempDir(), "journal.db")
	return journaltest.Driver{
		Open:     func(o journal.Options) (journal.Journal, error) { return sqlite.Open(t.Context(), path, o) },
		MaxBytes: 1 << 20,
	}
}

func TestContract(t *testing.T) { journaltest.Run(t, driver) }
