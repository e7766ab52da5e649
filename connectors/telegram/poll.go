package telegram

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"golang.org/x/sync/errgroup"

	"servicelink/connectors"
)

const (
	// batch is how many updates a poll brings at most; the API allows no more.
	batch = 100
	// minRound is the least time between two polls that bring nothing new: a
	// server that does not wait is not asked without rest.
	minRound = time.Second
	// The rest after a batch that the engine could not take, doubled each time.
	minRest, maxRest = time.Second, 15 * time.Second
	// pushedRest is the rest after another reader took a poll's place: shorter than an
	// examination looks for readers. A second time within pushedAgain it stays.
	pushedRest, pushedAgain = 2 * time.Second, time.Minute
	// answerTime bounds the answers to the button presses of one batch, which the
	// next poll waits for; answerWorkers is how many go out at once.
	answerTime    = 5 * time.Second
	answerWorkers = 8
)

type getUpdates struct {
	Offset         int64    `json:"offset,omitempty"`
	Limit          int      `json:"limit"`
	Timeout        int      `json:"timeout"` // seconds
	AllowedUpdates []string `json:"allowed_updates"`
}

// Run implements connectors.Runner: it polls until ctx ends or the network fails.
//
// It does not use the library's own loop, which confirms updates before they are
// handled, stops for ever at one it cannot decode, and neither rests after a 429
// nor gives up after a 401 or 409.
func (c *Connector) Run(ctx context.Context, in connectors.Inbox) error {
	if err := c.prepare(ctx); err != nil {
		return runError(err)
	}
	p := poller{c: c, in: in}
	for {
		if err := p.round(ctx); err != nil {
			return runError(err)
		}
	}
}

// prepare checks the token, and that nobody has the updates sent elsewhere.
func (c *Connector) prepare(ctx context.Context) error {
	if err := c.call(ctx, "getMe", nil, nil); err != nil {
		return err
	}
	var hook webhookInfo
	if err := c.call(ctx, "getWebhookInfo", nil, &hook); err != nil {
		return err
	}
	if hook.URL == "" {
		return nil
	}
	host := hook.host()
	if !c.takeOver {
		return &connectors.SendError{
			Outcome: connectors.NotSent, Reason: connectors.ReasonConflict,
			Err:  errors.New("the bot has a webhook at " + host),
			Hint: "Another program at " + host + " gets this bot's updates. Remove its webhook by \"servicelink register " + c.channel + "\", or set take_over: true.",
		}
	}
	c.deps.Log.Warn("a webhook is removed, as take_over says", "host", host)
	return c.deleteWebhook(ctx)
}

// runError is what Run returns for err: always a *connectors.SendError.
func runError(err error) error {
	if refused, ok := errors.AsType[*apiError](err); ok {
		return classify(refused)
	}
	return err
}

// poller is the state of one Run.
type poller struct {
	c  *Connector
	in connectors.Inbox
	// last are the ids of the last batch, all delivered: a server that did not take
	// the confirmation sends them again.
	last map[int64]bool
	rest time.Duration // after the last batch that was not taken
	// pushed is when another reader last took the poll's place; zero = never.
	pushed time.Time
}

// round polls once and delivers what it brought.
func (p *poller) round(ctx context.Context) error {
	began := time.Now()
	raws, err := p.c.poll(ctx)
	if err != nil {
		return p.pushedOut(ctx, err)
	}
	p.in.Working()
	if len(raws) == 0 {
		// The poll has confirmed what it named. Without an offset nothing that
		// comes next can be below it: after a week of silence ids begin anywhere.
		p.c.offset, p.last = 0, nil
	}
	all, fresh := p.read(raws)
	var events []connectors.Event
	for _, u := range fresh {
		events = append(events, u.events()...)
		if u.bug != "" {
			p.c.deps.Log.Error("reading an update panicked: it is passed on as unsupported",
				"update_id", u.id, "kind", readable(u.kind), "panic", u.bug)
		}
	}
	if len(events) > 0 {
		if err := p.in.Deliver(ctx, events); err != nil {
			// Nothing is confirmed: the same comes again.
			p.rest = min(max(2*p.rest, minRest), maxRest)
			return pause(ctx, p.rest)
		}
	}
	p.rest = 0
	moved := p.delivered(all)
	p.c.answer(ctx, fresh)
	if moved {
		return pause(ctx, 0)
	}
	return pause(ctx, minRound-time.Since(began))
}

// pushedOut asks once more when another reader's poll took the place of this one's.
// One that comes and goes, as an examination does, makes nobody deaf; one that stays
// is pushed out in its turn, and ends Run the next time. err is the poll's.
func (p *poller) pushedOut(ctx context.Context, err error) error {
	refused, _ := errors.AsType[*apiError](err)
	if refused == nil || !refused.otherReader() || !p.pushed.IsZero() && time.Since(p.pushed) < pushedAgain {
		return err
	}
	p.pushed = time.Now()
	return pause(ctx, pushedRest)
}

// poll asks for updates and thereby confirms those below the offset.
func (c *Connector) poll(ctx context.Context) (raws []json.RawMessage, err error) {
	err = c.callBy(ctx, c.poller, 0, "getUpdates", getUpdates{
		Offset: c.offset, Limit: batch, Timeout: int(c.pollTimeout / time.Second), AllowedUpdates: allowedUpdates,
	}, &raws)
	return raws, err
}

// read reads the envelopes; fresh leaves out what the last batch had. Only exact
// ids are compared: a lower one is not an older one.
func (p *poller) read(raws []json.RawMessage) (all, fresh []*update) {
	for _, raw := range raws {
		u := p.c.newUpdate(raw)
		all = append(all, u)
		if u.id == 0 || !p.last[u.id] {
			fresh = append(fresh, u)
		}
	}
	return all, fresh
}

// delivered moves the offset: the next poll confirms the batch. The end of the
// queue is where its last update is, also behind higher ids; a server that sends
// the same again after that is offered the highest one. false: nothing came that
// was not there before, or nothing with an id to confirm it by.
func (p *poller) delivered(all []*update) (moved bool) {
	ids := make(map[int64]bool, len(all))
	var last, highest int64
	for _, u := range all {
		if u.id == 0 {
			continue
		}
		moved = moved || !p.last[u.id]
		ids[u.id] = true
		last, highest = u.id, max(highest, u.id)
	}
	switch {
	case len(ids) == 0:
		return false
	case moved || p.c.offset == highest+1:
		p.c.offset = last + 1
	default:
		p.c.offset = highest + 1
	}
	p.last = ids
	return moved
}

// answer tells Telegram that presses of buttons have arrived, so that the
// customers' apps stop showing that they wait. It is a courtesy: a failure costs
// nothing but that, and an answer that is late is refused.
func (c *Connector) answer(ctx context.Context, updates []*update) {
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	var workers errgroup.Group
	workers.SetLimit(answerWorkers)
	for _, u := range updates {
		if u.query == "" {
			continue
		}
		workers.Go(func() error {
			params := map[string]string{"callback_query_id": u.query}
			if err := c.call(ctx, "answerCallbackQuery", params, nil); err != nil {
				c.deps.Log.Debug("the press of a button was taken and could not be answered", "error", err)
			}
			return nil
		})
	}
	_ = workers.Wait() // no worker fails
}

// pause rests for d, or until ctx ends.
func pause(ctx context.Context, d time.Duration) error {
	if d > 0 {
		timer := time.NewTimer(d)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ctx.Done():
		}
	}
	if ctx.Err() != nil {
		return &connectors.SendError{
			Outcome: connectors.NotSent, Reason: connectors.ReasonCanceled, Err: errors.New("stopped by the gateway"),
		}
	}
	return nil
}
