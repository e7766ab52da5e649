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
	"servicelink/simprot"
)

// Options is what the caller lends a Gateway.
type Options struct {
	Definitions []connectors.Definition
	Log         *slog.Logger // nil = nothing is logged
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
}

// Gateway is one running gateway. New checks and builds, Run starts and stops.
type Gateway struct {
	cfg      *config.Config
	opts     Options
	log      *slog.Logger
	registry *prometheus.Registry
	metrics  *metrics
	channels map[string]*channel // by name
	ports    map[string]*channel // enabled ones, by Port
	ordered  []*channel          // as configured

	journal journal.Journal
	link    *simprot.Client
	convs   *registry
	window  *window
	typing  *typing
	waits   waits

	began       time.Time // the base of monotonic times
	parkedLanes atomic.Int64
	foreigners  atomic.Int64 // sentences for unserved Ports being asked about
	renewed     atomic.Int64 // when a connection was last renewed, since began; 0 = never

	// lanesCtx ends when no new step may begin; hardCtx when even what is in
	// flight is given up. hardCtx is the parent.
	hardCtx, lanesCtx   context.Context
	stopHard, stopLanes context.CancelFunc
	spawning            sync.RWMutex
	stopped             bool
	lanes               sync.WaitGroup

	webhooks        http.Handler // every channel's, disabled ones too
	public, private *httpServer
	ready           atomic.Bool
	linkFault       atomic.Pointer[Fault]
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
		cfg: cfg, opts: opts, log: opts.Log, registry: opts.Registry,
		channels: make(map[string]*channel), ports: make(map[string]*channel),
		convs: newRegistry(), began: time.Now(),
	}
	g.typing = newTyping(g)
	g.hardCtx, g.stopHard = context.WithCancel(context.Background())
	g.lanesCtx, g.stopLanes = context.WithCancel(g.hardCtx)
	if err := g.buildChannels(); err != nil {
		return nil, err
	}
	labels := []metricChannel{{Name: unknownChannel, Network: unknownChannel}}
	for _, ch := range g.ordered {
		labels = append(labels, metricChannel{Name: ch.cfg.Name, Network: ch.cfg.Network})
	}
	g.metrics = newMetrics(g.registry, labels, opts.Version)
	g.metrics.journalLimit(int64(cfg.Journal.MaxBytes))
	for _, ch := range g.ordered {
		ch.metrics = g.metrics.channel(ch.cfg.Name)
	}
	g.window = newWindow(cfg.Core.Window, func(limit, used int) {
		g.metrics.windowSize(limit)
		g.metrics.windowInUse(used)
	})
	var err error
	if g.webhooks, err = newPublicHandler(cfg.Public, g.hooks(), g.metrics.channel(unknownChannel), g.log); err != nil {
		return nil, config.Problems{{Path: "channels", Message: err.Error()}}
	}
	return g, nil
}

// Check builds every connector without connecting and reports all mistakes, as
// a config.Problems.
func Check(cfg *config.Config, defs []connectors.Definition) error {
	g, err := New(cfg, Options{Definitions: defs})
	if err == nil {
		g.stopHard()
	}
	return err
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
	defer g.stopHard()
	g.metrics.setSources(g.journal.Ledger, g.states, g.journal.Size)
	g.wakeAtStart(ctx)

	// Two lives: the services end when ctx does, the link a little later.
	serve, stopServing := context.WithCancel(ctx)
	defer stopServing()
	linkCtx, stopLink := context.WithCancel(context.WithoutCancel(ctx))
	defer stopLink()
	var link, services errgroup.Group
	link.Go(func() error { return g.link.Run(linkCtx) })
	services.Go(func() error { g.tick(serve); return nil })
	for _, ch := range g.ordered {
		if r, ok := ch.conn.(connectors.Runner); ok && ch.cfg.Enabled {
			services.Go(func() error { g.run(serve, ch, r); return nil })
		}
	}
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
	g.log.Info("gateway is up", "channels", len(g.ordered))
	if g.opts.OnReady != nil {
		g.opts.OnReady()
	}
	var err error
	select {
	case <-ctx.Done():
	case err = <-failed: // a listener died: nothing half-alive is left running
	}
	g.ready.Store(false)
	budget, cancel := context.WithTimeout(context.WithoutCancel(ctx), g.cfg.Limits.Stop)
	defer cancel()
	g.log.Info("gateway is stopping", "budget", g.cfg.Limits.Stop)
	if len(listeners) > 0 {
		err = errors.Join(err, listeners[0].Shutdown(budget)) // answers what it has read
	}
	stopServing() // pollers confirm nothing more
	g.drain(budget)
	stopLink() // sends the last confirmations and says goodbye
	err = errors.Join(err, link.Wait())
	for _, s := range listeners {
		err = errors.Join(err, s.Shutdown(budget))
	}
	_ = services.Wait()
	err = errors.Join(err, g.closeConnectors())
	g.log.Info("gateway has stopped")
	return err
}

// drain ends the lanes: nothing new begins, what is in flight has until the
// budget ends.
func (g *Gateway) drain(budget context.Context) {
	g.stopLanes()
	if !waitFor(budget, g.closeLanes) {
		g.log.Warn("stopped before everything in flight had ended; it is asked about at the next start")
	}
	g.stopHard()
	g.lanes.Wait()
}

func (g *Gateway) closeConnectors() (err error) {
	for _, ch := range g.ordered {
		if c, ok := ch.conn.(connectors.Closer); ok {
			err = errors.Join(err, c.Close())
		}
	}
	return err
}

// spawn starts a goroutine that stop waits for; false: it is too late. The
// function must end soon after lanesCtx or hardCtx does.
func (g *Gateway) spawn(f func()) bool {
	g.spawning.RLock()
	defer g.spawning.RUnlock()
	if g.stopped || g.lanesCtx.Err() != nil {
		return false
	}
	g.lanes.Go(f)
	return true
}

// closeLanes lets no more goroutines begin and waits for those that live.
func (g *Gateway) closeLanes() {
	g.spawning.Lock()
	g.stopped = true
	g.spawning.Unlock()
	g.lanes.Wait()
}

// waitFor reports whether f returned before ctx ended; f goes on otherwise and
// must have its own end.
func waitFor(ctx context.Context, f func()) bool {
	done := make(chan struct{})
	go func() { defer close(done); f() }()
	select {
	case <-done:
		return true
	case <-ctx.Done():
		return false
	}
}

// PublicAddr and PrivateAddr are where the listeners answer, once ready.
func (g *Gateway) PublicAddr() string { return g.public.Addr().String() }

// PrivateAddr is the address of metrics, health and the admin API.
func (g *Gateway) PrivateAddr() string { return g.private.Addr().String() }

// young: the journal has not lived long enough to know every event a network
// may repeat.
func (g *Gateway) young() bool {
	return g.journal.Volatile() || time.Since(g.journal.Born()) < g.cfg.Journal.KeepIDs
}

func fault(channel, what, format string, args ...any) Fault {
	return Fault{Channel: channel, What: what, Hint: fmt.Sprintf(format, args...)}
}
