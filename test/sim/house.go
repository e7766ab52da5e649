package sim

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"

	"servicelink/config"
	"servicelink/connectors"
	"servicelink/gateway"
	"servicelink/gateway/journal"
)

// life is one process of the gateway.
type life struct {
	n       int
	dead    bool // killed: nothing it does reaches anybody
	ended   uint64
	gen     int // of its journal
	wires   []*wire
	journal *simJournal
	public  *listener
	stop    context.CancelFunc
	done    chan error
	ready   bool
	stopped bool // told to
	orderly bool // and has
	stopAt  time.Time
}

// start starts a process on the disk as it is. w.mu is held.
func (w *world) start() {
	l := &life{n: len(w.lives) + 1, gen: w.disk.gen, public: newListener(), done: make(chan error, 1)}
	w.lives = append(w.lives, l)
	w.life = l
	w.note("gateway %d starts", l.n)
	ctx, cancel := context.WithCancel(w.ctx)
	l.stop = cancel
	go func() { l.done <- w.run(ctx, l) }()
}

func (w *world) run(ctx context.Context, l *life) error {
	var devices []connectors.DeviceDefinition
	if w.msgs != nil {
		devices = w.msgs.devices(l)
	}
	gw, err := gateway.New(w.config(l), gateway.Options{
		Definitions: w.definitions(l), Devices: devices,
		Log:     w.logger(),
		Dial:    func(ctx context.Context, _, _ string) (net.Conn, error) { return w.dial(ctx, l) },
		Journal: func(o journal.Options) (journal.Journal, error) { return w.openJournal(l, o) },
		Listen:  l.listen,
		OnReady: func() {
			w.mu.Lock()
			defer w.mu.Unlock()
			l.ready = true
		},
	})
	if err != nil {
		return fmt.Errorf("new: %w", err)
	}
	return gw.Run(ctx)
}

func (w *world) logger() *slog.Logger {
	if !w.plan.Verbose {
		return nil
	}
	return slog.New(slog.NewTextHandler(logLines{w}, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}}))
}

type logLines struct{ w *world }

func (l logLines) Write(b []byte) (int, error) {
	l.w.mu.Lock()
	defer l.w.mu.Unlock()
	l.w.note("    log: %s", string(b[:len(b)-1]))
	return len(b), nil
}

func (w *world) openJournal(l *life, o journal.Options) (journal.Journal, error) {
	j := &simJournal{w: w, life: l, ends: make(map[int64]journal.Change)}
	if l.gen == 1 && !w.disk.volatile {
		j.age = w.disk.age
	}
	o.OnCommit = j.onCommit(o.OnCommit)
	inner, err := w.disk.open(w.ctx, o)
	if err != nil {
		return nil, err
	}
	j.Journal = inner
	w.mu.Lock()
	l.journal = j
	w.mu.Unlock()
	return j, nil
}

var errAway = errors.New("connection refused")

// dial connects a process with the core.
func (w *world) dial(ctx context.Context, l *life) (net.Conn, error) {
	w.mu.Lock()
	// The client's own pause is drawn where no seed reaches; making the connection
	// takes as long as to hide how long it was.
	wait := 2 * time.Millisecond
	if len(l.wires) > 0 {
		at := l.wires[len(l.wires)-1].endedAt.Add(250*time.Millisecond + w.dice.upTo(drawDial, uint64(l.n), 500*time.Millisecond))
		wait = max(wait, time.Until(at))
	}
	w.mu.Unlock()
	if err := pause(ctx, wait); err != nil {
		return nil, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.core.away || l.dead {
		return nil, errAway
	}
	return w.connect(l), nil
}

// crash kills the process as kill -9 does, and starts another one later; wipe
// throws its journal away. w.mu is held.
func (w *world) crash(down time.Duration, wipe bool) {
	l := w.life
	if l == nil {
		return
	}
	w.note("gateway %d crashes (journal thrown away: %v)", l.n, wipe)
	w.faults["crash"]++
	w.end(l)
	if err := w.disk.crash(); err != nil {
		w.violate("the journal cannot be copied: %v", err)
	}
	w.collect(l, wipe || w.disk.volatile)
	if wipe {
		w.disk.fresh()
	}
	w.restartIn(down)
}

// end takes everything from a process. w.mu is held.
func (w *world) end(l *life) {
	l.dead = true
	l.ended = w.step()
	w.life = nil
	for _, x := range l.wires {
		x.sever()
	}
	l.public.kill()
	l.stop()
}

func (w *world) restartIn(d time.Duration) {
	w.after(d, w.startAgain)
}

func (w *world) startAgain() {
	if w.life == nil {
		w.start()
	}
}

// stopOrderly ends the process in order and waits for it.
func (w *world) stopOrderly() {
	w.mu.Lock()
	l := w.life
	if l == nil {
		w.mu.Unlock()
		return
	}
	l.stopped, l.stopAt = true, time.Now()
	w.note("gateway %d is told to stop", l.n)
	l.stop()
	w.mu.Unlock()
	late := time.AfterFunc(stopTime, func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		if !l.dead {
			w.cry("stop: gateway %d does not stop within %v", l.n, stopTime)
		}
	})
	err := <-l.done
	l.done <- err
	late.Stop()
	w.mu.Lock()
	defer w.mu.Unlock()
	if l.dead {
		return // it was killed meanwhile
	}
	if err != nil {
		w.violate("stop: %v", err)
	}
	w.note("gateway %d has stopped", l.n)
	l.orderly = true
	w.end(l)
	if w.disk.volatile {
		w.disk.fresh()
	}
}

// stopTime is what an orderly stop may take: limits.stop, and the link's
// goodbye.
const stopTime = 30 * time.Second

func (w *world) config(l *life) *config.Config {
	s := &w.plan.Settings
	instance := "gw-1"
	if s.NewInstance {
		instance = fmt.Sprintf("gw-%d", l.n)
	}
	encoding := "msgpack"
	if s.JSON {
		encoding = "json"
	}
	c := &config.Config{
		Core: config.Core{
			Address: "core:18321", Peer: peer, Account: "gw", Secret: config.NewSecret(secret),
			Instance: instance, Encoding: encoding, Login: s.Core.Login, Settle: coreSettle, Window: s.Window,
			UnknownOutbound: s.UnknownOutbound,
		},
		Journal: config.Journal{KeepContent: 48 * time.Hour, KeepIDs: 192 * time.Hour},
		Limits:  config.Limits{Deadline: s.Deadline, Stop: 15 * time.Second},
		Texts:   config.Texts{Closed: map[string]string{"en": closedText}},
		Public:  config.Public{Listen: "public"}, Private: config.Private{Listen: "private"},
	}
	if w.msgs != nil {
		c.Messages = w.msgs.config()
	}
	for _, n := range w.nets {
		c.Channels = append(c.Channels, config.Channel{
			Name: n.name, Network: "sim", Enabled: true, Port: n.port, Culture: "en",
			WhenClosed: n.closed, Unknown: n.unknown, Confirm: n.confirm,
		})
	}
	return c
}

// coreSettle is core.settle.
const coreSettle = 2 * time.Second

func (w *world) definitions(l *life) []connectors.Definition {
	return []connectors.Definition{{Network: "sim", New: func(c config.Channel, _ connectors.Dependencies) (connectors.Connector, error) {
		for _, n := range w.nets {
			if n.name == c.Name {
				return n.connector(l), nil
			}
		}
		return nil, errors.New("no such network")
	}}}
}

// listener takes calls without a socket.
type listener struct {
	calls  chan net.Conn
	closed chan struct{}
	once   sync.Once
	mu     sync.Mutex
	open   []net.Conn
	dead   bool
}

func newListener() *listener {
	return &listener{calls: make(chan net.Conn), closed: make(chan struct{})}
}

// listen gives the process its public listener; nobody calls the private one.
func (l *life) listen(_ context.Context, _, address string) (net.Listener, error) {
	if address == "public" {
		return l.public, nil
	}
	return newListener(), nil
}

func (l *listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.calls:
		return local{c}, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *listener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

func (l *listener) Addr() net.Addr { return loopback }

// call connects a caller.
func (l *listener) call(ctx context.Context) (net.Conn, error) {
	ours, theirs := net.Pipe()
	l.mu.Lock()
	if l.dead {
		l.mu.Unlock()
		return nil, errAway
	}
	l.open = append(l.open, ours)
	l.mu.Unlock()
	select {
	case l.calls <- theirs:
		return ours, nil
	case <-l.closed:
		return nil, errAway
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// kill breaks every call.
func (l *listener) kill() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.dead = true
	for _, c := range l.open {
		_ = c.Close()
	}
	l.open = nil
}

// local is a pipe's end with an address.
type local struct{ net.Conn }

func (local) RemoteAddr() net.Addr { return loopback }
