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
	path  string
	g     *gateway.Gateway
	level *slog.LevelVar
	log   *slog.Logger
	asked chan struct{}
}

func newReloader(path string, g *gateway.Gateway, level *slog.LevelVar, log *slog.Logger) *reloader {
	return &reloader{path, g, level, log, make(chan struct{}, 1)}
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
			r.read(ctx)
		case <-ctx.Done():
			return
		}
	}
}

// read takes the file over as a whole, or leaves everything as it was and logs
// every mistake.
func (r *reloader) read(ctx context.Context) {
	cfg, err := load(r.path)
	if err == nil {
		err = r.g.Reload(ctx, cfg)
	}
	if errors.Is(err, gateway.ErrStopping) || ctx.Err() != nil {
		return
	}
	r.g.ConfigRead(err == nil)
	if err != nil {
		for _, problem := range config.Flatten(err) {
			r.log.Error("configuration not read again", "problem", problem.Error())
		}
		return
	}
	for _, warning := range cfg.Warnings {
		r.log.Warn("configuration", "warning", warning.Error())
	}
	setLevel(r.level, cfg.Log.Level)
	r.log.Info("configuration read again", "channels", len(cfg.Channels), "level", r.level.Level().String())
}
