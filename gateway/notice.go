package gateway

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"time"

	"servicelink/config"
	"servicelink/connectors"
	"servicelink/gateway/journal"
)

// What a network says by itself of a message of ours settles a send of unknown
// outcome: the one that is being worked on, or a dead letter that was reported.
// How far a message has come that the network took is in delivered.go.

// keptNotices is how many notices wait for a row that is not in memory yet:
// after a start, for one that an earlier process was sending.
const keptNotices = 16

// takeNotices takes the notices out of events, and nil means: what they say is
// safe on disk, or was known.
func (g *Gateway) takeNotices(ctx context.Context, ch *channel, events []connectors.Event) ([]connectors.Event, error) {
	isNotice := func(ev connectors.Event) bool { return ev.Kind == connectors.KindNotice }
	if !slices.ContainsFunc(events, isNotice) {
		return events, nil
	}
	for _, ev := range events {
		if !isNotice(ev) || ev.Notice == nil {
			continue
		}
		if err := g.takeNotice(ctx, g.convs.get(ch, ev.TrackingID), notice{*ev.Notice, moment(ev.SentAt)}); err != nil {
			return nil, err
		}
	}
	return slices.DeleteFunc(slices.Clone(events), isNotice), nil
}

// notice is one of a network, with when what it says happened.
type notice struct {
	connectors.Notice
	at time.Time
}

// moment is when something happened by the network's clock, unless that is ahead
// or does not say.
func moment(sent time.Time) time.Time {
	if now := time.Now(); sent.IsZero() || sent.After(now) {
		return now
	}
	return sent
}

func (g *Gateway) takeNotice(ctx context.Context, c *conversation, n notice) error {
	if n.Ref == "" {
		return g.reportUnnamed(ctx, c, n)
	}
	if n.Fate == connectors.FateUnknown {
		return nil
	}
	if err := g.notice(ctx, c, n.Notice); err != nil || n.Status == connectors.StatusNone {
		return err
	}
	return g.report(ctx, c, n)
}

// notice gives one to the row it is about.
func (g *Gateway) notice(ctx context.Context, c *conversation, n connectors.Notice) error {
	for {
		c.mu.Lock()
		d := c.out.now
		// The core may have used the ID for another sentence before.
		known := n.NetworkID != "" && slices.Contains(c.out.sentIDs, n.NetworkID)
		if !known && d == nil && !c.out.idle() {
			c.out.keep(n)
		}
		c.mu.Unlock()
		if known {
			return nil
		}
		if d == nil || !d.has(n.Ref) {
			return g.settleLate(ctx, c, n)
		}
		if n.Status == connectors.StatusFailed {
			if err := d.afterAttempt(ctx, n.Ref); err != nil {
				return err
			}
		}
		ended, err := g.hear(ctx, d, n)
		if err != nil || !ended {
			return err
		}
		select {
		case <-d.over: // it is a dead letter now, or done
			if err := c.ch.life.lanes.Err(); err != nil {
				return err // or neither
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// keep holds a notice for a row that is still to be read. The conversation's
// mutex is held.
func (l *outLane) keep(n connectors.Notice) {
	if len(l.notices) >= keptNotices {
		l.notices = slices.Delete(l.notices, 0, 1)
	}
	l.notices = append(l.notices, n)
}

// begin makes d the row the conversation's notices are for.
func (g *Gateway) begin(ctx context.Context, d *delivery) {
	d.news, d.over = make(chan struct{}, 1), make(chan struct{})
	d.doubts = make([]doubt, len(d.states))
	c := d.c
	c.mu.Lock()
	c.out.now = d
	early := c.out.notices
	c.out.notices = nil
	c.mu.Unlock()
	for _, n := range early {
		if d.has(n.Ref) {
			_, _ = g.hear(ctx, d, n) // stopped: the same process hears no more
		}
	}
}

// end lets go of it; its row has ended, or the lanes are stopped.
func (d *delivery) end() {
	d.c.mu.Lock()
	d.c.out.now = nil
	if len(d.c.out.rows) == 0 {
		d.c.out.unnamed = nil // what they are about is no row of ours
	}
	d.c.mu.Unlock()
	close(d.over)
}

func (d *delivery) has(ref string) bool { return partIndex(d.row.Row, ref, len(d.states)) >= 0 }

// partRef is connectors.Part.Ref: with the hash of the row's text, since a core may
// use an ID again for another.
func partRef(row journal.Row, i int) string {
	return strconv.FormatUint(row.TextHash, 36) + "." + partID(row.ID, i)
}

// partIndex finds a row's part by its Ref, -1 = it is none of its.
func partIndex(row journal.Row, ref string, parts int) int {
	for i := range parts {
		if partRef(row, i) == ref {
			return i
		}
	}
	return -1
}

// hear settles a part by a notice. Of a request that is under way only that it
// arrived is believed: anything else may be about an attempt before it.
func (g *Gateway) hear(ctx context.Context, d *delivery, n connectors.Notice) (ended bool, err error) {
	i := partIndex(d.row.Row, n.Ref, len(d.states))
	d.mu.Lock()
	defer d.mu.Unlock()
	s := d.states[i]
	if d.ended || !inDoubt(s) || s.State == journal.PartAttempting && n.Fate != connectors.FateSent {
		return d.ended, nil
	}
	d.states[i] = found(n.Finding)
	d.states[i].At = time.Now()
	d.fact = n.Finding
	select {
	case d.news <- struct{}{}:
	default:
	}
	return false, g.journal.Commit(ctx, journal.Change{
		Seq: d.row.Seq, Epoch: d.row.Epoch, State: journal.Delivering, Attempts: d.row.Attempts, Parts: slices.Clone(d.states),
	})
}

// told is what a notice has said of a part in doubt.
func (d *delivery) told(i int) (connectors.Finding, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if inDoubt(d.states[i]) {
		return connectors.Finding{}, false
	}
	return d.fact, true
}

// listen waits for a notice, at most for so long.
func (d *delivery) listen(ctx context.Context, wait time.Duration) error {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-d.news:
		return nil
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// state is a part's record.
func (d *delivery) state(i int) journal.Part {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.states[i]
}

// concludes ends the row, unless a notice has said meanwhile that part i, for
// which it is given up, was sent.
func (d *delivery) concludes(i int) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.ended = d.states[i].State != journal.PartSent
	return d.ended
}

// reported are a channel's dead letters of which a part may have arrived all
// the same.
type reported struct {
	mu   sync.Mutex
	read bool               // the journal's are among them
	rows map[string][]int64 // by TrackingId: their Seqs
	n    int                // Seqs in all
}

// mostReported is how many of the journal's dead letters are looked through,
// newest first, and how many are kept at least.
const mostReported = 1000

func (r *reported) add(tracking string, seq int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.rows == nil {
		r.rows = make(map[string][]int64)
	}
	seqs := r.rows[tracking]
	if slices.Contains(seqs, seq) {
		return
	}
	if r.n >= 2*mostReported { // nobody has asked for most of them: the journal has the newest
		r.rows, r.read, r.n = map[string][]int64{}, false, 0
		seqs = nil
	}
	r.rows[tracking] = append(seqs, seq)
	r.n++
}

func (r *reported) remove(tracking string, seq int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	left := slices.DeleteFunc(slices.Clone(r.rows[tracking]), func(s int64) bool { return s == seq })
	r.n -= len(r.rows[tracking]) - len(left)
	if r.rows[tracking] = left; len(left) == 0 {
		delete(r.rows, tracking)
	}
}

// forget lets go of a customer's.
func (r *reported) forget(tracking string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.n -= len(r.rows[tracking])
	delete(r.rows, tracking)
}

// of gives a conversation's. The journal is read when a network first speaks.
func (r *reported) of(ctx context.Context, j journal.Journal, c *conversation) ([]int64, error) {
	r.mu.Lock()
	read := r.read
	r.mu.Unlock()
	if !read {
		rows, err := j.Dead(ctx, journal.DeadQuery{Channel: c.ch.cfg.Name, Limit: mostReported})
		if err != nil {
			return nil, err
		}
		for _, row := range rows {
			if slices.ContainsFunc(row.Parts, inDoubt) && !isAuto(row) {
				r.add(row.Lane.TrackingID, row.Seq)
			}
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.read = true
	return slices.Clone(r.rows[c.tracking]), nil
}

// settleLate tells the agent what became of a message whose fate was reported as
// unknown.
func (g *Gateway) settleLate(ctx context.Context, c *conversation, n connectors.Notice) error {
	seqs, err := c.ch.reported.of(ctx, g.journal, c)
	for _, seq := range seqs {
		row, rowErr := g.journal.Row(ctx, seq)
		i := partIndex(row, n.Ref, len(row.Parts))
		switch {
		case errors.Is(rowErr, journal.ErrNotFound):
			c.ch.reported.remove(c.tracking, seq)
		case rowErr != nil:
			return rowErr
		case row.State == journal.Dead && i >= 0 && inDoubt(row.Parts[i]):
			if err := g.tellLate(ctx, c, row, i, n.Finding); err != nil {
				return err
			}
			c.ch.reported.remove(c.tracking, seq)
		}
	}
	return err
}

// tellLate tells it once: the note's ID is derived. A message that arrived is
// confirmed in front of the note, on the same connection, so that the note's
// echo shows that the core has read both.
func (g *Gateway) tellLate(ctx context.Context, c *conversation, row journal.Row, i int, f connectors.Finding) error {
	row.Parts = slices.Clone(row.Parts)
	row.Parts[i] = found(f)
	sent := sentParts(row.Parts)
	text, confirm := lateNote(row, sent, f), ""
	if sent == len(row.Parts) && c.ch.cfg.Confirm != config.ConfirmDelivered {
		confirm = coreID(row)
	}
	c.ch.metrics.reconciled(f.Fate)
	g.steps.tell(stepNobodyKnows+stepKind(f.Fate), row.Entry)
	c.partLog(row.ID, i).Info("learned what became of a send that was reported as unknown", "fate", f.Fate.String())
	return g.tell(ctx, c, "settled:"+partID(row.ID, i), text, confirm)
}

func lateNote(row journal.Row, sent int, f connectors.Finding) string {
	switch {
	case sent == len(row.Parts):
		return "Message " + row.ID + " did reach the customer."
	case sent > 0:
		return fmt.Sprintf("Of message %s the customer has %d of %d parts.", row.ID, sent, len(row.Parts))
	case f.Fate == connectors.FateFailed:
		return undelivered(row.ID, reasonText(failureOf(f).Reason))
	default:
		return "Message " + row.ID + " did not reach the customer."
	}
}

func sentParts(parts []journal.Part) (n int) {
	for _, p := range parts {
		if p.State == journal.PartSent {
			n++
		}
	}
	return n
}
