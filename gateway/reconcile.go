package gateway

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"servicelink/config"
	"servicelink/connectors"
	"servicelink/gateway/journal"
)

// A send of unknown outcome is asked about before it is repeated or reported:
// the network first, then the channel's policy.
const (
	// askPatience is how long after it was lost a part is asked about, mostAsks how
	// often. After a restart there is at least askAgain left.
	askPatience = 10 * time.Minute
	askAgain    = time.Minute
	mostAsks    = 20
	askTimeout  = 30 * time.Second // of one question
	// clockDoubt is how far back an attempt is looked for whose time is not known.
	clockDoubt = 24 * time.Hour
	// recentSent is how many network ids of a conversation are kept in memory.
	recentSent = 32
)

// askPace spaces questions when the network does not say when.
var askPace = pace{2 * time.Second, time.Minute}

// doubt is what is known of a part's attempts of unknown fate: the bounds
// between which they left. Zero = there is none.
type doubt struct{ began, ended time.Time }

func (d doubt) is() bool { return !d.ended.IsZero() }

// with adds an attempt.
func (d doubt) with(began, ended time.Time) doubt {
	if d.is() {
		began = d.began
	}
	return doubt{began, ended}
}

// earlierDoubt is the doubt an earlier process left. It wrote down when the attempt
// began, or when it was lost. What lies ahead of now was written by a clock that was:
// the attempt is somewhere before now then, and nothing is waited for that long.
func earlierDoubt(s journal.Part, limit time.Duration) doubt {
	now := time.Now()
	if s.At.After(now) {
		return doubt{now.Add(-clockDoubt), now}
	}
	if s.State != journal.PartAttempting {
		return doubt{s.At.Add(-limit), s.At}
	}
	ended := s.At.Add(limit)
	if now.Before(ended) {
		ended = now
	}
	return doubt{s.At, ended}
}

// inDoubt tells of a part whether it may have been sent.
func inDoubt(s journal.Part) bool {
	return s.State == journal.PartAttempting || s.State == journal.PartUnknown
}

// unknownFate finds out what became of a part that may have been sent; where
// nobody can tell, the channel's policy decides. notYet: the part was sent, or
// may be tried, or the lanes are stopped.
func (g *Gateway) unknownFate(ctx context.Context, d *delivery, i int, se *connectors.SendError) verdict {
	f, err := g.findOut(ctx, d, i)
	if err != nil {
		return notYet
	}
	d.row.fate(i, f)
	d.c.ch.metrics.reconciled(f.Fate)
	if f.Fate != connectors.FateUnknown {
		d.c.partLog(d.row.ID, i).Info("found out what became of a send", "fate", f.Fate.String())
	}
	switch f.Fate {
	case connectors.FateSent, connectors.FateNotSent:
		d.doubts[i] = doubt{}
		d.c.sent(f.NetworkID)
		g.record(d, i, found(f))
		return notYet
	case connectors.FateFailed:
		if failureOf(f).Reason == connectors.ReasonWindow {
			g.windowClosed(d.c, d.doubts[i].began, d.parts[i].Late)
		}
		d.doubts[i] = doubt{}
		if d.saysOtherwise(i, failureOf(f)) {
			g.record(d, i, d.notSent(i, failureOf(f).Reason))
			return notYet
		}
		g.record(d, i, found(f))
		return verdict{journal.Dead, failureOf(f).Reason, hintOf(failureOf(f))}
	}
	if d.c.ch.unknown == config.Resend {
		return notYet
	}
	return verdict{journal.Dead, connectors.ReasonUnknown, hintOf(se)}
}

// found is a part's record of what was found out.
func found(f connectors.Finding) journal.Part {
	switch f.Fate {
	case connectors.FateSent:
		return journal.Part{State: journal.PartSent, NetworkID: f.NetworkID}
	case connectors.FateFailed:
		return journal.Part{State: journal.PartRejected, Reason: string(failureOf(f).Reason)}
	default:
		return journal.Part{}
	}
}

// failureOf is why a part failed; a connector may have forgotten to say.
func failureOf(f connectors.Finding) *connectors.SendError {
	if f.Failure == nil {
		return &connectors.SendError{Outcome: connectors.Rejected, Reason: connectors.ReasonBug}
	}
	return f.Failure
}

// findOut asks the network until it can tell, and listens meanwhile. An error
// means that the lanes are stopped.
func (g *Gateway) findOut(ctx context.Context, d *delivery, i int) (f connectors.Finding, err error) {
	r, ok := d.c.ch.conn.(connectors.Reconciler)
	if !ok {
		return d.awaitNotice(ctx, i)
	}
	d.row.asksFate(i)
	until := d.doubts[i].ended.Add(askPatience)
	if least := time.Now().Add(askAgain); until.Before(least) {
		until = least
	}
	for n := 1; ; n++ {
		if f, ok := d.told(i); ok {
			return f, nil
		}
		f, wait := g.ask1(ctx, r, d, i)
		if wait = max(wait, f.AskAgain); wait == 0 {
			wait = askPace.after(n)
		}
		switch {
		case f.Fate != connectors.FateUnknown:
			return f, nil
		case ctx.Err() != nil:
			return f, ctx.Err()
		case f.AskAgain < 0, n == mostAsks, time.Now().Add(wait).After(until):
			return connectors.Finding{}, nil
		}
		if err := d.listen(ctx, max(wait, time.Second)); err != nil {
			return f, err
		}
	}
}

// awaitNotice listens to a network that says by itself what it was sent, as long as
// that may take. After a restart there is at least askAgain left.
func (d *delivery) awaitNotice(ctx context.Context, i int) (connectors.Finding, error) {
	within := d.c.ch.caps.EchoWithin
	until := d.doubts[i].ended.Add(within)
	if least := time.Now().Add(min(within, askAgain)); until.Before(least) {
		until = least
	}
	if within > 0 {
		d.row.asksFate(i)
	}
	for {
		f, told := d.told(i)
		wait := time.Until(until)
		if told || wait <= 0 {
			return f, nil
		}
		if err := d.listen(ctx, wait); err != nil {
			return f, err
		}
	}
}

// ask1 asks once. A question that fails finds nothing; wait is the network's
// wish then.
func (g *Gateway) ask1(ctx context.Context, r connectors.Reconciler, d *delivery, i int) (f connectors.Finding, wait time.Duration) {
	taken, err := g.takenIDs(ctx, d, d.doubts[i].began)
	if err == nil {
		askCtx, cancel := context.WithTimeout(ctx, askTimeout)
		defer cancel()
		f, err = reconcileSafely(askCtx, r, connectors.Attempt{
			Part: d.parts[i], Began: d.doubts[i].began, Ended: d.doubts[i].ended, Taken: taken,
		})
	}
	if err == nil && slices.Contains(taken, f.NetworkID) && f.NetworkID != "" {
		err = errTaken
	}
	if err == nil {
		return f, 0
	}
	se := connectors.AsSendError(err)
	d.c.partLog(d.row.ID, i).Warn("cannot ask what became of a send", "reason", string(se.Reason), "code", se.Code)
	return connectors.Finding{}, se.RetryAfter
}

// errTaken: the connector found a message that is known to be another one.
var errTaken = errors.New("found a message that is another one's")

// reconcileSafely keeps a connector's panic at the border.
func reconcileSafely(ctx context.Context, r connectors.Reconciler, a connectors.Attempt) (f connectors.Finding, err error) {
	defer func() {
		if p := recover(); p != nil {
			f, err = connectors.Finding{}, fmt.Errorf("connector panicked: %T", p)
		}
	}()
	return r.Reconcile(ctx, a)
}

// takenIDs lists the network ids of the conversation's messages that are known.
// What was sent before this process began is in the journal alone.
func (g *Gateway) takenIDs(ctx context.Context, d *delivery, since time.Time) ([]string, error) {
	c := d.c
	var ids []string
	if since.Before(g.began) {
		rows, err := g.journal.Trace(ctx, journal.TraceQuery{
			Channel: c.ch.cfg.Name, TrackingID: c.tracking, Recent: traceRecent, Limit: traceLimit,
		})
		if err != nil {
			return nil, err
		}
		for _, row := range rows {
			ids = appendIDs(ids, row.Parts)
		}
	}
	c.mu.Lock()
	ids = append(ids, c.out.sentIDs...)
	c.mu.Unlock()
	d.mu.Lock()
	defer d.mu.Unlock()
	return appendIDs(ids, d.states), nil
}

func appendIDs(ids []string, parts []journal.Part) []string {
	for _, p := range parts {
		if p.NetworkID != "" {
			ids = append(ids, p.NetworkID)
		}
	}
	return ids
}

// sent keeps the latest network ids of a conversation: what has one of them is
// no other message.
func (c *conversation) sent(networkID string) {
	if networkID == "" {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.out.sentIDs) >= recentSent {
		c.out.sentIDs = slices.Delete(c.out.sentIDs, 0, 1)
	}
	c.out.sentIDs = append(c.out.sentIDs, networkID)
}
