package telegram

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"servicelink/test/netsim/control"
)

// target is where a message goes and what belongs to every kind of message.
type target struct {
	chat     *chat
	thread   int64
	reply    *message
	quote    *quote
	business *businessConnection
	markup   *markup
}

// target reads and checks what all send methods have in common.
func (c *call) target() (*target, error) {
	markup, err := c.markup()
	if err != nil {
		return nil, err
	}
	t := &target{markup: markup}
	if t.chat, err = c.writable(); err != nil {
		return nil, err
	}
	if id := c.values["business_connection_id"]; id != "" {
		t.business = c.bot.business[id]
		if t.business == nil || !t.business.IsEnabled {
			return nil, badRequest("business connection not found")
		}
	}
	if t.thread = c.integer("message_thread_id", 0, 0, 1<<52); t.thread != 0 && !t.chat.threads[t.thread] {
		return nil, badRequest("message thread not found")
	}
	if t.reply, t.quote, err = c.reply(t.chat); err != nil {
		return nil, err
	}
	return t, nil
}

// writable returns the chat of chat_id if the bot may write to it.
func (c *call) writable() (*chat, error) {
	to, err := c.bot.chat(c.values["chat_id"])
	switch {
	case err != nil:
		return nil, err
	case to.movedTo != 0:
		e := badRequest("group chat was upgraded to a supergroup chat")
		e.migrateTo = to.movedTo
		return nil, e
	case to.blocked && to.json.Type == private:
		return nil, errBlocked
	case to.blocked:
		return nil, forbidden("bot was kicked from the " + to.json.Type + " chat")
	}
	return to, nil
}

// reply reads what a message answers, in the present and the former way.
func (c *call) reply(in *chat) (*message, *quote, error) {
	var to struct {
		MessageID int64  `json:"message_id"`
		Allow     bool   `json:"allow_sending_without_reply"`
		Quote     string `json:"quote"`
	}
	if c.decode("reply_parameters", &to) != nil {
		return nil, nil, badRequest("can't parse reply parameters JSON object")
	}
	if to.MessageID == 0 {
		to.MessageID = c.integer("reply_to_message_id", 0, 0, 1<<52)
		to.Allow = c.yes("allow_sending_without_reply")
	}
	if to.MessageID == 0 {
		return nil, nil, nil
	}
	m := in.find(to.MessageID)
	switch {
	case m == nil && to.Allow:
		return nil, nil, nil
	case m == nil:
		return nil, nil, badRequest("message to be replied not found")
	case to.Quote == "":
		return m, nil, nil
	}
	before, _, found := strings.Cut(m.Text+m.Caption, to.Quote)
	if !found {
		return nil, nil, badRequest("QUOTE_TEXT_INVALID")
	}
	return m, &quote{Text: to.Quote, Position: utf16Len(before), IsManual: true}, nil
}

// post makes m a message of the bot in t and shows it.
func (c *call) post(t *target, m *message) *message {
	b := c.bot
	m.mine = true
	m.Chat, m.MessageID, m.Date = t.chat.json, t.chat.nextID(), unix(time.Now())
	self := b.self
	switch {
	case t.business != nil:
		owner := t.business.User
		m.From, m.SenderBusinessBot, m.BusinessConnectionID = &owner, &self, t.business.ID
	case t.chat.json.Type == channel:
		m.SenderChat = &t.chat.json
	default:
		m.From = &self
	}
	if t.thread != 0 {
		m.ThreadID, m.IsTopicMessage = t.thread, true
	}
	m.ReplyTo, m.Quote = t.reply.short(), t.quote
	if t.markup != nil && t.markup.inline != nil {
		m.ReplyMarkup = t.markup.inline
	}
	t.chat.add(m)
	b.show(t.chat, m)
	if t.markup != nil && t.markup.inline == nil {
		b.showButtons(m, t.markup.buttons)
	}
	shown := *m
	return &shown
}

// short is a message inside another: without what it answers itself.
func (m *message) short() *message {
	if m == nil {
		return nil
	}
	inner := *m
	inner.ReplyTo = nil
	return &inner
}

func (c *call) sendMessage() (any, error) {
	if c.values["text"] == "" {
		return nil, errMessageEmpty
	}
	text, entities, err := formatted(c.params, "text", "entities")
	switch {
	case err != nil:
		return nil, err
	case text == "":
		return nil, badRequest("text must be non-empty")
	}
	t, err := c.target()
	switch {
	case err != nil:
		return nil, err
	case utf16Len(text) > maxText:
		return nil, badRequest("message is too long")
	}
	if err := c.limit(t.chat, 1); err != nil {
		return nil, err
	}
	return c.post(t, &message{Text: text, Entities: entities}), nil
}

func (c *call) point() (location, error) {
	if !c.has("latitude") {
		return location{}, badRequest("latitude is empty")
	}
	if !c.has("longitude") {
		return location{}, badRequest("longitude is empty")
	}
	lat, err1 := strconv.ParseFloat(c.values["latitude"], 64)
	lon, err2 := strconv.ParseFloat(c.values["longitude"], 64)
	if err1 != nil || err2 != nil || lat < -90 || lat > 90 || lon < -180 || lon > 180 {
		return location{}, badRequest("wrong latitude or longitude specified")
	}
	return location{lat, lon}, nil
}

// sendPlain sends what has neither text nor file.
func (c *call) sendPlain(m *message) (any, error) {
	t, err := c.target()
	if err != nil {
		return nil, err
	}
	if err := c.limit(t.chat, 1); err != nil {
		return nil, err
	}
	return c.post(t, m), nil
}

func (c *call) sendLocation() (any, error) {
	at, err := c.point()
	if err != nil {
		return nil, err
	}
	return c.sendPlain(&message{Location: &at})
}

func (c *call) sendVenue() (any, error) {
	at, err := c.point()
	if err != nil {
		return nil, err
	}
	for _, name := range []string{"title", "address"} {
		if !c.has(name) {
			return nil, badRequest("parameter \"%s\" is required", name)
		}
	}
	return c.sendPlain(&message{Location: &at, Venue: &venue{at, c.values["title"], c.values["address"]}})
}

func (c *call) sendContact() (any, error) {
	for _, name := range []string{"phone_number", "first_name"} {
		if !c.has(name) {
			return nil, badRequest("parameter \"%s\" is required", name)
		}
	}
	return c.sendPlain(&message{Contact: &contact{
		PhoneNumber: c.values["phone_number"], FirstName: c.values["first_name"],
		LastName: c.values["last_name"], VCard: c.values["vcard"],
	}})
}

// sendChatAction shows that the bot is typing; other actions look the same.
func (c *call) sendChatAction() (any, error) {
	to, err := c.writable()
	if err != nil {
		return nil, err
	}
	if !slices.Contains(actions, strings.ToLower(c.values["action"])) {
		return nil, badRequest("wrong parameter action in request")
	}
	return true, c.net.Typing(c.bot.token, chatID(to.json.ID))
}

// show puts a message into the conversation as the customer sees it.
func (b *bot) show(in *chat, m *message) {
	_ = b.net.Add(b.token, chatID(in.json.ID), b.seen(m)) // a full book shows no more
}

// showButtons shows a reply keyboard below a message.
func (b *bot) showButtons(m *message, rows [][]control.Button) {
	b.reshow(m, func(shown *control.Message) { shown.Buttons = rows })
}

// reshow changes how m is shown.
func (b *bot) reshow(m *message, fn func(*control.Message)) {
	_ = b.net.ChangeMessage(b.token, chatID(m.Chat.ID), chatID(m.MessageID), fn) // it may be forgotten
}

// seen is m as the customer sees it.
func (b *bot) seen(m *message) control.Message {
	shown := control.Message{
		ID: chatID(m.MessageID), From: control.FromCustomer, Kind: m.kind(), Text: m.Text, Caption: m.Caption,
		Thread: m.ThreadID, At: time.Unix(m.Date, 0), Buttons: m.ReplyMarkup.buttons(), Edited: m.EditDate != 0,
	}
	if m.mine {
		shown.From = control.FromAgent
	}
	if m.ReplyTo != nil {
		shown.ReplyTo = chatID(m.ReplyTo.MessageID)
	}
	if id := m.fileID(); id != "" {
		if f := b.files.byID[id]; f != nil {
			shown.File = b.pageFile(f)
		}
	}
	if m.Location != nil {
		shown.Location = &control.Location{Lat: m.Location.Latitude, Lon: m.Location.Longitude}
		if m.Venue != nil {
			shown.Location.Title = strings.TrimSpace(m.Venue.Title + ", " + m.Venue.Address)
		}
	}
	if m.Contact != nil {
		shown.Contact = &control.Contact{
			Name: strings.TrimSpace(m.Contact.FirstName + " " + m.Contact.LastName), Phone: m.Contact.PhoneNumber,
		}
	}
	return shown
}

// kind names what m holds.
func (m *message) kind() string {
	switch {
	case len(m.Photo) > 0:
		return string(mediaPhoto)
	case m.Venue != nil:
		return "venue"
	case m.Location != nil:
		return "location"
	case m.Contact != nil:
		return "contact"
	case m.Text != "":
		return "text"
	}
	for kind, one := range m.single() {
		if one != nil {
			return string(kind)
		}
	}
	return "service"
}

// single lists the members that describe one file, what animations share with
// documents left out.
func (m *message) single() map[media]*fileJSON {
	all := map[media]*fileJSON{
		mediaAudio: m.Audio, mediaVoice: m.Voice, mediaVideo: m.Video, mediaVideoNote: m.VideoNote,
		mediaAnimation: m.Animation, mediaSticker: m.Sticker,
	}
	if m.Animation == nil {
		all[mediaDocument] = m.Document
	}
	return all
}

func (m *message) fileID() string {
	if len(m.Photo) > 0 {
		return m.Photo[len(m.Photo)-1].FileID
	}
	for _, one := range m.single() {
		if one != nil {
			return one.FileID
		}
	}
	return ""
}
