package sim

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"servicelink/simprot"
)

// messages is what the run knows of messages, and what the model core keeps of them
// (SPEC.md 13). All of it is guarded by the world's mutex.
type messages struct {
	w     *world
	set   messageSettings
	boxes []*box
	hosts []*host
	mails []*mail
	outs  []*letter
	ids   uint64

	// The model core's.
	stored  map[storedKey]*mail // by what repeats are known by (M6)
	asker   *seat               // that last asked for the register
	refuse  int                 // of the next messages
	mumble  int                 // of the next answers
	unlist  map[uuid.UUID]int   // how often a gateway is left out of the register now
	wrong   map[uuid.UUID]int   // and how often described wrongly
	changed map[uuid.UUID]int   // how often its description has changed
	again   bool                // agents send again what has failed
}

type storedKey struct {
	gateway uuid.UUID
	id      string
}

// mail is what a customer wrote, or a letter's opposite: it lies in a mailbox.
type mail struct {
	box    *box
	n      int
	id     string // of its event
	writer string
	name   string // its Message-ID; other mails may have the same
	shared bool   // they have
	text   string

	request   string         // its RequestId
	messageID uuid.UUID      // the core's
	names     map[int]string // its DeliverySystemId, by generation of journals
	renamed   bool           // these differ
	mistaken  bool           // the core took it for another one
	asked     []asking
	copies    []copied
	told      []telling // what the gateway was told of it
	marked    bool      // at the source
	failed    bool      // at the source: given up
}

// asking is one ES_MESSAGE_RECEIVING.
type asking struct {
	wire *wire
	at   time.Time
	gen  int
}

// copied is one time the core stored it.
type copied struct {
	step  uint64
	life  *life
	epoch int
}

// telling is one SE_MESSAGE_RECEIVED that a process was given.
type telling struct {
	data string
	wire *wire
	at   time.Time
}

// letter is a message of an agent's.
type letter struct {
	host  *host
	n     int
	id    uuid.UUID
	name  string // the proposal for its Message-ID
	text  string
	parts []string

	seat     *seat // it was sent to
	sends    int
	reads    []reading
	answers  []sentAnswer
	attempts []*mailing
	broken   []brokenPart
	ended    bool // for the core: it has the last word
	lost     bool // the core forgot it
	retries  int
}

// brokenPart: a process died when its journal, of that generation, said that a part was
// on its way, whether it had left or not.
type brokenPart struct{ part, gen int }

// reading is one SE_MESSAGE_SENDING that a process was given.
type reading struct {
	wire     *wire
	at       time.Time
	step     uint64
	answered bool
}

// sentAnswer is one ES_MESSAGE_SENT.
type sentAnswer struct {
	step uint64
	data string
}

func newMessages(w *world, s messageSettings) *messages {
	m := &messages{
		w: w, set: s, stored: map[storedKey]*mail{}, unlist: map[uuid.UUID]int{}, wrong: map[uuid.UUID]int{},
		changed: map[uuid.UUID]int{}, again: true,
	}
	for i := range s.Boxes {
		m.boxes = append(m.boxes, &box{m: m, n: uint64(i), id: m.newID(0xb0), came: make(chan struct{})})
	}
	for i, h := range s.Hosts {
		m.hosts = append(m.hosts, &host{m: m, n: uint64(i), id: m.newID(0xa0), unknown: h.Unknown})
	}
	return m
}

func (m *messages) newID(kind byte) (id uuid.UUID) {
	m.ids++
	id[0], id[6], id[8], id[15] = kind, 0x40, 0x80, byte(m.ids)
	id[14] = byte(m.ids >> 8)
	return id
}

// take is the core's part of the packets of messages; false: it is none. s is up.
func (m *messages) take(s *seat, p simprot.Packet) bool {
	switch v := p.Payload.(type) {
	case simprot.Text:
		m.register(s, p)
	case *simprot.MessageContentInfo:
		m.receiving(s, p, v)
	case *simprot.CommandInfo:
		m.sent(s, v)
	default:
		return false
	}
	return true
}

// register answers for the gateways.
func (m *messages) register(s *seat, p simprot.Packet) {
	if !m.set.Register {
		m.w.violate("protocol: the register is asked for, against the configuration")
		return
	}
	list := simprot.GatewayList{}
	for _, b := range m.boxes {
		list = m.describe(list, b.id, "Box", simprot.DirectionIn)
	}
	for _, h := range m.hosts {
		list = m.describe(list, h.id, "Host", simprot.DirectionOut)
	}
	m.asker = s
	m.reply(s, p, simprot.Packet{Code: simprot.CodeGateways, Payload: list})
	m.sendAll()
}

func (m *messages) describe(list simprot.GatewayList, id uuid.UUID, device, direction string) simprot.GatewayList {
	if m.unlist[id] > 0 {
		return list
	}
	if m.wrong[id] > 0 {
		device = "Telefax"
	}
	return append(list, &simprot.GatewayInfo{
		Id: id, DisplayName: device, PeerAddress: peer, Direction: direction,
		Device: fmt.Sprintf(`%s {"Edition": %d}`, device, m.changed[id]),
	})
}

// reply answers who asked, and nobody else (SPEC.md 13.4).
func (m *messages) reply(s *seat, asked, p simprot.Packet) {
	if m.w.core.rules.Asks {
		p.Extras.Ask = asked.Extras.Ask
	}
	m.w.core.send(s, p)
}

// receiving takes a message, once where the core keeps M6.
func (m *messages) receiving(s *seat, p simprot.Packet, v *simprot.MessageContentInfo) {
	ml := m.mailOf(v)
	if ml == nil {
		m.w.violate("the core got a message that nobody wrote: %q", v.BodyText)
		return
	}
	if v.SubjectField != ml.subject() || v.RemoteAddress != ml.writer || v.Direction != simprot.DirectionIn {
		m.w.violate("whole: %s came as %q of %q, direction %q", ml.id, v.SubjectField, v.RemoteAddress, v.Direction)
	}
	done := &simprot.CommandInfo{RefId: &v.GatewayId, Reference: v.RequestId, Data: "true"}
	key := storedKey{v.GatewayId, v.DeliverySystemId}
	first := m.stored[key]
	switch {
	case m.refuse > 0:
		m.refuse--
		m.w.note("core: does not take %s now", ml.id)
		done.Data = "false"
	case m.set.Keeps && first != nil:
		done.Id = &first.messageID
		if first != ml {
			m.mistaken(first, ml)
		}
	default:
		ml.messageID = m.newID(0xd0)
		m.stored[key] = ml
		ml.copies = append(ml.copies, copied{m.w.step(), s.wire.life, m.w.core.epoch})
		m.w.note("core: stores %s", ml.id)
		done.Id = &ml.messageID
	}
	if m.mumble > 0 {
		m.mumble--
		done.Data = "perhaps"
	}
	m.reply(s, p, simprot.Packet{Code: simprot.CodeMessageInDone, Payload: done})
}

func (m *messages) mailOf(v *simprot.MessageContentInfo) *mail {
	for _, ml := range m.mails {
		if ml.text == v.BodyText && ml.box.id == v.GatewayId {
			return ml
		}
	}
	return nil
}

// posts lets an agent write a message.
func (m *messages) posts(o op) {
	h := m.hosts[o.Who%len(m.hosts)]
	l := &letter{host: h, n: len(m.outs) + 1, id: m.newID(0xc0)}
	l.name, l.text = fmt.Sprintf("out-%03d@core.test", l.n), fmt.Sprintf("letter %03d", l.n)
	for i := range o.N {
		l.parts = append(l.parts, fmt.Sprintf("reader%d%d@sim.test", o.Conv%3+o.Who, i))
	}
	m.outs = append(m.outs, l)
	m.w.note("agent mails %s to %d", l.name, len(l.parts))
	m.send(l)
}

// send sends a letter to one connection, where there is one.
func (m *messages) send(l *letter) {
	s := m.addressee()
	l.seat = s
	if s == nil || l.ended || l.lost {
		return
	}
	l.sends++
	try := l.sends
	id := l.id
	m.w.core.send(s, simprot.Packet{Code: simprot.CodeMessageOut, Payload: &simprot.MessageContentInfo{
		DeliverySystemId: l.name, MessageId: &id, GatewayId: l.host.id, FromField: "Agent <agent@core.test>",
		RemoteAddress: l.parts[0], Direction: simprot.DirectionOut, ReceivedSentTime: time.Now().UTC(),
		SubjectField: "Re: hello", BodyText: l.text, ExtendedFields: `{"To":["` + strings.Join(l.parts, `","`) + `"]}`,
	}})
	m.w.after(sendAgain, func() {
		if l.sends == try && l.seat != nil {
			m.send(l)
		}
	})
}

// sendAgain is after how long without an answer the core sends a message again (M4).
const sendAgain = 90 * time.Second

// addressee is where messages go: who last asked for the register, or whoever came
// last where there is none (SPEC.md 13.4).
func (m *messages) addressee() *seat {
	if m.set.Register {
		return m.asker
	}
	for _, s := range slices.Backward(m.w.core.seats) {
		if s.open && s.up {
			return s
		}
	}
	return nil
}

// sendAll sends what waits for a connection.
func (m *messages) sendAll() {
	for _, l := range m.outs {
		if l.seat == nil && !l.ended {
			m.send(l)
		}
	}
}

// leaves: what a connection had no answer to goes to another one.
func (m *messages) leaves(s *seat) {
	if m.asker == s {
		m.asker = nil
	}
	for _, l := range m.outs {
		if l.seat == s {
			l.seat = nil
		}
	}
	m.w.after(time.Millisecond, m.sendAll)
}

// sent is the last word of a gateway, for this time. What is not known, or answered, is
// skipped (M5).
func (m *messages) sent(s *seat, v *simprot.CommandInfo) {
	l := m.letterOf(v)
	if l == nil || l.ended || l.lost {
		return
	}
	m.w.note("core: %s: %s", l.name, cmpOr(v.Data, "sent"))
	if v.Data == "" || !m.again || l.retries >= maxRetries {
		l.ended = true
		return
	}
	l.retries++
	l.seat = s
	l.sends++ // the clock of the one before has ended
	try := l.sends
	m.w.after(time.Second+m.w.dice.upTo(drawRetry, uint64(l.n), 4*time.Minute), func() {
		if l.sends == try {
			m.send(l)
		}
	})
}

// maxRetries is how often an agent sends again what has failed.
const maxRetries = 3

func (m *messages) letterOf(v *simprot.CommandInfo) *letter {
	for _, l := range m.outs {
		if v.Id != nil && *v.Id == l.id {
			return l
		}
	}
	m.w.violate("protocol: an answer for a message that is none: %v", v.Id)
	return nil
}

// forget: the core lost its store.
func (m *messages) forget() {
	clear(m.stored)
	for _, l := range m.outs {
		l.lost = l.lost || !l.ended
	}
}

// heal ends every fault.
func (m *messages) heal() {
	m.refuse, m.mumble, m.again = 0, 0, false
	clear(m.unlist)
	clear(m.wrong)
	for _, b := range m.boxes {
		b.away, b.lost = 0, 0
	}
	for _, h := range m.hosts {
		h.faults = nil
	}
}

// do lets one thing happen; false: it is none of messages.
func (m *messages) do(o op) bool {
	ids := make([]uuid.UUID, 0, 4)
	for _, b := range m.boxes {
		ids = append(ids, b.id)
	}
	for _, h := range m.hosts {
		ids = append(ids, h.id)
	}
	b, h, id := m.boxes[o.Who%len(m.boxes)], m.hosts[o.Who%len(m.hosts)], ids[o.Who%len(ids)]
	switch o.Kind {
	case opMails, opMailsSame:
		for range o.N {
			b.brings(o.Who, o.Kind == opMailsSame)
		}
	case opPosts:
		m.posts(o)
	case opRefuses:
		m.refuse = o.N
	case opMumbles:
		m.mumble = o.N
	case opBoxBreaks:
		b.breaks(o.D)
	case opMarksLost:
		b.lost = o.N
	case opHostFault:
		h.faults = append(h.faults, &sendFault{how: o.How, count: o.N})
	case opUnlists:
		m.unlist[id]++
		m.w.after(o.D, func() { m.unlist[id] = max(0, m.unlist[id]-1) })
	case opMisdescrib:
		m.wrong[id]++
		m.w.after(o.D, func() { m.wrong[id] = max(0, m.wrong[id]-1) })
	case opRelists:
		m.changed[id]++
	default:
		return false
	}
	return true
}
