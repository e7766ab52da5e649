package connectortest

import (
	"context"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"time"
)

// life is one life of the process a connector runs in, as a row of steps: a
// request leaves, the network has carried it out, events are handed over, they
// are journaled. It may end before any of them; what comes after that does not
// happen any more.
type life struct {
	context context.Context //nolint:containedctx // it is the life
	end     context.CancelFunc
	fatal   int // the step it ends in front of; 0 = none

	mu       sync.Mutex
	steps    []string
	dead     bool
	requests int
	limit    int // of requests; 0 = none
}

func newLife(fatal int) *life {
	l := &life{fatal: fatal, limit: mostRequests}
	l.context, l.end = context.WithCancel(context.Background())
	return l
}

// ctx ends with the life.
func (l *life) ctx() context.Context { return l.context }

// taken lists the steps that were taken.
func (l *life) taken() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.steps)
}

// step reports whether the process lives to take it.
func (l *life) step(name string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.dead {
		return false
	}
	l.steps = append(l.steps, name)
	if len(l.steps) == l.fatal {
		l.die()
	}
	return !l.dead
}

// die ends the process. l.mu is held.
func (l *life) die() {
	l.dead = true
	l.end()
}

// request counts one and reports whether it leaves the process.
func (l *life) request() bool {
	l.mu.Lock()
	l.requests++
	if l.requests > l.limit {
		l.die()
	}
	l.mu.Unlock()
	return l.step("request")
}

// mostRequests is more than any life of these checks needs.
const mostRequests = 10_000

// count starts to count requests anew, and ends the life at more than limit: a
// busy loop would never let a bubble's clock move.
func (l *life) count(limit int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.requests, l.limit = 0, limit
}

// counted is how many requests came since count.
func (l *life) counted() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.requests
}

// survives waits for as long as troubleLasts and reports whether the life goes on.
func (l *life) survives() bool {
	timer := time.NewTimer(troubleLasts)
	defer timer.Stop()
	select {
	case <-l.ctx().Done():
		return false
	case <-timer.C:
		return true
	}
}

// lives is where the requests of a process pass through on their way to the
// network.
type lives struct {
	next http.Handler
	mu   sync.Mutex
	now  *life // nil = nobody counts
}

func (l *lives) set(now *life) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.now = now
}

// ServeHTTP breaks the connection of a process that has died. The answer is held
// back whole when the life is to end at a step: it may be the one before it is
// heard.
func (l *lives) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	l.mu.Lock()
	now := l.now
	l.mu.Unlock()
	switch {
	case now == nil:
		l.next.ServeHTTP(w, r)
		return
	case !now.request():
		panic(http.ErrAbortHandler)
	case now.fatal == 0:
		l.next.ServeHTTP(w, r)
		return
	}
	answer := httptest.NewRecorder()
	l.next.ServeHTTP(answer, r)
	if !now.step("answered " + r.URL.Path) {
		panic(http.ErrAbortHandler)
	}
	maps.Copy(w.Header(), answer.Header())
	w.WriteHeader(answer.Code)
	_, _ = w.Write(answer.Body.Bytes())
}
