package gateway

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"servicelink/connectors"
	"servicelink/gateway/journal"
	"servicelink/simprot"
)

// gapPatience is how long a gap in the Counters may close by itself.
const gapPatience = 2 * time.Second

// outLane is the order of a conversation's sentences towards the customer.
// Rows wait until they are freed in the core's Counter order; then they are
// sent one at a time.
type outLane struct {
	laneState
	ready []*held // freed, in the order of sending
	// arrivals is how a live sentence came, until its commit hands the row over.
	arrivals map[journal.IDHash]arrival
	recent   []journal.IDHash // last IDs seen, to tell a reused one
	// askedGen and askedTick: the latest answer's session and time.
	askedGen  uint64
	askedTick uint64
	asking    bool // a goroutine asks STATUS for waiting rows

	now     *delivery           // what is being sent
	sentIDs []string            // the latest messages, by the network's ids
	notices []connectors.Notice // for a row that is still to be read
	// unnamed and watermarks are notices without Ref (unnamed.go).
	unnamed    []notice
	watermarks []watermark
}

type arrival struct {
	tick  uint64
	fresh bool // its Counter was not seen or passed over before
	// chat and counter hold later rows back until the commit hands it over.
	chat    string
	counter int32
}

// recentIDs bounds what is kept to notice that an ID is used for another text.
const recentIDs = 64

// outEntry is what the journal keeps of a core's sentence.
func (g *Gateway) outEntry(ch *channel, sn *simprot.ChatSentenceInfo) journal.Entry {
	now := time.Now()
	e := journal.Entry{
		Lane: journal.Lane{Channel: ch.cfg.Name, Direction: journal.Out, TrackingID: sn.TrackingId},
		ID:   outID(sn), TextHash: textHash(sn.Text), Counter: sn.Counter,
		Content:  (&content{Text: sn.Text, Model: sn.Model}).encode(),
		SentAt:   sn.TimeSent,
		Deadline: deadlineFrom(now, g.config().Limits.Deadline),
	}
	e.ChatID = idText(sn.ChatId)
	if e.ID != sn.ID {
		e.Content = (&content{Text: sn.Text, Model: sn.Model, ID: sn.ID}).encode()
	}
	if len(sn.TrackingId) > simprot.MaxTrackingID || !ch.reachable(sn.TrackingId) || sn.ID == "" {
		e.DeadReason = string(connectors.ReasonAddress)
		e.Lane.TrackingID = simprot.ShortenID(sn.TrackingId, simprot.MaxTrackingID)
	}
	return e
}

// arrive judges a live sentence's place in the Counter order at the moment it
// comes, because echoes go on raising the highest Counter until its commit.
// reused tells that its ID came before with another text.
func (c *conversation) arrive(e *journal.Entry, sn *simprot.ChatSentenceInfo) (reused bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	fresh := c.saw(e.ChatID, sn.Counter)
	if e.ChatID == "" && fresh && c.open && c.asked(c.ch.port.current()) && !c.unplaced() {
		e.ChatID = c.chatID // else an answer to STATUS must place it
	}
	c.tick++
	a := arrival{tick: c.tick, fresh: fresh, chat: e.ChatID, counter: sn.Counter}
	key := journal.IDHash{ID: e.ID, TextHash: e.TextHash}
	for _, k := range c.out.recent {
		reused = reused || k.ID == key.ID && k.TextHash != key.TextHash
	}
	if len(c.out.recent) >= recentIDs {
		c.out.recent = slices.Delete(c.out.recent, 0, 1)
	}
	c.out.recent = append(c.out.recent, key)
	if c.out.arrivals == nil {
		c.out.arrivals = make(map[journal.IDHash]arrival)
	}
	c.out.arrivals[key] = a
	return reused
}

// landed forgets how a sentence came, once its commit has handed it over. One
// that was not taken is missing again.
func (g *Gateway) landed(c *conversation, e *journal.Entry, taken bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	key := journal.IDHash{ID: e.ID, TextHash: e.TextHash}
	if a, ok := c.out.arrivals[key]; ok && !taken && a.fresh && c.mayBe(a.chat) {
		c.unsaw(a.counter)
	}
	delete(c.out.arrivals, key)
	if len(c.out.rows) > 0 {
		g.freeOut(c) // some may have waited for it
	}
}

// whole tells that no sentence of the latest chat with a Counter below n is
// missing or on its way into the journal. c.mu is held.
func (c *conversation) whole(n int32) bool {
	if len(c.missing) > 0 && c.missing[0].from < n {
		return false
	}
	for _, a := range c.out.arrivals {
		if c.mayBe(a.chat) && a.counter < n {
			return false
		}
	}
	return true
}

// mayBe tells whether a sentence of chat may be one of the latest. c.mu is held.
func (c *conversation) mayBe(chat string) bool { return chat == "" || chat == c.chatID }

// pushOut puts a handed-over row into its lane.
func (g *Gateway) pushOut(c *conversation, row *journal.Row) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lastUsed = time.Now()
	key := journal.IDHash{ID: row.ID, TextHash: row.TextHash}
	a, live := c.out.arrivals[key]
	delete(c.out.arrivals, key)
	h := g.admit(c, &c.out.laneState, row, outLaneLimit)
	if h != nil && live && !row.Repeat {
		h.tick, h.fresh = a.tick, a.fresh
	}
	if h == nil && c.out.behind && !c.out.queued && len(c.out.rows) == 0 && !c.out.running {
		g.startOut(c)
	}
	g.freeOut(c)
}

// freeOut lets rows go in the core's Counter order. What must wait for an
// answer makes somebody ask. c.mu is held.
func (g *Gateway) freeOut(c *conversation) {
	l := &c.out
	s := c.ch.port.current()
	asked := c.asked(s)
	waiting := c.sortWaiting()
	doubt := firstUnplaced(waiting)
	var stuck *held // the first row that has to wait for an answer
	for _, h := range waiting {
		leave := h.Seq < doubt &&
			(c.wasFreed(h) || asked && (h.Counter == 0 || h.tick < l.askedTick || h.fresh && c.whole(h.Counter)))
		if !needsNoLeave(h) && (stuck != nil || !leave) {
			stuck = cmp.Or(stuck, h)
			continue
		}
		h.freed = true
		h.step(stepFreed)
		if h.ChatID != "" && h.ChatID == c.chatID {
			c.released = max(c.released, h.Counter)
		}
		l.ready = append(l.ready, h)
	}
	if len(l.ready) > 0 && !l.running {
		g.startOut(c)
	}
	if s == nil || l.asking || stuck == nil && (!asked || len(c.missing) == 0) {
		return
	}
	patience := time.Duration(0)
	if asked && (stuck == nil || stuck.fresh) && doubt == math.MaxInt64 {
		patience = gapPatience // the gap may close by itself
	}
	g.askForOut(c, patience)
}

// needsNoLeave: rows whose sending began, and rows of our own.
func needsNoLeave(h *held) bool {
	return h.ours() || slices.ContainsFunc(h.Parts, func(p journal.Part) bool {
		return p != journal.Part{Doubt: p.Doubt} // more than Requeue leaves of it
	})
}

// ours tells of a row that no core said. It belongs to no chat.
func (h *held) ours() bool { return h.Counter == 0 && h.ChatID == "" && isAuto(h.Row) }

// wasFreed: rows that were released before this process started.
func (c *conversation) wasFreed(h *held) bool {
	return h.Loaded && h.Counter > 0 && h.ChatID != "" && h.ChatID == c.chatID && h.Counter <= c.released
}

// unplaced tells that it is not known which chat a row belongs to. Its Counter
// says nothing then, and nothing that came after it may go before it.
func (h *held) unplaced() bool { return h.ChatID == "" && h.Counter > 0 }

// firstUnplaced gives the Seq of the first such row that has to wait, or the
// highest there is.
func firstUnplaced(rows []*held) int64 {
	first := int64(math.MaxInt64)
	for _, h := range rows {
		if h.unplaced() && !needsNoLeave(h) {
			first = min(first, h.Seq)
		}
	}
	return first
}

// unplaced tells that there is such a row, or one on its way into the journal:
// the latest chat may have ended. c.mu is held.
func (c *conversation) unplaced() bool {
	for _, a := range c.out.arrivals {
		if a.chat == "" && a.counter > 0 {
			return true
		}
	}
	return slices.ContainsFunc(c.out.rows, (*held).unplaced)
}

// chatOf is the chat a row belongs to: the latest for one without Counters, and
// one of its own while it is not known, or when it belongs to none.
func (c *conversation) chatOf(h *held) string {
	if h.unplaced() || h.ours() {
		return ownChat(h)
	}
	return cmp.Or(h.ChatID, c.chatID)
}

// ownChat keeps a row where it came.
func ownChat(h *held) string { return fmt.Sprint("row ", h.Seq) }

func isAuto(row journal.Row) bool {
	content, err := decodeContent(row.Content)
	return err == nil && content.Auto
}

// sortWaiting gives the rows that are not freed, chats in the order they came,
// Counters ascending within a chat. c.mu is held.
func (c *conversation) sortWaiting() []*held {
	var waiting []*held
	first := make(map[string]int64)
	chats := make(map[*held]string) // to tell a row's may take reading it
	for _, h := range c.out.rows {
		if h.freed {
			continue
		}
		chat := c.chatOf(h)
		chats[h] = chat
		if at, ok := first[chat]; !ok || h.Seq < at {
			first[chat] = h.Seq
		}
		waiting = append(waiting, h)
	}
	if len(waiting) > 1 {
		slices.SortStableFunc(waiting, func(a, b *held) int {
			return cmp.Or(cmp.Compare(first[chats[a]], first[chats[b]]),
				cmp.Compare(a.Counter, b.Counter), cmp.Compare(a.Seq, b.Seq))
		})
	}
	return waiting
}

// askForOut starts a goroutine that asks STATUS until no row waits for an
// answer any more. c.mu is held.
func (g *Gateway) askForOut(c *conversation, patience time.Duration) {
	c.out.asking = c.ch.life.spawn(func() { g.answerOut(c.ch.life.lanes, c, patience) })
}

func (g *Gateway) answerOut(ctx context.Context, c *conversation, patience time.Duration) {
	sleep(ctx, patience)
	for tries := 1; ; {
		tick, wait := c.waitsSince()
		if !wait || ctx.Err() != nil {
			return
		}
		s, err := c.ch.port.claimed(ctx)
		if err == nil {
			_, err = g.ask(ctx, c, s, tick)
		}
		switch {
		case err == nil, errors.Is(err, simprot.ErrGone):
			tries = 1
		case errors.Is(err, simprot.ErrNoAnswer):
			g.park(ctx, c, tries)
			tries++
		default:
			sleep(ctx, journalRetry)
		}
	}
}

// waitsSince gives the tick of the youngest row that waits for an answer. When
// there is none the asking ends.
func (c *conversation) waitsSince() (tick uint64, waits bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.missing) > 0 {
		waits, tick = true, c.tick
	}
	for _, h := range c.out.rows {
		if !h.freed {
			waits = true
			tick = max(tick, h.tick)
		}
	}
	if !waits {
		c.out.asking = false
	}
	return tick, waits
}
