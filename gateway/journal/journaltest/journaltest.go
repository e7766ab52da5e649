// Package journaltest is the contract suite of the journal: one set of tests
// that every driver passes. A driver's own tests hold only what is special to
// it (files, faults, processes).
package journaltest

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"servicelink/gateway/journal"
)

// Driver makes the journals of one test.
type Driver struct {
	// Open opens the test's journal; after Close it opens the same one again.
	Open func(o journal.Options) (journal.Journal, error)
	// MaxBytes is a bound that some hundred kilobytes of entries reach.
	MaxBytes int64
}

// Run runs the suite; fresh makes a Driver with a new, empty journal.
func Run(t *testing.T, fresh func(t testing.TB) Driver) {
	for _, c := range []struct {
		name string
		run  func(t *testing.T, d Driver)
	}{
		{"accept hands over in commit order", testHandOver},
		{"accept is unique by key", testUnique},
		{"repeat in the batch of its first", testRepeatInBatch},
		{"repeat by state", testRepeatByState},
		{"accept concurrently", testConcurrent},
		{"cancelled accept", testCancelled},
		{"submit", testSubmit},
		{"dead at once", testDeadAtOnce},
		{"entry is kept whole", testRoundTrip},
		{"long texts and times at the edges", testEdges},
		{"change moves a row", testChange},
		{"change is forward only", testForwardOnly},
		{"change without a state", testNoState},
		{"change of a conversation", testConvChange},
		{"accept takes the base of the conversation", testBase},
		{"party", testParty},
		{"profile", testProfile},
		{"conversations since", testConversations},
		{"refill sees what was applied before", testRefill},
		{"refill from a callback", testRefillFromCallback},
		{"find", testFind},
		{"lanes", testLanes},
		{"trace", testTrace},
		{"sent", testSent},
		{"listed", testListed},
		{"listed rows go on", testListedMoves},
		{"arrivals", testArrivals},
		{"paused channels", testPause},
		{"names", testNames},
		{"names claimed at the same time", testNamesAtOnce},
		{"names go with their conversation", testNamesForgotten},
		{"names after their time", testNamesSwept},
		{"names of a full journal", testNamesFull},
		{"reports", testReports},
		{"reports of a running send", testReportsKept},
		{"reports in order", testReportsInOrder},
		{"reports of a requeued send", testReportsRequeued},
		{"ledger's oldest pending", testOldest},
		{"requeue", testRequeue},
		{"discard", testDiscard},
		{"dead letters are paged", testDeadPages},
		{"pending rows are paged", testPendingPages},
		{"forget", testForget},
		{"forget many rows", testForgetMany},
		{"verify", testVerify},
		{"sweep", testSweep},
		{"sweep leaves pending rows and their ids", testSweepPending},
		{"sweep in bounded steps", testSweepBounded},
		{"full and free again", testFull},
		{"closed", testClosed},
		{"closed with work in the queue", testCloseFlushes},
		{"reopened", testReopen},
	} {
		t.Run(c.name, func(t *testing.T) { c.run(t, fresh(t)) })
	}
	t.Run("model", func(t *testing.T) { RunModel(t, fresh) })
}

// clock is a wall clock that moves when told.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock {
	return &clock{now: time.Date(2026, 5, 17, 10, 0, 0, 123_456_000, time.UTC)}
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// harness is an open journal with what its test needs to look at.
type harness struct {
	journal.Journal
	t     testing.TB
	d     Driver
	o     journal.Options
	clock *clock

	mu     sync.Mutex
	handed []journal.Row
}

// open opens d's journal and closes it with the test.
func open(t testing.TB, d Driver, set ...func(*journal.Options)) *harness {
	t.Helper()
	h := &harness{t: t, d: d, clock: newClock()}
	h.o = journal.Options{Now: h.clock.Now, OnCommit: h.take}
	for _, f := range set {
		f(&h.o)
	}
	h.open()
	t.Cleanup(func() {
		if err := h.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return h
}

func (h *harness) open() {
	h.t.Helper()
	j, err := h.d.Open(h.o)
	if err != nil {
		h.t.Fatalf("open: %v", err)
	}
	h.Journal = j
}

// reopen closes and opens the journal; it skips what a volatile one forgets.
func (h *harness) reopen() {
	h.t.Helper()
	if err := h.Close(); err != nil {
		h.t.Fatalf("close: %v", err)
	}
	h.open()
}

func (h *harness) take(rows []journal.Row) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.handed = append(h.handed, rows...)
}

// taken returns the rows handed over since the last call.
func (h *harness) taken() []journal.Row {
	h.mu.Lock()
	defer h.mu.Unlock()
	rows := h.handed
	h.handed = nil
	return rows
}

// accept accepts entries, checks the ledger and returns the verdicts.
func (h *harness) accept(entries ...journal.Entry) []journal.Verdict {
	h.t.Helper()
	v, err := h.Accept(h.t.Context(), entries...)
	if err != nil {
		h.t.Fatalf("accept: %v", err)
	}
	if len(v) != len(entries) {
		h.t.Fatalf("accept gave %d verdicts for %d entries", len(v), len(entries))
	}
	h.checkLedger()
	return v
}

// acceptOne accepts a new entry and returns its row.
func (h *harness) acceptOne(e journal.Entry) journal.Row {
	h.t.Helper()
	h.taken()
	h.wantVerdicts(h.accept(e), journal.New)
	rows := h.taken()
	if len(rows) != 1 {
		h.t.Fatalf("%d rows handed over, want 1", len(rows))
	}
	return rows[0]
}

func (h *harness) commit(changes ...journal.Change) {
	h.t.Helper()
	if err := h.Commit(h.t.Context(), changes...); err != nil {
		h.t.Fatalf("commit: %v", err)
	}
	h.checkLedger()
}

// finish puts a row into a final state.
func (h *harness) finish(r journal.Row, s journal.State, reason string) {
	h.t.Helper()
	h.commit(journal.Change{Seq: r.Seq, Epoch: r.Epoch, State: s, Reason: reason, Attempts: r.Attempts + 1})
}

func (h *harness) row(seq int64) journal.Row {
	h.t.Helper()
	r, err := h.Row(h.t.Context(), seq)
	if err != nil {
		h.t.Fatalf("row %d: %v", seq, err)
	}
	return r
}

func (h *harness) refill(lane journal.Lane, limit int) ([]journal.Row, bool) {
	h.t.Helper()
	type answer struct {
		rows []journal.Row
		more bool
		err  error
	}
	ch := make(chan answer, 1)
	h.Refill(lane, limit, func(rows []journal.Row, more bool, err error) { ch <- answer{rows, more, err} })
	a := <-ch
	if a.err != nil {
		h.t.Fatalf("refill: %v", a.err)
	}
	return a.rows, a.more
}

// checkLedger checks rule 5, and returns the ledger.
func (h *harness) checkLedger() map[journal.LedgerKey]journal.LedgerEntry {
	h.t.Helper()
	ledger, err := h.Ledger(h.t.Context())
	if err != nil {
		h.t.Fatalf("ledger: %v", err)
	}
	for k, c := range ledger {
		if c.Accepted+c.Requeued != c.Done+c.Dead+c.Pending {
			h.t.Errorf("ledger of %v is out of balance: %+v", k, c)
		}
		if (c.Pending > 0) == c.OldestPending.IsZero() {
			h.t.Errorf("ledger of %v: %d pending, the oldest from %v", k, c.Pending, c.OldestPending)
		}
	}
	return ledger
}

func (h *harness) wantCounts(lane journal.Lane, want journal.Counts) {
	h.t.Helper()
	got := h.checkLedger()[journal.LedgerKey{Channel: lane.Channel, Direction: lane.Direction}].Counts
	if got != want {
		h.t.Errorf("ledger is %+v, want %+v", got, want)
	}
}

func (h *harness) wantVerdicts(got []journal.Verdict, want ...journal.Verdict) {
	h.t.Helper()
	if fmt.Sprint(got) != fmt.Sprint(want) {
		h.t.Fatalf("verdicts %v, want %v", got, want)
	}
}

// laneIn is the inbound lane of a conversation of channel "shop".
func laneIn(trackingID string) journal.Lane {
	return journal.Lane{Channel: "shop", Direction: journal.In, TrackingID: trackingID}
}

func entry(lane journal.Lane, id string) journal.Entry {
	return journal.Entry{Lane: lane, ID: id, Content: []byte("text of " + id)}
}
