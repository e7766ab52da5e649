package telegram

import (
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"servicelink/test/netsim/control"
)

// Bounds of what is kept for one bot; the oldest goes first.
const (
	maxChats     = 20_000
	maxMessages  = 500 // of one chat
	maxCallbacks = 1000
)

// Types of chats.
const (
	private    = "private"
	group      = "group"
	supergroup = "supergroup"
	channel    = "channel"
)

// bot is one account and everything it knows. mu guards all but net and token.
type bot struct {
	net   *Network
	token string

	mu        sync.Mutex
	account   Account
	self      user
	queue     queue
	again     []update // to be delivered a second time
	chats     map[int64]*chat
	files     files
	callbacks []callback
	business  map[string]*businessConnection
	sent      bucket
	hook      hook

	poll         *poll // the getUpdates that waits
	lastOffset   int64
	lastPoll     time.Time
	nextConflict time.Time
}

// chat is one chat of a bot.
type chat struct {
	json     chatJSON
	last     int64 // message_id given last
	messages []*message
	threads  map[int64]bool
	blocked  bool // the customer stopped the bot, or it was removed
	movedTo  int64
	sent     bucket
}

// callback is a button press that can still be answered.
type callback struct {
	id   string
	chat int64
	at   time.Time
}

func newBot(n *Network, a Account, id int64) *bot {
	b := &bot{
		net: n, token: a.Token, account: a,
		self:     user{ID: id, IsBot: true, FirstName: a.Name, Username: a.Username},
		chats:    map[int64]*chat{},
		business: map[string]*businessConnection{},
	}
	b.files = files{byID: map[string]*file{}, profiles: map[int64]*file{}}
	b.queue.last = 100_000_000 + n.Int(700_000_000)
	return b
}

// chat returns a chat that is there, by id or @username.
func (b *bot) chat(id string) (*chat, error) {
	id = strings.TrimSpace(id)
	if id == "" {
		return nil, badRequest("chat_id is empty")
	}
	if name, ok := strings.CutPrefix(id, "@"); ok {
		for _, c := range b.chats {
			if c.json.Type != private && strings.EqualFold(c.json.Username, name) {
				return c, nil
			}
		}
		return nil, errChat
	}
	number, err := strconv.ParseInt(id, 10, 64)
	if c := b.chats[number]; err == nil && c != nil {
		return c, nil
	}
	return nil, errChat
}

// open returns the chat with this id, making it known if it is not.
func (b *bot) open(as chatJSON) (*chat, error) {
	c := b.chats[as.ID]
	switch {
	case c != nil && c.json.Type != as.Type:
		return nil, fmt.Errorf("%w: chat %d is a %s", control.ErrAction, as.ID, c.json.Type)
	case c == nil && len(b.chats) >= maxChats:
		return nil, fmt.Errorf("%w: %d chats", control.ErrFull, maxChats)
	case c == nil:
		c = &chat{last: b.net.Int(1000), threads: map[int64]bool{}}
		b.chats[as.ID] = c
	}
	c.json = as
	return c, b.net.Open(b.token, control.ChatInfo{Chat: chatID(as.ID), Type: as.Type, Name: as.name()})
}

// add keeps a message that is new in c.
func (c *chat) add(m *message) {
	c.messages = append(c.messages, m)
	if len(c.messages) > maxMessages {
		c.messages[0] = nil
		c.messages = c.messages[1:]
	}
}

// find returns a message of c that is not deleted; nil when there is none.
func (c *chat) find(id int64) *message {
	for _, m := range c.messages {
		if m.MessageID == id && !m.deleted {
			return m
		}
	}
	return nil
}

// nextID is the id of the next message.
func (c *chat) nextID() int64 {
	c.last++
	return c.last
}

// randomID is an id in the letters of file ids.
func (n *Network) randomID(bytes int) string {
	var raw []byte
	for len(raw) < bytes {
		raw = binary.BigEndian.AppendUint64(raw, uint64(n.Int(1<<62)))
	}
	return base64.RawURLEncoding.EncodeToString(raw[:bytes])
}

func chatID(id int64) control.ID { return control.ID(strconv.FormatInt(id, 10)) }
