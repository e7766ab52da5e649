package simprot

import (
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// serverQueued bytes may wait for one gateway. A core must not wait for a
	// slow one while others want answers, so the slow one is given up.
	serverQueued = 64 << 20
	// maxEarly packets may be sent to a connection before its SP_WELCOME.
	maxEarly = 4096
	// evictWithin is how long the farewell of a replaced connection may take.
	evictWithin = time.Second
)

// ServerConn is one gateway's connection at the core.
type ServerConn struct {
	server *Server
	conn   *Conn
	id     uint64
	login  Login
	shown  bool          // OnLogin was called
	ended  chan struct{} // closed after OnClose

	open  atomic.Bool // SP_WELCOME is queued
	mu    sync.Mutex
	early []Packet // sent before that
}

// ID numbers the connections of a server: 1, 2, ...
func (c *ServerConn) ID() uint64 { return c.id }

// Login is what the gateway said, without the secret; the zero value without
// session control.
func (c *ServerConn) Login() Login { return c.login }

// RemoteAddr is the gateway's network address.
func (c *ServerConn) RemoteAddr() net.Addr { return c.conn.nc.RemoteAddr() }

// Done is closed when the connection has ended.
func (c *ServerConn) Done() <-chan struct{} { return c.conn.Done() }

// Send queues p and never waits: a connection with more than 64 MiB queued is
// aborted. p must not be changed before OnLogin has returned. Errors:
// ErrClosed, ErrSlowReader, ErrFrameTooLong, *EncodeError.
func (c *ServerConn) Send(p Packet) error {
	if c.open.Load() {
		return c.send(p)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.open.Load() {
		return c.send(p)
	}
	if len(c.early) >= maxEarly {
		c.Abort(ErrSlowReader)
		return ErrSlowReader
	}
	c.early = append(c.early, p)
	return nil
}

// send queues or gives the connection up.
func (c *ServerConn) send(p Packet) error {
	err := c.conn.trySend(p, 0, nil)
	if errors.Is(err, ErrSlowReader) {
		c.Abort(err)
	}
	return err
}

// Bye says goodbye behind what is queued and closes in order, within 5 s. It
// does not wait for that. retryAfter 0 leaves the return to the gateway.
func (c *ServerConn) Bye(reason string, retryAfter time.Duration) {
	c.farewell(reason, retryAfter, nil)
	c.conn.startClose()
}

func (c *ServerConn) farewell(reason string, retryAfter time.Duration, written func(time.Time)) {
	if c.server.cfg.Login {
		_ = c.conn.trySend(Packet{Code: CodeBye, Payload: &Bye{
			Reason: reason, RetryAfterMs: retryAfter.Milliseconds(),
		}}, controlRoom, written)
	}
}

// Abort resets the connection.
func (c *ServerConn) Abort(err error) { c.conn.Abort(err) }

// serverLogin takes the first packet of a connection.
type serverLogin struct {
	c *ServerConn
}

func (l *serverLogin) packet(p Packet, _ int) error {
	login, ok := p.Payload.(*Login)
	if !ok {
		return unexpectedError(p.Code)
	}
	l.c.login = *login
	return errLoggedIn
}

func (l *serverLogin) bad(err error) { l.c.Abort(err) }

// authenticate reads SP_LOGIN and judges it.
func (c *ServerConn) authenticate() error {
	cfg := &c.server.cfg
	if !cfg.Login {
		return nil
	}
	if err := c.conn.readLogin(&serverLogin{c}, cfg.LoginTimeout); err != nil {
		return err
	}
	c.conn.setMaxFrame(c.login.MaxFrame)
	reason := RefusedVersion
	if c.login.Version == Version {
		reason = cfg.Authenticate(c.login)
	}
	c.login.Secret = "" // nobody needs it any more
	if reason == "" {
		return nil
	}
	_ = c.send(Packet{Code: CodeRefused, Payload: &Refused{Reason: reason}})
	return &RefusedError{Reason: reason}
}

// admit makes c the connection of its Peer and Instance and welcomes it. It
// reports false when c has ended meanwhile.
func (c *ServerConn) admit() bool {
	cfg := &c.server.cfg
	if cfg.Login {
		if earlier := c.server.replace(c); earlier != nil {
			earlier.evict()
		}
	}
	if c.conn.Err() != nil {
		return false
	}
	c.shown = true
	cfg.OnLogin(c)
	c.mu.Lock()
	defer c.mu.Unlock()
	if cfg.Login {
		welcome := cfg.Welcome
		_ = c.send(Packet{Code: CodeWelcome, Payload: &welcome})
		c.conn.alive.start(time.Duration(welcome.KeepAlive)*time.Second, cfg.PongTimeout)
	}
	for _, p := range c.early {
		_ = c.send(p)
	}
	c.early = nil
	c.open.Store(true)
	return true
}

// evict tells a connection that it has been replaced, ends it and waits for
// the end of its callbacks: nothing of it is handled after its successor's
// SP_WELCOME.
func (c *ServerConn) evict() {
	told := make(chan struct{})
	c.farewell(ByeReplaced, 0, func(time.Time) { close(told) })
	timer := time.NewTimer(evictWithin)
	defer timer.Stop()
	select {
	case <-told:
	case <-timer.C:
	case <-c.Done():
	}
	c.Abort(&ByeError{Reason: ByeReplaced})
	<-c.ended
}

// leave ends the callbacks.
func (c *ServerConn) leave(err error) {
	c.server.forget(c)
	if c.shown {
		c.server.cfg.OnClose(c, err)
	}
	close(c.ended)
}

// closeAfter ends a connection whose reading ended with err. After a refusal
// or the gateway's farewell what is queued still goes out, and what comes in is
// read away: unread bytes would turn the close into a reset that outruns it.
func (c *ServerConn) closeAfter(err error) error {
	var refused *RefusedError
	var bye *ByeError
	if errors.As(err, &refused) || errors.As(err, &bye) {
		c.conn.startClose()
		_, _ = io.Copy(io.Discard, c.conn.nc)
	}
	return c.conn.finish(err)
}

// packet sorts what was read.
func (c *ServerConn) packet(p Packet, _ int) error {
	switch v := p.Payload.(type) {
	case *Bye:
		return byeError(v)
	case *Login, *Welcome, *Refused:
		c.server.cfg.OnBad(c, unexpectedError(p.Code))
	default:
		c.server.cfg.OnPacket(c, p)
	}
	return nil
}

// bad passes on what was skipped.
func (c *ServerConn) bad(err error) { c.server.cfg.OnBad(c, err) }
