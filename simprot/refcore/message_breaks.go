package refcore

import (
	"slices"
	"unicode/utf8"

	"github.com/google/uuid"

	"servicelink/simprot"
)

// What a Core does that is told to break rules about messages; those that are not
// here are faults of a packet.

// refusedSubject is what SubjectField may not have more characters than, with
// RuleMessageLimits broken.
const refusedSubject = 255

// registerOf are the gateways that ES_SL_GETGATEWAYS of an address is answered with.
// d.mu is held.
func (c *Core) registerOf(address string) simprot.GatewayList {
	list := simprot.GatewayList{}
	for _, g := range c.desk.gateways {
		if g.PeerAddress == address || c.broken[RuleGatewaysAddress] {
			list = append(list, g)
		}
	}
	if c.broken[RuleGatewaysList] && len(list) > 0 {
		other := *list[0]
		other.Id = uuid.New()
		list = append(list, &other)
	}
	return list
}

// known finds the message that one is the repeat of. d.mu is held.
func (c *Core) known(v *simprot.MessageContentInfo) *Message {
	d := c.desk
	switch {
	case c.broken[RuleMessageAgain]:
		return nil
	case c.broken[RuleMessageGateways]:
		i := slices.IndexFunc(d.all, func(m *Message) bool {
			return !m.Outbound() && m.Content.DeliverySystemId == v.DeliverySystemId
		})
		if i < 0 {
			return nil
		}
		return d.all[i]
	}
	return d.inbound[inboundKey{v.GatewayId, v.DeliverySystemId}]
}

// refuses reports whether a message is answered false that could be taken.
func (c *Core) refuses(v *simprot.MessageContentInfo) bool {
	return c.broken[RuleMessageLimits] && utf8.RuneCountInString(v.SubjectField) > refusedSubject
}

// told is the MessageId that SE_MESSAGE_RECEIVED gives a message. d.mu is held.
func (c *Core) told(m *Message) *uuid.UUID {
	if c.broken[RuleMessageNew] {
		for _, first := range c.desk.all {
			if !first.Outbound() && first.Content.GatewayId == m.Content.GatewayId {
				return &first.ID
			}
		}
	}
	return &m.ID
}
