package simprot

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// pipeNet is a network of net.Pipe connections, which synctest can watch. It
// is the listener of one server and the dialer of its clients.
type pipeNet struct {
	conns chan net.Conn
	once  sync.Once
	done  chan struct{}
}

func newPipeNet() *pipeNet {
	return &pipeNet{conns: make(chan net.Conn), done: make(chan struct{})}
}

func (p *pipeNet) Dial(ctx context.Context, _, _ string) (net.Conn, error) {
	near, far := net.Pipe()
	select {
	case p.conns <- far:
		return pipeEnd{near}, nil
	case <-p.done:
		return nil, errors.New("connection refused")
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// pipeEnd takes a deadline when the other end is closed, as a socket does; a pipe
// alone fails then, before what the other end wrote last is read.
type pipeEnd struct{ net.Conn }

func (p pipeEnd) SetReadDeadline(t time.Time) error {
	if err := p.Conn.SetReadDeadline(t); !errors.Is(err, io.ErrClosedPipe) {
		return err
	}
	return nil
}

func (p *pipeNet) Accept() (net.Conn, error) {
	select {
	case nc := <-p.conns:
		return nc, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}

func (p *pipeNet) Close() error {
	p.once.Do(func() { close(p.done) })
	return nil
}

func (p *pipeNet) Addr() net.Addr { return &net.UnixAddr{Name: "pipe"} }

// events collects what happened, in order, as short lines.
type events struct {
	mu    sync.Mutex
	lines []string
	start time.Time
}

func newEvents() *events { return &events{start: time.Now()} }

func (e *events) add(format string, args ...any) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.lines = append(e.lines, fmt.Sprintf(format, args...))
}

func (e *events) all() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.lines)
}

func (e *events) count(prefix string) int {
	n := 0
	for _, line := range e.all() {
		if strings.HasPrefix(line, prefix) {
			n++
		}
	}
	return n
}

// The events as an Observer.
func (e *events) LinkState(state LinkState, err error) {
	if err != nil {
		e.add("link %s %v", state, err)
		return
	}
	e.add("link %s", state)
}
func (e *events) BadPacket(kind BadPacket, code Code) { e.add("bad %s %s", kind, code) }
func (e *events) Question(code Code, outcome string, _ time.Duration) {
	e.add("question %s %s", code, outcome)
}

// testConfig is a client's configuration on n, which records into e.
func testConfig(n *pipeNet, e *events) ClientConfig {
	return ClientConfig{
		Address: "core.test:18321", Account: "account", Secret: "secret", Peer: "@peer", Instance: "one",
		Login: true, Dial: n.Dial, Observe: e,
		OnUp:     func(s *Session) { e.add("up %d", s.Generation()) },
		OnDown:   func(s *Session, err error) { e.add("down %d", s.Generation()) },
		OnPacket: func(s *Session, p Packet) { e.add("packet %s", p.Code) },
	}
}

// runClient runs a client until the test ends.
func runClient(t *testing.T, cfg ClientConfig) *Client {
	t.Helper()
	c, err := NewClient(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if err := c.Run(ctx); err != nil {
			t.Errorf("Run: %v", err)
		}
	}()
	t.Cleanup(func() { cancel(); <-ended })
	return c
}

// runServer serves n until the test ends or stop is called.
func runServer(t *testing.T, l net.Listener, cfg ServerConfig) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if err := NewServer(cfg).Serve(ctx, l); err != nil {
			t.Errorf("Serve: %v", err)
		}
	}()
	stop = func() { cancel(); <-ended }
	t.Cleanup(stop)
	return stop
}

// script plays a core frame by frame.
type script struct {
	t      *testing.T
	nc     net.Conn
	frames *FrameReader
}

// accept waits for the next connection of n.
func accept(t *testing.T, n *pipeNet) *script {
	t.Helper()
	nc, err := n.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = nc.Close() })
	return newScript(t, nc)
}

// newScript plays one end of nc. Its deadline makes a script that waits in vain
// fail: in a bubble with timers it would wait for ever.
func newScript(t *testing.T, nc net.Conn) *script {
	if err := nc.SetDeadline(time.Now().Add(24 * time.Hour)); err != nil {
		t.Fatal(err)
	}
	return &script{t: t, nc: nc, frames: NewFrameReader(nc, DefaultMaxFrame)}
}

// welcome takes the login and answers it.
func (s *script) welcome(w Welcome) *Login {
	s.t.Helper()
	login, ok := s.want(CodeLogin).Payload.(*Login)
	if !ok {
		s.t.Fatal("SP_LOGIN without its class")
	}
	s.send(Packet{Code: CodeWelcome, Payload: &w})
	return login
}

// next reads one packet.
func (s *script) next() (Packet, error) {
	body, err := s.frames.Next()
	if err != nil {
		return Packet{}, err
	}
	return DecodePacket(bytes.Clone(body))
}

// want reads one packet, which must have this code.
func (s *script) want(code Code) Packet {
	s.t.Helper()
	p, err := s.next()
	if err != nil {
		s.t.Fatalf("waiting for %s: %v", code, err)
	}
	if p.Code != code {
		s.t.Fatalf("got %s, want %s", p.Code, code)
	}
	return p
}

// wantEnd reads until the connection ends and fails on any packet.
func (s *script) wantEnd() {
	s.t.Helper()
	if p, err := s.next(); err == nil {
		s.t.Fatalf("got %s, want the end", p.Code)
	}
}

func (s *script) send(p Packet) {
	s.t.Helper()
	frame, err := AppendFrame(nil, p, EncodingMsgpack)
	if err != nil {
		s.t.Fatal(err)
	}
	s.raw(frame)
}

func (s *script) raw(b []byte) {
	s.t.Helper()
	if _, err := s.nc.Write(b); err != nil {
		s.t.Fatalf("core's write: %v", err)
	}
}

// bubble runs f in a synctest bubble with a network and a record.
func bubble(t *testing.T, f func(t *testing.T, n *pipeNet, e *events)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { f(t, newPipeNet(), newEvents()) })
}

// want compares what happened with what should have.
func (e *events) want(t *testing.T, want ...string) {
	t.Helper()
	if got := e.all(); !slices.Equal(got, want) {
		t.Errorf("got:\n  %s\nwant:\n  %s", strings.Join(got, "\n  "), strings.Join(want, "\n  "))
	}
}

// pass lets so much of the bubble's time go by, and what it causes happen.
func pass(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

// read collects what the core gets until the connection ends, so that the
// client's writes never block. Packets come out of the channel in order.
func (s *script) read() <-chan Packet {
	out := make(chan Packet, 1000)
	go func() {
		defer close(out)
		for {
			p, err := s.next()
			if err != nil {
				return
			}
			out <- p
		}
	}()
	return out
}

// dialScript plays a gateway frame by frame against the server of n.
func dialScript(t *testing.T, n *pipeNet) *script {
	t.Helper()
	nc, err := n.Dial(t.Context(), "", "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = nc.Close() })
	return newScript(t, nc)
}

// login says who the gateway is and takes the welcome.
func (s *script) login(instance string) *Welcome {
	s.t.Helper()
	s.send(Packet{Code: CodeLogin, Payload: &Login{Peer: "@peer", Instance: instance, Version: Version}})
	w, ok := s.want(CodeWelcome).Payload.(*Welcome)
	if !ok {
		s.t.Fatal("SP_WELCOME without its class")
	}
	return w
}

// ending keeps why a session or connection ended.
type ending struct {
	mu  sync.Mutex
	err error
}

func (e *ending) set(err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.err = err
}

// get waits until everything has happened that can, and returns the reason.
func (e *ending) get() error {
	synctest.Wait()
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.err
}
