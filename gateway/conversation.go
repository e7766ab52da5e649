package gateway

import (
	"cmp"
	"context"
	"hash/maphash"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"servicelink/gateway/journal"
	"servicelink/simprot"
)

// conversation is one customer's thread on one channel: what is known of it
// and its two lanes.
type conversation struct {
	ch       *channel
	tracking string

	mu sync.Mutex
	// loaded: the journal's record has been read into the fields below.
	loaded bool
	party  journal.Party
	// profile is what the network told when it was asked (profile.go); profiling: a
	// question waits or is under way.
	profile   journal.Profile
	profiling bool
	// chatID is the chat the Counters below belong to.
	chatID string
	// markedChat and marked are what the journal was last told.
	markedChat string
	marked     int32
	// told: since this journal was made, the core has told which chat is the
	// latest, or that there is none. One that it tells of later began later.
	told bool
	// strange: chatID is new, and what its first answer showed is not judged yet.
	strange bool
	// younger: chatID began when told was true already.
	younger    bool
	counter    int32 // highest Counter seen, either direction
	missing    []gap // Counters below it that have not come, ascending
	released   int32 // highest outbound Counter handed to the out lane
	closedText time.Time
	reply      replyWindow
	// open tells that generation openGen's core holds the chat open.
	open    bool
	openGen uint64
	// shown holds inbound IDs the core has shown while the journal is too
	// young to know them all.
	shown map[string]struct{}
	// tick orders writes and questions within this process.
	tick   uint64
	answer *answer
	// asking is held by the one question under way.
	asking chan struct{}
	// waiting is the event the core's echo is awaited for.
	waiting *inItem
	// noticed lists what of it the agent was told this network cannot show.
	noticed []string
	// gone: its channel is retired; it takes no rows any more.
	gone     bool
	lastUsed time.Time // last traffic
	// latest is the network's id of the customer's latest message seen here.
	latest string
	// lookedUp is when somebody last got hold of it, Unix nanoseconds.
	lookedUp atomic.Int64

	in  inLane
	out outLane
}

// registry finds conversations; it is sharded because the link's reader and
// the journal's writer both look up every message here.
type registry struct {
	seed   maphash.Seed
	shards [32]registryShard
}

type registryShard struct {
	mu    sync.RWMutex
	convs map[convKey]*conversation
}

// convKey names a conversation. One of a channel that is retired is not the one
// of the channel that stands in its place.
type convKey struct {
	ch       *channel
	tracking string
}

func newRegistry() *registry {
	r := &registry{seed: maphash.MakeSeed()}
	for i := range r.shards {
		r.shards[i].convs = make(map[convKey]*conversation)
	}
	return r
}

func (r *registry) shard(tracking string) *registryShard {
	return &r.shards[maphash.String(r.seed, tracking)%uint64(len(r.shards))]
}

// find gives the conversation, or nil.
func (r *registry) find(ch *channel, tracking string) *conversation {
	s := r.shard(tracking)
	s.mu.RLock()
	defer s.mu.RUnlock()
	c := s.convs[convKey{ch, tracking}]
	if c != nil {
		c.lookedUp.Store(time.Now().UnixNano()) // under the lock, so that evict leaves it to the caller
	}
	return c
}

// get gives the conversation, made if need be.
func (r *registry) get(ch *channel, tracking string) *conversation {
	if c := r.find(ch, tracking); c != nil {
		return c
	}
	s := r.shard(tracking)
	s.mu.Lock()
	defer s.mu.Unlock()
	k := convKey{ch, tracking}
	c := s.convs[k]
	if c == nil {
		c = &conversation{ch: ch, tracking: tracking, asking: make(chan struct{}, 1), lastUsed: time.Now()}
		c.in.metrics, c.in.dir, c.in.room = ch.metrics, journal.In, &ch.rooms[0]
		c.out.metrics, c.out.dir, c.out.room = ch.metrics, journal.Out, &ch.rooms[1]
		if c.gone = ch.retired.Load(); !c.gone {
			s.convs[k] = c
		}
		if ch.opening.Load() {
			c.in.setBehind(true)
			c.out.setBehind(true)
		}
	}
	c.lookedUp.Store(time.Now().UnixNano())
	return c
}

// each calls f for every conversation of a channel (nil: of all).
func (r *registry) each(ch *channel, f func(*conversation)) {
	for i := range r.shards {
		s := &r.shards[i]
		s.mu.RLock()
		convs := make([]*conversation, 0, len(s.convs))
		for _, c := range s.convs {
			if ch == nil || c.ch == ch {
				convs = append(convs, c)
			}
		}
		s.mu.RUnlock()
		for _, c := range convs {
			f(c)
		}
	}
}

// drop forgets the conversations of a channel that is retired. What they hold
// stays pending in the journal.
func (r *registry) drop(ch *channel) {
	r.each(ch, (*conversation).leave)
	for i := range r.shards {
		s := &r.shards[i]
		s.mu.Lock()
		maps.DeleteFunc(s.convs, func(k convKey, _ *conversation) bool { return k.ch == ch })
		s.mu.Unlock()
	}
}

// leave empties the lanes, whose goroutines have ended.
func (c *conversation) leave() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.gone = true
	for _, l := range []*laneState{&c.in.laneState, &c.out.laneState} {
		l.metrics.laneHeld(l.dir, -len(l.rows))
		l.rows = nil
		l.setBehind(false)
	}
	c.out.ready = nil
}

// evict forgets conversations nobody looked up since before and that hold no work. What
// they knew is in the journal.
func (r *registry) evict(before time.Time) {
	for i := range r.shards {
		s := &r.shards[i]
		s.mu.Lock()
		for k, c := range s.convs {
			if c.idleSince(before) {
				delete(s.convs, k)
			}
		}
		s.mu.Unlock()
	}
}

func (c *conversation) idleSince(before time.Time) bool {
	if !c.mu.TryLock() {
		return false
	}
	defer c.mu.Unlock()
	return c.lookedUp.Load() < before.UnixNano() && c.waiting == nil && c.in.idle() && c.out.idle() &&
		len(c.asking) == 0 && !c.out.asking && !c.profiling
}

// load reads the journal's record once.
func (g *Gateway) load(ctx context.Context, c *conversation) error {
	c.mu.Lock()
	done := c.loaded
	c.mu.Unlock()
	if done {
		return nil
	}
	rec, ok, err := g.journal.Conversation(ctx, c.ch.cfg.Name, c.tracking)
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.loaded {
		return nil
	}
	c.loaded = true
	if ok {
		c.told = c.told || rec.ChatID != ""
		c.party = rec.Party
		if c.profile.At.IsZero() {
			c.profile = rec.Profile
		}
		c.closedText = rec.ClosedText
		if now := time.Now(); c.closedText.After(now) {
			c.closedText = now // stored by a clock that was ahead
		}
		c.recorded(rec)
		if c.chatID == "" {
			c.chatID, c.counter, c.released = rec.ChatID, rec.Counter, rec.Released
		} else if c.chatID == rec.ChatID {
			c.counter, c.released = max(c.counter, rec.Counter), max(c.released, rec.Released)
		}
	}
	return nil
}

// gap is a run of Counters, both ends included.
type gap struct{ from, to int32 }

// maxGaps bounds what is kept; beyond it neighbours are merged, which only
// makes an answer be asked for more often.
const maxGaps = 64

// saw notes a Counter of a live sentence or echo. fresh is false for one that
// was seen, or passed over, before. c.mu is held.
func (c *conversation) saw(chat string, n int32) (fresh bool) {
	if n <= 0 || chat != "" && chat != c.chatID {
		return n <= 0
	}
	if n > c.counter {
		if n > c.counter+1 {
			c.missing = append(c.missing, gap{c.counter + 1, n - 1})
		}
		c.counter = n
		c.boundGaps()
		return true
	}
	for i, m := range c.missing {
		if n < m.from || n > m.to {
			continue
		}
		var rest []gap
		if m.from < n {
			rest = append(rest, gap{m.from, n - 1})
		}
		if n < m.to {
			rest = append(rest, gap{n + 1, m.to})
		}
		c.missing = slices.Replace(c.missing, i, i+1, rest...)
		c.boundGaps()
		return true
	}
	return false
}

func (c *conversation) boundGaps() {
	if last := len(c.missing) - 1; last >= maxGaps {
		c.missing[last-1].to = c.missing[last].to
		c.missing = c.missing[:last]
	}
}

// answered takes the highest Counter of an answer: what is below has been
// shown. c.mu is held.
func (c *conversation) answered(highest int32) {
	c.counter = max(c.counter, highest)
	for len(c.missing) > 0 && c.missing[0].from <= highest {
		if c.missing[0].to > highest {
			c.missing[0].from = highest + 1
			return
		}
		c.missing = c.missing[1:]
	}
}

// unsaw makes a Counter missing again. c.mu is held.
func (c *conversation) unsaw(n int32) {
	if n <= 0 || n > c.counter {
		return
	}
	at, _ := slices.BinarySearchFunc(c.missing, n, func(m gap, n int32) int { return cmp.Compare(m.from, n) })
	c.missing = slices.Insert(c.missing, at, gap{n, n})
}

// openOn tells that session s's core has told that it holds the chat open. c.mu
// is held.
func (c *conversation) openOn(s *simprot.Session) bool {
	return c.open && c.openGen == s.Generation()
}

// holdsOpen is openOn for who does not hold the mutex.
func (c *conversation) holdsOpen(s *simprot.Session) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.openOn(s)
}

// asked tells that session s has answered for this conversation. c.mu is held.
func (c *conversation) asked(s *simprot.Session) bool {
	return s != nil && c.out.askedGen == s.Generation()
}

// markEvery is how far the journal's Counter may lag behind. A Counter that is
// too low after a restart makes a cut answer be doubted sooner, and nothing
// else; to write it with every message is a third of what its end costs.
const markEvery = 16

// markSometimes is mark, once in a while, and when the reply window is another.
// c.mu is held.
func (c *conversation) markSometimes() *journal.ConvChange {
	if c.chatID == c.markedChat && c.counter < c.marked+markEvery && !c.reply.unsaved {
		return nil
	}
	return c.mark()
}

// mark is what the journal shall keep of the chat. c.mu is held.
func (c *conversation) mark() *journal.ConvChange {
	if c.gone { // a conversation that is forgotten is not made known again
		return nil
	}
	mark := &journal.ConvChange{Channel: c.ch.cfg.Name, TrackingID: c.tracking}
	if c.loaded { // else the journal may know of something later
		mark.WindowEnd, mark.WindowBy, c.reply.unsaved = c.reply.end, c.reply.by, false
	}
	if !c.strange {
		c.markedChat, c.marked = c.chatID, c.counter
		mark.ChatID, mark.Counter, mark.Released = c.chatID, c.counter, c.released
	} else if mark.WindowEnd.IsZero() {
		return nil
	}
	return mark
}
