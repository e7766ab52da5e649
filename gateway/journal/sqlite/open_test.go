package sqlite_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"servicelink/gateway/journal"
	"servicelink/gateway/journal/sqlite"
)

func tryOpen(t *testing.T, path string) error {
	t.Helper()
	j, err := sqlite.Open(t.Context(), path, journal.Options{OnCommit: func([]journal.Row) {}})
	if err == nil {
		err = j.Close()
	}
	return err
}

func TestLocked(t *testing.T) {
	path := filepath.Join(t.TempDir(), "new", "dir", "j.db")
	b := openBox(t, path)
	if err := tryOpen(t, path); !errors.Is(err, journal.ErrLocked) {
		t.Errorf("opened twice: %v", err)
	}
	b.mustAccept("1")
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	if err := tryOpen(t, path); err != nil {
		t.Errorf("opened after a close: %v", err)
	}
	for _, p := range []string{path, path + ".lock"} {
		info, err := os.Stat(p)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != 0o600 {
			t.Errorf("%s has rights %v", filepath.Base(p), info.Mode())
		}
	}
}

func TestOpenRefuses(t *testing.T) {
	whole := func(t *testing.T, path string) {
		if err := tryOpen(t, path); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		name string
		make func(t *testing.T, path string)
		want string
	}{
		{"text", func(t *testing.T, path string) {
			if err := os.WriteFile(path, bytes.Repeat([]byte("not a database "), 1000), 0o600); err != nil {
				t.Fatal(err)
			}
		}, "is damaged"},
		{"overwritten pages", func(t *testing.T, path string) {
			whole(t, path)
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			for i := 100; i < len(data); i++ {
				data[i] = 0xa5
			}
			if err := os.WriteFile(path, data, 0o600); err != nil {
				t.Fatal(err)
			}
		}, "is damaged"},
		{"another program's", func(t *testing.T, path string) {
			execSQL(t, path, "CREATE TABLE t (x)")
		}, "another program"},
		{"marked as another program's", func(t *testing.T, path string) {
			execSQL(t, path, "PRAGMA application_id = 7")
		}, "another program"},
		{"newer", func(t *testing.T, path string) {
			whole(t, path)
			execSQL(t, path, "INSERT INTO goose_db_version (version_id, is_applied) VALUES (999, 1)")
		}, "newer program"},
		{"a directory", func(t *testing.T, path string) {
			if err := os.Mkdir(path, 0o700); err != nil {
				t.Fatal(err)
			}
		}, "j.db"},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "j.db")
			c.make(t, path)
			err := tryOpen(t, path)
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), path) {
				t.Errorf("open: %v, want one about %q and the path", err, c.want)
			}
		})
	}
	if _, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "j.db"), journal.Options{}); err == nil {
		t.Error("opened without OnCommit")
	}
}

// TestOpensTheFormBefore: a file that an earlier program wrote is brought up to
// date, with what is in it.
func TestOpensTheFormBefore(t *testing.T) {
	path := filepath.Join(t.TempDir(), "j.db")
	b := openBox(t, path)
	r := b.mustAccept("1")
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	for _, undo := range []string{
		"DROP TABLE name",
		"ALTER TABLE conversation DROP COLUMN profile_at", "ALTER TABLE conversation DROP COLUMN profile_culture",
		"ALTER TABLE conversation DROP COLUMN profile_name", "DROP INDEX message_listed", "ALTER TABLE message DROP COLUMN listed",
		"ALTER TABLE progress DROP COLUMN window_by", "ALTER TABLE progress DROP COLUMN window_end",
		"DELETE FROM goose_db_version WHERE version_id > 4",
	} {
		execSQL(t, path, undo)
	}
	b = openBox(t, path)
	if got := b.state(r.Seq); got.ID != "1" {
		t.Errorf("row %+v", got)
	}
	if err := b.Commit(t.Context(), journal.Change{
		Seq: r.Seq, State: journal.Done, Parts: []journal.Part{{State: journal.PartSent, NetworkID: "n"}}, Listed: true,
	}); err != nil {
		t.Fatal(err)
	}
	if rows, err := b.Listed(t.Context(), journal.ListedQuery{Lane: lane, NetworkID: "n", Recent: 1}); err != nil || len(rows) != 1 {
		t.Errorf("listed: %v, %v", rows, err)
	}
	end := time.Unix(1000, 0).UTC()
	if err := b.Commit(t.Context(), journal.Change{Conv: &journal.ConvChange{
		Channel: lane.Channel, TrackingID: lane.TrackingID, WindowEnd: end, WindowBy: journal.WindowByNetwork,
	}}); err != nil {
		t.Fatal(err)
	}
	got, ok, err := b.Conversation(t.Context(), lane.Channel, lane.TrackingID)
	if err != nil || !ok || !got.WindowEnd.Equal(end) || got.WindowBy != journal.WindowByNetwork {
		t.Errorf("conversation %+v, %v, %v", got, ok, err)
	}
}

func TestOddPath(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a b?c#d%20e&f=1.db")
	b := openBox(t, path)
	row := b.mustAccept("1")
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); err != nil {
		t.Fatal(err)
	}
	if r := openBox(t, path).state(row.Seq); r.ID != "1" {
		t.Errorf("row %+v", r)
	}
}

// TestDamagedLog copies the files of a living journal, as a crash leaves them,
// and damages the end of the log at every length: what was committed before the
// damage is there, nothing else is, and the journal works.
func TestDamagedLog(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "j.db")
	b := openBox(t, path)
	var sizes []int64 // of the log, after each entry
	for i := range 8 {
		b.mustAccept(fmt.Sprint(i))
		info, err := os.Stat(path + "-wal")
		if err != nil {
			t.Fatal(err)
		}
		sizes = append(sizes, info.Size())
	}
	db, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	log, err := os.ReadFile(path + "-wal")
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	for cut := sizes[0]; cut <= sizes[len(sizes)-1]; cut += 17_000 {
		for name, damaged := range map[string][]byte{
			"cut":     log[:cut],
			"garbled": append(bytes.Clone(log[:cut]), bytes.Repeat([]byte{0xa5}, len(log)-int(cut))...),
		} {
			want := 0
			for want < len(sizes) && sizes[want] <= cut {
				want++
			}
			t.Run(fmt.Sprintf("%s at %d", name, cut), func(t *testing.T) { checkDamaged(t, db, damaged, want) })
		}
	}
}

func checkDamaged(t *testing.T, db, log []byte, want int) {
	path := filepath.Join(t.TempDir(), "j.db")
	if err := errors.Join(os.WriteFile(path, db, 0o600), os.WriteFile(path+"-wal", log, 0o600)); err != nil {
		t.Fatal(err)
	}
	b := openBox(t, path)
	if c := b.balance(); c.Accepted != int64(want) || c.Pending != int64(want) {
		t.Errorf("ledger %+v, want %d", c, want)
	}
	for i := range want {
		v, err := b.Accept(t.Context(), journal.Entry{Lane: lane, ID: fmt.Sprint(i)})
		if err != nil || v[0] != journal.Repeat {
			t.Errorf("entry %d: %v, %v", i, v, err)
		}
	}
	b.mustAccept("new")
}
