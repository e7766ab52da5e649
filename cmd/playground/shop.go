package main

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
)

// Limits of the demonstration network. It is a toy with a memory, so the
// memory ends somewhere.
const (
	maxChats    = 200
	maxMessages = 500 // of one chat; the oldest are forgotten
	maxText     = 4000
)

// shop is the demonstration network: the client's server at the other end of
// the Omnichannel channel. It keeps its customers' chats in memory, posts what
// they write to the gateway's webhook and takes the agents' answers at
// /send_message, each id once.
type shop struct {
	mu       sync.Mutex
	chats    []*chat
	nextChat int64
	offline  bool
	watchers map[chan []byte]struct{}
	links    []link
	newChats chan *chat // for run, which posts what their customers write
}

// link is one of the playground's other addresses, shown on the page.
type link struct {
	Name string `json:"name"`
	URL  string `json:"url"`
}

// chat is one customer's conversation. Its Messages are changed under shop.mu.
type chat struct {
	ID       int64      `json:"id"`
	Name     string     `json:"name"`
	Messages []*message `json:"messages"`
	outbox   chan *message
}

// message is one message as the customer sees it.
type message struct {
	ID      string    `json:"id"`
	FromMe  bool      `json:"from_me"`
	Text    string    `json:"text"`
	Buttons []button  `json:"buttons,omitempty"`
	At      time.Time `json:"at"`
	// State of a message of the customer's: sending, taken, waiting, refused.
	State string `json:"state,omitempty"`
	// Detail says more about State, for people.
	Detail string `json:"detail,omitempty"`
	// Copies counts how often the same id came; it is shown once.
	Copies int `json:"copies"`

	pressed *button // the customer pressed it instead of writing
}

// button is a choice the agent offers.
type button struct {
	ID   string `json:"id"`
	Text string `json:"text"`
}

// newShop makes a network without customers. Chat ids begin at a number that
// no earlier start has used, because the gateway's journal may remember it.
func newShop(now time.Time, links []link) *shop {
	return &shop{
		chats:    []*chat{},
		nextChat: now.Unix(),
		watchers: map[chan []byte]struct{}{},
		links:    links,
		newChats: make(chan *chat, maxChats),
	}
}

// addChat opens a chat for a customer; nil when there are too many. id 0
// takes the next free one.
func (s *shop) addChat(id int64, name string) *chat {
	if len(s.chats) >= maxChats {
		return nil
	}
	if id == 0 {
		s.nextChat++
		id = s.nextChat
	}
	if name = strings.TrimSpace(name); name == "" {
		name = fmt.Sprintf("Customer %d", len(s.chats)+1)
	}
	c := &chat{ID: id, Name: truncate(name, 60), Messages: []*message{}, outbox: make(chan *message, 100)}
	s.chats = append(s.chats, c)
	s.newChats <- c // has a place for every chat there can be
	s.publish("chat", c)
	return c
}

func (s *shop) find(id int64) *chat {
	i := slices.IndexFunc(s.chats, func(c *chat) bool { return c.ID == id })
	if i < 0 {
		return nil
	}
	return s.chats[i]
}

func (c *chat) message(id string) *message {
	i := slices.IndexFunc(c.Messages, func(m *message) bool { return m.ID == id })
	if i < 0 {
		return nil
	}
	return c.Messages[i]
}

// add appends m and tells the pages.
func (s *shop) add(c *chat, m *message) {
	c.Messages = append(c.Messages, m)
	if over := len(c.Messages) - maxMessages; over > 0 {
		c.Messages = slices.Delete(c.Messages, 0, over)
	}
	s.changed(c, m)
}

func (s *shop) changed(c *chat, m *message) {
	s.publish("message", struct {
		Chat    int64    `json:"chat"`
		Message *message `json:"message"`
	}{c.ID, m})
}

// take records an answer of the agent; a repeated id changes nothing but its
// count of copies. It reports false while the network plays dead.
func (s *shop) take(chatID int64, m *message) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.offline {
		return false
	}
	c := s.find(chatID)
	if c == nil { // somebody wrote by hand, with curl
		if c = s.addChat(chatID, fmt.Sprintf("Chat %d", chatID)); c == nil {
			return true
		}
	}
	if known := c.message(m.ID); known != nil {
		known.Copies++
		s.changed(c, known)
		return true
	}
	m.Copies = 1
	s.add(c, m)
	return true
}

// setState moves a customer's message on.
func (s *shop) setState(c *chat, m *message, state, detail string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	m.State, m.Detail = state, detail
	s.changed(c, m)
}

// watch gives the present state and then every change, as server-sent events.
// A watcher that does not keep up is dropped; its page connects anew.
func (s *shop) watch() (events chan []byte, cancel func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	events = make(chan []byte, 64)
	events <- encodeEvent("state", struct {
		Chats   []*chat `json:"chats"`
		Offline bool    `json:"offline"`
		Links   []link  `json:"links"`
	}{s.chats, s.offline, s.links})
	s.watchers[events] = struct{}{}
	return events, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.drop(events)
	}
}

func (s *shop) drop(events chan []byte) {
	if _, there := s.watchers[events]; there {
		delete(s.watchers, events)
		close(events)
	}
}

// publish tells every page; shop.mu is held.
func (s *shop) publish(kind string, what any) {
	event := encodeEvent(kind, what)
	for w := range s.watchers {
		select {
		case w <- event:
		default:
			s.drop(w)
		}
	}
}

func encodeEvent(kind string, what any) []byte {
	data, err := json.Marshal(what)
	if err != nil { // nothing in these structs can fail
		data = []byte("null")
	}
	return fmt.Appendf(nil, "event: %s\ndata: %s\n\n", kind, data)
}

func newID() string { return strings.ToLower(rand.Text()) }

// truncate cuts s to at most n characters.
func truncate(s string, n int) string {
	for i := range s {
		if n == 0 {
			return s[:i]
		}
		n--
	}
	return s
}
