package gateway

import (
	"context"
	"errors"
	"runtime"
	"sync/atomic"
	"time"

	"servicelink/connectors"
	"servicelink/gateway/journal"
	"servicelink/simprot"
)

// echoTimeout is how long the core has to confirm a sentence, from the moment
// it left the write buffer (SPEC, sentence and echo).
const echoTimeout = 20 * time.Second

// inLane is the order of a conversation's events towards the core.
type inLane struct{ laneState }

// inItem is the event at the head of a lane, on its way to the core.
type inItem struct {
	row     *held
	content content
	// inDoubt: it may have been written to the core, by this process or an
	// earlier one. Then STATUS is asked before anything else.
	inDoubt bool
	// writeTick is when it was last written, on the conversation's clock.
	writeTick uint64
	// baseChat and baseCounter are what was known when it was first written.
	baseChat    string
	baseCounter int32
	sends       int
	suspicion
	// slot is the place in the window it holds since its write; it is kept
	// through a time-out until the event is settled.
	slot *slot
	// writtenAt is when the frame left the write buffer, on the gateway's
	// monotonic clock, in nanoseconds.
	writtenAt atomic.Int64
	echo      chan int32    // its Counter
	closed    chan struct{} // the core closed the chat before the echo
}

// verdict is how an event ends; the zero value means: not yet.
type verdict struct {
	state  journal.State
	reason connectors.Reason
	hint   string
}

var (
	notYet   = verdict{}
	shownNow = verdict{state: journal.Done}
)

// pushIn puts a handed-over row into its lane.
func (g *Gateway) pushIn(c *conversation, row *journal.Row) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lastUsed = time.Now()
	admitted := g.admit(c, &c.in.laneState, row, inLaneLimit)
	if !c.in.running && (admitted != nil || c.in.behind && !c.in.queued && len(c.in.rows) == 0) {
		g.startIn(c)
	}
}

// startIn starts the lane's goroutine. c.mu is held.
func (g *Gateway) startIn(c *conversation) {
	c.in.setRunning(c.ch.life.spawn(func() { g.runIn(c) }))
}

// runIn works a lane until it is empty, one event at a time: the next is
// touched only after the last was echoed. Other lanes are never held up.
func (g *Gateway) runIn(c *conversation) {
	defer g.feed(c.ch, journal.In) // it leaves room behind
	for row := g.nextIn(c); row != nil; {
		g.deliverIn(c.ch.life.lanes, c, row)
		if row = g.nextIn(c); row != nil {
			// The scheduler runs who was woken last first: the echo's reader and a
			// lane with a long backlog would keep a processor to themselves.
			runtime.Gosched()
		}
	}
}

// nextIn gives the head of the lane, or nil when the goroutine shall end.
func (g *Gateway) nextIn(c *conversation) *held {
	for {
		c.mu.Lock()
		switch {
		case c.ch.life.lanes.Err() != nil:
			c.in.setRunning(false)
			c.mu.Unlock()
			return nil
		case len(c.in.rows) > 0:
			row := c.in.rows[0]
			c.mu.Unlock()
			return row
		case !c.in.behind:
			c.in.setRunning(false)
			c.answer = nil
			c.mu.Unlock()
			return nil
		case !c.reserve(&c.in.laneState, inLaneRefill):
			c.answer = nil
			c.mu.Unlock()
			return nil
		}
		c.mu.Unlock()
		if err := g.refill(c.ch.life.lanes, c, &c.in.laneState); err != nil {
			sleep(c.ch.life.lanes, journalRetry)
		}
	}
}

// heard notes what the customer wrote last, for who answers it.
func (c *conversation) heard(said content) {
	if said.NetworkID == "" || said.Kind == string(connectors.KindEdit) || said.Kind == string(connectors.KindReaction) {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.latest = said.NetworkID
}

// deliverIn brings one event to its end. It returns early only when the lanes
// are stopped; the row stays pending then.
func (g *Gateway) deliverIn(ctx context.Context, c *conversation, row *held) {
	it := &inItem{
		row: row, inDoubt: row.Loaded, suspicion: suspicion{strikes: row.Strikes, unseen: row.Attempts},
		baseChat: row.BaseChat, baseCounter: row.BaseCounter,
		echo: make(chan int32, 1), closed: make(chan struct{}, 1),
	}
	defer g.window.release(it)
	var err error
	if it.content, err = decodeContent(row.Content); err != nil {
		g.finishIn(c, it, verdict{journal.Dead, connectors.ReasonEncoding, "the journal's content cannot be read"})
		return
	}
	c.heard(it.content)
	c.opens(&row.Row)
	row.turn()
	for tries := 0; ctx.Err() == nil; {
		v, err := g.tryIn(ctx, c, it)
		switch {
		case err == nil && v != notYet:
			g.finishIn(c, it, v)
			return
		case errors.Is(err, errStartUnanswered) && tries == 0:
			tries++
		case errors.Is(err, simprot.ErrNoAnswer):
			tries++
			row.step(stepParked)
			g.park(ctx, c, tries)
		case errors.Is(err, errSuspect):
			g.window.release(it) // settled: STATUS does not show it
			if !g.suspects.park(ctx, g, c, it) {
				g.finishIn(c, it, verdict{journal.Dead, connectors.ReasonCore, "given up while it was suspected of breaking the connection to the core"})
				return
			}
		case errors.Is(err, simprot.ErrGone):
			g.window.release(it) // the connection its place belonged to has ended
		case err == nil:
		default:
			sleep(ctx, journalRetry) // the journal is away
		}
	}
}

// tryIn takes an event as far as one look at the core allows. notYet without
// an error means: look again.
func (g *Gateway) tryIn(ctx context.Context, c *conversation, it *inItem) (verdict, error) {
	if err := g.load(ctx, c); err != nil {
		return notYet, err
	}
	g.wantProfile(c, &it.content)
	it.row.stepIf(c.ch.port.current() == nil, stepCore)
	s, err := c.ch.port.claimed(ctx)
	if err != nil {
		return notYet, err
	}
	g.window.forget(it, s)
	v, rests, err := g.clearDoubt(ctx, c, s, it)
	if v != notYet || err != nil {
		return v, err
	}
	switch {
	case it.content.Kind == string(connectors.KindStop):
		return g.stopChat(ctx, c, s, it)
	case it.content.Kind == kindNote:
		if it.content.Confirm != "" { // in front of the note, whether or not the chat is open
			g.confirm(c, it.content.Confirm)
		}
		if open, err := g.openNow(ctx, c, s); err != nil || !open {
			// A note never opens a chat; the failure it tells of stays in the
			// dead letters.
			return verdict{state: journal.Done, reason: reasonChatClosed}, err
		}
	default:
		if v, err := g.openChat(ctx, c, s, it); v != notYet || err != nil || !c.holdsOpen(s) {
			return v, err // while the core takes no chats the next look waits at the gate
		}
	}
	if it.sends == 0 && c.wasShown(it.row.ID) {
		return shownNow, nil // the resync's question was answered since the doubt was cleared
	}
	return g.sayIn(ctx, c, s, it, rests)
}

// clearDoubt asks the core about an event that it may have: what STATUS shows
// is done. rests is the RESYNC the answer rests on; sending again needs it to
// be the latest (0: not in doubt).
func (g *Gateway) clearDoubt(ctx context.Context, c *conversation, s *simprot.Session, it *inItem) (verdict, uint64, error) {
	if it.content.Kind == string(connectors.KindStop) {
		return notYet, 0, nil // said twice it does no harm
	}
	if !it.inDoubt {
		if c.wasShown(it.row.ID) {
			return shownNow, 0, nil
		}
		return notYet, 0, nil
	}
	it.row.step(stepDoubt)
	a, err := g.ask(ctx, c, s, it.writeTick)
	select {
	case n := <-it.echo: // a late echo withdraws the question
		g.metrics.lateEcho()
		c.echoed(n)
		it.row.step(stepEchoed)
		return shownNow, 0, nil
	default:
	}
	if err != nil {
		return notYet, 0, err
	}
	g.window.release(it) // settled: either shown, or to be written anew
	return g.judge(c, it, a), a.resync, nil
}

// judge reads an answer for an event in doubt.
func (g *Gateway) judge(c *conversation, it *inItem, a *answer) verdict {
	if n, ok := a.inbound[it.row.ID]; ok {
		c.echoed(n)
		it.row.step(stepShown)
		return shownNow
	}
	if !it.inDoubt || it.row.Epoch > 0 && it.sends == 0 {
		return notYet // never written; or requeued by someone who has looked
	}
	base := int32(0)
	if it.baseChat != "" && it.baseChat == a.chatID {
		base = it.baseCounter
	}
	if a.oldest > base+1 {
		return verdict{journal.Dead, connectors.ReasonInDoubt, "the core's answer was cut, so it cannot be known whether the agent has this message; look at the conversation before requeueing it"}
	}
	return notYet
}

// sayIn writes the sentence and waits for its echo.
func (g *Gateway) sayIn(ctx context.Context, c *conversation, s *simprot.Session, it *inItem, rests uint64) (verdict, error) {
	if it.suspect() && !it.onTrial {
		return notYet, errSuspect
	}
	if err := g.window.acquire(ctx, c.ch, s, it); err != nil {
		return notYet, err
	}
	it.row.stepIf(it.alone() || g.window.isAlone(), stepAlone)
	if err := g.window.fly(ctx, s, it.alone()); err != nil {
		return notYet, err
	}
	defer g.window.land(it.alone())
	if it.inDoubt && rests != c.ch.port.resyncs() {
		return notYet, nil // the answer is older than the latest RESYNC
	}
	it.begin(c, time.Since(g.began))
	it.row.waits(stepWritten, echoTimeout, "")
	err := s.Send(simprot.CodeChatSentenceIn, it.sentence(c), func(at time.Time) { it.writtenAt.Store(int64(at.Sub(g.began))) })
	if err != nil {
		var bad *simprot.EncodeError
		if errors.As(err, &bad) || errors.Is(err, simprot.ErrFrameTooLong) {
			return verdict{journal.Dead, connectors.ReasonEncoding, "the message does not fit the core's frame limit"}, nil
		}
		return notYet, err
	}
	return g.awaitEcho(c.ch.life.hard, c, s, it) //nolint:contextcheck // what is written is waited for
}

// begin notes the write before it happens.
func (it *inItem) begin(c *conversation, now time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if it.sends == 0 && !it.row.Loaded {
		it.baseChat, it.baseCounter = c.chatID, c.counter
	}
	it.sends++
	it.unseen++
	it.onTrial = false
	it.inDoubt = true
	c.tick++
	it.writeTick = c.tick
	it.writtenAt.Store(int64(now))
	c.waiting = it
}

// age is how long ago the sentence was written.
func (it *inItem) age(g *Gateway) time.Duration {
	return time.Since(g.began) - time.Duration(it.writtenAt.Load())
}

func (it *inItem) sentence(c *conversation) *simprot.ChatSentenceInfo {
	sent := it.row.SentAt
	if sent.IsZero() {
		sent = it.row.AcceptedAt
	}
	return &simprot.ChatSentenceInfo{
		Port: c.ch.cfg.Port, TrackingId: c.tracking, ID: it.row.ID,
		PartyName: c.shownName(&it.content), Text: it.content.Text,
		TimeSent: sent.UTC(), Model: it.content.Model, ReplyUntil: c.replyUntil(),
	}
}

// awaitEcho waits until the event is settled one way or the other. A stop lets
// it: what is in flight is waited for.
func (g *Gateway) awaitEcho(ctx context.Context, c *conversation, s *simprot.Session, it *inItem) (verdict, error) {
	timer := time.NewTimer(echoTimeout)
	defer timer.Stop()
	for {
		select {
		case n := <-it.echo:
			g.metrics.roundtrip(it.age(g))
			g.window.echoed()
			c.echoed(n)
			it.row.step(stepEchoed)
			return shownNow, nil
		case <-it.closed:
			it.unseen-- // that it is not shown has a reason
			it.row.step(stepChatClosed)
			return notYet, nil // in doubt: STATUS decides
		case <-s.Done():
			g.strike(it, s)
			it.row.step(stepLinkLost)
			return notYet, simprot.ErrGone
		case <-ctx.Done():
			return notYet, ctx.Err()
		case <-timer.C:
			if rest := echoTimeout - it.age(g); rest > 0 {
				timer.Reset(rest) // counted from the write, not from the queueing
				continue
			}
			g.metrics.echoTimeout()
			it.row.step(stepNoEcho)
			g.window.timedOut()
			s.Ping()
			return notYet, c.ch.port.resync(c.ch.life.lanes, s) //nolint:contextcheck // a new step
		}
	}
}

// echoed notes an event's Counter. A Counter of 0 is not told.
func (c *conversation) echoed(n int32) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.waiting = nil
	c.counter = max(c.counter, n)
}

// wasShown tells whether the core has shown an ID that the journal is too
// young to know.
func (c *conversation) wasShown(id string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, ok := c.shown[id]
	return ok
}

// finishIn ends an event. A failure is told to the agent first: the note's ID
// is derived, so a crash in between repeats it without harm.
func (g *Gateway) finishIn(c *conversation, it *inItem, v verdict) {
	if v.state == journal.Dead && it.content.Kind != kindNote {
		if err := g.note(c.ch.life.hard, c, it.row.ID, inboundNote(v)); err != nil {
			return // stopped, or the journal is away: the row stays pending
		}
	}
	c.mu.Lock()
	c.waiting = nil
	mark := c.markSometimes()
	g.pop(&c.in.laneState, it.row.Seq)
	c.lastUsed = time.Now()
	c.mu.Unlock()
	g.journal.Apply(journal.Change{
		Seq: it.row.Seq, Epoch: it.row.Epoch, State: v.state,
		Reason: string(v.reason), Hint: v.hint, Attempts: it.unseen, Strikes: it.strikes, Conv: mark,
	})
	c.ch.finished(it.row.Row, v.state, string(v.reason))
	g.settle(it.row.Lane, it.row.ID)
}
