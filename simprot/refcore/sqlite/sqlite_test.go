package sqlite

import (
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestOpen: what is no store of ours stays as it is, and two do not work on one
// file. What a Store promises is tested with the other stores, in refcore.
func TestOpen(t *testing.T) {
	dir := t.TempDir()
	foreign, text := filepath.Join(dir, "foreign.db"), filepath.Join(dir, "text.db")
	db, err := sql.Open("sqlite", foreign)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.ExecContext(t.Context(), "CREATE TABLE theirs (x)"); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(text, []byte("a text that is not a database, long enough to be looked at as one"), 0o600); err != nil {
		t.Fatal(err)
	}
	open, err := Open(t.Context(), filepath.Join(dir, "ours.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer open.Close()
	for name, tt := range map[string]struct {
		path string
		want error // nil: any
	}{
		"another program's": {foreign, ErrForeign},
		"no database":       {text, nil},
		"no folder":         {filepath.Join(dir, "none", "x.db"), nil},
		"in use":            {filepath.Join(dir, "ours.db"), ErrInUse},
	} {
		s, err := Open(t.Context(), tt.path)
		if err == nil {
			t.Errorf("%s: opened", name)
			_ = s.Close()
		} else if tt.want != nil && !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, want %v", name, err, tt.want)
		}
	}
}
