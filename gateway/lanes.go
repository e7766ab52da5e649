package gateway

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"servicelink/gateway/journal"
)

// How much of the journal is held in memory. What is beyond waits on disk: the
// lane is behind.
const (
	inLaneLimit  = 16
	inLaneRefill = 64  // at once from the journal: each time costs the writer a group
	outLaneLimit = 256 // the Counter order needs more than one look
	engineLimit  = 50_000
)

// laneState is the part both directions share. Guarded by the conversation's
// mutex.
type laneState struct {
	rows    []*held // pending rows held, the head first
	behind  bool    // further pending rows may be in the journal
	running bool    // its goroutine lives
	// refilling: the journal has been asked; rows handed over meanwhile are in
	// the answer.
	refilling bool
	queued    bool // it waits in the room's line
	reserved  int  // room taken for what the journal will be asked for
	// finished is the highest Seq that has ended here. A repeat may be handed
	// over between a row's end and the commit of its end.
	finished int64
	// woken makes a lane of messages look at its rows again, all of which may rest.
	woken   chan struct{}
	room    *room // of the channel and direction, as are the metrics
	metrics *channelMetrics
	dir     journal.Direction
}

// setBehind is called with the conversation's mutex held, as is add.
func (l *laneState) setBehind(behind bool) {
	if l.behind != behind {
		l.behind = behind
		l.metrics.laneBehind(l.dir, change(behind))
	}
}

func (l *laneState) setRunning(running bool) {
	if l.running != running {
		l.running = running
		l.metrics.lane(l.dir, change(running))
	}
}

func change(on bool) int {
	if on {
		return 1
	}
	return -1
}

func (l *laneState) add(h *held) {
	l.rows = append(l.rows, h)
	l.metrics.laneHeld(l.dir, 1)
}

// held is a pending row in memory.
type held struct {
	journal.Row
	// tick is when it came, on the conversation's own clock.
	tick uint64
	// fresh (out): its Counter was not seen or passed over before it came.
	fresh bool
	// freed (out): it may be sent.
	freed bool
	// came is when it was handed over, by this process's clock; zero = read from the
	// journal. inbound is a message on its way to the core. Rows of message gateways.
	came    time.Time
	inbound *inMessage
	// steps, key and last are for traces (trace_steps.go).
	steps *steps
	key   uint64
	last  stepRecord
}

func (l *laneState) idle() bool { return len(l.rows) == 0 && !l.behind && !l.running }

func (l *laneState) holds(seq int64) bool {
	return slices.ContainsFunc(l.rows, func(h *held) bool { return h.Seq == seq })
}

// onCommit is the journal's hand-over: it runs on a goroutine of the journal's and
// must not wait.
func (g *Gateway) onCommit(rows []journal.Row) {
	for i := range rows {
		row := &rows[i]
		ch := g.channel(row.Lane.Channel)
		if ch == nil || !ch.cfg.Enabled {
			continue // stays pending in the journal until it is served
		}
		c := g.convs.get(ch, row.Lane.TrackingID)
		if ch.isGateway() {
			g.pushMessage(c, row)
			continue
		}
		if row.Lane.Direction == journal.In {
			g.pushIn(c, row)
		} else {
			g.pushOut(c, row)
		}
	}
}

// room is a channel's share of the memory for rows in one direction. It is its
// own, so that what piles up at one Port or network starves no other.
type room struct {
	limit atomic.Int64
	held  atomic.Int64
	// starved: a lane was left to the journal for want of room.
	starved atomic.Bool

	mu   sync.Mutex
	line []*conversation // whose lanes wait for room, first come first
}

// join puts a conversation's lane at the end of the line.
func (r *room) join(c *conversation) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.line = append(r.line, c)
}

// next takes the first lane out of the line, with room for up to n rows; nil
// when none waits or there is no room.
func (r *room) next(n int) (*conversation, int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.line) == 0 {
		return nil, 0
	}
	if n = r.takeSome(n); n == 0 {
		return nil, 0
	}
	c := r.line[0]
	r.line[0] = nil
	r.line = r.line[1:]
	return c, n
}

// take reserves room for up to n rows and tells for how many.
func (r *room) take(n int) int {
	held := r.held.Add(int64(n))
	over := int(min(max(held-r.limit.Load(), 0), int64(n)))
	if over > 0 {
		r.held.Add(int64(-over))
		r.starved.Store(true)
	}
	return n - over
}

// takeSome is take for rows that are to be read: too few are not worth it.
func (r *room) takeSome(n int) int {
	got := r.take(n)
	if int64(got) < min(int64(n), inLaneLimit, max(1, r.limit.Load()/4)) {
		r.release(got)
		return 0
	}
	return got
}

func (r *room) release(n int) { r.held.Add(int64(-n)) }

// again takes the mark of starving away once there is room.
func (r *room) again() {
	if r.starved.Load() && r.held.Load() < r.limit.Load()*9/10 {
		r.starved.Store(false)
	}
}

// share divides the memory among the channels and directions.
func share(channels int) int64 { return engineLimit / int64(2*max(channels, 1)) }

// admit puts a handed-over row into the lane, or leaves it to the journal when
// the lane is full or behind. c.mu is held.
func (g *Gateway) admit(c *conversation, l *laneState, row *journal.Row, limit int) *held {
	switch {
	case c.gone || l.behind || l.refilling || l.holds(row.Seq):
		return nil // the journal has it
	case row.Repeat && row.Seq <= l.finished:
		return nil // were it pending all the same, the tick would find it
	case len(l.rows) >= limit || l.room.take(1) == 0:
		l.setBehind(true)
		return nil
	}
	c.tick++
	h := &held{Row: *row, tick: c.tick}
	// A repeat may be of a row that an earlier process worked on.
	h.Loaded = h.Loaded || h.Repeat
	l.add(h)
	h.enter(g.steps, entered(row, len(l.rows)))
	if (row.Repeat || row.Loaded) && len(l.rows) > 1 {
		slices.SortFunc(l.rows, func(a, b *held) int { return cmp.Compare(a.Seq, b.Seq) })
	}
	return h
}

// reserve takes room for rows of a lane that is behind. Without any the lane
// lines up, and its goroutine is to end: feed starts it again. c.mu is held.
func (c *conversation) reserve(l *laneState, limit int) bool {
	if l.reserved == 0 {
		l.reserved = l.room.takeSome(limit)
	}
	if l.reserved == 0 {
		l.setRunning(false)
		c.lineUp(l)
	}
	return l.reserved > 0
}

// lineUp has a lane that is behind wait for room. c.mu is held.
func (c *conversation) lineUp(l *laneState) {
	if !l.queued {
		l.queued = true
		l.room.join(c)
	}
}

// feed starts the lanes in a channel's line for which there is room. Nothing is
// asked of the journal for the others, and they have no goroutine.
func (g *Gateway) feed(ch *channel, dir journal.Direction) {
	r, limit := &ch.rooms[dir-journal.In], inLaneRefill
	if dir == journal.Out {
		limit = outLaneLimit
	}
	for {
		c, n := r.next(limit)
		if c == nil {
			return
		}
		c.mu.Lock()
		l := c.lane(dir)
		l.queued = false
		if !c.gone && l.startable() {
			l.reserved += n
			g.startLane(c, dir)
		} else {
			r.release(n)
		}
		c.mu.Unlock()
	}
}

// startable: nothing of it is in memory, and nobody works on it. c.mu is held.
func (l *laneState) startable() bool { return !l.running && !l.refilling && len(l.rows) == 0 }

func (c *conversation) lane(dir journal.Direction) *laneState {
	if dir == journal.Out {
		return &c.out.laneState
	}
	return &c.in.laneState
}

// refill asks the journal for the lane's pending rows when the lane holds none,
// is behind and has reserved room. It returns when they are there, or ctx ends.
func (g *Gateway) refill(ctx context.Context, c *conversation, l *laneState) error {
	c.mu.Lock()
	l.refilling = true
	room := l.reserved
	l.reserved = 0
	c.mu.Unlock()
	lane := journal.Lane{Channel: c.ch.cfg.Name, Direction: l.dir, TrackingID: c.tracking}
	done := make(chan error, 1)
	g.journal.Refill(lane, room, func(rows []journal.Row, more bool, err error) {
		c.mu.Lock()
		defer c.mu.Unlock()
		l.refilling = false
		if c.gone {
			rows, more = nil, false // its channel is retired: the journal has them
		}
		l.room.release(room - len(rows))
		if err == nil {
			for i := range rows {
				c.tick++
				h := &held{Row: rows[i], tick: c.tick}
				l.add(h)
				h.enter(g.steps, stepLoaded)
			}
			l.setBehind(more)
		}
		done <- err
	})
	select {
	case err := <-done:
		g.feed(c.ch, l.dir) // with what was reserved too much
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// pop takes a finished row off the lane. c.mu is held.
func (g *Gateway) pop(l *laneState, seq int64) {
	i := slices.IndexFunc(l.rows, func(h *held) bool { return h.Seq == seq })
	if i < 0 {
		return
	}
	l.rows = slices.Delete(l.rows, i, i+1)
	l.finished = max(l.finished, seq)
	l.metrics.laneHeld(l.dir, -1)
	l.room.release(1)
}

// wakeLanes lines up the lanes of a channel that have pending rows and no
// goroutine, at start and whenever the tick finds some, and starts those for
// which there is room.
func (g *Gateway) wakeLanes(ctx context.Context, ch *channel) error {
	for _, dir := range []journal.Direction{journal.In, journal.Out} {
		lanes, err := g.journal.Lanes(ctx, ch.cfg.Name, dir)
		if err != nil {
			return err
		}
		for _, info := range lanes {
			g.convs.get(ch, info.Lane.TrackingID).wake(dir)
		}
		g.feed(ch, dir)
	}
	return nil
}

// wakeBoth has both lanes ask the journal, unless they hold rows of it.
func (g *Gateway) wakeBoth(c *conversation) {
	for _, dir := range []journal.Direction{journal.In, journal.Out} {
		c.wake(dir)
		g.feed(c.ch, dir)
	}
}

// wake lines a lane up, unless somebody works on it.
func (c *conversation) wake(dir journal.Direction) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if l := c.lane(dir); !c.gone && l.startable() {
		l.setBehind(true)
		c.lineUp(l)
	}
}

// startLane starts a lane's goroutine. c.mu is held.
func (g *Gateway) startLane(c *conversation, dir journal.Direction) {
	if c.ch.isGateway() {
		g.startMessages(c, c.lane(dir))
		return
	}
	if dir == journal.Out {
		g.startOut(c)
	} else {
		g.startIn(c)
	}
}
