package sqlite_test

import (
	"context"
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"

	"servicelink/gateway/journal"
	"servicelink/gateway/journal/sqlite"
)

var lane = journal.Lane{Channel: "shop", Direction: journal.In, TrackingID: "a"}

// box is an open journal that remembers what it handed over.
type box struct {
	*sqlite.Journal
	t    testing.TB
	path string

	mu   sync.Mutex
	rows []journal.Row
}

func openBox(t testing.TB, path string) *box {
	t.Helper()
	b := &box{t: t, path: path}
	o := journal.Options{OnCommit: func(rows []journal.Row) {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.rows = append(b.rows, rows...)
	}}
	j, err := sqlite.Open(t.Context(), path, o)
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	b.Journal = j
	t.Cleanup(func() { _ = j.Close() })
	return b
}

func (b *box) handed() []journal.Row {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.rows
}

// accept takes one entry and returns its row.
func (b *box) accept(id string, content []byte) (journal.Row, error) {
	if _, err := b.Accept(b.t.Context(), journal.Entry{Lane: lane, ID: id, Content: content}); err != nil {
		return journal.Row{}, err
	}
	rows := b.handed()
	return rows[len(rows)-1], nil
}

func (b *box) mustAccept(id string) journal.Row {
	b.t.Helper()
	r, err := b.accept(id, []byte(id))
	if err != nil {
		b.t.Fatalf("accept %s: %v", id, err)
	}
	return r
}

func (b *box) state(seq int64) journal.Row {
	b.t.Helper()
	r, err := b.Row(b.t.Context(), seq)
	if err != nil {
		b.t.Fatalf("row %d: %v", seq, err)
	}
	return r
}

func (b *box) balance() journal.Counts {
	b.t.Helper()
	ledger, err := b.Ledger(b.t.Context())
	if err != nil {
		b.t.Fatalf("ledger: %v", err)
	}
	c := ledger[journal.LedgerKey{Channel: lane.Channel, Direction: lane.Direction}].Counts
	if c.Accepted+c.Requeued != c.Done+c.Dead+c.Pending {
		b.t.Errorf("ledger out of balance: %+v", c)
	}
	return c
}

// withSQL opens the file from outside, beside the journal or without it.
func withSQL(t testing.TB, path string, fn func(*sql.DB) error) {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+path+"?_pragma=busy_timeout(5000)")
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(fn(db), db.Close()); err != nil {
		t.Fatal(err)
	}
}

func execSQL(t testing.TB, path, query string) {
	t.Helper()
	withSQL(t, path, func(db *sql.DB) error {
		_, err := db.ExecContext(t.Context(), query)
		return err
	})
}

func textSQL(t testing.TB, path, query string) (text string) {
	t.Helper()
	withSQL(t, path, func(db *sql.DB) error { return db.QueryRowContext(t.Context(), query).Scan(&text) })
	return text
}

func TestRefusedAlone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "j.db")
	b := openBox(t, path)
	execSQL(t, path, `CREATE TRIGGER refuse BEFORE INSERT ON message
		WHEN NEW.content = CAST('poison' AS BLOB) OR NEW.id = 'cursed' OR (NEW.id = 'live' AND NEW.state < 3)
		BEGIN SELECT RAISE(ABORT, 'refused by the test'); END`)
	entry := func(id, content string) journal.Entry {
		return journal.Entry{Lane: lane, ID: id, Content: []byte(content)}
	}
	v, err := b.Accept(t.Context(), entry("1", "good"), entry("2", "poison"), entry("1", "good"), entry("live", "kept"), entry("3", "good"))
	if err != nil {
		t.Fatal(err)
	}
	want := []journal.Verdict{journal.New, journal.Refused, journal.Repeat, journal.Refused, journal.New}
	for i := range want {
		if v[i] != want[i] {
			t.Errorf("entry %d: verdict %v, want %v", i, v[i], want[i])
		}
	}
	var handed []string
	for _, r := range b.handed() {
		handed = append(handed, r.ID)
	}
	if got := strings.Join(handed, " "); got != "1 1 3" {
		t.Errorf("handed over %s", got)
	}
	dead, err := b.Dead(t.Context(), journal.DeadQuery{})
	if err != nil || len(dead) != 2 {
		t.Fatalf("dead: %v, %v", dead, err)
	}
	if r := dead[1]; r.ID != "2" || r.Reason != "refused" || len(r.Content) != 0 {
		t.Errorf("refused for its content: %+v", r)
	}
	if r := dead[0]; r.ID != "live" || r.Reason != "refused" || string(r.Content) != "kept" {
		t.Errorf("refused for something else: %+v", r)
	}
	if v, err = b.Accept(t.Context(), entry("2", "poison")); err != nil || v[0] != journal.Repeat {
		t.Errorf("repeat of a refused entry: %v, %v", v, err)
	}
	if _, err = b.Accept(t.Context(), entry("cursed", "x")); err == nil {
		t.Error("an entry that cannot even be a dead letter was taken")
	}
	if err := b.Health(); err != nil {
		t.Errorf("health after a refused entry: %v", err)
	}
	if c := b.balance(); c.Accepted != 4 || c.Dead != 2 || c.Pending != 2 {
		t.Errorf("ledger %+v", c)
	}
}

func TestChangeRefusedAlone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "j.db")
	b := openBox(t, path)
	execSQL(t, path, `CREATE TRIGGER refuse BEFORE UPDATE ON message WHEN NEW.hint = 'poison' OR NEW.reason = 'cursed'
		BEGIN SELECT RAISE(ABORT, 'refused by the test'); END`)
	first, second, third := b.mustAccept("1"), b.mustAccept("2"), b.mustAccept("3")
	err := b.Commit(t.Context(),
		journal.Change{Seq: first.Seq, State: journal.Dead, Reason: "content", Hint: "poison"},
		journal.Change{Seq: second.Seq, State: journal.Done})
	if err != nil {
		t.Fatal(err)
	}
	if r := b.state(first.Seq); r.State != journal.Dead || r.Reason != "content" || r.Hint != "" {
		t.Errorf("refused change: %+v", r)
	}
	if r := b.state(second.Seq); r.State != journal.Done {
		t.Errorf("change beside a refused one: %+v", r)
	}
	if err := b.Commit(t.Context(), journal.Change{Seq: third.Seq, State: journal.Dead, Reason: "cursed"}); err == nil {
		t.Error("a change that was not written is reported as durable")
	}
	b.balance()
}

// TestFileMoved takes the file away under the process, as an operator's mistake
// would, and puts it back.
func TestFileMoved(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "j.db")
	b := openBox(t, path)
	first := b.mustAccept("1")
	if err := os.Rename(path, path+".away"); err != nil {
		t.Fatal(err)
	}
	if _, err := b.accept("2", nil); !errors.Is(err, journal.ErrAway) {
		t.Fatalf("accept without a file: %v", err)
	}
	if err := b.Health(); !errors.Is(err, journal.ErrAway) {
		t.Errorf("health %v", err)
	}
	for name, call := range map[string]func() error{
		"requeue": func() error { return b.Requeue(t.Context(), first.Seq) },
		"sweep":   func() error { _, err := b.Sweep(t.Context()); return err },
		"refill": func() error {
			b.Apply(journal.Change{Seq: first.Seq, State: journal.Delivering})
			ch := make(chan error, 1)
			b.Refill(lane, 1, func(_ []journal.Row, _ bool, err error) { ch <- err })
			return <-ch
		},
	} {
		if err := call(); !errors.Is(err, journal.ErrAway) {
			t.Errorf("%s without a file: %v", name, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := b.Commit(ctx, journal.Change{Seq: first.Seq, State: journal.Done}); !errors.Is(err, context.Canceled) {
		t.Errorf("commit with a dead context: %v", err)
	}
	b.Apply(journal.Change{Seq: first.Seq, State: journal.Done})
	if err := os.Rename(path+".away", path); err != nil {
		t.Fatal(err)
	}
	second := b.mustAccept("2")
	if r := b.state(first.Seq); r.State != journal.Done {
		t.Errorf("changes made while the file was away: %+v", r)
	}
	if err := b.Health(); err != nil {
		t.Errorf("health with the file back: %v", err)
	}
	if r := b.state(second.Seq); r.State != journal.Accepted {
		t.Errorf("row %+v", r)
	}
	b.balance()
}

// TestChangesKeepTheirOrder has more changes wait than fit into one group.
func TestChangesKeepTheirOrder(t *testing.T) {
	path := filepath.Join(t.TempDir(), "j.db")
	b := openBox(t, path)
	rows := []journal.Row{b.mustAccept("1"), b.mustAccept("2")}
	if err := os.Rename(path, path+".away"); err != nil {
		t.Fatal(err)
	}
	const changes = 600
	for i := range changes {
		for _, r := range rows {
			b.Apply(journal.Change{Seq: r.Seq, State: journal.Delivering, Attempts: i + 1})
		}
	}
	b.Apply(journal.Change{Seq: rows[1].Seq, State: journal.Done, Attempts: 1})
	if _, err := b.accept("3", nil); !errors.Is(err, journal.ErrAway) {
		t.Fatalf("accept without a file: %v", err)
	}
	if err := os.Rename(path+".away", path); err != nil {
		t.Fatal(err)
	}
	if err := b.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	if r := b.state(rows[0].Seq); r.State != journal.Delivering || r.Attempts != changes {
		t.Errorf("first row: %s after %d attempts", r.State, r.Attempts)
	}
	if r := b.state(rows[1].Seq); r.State != journal.Done || r.Attempts != 1 {
		t.Errorf("second row: %s after %d attempts", r.State, r.Attempts)
	}
	b.balance()
}

// TestRecoversAlone checks that nobody has to call for the journal to notice
// that writing works again: readiness keeps callers away until it says so.
func TestRecoversAlone(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(dir, "j.db")
		b := openBox(t, path)
		row := b.mustAccept("1")
		if err := os.Rename(path, path+".away"); err != nil {
			t.Fatal(err)
		}
		b.Apply(journal.Change{Seq: row.Seq, State: journal.Done})
		time.Sleep(time.Minute)
		if err := b.Health(); !errors.Is(err, journal.ErrAway) {
			t.Errorf("health after a minute without a file: %v", err)
		}
		if err := os.Rename(path+".away", path); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		if err := b.Health(); err != nil {
			t.Errorf("health a minute after the file came back: %v", err)
		}
		if r := b.state(row.Seq); r.State != journal.Done {
			t.Errorf("the change that waited: %+v", r)
		}
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
}

func TestCloseWhileAway(t *testing.T) {
	path := filepath.Join(t.TempDir(), "j.db")
	b := openBox(t, path)
	row := b.mustAccept("1")
	if err := os.Rename(path, path+".away"); err != nil {
		t.Fatal(err)
	}
	b.Apply(journal.Change{Seq: row.Seq, State: journal.Done})
	if err := b.Close(); !errors.Is(err, journal.ErrAway) || !strings.Contains(err.Error(), "1 queued changes") {
		t.Errorf("close with a change that cannot be written: %v", err)
	}
}

// mountSmall makes a file system of a few megabytes.
func mountSmall(t *testing.T, size string) string {
	t.Helper()
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size="+size); err != nil {
		t.Skipf("a small file system needs the right to mount: %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return dir
}

func TestDeviceFull(t *testing.T) {
	dir := mountSmall(t, "6m")
	b := openBox(t, filepath.Join(dir, "j.db"))
	content := make([]byte, 50<<10)
	var rows []journal.Row
	var err error
	for i := range 200 {
		var r journal.Row
		if r, err = b.accept(string(rune('a'+i)), content); err != nil {
			break
		}
		rows = append(rows, r)
	}
	if !errors.Is(err, journal.ErrFull) {
		t.Fatalf("after %d entries: %v, want ErrFull", len(rows), err)
	}
	if err := b.Health(); !errors.Is(err, journal.ErrFull) {
		t.Errorf("health %v", err)
	}
	if c := b.balance(); c.Accepted != int64(len(rows)) {
		t.Errorf("ledger %+v after %d accepted entries", c, len(rows))
	}
	for _, r := range rows {
		b.Apply(journal.Change{Seq: r.Seq, State: journal.Done})
	}
	// Space returns from outside: here the file system grows.
	if err := unix.Mount("tmpfs", dir, "tmpfs", unix.MS_REMOUNT, "size=32m"); err != nil {
		t.Fatal(err)
	}
	if _, err := b.accept("after", content); err != nil {
		t.Errorf("accept with space again: %v", err)
	}
	if err := b.Health(); err != nil {
		t.Errorf("health with space again: %v", err)
	}
	if c := b.balance(); c.Done != int64(len(rows)) || c.Pending != 1 {
		t.Errorf("ledger %+v, want %d done", c, len(rows))
	}
}

func TestReadOnlyDevice(t *testing.T) {
	dir := mountSmall(t, "16m")
	path := filepath.Join(dir, "j.db")
	b := openBox(t, path)
	row := b.mustAccept("1")
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("tmpfs", dir, "tmpfs", unix.MS_REMOUNT|unix.MS_RDONLY, ""); err != nil {
		t.Fatal(err)
	}
	_, err := sqlite.Open(t.Context(), path, journal.Options{OnCommit: func([]journal.Row) {}})
	if err == nil || !strings.Contains(err.Error(), "cannot be written") || !strings.Contains(err.Error(), path) {
		t.Errorf("open on a read-only device: %v", err)
	}
	if err := unix.Mount("tmpfs", dir, "tmpfs", unix.MS_REMOUNT, ""); err != nil {
		t.Fatal(err)
	}
	b = openBox(t, path)
	if r := b.state(row.Seq); r.ID != "1" {
		t.Errorf("row %+v", r)
	}
}
