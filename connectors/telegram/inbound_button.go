package telegram

import (
	"github.com/go-telegram/bot/models"

	"servicelink/connectors"
)

// pressed reads the press of a button below a message. Telegram waits for an
// answer to it, and the customer's app shows that it does.
func (u *update) pressed() ([]connectors.Event, bool) {
	u.query = text(object(u.body)["id"])
	q, ok := decode[models.CallbackQuery](u.body)
	if !ok || q.ID == "" || q.From.ID == 0 || q.Data == "" { // without data: a game
		return nil, false
	}
	who := userPerson(&q.From)
	// A button of a message that was sent by way of a third chat comes without it.
	where, message, title := conversation{Chat: q.From.ID}, 0, ""
	switch m, old := q.Message.Message, q.Message.InaccessibleMessage; {
	case m != nil && m.Chat.ID != 0:
		where, message, title = conversationFor(m), m.ID, buttonTitle(m, q.Data)
		if m.Chat.ID != who.id {
			who.group = m.Chat.Title
		}
	case old != nil && old.Chat.ID != 0: // too old for its text to be told
		where, message = conversation{Chat: old.Chat.ID}, old.MessageID
	}
	ev := connectors.Event{
		ID:         connectors.EventID(u.bot, string(connectors.KindButton), q.ID, ""),
		Kind:       connectors.KindButton,
		TrackingID: where.trackingID(),
		Customer:   who.customer(u.channel),
		Text:       title,
		Button:     &connectors.Button{ID: q.Data, Text: title},
	}
	if title == "" {
		ev.Text, ev.Button.Text = q.Data, q.Data
	}
	if message != 0 {
		ev.RefID = decimal(int64(message))
	}
	return []connectors.Event{ev}, true
}

// buttonTitle finds what stood on the button that was pressed.
func buttonTitle(m *models.Message, data string) string {
	if m.ReplyMarkup == nil {
		return ""
	}
	for _, row := range m.ReplyMarkup.InlineKeyboard {
		for _, b := range row {
			if b.CallbackData == data {
				return b.Text
			}
		}
	}
	return ""
}
