package sqlite_test

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"servicelink/gateway/journal"
	"servicelink/gateway/journal/sqlite"
)

// leftIn lists the files of a journal, and of what stands beside it, that hold a
// text.
func leftIn(t *testing.T, path, text string) (files []string) {
	t.Helper()
	beside, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range beside {
		data, err := os.ReadFile(filepath.Join(filepath.Dir(path), f.Name()))
		if err != nil {
			t.Fatal(err)
		}
		if n := bytes.Count(data, []byte(text)); n > 0 {
			files = append(files, fmt.Sprintf("%s (%d times)", f.Name(), n))
		}
	}
	return files
}

// crowd fills a journal so that SQLite has moved rows between pages many times:
// rows of all sizes grow when they end, conversations when they are named.
func crowd(t *testing.T, b *box, all int) (customers []string) {
	t.Helper()
	const atOnce, behind = 5, 10
	for i := 0; i < all; i += atOnce {
		var entries []journal.Entry
		for n := i; n < i+atOnce; n++ {
			customers = append(customers, fmt.Sprintf("%04d-%x-customer", n, n*7919))
			entries = append(entries, crowded(n, customers[n])...)
		}
		if _, err := b.Accept(t.Context(), entries...); err != nil {
			t.Fatal(err)
		}
		if i >= behind {
			endRows(t, b, 2*(i-behind), 2*(i-behind+atOnce))
		}
	}
	endRows(t, b, 2*(all-behind), 2*all)
	return customers
}

// crowded is what a customer says and hears.
func crowded(n int, tracking string) []journal.Entry {
	in := journal.Lane{Channel: "shop", Direction: journal.In, TrackingID: tracking}
	out := in
	out.Direction = journal.Out
	text := []byte(strings.Repeat(tracking+".", 3+n%19))
	if n%500 == 13 {
		text = bytes.Repeat([]byte(tracking), 1000) // beyond a page
	}
	return []journal.Entry{
		{Lane: in, ID: tracking, Content: text, Party: &journal.Party{PartyName: "Dr. " + tracking, RemoteAddress: tracking + "@"}},
		{Lane: out, ID: tracking, TextHash: 1, ChatID: "chat", Counter: 1, Content: text},
	}
}

func endRows(t *testing.T, b *box, from, to int) {
	t.Helper()
	var changes []journal.Change
	for i, r := range b.handed()[from:to] {
		c := journal.Change{
			Seq: r.Seq, State: journal.Done, Parts: []journal.Part{{State: journal.PartSent, NetworkID: "net-" + r.ID}},
			Conv: &journal.ConvChange{Channel: "shop", TrackingID: r.Lane.TrackingID, ChatID: "chat", Counter: 1},
		}
		if i%3 == 2 {
			c.State, c.Reason, c.Hint = journal.Dead, "blocked", r.ID
		}
		changes = append(changes, c)
	}
	if err := b.Commit(t.Context(), changes...); err != nil {
		t.Fatal(err)
	}
}

// TestForgetLeavesNoTrace looks for forgotten customers in every file: in what is
// used and in what is not. Of some SQLite has left copies in unused places.
func TestForgetLeavesNoTrace(t *testing.T) {
	path := filepath.Join(t.TempDir(), "j.db")
	b := openBox(t, path)
	customers := crowd(t, b, 2000)
	if err := b.Close(); err != nil { // all is in the one file
		t.Fatal(err)
	}
	file, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	unused := sqlite.Middles(file)
	b = openBox(t, path)
	copies, forgotten := 0, 0
	for i, c := range customers {
		copied := bytes.Contains(unused, []byte(c))
		if !copied && i%50 != 1 {
			continue
		}
		if copied {
			copies++
		}
		forgotten++
		if len(leftIn(t, path, c)) == 0 {
			t.Fatalf("%s is not there", c)
		}
		f, err := b.Forget(t.Context(), "shop", c)
		if err != nil || f.Messages != 2 || !f.Clean {
			t.Fatalf("%s: forgotten %+v, %v", c, f, err)
		}
		if left := leftIn(t, path, c); len(left) > 0 {
			t.Errorf("%s, copied %v, is still in %v", c, copied, left)
		}
	}
	if copies < 3 {
		t.Errorf("SQLite has left copies of %d customers: the test shows little", copies)
	}
	v, err := b.Verify(t.Context())
	if err != nil || len(v.Problems) > 0 || v.Rows != int64(2*(len(customers)-forgotten)) {
		t.Errorf("verified %+v, %v", v, err)
	}
}

// TestForgetInterrupted: while a reader needs the log it cannot be emptied; Sweep
// does what is left, also in a process that finds the files as a crash leaves
// them.
func TestForgetInterrupted(t *testing.T) {
	path := filepath.Join(t.TempDir(), "j.db")
	b := openBox(t, path)
	customer := crowd(t, b, 200)[0]
	crashed := filepath.Join(t.TempDir(), "j.db")
	withSQL(t, path, func(db *sql.DB) error {
		tx, err := db.BeginTx(t.Context(), nil)
		if err != nil {
			return err
		}
		defer func() { _ = tx.Rollback() }()
		var n int
		if err := tx.QueryRowContext(t.Context(), "SELECT count(*) FROM message").Scan(&n); err != nil {
			return err
		}
		ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
		defer cancel()
		f, err := b.Forget(ctx, "shop", customer)
		if err != nil || f.Clean {
			t.Errorf("forgotten under a reader %+v, %v", f, err)
		}
		return copyWithLog(crashed, path)
	})
	if len(leftIn(t, crashed, customer)) == 0 {
		t.Error("nothing is left to be swept")
	}
	for _, j := range []*box{b, openBox(t, crashed)} {
		for {
			n, err := j.Sweep(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if n == 0 {
				break
			}
		}
		if left := leftIn(t, j.path, customer); len(left) > 0 {
			t.Errorf("after a sweep it is in %v", left)
		}
	}
}

// TestForgetWhileBusy: the writer goes on, and what comes meanwhile is kept.
func TestForgetWhileBusy(t *testing.T) {
	path := filepath.Join(t.TempDir(), "j.db")
	b := openBox(t, path)
	customers := crowd(t, b, 200)
	before := len(b.handed())
	stop, done := make(chan struct{}), make(chan int)
	go func() {
		n := 0
		for ; ; n++ {
			select {
			case <-stop:
				done <- n
				return
			default:
			}
			if _, err := b.Accept(context.WithoutCancel(t.Context()), journal.Entry{Lane: lane, ID: fmt.Sprint(n), Content: []byte("kept")}); err != nil {
				t.Errorf("accept: %v", err)
			}
		}
	}()
	for _, c := range customers[:5] {
		if _, err := b.Forget(t.Context(), "shop", c); err != nil {
			t.Error(err)
		}
	}
	close(stop)
	if n := <-done; n == 0 || len(b.handed()) != before+n {
		t.Errorf("%d rows were handed over, %d taken", len(b.handed())-before, n)
	}
	if v, err := b.Verify(t.Context()); err != nil || len(v.Problems) > 0 {
		t.Errorf("verified %+v, %v", v, err)
	}
}
