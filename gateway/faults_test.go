package gateway

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"servicelink/connectors"
	"servicelink/gateway/journal"
	"servicelink/simprot"
)

func whats(faults []Fault) (words []string) {
	for _, f := range faults {
		words = append(words, f.Channel+":"+f.What)
	}
	return words
}

func wantFaults(t *testing.T, name string, got []Fault, want ...string) {
	t.Helper()
	if !slices.Equal(whats(got), want) {
		t.Errorf("%s: %v, want %v", name, whats(got), want)
	}
	for _, f := range got {
		if f.Hint == "" {
			t.Errorf("%s: %s comes without a hint", name, f.What)
		}
	}
}

func TestReadiness(t *testing.T) {
	inHouse(t, func(h *house) {
		h.waits(time.Second)
		g := h.gw
		wantFaults(t, "well", g.Ready())
		h.cut.sick.Store(&journal.ErrFull)
		wantFaults(t, "full", g.Ready(), ":journal_full")
		h.cut.sick.Store(&journal.ErrAway)
		wantFaults(t, "away", g.Ready(), ":journal_away")
		g.ready.Store(false)
		wantFaults(t, "stopping", g.Ready(), ":starting_or_stopping", ":journal_away")
		h.cut.sick.Store(nil)
		g.ready.Store(true)
		// What is wrong with one channel, or the core, keeps nobody out.
		g.now().ordered[0].gate.shut(simprot.SignalClosed)
		h.door.away.Store(true)
		h.door.breakAll()
		h.waits(time.Minute)
		wantFaults(t, "core away", g.Ready())
	})
}

// TestStateMetrics: alerts see what /readyz says.
func TestStateMetrics(t *testing.T) {
	inHouse(t, func(h *house) {
		h.waits(time.Second)
		g := h.gw
		want := func(ready, parked float64) {
			t.Helper()
			got := values(ours(t, g.registry))
			if got["servicelink_ready"] != ready || got["servicelink_lanes_parked"] != parked {
				t.Errorf("ready %v, parked %v; want %v, %v", got["servicelink_ready"], got["servicelink_lanes_parked"], ready, parked)
			}
		}
		want(1, 0)
		h.cut.sick.Store(&journal.ErrFull)
		g.parkedLanes.Add(2)
		want(0, 2)
		h.cut.sick.Store(nil)
		g.parkedLanes.Add(-2)
		want(1, 0)
		g.ready.Store(false)
		want(0, 0)
		g.ready.Store(true)
	})
}

func TestUnwell(t *testing.T) {
	inHouse(t, func(h *house) {
		h.waits(time.Second)
		g, ch := h.gw, h.gw.channel(testChannel)
		wantFaults(t, "well", g.Unwell())
		g.parkedLanes.Add(2)
		ch.rooms[0].starved.Store(true)
		wantFaults(t, "lanes", g.Unwell(), ":lanes_parked", testChannel+":lanes_full")
		if hint := g.Unwell()[0].Hint; !strings.Contains(hint, "2") {
			t.Errorf("hint %q", hint)
		}
		g.parkedLanes.Add(-2)
		ch.rooms[0].starved.Store(false)
		refusedOnce(t, g, ch)
		for range authStrikes {
			ch.limits.learn(one("a"), authError)
		}
		ch.unreadable(&connectors.SendError{Reason: connectors.ReasonConflict})
		ch.port.unanswered.Store(true)
		ch.port.unjournaled.Store(true)
		ch.gate.shut(simprot.SignalHidden)
		want := []string{"shop:paused", "shop:conflict", "shop:no_answer", "shop:unjournaled", "shop:closed"}
		wantFaults(t, "all of a channel", g.Unwell(), want...)
		if hint := g.Unwell()[0].Hint; hint != authError.Hint {
			t.Errorf("the connector's own hint is %q, shown %q", authError.Hint, hint)
		}
		ch.port.unjournaled.Store(false)
		ch.gate.open()
	})
}

// refusedOnce: that the network refuses the credentials is told from the first send on,
// until one works, and pauses nothing yet.
func refusedOnce(t *testing.T, g *Gateway, ch *channel) {
	t.Helper()
	for _, tc := range []struct {
		se   *connectors.SendError
		want string
	}{
		{authError, authError.Hint},
		{&connectors.SendError{Reason: connectors.ReasonAuth}, "check the channel's settings"},
		{&connectors.SendError{Reason: connectors.ReasonForbidden}, "egress.allow"},
	} {
		began := time.Now()
		ch.limits.learn(one("a"), tc.se)
		time.Sleep(time.Second)
		ch.limits.learn(one("b"), tc.se)
		ch.limits.learn(one("b"), otherError) // says nothing of credentials
		wantFaults(t, "refused", g.Unwell(), "shop:refused")
		if f := g.Unwell()[0]; !f.Since.Equal(began) || !strings.Contains(f.Hint, tc.want) || ch.state() != stateOK {
			t.Errorf("fault %+v since %v, state %s", f, began, ch.state())
		}
		ch.limits.worked()
		wantFaults(t, "a send worked", g.Unwell())
	}
}

func TestLinkFaults(t *testing.T) {
	inHouse(t, func(h *house) {
		h.waits(time.Second)
		h.door.away.Store(true)
		h.door.breakAll()
		h.waits(time.Minute)
		g := h.gw
		wantFaults(t, "away", g.Unwell(), ":core_down")
		if f := g.Unwell()[0]; f.Since.IsZero() || !strings.Contains(f.Hint, "core.address") {
			t.Errorf("fault %+v", f)
		}
		faults, known := g.ChannelFault(testChannel)
		wantFaults(t, "its channel", faults, ":core_down")
		if !known {
			t.Error("the channel is not known")
		}
		h.door.away.Store(false)
		h.waits(2 * time.Minute)
		wantFaults(t, "back", g.Unwell())
	})
}

// TestLinkFaultKeepsItsBeginning: failed attempts do not make it younger, and
// the loss leaves one line, not one of each who hears of it.
func TestLinkFaultKeepsItsBeginning(t *testing.T) {
	inHouse(t, func(h *house) {
		h.waits(time.Second)
		lost := time.Now()
		h.door.away.Store(true)
		h.door.breakAll()
		synctest.Wait()
		if n := h.logged("core link"); n != 1 || h.logged("core link down", "state=down") != 1 {
			t.Errorf("%d lines about the loss, want 1:\n%s", n, h.logs)
		}
		h.waits(10 * time.Minute)
		if since := h.gw.Unwell()[0].Since; since.Sub(lost) > time.Second {
			t.Errorf("away since %v, lost at %v", since, lost)
		}
		h.door.away.Store(false)
		h.waits(5 * time.Minute)
		again := time.Now()
		h.door.away.Store(true)
		h.door.breakAll()
		h.waits(time.Minute)
		if since := h.gw.Unwell()[0].Since; since.Before(again) {
			t.Errorf("the next loss is dated %v, before %v", since, again)
		}
	})
}

func TestJournalFills(t *testing.T) {
	inHouse(t, func(h *house) {
		h.waits(time.Second)
		g := h.gw
		h.cut.size.Store(1 << 40)
		wantFaults(t, "without a limit", g.Unwell())
		g.config().Journal.MaxBytes = 1000
		h.cut.size.Store(800)
		wantFaults(t, "at the mark", g.Unwell())
		h.cut.size.Store(801)
		wantFaults(t, "above it", g.Unwell(), ":journal_filling")
		wantFaults(t, "it is in service", g.Ready())
	})
}

// TestEgressFault: a channel whose target the guard refuses says so.
func TestEgressFault(t *testing.T) {
	inHouse(t, func(h *house) {
		h.opened()
		refused := sendErr(connectors.NotSent, connectors.ReasonForbidden)
		h.net.fail = failing(slices.Repeat([]error{refused}, authStrikes)...)
		h.says("anna", "an answer")
		h.waits(2 * time.Minute)
		wantFaults(t, "refused", h.gw.Unwell(), "shop:paused")
		if hint := h.gw.Unwell()[0].Hint; !strings.Contains(hint, "egress.allow") {
			t.Errorf("hint %q", hint)
		}
		h.waits(time.Hour)
		wantFaults(t, "allowed again", h.gw.Unwell())
		h.wantGot("an answer")
	})
}

func TestLinkHints(t *testing.T) {
	for _, tc := range []struct {
		state simprot.LinkState
		err   error
		want  string
	}{
		{simprot.LinkReplaced, nil, "core.instance"},
		{simprot.LinkRefused, &simprot.RefusedError{Reason: "credentials"}, "core.secret"},
		{simprot.LinkDown, errFakeNetwork, "core.address"},
	} {
		if hint := linkHint(tc.state, tc.err); !strings.Contains(hint, tc.want) {
			t.Errorf("%s: %q does not name %s", tc.state, hint, tc.want)
		}
	}
}

func TestChannelFault(t *testing.T) {
	inHouse(t, func(h *house) {
		h.waits(time.Second)
		if faults, known := h.gw.ChannelFault("nobody"); known || faults != nil {
			t.Errorf("nobody: %v", faults)
		}
		faults, _ := h.gw.ChannelFault(testChannel)
		wantFaults(t, "well", faults)
		ch := h.gw.channel(testChannel)
		ch.cfg.Enabled = false
		ch.port.unanswered.Store(true) // says nothing about a channel that is off
		faults, _ = h.gw.ChannelFault(testChannel)
		wantFaults(t, "disabled", faults, "shop:disabled")
		ch.cfg.Enabled = true
	})
}

// TestDeafHints: a channel that cannot be read says why and what helps; its
// connector knows best.
func TestDeafHints(t *testing.T) {
	for _, tc := range []struct {
		reason     connectors.Reason
		hint, want string
		what       string
	}{
		{connectors.ReasonServer, "", "status page", stateDeaf}, // a proxy's page too
		{connectors.ReasonAnswer, "", "check its address", stateDeaf},
		{connectors.ReasonConnect, "", "firewall", stateDeaf},
		{connectors.ReasonForbidden, "", "egress.allow", stateDeaf},
		{connectors.ReasonServer, "look there", "look there", stateDeaf},
		{connectors.ReasonContent, "", "cannot be read: content", stateDeaf},
		{connectors.ReasonConflict, "", "other reader", stateConflict},
	} {
		a := &ailment{err: &connectors.SendError{Reason: tc.reason, Hint: tc.hint}}
		if f := a.fault("shop"); f.What != tc.what || f.Channel != "shop" || !strings.Contains(f.Hint, tc.want) {
			t.Errorf("%s: %+v", tc.reason, f)
		}
	}
}

// TestChannelState: one word, the worst that is true.
func TestChannelState(t *testing.T) {
	inHouse(t, func(h *house) {
		h.waits(time.Second)
		ch := h.gw.channel(testChannel)
		for _, step := range []struct {
			want string
			do   func()
		}{
			{stateOK, func() {}},
			{stateClosed, func() { ch.gate.shut(simprot.SignalClosed) }},
			{stateNoAnswer, func() { ch.port.unanswered.Store(true) }},
			{stateDeaf, func() { ch.unreadable(otherError) }},
			{statePaused, func() {
				for range authStrikes {
					ch.limits.learn(one("a"), authError)
				}
			}},
			{stateDisabled, func() { ch.cfg.Enabled = false }},
		} {
			step.do()
			if got := ch.state(); got != step.want {
				t.Errorf("state %q, want %q", got, step.want)
			}
			if got := h.gw.states()[testChannel]; got != step.want {
				t.Errorf("for the metrics: %q, want %q", got, step.want)
			}
		}
		ch.cfg.Enabled = true
		ch.gate.open()
	})
}
