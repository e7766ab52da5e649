package gateway

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"

	"servicelink/config"
	"servicelink/connectors"
	"servicelink/gateway/journal"
	"servicelink/simprot"
)

// knownBefore is how long a journal must have lived before a sentence was
// written to be sure that a sentence it has no record of was never sent.
const knownBefore = 5 * time.Minute

// answer is what an answer to STATUS or START said.
type answer struct {
	gen    uint64 // the session's generation
	resync uint64 // the Port's latest RESYNC when it was asked
	tick   uint64 // when it was asked, on the conversation's clock
	chatID string
	open   bool
	// inbound holds the Counter of every inbound sentence shown, by ID.
	inbound map[string]int32
	oldest  int32 // lowest Counter shown; 0 = none
	highest int32
	seen    int32 // highest Counter seen here when it was asked
}

// ask asks STATUS and takes in the answer. An answer that was asked on this
// session, after the Port's latest RESYNC and after the write at minTick, is
// used again. Questions of one conversation go one at a time.
func (g *Gateway) ask(ctx context.Context, c *conversation, s *simprot.Session, minTick uint64) (*answer, error) {
	return g.question(ctx, c, s, minTick, func() (*simprot.ChatStatusInfo, error) {
		return s.Status(ctx, &simprot.ChatStatusInfo{Port: c.ch.cfg.Port, TrackingId: c.tracking})
	})
}

// start opens the chat, or finds it open, and takes in the answer.
func (g *Gateway) start(ctx context.Context, c *conversation, s *simprot.Session, it *inItem) (*answer, error) {
	return g.question(ctx, c, s, ^uint64(0), func() (*simprot.ChatStatusInfo, error) {
		return s.Start(ctx, c.service(it))
	})
}

func (g *Gateway) question(ctx context.Context, c *conversation, s *simprot.Session, minTick uint64, put func() (*simprot.ChatStatusInfo, error)) (*answer, error) {
	if err := g.load(ctx, c); err != nil {
		return nil, err
	}
	select {
	case c.asking <- struct{}{}:
		defer func() { <-c.asking }()
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-s.Done():
		return nil, simprot.ErrGone
	}
	resync := c.ch.port.resyncs()
	c.mu.Lock()
	if a := c.answer; a != nil && a.gen == s.Generation() && a.resync == resync && a.tick > minTick {
		g.freeOut(c)
		c.mu.Unlock()
		return a, nil
	}
	c.tick++
	a := &answer{gen: s.Generation(), resync: resync, tick: c.tick, seen: c.counter, inbound: make(map[string]int32)}
	c.mu.Unlock()
	st, err := put()
	if err != nil {
		return nil, err
	}
	if err := g.takeIn(ctx, c, a, st); err != nil {
		return nil, err
	}
	return a, nil
}

// takeIn reads an answer: the chat's state, the inbound IDs it shows, and the
// outbound sentences whose fate the core does not know.
func (g *Gateway) takeIn(ctx context.Context, c *conversation, a *answer, st *simprot.ChatStatusInfo) error {
	if st.ChatId != uuid.Nil {
		a.chatID = st.ChatId.String()
	}
	a.open = !st.Status.Closed()
	c.address(st.Sentences)
	unconfirmed := a.read(st)

	before, changed := c.enter(a)
	if err := g.recoverOut(ctx, c, a, before, unconfirmed); err != nil {
		return err
	}
	if changed || before.strange {
		// Durable before the first sentence of the chat, and not before what it
		// showed has been judged: a later process must know that it knew it.
		c.mu.Lock()
		c.strange = false
		mark := c.mark()
		c.mu.Unlock()
		if err := g.journal.Commit(ctx, journal.Change{Conv: mark}); err != nil {
			return err
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.answer = a
	c.told = c.told || a.chatID != "" || !a.open && len(st.Sentences) == 0
	c.open, c.openGen = a.open, a.gen
	if g.young() {
		c.remember(a)
	}
	c.answered(max(a.highest, min(a.seen, c.counter)))
	c.place(a, unconfirmed)
	c.out.askedGen = a.gen
	c.out.askedTick = a.tick
	g.freeOut(c)
	return nil
}

// address fills in where Sentences belong: inside an answer they need not say.
func (c *conversation) address(sentences []*simprot.ChatSentenceInfo) {
	for _, sn := range sentences {
		if sn != nil {
			sn.Port, sn.TrackingId = c.ch.cfg.Port, c.tracking
		}
	}
}

// enter makes the answer's chat the latest one and tells what was known of it.
func (c *conversation) enter(a *answer) (before chatMark, changed bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	changed = a.chatID != "" && a.chatID != c.chatID
	if changed {
		c.chatID, c.counter, c.released, c.missing = a.chatID, 0, 0, nil
		c.strange, c.younger, a.seen = true, c.told, 0
	}
	return chatMark{
		known:    a.chatID != "" && (!c.strange || c.younger),
		strange:  c.strange,
		released: c.released,
	}, changed
}

// place finds the chat of rows that came without one: the answer's, if it shows
// them; else, when they came before a was asked, an earlier one, of which no
// more will be heard. c.mu is held.
func (c *conversation) place(a *answer, unconfirmed []*simprot.ChatSentenceInfo) {
	for _, h := range c.out.rows {
		switch {
		case !h.unplaced():
		case slices.ContainsFunc(unconfirmed, func(sn *simprot.ChatSentenceInfo) bool {
			return outID(sn) == h.ID && textHash(sn.Text) == h.TextHash
		}):
			h.ChatID = cmp.Or(a.chatID, unnamed)
			h.tick = min(h.tick, a.tick-1) // the answer speaks of it
		case h.tick < a.tick:
			h.ChatID = c.earlierChat(h)
		}
	}
}

// unnamed is the chat of an answer that names none.
const unnamed = "unnamed"

// earlierChat is the chat of a row that is not of the latest one. What an
// earlier process found out is lost with it, but the journal knows which chat
// was the latest when the row came: if a later row is of that chat, this one
// was too. Else it stays where it came. c.mu is held.
func (c *conversation) earlierChat(h *held) string {
	if h.BaseChat != "" && slices.ContainsFunc(c.out.rows, func(later *held) bool {
		return later.Seq > h.Seq && later.ChatID == h.BaseChat
	}) {
		return h.BaseChat
	}
	return ownChat(h)
}

// read fills in what the Sentences show and gives the outbound ones without
// confirmation.
func (a *answer) read(st *simprot.ChatStatusInfo) []*simprot.ChatSentenceInfo {
	var unconfirmed []*simprot.ChatSentenceInfo
	for _, sn := range st.Sentences {
		if sn == nil {
			continue
		}
		if sn.Counter > 0 {
			if a.oldest == 0 || sn.Counter < a.oldest {
				a.oldest = sn.Counter
			}
			a.highest = max(a.highest, sn.Counter)
		}
		switch {
		case !sn.IsOutbound:
			a.inbound[sn.ID] = sn.Counter
		case sn.ConfirmedTime == nil:
			unconfirmed = append(unconfirmed, sn)
		}
	}
	return unconfirmed
}

// remember keeps inbound IDs that an earlier journal may have known. c.mu is held.
func (c *conversation) remember(a *answer) {
	if c.shown == nil {
		c.shown = make(map[string]struct{}, len(a.inbound))
	}
	for id := range a.inbound {
		c.shown[id] = struct{}{}
	}
}

// chatMark is what was known of the chat before an answer came.
type chatMark struct {
	known    bool  // the journal knew this very chat, or the time before it
	strange  bool  // it did not, and what the chat showed is still to be judged
	released int32 // highest outbound Counter handed to the lane
}

// recoverOut deals with outbound sentences an answer shows unconfirmed: those
// recorded as sent are confirmed again, those never seen are taken now - or
// reported, when it cannot be known whether they were sent.
func (g *Gateway) recoverOut(ctx context.Context, c *conversation, a *answer, before chatMark, sentences []*simprot.ChatSentenceInfo) error {
	if len(sentences) == 0 {
		return nil
	}
	keys := make([]journal.IDHash, len(sentences))
	for i, sn := range sentences {
		keys[i] = journal.IDHash{ID: outID(sn), TextHash: textHash(sn.Text)}
	}
	lane := journal.Lane{Channel: c.ch.cfg.Name, Direction: journal.Out, TrackingID: c.tracking}
	rows, err := g.journal.Find(ctx, lane, keys...)
	if err != nil {
		return err
	}
	var entries []journal.Entry
	var lost []string
	for i, sn := range sentences {
		switch row := rows[i]; {
		case row != nil && c.ch.confirms(row):
			g.confirm(c, sn.ID)
			g.steps.tell(stepConfirmed, row.Entry)
		case row != nil: // pending: its lane has it; dead: told already; or not delivered yet
		default:
			e := g.outEntry(c.ch, sn)
			if e.ChatID == "" {
				e.ChatID = a.chatID
			}
			if !g.surelyNew(before, sn) {
				e.DeadReason = string(connectors.ReasonUnknown)
				lost = append(lost, sn.ID)
			}
			entries = append(entries, e)
		}
	}
	if len(lost) > 0 {
		if err := g.note(ctx, c, "lost:"+lost[len(lost)-1], lostNote(lost)); err != nil {
			return err
		}
	}
	if len(entries) == 0 {
		return nil
	}
	g.steps.tell(stepFromAnswer, entries...)
	verdicts, err := g.journal.Accept(ctx, entries...)
	if err != nil {
		c.ch.port.unjournaled.Store(true)
		c.ch.port.kick()
		return err
	}
	c.ch.metrics.taken(journal.Out, entries, verdicts)
	return nil
}

// surelyNew tells whether a sentence without a record was certainly never
// sent, so that it may be sent now.
func (g *Gateway) surelyNew(before chatMark, sn *simprot.ChatSentenceInfo) bool {
	if g.config().Core.UnknownOutbound == config.Send {
		return true
	}
	lived := !sn.TimeSent.IsZero() && g.journal.Born().Add(knownBefore).Before(sn.TimeSent)
	fresh := sn.TimeSent.IsZero() || time.Since(sn.TimeSent) < g.config().Limits.Deadline
	above := sn.Counter == 0 || sn.Counter > before.released
	return (lived || before.known) && above && fresh
}

func lostNote(ids []string) string {
	return fmt.Sprintf("Not known whether the customer got %d earlier message(s): the gateway's records of them are gone. Message IDs: %v", len(ids), ids)
}

// outID is the journal's ID of a core's sentence.
func outID(sn *simprot.ChatSentenceInfo) string {
	return simprot.ShortenID(sn.ID, simprot.MaxID)
}
