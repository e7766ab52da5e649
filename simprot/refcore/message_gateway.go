package refcore

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"

	"servicelink/simprot"
)

// repeatAfter is how long a gateway waits before it says a message again on a living
// connection (SPEC.md, messages).
const repeatAfter = 10 * time.Minute

// receiveMessage handles a packet of the message side; false: it is none.
func (c *Core) receiveMessage(k *conn, p simprot.Packet) bool {
	gateway := ""
	switch v := p.Payload.(type) {
	case *simprot.MessageContentInfo:
		gateway = v.GatewayId.String()
	case *simprot.CommandInfo:
		if p.Code != simprot.CodeMessageOutDone {
			return false
		}
		if v.RefId != nil {
			gateway = v.RefId.String()
		}
	case simprot.Text:
		if p.Code != simprot.CodeGatewaysAsk {
			return false
		}
	default:
		return false
	}
	if !fromGateway(p.Code) {
		c.offend(k, OffenceWrongDirection, string(p.Code))
		return true
	}
	k.handling.Lock()
	defer k.handling.Unlock()
	if k.gone.Load() {
		return true
	}
	fault := c.faults.pick(p.Code, gateway, "")
	switch fault.Kind {
	case FaultDrop:
		k.abort(errDropped)
		return true
	case FaultLose:
		return true
	}
	k.answers = k.answers[:0]
	switch v := p.Payload.(type) {
	case simprot.Text:
		c.gatewaysAsked(k, string(v), p.Extras)
	case *simprot.MessageContentInfo:
		c.messageIn(k, v, fault)
	case *simprot.CommandInfo:
		c.messageSent(k, v)
	}
	k.deliver(fault, k.answers...)
	if address, ok := p.Payload.(simprot.Text); ok && fault.Kind != FaultNever && fault.Kind != FaultDropAfter {
		c.gatewayBack(string(address))
	}
	return true
}

// gatewaysAsked answers ES_SL_GETGATEWAYS.
func (c *Core) gatewaysAsked(k *conn, address string, extras simprot.Extras) {
	if c.opts.Asks && extras.Ask == "" {
		c.offend(k, OffenceAskMissing, string(simprot.CodeGatewaysAsk))
	}
	d := c.desk
	d.mu.Lock()
	defer d.mu.Unlock()
	answer := simprot.Packet{Code: simprot.CodeGateways, Payload: c.registerOf(address)}
	if c.opts.Asks && !c.broken[RuleAsks] {
		answer.Extras.Ask = extras.Ask
	}
	k.answers = append(k.answers, answer)
	k.register = true
	if d.asked[address] != k {
		d.asked[address] = k
		c.hub.publish(Event{Kind: EventGateways})
	}
}

// gatewayBack says again what the connection before lost. What a living one has stays
// with it: said to a second instance, it could be sent twice (SPEC.md M4).
func (c *Core) gatewayBack(address string) {
	d := c.desk
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, m := range d.all {
		o := d.owed[m.ID]
		if o == nil || m.State != MessageSending || o.to != nil && !o.to.gone.Load() {
			continue
		}
		if g := d.gateway(m.Content.GatewayId); g != nil && g.PeerAddress == address {
			c.sending(m, o)
		}
	}
}

// messageIn takes a customer's message: exactly one SE_MESSAGE_RECEIVED, and for one
// that is here already the same again.
func (c *Core) messageIn(k *conn, v *simprot.MessageContentInfo, fault Fault) {
	where := fmt.Sprintf("%s gateway=%s message=%s", simprot.CodeMessageIn, v.GatewayId, simprot.LogID(v.DeliverySystemId))
	offend := func(o Offence) { c.offend(k, o, where) }
	if !k.register {
		offend(OffenceBeforeGateways)
	}
	c.checkMessage(v, offend)
	d := c.desk
	d.mu.Lock()
	defer d.mu.Unlock()
	if g := d.gateway(v.GatewayId); g == nil || g.Direction != simprot.DirectionIn {
		offend(OffenceGatewayUnknown)
		if !c.broken[RuleMessageStray] {
			c.received(k, nil, v, false)
		}
		return
	}
	m := c.known(v)
	if m == nil && (fault.Kind == FaultFalse || c.refuses(v)) {
		c.received(k, nil, v, false)
		return
	}
	if m != nil {
		c.repeated(k, m, v, offend)
	} else if m = c.stored(v); m == nil {
		return // not answered: the gateway keeps it
	}
	if fault.Kind == FaultNever || fault.Kind == FaultDropAfter {
		d.open[m.ID] = requesting{k, v.RequestId, c.opts.Clock()}
	} else {
		delete(d.open, m.ID)
	}
	c.received(k, c.told(m), v, true)
}

// stored keeps a new message; nil: it cannot. d.mu is held.
func (c *Core) stored(v *simprot.MessageContentInfo) *Message {
	d := c.desk
	m := &Message{ID: uuid.New(), Content: *v, At: c.opts.Clock().UTC()}
	m.Content.Direction = simprot.DirectionIn
	m.Thread = d.thread(m)
	if err := d.store.SaveMessage(*m); err != nil {
		c.log.Error("store", "code", string(simprot.CodeMessageIn), "error", err)
		return nil
	}
	d.enter(m)
	c.hub.publish(Event{Kind: EventMessage, Message: m.ID})
	return m
}

// repeated judges a message that is here already. d.mu is held.
func (c *Core) repeated(k *conn, m *Message, v *simprot.MessageContentInfo, offend func(Offence)) {
	d := c.desk
	m.Repeats++
	if m.Content.RequestId != v.RequestId {
		offend(OffenceRequestChanged)
	}
	if open, waits := d.open[m.ID]; waits && open.conn == k && c.opts.Clock().Sub(open.at) < repeatAfter {
		offend(OffenceMessageRepeated)
	}
	if err := d.store.SaveMessage(*m); err != nil {
		c.log.Error("store", "error", err)
	}
	c.hub.publish(Event{Kind: EventMessage, Message: m.ID})
}

// received answers a customer's message.
func (c *Core) received(k *conn, id *uuid.UUID, v *simprot.MessageContentInfo, accepted bool) {
	now := c.opts.Clock().UTC()
	gateway, request := v.GatewayId, v.RequestId
	if c.broken[RuleMessageReceived] {
		request = ""
	}
	k.answers = append(k.answers, simprot.Packet{Code: simprot.CodeMessageInDone, Payload: &simprot.CommandInfo{
		Id: id, RefId: &gateway, Reference: request, Data: fmt.Sprint(accepted), TimeStamp: &now,
	}})
}

// checkMessage counts what is wrong with the members alone.
func (c *Core) checkMessage(v *simprot.MessageContentInfo, offend func(Offence)) {
	if v.DeliverySystemId == "" || v.RemoteAddress == "" || v.ReceivedSentTime.IsZero() || v.GatewayId == uuid.Nil || v.RequestId == "" {
		offend(OffenceMessageIncomplete)
	}
	for _, x := range []struct {
		text string
		most int
	}{
		{v.DeliverySystemId, simprot.MaxDeliverySystemID},
		{v.InReplyToId, simprot.MaxDeliverySystemID},
		{v.FromField, simprot.MaxFromField},
		{v.RemoteAddress, simprot.MaxRemoteAddress},
		{v.ToField, simprot.MaxAddressField},
		{v.ToCcField, simprot.MaxAddressField},
		{v.ToBccField, simprot.MaxAddressField},
		{v.SubjectField, simprot.MaxSubjectField},
	} {
		if tooLong(x.text, x.most) {
			offend(OffenceMessageTooLong)
		}
	}
	if v.Direction != "" && v.Direction != simprot.DirectionIn {
		offend(OffenceMessageDirection)
	}
	var fields simprot.MessageFields
	if v.ExtendedFields != "" && json.Unmarshal([]byte(v.ExtendedFields), &fields) != nil {
		offend(OffenceMessageFields)
	}
}

// messageSent takes ES_MESSAGE_SENT: one for each SE_MESSAGE_SENDING, in time.
func (c *Core) messageSent(k *conn, v *simprot.CommandInfo) {
	where := string(simprot.CodeMessageOutDone)
	if v.Id != nil {
		where += " message=" + v.Id.String()
	}
	d := c.desk
	d.mu.Lock()
	defer d.mu.Unlock()
	var m *Message
	if v.Id != nil {
		m = d.byID[*v.Id]
	}
	if m == nil || !m.Outbound() {
		c.offend(k, OffenceSentUnknown, where)
		return
	}
	if v.RefId == nil || *v.RefId != m.Content.GatewayId {
		c.offend(k, OffenceSentGateway, where)
	}
	o := d.owed[m.ID]
	now := c.opts.Clock().UTC()
	late, ok := false, o != nil && o.to == k
	if ok {
		late, ok = o.answered(now)
	}
	if !ok {
		c.offend(k, OffenceSentTwice, where)
		return
	}
	if late {
		c.offend(k, OffenceSentLate, where)
	}
	if m.State == MessageSent {
		return // the answer to a repeat
	}
	m.State, m.Error, m.Settled = MessageSent, v.Data, now
	if v.Data != "" {
		m.State = MessageFailed
	}
	if v.Reference != "" {
		m.Content.DeliverySystemId = v.Reference
		d.bySystem[v.Reference] = m
	}
	o.stop()
	if err := d.store.SaveMessage(*m); err != nil {
		c.log.Error("store", "error", err)
	}
	c.hub.publish(Event{Kind: EventMessage, Message: m.ID})
}
