package gateway

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"servicelink/config"
	"servicelink/connectors"
	"servicelink/gateway/journal"
	"servicelink/simprot/refcore"
)

// poller is a connector that polls: run is what each call of Run does.
type poller struct {
	sink
	start connectors.Rate
	run   func(ctx context.Context, in connectors.Inbox) error
	mu    sync.Mutex
	began []time.Time
}

// sink takes every part, as the fake network does, and has no way in.
type sink struct{ net fakeNetwork }

func (s *sink) Send(ctx context.Context, p connectors.Part) (connectors.Receipt, error) {
	return s.net.Send(ctx, p)
}

func (p *poller) Capabilities() connectors.Capabilities {
	return connectors.Capabilities{StartRate: p.start, Unknown: config.Report}
}

func (p *poller) Run(ctx context.Context, in connectors.Inbox) error {
	p.mu.Lock()
	p.began = append(p.began, time.Now())
	p.mu.Unlock()
	return p.run(ctx, in)
}

// runs gives how often and when Run began.
func (p *poller) runs() []time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]time.Time(nil), p.began...)
}

// listens is a Run that works until its end.
func listens(ctx context.Context, in connectors.Inbox) error {
	in.Working()
	<-ctx.Done()
	return ctx.Err()
}

// polls makes every channel's connector a poller.
func polls(p *poller) houseOption {
	return func(h *house, _ *refcore.Options) {
		h.build = func(config.Channel) (connectors.Connector, error) { return p, nil }
	}
}

// makes makes channels that belong to the test's bubble.
func makes(channels ...*chan struct{}) houseOption {
	return func(*house, *refcore.Options) {
		for _, c := range channels {
			*c = make(chan struct{})
		}
	}
}

func sendError(r connectors.Reason) error {
	return &connectors.SendError{Outcome: connectors.NotSent, Reason: r, Hint: "hint for " + string(r)}
}

// TestRunnersStartAtAPace: the first at once, the others in turn, visibly; the
// stop does not wait for those that are still in line.
func TestRunnersStartAtAPace(t *testing.T) {
	const extra = 9
	all := make(map[string]*poller)
	var mu sync.Mutex
	inHouse(t, func(h *house) {
		running := func() (n int) {
			mu.Lock()
			defer mu.Unlock()
			for _, p := range all {
				n += len(p.runs())
			}
			return n
		}
		h.waits(time.Second)
		if n := running(); n != 4 {
			t.Errorf("%d started at once, want 4", n)
		}
		states := map[string]int{}
		for _, s := range h.gw.states() {
			states[s]++
		}
		if states[stateStarting] != extra+1-4 || states[stateOK] != 4 {
			t.Errorf("states %v", states)
		}
		for _, ch := range h.gw.now().ordered {
			faults, _ := h.gw.ChannelFault(ch.cfg.Name)
			if waits := ch.state() == stateStarting; waits != (len(faults) == 1) ||
				waits && !strings.Contains(faults[0].Hint, "20 starts a minute") {
				t.Errorf("%s (%s): %v", ch.cfg.Name, ch.state(), faults)
			}
		}
		h.waits(5 * time.Second)
		if n := running(); n != 6 {
			t.Errorf("%d started after 6 s, want 6", n)
		}
		// One in line is taken out, and ends at once.
		for _, ch := range h.gw.now().ordered {
			if ch.state() == stateStarting {
				began := time.Now()
				h.reload(func(c *config.Config) {
					for i := range c.Channels {
						if c.Channels[i].Name == ch.cfg.Name {
							c.Channels[i].Enabled = false
						}
					}
				})
				if took := time.Since(began); took != 0 {
					t.Errorf("it took %v to stop", took)
				}
				break
			}
		}
		began := time.Now()
		h.stop()
		if took := time.Since(began); took > 0 {
			t.Errorf("the stop took %v", took)
		}
	}, func(h *house, _ *refcore.Options) {
		for i := range extra {
			h.cfg.Channels = append(h.cfg.Channels, named(fmt.Sprint("c", i)))
		}
		h.build = func(c config.Channel) (connectors.Connector, error) {
			mu.Lock()
			defer mu.Unlock()
			p := &poller{start: connectors.Rate{PerSecond: 20.0 / 60, Burst: 4}, run: listens}
			all[c.Name] = p
			return p, nil
		}
	})
}

// TestFailedRunsWaitForNoTurn: what fails is tried again at its own pace.
func TestFailedRunsWaitForNoTurn(t *testing.T) {
	p := &poller{start: connectors.Rate{PerSecond: 1.0 / 3600, Burst: 1}}
	p.run = func(context.Context, connectors.Inbox) error { return sendError(connectors.ReasonConnect) }
	inHouse(t, func(h *house) {
		h.waits(10 * time.Second)
		if n := len(p.runs()); n < 4 {
			t.Errorf("%d runs in 10 s", n)
		}
		if s := h.gw.channel(testChannel).state(); s != stateDeaf {
			t.Errorf("state %s", s)
		}
	}, polls(p))
}

// TestConflictIsAState: somebody else reads the account. It is tried slowly,
// shown, and over when the network answers: not before, however long a poll
// takes to be refused.
func TestConflictIsAState(t *testing.T) {
	var free chan struct{}
	p := &poller{}
	p.run = func(ctx context.Context, in connectors.Inbox) error {
		select {
		case <-free:
			return listens(ctx, in)
		case <-time.After(20 * time.Second): // a long poll that is refused in the end
			return sendError(connectors.ReasonConflict)
		}
	}
	inHouse(t, func(h *house) {
		ch := h.gw.channel(testChannel)
		h.waits(21 * time.Second)
		for range 200 {
			if s := ch.state(); s != stateConflict {
				t.Fatalf("state %s", s)
			}
			h.waits(time.Minute)
		}
		runs := p.runs()
		for i := range runs[1:] {
			gap := runs[i+1].Sub(runs[i]) - 20*time.Second
			if gap < 24*time.Second || gap > 18*time.Minute || i > 8 && gap < 12*time.Minute {
				t.Errorf("pause %d is %v", i, gap)
			}
		}
		faults, _ := h.gw.ChannelFault(testChannel)
		if len(faults) != 1 || faults[0].What != stateConflict || faults[0].Hint != "hint for conflict" ||
			time.Since(faults[0].Since) < 3*time.Hour {
			t.Errorf("faults %+v", faults)
		}
		if series := h.scrape(); !strings.Contains(series, `servicelink_channel_state{channel="shop",network="fake",state="conflict"} 1`) {
			t.Error("the metrics do not tell")
		}
		if ready := h.gw.Ready(); len(ready) != 0 {
			t.Errorf("one channel makes the gateway unready: %v", ready)
		}
		h.writesOut() // sending has nothing to do with it
		close(free)
		h.waits(20 * time.Minute)
		if s := ch.state(); s != stateOK {
			t.Errorf("state %s after the other went", s)
		}
	}, polls(p), makes(&free))
}

// writesOut has a customer write and the agent answer, and wants it sent.
func (h *house) writesOut() {
	h.Helper()
	p, _ := h.gw.channel(testChannel).conn.(*poller)
	before := len(p.net.got())
	h.writes("anna", before+1)
	h.waits(5 * time.Second)
	h.says("anna", "answer")
	h.waits(5 * time.Second)
	if n := len(p.net.got()); n != before+1 {
		h.Errorf("%d sent, want %d", n, before+1)
	}
}

// TestRefusedCredentialsPause: the Runner's credentials are refused. Sends wait
// as long, and go on when it works again.
func TestRefusedCredentialsPause(t *testing.T) {
	p := &poller{}
	var refused, hears chan struct{}
	p.run = func(ctx context.Context, in connectors.Inbox) error {
		<-refused
		select {
		case <-hears:
			return listens(ctx, in)
		default:
			return sendError(connectors.ReasonAuth)
		}
	}
	inHouse(t, func(h *house) {
		ch := h.gw.channel(testChannel)
		h.writesOut()
		close(refused)
		h.waits(time.Second)
		if s := ch.state(); s != statePaused {
			t.Errorf("state %s", s)
		}
		if faults := ch.faults(); len(faults) != 1 || faults[0].What != statePaused || faults[0].Hint != "hint for auth" {
			t.Errorf("faults %+v", faults)
		}
		h.says("anna", "later")
		h.waits(10 * time.Hour)
		if n := p.net.attempts(); n != 1 {
			t.Errorf("%d attempts to send, want none while paused", n-1)
		}
		runs := p.runs()
		if n := len(runs); n < 30 || n > 60 || runs[2].Sub(runs[1]) < 24*time.Second {
			t.Errorf("%d runs in ten hours", n)
		}
		close(hears)
		h.waits(20 * time.Minute)
		if s, n := ch.state(), p.net.attempts(); s != stateOK || n != 2 {
			t.Errorf("state %s, %d sent", s, n-1)
		}
		if n := h.pending(journal.Out); n != 0 {
			t.Errorf("%d pending", n)
		}
	}, polls(p), makes(&refused, &hears))
}

// TestPausedMessageDiesAtItsDeadline: nobody knows how long the pause will be.
func TestPausedMessageDiesAtItsDeadline(t *testing.T) {
	p := &poller{}
	var refused chan struct{}
	p.run = func(context.Context, connectors.Inbox) error {
		<-refused
		return sendError(connectors.ReasonAuth)
	}
	inHouse(t, func(h *house) {
		h.writesOut()
		close(refused)
		h.waits(time.Second)
		h.says("anna", "too late")
		h.waits(h.cfg.Limits.Deadline - time.Minute)
		if len(h.dead()) != 0 {
			t.Errorf("dead letters %v before the deadline", h.dead())
		}
		h.waits(2 * time.Minute)
		if got := h.dead(); len(got) != 1 || got[0] != string(connectors.ReasonDeadline) {
			t.Errorf("dead letters %v", got)
		}
	}, polls(p), makes(&refused))
}

// TestWhatEndsDeafness: a poll that succeeded, events that were delivered, or a
// Run that lasts. Nothing that comes after Run has returned.
func TestWhatEndsDeafness(t *testing.T) {
	holds := func(ctx context.Context) error { <-ctx.Done(); return nil }
	for name, tc := range map[string]struct {
		then  func(ctx context.Context, in connectors.Inbox) error // the second Run
		after time.Duration                                        // it ends the deafness; 0 = never
	}{
		"a poll": {func(ctx context.Context, in connectors.Inbox) error {
			time.Sleep(2 * time.Second)
			in.Working()
			return holds(ctx)
		}, 2 * time.Second},
		"an event": {func(ctx context.Context, in connectors.Inbox) error {
			time.Sleep(2 * time.Second)
			if err := in.Deliver(ctx, []connectors.Event{textEvent("anna", 1)}); err != nil {
				return err
			}
			return holds(ctx)
		}, 2 * time.Second},
		"time": {func(ctx context.Context, _ connectors.Inbox) error { return holds(ctx) }, wellAfter},
		"a word after the end": {func(_ context.Context, in connectors.Inbox) error {
			time.AfterFunc(time.Second, in.Working)
			return &connectors.SendError{Reason: connectors.ReasonServer, RetryAfter: time.Hour}
		}, 0},
		"a panic": {func(context.Context, connectors.Inbox) error { panic("PLANTED") }, 0},
	} {
		t.Run(name, func(t *testing.T) {
			p, first := &poller{}, true
			p.run = func(ctx context.Context, in connectors.Inbox) error {
				if first {
					first = false
					return &connectors.SendError{Reason: connectors.ReasonServer, RetryAfter: time.Hour}
				}
				return tc.then(ctx, in)
			}
			inHouse(t, func(h *house) {
				h.waits(time.Hour + time.Second)
				state := h.gw.channel(testChannel).state
				if n := len(p.runs()); n < 2 || state() != stateDeaf {
					t.Fatalf("%d runs, state %s", n, state())
				}
				h.waits(max(tc.after, 2*time.Second))
				if s := state(); (s == stateOK) != (tc.after > 0) {
					t.Errorf("state %s", s)
				}
				if h.logged("PLANTED") != 0 {
					t.Error("the log shows what a connector panicked with")
				}
			}, polls(p))
		})
	}
}
