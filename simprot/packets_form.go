package simprot

import (
	"time"

	"github.com/google/uuid"
)

// CommandInfo is the general small command. Of its uses only ES_SCENARIO_LOAD
// is here. Its class in the source belongs to messages.
type CommandInfo struct {
	Id        *uuid.UUID // ES: the form that is wanted
	RefId     *uuid.UUID // not used by forms
	TimeStamp *time.Time // not used by forms; UTC
	Reference string     // ES: the language, such as "en-US"; empty = the form's own
	Data      string     // not used by forms
}

// ScenarioInfo describes a form to be filled. Without Screens it says that
// there is no such form. Direction SE.
type ScenarioInfo struct {
	ScenarioId  uuid.UUID
	DisplayName string
	Screens     []*ScreenInfo
	AgentId     *uuid.UUID
	Culture     string // its language, such as "en-US"
}

// ScreenInfo is one page of a form.
type ScreenInfo struct {
	ScreenId                 uuid.UUID
	DisplayName              string
	Rank                     int32      // place among the pages
	FinishButton             bool       // the form may be sent from here
	ConditionScreenControlId *uuid.UUID // shown only where this field
	ConditionText            string     // has this value
	Controls                 []*ScreenControlInfo
}

// ScreenControlInfo is one field of a form.
type ScreenControlInfo struct {
	ScreenControlId uuid.UUID
	DisplayName     string
	Description     string
	TargetColumn    string
	Rank            int32  // place on the page
	ControlType     string // LabelOnly, TextArea, DropDown, RadioButtons, CheckBoxes, Integer, Date, Time, DateTime
	ControlNumber   *int32
	ControlText     string
	MandatoryField  bool
	Parameters      []*ScreenControlParameterInfo
}

// ScreenControlParameterInfo is one choice of a field.
type ScreenControlParameterInfo struct {
	ScreenControlParameterId uuid.UUID
	DisplayName              string
	Rank                     int32 // place among the choices
	ResultNumber             *int32
	ResultText               string
	DefaultItem              bool
}

// ScenarioResultInfo is a filled form. Direction ES.
type ScenarioResultInfo struct {
	ScenarioId       uuid.UUID
	ScenarioResultId *uuid.UUID // names the result, so that saving it twice leaves one
	TimeUtc          time.Time  // when it was filled
	Values           []*ScenarioResultValueInfo
	AgentId          *uuid.UUID
	InboundCallId    *uuid.UUID
	OutboundCallId   *uuid.UUID
	MessageId        *uuid.UUID
	IssueId          *uuid.UUID
	ContactId        *uuid.UUID
	ChatId           *uuid.UUID
	Activity         string
	WorkflowId       *uuid.UUID
}

// ScenarioResultValueInfo is one value of a filled form. Which member holds it
// follows from the field's ControlType.
type ScenarioResultValueInfo struct {
	ScreenControlId uuid.UUID
	ResultNumber    *int32
	ResultText      string
	ResultNumeric   *Decimal
	ResultTime      *time.Time
	TargetColumn    string
}

// ScenarioResultItemInfo names one filled form of a chat.
type ScenarioResultItemInfo struct {
	ScenarioId    uuid.UUID
	ScenarioName  string
	Activity      string
	ResultId      *uuid.UUID
	RemoteName    string
	DisplayName   string
	ResultCreated *time.Time // UTC
	ShowInList    string
}

// Decimal is a decimal number kept as its text, so that nothing is rounded.
// It is written as a string; a number is accepted when reading.
type Decimal string
