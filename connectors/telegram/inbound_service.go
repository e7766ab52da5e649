package telegram

import (
	"fmt"
	"strings"

	"github.com/go-telegram/bot/models"

	"servicelink/connectors"
)

// services are the members of service messages.
var services = names(`boost_added channel_chat_created chat_background_set chat_owner_changed chat_owner_left
	chat_shared checklist_tasks_added checklist_tasks_done community_chat_added community_chat_joined
	community_chat_removed connected_website delete_chat_photo direct_message_price_changed forum_topic_closed
	forum_topic_created forum_topic_edited forum_topic_reopened general_forum_topic_hidden
	general_forum_topic_unhidden gift gift_upgrade_sent giveaway_completed giveaway_created group_chat_created
	left_chat_member managed_bot_created message_auto_delete_timer_changed migrate_from_chat_id migrate_to_chat_id
	new_chat_members new_chat_photo new_chat_title paid_message_price_changed pinned_message poll_option_added
	poll_option_deleted proximity_alert_triggered refunded_payment successful_payment suggested_post_approval_failed
	suggested_post_approved suggested_post_declined suggested_post_paid suggested_post_refunded
	supergroup_chat_created unique_gift users_shared video_chat_ended video_chat_participants_invited
	video_chat_scheduled video_chat_started write_access_allowed`)

func names(list string) map[string]bool {
	set := map[string]bool{}
	for name := range strings.FieldsSeq(list) {
		set[name] = true
	}
	return set
}

// serviceText says what happened; empty when its name says enough. A member of m
// may be missing although the message has it, when it could not be read.
func serviceText(name string, m *models.Message, ev *connectors.Event) string {
	switch name {
	case "new_chat_members":
		return newMembers(m)
	case "left_chat_member":
		if m.LeftChatMember != nil {
			return "Left the group: " + nameOr(userPerson(m.LeftChatMember), "somebody")
		}
	case "new_chat_title":
		return fmt.Sprintf("The group is called %q now.", m.NewChatTitle)
	case "forum_topic_created":
		if m.ForumTopicCreated != nil {
			return fmt.Sprintf("The topic %q was made.", m.ForumTopicCreated.Name)
		}
	// A group that becomes a supergroup gets another id, and with it another
	// conversation: both are told of the other.
	case "migrate_to_chat_id":
		goesOn := conversation{Chat: m.MigrateToChatID}.trackingID()
		return "The group became a supergroup. Its conversation goes on as " + goesOn + "."
	case "migrate_from_chat_id":
		was := conversation{Chat: m.MigrateFromChatID}.trackingID()
		return "The supergroup was a group before. Its conversation was " + was + "."
	case "pinned_message":
		return pinned(m, ev)
	}
	return ""
}

func newMembers(m *models.Message) string {
	var names []string
	for _, u := range m.NewChatMembers {
		names = append(names, nameOr(userPerson(&u), "somebody"))
	}
	if len(names) == 0 {
		return ""
	}
	return "Joined the group: " + strings.Join(names, ", ")
}

func nameOr(p person, other string) string {
	if name := p.name(); name != "" {
		return name
	}
	return other
}

func pinned(m *models.Message, ev *connectors.Event) string {
	if m.PinnedMessage == nil || m.PinnedMessage.Message == nil {
		return ""
	}
	var of connectors.Event
	noun := content(m.PinnedMessage.Message, nil, &of)
	ev.RefID = decimal(int64(m.PinnedMessage.Message.ID))
	return "A message was pinned: " + shown(of, noun)
}

// membership reads a change of what the bot may do in a chat. In a private chat
// that is the customer who blocks it, or takes that back.
func (u *update) membership() ([]connectors.Event, bool) {
	m, ok := decode[models.ChatMemberUpdated](u.body)
	if !ok || m.Chat.ID == 0 || m.NewChatMember.Type == "" {
		return nil, false
	}
	who := userPerson(&m.From)
	if who.id == 0 {
		who = chatPerson(&m.Chat)
	}
	if m.Chat.ID != who.id {
		who.group = m.Chat.Title
	}
	// The update's own id tells two alike in one second apart: blocked, let in, blocked.
	revision := hash(string(m.NewChatMember.Type), decimal(u.id))
	ev := connectors.Event{
		Kind:       connectors.KindService,
		TrackingID: conversation{Chat: m.Chat.ID}.trackingID(),
		Customer:   who.customer(u.channel),
		SentAt:     moment(m.Date),
		Text:       membershipText(m),
	}
	if gone(m.NewChatMember) {
		ev.Kind = connectors.KindStop
	}
	ev.ID = connectors.EventID(u.bot, string(ev.Kind), decimal(m.Chat.ID)+":"+decimal(int64(m.Date)), revision)
	return []connectors.Event{ev}, true
}

func gone(m models.ChatMember) bool {
	return m.Type == models.ChatMemberTypeLeft || m.Type == models.ChatMemberTypeBanned ||
		m.Type == models.ChatMemberTypeRestricted && m.Restricted != nil && !m.Restricted.IsMember
}

func membershipText(m *models.ChatMemberUpdated) string {
	private := m.Chat.Type == models.ChatTypePrivate
	switch before, now := gone(m.OldChatMember), gone(m.NewChatMember); {
	case private && now:
		return "The customer blocked the bot."
	case private && before:
		return "The customer lets the bot write again."
	case now:
		return fmt.Sprintf("The bot was removed from %q.", m.Chat.Title)
	case before:
		return fmt.Sprintf("The bot was added to %q.", m.Chat.Title)
	}
	return "What the bot may do here was changed."
}

// businessConnection reads that an account lets the bot see its chats, or not any
// more. It stands in the account owner's own chat with the bot.
func (u *update) businessConnection() ([]connectors.Event, bool) {
	b, ok := decode[models.BusinessConnection](u.body)
	if !ok || b.UserChatID == 0 {
		return nil, false
	}
	said := "The bot may not see the business account's chats any more."
	if b.IsEnabled {
		said = "The bot may see the business account's chats."
	}
	revision := decimal(b.Date) + "." + hash(said, string(u.body))
	return []connectors.Event{{
		ID:         connectors.EventID(u.bot, string(connectors.KindService), "b:"+b.ID, revision),
		Kind:       connectors.KindService,
		TrackingID: conversation{Chat: b.UserChatID}.trackingID(),
		Customer:   userPerson(&b.User).customer(u.channel),
		SentAt:     moment(int(b.Date)),
		Text:       said,
	}}, true
}
