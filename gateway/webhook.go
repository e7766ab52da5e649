package gateway

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"servicelink/connectors"
)

// hookChannel is one channel as the public listener sees it.
type hookChannel struct {
	Name, Network string
	Enabled       bool
	Hooks         []connectors.Webhook
	// Patience is Capabilities.WebhookPatience; 0 = defaultPatience.
	Patience time.Duration
	// Deliver takes responsibility for events, or fails. The context ends
	// before the network's patience does.
	Deliver func(ctx context.Context, events []connectors.Event) error
	Metrics *channelMetrics
}

const (
	// defaultPatience stands in for a connector that does not say how long its
	// network waits for an answer.
	defaultPatience = 10 * time.Second
	// maxPatience is below the listener's own limit for an answer.
	maxPatience = 90 * time.Second
)

// route is one (method, path) with every channel that named it.
type route struct {
	public  *publicHandler
	path    *hookPath
	method  string
	maxBody int64
	hooks   []*hook // in the order of the configuration
	// blame counts what happens before a channel is known: the only channel's
	// metrics, or the strays'.
	blame *channelMetrics
	// what was said in the log already
	warned, panicked seldom
}

// hook is one channel's share of a route.
type hook struct {
	connectors.Webhook
	channel *hookChannel
}

// outcome is what became of one call.
type outcome struct {
	verdict connectors.Verdict
	reason  connectors.RequestReason // empty for Accepted
	channel string                   // whose the reason is; empty: nobody knows
	reply   *hook                    // whose Reply answers; nil until known
	blame   *channelMetrics          // who counts its duration
	hangUp  bool                     // the body was not read to its end
	broken  bool                     // a connector panicked with what it was lent
}

// serve handles one call from end to end on the caller's goroutine, always in
// this order: limit, Verify, Parse, Deliver, Reply.
func (rt *route) serve(w http.ResponseWriter, r *http.Request) {
	received := time.Now()
	c := takeCall()
	o := rt.run(c, r, received)
	if c.req.Received.Equal(received) { // it was read
		o.verdict.Request = &c.req
	}
	rt.answer(w, &o)
	c.discharge(&rt.public.held)
	if !o.broken {
		c.giveBack()
	}
	if o.reason != "" {
		rt.warn(r.Context(), &o)
	}
	o.blame.webhookSeconds(time.Since(received))
}

// run is the pipeline up to the answer. Every channel that accepts the call
// takes its part, whatever became of the others'.
func (rt *route) run(c *call, r *http.Request, received time.Time) outcome {
	if err := c.read(r, rt.maxBody, &rt.public.held); err != nil {
		return rt.unread(err)
	}
	c.describe(r, rt, received)
	if rt.public.probes.has(&c.req) {
		rt = rt.uncounted()
	}
	var o outcome
	var no refusal
	for _, h := range rt.hooks {
		switch err := rt.verify(c, h); {
		case errors.Is(err, errPanic):
			o.add(h, connectors.Verdict{Result: connectors.Unavailable}, connectors.ReasonPanic)
		case err == nil && h.channel.Enabled:
			v, reason := rt.take(r.Context(), c, h)
			o.add(h, v, reason)
		case err == nil:
			no.disabled = h
		case !errors.Is(err, connectors.ErrNotMine):
			no.forged, no.forgeries = h, no.forgeries+1
		}
	}
	if o.reply == nil {
		return rt.refuse(no)
	}
	return o
}

// add folds one channel's share into the outcome: the worst verdict stands,
// the first channel answers. A network that sends again for one channel's sake
// repeats the others' events, which is harmless; told that all is well it
// would lose them.
func (o *outcome) add(h *hook, v connectors.Verdict, reason connectors.RequestReason) {
	h.channel.Metrics.webhookResult(v.Result)
	if reason != "" {
		h.channel.Metrics.webhookRefused(string(reason))
	}
	o.broken = o.broken || reason == connectors.ReasonPanic
	if o.reply == nil {
		o.reply, o.blame = h, h.channel.Metrics
	}
	if o.reason == "" || v.Result == connectors.Unavailable {
		o.verdict, o.reason, o.channel = v, reason, h.channel.Name
	}
}

// refusal is why nobody took a call.
type refusal struct {
	disabled  *hook // of a channel that is switched off and knows it
	forged    *hook // of the last channel that found its proof wrong
	forgeries int
}

// refuse answers a call nobody took. Where several channels share the path and
// nothing says whose it was, none of them is blamed.
func (rt *route) refuse(no refusal) outcome {
	switch {
	case no.disabled != nil:
		return rt.untaken(no.disabled.channel, turnedAway(nil), connectors.ReasonNobody)
	case no.forgeries == 1:
		return rt.untaken(no.forged.channel, turnedAway(connectors.ErrForged), connectors.ReasonForged)
	case no.forgeries > 1:
		return rt.untaken(rt.only(), turnedAway(connectors.ErrForged), connectors.ReasonForged)
	default:
		return rt.untaken(rt.only(), turnedAway(connectors.ErrNotMine), connectors.ReasonNobody)
	}
}

func turnedAway(why error) connectors.Verdict {
	return connectors.Verdict{Result: connectors.Refused, Err: why}
}

// unread answers a call whose body was not taken in.
func (rt *route) unread(err error) outcome {
	v := connectors.Verdict{Result: connectors.Malformed}
	var reason connectors.RequestReason
	switch {
	case errors.Is(err, errTooLarge):
		v.Result, reason = connectors.TooLarge, connectors.ReasonTooLarge
	case errors.Is(err, errCrowded):
		v.Result, reason = connectors.Unavailable, connectors.ReasonUnavail
	case errors.Is(err, errEncoding):
		reason = connectors.ReasonSyntax
		v.Err = &connectors.RequestError{Reason: reason, Detail: "Content-Encoding"}
	default:
		reason = connectors.ReasonBody
		v.Err = &connectors.RequestError{Reason: reason}
	}
	o := rt.untaken(rt.only(), v, reason)
	o.hangUp = true
	return o
}

// only is the channel of a route that no other shares, else nil.
func (rt *route) only() *hookChannel {
	if len(rt.hooks) > 1 {
		return nil
	}
	return rt.hooks[0].channel
}

// untaken answers a call that belongs to ch, or nil: nobody knows whose it is.
func (rt *route) untaken(ch *hookChannel, v connectors.Verdict, reason connectors.RequestReason) outcome {
	o := outcome{verdict: v, reason: reason, reply: rt.hooks[0], blame: rt.blame}
	if ch != nil {
		o.blame, o.channel = ch.Metrics, ch.Name
	}
	o.blame.webhookResult(v.Result)
	o.blame.webhookRefused(string(reason))
	return o
}

// take parses one channel's part of a verified call and delivers it.
func (rt *route) take(ctx context.Context, c *call, h *hook) (connectors.Verdict, connectors.RequestReason) {
	parsed, err := rt.parse(c, h)
	if err != nil {
		return failed(err)
	}
	if len(parsed.Events) > 0 {
		if err := rt.deliver(ctx, c, h, parsed.Events); err != nil {
			return failed(err)
		}
	}
	for reason, n := range parsed.Ignored {
		h.channel.Metrics.ignored(reason, n)
	}
	return connectors.Verdict{Result: connectors.Accepted}, ""
}

// failed tells what an error of Parse or Deliver means for the network.
func failed(err error) (connectors.Verdict, connectors.RequestReason) {
	var bad *connectors.RequestError
	switch {
	case errors.Is(err, errPanic):
		return connectors.Verdict{Result: connectors.Unavailable}, connectors.ReasonPanic
	case errors.Is(err, connectors.ErrUnavailable):
		return connectors.Verdict{Result: connectors.Unavailable}, connectors.ReasonUnavail
	case errors.As(err, &bad):
		return connectors.Verdict{Result: connectors.Malformed, Err: err}, bad.Reason
	default:
		return connectors.Verdict{Result: connectors.Malformed, Err: err}, connectors.ReasonSyntax
	}
}

func (rt *route) verify(c *call, h *hook) (err error) {
	defer rt.border(h, "verify", &err)
	return h.Verify(&c.req)
}

func (rt *route) parse(c *call, h *hook) (parsed connectors.ParseResult, err error) {
	defer rt.border(h, "parse", &err)
	return h.Parse(&c.req)
}

// deliver hands events over within the network's patience. A tenth of it is
// kept for the way back, and the caller's hanging up does not end it: what is
// half taken would only come again.
func (rt *route) deliver(ctx context.Context, c *call, h *hook, events []connectors.Event) (err error) {
	defer rt.border(h, "deliver", &err)
	patience := min(h.channel.Patience, maxPatience)
	if patience <= 0 {
		patience = defaultPatience
	}
	ctx = context.WithValue(context.WithoutCancel(ctx), receivedKey{}, &c.req.Received)
	ctx, cancel := context.WithDeadline(ctx, c.req.Received.Add(patience-patience/10))
	defer cancel()
	if err := h.channel.Deliver(ctx, events); err != nil {
		return fmt.Errorf("%w: %w", connectors.ErrUnavailable, err)
	}
	return nil
}
