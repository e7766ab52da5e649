package gateway

import (
	"context"
	"time"

	"servicelink/gateway/journal"
	"servicelink/simprot"
)

// messageAnswer is what the core says of a message it was to take.
type messageAnswer struct {
	said     bool // the zero value says nothing
	accepted bool
	message  string // its MessageId at the core; may be empty
}

const (
	// endedKept is how many messages that have ended are remembered, to tell a second
	// answer from one that nobody asked for.
	endedKept = 4096
	// earlyKept is how many answers are kept for rows that are not in memory.
	earlyKept = 1024
	// soughtAtOnce is how many answers may wait to be looked for in the journal.
	soughtAtOnce = 64
	// soughtPage and soughtRows are how many rows are read at once for that, and in
	// all, of a gateway's pending ones and of its dead letters.
	soughtPage, soughtRows = 16, 2000
)

// answers finds the row of an answer. Guarded by messages.mu.
type answers struct {
	waiting map[string]*inMessage    // by RequestId: every row in memory
	early   map[string]messageAnswer // for rows that are not
	over    map[string]struct{}      // the latest that ended
	overs   []string                 // the same, oldest first
	seeking int
}

func newAnswers() answers {
	return answers{waiting: map[string]*inMessage{}, early: map[string]messageAnswer{}, over: map[string]struct{}{}}
}

// give leaves an answer for a row in memory; false: it has one. messages.mu is held.
func (it *inMessage) give(a messageAnswer) bool {
	if it.taken {
		return false
	}
	it.taken = a.accepted
	select {
	case it.answers <- a:
	default:
		return false
	}
	select {
	case it.woken <- struct{}{}: // its lane may sleep
	default:
	}
	return true
}

// expect registers a row. It may have been answered before.
func (m *messages) expect(it *inMessage) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.waiting[it.request] = it
	if a, ok := m.early[it.request]; ok {
		delete(m.early, it.request)
		it.give(a)
	}
}

// unanswered counts the messages that were written longer ago than d and have no answer.
func (m *messages) unanswered(d time.Duration) (n int) {
	before := time.Now().Add(-d).UnixNano()
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, it := range m.waiting {
		if at := it.asked.Load(); at != 0 && at < before {
			n++
		}
	}
	return n
}

// works takes a row on; false: somebody does already.
func (m *messages) works(it *inMessage) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if it.worked {
		return false
	}
	it.worked = true
	return true
}

// rests lets go of a row.
func (m *messages) rests(it *inMessage) {
	m.mu.Lock()
	defer m.mu.Unlock()
	it.worked = false
}

// dismiss ends that; the row is pending.
func (m *messages) dismiss(it *inMessage) {
	if it == nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.waiting[it.request] == it {
		delete(m.waiting, it.request)
	}
}

// ended ends that; so has the row.
func (m *messages) ended(it *inMessage) {
	m.dismiss(it)
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, ok := m.over[it.request]; ok {
		return
	}
	if len(m.overs) >= endedKept {
		delete(m.over, m.overs[0])
		m.overs = m.overs[1:]
	}
	m.over[it.request] = struct{}{}
	m.overs = append(m.overs, it.request)
}

// messageTaken is SE_MESSAGE_RECEIVED. It runs on the link's reader and only leaves a
// word where it belongs.
func (g *Gateway) messageTaken(cmd *simprot.CommandInfo) {
	m := g.messages
	accepted, said := cmd.Accepted()
	if !said {
		m.metrics.answer(answerNeither)
		g.log.Warn("the core answered a message neither true nor false: that is no answer", "request", simprot.LogID(cmd.Reference))
		return
	}
	a := messageAnswer{said: true, accepted: accepted}
	if cmd.Id != nil {
		a.message = cmd.Id.String()
	}
	switch kind, it := m.place(cmd, a); {
	case kind == answerLate:
		m.metrics.answer(kind)
		it.c.ch.life.spawn(func() { g.endLate(it) }) // else it is answered again after the start
	case kind != "":
		m.metrics.answer(kind)
	case it == nil:
		g.seek(cmd, a)
	}
}

// endLate ends a row that rests, or waits behind others, because the core has it after
// all.
func (g *Gateway) endLate(it *inMessage) {
	a := <-it.answers
	it.row.step(stepTaken)
	g.finishMessageIn(it.c, it, verdict{state: journal.Done}, a.message)
	it.c.mu.Lock()
	defer it.c.mu.Unlock()
	it.c.in.wake()
}

// place gives an answer to its row. Neither kind nor row: it is to be looked for. Late:
// nobody works on the row, and it is to be ended.
func (m *messages) place(cmd *simprot.CommandInfo, a messageAnswer) (kind string, it *inMessage) {
	m.mu.Lock()
	defer m.mu.Unlock()
	it = m.waiting[cmd.Reference]
	_, over := m.over[cmd.Reference]
	_, early := m.early[cmd.Reference]
	switch {
	case it != nil && cmd.RefId != nil && *cmd.RefId != it.gateway:
		return answerUnknown, nil
	case it != nil:
		if !it.give(a) {
			return answerDuplicate, nil
		}
		if a.accepted && !it.worked {
			it.worked = true
			return answerLate, it
		}
		return "", it
	case over, early:
		return answerDuplicate, nil
	case cmd.RefId == nil || cmd.Reference == "" || m.seeking >= soughtAtOnce:
		return answerUnknown, nil
	}
	m.seeking++
	return "", nil
}

// seek looks for the row of an answer in the journal: an earlier process asked, and
// the row waits on disk or is a dead letter by now.
func (g *Gateway) seek(cmd *simprot.CommandInfo, a messageAnswer) {
	m := g.messages
	done := func(kind string) {
		m.mu.Lock()
		m.seeking--
		m.mu.Unlock()
		m.metrics.answer(kind)
	}
	ch := g.channel(cmd.RefId.String())
	if ch == nil || !ch.isGateway() || !ch.hears() {
		done(answerUnknown)
		return
	}
	if !ch.life.spawn(func() { done(g.sought(ch.life.lanes, ch, cmd.Reference, a)) }) {
		done(answerUnknown) // the row is asked about again after the start
	}
}

// sought finds the row, and says what the answer was.
func (g *Gateway) sought(ctx context.Context, ch *channel, request string, a messageAnswer) (kind string) {
	is := func(row *journal.Row) bool {
		return row.Lane.Direction == journal.In && requestID(ch.cfg.Name, row.ID) == request
	}
	for after, seen := int64(0), 0; seen < soughtRows; {
		rows, err := g.journal.Pending(ctx, ch.cfg.Name, after, soughtPage)
		if err != nil || len(rows) == 0 {
			break
		}
		for i := range rows {
			if is(&rows[i]) {
				g.answeredEarly(ch, rows[i].Lane.TrackingID, request, a)
				return answerLate
			}
		}
		seen, after = seen+len(rows), rows[len(rows)-1].Seq
	}
	for before, seen := int64(0), 0; seen < soughtRows && a.accepted; {
		rows, err := g.journal.Dead(ctx, journal.DeadQuery{Channel: ch.cfg.Name, Before: before, Limit: soughtPage})
		if err != nil || len(rows) == 0 {
			break
		}
		for i := range rows {
			if is(&rows[i]) {
				g.messages.keepEarly(request, a)
				if err := g.journal.Requeue(ctx, rows[i].Seq); err != nil {
					return answerUnknown
				}
				return answerLate
			}
		}
		seen, before = seen+len(rows), rows[len(rows)-1].Seq
	}
	return answerUnknown
}

// answeredEarly leaves an answer for a row on disk, and has its lane read it.
func (g *Gateway) answeredEarly(ch *channel, tracking, request string, a messageAnswer) {
	m := g.messages
	m.mu.Lock()
	it := m.waiting[request]
	if it != nil { // it was read meanwhile
		it.give(a)
		m.mu.Unlock()
		return
	}
	m.mu.Unlock()
	m.keepEarly(request, a)
	g.convs.get(ch, tracking).wake(journal.In)
	g.feed(ch, journal.In)
}

// keepEarly keeps an answer until its row is read. What is too much is forgotten: the
// row is asked about again.
func (m *messages) keepEarly(request string, a messageAnswer) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.early) >= earlyKept {
		clear(m.early)
	}
	m.early[request] = a
	delete(m.over, request) // a dead letter that lives again
}

// The kinds of answers that are counted beside the usual ones.
const (
	answerNone      = "none"      // none came in ten minutes
	answerNeither   = "neither"   // it says neither true nor false
	answerDuplicate = "duplicate" // there was one before
	answerLate      = "late"      // it came when its row was not awaited any more, and counted
	answerUnknown   = "unknown"   // nobody asked
)

var answerKinds = []string{answerNone, answerNeither, answerDuplicate, answerLate, answerUnknown}
