package gateway

import (
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"servicelink/connectors"
	"servicelink/gateway/journal"
	"servicelink/simprot"
	"servicelink/simprot/refcore"
)

// Rules that matter only when things happen in an order nobody sees twice.

// late lets the core handle the next packets of anna's at once and answer them
// later; count < 0 means all. It tells how many there were.
func (h *house) late(code simprot.Code, count int, delay time.Duration) (acted func() int) {
	h.Helper()
	at := len(h.core.Faults())
	err := h.core.AddFault(refcore.Fault{Kind: refcore.FaultLate, Code: code, TrackingID: "anna|fake", Count: count, Delay: delay})
	if err != nil {
		h.Fatal(err)
	}
	return func() int { return h.core.Faults()[at].Acted }
}

// slowWriter keeps the journal's writer from handing over the rows it means,
// and from all that comes after them, until the function it returns is called.
func (h *house) slowWriter(means func(journal.Row) bool) (handOver func()) {
	called := make(chan struct{})
	h.disk.mu.Lock()
	defer h.disk.mu.Unlock()
	sink := h.disk.sink
	h.disk.sink = func(rows []journal.Row) {
		if slices.ContainsFunc(rows, means) {
			<-called
		}
		sink(rows)
	}
	return func() { close(called) }
}

// TestRepeatOfWhatHasJustEnded: the network repeats a message, and it ends
// between the journal's look at it and the hand-over. It is not taken up again:
// the core shows it no longer, and the agent would be told of a doubt.
func TestRepeatOfWhatHasJustEnded(t *testing.T) {
	inHouse(t, func(h *house) {
		h.opened()
		h.late(simprot.CodeChatSentenceIn, 1, 5*time.Second)
		h.writes("anna", 2)
		h.waits(time.Second)
		handOver := h.slowWriter(func(r journal.Row) bool { return r.Repeat })
		repeated := make(chan error, 1)
		go func() { repeated <- h.deliver("anna", 2) }()
		h.waits(10 * time.Second) // the echo has come
		for range 10 {
			h.says("anna", "are you there?") // the core keeps the last few
		}
		h.waits(time.Second)
		handOver()
		if err := <-repeated; err != nil {
			t.Errorf("repeat: %v", err)
		}
		h.waits(time.Minute)
		if _, notes := h.shown("anna"); len(notes) != 0 {
			t.Errorf("notes %q", notes)
		}
	}, func(_ *house, o *refcore.Options) { o.KeepSentences = 3 })
}

// TestAdmit: what a lane makes of rows that are handed over, as Seq and, for
// those an earlier process may have worked on, "?".
func TestAdmit(t *testing.T) {
	row := func(seq int64) journal.Row { return journal.Row{Seq: seq} }
	repeat := func(seq int64) journal.Row { return journal.Row{Seq: seq, Repeat: true} }
	for name, tt := range map[string]struct {
		rows     []journal.Row
		finished int64
		want     string
		behind   bool
	}{
		"in order":                       {rows: []journal.Row{row(3), row(4)}, want: "[3 4]"},
		"a repeat of what it holds":      {rows: []journal.Row{row(3), repeat(3)}, want: "[3]"},
		"a repeat of an earlier process": {rows: []journal.Row{repeat(3)}, want: "[3?]"},
		"a repeat goes to its place":     {rows: []journal.Row{row(3), row(4), repeat(2)}, want: "[2? 3 4]"},
		"a repeat of what has ended":     {rows: []journal.Row{row(4), repeat(3)}, finished: 3, want: "[4]"},
		"requeued after later ones":      {rows: []journal.Row{row(4), {Seq: 2, Loaded: true}}, finished: 3, want: "[2? 4]"},
		"full, and behind from then on":  {rows: []journal.Row{row(3), row(4), row(5), row(6)}, want: "[3 4 5]", behind: true},
	} {
		t.Run(name, func(t *testing.T) {
			ch := testChannelNamed("a")
			ch.rooms[0].limit.Store(100)
			c := newRegistry().get(ch, "1")
			c.in.finished = tt.finished
			for _, r := range tt.rows {
				new(Gateway).admit(c, &c.in.laneState, &r, 3)
			}
			got := []string{}
			for _, h := range c.in.rows {
				if h.Loaded {
					got = append(got, fmt.Sprint(h.Seq, "?"))
				} else {
					got = append(got, fmt.Sprint(h.Seq))
				}
			}
			if fmt.Sprint(got) != tt.want || c.in.behind != tt.behind {
				t.Errorf("lane %v, behind %v; want %s, %v", got, c.in.behind, tt.want, tt.behind)
			}
		})
	}
}

// TestResendRestsOnTheLatestClaim: while a sentence in doubt waits for its
// place in the window, the Port is claimed again. It is asked about once more:
// sending again rests on an answer after the latest claim.
func TestResendRestsOnTheLatestClaim(t *testing.T) {
	inHouse(t, func(h *house) {
		h.opened()
		h.writes("berta", 1)
		h.waits(5 * time.Second)
		h.fault(refcore.FaultLose, simprot.CodeChatSentenceIn, 2)
		asked := h.late(simprot.CodeChatStatusAsk, -1, 1)
		h.writes("anna", 2) // lost; it has the only place until its time-out
		h.waits(time.Second)
		h.writes("berta", 2) // lost too; it gets the place then
		h.waits(echoTimeout)
		if n := asked(); n != 1 {
			t.Fatalf("asked %d times after the time-out, want once", n)
		}
		h.waits(echoTimeout) // berta's time-out claims the Port again
		if n := asked(); n != 2 {
			t.Errorf("asked %d times, want once more after the claim", n)
		}
		h.waits(time.Minute)
		h.wantShown("anna", 2)
		h.wantShown("berta", 2)
	}, narrow, oldJournal)
}

// TestUnknownChatIsAskedForAtOnce: the agent begins a chat, and neither the
// news of it nor its first sentence arrives. The second one is of a chat nobody
// knows here: no gap in the known chat's Counters holds it back.
func TestUnknownChatIsAskedForAtOnce(t *testing.T) {
	inHouse(t, func(h *house) {
		h.opened()
		h.closes("anna")
		h.waits(time.Second)
		h.fault(refcore.FaultLose, simprot.CodeChatStatus, 1)
		h.fault(refcore.FaultLose, simprot.CodeChatSentence, 1)
		if _, err := h.core.Begin(h.address("anna"), "Anna"); err != nil {
			t.Fatal(err)
		}
		h.says("anna", "one")
		h.says("anna", "two")
		h.waits(gapPatience / 2)
		h.wantGot("one", "two")
	}, oldJournal)
}

// TestFullMemoryRestsOut is TestFullMemoryRests towards the customer.
func TestFullMemoryRestsOut(t *testing.T) {
	inHouse(t, func(h *house) {
		h.opened()
		h.writes("berta", 1)
		h.waits(5 * time.Second)
		h.gw.channel(testChannel).rooms[1].limit.Store(3)
		var mended atomic.Bool
		h.net.set(func() {
			h.net.fail = func(int, connectors.Part) error {
				if mended.Load() {
					return nil
				}
				return sendErr(connectors.NotSent, connectors.ReasonConnect)
			}
		})
		for _, text := range []string{"one", "two", "three"} {
			h.says("berta", text)
		}
		h.waits(time.Second)
		h.says("anna", "four")
		h.waits(10 * time.Minute)
		if n := h.cut.refills.Load(); n > 25 {
			t.Errorf("the journal was asked %d times in ten minutes", n)
		}
		mended.Store(true)
		h.waits(5 * time.Minute)
		h.wantGot("one", "two", "three", "four")
	})
}

// TestAskedBeforeReleased: a sentence is lost, an echo shows the gap, and the
// gateway is killed before it has asked. The next process knows the Counter and
// not the gap: what comes live does not overtake the lost one.
func TestAskedBeforeReleased(t *testing.T) {
	inHouse(t, func(h *house) {
		h.opened()
		h.fault(refcore.FaultLose, simprot.CodeChatSentence, 1)
		h.says("anna", "one")
		for n := 2; n < markEvery; n++ {
			h.writes("anna", n) // the last one's Counter is kept
		}
		h.waits(gapPatience / 2)
		h.crash()
		conv, _, err := h.disk.mem.Conversation(h.Context(), testChannel, "anna|fake")
		if err != nil || conv.Counter != markEvery || h.chat("anna").Counter != markEvery {
			t.Fatalf("the journal knows Counter %d, the core has %d (%v)", conv.Counter, h.chat("anna").Counter, err)
		}
		h.late(simprot.CodeChatStatusAsk, 1, 10*time.Second)
		h.start()
		h.waits(5 * time.Second)
		h.says("anna", "two")
		h.waits(time.Minute)
		h.wantGot("one", "two")
		h.wantShown("anna", markEvery-1)
	})
}

// TestUnlabelledIsMissedToo: a core that names no chats; a sentence comes before
// this connection's STATUS is answered, and the journal does not take it. The
// next one, which comes after the answer, does not overtake it.
func TestUnlabelledIsMissedToo(t *testing.T) {
	inHouse(t, func(h *house) {
		h.opened()
		asked := h.late(simprot.CodeChatStatusAsk, 1, 3*time.Second)
		h.door.breakAll()
		for asked() == 0 {
			h.waits(10 * time.Millisecond)
		}
		h.cut.away.Store(true)
		h.says("anna", "one")
		h.waits(time.Second)
		h.cut.away.Store(false)
		h.waits(2500 * time.Millisecond) // the answer has come; it is of before
		h.wantGot()
		h.says("anna", "two")
		h.waits(time.Minute)
		h.wantGot("one", "two")
	}, oldJournal, func(_ *house, o *refcore.Options) { o.Break = []refcore.Rule{refcore.RuleChatID} })
}

// TestOnItsWayIsNotOvertaken: a sentence closes a gap, and the journal is slow
// to take it. What waited behind the gap goes on waiting for it.
func TestOnItsWayIsNotOvertaken(t *testing.T) {
	inHouse(t, func(h *house) {
		h.opened()
		h.late(simprot.CodeChatSentence, 1, 500*time.Millisecond)
		h.late(simprot.CodeChatSentenceIn, 1, time.Second)
		h.says("anna", "one")
		h.says("anna", "two") // comes first
		h.writes("anna", 2)   // its echo looks at what waits
		h.waits(100 * time.Millisecond)
		handOver := h.slowWriter(func(r journal.Row) bool { return r.Lane.TrackingID == "berta|fake" })
		taken := make(chan error, 1)
		go func() { taken <- h.deliver("berta", 1) }()
		h.waits(1200 * time.Millisecond)
		handOver()
		if err := <-taken; err != nil {
			t.Error(err)
		}
		h.waits(time.Second)
		h.wantGot("one", "two")
	})
}
