package gateway

import (
	"slices"
	"testing"
	"time"

	"servicelink/connectors"
	"servicelink/gateway/journal"
	"servicelink/simprot"
	"servicelink/simprot/refcore"
)

// What a review found broken once, and must hold: towards the core.

// fault scripts a misbehaviour of the core.
func (h *house) fault(kind refcore.FaultKind, code simprot.Code, count int) {
	h.Helper()
	if err := h.core.AddFault(refcore.Fault{Kind: kind, Code: code, Count: count}); err != nil {
		h.Fatal(err)
	}
}

// counts gives how many packets of a code the core handled since. They are
// answered a nanosecond late; other faults of the code come first.
func (h *house) counts(code simprot.Code) func() int {
	h.Helper()
	if err := h.core.AddFault(refcore.Fault{Kind: refcore.FaultLate, Code: code, Count: -1, Delay: 1}); err != nil {
		h.Fatal(err)
	}
	at := len(h.core.Faults()) - 1
	return func() int { return h.core.Faults()[at].Acted }
}

func (h *house) closes(customer string) {
	h.Helper()
	if err := h.core.CloseChat(h.chat(customer).ID); err != nil {
		h.Fatal(err)
	}
}

// requeues puts the only dead letter back.
func (h *house) requeues() {
	h.Helper()
	rows, err := h.disk.mem.Dead(h.Context(), journal.DeadQuery{})
	if err != nil || len(rows) != 1 {
		h.Fatalf("dead letters %v, %v; want one", rows, err)
	}
	if err := h.disk.mem.Requeue(h.Context(), rows[0].Seq); err != nil {
		h.Fatal(err)
	}
}

func (h *house) deliverTo(channel, customer string) {
	h.Helper()
	in := inbox{h.gw, h.gw.channel(channel)}
	if err := in.Deliver(h.Context(), []connectors.Event{textEvent(customer, 1)}); err != nil {
		h.Error(err)
	}
}

func narrow(h *house, _ *refcore.Options) { h.cfg.Core.Window = 1 }

func twoChannels(h *house, _ *refcore.Options) {
	second := h.cfg.Channels[0]
	second.Name, second.Port = "other", "other"
	h.cfg.Channels = append(h.cfg.Channels, second)
}

// TestClosedGateHoldsNoPlace: what waits for the core to open again, in doubt
// or not, leaves its place in the window to open chats.
func TestClosedGateHoldsNoPlace(t *testing.T) {
	inHouse(t, func(h *house) {
		h.writes("anna", 1)
		h.writes("berta", 1)
		h.waits(5 * time.Second)
		h.fault(refcore.FaultLose, simprot.CodeChatSentenceIn, 1)
		h.writes("anna", 2) // in doubt from now on
		h.waits(time.Second)
		h.core.SetSignal("", simprot.SignalClosed)
		h.closes("anna")
		h.waits(time.Minute)
		h.writes("berta", 2)
		h.waits(time.Minute)
		h.wantShown("berta", 2)
		h.core.SetSignal("", simprot.SignalFree)
		h.waits(time.Minute)
		h.wantShown("anna", 2)
	}, narrow)
}

// TestClosedCoreIsWrittenNothing: while the core takes no chats it is asked, and
// nothing else: a sentence without a chat is not the core's to understand.
func TestClosedCoreIsWrittenNothing(t *testing.T) {
	inHouse(t, func(h *house) {
		written := h.counts(simprot.CodeChatSentenceIn)
		h.core.SetSignal("", simprot.SignalClosed)
		h.writes("anna", 1)
		h.waits(10 * time.Minute)
		if n := written(); n != 0 {
			t.Errorf("%d sentences were written while no chat was open", n)
		}
		h.core.SetSignal("", simprot.SignalFree)
		h.waits(time.Minute)
		h.wantShown("anna", 1)
		if n := written(); n != 1 {
			t.Errorf("%d sentences were written, want 1", n)
		}
	})
}

// TestUnclaimedPortHoldsNoPlace: a Port whose RESYNC is not answered does not
// keep the places of its last session.
func TestUnclaimedPortHoldsNoPlace(t *testing.T) {
	inHouse(t, func(h *house) {
		h.writes("anna", 1)
		h.waits(5 * time.Second)
		h.fault(refcore.FaultLose, simprot.CodeChatSentenceIn, 1)
		if err := h.core.AddFault(refcore.Fault{Kind: refcore.FaultLose, Code: simprot.CodeChatResync, Port: testChannel, Count: -1}); err != nil {
			t.Fatal(err)
		}
		h.writes("anna", 2)
		h.waits(time.Second)
		h.door.breakAll()
		h.waits(10 * time.Second)
		h.deliverTo("other", "berta")
		h.waits(time.Minute)
		h.wantShown("berta", 1)
		h.core.ClearFaults()
		h.waits(time.Hour)
		h.wantShown("anna", 2)
	}, twoChannels, narrow)
}

// TestBacklogOfOnePortStarvesNoOther: what piles up at a closed Port fills its
// own share of the memory only.
func TestBacklogOfOnePortStarvesNoOther(t *testing.T) {
	inHouse(t, func(h *house) {
		customers := []string{"anna", "carla", "dora", "emma", "flora"}
		h.gw.channel(testChannel).rooms[0].limit.Store(int64(len(customers) - 2))
		h.core.SetSignal(testChannel, simprot.SignalClosed)
		for _, c := range customers {
			h.writes(c, 1)
		}
		h.waits(time.Second)
		if f, _ := h.gw.ChannelFault(testChannel); !slices.ContainsFunc(f, func(s Fault) bool { return s.What == "lanes_full" }) {
			t.Errorf("faults %v, want lanes_full", f)
		}
		h.deliverTo("other", "berta")
		h.waits(time.Second)
		h.wantShown("berta", 1)
		h.core.SetSignal(testChannel, simprot.SignalFree)
		h.waits(5 * time.Minute)
		for _, c := range customers {
			h.wantShown(c, 1)
		}
	}, twoChannels)
}

// TestFullMemoryRests: a lane whose rows find no room waits for room and does
// not go on asking the journal.
func TestFullMemoryRests(t *testing.T) {
	inHouse(t, func(h *house) {
		h.door.breakAll()
		h.door.away.Store(true)
		h.gw.channel(testChannel).rooms[0].limit.Store(3)
		for i := 1; i <= 3; i++ {
			h.writes("berta", i)
		}
		h.writes("anna", 1)
		h.waits(10 * time.Minute)
		if n := h.cut.refills.Load(); n > 25 {
			t.Errorf("the journal was asked %d times in ten minutes", n)
		}
		h.door.away.Store(false)
		h.waits(time.Minute)
		h.wantShown("berta", 3)
		h.wantShown("anna", 1)
	})
}

// TestRequeuedInDoubtIsWritten: an operator who requeues what is in doubt has
// looked; the same cut answer does not bury it again.
func TestRequeuedInDoubtIsWritten(t *testing.T) {
	inHouse(t, func(h *house) {
		h.opened()
		h.fault(refcore.FaultLose, simprot.CodeChatSentenceIn, 1)
		h.writes("anna", 2)
		h.waits(time.Second)
		for range 10 {
			h.says("anna", "are you there?") // the core keeps the last few
			h.waits(time.Second)
		}
		h.waits(time.Minute)
		if got := h.dead(); !slices.Equal(got, []string{string(connectors.ReasonInDoubt)}) {
			t.Fatalf("dead letters %v", got)
		}
		if _, notes := h.shown("anna"); len(notes) != 1 {
			t.Errorf("notes %q", notes)
		}
		h.requeues()
		h.waits(time.Minute)
		if got, _ := h.shown("anna"); !slices.Contains(got, textEvent("anna", 2).ID) {
			t.Errorf("shown %v", got)
		}
		if got := h.dead(); len(got) != 0 {
			t.Errorf("dead letters %v", got)
		}
	}, func(_ *house, o *refcore.Options) { o.KeepSentences = 3 })
}

// TestUnansweredStartIsNotRepeatedBlindly: STATUS tells that the chat is open.
func TestUnansweredStartIsNotRepeatedBlindly(t *testing.T) {
	inHouse(t, func(h *house) {
		h.waits(5 * time.Second)
		h.fault(refcore.FaultNever, simprot.CodeChatStart, 1)
		starts, asks := h.counts(simprot.CodeChatStart), h.counts(simprot.CodeChatStatusAsk)
		h.writes("anna", 1)
		h.waits(22 * time.Second) // START's 20 s, and no rest after it
		h.wantShown("anna", 1)
		if starts() != 0 {
			t.Errorf("%d more STARTs", starts())
		}
		if asks() == 0 {
			t.Error("STATUS was not asked")
		}
	}, oldJournal)
}

// TestTimeoutClaimsThePortAgain: sending again rests on a STATUS asked after a
// new RESYNC, so that a sentence still on its way can no longer be taken.
func TestTimeoutClaimsThePortAgain(t *testing.T) {
	inHouse(t, func(h *house) {
		h.opened()
		h.fault(refcore.FaultLose, simprot.CodeChatSentenceIn, 1)
		claims := h.counts(simprot.CodeChatResync)
		h.writes("anna", 2)
		h.waits(echoTimeout + time.Second)
		h.wantShown("anna", 2)
		if claims() != 1 {
			t.Errorf("%d RESYNCs after a time-out", claims())
		}
	})
}

// TestClosedTextOfAClockAhead: the time of the last "we are closed", stored by
// a clock that was ahead, silences the next one for twelve hours and no longer.
func TestClosedTextOfAClockAhead(t *testing.T) {
	inHouse(t, func(h *house) {
		h.disk.mem.Apply(journal.Change{Conv: &journal.ConvChange{
			Channel: testChannel, TrackingID: "anna|fake", ClosedText: time.Now().Add(1000 * time.Hour),
		}})
		h.opened() // the record is read
		h.closes("anna")
		h.core.SetSignal("", simprot.SignalClosed)
		h.writes("anna", 2)
		h.waits(closedTextEvery - time.Minute)
		h.wantGot()
		h.waits(2 * time.Minute)
		h.wantGot("we are closed")
	})
}
