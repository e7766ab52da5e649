package gateway

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"
	"golang.org/x/sync/semaphore"

	"servicelink/gateway/journal"
	"servicelink/simprot"
)

// A message - a mail, a short message that is no part of a chat - has no
// conversation at the core: it is named by its gateway and its own id, and answered
// for itself (SPEC, messages). Its row waits in a lane of its sender or recipient, in
// the order it came, without Counters, notes or RESYNC.
//
//	message.go         what both directions share: the session, and lanes
//	message_event.go   in: an event -> what the core is told; message_name.go what it is called
//	message_in.go      in: one at a time of a sender's to the core, until it is answered
//	message_answer.go  in: SE_MESSAGE_RECEIVED -> the row it is about, wherever that is
//	message_body.go    in: links of files, and cutting
//	message_out.go     out: SE_MESSAGE_SENDING -> journal, or the answer
//	message_route.go   out: what the core says -> what a device sends
//	message_send.go    out: parts, attempts, outcomes, time
//	message_sent.go    out: ES_MESSAGE_SENT, made of the row

// messages is what the flows of messages know.
type messages struct {
	metrics *messageMetrics

	mu     sync.Mutex
	link   *messageLink  // nil = the core is away
	change chan struct{} // closed when link is another
	answers
	requests
}

func newMessages(metrics *messageMetrics) *messages {
	return &messages{metrics: metrics, change: make(chan struct{}), answers: newAnswers(), requests: newRequests()}
}

// How much may be without an answer on a connection (SPEC, messages).
const (
	maxUnanswered      = 64
	maxUnansweredBytes = 16 << 20
)

// messageLink is a session with what is unanswered on it.
type messageLink struct {
	session *simprot.Session
	up      time.Time
	gone    context.Context // ends with the session
	end     context.CancelFunc
	listed  chan struct{}       // closed when the core was asked for its gateways there, which goes first
	count   *semaphore.Weighted // of messages
	bytes   *semaphore.Weighted // of their bodies
}

// up is called by the link for every new session, before any packet of it.
func (m *messages) up(s *simprot.Session, register bool) {
	gone, end := context.WithCancel(context.Background())
	m.mu.Lock()
	defer m.mu.Unlock()
	m.link = &messageLink{
		session: s, up: time.Now(), gone: gone, end: end, listed: make(chan struct{}),
		count: semaphore.NewWeighted(maxUnanswered), bytes: semaphore.NewWeighted(maxUnansweredBytes),
	}
	if !register {
		close(m.link.listed)
	}
	m.changed()
}

// asksRegister is called when the core is asked for its gateways. What it returns is
// called when it has answered, or will not.
func (m *messages) asksRegister(s *simprot.Session) (answered func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.link == nil || m.link.session != s {
		return func() {}
	}
	listed := m.link.listed
	done := func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		select {
		case <-listed:
		default:
			close(listed)
		}
	}
	written := time.AfterFunc(registerWritten, done) // a core without a register does not answer
	return func() { written.Stop(); done() }
}

const (
	// registerWritten is how long the question for the register may take to be written.
	registerWritten = time.Second
	// registerGrace is how long messages wait for it to be asked.
	registerGrace = 30 * time.Second
)

// down is called after the last packet of a session.
func (m *messages) down(s *simprot.Session) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.link != nil && m.link.session == s {
		m.link.end()
		m.link = nil
		m.changed()
	}
}

// changed wakes who waits for a session. m.mu is held.
func (m *messages) changed() {
	close(m.change)
	m.change = make(chan struct{})
}

// look gives the link, nil while the core is away, and what tells of the next change.
func (m *messages) look() (*messageLink, <-chan struct{}) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.link, m.change
}

// pushMessage puts a handed-over row into its lane.
func (g *Gateway) pushMessage(c *conversation, row *journal.Row) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lastUsed = time.Now()
	l := c.lane(row.Lane.Direction)
	h := g.admit(c, l, row, inLaneLimit)
	if h != nil && !row.Repeat {
		h.came = time.Now()
	}
	switch {
	case l.running:
		l.wake()
	case h != nil || l.behind && !l.queued && len(l.rows) == 0:
		g.startMessages(c, l)
	}
}

// wake has a lane's goroutine look at its rows again. The conversation's mutex is
// held.
func (l *laneState) wake() {
	select {
	case l.woken <- struct{}{}:
	default: // it is to look anyway, or sleeps not
	}
}

// startMessages starts the lane's goroutine. c.mu is held.
func (g *Gateway) startMessages(c *conversation, l *laneState) {
	if l.woken == nil {
		l.woken = make(chan struct{}, 1)
	}
	work := g.deliverMessage
	if l.dir == journal.Out {
		work = g.sendMessage
	}
	l.setRunning(c.ch.life.spawn(func() {
		defer g.feed(c.ch, l.dir) // it leaves room behind
		for h := g.nextMessage(c, l); h != nil; h = g.nextMessage(c, l) {
			work(c.ch.life.lanes, c, h)
		}
	}))
}

// nextMessage gives the lane's first row that is not to rest, or nil when the
// goroutine shall end. It waits while all of them rest.
func (g *Gateway) nextMessage(c *conversation, l *laneState) *held {
	ctx := c.ch.life.lanes
	for {
		c.mu.Lock()
		if ctx.Err() != nil {
			for _, h := range l.rows {
				g.messages.dismiss(h.inbound)
			}
			l.setRunning(false)
			c.mu.Unlock()
			return nil
		}
		h, rest := g.due(c, l)
		switch {
		case h != nil:
			c.mu.Unlock()
			return h
		case len(l.rows) > 0:
			woken := l.woken
			c.mu.Unlock()
			pause(ctx, rest, woken)
			continue
		case !l.behind:
			l.setRunning(false)
			c.mu.Unlock()
			return nil
		case !c.reserve(l, inLaneLimit):
			c.mu.Unlock()
			return nil
		}
		c.mu.Unlock()
		if err := g.refill(ctx, c, l); err != nil {
			sleep(ctx, journalRetry)
		}
	}
}

// due gives the first row that may be worked on, or how long all of them rest. c.mu
// is held.
func (g *Gateway) due(c *conversation, l *laneState) (first *held, rest time.Duration) {
	if l.dir == journal.Out {
		if len(l.rows) > 0 {
			first = l.rows[0]
		}
		return first, 0
	}
	rest = restMax
	for _, h := range l.rows {
		if h.inbound == nil {
			h.inbound = newInMessage(c, h)
			h.Next = restsUntil(h)
			g.messages.expect(h.inbound)
		}
		wait := time.Until(h.Next)
		if len(h.inbound.answers) > 0 || h.Next.IsZero() || wait <= 0 {
			if g.messages.works(h.inbound) {
				return h, 0
			}
			wait = restMax // another answer ends it now
		}
		rest = min(rest, wait)
	}
	return nil, rest
}

// pause waits for d, or less when ctx ends or it is woken.
func pause(ctx context.Context, d time.Duration, woken <-chan struct{}) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-woken:
	case <-ctx.Done():
	}
}

// end is the change that ends a row.
func (v verdict) end(h *held, parts []journal.Part) journal.Change {
	return journal.Change{
		Seq: h.Seq, Epoch: h.Epoch, State: v.state, Reason: string(v.reason), Hint: v.hint,
		Attempts: h.Attempts, Strikes: h.Strikes, Parts: slices.Clone(parts),
	}
}

// commitEnd makes the end of a row durable; false: the gateway stops, and the row is
// pending, or ended, at the next start.
func (g *Gateway) commitEnd(c *conversation, h *held, end journal.Change) bool {
	if g.journal.Commit(c.ch.life.hard, end) != nil {
		sleep(c.ch.life.hard, journalRetry) // its lane looks at it again
		return false
	}
	c.ch.finished(h.Row, end.State, end.Reason)
	g.settle(h.Lane, h.ID)
	return true
}

// drop takes a row that has ended off its lane.
func (g *Gateway) drop(c *conversation, h *held) {
	c.mu.Lock()
	defer c.mu.Unlock()
	g.pop(c.lane(h.Lane.Direction), h.Seq)
	c.lastUsed = time.Now()
}

var errNoMessage = errors.New("gateway: the journal's message cannot be read")

// gatewayID is a message gateway's id as packets have it.
func (ch *channel) gatewayID() uuid.UUID {
	id, _ := uuid.Parse(ch.cfg.Name) // it is one
	return id
}

// heldMessages bounds how many of a gateway's messages are in memory in one direction:
// one may have two megabytes.
const heldMessages = 256
