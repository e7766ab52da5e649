//go:build second

package second

import (
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"

	"servicelink/test/ports"
)

// relay is the wire to a core, which can be cut, and lose what the core says.
type relay struct {
	address string
	to      string
	muted   atomic.Bool // until it is cut
	mu      sync.Mutex
	ends    map[*net.TCPConn]struct{}
}

func newRelay(t *testing.T, to string) *relay {
	t.Helper()
	r := &relay{address: ports.For(t), to: to, ends: map[*net.TCPConn]struct{}{}}
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", r.address)
	if err != nil {
		t.Fatal(err)
	}
	var running sync.WaitGroup
	running.Go(func() {
		for {
			near, err := l.Accept()
			if err != nil {
				return
			}
			running.Go(func() { r.join(t, near.(*net.TCPConn)) })
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		r.cut()
		running.Wait()
	})
	return r
}

// join carries bytes both ways until either end is gone.
func (r *relay) join(t *testing.T, near *net.TCPConn) {
	far, err := new(net.Dialer).DialContext(t.Context(), "tcp", r.to)
	if err != nil {
		_ = near.Close()
		return
	}
	both := []*net.TCPConn{near, far.(*net.TCPConn)}
	r.mu.Lock()
	for _, end := range both {
		r.ends[end] = struct{}{}
	}
	r.mu.Unlock()
	var copying sync.WaitGroup
	for i, end := range both {
		copying.Go(func() {
			to := io.Writer(both[1-i])
			if i == 1 {
				to = writer(func(b []byte) (int, error) {
					if r.muted.Load() {
						return len(b), nil
					}
					return both[0].Write(b)
				})
			}
			_, _ = io.Copy(to, end)
			for _, end := range both {
				_ = end.Close()
			}
		})
	}
	copying.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, end := range both {
		delete(r.ends, end)
	}
}

// cut resets what is connected. It returns how many connections that were.
func (r *relay) cut() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	for end := range r.ends {
		_ = end.SetLinger(0)
		_ = end.Close()
	}
	r.muted.Store(false)
	return len(r.ends) / 2
}

type writer func([]byte) (int, error)

func (w writer) Write(b []byte) (int, error) { return w(b) }
