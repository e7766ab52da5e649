package refcore

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"servicelink/simprot"
)

var (
	mailIn  = uuid.MustParse("6f9619ff-8b86-4011-b42d-00c04fc964ff")
	mailOut = uuid.MustParse("6f9619ff-8b86-4011-b42d-00c04fc96400")
)

// registered is a gateway that has asked for the two gateways of mail.
func (b *bench) registered() *gateway {
	b.Helper()
	if err := b.core.SetGateways(simprot.GatewayList{
		{Id: mailIn, PeerAddress: testPeer, Direction: simprot.DirectionIn, Device: "ImapHost {}"},
		{Id: mailOut, PeerAddress: testPeer, Direction: simprot.DirectionOut, Device: "SmtpHost {}"},
		{Id: uuid.New(), PeerAddress: "@another", Direction: simprot.DirectionOut, Device: "SmtpHost {}"},
	}); err != nil {
		b.Fatal(err)
	}
	g := b.connect()
	g.askGateways(b)
	return g
}

func (g *gateway) askGateways(b *bench) {
	b.Helper()
	list, _ := one(b, g.send(simprot.CodeGatewaysAsk, simprot.Text(testPeer)), simprot.CodeGateways).Payload.(simprot.GatewayList)
	if len(list) != 2 || list[0].Id != mailIn || list[1].Id != mailOut {
		b.Fatalf("the register is %v", list)
	}
}

func mail(id string) *simprot.MessageContentInfo {
	return &simprot.MessageContentInfo{
		GatewayId: mailIn, DeliverySystemId: id, RequestId: "request " + id, RemoteAddress: "alice@example.test",
		ReceivedSentTime: time.Now().UTC(), SubjectField: "subject",
	}
}

func answerOf(id uuid.UUID) *simprot.CommandInfo {
	return &simprot.CommandInfo{Id: &id, RefId: &mailOut, Reference: "used@example.test"}
}

// messageBreaches are those of messages, for TestOffences.
func messageBreaches() map[Offence][]func(*bench, *gateway) {
	said := func(change func(*simprot.MessageContentInfo)) func(*bench, *gateway) {
		return func(b *bench, _ *gateway) {
			m := mail("a@example.test")
			change(m)
			b.registered().tell(simprot.CodeMessageIn, m)
		}
	}
	sent := func(answer func(b *bench, g *gateway, id uuid.UUID)) func(*bench, *gateway) {
		return func(b *bench, _ *gateway) {
			g := b.registered()
			id, err := b.core.SendMessage(simprot.MessageContentInfo{GatewayId: mailOut, RemoteAddress: "alice@example.test"})
			if err != nil {
				b.Fatal(err)
			}
			answer(b, g, id)
		}
	}
	return map[Offence][]func(*bench, *gateway){
		OffenceBeforeGateways: {func(b *bench, g *gateway) {
			b.registered()
			g.tell(simprot.CodeMessageIn, mail("a@example.test"))
		}},
		OffenceGatewayUnknown: {
			said(func(m *simprot.MessageContentInfo) { m.GatewayId = mailOut }),
			said(func(m *simprot.MessageContentInfo) { m.GatewayId = uuid.New() }),
		},
		OffenceMessageIncomplete: {
			said(func(m *simprot.MessageContentInfo) { m.DeliverySystemId = "" }),
			said(func(m *simprot.MessageContentInfo) { m.RemoteAddress = "" }),
			said(func(m *simprot.MessageContentInfo) { m.ReceivedSentTime = time.Time{} }),
			said(func(m *simprot.MessageContentInfo) { m.RequestId = "" }),
		},
		OffenceMessageTooLong: {
			said(func(m *simprot.MessageContentInfo) {
				m.DeliverySystemId = strings.Repeat("é", simprot.MaxDeliverySystemID+1)
			}),
			said(func(m *simprot.MessageContentInfo) { m.ToCcField = strings.Repeat("é", simprot.MaxAddressField+1) }),
		},
		OffenceMessageDirection: {said(func(m *simprot.MessageContentInfo) { m.Direction = simprot.DirectionOut })},
		OffenceMessageFields:    {said(func(m *simprot.MessageContentInfo) { m.ExtendedFields = "{" })},
		OffenceMessageRepeated: {func(b *bench, _ *gateway) {
			g := b.registered()
			if err := b.core.AddFault(Fault{Kind: FaultNever, Code: simprot.CodeMessageIn}); err != nil {
				b.Fatal(err)
			}
			g.tell(simprot.CodeMessageIn, mail("a@example.test"))
			time.Sleep(repeatAfter - time.Second)
			g.tell(simprot.CodeMessageIn, mail("a@example.test"))
		}},
		OffenceRequestChanged: {func(b *bench, _ *gateway) {
			g := b.registered()
			g.tell(simprot.CodeMessageIn, mail("a@example.test"))
			m := mail("a@example.test")
			m.RequestId = "another"
			g.tell(simprot.CodeMessageIn, m)
		}},
		OffenceSentUnknown: {func(b *bench, _ *gateway) {
			b.registered().tell(simprot.CodeMessageOutDone, answerOf(uuid.New()))
		}},
		OffenceSentGateway: {sent(func(_ *bench, g *gateway, id uuid.UUID) {
			v := answerOf(id)
			v.RefId = &mailIn
			g.tell(simprot.CodeMessageOutDone, v)
		})},
		OffenceSentTwice: {
			sent(func(_ *bench, g *gateway, id uuid.UUID) {
				g.tell(simprot.CodeMessageOutDone, answerOf(id))
				g.tell(simprot.CodeMessageOutDone, answerOf(id))
			}),
			sent(func(b *bench, _ *gateway, id uuid.UUID) { b.connect().tell(simprot.CodeMessageOutDone, answerOf(id)) }),
		},
		OffenceSentLate: {sent(func(b *bench, g *gateway, id uuid.UUID) {
			b.core.opts.ResendMessage = time.Hour
			if err := b.core.ResendMessage(id); err != nil {
				b.Fatal(err)
			}
			time.Sleep(sentLimit + time.Second)
			g.tell(simprot.CodeMessageOutDone, answerOf(id))
		}), sent(func(_ *bench, g *gateway, id uuid.UUID) { // the first one's comes when it was sent again
			time.Sleep(sentLimit + time.Second)
			g.tell(simprot.CodeMessageOutDone, answerOf(id))
			g.tell(simprot.CodeMessageOutDone, answerOf(id))
		})},
		OffenceSentMissing: {sent(func(_ *bench, g *gateway, id uuid.UUID) {
			time.Sleep(2*sentLimit + time.Second)
			g.tell(simprot.CodeMessageOutDone, answerOf(id))
		})},
	}
}

// TestMessageIn: one answer for each time, the first MessageId for a repeat, and a
// thread of what answers each other.
func TestMessageIn(t *testing.T) {
	inBubble(t, Options{Asks: true}, func(b *bench) {
		g := b.registered()
		say := func(m *simprot.MessageContentInfo) *simprot.CommandInfo {
			b.Helper()
			v, _ := one(b, g.send(simprot.CodeMessageIn, m), simprot.CodeMessageInDone).Payload.(*simprot.CommandInfo)
			if v == nil || v.RefId == nil || *v.RefId != m.GatewayId || v.Reference != m.RequestId || v.TimeStamp == nil {
				b.Fatalf("answered with %+v", v)
			}
			return v
		}
		if err := b.core.AddFault(Fault{Kind: FaultFalse, Code: simprot.CodeMessageIn}); err != nil {
			b.Fatal(err)
		}
		if v := say(mail("a@example.test")); v.Data != "false" || v.Id != nil {
			b.Fatalf("refused with %+v", v)
		}
		first := say(mail("a@example.test"))
		again := say(mail("a@example.test"))
		if first.Data != "true" || again.Data != "true" || first.Id == nil || again.Id == nil || *again.Id != *first.Id {
			b.Fatalf("answered %+v, then %+v", first, again)
		}
		reply := mail("b@example.test")
		reply.InReplyToId = "a@example.test"
		say(reply)
		all := b.core.Messages()
		if len(all) != 2 || all[0].Repeats != 1 || all[1].Thread != *first.Id || all[1].Repeats != 0 {
			b.Errorf("there is %+v", all)
		}
		b.noOffence()
	})
}

// TestMessageOut: said until it is answered, to who asked for the gateways last.
func TestMessageOut(t *testing.T) {
	inBubble(t, Options{Asks: true}, func(b *bench) {
		g := b.registered()
		id, err := b.core.SendMessage(simprot.MessageContentInfo{GatewayId: mailOut, RemoteAddress: "alice@example.test"})
		if err != nil {
			b.Fatal(err)
		}
		one(t, g.read(), simprot.CodeMessageOut)
		time.Sleep(sentLimit + time.Second)
		one(t, g.read(), simprot.CodeMessageOut)
		b.core.Drop()
		next := b.connect()
		none(t, next.read())
		got := next.send(simprot.CodeGatewaysAsk, simprot.Text(testPeer))
		if diff := cmp.Diff([]simprot.Code{simprot.CodeGateways, simprot.CodeMessageOut}, codes(got)); diff != "" {
			t.Fatal(diff)
		}
		next.tell(simprot.CodeMessageOutDone, answerOf(id))
		time.Sleep(2 * sentLimit)
		none(t, next.read())
		m, err := b.core.Message(id)
		if err != nil || m.State != MessageSent || m.Content.DeliverySystemId != "used@example.test" || m.Sends != 3 {
			t.Errorf("it is %+v, %v", m, err)
		}
		if err := b.core.ResendMessage(id); err != nil {
			t.Error(err)
		}
		one(t, next.read(), simprot.CodeMessageOut)
		b.noOffence()
	})
}

// TestMessageStaysWithWhoHasIt: what a living connection has is not said to another
// one that asks for the register meanwhile, and its answer is taken.
func TestMessageStaysWithWhoHasIt(t *testing.T) {
	inBubble(t, Options{Asks: true}, func(b *bench) {
		g := b.registered()
		id, err := b.core.SendMessage(simprot.MessageContentInfo{GatewayId: mailOut, RemoteAddress: "alice@example.test"})
		if err != nil {
			t.Fatal(err)
		}
		one(t, g.read(), simprot.CodeMessageOut)
		other := b.connect()
		got := other.send(simprot.CodeGatewaysAsk, simprot.Text(testPeer))
		if diff := cmp.Diff([]simprot.Code{simprot.CodeGateways}, codes(got)); diff != "" {
			t.Error(diff)
		}
		time.Sleep(sentLimit - 10*time.Second)
		g.tell(simprot.CodeMessageOutDone, answerOf(id))
		if m, err := b.core.Message(id); err != nil || m.State != MessageSent || m.Sends != 1 {
			t.Errorf("it is %+v, %v", m, err)
		}
		b.noOffence()
	})
}

// TestMessagesKept: messages and the register outlive the core; what a gateway owes is
// asked for again.
func TestMessagesKept(t *testing.T) {
	store := NewMemoryStore(0)
	var id uuid.UUID
	inBubble(t, Options{Asks: true, Store: store}, func(b *bench) {
		b.registered().tell(simprot.CodeMessageIn, mail("a@example.test"))
		var err error
		id, err = b.core.SendMessage(simprot.MessageContentInfo{GatewayId: mailOut, RemoteAddress: "alice@example.test", InReplyToId: "a@example.test"})
		if err != nil {
			t.Fatal(err)
		}
	})
	inBubble(t, Options{Asks: true, Store: store}, func(b *bench) {
		g := b.connect()
		got := g.send(simprot.CodeGatewaysAsk, simprot.Text(testPeer))
		if diff := cmp.Diff([]simprot.Code{simprot.CodeGateways, simprot.CodeMessageOut}, codes(got)); diff != "" {
			t.Fatal(diff)
		}
		all := b.core.Messages()
		if len(all) != 2 || all[1].ID != id || all[1].Thread != all[0].ID {
			t.Errorf("there is %+v", all)
		}
	})
}
