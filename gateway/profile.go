package gateway

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"servicelink/connectors"
	"servicelink/gateway/journal"
	"servicelink/simprot"
)

// Some networks do not say who writes, and are asked (connectors.Profiler): beside
// the message, which does not wait for it. What they tell is kept with the
// conversation and shown from the next sentence on; a message that brings a name
// made up by its connector does not change it.

const (
	profileFresh   = 7 * 24 * time.Hour // then it is asked anew
	profileDenied  = 24 * time.Hour     // what is not given out is not asked again before
	profileRetry   = 10 * time.Minute   // the same for a question that failed
	profileTimeout = 30 * time.Second
	// profileWorkers is how many questions a channel has under way at most,
	// profileQueue how many wait: who does not fit is asked about with the next message.
	profileWorkers = 4
	profileQueue   = 1000
	// profileRests is how many customers are remembered not to be asked about.
	profileRests = 10_000
)

// The outcomes of a question: the label of servicelink_profile_lookups_total.
const (
	profileKnown  = "known"
	profileNone   = "none" // not given out
	profileFailed = "failed"
)

var profileOutcomes = []string{profileKnown, profileNone, profileFailed}

// profiles are a channel's questions about its customers.
type profiles struct {
	asks connectors.Profiler // nil = the network says who writes

	mu      sync.Mutex
	queue   []*conversation // one of each at most: conversation.profiling
	workers int
	// notBefore: the network asked for patience.
	notBefore time.Time
	// rests holds by TrackingId until when nobody is asked about.
	rests map[string]time.Time
}

// wantProfile has the network asked about who sent an event, if it is time. c is
// loaded.
func (g *Gateway) wantProfile(c *conversation, said *content) {
	p := &c.ch.profiles
	if p.asks == nil || !slices.Contains(opensWindow, connectors.Kind(said.Kind)) {
		return
	}
	now := time.Now()
	c.mu.Lock()
	age := now.Sub(c.profile.At)
	wanted := !c.profiling && !c.gone && (age < 0 || age >= profileFresh)
	c.mu.Unlock()
	if !wanted || c.ch.limits.paused() {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if now.Before(p.rests[c.tracking]) || len(p.queue) >= profileQueue {
		return
	}
	c.mu.Lock()
	was := c.profiling
	c.profiling = true
	c.mu.Unlock()
	if was {
		return
	}
	p.queue = append(p.queue, c)
	if p.workers < profileWorkers && c.ch.life.spawn(func() { g.askProfiles(c.ch) }) {
		p.workers++
	}
}

// askProfiles asks until nothing is left to ask.
func (g *Gateway) askProfiles(ch *channel) {
	ctx := ch.life.lanes
	for c := ch.profiles.next(ctx); c != nil; c = ch.profiles.next(ctx) {
		g.askProfile(ctx, c)
	}
}

// next gives the next conversation to ask about, once the network's wish allows it;
// nil = this worker ends.
func (p *profiles) next(ctx context.Context) *conversation {
	for {
		p.mu.Lock()
		if len(p.queue) == 0 || ctx.Err() != nil {
			p.workers--
			p.mu.Unlock()
			return nil
		}
		if wait := time.Until(p.notBefore); wait > 0 {
			p.mu.Unlock()
			sleep(ctx, wait)
			continue
		}
		c := p.queue[0]
		p.queue = slices.Delete(p.queue, 0, 1)
		p.mu.Unlock()
		return c
	}
}

// askProfile asks about one customer, and keeps what is told.
func (g *Gateway) askProfile(ctx context.Context, c *conversation) {
	c.mu.Lock()
	to := c.ch.address(c.tracking, c.party.RemoteAddress)
	gone := c.gone
	c.mu.Unlock()
	if gone {
		return
	}
	askCtx, cancel := context.WithTimeout(ctx, profileTimeout)
	defer cancel()
	told, err := profileSafely(askCtx, c.ch.profiles.asks, to)
	now := time.Now()
	known := &journal.Profile{
		Name:    simprot.Truncate(valid(strings.TrimSpace(told.Name)), simprot.MaxPartyName),
		Culture: culture(told.Culture), At: now,
	}
	outcome := profileKnown
	switch {
	case ctx.Err() != nil:
		return // stopped
	case err != nil:
		se := connectors.AsSendError(err)
		outcome = profileFailed
		c.ch.log.Info("cannot ask who a customer is", "conversation", simprot.LogID(c.tracking), "reason", string(se.Reason), "code", se.Code)
		c.ch.profiles.rest(c.tracking, now.Add(max(profileRetry, se.RetryAfter)), now.Add(se.RetryAfter))
	case known.Name == "" && known.Culture == "":
		outcome = profileNone
		c.ch.profiles.rest(c.tracking, now.Add(profileDenied), now)
	}
	c.ch.metrics.profile(outcome)
	g.keepProfile(c, outcome == profileKnown, known)
}

// keepProfile ends a question. What is told of a customer who is forgotten
// meanwhile is not kept: the journal hears of it in the conversation's order.
func (g *Gateway) keepProfile(c *conversation, told bool, p *journal.Profile) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.profiling = false
	if !told || c.gone {
		return
	}
	c.profile = *p
	g.journal.Apply(journal.Change{Conv: &journal.ConvChange{Channel: c.ch.cfg.Name, TrackingID: c.tracking, Profile: p}})
}

// rest notes until when nobody asks about a customer, and until when the network
// wants patience.
func (p *profiles) rest(tracking string, until, notBefore time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.notBefore = later(p.notBefore, notBefore)
	if len(p.rests) >= profileRests {
		now := time.Now()
		for t, end := range p.rests {
			if !now.Before(end) {
				delete(p.rests, t)
			}
		}
		if len(p.rests) >= profileRests {
			clear(p.rests) // they are asked about once more
		}
	}
	if p.rests == nil {
		p.rests = make(map[string]time.Time)
	}
	p.rests[tracking] = until
}

func (p *profiles) forget(tracking string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.rests, tracking)
}

// profileSafely keeps a connector's panic at the border.
func profileSafely(ctx context.Context, asks connectors.Profiler, to connectors.Address) (p connectors.Profile, err error) {
	defer func() {
		if r := recover(); r != nil {
			p, err = connectors.Profile{}, fmt.Errorf("connector panicked: %T", r)
		}
	}()
	return asks.Profile(ctx, to)
}

// culture is a language as the core knows it, empty where it is none.
func culture(s string) string {
	s = strings.ToLower(s)
	if len(s) != 2 || strings.Trim(s, "abcdefghijklmnopqrstuvwxyz") != "" {
		return ""
	}
	return s
}

// known is the customer as the core shall see it: what the network told, else what
// came with the messages. c.mu is held.
func (c *conversation) known() journal.Party {
	p := c.party
	p.PartyName, p.Culture = cmp.Or(c.profile.Name, p.PartyName), cmp.Or(c.profile.Culture, p.Culture)
	return p
}

// shownName is under what name an event is shown.
func (c *conversation) shownName(said *content) string {
	if said.Kind == kindNote {
		return said.PartyName
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return cmp.Or(c.profile.Name, said.PartyName)
}
