package gateway

import (
	"context"
	"sync"
)

// life is what goroutines with work in flight hang on: the gateway's, and below
// it one of each channel, which may end alone.
type life struct {
	parent *life // nil = the gateway's
	// lanes ends when no new step may begin; hard when even what is in flight is
	// given up.
	hard, lanes         context.Context
	stopHard, stopLanes context.CancelFunc
	mu                  sync.RWMutex
	stopped             bool
	all                 sync.WaitGroup
}

// newLife makes a life below parent, or the first one.
func newLife(parent *life) *life {
	l := &life{parent: parent}
	if parent == nil {
		l.hard, l.stopHard = context.WithCancel(context.Background())
		l.lanes, l.stopLanes = context.WithCancel(l.hard)
		return l
	}
	var stop context.CancelFunc
	l.hard, stop = context.WithCancel(parent.hard)
	l.lanes, l.stopLanes = context.WithCancel(parent.lanes)
	l.stopHard = func() { l.stopLanes(); stop() }
	return l
}

// spawn starts a goroutine that drain waits for; false: it is too late. The
// function must end soon after lanes or hard does.
func (l *life) spawn(f func()) bool {
	l.mu.RLock()
	defer l.mu.RUnlock()
	if l.stopped || l.lanes.Err() != nil {
		return false
	}
	if l.parent == nil {
		l.all.Go(f)
		return true
	}
	l.all.Add(1)
	if l.parent.spawn(func() { defer l.all.Done(); f() }) {
		return true
	}
	l.all.Done()
	return false
}

// drain ends the life: nothing new begins, and what is in flight has until the
// budget ends. It reports whether that was enough.
func (l *life) drain(budget context.Context) bool {
	l.stopLanes()
	inTime := waitFor(budget, l.close)
	l.stopHard()
	l.all.Wait()
	return inTime
}

// close lets no more goroutines begin and waits for those that live.
func (l *life) close() {
	l.mu.Lock()
	l.stopped = true
	l.mu.Unlock()
	l.all.Wait()
}

// waitFor reports whether f returned before ctx ended; f goes on otherwise and
// must have its own end.
func waitFor(ctx context.Context, f func()) bool {
	done := make(chan struct{})
	go func() { defer close(done); f() }()
	select {
	case <-done:
		return true
	case <-ctx.Done():
		return false
	}
}
