package gateway

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"servicelink/connectors"
	"servicelink/gateway/journal"
)

// Some networks do not give our Ref back: they name a message by their own id, or
// say that all up to a time was delivered or read (a watermark). Such a report
// moves a delivery status and settles nothing (journal, rule 11).
//
// A watermark is a time by the network's clock. When the network took a part is
// known exactly where it has said so of that part (an echo, an earlier report:
// Part.StatusAt); else Part.At, when its answer came, is the latest that can be. So
// nothing is called read that went out after the customer read. What was on its way
// to us then, an answer or an echo, is looked at again when it is here. And since a
// watermark comes for a reason, one under which nothing falls is for the part that
// was answered next: the answer was slower than the customer, or our clock is ahead.

const (
	// reportReach is how many of a conversation's newest messages a report without
	// Ref may be about: a network reports on what is new, and what a customer who was
	// away long had not seen before that is left as it is.
	reportReach = 100
	// answerLag is how much later than a watermark the answer to what it is for may
	// have come.
	answerLag = sendTimeout
)

// watermark is the latest of a status in a conversation.
type watermark struct {
	status connectors.DeliveryStatus
	upTo   time.Time // by the network's clock
	heard  time.Time // by ours
	// owes: nothing was found that it is for, and a request was under way.
	owes bool
}

// reportUnnamed takes a report without Ref; nil means: it is on disk, or says
// nothing new, or waits in memory for the answer to a request that is under way.
func (g *Gateway) reportUnnamed(ctx context.Context, c *conversation, n notice) error {
	switch {
	case n.Status == connectors.StatusNone || !c.ch.caps.Reports:
		return nil
	case n.NetworkID != "":
		return g.reportByID(ctx, c, n)
	case !n.UpTo.IsZero() && n.Status != connectors.StatusFailed:
		return g.reportUpTo(ctx, c, n)
	}
	return nil
}

// reportByID reports on the message with a network's id.
func (g *Gateway) reportByID(ctx context.Context, c *conversation, n notice) error {
	if d, i := c.sending(n); i >= 0 {
		return g.reportSending(ctx, d, i, n)
	}
	rows, err := g.listed(ctx, c, journal.ListedQuery{NetworkID: n.NetworkID})
	for k := range rows {
		i := slices.IndexFunc(rows[k].Parts, func(p journal.Part) bool { return p.NetworkID == n.NetworkID })
		err = errors.Join(err, g.reportPart(ctx, c, &rows[k], i, n))
	}
	return err
}

func (g *Gateway) listed(ctx context.Context, c *conversation, q journal.ListedQuery) ([]journal.Row, error) {
	q.Lane = journal.Lane{Channel: c.ch.cfg.Name, Direction: journal.Out, TrackingID: c.tracking}
	q.Recent = reportReach
	return g.journal.Listed(ctx, q)
}

// sending finds the part of the row under way that a notice names, -1 = none. The
// notice is kept then for as long as a part of it, or of a row that is to be read,
// may turn out to be meant.
func (c *conversation) sending(n notice) (d *delivery, i int) {
	c.mu.Lock()
	d = c.out.now
	if d == nil {
		defer c.mu.Unlock()
		if !c.out.idle() {
			c.out.keepUnnamed(n)
		}
		return nil, -1
	}
	c.mu.Unlock()
	d.mu.Lock() // the answer's id is written down under it, and the kept are looked at after that
	defer d.mu.Unlock()
	i = slices.IndexFunc(d.states, func(p journal.Part) bool { return p.NetworkID == n.NetworkID })
	if i < 0 && !d.ended {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.out.keepUnnamed(n)
	}
	return d, i
}

// keepUnnamed is keep for a notice without Ref. The conversation's mutex is held.
func (l *outLane) keepUnnamed(n notice) {
	if len(l.unnamed) >= keptNotices {
		l.unnamed = slices.Delete(l.unnamed, 0, 1)
	}
	l.unnamed = append(l.unnamed, n)
}

// reportSending is reportPart for a row that is being sent.
func (g *Gateway) reportSending(ctx context.Context, d *delivery, i int, n notice) error {
	row, err := g.recorded(ctx, d)
	if err != nil || row == nil {
		return err
	}
	return g.reportPart(ctx, d.c, row, i, n)
}

// recorded is what the journal has of a row that is being sent, with its parts as
// the lane has them, of which the journal may be about to hear. nil: it is gone.
func (g *Gateway) recorded(ctx context.Context, d *delivery) (*journal.Row, error) {
	row, err := g.journal.Row(ctx, d.row.Seq)
	if errors.Is(err, journal.ErrNotFound) {
		return nil, nil
	}
	row.Parts = slices.Clone(row.Parts)
	d.mu.Lock()
	defer d.mu.Unlock()
	for i := range row.Parts {
		s := d.states[i]
		row.Parts[i].State, row.Parts[i].At = s.State, s.At
		if s.NetworkID != "" {
			row.Parts[i].NetworkID = s.NetworkID
		}
	}
	return &row, err
}

// reportUpTo reports on all that falls under a watermark. One that could not be kept
// comes again, and is new then.
func (g *Gateway) reportUpTo(ctx context.Context, c *conversation, n notice) error {
	err := g.reportUnder(ctx, c, n)
	if err != nil {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.out.watermarks = slices.DeleteFunc(c.out.watermarks, func(w watermark) bool { return w.status == n.Status && w.upTo.Equal(n.UpTo) })
	}
	return err
}

func (g *Gateway) reportUnder(ctx context.Context, c *conversation, n notice) error {
	d, flying := c.flying()
	news := c.marks(watermark{status: n.Status, upTo: n.UpTo, heard: time.Now()}) // first, for what is answered meanwhile
	rows, err := g.sentBy(ctx, c, d, n)
	if err != nil {
		return err
	}
	found := false
	var next *journal.Row // what was answered next
	at := 0
	for k := range rows {
		for i, p := range rows[k].Parts {
			taken, exact := takenAt(p)
			switch {
			case !movable(p, n.Status):
			case !taken.After(n.UpTo):
				found = true
				if err := g.reportPart(ctx, c, &rows[k], i, n); err != nil {
					return err
				}
			case !exact && !taken.After(n.UpTo.Add(answerLag)) && (next == nil || taken.Before(next.Parts[at].At)):
				next, at = &rows[k], i
			}
		}
	}
	switch {
	case found || !news:
		return nil
	case next != nil:
		return g.reportPart(ctx, c, next, at, n)
	case flying >= 0:
		return g.owe(ctx, d, flying, n)
	}
	return nil
}

// flying is the part whose request is under way, -1 = none.
func (c *conversation) flying() (d *delivery, i int) {
	c.mu.Lock()
	d = c.out.now
	c.mu.Unlock()
	if d == nil {
		return nil, -1
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	return d, slices.IndexFunc(d.states, func(p journal.Part) bool { return p.State == journal.PartAttempting })
}

// movable tells whether a watermark may say something new of a part. What the
// network gave up it does not mean.
func movable(p journal.Part, s connectors.DeliveryStatus) bool {
	return p.State == journal.PartSent && p.Status < uint8(s) && p.Status != uint8(connectors.StatusFailed)
}

// owe keeps that a watermark is for part i, whose answer is awaited or has come by
// now.
func (g *Gateway) owe(ctx context.Context, d *delivery, i int, n notice) error {
	d.c.mu.Lock()
	for k, w := range d.c.out.watermarks {
		d.c.out.watermarks[k].owes = w.owes || w.status == n.Status
	}
	d.c.mu.Unlock()
	if d.state(i).State != journal.PartSent {
		return nil
	}
	return g.reportSending(ctx, d, i, n)
}

// sentBy gives the rows on which a watermark may say something new, among them the
// one that is being sent, if there is one.
func (g *Gateway) sentBy(ctx context.Context, c *conversation, d *delivery, n notice) ([]journal.Row, error) {
	rows, err := g.listed(ctx, c, journal.ListedQuery{SentBy: n.UpTo.Add(answerLag), Status: uint8(n.Status)})
	if err != nil || d == nil {
		return rows, err
	}
	rows = slices.DeleteFunc(rows, func(r journal.Row) bool { return r.Seq == d.row.Seq })
	row, err := g.recorded(ctx, d)
	if err == nil && row != nil {
		rows = append(rows, *row)
	}
	return rows, err
}

// takenAt is when the network took a part that was sent: exactly, or at the latest.
func takenAt(p journal.Part) (at time.Time, exact bool) {
	if p.Status >= uint8(connectors.StatusSent) && p.StatusAt.Before(p.At) {
		return p.StatusAt, true
	}
	return p.At, false
}

// marks keeps a watermark; false: there was a later one.
func (c *conversation) marks(w watermark) (news bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	i := slices.IndexFunc(c.out.watermarks, func(old watermark) bool { return old.status == w.status })
	switch {
	case i < 0:
		c.out.watermarks = append(c.out.watermarks, w)
	case !w.upTo.After(c.out.watermarks[i].upTo):
		return false
	default:
		c.out.watermarks[i] = w
	}
	return true
}

// overtaken gives part i, which is sent, the reports that came before the answer to
// its request. An error means that all is stopped.
func (g *Gateway) overtaken(ctx context.Context, d *delivery, i int) error {
	c, id := d.c, d.state(i).NetworkID
	c.mu.Lock()
	var mine []notice
	c.out.unnamed = slices.DeleteFunc(c.out.unnamed, func(n notice) bool {
		if n.NetworkID == id {
			mine = append(mine, n)
		}
		return n.NetworkID == id
	})
	var marks []watermark
	for _, w := range c.out.watermarks {
		if !w.heard.Before(d.began) {
			marks = append(marks, w)
		}
	}
	c.mu.Unlock()
	for _, n := range mine {
		if err := g.surely(ctx, func() error { return g.reportSending(ctx, d, i, n) }); err != nil {
			return err
		}
	}
	if len(marks) == 0 {
		return nil
	}
	return g.surely(ctx, func() error {
		row, err := g.recorded(ctx, d)
		if err != nil || row == nil {
			return err
		}
		taken, exact := takenAt(row.Parts[i])
		return g.underMarks(ctx, c, row, i, marks, func(w watermark) bool { return !taken.After(w.upTo) || !exact && w.owes })
	})
}

// reachedBefore reports on a part of which the network says late when it took it
// what was said before of all up to a later time.
func (g *Gateway) reachedBefore(ctx context.Context, c *conversation, row *journal.Row, i int, taken time.Time) error {
	c.mu.Lock()
	marks := slices.Clone(c.out.watermarks)
	c.mu.Unlock()
	return g.underMarks(ctx, c, row, i, marks, func(w watermark) bool { return !taken.After(w.upTo) })
}

// underMarks reports on a part the furthest of what was said of all.
func (g *Gateway) underMarks(ctx context.Context, c *conversation, row *journal.Row, i int, marks []watermark, falls func(watermark) bool) error {
	marks = slices.DeleteFunc(marks, func(w watermark) bool { return !falls(w) || !movable(row.Parts[i], w.status) })
	if len(marks) == 0 {
		return nil
	}
	w := slices.MaxFunc(marks, func(a, b watermark) int { return cmp.Compare(a.status, b.status) })
	return g.reportPart(ctx, c, row, i, notice{connectors.Notice{Status: w.status, UpTo: w.upTo}, w.heard})
}

// surely tries until the journal takes it. An error means that the lanes are
// stopped.
func (g *Gateway) surely(ctx context.Context, do func() error) error {
	for {
		err := do()
		if err == nil || ctx.Err() != nil {
			return err
		}
		sleep(ctx, journalRetry)
	}
}
