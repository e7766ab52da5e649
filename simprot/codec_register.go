package simprot

func (s *WebSiteRoutingInfo) members(e *encoder) {
	e.guid("WebSiteRoutingId", s.WebSiteRoutingId)
	e.text("WebApp", s.WebApp)
	e.integer("Rank", int64(s.Rank))
	e.text("PageUrlRegex", s.PageUrlRegex)
	e.text("PreferredCulture", s.PreferredCulture)
	e.text("BrowserRegex", s.BrowserRegex)
	e.text("UserTokenRegex", s.UserTokenRegex)
	e.text("ClientIpMask", s.ClientIpMask)
	e.text("TimeMode", s.TimeMode)
	e.optMoment("TimeFrom", s.TimeFrom)
	e.optMoment("TimeTo", s.TimeTo)
	e.text("TargetElementID", s.TargetElementID)
	e.text("WebResponse", s.WebResponse)
	e.optGUID("ScenarioId", s.ScenarioId)
	e.optGUID("OutboundListId", s.OutboundListId)
	e.optGUID("WorkflowId", s.WorkflowId)
	e.optGUID("MessageId", s.MessageId)
	e.text("LiteralCulture", s.LiteralCulture)
	e.integer("ChatTrackUrl", int64(s.ChatTrackUrl))
	e.truth("LogUrl", s.LogUrl)
	e.text("Template", s.Template)
	e.truth("Block", s.Block)
	e.optInteger("SolicitationTimeOut", s.SolicitationTimeOut)
	e.optInteger("SolicitationDuration", s.SolicitationDuration)
	e.optInteger("HonorRejectPeriod", s.HonorRejectPeriod)
}

func (s *WebSiteRoutingInfo) member(d *decoder, name []byte) error {
	switch string(name) {
	case "WebSiteRoutingId":
		return d.guid(&s.WebSiteRoutingId)
	case "WebApp":
		return readEnum(d, &s.WebApp)
	case "Rank":
		return d.int32(&s.Rank)
	case "PageUrlRegex":
		return d.text(&s.PageUrlRegex)
	case "PreferredCulture":
		return d.text(&s.PreferredCulture)
	case "BrowserRegex":
		return d.text(&s.BrowserRegex)
	case "UserTokenRegex":
		return d.text(&s.UserTokenRegex)
	case "ClientIpMask":
		return d.text(&s.ClientIpMask)
	case "TimeMode":
		return readEnum(d, &s.TimeMode)
	case "TimeFrom":
		return d.optMoment(&s.TimeFrom)
	case "TimeTo":
		return d.optMoment(&s.TimeTo)
	case "TargetElementID":
		return d.text(&s.TargetElementID)
	case "WebResponse":
		return d.text(&s.WebResponse)
	case "ScenarioId":
		return d.optGUID(&s.ScenarioId)
	case "OutboundListId":
		return d.optGUID(&s.OutboundListId)
	case "WorkflowId":
		return d.optGUID(&s.WorkflowId)
	case "MessageId":
		return d.optGUID(&s.MessageId)
	case "LiteralCulture":
		return d.text(&s.LiteralCulture)
	case "ChatTrackUrl":
		return d.int32(&s.ChatTrackUrl)
	case "LogUrl":
		return d.truth(&s.LogUrl)
	case "Template":
		return d.text(&s.Template)
	case "Block":
		return d.truth(&s.Block)
	case "SolicitationTimeOut":
		return d.optInt32(&s.SolicitationTimeOut)
	case "SolicitationDuration":
		return d.optInt32(&s.SolicitationDuration)
	case "HonorRejectPeriod":
		return d.optInt32(&s.HonorRejectPeriod)
	}
	return d.skip()
}

func (s *LiteralLookupInfo) members(e *encoder) {
	e.text("Peer", s.Peer)
	e.integer("LiteralGroup", int64(s.LiteralGroup))
	e.integer("LiteralValue", int64(s.LiteralValue))
	e.text("Culture", s.Culture)
	e.text("LiteralText", s.LiteralText)
	e.text("DisplayName", s.DisplayName)
}

func (s *LiteralLookupInfo) member(d *decoder, name []byte) error {
	switch string(name) {
	case "Peer":
		return d.text(&s.Peer)
	case "LiteralGroup":
		return d.int16(&s.LiteralGroup)
	case "LiteralValue":
		return d.int16(&s.LiteralValue)
	case "Culture":
		return d.text(&s.Culture)
	case "LiteralText":
		return d.text(&s.LiteralText)
	case "DisplayName":
		return d.text(&s.DisplayName)
	}
	return d.skip()
}
