package gateway

import (
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

const (
	connections = 4096            // of one listener at once
	peerShare   = connections / 8 // of those, one caller's
	// patientIdle is how long a connection may do nothing when others wait.
	patientIdle = time.Second
	// makeRoom is the time between two looks for such a connection.
	makeRoom = 50 * time.Millisecond
)

// limitListener bounds connections: all of them, and those of one caller, so
// that nobody alone takes every place. When all are taken, the one that has done
// nothing for longest gives its own up to whoever waits.
type limitListener struct {
	net.Listener
	free    chan struct{} // has an entry for each connection
	share   int           // most of one caller
	exempt  []netip.Prefix
	log     *slog.Logger
	refused seldom
	began   time.Time

	once   sync.Once
	closed chan struct{}

	mu      sync.Mutex
	conns   map[*limitedConn]struct{}
	callers map[netip.Prefix]int
}

// newLimitListener bounds l to most connections at once and share of one caller.
// Behind exempt addresses - proxies - are many callers: they have no share.
func newLimitListener(l net.Listener, most, share int, exempt []netip.Prefix, log *slog.Logger) *limitListener {
	return &limitListener{
		Listener: l, free: make(chan struct{}, most), share: share, exempt: exempt, log: log, began: time.Now(),
		closed: make(chan struct{}), conns: make(map[*limitedConn]struct{}), callers: make(map[netip.Prefix]int),
	}
}

// Accept gives the next connection that has a place; one that exceeds its
// caller's share is closed at once.
func (l *limitListener) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		caller := l.callerOf(c.RemoteAddr())
		if !l.enter(caller) {
			_ = c.Close()
			if l.refused.due(time.Now()) {
				l.log.Warn("connections of one caller refused", slog.Int("limit", l.share),
					slog.String("hint", "If it is a proxy, name it in public.trusted_proxies."))
			}
			continue
		}
		if !l.place() {
			l.leave(caller)
			_ = c.Close()
			return nil, net.ErrClosed
		}
		lc := &limitedConn{Conn: c, l: l, caller: caller}
		lc.rests.Store(int64(time.Since(l.began)) + 1)
		l.mu.Lock()
		l.conns[lc] = struct{}{}
		l.mu.Unlock()
		return lc, nil
	}
}

// callerOf is who a connection is counted for: an IPv4 address, or the network
// of 64 bits one customer of a provider has. The zero value is not counted.
func (l *limitListener) callerOf(remote net.Addr) netip.Prefix {
	tcp, ok := remote.(*net.TCPAddr)
	if !ok {
		return netip.Prefix{}
	}
	addr := tcp.AddrPort().Addr().Unmap().WithZone("")
	for _, p := range l.exempt {
		if p.Contains(addr) {
			return netip.Prefix{}
		}
	}
	caller, _ := addr.Prefix(min(addr.BitLen(), 64)) // never fails: the length fits
	return caller
}

func (l *limitListener) enter(caller netip.Prefix) bool {
	if !caller.IsValid() {
		return true
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.callers[caller] >= l.share {
		return false
	}
	l.callers[caller]++
	return true
}

func (l *limitListener) leave(caller netip.Prefix) {
	if !caller.IsValid() {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.callers[caller]--; l.callers[caller] == 0 {
		delete(l.callers, caller)
	}
}

// place waits for one of the places, and makes room while there is none. It is
// false when the listener was closed.
func (l *limitListener) place() bool {
	select {
	case l.free <- struct{}{}:
		return true
	default:
	}
	look := time.NewTicker(makeRoom)
	defer look.Stop()
	for {
		l.evict()
		select {
		case l.free <- struct{}{}:
			return true
		case <-l.closed:
			return false
		case <-look.C:
		}
	}
}

// evict closes the connection that has done nothing for longest, if that is
// long enough.
func (l *limitListener) evict() {
	latest := int64(time.Since(l.began) - patientIdle)
	var longest *limitedConn
	l.mu.Lock()
	for c := range l.conns {
		if since := c.rests.Load(); since != 0 && since < latest {
			longest, latest = c, since
		}
	}
	l.mu.Unlock()
	if longest != nil {
		_ = longest.Close()
	}
}

func (l *limitListener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return l.Listener.Close()
}

// limitedConn gives its place back when it is closed.
type limitedConn struct {
	net.Conn
	l      *limitListener
	caller netip.Prefix
	rests  atomic.Int64 // since when it waits for a call, from the listener's beginning; 0 = it has one
	once   sync.Once
}

func (c *limitedConn) Close() error {
	err := c.Conn.Close()
	c.once.Do(func() {
		c.l.mu.Lock()
		delete(c.l.conns, c)
		c.l.mu.Unlock()
		c.l.leave(c.caller)
		<-c.l.free
	})
	return err
}

// noteState is the server's ConnState hook: it keeps for every connection since
// when it has nothing to do.
func noteState(c net.Conn, state http.ConnState) {
	if outer, ok := c.(interface{ NetConn() net.Conn }); ok { // TLS
		c = outer.NetConn()
	}
	lc, ok := c.(*limitedConn)
	switch {
	case !ok:
	case state == http.StateActive:
		lc.rests.Store(0)
	case state == http.StateIdle:
		lc.rests.Store(int64(time.Since(lc.l.began)) + 1)
	}
}
