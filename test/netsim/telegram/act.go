package telegram

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"servicelink/test/netsim/control"
)

// maxID: ids have at most 52 significant bits.
const maxID = 1 << 52

// customer is one Act: who does something in which chat.
type customer struct {
	control.Action
	bot  *bot
	chat *chat
	user user
	now  time.Time
}

// Act implements control.Network. It returns the message's id; of block,
// unblock and jump it is empty.
func (n *Network) Act(account string, a control.Action) (control.ID, error) {
	b, err := n.find(account)
	if err != nil {
		return "", err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if a.Do == "jump" {
		b.queue.jump(n.Int)
		return "", nil
	}
	cu := &customer{Action: a, bot: b, now: time.Now()}
	if err := cu.enter(); err != nil {
		return "", err
	}
	do := acts[a.Do]
	if do == nil {
		return "", fmt.Errorf("%w: %q", control.ErrAction, a.Do)
	}
	if cu.chat.movedTo != 0 {
		return "", fmt.Errorf("%w: the group moved to %d", control.ErrAction, cu.chat.movedTo)
	}
	m, err := do(cu)
	if err != nil || m == nil {
		return "", err
	}
	return chatID(m.MessageID), nil
}

// acts are what a customer can do. They return the message that came of it or
// was meant; nil where there is none.
var acts = map[string]func(*customer) (*message, error){
	"text": (*customer).text, "start": (*customer).start, "reply": (*customer).reply,
	"location": (*customer).location, "venue": (*customer).venue, "contact": (*customer).contact,
	"photo":      func(cu *customer) (*message, error) { return cu.file(mediaPhoto) },
	"document":   func(cu *customer) (*message, error) { return cu.file(mediaDocument) },
	"audio":      func(cu *customer) (*message, error) { return cu.file(mediaAudio) },
	"voice":      func(cu *customer) (*message, error) { return cu.file(mediaVoice) },
	"video":      func(cu *customer) (*message, error) { return cu.file(mediaVideo) },
	"video_note": func(cu *customer) (*message, error) { return cu.file(mediaVideoNote) },
	"animation":  func(cu *customer) (*message, error) { return cu.file(mediaAnimation) },
	"sticker":    func(cu *customer) (*message, error) { return cu.file(mediaSticker) },
	"press":      (*customer).press, "edit": (*customer).edit, "delete": (*customer).remove, "react": (*customer).react,
	"block":   func(cu *customer) (*message, error) { return nil, cu.block(true) },
	"unblock": func(cu *customer) (*message, error) { return nil, cu.block(false) },
	"title":   (*customer).title, "join": (*customer).join, "leave": (*customer).leave, "migrate": (*customer).migrate,
}

// enter finds or makes the user and the chat.
func (cu *customer) enter() error {
	id, err := number(cu.User.ID)
	if err != nil {
		return err
	}
	cu.user = user{
		ID: id, FirstName: cu.User.FirstName, LastName: cu.User.LastName,
		Username: cu.User.Username, LanguageCode: cu.User.LanguageCode,
	}
	in, err := number(cu.Chat)
	if err != nil {
		return err
	}
	if in == 0 {
		in = id
	}
	if known := cu.bot.chats[in]; known != nil && cu.known(known, in) {
		return nil
	}
	if id <= 0 && cu.ChatType != channel {
		return fmt.Errorf("%w: user.id is missing", control.ErrAction)
	}
	if cu.user.FirstName == "" {
		cu.user.FirstName = "Customer " + strconv.FormatInt(id, 10)
	}
	as := chatJSON{ID: in, Type: cu.ChatType, Title: cu.Title}
	switch {
	case as.Type == "" && in > 0, as.Type == private:
		as = chatJSON{
			ID: id, Type: private, FirstName: cu.user.FirstName, LastName: cu.user.LastName, Username: cu.user.Username,
		}
	case in >= 0:
		return fmt.Errorf("%w: the id of a %s is negative", control.ErrAction, as.Type)
	case as.Type == "":
		as.Type = group
	case as.Type != group && as.Type != supergroup && as.Type != channel:
		return fmt.Errorf("%w: chat_type %q", control.ErrAction, as.Type)
	}
	if as.Type != private && as.Title == "" {
		as.Title = "Chat " + strconv.FormatInt(in, 10)
	}
	as.IsForum = cu.Thread != 0
	cu.chat, err = cu.bot.open(as)
	if err == nil && cu.Business != "" {
		err = cu.connect()
	}
	return err
}

// known enters a chat that is there: what the action leaves out stays as it was.
func (cu *customer) known(c *chat, id int64) bool {
	if cu.user.ID == 0 && id > 0 {
		cu.user.ID = id
	}
	if c.json.Type != private {
		if cu.user.ID <= 0 && c.json.Type != channel {
			return false
		}
		if cu.user.FirstName == "" {
			cu.user.FirstName = "Customer " + strconv.FormatInt(cu.user.ID, 10)
		}
		cu.chat = c
		c.json.IsForum = c.json.IsForum || cu.Thread != 0
		return cu.Business == ""
	}
	if cu.user.FirstName == "" {
		language := cu.user.LanguageCode
		cu.user = user{
			ID: id, FirstName: c.json.FirstName, LastName: c.json.LastName, Username: c.json.Username, LanguageCode: language,
		}
	}
	return false // open again, with what may be new names
}

// connect makes a business connection: the bot answers for its owner.
func (cu *customer) connect() error {
	if cu.chat.json.Type != private {
		return fmt.Errorf("%w: business chats are private", control.ErrAction)
	}
	if cu.bot.business[cu.Business] != nil {
		return nil
	}
	if len(cu.bot.business) >= 100 {
		return fmt.Errorf("%w: 100 business connections", control.ErrFull)
	}
	owner := 1 + cu.bot.net.Int(maxID-1)
	made := &businessConnection{
		ID: cu.Business, User: user{ID: owner, FirstName: "Owner"}, UserChatID: owner, Date: unix(cu.now),
		Rights: map[string]bool{"can_reply": true, "can_read_messages": true}, IsEnabled: true,
	}
	cu.bot.business[cu.Business] = made
	cu.bot.deliver("business_connection", made, cu.now)
	return nil
}

func number(id control.ID) (int64, error) {
	if id == "" {
		return 0, nil
	}
	n, err := strconv.ParseInt(string(id), 10, 64)
	if err != nil || n >= maxID || n <= -maxID {
		return 0, fmt.Errorf("%w: an id has at most 52 bits", control.ErrAction)
	}
	return n, nil
}

// message begins a message of the customer.
func (cu *customer) message() *message {
	m := &message{
		MessageID: cu.chat.nextID(), Date: unix(cu.now), Chat: cu.chat.json,
		MediaGroupID: cu.Album, BusinessConnectionID: cu.Business,
	}
	if cu.chat.json.Type == channel {
		m.SenderChat = &cu.chat.json
	} else {
		from := cu.user
		m.From = &from
	}
	if cu.Thread != 0 {
		cu.chat.threads[cu.Thread] = true
		m.ThreadID, m.IsTopicMessage = cu.Thread, true
	}
	if _, ok := facts[media(cu.Do)]; ok {
		m.Caption = cu.Caption
	}
	return m
}

// say delivers and shows a message that is ready. Who writes to a bot he had
// blocked has unblocked it.
func (cu *customer) say(m *message) (*message, error) {
	if cu.chat.blocked && cu.chat.json.Type == private {
		if err := cu.block(false); err != nil {
			return nil, err
		}
	}
	cu.chat.add(m)
	cu.bot.show(cu.chat, m)
	cu.bot.deliver(m.member(""), m, cu.now)
	return m, nil
}

// member is the member of Update that m comes in; edited is "" or "edited_".
func (m *message) member(edited string) string {
	switch {
	case m.BusinessConnectionID != "":
		return edited + "business_message"
	case m.Chat.Type == channel:
		return edited + "channel_post"
	default:
		return edited + "message"
	}
}

// meant is the message that the action is about.
func (cu *customer) meant() (*message, error) {
	id, err := number(cu.Message)
	if err != nil {
		return nil, err
	}
	if m := cu.chat.find(id); m != nil {
		return m, nil
	}
	return nil, fmt.Errorf("message %q: %w", cu.Message, control.ErrUnknown)
}

// commands marks the command a text begins with.
func commands(text string) []entity {
	if !strings.HasPrefix(text, "/") {
		return nil
	}
	word := strings.Fields(text)[0]
	if len(word) < 2 {
		return nil
	}
	return []entity{{Type: "bot_command", Offset: 0, Length: utf16Len(word)}}
}
