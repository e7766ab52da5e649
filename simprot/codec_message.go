package simprot

func (m *MessageContentInfo) members(e *encoder) {
	e.text("DeliverySystemId", m.DeliverySystemId)
	e.text("InReplyToId", m.InReplyToId)
	e.optGUID("MessageId", m.MessageId)
	e.text("RequestId", m.RequestId)
	e.guid("GatewayId", m.GatewayId)
	e.text("FromField", m.FromField)
	e.text("RemoteAddress", m.RemoteAddress)
	e.text("ToField", m.ToField)
	e.text("ToCcField", m.ToCcField)
	e.text("ToBccField", m.ToBccField)
	e.text("Direction", m.Direction)
	e.text("ExtendedFields", m.ExtendedFields)
	e.moment("ReceivedSentTime", m.ReceivedSentTime)
	e.optMoment("DraftTime", m.DraftTime)
	e.text("SubjectField", m.SubjectField)
	e.text("BodyHtml", m.BodyHtml)
	e.text("BodyText", m.BodyText)
	e.text("Culture", m.Culture)
	e.optInteger("Mark", m.Mark)
	e.optInteger("SpamLevel", m.SpamLevel)
	e.optInteger("SignatureValidity", m.SignatureValidity)
	e.optInteger("Hierarchy", m.Hierarchy)
	e.optInt16("Rating", m.Rating)
}

func (m *MessageContentInfo) member(d *decoder, name []byte) error {
	switch string(name) {
	case "DeliverySystemId":
		return d.text(&m.DeliverySystemId)
	case "InReplyToId":
		return d.text(&m.InReplyToId)
	case "MessageId":
		return d.optGUID(&m.MessageId)
	case "RequestId":
		return d.text(&m.RequestId)
	case "GatewayId":
		return d.guid(&m.GatewayId)
	case "FromField":
		return d.text(&m.FromField)
	case "RemoteAddress":
		return d.text(&m.RemoteAddress)
	case "ToField":
		return d.text(&m.ToField)
	case "ToCcField":
		return d.text(&m.ToCcField)
	case "ToBccField":
		return d.text(&m.ToBccField)
	case "Direction":
		return d.text(&m.Direction)
	case "ExtendedFields":
		return d.text(&m.ExtendedFields)
	case "ReceivedSentTime":
		return d.moment(&m.ReceivedSentTime)
	case "DraftTime":
		return d.optMoment(&m.DraftTime)
	}
	return m.contentMember(d, name)
}

// contentMember reads what is in the message, and what is known about it.
func (m *MessageContentInfo) contentMember(d *decoder, name []byte) error {
	switch string(name) {
	case "SubjectField":
		return d.text(&m.SubjectField)
	case "BodyHtml":
		return d.text(&m.BodyHtml)
	case "BodyText":
		return d.text(&m.BodyText)
	case "Culture":
		return d.text(&m.Culture)
	case "Mark":
		return d.optInt32(&m.Mark)
	case "SpamLevel":
		return d.optInt32(&m.SpamLevel)
	case "SignatureValidity":
		return d.optInt32(&m.SignatureValidity)
	case "Hierarchy":
		return d.optInt32(&m.Hierarchy)
	case "Rating":
		return d.optInt16(&m.Rating)
	}
	return d.skip()
}

func (g *GatewayInfo) members(e *encoder) {
	e.guid("Id", g.Id)
	e.text("DisplayName", g.DisplayName)
	e.text("PeerAddress", g.PeerAddress)
	e.text("PeerPort", g.PeerPort)
	e.text("Device", g.Device)
	e.text("Channel", g.Channel)
	e.text("Direction", g.Direction)
	e.optGUID("LanguageId", g.LanguageId)
}

func (g *GatewayInfo) member(d *decoder, name []byte) error {
	switch string(name) {
	case "Id":
		return d.guid(&g.Id)
	case "DisplayName":
		return d.text(&g.DisplayName)
	case "PeerAddress":
		return d.text(&g.PeerAddress)
	case "PeerPort":
		return d.text(&g.PeerPort)
	case "Device":
		return d.text(&g.Device)
	case "Channel":
		return readEnum(d, &g.Channel)
	case "Direction":
		return d.text(&g.Direction)
	case "LanguageId":
		return d.optGUID(&g.LanguageId)
	}
	return d.skip()
}
