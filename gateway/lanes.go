package gateway

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"sync/atomic"

	"servicelink/gateway/journal"
)

// How much of the journal is held in memory. What is beyond waits on disk: the
// lane is behind.
const (
	inLaneLimit  = 16
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
	// finished is the highest Seq that has ended here. A repeat may be handed
	// over between a row's end and the commit of its end.
	finished int64
	room     *room // of the channel and direction, as are the metrics
	metrics  *channelMetrics
	dir      journal.Direction
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
}

func (l *laneState) idle() bool { return len(l.rows) == 0 && !l.behind && !l.running }

func (l *laneState) holds(seq int64) bool {
	return slices.ContainsFunc(l.rows, func(h *held) bool { return h.Seq == seq })
}

// onCommit is the journal's hand-over: it runs on the writer's goroutine and
// must not wait.
func (g *Gateway) onCommit(rows []journal.Row) {
	for i := range rows {
		row := &rows[i]
		ch := g.channel(row.Lane.Channel)
		if ch == nil || !ch.cfg.Enabled {
			continue // stays pending in the journal until it is served
		}
		c := g.convs.get(ch, row.Lane.TrackingID)
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

func (r *room) release(n int) { r.held.Add(int64(-n)) }

func (r *room) full() bool { return r.held.Load() >= r.limit.Load() }

// again tells, once, that lanes were left to the journal and there is room for
// them now.
func (r *room) again() bool {
	return r.starved.Load() && r.held.Load() < r.limit.Load()*9/10 && r.starved.CompareAndSwap(true, false)
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
	if (row.Repeat || row.Loaded) && len(l.rows) > 1 {
		slices.SortFunc(l.rows, func(a, b *held) int { return cmp.Compare(a.Seq, b.Seq) })
	}
	return h
}

// refill asks the journal for the lane's pending rows when the lane holds none
// and is behind. It returns when they are there, or ctx ends.
func (g *Gateway) refill(ctx context.Context, c *conversation, l *laneState, lane journal.Lane, limit int) error {
	c.mu.Lock()
	l.refilling = true
	c.mu.Unlock()
	done := make(chan error, 1)
	g.journal.Refill(lane, limit, func(rows []journal.Row, more bool, err error) {
		c.mu.Lock()
		defer c.mu.Unlock()
		l.refilling = false
		if c.gone {
			err = context.Canceled
		}
		if err != nil {
			done <- err
			return
		}
		if n := l.room.take(len(rows)); n < len(rows) {
			rows, more = rows[:n], true
			if n == 0 {
				err = errNoRoom
			}
		}
		for i := range rows {
			c.tick++
			l.add(&held{Row: rows[i], tick: c.tick})
		}
		l.setBehind(more)
		done <- err
	})
	select {
	case err := <-done:
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

// errNoRoom ends a lane's goroutine; the tick wakes it when there is room.
var errNoRoom = errors.New("no room for the lane's rows")

// wakeLanes starts the lanes of a channel that have pending rows and no
// goroutine: at start, and whenever the tick finds some.
func (g *Gateway) wakeLanes(ctx context.Context, ch *channel) error {
	for _, dir := range []journal.Direction{journal.In, journal.Out} {
		lanes, err := g.journal.Lanes(ctx, ch.cfg.Name, dir)
		if err != nil {
			return err
		}
		for _, info := range lanes {
			g.wakeLane(g.convs.get(ch, info.Lane.TrackingID), dir)
		}
	}
	return nil
}

// wakeBoth has both lanes ask the journal, unless they hold rows of it.
func (g *Gateway) wakeBoth(c *conversation) {
	g.wakeLane(c, journal.In)
	g.wakeLane(c, journal.Out)
}

func (g *Gateway) wakeLane(c *conversation, dir journal.Direction) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.gone {
		return
	}
	if dir == journal.In {
		if !c.in.running && !c.in.refilling && len(c.in.rows) == 0 {
			c.in.setBehind(true)
			g.startIn(c)
		}
		return
	}
	if !c.out.running && !c.out.refilling && len(c.out.rows) == 0 {
		c.out.setBehind(true)
		g.startOut(c)
	}
}
