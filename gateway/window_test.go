package gateway

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"servicelink/simprot"
)

// lasting is a session that lives as long as the test.
type lasting struct{}

func (lasting) Done() <-chan struct{} { return nil }

// mustAcquire takes a place that is free.
func mustAcquire(t *testing.T, w *window, ch *channel, s session) *inItem {
	t.Helper()
	it := &inItem{}
	if err := w.acquire(t.Context(), ch, s, it); err != nil {
		t.Fatal(err)
	}
	return it
}

func wantUsed(t *testing.T, w *window, used int) {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.used != used {
		t.Errorf("%d places are used, want %d", w.used, used)
	}
	if len(w.queues) != len(w.turn) {
		t.Errorf("%d queues, %d turns", len(w.queues), len(w.turn))
	}
}

func TestWindowIsSharedInTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWindow(1, nil)
		busy, quiet, third := testChannelNamed("busy"), testChannelNamed("quiet"), testChannelNamed("third")
		first := mustAcquire(t, w, busy, lasting{})
		var order []string
		for _, ch := range []*channel{busy, busy, busy, quiet, third, quiet} {
			go func() {
				it := mustAcquire(t, w, ch, lasting{})
				order = append(order, ch.cfg.Name) // the one place makes it one at a time
				w.release(it)
			}()
			synctest.Wait()
		}
		w.release(first)
		synctest.Wait()
		want := []string{"busy", "quiet", "third", "busy", "quiet", "busy"}
		if !slices.Equal(order, want) {
			t.Errorf("order %v, want %v", order, want)
		}
		wantUsed(t, w, 0)
	})
}

// TestWindowLetsNobodyPast: a free place goes to who waits, not to who comes.
func TestWindowLetsNobodyPast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWindow(1, nil)
		ch := testChannelNamed("a")
		first := mustAcquire(t, w, ch, lasting{})
		waiting := &inItem{}
		go func() { _ = w.acquire(t.Context(), ch, lasting{}, waiting) }()
		synctest.Wait()
		w.release(first)
		late := &inItem{}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := w.acquire(ctx, ch, lasting{}, late); !errors.Is(err, context.DeadlineExceeded) || late.slot != nil {
			t.Errorf("the latecomer got %v", err)
		}
		synctest.Wait()
		if waiting.slot == nil {
			t.Error("who waited has no place")
		}
		w.release(waiting)
		wantUsed(t, w, 0)
	})
}

func TestWindowKeepsAPlace(t *testing.T) {
	w := newWindow(2, nil)
	ch, s := testChannelNamed("a"), t.Context()
	it := mustAcquire(t, w, ch, s)
	if err := w.acquire(t.Context(), ch, s, it); err != nil {
		t.Fatal(err)
	}
	wantUsed(t, w, 1)
	w.forget(it, s)
	wantUsed(t, w, 1)
	other, cancel := context.WithCancel(t.Context())
	defer cancel()
	w.forget(it, other)
	wantUsed(t, w, 0)
	w.forget(it, other)
	w.release(it)
	wantUsed(t, w, 0)
	again := mustAcquire(t, w, ch, s)
	w.release(again)
	w.release(again)
	wantUsed(t, w, 0)
}

func TestWindowLeaving(t *testing.T) {
	for name, tc := range map[string]struct {
		end  func(stop, gone context.CancelFunc)
		want error
	}{
		"stopped":      {func(stop, _ context.CancelFunc) { stop() }, context.Canceled},
		"session gone": {func(_, gone context.CancelFunc) { gone() }, simprot.ErrGone},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWindow(1, nil)
				a, b := testChannelNamed("a"), testChannelNamed("b")
				first := mustAcquire(t, w, a, lasting{})
				ctx, stop := context.WithCancel(t.Context())
				s, gone := context.WithCancel(t.Context())
				defer stop()
				defer gone()
				left := make(chan error, 1)
				go func() { left <- w.acquire(ctx, a, s, &inItem{}) }()
				synctest.Wait()
				next := make(chan *inItem, 1)
				go func() { next <- mustAcquire(t, w, b, lasting{}) }()
				synctest.Wait()
				tc.end(stop, gone)
				if err := <-left; !errors.Is(err, tc.want) {
					t.Errorf("left with %v, want %v", err, tc.want)
				}
				w.release(first)
				w.release(<-next)
				wantUsed(t, w, 0)
			})
		})
	}
}

// TestWindowLeavingWhileGranted: the place of one who leaves at the moment it
// is given goes to the next.
func TestWindowLeavingWhileGranted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for range 100 { // which of two ready channels is seen first is chance
			w := newWindow(1, nil)
			ch := testChannelNamed("a")
			first := mustAcquire(t, w, ch, lasting{})
			ctx, stop := context.WithCancel(t.Context())
			me := &inItem{}
			left := make(chan error, 1)
			go func() { left <- w.acquire(ctx, ch, lasting{}, me) }()
			synctest.Wait()
			next := make(chan *inItem, 1)
			go func() { next <- mustAcquire(t, w, ch, lasting{}) }()
			synctest.Wait()
			w.mu.Lock() // so that both are ready before it looks
			w.used--
			w.grant()
			stop()
			w.mu.Unlock()
			first.slot = nil
			if err := <-left; (err == nil) != (me.slot != nil) {
				t.Fatalf("%v with place %v", err, me.slot)
			}
			w.release(me)
			w.release(<-next)
			wantUsed(t, w, 0)
		}
	})
}

func TestWindowShrinksAndGrows(t *testing.T) {
	var reported []int
	w := newWindow(16, func(limit, _ int) { reported = append(reported, limit) })
	repeat := func(n int, f func()) {
		for range n {
			f()
		}
	}
	steps := []struct {
		name string
		do   func()
		want int
	}{
		{"half late", func() { repeat(8, w.timedOut) }, 16},
		{"more than half", w.timedOut, 8},
		{"again more than half", func() { repeat(5, w.timedOut) }, 4},
		{"a window of echoes but one", func() { repeat(3, w.echoed) }, 4},
		{"a window of echoes", w.echoed, 5},
		{"another", func() { repeat(5, w.echoed) }, 6},
		{"to one", func() { repeat(4+2+1, w.timedOut) }, 1},
		{"never below one", func() { repeat(5, w.timedOut) }, 1},
		{"never over core.window", func() { repeat(200, w.echoed) }, 16},
	}
	for _, s := range steps {
		if s.do(); w.limit != s.want {
			t.Fatalf("%s: limit %d, want %d", s.name, w.limit, s.want)
		}
	}
	if len(reported) == 0 || reported[len(reported)-1] != 16 || !slices.Contains(reported, 1) {
		t.Errorf("reported %v", reported)
	}
}

// TestWindowTimeoutsAreForgotten: a full window of echoes in time clears what
// was late before.
func TestWindowTimeoutsAreForgotten(t *testing.T) {
	w := newWindow(4, nil)
	for range 10 {
		w.timedOut()
		w.timedOut()
		for range 4 {
			w.echoed()
		}
	}
	if w.limit != 4 {
		t.Errorf("limit %d", w.limit)
	}
}

// TestWindowWhenItShrinks: nobody is thrown out; nobody comes in until enough
// have left. Growing lets the next in at once.
func TestWindowWhenItShrinks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWindow(4, nil)
		ch := testChannelNamed("a")
		var items []*inItem
		for range 4 {
			items = append(items, mustAcquire(t, w, ch, lasting{}))
		}
		for range 3 {
			w.timedOut()
		}
		came := 0
		for range 2 {
			go func() { mustAcquire(t, w, ch, lasting{}); came++ }()
			synctest.Wait()
		}
		w.release(items[0])
		w.release(items[1])
		if synctest.Wait(); came != 0 {
			t.Errorf("%d came in over the limit", came)
		}
		w.release(items[2])
		if synctest.Wait(); came != 1 {
			t.Errorf("%d came in, want 1", came)
		}
		w.echoed()
		w.echoed() // a window of echoes
		if synctest.Wait(); came != 2 {
			t.Errorf("%d came in after growing, want 2", came)
		}
	})
}

// TestWindowUnderLoad: many goroutines come, leave and shrink it, and every
// place comes back.
func TestWindowUnderLoad(t *testing.T) {
	w := newWindow(8, func(limit, used int) {
		if limit < 1 || limit > 8 || used < 0 || used > 8 {
			t.Errorf("limit %d, used %d", limit, used)
		}
	})
	channels := []*channel{testChannelNamed("a"), testChannelNamed("b"), testChannelNamed("c")}
	var wg sync.WaitGroup
	for i := range 48 {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(uint64(i), 1)) //nolint:gosec // dice that must be repeatable
			for range 100 {
				ctx, cancel := context.WithCancel(t.Context())
				if r.IntN(4) == 0 {
					go cancel()
				}
				it := &inItem{}
				if w.acquire(ctx, channels[r.IntN(3)], lasting{}, it) == nil {
					switch r.IntN(3) {
					case 0:
						w.timedOut()
					default:
						w.echoed()
					}
					w.release(it)
				}
				cancel()
			}
		})
	}
	wg.Wait()
	wantUsed(t, w, 0)
}
