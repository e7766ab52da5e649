package gateway

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"servicelink/connectors"
	"servicelink/gateway/journal"
	"servicelink/simprot"
	"servicelink/simprot/refcore"
)

// What a review found broken once, and must hold: towards the customer.

// wantTold checks that one note names the sentences whose fate is unknown.
func (h *house) wantTold(customer string, ids ...string) {
	h.Helper()
	_, notes := h.shown(customer)
	if len(notes) != 1 || !strings.Contains(notes[0], fmt.Sprint(ids)) {
		h.Errorf("notes %q, want one about %v", notes, ids)
	}
}

// TestSentenceNotJournaledIsNotOvertaken: the next one, which the journal
// took, waits until STATUS has shown it again.
func TestSentenceNotJournaledIsNotOvertaken(t *testing.T) {
	inHouse(t, func(h *house) {
		h.opened()
		h.says("anna", "zero")
		h.waits(time.Second)
		h.cut.away.Store(true)
		h.says("anna", "one")
		h.waits(time.Second)
		h.cut.away.Store(false)
		h.says("anna", "two")
		h.waits(time.Minute)
		h.wantGot("zero", "one", "two")
		if _, notes := h.shown("anna"); len(notes) != 0 {
			t.Errorf("notes %q", notes)
		}
	}, oldJournal)
}

// TestDeadlinePassesWhileTheJournalIsAway: between the look at the deadline and
// the request lies a commit, which waits for the journal.
func TestDeadlinePassesWhileTheJournalIsAway(t *testing.T) {
	inHouse(t, func(h *house) {
		h.opened()
		h.cut.slow.Store(int64(2 * time.Minute))
		h.says("anna", "too late")
		h.waits(10 * time.Minute)
		h.wantGot()
		if dead := h.dead(); len(dead) != 1 || dead[0] != string(connectors.ReasonDeadline) {
			t.Errorf("dead letters %v, want one past its deadline", dead)
		}
	}, oldJournal, func(h *house, _ *refcore.Options) { h.cfg.Limits.Deadline = time.Minute })
}

// TestUnknownChatStaysUnknownUntilItIsJudged: the records are gone, and the
// first look at what the chat shows fails after its answer came. The second
// look must not take the chat for a known one.
func TestUnknownChatStaysUnknownUntilItIsJudged(t *testing.T) {
	for name, again := range map[string]func(h *house){
		"the journal comes back": func(h *house) { h.cut.blind.Store(false) },
		"a crash in between":     func(h *house) { h.crash(); h.start() },
	} {
		t.Run(name, func(t *testing.T) {
			inHouse(t, func(h *house) {
				h.opened()
				h.fault(refcore.FaultLose, simprot.CodeChatConfirmIn, 1)
				id := h.says("anna", "an answer")
				h.waits(time.Second)
				h.stop()
				h.disk.Close()
				h.disk = newDisk()
				h.start()
				h.cut.blind.Store(true)
				h.waits(5 * time.Second)
				again(h)
				h.waits(5 * time.Minute)
				h.door.breakAll()
				h.waits(5 * time.Minute)
				h.wantGot("an answer")
				h.wantTold("anna", id)
			})
		})
	}
}

// TestStopMakesNoFurtherAttempt: the network fails, the gateway is stopped;
// what is pending stays so.
func TestStopMakesNoFurtherAttempt(t *testing.T) {
	inHouse(t, func(h *house) {
		h.opened()
		h.net.fail = func(n int, _ connectors.Part) error {
			if n > 100 {
				return nil // end what would never end
			}
			return sendErr(connectors.NotSent, connectors.ReasonConnect)
		}
		h.says("anna", "an answer")
		h.waits(3 * time.Second)
		before := h.net.tried
		h.stop()
		if n := h.net.tried - before; n > 0 {
			t.Errorf("%d attempts after the stop", n)
		}
		h.net.fail = nil
		h.start()
		h.waits(time.Minute)
		h.wantGot("an answer")
	})
}

// TestGapOfAForgottenChat: the core restarts without its data while a gap in
// the Counters waits for STATUS. The gateway does not ask for ever.
func TestGapOfAForgottenChat(t *testing.T) {
	inHouse(t, func(h *house) {
		h.opened()
		h.fault(refcore.FaultLose, simprot.CodeChatSentence, 1)
		h.says("anna", "one")
		h.says("anna", "two")
		h.waits(100 * time.Millisecond)
		if err := h.core.Restart(false); err != nil {
			t.Fatal(err)
		}
		asks := h.counts(simprot.CodeChatStatusAsk)
		h.waits(10 * time.Minute)
		if n := asks(); n == 0 || n > 30 {
			t.Errorf("%d questions in ten minutes", n)
		}
		h.wantGot("two") // the other is gone with the core's data
	})
}

// TestRequeuedAfterTheDeadlineIsSent: a requeued message has a new deadline.
func TestRequeuedAfterTheDeadlineIsSent(t *testing.T) {
	inHouse(t, func(h *house) {
		h.opened()
		h.net.fail = failing(sendErr(connectors.Rejected, connectors.ReasonContent))
		h.says("anna", "an answer")
		h.waits(h.cfg.Limits.Deadline + time.Hour)
		h.requeues()
		h.waits(time.Minute)
		h.wantGot("an answer")
		if got := h.dead(); len(got) != 0 {
			t.Errorf("dead letters %v", got)
		}
	})
}

// TestRejectedIsFinalAcrossACrash: the agent was told that a message was not
// delivered; a crash before that was recorded does not deliver it after all.
func TestRejectedIsFinalAcrossACrash(t *testing.T) {
	inHouse(t, func(h *house) {
		h.opened()
		h.net.fail = failing(sendErr(connectors.Rejected, connectors.ReasonContent))
		h.cut.immortal.Store(true)
		h.says("anna", "an answer")
		h.waits(5 * time.Second)
		h.crash()
		h.start()
		h.waits(time.Minute)
		h.wantGot()
		if _, notes := h.shown("anna"); len(notes) != 1 {
			t.Errorf("notes %q", notes)
		}
		if got := h.dead(); !slices.Equal(got, []string{string(connectors.ReasonContent)}) {
			t.Errorf("dead letters %v", got)
		}
	})
}

// TestRowsOfAClosedChatAreAskedForAgain: a crash left sentences whose chat is
// closed and not listed, and STATUS goes unanswered for a while.
func TestRowsOfAClosedChatAreAskedForAgain(t *testing.T) {
	inHouse(t, func(h *house) {
		h.opened()
		h.net.block = make(chan struct{})
		h.says("anna", "one")
		h.waits(time.Second)
		h.says("anna", "two")
		h.waits(time.Second)
		h.crash()
		h.net.block = nil
		h.closes("anna")
		h.fault(refcore.FaultLose, simprot.CodeChatStatusAsk, 2)
		h.door.away.Store(true)
		h.start()
		h.waits(5 * time.Second)
		h.door.away.Store(false)
		h.waits(30 * time.Minute)
		h.wantGot("one", "two")
	}, func(_ *house, o *refcore.Options) { o.Break = append(refcore.Bare(), refcore.RuleChatID) })
}

// TestSentenceOfAClosedChatIsNotHiddenByTheNext: the agent writes and closes
// while the link is away; the customer's next message opens a new chat, and
// from then on STATUS shows that one only.
func TestSentenceOfAClosedChatIsNotHiddenByTheNext(t *testing.T) {
	for name, lost := range map[string]int{"STATUS answered": 0, "STATUS lost": 1} {
		t.Run(name, func(t *testing.T) {
			inHouse(t, func(h *house) {
				const customers = 40
				name := func(i int) string { return fmt.Sprint("customer", i) }
				for i := range customers {
					h.writes(name(i), 1)
				}
				h.waits(5 * time.Second)
				h.door.away.Store(true)
				h.door.breakAll()
				h.waits(time.Second)
				var want []string
				for i := range customers {
					want = append(want, "to "+name(i))
					h.says(name(i), want[i])
					h.closes(name(i))
					h.writes(name(i), 2)
				}
				if lost > 0 {
					h.fault(refcore.FaultLose, simprot.CodeChatStatusAsk, lost)
				}
				h.door.away.Store(false)
				h.waits(time.Hour)
				slices.Sort(want)
				if got := h.net.got(); !slices.Equal(slices.Sorted(slices.Values(got)), want) {
					t.Errorf("customers got %q, want %q", got, want)
				}
				for i := range customers {
					h.wantShown(name(i), 2)
				}
				if got := h.dead(); len(got) != 0 {
					t.Errorf("dead letters %v", got)
				}
			}, oldJournal)
		})
	}
}

// TestChatBegunAndClosedUnseen: an agent begins a chat, speaks and closes it, and
// the connection loses all of it. The customer's next message opens a chat of
// its own, but not before STATUS has been asked anew: what it said a moment
// earlier knows nothing of that chat.
func TestChatBegunAndClosedUnseen(t *testing.T) {
	inHouse(t, func(h *house) {
		h.opened()
		h.closes("anna")
		h.door.breakAll()
		h.waits(5 * time.Second) // STATUS said: closed, nothing more
		news := 2                // of the beginning and of the end
		h.fault(refcore.FaultLose, simprot.CodeChatStatus, news)
		h.fault(refcore.FaultLose, simprot.CodeChatSentence, 1)
		if _, err := h.core.Begin(h.address("anna"), "Anna"); err != nil {
			t.Fatal(err)
		}
		h.says("anna", "unheard")
		h.closes("anna")
		h.writes("anna", 2)
		h.waits(time.Minute)
		h.wantGot("unheard")
		h.wantShown("anna", 2)
	}, oldJournal)
}

// TestOwnTextDrawsNoChatForward: after a restart a text of ours that waits, such as
// "we are closed", is in no chat. Counted to the latest one, it took that chat's
// sentences past those of the chat before.
func TestOwnTextDrawsNoChatForward(t *testing.T) {
	row := func(seq int64, chat string, counter int32, auto bool) *held {
		return &held{Row: journal.Row{Seq: seq, Loaded: true, Entry: journal.Entry{
			ChatID: chat, Counter: counter, Content: (&content{Text: "x", Auto: auto}).encode(),
		}}}
	}
	c := &conversation{chatID: "two"}
	c.out.rows = []*held{
		row(6, "", 0, true), row(7, "one", 1, false), row(8, "one", 2, false), row(10, "two", 1, false), row(11, "two", 2, false),
	}
	var got []int64
	for _, h := range c.sortWaiting() {
		got = append(got, h.Seq)
	}
	if want := []int64{6, 7, 8, 10, 11}; !slices.Equal(got, want) {
		t.Errorf("rows go in the order %v, want %v", got, want)
	}
}

// TestGapShownByAnEcho: the customer's echo tells that a sentence was lost;
// nobody waits for the next RESYNC.
func TestGapShownByAnEcho(t *testing.T) {
	inHouse(t, func(h *house) {
		h.opened()
		h.fault(refcore.FaultLose, simprot.CodeChatSentence, 1)
		h.says("anna", "an answer")
		h.writes("anna", 2)
		h.waits(gapPatience + time.Second)
		h.wantGot("an answer")
	})
}

// TestReleasedRowsNeedNoCore: what was released before a crash goes out while
// the core is away, and does not overtake rows of the chat before.
func TestReleasedRowsNeedNoCore(t *testing.T) {
	for name, anotherChat := range map[string]bool{"one chat": false, "a later chat": true} {
		t.Run(name, func(t *testing.T) {
			inHouse(t, func(h *house) {
				h.opened()
				h.net.fail = func(int, connectors.Part) error { return sendErr(connectors.NotSent, connectors.ReasonConnect) }
				want := []string{"one", "two"}
				h.says("anna", "one")
				h.says("anna", "two")
				h.waits(time.Second)
				if anotherChat {
					h.closes("anna")
					if _, err := h.core.Begin(h.address("anna"), "Anna"); err != nil {
						t.Fatal(err)
					}
					h.says("anna", "three")
					want = append(want, "three")
				}
				h.waits(time.Minute)
				h.crash()
				h.net.fail = nil
				h.door.away.Store(true)
				h.start()
				h.waits(time.Minute)
				if !anotherChat {
					h.wantGot(want...)
				}
				h.door.away.Store(false)
				h.waits(time.Minute)
				h.wantGot(want...)
			})
		})
	}
}

// TestAttemptIsDurableBeforeItLeaves: when the network gets a request, the
// journal tells of it already.
func TestAttemptIsDurableBeforeItLeaves(t *testing.T) {
	inHouse(t, func(h *house) {
		h.opened()
		const text = "an answer"
		lane := journal.Lane{Channel: testChannel, Direction: journal.Out, TrackingID: "anna|fake"}
		h.net.fail = func(_ int, p connectors.Part) error {
			rows, err := h.disk.mem.Find(h.Context(), lane, journal.IDHash{ID: p.ID, TextHash: textHash(text)})
			if err != nil || rows[0] == nil || len(rows[0].Parts) != 1 || rows[0].Parts[0].State != journal.PartAttempting {
				t.Errorf("at the request the journal has %+v, %v", rows, err)
			}
			return nil
		}
		h.says("anna", text)
		h.waits(time.Second)
		h.wantGot(text)
	})
}

// TestCrashBetweenParts: what the network has of a long text it does not get
// again.
func TestCrashBetweenParts(t *testing.T) {
	inHouse(t, func(h *house) {
		h.opened()
		h.net.fail = func(n int, _ connectors.Part) error {
			if n > 1 {
				return sendErr(connectors.NotSent, connectors.ReasonConnect)
			}
			return nil
		}
		text := strings.TrimSpace(strings.Repeat("word ", 50)) // three parts of at most 100
		h.says("anna", text)
		h.waits(time.Minute)
		h.crash()
		h.net.fail = nil
		h.start()
		h.waits(time.Minute)
		if got := strings.Join(h.net.got(), " "); got != text {
			t.Errorf("got %q", got)
		}
	})
}
