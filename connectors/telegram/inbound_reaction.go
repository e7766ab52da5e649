package telegram

import (
	"encoding/json"
	"strconv"
	"strings"

	"github.com/go-telegram/bot/models"

	"servicelink/connectors"
)

// reactions is message_reaction and message_reaction_count. The models refuse a
// whole list for one reaction of a new type, and a list left out would read as
// taken back: so each is read alone.
type reactions struct {
	Chat      models.Chat       `json:"chat"`
	MessageID int64             `json:"message_id"`
	Date      int               `json:"date"`
	User      *models.User      `json:"user"`
	ActorChat *models.Chat      `json:"actor_chat"`
	Now       []json.RawMessage `json:"new_reaction"`
	Counts    []struct {
		Type  json.RawMessage `json:"type"`
		Total int             `json:"total_count"`
	} `json:"reactions"`
}

// reacted reads what one person's reactions to a message are now. Telegram does
// not say which topic the message is in: it stands in the group's conversation.
func (u *update) reacted() ([]connectors.Event, bool) {
	r, ok := decode[reactions](u.body)
	if !ok {
		return nil, false
	}
	shown := make([]string, len(r.Now))
	for i, raw := range r.Now {
		shown[i] = reaction(raw)
	}
	return u.reaction(r, strings.Join(shown, " "))
}

// reactionCount reads how many reacted to a post where nobody sees who.
func (u *update) reactionCount() ([]connectors.Event, bool) {
	r, ok := decode[reactions](u.body)
	if !ok {
		return nil, false
	}
	shown := make([]string, len(r.Counts))
	for i, c := range r.Counts {
		shown[i] = reaction(c.Type) + " " + strconv.Itoa(c.Total)
	}
	return u.reaction(r, strings.Join(shown, ", "))
}

func (u *update) reaction(r *reactions, shown string) ([]connectors.Event, bool) {
	if r.Chat.ID == 0 || r.MessageID == 0 {
		return nil, false
	}
	who := chatPerson(&r.Chat)
	switch {
	case r.User != nil:
		who = userPerson(r.User)
	case r.ActorChat != nil:
		who = chatPerson(r.ActorChat)
	}
	if who.id != r.Chat.ID {
		who.group = r.Chat.Title
	}
	message := decimal(r.MessageID)
	// The update's own id keeps two alike in one second apart: set, taken back, set.
	revision := decimal(int64(r.Date)) + "." + hash(decimal(who.id), shown, decimal(u.id))
	return []connectors.Event{{
		ID:         connectors.EventID(u.bot, string(connectors.KindReaction), messageName(r.Chat.ID, r.MessageID), revision),
		Kind:       connectors.KindReaction,
		NetworkID:  messageName(r.Chat.ID, r.MessageID),
		TrackingID: conversation{Chat: r.Chat.ID}.trackingID(),
		Customer:   who.customer(u.channel),
		Text:       shown,
		RefID:      message,
		SentAt:     moment(r.Date),
	}}, true
}

// reaction shows one reaction. A custom one is a picture that only an id names.
func reaction(raw json.RawMessage) string {
	m := object(raw)
	switch text(m["type"]) {
	case "emoji":
		if emoji := text(m["emoji"]); emoji != "" {
			return emoji
		}
	case "custom_emoji":
		return "(custom emoji)"
	case "paid":
		return "⭐"
	}
	return "(another reaction)"
}

// deleted reads that messages were taken back, which Telegram tells for the chats
// of business accounts only.
func (u *update) deleted() ([]connectors.Event, bool) {
	d, ok := decode[models.BusinessMessagesDeleted](u.body)
	if !ok || d.Chat.ID == 0 || len(d.MessageIDs) == 0 {
		return nil, false
	}
	where := conversation{Chat: d.Chat.ID, Business: d.BusinessConnectionID}.trackingID()
	customer := chatPerson(&d.Chat).customer(u.channel)
	events := make([]connectors.Event, len(d.MessageIDs))
	for i, id := range d.MessageIDs {
		message := decimal(int64(id))
		events[i] = connectors.Event{
			ID:         connectors.EventID(u.bot, string(connectors.KindDelete), messageName(d.Chat.ID, int64(id)), ""),
			Kind:       connectors.KindDelete,
			TrackingID: where,
			Customer:   customer,
			RefID:      message,
		}
	}
	return events, true
}
