package gateway

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"servicelink/connectors"
	"servicelink/gateway/journal"
	"servicelink/simprot"
	"servicelink/simprot/refcore"
)

func TestMessageReachesTheCoreOnce(t *testing.T) {
	inHouse(t, func(h *house) {
		h.writes("anna", 1)
		h.writes("anna", 1) // the network repeats itself
		h.writes("anna", 2)
		h.waits(time.Second)
		h.wantShown("anna", 2)
		if n := h.pending(journal.In); n != 0 {
			t.Errorf("%d pending", n)
		}
		if off := h.core.Offences(); len(off.Total) != 0 {
			t.Errorf("offences: %+v", off)
		}
	})
}

func TestLaneFallsBehindAndKeepsTheOrder(t *testing.T) {
	inHouse(t, func(h *house) {
		h.door.away.Store(true) // everything piles up
		h.door.breakAll()
		for i := 1; i <= 5*inLaneLimit; i++ {
			h.writes("anna", i)
		}
		h.waits(time.Minute)
		h.door.away.Store(false)
		for i := 5*inLaneLimit + 1; i <= 6*inLaneLimit; i++ {
			h.writes("anna", i)
		}
		h.waits(2 * time.Minute)
		h.wantShown("anna", 6*inLaneLimit)
	})
}

// TestFaultsOfTheCore: whatever the core does to one sentence, it is shown
// once, and what follows comes after it.
func TestFaultsOfTheCore(t *testing.T) {
	for _, code := range []simprot.Code{
		simprot.CodeChatRequest, simprot.CodeChatStart, simprot.CodeChatSentenceIn,
		simprot.CodeChatStatusAsk, simprot.CodeChatResync,
	} {
		for _, kind := range []refcore.FaultKind{
			refcore.FaultDrop, refcore.FaultDropAfter, refcore.FaultLose,
			refcore.FaultNever, refcore.FaultLate, refcore.FaultTwice,
		} {
			t.Run(string(code)+"/"+string(kind), func(t *testing.T) {
				inHouse(t, func(h *house) {
					h.writes("anna", 1)
					h.waits(time.Second)
					f := refcore.Fault{Kind: kind, Code: code, Count: 2}
					if kind == refcore.FaultLate {
						f.Delay = 25 * time.Second
					}
					if err := h.core.AddFault(f); err != nil {
						t.Fatal(err)
					}
					if code == simprot.CodeChatStatusAsk || code == simprot.CodeChatResync {
						h.door.breakAll() // so that it is asked
					}
					h.writes("anna", 2)
					h.writes("berta", 1)
					h.waits(time.Second)
					h.writes("anna", 3)
					h.waits(10 * time.Minute)
					h.wantShown("anna", 3)
					h.wantShown("berta", 1)
				})
			})
		}
	}
}

func TestCoresThatKeepLess(t *testing.T) {
	for name, o := range map[string]houseOption{"plain": plainCore, "no login": withoutLogin, "old journal": oldJournal} {
		t.Run(name, func(t *testing.T) {
			inHouse(t, func(h *house) {
				for i := 1; i <= 10; i++ {
					h.writes("anna", i)
					if i == 4 {
						h.waits(5 * time.Second)
						h.door.breakAll()
					}
					if i == 7 {
						h.waits(5 * time.Second)
						h.says("anna", "an answer")
					}
				}
				h.waits(5 * time.Minute)
				h.wantShown("anna", 10)
				if got := h.net.got(); !slices.Equal(got, []string{"an answer"}) {
					t.Errorf("customer got %q", got)
				}
				if c := h.confirmed("anna"); len(c) != 1 {
					t.Errorf("confirmed: %v", c)
				}
			}, o)
		})
	}
}

func TestCrashInTheMiddle(t *testing.T) {
	inHouse(t, func(h *house) {
		for i := 1; i <= 20; i++ {
			h.writes("anna", i)
			switch i % 5 {
			case 1:
				h.crash()
				h.start()
			case 3:
				time.Sleep(time.Millisecond)
				h.crash()
				h.start()
			}
		}
		h.waits(5 * time.Minute)
		h.wantShown("anna", 20)
	})
}

// TestCrashAfterTheSentenceLeft: the core has it, the journal does not know.
func TestCrashAfterTheSentenceLeft(t *testing.T) {
	inHouse(t, func(h *house) {
		if err := h.core.AddFault(refcore.Fault{Kind: refcore.FaultNever, Code: simprot.CodeChatSentenceIn, Count: 1}); err != nil {
			t.Fatal(err)
		}
		h.writes("anna", 1)
		h.waits(time.Second)
		h.wantShown("anna", 1)
		h.crash()
		h.start()
		h.waits(time.Minute)
		h.wantShown("anna", 1)
		if n := h.pending(journal.In); n != 0 {
			t.Errorf("%d pending", n)
		}
	})
}

// TestNewJournalAsksFirst: the records are gone, the network repeats, the core
// has it.
func TestNewJournalAsksFirst(t *testing.T) {
	inHouse(t, func(h *house) {
		h.writes("anna", 1)
		h.writes("anna", 2)
		h.waits(time.Second)
		h.stop()
		h.disk.Close()
		h.disk = newDisk()
		h.start()
		h.writes("anna", 1)
		h.writes("anna", 2)
		h.writes("anna", 3)
		h.waits(time.Minute)
		h.wantShown("anna", 3)
	})
}

func TestAgentClosesTheChat(t *testing.T) {
	inHouse(t, func(h *house) {
		h.writes("anna", 1)
		h.waits(time.Second)
		if err := h.core.CloseChat(h.chat("anna").ID); err != nil {
			t.Fatal(err)
		}
		h.writes("anna", 2)
		h.waits(time.Minute)
		h.wantShown("anna", 2)
		chats, err := h.core.Chats()
		if err != nil || len(chats) != 2 {
			t.Errorf("%d chats, %v; want a second one", len(chats), err)
		}
	})
}

func TestClosedCoreHolds(t *testing.T) {
	inHouse(t, func(h *house) {
		h.core.SetSignal("", simprot.SignalClosed)
		h.writes("anna", 1)
		h.writes("anna", 2)
		h.writes("berta", 1)
		h.waits(10 * time.Minute)
		if got := h.net.got(); !slices.Equal(got, []string{"we are closed", "we are closed"}) {
			t.Errorf("customers got %q", got)
		}
		if s := h.gw.channel(testChannel).state(); s != stateClosed {
			t.Errorf("state %q", s)
		}
		h.core.SetSignal("", simprot.SignalFree)
		h.waits(time.Minute)
		h.wantShown("anna", 2)
		h.wantShown("berta", 1)
	})
}

func TestClosedCoreAnswers(t *testing.T) {
	inHouse(t, func(h *house) {
		h.core.SetSignal("", simprot.SignalClosed)
		h.writes("anna", 1)
		h.waits(time.Minute)
		h.writes("anna", 2)
		h.waits(time.Minute)
		if got := h.net.got(); !slices.Equal(got, []string{"we are closed"}) {
			t.Errorf("customers got %q", got)
		}
		if n := h.pending(journal.In); n != 0 {
			t.Errorf("%d pending", n)
		}
		h.wantShown("anna", 0)
	}, answerClosed)
}

func TestStopEndsTheChat(t *testing.T) {
	inHouse(t, func(h *house) {
		h.writes("anna", 1)
		stop := textEvent("anna", 2)
		stop.Kind, stop.Text = connectors.KindStop, ""
		if err := (inbox{h.gw, h.gw.channel(testChannel)}).Deliver(h.Context(), []connectors.Event{stop}); err != nil {
			t.Fatal(err)
		}
		h.waits(time.Minute)
		h.wantShown("anna", 1)
		if c := h.chat("anna"); !c.Status.Closed() {
			t.Errorf("status %q", c.Status)
		}
		if n := h.pending(journal.In); n != 0 {
			t.Errorf("%d pending", n)
		}
	})
}

func TestAddressOverItsLimitIsDead(t *testing.T) {
	inHouse(t, func(h *house) {
		ev := textEvent("anna", 1)
		ev.TrackingID = string(make([]byte, 200))
		if err := (inbox{h.gw, h.gw.channel(testChannel)}).Deliver(h.Context(), []connectors.Event{ev}); err != nil {
			t.Fatal(err)
		}
		if got := h.dead(); !slices.Equal(got, []string{string(connectors.ReasonAddress)}) {
			t.Errorf("dead letters: %v", got)
		}
	})
}

func TestVolatileJournalWaitsForTheEcho(t *testing.T) {
	inHouse(t, func(h *house) {
		h.door.away.Store(true)
		h.door.breakAll()
		ctx, cancel := context.WithTimeout(h.Context(), 10*time.Second)
		defer cancel()
		in := inbox{h.gw, h.gw.channel(testChannel)}
		err := in.Deliver(ctx, []connectors.Event{textEvent("anna", 1)})
		if !errors.Is(err, connectors.ErrUnavailable) {
			t.Fatalf("core away: %v", err)
		}
		h.door.away.Store(false)
		h.waits(time.Minute)
		// The repeat joins what became of the first.
		if err := h.deliver("anna", 1); err != nil {
			t.Errorf("repeat: %v", err)
		}
		h.wantShown("anna", 1)
		if err := h.deliver("anna", 2); err != nil {
			t.Errorf("next: %v", err)
		}
		h.wantShown("anna", 2)
	}, volatile)
}

// TestVolatileJournalPassesOver: a batch that cannot be ended is held up for a
// minute in all while the core is there, and as long as it is away.
func TestVolatileJournalPassesOver(t *testing.T) {
	inHouse(t, func(h *house) {
		h.writes("anna", 1)
		if err := h.core.AddFault(refcore.Fault{Kind: refcore.FaultNever, Code: simprot.CodeChatSentenceIn, Count: 1}); err != nil {
			t.Fatal(err)
		}
		if err := h.core.AddFault(refcore.Fault{Kind: refcore.FaultNever, Code: simprot.CodeChatStatusAsk, Count: 100}); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		batch := []connectors.Event{textEvent("anna", 2), textEvent("anna", 3), textEvent("anna", 4)}
		if err := (inbox{h.gw, h.gw.channel(testChannel)}).Deliver(h.Context(), batch); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began); took != passOverAfter {
			t.Errorf("held up for %v, want %v", took, passOverAfter)
		}
		if n := h.pending(journal.In); n != 3 {
			t.Errorf("%d pending, want those passed over", n)
		}
		h.door.away.Store(true)
		h.door.breakAll()
		ctx, cancel := context.WithTimeout(h.Context(), time.Hour)
		defer cancel()
		err := inbox{h.gw, h.gw.channel(testChannel)}.Deliver(ctx, []connectors.Event{textEvent("berta", 1)})
		if !errors.Is(err, connectors.ErrUnavailable) {
			t.Errorf("core away for an hour: %v", err)
		}
	}, volatile)
}

func TestGracefulStopWaitsForTheEcho(t *testing.T) {
	inHouse(t, func(h *house) {
		h.writes("anna", 1)
		h.waits(time.Second)
		if err := h.core.AddFault(refcore.Fault{Kind: refcore.FaultLate, Code: simprot.CodeChatSentenceIn, Delay: 5 * time.Second, Count: 1}); err != nil {
			t.Fatal(err)
		}
		h.writes("anna", 2)
		h.waits(time.Millisecond)
		h.stop()
		if n := h.pending(journal.In); n != 0 {
			t.Errorf("%d pending after a graceful stop", n)
		}
	})
}
