package gateway

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"servicelink/connectors"
	"servicelink/simprot"
)

// TestMessageUnsent: what cannot be taken is answered, and says why.
func TestMessageUnsent(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*simprot.MessageContentInfo)
		want   string
	}{
		{"no MessageId", func(m *simprot.MessageContentInfo) { m.MessageId = nil }, "not sent: the message has no MessageId"},
		{"broken ExtendedFields", func(m *simprot.MessageContentInfo) { m.ExtendedFields = `{"To":["a@b"]` }, "not sent: ExtendedFields"},
		{"nobody", func(m *simprot.MessageContentInfo) { m.RemoteAddress = "" }, "not sent: the message has neither"},
		{"unreadable recipients", func(m *simprot.MessageContentInfo) { m.SubjectField = "unreadable" }, "not sent: the address cannot be used (no such address can be)"},
		{"unknown gateway", func(m *simprot.MessageContentInfo) { m.GatewayId = gatewayID(9) }, "not sent: there is no gateway"},
		{"wrong direction", func(m *simprot.MessageContentInfo) { m.GatewayId = inboxID }, "not sent: the gateway is for messages from customers"},
	} {
		t.Run(c.name, func(t *testing.T) {
			inMail(t, func(h *mailHouse) {
				h.sends(1, c.change)
				h.waits(2 * time.Second)
				h.wantSent(c.want)
				h.wantAttempts()
			})
		})
	}
}

// TestMessageGatewaySwitchedOff or paused: an answer with a meaning.
func TestMessageGatewaySwitchedOff(t *testing.T) {
	inMail(t, func(h *mailHouse) {
		h.sends(1)
		h.waits(time.Second)
		h.wantSent("not sent: the gateway is switched off")
	}, func(h *mailHouse) { h.cfg.Messages.Gateways[1].Enabled = false })
	inMail(t, func(h *mailHouse) {
		if err := h.gw.pause(h.Context(), outboxID.String(), true); err != nil {
			t.Fatal(err)
		}
		h.sends(1)
		h.waits(time.Second)
		h.wantSent("not sent: ")
		if data := h.sentAnswers()[0].Data; !strings.Contains(data, "paused") {
			t.Errorf("the answer says %q", data)
		}
		if err := h.gw.pause(h.Context(), outboxID.String(), false); err != nil {
			t.Fatal(err)
		}
		h.sends(1)
		h.waits(time.Second)
		h.wantSent("not sent: ", "")
	})
}

// TestMessageGatewayAskedFor: an unknown GatewayId has the register asked, once.
func TestMessageGatewayAskedFor(t *testing.T) {
	inMail(t, func(h *mailHouse) {
		h.waits(time.Minute)
		h.mu.Lock()
		before := h.asked
		h.register = simprot.GatewayList{out(3, `Post`)}
		h.mu.Unlock()
		h.sends(1, func(m *simprot.MessageContentInfo) { m.GatewayId = gatewayID(3) })
		h.waits(30 * time.Second)
		h.wantSent("")
		h.sends(2, func(m *simprot.MessageContentInfo) { m.GatewayId = gatewayID(4) })
		h.waits(time.Minute)
		h.wantSent("", "not sent: there is no gateway")
		h.mu.Lock()
		defer h.mu.Unlock()
		if n := h.asked - before; n != 2 {
			t.Errorf("the register was asked %d times", n)
		}
	}, registering)
}

// TestMessageCredentials: refused ones pause the channel, visibly, as for a chat.
func TestMessageCredentials(t *testing.T) {
	inMail(t, func(h *mailHouse) {
		h.post.set(func(p *fakePost) { p.fail = func(int, string) error { return notSent(connectors.ReasonAuth) } })
		for n := range 4 {
			h.sends(n + 1)
			h.waits(46 * time.Second)
		}
		h.wantSent("not sent: ", "not sent: ", "not sent: ", "not sent: ")
		if state := h.gw.channel(outboxID.String()).state(); state != statePaused {
			t.Errorf("the channel is %s", state)
		}
		if data := h.sentAnswers()[3].Data; !strings.Contains(data, "credentials") {
			t.Errorf("the answer says %q", data)
		}
	})
}

// TestMessagesOfOneAccount: the account's rate holds for messages.
func TestMessagesOfOneAccount(t *testing.T) {
	inMail(t, func(h *mailHouse) {
		read := time.Now()
		for n := range 10 {
			h.sends(n+1, func(m *simprot.MessageContentInfo) { m.RemoteAddress = strings.Repeat("x", n+1) + "@mail.example" })
		}
		h.waits(2 * time.Minute)
		if n := len(h.post.attempts()); n != 5 {
			t.Errorf("%d attempts in 45 s at one in ten seconds", n)
		}
		h.within(read)
		if n := len(h.sentAnswers()); n != 10 {
			t.Errorf("%d answers", n)
		}
	}, func(h *mailHouse) { h.post.rate = connectors.Rate{PerSecond: .1, Burst: 1} })
}

// TestMessageDiscarded by an operator: the repeat hears it.
func TestMessageDiscarded(t *testing.T) {
	inMail(t, func(h *mailHouse) {
		h.post.set(func(p *fakePost) { p.fail = func(int, string) error { return refusing550("no") } })
		h.sends(1)
		h.waits(time.Second)
		if err := h.cut.Discard(h.Context(), h.row(outboxID, messageID(1).String()).Seq); err != nil {
			t.Fatal(err)
		}
		h.post.set(func(p *fakePost) { p.fail = nil })
		h.sends(1)
		h.waits(time.Second)
		h.wantSent("refused: ", "refused: an operator")
		h.wantAttempts(jana)
	})
}

// TestMessageProposal: a valid DeliverySystemId is the Message-ID, any other one is
// made of the MessageId, and the answer returns the one used. Of two messages with one
// proposal the second gets its own.
func TestMessageProposal(t *testing.T) {
	inMail(t, func(h *mailHouse) {
		for n, proposal := range []string{"<fine@shop.example>", "no at sign", "", strings.Repeat("x", 80) + "@shop.example", "fine@shop.example", "a b@shop.example"} {
			h.sends(n+1, func(m *simprot.MessageContentInfo) { m.DeliverySystemId = proposal })
			h.waits(time.Second)
		}
		want := []string{"fine@shop.example"}
		for n := range 5 {
			want = append(want, messageID(n+2).String())
		}
		for i, a := range h.sentAnswers() {
			if a.Reference != want[i] || h.post.attempts()[i].message.SystemID != want[i] {
				t.Errorf("message %d went as %q, the answer says %q, want %q", i+1, h.post.attempts()[i].message.SystemID, a.Reference, want[i])
			}
		}
	})
}

// TestMessageThread: what the core knows by a shortened or derived name goes out under
// the network's own, with its thread.
func TestMessageThread(t *testing.T) {
	inMail(t, func(h *mailHouse) {
		long, none := mailEvent("jana", 1), mailEvent("jana", 2)
		long.Message.SystemID = strings.Repeat("l", 100) + "@mail.example"
		long.Message.References = []string{"first@shop.example", "second@mail.example"}
		none.Message.SystemID = ""
		if err := h.delivers(long, none); err != nil {
			t.Fatal(err)
		}
		h.waits(time.Second)
		got := h.takings()
		for i, c := range []struct {
			answers, fields string
			inReplyTo       string
			references      []string
		}{
			{got[0].DeliverySystemId, "", long.Message.SystemID, []string{"first@shop.example", "second@mail.example", long.Message.SystemID}},
			{got[1].DeliverySystemId, "", "", nil},
			{"other@mail.example", "", "other@mail.example", []string{"other@mail.example"}},
			{"h:0123456789", "", "", nil},
			{
				"other@mail.example", `{"References":["<one@mail.example>","` + got[0].DeliverySystemId + `","h:unknown"]}`,
				"other@mail.example",
				[]string{"one@mail.example", long.Message.SystemID, "other@mail.example"},
			},
		} {
			h.sends(i+1, func(m *simprot.MessageContentInfo) { m.InReplyToId, m.ExtendedFields = c.answers, c.fields })
			h.waits(time.Second)
			m := h.post.attempts()[i].message
			if m.InReplyTo != c.inReplyTo || !slices.Equal(m.References, c.references) {
				t.Errorf("the answer to %q went with In-Reply-To %q and References %q", c.answers, m.InReplyTo, m.References)
			}
		}
	})
}

// TestMessageElsewhere: a repeat that names its recipient in other words is the same
// message.
func TestMessageElsewhere(t *testing.T) {
	inMail(t, func(h *mailHouse) {
		h.sends(1)
		h.waits(time.Second)
		h.sends(1, func(m *simprot.MessageContentInfo) { m.RemoteAddress = otto })
		h.waits(time.Second)
		h.wantSent("", "")
		h.wantAttempts(jana)
	})
}

// TestMessageCrashOut: whenever the gateway is killed, at most one attempt was made
// that may have arrived, and the core's repeat ends in an answer that says what is
// known.
func TestMessageCrashOut(t *testing.T) {
	for _, after := range []time.Duration{0, time.Nanosecond, 200 * time.Millisecond, 400 * time.Millisecond, 900 * time.Millisecond, 1100 * time.Millisecond, 2 * time.Second} {
		t.Run(after.String(), func(t *testing.T) {
			inMail(t, func(h *mailHouse) {
				h.cut.slow.Store(int64(300 * time.Millisecond))
				h.post.set(func(p *fakePost) {
					p.fail = func(int, string) error { time.Sleep(500 * time.Millisecond); return nil }
				})
				h.sends(1)
				time.Sleep(after)
				h.crash()
				h.start()
				h.waits(5 * time.Second)
				before := len(h.sentAnswers())
				h.sends(1)
				h.waits(time.Minute)
				answers := h.sentAnswers()[before:]
				if len(answers) != 1 {
					t.Fatalf("%d answers to the repeat", len(answers))
				}
				if n := len(h.post.attempts()); n != 1 {
					t.Errorf("%d attempts; the answer says %q", n, answers[0].Data)
				}
				if data := answers[0].Data; data != "" && !strings.HasPrefix(data, "unknown: ") {
					t.Errorf("the answer says %q", data)
				}
			})
		})
	}
}

// TestMessageFull: a journal that takes nothing is answered.
func TestMessageFull(t *testing.T) {
	inMail(t, func(h *mailHouse) {
		h.cut.away.Store(true)
		h.sends(1)
		h.waits(time.Second)
		h.wantSent("not sent: the gateway's journal takes nothing now")
		h.cut.away.Store(false)
		h.sends(1)
		h.waits(time.Second)
		h.wantSent("not sent: ", "")
	})
}

// TestMessageIDs: what may be a Message-ID.
func TestMessageIDs(t *testing.T) {
	for id, want := range map[string]bool{
		"a@b": true, "a.b+c@d.example": true, "a@b@c": false, "": false, "@b": false, "a@": false, "a..b@c": false, ".a@c": false,
		`"a"@b`: false, "a@[1.2.3.4]": false, "ä@b": false, "a b@c": false, "a@b\r\nBcc: x@y": false,
		strings.Repeat("x", 78) + "@b": true, strings.Repeat("x", 79) + "@b": false,
	} {
		if isMessageID(id) != want {
			t.Errorf("%q: %v", id, !want)
		}
	}
}

// TestMessageRouting: ExtendedFields is strict where it tells whom a message goes to.
func TestMessageRouting(t *testing.T) {
	for text, want := range map[string]error{
		"": nil, "{}": nil, `{"To":["a@b"],"Cc":null,"Other":1}`: nil, "null": errRouting, "[]": errRouting, `"To"`: errRouting,
		`{"To":"a@b"}`: errRouting, `{"To":[1]}`: errRouting, `{} {}`: errRouting, "{": errRouting, `{"References":{}}`: errRouting,
	} {
		if _, err := readRouting(text); !errors.Is(err, want) {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// FuzzMessageRouting: whatever a core writes is read, or an error.
func FuzzMessageRouting(f *testing.F) {
	f.Add(`{"To":["a@b"],"References":["<c@d>"]}`, "jana@mail.example")
	f.Add(`{"To":[""]}`, "")
	f.Add("", strings.Repeat("A", 45)+"@mail.example") // each capital takes three bytes in a lane's name
	f.Fuzz(func(t *testing.T, fields, remote string) {
		id := uuid.Max
		m, err := readSending(&simprot.MessageContentInfo{MessageId: &id, ExtendedFields: fields, RemoteAddress: remote})
		if err != nil {
			return
		}
		to := m.Recipients
		if len(to.To)+len(to.Cc)+len(to.Bcc) == 0 {
			t.Error("a message to nobody")
		}
		if n := len(recipientID(m)); n == 0 || n > connectors.MaxTrackingID {
			t.Errorf("a lane's name of %d bytes", n)
		}
	})
}

// TestMessageRequestsAreForgotten when their time has passed, whatever became of them.
func TestMessageRequestsAreForgotten(t *testing.T) {
	inMail(t, func(h *mailHouse) {
		h.cut.immortal.Store(true)
		h.post.set(func(p *fakePost) { p.fail = func(int, string) error { return refusing550("no") } })
		h.sends(1)
		h.waits(2 * time.Minute)
		h.wantSent()
		h.gw.messages.mu.Lock()
		if n := h.gw.messages.count; n != 0 || len(h.gw.messages.open) != 0 || h.gw.messages.bytes != 0 {
			t.Errorf("%d requests are remembered", n)
		}
		h.gw.messages.mu.Unlock()
		h.cut.immortal.Store(false)
		synctest.Wait()
		h.crash()
		h.start()
	})
}

// TestMessagesAtOnce: what is too much is answered, and taken when there is room again.
func TestMessagesAtOnce(t *testing.T) {
	inMail(t, func(h *mailHouse) {
		h.post.hold()
		large := func(m *simprot.MessageContentInfo) { m.BodyText = strings.Repeat("x", 2<<20) }
		for n := range 33 {
			h.sends(n+1, large)
		}
		h.waits(time.Second)
		h.wantSent("not sent: too many messages")
		h.post.free()
		h.waits(time.Minute)
		refused := h.sentAnswers()[0]
		h.sends(33, large, func(m *simprot.MessageContentInfo) { m.MessageId = refused.Id })
		h.waits(time.Minute)
		if got := h.sentAnswers(); len(got) != 34 || got[33].Data != "" || *got[33].Id != *refused.Id {
			t.Errorf("%d answers", len(got))
		}
		h.gw.messages.mu.Lock()
		defer h.gw.messages.mu.Unlock()
		if h.gw.messages.count != 0 || h.gw.messages.bytes != 0 {
			t.Errorf("%d messages, %d bytes are under way", h.gw.messages.count, h.gw.messages.bytes)
		}
	})
}

// TestMessageAnswerAfterItsTime is not written.
func TestMessageAnswerAfterItsTime(t *testing.T) {
	inMail(t, func(h *mailHouse) {
		link, _ := h.gw.messages.look()
		id := messageID(1)
		for _, ago := range []time.Duration{answerBy + time.Millisecond, answerBy - time.Millisecond} {
			h.gw.answerSending(&sendRequest{session: link.session, at: time.Now().Add(-ago), id: &id, gateway: outboxID}, sentResult{})
		}
		h.wantSent("")
		if n := testutil.ToFloat64(h.gw.messages.metrics.late); n != 1 {
			t.Errorf("%v answers were counted as withheld", n)
		}
	})
}
