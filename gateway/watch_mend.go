package gateway

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"servicelink/connectors"
)

const (
	// mendedShown is how long what was put right stands in the status.
	mendedShown = 24 * time.Hour
	stateMended = "mended" // the name of that entry
)

// mends is what was put right, by what the channels' series are called: a channel that
// is changed has its earlier one's.
type mends struct {
	mu  sync.Mutex
	all map[metricChannel]*mendings
}

type mendings struct {
	tried time.Time
	done  map[connectors.CheckName]mending
}

// mending is what was put right with one check's fault.
type mending struct {
	times int
	at    time.Time // the last of them
	found string    // what was wrong then
}

func (m *mends) of(ch *channel) *mendings {
	c := metricChannel{ch.cfg.Name, ch.cfg.Network}
	if m.all == nil {
		m.all = make(map[metricChannel]*mendings)
	}
	if m.all[c] == nil {
		m.all[c] = &mendings{done: make(map[connectors.CheckName]mending)}
	}
	return m.all[c]
}

// try tells whether a channel may be mended now, and counts that as done.
func (m *mends) try(ch *channel, now time.Time, every time.Duration) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	of := m.of(ch)
	if !of.tried.IsZero() && now.Sub(of.tried) < every {
		return false
	}
	of.tried = now
	return true
}

// note keeps that something was put right.
func (m *mends) note(ch *channel, c connectors.Check, now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	of := m.of(ch)
	of.done[c.Name] = mending{of.done[c.Name].times + 1, now, c.Found}
}

// list gives what was put right of a channel.
func (m *mends) list(ch *channel) map[connectors.CheckName]mending {
	m.mu.Lock()
	defer m.mu.Unlock()
	if of := m.all[metricChannel{ch.cfg.Name, ch.cfg.Network}]; of != nil {
		return maps.Clone(of.done)
	}
	return nil
}

// remove forgets a channel that is not configured any more.
func (m *mends) remove(c metricChannel) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.all, c)
}

// takesFrom are faults of which another system has a part: what it entered is not
// overwritten for the sake of something else that Register puts right.
var takesFrom = []connectors.FaultName{connectors.FaultForeignWebhook, connectors.FaultWrongWebhook, connectors.FaultSecondReader}

// mend registers a channel for which that puts something right and takes nothing from
// anybody, and gives what it was done for. An operator who has paused the channel is
// at work on it.
func (g *Gateway) mend(ctx context.Context, ch *channel, checks []connectors.Check, every time.Duration) (broken []connectors.Check) {
	for _, c := range checks {
		switch {
		case c.State == connectors.CheckFailed && c.Mendable:
			broken = append(broken, c)
		case unwell(c) && slices.Contains(takesFrom, c.Fault):
			return nil
		}
	}
	r, ok := ch.conn.(connectors.Registrar)
	if len(broken) == 0 || !ok || ch.limits.isHeld() || !g.mends.try(ch, time.Now(), every) {
		return nil
	}
	if err := registerSafely(ctx, r); err != nil && ctx.Err() == nil {
		se := connectors.AsSendError(err)
		ch.log.Warn("the set-up could not be put right", "check", string(broken[0].Name), "reason", string(se.Reason), "code", se.Code, "hint", se.Hint)
	}
	return broken
}

// registerSafely registers within bounds; a connector's panic ends here.
func registerSafely(ctx context.Context, r connectors.Registrar) (err error) {
	ctx, cancel := context.WithTimeout(ctx, mendTimeout)
	defer cancel()
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("connector panicked: %T", p)
		}
	}()
	_, err = r.Register(ctx)
	return err
}

// mended notes and tells what is well now of what was broken.
func (g *Gateway) mended(ch *channel, broken, now []connectors.Check) {
	for _, c := range broken {
		if find(now, c.Name).State != connectors.CheckOK {
			continue
		}
		g.mends.note(ch, c, time.Now())
		ch.log.Warn("the set-up was put right", "check", string(c.Name), "fault", string(c.Fault), "code", c.Code, "found", c.Found)
	}
}

// mendedFaults tells for a while what was put right.
func (g *Gateway) mendedFaults(ch *channel, now time.Time) (faults []Fault) {
	done := g.mends.list(ch)
	for _, name := range slices.Sorted(maps.Keys(done)) {
		m := done[name]
		if now.Sub(m.at) >= mendedShown {
			continue
		}
		f := fault(ch.cfg.Name, stateMended, "%s: it was put right at %s: %s", name, m.at.UTC().Format("15:04 UTC"), m.found)
		if m.times > 1 {
			f.Hint += fmt.Sprintf("; %d times since the start: somebody or something undoes it", m.times)
		}
		f.Since = m.at
		faults = append(faults, f)
	}
	return faults
}
