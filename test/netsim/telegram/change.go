package telegram

import (
	"slices"
	"time"

	"servicelink/test/netsim/control"
)

// deletable is how long a message can be deleted.
const deletable = 48 * time.Hour

var errNotModified = badRequest("message is not modified: specified new message content and reply markup are exactly " +
	"the same as a current content and reply markup of the message")

// edited returns the message that an edit method names.
func (c *call) edited() (*message, error) {
	to, err := c.writable()
	if err != nil {
		return nil, err
	}
	m := to.find(c.integer("message_id", 0, 0, 1<<52))
	switch {
	case m == nil:
		return nil, badRequest("message to edit not found")
	case !m.mine:
		return nil, badRequest("message can't be edited")
	}
	return m, nil
}

// edit changes a message of the bot; with an absent markup its keyboard goes.
func (c *call) edit(change func(m *message)) (any, error) {
	keyboard, err := c.markup()
	if err != nil {
		return nil, err
	}
	m, err := c.edited()
	if err != nil {
		return nil, err
	}
	next := *m
	next.ReplyMarkup = nil
	if keyboard != nil {
		next.ReplyMarkup = keyboard.inline
	}
	change(&next)
	if next.Text == m.Text && next.Caption == m.Caption && string(encode([]any{next.Entities, next.CaptionEntities, next.ReplyMarkup})) ==
		string(encode([]any{m.Entities, m.CaptionEntities, m.ReplyMarkup})) {
		return nil, errNotModified
	}
	next.EditDate = unix(time.Now())
	*m = next
	seen := c.bot.seen(m)
	c.bot.reshow(m, func(shown *control.Message) {
		shown.Text, shown.Caption, shown.Buttons, shown.Edited = seen.Text, seen.Caption, seen.Buttons, true
	})
	return &next, nil
}

func (c *call) editMessageText() (any, error) {
	text, entities, err := formatted(c.params, "text", "entities")
	switch {
	case err != nil:
		return nil, err
	case text == "":
		return nil, errMessageEmpty
	case utf16Len(text) > maxText:
		return nil, badRequest("message is too long")
	}
	if m, err := c.edited(); err == nil && m.Text == "" {
		return nil, badRequest("there is no text in the message to edit")
	}
	return c.edit(func(m *message) { m.Text, m.Entities = text, entities })
}

func (c *call) editMessageCaption() (any, error) {
	text, entities, err := c.caption(c.params, mediaDocument)
	if err != nil {
		return nil, err
	}
	return c.edit(func(m *message) { m.Caption, m.CaptionEntities = text, entities })
}

func (c *call) editMessageReplyMarkup() (any, error) { return c.edit(func(*message) {}) }

func (c *call) deleteMessage() (any, error) {
	to, err := c.writable()
	if err != nil {
		return nil, err
	}
	m := to.find(c.integer("message_id", 0, 0, 1<<52))
	switch {
	case m == nil:
		return nil, badRequest("message to delete not found")
	case !m.mine && to.json.Type != private, time.Since(time.Unix(m.Date, 0)) > deletable:
		return nil, badRequest("message can't be deleted")
	}
	m.deleted = true
	c.bot.reshow(m, func(shown *control.Message) { shown.Deleted = true })
	return true, nil
}

// setMessageReaction shows the bot's own reaction.
func (c *call) setMessageReaction() (any, error) {
	var list []reactionType
	if c.decode("reaction", &list) != nil {
		return nil, badRequest("can't parse reaction types JSON object")
	}
	to, err := c.writable()
	if err != nil {
		return nil, err
	}
	m := to.find(c.integer("message_id", 0, 0, 1<<52))
	if m == nil {
		return nil, badRequest("message to react not found")
	}
	if len(list) > 1 || slices.ContainsFunc(list, func(r reactionType) bool { return r.Type == "emoji" && r.Emoji == "" }) {
		return nil, badRequest("REACTION_INVALID")
	}
	c.bot.reshow(m, func(shown *control.Message) {
		shown.Reactions = nil
		for _, r := range list {
			shown.Reactions = append(shown.Reactions, r.Emoji)
		}
	})
	return true, nil
}

// answerCallbackQuery ends the spinning of a pressed button.
func (c *call) answerCallbackQuery() (any, error) {
	if utf16Len(c.values["text"]) > 200 {
		return nil, badRequest("MESSAGE_TOO_LONG")
	}
	life := time.Duration(c.net.Settings().CallbackSeconds * float64(time.Second))
	if life == 0 {
		life = callbackLife
	}
	i := slices.IndexFunc(c.bot.callbacks, func(k callback) bool { return k.id == c.values["callback_query_id"] })
	if i < 0 || time.Since(c.bot.callbacks[i].at) > life {
		return nil, errQueryID
	}
	if chat := c.bot.callbacks[i].chat; chat != 0 {
		_ = c.net.Change(c.bot.token, chatID(chat), func(shown *control.Conversation) { shown.Notice = c.values["text"] })
	}
	return true, nil
}
