package gateway

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"servicelink/connectors"
	"servicelink/gateway/journal"
	"servicelink/simprot"
)

// TestMessagesUnanswered: at most 64, and 16 MiB of bodies, on a connection.
func TestMessagesUnanswered(t *testing.T) {
	for _, c := range []struct {
		name  string
		body  int
		mails int
		want  int
	}{{"small", 10, 100, 64}, {"large", 1 << 20, 20, 15}} {
		t.Run(c.name, func(t *testing.T) {
			inMail(t, func(h *mailHouse) {
				h.script(silent)
				for n := range c.mails {
					ev := mailEvent(fmt.Sprint("sender", n), 1)
					ev.Message.Text = strings.Repeat("x", c.body)
					ev.Message.ReplyTo = "answers@mail.example" // ExtendedFields count, too
					if err := h.delivers(ev); err != nil {
						t.Fatal(err)
					}
				}
				h.waits(time.Minute)
				if got := len(h.takings()); got != c.want {
					t.Errorf("%d are unanswered, want %d", got, c.want)
				}
				h.script(nil)
				for n := range c.want {
					h.answers(n+1, "true")
				}
				h.waits(time.Minute)
				if got := len(h.box.settled()); got != c.mails {
					t.Errorf("%d are done, want %d", got, c.mails)
				}
			})
		})
	}
}

// TestMessagesOfOneSender go one after the other; of others at the same time.
func TestMessagesOfOneSender(t *testing.T) {
	inMail(t, func(h *mailHouse) {
		h.script(silent)
		h.mails("jana", 1, 2)
		h.waits(time.Second)
		h.mails("otto", 1)
		h.waits(time.Second)
		h.wantTaken("jana-1", "otto-1")
		h.answers(1, "true")
		h.waits(time.Second)
		h.wantTaken("jana-1", "otto-1", "jana-2")
	})
}

// TestMessageNames: two messages with one Message-ID get two names, and both reach the
// core; one without any gets one that stays.
func TestMessageNames(t *testing.T) {
	inMail(t, func(h *mailHouse) {
		same, none, long := mailEvent("otto", 1), mailEvent("anna", 1), mailEvent("lisa", 1)
		same.Message.SystemID = "jana-1@mail.example"
		none.Message.SystemID = ""
		long.Message.SystemID = strings.Repeat("l", 100) + "@mail.example"
		long.Message.InReplyTo = strings.Repeat("r", 100) + "@mail.example"
		h.mails("jana", 1)
		for _, ev := range []connectors.Event{same, none, long} {
			if err := h.delivers(ev); err != nil {
				t.Fatal(err)
			}
		}
		h.waits(time.Second)
		names := map[string]string{}
		for _, m := range h.takings() {
			names[m.RemoteAddress] = m.DeliverySystemId
		}
		if names["jana@mail.example"] != "jana-1@mail.example" || names["otto@mail.example"] != derivedID(same.ID) ||
			names["anna@mail.example"] != derivedID(none.ID) || names["lisa@mail.example"] != simprot.ShortenID(long.Message.SystemID, simprot.MaxDeliverySystemID) {
			t.Errorf("the core knows them by %v", names)
		}
		i := slices.IndexFunc(h.takings(), func(m taking) bool { return m.RemoteAddress == "lisa@mail.example" })
		if got := h.takings()[i].InReplyToId; got != simprot.ShortenID(long.Message.InReplyTo, simprot.MaxDeliverySystemID) {
			t.Errorf("InReplyToId is %q", got)
		}
		again, err := h.gw.messageEntry(h.Context(), h.gw.channel(inboxID.String()), same)
		if err != nil {
			t.Fatal(err)
		}
		if c, _ := decodeContent(again.Content); c.NetworkID != derivedID(same.ID) {
			t.Errorf("the same message is called %q another time", c.NetworkID)
		}
	})
}

// TestMessageOfOursComesBack: it says that nobody wrote it.
func TestMessageOfOursComesBack(t *testing.T) {
	inMail(t, func(h *mailHouse) {
		h.sends(1)
		h.waits(time.Second)
		h.wantSent("")
		ours := mailEvent("jana", 1)
		ours.Message.SystemID = h.sentAnswers()[0].Reference
		if err := h.delivers(ours); err != nil {
			t.Fatal(err)
		}
		h.mails("otto", 1)
		h.waits(time.Second)
		for _, m := range h.takings() {
			if loop := strings.Contains(m.ExtendedFields, `"Auto":"loop"`); loop != (m.RemoteAddress == jana) {
				t.Errorf("%s: %s", m.RemoteAddress, m.ExtendedFields)
			}
		}
		if n := len(h.takings()); n != 2 {
			t.Errorf("%d messages", n)
		}
	})
}

// TestMessageWithAVolatileJournal: Deliver waits for the end.
func TestMessageWithAVolatileJournal(t *testing.T) {
	inMail(t, func(h *mailHouse) {
		h.script(silent)
		delivered := make(chan error, 1)
		go func() { delivered <- h.delivers(mailEvent("jana", 1)) }()
		h.waits(5 * time.Second)
		select {
		case err := <-delivered:
			t.Fatalf("Deliver returned before the end: %v", err)
		default:
		}
		h.answers(1, "true")
		if err := <-delivered; err != nil {
			t.Error(err)
		}
		h.wantSettled(settledDone("jana", 1))
	}, volatileMail)
}

// TestMessageIsNotTakenWithoutJournal: nothing is confirmed to the source.
func TestMessageIsNotTakenWithoutJournal(t *testing.T) {
	inMail(t, func(h *mailHouse) {
		h.cut.away.Store(true)
		if err := h.delivers(mailEvent("jana", 1)); !errors.Is(err, connectors.ErrUnavailable) {
			t.Errorf("Deliver says %v", err)
		}
		h.cut.away.Store(false)
		h.mails("jana", 1)
		h.waits(time.Second)
		h.wantSettled(settledDone("jana", 1))
	})
}

// TestMessageIsNoChat: neither a chat nor a note comes of it, and a notice of nothing.
func TestMessageIsNoChat(t *testing.T) {
	inMail(t, func(h *mailHouse) {
		h.script(refusing)
		h.mails("jana", 1)
		if err := h.delivers(connectors.Event{ID: "n", Kind: connectors.KindNotice, TrackingID: "mail|x", Notice: &connectors.Notice{}}); err != nil {
			t.Error(err)
		}
		h.waits(40 * time.Minute)
		rows, err := h.disk.mem.Trace(context.Background(), journal.TraceQuery{TrackingID: mailEvent("jana", 1).TrackingID, Channel: inboxID.String(), Recent: 100, Limit: 100})
		if err != nil || len(rows) != 1 {
			t.Errorf("%d rows: %v", len(rows), err)
		}
		if n := len(h.takings()); n != 3 {
			t.Errorf("the core was given %d packets", n)
		}
	})
}

// TestMessagePoison: what breaks connections leaves them longer and longer alone.
func TestMessagePoison(t *testing.T) {
	inMail(t, func(h *mailHouse) {
		h.script(func(int, *simprot.MessageContentInfo) string {
			go h.breaks()
			return ""
		})
		h.mails("jana", 1)
		h.waits(time.Hour)
		if n := len(h.takings()); n < 8 || n > 60 {
			t.Errorf("it was written %d times in an hour", n)
		}
		h.script(nil)
		h.waits(3 * time.Minute)
		h.wantSettled(settledDone("jana", 1))
	})
}

// TestMessageCrash: whenever the gateway is killed, the core is given the message, and
// the source hears that it has it, after the restart at the latest when it is
// delivered again.
func TestMessageCrash(t *testing.T) {
	for _, after := range []time.Duration{0, time.Nanosecond, time.Millisecond, 400 * time.Millisecond, 600 * time.Millisecond, 2 * time.Second} {
		t.Run(after.String(), func(t *testing.T) {
			inMail(t, func(h *mailHouse) {
				h.script(func(n int, m *simprot.MessageContentInfo) string {
					time.Sleep(500 * time.Millisecond)
					return "true"
				})
				h.cut.slow.Store(int64(300 * time.Millisecond))
				h.mails("jana", 1)
				time.Sleep(after)
				h.crash()
				h.start()
				h.mails("jana", 1) // it lay at the source
				h.waits(time.Minute)
				if got := h.box.settled(); len(got) == 0 || slices.ContainsFunc(got, func(s string) bool { return s != settledDone("jana", 1) }) {
					t.Errorf("settled %v", got)
				}
				ids := map[string]bool{}
				for _, m := range h.takings() {
					ids[m.DeliverySystemId+m.RequestId] = true
				}
				if len(ids) != 1 {
					t.Errorf("the core knows it by %d names", len(ids))
				}
			})
		})
	}
}

// TestMessageGatewayChanged: what is unanswered when a gateway is changed is asked
// again by the new one, under the same names.
func TestMessageGatewayChanged(t *testing.T) {
	inMail(t, func(h *mailHouse) {
		h.script(silent)
		h.mails("jana", 1, 2)
		h.waits(time.Second)
		cfg := *h.cfg
		cfg.Messages.Gateways = slices.Clone(cfg.Messages.Gateways)
		cfg.Messages.Gateways[0].Name = "Another name"
		if err := h.gw.Reload(h.Context(), &cfg); err != nil {
			t.Fatal(err)
		}
		h.waits(10 * time.Second)
		h.wantTaken("jana-1", "jana-1")
		if got := h.takings(); got[0].RequestId != got[1].RequestId {
			t.Error("it has another RequestId")
		}
		h.script(nil)
		h.answers(1, "true")
		h.waits(time.Second)
		h.wantSettled(settledDone("jana", 1), settledDone("jana", 2))
		cfg.Messages.Gateways = cfg.Messages.Gateways[1:]
		if err := h.gw.Reload(h.Context(), &cfg); err != nil {
			t.Fatal(err)
		}
		h.answers(1, "true")
		h.wantCounted(answerDuplicate, 1)
	})
}

// TestMessageStopWaits a little for an answer: what is known need not be asked again.
func TestMessageStopWaits(t *testing.T) {
	inMail(t, func(h *mailHouse) {
		h.script(silent)
		h.mails("jana", 1)
		h.waits(time.Second)
		began := time.Now()
		go func() {
			time.Sleep(2 * time.Second)
			h.answers(1, "true")
		}()
		h.stop()
		if took := time.Since(began); took < 2*time.Second || took > stopPatience {
			t.Errorf("the stop took %v", took)
		}
		h.wantSettled(settledDone("jana", 1))
		h.start()
		h.mails("otto", 1)
		h.waits(time.Second)
		began = time.Now()
		h.stop()
		if took := time.Since(began); took > stopPatience+time.Second {
			t.Errorf("the stop took %v", took)
		}
	})
}

// TestMessageAfterTheRegister: on each connection the core is asked for its gateways
// first. One without a register does not answer, and has the message all the same.
func TestMessageAfterTheRegister(t *testing.T) {
	for _, mute := range []bool{false, true} {
		inMail(t, func(h *mailHouse) {
			h.waits(time.Minute)
			h.gw.reloading <- struct{}{} // the register's answer cannot be taken over, so it is not asked on the next connection
			h.gw.devices.refresh()
			h.waits(time.Minute)
			h.breaks()
			h.waits(time.Second)
			if !mute {
				h.mails("otto", 1)
				h.waits(5 * time.Second)
				h.wantTaken()
			}
			<-h.gw.reloading
			h.waits(5 * time.Second)
			if !mute {
				h.wantTaken("otto-1")
			}
			for n := range 5 {
				h.script(silent)
				h.mails("jana", n)
				h.waits(2 * time.Second)
				h.breaks()
				h.waits(10 * time.Second)
				h.answers(len(h.takings()), "true")
				h.waits(time.Second)
			}
			if got := h.box.settled(); len(got) < 5 {
				t.Errorf("settled %v", got)
			}
			h.mu.Lock()
			defer h.mu.Unlock()
			if h.early != 0 || h.asked == 0 {
				t.Errorf("%d messages came before the question", h.early)
			}
		}, registering, func(h *mailHouse) {
			h.mute = mute
			h.register = simprot.GatewayList{in(1, "Box"), out(2, "Post")}
		})
	}
}

// TestMessageIsSettledAfterItsEnd is on disk, and not before; the next one of the
// sender does not wait for the disk.
func TestMessageIsSettledAfterItsEnd(t *testing.T) {
	inMail(t, func(h *mailHouse) {
		h.cut.slow.Store(int64(10 * time.Second))
		h.mails("jana", 1, 2)
		h.waits(9 * time.Second)
		h.wantSettled()
		h.wantTaken("jana-1", "jana-2")
		h.waits(2 * time.Second)
		h.wantSettled(settledDone("jana", 1), settledDone("jana", 2))
		h.mails("otto", 1)
		h.waits(time.Second)
		h.crash()
		h.start()
		h.waits(time.Second)
		h.wantSettled(settledDone("jana", 1), settledDone("jana", 2))
		h.mails("otto", 1) // it lies at the source
		h.wantSettled(settledDone("jana", 1), settledDone("jana", 2), settledDone("otto", 1))
	})
}
