package simprot

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// ServerConfig is the core's side of ClientConfig. The callbacks of one
// connection come one after the other: OnLogin, any number of OnPacket and
// OnBad, OnClose. Those of different connections run side by side.
type ServerConfig struct {
	Welcome  Welcome // what is announced; Version and MaxFrame are filled in, KeepAlive defaults to 15 s
	Login    bool    // false: no SP_LOGIN is expected, every connection is of Peer ""
	Encoding Encoding
	MaxFrame int         // bytes of the largest body read; default DefaultMaxFrame
	TLS      *tls.Config // nil = none

	LoginTimeout       time.Duration // for TLS and login together; default 10 s
	PongTimeout        time.Duration // default 5 s
	MaxUnauthenticated int           // connections before their login; more are reset; default 64

	// Authenticate returns "" for welcome, else the reason of SP_REFUSED. Nil
	// refuses everybody. Compare secrets by SecretEqual.
	Authenticate func(Login) string
	// OnLogin is called before SP_WELCOME is sent and after every earlier
	// connection of the same (Peer, Instance) was told SP_BYE "replaced" and
	// has ended, its OnClose included. What is sent meanwhile follows SP_WELCOME.
	OnLogin  func(*ServerConn)
	OnPacket func(*ServerConn, Packet)
	OnClose  func(*ServerConn, error) // exactly once per OnLogin
	OnBad    func(*ServerConn, error) // skipped: *OversizeError, *UnknownCodeError, *DecodeError, misplaced session control
}

// Server accepts the connections of gateways.
type Server struct {
	cfg     ServerConfig
	ids     atomic.Uint64
	waiting atomic.Int64 // connections before their login

	mu    sync.Mutex
	conns map[serverKey]*ServerConn // the latest of each
}

// serverKey names what may have one connection.
type serverKey struct{ peer, instance string }

// NewServer fills in cfg's defaults.
func NewServer(cfg ServerConfig) *Server {
	setDefault(&cfg.MaxFrame, DefaultMaxFrame)
	setDefault(&cfg.LoginTimeout, loginTimeout)
	setDefault(&cfg.PongTimeout, defaultPongTimeout)
	setDefault(&cfg.MaxUnauthenticated, 64)
	cfg.Welcome.Version = Version
	cfg.Welcome.MaxFrame = int64(cfg.MaxFrame)
	if cfg.Welcome.KeepAlive <= 0 {
		cfg.Welcome.KeepAlive = int32(defaultKeepAlive / time.Second)
	}
	if cfg.TLS != nil {
		cfg.TLS = cfg.TLS.Clone()
		cfg.TLS.MinVersion = max(cfg.TLS.MinVersion, tls.VersionTLS12)
	}
	if cfg.Authenticate == nil {
		cfg.Authenticate = func(Login) string { return RefusedCredentials }
	}
	if cfg.OnLogin == nil {
		cfg.OnLogin = func(*ServerConn) {}
	}
	if cfg.OnPacket == nil {
		cfg.OnPacket = func(*ServerConn, Packet) {}
	}
	if cfg.OnClose == nil {
		cfg.OnClose = func(*ServerConn, error) {}
	}
	if cfg.OnBad == nil {
		cfg.OnBad = func(*ServerConn, error) {}
	}
	return &Server{cfg: cfg, conns: map[serverKey]*ServerConn{}}
}

// Serve accepts connections until ctx ends. It then closes l, says SP_BYE
// "shutdown" to all, closes them in order (5 s at most) and returns nil. Any
// other end of l is returned as error, after the connections were closed.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	ctx, cancel := context.WithCancel(ctx)
	var handlers sync.WaitGroup
	defer handlers.Wait()
	defer cancel()
	stop := context.AfterFunc(ctx, func() { _ = l.Close() })
	defer stop()
	for {
		nc, err := l.Accept()
		switch {
		case ctx.Err() != nil:
			if err == nil {
				reset(nc)
			}
			return nil
		case errors.Is(err, net.ErrClosed):
			return fmt.Errorf("simprot: accept: %w", err)
		case err != nil: // out of files, a connection reset early: go on
			pause(ctx, 50*time.Millisecond)
		case s.waiting.Add(1) > int64(s.cfg.MaxUnauthenticated):
			s.waiting.Add(-1)
			reset(nc)
		default:
			handlers.Go(func() { s.handle(ctx, nc) })
		}
	}
}

// handle serves one connection from TLS to its end.
func (s *Server) handle(ctx context.Context, nc net.Conn) {
	tune(nc, defaultKeepAlive)
	nc, err := s.handshake(ctx, nc)
	if err != nil {
		s.waiting.Add(-1)
		return
	}
	c := &ServerConn{
		server: s, id: s.ids.Add(1),
		conn:  newConn(nc, s.cfg.Encoding, s.cfg.MaxFrame),
		ended: make(chan struct{}),
	}
	c.conn.limit = serverQueued
	stop := context.AfterFunc(ctx, func() { c.Bye(ByeShutdown, 0) })
	defer stop()
	err = c.authenticate()
	s.waiting.Add(-1)
	if err == nil && c.admit() {
		err = c.conn.read(c)
	}
	c.leave(c.closeAfter(err))
}

// handshake makes TLS of nc where configured.
func (s *Server) handshake(ctx context.Context, nc net.Conn) (net.Conn, error) {
	if s.cfg.TLS == nil {
		return nc, nil
	}
	ctx, cancel := context.WithTimeout(ctx, s.cfg.LoginTimeout)
	defer cancel()
	secure := tls.Server(nc, s.cfg.TLS)
	if err := secure.HandshakeContext(ctx); err != nil {
		_ = nc.Close() // no reset: it would outrun the alert that says why
		return nil, err
	}
	return secure, nil
}

// replace enters c as the connection of its Peer and Instance and returns the
// one it takes the place of.
func (s *Server) replace(c *ServerConn) (earlier *ServerConn) {
	key := serverKey{c.login.Peer, c.login.Instance}
	s.mu.Lock()
	defer s.mu.Unlock()
	earlier = s.conns[key]
	s.conns[key] = c
	return earlier
}

// forget removes c unless another has taken its place.
func (s *Server) forget(c *ServerConn) {
	key := serverKey{c.login.Peer, c.login.Instance}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conns[key] == c {
		delete(s.conns, key)
	}
}
