package gateway

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"servicelink/connectors"
	"servicelink/gateway/journal"
	"servicelink/simprot"
)

// deliver takes events from a channel: every way in ends here. nil means that
// the engine has taken responsibility: the events are safe on disk, or - with
// a volatile journal - done.
//
// patience is how long events may hold up those behind them while a volatile
// journal waits for their end and the core can be reached; 0 = until ctx ends.
func (g *Gateway) deliver(ctx context.Context, ch *channel, events []connectors.Event, patience time.Duration) error {
	entries, err := g.toEntries(ctx, ch, events)
	if err != nil {
		return fmt.Errorf("%w: %w", connectors.ErrUnavailable, err)
	}
	if len(entries) == 0 {
		return nil
	}
	var waits []*wait
	if g.journal.Volatile() {
		waits = g.waits.add(entries)
		defer g.waits.remove(waits)
	}
	g.steps.received(ctx, entries)
	began := time.Now()
	verdicts, err := g.journal.Accept(ctx, entries...)
	if err != nil {
		return fmt.Errorf("%w: %w", connectors.ErrUnavailable, err)
	}
	g.metrics.journalCommit(time.Since(began))
	ch.taken(journal.In, entries, verdicts)
	ch.traffic.came(verdicts, began)
	ch.recovered(ctx, verdicts)
	if err := g.settledBefore(ctx, ch, entries, verdicts); err != nil {
		return fmt.Errorf("%w: %w", connectors.ErrUnavailable, err)
	}
	var held time.Duration // with the core there
	for i, w := range waits {
		if err := g.awaitDone(ctx, ch, w, verdicts[i], patience, &held); err != nil {
			return fmt.Errorf("%w: %w", connectors.ErrUnavailable, err)
		}
	}
	return nil
}

// toEntries translates events into what the journal keeps; notices are taken at once.
func (g *Gateway) toEntries(ctx context.Context, ch *channel, events []connectors.Event) ([]journal.Entry, error) {
	if ch.isGateway() {
		return g.messageEntries(ctx, ch, events)
	}
	events, err := g.takeNotices(ctx, ch, events)
	if err != nil {
		return nil, err
	}
	entries := make([]journal.Entry, len(events))
	for i, ev := range events {
		entries[i] = ch.toEntry(ev)
	}
	return entries, nil
}

// awaitDone waits until a volatile journal's row is done: only then may the
// network be told "yes". A repeat joins the pending event. held is how long the
// batch has been held up; out of patience, the event is passed over: it stays
// pending, in memory alone.
func (g *Gateway) awaitDone(ctx context.Context, ch *channel, w *wait, v journal.Verdict, patience time.Duration, held *time.Duration) error {
	if v == journal.Refused {
		return nil
	}
	if v == journal.Repeat {
		rows, err := g.journal.Find(ctx, w.key.Lane, journal.IDHash{ID: w.key.ID})
		if err != nil {
			return err
		}
		if rows[0] == nil || !rows[0].State.Pending() {
			return nil
		}
	}
	var late <-chan time.Time // nil = never
	if patience > 0 {
		ticker := time.NewTicker(time.Second)
		defer ticker.Stop()
		late = ticker.C
	}
	for patience == 0 || *held < patience {
		select {
		case <-w.done:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		case <-late:
			*held += time.Second
			if ch.port.current() == nil {
				*held = 0 // the core is away: nobody is held up by this event
			}
		}
	}
	select {
	case <-w.done:
	default:
		ch.log.Warn("passed over: not done in time, and the journal is in memory alone",
			"id", simprot.LogEventID(w.key.Lane.TrackingID, w.key.ID), "conversation", simprot.LogID(w.key.Lane.TrackingID))
	}
	return nil
}

// acceptOwn journals what the gateway itself says. It waits for a journal that
// is away; only ctx ends it.
func (g *Gateway) acceptOwn(ctx context.Context, e journal.Entry) error {
	for {
		verdicts, err := g.journal.Accept(ctx, e)
		if err == nil {
			if ch := g.channel(e.Lane.Channel); ch != nil {
				ch.taken(e.Lane.Direction, []journal.Entry{e}, verdicts)
			}
			return nil
		}
		sleep(ctx, journalRetry)
		if ctx.Err() != nil {
			return errors.Join(ctx.Err(), err)
		}
	}
}

// passOverAfter is how long one event may hold up a poller whose journal is in
// memory alone: the stated limit of that mode.
const passOverAfter = time.Minute

// inbox is what a Runner or Mounter delivers to.
type inbox struct {
	g  *Gateway
	ch *channel
}

var _ connectors.Inbox = inbox{}

func (in inbox) Deliver(ctx context.Context, events []connectors.Event) error {
	return in.g.deliver(ctx, in.ch, events, passOverAfter)
}

func (in inbox) Typing(trackingID string, typing bool) {
	in.g.typing.fromNetwork(in.ch, trackingID, typing)
}

func (in inbox) Working() { in.ch.readable() }

// waits lets callers wait for the end of rows of a volatile journal.
type waits struct {
	mu  sync.Mutex
	all map[rowKey][]*wait
}

type rowKey struct {
	Lane journal.Lane
	ID   string
}

type wait struct {
	key  rowKey
	done chan struct{}
}

func (w *waits) add(entries []journal.Entry) []*wait {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.all == nil {
		w.all = make(map[rowKey][]*wait)
	}
	added := make([]*wait, len(entries))
	for i, e := range entries {
		k := rowKey{e.Lane, e.ID}
		added[i] = &wait{k, make(chan struct{})}
		w.all[k] = append(w.all[k], added[i])
	}
	return added
}

func (w *waits) remove(mine []*wait) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, m := range mine {
		left := w.all[m.key][:0:0]
		for _, other := range w.all[m.key] {
			if other != m {
				left = append(left, other)
			}
		}
		if len(left) == 0 {
			delete(w.all, m.key)
		} else {
			w.all[m.key] = left
		}
	}
}

// settle tells whoever waits that a row has ended.
func (g *Gateway) settle(lane journal.Lane, id string) {
	g.waits.mu.Lock()
	defer g.waits.mu.Unlock()
	k := rowKey{lane, id}
	for _, w := range g.waits.all[k] {
		close(w.done)
	}
	delete(g.waits.all, k)
}

// kindNote marks the gateway's own tech notes among the events.
const kindNote = "note"

// noteIDs is how their IDs begin, unless they are too long to be readable.
const noteIDs = "note:"

// note tells the agent something as a tech note. It is a journaled event like
// any other; its ID is derived, so the same fact is told once.
func (g *Gateway) note(ctx context.Context, c *conversation, about, text string) error {
	return g.tell(ctx, c, about, text, "")
}

// tell is note with the sentence that is to be confirmed before it; empty = none.
func (g *Gateway) tell(ctx context.Context, c *conversation, about, text, confirm string) error {
	g.metrics.note(noteKind(about))
	return g.acceptOwn(ctx, journal.Entry{
		Lane: journal.Lane{Channel: c.ch.cfg.Name, Direction: journal.In, TrackingID: c.tracking},
		ID:   simprot.ShortenID(noteIDs+about, simprot.MaxID),
		Content: (&content{
			Kind: kindNote, Text: text, Model: simprot.ModelTechNote, PartyName: g.config().Core.Peer, Confirm: confirm,
		}).encode(),
	})
}
