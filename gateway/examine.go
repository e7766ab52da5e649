package gateway

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"servicelink/config"
	"servicelink/connectors"
)

// channelsAtOnce is how many channels are examined at a time.
const channelsAtOnce = 8

// Examine looks at everything while no gateway runs here. It claims no Port, takes no
// message, and leaves nothing behind. Where public.listen is free it listens there
// meanwhile, so that the networks' way can be tried before the first start; a call that
// brings something is answered so that the network brings it again.
//
// A configuration with mistakes is examined as far as it goes: the channels that cannot
// be built are left out, each mistake is a Check. What the file itself has wrong is the
// caller's to add by ConfigChecks.
func Examine(ctx context.Context, cfg *config.Config, opts Options) Diagnosis {
	d := Diagnosis{At: time.Now().UTC()}
	g, err := New(cfg, opts)
	if err != nil {
		d.add(nil, ConfigChecks(err)...)
		if g, err = New(without(cfg, err), opts); err != nil {
			d.ports(cfg)
			d.add(nil, tryJournal(cfg.Journal, opts.Room))
			return d
		}
	} else {
		d.add(nil, wellCheck(connectors.CheckConfig, "it has no mistakes"))
	}
	defer func() {
		g.media.close()
		g.life.stopHard()
		for _, ch := range g.now().ordered {
			_ = ch.close() // it was only lent
		}
	}()
	stop, refused := g.listenOnTrial() //nolint:contextcheck // it ends with the examination, whatever ctx says
	defer stop()
	d.add(nil, refused...)
	d.add(nil, g.examineSelf(ctx, false)...)
	d.ports(cfg)
	g.examineChannels(ctx, &d, "", g.elsewhere(ctx))
	return d
}

// elsewhere tells whether another process seems to run this gateway: what would disturb
// it is not asked then.
func (g *Gateway) elsewhere(ctx context.Context) bool {
	cfg := g.config()
	if cfg.Journal.Driver != "memory" && locked(cfg.Journal.Path) {
		return true
	}
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", cfg.Private.Listen)
	if err != nil {
		return errors.Is(err, syscall.EADDRINUSE)
	}
	_ = l.Close() // nobody had it
	return false
}

// Examine looks at everything now, while the gateway runs.
func (g *Gateway) Examine(ctx context.Context) Diagnosis { return g.examineOnly(ctx, "") }

// examineOnly is Examine for one channel, or for all without a name.
func (g *Gateway) examineOnly(ctx context.Context, channel string) Diagnosis {
	d := Diagnosis{At: time.Now().UTC(), Running: true}
	d.add(nil, g.lookAtSelf(ctx)...)
	g.examineChannels(ctx, &d, channel, true)
	d.Checks = append(d.Checks, g.examineRunning(&d)...)
	if channel != "" {
		d.Checks = slices.DeleteFunc(d.Checks, func(e Examined) bool { return e.Channel != "" && e.Channel != channel })
	}
	return d
}

// examineSelf looks at what is no channel's.
func (g *Gateway) examineSelf(ctx context.Context, running bool) (checks []connectors.Check) {
	checks = g.examinePublic(ctx)
	if running {
		checks = append(append(checks, g.examineCore()...), g.examineJournal())
	} else {
		checks = append(append(checks, g.tryCore(ctx)...), tryJournal(g.config().Journal, g.opts.Room))
	}
	return append(checks, g.examineFiles()...)
}

// examineChannels adds what is found of the channels, in their order. running: a gateway
// serves them, this process or another one.
func (g *Gateway) examineChannels(ctx context.Context, d *Diagnosis, only string, running bool) {
	channels := g.now().ordered
	found := make([][]connectors.Check, len(channels))
	var work errgroup.Group
	work.SetLimit(channelsAtOnce)
	for i, ch := range channels {
		if only != "" && ch.cfg.Name != only {
			continue
		}
		work.Go(func() error {
			if g.link != nil && ch.cfg.Enabled {
				found[i] = g.lookAt(ctx, ch)
				if ch.hears() {
					found[i] = append(found[i], ch.examineTraffic(time.Now()))
				}
			} else {
				found[i] = g.examineWithPort(ctx, ch, running)
			}
			return nil
		})
	}
	_ = work.Wait() // none fails
	for i, ch := range channels {
		checks := found[i]
		if only != "" && ch.cfg.Name != only {
			continue
		}
		checks = slices.DeleteFunc(checks, func(c connectors.Check) bool { return d.has(ch.cfg.Name, c) })
		d.add(ch, checks...)
	}
}

// examineWithPort is examineChannel, and whether the core knows the Port.
func (g *Gateway) examineWithPort(ctx context.Context, ch *channel, running bool) []connectors.Check {
	checks := g.examineChannel(ctx, ch, running)
	if ch.cfg.Enabled && !ch.isGateway() {
		checks = append(checks, g.examinePort(ch))
	}
	return checks
}

// has tells whether the same was found of that channel already.
func (d *Diagnosis) has(channel string, c connectors.Check) bool {
	return slices.ContainsFunc(d.Checks, func(e Examined) bool { return e.Channel == channel && e.Name == c.Name && e.Fault == c.Fault })
}

// ports names the channels of a configuration that claim one Port: such a
// configuration is refused, so that none of them may have been built.
func (d *Diagnosis) ports(cfg *config.Config) {
	for i, c := range cfg.Channels {
		for j, other := range cfg.Channels {
			if i != j && c.Enabled && other.Enabled && c.Port == other.Port {
				d.Checks = append(d.Checks, Examined{Channel: c.Name, Network: c.Network, Check: portTwice(c.Port, other.Name)})
				break
			}
		}
	}
}

// without leaves out the channels and gateways that have mistakes.
func without(cfg *config.Config, err error) *config.Config {
	good := *cfg
	good.Channels = leaveOut(cfg.Channels, "channels[", err)
	good.Messages.Gateways = leaveOut(cfg.Messages.Gateways, "messages.gateways[", err)
	return &good
}

// leaveOut leaves out of a list in the file what the problems are about.
func leaveOut[T any](all []T, list string, err error) (good []T) {
	bad := make(map[int]bool)
	for _, p := range config.Flatten(err) {
		rest, ok := strings.CutPrefix(p.Path, list)
		number, _, _ := strings.Cut(rest, "]")
		if i, err := strconv.Atoi(number); ok && err == nil {
			bad[i] = true
		}
	}
	for i, one := range all {
		if !bad[i] {
			good = append(good, one)
		}
	}
	return good
}

// listenOnTrial answers at public.listen while no gateway does. Somebody who is there
// already may be one.
func (g *Gateway) listenOnTrial() (stop func(), checks []connectors.Check) {
	stop = func() {}
	if g.media.links == nil {
		return stop, nil
	}
	hooks := g.hooks(g.now().ordered)
	for i := range hooks {
		hooks[i].Deliver = func(context.Context, []connectors.Event) error {
			return fmt.Errorf("%w: on trial", connectors.ErrUnavailable)
		}
	}
	handler, err := newPublicHandler(g.config().Public, hooks, g.metrics.unknown, g.log)
	if err != nil {
		return stop, ConfigChecks(err)
	}
	s := newHTTPServer("public", g.config().Public.Listen, g.config().Public.TLS, g.media.front(handler), g.log)
	s.bind = g.opts.Listen
	if err := s.Listen(); err != nil {
		if errors.Is(err, syscall.EADDRINUSE) {
			return stop, nil
		}
		return stop, []connectors.Check{failCheck(connectors.CheckConfig, connectors.FaultConfig, oneLine(err.Error()),
			"correct public.listen or public.tls")}
	}
	var serving sync.WaitGroup
	serving.Go(func() {
		if err := s.Serve(); err != nil && !errors.Is(err, http.ErrServerClosed) {
			g.log.Warn("the listener on trial ended", "error", err)
		}
	})
	return func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = s.Shutdown(ctx) // what is left is cut off
		serving.Wait()
	}, nil
}
