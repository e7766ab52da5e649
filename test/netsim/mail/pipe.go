package mail

import (
	"net"
	"sync"
)

// pipeListener gives a library's server the inner ends of the filters.
type pipeListener struct {
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

func newPipeListener() *pipeListener {
	return &pipeListener{conns: make(chan net.Conn), done: make(chan struct{})}
}

// Accept implements net.Listener.
func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case conn := <-l.conns:
		return conn, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener.
func (l *pipeListener) Close() error {
	l.once.Do(func() { close(l.done) })
	return nil
}

// Addr implements net.Listener.
func (l *pipeListener) Addr() net.Addr { return pipeAddr{} }

type pipeAddr struct{}

func (pipeAddr) Network() string { return "pipe" }
func (pipeAddr) String() string  { return "pipe" }

// dial gives the server a connection and returns the other end of it. front is what
// the server's sessions find again by the connection (frontOf).
func (l *pipeListener) dial(front any) (net.Conn, error) {
	outer, inner := net.Pipe()
	select {
	case l.conns <- fronted{inner, front}:
		return outer, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

// fronted is a connection that knows the filter in front of it.
type fronted struct {
	net.Conn
	front any
}

// frontOf is the filter in front of a server's connection; the zero T without one.
func frontOf[T any](conn net.Conn) T {
	var front T
	if f, ok := conn.(fronted); ok {
		front, _ = f.front.(T)
	}
	return front
}
