package gateway

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"servicelink/config"
	"servicelink/connectors"
	"servicelink/gateway/journal"
	"servicelink/simprot"
)

// startOut starts the lane's goroutine. c.mu is held.
func (g *Gateway) startOut(c *conversation) {
	c.out.setRunning(c.ch.life.spawn(func() {
		defer g.feed(c.ch, journal.Out) // it leaves room behind
		for h := g.nextOut(c); h != nil; h = g.nextOut(c) {
			g.sendOut(c.ch.life.lanes, c, h)
		}
	}))
}

// nextOut gives the next freed row, or nil when the goroutine shall end.
func (g *Gateway) nextOut(c *conversation) *held {
	for {
		c.mu.Lock()
		switch {
		case c.ch.life.lanes.Err() != nil:
			c.out.setRunning(false)
			c.mu.Unlock()
			return nil
		case len(c.out.ready) > 0:
			h := c.out.ready[0]
			c.mu.Unlock()
			return h
		case len(c.out.rows) > 0 || !c.out.behind:
			c.out.setRunning(false)
			c.mu.Unlock()
			return nil
		case !c.reserve(&c.out.laneState, outLaneLimit):
			c.mu.Unlock()
			return nil
		}
		c.mu.Unlock()
		err := g.load(c.ch.life.lanes, c)
		if err == nil {
			err = g.refill(c.ch.life.lanes, c, &c.out.laneState)
		}
		if err != nil {
			sleep(c.ch.life.lanes, journalRetry)
			continue
		}
		c.mu.Lock()
		g.freeOut(c)
		c.mu.Unlock()
	}
}

// delivery is one sentence on its way to the customer.
type delivery struct {
	c       *conversation
	row     *held
	content content
	parts   []connectors.Part
	tries   int       // attempts in this process, for the back-off
	began   time.Time // the latest attempt
	doubts  []doubt   // by part: attempts of unknown fate
	hows    []string  // by part: how it goes out where it is not as it was said (replywindow.go)
	wrong   string    // why it cannot be sent as it is written
	// news holds a token after a notice of the network; over is closed when the
	// row has ended.
	news, over chan struct{}

	// mu is held over the commits of states, since notices change them as well.
	mu     longMutex
	states []journal.Part
	fact   connectors.Finding // the latest notice
	ended  bool               // its end is decided
}

// longMutex is a mutex that is held over calls which may take long. It is a
// channel, so that virtual time sees that who waits for it waits.
type longMutex chan struct{}

// Lock takes it.
func (m longMutex) Lock() { m <- struct{}{} }

// Unlock gives it back.
func (m longMutex) Unlock() { <-m }

// sendOut brings one sentence to its end. It returns early only when the lanes
// are stopped; the row stays pending then.
func (g *Gateway) sendOut(ctx context.Context, c *conversation, h *held) {
	d := &delivery{c: c, row: h, mu: make(longMutex, 1)}
	h.turn()
	var err error
	if d.content, err = decodeContent(h.Content); err != nil {
		g.finishOut(d, verdict{journal.Dead, connectors.ReasonEncoding, "the journal's content cannot be read"})
		return
	}
	for ctx.Err() == nil {
		if err = g.load(ctx, c); err == nil {
			break
		}
		sleep(ctx, journalRetry)
	}
	if ctx.Err() != nil {
		return
	}
	if !passesOn(d.content, c.ch.cfg) {
		g.finishOut(d, verdict{state: journal.Done, reason: reasonNotShown})
		return
	}
	d.rebase(g.config().Limits.Deadline)
	if d.wrong = wrongTemplate(d.content.Text, c.ch.caps); d.wrong != "" {
		d.states = slices.Clone(d.row.Parts)
		g.finishOut(d, verdict{journal.Dead, connectors.ReasonContent, d.wrong})
		return
	}
	g.split(ctx, d)
	if g.quote(ctx, d) != nil {
		return // stopped
	}
	g.begin(ctx, d)
	defer d.end()
	for i := range d.parts {
		for d.state(i).State != journal.PartSent {
			v, err := g.sendPart(ctx, d, i)
			if err != nil {
				return // stopped
			}
			if v != notYet && d.concludes(i) {
				g.finishOut(d, v)
				return
			}
		}
		if c.ch.caps.Reports && g.overtaken(c.ch.life.hard, d, i) != nil { //nolint:contextcheck // the network was told that it is kept
			return // stopped
		}
	}
	g.finishOut(d, verdict{state: journal.Done})
}

// reasonNotShown ends a sentence that is not meant for the customer.
const reasonNotShown connectors.Reason = "not_shown"

// passesOn: a person's sentences always, tech notes by configuration, panels,
// navigation and application data never, and nothing without a text: networks
// refuse it, and there is nothing to see.
func passesOn(content content, cfg config.Channel) bool {
	if _, text := splitReply(content.Text); strings.TrimSpace(text) == "" {
		return false
	}
	return content.Model == simprot.ModelSentence || content.Model == simprot.ModelTechNote && cfg.TechNotes
}

// split makes the parts; the same row always gives the same ones, so earlier
// parts' records fit.
func (g *Gateway) split(ctx context.Context, d *delivery) {
	c := d.c
	c.mu.Lock()
	remote := c.party.RemoteAddress
	c.mu.Unlock()
	parts, changed := toParts(d.row.ID, d.content.Text, c.ch.address(c.tracking, remote), c.ch.caps)
	c.ch.media.prepare(c.ch, parts)
	for i := range parts {
		parts[i].Ref = partRef(d.row.Row, i)
	}
	d.parts = parts
	d.states = slices.Clone(d.row.Parts)
	for len(d.states) < len(parts) {
		d.states = append(d.states, journal.Part{})
	}
	d.restoreHows()
	c.mu.Lock()
	changed = slices.DeleteFunc(changed, func(what string) bool { return slices.Contains(c.noticed, what) })
	c.noticed = append(c.noticed, changed...)
	c.mu.Unlock()
	if len(changed) > 0 {
		_ = g.note(ctx, c, "shown:"+d.row.ID, "This channel cannot show everything: "+strings.Join(changed, ", ")+".")
	}
}

// sendPart tries one part until it is sent or cannot be. An error means that
// the lanes are stopped.
func (g *Gateway) sendPart(ctx context.Context, d *delivery, i int) (verdict, error) {
	s := d.state(i)
	if s.State == journal.PartRejected { // the note may have been told already
		return verdict{journal.Dead, connectors.Reason(s.Reason), d.row.Hint}, nil
	}
	// A part that was on its way when an earlier process died is known to be
	// unknown.
	if inDoubt(s) && !d.doubts[i].is() {
		d.doubts[i] = earlierDoubt(s, d.patience(i))
		if v := g.unknownFate(ctx, d, i, &connectors.SendError{Outcome: connectors.Unknown, Reason: connectors.ReasonUnknown}); v != notYet {
			return v, nil
		}
	}
	for d.state(i).State != journal.PartSent { // a notice may say so at any time
		if v, err := g.mayAttempt(ctx, d, i); v != notYet || err != nil {
			return v, err
		}
		if v, err := g.throughWindow(ctx, d, i); v != notYet || err != nil {
			return v, err
		}
		receipt, err := g.attempt(d.c.ch.life.hard, d, i) //nolint:contextcheck // what has begun is waited for
		if err == nil {
			d.c.sent(receipt.NetworkID)
			d.doubts[i] = doubt{}
			g.record(d, i, journal.Part{State: journal.PartSent, NetworkID: receipt.NetworkID})
			d.c.ch.limits.worked()
			d.tries = 0
			return notYet, nil
		}
		if gone := d.c.ch.life.hard.Err(); gone != nil {
			return notYet, gone
		}
		if v := g.failed(ctx, d, i, connectors.AsSendError(err)); v != notYet {
			return v, nil
		}
	}
	return notYet, nil
}

// mayAttempt waits for the limits and gives up at the deadline.
func (g *Gateway) mayAttempt(ctx context.Context, d *delivery, i int) (verdict, error) {
	if ctx.Err() != nil {
		return notYet, ctx.Err()
	}
	late := verdict{journal.Dead, connectors.ReasonDeadline, "not delivered in time; the last failure is in the log"}
	if d.expired(time.Now()) {
		return late, nil
	}
	d.row.note(d.c.ch.limits.obstacle(d.parts[i].To))
	err := d.c.ch.limits.wait(ctx, d.parts[i].To, d.row.Deadline)
	if errors.Is(err, errDeadline) {
		return late, nil
	}
	return notYet, err
}

// rebase bounds a deadline that an earlier process stored by a clock that may
// have been wrong, and gives a requeued message a new one.
func (d *delivery) rebase(limit time.Duration) {
	latest := deadlineFrom(time.Now(), limit)
	if d.row.Deadline.IsZero() || latest.IsZero() {
		return
	}
	if d.row.Deadline.After(latest) || d.row.Epoch > 0 && d.expired(time.Now()) {
		d.row.Deadline = latest
	}
}

func (d *delivery) expired(now time.Time) bool {
	return !d.row.Deadline.IsZero() && now.After(d.row.Deadline)
}

// attempt makes one attempt: that it begins is durable before the request
// leaves.
func (g *Gateway) attempt(ctx context.Context, d *delivery, i int) (connectors.Receipt, error) {
	if s, err := g.attempting(ctx, d, i); err != nil || s.State == journal.PartSent {
		return connectors.Receipt{NetworkID: s.NetworkID}, err
	}
	d.row.attempts(i)
	sendCtx, cancel := context.WithTimeout(ctx, d.patience(i))
	defer cancel()
	d.began = time.Now()
	receipt, err := sendSafely(sendCtx, d.c.ch.conn, d.parts[i])
	outcome, reason := "sent", ""
	d.row.outcome(i, err)
	if err != nil {
		se := connectors.AsSendError(err)
		outcome, reason = se.Outcome.String(), string(se.Reason)
	}
	d.c.ch.metrics.attempt(outcome, reason)
	return receipt, err
}

// attempting commits that an attempt begins and gives the part's record: sent,
// when a notice has said so meanwhile.
func (g *Gateway) attempting(ctx context.Context, d *delivery, i int) (journal.Part, error) {
	d.c.mu.Lock()
	mark := d.c.mark()
	d.c.mu.Unlock()
	d.mu.Lock()
	defer d.mu.Unlock()
	if s := d.states[i]; s.State == journal.PartSent {
		return s, nil
	}
	d.row.Attempts++
	d.tries++
	d.states[i] = journal.Part{State: journal.PartAttempting, Hint: d.hint(i), At: time.Now()}
	err := g.journal.Commit(ctx, journal.Change{
		Seq: d.row.Seq, Epoch: d.row.Epoch, State: journal.Delivering,
		Attempts: d.row.Attempts, Parts: slices.Clone(d.states), Listed: d.c.ch.caps.Reports, Conv: mark,
	})
	if err != nil {
		d.states[i] = d.notSent(i, connectors.ReasonCanceled)
		return d.states[i], &connectors.SendError{Outcome: connectors.NotSent, Reason: connectors.ReasonCanceled, Err: err}
	}
	if d.expired(time.Now()) { // the journal was away for long
		d.states[i] = d.notSent(i, connectors.ReasonDeadline)
		return d.states[i], &connectors.SendError{Outcome: connectors.NotSent, Reason: connectors.ReasonDeadline}
	}
	return d.states[i], nil
}

// notSent is a part's record after an attempt that certainly failed: an earlier
// one may still have arrived.
func (d *delivery) notSent(i int, r connectors.Reason) journal.Part {
	if d.doubts[i].is() {
		return journal.Part{State: journal.PartUnknown, Reason: string(r), Hint: d.hint(i), At: time.Now()}
	}
	return journal.Part{Reason: string(r), Hint: d.hint(i)}
}

// patience is how long an attempt may take.
func (d *delivery) patience(i int) time.Duration {
	if d.parts[i].File != nil {
		return fileSendTimeout
	}
	return sendTimeout
}

// These end an attempt whose connector does not. A file may have to be fetched
// and uploaded.
const (
	sendTimeout     = 60 * time.Second
	fileSendTimeout = 6 * time.Minute
)

// sendSafely keeps a connector's panic at the border: its fate is unknown.
func sendSafely(ctx context.Context, conn connectors.Device, part connectors.Part) (r connectors.Receipt, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = &connectors.SendError{Outcome: connectors.Unknown, Reason: connectors.ReasonBug, Err: fmt.Errorf("connector panicked: %T", p)}
		}
	}()
	return conn.(connectors.Connector).Send(ctx, part)
}

// record journals a part's outcome; the next attempt or the end carries it to
// the disk.
func (g *Gateway) record(d *delivery, i int, p journal.Part) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.states[i].State == journal.PartSent && p.State != journal.PartSent {
		return // the network has said that it arrived
	}
	p.At, p.Hint = time.Now(), d.hint(i)
	d.states[i] = p
	g.journal.Apply(journal.Change{
		Seq: d.row.Seq, Epoch: d.row.Epoch, State: journal.Delivering, Reason: p.Reason,
		Attempts: d.row.Attempts, Parts: slices.Clone(d.states),
	})
}

// partLog is for lines about a part of a message.
func (c *conversation) partLog(id string, i int) *slog.Logger {
	return c.ch.log.With("id", simprot.LogEventID(c.tracking, id), "conversation", simprot.LogID(c.tracking), "part", i+1)
}

// failed deals with one failed attempt: it waits and lets the caller go on, or
// gives the verdict.
func (g *Gateway) failed(ctx context.Context, d *delivery, i int, se *connectors.SendError) verdict {
	ch := d.c.ch
	d.c.partLog(d.row.ID, i).Warn("send failed", "outcome", se.Outcome.String(), "reason", string(se.Reason), "code", se.Code, "attempt", d.row.Attempts)
	if se.Reason == connectors.ReasonWindow {
		g.windowClosed(d.c, d.began, d.parts[i].Late)
	}
	switch se.Outcome {
	case connectors.Rejected:
		if d.saysOtherwise(i, se) {
			g.record(d, i, d.notSent(i, se.Reason))
			return notYet
		}
		p := journal.Part{State: journal.PartRejected, Reason: string(se.Reason)}
		if d.doubts[i].is() {
			p.State = journal.PartUnknown // an earlier attempt may have arrived
		}
		g.record(d, i, p)
		return verdict{journal.Dead, se.Reason, hintOf(se)}
	case connectors.Unknown:
		d.doubts[i] = d.doubts[i].with(d.began, time.Now())
		g.record(d, i, journal.Part{State: journal.PartUnknown, Reason: string(se.Reason)})
		if v := g.unknownFate(ctx, d, i, se); v != notYet || ctx.Err() != nil || d.state(i).State == journal.PartSent {
			return v
		}
	default:
		g.record(d, i, d.notSent(i, se.Reason))
	}
	ch.limits.learn(d.parts[i].To, se)
	wait := backOff(se, d.tries)
	if !d.row.Deadline.IsZero() && time.Now().Add(wait).After(d.row.Deadline) {
		return verdict{journal.Dead, connectors.ReasonDeadline, hintOf(se)}
	}
	d.row.waits(stepBackOff, wait, se.Reason)
	sleep(ctx, wait)
	return notYet
}

func hintOf(se *connectors.SendError) string {
	if se.Code == "" {
		return se.Hint
	}
	return strings.TrimSpace("network code " + se.Code + ". " + se.Hint)
}

// finishOut ends a sentence: the agent's note first, then the row, then the
// core's confirmation.
func (g *Gateway) finishOut(d *delivery, v verdict) {
	ctx, c := d.c.ch.life.hard, d.c
	d.mu.Lock()
	d.ended = true
	parts := slices.Clone(d.states)
	d.mu.Unlock()
	if v.state == journal.Dead && !d.content.Auto {
		if err := g.note(ctx, c, d.row.ID, outboundNote(d, v, cmp.Or(d.wrong, c.ch.reasonText(v.reason)))); err != nil {
			return // stopped: the row stays pending
		}
	}
	c.mu.Lock()
	mark := c.mark()
	c.mu.Unlock()
	d.row.step(stepEnding)
	err := g.journal.Commit(ctx, journal.Change{
		Seq: d.row.Seq, Epoch: d.row.Epoch, State: v.state, Reason: string(v.reason), Hint: v.hint,
		Attempts: d.row.Attempts, Parts: parts, Conv: mark,
	})
	if err != nil && ctx.Err() != nil {
		return // queued all the same; confirmed after the next start
	}
	c.mu.Lock()
	g.pop(&c.out.laneState, d.row.Seq)
	c.out.ready = slices.DeleteFunc(c.out.ready, func(h *held) bool { return h == d.row })
	c.lastUsed = time.Now()
	c.mu.Unlock()
	c.ch.finished(d.row.Row, v.state, string(v.reason))
	if v.state == journal.Dead && !d.content.Auto && slices.ContainsFunc(parts, inDoubt) {
		c.ch.reported.add(c.tracking, d.row.Seq)
	}
	if v.state == journal.Done && !d.content.Auto && g.confirmsNow(ctx, d) {
		d.row.confirms(c)
		g.confirm(c, cmp.Or(d.content.ID, d.row.ID))
	}
	g.settle(d.row.Lane, d.row.ID)
}
