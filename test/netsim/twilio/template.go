package twilio

import (
	"encoding/json"
	"fmt"
	"regexp"

	"servicelink/test/netsim/control"
)

// Template is content of a Twilio account that WhatsApp has approved.
type Template struct {
	SID  string `json:"sid"`  // HX and 32 hex digits
	Text string `json:"text"` // with places {{1}}, {{name}}
	// Buttons are quick replies.
	Buttons []QuickReply `json:"buttons,omitempty"`
}

// QuickReply is a button below a template.
type QuickReply struct {
	ID   string `json:"id"` // comes back as ButtonPayload
	Text string `json:"text"`
}

// DefaultTemplates are those of an account that names none.
var DefaultTemplates = []Template{
	{SID: "HX00000000000000000000000000000001", Text: "We have an answer for you: {{1}}"},
	{SID: "HX00000000000000000000000000000002", Text: "Hello {{1}}, may we go on with {{2}}?", Buttons: []QuickReply{
		{"go-on", "Yes, go on"}, {"no", "No, thank you"},
	}},
}

const maxQuickReplies = 10

var (
	contentSID = regexp.MustCompile(`^HX[0-9a-fA-F]{32}$`)
	blank      = regexp.MustCompile(`\{\{([0-9A-Za-z_]+)\}\}`)
)

func checkTemplates(list []Template) error {
	for _, t := range list {
		if !contentSID.MatchString(t.SID) || t.Text == "" || len(t.Buttons) > maxQuickReplies {
			return fmt.Errorf("%w: a template has a sid HX..., a text and at most %d buttons", control.ErrAction, maxQuickReplies)
		}
	}
	return nil
}

// fill makes the text of a template. What is wrong with it or its variables is
// found out later, but for what is no SID or no JSON.
func (c *call) fill(m *message, sid, variables string) (shown control.Message, fate int, err error) {
	if !contentSID.MatchString(sid) {
		return shown, 0, bad(21655, "The ContentSid is Invalid")
	}
	values := map[string]string{}
	if variables != "" && json.Unmarshal([]byte(variables), &values) != nil {
		return shown, 0, bad(21656, "The Content Variables Parameter is invalid")
	}
	fate, m.text = 63027, "" // Body is not looked at
	for _, t := range c.tenant.templates {
		if t.SID != sid {
			continue
		}
		fate = 0
		m.text = blank.ReplaceAllStringFunc(t.Text, func(place string) string {
			value := values[place[2:len(place)-2]]
			if value == "" {
				fate = 63028
			}
			return value
		})
		if len(t.Buttons) > 0 {
			row := make([]control.Button, len(t.Buttons))
			for i, b := range t.Buttons {
				row[i] = control.Button{Text: b.Text, Data: b.ID}
			}
			shown.Buttons = [][]control.Button{row}
		}
	}
	m.segments = c.n.segments(m.text)
	shown.Kind, shown.Text = "text", m.text
	return shown, fate, nil
}
