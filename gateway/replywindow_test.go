package gateway

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"servicelink/config"
	"servicelink/connectors"
	"servicelink/gateway/journal"
	"servicelink/simprot"
	"servicelink/simprot/refcore"
)

// windowNetwork takes what is no template for a day after the customer's latest
// message, and lets the network tell.
type windowNetwork struct {
	*fakeNetwork
	// template says by one what may not be said as it is.
	template bool
}

var _ connectors.WindowOpener = (*windowNetwork)(nil)

func (n *windowNetwork) Capabilities() connectors.Capabilities {
	caps := n.fakeNetwork.Capabilities()
	caps.Templates, caps.ReplyWindow = true, 24*time.Hour
	return caps
}

func (n *windowNetwork) OpenWindow(p connectors.Part) (connectors.Template, bool) {
	return connectors.Template{ID: "HXopen", Variables: map[string]string{"1": p.Text}}, n.template
}

// got lists what the customer received: texts, and templates by their id and
// first variable.
func (n *windowNetwork) got() (list []string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, p := range n.sent {
		if p.Template != nil {
			p.Text = p.Template.ID + ":" + p.Template.Variables["1"]
		}
		list = append(list, p.Text)
	}
	return list
}

// windowHouse is a house whose network has a reply window.
type windowHouse struct {
	*house
	network *windowNetwork
}

func inWindowHouse(t *testing.T, test func(h *windowHouse), options ...houseOption) {
	t.Helper()
	var w *windowHouse
	inHouse(t, func(h *house) { test(w) }, append([]houseOption{withWindow(&w)}, options...)...)
}

// withWindow gives the house's network a reply window.
func withWindow(w **windowHouse) houseOption {
	return func(h *house, _ *refcore.Options) {
		*w = &windowHouse{house: h, network: &windowNetwork{fakeNetwork: h.net}}
		h.build = func(config.Channel) (connectors.Connector, error) { return (*w).network, nil }
	}
}

// knows checks what the journal has of ann's window, by the time since the start
// of the bubble.
func (h *windowHouse) knows(end time.Duration, by string) {
	h.Helper()
	h.waits(10 * time.Millisecond)
	rec, _, err := h.disk.mem.Conversation(h.Context(), testChannel, "ann|fake")
	if err != nil {
		h.Fatal(err)
	}
	if got := rec.WindowEnd.Sub(bubbleStart).Round(time.Second); got != end || rec.WindowBy != by {
		h.Errorf("the journal has the window end at %s by %q, want %s by %q", got, rec.WindowBy, end, by)
	}
}

// brings delivers events of ann.
func (h *windowHouse) brings(events ...connectors.Event) {
	h.Helper()
	if err := (inbox{h.gw, h.gw.channel(testChannel)}).Deliver(h.Context(), events); err != nil {
		h.Errorf("deliver: %v", err)
	}
	h.waits(time.Second)
}

// wants checks what the customer received.
func (h *windowHouse) wants(texts ...string) {
	h.Helper()
	h.waits(time.Second)
	if got := h.network.got(); !slices.Equal(got, texts) {
		h.Errorf("the customer has %q, want %q", got, texts)
	}
}

// told checks that the agent was told that a message was stopped by the window.
func (h *windowHouse) told(ids ...string) {
	h.Helper()
	var want []string
	for _, id := range ids {
		want = append(want, "Message "+id+" was not delivered: the 24-hour window is closed; "+
			"send a template, [[template:ID|name=value]], or wait until the customer writes again.")
	}
	if _, notes := h.shown("ann"); !slices.Equal(notes, want) {
		h.Errorf("notes %q, want %q", notes, want)
	}
}

func closedByNetwork(int, connectors.Part) error {
	return &connectors.SendError{Outcome: connectors.Rejected, Reason: connectors.ReasonWindow, Code: "63016"}
}

const day = 24 * time.Hour

func TestReplyWindowEnds(t *testing.T) {
	inWindowHouse(t, func(h *windowHouse) {
		h.writes("ann", 1)
		h.knows(day, journal.WindowByCustomer)
		h.waits(day - time.Minute)
		h.says("ann", "in time")
		h.wants("in time")
		h.waits(time.Minute)
		id := h.says("ann", "too late")
		h.wants("in time")
		h.told(id)
		if h.net.tried != 1 || !slices.Equal(h.dead(), []string{string(connectors.ReasonWindow)}) {
			h.Errorf("%d attempts, dead %v", h.net.tried, h.dead())
		}
		h.says("ann", "[[template:HX1|1=hello]]")
		h.wants("in time", "HX1:hello")
		h.writes("ann", 2)
		h.says("ann", "again")
		h.wants("in time", "HX1:hello", "again")
	})
}

// TestWhatOpensTheReplyWindow: what the customer sends, from when it was sent.
func TestWhatOpensTheReplyWindow(t *testing.T) {
	event := func(id string, kind connectors.Kind, sent time.Duration) connectors.Event {
		ev := textEvent("ann", 1)
		ev.ID, ev.Kind, ev.RefID, ev.Button = id, kind, "m1", &connectors.Button{ID: "y", Text: "yes"}
		ev.File, ev.Location, ev.Contact = &connectors.File{Type: "photo", TooBig: true}, &connectors.Location{}, &connectors.Contact{Name: "Bob"}
		if sent != 0 {
			ev.SentAt = bubbleStart.Add(sent)
		}
		return ev
	}
	inWindowHouse(t, func(h *windowHouse) {
		h.brings(event("e1", connectors.KindText, -time.Hour))
		h.knows(day-time.Hour, journal.WindowByCustomer)
		h.brings(event("e2", connectors.KindText, -2*time.Hour)) // an older one
		h.knows(day-time.Hour, journal.WindowByCustomer)
		h.waits(time.Hour - time.Since(bubbleStart))
		for _, kind := range []connectors.Kind{connectors.KindEdit, connectors.KindDelete, connectors.KindReaction, connectors.KindService, connectors.KindStop} {
			h.brings(event("n-"+string(kind), kind, 0))
			h.knows(day-time.Hour, journal.WindowByCustomer)
		}
		for i, kind := range []connectors.Kind{
			connectors.KindText, connectors.KindFile, connectors.KindLocation,
			connectors.KindContact, connectors.KindButton, connectors.KindUnsupported,
		} {
			sent := 2*time.Hour + time.Duration(i)*time.Hour
			h.waits(sent - time.Since(bubbleStart))
			h.brings(event("y-"+string(kind), kind, 0))
			h.knows(day+sent, journal.WindowByCustomer)
		}
		at := time.Since(bubbleStart)
		h.brings(event("ahead", connectors.KindText, 100*day)) // a clock that is ahead opens it from now on
		h.knows((day + at).Round(time.Second), journal.WindowByCustomer)
	})
}

// TestNetworkClosesTheReplyWindow: what is not known is sent, and the refusal is
// believed, until the customer writes after it.
func TestNetworkClosesTheReplyWindow(t *testing.T) {
	inWindowHouse(t, func(h *windowHouse) {
		h.writes("ann", 1)
		h.waits(time.Hour - time.Since(bubbleStart))
		h.net.fail = closedByNetwork
		first := h.says("ann", "one")
		h.waits(time.Second)
		h.knows(time.Hour, journal.WindowByNetwork)
		h.waits(time.Minute)
		h.net.fail = nil
		second := h.says("ann", "two")
		h.wants()
		h.told(first, second)
		if h.net.tried != 1 {
			h.Errorf("%d attempts", h.net.tried)
		}
		late := textEvent("ann", 2)
		late.SentAt = bubbleStart.Add(time.Hour - time.Minute) // before the refused send
		h.brings(late)
		h.knows(time.Hour, journal.WindowByNetwork)
		h.stop()
		h.start()
		h.waits(time.Second)
		third := h.says("ann", "three")
		h.wants()
		h.told(first, second, third)
		h.waits(2*time.Hour - time.Since(bubbleStart))
		h.writes("ann", 3)
		h.knows(day+2*time.Hour, journal.WindowByCustomer)
		h.says("ann", "four")
		h.wants("four")
	})
}

// TestLateRefusalLeavesTheReplyWindowOpen: it is about a send that went out before
// the customer wrote.
func TestLateRefusalLeavesTheReplyWindowOpen(t *testing.T) {
	inWindowHouse(t, func(h *windowHouse) {
		h.writes("ann", 1)
		h.waits(time.Second)
		c := h.gw.convs.find(h.gw.channel(testChannel), "ann|fake")
		sent := time.Now()
		h.waits(time.Minute)
		h.writes("ann", 2)
		h.waits(time.Second)
		h.gw.windowClosed(c, sent, false)
		h.says("ann", "hello")
		h.wants("hello")
		sent = time.Now()
		h.gw.windowClosed(c, sent, false)
		h.waits(time.Second)
		id := h.says("ann", "no more")
		h.wants("hello")
		h.told(id)
	})
}

// TestReportClosesTheReplyWindow: the network takes a message and refuses it later.
// Its report may come after the customer has written again.
func TestReportClosesTheReplyWindow(t *testing.T) {
	inWindowHouse(t, func(h *windowHouse) {
		h.writes("ann", 1)
		h.waits(time.Hour - time.Since(bubbleStart))
		first := h.says("ann", "one")
		h.waits(time.Second)
		refusal := connectors.Event{ID: "n", Kind: connectors.KindNotice, TrackingID: "ann|fake", Notice: &connectors.Notice{
			Ref: h.net.ref(first), Status: connectors.StatusFailed, Finding: connectors.Finding{
				Fate: connectors.FateFailed, NetworkID: "net-1",
				Failure: &connectors.SendError{Outcome: connectors.Rejected, Reason: connectors.ReasonWindow, Code: "63016"},
			},
		}}
		h.brings(refusal)
		h.knows(time.Hour, journal.WindowByNetwork)
		second := h.says("ann", "two")
		h.wants("one")
		h.told(first, second)
		at := time.Since(bubbleStart)
		h.writes("ann", 2)
		h.brings(refusal)
		h.knows((day + at).Round(time.Second), journal.WindowByCustomer)
		h.says("ann", "three")
		h.wants("one", "three")
	})
}

// knowingNetwork knows that what got lost was refused.
type knowingNetwork struct{ *windowNetwork }

func (knowingNetwork) Reconcile(context.Context, connectors.Attempt) (connectors.Finding, error) {
	return connectors.Finding{Fate: connectors.FateFailed, Failure: &connectors.SendError{
		Outcome: connectors.Rejected, Reason: connectors.ReasonWindow,
	}}, nil
}

// TestFoundRefusalClosesTheReplyWindow: its answer was lost, and the network is asked.
func TestFoundRefusalClosesTheReplyWindow(t *testing.T) {
	inWindowHouse(t, func(h *windowHouse) {
		h.writes("ann", 1)
		h.waits(time.Hour - time.Since(bubbleStart))
		h.net.fail = func(int, connectors.Part) error {
			return &connectors.SendError{Outcome: connectors.Unknown, Reason: connectors.ReasonCut}
		}
		id := h.says("ann", "hello")
		h.waits(time.Second)
		h.knows(time.Hour, journal.WindowByNetwork)
		h.told(id)
	}, func(h *house, _ *refcore.Options) {
		build := h.build
		h.build = func(ch config.Channel) (connectors.Connector, error) {
			conn, err := build(ch)
			return knowingNetwork{conn.(*windowNetwork)}, err
		}
	})
}

// TestReplyWindowOfAClockThatWasAhead: no window is longer than it can be.
func TestReplyWindowOfAClockThatWasAhead(t *testing.T) {
	t.Parallel()
	for by, want := range map[string]time.Duration{journal.WindowByCustomer: day, journal.WindowByNetwork: 0} {
		synctest.Test(t, func(t *testing.T) {
			c := &conversation{ch: &channel{caps: connectors.Capabilities{ReplyWindow: day}}}
			c.recorded(journal.Conversation{WindowEnd: time.Now().Add(100 * day), WindowBy: by})
			if got := time.Until(c.reply.end); got != want || c.reply.by != by {
				t.Errorf("by the %s it ends in %s, want %s (by %s)", by, got, want, c.reply.by)
			}
		})
	}
}

// TestAutoTextKeepsToTheReplyWindow: nobody awaits it, so nobody is told.
func TestAutoTextKeepsToTheReplyWindow(t *testing.T) {
	inWindowHouse(t, func(h *windowHouse) {
		h.core.SetSignal("", simprot.SignalClosed)
		h.waits(time.Second)
		late := textEvent("ann", 1)
		late.SentAt = bubbleStart.Add(-2 * day)
		h.brings(late)
		if !slices.Equal(h.dead(), []string{string(connectors.ReasonWindow)}) || h.net.tried > 0 {
			h.Errorf("dead %v, %d attempts", h.dead(), h.net.tried)
		}
		h.brings(textEvent("bob", 1))
		h.wants("we are closed")
		h.core.SetSignal("", simprot.SignalFree)
		h.waits(time.Minute)
		h.told()
	}, answerClosed)
}

// TestStrangeChatKeepsTheReplyWindow: what is known of the chat is not believed yet,
// and the window has nothing to do with it.
func TestStrangeChatKeepsTheReplyWindow(t *testing.T) {
	t.Parallel()
	ch := &channel{cfg: config.Channel{Name: testChannel}}
	c := &conversation{ch: ch, tracking: "ann|fake", strange: true, loaded: true, chatID: "c1", counter: 7}
	if got := c.mark(); got != nil {
		t.Errorf("mark %+v, want none", got)
	}
	c.reply.learn(bubbleStart, journal.WindowByCustomer, day)
	want := &journal.ConvChange{
		Channel: testChannel, TrackingID: "ann|fake", WindowEnd: bubbleStart.Add(day), WindowBy: journal.WindowByCustomer,
	}
	if diff := cmp.Diff(want, c.mark()); diff != "" || c.reply.unsaved {
		t.Errorf("unsaved: %t, mark (-want +got):\n%s", c.reply.unsaved, diff)
	}
}

// TestMessageOpensTheWindowForOneThatWaits: the window is looked at when the
// part's turn comes.
func TestMessageOpensTheWindowForOneThatWaits(t *testing.T) {
	inWindowHouse(t, func(h *windowHouse) {
		h.writes("ann", 1)
		h.waits(day)
		if err := h.gw.pause(h.Context(), testChannel, true); err != nil {
			h.Fatal(err)
		}
		h.says("ann", "hello")
		h.waits(time.Hour)
		h.writes("ann", 2)
		h.waits(time.Second)
		if err := h.gw.pause(h.Context(), testChannel, false); err != nil {
			h.Fatal(err)
		}
		h.wants("hello")
		h.told()
	})
}

// TestReplyWindowSurvivesACrash: a message opens it for good, whether or not the
// core has it.
func TestReplyWindowSurvivesACrash(t *testing.T) {
	t.Run("after it was shown", func(t *testing.T) {
		inWindowHouse(t, func(h *windowHouse) {
			h.writes("ann", 1)
			h.waits(time.Second)
			h.crash()
			h.start()
			h.waits(day)
			id := h.says("ann", "hello")
			h.wants()
			h.told(id)
		})
	})
	t.Run("before", func(t *testing.T) {
		inWindowHouse(t, func(h *windowHouse) {
			h.writes("ann", 1)
			h.waits(time.Second)
			h.waits(2 * day)
			h.door.away.Store(true)
			id := h.says("ann", "hello")
			h.waits(time.Second)
			h.told(id)
			h.door.breakAll()
			at := time.Since(bubbleStart)
			h.writes("ann", 2)
			h.waits(time.Second)
			h.crash()
			h.door.away.Store(false)
			h.start()
			h.waits(time.Minute)
			h.says("ann", "again")
			h.wants("again")
			h.knows((day + at).Round(time.Second), journal.WindowByCustomer)
		})
	})
}

// TestPendingMessageOpensTheWindow: it is in the journal, behind another that the
// core cannot take, and after a restart its lane has not come to it.
func TestPendingMessageOpensTheWindow(t *testing.T) {
	inWindowHouse(t, func(h *windowHouse) {
		h.writes("ann", 1)
		h.waits(day - time.Minute)
		h.net.fail = func(n int, _ connectors.Part) error {
			if n > 1 {
				return nil
			}
			return &connectors.SendError{Outcome: connectors.NotSent, Reason: connectors.ReasonServer, RetryAfter: 10 * time.Minute}
		}
		h.says("ann", "hello")
		h.waits(2 * time.Minute)
		h.door.away.Store(true)
		h.door.breakAll()
		old, latest := textEvent("ann", 2), textEvent("ann", 3)
		old.SentAt = bubbleStart
		h.brings(old, latest)
		h.crash()
		h.start()
		h.wants("hello")
		h.door.away.Store(false)
	})
}

// TestTimelineWindow: what a trace says of the window, and of what it stopped or
// made a template.
func TestTimelineWindow(t *testing.T) {
	t.Parallel()
	var w *windowHouse
	golden(t, "out-window", func(h *timelines) {
		h.waits(5 * time.Second)
		h.writes("ann", 1)
		h.waits(5 * time.Second)
		inTime := h.says("ann", "in time")
		h.waits(time.Second)
		h.trace("open", inTime)
		h.waits(day)
		stopped := h.says("ann", "too late")
		h.waits(time.Second)
		h.trace("closed by time", stopped)
		w.network.template = true
		opener := h.says("ann", "once more")
		h.waits(time.Second)
		h.trace("said by a template", opener)
		h.stop()
		h.start()
		h.waits(time.Second)
		h.trace("by a later process", opener)
		h.writes("ann", 2)
		h.waits(time.Minute)
		h.net.fail = closedByNetwork
		refused := h.says("ann", "closed")
		h.waits(time.Second)
		h.trace("closed by the network", refused)
	}, withWindow(&w))
}
