package sqlite_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"servicelink/gateway/journal"
	"servicelink/gateway/journal/sqlite"
)

// childPath tells a test binary to be the process that is killed.
const childPath = "JOURNAL_TEST_CHILD"

const killRounds = 6

// child accepts and finishes entries until it is killed. Every verdict is
// written to standard output before the next accept.
func child(path string) error {
	var j *sqlite.Journal
	opened := make(chan struct{})
	j, err := sqlite.Open(context.Background(), path, journal.Options{OnCommit: func(rows []journal.Row) {
		<-opened
		for _, r := range rows {
			if r.Seq%3 != 0 {
				j.Apply(journal.Change{Seq: r.Seq, State: journal.Done})
			}
		}
	}})
	if err != nil {
		return err
	}
	close(opened)
	var wg sync.WaitGroup
	for w := range 16 {
		wg.Go(func() {
			for i := 0; ; i++ {
				id := fmt.Sprintf("%d-%d-%d", os.Getpid(), w, i)
				v, err := j.Accept(context.Background(), journal.Entry{Lane: lane, ID: id, Content: make([]byte, 300)})
				if err != nil || v[0] != journal.New {
					fmt.Fprintln(os.Stderr, v, err)
					os.Exit(1)
				}
				// One write is one line: pipes keep short writes whole.
				if _, err := os.Stdout.WriteString(id + "\n"); err != nil {
					os.Exit(1)
				}
			}
		})
	}
	wg.Wait()
	return nil
}

// TestKill kills a process at random moments. Whatever it was told to be safe
// is there afterwards, and the ledger is in balance.
func TestKill(t *testing.T) {
	path := filepath.Join(t.TempDir(), "j.db")
	told := 0
	for round := range killRounds {
		fresh := killRound(t, path)
		told += len(fresh)
		b := openBox(t, path)
		c := b.balance()
		if c.Accepted < int64(told) {
			t.Errorf("round %d: %d accepted, %d were told", round, c.Accepted, told)
		}
		if pending := pendingRows(t, b); pending != c.Pending {
			t.Errorf("round %d: %d pending rows, the ledger says %d", round, pending, c.Pending)
		}
		var keys []journal.IDHash
		for _, id := range fresh {
			keys = append(keys, journal.IDHash{ID: id})
		}
		found, err := b.Find(t.Context(), lane, keys...)
		if err != nil {
			t.Fatal(err)
		}
		for i, r := range found {
			if r == nil {
				t.Errorf("round %d: %s was told to be safe and is gone", round, keys[i].ID)
			}
		}
		if err := b.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if told == 0 {
		t.Error("no child accepted anything")
	}
}

// killRound runs a child, kills it after a random number of verdicts, and
// returns the ids it was told to be safe.
func killRound(t *testing.T, path string) (told []string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^$")
	cmd.Env = append(os.Environ(), childPath+"="+path)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReader(out)
	for n := 1 + rand.IntN(200); ; n-- {
		line, err := lines.ReadString('\n')
		if err == io.EOF {
			break // a last line without its end was not told
		}
		if err != nil {
			t.Fatal(err)
		}
		told = append(told, line[:len(line)-1])
		if n == 0 {
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := cmd.Wait(); err == nil || cmd.ProcessState.ExitCode() != -1 {
		t.Fatalf("the child ended by itself: %v", err)
	}
	return told
}

// pendingRows counts by the rows, not by the counters.
func pendingRows(t *testing.T, b *box) (rows int64) {
	t.Helper()
	list, err := b.Lanes(t.Context(), lane.Channel, lane.Direction)
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range list {
		rows += l.Pending
	}
	return rows
}
