package sqlite_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"go.uber.org/goleak"

	"servicelink/gateway/journal"
	"servicelink/gateway/journal/journaltest"
	"servicelink/gateway/journal/sqlite"
)

func TestMain(m *testing.M) {
	if path := os.Getenv(childPath); path != "" {
		if err := child(path); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	// Under the race detector SQLite is thirty times slower; -rapid.checks asks
	// for more.
	if err := flag.Set("rapid.checks", "8"); err != nil {
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

func TestModelWithCollidingHashes(t *testing.T) {
	journaltest.RunModel(t, func(t testing.TB) journaltest.Driver {
		d, path := driver(t), filepath.Join(t.TempDir(), "tiny.db")
		d.Open = func(o journal.Options) (journal.Journal, error) { return sqlite.OpenTiny(t.Context(), path, o) }
		return d
	})
}
