package telegram

import (
	"encoding/json"
	"strings"
	"time"

	"github.com/go-telegram/bot/models"
	"github.com/google/uuid"

	"servicelink/connectors"
)

// message reads a message, a channel's post or one of a business account's chats.
func (u *update) message() ([]connectors.Event, bool) {
	m, ok := decode[models.Message](u.body)
	if !ok || m.Chat.ID == 0 {
		return nil, false
	}
	if u.ours(m) {
		return nil, true
	}
	ev, noun := u.read(m)
	if byOwner(m) {
		ev.Kind, ev.Text = connectors.KindService, "Written from the business account: "+shown(ev, noun)
	}
	ev.ID, ev.NetworkID = connectors.EventID(u.bot, string(ev.Kind), u.messageKey(m), ""), networkID(m)
	ev.ReturnChatID = returnChat(m.Text)
	return []connectors.Event{ev}, true
}

// edited reads a message as it is now. It comes for every change, also for one
// that shows nothing new; the hash in the ID makes those one event, and keeps two
// edits in one second apart.
func (u *update) edited() ([]connectors.Event, bool) {
	m, ok := decode[models.Message](u.body)
	if !ok || m.Chat.ID == 0 {
		return nil, false
	}
	if u.ours(m) {
		return nil, true
	}
	ev, noun := u.read(m)
	fileID := ""
	if ev.File != nil {
		fileID = ev.File.ID
	}
	ev.Kind, ev.Text = connectors.KindEdit, shown(ev, noun)
	ev.RefID = decimal(int64(m.ID))
	if byOwner(m) {
		ev.Kind, ev.Text = connectors.KindService, "The business account changed message "+ev.RefID+" to: "+ev.Text
	}
	ev.Quote = ""
	ev.SentAt = moment(m.EditDate)
	revision := decimal(int64(m.EditDate)) + "." + hash(ev.Text, fileID)
	ev.ID, ev.NetworkID = connectors.EventID(u.bot, string(ev.Kind), u.messageKey(m), revision), networkID(m)
	return []connectors.Event{ev}, true
}

// ours reports whether the bot wrote m itself: that came from the agent.
func (u *update) ours(m *models.Message) bool {
	return m.From != nil && decimal(m.From.ID) == u.bot ||
		m.SenderBusinessBot != nil && decimal(m.SenderBusinessBot.ID) == u.bot
}

// byOwner reports whether a business account's owner wrote m by hand. That is not
// the customer's word: the agent is told of it.
func byOwner(m *models.Message) bool {
	return m.BusinessConnectionID != "" && m.From != nil && m.From.ID != m.Chat.ID
}

// read makes the event of a message, all but its ID. noun names what it is.
func (u *update) read(m *models.Message) (ev connectors.Event, noun string) {
	members := object(u.body)
	ev = connectors.Event{
		TrackingID: conversationFor(m).trackingID(),
		Customer:   senderOf(m).customer(u.channel),
		SentAt:     moment(m.Date),
	}
	noun = content(m, members, &ev)
	if from := forwardedFrom(m, members); from != "" && ev.Kind != connectors.KindService && ev.Kind != connectors.KindUnsupported {
		ev.Text = strings.TrimSpace("Forwarded from " + from + ":\n" + ev.Text)
	}
	if ev.Kind != connectors.KindService {
		reply(m, members, &ev)
	}
	return ev, noun
}

// messageKey names a message inside the account. One that disappears by itself
// (ephemeral) has no number of its own.
func (u *update) messageKey(m *models.Message) string {
	if m.ID == 0 {
		return decimal(m.Chat.ID) + ":u" + decimal(u.id)
	}
	return networkID(m)
}

// networkID is what an answer to m names (replyTo); one that disappears by itself has
// none.
func networkID(m *models.Message) string {
	if m.ID == 0 {
		return ""
	}
	return messageName(m.Chat.ID, int64(m.ID))
}

// messageName names a message with its chat: a number alone is another message in
// each.
func messageName(chat, message int64) string { return decimal(chat) + ":" + decimal(message) }

// conversationFor says where m belongs. message_thread_id alone is not enough: in
// groups without topics it names a thread of replies.
func conversationFor(m *models.Message) conversation {
	v := conversation{Chat: m.Chat.ID, Business: m.BusinessConnectionID}
	if m.IsTopicMessage {
		v.Topic = int64(m.MessageThreadID)
	}
	if m.DirectMessagesTopic != nil {
		v.Direct = int64(m.DirectMessagesTopic.TopicID)
	}
	return v
}

// moment reads Unix time; the zero time when there is none.
func moment(seconds int) time.Time {
	if seconds <= 0 {
		return time.Time{}
	}
	return time.Unix(int64(seconds), 0).UTC()
}

// reply fills what m answers: the message and its text, or the part of it that
// was marked. In a topic every message answers the one that made the topic; that
// is no reply.
func reply(m *models.Message, members map[string]json.RawMessage, ev *connectors.Event) {
	if m.Quote != nil {
		ev.Quote = m.Quote.Text
	}
	switch to := m.ReplyToMessage; {
	case to != nil && to.ForumTopicCreated == nil:
		ev.RefID = decimal(int64(to.ID))
		if ev.Quote == "" {
			var quoted connectors.Event
			noun := content(to, object(members["reply_to_message"]), &quoted)
			ev.Quote = shown(quoted, noun)
		}
	case m.ExternalReply != nil && ev.Quote == "":
		ev.Quote = "a message of another chat"
	case members["reply_to_story"] != nil: // the models read another name
		ev.Quote = "a story"
	}
}

// forwardedFrom names who wrote a forwarded message first; empty = not forwarded.
func forwardedFrom(m *models.Message, members map[string]json.RawMessage) string {
	var p person
	switch o := m.ForwardOrigin; {
	case members["forward_origin"] == nil:
		return ""
	case o == nil: // of a kind the models do not know
	case o.MessageOriginUser != nil:
		p = userPerson(&o.MessageOriginUser.SenderUser)
	case o.MessageOriginHiddenUser != nil:
		p.first = o.MessageOriginHiddenUser.SenderUserName
	case o.MessageOriginChat != nil:
		p = chatPerson(&o.MessageOriginChat.SenderChat)
	case o.MessageOriginChannel != nil:
		p = chatPerson(&o.MessageOriginChannel.Chat)
	}
	return nameOr(p, "somebody")
}

// returnChat finds a ChatId in "/start <parameter>", which a deep link
// (t.me/<bot>?start=<parameter>) makes the customer's first message. The text is
// shown as it came.
func returnChat(s string) string {
	command, parameter, _ := strings.Cut(s, " ")
	command, _, _ = strings.Cut(command, "@") // in groups: /start@bot
	if parameter = strings.TrimSpace(parameter); command != "/start" || len(parameter) != 32 && len(parameter) != 36 {
		return ""
	}
	id, err := uuid.Parse(parameter)
	if err != nil {
		return ""
	}
	return id.String()
}
