package sim

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"servicelink/connectors"
)

// Half of the networks can be asked what became of a send. They answer late,
// badly or not at all as well, and never wrongly.
type (
	hookedAsked struct{ hooked }
	polledAsked struct{ polled }
)

var (
	_ connectors.Reconciler = hookedAsked{}
	_ connectors.Reconciler = polledAsked{}
)

// Reconcile implements connectors.Reconciler.
func (h hookedAsked) Reconcile(ctx context.Context, a connectors.Attempt) (connectors.Finding, error) {
	return h.reconcile(ctx, a)
}

// Reconcile implements connectors.Reconciler.
func (p polledAsked) Reconcile(ctx context.Context, a connectors.Attempt) (connectors.Finding, error) {
	return p.reconcile(ctx, a)
}

// foundOut is what the network said of an attempt when it was asked, and the
// latest process that heard it.
type foundOut struct {
	fate connectors.Fate
	by   *life
	at   time.Time
}

// underWay is how long a request may have been decided on before it leaves.
const underWay = time.Second

// listedAfter is when the network is sure of what it has not got.
const listedAfter = 30 * time.Second

func (a account) reconcile(ctx context.Context, q connectors.Attempt) (f connectors.Finding, err error) {
	w := a.n.w
	w.mu.Lock()
	how := w.dice.n(drawAsk, a.n.n, 4)
	there := time.Millisecond + w.dice.upTo(drawAsk, a.n.n, 30*time.Millisecond)
	w.mu.Unlock()
	if err := pause(ctx, there); err != nil {
		return f, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	mark, _, _ := strings.Cut(q.Part.Text, ".")
	switch {
	case a.l.dead:
		return f, errAway
	case how == 0: // of the question, not of the message
		err = &connectors.SendError{Outcome: connectors.NotSent, Reason: connectors.ReasonConnect}
	case how > 1:
		f = a.find(mark, q)
	}
	w.note("network: asked about %s (%s): %s", mark, q.Part.ID, f.Fate)
	return f, err
}

// find looks for the attempts that the question is about. w.mu is held.
func (a account) find(mark string, q connectors.Attempt) (f connectors.Finding) {
	if q.Part.Text == closedText {
		f.AskAgain = -1 // the model does not tell one from the other
		return f
	}
	c := a.n.w.find(address{a.n.port, q.Part.To.TrackingID})
	var meant []*attempt
	for _, s := range c.said {
		for _, at := range s.attempts {
			if s.mark == mark && at.part == partOf(q.Part.ID) && !at.at.Before(q.Began) && !at.at.After(q.Ended) {
				meant = append(meant, at)
			}
		}
	}
	for _, at := range meant {
		if id := strconv.FormatUint(at.step, 10); at.took && slices.Contains(q.Taken, id) {
			a.n.w.violate("asked: part %d of %s is said to be another message", at.part, mark)
		} else if at.took {
			a.n.found[at] = foundOut{connectors.FateSent, a.l, time.Now()}
			return connectors.Finding{Fate: connectors.FateSent, NetworkID: id}
		}
	}
	if wait := listedAfter - time.Since(q.Ended); wait > 0 {
		f.AskAgain = wait
		return f
	}
	for _, at := range meant {
		a.n.found[at] = foundOut{connectors.FateNotSent, a.l, time.Now()}
	}
	return connectors.Finding{Fate: connectors.FateNotSent}
}

// tell has the network send an echo of what it took, where it does such things:
// soon, often before the gateway has its answer, and sometimes for nothing.
// w.mu is held.
func (n *network) tell(ref string, c *conv, at *attempt) {
	if !at.took {
		return
	}
	if n.tells {
		n.echo(ref, c, at, connectors.StatusNone, drawTell)
	}
	if n.reports { // in whatever order
		for _, s := range []connectors.DeliveryStatus{connectors.StatusSent, connectors.StatusDelivered} {
			n.echo(ref, c, at, s, drawReport)
		}
	}
}

func (n *network) echo(ref string, c *conv, at *attempt, s connectors.DeliveryStatus, draw drawn) {
	step := strconv.FormatUint(at.step, 10)
	e := &event{
		conv: c, id: "echo-" + step + s.String(), kind: string(connectors.KindNotice), text: ref + "|" + step + "|" + s.String(),
	}
	n.echoes[e] = at
	after := n.w.dice.upTo(draw, n.n, 50*time.Millisecond)
	if n.w.dice.n(draw, n.n, 4) == 0 {
		after *= 10_000 // the row may have ended by then
	}
	n.w.after(after, func() {
		at.reported = at.reported || s == connectors.StatusDelivered
		if !n.poll {
			n.postOnce(e)
			return
		}
		n.updates = append(n.updates, e)
		close(n.came)
		n.came = make(chan struct{})
	})
}

// newEcho is an echo as the connector reads it.
func newEcho(id, tracking, text string) connectors.Event {
	told := strings.LastIndex(text, "|")
	i := strings.LastIndex(text[:told], "|")
	n := &connectors.Notice{Ref: text[:i], Finding: connectors.Finding{Fate: connectors.FateSent, NetworkID: text[i+1 : told]}}
	for _, s := range []connectors.DeliveryStatus{connectors.StatusSent, connectors.StatusDelivered} {
		if text[told+1:] == s.String() {
			n.Status = s
		}
	}
	return connectors.Event{ID: id, Kind: connectors.KindNotice, TrackingID: tracking, Notice: n}
}

// heard notes that the gateway has taken an echo. What it knew then it knows
// still: the same process sends that part no more. w.mu is held.
func (n *network) heard(l *life, at *attempt, e *event) {
	n.w.note("network: %s is taken", e.id)
	if strings.HasSuffix(e.text, "|"+connectors.StatusDelivered.String()) {
		at.heard = append(at.heard, l.gen)
	}
	if at.life.gen == l.gen {
		n.found[at] = foundOut{connectors.FateSent, l, time.Now()}
	}
}
