package gateway

import (
	"context"
	"fmt"
	"slices"
	"time"

	"servicelink/connectors"
	"servicelink/gateway/journal"
)

// Some networks take anything but templates only for a while after the customer's
// latest message (connectors.Capabilities.ReplyWindow). What the gateway knows of
// it keeps it from sending what would be refused; it is never the last word: what
// is not known is sent, and the network's refusal is believed.

// replyWindow is what is known of one conversation's.
type replyWindow struct {
	end time.Time // zero = nothing
	by  string    // journal.WindowByCustomer, WindowByNetwork, WindowByNetworkLate
	// unsaved: the journal has not been told.
	unsaved bool
}

// learned is when that happened from which the end is known: a message of the
// customer, a send that was refused. The latest counts, in whatever order they
// are heard of.
func (w *replyWindow) learned(length time.Duration) time.Time {
	if w.by == journal.WindowByCustomer {
		return w.end.Add(-length)
	}
	return w.end
}

// learn takes what happened at that time, unless something later is known.
func (w *replyWindow) learn(at time.Time, by string, length time.Duration) {
	if !w.end.IsZero() && at.Before(w.learned(length)) {
		return
	}
	next := replyWindow{end: at, by: by, unsaved: true}
	switch {
	case by == journal.WindowByCustomer:
		next.end = at.Add(length)
	case w.by == journal.WindowByNetworkLate:
		next.by = w.by // of late answers it says nothing
	}
	if w.by != next.by || !w.end.Equal(next.end) {
		*w = next
	}
}

// recorded takes what the journal has. c.mu is held.
func (c *conversation) recorded(rec journal.Conversation) {
	length := c.ch.caps.ReplyWindow
	w := replyWindow{end: rec.WindowEnd, by: rec.WindowBy}
	if length == 0 || w.end.IsZero() {
		return
	}
	if now := time.Now(); w.learned(length).After(now) {
		w.end = w.end.Add(now.Sub(w.learned(length))) // stored by a clock that was ahead
	}
	if c.reply.end.IsZero() || w.learned(length).After(c.reply.learned(length)) {
		c.reply = w
	}
}

// opensWindow lists what the customer does to open it.
var opensWindow = []connectors.Kind{
	connectors.KindText, connectors.KindFile, connectors.KindLocation, connectors.KindContact,
	connectors.KindButton, connectors.KindUnsupported,
}

// opens lets a customer's message open the window, from when it was sent: by the
// network's clock, unless that is ahead.
func (c *conversation) opens(row *journal.Row) {
	length := c.ch.caps.ReplyWindow
	if length == 0 || row.Lane.Direction != journal.In {
		return
	}
	said, err := decodeContent(row.Content)
	if err != nil || !slices.Contains(opensWindow, connectors.Kind(said.Kind)) {
		return
	}
	at := row.AcceptedAt
	if !row.SentAt.IsZero() && row.SentAt.Before(at) {
		at = row.SentAt
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.reply.learn(at, journal.WindowByCustomer, length)
}

// windowClosed takes it from the network that the window was closed when a part
// was sent; late: it went as a late answer. The journal hears of it with the
// conversation's next change: the end of the row, or of the agent's note.
func (g *Gateway) windowClosed(c *conversation, at time.Time, late bool) {
	length, by := c.ch.caps.ReplyWindow, journal.WindowByNetwork
	if length == 0 {
		return
	}
	if late {
		by = journal.WindowByNetworkLate
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.reply.learn(at, by, length)
}

// windowShut tells whether a conversation's window is known to be closed. Where
// messages of the customer are still to be read it looks at them first. An error
// means that the lanes are stopped.
func (g *Gateway) windowShut(ctx context.Context, c *conversation) (bool, error) {
	for {
		shut, unread := c.shut()
		if !shut || !unread {
			return shut, nil
		}
		rows, err := g.journal.Trace(ctx, journal.TraceQuery{
			Channel: c.ch.cfg.Name, TrackingID: c.tracking, Recent: traceRecent, Limit: traceLimit,
		})
		if err == nil {
			for i := range rows {
				c.opens(&rows[i])
			}
			shut, _ = c.shut()
			return shut, nil
		}
		sleep(ctx, journalRetry)
		if ctx.Err() != nil {
			return false, ctx.Err()
		}
	}
}

// shut is windowShut by what is in memory. unread: there are rows on their way to
// the core, of which the lane has looked at the first alone.
func (c *conversation) shut() (shut, unread bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return !c.reply.end.IsZero() && !time.Now().Before(c.reply.end), !c.in.idle()
}

// How a part went out, where it is not as it was said: the Hint of its record from
// that attempt on. By it another process knows what went out.
const (
	asTemplate = "it went as a template: the reply window was closed"
	asLate     = "it went as a late answer: the reply window was closed"
)

// throughWindow lets a part pass, or makes it a late answer or a template, or ends
// the row. An error means that the lanes are stopped.
func (g *Gateway) throughWindow(ctx context.Context, d *delivery, i int) (verdict, error) {
	if d.parts[i].Template != nil {
		return notYet, nil
	}
	if shut, err := g.windowShut(ctx, d.c); !shut || err != nil {
		return notYet, err
	}
	p := journal.Part{State: journal.PartRejected, Reason: string(connectors.ReasonWindow)}
	switch {
	case d.parts[i].Late && !d.c.lateShut(), d.becomesLate(i):
		return notYet, nil
	case d.doubts[i].is(): // as a text it may have arrived: it is not said another time as a template
		p.State = journal.PartUnknown
	case d.becomesTemplate(i):
		return notYet, nil
	}
	g.record(d, i, p)
	return verdict{journal.Dead, connectors.ReasonWindow, "nothing was sent: the reply window was known to be closed"}, nil
}

// becomesTemplate says part i by the template that the channel has for it, if it
// has one. It stays so.
func (d *delivery) becomesTemplate(i int) bool {
	opener, ok := d.c.ch.conn.(connectors.WindowOpener)
	if !ok || !d.c.ch.caps.Templates {
		return false
	}
	part := d.parts[i]
	t, ok := opener.OpenWindow(part)
	if ok {
		d.parts[i] = connectors.Part{ID: part.ID, Ref: part.Ref, To: part.To, ReplyTo: part.ReplyTo, Template: &t}
		d.hows[i] = asTemplate
	}
	return ok
}

// restoreHows makes parts go out as an earlier process sent them. That they arrived
// may not be known.
func (d *delivery) restoreHows() {
	d.hows = make([]string, len(d.parts))
	for i, s := range d.states {
		switch {
		case i >= len(d.parts) || d.parts[i].Template != nil:
		case s.Hint == asTemplate:
			d.becomesTemplate(i)
		case s.Hint == asLate:
			d.goesLate(i)
		}
	}
}

// hint is what the journal keeps of how part i goes out.
func (d *delivery) hint(i int) string { return d.hows[i] }

// tracedWindow is what memory and journal know of a conversation's window; nil =
// nothing, or its network has none.
func (g *Gateway) tracedWindow(rec journal.Conversation) *TracedWindow {
	ch := g.channel(rec.Channel)
	if ch == nil || ch.caps.ReplyWindow == 0 {
		return nil
	}
	known := conversation{ch: ch}
	if c := g.convs.find(ch, rec.TrackingID); c != nil {
		c.mu.Lock()
		known.reply = c.reply
		c.mu.Unlock()
	}
	known.recorded(rec)
	w := known.reply
	if w.end.IsZero() {
		return nil
	}
	t := &TracedWindow{Open: time.Now().Before(w.end), End: w.end, LateEnd: w.lateEnd(ch.caps), By: w.by}
	switch {
	case t.By == journal.WindowByNetwork:
		t.What = "the network said so"
	case t.By == journal.WindowByNetworkLate:
		t.What = "the network said so, of a late answer too"
	case t.Open:
		t.What = "the customer's message"
	default:
		t.What = "the customer has not written again"
	}
	return t
}

// reasonText is why something did not reach the customer, as the agent reads it.
func (ch *channel) reasonText(r connectors.Reason) string {
	if r != connectors.ReasonWindow || ch.caps.ReplyWindow == 0 {
		return reasonText(r)
	}
	text := "the " + spanText(max(ch.caps.ReplyWindow, ch.caps.LateWindow)) + " window is closed; "
	if ch.caps.Templates {
		text += "send a template, [[template:ID|name=value]], or "
	}
	return text + "wait until the customer writes again"
}

// spanText is how long something is, in front of its name.
func spanText(d time.Duration) string {
	if d > 24*time.Hour && d%(24*time.Hour) == 0 {
		return fmt.Sprintf("%d-day", d/(24*time.Hour))
	}
	if d%time.Hour == 0 {
		return fmt.Sprintf("%d-hour", d/time.Hour)
	}
	return d.String()
}
