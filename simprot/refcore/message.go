package refcore

import (
	"cmp"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"

	"servicelink/simprot"
)

// MessageState is how far a message to a customer is.
type MessageState string

// The states. A message from a customer has none.
const (
	MessageSending MessageState = "sending" // no ES_MESSAGE_SENT yet
	MessageSent    MessageState = "sent"
	MessageFailed  MessageState = "failed" // Error says why
)

// Message is a mail or short message, in either direction.
type Message struct {
	ID      uuid.UUID                  `json:"id"`
	Thread  uuid.UUID                  `json:"thread"` // the ID of the thread's first message
	Peer    string                     `json:"peer"`
	Content simprot.MessageContentInfo `json:"content"`
	At      time.Time                  `json:"at"` // when it came, or was written
	// Repeats counts how often the gateway said a customer's message again.
	Repeats int `json:"repeats,omitempty"`
	// The rest is of messages to customers.
	State   MessageState `json:"state,omitempty"`
	Error   string       `json:"error,omitempty"`
	Sends   int          `json:"sends,omitempty"` // SE_MESSAGE_SENDINGs so far
	Sent    time.Time    `json:"sent,omitzero"`   // the last of them
	Settled time.Time    `json:"settled,omitzero"`
}

// Outbound tells messages to customers from those of customers.
func (m *Message) Outbound() bool { return m.Content.Direction == simprot.DirectionOut }

// Errors of messages.
var (
	ErrNoMessage = errors.New("refcore: no such message")
	ErrNoGateway = errors.New("refcore: no such gateway for this direction")
	ErrGateways  = errors.New("refcore: the register of gateways")
)

// sentLimit is how long a gateway has for ES_MESSAGE_SENT (SPEC.md, messages).
const sentLimit = 90 * time.Second

// desk is the core's side of messages: the register of gateways and every message.
// It is read from the Store once and written through.
type desk struct {
	store MessageStore

	mu       sync.Mutex
	gateways simprot.GatewayList
	all      []*Message // in the order they came
	byID     map[uuid.UUID]*Message
	inbound  map[inboundKey]*Message  // by what the repeat rule looks at
	bySystem map[string]*Message      // of each DeliverySystemId the latest
	owed     map[uuid.UUID]*owing     // what a gateway has to answer
	asked    map[string]*conn         // by address: who asked for its gateways last
	open     map[uuid.UUID]requesting // inbound ones not answered, by MessageId
	closed   bool
}

type inboundKey struct {
	gateway uuid.UUID
	system  string
}

// owing is a message on its way through a gateway.
type owing struct {
	to     *conn       // whom it was sent to last; nil = nobody yet
	due    []time.Time // of SE_MESSAGE_SENDINGs there that have no answer: when they were sent
	silent bool        // two of them are overdue, and that is noted
	again  *time.Timer
}

// answered takes an answer for one of those that wait for it: it is late when it can
// only be that of an old one. ok is false where none waits.
func (o *owing) answered(now time.Time) (late, ok bool) {
	if len(o.due) == 0 {
		return false, false
	}
	i := slices.IndexFunc(o.due, func(at time.Time) bool { return now.Sub(at) <= sentLimit })
	late = i < 0
	o.due = slices.Delete(o.due, max(i, 0), max(i, 0)+1)
	o.silent = false
	return late, true
}

// requesting is a customer's message whose answer was lost on purpose.
type requesting struct {
	conn    *conn
	request string
	at      time.Time
}

func newDesk(store MessageStore) (*desk, error) {
	d := &desk{store: store}
	return d, d.load()
}

// load forgets everything and reads the store.
func (d *desk) load() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, o := range d.owed {
		o.stop()
	}
	d.all, d.byID, d.inbound, d.bySystem = nil, map[uuid.UUID]*Message{}, map[inboundKey]*Message{}, map[string]*Message{}
	d.owed, d.asked, d.open = map[uuid.UUID]*owing{}, map[string]*conn{}, map[uuid.UUID]requesting{}
	var err error
	if d.gateways, err = d.store.Gateways(); err != nil {
		return err
	}
	messages, err := d.store.Messages()
	for i := range messages {
		d.enter(&messages[i])
	}
	return err
}

// enter makes a message known. d.mu is held.
func (d *desk) enter(m *Message) {
	d.all = append(d.all, m)
	d.byID[m.ID] = m
	if !m.Outbound() {
		d.inbound[inboundKey{m.Content.GatewayId, m.Content.DeliverySystemId}] = m
	}
	d.bySystem[m.Content.DeliverySystemId] = m
	if m.State == MessageSending {
		d.owed[m.ID] = &owing{}
	}
}

// thread is where a message belongs: that of what it answers, else its own. d.mu is
// held.
func (d *desk) thread(m *Message) uuid.UUID {
	if before := d.bySystem[m.Content.InReplyToId]; before != nil && m.Content.InReplyToId != "" {
		return before.Thread
	}
	return m.ID
}

// gateway finds one of the register. d.mu is held.
func (d *desk) gateway(id uuid.UUID) *simprot.GatewayInfo {
	for _, g := range d.gateways {
		if g.Id == id {
			return g
		}
	}
	return nil
}

func (o *owing) stop() {
	if o.again != nil {
		o.again.Stop()
	}
}

// close ends every timer.
func (d *desk) close() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.closed = true
	for _, o := range d.owed {
		o.stop()
	}
}

// SetGateways replaces the register: what ES_SL_GETGATEWAYS is answered from the next
// time it is asked. ErrGateways: an Id is missing or twice, or a Direction unknown.
func (c *Core) SetGateways(list simprot.GatewayList) error {
	seen := map[uuid.UUID]bool{}
	for _, g := range list {
		switch {
		case g == nil || g.Id == uuid.Nil:
			return errors.Join(ErrGateways, errors.New("an Id is missing"))
		case seen[g.Id]:
			return errors.Join(ErrGateways, errors.New("an Id stands twice"))
		case g.Direction != simprot.DirectionIn && g.Direction != simprot.DirectionOut:
			return errors.Join(ErrGateways, errors.New("a Direction is I or O"))
		}
		seen[g.Id] = true
	}
	c.desk.mu.Lock()
	defer c.desk.mu.Unlock()
	if err := c.desk.store.SaveGateways(list); err != nil {
		return err
	}
	c.desk.gateways = copied(list)
	c.hub.publish(Event{Kind: EventGateways})
	return nil
}

// Gateways returns the register.
func (c *Core) Gateways() simprot.GatewayList {
	c.desk.mu.Lock()
	defer c.desk.mu.Unlock()
	return copied(c.desk.gateways)
}

// copied shares nothing with list.
func copied(list simprot.GatewayList) simprot.GatewayList {
	out := slices.Clone(list)
	for i, g := range out {
		one := *g
		out[i] = &one
	}
	return out
}

// Messages returns every message, in the order they came.
func (c *Core) Messages() []Message {
	c.desk.mu.Lock()
	defer c.desk.mu.Unlock()
	out := make([]Message, len(c.desk.all))
	for i, m := range c.desk.all {
		out[i] = *m
	}
	return out
}

// Message returns one; ErrNoMessage.
func (c *Core) Message(id uuid.UUID) (Message, error) {
	c.desk.mu.Lock()
	defer c.desk.mu.Unlock()
	m := c.desk.byID[id]
	if m == nil {
		return Message{}, ErrNoMessage
	}
	return *m, nil
}

// SendMessage has a gateway send a message: SE_MESSAGE_SENDING goes to the connection
// that last asked for the gateway's address, now or when there is one, and again
// every Options.ResendMessage until it is answered. It fills MessageId, Direction,
// DeliverySystemId and ReceivedSentTime where they are empty. ErrNoGateway.
func (c *Core) SendMessage(content simprot.MessageContentInfo) (uuid.UUID, error) {
	d := c.desk
	d.mu.Lock()
	defer d.mu.Unlock()
	g := d.gateway(content.GatewayId)
	if g == nil || g.Direction != simprot.DirectionOut {
		return uuid.Nil, ErrNoGateway
	}
	id := uuid.New()
	if content.MessageId != nil && *content.MessageId != uuid.Nil {
		id = *content.MessageId
	}
	now := c.opts.Clock().UTC()
	content.MessageId, content.Direction = &id, simprot.DirectionOut
	content.DeliverySystemId = cmp.Or(content.DeliverySystemId, id.String())
	if content.ReceivedSentTime.IsZero() {
		content.ReceivedSentTime = now
	}
	m := &Message{ID: id, Content: content, At: now, State: MessageSending}
	m.Thread = d.thread(m)
	if err := d.store.SaveMessage(*m); err != nil {
		return uuid.Nil, err
	}
	d.enter(m)
	c.hub.publish(Event{Kind: EventMessage, Message: id})
	c.sending(m, d.owed[id])
	return id, nil
}

// ResendMessage says an outbound message to its gateway again, whatever became of it;
// ErrNoMessage.
func (c *Core) ResendMessage(id uuid.UUID) error {
	d := c.desk
	d.mu.Lock()
	defer d.mu.Unlock()
	m := d.byID[id]
	if m == nil || !m.Outbound() {
		return ErrNoMessage
	}
	if d.owed[id] == nil {
		d.owed[id] = &owing{}
	}
	c.sending(m, d.owed[id])
	return nil
}

// sending says a message to its gateway, if that is there, and sees that it is said
// again. d.mu is held.
func (c *Core) sending(m *Message, o *owing) {
	d := c.desk
	o.stop()
	g := d.gateway(m.Content.GatewayId)
	if g == nil || d.closed {
		return
	}
	to := d.asked[g.PeerAddress]
	if to == nil || to.gone.Load() {
		return // it is said when somebody asks for the gateways
	}
	if o.to != to {
		o.due, o.silent = nil, false // those of an ended connection do not come
	}
	m.Sends++
	m.Sent = c.opts.Clock().UTC()
	m.Peer = to.peer
	o.to = to
	if err := d.store.SaveMessage(*m); err != nil {
		c.log.Error("store", "error", err)
	}
	content := m.Content
	if c.broken[RuleMessageSending] {
		content.DeliverySystemId = ""
	}
	o.due = append(o.due, c.sendUnasked(to, simprot.Packet{Code: simprot.CodeMessageOut, Payload: &content}, m.Sent)...)
	if c.broken[RuleMessageResent] {
		return
	}
	o.again = time.AfterFunc(c.opts.ResendMessage, func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		if d.owed[m.ID] == o && m.State == MessageSending {
			c.silence(m, o)
			c.sending(m, o)
		}
	})
}

// silence notes that a gateway has not answered in time. Once it may: what was not over
// is answered when it is asked again. d.mu is held.
func (c *Core) silence(m *Message, o *owing) {
	if o.to == nil || o.to.gone.Load() || o.silent || len(o.due) < 2 {
		return
	}
	if o.silent = c.opts.Clock().Sub(o.due[1]) >= sentLimit; o.silent {
		c.offend(o.to, OffenceSentMissing, string(simprot.CodeMessageOut)+" message="+m.ID.String())
	}
}

// sendUnasked sends what nobody asked for, as a fault of its code says, and tells when
// it left, each time it did.
func (c *Core) sendUnasked(k *conn, p simprot.Packet, now time.Time) (sent []time.Time) {
	gateway := ""
	if m, ok := p.Payload.(*simprot.MessageContentInfo); ok {
		gateway = m.GatewayId.String()
	}
	fault := c.faults.pick(p.Code, gateway, "")
	switch fault.Kind {
	case FaultDrop:
		k.abort(errDropped)
	case FaultLose:
	default:
		k.deliver(fault, p)
		switch fault.Kind {
		case "":
			sent = []time.Time{now}
		case FaultLate:
			sent = []time.Time{now.Add(fault.Delay)}
		case FaultTwice:
			sent = []time.Time{now, now}
		}
	}
	return sent
}

// MessageStore keeps messages and the register of gateways.
type MessageStore interface {
	SaveGateways(simprot.GatewayList) error
	Gateways() (simprot.GatewayList, error)
	// SaveMessage adds a message, or replaces the one with its ID.
	SaveMessage(Message) error
	// Messages lists them in the order they were added.
	Messages() ([]Message, error)
}

// memoryMessages is the MessageStore of a MemoryStore.
type memoryMessages struct {
	mu       sync.Mutex
	gateways simprot.GatewayList
	order    []uuid.UUID
	all      map[uuid.UUID]Message
}

func (s *memoryMessages) SaveGateways(list simprot.GatewayList) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.gateways = slices.Clone(list)
	return nil
}

func (s *memoryMessages) Gateways() (simprot.GatewayList, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.gateways), nil
}

func (s *memoryMessages) SaveMessage(m Message) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.all == nil {
		s.all = map[uuid.UUID]Message{}
	}
	if _, known := s.all[m.ID]; !known {
		s.order = append(s.order, m.ID)
	}
	s.all[m.ID] = m
	return nil
}

func (s *memoryMessages) Messages() ([]Message, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]Message, len(s.order))
	for i, id := range s.order {
		out[i] = s.all[id]
	}
	return out, nil
}

// reset forgets messages; the register is the operator's and stays.
func (s *memoryMessages) reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.order = nil
	maps.DeleteFunc(s.all, func(uuid.UUID, Message) bool { return true })
}
