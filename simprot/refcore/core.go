package refcore

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"servicelink/simprot"
)

// ErrClosed is returned by a Core that was closed.
var ErrClosed = errors.New("refcore: closed")

// Core is a reference core. Make one with New.
type Core struct {
	opts     Options
	broken   ruleSet
	store    Store
	desk     *desk
	deskErr  error // why the store gave no messages
	server   *simprot.Server
	agentID  uuid.UUID
	offences *offenceBook
	faults   *faultScript
	hub      *hub
	log      *slog.Logger

	fenced, taken, said atomic.Int64

	forgot atomic.Bool // Restart took the data away

	running sync.WaitGroup // Serve calls

	mu      sync.RWMutex
	closed  bool
	stops   []context.CancelFunc // one for each Serve
	conns   map[uint64]*conn
	ports   map[portKey]*port
	signals map[string]simprot.Signal // by Port
	signal  simprot.Signal            // of every other Port
}

type portKey struct{ peer, port string }

// port is the live state of one (Peer, Port); what must outlive a restart is
// in the Store.
type port struct {
	key portKey

	mu        sync.Mutex // see the package comment
	claim     *conn      // the connection whose RESYNC came last, also after its end
	requested time.Time  // when the last ES_CHAT_REQUEST was answered
	answered  simprot.Signal
	typing    map[uuid.UUID]time.Time // by chat: the customer types, until then
	until     map[uuid.UUID]time.Time // by chat: ReplyUntil of its last sentence that had one
	manifest  *simprot.PortManifest   // of the last RESYNC
	awaited   awaited
}

// New makes a Core. Options are checked by Serve; until Serve is called the
// agent's side works already.
func New(o Options) *Core {
	o = o.withDefaults()
	broken := newRuleSet(o.Break)
	c := &Core{
		opts: o, broken: broken, store: o.Store, agentID: uuid.New(),
		offences: newOffenceBook(), faults: newFaultScript(o.FaultSeed, broken.faults()), hub: newHub(), log: o.Logger,
		conns: map[uint64]*conn{}, ports: map[portKey]*port{}, signals: map[string]simprot.Signal{}, signal: o.Signal,
	}
	c.desk, c.deskErr = newDesk(o.Store)
	c.server = simprot.NewServer(simprot.ServerConfig{
		Welcome: simprot.Welcome{
			Server: "servicelink reference core", Version: simprot.Version, MaxFrame: int64(o.MaxFrame),
			KeepAlive: c.pingEvery(), Fences: o.Fences, Asks: o.Asks,
		},
		Login: !o.NoLogin, TLS: c.serverTLS(), Encoding: o.Encoding, MaxFrame: o.MaxFrame,
		Authenticate: c.authenticate,
		OnLogin:      func(s *simprot.ServerConn) { c.connected(s) },
		OnPacket:     func(s *simprot.ServerConn, p simprot.Packet) { c.onPacket(s, p) },
		OnClose:      func(s *simprot.ServerConn, _ error) { c.disconnected(s.ID()) },
		OnBad:        func(s *simprot.ServerConn, err error) { c.onBad(s, err) },
	})
	return c
}

// Serve speaks SimProt on l until ctx ends or the Core is closed, then closes
// l and returns nil. It may be called again, also with another listener; on a
// Core that is closed already it returns ErrClosed, unless ctx has ended, too:
// both ends are one then, and which is seen first is chance.
func (c *Core) Serve(ctx context.Context, l net.Listener) error {
	if err := c.opts.Validate(); err != nil {
		_ = l.Close()
		return err
	}
	if c.deskErr != nil {
		_ = l.Close()
		return fmt.Errorf("refcore: messages: %w", c.deskErr)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if !c.begin(cancel) {
		_ = l.Close()
		if ctx.Err() != nil {
			return nil
		}
		return ErrClosed
	}
	defer c.running.Done()
	if err := c.server.Serve(ctx, c.tampered(l)); err != nil && ctx.Err() == nil {
		return fmt.Errorf("refcore: serve: %w", err)
	}
	return nil
}

// begin counts a Serve in, unless the Core is closed.
func (c *Core) begin(stop context.CancelFunc) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return false
	}
	c.running.Add(1)
	c.stops = append(c.stops, stop)
	return true
}

// Close ends every Serve, every connection and every subscription, and waits
// for them. The Store keeps its data.
func (c *Core) Close() error {
	c.mu.Lock()
	c.closed = true
	for _, stop := range c.stops {
		stop()
	}
	c.mu.Unlock()
	c.running.Wait()
	c.desk.close()
	c.hub.close()
	return nil
}

// authenticate returns the reason of SP_REFUSED, or "".
func (c *Core) authenticate(l simprot.Login) string {
	if reason := c.faults.refusal(); reason != "" {
		return reason
	}
	// Both are compared in every case: how long it takes tells nothing.
	account := simprot.SecretEqual(l.Account, c.opts.Account)
	secret := simprot.SecretEqual(l.Secret, c.opts.Secret)
	switch {
	case (!account || !secret) && !c.broken[RuleCredentials]:
		return "credentials"
	case l.Version != simprot.Version:
		return "version"
	case l.Peer == "" || (c.opts.Peer != "" && l.Peer != c.opts.Peer):
		return "peer"
	}
	return ""
}

// connected registers a connection.
func (c *Core) connected(l link) {
	peer := l.Login().Peer
	if c.opts.NoLogin {
		peer = c.opts.Peer
	}
	k := newConn(l, peer, c.log)
	c.mu.Lock()
	c.conns[k.id] = k
	c.mu.Unlock()
	k.log.Info("gateway connected", "instance", k.instance, "remote", k.remote)
	c.hub.publish(Event{Kind: EventConnection})
}

// disconnected forgets a connection. A Port it claimed stays claimed: the
// fence holds until another one sends RESYNC.
func (c *Core) disconnected(id uint64) {
	c.mu.Lock()
	k := c.conns[id]
	delete(c.conns, id)
	c.mu.Unlock()
	if k == nil {
		return
	}
	k.gone.Store(true)
	c.offences.end(id)
	k.log.Info("gateway disconnected")
	c.hub.publish(Event{Kind: EventConnection})
}

func (c *Core) onPacket(l link, p simprot.Packet) {
	c.mu.RLock()
	k := c.conns[l.ID()]
	c.mu.RUnlock()
	switch {
	case k == nil:
	case c.broken[RuleOrder] && p.Code == simprot.CodeChatSentenceIn && k.everySecond():
		time.AfterFunc(outOfOrder, func() { c.receive(k, p) })
	default:
		c.receive(k, p)
	}
}

func (c *Core) onBad(l link, err error) {
	c.mu.RLock()
	k := c.conns[l.ID()]
	c.mu.RUnlock()
	o := OffenceUndecodable
	var unknown *simprot.UnknownCodeError
	switch {
	case errors.As(err, &unknown):
		o = OffenceUnknownCode
	case errors.Is(err, simprot.ErrFrameTooLong):
		o = OffenceOversize
	}
	c.offend(k, o, err.Error())
	if k != nil && c.broken[map[Offence]Rule{
		OffenceUndecodable: RuleUndecodable, OffenceUnknownCode: RuleUnknownCode, OffenceOversize: RuleTooLong,
	}[o]] {
		k.abort(errDropped)
	}
}

// offend counts an offence. where must carry no text of a customer.
func (c *Core) offend(k *conn, o Offence, where string) {
	if c.offences.add(k, o, where) {
		id := uint64(0)
		if k != nil {
			id = k.id
		}
		c.log.Warn("offence", "offence", string(o), "conn", id, "where", where)
	}
	c.hub.publish(Event{Kind: EventOffence, Offence: o})
}

// portOf finds or makes the state of a Port.
func (c *Core) portOf(key portKey) *port {
	c.mu.RLock()
	p := c.ports[key]
	c.mu.RUnlock()
	if p != nil {
		return p
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if p = c.ports[key]; p == nil {
		p = &port{key: key, typing: map[uuid.UUID]time.Time{}, until: map[uuid.UUID]time.Time{}}
		c.ports[key] = p
	}
	return p
}

// allPorts returns the Ports seen so far.
func (c *Core) allPorts() []*port {
	c.mu.RLock()
	defer c.mu.RUnlock()
	out := make([]*port, 0, len(c.ports))
	for _, p := range c.ports {
		out = append(out, p)
	}
	return out
}

// Drop resets every gateway connection now and returns how many there were.
func (c *Core) Drop() int { return c.drop(errDropped) }

func (c *Core) drop(reason error) int {
	c.mu.RLock()
	all := make([]*conn, 0, len(c.conns))
	for _, k := range c.conns {
		all = append(all, k)
	}
	c.mu.RUnlock()
	for _, k := range all {
		k.abort(reason)
	}
	return len(all)
}

// Restart does what killing and starting a core does: every connection is
// reset, claims, typing, manifests and reply windows are forgotten and, unless keepData is set, so are
// all chats. Offences, faults and signals stay: they belong to the test.
func (c *Core) Restart(keepData bool) error {
	c.drop(errRestart)
	// With every Port's lock taken once, whatever a dropped connection had in
	// hand is done, and the rest of it is not handled any more.
	for _, p := range c.allPorts() {
		p.mu.Lock()
		p.claim = nil
		p.requested, p.answered = time.Time{}, ""
		clear(p.typing)
		clear(p.until)
		p.manifest = nil
		if !keepData {
			p.awaited = awaited{}
		}
		p.mu.Unlock()
	}
	if keepData {
		return nil
	}
	c.forgot.Store(true)
	if err := c.store.Reset(); err != nil {
		return fmt.Errorf("refcore: restart: %w", err)
	}
	if err := c.desk.load(); err != nil {
		return fmt.Errorf("refcore: restart: %w", err)
	}
	c.hub.publish(Event{Kind: EventReset})
	return nil
}
