package gateway

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"servicelink/connectors"
	"servicelink/gateway/journal"
	"servicelink/simprot"
)

const (
	jana = "jana@mail.example"
	otto = "otto@mail.example"
	anna = "anna@mail.example"
)

// toAll has a message go to three recipients.
func toAll(m *simprot.MessageContentInfo) {
	m.ExtendedFields = `{"To":["` + jana + `"],"Cc":["` + otto + `"],"Bcc":["` + anna + `"]}`
}

func refusing550(hint string) error {
	return &connectors.SendError{Outcome: connectors.Rejected, Reason: connectors.ReasonContent, Code: "550", Hint: hint}
}

func lostAnswer() error {
	return &connectors.SendError{Outcome: connectors.Unknown, Reason: connectors.ReasonCut}
}

// within checks that everything began and ended in the time a request has.
func (h *mailHouse) within(read time.Time) {
	h.Helper()
	for i, a := range h.post.attempts() {
		if a.at.Sub(read) > startWithin || a.end.Sub(read) > runWithin {
			h.Errorf("attempt %d ran from %v to %v", i+1, a.at.Sub(read), a.end.Sub(read))
		}
	}
	for _, a := range h.sentAnswers() {
		if a.at.Sub(read) > answerBy {
			h.Errorf("an answer came after %v", a.at.Sub(read))
		}
	}
}

// TestMessageIsSent: one SENDING, one attempt for each recipient, one answer.
func TestMessageIsSent(t *testing.T) {
	inMail(t, func(h *mailHouse) {
		h.sends(1)
		h.waits(time.Second)
		h.wantAttempts(jana)
		h.wantSent("")
		a := h.sentAnswers()[0]
		if *a.Id != messageID(1) || *a.RefId != outboxID || a.Reference != "out-1@shop.example" || a.TimeStamp == nil {
			t.Errorf("the answer is %+v", a)
		}
		h.sends(2, toAll)
		h.waits(time.Second)
		h.wantSent("", "")
		var to []string
		for _, a := range h.post.attempts()[1:] {
			to = append(to, a.to)
		}
		if slices.Sort(to); !slices.Equal(to, []string{anna, jana, otto}) {
			t.Errorf("it went to %v", to)
		}
	})
}

// TestMessageIsTriedForFortyFiveSeconds: transient failures are tried again, no attempt
// starts later than 45 s after receipt, and there is one answer.
func TestMessageIsTriedForFortyFiveSeconds(t *testing.T) {
	inMail(t, func(h *mailHouse) {
		h.post.set(func(p *fakePost) { p.fail = func(int, string) error { return notSent(connectors.ReasonConnect) } })
		read := time.Now()
		h.sends(1)
		h.waits(2 * time.Minute)
		if n := len(h.post.attempts()); n < 4 {
			t.Errorf("it was tried %d times", n)
		}
		h.within(read)
		h.wantSent("not sent: ")
		h.post.set(func(p *fakePost) { p.fail = nil })
		h.sends(1) // after an error with nothing sent: a new attempt
		h.waits(time.Second)
		h.wantSent("not sent: ", "")
		if dead := h.dead(); len(dead) > 0 {
			t.Errorf("dead letters: %v", dead)
		}
	})
}

// TestMessageAttemptEndsInTime: its ctx ends at 80 s, and the answer leaves by 85.
func TestMessageAttemptEndsInTime(t *testing.T) {
	inMail(t, func(h *mailHouse) {
		h.post.hold()
		read := time.Now()
		h.sends(1)
		h.waits(79 * time.Second)
		h.wantSent()
		h.waits(3 * time.Second)
		h.wantSent("unknown: ")
		h.within(read)
	})
}

// TestMessageLateOutcome: after its time nothing is written for a request, but the
// outcome is kept and answers the repeat.
func TestMessageLateOutcome(t *testing.T) {
	inMail(t, func(h *mailHouse) {
		h.post.set(func(p *fakePost) { p.deaf = true })
		h.post.hold()
		h.sends(1)
		h.waits(88 * time.Second)
		h.post.free()
		h.waits(time.Minute)
		h.wantSent()
		if n := testutil.ToFloat64(h.gw.messages.metrics.late); n != 1 {
			t.Errorf("%v answers were counted as withheld", n)
		}
		h.sends(1)
		h.waits(time.Second)
		h.wantSent("")
		h.wantAttempts(jana)
	})
}

// TestMessageAnswerWaitsForTheJournal: it leaves after the end is on disk, and not
// after its time.
func TestMessageAnswerWaitsForTheJournal(t *testing.T) {
	inMail(t, func(h *mailHouse) {
		h.cut.slow.Store(int64(20 * time.Second))
		h.sends(1)
		h.waits(39 * time.Second) // the beginning of the attempt, and the end
		h.wantSent()
		h.waits(2 * time.Second)
		h.wantSent("")
		h.cut.slow.Store(int64(44 * time.Second))
		h.sends(2)
		h.waits(3 * time.Minute)
		h.wantSent("")
		h.cut.slow.Store(0)
		h.sends(2)
		h.waits(time.Second)
		h.wantSent("", "")
		h.wantAttempts(jana, jana)
	})
}

// TestMessageRepeatJoins: every SENDING has an answer of its own, and one attempt does.
func TestMessageRepeatJoins(t *testing.T) {
	inMail(t, func(h *mailHouse) {
		h.post.hold()
		h.sends(1)
		h.waits(time.Second)
		h.sends(1)
		h.waits(time.Second)
		h.wantSent()
		h.post.free()
		h.waits(time.Second)
		h.wantSent("", "")
		h.wantAttempts(jana)
	})
}

// TestMessageRepeatAfterSuccess is answered from the journal, also after a restart,
// and while the gateway is paused.
func TestMessageRepeatAfterSuccess(t *testing.T) {
	inMail(t, func(h *mailHouse) {
		h.sends(1)
		h.waits(time.Second)
		h.sends(1)
		h.waits(time.Second)
		h.crash()
		h.start()
		h.waits(time.Second)
		h.sends(1)
		h.waits(time.Second)
		if err := h.gw.pause(h.Context(), outboxID.String(), true); err != nil {
			t.Fatal(err)
		}
		h.sends(1)
		h.waits(time.Second)
		h.wantSent("", "", "", "")
		for i, a := range h.sentAnswers() {
			if a.Reference != "out-1@shop.example" {
				t.Errorf("answer %d names %q", i+1, a.Reference)
			}
		}
		h.wantAttempts(jana)
	})
}

// TestMessageAnswerIsNotRepeated after a lost connection: the core's repeat asks.
func TestMessageAnswerIsNotRepeated(t *testing.T) {
	inMail(t, func(h *mailHouse) {
		h.post.hold()
		h.sends(1)
		h.waits(time.Second)
		h.breaks()
		h.waits(10 * time.Second)
		h.post.free()
		h.waits(time.Minute)
		h.wantSent()
		h.sends(1)
		h.waits(time.Second)
		h.wantSent("")
		h.wantAttempts(jana)
	})
}

// TestMessageRefusedByTheNetwork: the repeat is a new attempt.
func TestMessageRefusedByTheNetwork(t *testing.T) {
	inMail(t, func(h *mailHouse) {
		h.post.set(func(p *fakePost) { p.fail = func(int, string) error { return refusing550("no such user") } })
		h.sends(1)
		h.waits(time.Second)
		h.wantSent("refused: ")
		if data := h.sentAnswers()[0].Data; !strings.Contains(data, "no such user") {
			t.Errorf("the answer says %q", data)
		}
		h.sends(1)
		h.waits(time.Second)
		h.wantSent("refused: ", "refused: ")
		h.wantAttempts(jana, jana)
	})
}

// TestMessagePartlySent: only what failed is tried again, and the answer names it.
func TestMessagePartlySent(t *testing.T) {
	inMail(t, func(h *mailHouse) {
		h.post.set(func(p *fakePost) {
			p.fail = func(_ int, to string) error {
				if to == otto {
					return refusing550("mailbox full")
				}
				return nil
			}
		})
		h.sends(1, toAll)
		h.waits(time.Second)
		h.wantSent("partly sent: ")
		if data := h.sentAnswers()[0].Data; !strings.Contains(data, otto) || strings.Contains(data, jana) || !strings.Contains(data, "mailbox full") {
			t.Errorf("the answer says %q", data)
		}
		h.post.set(func(p *fakePost) { p.fail = nil; p.tries = nil })
		h.sends(1, toAll)
		h.waits(time.Second)
		h.wantSent("partly sent: ", "")
		h.wantAttempts(otto)
	})
}

// TestMessageOfUnknownFate: the same answer again, or a new attempt under resend.
func TestMessageOfUnknownFate(t *testing.T) {
	lost := func(h *mailHouse) {
		h.post.set(func(p *fakePost) {
			p.fail = func(n int, to string) error {
				if n == 1 {
					return lostAnswer()
				}
				return nil
			}
		})
		h.sends(1)
		h.waits(time.Minute)
		h.wantSent("unknown: ")
		h.wantAttempts(jana)
		h.sends(1)
		h.waits(time.Minute)
	}
	t.Run("report", func(t *testing.T) {
		inMail(t, func(h *mailHouse) {
			lost(h)
			h.wantSent("unknown: ", "unknown: ")
			h.wantAttempts(jana)
			// An operator who has looked may send it again.
			if err := h.cut.Requeue(h.Context(), h.row(outboxID, messageID(1).String()).Seq); err != nil {
				t.Fatal(err)
			}
			h.waits(time.Second)
			h.wantAttempts(jana, jana)
			h.sends(1)
			h.waits(time.Second)
			h.wantSent("unknown: ", "unknown: ", "")
		})
	})
	t.Run("resend", func(t *testing.T) {
		inMail(t, func(h *mailHouse) {
			lost(h)
			h.wantSent("unknown: ", "")
			h.wantAttempts(jana, jana)
		}, resending)
	})
}

// TestMessageRestartInMidSend: what was on its way is unknown, and is not sent again.
func TestMessageRestartInMidSend(t *testing.T) {
	inMail(t, func(h *mailHouse) {
		h.post.hold()
		h.sends(1)
		h.waits(time.Second)
		h.crash()
		h.start()
		h.waits(time.Second)
		h.wantSent() // nothing was asked on this connection
		h.sends(1)
		h.waits(time.Second)
		h.wantSent("unknown: ")
		h.wantAttempts(jana)
	})
}

// TestMessageRestartBeforeSending: within 45 s of receipt it is still sent, else it is
// expired and the repeat is a new attempt.
func TestMessageRestartBeforeSending(t *testing.T) {
	for _, c := range []struct {
		name     string
		away     time.Duration
		attempts []string
	}{{"soon", 20 * time.Second, []string{jana}}, {"late", 60 * time.Second, nil}} {
		t.Run(c.name, func(t *testing.T) {
			inMail(t, func(h *mailHouse) {
				h.cut.slow.Store(int64(10 * time.Second)) // the attempt's beginning does not reach the disk
				h.sends(1)
				h.waits(time.Second)
				h.crash()
				time.Sleep(c.away)
				h.start()
				h.waits(time.Second)
				h.wantAttempts(c.attempts...)
				h.sends(1)
				h.waits(time.Second)
				h.wantSent("")
				h.wantAttempts(jana)
			})
		})
	}
}

// TestMessageClockAhead: what an earlier process stored by a clock that was ahead is
// sent within 45 s of the start all the same, not for hours.
func TestMessageClockAhead(t *testing.T) {
	inMail(t, func(h *mailHouse) {
		g := h.gw
		hd := &held{Row: journal.Row{Entry: journal.Entry{Lane: journal.Lane{Channel: outboxID.String()}, ID: "x", Deadline: time.Now().Add(24 * time.Hour)}}}
		begin, end := g.sendingTime(hd)
		if d := time.Until(begin); d > startWithin || time.Until(end) > runWithin {
			t.Errorf("it may begin for %v", d)
		}
	})
}
