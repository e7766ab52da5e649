package main

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// stopwatch measures many things at once, by id. What is started and never
// stopped is an error of wait, so nothing is left out of the figures.
type stopwatch struct {
	mu     sync.Mutex
	begun  map[string]mark
	ended  map[string][]time.Duration // by kind
	change chan struct{}              // closed when nothing is under way
}

type mark struct {
	kind string
	at   time.Time
}

func newStopwatch() *stopwatch {
	return &stopwatch{begun: map[string]mark{}, ended: map[string][]time.Duration{}, change: make(chan struct{})}
}

// start begins to measure id, as if at the given time.
func (w *stopwatch) start(kind, id string, at time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.begun) == 0 {
		w.change = make(chan struct{})
	}
	w.begun[id] = mark{kind, at}
}

// stop ends it; an id that is not under way is somebody else's.
func (w *stopwatch) stop(id string) {
	now := time.Now()
	w.mu.Lock()
	defer w.mu.Unlock()
	m, ok := w.begun[id]
	if !ok {
		return
	}
	delete(w.begun, id)
	w.ended[m.kind] = append(w.ended[m.kind], now.Sub(m.at))
	if len(w.begun) == 0 {
		close(w.change)
	}
}

// wait returns when nothing is under way.
func (w *stopwatch) wait(ctx context.Context) error {
	w.mu.Lock()
	left, change := len(w.begun), w.change
	w.mu.Unlock()
	if left == 0 {
		return nil
	}
	select {
	case <-change:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("%d messages did not arrive: %w", left, ctx.Err())
	}
}

func (w *stopwatch) took(kind string) []time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.ended[kind]
}

// atPace calls do n times at a fixed rate, whatever the calls take, and gives
// their first error. A call that was due before counts from then.
func atPace(ctx context.Context, perSecond float64, n int, do func(i int, due time.Time) error) error {
	start := time.Now()
	var once sync.Once
	var first error
	var workers sync.WaitGroup
	for worker := range connections {
		workers.Go(func() {
			for i := worker; i < n; i += connections {
				due := start.Add(time.Duration(float64(i) / perSecond * float64(time.Second)))
				if !waitUntil(ctx, due) {
					return
				}
				if err := do(i, due); err != nil {
					once.Do(func() { first = err })
				}
			}
		})
	}
	workers.Wait()
	return first
}
