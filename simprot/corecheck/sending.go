package corecheck

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"servicelink/simprot"
)

// MessageAgent is an Agent who can write messages, too.
type MessageAgent interface {
	// SendMessage writes to a customer, by an outbound gateway of the register.
	SendMessage(ctx context.Context, gateway uuid.UUID, to, text string) error
}

// answerWithin is how long a core waits for ES_MESSAGE_SENT.
const answerWithin = 90 * time.Second

// early is what of that a repeat may come before: clocks differ.
const early = 10 // a tenth

// mailer is a connection that the agent's messages go to.
type mailer struct {
	*link
	agent   MessageAgent
	gateway uuid.UUID
	seen    map[uuid.UUID]bool // MessageIds; the check before may have left some
}

// mailer connects and asks for the gateways, so that messages come here.
func (r *run) mailer(ctx context.Context) (*mailer, error) {
	agent, ok := r.cfg.Agent.(MessageAgent)
	switch {
	case !r.book.is("gateways", Kept):
		return nil, errors.New(noMessages)
	case !ok:
		return nil, errors.New(needsAgent)
	case len(r.outbound) == 0:
		return nil, errors.New("the register has no outbound gateway")
	}
	l, err := r.postman(ctx)
	if err != nil {
		return nil, err
	}
	m := &mailer{link: l, agent: agent, gateway: r.outbound[0], seen: map[uuid.UUID]bool{}}
	r.inbox.count(func(p *received) bool {
		if id, ok := messageOut(p); ok {
			m.seen[id] = true
		}
		return false
	})
	return m, nil
}

// sends lets the agent write and returns the SENDING that comes of it; nil when
// none comes. Repeats of earlier ones are passed over.
func (m *mailer) sends(ctx context.Context) (*received, *simprot.MessageContentInfo, error) {
	if err := m.agent.SendMessage(ctx, m.gateway, "check@corecheck.invalid", "This is a test of the core."); err != nil {
		return nil, nil, fmt.Errorf("the agent could not write: %w", err)
	}
	got := m.r.inbox.wait(ctx, m.r.cfg.Timeout, func(p *received) bool {
		id, ok := messageOut(p)
		return ok && !m.seen[id]
	}, nil)
	if got == nil {
		return nil, nil, nil
	}
	id, _ := messageOut(got)
	m.seen[id] = true
	content, _ := got.p.Payload.(*simprot.MessageContentInfo)
	return got, content, nil
}

// messageOut is the MessageId of a SENDING; false of other packets.
func messageOut(p *received) (id uuid.UUID, ok bool) {
	v, ok := p.p.Payload.(*simprot.MessageContentInfo)
	if !ok || p.code != simprot.CodeMessageOut {
		return uuid.Nil, false
	}
	if v.MessageId != nil {
		id = *v.MessageId
	}
	return id, true
}

// sent answers that the network has it.
func (m *mailer) sent(content *simprot.MessageContentInfo) error {
	now := time.Now().UTC().Truncate(time.Millisecond)
	return m.send(simprot.Packet{Code: simprot.CodeMessageOutDone, Payload: &simprot.CommandInfo{
		Id: content.MessageId, RefId: &content.GatewayId, TimeStamp: &now, Reference: content.DeliverySystemId,
	}})
}

// sending lets the agent write a message and answers it.
func (r *run) sending(ctx context.Context) error {
	m, err := r.mailer(ctx)
	if err != nil {
		return err
	}
	defer m.close()
	got, content, err := m.sends(ctx)
	if err != nil {
		return err
	}
	fault := m.faultOf(got, content)
	r.book.judge("message-sending", fault == "", "%s", cmp.Or(fault, string(simprot.CodeMessageOut)+", as it must be"))
	if content == nil || content.MessageId == nil {
		return nil
	}
	return m.sent(content)
}

// faultOf says what is wrong with a SENDING; "" when nothing is.
func (m *mailer) faultOf(got *received, content *simprot.MessageContentInfo) string {
	switch {
	case content == nil:
		return "no " + string(simprot.CodeMessageOut) + ": " + m.state()
	case got.link != m.link:
		return "it went to a connection that asked for the gateways before"
	case content.MessageId == nil || *content.MessageId == uuid.Nil:
		return "no MessageId"
	case content.GatewayId != m.gateway:
		return "another GatewayId"
	case content.DeliverySystemId == "" || len([]rune(content.DeliverySystemId)) > simprot.MaxDeliverySystemID:
		return fmt.Sprintf("a DeliverySystemId of %d characters", len([]rune(content.DeliverySystemId)))
	case content.ReceivedSentTime.IsZero():
		return "no ReceivedSentTime"
	case !addressed(content):
		return "nobody it goes to"
	}
	return ""
}

// addressed reports whether a message says where it goes.
func addressed(content *simprot.MessageContentInfo) bool {
	var to simprot.MessageRouting
	if content.ExtendedFields != "" && json.Unmarshal([]byte(content.ExtendedFields), &to) != nil {
		return false
	}
	return content.RemoteAddress != "" || len(to.To)+len(to.Cc)+len(to.Bcc) > 0
}

// resending leaves one message unanswered, and answers another.
func (r *run) resending(ctx context.Context) error {
	if !r.cfg.Patient {
		return fmt.Errorf("takes %v, which was not asked for", answerWithin)
	}
	m, err := r.mailer(ctx)
	if err != nil {
		return err
	}
	defer m.close()
	first, open, err := m.sends(ctx)
	if err != nil {
		return err
	}
	_, done, err := m.sends(ctx)
	if err != nil {
		return err
	}
	if open == nil || done == nil || open.MessageId == nil || done.MessageId == nil {
		return errors.New("the core sends no messages")
	}
	if err := m.sent(done); err != nil {
		return err
	}
	again := func(content *simprot.MessageContentInfo) func(*received) bool {
		return func(p *received) bool {
			id, ok := messageOut(p)
			return ok && id == *content.MessageId
		}
	}
	got := r.inbox.wait(ctx, r.cfg.Resend+r.cfg.Timeout, again(open), nil)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if got == nil {
		r.book.judge("message-resent", false, "nothing in %v", r.cfg.Resend+r.cfg.Timeout)
	} else {
		took := got.at.Sub(first.at)
		r.book.judge("message-resent", took > r.cfg.Resend-r.cfg.Resend/early, "the same MessageId after %v", took.Round(time.Second/10))
		if err := m.sent(open); err != nil {
			return err
		}
	}
	more := r.inbox.wait(ctx, r.cfg.Timeout, again(done), nil)
	r.book.judge("message-done", more == nil, "sent again: %t", more != nil)
	return nil
}
