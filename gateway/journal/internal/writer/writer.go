package writer

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"servicelink/gateway/journal"
)

const (
	// groupLimit is how many entries and changes share a transaction: enough
	// to spread one fsync, few enough that nobody waits long for the others.
	groupLimit = 256
	// After a group of at least crowd steps the next one stays open until nobody
	// comes though all others were let run so often.
	crowd    = 16
	patience = 4
	// While writing fails it is tried again after retryFirst, doubling up to
	// retryLast, and at once whenever somebody calls.
	retryFirst = 100 * time.Millisecond
	retryLast  = 5 * time.Second
)

// Writer is the writing half of a journal.Journal.
type Writer struct {
	store    Store
	onCommit func([]journal.Row)
	queue    *queue
	telling  chan func() // in order; see tell
	ended    chan struct{}
	closing  sync.Once
	closeErr error
	health   atomic.Pointer[error]

	// Below: the writer's goroutine only.
	kept   []*step // changes that wait for the storage to come back
	retry  time.Duration
	latest int // steps of the latest group
}

// Start runs a writer on store, which it owns from then on.
func Start(store Store, onCommit func([]journal.Row)) *Writer {
	w := &Writer{store: store, onCommit: onCommit, queue: newQueue(), telling: make(chan func(), 1), ended: make(chan struct{})}
	w.setHealth(store.Full())
	go w.run()
	go w.tells()
	return w
}

// errClosed is what every call says after Close.
var errClosed = fmt.Errorf("%w: closed", journal.ErrAway)

// put queues a step. After Close it fails the step from a goroutine of its own:
// the caller may hold a lock that the callback takes.
func (w *Writer) put(s *step) {
	if !w.queue.put(s) {
		s.res = result{err: errClosed}
		go s.finish()
	}
}

// wait queues a step and waits for its outcome.
func (w *Writer) wait(ctx context.Context, s *step) (*result, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	answer := make(chan *result, 1)
	s.done = func(r *result) { answer <- r }
	w.put(s)
	select {
	case r := <-answer:
		return r, r.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Accept is journal.Journal's.
func (w *Writer) Accept(ctx context.Context, entries ...journal.Entry) ([]journal.Verdict, error) {
	r, err := w.wait(ctx, &step{kind: kindAccept, entries: entries})
	if err != nil {
		return nil, err
	}
	return r.verdicts, nil
}

// Submit is journal.Journal's.
func (w *Writer) Submit(entries []journal.Entry, done func([]journal.Verdict, error)) {
	w.put(&step{kind: kindAccept, entries: entries, done: func(r *result) { done(r.verdicts, r.err) }})
}

// Apply is journal.Journal's.
func (w *Writer) Apply(changes ...journal.Change) {
	if len(changes) > 0 {
		w.put(&step{kind: kindChange, changes: changes})
	}
}

// Commit is journal.Journal's.
func (w *Writer) Commit(ctx context.Context, changes ...journal.Change) error {
	_, err := w.wait(ctx, &step{kind: kindChange, changes: changes})
	return err
}

// Refill is journal.Journal's.
func (w *Writer) Refill(lane journal.Lane, limit int, fn func([]journal.Row, bool, error)) {
	w.put(&step{kind: kindRefill, lane: lane, limit: limit, refill: fn})
}

// Requeue is journal.Journal's.
func (w *Writer) Requeue(ctx context.Context, seq int64) error {
	_, err := w.wait(ctx, &step{kind: kindRequeue, seq: seq})
	return err
}

// Discard is journal.Journal's.
func (w *Writer) Discard(ctx context.Context, seq int64) error {
	_, err := w.wait(ctx, &step{kind: kindDiscard, seq: seq})
	return err
}

// Report is journal.Journal's.
func (w *Writer) Report(ctx context.Context, r journal.Report) (journal.Row, bool, error) {
	told := &report{Report: r}
	if _, err := w.wait(ctx, &step{kind: kindReport, report: told}); err != nil {
		return journal.Row{}, false, err
	}
	return told.row, told.changed, nil
}

// Pause is journal.Journal's.
func (w *Writer) Pause(ctx context.Context, channel string, since time.Time) error {
	_, err := w.wait(ctx, &step{kind: kindPause, channel: channel, since: since})
	return err
}

// Claim is journal.Journal's.
func (w *Writer) Claim(ctx context.Context, n journal.Name) (journal.Name, error) {
	if n.At.IsZero() {
		n.At = time.Now()
	}
	n.At = n.At.UTC().Truncate(time.Microsecond) // as it is kept
	c := &claim{Name: n}
	if _, err := w.wait(ctx, &step{kind: kindClaim, claim: c}); err != nil {
		return journal.Name{}, err
	}
	return c.kept, nil
}

// Sweep is journal.Journal's.
func (w *Writer) Sweep(ctx context.Context) (int, error) {
	r, err := w.wait(ctx, &step{kind: kindSweep})
	if err != nil {
		return 0, err
	}
	if r.touched == 0 {
		return w.sweepTraces(ctx)
	}
	return r.touched, nil
}

// Health is journal.Journal's.
func (w *Writer) Health() error { return *w.health.Load() }

func (w *Writer) setHealth(err error) { w.health.Store(&err) }

// Close is journal.Journal's. It must not be called from a callback.
func (w *Writer) Close() error {
	w.closing.Do(func() {
		w.queue.close()
		<-w.ended
		w.setHealth(errClosed)
	})
	<-w.ended
	return w.closeErr
}

// tell has f called after all that was told before. What came of a group is told
// while the next one is written: telling takes a sixth of the time, and the
// writer is the narrowest place.
func (w *Writer) tell(f func()) { w.telling <- f }

// tells is the goroutine that tells; it ends after the writer's.
func (w *Writer) tells() {
	defer close(w.ended)
	for f := range w.telling {
		f()
	}
}

// run is the writer's goroutine; it ends when the queue is closed and empty.
func (w *Writer) run() {
	defer close(w.telling)
	timer := time.NewTimer(retryFirst)
	timer.Stop()
	defer timer.Stop()
	var spare []*step
	for {
		w.setTimer(timer)
		select {
		case <-w.queue.wake:
		case <-timer.C:
			w.tryAgain()
		}
		runtime.Gosched() // who is about to call shall not be too late
		steps, closed := w.queue.take(spare)
		w.work(steps)
		clear(steps)
		spare = steps
		if closed {
			w.closeErr = w.end()
			return
		}
	}
}

// setTimer wakes the writer while something is wrong that time may heal.
func (w *Writer) setTimer(timer *time.Timer) {
	err := w.Health()
	if err == nil && len(w.kept) == 0 {
		w.retry = retryFirst
		timer.Stop()
		return
	}
	timer.Reset(w.retry)
	w.retry = min(2*w.retry, retryLast)
}

// work goes through steps in order, group by group.
func (w *Writer) work(steps []*step) {
	for len(steps) > 0 {
		if steps[0].kind.alone() {
			w.doAlone(steps[0])
			steps = steps[1:]
			continue
		}
		n := fitting(steps, groupLimit)
		w.doGroup(steps[:n], n == len(steps))
		steps = steps[n:]
	}
}

// fitting is how many steps fit into what is left of a group's room.
func fitting(steps []*step, room int) int {
	n := 0
	for n < len(steps) && room > 0 && !steps[n].kind.alone() {
		room -= steps[n].weight()
		n++
	}
	return n
}

func (w *Writer) doRefill(s *step) {
	if len(w.kept) > 0 {
		// Its rows would lack the changes that wait.
		s.res.err = w.Health()
		if s.res.err == nil {
			s.res.err = journal.ErrAway
		}
		w.tell(s.finish)
		return
	}
	rows, more, err := w.store.Pending(s.lane, s.limit)
	if err != nil {
		err = w.awayError(err)
		if full := w.store.Full(); full != nil {
			w.setHealth(full)
		}
	}
	w.tell(func() { s.refill(rows, more, err) })
}

// awayError makes an error that callers can name out of any error.
func (w *Writer) awayError(err error) error {
	if away := w.store.Away(err); away != nil {
		return away
	}
	return fmt.Errorf("%w: %w", journal.ErrAway, err)
}

// tryAgain writes what waits, or a probe, when nobody calls.
func (w *Writer) tryAgain() {
	if len(w.kept) > 0 {
		w.doGroup(nil, false)
		return
	}
	if err := w.probe(); err != nil {
		w.setHealth(w.awayError(err))
		return
	}
	w.setHealth(w.store.Full())
}

func (w *Writer) probe() error {
	if err := w.store.Begin(); err != nil {
		return err
	}
	if err := w.store.Probe(); err != nil {
		w.store.Rollback()
		return err
	}
	if err := w.store.Commit(); err != nil {
		w.store.Rollback()
		return err
	}
	return nil
}

// end writes what could not be written so far and closes the store.
func (w *Writer) end() error {
	if len(w.kept) > 0 {
		w.doGroup(nil, false)
	}
	var lost error
	if n := len(w.kept); n > 0 {
		lost = fmt.Errorf("%w: %d queued changes were not written: %w", journal.ErrAway, n, w.Health())
		for _, s := range w.kept {
			s.res.err = lost
			w.tell(s.finish)
		}
		w.kept = nil
	}
	return errors.Join(lost, w.store.Close())
}
