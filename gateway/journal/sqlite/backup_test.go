package sqlite_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"servicelink/gateway/journal"
	"servicelink/gateway/journal/sqlite"
)

// TestBackup copies a journal in use, and opens the copy.
func TestBackup(t *testing.T) {
	path, folder := filepath.Join(t.TempDir(), "j.db"), t.TempDir()
	b := openBox(t, path)
	crowd(t, b, 200)
	before := len(b.handed())
	row := b.mustAccept("pending")
	stop, done := make(chan struct{}), make(chan int)
	go func() { // messages go on meanwhile
		n := 0
		for ; ; n++ {
			select {
			case <-stop:
				done <- n
				return
			default:
			}
			if _, err := b.Accept(context.WithoutCancel(t.Context()), journal.Entry{Lane: lane, ID: fmt.Sprint(n)}); err != nil {
				t.Errorf("accept: %v", err)
			}
		}
	}()
	left := filepath.Join(folder, ".servicelink-backup-1.part") // by a crash
	if err := os.WriteFile(left, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	to := filepath.Join(folder, "copy.db")
	if err := b.Backup(t.Context(), to); err != nil {
		t.Fatal(err)
	}
	close(stop)
	if n := <-done; n == 0 {
		t.Error("nothing was taken meanwhile")
	}
	if err := b.Backup(t.Context(), to); !errors.Is(err, journal.ErrExists) {
		t.Errorf("over a file: %v", err)
	}
	info, err := os.Stat(to)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("%v, %v", info, err)
	}
	if files, err := os.ReadDir(folder); err != nil || len(files) != 1 {
		t.Errorf("beside it: %v, %v", files, err)
	}
	v, err := sqlite.VerifyFile(t.Context(), to)
	if err != nil || len(v.Problems) > 0 || v.Rows <= int64(before) || v.Pending < 1 || v.Conversations != 201 {
		t.Errorf("verified %+v, %v", v, err)
	}
	if files, err := os.ReadDir(folder); err != nil || len(files) != 1 {
		t.Errorf("verifying made %v, %v", files, err)
	}
	if got := openBox(t, to).state(row.Seq); got.ID != "pending" || got.State != journal.Accepted {
		t.Errorf("in the copy: %+v", got)
	}
}

// TestRestore: a copy in the journal's place knows that it does not know what
// happened since.
func TestRestore(t *testing.T) {
	b := openBox(t, filepath.Join(t.TempDir(), "j.db"))
	in := b.mustAccept("in")
	out := journal.Lane{Channel: "shop", Direction: journal.Out, TrackingID: "a"}
	for _, id := range []string{"untried", "half", "done"} {
		if _, err := b.Accept(t.Context(), journal.Entry{Lane: out, ID: id, Content: []byte(id)}); err != nil {
			t.Fatal(err)
		}
	}
	rows := b.handed()
	untried, half, done := rows[1], rows[2], rows[3]
	sent := journal.Part{State: journal.PartSent, NetworkID: "n1"}
	if err := b.Commit(t.Context(), journal.Change{Seq: half.Seq, State: journal.Delivering, Attempts: 1, Parts: []journal.Part{sent, {Reason: "rate"}}},
		journal.Change{
			Seq: done.Seq, State: journal.Done, Parts: []journal.Part{sent},
			Conv: &journal.ConvChange{Channel: "shop", TrackingID: "a", ChatID: "chat", Counter: 5, Released: 4},
		}); err != nil {
		t.Fatal(err)
	}
	to := filepath.Join(t.TempDir(), "copy.db")
	if err := b.Backup(t.Context(), to); err != nil {
		t.Fatal(err)
	}
	before := time.Now()
	r := openBox(t, to)
	check := func() {
		t.Helper()
		if r.Born().Before(before.Truncate(time.Microsecond)) || !b.Born().Before(before) {
			t.Errorf("born %v, the journal %v", r.Born(), b.Born())
		}
		for row, want := range map[int64][]journal.Part{
			in.Seq: nil, done.Seq: {sent}, untried.Seq: {{State: journal.PartAttempting}},
			half.Seq: {sent, {State: journal.PartAttempting, Reason: "rate"}},
		} {
			if got := r.state(row); !slices.Equal(got.Parts, want) {
				t.Errorf("%s has parts %+v, want %+v", got.ID, got.Parts, want)
			}
		}
	}
	check()
	if c, ok, err := r.Conversation(t.Context(), "shop", "a"); err != nil || !ok || c.ChatID != "" || c.Counter != 0 || c.Released != 0 || c.Started.IsZero() {
		t.Errorf("conversation %+v, %v", c, err)
	}
	if len(b.state(untried.Seq).Parts) != 0 {
		t.Error("the journal that was copied is changed")
	}
	// What it does from then on is its own.
	if err := r.Commit(t.Context(), journal.Change{Seq: half.Seq, State: journal.Delivering, Parts: []journal.Part{sent, {Reason: "rate"}}}); err != nil {
		t.Fatal(err)
	}
	born := r.Born()
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	r = openBox(t, to)
	if got := r.state(half.Seq); got.Parts[1].State != 0 || !r.Born().Equal(born) {
		t.Errorf("opened again: %+v, born %v", got.Parts, r.Born())
	}
}

func TestBackupRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "j.db")
	b := openBox(t, path)
	b.mustAccept("1")
	if err := b.Backup(t.Context(), filepath.Join(t.TempDir(), "none", "copy.db")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("into no folder: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	folder := t.TempDir()
	if err := b.Backup(ctx, filepath.Join(folder, "copy.db")); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	if err := b.Backup(t.Context(), filepath.Join(folder, "copy.db")); !errors.Is(err, journal.ErrAway) {
		t.Errorf("closed: %v", err)
	}
	if files, err := os.ReadDir(folder); err != nil || len(files) != 0 {
		t.Errorf("left %v, %v", files, err)
	}
}

// TestVerifyFinds spoils a journal in the ways that must be told of.
func TestVerifyFinds(t *testing.T) {
	for _, c := range []struct{ name, spoil, says string }{
		{"nothing", "SELECT 1", ""},
		{"ledger", "UPDATE ledger SET done = done + 1", "shop in is not in balance"},
		{"pending by the ledger", "UPDATE ledger SET pending = pending + 1, accepted = accepted + 1", "1 rows are pending, and 2 by the ledger"},
		{"a row is gone", "DELETE FROM message WHERE state = 1", "0 rows are pending, and 1 by the ledger"},
		{"more rows than were taken", "INSERT INTO message SELECT seq + 100, lane, 3, epoch, attempts, accepted_at, ended_at, next_at, id, text_hash, counter, chat_id, base_chat, base_counter, sent_at, deadline, reason, hint, parts, content, strikes, listed FROM message", "2 rows are done and 1 dead of 4; the ledger has 0, 1 and 2"},
		{"rows of nobody", "DELETE FROM conversation; DELETE FROM progress", "2 rows belong to no conversation"},
		{"a record", "DELETE FROM progress", "conversations without a state"},
		{"no ledger", "DELETE FROM ledger", "no line of it in the ledger"},
		{"index", `PRAGMA writable_schema = on; CREATE TABLE other (seq, lane, state);
			CREATE INDEX other_pending ON other (seq >> 12, lane) WHERE state < 3;
			UPDATE sqlite_schema SET rootpage = (SELECT rootpage FROM sqlite_schema WHERE name = 'other_pending') WHERE name = 'message_pending';
			DELETE FROM sqlite_schema WHERE name = 'other_pending'`, "pending by their index: 0 rows"},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "j.db")
			b := openBox(t, path)
			b.mustAccept("1")
			dead := b.mustAccept("2")
			if err := b.Commit(t.Context(), journal.Change{Seq: dead.Seq, State: journal.Dead, Reason: "blocked"}); err != nil {
				t.Fatal(err)
			}
			if err := b.Close(); err != nil {
				t.Fatal(err)
			}
			execSQL(t, path, c.spoil)
			v, err := sqlite.VerifyFile(t.Context(), path)
			found := slices.ContainsFunc(v.Problems, func(p string) bool { return strings.Contains(p, c.says) })
			if err != nil || (c.says == "") != (len(v.Problems) == 0) || c.says != "" && !found {
				t.Errorf("%v; found %q", err, v.Problems)
			}
		})
	}
}

func TestVerifyFileRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "j.db")
	b := openBox(t, path)
	b.mustAccept("1")
	other := filepath.Join(t.TempDir(), "other.db")
	execSQL(t, other, "CREATE TABLE t (x)")
	text := filepath.Join(t.TempDir(), "text")
	if err := os.WriteFile(text, []byte("hello"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := sqlite.VerifyFile(t.Context(), path); !errors.Is(err, journal.ErrLocked) {
		t.Errorf("in use: %v", err)
	}
	if _, err := sqlite.VerifyFile(t.Context(), path+".none"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("nothing: %v", err)
	}
	if _, err := sqlite.VerifyFile(t.Context(), t.TempDir()); err == nil {
		t.Error("a folder was verified")
	}
	if _, err := sqlite.VerifyFile(t.Context(), other); err == nil || !strings.Contains(err.Error(), "not a journal") {
		t.Errorf("another program's: %v", err)
	}
	if v, err := sqlite.VerifyFile(t.Context(), text); err == nil && len(v.Problems) == 0 {
		t.Error("a text was verified")
	}
}

// copyWithLog copies a journal with its log, as a crash would leave it.
func copyWithLog(to, from string) error {
	for _, end := range []string{"", "-wal"} {
		data, err := os.ReadFile(from + end)
		if err != nil {
			return err
		}
		if err := os.WriteFile(to+end, data, 0o600); err != nil {
			return err
		}
	}
	return nil
}

// TestVerifyFileWithLog: what a crash leaves in the log is looked at, too.
func TestVerifyFileWithLog(t *testing.T) {
	path, copied := filepath.Join(t.TempDir(), "j.db"), filepath.Join(t.TempDir(), "j.db")
	b := openBox(t, path)
	b.mustAccept("1")
	withSQL(t, path, func(*sql.DB) error {
		return copyWithLog(copied, path)
	})
	if v, err := sqlite.VerifyFile(t.Context(), copied); err != nil || v.Rows != 1 || v.Pending != 1 || len(v.Problems) > 0 {
		t.Errorf("verified %+v, %v", v, err)
	}
}
