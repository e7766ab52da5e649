package simprot

func (s *CommandInfo) members(e *encoder) {
	e.optGUID("Id", s.Id)
	e.optGUID("RefId", s.RefId)
	e.optMoment("TimeStamp", s.TimeStamp)
	e.text("Reference", s.Reference)
	e.text("Data", s.Data)
}

func (s *CommandInfo) member(d *decoder, name []byte) error {
	switch string(name) {
	case "Id":
		return d.optGUID(&s.Id)
	case "RefId":
		return d.optGUID(&s.RefId)
	case "TimeStamp":
		return d.optMoment(&s.TimeStamp)
	case "Reference":
		return d.text(&s.Reference)
	case "Data":
		return d.loose(&s.Data)
	}
	return d.skip()
}

func (s *ScenarioInfo) members(e *encoder) {
	e.guid("ScenarioId", s.ScenarioId)
	e.text("DisplayName", s.DisplayName)
	optList(e, "Screens", s.Screens)
	e.optGUID("AgentId", s.AgentId)
	e.text("Culture", s.Culture)
}

func (s *ScenarioInfo) member(d *decoder, name []byte) error {
	switch string(name) {
	case "ScenarioId":
		return d.guid(&s.ScenarioId)
	case "DisplayName":
		return d.text(&s.DisplayName)
	case "Screens":
		return optionalList(d, &s.Screens)
	case "AgentId":
		return d.optGUID(&s.AgentId)
	case "Culture":
		return d.text(&s.Culture)
	}
	return d.skip()
}

func (s *ScreenInfo) members(e *encoder) {
	e.guid("ScreenId", s.ScreenId)
	e.text("DisplayName", s.DisplayName)
	e.integer("Rank", int64(s.Rank))
	e.truth("FinishButton", s.FinishButton)
	e.optGUID("ConditionScreenControlId", s.ConditionScreenControlId)
	e.text("ConditionText", s.ConditionText)
	optList(e, "Controls", s.Controls)
}

func (s *ScreenInfo) member(d *decoder, name []byte) error {
	switch string(name) {
	case "ScreenId":
		return d.guid(&s.ScreenId)
	case "DisplayName":
		return d.text(&s.DisplayName)
	case "Rank":
		return d.int32(&s.Rank)
	case "FinishButton":
		return d.truth(&s.FinishButton)
	case "ConditionScreenControlId":
		return d.optGUID(&s.ConditionScreenControlId)
	case "ConditionText":
		return d.text(&s.ConditionText)
	case "Controls":
		return optionalList(d, &s.Controls)
	}
	return d.skip()
}

func (s *ScreenControlInfo) members(e *encoder) {
	e.guid("ScreenControlId", s.ScreenControlId)
	e.text("DisplayName", s.DisplayName)
	e.text("Description", s.Description)
	e.text("TargetColumn", s.TargetColumn)
	e.integer("Rank", int64(s.Rank))
	e.text("ControlType", s.ControlType)
	e.optInteger("ControlNumber", s.ControlNumber)
	e.text("ControlText", s.ControlText)
	e.truth("MandatoryField", s.MandatoryField)
	optList(e, "Parameters", s.Parameters)
}

func (s *ScreenControlInfo) member(d *decoder, name []byte) error {
	switch string(name) {
	case "ScreenControlId":
		return d.guid(&s.ScreenControlId)
	case "DisplayName":
		return d.text(&s.DisplayName)
	case "Description":
		return d.text(&s.Description)
	case "TargetColumn":
		return d.text(&s.TargetColumn)
	case "Rank":
		return d.int32(&s.Rank)
	case "ControlType":
		return readEnum(d, &s.ControlType)
	case "ControlNumber":
		return d.optInt32(&s.ControlNumber)
	case "ControlText":
		return d.text(&s.ControlText)
	case "MandatoryField":
		return d.truth(&s.MandatoryField)
	case "Parameters":
		return optionalList(d, &s.Parameters)
	}
	return d.skip()
}

func (s *ScreenControlParameterInfo) members(e *encoder) {
	e.guid("ScreenControlParameterId", s.ScreenControlParameterId)
	e.text("DisplayName", s.DisplayName)
	e.integer("Rank", int64(s.Rank))
	e.optInteger("ResultNumber", s.ResultNumber)
	e.text("ResultText", s.ResultText)
	e.truth("DefaultItem", s.DefaultItem)
}

func (s *ScreenControlParameterInfo) member(d *decoder, name []byte) error {
	switch string(name) {
	case "ScreenControlParameterId":
		return d.guid(&s.ScreenControlParameterId)
	case "DisplayName":
		return d.text(&s.DisplayName)
	case "Rank":
		return d.int32(&s.Rank)
	case "ResultNumber":
		return d.optInt32(&s.ResultNumber)
	case "ResultText":
		return d.text(&s.ResultText)
	case "DefaultItem":
		return d.truth(&s.DefaultItem)
	}
	return d.skip()
}

func (s *ScenarioResultInfo) members(e *encoder) {
	e.guid("ScenarioId", s.ScenarioId)
	e.optGUID("ScenarioResultId", s.ScenarioResultId)
	e.moment("TimeUtc", s.TimeUtc)
	optList(e, "Values", s.Values)
	e.optGUID("AgentId", s.AgentId)
	e.optGUID("InboundCallId", s.InboundCallId)
	e.optGUID("OutboundCallId", s.OutboundCallId)
	e.optGUID("MessageId", s.MessageId)
	e.optGUID("IssueId", s.IssueId)
	e.optGUID("ContactId", s.ContactId)
	e.optGUID("ChatId", s.ChatId)
	e.text("Activity", s.Activity)
	e.optGUID("WorkflowId", s.WorkflowId)
}

func (s *ScenarioResultInfo) member(d *decoder, name []byte) error {
	switch string(name) {
	case "ScenarioId":
		return d.guid(&s.ScenarioId)
	case "ScenarioResultId":
		return d.optGUID(&s.ScenarioResultId)
	case "TimeUtc":
		return d.moment(&s.TimeUtc)
	case "Values":
		return optionalList(d, &s.Values)
	case "AgentId":
		return d.optGUID(&s.AgentId)
	case "InboundCallId":
		return d.optGUID(&s.InboundCallId)
	case "OutboundCallId":
		return d.optGUID(&s.OutboundCallId)
	case "MessageId":
		return d.optGUID(&s.MessageId)
	case "IssueId":
		return d.optGUID(&s.IssueId)
	case "ContactId":
		return d.optGUID(&s.ContactId)
	case "ChatId":
		return d.optGUID(&s.ChatId)
	case "Activity":
		return d.text(&s.Activity)
	case "WorkflowId":
		return d.optGUID(&s.WorkflowId)
	}
	return d.skip()
}

func (s *ScenarioResultValueInfo) members(e *encoder) {
	e.guid("ScreenControlId", s.ScreenControlId)
	e.optInteger("ResultNumber", s.ResultNumber)
	e.text("ResultText", s.ResultText)
	e.optDecimal("ResultNumeric", s.ResultNumeric)
	e.optMoment("ResultTime", s.ResultTime)
	e.text("TargetColumn", s.TargetColumn)
}

func (s *ScenarioResultValueInfo) member(d *decoder, name []byte) error {
	switch string(name) {
	case "ScreenControlId":
		return d.guid(&s.ScreenControlId)
	case "ResultNumber":
		return d.optInt32(&s.ResultNumber)
	case "ResultText":
		return d.text(&s.ResultText)
	case "ResultNumeric":
		return d.optDecimal(&s.ResultNumeric)
	case "ResultTime":
		return d.optMoment(&s.ResultTime)
	case "TargetColumn":
		return d.text(&s.TargetColumn)
	}
	return d.skip()
}
