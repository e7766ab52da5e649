package gateway

import (
	"time"

	"servicelink/connectors"
	"servicelink/gateway/journal"
	"servicelink/simprot"
)

// Some networks take what a person answers for longer than anything else, where it
// is marked as that (connectors.Capabilities.LateWindow). It is the agent's own
// words, so it goes before a template.

// lateEnd is when late answers end, by the customer's latest message; zero = not
// known, or the network has none.
func (w *replyWindow) lateEnd(caps connectors.Capabilities) time.Time {
	if caps.LateWindow == 0 || w.by != journal.WindowByCustomer {
		return time.Time{}
	}
	return w.end.Add(caps.LateWindow - caps.ReplyWindow)
}

// lateShut tells whether late answers are known to be refused, too. Where the
// network has only refused what was not marked, one is tried.
func (c *conversation) lateShut() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	end := c.reply.lateEnd(c.ch.caps)
	return c.reply.by == journal.WindowByNetworkLate || !end.IsZero() && !time.Now().Before(end)
}

// becomesLate makes part i a late answer, if it may be one. It stays so.
func (d *delivery) becomesLate(i int) bool {
	return !d.parts[i].Late && !d.c.lateShut() && d.goesLate(i)
}

// goesLate marks part i, where the network has late answers: what an agent said,
// and nobody else.
func (d *delivery) goesLate(i int) bool {
	if d.c.ch.caps.LateWindow == 0 || d.content.Auto || d.content.Model != simprot.ModelSentence {
		return false
	}
	d.parts[i].Late = true
	d.hows[i] = asLate
	return true
}

// saysOtherwise finds another way for part i, which the network has certainly not
// taken because of the window: as a late answer, then as a template. Where it has
// no late answers the agent decides what is said instead.
func (d *delivery) saysOtherwise(i int, se *connectors.SendError) bool {
	if se.Reason != connectors.ReasonWindow || d.c.ch.caps.LateWindow == 0 || d.parts[i].Template != nil {
		return false
	}
	return d.becomesLate(i) || !d.doubts[i].is() && d.becomesTemplate(i)
}
