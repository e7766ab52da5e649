package telegram

import (
	"bytes"
	"encoding/json"

	"servicelink/test/netsim/control"
)

// Limits of keyboards.
const (
	maxCallbackData = 64     // bytes, at least 1
	maxMarkup       = 10_000 // bytes of JSON
)

// markup is a reply_markup that was understood.
type markup struct {
	inline  *inlineKeyboard    // nil: a reply keyboard, or its removal
	buttons [][]control.Button // of a reply keyboard
}

type inlineKeyboard struct {
	Rows [][]inlineButton `json:"inline_keyboard"`
}

type inlineButton struct {
	Text         string   `json:"text"`
	URL          string   `json:"url,omitempty"`
	CallbackData string   `json:"callback_data,omitempty"`
	other        []string // further members that say what the button does
}

// UnmarshalJSON notes which members there are.
func (b *inlineButton) UnmarshalJSON(raw []byte) error {
	type plainButton inlineButton
	if err := json.Unmarshal(raw, (*plainButton)(b)); err != nil {
		return err
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal(raw, &members); err != nil {
		return err
	}
	for _, name := range []string{"web_app", "login_url", "switch_inline_query", "switch_inline_query_current_chat", "copy_text", "pay", "callback_game"} {
		if value, ok := members[name]; ok && string(value) != "null" {
			b.other = append(b.other, name)
		}
	}
	return nil
}

func (b inlineButton) check() error {
	switch {
	case b.Text == "":
		return badRequest("can't parse inline keyboard button: Text must be non-empty")
	case len(b.CallbackData) > maxCallbackData:
		return badRequest("BUTTON_DATA_INVALID")
	case b.URL == "" && b.CallbackData == "" && len(b.other) == 0:
		return badRequest("can't parse inline keyboard button: Text buttons are unallowed in the inline keyboard")
	case b.URL != "" && !isURL(b.URL) && len(b.URL) < 6:
		return badRequest("inline keyboard button URL '%s' is invalid: Wrong HTTP URL", b.URL)
	}
	return nil
}

// buttons is the keyboard as the customer sees it.
func (k *inlineKeyboard) buttons() [][]control.Button {
	if k == nil {
		return nil
	}
	rows := make([][]control.Button, len(k.Rows))
	for i, row := range k.Rows {
		for _, b := range row {
			rows[i] = append(rows[i], control.Button{Text: b.Text, Data: b.CallbackData, URL: b.URL})
		}
	}
	return rows
}

// find returns the button with this data.
func (k *inlineKeyboard) find(data string) bool {
	for _, row := range k.buttons() {
		for _, b := range row {
			if b.Data == data && data != "" {
				return true
			}
		}
	}
	return false
}

// markup reads reply_markup; nil when there is none.
func (c *call) markup() (*markup, error) {
	raw := []byte(c.values["reply_markup"])
	if len(bytes.TrimSpace(raw)) == 0 {
		return nil, nil //nolint:nilnil // no markup is a markup
	}
	if len(raw) > maxMarkup {
		return nil, badRequest("reply markup is too long")
	}
	var members map[string]json.RawMessage
	if !json.Valid(raw) {
		return nil, badRequest("can't parse reply keyboard markup JSON object")
	}
	if json.Unmarshal(raw, &members) != nil || members == nil {
		return nil, badRequest("object expected as reply markup")
	}
	if value, ok := members["inline_keyboard"]; ok {
		return inlineMarkup(value)
	}
	if value, ok := members["keyboard"]; ok {
		return replyMarkup(value)
	}
	return &markup{}, nil
}

func inlineMarkup(value json.RawMessage) (*markup, error) {
	k := &inlineKeyboard{}
	var rows []json.RawMessage
	if json.Unmarshal(value, &rows) != nil {
		return nil, badRequest("field \"inline_keyboard\" must be of type Array")
	}
	for _, row := range rows {
		var raw []json.RawMessage
		if json.Unmarshal(row, &raw) != nil {
			return nil, badRequest("field \"inline_keyboard\" of the InlineKeyboardMarkup must be an Array of Arrays")
		}
		var buttons []inlineButton
		for _, one := range raw {
			var b inlineButton
			if json.Unmarshal(one, &b) != nil {
				return nil, badRequest("can't parse inline keyboard button: InlineKeyboardButton must be an Object")
			}
			if err := b.check(); err != nil {
				return nil, err
			}
			buttons = append(buttons, b)
		}
		if len(buttons) > 0 {
			k.Rows = append(k.Rows, buttons)
		}
	}
	if len(k.Rows) == 0 {
		return &markup{}, nil
	}
	return &markup{inline: k}, nil
}

func replyMarkup(value json.RawMessage) (*markup, error) {
	var rows [][]json.RawMessage
	if json.Unmarshal(value, &rows) != nil {
		return nil, badRequest("field \"keyboard\" must be an Array of Arrays")
	}
	m := &markup{}
	for _, row := range rows {
		var buttons []control.Button
		for _, one := range row {
			var b struct{ Text string }
			if json.Unmarshal(one, &b.Text) != nil && json.Unmarshal(one, &b) != nil || b.Text == "" {
				return nil, badRequest("can't parse keyboard button: KeyboardButton must be a String or an Object")
			}
			buttons = append(buttons, control.Button{Text: b.Text, Says: true})
		}
		m.buttons = append(m.buttons, buttons)
	}
	return m, nil
}
