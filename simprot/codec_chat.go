package simprot

func (s *ChatSentenceInfo) members(e *encoder) {
	e.text("Peer", s.Peer)
	e.text("Port", s.Port)
	e.text("TrackingId", s.TrackingId)
	e.guid("ChatId", s.ChatId)
	e.text("ID", s.ID)
	e.text("PartyName", s.PartyName)
	e.text("Text", s.Text)
	e.moment("TimeSent", s.TimeSent)
	e.truth("IsOutbound", s.IsOutbound)
	e.integer("Counter", int64(s.Counter))
	e.optMoment("ConfirmedTime", s.ConfirmedTime)
	e.integer("Model", int64(s.Model))
	e.optMoment("ReplyUntil", s.ReplyUntil)
}

func (s *ChatSentenceInfo) member(d *decoder, name []byte) error {
	switch string(name) {
	case "Peer":
		return d.text(&s.Peer)
	case "Port":
		return d.text(&s.Port)
	case "TrackingId":
		return d.text(&s.TrackingId)
	case "ChatId":
		return d.guid(&s.ChatId)
	case "ID":
		return d.text(&s.ID)
	case "PartyName":
		return d.text(&s.PartyName)
	case "Text":
		return d.text(&s.Text)
	case "TimeSent":
		return d.moment(&s.TimeSent)
	case "IsOutbound":
		return d.truth(&s.IsOutbound)
	case "Counter":
		return d.int32(&s.Counter)
	case "ConfirmedTime":
		return d.optMoment(&s.ConfirmedTime)
	case "Model":
		return d.int32((*int32)(&s.Model))
	case "ReplyUntil":
		return d.optMoment(&s.ReplyUntil)
	}
	return d.skip()
}

func (s *ChatStatusInfo) members(e *encoder) {
	e.text("Peer", s.Peer)
	e.text("Port", s.Port)
	e.text("TrackingId", s.TrackingId)
	e.guid("ChatId", s.ChatId)
	e.text("Status", string(s.Status))
	e.text("AgentName", s.AgentName)
	e.optGUID("AgentId", s.AgentId)
	optList(e, "Sentences", s.Sentences)
	optObject(e, "Info", s.Info)
	optObject(e, "Panel", s.Panel)
	optObject(e, "Navigation", s.Navigation)
	optObject(e, "CoBrowsingData", s.CoBrowsingData)
	e.optMoment("DeadTimeUtc", s.DeadTimeUtc)
	e.integer("Counter", int64(s.Counter))
	e.integer("AfterCounter", int64(s.AfterCounter))
}

func (s *ChatStatusInfo) member(d *decoder, name []byte) error {
	switch string(name) {
	case "Peer":
		return d.text(&s.Peer)
	case "Port":
		return d.text(&s.Port)
	case "TrackingId":
		return d.text(&s.TrackingId)
	case "ChatId":
		return d.guid(&s.ChatId)
	case "Status":
		return readEnum(d, &s.Status)
	case "AgentName":
		return d.text(&s.AgentName)
	case "AgentId":
		return d.optGUID(&s.AgentId)
	case "Sentences":
		return optionalList(d, &s.Sentences)
	case "Info":
		return optionalObject(d, &s.Info)
	case "Panel":
		return optionalObject(d, &s.Panel)
	case "Navigation":
		return optionalObject(d, &s.Navigation)
	case "CoBrowsingData":
		return optionalObject(d, &s.CoBrowsingData)
	case "DeadTimeUtc":
		return d.optMoment(&s.DeadTimeUtc)
	case "Counter":
		return d.int32(&s.Counter)
	case "AfterCounter":
		return d.int32(&s.AfterCounter)
	}
	return d.skip()
}

func (s *ChatServiceInfo) members(e *encoder) {
	e.text("Peer", s.Peer)
	e.text("Port", s.Port)
	e.text("TrackingId", s.TrackingId)
	e.text("PreferredCulture", s.PreferredCulture)
	e.text("UserToken", s.UserToken)
	e.text("ExtResponse", s.ExtResponse)
	optObject(e, "ResultModel", s.ResultModel)
	e.text("PartyName", s.PartyName)
	e.text("RemoteAddress", s.RemoteAddress)
	e.optGUID("ReturnChatId", s.ReturnChatId)
	e.text("Signal", string(s.Signal))
	optObject(e, "ScenarioModel", s.ScenarioModel)
}

func (s *ChatServiceInfo) member(d *decoder, name []byte) error {
	switch string(name) {
	case "Peer":
		return d.text(&s.Peer)
	case "Port":
		return d.text(&s.Port)
	case "TrackingId":
		return d.text(&s.TrackingId)
	case "PreferredCulture":
		return d.text(&s.PreferredCulture)
	case "UserToken":
		return d.text(&s.UserToken)
	case "ExtResponse":
		return d.text(&s.ExtResponse)
	case "ResultModel":
		return optionalObject(d, &s.ResultModel)
	case "PartyName":
		return d.text(&s.PartyName)
	case "RemoteAddress":
		return d.text(&s.RemoteAddress)
	case "ReturnChatId":
		return d.optGUID(&s.ReturnChatId)
	case "Signal":
		return readEnum(d, &s.Signal)
	case "ScenarioModel":
		return optionalObject(d, &s.ScenarioModel)
	}
	return d.skip()
}

func (s *ChatCommandInfo) members(e *encoder) {
	e.text("Peer", s.Peer)
	e.text("Port", s.Port)
	e.text("TrackingId", s.TrackingId)
	e.optGUID("ChatId", s.ChatId)
	e.text("ID", s.ID)
	e.optMoment("TimeStamp", s.TimeStamp)
	e.optGUID("AgentId", s.AgentId)
	e.optTruth("IsTyping", s.IsTyping)
	optObject(e, "Manifest", s.Manifest)
}

func (s *ChatCommandInfo) member(d *decoder, name []byte) error {
	switch string(name) {
	case "Peer":
		return d.text(&s.Peer)
	case "Port":
		return d.text(&s.Port)
	case "TrackingId":
		return d.text(&s.TrackingId)
	case "ChatId":
		return d.optGUID(&s.ChatId)
	case "ID":
		return d.text(&s.ID)
	case "TimeStamp":
		return d.optMoment(&s.TimeStamp)
	case "AgentId":
		return d.optGUID(&s.AgentId)
	case "IsTyping":
		return d.optTruth(&s.IsTyping)
	case "Manifest":
		return optionalObject(d, &s.Manifest)
	}
	return d.skip()
}
