package gateway

import (
	"context"
	"sync"

	"servicelink/simprot"
)

// session is what waiting needs of a *simprot.Session: its end.
type session interface{ Done() <-chan struct{} }

// window bounds how many sentences may be unanswered at the core. Places are
// given to channels in turn, so that one busy channel cannot starve the others.
type window struct {
	mu      sync.Mutex
	max     int // core.window
	limit   int // max, or less while the core is slow
	used    int
	late    int // time-outs since the last echo round
	echoes  int
	queues  map[*channel][]*waiter
	turn    []*channel // channels with waiters, next first
	observe func(limit, used int)

	flying int           // written, and neither echoed nor given up yet
	loner  bool          // one that flies alone
	loners int           // who wait to
	landed chan struct{} // closed when somebody lands for whom somebody waits
}

type waiter struct {
	ready chan struct{}
	given bool
}

// slot is a place in the window, held for one session.
type slot struct{ session session }

func newWindow(size int, observe func(limit, used int)) *window {
	return &window{max: size, limit: size, queues: make(map[*channel][]*waiter), observe: observe}
}

// acquire gives it a place for session s, or returns when ctx or s ends. An
// event that kept its place through a time-out has one already.
func (w *window) acquire(ctx context.Context, ch *channel, s session, it *inItem) error {
	if it.slot != nil {
		return nil
	}
	w.mu.Lock()
	if w.used < w.limit && len(w.turn) == 0 {
		w.used++
		w.report()
		w.mu.Unlock()
		it.slot = &slot{s}
		return nil
	}
	me := &waiter{ready: make(chan struct{})}
	if len(w.queues[ch]) == 0 {
		w.turn = append(w.turn, ch)
	}
	w.queues[ch] = append(w.queues[ch], me)
	w.mu.Unlock()
	it.row.step(stepWindow)
	select {
	case <-me.ready:
		it.slot = &slot{s}
		return nil
	case <-s.Done():
		w.leave(ch, me)
		return simprot.ErrGone
	case <-ctx.Done():
		w.leave(ch, me)
		return ctx.Err()
	}
}

// fly is called before the write, land when the echo is no more awaited. An
// event that is to fly alone waits until nothing is in the air, and lets nobody
// start meanwhile: echoes come soon or time out.
func (w *window) fly(ctx context.Context, s session, alone bool) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if alone {
		w.loners++
		defer func() { w.loners-- }()
	}
	for w.loner || alone && w.flying > 0 || !alone && w.loners > 0 {
		if w.landed == nil {
			w.landed = make(chan struct{})
		}
		landed := w.landed
		w.mu.Unlock()
		var err error
		select {
		case <-landed:
		case <-s.Done():
			err = simprot.ErrGone
		case <-ctx.Done():
			err = ctx.Err()
		}
		w.mu.Lock()
		if err != nil {
			w.wake() // who waited for the loner's turn
			return err
		}
	}
	w.flying++
	w.loner = alone
	return nil
}

func (w *window) land(alone bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.flying--
	if alone {
		w.loner = false
	}
	w.wake()
}

// wake has everybody who waits to fly look again. w.mu is held.
func (w *window) wake() {
	if w.landed != nil {
		close(w.landed)
		w.landed = nil
	}
}

// leave takes a waiter back, and its place if it was given one meanwhile.
func (w *window) leave(ch *channel, me *waiter) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if me.given {
		w.used--
		w.grant()
		w.report()
		return
	}
	q := w.queues[ch]
	for i, other := range q {
		if other == me {
			w.queues[ch] = append(q[:i:i], q[i+1:]...)
			break
		}
	}
	w.tidy(ch)
}

// tidy takes a channel without waiters off the turn. w.mu is held.
func (w *window) tidy(ch *channel) {
	if len(w.queues[ch]) > 0 {
		return
	}
	delete(w.queues, ch)
	for i, other := range w.turn {
		if other == ch {
			w.turn = append(w.turn[:i:i], w.turn[i+1:]...)
			return
		}
	}
}

// release gives its place back.
func (w *window) release(it *inItem) {
	if it.slot == nil {
		return
	}
	it.slot = nil
	w.mu.Lock()
	defer w.mu.Unlock()
	w.used--
	w.grant()
	w.report()
}

// forget gives back a place that belonged to an earlier session: the core
// forgot the sentence's connection too.
func (w *window) forget(it *inItem, s session) {
	if it.slot != nil && it.slot.session != s {
		w.release(it)
	}
}

// grant hands free places to waiting channels in turn. w.mu is held.
func (w *window) grant() {
	for w.used < w.limit && len(w.turn) > 0 {
		ch := w.turn[0]
		q := w.queues[ch]
		me := q[0]
		w.queues[ch] = q[1:]
		w.turn = append(w.turn[1:], ch)
		w.tidy(ch)
		me.given = true
		w.used++
		close(me.ready)
	}
}

// timedOut counts a sentence without echo: when more than half of the window
// is late the window is halved.
func (w *window) timedOut() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.late++
	if w.late > w.limit/2 {
		w.limit = max(1, w.limit/2)
		w.late, w.echoes = 0, 0
		w.report()
	}
}

// echoed counts an echo in time: the window grows by one per window of them.
func (w *window) echoed() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.echoes++
	if w.echoes < w.limit {
		return
	}
	w.echoes, w.late = 0, 0
	if w.limit < w.max {
		w.limit++
		w.grant()
		w.report()
	}
}

func (w *window) report() {
	if w.observe != nil {
		w.observe(w.limit, w.used)
	}
}
