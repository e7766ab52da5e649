package gateway

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"servicelink/connectors"
	"servicelink/gateway/journal"
	"servicelink/simprot"
)

// wantTaken checks which messages the core was given so far, by their names, in order.
func (h *mailHouse) wantTaken(want ...string) {
	h.Helper()
	synctest.Wait()
	var got []string
	for _, m := range h.takings() {
		got = append(got, strings.TrimSuffix(m.DeliverySystemId, "@mail.example"))
	}
	if !slices.Equal(got, want) {
		h.Errorf("the core was given %v, want %v", got, want)
	}
}

// wantCounted checks how many answers of a kind were counted.
func (h *mailHouse) wantCounted(kind string, want int) {
	h.Helper()
	synctest.Wait()
	c := h.gw.messages.metrics.answers
	c.mu.Lock()
	defer c.mu.Unlock()
	if got := testutil.ToFloat64(c.child(kind)); got != float64(want) {
		h.Errorf("%v answers of kind %s were counted, want %d", got, kind, want)
	}
}

func settledDone(sender string, n int) string { return mailEvent(sender, n).ID + " done" }

func gaveUp(sender string) string { return mailEvent(sender, 1).ID + " failed" }

// TestMessageReachesTheCore: "true" alone lets the device mark a message as done.
func TestMessageReachesTheCore(t *testing.T) {
	inMail(t, func(h *mailHouse) {
		h.script(silent)
		h.mails("jana", 1)
		h.waits(time.Second)
		h.wantSettled()
		got := h.takings()
		if len(got) != 1 {
			t.Fatalf("the core was given %d messages", len(got))
		}
		m := got[0]
		if m.DeliverySystemId != "jana-1@mail.example" || m.GatewayId != inboxID || m.RequestId == "" ||
			m.SubjectField != "subject jana-1" || m.BodyText != "text jana-1" || m.RemoteAddress != "jana@mail.example" {
			t.Errorf("the core was given %+v", m)
		}
		h.answers(1, "TRUE")
		h.waits(time.Second)
		h.wantSettled(settledDone("jana", 1))
		if row := h.row(inboxID, mailEvent("jana", 1).ID); row.Parts[0].NetworkID != coreMessageID(m.DeliverySystemId).String() {
			t.Errorf("the row does not keep the MessageId: %+v", row.Parts)
		}
		if dead := h.dead(); len(dead) > 0 {
			t.Errorf("dead letters: %v", dead)
		}
	})
}

// TestMessageIsNotRepeatedForTenMinutes: nothing is repeated before that on a living
// connection, and then under the same RequestId and DeliverySystemId.
func TestMessageIsNotRepeatedForTenMinutes(t *testing.T) {
	inMail(t, func(h *mailHouse) {
		h.script(silent)
		h.mails("jana", 1)
		h.waits(10*time.Minute - time.Second)
		h.wantTaken("jana-1")
		h.waits(2 * time.Second)
		h.wantTaken("jana-1", "jana-1")
		h.wantCounted(answerNone, 1)
		if got := h.takings(); got[0].RequestId != got[1].RequestId {
			t.Errorf("the repeat has another RequestId")
		}
		h.answers(1, "true")
		h.answers(2, "true")
		h.waits(time.Second)
		h.wantSettled(settledDone("jana", 1))
		h.wantCounted(answerDuplicate, 1)
		h.waits(time.Hour)
		h.wantTaken("jana-1", "jana-1")
	})
}

// TestMessageAfterALostConnection: it is written again, after core.settle where the
// core does not fence what is still on its way.
func TestMessageAfterALostConnection(t *testing.T) {
	for _, c := range []struct {
		name    string
		options []mailOption
		least   time.Duration
	}{{"fenced", nil, 0}, {"not fenced", []mailOption{unfenced}, 2 * time.Second}} {
		t.Run(c.name, func(t *testing.T) {
			inMail(t, func(h *mailHouse) {
				h.script(func(n int, _ *simprot.MessageContentInfo) string {
					if n == 1 {
						return ""
					}
					return "true"
				})
				h.mails("jana", 1)
				h.waits(time.Second)
				h.breaks()
				h.waits(time.Minute)
				h.wantTaken("jana-1", "jana-1")
				link, _ := h.gw.messages.look()
				if after := h.takings()[1].at.Sub(link.up); after < c.least || after > c.least+time.Second {
					t.Errorf("it was written again after %v of the new connection", after)
				}
				h.wantSettled(settledDone("jana", 1))
			}, c.options...)
		})
	}
}

// TestMessageIsTheSameAfterARestart: the same RequestId and DeliverySystemId.
func TestMessageIsTheSameAfterARestart(t *testing.T) {
	inMail(t, func(h *mailHouse) {
		h.script(silent)
		h.mails("jana", 1)
		h.waits(time.Second)
		h.crash()
		h.start()
		h.waits(time.Minute)
		h.wantTaken("jana-1", "jana-1")
		got := h.takings()
		if got[0].RequestId != got[1].RequestId || got[0].DeliverySystemId != got[1].DeliverySystemId {
			t.Errorf("another message after the restart: %+v and %+v", got[0], got[1])
		}
		h.answers(1, "true")
		h.waits(time.Second)
		h.wantSettled(settledDone("jana", 1))
	})
}

// TestMessageLateAnswerCounts wherever the row is by then.
func TestMessageLateAnswerCounts(t *testing.T) {
	t.Run("behind a connection that was lost", func(t *testing.T) {
		inMail(t, func(h *mailHouse) {
			h.script(silent)
			h.mails("jana", 1)
			h.waits(time.Second)
			h.breaks()
			h.waits(500 * time.Millisecond) // connected again, and not written yet
			h.wantTaken("jana-1")
			h.answers(1, "true")
			h.waits(10 * time.Second)
			h.wantTaken("jana-1")
			h.wantSettled(settledDone("jana", 1))
			h.wantCounted(answerLate, 1)
		}, unfenced)
	})
	t.Run("at rest after false", func(t *testing.T) {
		inMail(t, func(h *mailHouse) {
			h.script(refusing)
			h.mails("jana", 1)
			h.waits(time.Second)
			h.answers(1, "true")
			h.waits(time.Second)
			h.wantSettled(settledDone("jana", 1))
			h.wantTaken("jana-1")
		})
	})
	t.Run("on disk", func(t *testing.T) {
		inMail(t, func(h *mailHouse) {
			h.script(silent)
			var numbers, rest []string
			for n := range 40 { // more than a lane holds
				h.mails("jana", n+1)
				numbers = append(numbers, fmt.Sprint("jana-", n+1))
			}
			h.waits(time.Second)
			h.wantTaken("jana-1")
			last := mailEvent("jana", 40)
			h.mu.Lock()
			m := h.got[0].MessageContentInfo
			m.DeliverySystemId, m.RequestId = last.Message.SystemID, requestID(inboxID.String(), last.ID)
			_ = h.conn.Send(simprot.Packet{Code: simprot.CodeMessageInDone, Payload: received(&m, "true")})
			h.mu.Unlock()
			h.waits(time.Second)
			h.wantCounted(answerLate, 1)
			h.script(nil)
			h.answers(1, "true")
			h.waits(time.Minute)
			rest = numbers[:39]
			h.wantTaken(rest...)
			if got := h.box.settled(); len(got) != 40 {
				t.Errorf("%d messages are done", len(got))
			}
		})
	})
	t.Run("a dead letter", func(t *testing.T) {
		inMail(t, func(h *mailHouse) {
			h.script(refusing)
			h.mails("jana", 1)
			h.waits(25 * time.Hour)
			h.wantSettled(gaveUp("jana"))
			given := len(h.takings())
			h.gw.messages.mu.Lock()
			clear(h.gw.messages.over) // as after a restart
			h.gw.messages.mu.Unlock()
			h.answers(1, "true")
			h.waits(time.Second)
			h.wantSettled(gaveUp("jana"), settledDone("jana", 1))
			if n := len(h.takings()); n != given {
				t.Errorf("the core was given it again")
			}
		})
	})
}

// TestMessageAnswerThatNobodyAskedFor is counted, and changes nothing.
func TestMessageAnswerThatNobodyAskedFor(t *testing.T) {
	inMail(t, func(h *mailHouse) {
		h.script(silent)
		h.mails("jana", 1)
		h.waits(time.Second)
		h.mu.Lock()
		m := h.got[0].MessageContentInfo
		conn := h.conn
		h.mu.Unlock()
		tell := func(change func(*simprot.CommandInfo)) {
			cmd := received(&m, "true")
			change(cmd)
			_ = conn.Send(simprot.Packet{Code: simprot.CodeMessageInDone, Payload: cmd})
			h.waits(time.Second)
		}
		tell(func(c *simprot.CommandInfo) { c.Reference = "11111111-2222-4333-8444-555555555555" })
		tell(func(c *simprot.CommandInfo) { c.Reference = "" })
		tell(func(c *simprot.CommandInfo) { c.RefId = nil; c.Reference = "nothing" })
		other := gatewayID(9)
		tell(func(c *simprot.CommandInfo) { c.RefId = &other })
		h.wantCounted(answerUnknown, 4)
		h.wantSettled()
		tell(func(c *simprot.CommandInfo) { c.RefId = nil }) // a core need not mirror it to be understood
		h.wantSettled(settledDone("jana", 1))
		tell(func(*simprot.CommandInfo) {})
		h.wantCounted(answerDuplicate, 1)
	})
}

// TestMessageNeitherTrueNorFalse is no answer.
func TestMessageNeitherTrueNorFalse(t *testing.T) {
	inMail(t, func(h *mailHouse) {
		h.script(func(n int, _ *simprot.MessageContentInfo) string {
			if n == 1 {
				return "maybe"
			}
			return "true"
		})
		h.mails("jana", 1)
		h.waits(9 * time.Minute)
		h.wantCounted(answerNeither, 1)
		h.wantSettled()
		h.waits(2 * time.Minute)
		h.wantTaken("jana-1", "jana-1")
		h.wantSettled(settledDone("jana", 1))
	})
}

// TestMessageRefused: false is back-off, five times in a day, then a dead letter, and
// failed at the source. It survives restarts, and holds up nobody.
func TestMessageRefused(t *testing.T) {
	inMail(t, func(h *mailHouse) {
		h.script(func(_ int, m *simprot.MessageContentInfo) string {
			if m.DeliverySystemId == "jana-1@mail.example" {
				return "false"
			}
			return "true"
		})
		h.mails("jana", 1, 2)
		h.mails("otto", 1)
		h.waits(time.Minute)
		h.wantSettled(settledDone("jana", 2), settledDone("otto", 1))
		for i := range 5 {
			if i == 2 { // the pause outlives a restart
				h.crash()
				h.start()
			}
			h.waits(refusalRests[i] - 2*time.Minute)
			if n := len(h.takings()); n != 3+i {
				t.Fatalf("the core was given %d messages before pause %d was over", n, i+1)
			}
			h.waits(2*time.Minute + time.Second)
			if n := len(h.takings()); n != 4+i {
				t.Fatalf("the core was given %d messages after pause %d", n, i+1)
			}
		}
		h.wantSettled(settledDone("jana", 2), settledDone("otto", 1), gaveUp("jana"))
		if dead := h.dead(); !slices.Equal(dead, []string{string(connectors.ReasonCore)}) {
			t.Errorf("dead letters: %v", dead)
		}
		if at := h.takings(); at[len(at)-1].at.Sub(at[0].at) > 24*time.Hour {
			t.Errorf("it took more than a day")
		}
		// An operator has it tried again.
		h.script(nil)
		if err := h.cut.Requeue(h.Context(), h.row(inboxID, mailEvent("jana", 1).ID).Seq); err != nil {
			t.Fatal(err)
		}
		h.waits(time.Minute)
		h.wantSettled(settledDone("jana", 2), settledDone("otto", 1), gaveUp("jana"), settledDone("jana", 1))
	})
}

// TestMessageRestByAClockAhead: a rest that was written down by a clock days ahead is no
// longer than the refusal's, after a start with the right one.
func TestMessageRestByAClockAhead(t *testing.T) {
	inMail(t, func(h *mailHouse) {
		h.script(func(int, *simprot.MessageContentInfo) string { return "false" })
		h.mails("jana", 1)
		h.waits(time.Minute)
		h.crash()
		row := h.row(inboxID, mailEvent("jana", 1).ID)
		if row.Attempts != 1 || row.Next.IsZero() {
			t.Fatalf("the row has %d attempts, next %v", row.Attempts, row.Next)
		}
		change := journal.Change{Seq: row.Seq, Epoch: row.Epoch, State: row.State, Attempts: 1, Next: time.Now().Add(72 * time.Hour)}
		if err := h.disk.mem.Commit(h.Context(), change); err != nil {
			t.Fatal(err)
		}
		h.script(nil)
		h.start()
		h.waits(refusalRests[0] - time.Minute)
		h.wantSettled()
		h.waits(2 * time.Minute)
		h.wantSettled(settledDone("jana", 1))
	})
}

// TestMessageRepeatOfOneThatEnded is settled at once: the device did not hear.
func TestMessageRepeatOfOneThatEnded(t *testing.T) {
	inMail(t, func(h *mailHouse) {
		h.mails("jana", 1)
		h.waits(time.Second)
		h.wantSettled(settledDone("jana", 1))
		h.mails("jana", 1)
		h.wantSettled(settledDone("jana", 1), settledDone("jana", 1))
		h.wantTaken("jana-1")
		bad := mailEvent("otto", 1)
		bad.Message.RemoteAddress = strings.Repeat("x", simprot.MaxRemoteAddress) + "@mail.example"
		for range 2 {
			if err := h.delivers(bad); err != nil {
				t.Error(err)
			}
		}
		h.wantSettled(settledDone("jana", 1), settledDone("jana", 1), gaveUp("otto"), gaveUp("otto"))
		if dead := h.dead(); !slices.Equal(dead, []string{string(connectors.ReasonAddress)}) {
			t.Errorf("dead letters: %v", dead)
		}
	})
}
