package corecheck

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"

	"servicelink/simprot"
)

// message is one of a customer's.
func (r *run) message(gateway uuid.UUID, id string) *simprot.MessageContentInfo {
	return &simprot.MessageContentInfo{
		DeliverySystemId: id, RequestId: uuid.NewString(), GatewayId: gateway,
		FromField: "core check <check@corecheck.invalid>", RemoteAddress: "check@corecheck.invalid",
		ToField: "core@corecheck.invalid", Direction: simprot.DirectionIn,
		ReceivedSentTime: time.Now().UTC().Truncate(time.Millisecond),
		SubjectField:     "core check", BodyText: "This is a test of the core.",
	}
}

// deliver sends a message and returns the answer to its RequestId, else any that
// came; nil without one.
func (l *link) deliver(ctx context.Context, m *simprot.MessageContentInfo) *simprot.CommandInfo {
	if l.send(simprot.Packet{Code: simprot.CodeMessageIn, Payload: m}) != nil {
		return nil
	}
	got := l.wait(ctx, func(p *received) bool { return answers(p, m) })
	if got == nil {
		got, _ = l.r.inbox.find(func(p *received) bool { return p.link == l && p.code == simprot.CodeMessageInDone })
	}
	if got == nil {
		return nil
	}
	answer, _ := got.p.Payload.(*simprot.CommandInfo)
	return answer
}

// answers reports whether a packet is the answer to a message.
func answers(p *received, m *simprot.MessageContentInfo) bool {
	v, ok := p.p.Payload.(*simprot.CommandInfo)
	return ok && p.code == simprot.CodeMessageInDone && v.Reference == m.RequestId
}

// accepted reports whether an answer says that the core has the message, and
// names it.
func accepted(answer *simprot.CommandInfo) bool {
	if answer == nil || answer.Id == nil || *answer.Id == uuid.Nil {
		return false
	}
	yes, _ := answer.Accepted()
	return yes
}

// answerOf tells of an answer what may be shown.
func (l *link) answerOf(answer *simprot.CommandInfo, m *simprot.MessageContentInfo) string {
	if answer == nil {
		return "no answer: " + l.state()
	}
	gateway, data := "", "neither true nor false"
	if answer.RefId != nil {
		gateway = answer.RefId.String()
	}
	if yes, ok := answer.Accepted(); ok {
		data = fmt.Sprint(yes)
	}
	return fmt.Sprintf("%s, RefId %s, Reference %s, Id: %t, Data: %s", simprot.CodeMessageInDone,
		masked(gateway, m.GatewayId.String()), masked(answer.Reference, m.RequestId), answer.Id != nil, data)
}

// mirrors reports whether an answer is whole: what it mirrors, what it says.
func mirrors(answer *simprot.CommandInfo, m *simprot.MessageContentInfo) bool {
	if answer == nil || answer.RefId == nil || *answer.RefId != m.GatewayId || answer.Reference != m.RequestId {
		return false
	}
	yes, ok := answer.Accepted()
	return ok && (!yes || accepted(answer))
}

// inboundGateway is the first one of customers' messages.
func (r *run) inboundGateway() (uuid.UUID, error) {
	switch {
	case !r.book.is("gateways", Kept):
		return uuid.Nil, errors.New(noMessages)
	case len(r.inbound) == 0:
		return uuid.Nil, errors.New("the register has no inbound gateway")
	}
	return r.inbound[0], nil
}

// postman is a connection that has asked for the gateways, as the first thing a
// gateway does.
func (r *run) postman(ctx context.Context) (*link, error) {
	l, err := r.connect(ctx, nil)
	if err != nil {
		return nil, err
	}
	if _, _, err := l.gateways(ctx, r.cfg.Messages); err != nil {
		l.close()
		return nil, err
	}
	return l, nil
}

// receiving brings messages of a customer.
func (r *run) receiving(ctx context.Context) error {
	gateway, err := r.inboundGateway()
	if err != nil {
		return err
	}
	l, err := r.postman(ctx)
	if err != nil {
		return err
	}
	defer l.close()
	first := r.message(gateway, r.newID())
	answer := l.deliver(ctx, first)
	r.book.judge("message-received", mirrors(answer, first), "%s", l.answerOf(answer, first))
	if answer == nil || !mirrors(answer, first) {
		return errors.New("a message was not answered as it must be")
	}
	if !accepted(answer) {
		return errors.New("the core takes no messages now")
	}
	if _, _, err := l.gateways(ctx, r.cfg.Messages); err != nil { // is answered after everything before it
		return err
	}
	n := r.inbox.count(func(p *received) bool { return answers(p, first) })
	r.book.judge("message-once", n == 1, "%d answers", n)

	second := r.message(gateway, r.newID())
	other := l.deliver(ctx, second)
	r.book.judge("message-new", accepted(other) && *other.Id != *answer.Id, "%s, a MessageId of its own: %t",
		l.answerOf(other, second), accepted(other) && *other.Id != *answer.Id)
	stray := r.message(uuid.New(), r.newID())
	lost := l.deliver(ctx, stray)
	r.book.judge("message-stray", mirrors(lost, stray), "%s", l.answerOf(lost, stray))
	long := r.longMessage(gateway)
	kept := l.deliver(ctx, long)
	r.book.judge("message-limits", accepted(kept), "%s", l.answerOf(kept, long))
	return r.again(ctx, l, first, *answer.Id)
}

// longMessage is one with every field at its limit.
func (r *run) longMessage(gateway uuid.UUID) *simprot.MessageContentInfo {
	fill := func(text string, n int) string { return text + strings.Repeat("x", n-len(text)) }
	domain := "@" + strings.Repeat("x", 50) + ".corecheck.invalid"
	m := r.message(gateway, fill(r.newID(), simprot.MaxDeliverySystemID))
	m.InReplyToId = fill(r.newID(), simprot.MaxDeliverySystemID)
	m.RemoteAddress = strings.Repeat("y", simprot.MaxRemoteAddress-len(domain)) + domain
	m.FromField = fill(m.FromField, simprot.MaxFromField)
	m.ToField, m.ToCcField = fill("to ", simprot.MaxAddressField), fill("cc ", simprot.MaxAddressField)
	m.SubjectField = fill("core check ", simprot.MaxSubjectField)
	m.BodyText = strings.Repeat("A long text.\r\n", 8<<10)
	m.ExtendedFields = `{"Auto":"list","CoreCheck":{"deep":[1]}}`
	return m
}

// again brings a message a second time: as it was, and under another RequestId on
// another connection. Then one of another gateway with the same id.
func (r *run) again(ctx context.Context, l *link, first *simprot.MessageContentInfo, id uuid.UUID) error {
	other, err := r.postman(ctx)
	if err != nil {
		return err
	}
	defer other.close()
	renamed := *first
	renamed.RequestId = uuid.NewString()
	for _, repeat := range []struct {
		on *link
		m  *simprot.MessageContentInfo
	}{{l, first}, {other, &renamed}} {
		answer := repeat.on.deliver(ctx, repeat.m)
		switch {
		case !accepted(answer):
			r.book.judge("message-again", false, "%s", repeat.on.answerOf(answer, repeat.m))
		case *answer.Id != id:
			r.book.absent("message-again", "another MessageId")
			return errors.New("a repeated message is stored again")
		default:
			r.book.judge("message-again", true, "the first MessageId")
		}
	}
	if len(r.inbound) < 2 {
		return errors.New("the register has no second inbound gateway")
	}
	elsewhere := *first
	elsewhere.GatewayId, elsewhere.RequestId = r.inbound[1], uuid.NewString()
	answer := l.deliver(ctx, &elsewhere)
	own := accepted(answer) && *answer.Id != id
	r.book.judge("message-gateways", own, "%s, a MessageId of its own: %t", l.answerOf(answer, &elsewhere), own)
	return nil
}
