package telegram

import (
	"fmt"
	"strconv"
	"strings"

	"servicelink/test/netsim/control"
)

// press presses an inline button, known by its data, below Message.
func (cu *customer) press() (*message, error) {
	m, err := cu.meant()
	if err != nil {
		return nil, err
	}
	if !m.ReplyMarkup.find(cu.Data) {
		return nil, fmt.Errorf("%w: the message has no such button", control.ErrAction)
	}
	id := strconv.FormatInt(1<<60+cu.bot.net.Int(1<<60), 10)
	cu.bot.addCallback(id, cu.chat.json.ID)
	cu.bot.deliver("callback_query", callbackQuery{
		ID: id, From: cu.user, Message: m, ChatInstance: strconv.FormatInt(cu.chat.json.ID*7919, 10), Data: cu.Data,
	}, cu.now)
	return m, nil
}

// edit changes the text, or the caption, of a message of the customer.
func (cu *customer) edit() (*message, error) {
	m, err := cu.meant()
	switch {
	case err != nil:
		return nil, err
	case m.mine:
		return nil, fmt.Errorf("%w: it is the bot's message", control.ErrAction)
	case m.Text != "" && strings.TrimSpace(cu.Text) == "":
		return nil, fmt.Errorf("%w: text is empty", control.ErrAction)
	}
	if m.Text != "" {
		m.Text = strings.TrimSpace(cu.Text)
		m.Entities = commands(m.Text)
	} else {
		m.Caption = cu.Caption
	}
	m.EditDate = unix(cu.now)
	cu.bot.reshow(m, func(shown *control.Message) {
		shown.Text, shown.Caption, shown.Edited = m.Text, m.Caption, true
	})
	cu.bot.deliver(m.member("edited_"), m, cu.now)
	return m, nil
}

// remove deletes a message. Only business bots are told.
func (cu *customer) remove() (*message, error) {
	m, err := cu.meant()
	if err != nil {
		return nil, err
	}
	m.deleted = true
	cu.bot.reshow(m, func(shown *control.Message) { shown.Deleted = true })
	if m.BusinessConnectionID != "" {
		cu.bot.deliver("deleted_business_messages", businessDeleted{m.BusinessConnectionID, m.Chat, []int64{m.MessageID}}, cu.now)
	}
	return m, nil
}

// react replaces the customer's reactions by Emoji.
func (cu *customer) react() (*message, error) {
	m, err := cu.meant()
	if err != nil {
		return nil, err
	}
	var before []string
	cu.bot.reshow(m, func(shown *control.Message) { before, shown.Reactions = shown.Reactions, cu.Emoji })
	from := cu.user
	cu.bot.deliver("message_reaction", reactionUpdated{
		Chat: cu.chat.json, MessageID: m.MessageID, User: &from, Date: unix(cu.now),
		OldReaction: reactions(before), NewReaction: reactions(cu.Emoji),
	}, cu.now)
	return m, nil
}

func reactions(emoji []string) []reactionType {
	list := make([]reactionType, len(emoji))
	for i, e := range emoji {
		list[i] = reactionType{"emoji", e}
	}
	return list
}

// block stops the bot, or in a group removes it; and back.
func (cu *customer) block(on bool) error {
	if cu.chat.blocked == on {
		return nil
	}
	cu.chat.blocked = on
	was, is := "member", "kicked"
	if !on {
		was, is = is, was
	}
	err := cu.bot.net.Change(cu.bot.token, chatID(cu.chat.json.ID), func(c *control.Conversation) { c.Blocked = on })
	cu.bot.deliver("my_chat_member", memberUpdated{
		Chat: cu.chat.json, From: cu.user, Date: unix(cu.now), Old: cu.bot.member(was), New: cu.bot.member(is),
	}, cu.now)
	return err
}

func (b *bot) member(status string) chatMember {
	m := chatMember{Status: status, User: b.self}
	if status == "kicked" {
		m.UntilDate = new(int64)
	}
	return m
}

// public refuses what there is in no private chat.
func (cu *customer) public() error {
	if cu.chat.json.Type == private {
		return fmt.Errorf("%w: not in a private chat", control.ErrAction)
	}
	return nil
}

func (cu *customer) title() (*message, error) {
	if err := cu.public(); err != nil {
		return nil, err
	}
	if cu.Text == "" {
		return nil, fmt.Errorf("%w: text is empty", control.ErrAction)
	}
	as := cu.chat.json
	as.Title = cu.Text
	if _, err := cu.bot.open(as); err != nil {
		return nil, err
	}
	m := cu.message()
	m.NewChatTitle = cu.Text
	return cu.say(m)
}

func (cu *customer) join() (*message, error) {
	if err := cu.public(); err != nil {
		return nil, err
	}
	m := cu.message()
	m.NewChatMembers = []user{cu.user}
	return cu.say(m)
}

func (cu *customer) leave() (*message, error) {
	if err := cu.public(); err != nil {
		return nil, err
	}
	m := cu.message()
	left := cu.user
	m.LeftChatMember = &left
	return cu.say(m)
}

// migrate makes a group a supergroup with an id of its own. Both chats say so;
// the message returned is the new chat's.
func (cu *customer) migrate() (*message, error) {
	old := cu.chat
	if old.json.Type != group {
		return nil, fmt.Errorf("%w: only a group becomes a supergroup", control.ErrAction)
	}
	as := old.json
	as.Type, as.ID = supergroup, -1_000_000_000_000-1-cu.bot.net.Int(2_000_000_000)
	next, err := cu.bot.open(as)
	if err != nil {
		return nil, err
	}
	next.threads = old.threads
	m := cu.message()
	m.MigrateTo = as.ID
	if _, err := cu.say(m); err != nil {
		return nil, err
	}
	old.movedTo = as.ID
	cu.chat = next
	m = cu.message()
	m.MigrateFrom = old.json.ID
	return cu.say(m)
}
