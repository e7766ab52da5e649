package refcore

import (
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"servicelink/simprot"
)

// ErrChatClosed is returned for a chat that has ended.
var ErrChatClosed = errors.New("refcore: the chat is closed")

// ChatState is a chat as the agent sees it.
type ChatState struct {
	Chat
	// CustomerTyping is for how much longer the customer counts as typing; 0 =
	// not at all.
	CustomerTyping time.Duration
	// ReplyUntil is until when the customer can be answered freely, as the gateway
	// said last; zero = it did not say. It is forgotten with a restart.
	ReplyUntil time.Time
	// Manifest is what the Port can show, as the gateway said last; nil = it did not.
	Manifest *simprot.PortManifest
}

// Utterance is what an agent says.
type Utterance struct {
	Text      string
	ID        string // empty = a new GUID; IDs are not checked for uniqueness
	PartyName string // empty = the agent's name
	Model     simprot.Model
}

// Say sends a text to the customer and returns the sentence's ID. A chat that
// waits is answered by it. ErrNoChat, ErrChatClosed.
func (c *Core) Say(chat uuid.UUID, text string) (string, error) {
	return c.SayAs(chat, Utterance{Text: text})
}

// SayAs is Say with every member of the sentence in the caller's hands.
func (c *Core) SayAs(chat uuid.UUID, u Utterance) (string, error) {
	p, err := c.lockPortOf(chat)
	if err != nil {
		return "", err
	}
	defer p.mu.Unlock()
	state, err := c.answered(p, chat)
	if err != nil {
		return "", err
	}
	if u.ID == "" {
		u.ID = uuid.NewString()
	}
	if u.PartyName == "" {
		u.PartyName = c.opts.AgentName
	}
	now := c.opts.Clock()
	s := &simprot.ChatSentenceInfo{
		Peer: state.Peer, Port: state.Port, TrackingId: state.TrackingID, ChatId: chat,
		ID: u.ID, PartyName: u.PartyName, Text: u.Text, TimeSent: now.UTC(), IsOutbound: true, Model: u.Model,
	}
	if _, _, err := c.store.Append(chat, s, now); err != nil {
		return "", fmt.Errorf("refcore: say: %w", err)
	}
	c.said.Add(1)
	p.awaited.add(state.TrackingID, u.ID, now.Add(c.opts.ConfirmLimit))
	c.countOverdue(p, now)
	c.unasked(p, state.TrackingID, simprot.Packet{Code: simprot.CodeChatSentence, Payload: c.shown(s)})
	c.hub.publish(Event{Kind: EventSentence, Chat: chat, Sentence: s})
	return u.ID, nil
}

// Begin opens a chat from the agent's side: the agent writes first. Without a
// trackingID it is a prepared chat, which waits for a START with its ID as
// ReturnChatId. An open chat of the conversation is returned as it is.
func (c *Core) Begin(a Address, partyName string) (uuid.UUID, error) {
	p := c.portOf(portKey{a.Peer, a.Port})
	p.mu.Lock()
	defer p.mu.Unlock()
	if a.TrackingID != "" {
		latest, err := c.store.Latest(a)
		if err == nil && !latest.Status.Closed() {
			return latest.ID, nil
		}
		if err != nil && !errors.Is(err, ErrNoChat) {
			return uuid.Nil, err
		}
	}
	now := c.opts.Clock()
	chat := Chat{
		ID: uuid.New(), Address: a, Status: simprot.StatusAnswered, PartyName: partyName,
		AgentName: c.opts.AgentName, AgentID: c.agentID, Started: now, Updated: now,
	}
	if err := c.store.Create(chat); err != nil {
		return uuid.Nil, err
	}
	if a.TrackingID != "" {
		c.tell(p, chat)
	}
	c.hub.publish(Event{Kind: EventChat, Chat: chat.ID})
	return chat.ID, nil
}

// Answer connects the agent to a waiting chat; Say does it by itself.
func (c *Core) Answer(chat uuid.UUID) error {
	p, err := c.lockPortOf(chat)
	if err != nil {
		return err
	}
	defer p.mu.Unlock()
	_, err = c.answered(p, chat)
	return err
}

// CloseChat ends a chat from the agent's side. A closed one stays as it is.
func (c *Core) CloseChat(chat uuid.UUID) error {
	p, err := c.lockPortOf(chat)
	if err != nil {
		return err
	}
	defer p.mu.Unlock()
	state, err := c.store.Chat(chat)
	if err != nil || state.Status.Closed() {
		return err
	}
	return c.end(p, chat, simprot.StatusClosedByAgent)
}

// Typing tells the customer's side that the agent is, or is no longer, writing.
func (c *Core) Typing(chat uuid.UUID, on bool) error {
	p, err := c.lockPortOf(chat)
	if err != nil {
		return err
	}
	defer p.mu.Unlock()
	state, err := c.openChat(chat)
	if err != nil {
		return err
	}
	c.unasked(p, state.TrackingID, command(simprot.CodeChatTyping, state, func(v *simprot.ChatCommandInfo) { v.IsTyping = &on }))
	return nil
}

// Read says that the agent has seen the chat: its new inbound sentences are
// confirmed to the gateway.
func (c *Core) Read(chat uuid.UUID) error {
	p, err := c.lockPortOf(chat)
	if err != nil {
		return err
	}
	defer p.mu.Unlock()
	now := c.opts.Clock().UTC()
	seen, err := c.store.Read(chat, now)
	if err != nil {
		return err
	}
	state, err := c.store.Chat(chat)
	if err != nil {
		return err
	}
	for _, s := range seen {
		c.unasked(p, state.TrackingID, command(simprot.CodeChatConfirm, state, func(v *simprot.ChatCommandInfo) {
			v.ID, v.TimeStamp = s.ID, &now
		}))
	}
	c.hub.publish(Event{Kind: EventChat, Chat: chat})
	return nil
}

// SetSignal sets the answer to ES_CHAT_REQUEST for a Port; the empty name
// means every Port and takes back what was set for single ones.
func (c *Core) SetSignal(portName string, s simprot.Signal) {
	c.mu.Lock()
	if portName == "" {
		clear(c.signals)
		c.signal = s
	} else {
		c.signals[portName] = s
	}
	c.mu.Unlock()
	c.hub.publish(Event{Kind: EventSignal})
}

// Signal returns the answer to ES_CHAT_REQUEST for a Port; for the empty name
// that of every Port without its own.
func (c *Core) Signal(portName string) simprot.Signal {
	c.mu.RLock()
	defer c.mu.RUnlock()
	if s, ok := c.signals[portName]; ok {
		return s
	}
	return c.signal
}

// answered makes sure that the agent is connected to an open chat.
func (c *Core) answered(p *port, chat uuid.UUID) (Chat, error) {
	state, err := c.openChat(chat)
	if err != nil || state.Status == simprot.StatusAnswered {
		return state, err
	}
	state, err = c.store.Update(chat, func(v *Chat) {
		v.Status, v.AgentName, v.AgentID = simprot.StatusAnswered, c.opts.AgentName, c.agentID
		v.Updated = c.opts.Clock()
	})
	if err != nil {
		return Chat{}, err
	}
	c.tell(p, state)
	c.hub.publish(Event{Kind: EventChat, Chat: chat})
	return state, nil
}

// openChat finds a chat that has not ended: ErrNoChat, ErrChatClosed.
func (c *Core) openChat(chat uuid.UUID) (Chat, error) {
	state, err := c.store.Chat(chat)
	if err == nil && state.Status.Closed() {
		err = ErrChatClosed
	}
	return state, err
}

// end closes a chat and tells the gateway.
func (c *Core) end(p *port, chat uuid.UUID, as simprot.Status) error {
	now := c.opts.Clock()
	state, err := c.store.Update(chat, func(v *Chat) { v.Status, v.Updated, v.Closed = as, now, now })
	if err != nil {
		return err
	}
	delete(p.typing, chat)
	c.tell(p, state)
	c.hub.publish(Event{Kind: EventChat, Chat: chat})
	return nil
}

// tell sends a chat's new status as news.
func (c *Core) tell(p *port, chat Chat) {
	c.unasked(p, chat.TrackingID, simprot.Packet{Code: simprot.CodeChatStatus, Payload: c.news(chat)})
}

// lockPortOf finds the Port a chat belongs to and locks it; the caller unlocks.
func (c *Core) lockPortOf(chat uuid.UUID) (*port, error) {
	state, err := c.store.Chat(chat)
	if err != nil {
		return nil, err
	}
	p := c.portOf(portKey{state.Peer, state.Port})
	p.mu.Lock()
	return p, nil
}

// countOverdue counts what the gateway neither confirmed nor noted in time.
func (c *Core) countOverdue(p *port, now time.Time) {
	for _, k := range p.awaited.overdue(now) {
		c.offend(nil, OffenceUnconfirmed, where(simprot.CodeChatSentence,
			subject{peer: p.key.peer, port: p.key.port, trackingID: k.trackingID, id: k.id}))
	}
}

// command makes one of the small packets about a chat.
func command(code simprot.Code, chat Chat, fill func(*simprot.ChatCommandInfo)) simprot.Packet {
	v := &simprot.ChatCommandInfo{Peer: chat.Peer, Port: chat.Port, TrackingId: chat.TrackingID, ChatId: &chat.ID}
	fill(v)
	return simprot.Packet{Code: code, Payload: v}
}
