package main

import (
	"context"
	"errors"
	"log/slog"

	"servicelink/config"
	"servicelink/gateway"
)

// reloader reads the configuration again on demand. What is asked for while it
// is at it is one more reading afterwards.
type reloader struct {
	path    string
	g       *gateway.Gateway
	level   *slog.LevelVar
	manager *supervisor
	log     *slog.Logger
	asked   chan struct{}
}

func newReloader(path string, g *gateway.Gateway, level *slog.LevelVar, manager *supervisor, log *slog.Logger) *reloader {
	return &reloader{path, g, level, manager, log, make(chan struct{}, 1)}
}

// ask never waits: signals must be heard while channels end in order.
func (r *reloader) ask() {
	select {
	case r.asked <- struct{}{}:
	default:
	}
}

// run reads until ctx ends.
func (r *reloader) run(ctx context.Context) {
	for {
		select {
		case <-r.asked:
			r.manager.reloading()
			r.manager.reloaded(r.read(ctx))
		case <-ctx.Done():
			return
		}
	}
}

// read takes the file over as a whole, or leaves everything as it was and logs
// every mistake. It gives the outcome in a few words.
func (r *reloader) read(ctx context.Context) (outcome string) {
	cfg, err := load(r.path)
	if err == nil {
		err = r.g.Reload(ctx, cfg)
	}
	if errors.Is(err, gateway.ErrStopping) || ctx.Err() != nil {
		return "stopping"
	}
	r.g.ConfigRead(err == nil)
	if err != nil {
		for _, problem := range config.Flatten(err) {
			r.log.Error("configuration not read again", "problem", problem.Error())
		}
		return "the configuration has a mistake, the earlier one is in force; see the log"
	}
	for _, warning := range cfg.Warnings {
		r.log.Warn("configuration", "warning", warning.Error())
	}
	setLevel(r.level, cfg.Log.Level)
	r.log.Info("configuration read again", "channels", len(cfg.Channels), "level", r.level.Level().String())
	return "the configuration was read again"
}
