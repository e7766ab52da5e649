package gateway

import (
	"servicelink/config"
	"servicelink/gateway/tracing"
)

// newTracing makes what follows messages; nil unless it is configured.
func (g *Gateway) newTracing(cfg *config.Config) *tracing.Tracer {
	instance, err := cfg.InstanceName()
	if err != nil {
		instance = "" // the link says what is wrong with it
	}
	return tracing.New(cfg.Tracing, tracing.Options{
		Version: g.opts.Version, Instance: instance, Log: g.log,
		Port: func(channel string) string {
			if ch := g.channel(channel); ch != nil {
				return ch.cfg.Port
			}
			return ""
		},
	})
}
