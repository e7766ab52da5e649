package gateway

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"servicelink/config"
	"servicelink/connectors"
	"servicelink/gateway/journal"
)

// What a network reports of a message it has taken: how far it came, or that it
// was given up after all. It comes in any order and more than once; the journal
// keeps what is furthest.

// attemptPause is how often is looked whether an attempt has ended that a network
// says has failed.
const attemptPause = 100 * time.Millisecond

// report records how far a part has come. nil means: it is on disk, or says
// nothing new. Of a message that failed after the network had taken it the agent
// is told first: the report is what makes the note's repetition needless.
func (g *Gateway) report(ctx context.Context, c *conversation, n notice) error {
	row, i, err := g.rowOf(ctx, c, n.Ref)
	if err != nil || row == nil {
		return err
	}
	if err := g.reportPart(ctx, c, row, i, n); err != nil || n.Status != connectors.StatusSent {
		return err
	}
	return g.reachedBefore(ctx, c, row, i, n.at)
}

// reportPart is report for a part that has been found.
func (g *Gateway) reportPart(ctx context.Context, c *conversation, row *journal.Row, i int, n notice) error {
	p := row.Parts[i]
	if !p.Moves(uint8(n.Status), n.NetworkID) {
		return nil
	}
	r := journal.Report{Seq: row.Seq, Epoch: row.Epoch, Part: i, NetworkID: n.NetworkID, Status: uint8(n.Status), At: n.at}
	if n.Status == connectors.StatusFailed {
		se := failureOf(n.Finding)
		r.Reason, r.Hint = string(se.Reason), hintOf(se)
		if se.Reason == connectors.ReasonWindow {
			g.windowClosed(c, p.At, p.Hint == asLate)
		}
		if err := g.tellFailed(ctx, c, row, i, se); err != nil {
			return err
		}
	}
	after, changed, err := g.journal.Report(ctx, r)
	switch {
	case errors.Is(err, journal.ErrNotFound): // forgotten meanwhile
		return nil
	case err != nil || !changed:
		return err
	}
	c.ch.metrics.reported(n.Status)
	if c.ch.cfg.Confirm == config.ConfirmDelivered && !delivered(row.Parts) && delivered(after.Parts) && !isAuto(after) {
		g.steps.tell(stepConfirmed, after.Entry)
		g.confirm(c, coreID(after))
	}
	return nil
}

// tellFailed tells the agent of a part that failed after the network had taken
// it. What failed before that ends its row, which tells it.
func (g *Gateway) tellFailed(ctx context.Context, c *conversation, row *journal.Row, i int, se *connectors.SendError) error {
	c.partLog(row.ID, i).Warn("the network gave a message up that it had taken", "reason", string(se.Reason), "code", se.Code)
	if row.Parts[i].State != journal.PartSent || isAuto(*row) {
		return nil
	}
	return g.note(ctx, c, "failed:"+partID(row.ID, i), givenUpNote(*row, i, c.ch.reasonText(se.Reason)))
}

// rowOf finds the row of a Ref and the part's place in it, nil = there is none.
func (g *Gateway) rowOf(ctx context.Context, c *conversation, ref string) (*journal.Row, int, error) {
	text, id, _ := strings.Cut(ref, ".")
	hash, err := strconv.ParseUint(text, 36, 64)
	if err != nil {
		return nil, 0, nil //nolint:nilerr // not a Ref of ours: it names nothing
	}
	keys := []journal.IDHash{{ID: id, TextHash: hash}}
	if at := strings.LastIndexByte(id, '#'); at > 0 {
		keys = append(keys, journal.IDHash{ID: id[:at], TextHash: hash})
	}
	rows, err := g.journal.Find(ctx, journal.Lane{Channel: c.ch.cfg.Name, Direction: journal.Out, TrackingID: c.tracking}, keys...)
	if err != nil {
		return nil, 0, err
	}
	for _, row := range rows {
		if row == nil {
			continue
		}
		if i := partIndex(*row, ref, len(row.Parts)); i >= 0 {
			return row, i, nil
		}
	}
	return nil, 0, nil
}

// afterAttempt waits for the end of an attempt that a network says has failed:
// the answer to it tells whether it was this one.
func (d *delivery) afterAttempt(ctx context.Context, ref string) error {
	i := partIndex(d.row.Row, ref, len(d.states))
	for d.state(i).State == journal.PartAttempting {
		timer := time.NewTimer(attemptPause)
		select {
		case <-timer.C:
		case <-d.over:
			return nil
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		}
	}
	return nil
}

// confirms tells whether the core may be told that the customer has a message.
func (ch *channel) confirms(row *journal.Row) bool {
	if ch.cfg.Confirm == config.ConfirmDelivered && len(row.Parts) > 0 { // else nothing of it was for the customer
		return delivered(row.Parts)
	}
	return row.State == journal.Done
}

// confirmsNow is confirms for a row that has just ended. Its reports are in the
// journal alone.
func (g *Gateway) confirmsNow(ctx context.Context, d *delivery) bool {
	if d.c.ch.cfg.Confirm != config.ConfirmDelivered {
		return true
	}
	row, err := g.journal.Row(ctx, d.row.Seq)
	return err == nil && d.c.ch.confirms(&row) // else the core's next STATUS shows it unconfirmed
}

// delivered tells that the customer has every part.
func delivered(parts []journal.Part) bool {
	return len(parts) > 0 && !slices.ContainsFunc(parts, func(p journal.Part) bool {
		return p.Status < uint8(connectors.StatusDelivered)
	})
}

// coreID is the core's own ID of a sentence. Once its content is erased the row's
// is the best there is, and the same in all but odd cases.
func coreID(row journal.Row) string {
	content, _ := decodeContent(row.Content)
	return cmp.Or(content.ID, row.ID)
}
