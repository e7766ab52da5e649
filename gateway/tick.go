package gateway

import (
	"context"
	"time"

	"servicelink/gateway/journal"
)

const (
	lanesEvery = 30 * time.Second // due rows that are in no lane are picked up
	sweepEvery = time.Minute
	evictAfter = time.Hour
)

// tick runs the engine's timers until ctx ends.
func (g *Gateway) tick(ctx context.Context) {
	second := time.NewTicker(time.Second)
	defer second.Stop()
	lanes, sweep := time.Now(), time.Now()
	var health string
	for {
		select {
		case <-ctx.Done():
			return
		case <-second.C:
		}
		health = g.watchJournal(health)
		for _, ch := range g.now().ordered {
			ch.gate.tick()
			ch.rooms[0].again()
			ch.rooms[1].again()
			g.feed(ch, journal.In)
			g.feed(ch, journal.Out)
		}
		now := time.Now()
		g.flow.tick(now)
		g.messages.expire(now)
		if now.Sub(lanes) >= lanesEvery {
			lanes = now
			g.wakeAll(ctx)
		}
		if now.Sub(sweep) >= sweepEvery {
			sweep = now
			g.sweep(ctx)
			g.convs.evict(now.Add(-evictAfter))
		}
	}
}

// watchJournal logs when the journal's health changes, with the cause: what
// was wrong before and what is wrong now are a Fault's What, empty for nothing.
func (g *Gateway) watchJournal(before string) (now string) {
	err := g.journal.Health()
	if err != nil {
		now = journalFault(err).What
	}
	switch {
	case now == before:
	case now == "":
		g.log.Info("the journal takes messages again")
	default:
		g.log.Error("the journal takes no messages", "fault", now, "error", err)
	}
	return now
}

// wakeAtStart wakes what an earlier process left pending, and comes back only
// when that is known of every lane: what is taken before would overtake it.
func (g *Gateway) wakeAtStart(ctx context.Context) {
	for !g.wakeAll(ctx) && ctx.Err() == nil {
		sleep(ctx, journalRetry)
	}
}

// wakeAll starts every served lane that has pending rows and no goroutine; it
// reports whether the journal could name them all.
func (g *Gateway) wakeAll(ctx context.Context) bool {
	all := true
	for _, ch := range g.now().ordered {
		if ch.cfg.Enabled {
			all = g.wakeChannel(ctx, ch) && all
		}
	}
	return all
}

func (g *Gateway) wakeChannel(ctx context.Context, ch *channel) bool {
	err := g.wakeLanes(ctx, ch)
	if err != nil && ctx.Err() == nil {
		ch.log.Error("the journal's pending lanes cannot be read", "error", err)
	}
	return err == nil
}

// sweep erases what the journal keeps no longer, a bounded step at a time.
func (g *Gateway) sweep(ctx context.Context) {
	for ctx.Err() == nil {
		n, err := g.journal.Sweep(ctx)
		if err != nil && ctx.Err() == nil {
			g.log.Error("the journal cannot be swept", "error", err)
		}
		if n == 0 || err != nil {
			return
		}
	}
}
