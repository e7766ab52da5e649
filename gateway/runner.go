package gateway

import (
	"context"
	"fmt"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"servicelink/connectors"
)

// wellAfter is how long a Runner may run without a word until it counts as
// working all the same. It is longer than an attempt to connect, or one poll.
const wellAfter = time.Minute

// startRunner lets what reads a channel's network, if anything does, run until ctx
// ends or the channel is stopped.
func (g *Gateway) startRunner(ctx context.Context, ch *channel) {
	r := g.runnerOf(ch)
	if r == nil || !ch.cfg.Enabled || ch.limits.isHeld() {
		return
	}
	ctx, ch.stopRunner = context.WithCancel(ctx)
	ch.runner.Go(func() { g.run(ctx, ch, r) })
}

// run keeps a Runner running until ctx ends; its failures make the channel
// deaf, visibly, and touch no other.
func (g *Gateway) run(ctx context.Context, ch *channel, r connectors.Runner) {
	if !g.starts.turn(ctx, ch) {
		return
	}
	for tries := 1; ctx.Err() == nil; tries++ {
		in := &hearing{inbox: inbox{g, ch}}
		well := time.AfterFunc(wellAfter, in.Working)
		err := runSafely(ctx, r, in)
		well.Stop()
		if ctx.Err() != nil {
			return
		}
		se := connectors.AsSendError(err)
		if in.ends(se) {
			tries = 1
		}
		wait := backOff(se, tries)
		ch.log.Warn("the network cannot be read", "reason", string(se.Reason), "code", se.Code,
			"hint", se.Hint, "tries", tries, "again_in", wait.Round(time.Millisecond))
		sleep(ctx, wait)
	}
}

func runSafely(ctx context.Context, r connectors.Runner, in connectors.Inbox) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("connector panicked: %T", p)
		}
	}()
	return r.Run(ctx, in)
}

// hearing is the inbox of one call of Run: whatever comes through it shows that
// the network can be read.
type hearing struct {
	inbox
	mu          sync.Mutex
	worked, end bool
}

var _ connectors.Inbox = (*hearing)(nil)

func (h *hearing) Deliver(ctx context.Context, events []connectors.Event) error {
	err := h.inbox.Deliver(ctx, events)
	if err == nil {
		h.Working()
	}
	return err
}

func (h *hearing) Working() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.end {
		h.worked = true
		h.ch.readable()
	}
}

// ends notes why Run returned, and tells whether it had worked before.
func (h *hearing) ends(se *connectors.SendError) (worked bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.end = true
	h.ch.unreadable(se)
	return h.worked
}

// starts paces how fast Runners begin, for each network as its connectors
// declare. Only a channel's first Run waits for its turn: what fails later is
// tried again at a pace of its own.
type starts struct {
	mu       sync.Mutex
	networks map[string]*rate.Limiter
}

// turn waits until ch's Runner may start; false: ctx ended.
func (s *starts) turn(ctx context.Context, ch *channel) bool {
	l := s.of(ch)
	if l == nil {
		return true
	}
	mine := l.Reserve()
	wait := mine.Delay()
	if wait <= 0 {
		return true
	}
	ch.starting.Store(true)
	defer ch.starting.Store(false)
	sleep(ctx, wait)
	if ctx.Err() != nil {
		mine.Cancel()
		return false
	}
	return true
}

func (s *starts) of(ch *channel) *rate.Limiter {
	r := ch.caps.StartRate
	if r.PerSecond <= 0 {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.networks == nil {
		s.networks = make(map[string]*rate.Limiter)
	}
	l := s.networks[ch.cfg.Network]
	if l == nil {
		l = rate.NewLimiter(rate.Limit(r.PerSecond), max(1, r.Burst))
		s.networks[ch.cfg.Network] = l
	}
	return l
}
