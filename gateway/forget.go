package gateway

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"servicelink/connectors"
	"servicelink/gateway/journal"
	"servicelink/simprot"
)

// A customer is forgotten on an operator's word: everything the journal holds of
// the conversations of a TrackingId, in both directions, and what is in memory.
// The core and the networks keep what they have; what they tell of the customer
// afterwards makes the conversation known again.
//
// Rows that are pending have work in flight, so they are given up only where
// nothing runs: their channel is stopped as for a new configuration, and started
// again.

// errUnknownCustomer: no conversation has the TrackingId.
var errUnknownCustomer = errors.New("nothing is known of this TrackingId")

const (
	// quietTime is how long a conversation without pending rows may take to come
	// to rest: it may be asking the core something.
	quietTime = 5 * time.Second
	quietLook = 10 * time.Millisecond
	// forgetTries is how often rows that come meanwhile are given up, too.
	forgetTries = 5
)

// Forgotten is what POST /api/v1/forget answers.
type Forgotten struct {
	Conversation string        `json:"conversation"` // the hash of the TrackingId
	Channels     []ForgottenIn `json:"channels"`
}

// ForgottenIn is what was erased in one channel.
type ForgottenIn struct {
	Channel     string `json:"channel"` // "-": sentences for Ports nobody serves
	Messages    int    `json:"messages"`
	DeadLetters int    `json:"dead_letters"` // of the messages
	GivenUp     int    `json:"given_up"`     // of the messages: they were pending
	// Clean: no trace is left in the journal's files. If not, the wiping goes on
	// by itself.
	Clean bool `json:"clean"`
	// Open: the core holds a chat open. What it tells of it makes the
	// conversation known again.
	Open bool `json:"open"`
}

// forgetting is one call.
type forgetting struct {
	g        *Gateway
	tracking string
	channel  string // empty = all
	pending  bool   // pending rows are given up
}

// forgetTarget is a conversation that is to be forgotten.
type forgetTarget struct {
	journal.Conversation
	lanes [2]journal.Lane
}

// do forgets, or refuses before anything is erased. With an error some channels
// may be done.
func (f forgetting) do(ctx context.Context) (done []ForgottenIn, err error) {
	select { // channels do not change meanwhile
	case f.g.reloading <- struct{}{}:
		defer func() { <-f.g.reloading }()
	default:
		return nil, errReloading
	}
	// A stop does not wait for it.
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(f.g.serving, cancel)() //nolint:contextcheck // the end of another context is what is waited for
	targets, err := f.find(ctx)
	if err != nil {
		return nil, err
	}
	for _, t := range targets {
		if n, err := f.g.pendingIn(ctx, t); err != nil {
			return nil, err
		} else if len(n) > 0 && !f.pending {
			return nil, journal.ErrPending
		}
	}
	for _, t := range targets {
		one, err := f.one(ctx, t)
		if one.Channel != "" {
			done = append(done, one)
		}
		if err != nil {
			return done, err
		}
	}
	return done, nil
}

// find lists the conversations the TrackingId has.
func (f forgetting) find(ctx context.Context) (targets []forgetTarget, err error) {
	names, err := f.channels(ctx)
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		ids := []string{f.tracking, simprot.ShortenID(f.tracking, simprot.MaxTrackingID)}
		if name == unknownChannel {
			if ids, err = f.foreign(ctx); err != nil {
				return nil, err
			}
		}
		slices.Sort(ids)
		for _, id := range slices.Compact(ids) {
			c, ok, err := f.g.journal.Conversation(ctx, name, id)
			if err != nil {
				return nil, err
			}
			if !ok {
				if ch := f.g.channel(name); ch != nil {
					f.g.quiet(ctx, ch, id) // it may be in memory alone
				}
				continue
			}
			t := forgetTarget{Conversation: c}
			for i, d := range []journal.Direction{journal.In, journal.Out} {
				t.lanes[i] = journal.Lane{Channel: name, Direction: d, TrackingID: id}
			}
			targets = append(targets, t)
		}
	}
	if len(targets) == 0 {
		return nil, errUnknownCustomer
	}
	return targets, nil
}

// channels lists those to look into: configured ones, and those of which the
// journal still has rows.
func (f forgetting) channels(ctx context.Context) (names []string, err error) {
	ledger, err := f.g.journal.Ledger(ctx)
	if err != nil {
		return nil, err
	}
	for _, ch := range f.g.now().ordered {
		names = append(names, ch.cfg.Name)
	}
	for k := range ledger {
		names = append(names, k.Channel)
	}
	slices.Sort(names)
	names = slices.Compact(names)
	if f.channel == "" {
		return names, nil
	}
	if !slices.Contains(names, f.channel) {
		return nil, errNoChannel
	}
	return []string{f.channel}, nil
}

// foreign lists the names under which sentences for unserved Ports are kept, see
// Gateway.foreign. One that was too long, of a Port that is not configured, is
// not found: its name is a hash.
func (f forgetting) foreign(ctx context.Context) (ids []string, err error) {
	for _, ch := range f.g.now().ordered {
		if !ch.isGateway() {
			ids = append(ids, foreignID(ch.cfg.Port, f.tracking))
		}
	}
	all, err := f.g.journal.Conversations(ctx, unknownChannel, time.Time{})
	if err != nil {
		return nil, err
	}
	for _, c := range all {
		if _, tracking, ok := strings.Cut(c.TrackingID, "|"); ok && tracking == f.tracking {
			ids = append(ids, c.TrackingID)
		}
	}
	return ids, nil
}

// one forgets a conversation.
func (f forgetting) one(ctx context.Context, t forgetTarget) (done ForgottenIn, err error) {
	ch := f.g.channel(t.Channel)
	done.Channel = t.Channel
	if ch == nil || !ch.cfg.Enabled {
		return done, f.erase(ctx, t, true, &done)
	}
	rows, err := f.g.pendingIn(ctx, t)
	if err != nil {
		return done, err
	}
	done.Open = f.g.convs.isOpen(ch, t.TrackingID)
	err = journal.ErrPending
	if len(rows) == 0 && f.g.quiet(ctx, ch, t.TrackingID) {
		err = f.erase(ctx, t, false, &done)
		ch.forget(t.Conversation)
		f.g.typing.drop(convKey{ch, t.TrackingID})
	}
	if errors.Is(err, journal.ErrPending) && f.pending {
		//nolint:contextcheck // what has begun is ended in order
		err = f.g.inRest(ch, func() error { return f.erase(ctx, t, true, &done) })
	}
	return done, err
}

// erase has the journal forget. In rest, when nobody works on them, pending rows
// are given up if they may be.
func (f forgetting) erase(ctx context.Context, t forgetTarget, inRest bool, done *ForgottenIn) error {
	for try := 1; ; try++ {
		if f.pending && inRest {
			n, err := f.g.giveUpAll(ctx, t)
			done.GivenUp += n
			if err != nil {
				return err
			}
		}
		erased, err := f.g.journal.Forget(ctx, t.Channel, t.TrackingID)
		done.Messages += erased.Messages
		done.DeadLetters += erased.Dead
		done.Clean = erased.Clean
		if !errors.Is(err, journal.ErrPending) || !f.pending || !inRest || try == forgetTries {
			return err
		}
	}
}

// pendingPage is how many of a lane's rows are asked for at once.
const pendingPage = 500

// pendingIn gives the first pending rows of a conversation.
func (g *Gateway) pendingIn(ctx context.Context, t forgetTarget) (rows []journal.Row, err error) {
	for _, lane := range t.lanes {
		type answer struct {
			rows []journal.Row
			err  error
		}
		heard := make(chan answer, 1)
		g.journal.Refill(lane, pendingPage, func(rows []journal.Row, _ bool, err error) { heard <- answer{slices.Clone(rows), err} })
		select {
		case a := <-heard:
			if a.err != nil {
				return nil, a.err
			}
			rows = append(rows, a.rows...)
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	return rows, nil
}

// giveUpAll discards a conversation's pending rows, on which nobody works, and
// counts them.
func (g *Gateway) giveUpAll(ctx context.Context, t forgetTarget) (n int, err error) {
	for {
		rows, err := g.pendingIn(ctx, t)
		if err != nil || len(rows) == 0 {
			return n, err
		}
		some, err := stranded{g}.discard(ctx, "its customer was forgotten", rows...)
		n += some
		if err != nil {
			return n, err
		}
	}
}

// quiet takes a conversation out of memory once nothing of it is under way; not
// when it has work.
func (g *Gateway) quiet(ctx context.Context, ch *channel, tracking string) bool {
	ctx, cancel := context.WithTimeout(ctx, quietTime)
	defer cancel()
	for {
		c := g.convs.find(ch, tracking)
		if c == nil {
			return true
		}
		// While it is held nobody asks the core about it.
		select {
		case c.asking <- struct{}{}:
		case <-ctx.Done():
			return false
		}
		c.mu.Lock()
		rests := c.in.idle() && c.out.idle() && c.waiting == nil && !c.out.asking && len(c.out.arrivals) == 0
		if rests {
			c.gone = true
			g.convs.remove(c)
		}
		c.mu.Unlock()
		<-c.asking
		if rests {
			return true
		}
		if sleep(ctx, quietLook); ctx.Err() != nil {
			return false
		}
	}
}

// isOpen tells that the core holds a chat open, for all that is known.
func (r *registry) isOpen(ch *channel, tracking string) bool {
	c := r.find(ch, tracking)
	if c == nil {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.open
}

// remove forgets one conversation. Its mutex is held: nobody locks the two the
// other way round.
func (r *registry) remove(c *conversation) {
	s := r.shard(c.tracking)
	s.mu.Lock()
	defer s.mu.Unlock()
	if k := (convKey{c.ch, c.tracking}); s.convs[k] == c {
		delete(s.convs, k)
	}
}

// inRest stops a channel as for a new configuration, does what is to be done
// while nothing of it runs, and starts it again as it was.
func (g *Gateway) inRest(ch *channel, do func() error) error {
	old := g.now()
	without := old.with(old.cfg, []*channel{ch}, nil)
	channels, err := g.buildChannels(old.cfg, without)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(channels, func(c *channel) bool { return c.cfg.Name == ch.cfg.Name })
	next := channels[i]
	g.count(next)
	if err := g.mountWebhooks(old.cfg.Public, channels); err != nil {
		return err // it was tried above: cannot happen
	}
	var done error
	err = g.change(old.cfg, step{out: []*channel{ch}, in: []*channel{next}, between: func() { done = do() }})
	if err != nil {
		return err
	}
	g.enter(newRoster(old.cfg, channels)) // in the order of the file
	return done
}

// forget forgets what limits and confirmations remember of a customer.
func (ch *channel) forget(c journal.Conversation) {
	ch.limits.forget(ch.address(c.TrackingID, c.RemoteAddress))
	ch.port.owed.forget(c.TrackingID)
	ch.reported.forget(c.TrackingID)
	ch.profiles.forget(c.TrackingID)
}

func (l *limits) forget(to connectors.Address) {
	l.mu.Lock()
	defer l.mu.Unlock()
	key, _ := l.named(to)
	delete(l.recipients, key)
	delete(l.asked, key)
}

// forget blanks a conversation's confirmations: a STATUS that shows a sentence
// unconfirmed brings it back.
func (o *owed) forget(tracking string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for i := range o.list {
		if o.list[i].tracking == tracking {
			o.list[i].tracking, o.list[i].id = "", ""
		}
	}
}

// drop ends what is shown to a customer who is forgotten.
func (t *typing) drop(key convKey) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if timer := t.now[key]; timer != nil {
		timer.Stop()
		delete(t.now, key)
	}
}

// sum adds up what was erased.
func (f Forgotten) sum() (all ForgottenIn) {
	all.Clean = len(f.Channels) > 0
	for _, c := range f.Channels {
		all.Channel += "," + c.Channel
		all.Messages += c.Messages
		all.DeadLetters += c.DeadLetters
		all.GivenUp += c.GivenUp
		all.Clean = all.Clean && c.Clean
	}
	all.Channel = cmp.Or(strings.TrimPrefix(all.Channel, ","), unknownChannel)
	return all
}
