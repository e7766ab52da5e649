package gateway

import (
	"context"
	"math/rand/v2"
	"time"

	"servicelink/connectors"
	"servicelink/gateway/journal"
)

const (
	// recoverReach is how far back a process looks when it starts: longer than
	// anybody sleeps through an alarm, and far below the time ids are kept.
	recoverReach = 12 * time.Hour
	// recoverOverlap is how much of what the last look saw the next one sees again:
	// a network may list a message later than it says that it came.
	recoverOverlap = time.Hour
	// recoverSpread is the longest a first look waits, so that many channels do not
	// begin at once.
	recoverSpread = 30 * time.Second
)

// recoverer looks again and again for messages whose webhook was lost. It is a
// Runner to the engine: its failures, its pauses and its end are those of one.
// What the webhook had brought is known by its ID.
type recoverer struct {
	g       *Gateway
	ch      *channel
	network connectors.Recoverer
	began   time.Time // when it was first run
	done    time.Time // everything before it was looked at; zero = nothing yet
	// floor is where history begins: what is older is somebody else's.
	floor time.Time
}

// runnerOf is what reads a channel's network in the background; nil = nothing.
func (g *Gateway) runnerOf(ch *channel) connectors.Runner {
	switch conn := ch.conn.(type) {
	case connectors.Runner:
		return conn
	case connectors.Recoverer:
		return &recoverer{g: g, ch: ch, network: conn}
	}
	return nil
}

// Run implements connectors.Runner.
func (r *recoverer) Run(ctx context.Context, in connectors.Inbox) error {
	after := r.g.config().Limits.RecoverAfter
	if r.began.IsZero() {
		r.began = time.Now()
		sleep(ctx, rand.N(min(after, recoverSpread))) //nolint:gosec // spreads load, guards nothing
	}
	for ctx.Err() == nil {
		if err := r.look(ctx, recovering{in}, time.Now().Add(-after)); err != nil {
			return err
		}
		in.Working()
		sleep(ctx, after)
	}
	return ctx.Err()
}

// look delivers what came before until, as far back as need be.
func (r *recoverer) look(ctx context.Context, in connectors.Inbox, until time.Time) error {
	since, err := r.since(ctx)
	if err != nil {
		return &connectors.SendError{Outcome: connectors.NotSent, Reason: connectors.ReasonCanceled, Err: err}
	}
	if since.Before(until) {
		if err := r.network.Recover(ctx, since, until, in); err != nil {
			return err
		}
	}
	r.done = until
	return nil
}

// since is where a look begins. Nothing is taken from before the journal was made,
// nor from before the first message the channel took here: somebody else has
// answered that.
func (r *recoverer) since(ctx context.Context) (time.Time, error) {
	if r.floor.IsZero() {
		ledger, err := r.g.journal.Ledger(ctx)
		if err != nil {
			return time.Time{}, err
		}
		r.floor = r.g.journal.Born()
		if ledger[journal.LedgerKey{Channel: r.ch.cfg.Name, Direction: journal.In}].Accepted == 0 {
			r.floor = r.began
		}
	}
	since := r.done.Add(-recoverOverlap)
	if r.done.IsZero() {
		since = time.Now().Add(-recoverReach)
	}
	// However long the network could not be asked: of what is older the id may be
	// swept, and it would be shown again.
	if known := time.Now().Add(-r.g.config().Journal.KeepIDs / 2); since.Before(known) {
		since = known
	}
	if since.Before(r.floor) {
		since = r.floor
	}
	return since, nil
}

// recovering is an inbox of messages whose webhook may have been lost.
type recovering struct{ connectors.Inbox }

type recoveringKey struct{}

func (in recovering) Deliver(ctx context.Context, events []connectors.Event) error {
	return in.Inbox.Deliver(context.WithValue(ctx, recoveringKey{}, true), events)
}

// recovered counts what no webhook had brought.
func (ch *channel) recovered(ctx context.Context, verdicts []journal.Verdict) {
	if ctx.Value(recoveringKey{}) == nil {
		return
	}
	n := 0
	for _, v := range verdicts {
		if v == journal.New {
			n++
		}
	}
	if n > 0 {
		ch.metrics.recovered(n)
		ch.log.Warn("messages were found at the network that no webhook had brought", "messages", n)
	}
}
