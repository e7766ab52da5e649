package simprot

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync/atomic"
	"time"
)

// ClientConfig says which core a Client connects to, as whom, and who takes
// what it brings.
type ClientConfig struct {
	Address string      // host:port of the core
	TLS     *tls.Config // nil = none; TLS 1.2 is the least, ServerName defaults to the host

	Account, Secret, Peer, Instance string // of SP_LOGIN

	// Agent makes this an agent's client (SPEC.md 12): Peer is the number of the
	// workplace, and SC_ packets are taken where a gateway takes SE_ ones.
	Agent bool

	Encoding Encoding // what is written; both are read
	Login    bool     // false: the core has no session control
	MaxFrame int      // bytes of the largest body read; default DefaultMaxFrame

	Settle       time.Duration // before the first RESYNC on a core without fence; default 2 s
	AskTimeout   time.Duration // for an answer; default 20 s
	PongTimeout  time.Duration // default 5 s
	KeepAlive    time.Duration // of TCP's own probes; default 15 s. Pings follow SP_WELCOME
	MaxQuestions int           // unanswered at a time; default 32

	// Dial makes the transport; nil = a net.Dialer.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)

	MinBackoff, MaxBackoff time.Duration // ceilings of the full jitter; defaults 200 ms and 30 s

	// The callbacks of one session come one after the other on one goroutine,
	// the reader's: OnUp, any number of OnPacket, OnDown. None may block, and
	// none may ask: the answer would be read by the goroutine that waits for it.

	OnUp   func(*Session)        // after SP_WELCOME; Login false: after connecting
	OnDown func(*Session, error) // exactly once per OnUp; no written callback comes after it
	// OnPacket takes all that is neither session control nor an answer: echoes
	// and outbound sentences, news (SE_CHAT_STATUS without Sentences),
	// SE_CHAT_TYPING, SE_CHAT_CONFIRM; with Agent the same of SC_, and alerts. The payload is never nil. Answers nobody
	// here asked for are dropped and counted.
	OnPacket func(*Session, Packet)

	// Trace gives the traceparent (W3C Trace Context) a packet is sent with, ""
	// for none. It must not block, and leaves the payload as it is. nil = nothing
	// is traced.
	Trace func(code Code, payload Payload) string

	Observe Observer // nil = none
}

// Client keeps one connection to a core: it dials, logs in, keeps alive and,
// after any end, connects again.
type Client struct {
	cfg     ClientConfig
	session atomic.Pointer[Session]
	running atomic.Bool
	count   uint64 // sessions so far; Run's own
}

// NewClient checks cfg and fills in its defaults. It does not connect.
func NewClient(cfg ClientConfig) (*Client, error) {
	host, _, err := net.SplitHostPort(cfg.Address)
	if err != nil {
		return nil, fmt.Errorf("simprot: address: %w", err)
	}
	if cfg.Peer == "" {
		return nil, errors.New("simprot: no Peer")
	}
	if cfg.MaxFrame < 0 || cfg.MaxFrame > MaxReadFrame {
		return nil, fmt.Errorf("simprot: MaxFrame is not in 0 to %d", MaxReadFrame)
	}
	if cfg.TLS != nil {
		cfg.TLS = cfg.TLS.Clone()
		cfg.TLS.MinVersion = max(cfg.TLS.MinVersion, tls.VersionTLS12)
		if cfg.TLS.ServerName == "" {
			cfg.TLS.ServerName = host
		}
	}
	setDefault(&cfg.MaxFrame, DefaultMaxFrame)
	setDefault(&cfg.Settle, 2*time.Second)
	setDefault(&cfg.AskTimeout, 20*time.Second)
	setDefault(&cfg.PongTimeout, defaultPongTimeout)
	setDefault(&cfg.KeepAlive, defaultKeepAlive)
	setDefault(&cfg.MaxQuestions, 32)
	setDefault(&cfg.MinBackoff, defaultMinBackoff)
	setDefault(&cfg.MaxBackoff, defaultMaxBackoff)
	cfg.fillCallbacks()
	return &Client{cfg: cfg}, nil
}

// fillCallbacks spares the callers their nil checks.
func (cfg *ClientConfig) fillCallbacks() {
	if cfg.Dial == nil {
		cfg.Dial = new(net.Dialer).DialContext
	}
	if cfg.OnUp == nil {
		cfg.OnUp = func(*Session) {}
	}
	if cfg.OnDown == nil {
		cfg.OnDown = func(*Session, error) {}
	}
	if cfg.OnPacket == nil {
		cfg.OnPacket = func(*Session, Packet) {}
	}
	if cfg.Observe == nil {
		cfg.Observe = noObserver{}
	}
}

// setDefault fills in a value that is not set.
func setDefault[T int | time.Duration](value *T, normal T) {
	if *value <= 0 {
		*value = normal
	}
}

// Session returns the session that is up, nil while there is none.
func (c *Client) Session() *Session { return c.session.Load() }

// Run connects, again and again, until ctx ends. It then flushes what is
// queued, says SP_BYE, closes in order (5 s at most) and returns nil. It runs
// once at a time; a second call beside the first is an error.
func (c *Client) Run(ctx context.Context) error {
	if !c.running.CompareAndSwap(false, true) {
		return errors.New("simprot: the client runs already")
	}
	defer c.running.Store(false)
	retry := backoff{least: c.cfg.MinBackoff, most: c.cfg.MaxBackoff}
	for ctx.Err() == nil {
		c.cfg.Observe.LinkState(LinkConnecting, nil)
		up, err := c.connect(ctx)
		c.cfg.Observe.LinkState(stateAfter(err), err)
		if ctx.Err() == nil {
			pause(ctx, retry.wait(err, up))
		}
	}
	return nil
}

// stateAfter names the state a connection's end leaves the client in.
func stateAfter(err error) LinkState {
	var refused *RefusedError
	var bye *ByeError
	switch {
	case errors.As(err, &refused):
		return LinkRefused
	case errors.As(err, &bye) && bye.Reason == ByeReplaced:
		return LinkReplaced
	default:
		return LinkDown
	}
}

// pause waits, or less when ctx ends.
func pause(ctx context.Context, wait time.Duration) {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// connect makes one connection and serves it to its end. It returns how long
// the session was up and why it ended. The connection is reset by then.
func (c *Client) connect(ctx context.Context) (up time.Duration, err error) {
	nc, err := c.dial(ctx)
	if err != nil {
		return 0, err
	}
	conn := newConn(nc, c.cfg.Encoding, c.cfg.MaxFrame)
	s := newSession(&c.cfg, conn)
	if c.cfg.Login {
		stop := context.AfterFunc(ctx, func() { conn.Abort(context.Cause(ctx)) })
		err := s.login()
		stop()
		if err != nil {
			if err = conn.finish(err); isTimeout(err) {
				err = errNoWelcome
			}
			return 0, err
		}
	}
	c.count++
	s.start(c.count)
	return c.serve(ctx, s)
}

// dial makes the transport, with TLS if configured.
func (c *Client) dial(ctx context.Context) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, loginTimeout)
	defer cancel()
	nc, err := c.cfg.Dial(ctx, "tcp", c.cfg.Address)
	if err != nil {
		return nil, fmt.Errorf("simprot: dial: %w", err)
	}
	tune(nc, c.cfg.KeepAlive)
	if c.cfg.TLS == nil {
		return nc, nil
	}
	secure := tls.Client(nc, c.cfg.TLS)
	if err := secure.HandshakeContext(ctx); err != nil {
		reset(nc)
		return nil, fmt.Errorf("simprot: TLS: %w", err)
	}
	return secure, nil
}

// serve reads a session that is up until it ends.
func (c *Client) serve(ctx context.Context, s *Session) (time.Duration, error) {
	c.session.Store(s)
	c.cfg.Observe.LinkState(LinkUp, nil)
	c.cfg.OnUp(s)
	stop := context.AfterFunc(ctx, s.leave)
	err := s.conn.read(s)
	stop()
	err = s.conn.finish(err)
	s.book.close()
	c.session.Store(nil)
	c.cfg.OnDown(s, err)
	return time.Since(s.up), err
}

// leave says goodbye behind what is queued and closes in order.
func (s *Session) leave() {
	if s.cfg.Login {
		_ = s.conn.trySend(Packet{Code: CodeBye, Payload: &Bye{Reason: ByeShutdown}}, controlRoom, nil)
	}
	s.conn.startClose()
}

// packet sorts what was read: session control, answers, everything else. What
// goes another way than from the core to this kind of client has no place here.
func (s *Session) packet(p Packet, size int) error {
	if bye, ok := p.Payload.(*Bye); ok {
		return byeError(bye)
	}
	from := "SE_"
	if s.cfg.Agent {
		from = "SC_"
		if p.Code == CodeAgentConfirmIn { // so the source names it
			p.Code = CodeAgentConfirm
		}
	}
	switch {
	case !strings.HasPrefix(string(p.Code), from):
		s.cfg.Observe.BadPacket(BadUnexpectedCode, p.Code)
	case isAnswer(p):
		s.take(p, size)
	default:
		s.cfg.OnPacket(s, p)
	}
	return nil
}

// isAnswer tells answers from news.
func isAnswer(p Packet) bool {
	switch v := p.Payload.(type) {
	case *ChatServiceInfo, *ScenarioInfo:
		return true
	case *ChatStatusInfo:
		return v.Sentences != nil
	}
	return isList(p.Code)
}

// take gives an answer to the book.
func (s *Session) take(p Packet, size int) {
	if kind := s.book.take(p, size); kind != "" {
		s.cfg.Observe.BadPacket(kind, p.Code)
	}
}

// bad counts what was skipped.
func (s *Session) bad(err error) {
	var (
		unknown *UnknownCodeError
		decode  *DecodeError
	)
	switch {
	case errors.As(err, &unknown):
		s.cfg.Observe.BadPacket(BadUnknownCode, unknown.Code)
	case errors.As(err, &decode):
		s.cfg.Observe.BadPacket(BadDecode, decode.Code)
		if isList(decode.Code) {
			s.book.spoil()
		}
	default:
		s.cfg.Observe.BadPacket(BadOversize, "")
		s.book.spoil()
	}
}
