package gateway

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"servicelink/connectors"
)

// The drift watch: what was set up right goes wrong months later, and nobody is
// told. So every channel is examined again and again, as servicelink doctor does
// it, and what takes nothing from anybody is put right at once (watch_mend.go).

const (
	// firstLook and what is added to it at random, so that many channels do not begin
	// at once, is after what time a channel is looked at first.
	firstLook, firstLookSpread = 5 * time.Second, 45 * time.Second
	// looksAtOnce is how many channels are looked at at a time.
	looksAtOnce = 8
	// mendTimeout bounds one Register; examineTime one examination.
	mendTimeout = time.Minute
	// lookAgain is how soon after a look a channel is looked at again because that found
	// something new, or because it has fallen ill or recovered since.
	lookAgain = time.Minute
)

// looked is what the watch has seen of one channel, or of the gateway itself.
type looked struct {
	mu      sync.Mutex
	first   time.Time // when the first look is due; zero = not watched yet
	last    time.Time // when the last one began; zero = there was none
	looking bool
	ill     bool // how the channel was then
	news    bool // it found something new, which may have been a moment's

	at     time.Time // when checks were found; zero = not yet
	checks []connectors.Check
	since  map[connectors.CheckName]time.Time // when it began, of those that are not well
}

// turn tells whether it is time for a look, which then begins.
func (l *looked) turn(now time.Time, every time.Duration, ill bool) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.first.IsZero():
		l.first = now.Add(firstLook + rand.N(firstLookSpread)) //nolint:gosec // spreads load, guards nothing
		return false
	case l.looking, now.Before(l.first):
		return false
	case (l.news || ill != l.ill) && now.Sub(l.last) >= lookAgain:
	case now.Sub(l.last) < every:
		return false
	}
	l.looking, l.ill, l.last, l.news = true, ill, now, false
	return true
}

// end says that a look is over.
func (l *looked) end() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.looking = false
}

// keep takes over what was found, and gives what has changed: what is not well and
// was not, or was otherwise, and what is well again.
func (l *looked) keep(checks []connectors.Check, now time.Time) (worse, well []connectors.Check) {
	l.mu.Lock()
	defer l.mu.Unlock()
	since := make(map[connectors.CheckName]time.Time)
	for _, c := range checks {
		before := find(l.checks, c.Name)
		switch bad, was := unwell(c), unwell(before); {
		case bad && was && c.Fault == before.Fault:
			since[c.Name] = l.since[c.Name]
		case bad:
			since[c.Name] = now
			worse = append(worse, c)
		case was && c.State == connectors.CheckOK:
			well = append(well, c)
		}
	}
	l.checks, l.since, l.at, l.news = checks, since, now, len(worse) > 0
	return worse, well
}

// found gives the latest checks, when they were made, and since when what is not well
// is so. None may be changed.
func (l *looked) found() (checks []connectors.Check, at time.Time, since map[connectors.CheckName]time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.checks, l.at, l.since
}

// seen is when the latest checks were made; before there are any, when they were due.
// Zero = it is not watched yet.
func (l *looked) seen() time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.at.IsZero() {
		return l.first
	}
	return l.at
}

func unwell(c connectors.Check) bool {
	return c.State == connectors.CheckFailed || c.State == connectors.CheckWarning
}

// find gives the check of that name, or an empty one.
func find(checks []connectors.Check, name connectors.CheckName) connectors.Check {
	for _, c := range checks {
		if c.Name == name {
			return c
		}
	}
	return connectors.Check{}
}

// watch looks at every channel and at the gateway again and again until ctx ends.
// A look ends with the life of what is looked at.
func (g *Gateway) watch(ctx context.Context) {
	slots := make(chan struct{}, looksAtOnce)
	begin := func(life *life, l *looked, look func(context.Context)) {
		select {
		case slots <- struct{}{}:
		case <-ctx.Done():
			l.end()
			return
		}
		done := func() { l.end(); <-slots }
		if !life.spawn(func() { defer done(); look(life.lanes) }) {
			done()
		}
	}
	for ctx.Err() == nil {
		if every := g.config().Limits.WatchEvery; every > 0 { // 0 = tests
			if g.self.turn(time.Now(), every, false) {
				begin(g.life, &g.self, func(ctx context.Context) { g.lookAtSelf(ctx) })
			}
			for _, ch := range g.now().ordered {
				if ch.cfg.Enabled && ch.looked.turn(time.Now(), every, ch.ill()) {
					begin(ch.life, &ch.looked, func(ctx context.Context) { g.lookAndMend(ctx, ch, every) })
				}
			}
		}
		sleep(ctx, time.Second)
	}
}

// ill: something is wrong that an examination may explain.
func (ch *channel) ill() bool {
	return ch.limits.cause() != nil || ch.limits.refusal() != nil || ch.deafFor() != ""
}

// lookAtSelf examines what is no channel's.
func (g *Gateway) lookAtSelf(ctx context.Context) []connectors.Check {
	checks := append(g.examineFile(), g.examineSelf(ctx, true)...)
	if ctx.Err() == nil {
		keepLook(g.log, &g.self, checks)
	}
	return checks
}

// lookAt examines a channel. What is found is not kept when the look was given up.
func (g *Gateway) lookAt(ctx context.Context, ch *channel) []connectors.Check {
	checks := g.examineWithPort(ctx, ch, true)
	if ctx.Err() == nil {
		keepLook(ch.log, &ch.looked, checks)
	}
	return checks
}

// lookAndMend examines a channel, puts right what may be, and looks again then.
func (g *Gateway) lookAndMend(ctx context.Context, ch *channel, every time.Duration) {
	checks := g.lookAt(ctx, ch)
	if ctx.Err() != nil {
		return
	}
	if broken := g.mend(ctx, ch, checks, every); len(broken) > 0 && ctx.Err() == nil {
		checks = g.lookAt(ctx, ch)
		g.mended(ch, broken, checks)
	}
}

// keepLook keeps what a look found, and logs what is new in it.
func keepLook(log *slog.Logger, l *looked, checks []connectors.Check) {
	worse, well := l.keep(checks, time.Now())
	for _, c := range worse {
		log.Warn("the set-up is not well", "check", string(c.Name), "fault", string(c.Fault), "code", c.Code, "found", c.Found, "hint", c.Cure)
	}
	for _, c := range well {
		log.Info("the set-up is well again", "check", string(c.Name))
	}
}
