package writer

import (
	"slices"
	"sync"
	"time"

	"servicelink/gateway/journal"
)

// kind of a step.
type kind uint8

const (
	kindAccept kind = iota
	kindChange
	kindRequeue
	kindDiscard
	kindReport
	kindPause
	kindClaim
	kindSweep
	kindForget
	kindRefill
	kindWipe
)

// alone: it is no part of a transaction, so it ends a group.
func (k kind) alone() bool { return k == kindRefill || k == kindWipe }

// step is one call of the journal, waiting for its turn.
type step struct {
	kind    kind
	entries []journal.Entry  // accept
	changes []journal.Change // change
	seq     int64            // requeue, discard
	lane    journal.Lane     // refill
	limit   int
	channel string    // pause
	since   time.Time // pause; zero = no more
	erasure *Erasure  // forget
	report  *report
	claim   *claim
	refill  func([]journal.Row, bool, error)
	// done hears the outcome (Writer.tell); nil = nobody asked.
	done func(*result)

	res result
}

// result is what became of a step.
type result struct {
	verdicts []journal.Verdict
	touched  int
	erased   journal.Forgotten
	wiping   Wiping
	err      error
}

// report is a Report and what came of it: apart, as all other steps would have to
// carry it.
type report struct {
	journal.Report
	row     journal.Row
	changed bool
}

// claim is a Name and what came of it: a group may be tried again.
type claim struct {
	journal.Name
	kept journal.Name
}

func (s *step) finish() {
	if s.kind == kindRefill {
		s.refill(nil, false, s.res.err)
		return
	}
	if s.done != nil {
		s.done(&s.res)
	}
}

// lazy: nobody waits for it, so it can ride along with the next group.
func (s *step) lazy() bool { return s.kind == kindChange && s.done == nil }

// weight is how much of a group's room a step takes.
func (s *step) weight() int {
	if s.erasure != nil {
		return max(1, len(s.erasure.Seqs))
	}
	return max(1, len(s.entries), len(s.changes))
}

// lazyWait is how long changes that nobody waits for may wait for company.
const lazyWait = 5 * time.Millisecond

// queue is the FIFO in front of the writer. It has no bound of its own: those
// who accept wait, and changes must never be lost.
type queue struct {
	mu     sync.Mutex
	steps  []*step
	called bool        // the writer has been woken for what is in steps
	late   *time.Timer // wakes it for lazy steps alone
	closed bool
	wake   chan struct{} // room for one
}

func newQueue() *queue { return &queue{wake: make(chan struct{}, 1)} }

// put adds a step; it reports false after close.
func (q *queue) put(s *step) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return false
	}
	q.steps = append(q.steps, s)
	switch {
	case q.called:
	case !s.lazy():
		q.called = true
		q.signal()
	case len(q.steps) > 1: // the timer runs
	case q.late == nil:
		q.late = time.AfterFunc(lazyWait, q.signal)
	default:
		q.late.Reset(lazyWait)
	}
	return true
}

func (q *queue) signal() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// take removes what is waiting, into buf's space, and tells whether more can
// come.
func (q *queue) take(buf []*step) (steps []*step, closed bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	steps, q.steps = q.steps, buf[:0]
	q.called = false
	if q.late != nil {
		q.late.Stop()
	}
	return steps, q.closed
}

// join moves what waits and fits to the end of steps. end tells that no more can
// join: what waits must wait for another group, or the queue is closed.
func (q *queue) join(steps []*step, room int) (_ []*step, end bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	n := fitting(q.steps, room)
	steps = append(steps, q.steps[:n]...)
	q.steps = slices.Delete(q.steps, 0, n)
	if q.closed || len(q.steps) > 0 {
		return steps, true // the writer is still to hear of them: join takes no signal
	}
	q.called = false
	if q.late != nil {
		q.late.Stop()
	}
	return steps, false
}

func (q *queue) close() {
	q.mu.Lock()
	q.closed = true
	if q.late != nil {
		q.late.Stop()
	}
	q.mu.Unlock()
	q.signal()
}
