package gateway

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"servicelink/config"
	"servicelink/connectors"
	"servicelink/gateway/journal"
	"servicelink/gateway/tracing"
	"servicelink/simprot"
)

// Options is what the caller lends a Gateway.
type Options struct {
	Definitions []connectors.Definition
	Devices     []connectors.DeviceDefinition // of message gateways
	Log         *slog.Logger                  // nil = nothing is logged
	Version     string
	// OnReady is called once the listeners answer and the journal is open.
	OnReady func()
	// Registry takes the metrics; nil = one of its own.
	Registry *prometheus.Registry

	// Journal stands in for the one the configuration names. Tests.
	Journal func(journal.Options) (journal.Journal, error)
	// Dial makes the transport to the core; nil = TCP. Tests.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// Transport stands in for the network below the egress guard. Tests.
	Transport http.RoundTripper
	// Listen binds a listener's address; nil = TCP. Tests.
	Listen func(ctx context.Context, network, address string) (net.Listener, error)
	// Room gives the bytes free on a folder's disk and all it has; nil = the disk's own.
	// Tests.
	Room func(folder string) (free, all uint64, err error)
}

// Gateway is one running gateway. New checks and builds, Run starts and stops,
// Reload takes another configuration over.
type Gateway struct {
	opts     Options
	log      *slog.Logger
	registry *prometheus.Registry
	metrics  *metrics
	roster   atomic.Pointer[roster] // never nil
	starts   starts

	journal journal.Journal
	link    *simprot.Client
	tracing *tracing.Tracer // nil: nothing is traced
	convs   *registry
	window  *window
	typing  *typing
	traffic traffics
	self    looked // what the watch found of what is no channel's
	mends   mends
	probes  probes // calls of the gateway to itself
	waits   waits
	// messages is what the flows of mail and short messages share.
	messages *messages
	steps    *steps
	flow     *flow

	began        time.Time // the base of monotonic times
	parkedLanes  atomic.Int64
	suspects     suspects
	pauses       pauses
	apps         apps       // that channels share
	backups      oneAtATime // of the journal, and looks through all of it
	verifies     oneAtATime
	examinations oneAtATime
	foreigners   atomic.Int64 // sentences for unserved Ports being asked about
	renewed      atomic.Int64 // when a connection was last renewed, since began; 0 = never

	life     *life
	devices  *devices    // the core's register
	webhooks swapHandler // every channel's, disabled ones too
	media    *media      // customers' and agents' files

	public, private *httpServer
	ready           atomic.Bool
	linkFault       atomic.Pointer[Fault]

	// linking guards the session and, with it, that every Port hears of each
	// session once: of the one that is up when it is claimed, and of later ones.
	linking sync.Mutex
	session *simprot.Session

	// reloading has room for one: who changes the configuration, and in the end
	// who stops the gateway.
	reloading chan struct{}
	serving   context.Context // of what runs until the gateway stops
	up        chan struct{}   // closed when serving is there
}

// New builds every channel and connects to nothing. The error is a
// config.Problems with every mistake found.
func New(cfg *config.Config, opts Options) (*Gateway, error) {
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	if opts.Registry == nil {
		opts.Registry = prometheus.NewRegistry()
	}
	g := &Gateway{
		opts: opts, log: opts.Log, registry: opts.Registry,
		convs: newRegistry(), began: time.Now(), life: newLife(nil), up: make(chan struct{}), reloading: make(chan struct{}, 1),
	}
	g.typing, g.steps, g.devices = newTyping(g), newSteps(), newDevices()
	g.tracing = g.newTracing(cfg)
	g.metrics = newMetrics(g.registry, nil, opts.Version)
	g.metrics.journalLimit(int64(cfg.Journal.MaxBytes))
	g.flow = newFlow(g.metrics, g.began)
	registerState(g.registry, func() bool { return g.ready.Load() && len(g.Ready()) == 0 }, func() int64 {
		return g.parkedLanes.Load() + int64(g.suspects.count())
	})
	add(g.registry, newWatchCollector(g))
	add(g.registry, newDeviceCollector(g))
	g.messages = newMessages(newMessageMetrics(g.registry))
	g.window = newWindow(cfg.Core.Window, func(limit, used int) {
		g.metrics.windowSize(limit)
		g.metrics.windowInUse(used)
	})
	var err error
	if g.media, err = g.newMedia(cfg); err != nil {
		g.life.stopHard()
		return nil, err
	}
	channels, err := g.buildChannels(cfg, nil)
	if err != nil {
		g.life.stopHard()
		return nil, err
	}
	for _, ch := range channels {
		g.count(ch)
	}
	g.enter(newRoster(cfg, channels))
	if err := g.mountWebhooks(cfg.Public, channels); err != nil {
		g.life.stopHard()
		return nil, err
	}
	return g, nil
}

// Run serves until ctx ends, then stops in order: no more webhooks, no new
// steps, what is in flight ends, the link says goodbye, the journal closes.
func (g *Gateway) Run(ctx context.Context) (err error) {
	// The addresses first: a start that fails on one of them leaves no file.
	if err := g.openListeners(); err != nil { //nolint:contextcheck // they are closed in their turn
		return err
	}
	defer g.closeListeners() //nolint:contextcheck // closed after work already

	if err := g.openJournal(); err != nil { //nolint:contextcheck // it is closed last, after ctx
		return err
	}
	defer func() { err = errors.Join(err, g.journal.Close()) }()
	if err := g.openLink(); err != nil {
		return err
	}
	g.private.handle(g.privateHandler())
	g.log.Info("gateway listens", "public", g.PublicAddr(), "private", g.PrivateAddr())
	return g.work(ctx, g.public, g.private)
}

// work runs the engine and serves the listeners, which take nothing before it
// is ready. The first of them is closed first at the end.
func (g *Gateway) work(ctx context.Context, listeners ...*httpServer) error {
	defer g.life.stopHard()
	g.metrics.setSources(g.journal.Ledger, g.states, g.journal.Size)
	g.loadPauses(ctx)
	g.wakeAtStart(ctx)

	// Two lives: the services end when ctx does, the link a little later.
	serve, stopServing := context.WithCancel(ctx)
	defer stopServing()
	linkCtx, stopLink := context.WithCancel(context.WithoutCancel(ctx))
	defer stopLink()
	var link, services errgroup.Group
	link.Go(func() error { return g.link.Run(linkCtx) })
	services.Go(func() error { g.tick(serve); return nil })
	services.Go(func() error { g.keepTraffic(serve); return nil })
	services.Go(func() error { g.watch(serve); return nil })
	services.Go(func() error { g.keepFiles(serve); return nil })
	g.serving = serve
	for _, ch := range g.now().ordered {
		g.startRunner(serve, ch)
	}
	close(g.up)
	services.Go(func() error { g.keepRegister(serve); return nil })
	failed := make(chan error, len(listeners))
	for _, s := range listeners {
		services.Go(func() error {
			if err := s.Serve(); !errors.Is(err, http.ErrServerClosed) {
				failed <- err
			}
			return nil
		})
	}
	g.ready.Store(true)
	g.log.Info("gateway is up", "channels", len(g.now().ordered))
	if g.opts.OnReady != nil {
		g.opts.OnReady()
	}
	var err error
	select {
	case <-ctx.Done():
	case err = <-failed: // a listener died: nothing half-alive is left running
	}
	g.ready.Store(false)
	limit := g.config().Limits.Stop
	budget, cancel := context.WithTimeout(context.WithoutCancel(ctx), limit)
	defer cancel()
	g.log.Info("gateway is stopping", "budget", limit)
	g.media.close() // a large file is no reason to stop later
	if len(listeners) > 0 {
		err = errors.Join(err, listeners[0].Shutdown(budget)) // answers what it has read
	}
	stopServing()             // pollers confirm nothing more
	g.reloading <- struct{}{} // a reload under way has ended its step
	if !g.life.drain(budget) {
		g.log.Warn("stopped before everything in flight had ended; it is asked about at the next start")
	}
	stopLink() // sends the last confirmations and says goodbye
	err = errors.Join(err, link.Wait())
	for _, s := range listeners {
		err = errors.Join(err, s.Shutdown(budget))
	}
	_ = services.Wait()
	for _, ch := range g.now().ordered {
		ch.runner.Wait()
		err = errors.Join(err, ch.close())
	}
	g.log.Info("gateway has stopped")
	return err
}

// PublicAddr and PrivateAddr are where the listeners answer, once ready.
func (g *Gateway) PublicAddr() string { return g.public.Addr().String() }

// PrivateAddr is the address of metrics, health and the admin API.
func (g *Gateway) PrivateAddr() string { return g.private.Addr().String() }

// young: the journal has not lived long enough to know every event a network
// may repeat.
func (g *Gateway) young() bool {
	return g.journal.Volatile() || time.Since(g.journal.Born()) < g.config().Journal.KeepIDs
}

func fault(channel, what, format string, args ...any) Fault {
	return Fault{Channel: channel, What: what, Hint: fmt.Sprintf(format, args...)}
}
