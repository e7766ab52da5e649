package gateway

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"servicelink/config"
	"servicelink/simprot"
)

func toldNothing(simprot.Signal) error { return nil }

// atGate lets a lane pass the gate over and over, as inbound.go does: it asks,
// is told Closed, and comes again.
type atGate struct {
	*testing.T
	gate  gate
	began time.Time
	mu    sync.Mutex
	asked []string // who asked when
	open  atomic.Bool
}

func (a *atGate) asks(name string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.asked = append(a.asked, fmt.Sprintf("%s@%v", name, time.Since(a.began)))
}

// soFar gives who asked when.
func (a *atGate) soFar() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.asked)
}

func (a *atGate) lane(ctx context.Context, s session, name string) {
	for {
		if err := a.gate.pass(ctx, s, toldNothing, config.Hold); err != nil {
			return
		}
		a.asks(name)
		if a.open.Load() {
			a.gate.open()
			return
		}
		a.gate.shut(simprot.SignalClosed)
	}
}

// ticks is the engine's timer.
func (a *atGate) ticks(ctx context.Context) {
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			a.gate.tick()
		case <-ctx.Done():
			return
		}
	}
}

func inFrontOfGate(t *testing.T, test func(a *atGate, ctx context.Context)) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		a := &atGate{T: t, began: time.Now()}
		go a.ticks(ctx)
		test(a, ctx)
	})
}

func TestGateProbesGoingRound(t *testing.T) {
	inFrontOfGate(t, func(a *atGate, ctx context.Context) {
		a.gate.shut(simprot.SignalClosed)
		for _, name := range []string{"a", "b", "c"} {
			go a.lane(ctx, lasting{}, name)
			synctest.Wait()
		}
		time.Sleep(125 * time.Second)
		synctest.Wait()
		want := []string{"a@30s", "b@1m0s", "c@1m30s", "a@2m0s"}
		if got := a.soFar(); !slices.Equal(got, want) {
			t.Errorf("asked %v, want %v", got, want)
		}
		a.open.Store(true)
		time.Sleep(30 * time.Second)
		synctest.Wait()
		if got := a.soFar()[4:]; len(got) != 3 || got[0] != "b@2m30s" {
			t.Errorf("asked %v; want b, and the others at once when it is open", got)
		}
		if a.gate.closed() != "" {
			t.Errorf("still %s", a.gate.closed())
		}
	})
}

func TestGateOpen(t *testing.T) {
	var g gate
	for range 3 {
		if err := g.pass(t.Context(), lasting{}, toldNothing, config.Hold); err != nil {
			t.Fatal(err)
		}
	}
}

// TestGateIsDueForANewcomer: with nobody waiting, the next to come asks when
// it is time, and the one after it waits for the answer.
func TestGateIsDueForANewcomer(t *testing.T) {
	inFrontOfGate(t, func(a *atGate, ctx context.Context) {
		a.gate.shut(simprot.SignalHidden)
		time.Sleep(probeEvery)
		if err := a.gate.pass(ctx, lasting{}, toldNothing, config.Hold); err != nil {
			t.Fatal(err)
		}
		passed := make(chan error, 1)
		go func() { passed <- a.gate.pass(ctx, lasting{}, toldNothing, config.Hold) }()
		time.Sleep(time.Hour)
		synctest.Wait()
		select {
		case err := <-passed:
			t.Fatalf("two ask at once (%v)", err)
		default:
		}
		a.gate.failed() // the first got no answer
		time.Sleep(2 * time.Second)
		if err := <-passed; err != nil {
			t.Errorf("the next: %v", err)
		}
	})
}

func TestGateAnswers(t *testing.T) {
	inFrontOfGate(t, func(a *atGate, ctx context.Context) {
		a.gate.shut(simprot.SignalHidden)
		var told []simprot.Signal
		tell := func(s simprot.Signal) error { told = append(told, s); return nil }
		if err := a.gate.pass(ctx, lasting{}, tell, config.Answer); !errors.Is(err, errAnswered) {
			t.Errorf("pass = %v", err)
		}
		if !slices.Equal(told, []simprot.Signal{simprot.SignalHidden}) {
			t.Errorf("told %v", told)
		}
		fails := errors.New("journal away")
		if err := a.gate.pass(ctx, lasting{}, func(simprot.Signal) error { return fails }, config.Answer); !errors.Is(err, fails) {
			t.Errorf("pass = %v, want what telling said", err)
		}
		time.Sleep(probeEvery)
		if err := a.gate.pass(ctx, lasting{}, tell, config.Answer); err != nil || len(told) != 1 {
			t.Errorf("pass = %v after %v: somebody must ask again", err, probeEvery)
		}
	})
}

func TestGateTellingFails(t *testing.T) {
	inFrontOfGate(t, func(a *atGate, ctx context.Context) {
		a.gate.shut(simprot.SignalClosed)
		fails := errors.New("journal away")
		if err := a.gate.pass(ctx, lasting{}, func(simprot.Signal) error { return fails }, config.Hold); !errors.Is(err, fails) {
			t.Errorf("pass = %v", err)
		}
		if len(a.gate.line) != 0 {
			t.Error("it is still in the line")
		}
	})
}

func TestGateLeaving(t *testing.T) {
	for name, tc := range map[string]struct {
		end  func(stop, gone context.CancelFunc)
		want error
	}{
		"stopped":      {func(stop, _ context.CancelFunc) { stop() }, context.Canceled},
		"session gone": {func(_, gone context.CancelFunc) { gone() }, simprot.ErrGone},
	} {
		t.Run(name, func(t *testing.T) {
			inFrontOfGate(t, func(a *atGate, ctx context.Context) {
				a.gate.shut(simprot.SignalClosed)
				own, stop := context.WithCancel(ctx)
				s, gone := context.WithCancel(ctx)
				left := make(chan error, 1)
				go func() { left <- a.gate.pass(own, s, toldNothing, config.Hold) }()
				synctest.Wait()
				go a.lane(ctx, lasting{}, "next")
				synctest.Wait()
				tc.end(stop, gone)
				if err := <-left; !errors.Is(err, tc.want) {
					t.Errorf("left with %v, want %v", err, tc.want)
				}
				time.Sleep(31 * time.Second)
				synctest.Wait()
				if got := a.soFar(); !slices.Equal(got, []string{"next@30s"}) {
					t.Errorf("asked %v", got)
				}
				stop()
				gone()
			})
		})
	}
}

// TestGateLeavingWhileItsTurnComes: the turn of one who leaves at that moment
// goes to the next.
func TestGateLeavingWhileItsTurnComes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for range 50 { // which of two ready channels is seen first is chance
			var g gate
			g.shut(simprot.SignalClosed)
			ctx, stop := context.WithCancel(t.Context())
			first, second := make(chan error, 1), make(chan error, 1)
			go func() { first <- g.pass(ctx, lasting{}, toldNothing, config.Hold) }()
			synctest.Wait()
			go func() { second <- g.pass(t.Context(), lasting{}, toldNothing, config.Hold) }()
			time.Sleep(probeEvery)
			synctest.Wait()
			g.tick()
			stop()
			if err := <-first; err == nil {
				g.failed() // it took its turn and got no answer
			}
			g.tick()
			if err := <-second; err != nil {
				t.Fatal(err)
			}
		}
	})
}

func TestGateSince(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g gate
		g.shut(simprot.SignalClosed)
		first := g.since()
		time.Sleep(time.Minute)
		g.shut(simprot.SignalHidden)
		if !g.since().Equal(first) || g.closed() != simprot.SignalHidden {
			t.Errorf("since %v, %s: the closure goes on", g.since(), g.closed())
		}
		g.open()
		time.Sleep(time.Minute)
		g.shut(simprot.SignalClosed)
		if g.since().Equal(first) {
			t.Error("a new closure has the old one's time")
		}
	})
}
