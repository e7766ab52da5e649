package sqlite

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"servicelink/gateway/journal"
)

// TestBackupWithoutRoom: a copy must not take the space the journal needs.
func TestBackupWithoutRoom(t *testing.T) {
	folder := t.TempDir()
	j, err := Open(t.Context(), filepath.Join(folder, "j.db"), journal.Options{OnCommit: func([]journal.Row) {}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = j.Close() }()
	j.s.size.Store(1 << 60)
	to := filepath.Join(folder, "copy.db")
	if err := j.Backup(t.Context(), to); !errors.Is(err, journal.ErrNoSpace) {
		t.Errorf("a copy of 2^60 bytes: %v", err)
	}
	if _, err := os.Stat(to); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("there is a file: %v", err)
	}
}
