package sim

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"servicelink/gateway/journal"
	"servicelink/simprot"
)

const (
	peer   = "@servicelink"
	secret = "the core's secret"
	// closedText is what customers read while the core takes no chats.
	closedText = "we are closed"
)

// world is one run: the model core and networks, the wires between them and the
// gateway's processes, and what is known of every message. Its mutex guards all
// of it; nobody calls the engine while holding it.
type world struct {
	mu    sync.Mutex
	ctx   context.Context //nolint:containedctx // of what is asked after a process has died
	began time.Time
	plan  *plan
	dice  *dice
	line  timeline
	over  bool

	core  *core
	nets  []*network
	convs []*conv
	msgs  *messages // nil = a run without
	disk  *disk
	life  *life // the process that runs; nil = none
	lives []*life

	wires      uint64
	steps      uint64
	calls      sync.WaitGroup // of webhooks
	cutAnswers int            // sentences that answers left out
	armed      []armed
	verdicts   []string
	excuses    map[string]int
	faults     map[string]int
}

// conv is one customer's conversation.
type conv struct {
	n        int
	name     string
	net      *network
	tracking string
	events   []*event
	said     []*said
	notes    map[string][]take // the gateway's own notes, by ID
	closed   []time.Time       // when the customer read that it is closed
	again    []time.Duration   // how long after they are taken the next events come again
}

func (c *conv) address() address { return address{c.net.port, c.tracking} }

func (c *conv) lane(d journal.Direction) journal.Lane {
	return journal.Lane{Channel: c.net.name, Direction: d, TrackingID: c.tracking}
}

// event is what a customer did.
type event struct {
	conv   *conv
	id     string
	kind   string
	text   string
	posted uint64 // step of its first request to the gateway
	acked  uint64 // step of the first answer that it was taken
	life   *life  // that gave this answer
	takes  []take
	// ended is what the journal says, read before a journal is thrown away and at
	// the end.
	ended *journal.Row
	gen   int // of the journal ended was read from
	lost  *loss
}

// take is one time the core took a sentence.
type take struct {
	sn   *sentence
	step uint64
	chat *chat
	life *life
	at   time.Time
}

// loss is why a pending row is gone.
type loss struct {
	gen      int
	volatile bool
}

// said is a sentence of an agent.
type said struct {
	conv     *conv
	sn       *sentence
	mark     string // begins every word of it, and of no other
	handed   []handing
	attempts []*attempt
	ended    *journal.Row
	gen      int   // of the journal ended was read from
	losses   []int // generations of journals that were thrown away with a record of it
	// broken: a process died when its journal said that a request was on its way,
	// whether it had left or not.
	broken bool
}

// handing is the first time a process was given a sentence.
type handing struct {
	step   uint64
	at     time.Time
	life   *life
	answer bool // in an answer's Sentences
	// refused: the journal could take nothing then.
	refused bool
}

// attempt is one request to the network.
type attempt struct {
	part  int
	step  uint64
	at    time.Time
	life  *life
	took  bool
	told  string // what the gateway heard: one of the outcomes, or "" before it did
	words string
	// reported: the network has said that it was delivered; heard are the
	// generations of journals whose gateway said that it took that in.
	reported bool
	heard    []int
	// durable: the journal of its process knew that it was sent when the process
	// died.
	durable bool
}

// step gives the next moment in the order of what happened.
func (w *world) step() uint64 {
	w.steps++
	return w.steps
}

// after runs f under the mutex when d has passed, unless the run is over.
func (w *world) after(d time.Duration, f func()) {
	time.AfterFunc(d, func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		if !w.over {
			f()
		}
	})
}

// violate notes a broken promise.
func (w *world) violate(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	w.note("VIOLATION %s", text)
	w.verdicts = append(w.verdicts, text)
}

// cry is violate for what the bubble will not survive: it says so at once.
func (w *world) cry(format string, args ...any) {
	w.violate(format, args...)
	fmt.Fprintf(os.Stderr, "\nseed %d: %s\n", w.plan.Seed, w.verdicts[len(w.verdicts)-1])
}

func (w *world) find(a address) *conv {
	for _, c := range w.convs {
		if c.address() == a {
			return c
		}
	}
	w.violate("the gateway speaks of a conversation that is none: %v", a)
	return &conv{name: "?", net: &network{port: a.port}, tracking: a.tracking, notes: map[string][]take{}}
}

// taken notes that the core took a sentence.
func (w *world) taken(sn *sentence, s *seat) {
	c := sn.chat.conv
	t := take{sn, w.step(), sn.chat, s.wire.life, time.Now()}
	if strings.HasPrefix(sn.id, "note:") {
		c.notes[sn.id] = append(c.notes[sn.id], t)
		return
	}
	for _, e := range c.events {
		if e.id == sn.id {
			e.takes = append(e.takes, t)
			return
		}
	}
	w.violate("the core got sentence %s, which nobody wrote", sn.id)
}

// told notes what a packet shows a process of agents' sentences.
func (c *core) told(x *wire, p simprot.Packet) {
	c.w.log("<", x.id, p)
	switch v := p.Payload.(type) {
	case *simprot.ChatSentenceInfo:
		if v.IsOutbound {
			c.hand(x, v, false)
		}
	case *simprot.ChatStatusInfo:
		c.knows(x, v)
		for _, sn := range v.Sentences {
			if sn.IsOutbound {
				c.hand(x, sn, true)
			}
		}
	case *simprot.MessageContentInfo, *simprot.CommandInfo:
		c.w.msgs.tells(x, p)
	}
}

// knows notes that a journal can know a chat from now on.
func (c *core) knows(x *wire, v *simprot.ChatStatusInfo) {
	ch := c.latest[address{v.Port, v.TrackingId}]
	if ch == nil || ch.id != v.ChatId || v.Sentences == nil || c.rules.ToAll || x.owes && !c.rules.Asks {
		return // with ToAll it may answer somebody else's question
	}
	l, told := x.life, time.Now()
	c.w.after(takenIn, func() {
		if j := l.journal; l.dead || j == nil || j.away || j.full || j.well.After(told) || x.ended {
			return // what an answer showed is not judged to the end on a connection that is gone
		}
		if ch.known == nil {
			ch.known = make(map[int]time.Time)
		}
		if ch.known[l.gen].IsZero() {
			ch.known[l.gen] = time.Now()
		}
	})
}

// takenIn is how long an answer may take to be journaled.
const takenIn = 3 * time.Second

func (c *core) hand(x *wire, v *simprot.ChatSentenceInfo, answer bool) {
	for _, conv := range c.w.convs {
		if conv.tracking != v.TrackingId || conv.net.port != v.Port {
			continue
		}
		for _, s := range conv.said {
			if s.sn.id != v.ID || s.sn.text != v.Text {
				continue
			}
			if last := len(s.handed) - 1; last >= 0 && s.handed[last].life == x.life && !s.handed[last].refused {
				continue
			}
			j := x.life.journal
			s.handed = append(s.handed, handing{c.w.step(), time.Now(), x.life, answer, j != nil && (j.full || j.away)})
		}
	}
}

// forgotten: the core lost its store.
func (w *world) forgotten() {
	w.note("core: forgets everything")
	if w.msgs != nil {
		w.msgs.forget()
	}
}

// begins opens a chat from the agent's side.
func (w *world) begins(c *conv) {
	if ch := w.core.latest[c.address()]; ch != nil && !ch.status.Closed() {
		return
	}
	ch := w.core.open(c.address(), true)
	if w.core.rules.BeginNews {
		w.core.tell(w.core.news(ch))
	}
}

// says lets the agent say something in the open chat.
func (w *world) says(c *conv, words int, reuse bool, model simprot.Model) {
	ch := w.core.latest[c.address()]
	if ch == nil || ch.status.Closed() {
		return
	}
	n := len(c.said) + 1
	s := &said{conv: c, mark: fmt.Sprintf("%s%d", c.name, n)}
	id := fmt.Sprintf("m-%s-%d", c.name, n)
	if reuse && n > 1 {
		id = c.said[n-2].sn.id
	}
	text := make([]string, words)
	for i := range text {
		text[i] = fmt.Sprintf("%s.%d", s.mark, i)
	}
	// Before it is told: the packet may not outrun the record.
	c.said = append(c.said, s)
	s.sn = &sentence{chat: ch, id: id, text: strings.Join(text, " ")}
	s.sn = w.core.say(ch, id, s.sn.text, model)
	s.sn.said = s
	w.note("agent says %s (%s, Counter %d of chat %d)", s.mark, id, s.sn.counter, ch.n)
}

// writes lets a customer do something.
func (w *world) writes(c *conv, kind string, poison bool) {
	n := len(c.events) + 1
	e := &event{conv: c, kind: kind, id: fmt.Sprintf("sim|%s|%s-%d", kind, c.name, n), text: fmt.Sprintf("hello %d", n)}
	if poison {
		e.text = poisonText + e.text
	}
	c.events = append(c.events, e)
	w.note("customer %s: %s", c.name, e.id)
	c.net.brings(e)
}

const poisonText = "POISON "

func poisonous(text string) bool { return strings.HasPrefix(text, poisonText) }

// armed is a crash that waits for its moment.
type armed struct {
	at    point
	after int
	down  time.Duration
	wipe  bool
}

// point is a moment at which a process may die.
type point int

const (
	atCoreReads point = iota
	atCoreAnswers
	atSend
	atSent
	atCommitted
	atHandedOver
	atAccepted
	atReplied
	atCommit
	points
)

func (p point) String() string {
	return [...]string{"the core reads", "the core has answered", "a send begins", "a send was taken", "a commit, before hand-over", "a hand-over", "an accept", "a reply to the network", "a change is committed"}[p]
}

// point lets a crash happen that waits for this moment; it tells whether one
// did. w.mu is held.
func (w *world) point(p point) bool {
	if w.life == nil {
		return false
	}
	for i := range w.armed {
		a := &w.armed[i]
		if a.at != p {
			continue
		}
		if a.after--; a.after > 0 {
			return false
		}
		hit := *a
		w.armed = append(w.armed[:i:i], w.armed[i+1:]...)
		w.note("crash at: %v", p)
		w.crash(hit.down, hit.wipe)
		return true
	}
	return false
}

// sleep lets virtual time pass.
func sleep(d time.Duration) { _ = pause(context.Background(), d) }

// pause lets virtual time pass, or less when ctx ends.
func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
