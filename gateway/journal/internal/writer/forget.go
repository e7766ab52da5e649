package writer

import (
	"cmp"
	"context"
	"errors"
	"time"

	"servicelink/gateway/journal"
)

// Erasure is one step of forgetting a conversation.
type Erasure struct {
	Channel, TrackingID string
	Seqs                []int64 // rows of it that were found, for drivers that look for them beside the writer
	// Last: all rows up to and with Upto were found; what came later is the
	// store's to find, and the conversation goes with this step.
	Last bool
	Upto int64
}

// Wiping is how far the overwriting of erased rows is.
type Wiping uint8

// How far.
const (
	Wiped    Wiping = iota // nothing is left to overwrite
	WipeMore               // another step is needed
	WipeWait               // the same, and somebody is in the way for a moment
)

// wipeRetry is how long somebody who is in the way is waited for.
const wipeRetry = 50 * time.Millisecond

// Erase takes one step.
func (w *Writer) Erase(ctx context.Context, e Erasure) (journal.Forgotten, error) {
	r, err := w.wait(ctx, &step{kind: kindForget, erasure: &e})
	if err != nil {
		return journal.Forgotten{}, err
	}
	return r.erased, nil
}

// Wipe overwrites what erased rows left behind; clean is false when ctx ended
// before that was done.
func (w *Writer) Wipe(ctx context.Context) (clean bool, err error) {
	for {
		r, err := w.wait(ctx, &step{kind: kindWipe})
		switch {
		case ctx.Err() != nil:
			return false, nil //nolint:nilerr // what is left is Sweep's
		case err != nil:
			return false, err
		case r.wiping == Wiped:
			return true, nil
		case r.wiping == WipeWait:
			select {
			case <-time.After(wipeRetry):
			case <-ctx.Done():
			}
		}
	}
}

// sweepTraces is the step of Sweep after which nothing is left. What waits for
// somebody is left to the next Sweep.
func (w *Writer) sweepTraces(ctx context.Context) (int, error) {
	r, err := w.wait(ctx, &step{kind: kindWipe})
	if err != nil || r.wiping != WipeMore {
		return 0, err
	}
	return 1, nil
}

// doAlone does a step that is no part of a transaction.
func (w *Writer) doAlone(s *step) {
	if s.kind == kindRefill {
		w.doRefill(s)
		return
	}
	if health := w.Health(); len(w.kept) > 0 || health != nil && !errors.Is(health, journal.ErrFull) {
		s.res.err = cmp.Or(health, journal.ErrAway)
	} else if s.res.wiping, s.res.err = w.store.Wipe(); s.res.err != nil {
		s.res.err = w.awayError(s.res.err)
	}
	w.tell(s.finish)
}
