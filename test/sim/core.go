package sim

import (
	"encoding/binary"
	"slices"
	"time"

	"github.com/google/uuid"

	"servicelink/simprot"
)

// rules are what simprot.md asks of cores beyond what every core must do; a run
// leaves some of them out.
type rules struct {
	Login      bool // SP_* packets
	Fences     bool // RESYNC claims a Port; a login ends earlier connections of its instance
	Asks       bool // mirrors Ask
	Counters   bool // sentences carry Counter
	ListCounts bool // items of a LIST carry Counter
	ChatIDs    bool // sentences carry ChatId
	KeepClosed bool // lists closed chats until their sentences are confirmed
	ToAll      bool // answers, and what nobody asked for, go to every connection
	Short      int  // sentences an answer shows at most; 0 = all
	ListFrame  int  // items of one frame of a LIST; 0 = all
	BeginNews  bool // tells of chats the agent begins
}

// core is the model of a core chat server. It knows nothing of how a gateway
// thinks; all of it happens under the world's mutex.
type core struct {
	w      *world
	rules  rules
	chats  []*chat
	latest map[address]*chat
	seats  []*seat
	claims map[string]*seat // by Port
	signal map[string]simprot.Signal
	away   bool // refuses connections
	faults []*coreFault
	epoch  int            // how often it forgot everything
	sick   bool           // poison breaks the connection that brings it
	broken map[string]int // how often, by ID
	ids    uint64
}

// address names a conversation.
type address struct{ port, tracking string }

type chat struct {
	id        uuid.UUID
	n         int // of the core, from 1
	conv      *conv
	status    simprot.Status
	byAgent   bool // the agent began it
	sentences []*sentence
	counter   int32
	began     uint64 // step
	closed    uint64 // step; 0 = open
	epoch     int
	// known is when each generation of journals was first told of it in an
	// answer that was taken in: its process lived on for a while.
	known map[int]time.Time
}

// sentence is one entry of a chat.
type sentence struct {
	chat      *chat
	id, text  string
	model     simprot.Model
	out       bool
	counter   int32
	at        time.Time
	confirmed *time.Time
	said      *said // of an outbound one
	// masked: an answer left it out and looked whole, for it showed an older one
	// that may never be left out, or for want of Counters.
	masked bool
	// early: a CONFIRM of another sentence with the same ID was taken for its own.
	early bool
}

// seat is a connection as the core sees it.
type seat struct {
	wire     *wire
	open     bool
	instance string
	up       bool // logged in
	encoding simprot.Encoding
}

func newCore(w *world, r rules) *core {
	return &core{
		w: w, rules: r, latest: make(map[address]*chat),
		claims: make(map[string]*seat), signal: make(map[string]simprot.Signal), broken: make(map[string]int),
	}
}

func (c *core) seat(x *wire) *seat {
	s := &seat{wire: x, open: true, up: !c.rules.Login}
	c.seats = append(c.seats, s)
	if s.up && c.w.msgs != nil {
		c.w.after(0, c.serves)
	}
	return s
}

// leaves notes that a connection has ended.
func (c *core) leaves(s *seat) {
	s.open = false
	if c.w.msgs != nil {
		defer c.w.msgs.leaves(s)
	}
	for i, other := range c.seats {
		if other == s {
			c.seats = append(c.seats[:i:i], c.seats[i+1:]...)
			return
		}
	}
}

// drop ends a connection from the core's side.
func (c *core) drop(s *seat, goodbye *simprot.Bye) {
	if !s.open {
		return
	}
	if goodbye != nil && s.up && c.rules.Login {
		c.write(s, simprot.Packet{Code: simprot.CodeBye, Payload: goodbye}, 0)
		s.wire.put(&s.wire.down, parcel{eof: true}, 0)
	} else {
		s.wire.cut()
	}
	c.leaves(s)
}

// receive takes one packet of a connection, in order.
func (c *core) receive(s *seat, p simprot.Packet) {
	if !s.open {
		return
	}
	c.w.log(" >", s.wire.id, p)
	if c.w.point(atCoreReads) && !s.open {
		return
	}
	f := c.faultOn(p.Code, breakBefore, ignore)
	if f != nil {
		c.w.note("core: %s %s", f.kind, p.Code)
		s.wire.owes = true
		if f.kind == breakBefore {
			c.drop(s, nil)
		}
		return
	}
	if !s.up {
		c.login(s, p)
		return
	}
	c.handle(s, p)
	if f := c.faultOn(p.Code, breakAfter); f != nil {
		c.w.note("core: %s %s", f.kind, p.Code)
		c.drop(s, nil)
	}
	c.w.point(atCoreAnswers)
}

func (c *core) login(s *seat, p simprot.Packet) {
	l, ok := p.Payload.(*simprot.Login)
	if !ok {
		c.w.violate("protocol: %s before SP_LOGIN", p.Code)
		c.drop(s, nil)
		return
	}
	s.instance = l.Instance
	if c.rules.Fences {
		for _, other := range append([]*seat(nil), c.seats...) {
			if other != s && other.instance == s.instance {
				c.drop(other, &simprot.Bye{Reason: "replaced"})
			}
		}
	}
	s.up = true
	defer c.serves()
	s.encoding, _ = simprot.ParseEncoding(l.Encoding)
	c.write(s, simprot.Packet{Code: simprot.CodeWelcome, Payload: &simprot.Welcome{
		Server: "model", Version: simprot.Version, KeepAlive: 15, MaxFrame: simprot.DefaultMaxFrame,
		Fences: c.rules.Fences, Asks: c.rules.Asks,
	}}, 0)
}

// serves: a connection is up, which may take messages.
func (c *core) serves() {
	if c.w.msgs != nil {
		c.w.msgs.sendAll()
	}
}

func (c *core) handle(s *seat, p simprot.Packet) {
	if c.w.msgs != nil && c.w.msgs.take(s, p) {
		return
	}
	switch v := p.Payload.(type) {
	case *simprot.Ping:
		if p.Code == simprot.CodePing {
			c.write(s, simprot.Packet{Code: simprot.CodePong, Payload: v}, 0)
		}
	case *simprot.Bye:
		c.leaves(s)
		s.wire.put(&s.wire.down, parcel{eof: true}, 0)
	case *simprot.ChatServiceInfo:
		if p.Code == simprot.CodeChatRequest {
			c.request(s, p, v)
		} else {
			c.start(s, p, v)
		}
	case *simprot.ChatStatusInfo:
		c.answer(s, p, c.status(address{v.Port, v.TrackingId}))
	case *simprot.ChatSentenceInfo:
		c.sentence(s, v)
	case *simprot.ChatCommandInfo:
		c.command(s, p, v)
	}
}

func (c *core) command(s *seat, p simprot.Packet, v *simprot.ChatCommandInfo) {
	a := address{v.Port, v.TrackingId}
	switch p.Code {
	case simprot.CodeChatResync:
		if c.rules.Fences {
			c.claims[v.Port] = s
		}
		c.list(s, p, v.Port)
	case simprot.CodeChatConfirmIn:
		c.confirm(a, v.ID)
	case simprot.CodeChatStop:
		if ch := c.latest[a]; ch != nil && !ch.status.Closed() {
			c.close(ch, simprot.StatusClosedByExtApp)
		}
	}
}

// fenced tells that a packet is thrown away: another connection claimed the
// Port since.
func (c *core) fenced(s *seat, port string) bool {
	owner := c.claims[port]
	return c.rules.Fences && owner != nil && owner != s
}

func (c *core) request(s *seat, p simprot.Packet, v *simprot.ChatServiceInfo) {
	signal := c.signal[v.Port]
	if signal == "" {
		signal = simprot.SignalFree
	}
	c.answer(s, p, simprot.Packet{Code: simprot.CodeChatResponse, Payload: &simprot.ChatServiceInfo{
		Peer: v.Peer, Port: v.Port, TrackingId: v.TrackingId, Signal: signal,
	}})
}

// start finds the open chat, or opens one.
func (c *core) start(s *seat, p simprot.Packet, v *simprot.ChatServiceInfo) {
	if c.fenced(s, v.Port) {
		c.w.note("core: START is fenced")
		return
	}
	a := address{v.Port, v.TrackingId}
	if ch := c.latest[a]; (ch == nil || ch.status.Closed()) && c.signal[v.Port].Accepts() {
		c.open(a, false)
	}
	c.answer(s, p, c.status(a))
}

// open begins a chat.
func (c *core) open(a address, byAgent bool) *chat {
	ch := &chat{
		id: c.newID(), n: len(c.chats) + 1, conv: c.w.find(a), status: simprot.StatusAnswered,
		byAgent: byAgent, began: c.w.step(), epoch: c.epoch,
	}
	c.chats = append(c.chats, ch)
	c.latest[a] = ch
	c.w.note("core: chat %d of %s begins", ch.n, ch.conv.name)
	return ch
}

func (c *core) newID() (id uuid.UUID) {
	c.ids++
	binary.BigEndian.PutUint64(id[8:], c.ids)
	id[0] = 0xc0
	return id
}

func (c *core) close(ch *chat, how simprot.Status) {
	ch.status = how
	ch.closed = c.w.step()
	c.w.note("core: chat %d of %s is closed", ch.n, ch.conv.name)
	c.tell(c.news(ch))
}

// news is a SE_CHAT_STATUS that nobody asked for.
func (c *core) news(ch *chat) simprot.Packet {
	st := &simprot.ChatStatusInfo{Peer: peer, Port: ch.conv.net.port, TrackingId: ch.conv.tracking, Status: ch.status}
	if c.rules.ChatIDs {
		st.ChatId = ch.id
	}
	return simprot.Packet{Code: simprot.CodeChatStatus, Payload: st}
}

// sentence takes a customer's sentence, whatever its ID, unless the chat is
// closed.
func (c *core) sentence(s *seat, v *simprot.ChatSentenceInfo) {
	if c.fenced(s, v.Port) {
		c.w.note("core: SENTENCE %s is fenced", v.ID)
		return
	}
	a := address{v.Port, v.TrackingId}
	if c.sick && poisonous(v.Text) {
		c.w.note("core: %s breaks the connection", v.ID)
		c.broken[v.ID]++
		c.drop(s, nil)
		return
	}
	ch := c.latest[a]
	if ch == nil || ch.status.Closed() {
		st := &simprot.ChatStatusInfo{Peer: v.Peer, Port: v.Port, TrackingId: v.TrackingId, Status: simprot.StatusClosed}
		if ch != nil && c.rules.ChatIDs {
			st.ChatId = ch.id
		}
		c.write(s, simprot.Packet{Code: simprot.CodeChatStatus, Payload: st}, 0)
		return
	}
	ch.counter++
	sn := &sentence{chat: ch, id: v.ID, text: v.Text, model: v.Model, counter: ch.counter, at: time.Now()}
	ch.sentences = append(ch.sentences, sn)
	c.w.taken(sn, s)
	c.answer(s, simprot.Packet{Code: simprot.CodeChatSentenceIn}, simprot.Packet{Code: simprot.CodeChatSentence, Payload: c.shown(sn)})
}

// say is an agent's sentence.
func (c *core) say(ch *chat, id, text string, model simprot.Model) *sentence {
	ch.counter++
	sn := &sentence{chat: ch, id: id, text: text, model: model, out: true, counter: ch.counter, at: time.Now()}
	ch.sentences = append(ch.sentences, sn)
	c.tell(simprot.Packet{Code: simprot.CodeChatSentence, Payload: c.shown(sn)})
	return sn
}

func (c *core) confirm(a address, id string) {
	for _, ch := range c.chats {
		if ch.epoch != c.epoch || ch.conv.address() != a {
			continue
		}
		for _, sn := range ch.sentences {
			if sn.out && sn.id == id && sn.confirmed == nil {
				now := time.Now()
				sn.confirmed = &now
				sent, all := sn.said.whole()
				sn.early = sent < all && c.w.sameID(sn.said)
			}
		}
	}
}

// shown is a sentence as packets have it.
func (c *core) shown(sn *sentence) *simprot.ChatSentenceInfo {
	v := &simprot.ChatSentenceInfo{
		Peer: peer, Port: sn.chat.conv.net.port, TrackingId: sn.chat.conv.tracking, ID: sn.id, Text: sn.text,
		TimeSent: sn.at.UTC(), IsOutbound: sn.out, ConfirmedTime: sn.confirmed, Model: sn.model,
	}
	if c.rules.Counters {
		v.Counter = sn.counter
	}
	if c.rules.ChatIDs {
		v.ChatId = sn.chat.id
	}
	return v
}

// restart ends every connection; a core without a store forgets everything.
func (c *core) restart(forget bool) {
	for _, s := range append([]*seat(nil), c.seats...) {
		c.drop(s, nil)
	}
	clear(c.claims)
	if !forget {
		return
	}
	c.epoch++
	clear(c.latest)
	c.w.forgotten()
}

// deaf tells of a core without Asks that an answer on a connection that is up never
// came. Whoever counts answers cannot tell the next ones apart, and may renew the
// connection once an hour (simprot.md 3.4): longer than poison is looked at.
func (c *core) deaf() bool {
	return !c.rules.Asks && slices.ContainsFunc(c.seats, func(s *seat) bool { return s.open && s.up && s.wire.owes })
}
