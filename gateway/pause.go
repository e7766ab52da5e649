package gateway

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"sync"
	"time"
)

// A channel that an operator has paused sends nothing to its network and does
// not poll it. What a network brings by itself is taken and goes to the core;
// agents' sentences wait in order, until their deadline. It is kept in the
// journal, by the channel's name: neither a restart nor a reload ends it.

// Errors of pausing.
var (
	errNoChannel = errors.New("no such channel")
	errPaused    = errors.New("the channel is paused already")
	errNotPaused = errors.New("the channel is not paused")
)

// pauses are the paused channels, as the journal has them.
type pauses struct {
	mu  sync.Mutex
	all map[string]time.Time
}

func (p *pauses) has(channel string) bool { return !p.since(channel).IsZero() }

// since is when a channel was paused; zero = it is not.
func (p *pauses) since(channel string) time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.all[channel]
}

// set keeps since when a channel is paused; zero = no more.
func (p *pauses) set(channel string, since time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.all == nil {
		p.all = make(map[string]time.Time)
	}
	p.all[channel] = since
}

// loadPauses takes over what an earlier process paused, before anything is sent.
func (g *Gateway) loadPauses(ctx context.Context) {
	paused, err := g.journal.Paused(ctx)
	for ; err != nil && ctx.Err() == nil; paused, err = g.journal.Paused(ctx) {
		sleep(ctx, journalRetry)
	}
	for name, since := range paused {
		g.pauses.set(name, since)
		if ch := g.channel(name); ch != nil {
			ch.limits.hold(true)
			ch.log.Warn("paused by an operator")
		}
	}
}

// pause pauses a channel or ends that. It returns once the journal has it and
// the channel's Runner, if it has one, rests.
func (g *Gateway) pause(ctx context.Context, name string, on bool) error {
	select { // channels do not change meanwhile, nor does another operator pause
	case g.reloading <- struct{}{}:
		defer func() { <-g.reloading }()
	default:
		return errReloading
	}
	ch := g.channel(name)
	switch held := g.pauses.has(name); {
	case g.serving.Err() != nil:
		return ErrStopping
	case ch == nil:
		return errNoChannel
	case on && held:
		return errPaused
	case !on && !held:
		return errNotPaused
	}
	var since time.Time
	if on {
		since = time.Now()
	}
	if err := g.journal.Pause(ctx, name, since); err != nil {
		return err
	}
	g.pauses.set(name, since)
	ch.limits.hold(on)
	if !on {
		g.startRunner(g.serving, ch) //nolint:contextcheck // it outlives the call
		return nil
	}
	ch.stopRunner()
	ch.runner.Wait()
	return nil
}

// servePause answers POST /api/v1/channels/{channel}/pause and /resume.
func (g *Gateway) servePause(action string, on bool) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		name := r.PathValue("channel")
		ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), adminTimeout)
		defer cancel()
		if err := g.pauseAudited(ctx, action, name, on, r.RemoteAddr); err != nil {
			failAdmin(w, g.log, err)
			return
		}
		writeJSON(w, http.StatusOK, map[string]any{"channel": name, "action": action, "volatile": g.journal.Volatile()})
	}
}

// pauseAudited is pause, with a line in the log that says who did it.
func (g *Gateway) pauseAudited(ctx context.Context, action, name string, on bool, remote string) error {
	err := g.pause(ctx, name, on)
	shown := name
	if g.channel(name) == nil {
		shown = "-" // a name that is none of ours may be anything
	}
	g.log.LogAttrs(ctx, slog.LevelInfo, "admin action", slog.String("action", action), slog.String("channel", shown),
		slog.String("remote", remote), slog.String("result", actionResult(err)))
	return err
}
