package gateway

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"servicelink/connectors"
	"servicelink/gateway/journal"
	"servicelink/simprot"
)

// sendAtOnce is how many parts of a message are with the network at a time.
const sendAtOnce = 4

// mailing is one message on its way to its recipients.
type mailing struct {
	c      *conversation
	row    *held
	msg    *connectors.Message
	sender connectors.MessageSender
	parts  []string
	slots  chan struct{}
	// begin is when the last attempt may start, end when none runs any more.
	begin, end time.Time

	// mu is held over the commits of states.
	mu     longMutex
	states []journal.Part
}

// sendMessage brings one message to its end. It returns early only when the lanes are
// stopped; the row stays pending then.
func (g *Gateway) sendMessage(ctx context.Context, c *conversation, h *held) {
	h.turn()
	d := &mailing{c: c, row: h, msg: &connectors.Message{}, mu: make(longMutex, 1), slots: make(chan struct{}, sendAtOnce), states: slices.Clone(h.Parts)}
	d.begin, d.end = g.sendingTime(h)
	if err := decodeMessage(&h.Row, d.msg); err != nil {
		g.finishMessageOut(d, verdict{journal.Dead, connectors.ReasonEncoding, err.Error()})
		return
	}
	var ok bool
	if d.sender, ok = c.ch.conn.(connectors.MessageSender); !ok {
		g.finishMessageOut(d, verdict{journal.Dead, connectors.ReasonBug, "the gateway cannot send"}) // the direction has changed
		return
	}
	var err error
	if d.parts, err = partsSafely(d.sender, d.msg); err != nil {
		se := connectors.AsSendError(err)
		g.finishMessageOut(d, verdict{journal.Dead, se.Reason, cmp.Or(hintOf(se), reasonText(se.Reason))})
		return
	}
	d.recall()
	if why := g.cannotBegin(d); why != "" {
		g.finishMessageOut(d, d.verdict(connectors.ReasonDeadline, why))
		return
	}
	var work sync.WaitGroup
	for i := range d.parts {
		if d.states[i].State == 0 {
			work.Go(func() { g.sendMessagePart(ctx, d, i) })
		}
	}
	work.Wait()
	if !d.over() {
		return // stopped
	}
	g.finishMessageOut(d, d.verdict(connectors.ReasonDeadline, ""))
}

// sendingTime is how long attempts may start and run: counted from the request that
// waits for the message, or, where none does any more, by what the journal says, at
// most as long as from now.
func (g *Gateway) sendingTime(h *held) (begin, end time.Time) {
	if at := g.messages.asked(messageKey{h.Lane.Channel, h.ID}); !at.IsZero() {
		return at.Add(startWithin), at.Add(runWithin)
	}
	begin = time.Now().Add(startWithin)
	switch {
	case h.Epoch > 0 && !h.came.IsZero(): // an operator wants it
		begin = h.came.Add(startWithin)
	case !h.Deadline.IsZero() && h.Deadline.Before(begin):
		begin = h.Deadline
	}
	return begin, begin.Add(runWithin - startWithin)
}

// recall takes over how far an earlier process got: what was on its way then may have
// arrived.
func (d *mailing) recall() {
	begun := slices.ContainsFunc(d.states, func(p journal.Part) bool { return p.State == journal.PartAttempting })
	for len(d.states) < len(d.parts) {
		p := journal.Part{}
		if begun { // a journal that was restored does not know how many there were
			p.State = journal.PartAttempting
		}
		d.states = append(d.states, p)
	}
	for i, p := range d.states {
		switch p.State {
		case 0:
			d.states[i] = journal.Part{Doubt: p.Doubt} // it is tried anew
		case journal.PartAttempting:
			d.states[i] = journal.Part{State: journal.PartUnknown, Reason: string(connectors.ReasonUnknown), At: p.At, Doubt: p.Doubt}
		}
	}
}

// cannotBegin says why no attempt is made at all; empty = some may be.
func (g *Gateway) cannotBegin(d *mailing) string {
	switch {
	case !slices.ContainsFunc(d.states, func(p journal.Part) bool { return p.State == 0 }):
		return ""
	case d.c.ch.limits.isHeld():
		return "the gateway is paused by an operator"
	case time.Now().After(d.begin):
		return "its time was over before it could be sent; it is tried again when the core asks again"
	}
	return ""
}

// partsSafely keeps a device's panic at the border.
func partsSafely(s connectors.MessageSender, m *connectors.Message) (parts []string, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = &connectors.SendError{Outcome: connectors.Rejected, Reason: connectors.ReasonBug, Err: fmt.Errorf("device panicked: %T", p)}
		}
	}()
	parts, err = s.Parts(m)
	if err == nil && len(parts) == 0 {
		err = &connectors.SendError{Outcome: connectors.Rejected, Reason: connectors.ReasonAddress, Hint: "there is nobody to send it to"}
	}
	return parts, err
}

// sendMessagePart tries one part until it is sent, cannot be, or its time is over.
// When the lanes are stopped it leaves the part as it is.
func (g *Gateway) sendMessagePart(ctx context.Context, d *mailing, i int) {
	to := connectors.Address{TrackingID: d.parts[i], RemoteAddress: d.parts[i]}
	limits := d.c.ch.limits
	for tries := 1; ; tries++ {
		d.row.note(limits.obstacle(to))
		err := limits.wait(ctx, to, d.begin)
		if err == nil {
			err = d.turn(ctx)
		}
		if err != nil {
			if ctx.Err() == nil {
				d.giveUp(i, limits)
			}
			return
		}
		receipt, err := g.attemptMessage(d, i) //nolint:contextcheck // what has begun is waited for
		<-d.slots
		if d.c.ch.life.hard.Err() != nil {
			return // its fate is unknown at the next start
		}
		if err == nil {
			limits.worked()
			g.recordMessage(d, i, journal.Part{State: journal.PartSent, NetworkID: keptNetworkID(receipt.NetworkID)})
			return
		}
		se := connectors.AsSendError(err)
		limits.learn(to, se)
		if !g.failedMessage(ctx, d, i, se, tries) {
			return
		}
	}
}

// turn waits for one of the message's slots.
func (d *mailing) turn(ctx context.Context) error {
	timer := time.NewTimer(time.Until(d.begin))
	defer timer.Stop()
	select {
	case d.slots <- struct{}{}:
		if time.Now().After(d.begin) {
			<-d.slots
			return errDeadline
		}
		return nil
	case <-timer.C:
		return errDeadline
	case <-ctx.Done():
		return ctx.Err()
	}
}

// giveUp notes why a part was not sent, unless it is known already.
func (d *mailing) giveUp(i int, l *limits) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.states[i].Reason == "" {
		d.states[i] = journal.Part{Reason: string(connectors.ReasonDeadline), Hint: "its turn did not come in time", Doubt: d.states[i].Doubt}
	}
	if se := l.cause(); se != nil {
		d.states[i] = journal.Part{Reason: string(cmp.Or(se.Reason, connectors.ReasonDeadline)), Hint: refusedHint(se), Doubt: d.states[i].Doubt}
	}
}

// attemptMessage makes one attempt: that it begins is durable before the request
// leaves.
func (g *Gateway) attemptMessage(d *mailing, i int) (connectors.Receipt, error) {
	hard := d.c.ch.life.hard
	if err := g.beginMessage(hard, d, i); err != nil {
		return connectors.Receipt{}, err
	}
	d.row.attempts(i)
	ctx, cancel := context.WithDeadline(hard, d.end)
	defer cancel()
	receipt, err := sendMessageSafely(ctx, d.sender, d.msg, d.parts[i])
	d.row.outcome(i, err)
	outcome, reason := "sent", ""
	if err != nil {
		se := connectors.AsSendError(err)
		outcome, reason = se.Outcome.String(), string(se.Reason)
	}
	d.c.ch.metrics.attempt(outcome, reason)
	return receipt, err
}

func (g *Gateway) beginMessage(ctx context.Context, d *mailing, i int) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	before := d.states[i]
	d.row.Attempts++
	d.states[i] = journal.Part{State: journal.PartAttempting, At: time.Now(), Doubt: before.Doubt}
	err := g.journal.Commit(ctx, journal.Change{
		Seq: d.row.Seq, Epoch: d.row.Epoch, State: journal.Delivering, Attempts: d.row.Attempts, Parts: slices.Clone(d.states),
	})
	reason := connectors.ReasonCanceled
	if err == nil && time.Now().After(d.begin) { // the journal was away for long
		err, reason = errDeadline, connectors.ReasonDeadline
	}
	if err != nil {
		d.states[i] = before
		return &connectors.SendError{Outcome: connectors.NotSent, Reason: reason, Err: err}
	}
	return nil
}

// sendMessageSafely keeps a device's panic at the border: its fate is unknown.
func sendMessageSafely(ctx context.Context, s connectors.MessageSender, m *connectors.Message, part string) (r connectors.Receipt, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = &connectors.SendError{Outcome: connectors.Unknown, Reason: connectors.ReasonBug, Err: fmt.Errorf("device panicked: %T", p)}
		}
	}()
	return s.SendMessage(ctx, m, part)
}

// recordMessage journals a part's outcome.
func (g *Gateway) recordMessage(d *mailing, i int, p journal.Part) {
	d.mu.Lock()
	defer d.mu.Unlock()
	p.At, p.Doubt = time.Now(), d.states[i].Doubt && p.State != journal.PartSent
	d.states[i] = p
	g.journal.Apply(journal.Change{
		Seq: d.row.Seq, Epoch: d.row.Epoch, State: journal.Delivering, Reason: p.Reason,
		Attempts: d.row.Attempts, Parts: slices.Clone(d.states),
	})
}

// failedMessage records a failed attempt, and waits before the next one; false: there
// is none.
func (g *Gateway) failedMessage(ctx context.Context, d *mailing, i int, se *connectors.SendError, tries int) (again bool) {
	d.c.ch.log.Warn("send failed", "id", simprot.LogEventID(d.c.tracking, d.row.ID), "conversation", simprot.LogID(d.c.tracking),
		"part", i+1, "outcome", se.Outcome.String(), "reason", string(se.Reason), "code", se.Code, "attempt", tries)
	p := journal.Part{Reason: string(se.Reason), Hint: hintOf(se)}
	switch se.Outcome {
	case connectors.Rejected:
		p.State = journal.PartRejected
	case connectors.Unknown:
		p.State = journal.PartUnknown
	}
	g.recordMessage(d, i, p)
	if p.State != 0 || errors.Is(se.Err, errDeadline) {
		return false
	}
	wait := backOff(se, tries)
	if time.Now().Add(wait).After(d.begin) {
		return false
	}
	d.row.waits(stepBackOff, wait, se.Reason)
	sleep(ctx, wait)
	return ctx.Err() == nil
}

// over tells that nothing is left to try, or no time.
func (d *mailing) over() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if time.Now().After(d.begin) {
		return true
	}
	return !slices.ContainsFunc(d.states, func(p journal.Part) bool { return p.State == 0 && p.Reason == "" })
}

// verdict is how the message ends by its parts. why is for parts that were not tried.
func (d *mailing) verdict(reason connectors.Reason, why string) verdict {
	d.mu.Lock()
	defer d.mu.Unlock()
	v := verdict{state: journal.Done}
	for _, p := range d.states {
		switch {
		case p.State == journal.PartSent:
		case mayHave(p):
			return verdict{journal.Dead, connectors.ReasonUnknown, p.Hint}
		case v.state == journal.Done:
			v = verdict{journal.Dead, connectors.Reason(cmp.Or(p.Reason, string(reason))), cmp.Or(p.Hint, why)}
		}
	}
	return v
}

// finishMessageOut ends a message, and then answers the core.
func (g *Gateway) finishMessageOut(d *mailing, v verdict) {
	d.mu.Lock()
	parts := slices.Clone(d.states)
	d.mu.Unlock()
	d.row.step(stepEnding)
	if !g.commitEnd(d.c, d.row, v.end(d.row, parts)) {
		return
	}
	g.drop(d.c, d.row)
	row := d.row.Row
	row.State, row.Reason, row.Hint, row.Parts = v.state, string(v.reason), v.hint, parts
	result := g.resultOf(d.c.ch, &row)
	for _, r := range g.messages.take(messageKey{row.Lane.Channel, row.ID}, row.Epoch) {
		g.answerSending(r, result)
	}
}
