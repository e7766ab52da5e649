package simprot

func (s *ChatInfo) members(e *encoder) {
	e.moment("TimeStamp", s.TimeStamp)
	e.moment("EnqueueingTimeUtc", s.EnqueueingTimeUtc)
	e.optMoment("PilotDialTime", s.PilotDialTime)
	e.text("ChatType", s.ChatType)
	e.text("RemotePartyName", s.RemotePartyName)
	e.text("RemoteAddress", s.RemoteAddress)
	e.text("WorkplaceNumber", s.WorkplaceNumber)
	e.optGUID("WorkplaceId", s.WorkplaceId)
	e.optGUID("AgentId", s.AgentId)
	e.optGUID("ProjectId", s.ProjectId)
	e.optGUID("LanguageId", s.LanguageId)
	e.text("ProjectName", s.ProjectName)
	e.text("LanguageName", s.LanguageName)
	e.text("AgentName", s.AgentName)
	e.integer("WaitingTime", int64(s.WaitingTime))
	e.integer("MaxSignalDuration", int64(s.MaxSignalDuration))
	e.text("ChatGatewayName", s.ChatGatewayName)
	e.optGUID("ContactId", s.ContactId)
	e.text("ContactName", s.ContactName)
	optList(e, "Scenarios", s.Scenarios)
	e.optGUID("FormDataId", s.FormDataId)
}

func (s *ChatInfo) member(d *decoder, name []byte) error {
	switch string(name) {
	case "TimeStamp":
		return d.moment(&s.TimeStamp)
	case "EnqueueingTimeUtc":
		return d.moment(&s.EnqueueingTimeUtc)
	case "PilotDialTime":
		return d.optMoment(&s.PilotDialTime)
	case "ChatType":
		return readEnum(d, &s.ChatType)
	case "RemotePartyName":
		return d.text(&s.RemotePartyName)
	case "RemoteAddress":
		return d.text(&s.RemoteAddress)
	case "WorkplaceNumber":
		return d.text(&s.WorkplaceNumber)
	case "WorkplaceId":
		return d.optGUID(&s.WorkplaceId)
	case "AgentId":
		return d.optGUID(&s.AgentId)
	case "ProjectId":
		return d.optGUID(&s.ProjectId)
	case "LanguageId":
		return d.optGUID(&s.LanguageId)
	case "ProjectName":
		return d.text(&s.ProjectName)
	case "LanguageName":
		return d.text(&s.LanguageName)
	case "AgentName":
		return d.text(&s.AgentName)
	case "WaitingTime":
		return d.int32(&s.WaitingTime)
	case "MaxSignalDuration":
		return d.int32(&s.MaxSignalDuration)
	case "ChatGatewayName":
		return d.text(&s.ChatGatewayName)
	case "ContactId":
		return d.optGUID(&s.ContactId)
	case "ContactName":
		return d.text(&s.ContactName)
	case "Scenarios":
		return optionalList(d, &s.Scenarios)
	case "FormDataId":
		return d.optGUID(&s.FormDataId)
	}
	return d.skip()
}

func (s *ScenarioResultItemInfo) members(e *encoder) {
	e.guid("ScenarioId", s.ScenarioId)
	e.text("ScenarioName", s.ScenarioName)
	e.text("Activity", s.Activity)
	e.optGUID("ResultId", s.ResultId)
	e.text("RemoteName", s.RemoteName)
	e.text("DisplayName", s.DisplayName)
	e.optMoment("ResultCreated", s.ResultCreated)
	e.text("ShowInList", s.ShowInList)
}

func (s *ScenarioResultItemInfo) member(d *decoder, name []byte) error {
	switch string(name) {
	case "ScenarioId":
		return d.guid(&s.ScenarioId)
	case "ScenarioName":
		return d.text(&s.ScenarioName)
	case "Activity":
		return d.text(&s.Activity)
	case "ResultId":
		return d.optGUID(&s.ResultId)
	case "RemoteName":
		return d.text(&s.RemoteName)
	case "DisplayName":
		return d.text(&s.DisplayName)
	case "ResultCreated":
		return d.optMoment(&s.ResultCreated)
	case "ShowInList":
		return d.text(&s.ShowInList)
	}
	return d.skip()
}
