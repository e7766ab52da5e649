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
	j, err := sqlite.OpenSmall(context.Background(), path, journal.Options{OnCommit: func(rows []journal.Row) {
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
// is there afterwards and known as a repeat, wherever its id was at that moment,
// and the ledger is in balance.
func TestKill(t *testing.T) {
	path := filepath.Join(t.TempDir(), "j.db")
	told := 0
	for round := range killRounds {
		fresh := killRound(t, path)
		told += len(fresh)
		t.Run(fmt.Sprint(round), func(t *testing.T) { checkKilled(t, path, fresh, told) })
	}
	if told == 0 {
		t.Error("no child accepted anything")
	}
}

func checkKilled(t *testing.T, path string, fresh []string, told int) {
	j, err := sqlite.OpenSmall(t.Context(), path, journal.Options{OnCommit: func([]journal.Row) {}})
	if err != nil {
		t.Fatal(err)
	}
	b := &box{Journal: j, t: t, path: path}
	before := b.balance()
	if before.Accepted < int64(told) {
		t.Errorf("%d accepted, %d were told", before.Accepted, told)
	}
	if pending := pendingRows(t, b); pending != before.Pending {
		t.Errorf("%d pending rows, the ledger says %d", pending, before.Pending)
	}
	keys, entries := make([]journal.IDHash, len(fresh)), make([]journal.Entry, len(fresh))
	for i, id := range fresh {
		keys[i], entries[i] = journal.IDHash{ID: id}, journal.Entry{Lane: lane, ID: id}
	}
	found, err := b.Find(t.Context(), lane, keys...)
	if err != nil {
		t.Fatal(err)
	}
	verdicts, err := b.Accept(t.Context(), entries...)
	if err != nil {
		t.Fatal(err)
	}
	for i, id := range fresh {
		if found[i] == nil || verdicts[i] != journal.Repeat {
			t.Errorf("%s was told to be safe: found %v, repeated it is %v", id, found[i] != nil, verdicts[i])
		}
	}
	if after := b.balance(); after != before {
		t.Errorf("repeats changed the ledger from %+v to %+v", before, after)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	if got := textSQL(t, path, "PRAGMA integrity_check"); got != "ok" {
		t.Errorf("the file is damaged: %s", got)
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
	for n := 1 + rand.IntN(200); ; n-- { //nolint:gosec // a moment, not a secret
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
