package gateway

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"servicelink/connectors"
	"servicelink/gateway/journal"
)

// whereIs tells where a pending row is now and what it waits for: as its lane
// has it, not as it was noted.
func (g *Gateway) whereIs(row *journal.Row) Now {
	n := g.waitsFor(row)
	if err := g.journal.Health(); err != nil && n.Behind == 0 {
		n.Hint = strings.TrimPrefix(n.Hint+"; "+journalFault(err).Hint, "; ")
	}
	if n.Since.Before(row.AcceptedAt) {
		n.Since = row.AcceptedAt
	}
	n.Seconds = max(0, time.Since(n.Since)).Seconds()
	return n
}

func (g *Gateway) waitsFor(row *journal.Row) Now {
	ch := g.channel(row.Lane.Channel)
	switch {
	case ch == nil && g.awaited(row.Lane.Channel):
		return Now{
			Kind: stateAwaited, Waits: "waits on disk: the core has not told yet which message gateways it has",
			Hint: "they are asked for on every connection: servicelink status shows the register",
		}
	case ch == nil:
		return Now{
			Kind: "removed", Waits: "waits on disk: its channel is not in the configuration",
			Hint: "give the channel its name back and reload, or discard what waits for it",
		}
	case !ch.cfg.Enabled:
		return Now{Kind: stateDisabled, Waits: "waits on disk: its channel is switched off", Hint: "set enabled: true and reload"}
	}
	c := g.convs.find(ch, row.Lane.TrackingID)
	if c == nil {
		return Now{Kind: "on_disk", Waits: "waits on disk: its lane is taken up within " + lanesEvery.String()}
	}
	me, head, freed, starved := c.look(row)
	if ch.isGateway() && me.begun() {
		head = me // others of its lane may rest
	}
	switch {
	case head != nil && head != me:
		front := g.headWaits(c, head)
		return Now{
			Kind: "behind", Behind: head.Seq, Hint: front.Hint, Until: front.Until,
			Waits: fmt.Sprintf("is behind message %d of its lane, which %s", head.Seq, front.Waits),
		}
	case me == nil && starved:
		return Now{Kind: "on_disk", Waits: "waits on disk: the memory for the channel's messages is full, and others are before it"}
	case me == nil:
		return Now{Kind: "on_disk", Waits: "waits on disk: its lane reads it next"}
	case row.Lane.Direction == journal.Out && !freed && !ch.isGateway():
		return g.orderWaits(c, me)
	default:
		return g.headWaits(c, me)
	}
}

// begun tells that a row was worked on.
func (h *held) begun() bool {
	return h != nil && !slices.Contains([]stepKind{0, stepHanded, stepBehind, stepLoaded}, h.lastStep().kind)
}

// look finds a row in its lane, and who is worked on there.
func (c *conversation) look(row *journal.Row) (me, head *held, freed, starved bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	l := c.lane(row.Lane.Direction)
	if i := slices.IndexFunc(l.rows, func(h *held) bool { return h.Seq == row.Seq }); i >= 0 {
		me, freed = l.rows[i], l.rows[i].freed
	}
	switch {
	case row.Lane.Direction == journal.Out && len(c.out.ready) > 0:
		head = c.out.ready[0]
	case (row.Lane.Direction == journal.In || c.ch.isGateway()) && len(l.rows) > 0:
		head = l.rows[0]
	case me == nil && len(l.rows) > 0:
		head = l.rows[0]
	}
	return me, head, freed, l.queued
}

// orderWaits is what keeps a sentence from the customer that is not freed.
func (g *Gateway) orderWaits(c *conversation, h *held) Now {
	c.mu.Lock()
	asked, missing := c.asked(c.ch.port.current()), slices.Clone(c.missing)
	c.mu.Unlock()
	n := Now{Kind: "wait_order", Since: time.Unix(0, h.lastStep().at), Hint: "if it lasts, look at the core's log for the conversation"}
	switch {
	case c.ch.port.current() == nil:
		return g.coreWaits(c.ch, n)
	case asked && len(missing) > 0 && missing[0].from < h.Counter:
		n.Waits = fmt.Sprintf("waits for Counter %d of its chat, which has not come; the core is asked (STATUS)", missing[0].from)
	case asked:
		n.Waits = "waits for an answer of the core that proves its place in the order (STATUS)"
	default:
		n.Waits = "waits for the core's first answer for its conversation on this connection (STATUS)"
	}
	return n
}

// coreWaits says why there is no link for a channel.
func (g *Gateway) coreWaits(ch *channel, n Now) Now {
	n.Kind, n.Waits, n.Hint = "wait_core", "waits for the core: there is no connection", ""
	f := g.linkFault.Load()
	switch {
	case f != nil:
		n.Waits, n.Hint = "waits for the core ("+f.What+")", f.Hint
	case ch.isGateway() && g.link.Session() != nil:
		n.Waits = "waits for the core's answer"
	case ch.port.parked():
		n.Waits = "waits for the core to answer for Port " + ch.cfg.Port + " (RESYNC)"
		n.Hint = "is the Port configured at the core?"
	case g.link.Session() != nil:
		n.Waits = "waits for the core's answer for Port " + ch.cfg.Port + " (RESYNC)"
	}
	return n
}

// headWaits is what the row that is worked on waits for.
func (g *Gateway) headWaits(c *conversation, h *held) Now {
	last := h.lastStep()
	n := Now{Kind: stepWords[last.kind][0], Since: time.Unix(0, last.at)}
	if last.until != 0 {
		n.Until = time.Unix(0, last.until)
	}
	if h.Lane.Direction == journal.Out {
		return g.sendWaits(c, h, last, n)
	}
	switch last.kind {
	case stepCore:
		return g.coreWaits(c.ch, n)
	case stepClosed:
		n.Waits = "waits: the core takes no chats now (" + string(c.ch.gate.closed()) + ")"
		n.Hint = "it is asked again every " + probeEvery.String() + "; when do agents begin?"
	case stepDoubt, stepRequest, stepStart:
		n.Waits = "waits for an answer: " + stepWords[last.kind][1]
		n.Hint = "if none comes the core is asked again; look at its log for the conversation"
	case stepWritten:
		n.Waits = "is written to the core, whose echo it waits for"
		n.Hint = "the core has " + echoTimeout.String() + "; then it is asked (STATUS)"
	case stepWindow:
		n.Waits = "waits for a place among the sentences that the core has not echoed"
		n.Hint = "the core is slow, or core.window is small"
	case stepParked:
		n.Waits = "rests: the core does not answer for its conversation"
		n.Hint = "look at the core's log for the conversation"
	case stepSuspect:
		n.Waits = "rests: it may be what breaks the connection to the core"
		n.Hint = "see /api/v1/suspects: it can be tried again or given up"
	case stepToldCore:
		n.Waits = "is written to the core, whose answer (SE_MESSAGE_RECEIVED) it waits for"
		n.Hint = "a core has a minute, and may take longer; then look at its log. It is written again after " + unansweredAgain.String()
	case stepMessageRoom:
		n.Waits = "waits for room among the messages that the core has not answered"
		n.Hint = "the core is slow, or answers none: look at its log"
	case stepCoreRefuses:
		n.Waits = "rests: the core does not take it now"
		n.Hint = "the core's log says why it answered false; after the fifth time it is given up"
	case stepAlone:
		n.Waits = "waits: it or another message is sent alone, to see which one breaks the connection to the core"
		n.Hint = "it lasts as long as an echo is awaited, " + echoTimeout.String() + " at most"
	default:
		n.Waits = "is worked on: " + stepWords[last.kind][1]
	}
	return n
}

// isAlone tells that one event flies alone, or is to.
func (w *window) isAlone() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.loner || w.loners > 0
}

// sendWaits is what the sentence that is sent now waits for. What holds a channel
// back may have changed since it was noted.
func (g *Gateway) sendWaits(c *conversation, h *held, last stepRecord, n Now) Now {
	switch last.kind {
	case stepPaused, stepPatience, stepBucket:
		return c.ch.limitWaits(g.pauses.since(h.Lane.Channel), last, n)
	case stepBackOff:
		if c.ch.limits.paused() {
			return c.ch.limitWaits(g.pauses.since(h.Lane.Channel), last, n)
		}
		n.Waits = "waits before the next attempt, since the last one failed (" + string(last.reason.reason()) + ")"
		n.Hint = sendHints(last.reason.reason())
	case stepAttempt:
		n.Waits = "is with the network: its answer has not come"
		n.Hint = "an attempt ends after " + sendTimeout.String() + ", one with a file after " + fileSendTimeout.String()
	case stepAsksFate:
		n.Waits = "may have been sent: the network is asked what became of it"
		n.Hint = "after " + askPatience.String() + " at most the channel's policy decides (unknown: resend or report)"
	case stepEnding:
		n.Waits = "is over; its end is being written to the journal"
	default:
		n.Waits = "is worked on: " + stepWords[last.kind][1]
	}
	return n
}

// limitWaits says what holds a channel's sends back.
func (ch *channel) limitWaits(paused time.Time, last stepRecord, n Now) Now {
	l := ch.limits
	cause := l.cause()
	switch {
	case l.isHeld():
		n.Kind, n.Waits, n.Hint = stepWords[stepPaused][0], "waits: an operator has paused the channel", cause.Hint
		if paused.After(n.Since) {
			n.Since = paused
		}
	case cause != nil:
		n.Kind, n.Waits = stepWords[stepPaused][0], "waits: the channel is paused ("+string(cause.Reason)+")"
		n.Hint = cmp.Or(cause.Hint, sendHints(cause.Reason))
	case last.kind == stepPatience:
		n.Waits, n.Hint = "waits: the network asks for patience", sendHints(connectors.ReasonRate)
	case last.kind == stepBucket:
		n.Waits, n.Hint = "waits for its turn: the rate of sending to the customer or by the account is used up", "many messages were sent at once"
	default:
		n.Waits = "goes on now: what held the channel back is over"
	}
	return n
}

// sendHints say what helps against a reason, where its error does not.
func sendHints(r connectors.Reason) string {
	switch r {
	case connectors.ReasonAuth:
		return "the network refuses the credentials: check the channel's settings"
	case connectors.ReasonForbidden:
		return "the egress guard refuses the channel's target: list its range in egress.allow if it is meant"
	default:
		return deafHints[r]
	}
}

// obstacle is the step of a send that the limits hold back now; none when
// nothing is in its way.
func (l *limits) obstacle(to connectors.Address) stepRecord {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	if se := cmp.Or(l.held, l.refused); se != nil {
		return stepRecord{kind: stepPaused, reason: numberOf(se.Reason)}
	}
	if l.pausedFor != nil && l.nextTrial.After(now) {
		return stepRecord{kind: stepPaused, reason: numberOf(l.pausedFor.Reason), until: l.nextTrial.UnixNano()}
	}
	if until := l.patience(to); until.After(now) {
		return stepRecord{kind: stepPatience, reason: numberOf(connectors.ReasonRate), until: until.UnixNano()}
	}
	wait := l.account.turn(now)
	key, _ := l.named(to)
	if r := l.recipients[key]; r != nil {
		wait = max(wait, r.bucket.turn(now))
	}
	if wait > time.Millisecond {
		return stepRecord{kind: stepBucket, until: now.Add(wait).UnixNano()}
	}
	return stepRecord{}
}

// turn is how long the next to take a token waits for it.
func (b *bucket) turn(now time.Time) time.Duration {
	if b == nil {
		return 0
	}
	missing := 1 - b.tokens.TokensAt(now)
	return max(0, time.Duration(missing/float64(b.tokens.Limit())*float64(time.Second)))
}
