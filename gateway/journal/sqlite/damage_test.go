package sqlite_test

import (
	"path/filepath"
	"strings"
	"testing"

	"servicelink/gateway/journal"
	"servicelink/gateway/journal/sqlite"
)

// TestContradiction: a file whose index lost rows, as a spoilt page can make it,
// is refused; they would never be delivered, and nobody would know.
func TestContradiction(t *testing.T) {
	path := filepath.Join(t.TempDir(), "j.db")
	b := openBox(t, path)
	b.mustAccept("1")
	b.mustAccept("2")
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	execSQL(t, path, "DELETE FROM message WHERE id = '2'")
	_, err := sqlite.Open(t.Context(), path, journal.Options{OnCommit: func([]journal.Row) {}})
	if err == nil || !strings.Contains(err.Error(), "is damaged") || !strings.Contains(err.Error(), "2 rows are pending by the ledger and 1 by their index") {
		t.Errorf("opened with %v", err)
	}
}
