package gateway

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"servicelink/simprot"
)

const (
	// resyncEvery is how often a Port is resynchronised while all is well.
	resyncEvery = 60 * time.Second
	// resyncUnjournaled is how often while a core packet could not be journaled.
	resyncUnjournaled = 5 * time.Second
	// statusEvery is how often STATUS is asked of chats whose LIST items carry
	// no Counter.
	statusEvery = 5 * time.Minute
	// statusAtOnce bounds a Port's own questions, so that lanes find places.
	statusAtOnce = 8
)

// port is a channel's claim at the core. On a connection nothing is written
// for a Port before its RESYNC is answered.
type port struct {
	g  *Gateway
	ch *channel

	mu      sync.Mutex
	session *simprot.Session
	claim   uint64 // generation whose RESYNC was answered
	done    uint64 // RESYNCs answered, over all sessions
	wanted  uint64 // requests for one
	served  uint64 // requests that an answered RESYNC came after
	change  chan struct{}

	kicked      chan struct{}
	unjournaled atomic.Bool
	unanswered  atomic.Bool
	owed        owed
}

func newPort(g *Gateway, ch *channel) *port {
	return &port{
		g: g, ch: ch, change: make(chan struct{}), kicked: make(chan struct{}, 1),
		owed: owed{unlisted: true}, // by who had the Port before
	}
}

// changed wakes everybody who waits for the port. p.mu is held.
func (p *port) changed() {
	close(p.change)
	p.change = make(chan struct{})
}

// up starts the port's goroutine for a session: a new one, or the one that is up
// when the Port is taken over, from whoever had it, if anybody did.
func (p *port) up(s *simprot.Session, takeover bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.session = s
	p.changed()
	p.ch.life.spawn(func() {
		if takeover && !s.Welcome().Fences {
			// What another gateway wrote for the Port may still be on its way.
			waitOr(p.ch.life.lanes, s, p.g.config().Core.Settle)
		}
		p.work(p.ch.life.lanes, s)
	})
}

func (p *port) down(s *simprot.Session) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.session == s {
		p.session = nil
		p.changed()
	}
	p.unanswered.Store(false)
}

// current gives the claimed session, or nil.
func (p *port) current() *simprot.Session {
	s, _ := p.look()
	return s
}

// look gives the claimed session, or nil, and what tells of the next change.
func (p *port) look() (*simprot.Session, <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.session == nil || p.claim != p.session.Generation() || gone(p.session) {
		return nil, p.change // one that has ended is taken down in a moment
	}
	return p.session, p.change
}

// claimed waits for a session on which the Port is claimed. A core that is
// away costs no attempts.
func (p *port) claimed(ctx context.Context) (*simprot.Session, error) {
	for {
		s, change := p.look()
		if s != nil {
			return s, nil
		}
		select {
		case <-change:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// resyncs counts the RESYNCs answered so far.
func (p *port) resyncs() uint64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.done
}

func (p *port) parked() bool { return p.unanswered.Load() }

// kick makes the goroutine look at what is wanted.
func (p *port) kick() {
	select {
	case p.kicked <- struct{}{}:
	default:
	}
}

// resync returns when a RESYNC that was written after the call is answered on
// s. Callers share one.
func (p *port) resync(ctx context.Context, s *simprot.Session) error {
	p.mu.Lock()
	p.wanted++
	mine := p.wanted
	p.mu.Unlock()
	p.kick()
	for {
		p.mu.Lock()
		ok, change := p.served >= mine, p.change
		p.mu.Unlock()
		if ok {
			return nil
		}
		select {
		case <-change:
		case <-s.Done():
			return simprot.ErrGone
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// work resynchronises the Port for as long as the session lives.
func (p *port) work(ctx context.Context, s *simprot.Session) {
	var asking errgroup.Group
	defer func() { _ = asking.Wait() }()
	asking.SetLimit(1) // one sweep of STATUS questions at a time
	lastFull := time.Time{}
	for tries := 1; ; {
		list, err := p.claimOnce(ctx, s)
		switch {
		case errors.Is(err, simprot.ErrNoAnswer):
			p.unanswered.Store(true)
			p.ch.metrics.resync("failed")
			p.ch.log.Warn("the core does not answer RESYNC", "port", p.ch.cfg.Port)
			p.g.renew(s)
			waitOr(ctx, s, parkFor(tries))
			tries++
		case err != nil:
			return
		default:
			tries = 1
			p.unanswered.Store(false)
			full := time.Since(lastFull) >= statusEvery
			first := lastFull.IsZero()
			if asking.TryGo(func() error { p.askAll(ctx, s, list, first, full); return nil }) && full {
				lastFull = time.Now()
			}
			p.rest(ctx, s)
		}
		if ctx.Err() != nil || gone(s) {
			return
		}
	}
}

// claimOnce sends one RESYNC.
func (p *port) claimOnce(ctx context.Context, s *simprot.Session) (simprot.ChatStatusList, error) {
	p.mu.Lock()
	serving := p.wanted
	p.mu.Unlock()
	confirmed := p.owed.end()
	list, err := s.Resync(ctx, p.ch.cfg.Port, p.ch.manifest())
	if err != nil {
		return nil, err
	}
	p.ch.metrics.resync("done")
	p.mu.Lock()
	if p.session == s {
		p.claim = s.Generation()
	}
	p.done++
	p.served = max(p.served, serving)
	p.changed()
	p.mu.Unlock()
	p.confirmAgain(confirmed, s)
	return list, nil
}

// rest waits for the next reason to RESYNC.
func (p *port) rest(ctx context.Context, s *simprot.Session) {
	pause := resyncEvery
	if p.unjournaled.Load() {
		pause = resyncUnjournaled
	}
	timer := time.NewTimer(pause)
	defer timer.Stop()
	for {
		select {
		case <-timer.C:
			return
		case <-p.kicked:
			p.mu.Lock()
			wanted := p.wanted > p.served
			p.mu.Unlock()
			if wanted {
				return
			}
			if p.unjournaled.Load() {
				timer.Reset(resyncUnjournaled)
			}
		case <-s.Done():
			return
		case <-ctx.Done():
			return
		}
	}
}

// askAll asks STATUS for every chat of the list and for every conversation
// held open or in doubt here: absence from the list proves nothing. After the
// first time on a session only where the Counter tells something new.
func (p *port) askAll(ctx context.Context, s *simprot.Session, list simprot.ChatStatusList, first, full bool) {
	clean := p.unjournaled.Swap(false)
	ask := make(map[*conversation]struct{})
	listed := make(map[string]bool, len(list))
	for _, item := range list {
		if item == nil || len(item.TrackingId) > simprot.MaxTrackingID {
			continue
		}
		listed[item.TrackingId] = true
		c := p.g.convs.get(p.ch, item.TrackingId)
		if first || clean || c.differs(s, item, full) {
			ask[c] = struct{}{}
		}
	}
	p.g.convs.each(p.ch, func(c *conversation) {
		if c.concerns(s, first || clean, listed[c.tracking]) {
			ask[c] = struct{}{}
		}
	})
	work, wctx := errgroup.WithContext(ctx)
	work.SetLimit(statusAtOnce)
	for c := range ask {
		work.Go(func() error {
			err := p.askOne(wctx, c, s)
			if err != nil && clean {
				p.unjournaled.Store(true) // what was not journaled is still to be asked for
			}
			if !errors.Is(err, simprot.ErrGone) {
				err = nil
			}
			return err
		})
	}
	if work.Wait() == nil { // else ErrGone: the next session asks again
		p.confirmEarlier(ctx, list)
	}
}

// askOne asks STATUS. Without an answer the rows that wait for one go on asking,
// more and more slowly.
func (p *port) askOne(ctx context.Context, c *conversation, s *simprot.Session) error {
	_, err := p.g.ask(ctx, c, s, c.now())
	switch {
	case err == nil || ctx.Err() != nil || errors.Is(err, simprot.ErrGone):
		return err
	case errors.Is(err, simprot.ErrNoAnswer):
		p.g.renew(s)
	}
	p.ch.log.Warn("STATUS was not answered", "conversation", simprot.LogID(c.tracking), "error", err)
	c.mu.Lock()
	defer c.mu.Unlock()
	p.g.freeOut(c)
	return err
}

// now is the conversation's clock: an answer asked after it is fresh.
func (c *conversation) now() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.tick
}

// differs tells whether a LIST item says something this side does not know.
func (c *conversation) differs(s *simprot.Session, item *simprot.ChatStatusInfo, full bool) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.openGen != s.Generation() || c.open == item.Status.Closed():
		return true
	case item.Counter == 0:
		return full && time.Since(c.lastUsed) < 24*time.Hour
	}
	return item.Counter != c.counter || item.ChatId.String() != c.chatID
}

// concerns tells whether this side must ask although the list may not name
// the conversation.
func (c *conversation) concerns(s *simprot.Session, first, listed bool) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if listed {
		return false
	}
	if c.openOn(s) || c.open && first {
		return true // held open here, and the list is silent about it
	}
	if len(c.out.rows) > len(c.out.ready) && !c.out.asking {
		return true // rows wait for an answer
	}
	return first && (len(c.in.rows) > 0 || len(c.out.rows) > 0 || c.out.behind)
}

// waitOr waits for d, the session's end or ctx's.
func waitOr(ctx context.Context, s *simprot.Session, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-s.Done():
	case <-ctx.Done():
	}
}

func gone(s *simprot.Session) bool {
	select {
	case <-s.Done():
		return true
	default:
		return false
	}
}
