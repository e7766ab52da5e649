//go:build proxies

package proxies

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
)

// stands answers calls in the gateway's place, on each connection so many; the
// call after that finds the connection cut.
func (x *proxy) stands(t *testing.T, answers int) (got, cuts *atomic.Int64) {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", x.gateway)
	if err != nil {
		t.Fatal(err)
	}
	got, cuts = new(atomic.Int64), new(atomic.Int64)
	serve := func(conn net.Conn) {
		defer conn.Close()
		in := bufio.NewReader(conn)
		for n := 0; ; n++ {
			r, err := http.ReadRequest(in)
			if err != nil {
				return
			}
			if _, err := io.Copy(io.Discard, r.Body); err != nil {
				return
			}
			if got.Add(1); n == answers {
				cuts.Add(1)
				return
			}
			if _, err := io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"); err != nil {
				return
			}
		}
	}
	var work sync.WaitGroup
	work.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			stop := context.AfterFunc(t.Context(), func() { _ = conn.Close() })
			work.Go(func() { defer stop(); serve(conn) })
		}
	})
	t.Cleanup(func() { _ = l.Close(); work.Wait() }) // t.Context has ended
	return got, cuts
}

// TestCut: a call whose connection to the gateway ends under it is made again.
func TestCut(t *testing.T) {
	each(t, func(t *testing.T, x *proxy) {
		_, cuts := x.stands(t, 2)
		c := x.caller(t)
		for n := range 20 {
			if got := c.post(t, "/connector/whatsapp/message", "", "Body=hello"); got != http.StatusOK {
				t.Errorf("call %d is answered %d", n, got)
			}
		}
		if cuts.Load() == 0 {
			t.Error("no connection was cut: this says nothing")
		}
	})
}

// TestPaths: the gateway's paths are passed on, and no others.
func TestPaths(t *testing.T) {
	each(t, func(t *testing.T, x *proxy) {
		got, _ := x.stands(t, 1000)
		c := x.caller(t)
		for target, want := range map[string]int{
			"/connector/whatsapp/message": http.StatusOK, "/connector/sms/status?ref=1": http.StatusOK, "/media/abc": http.StatusOK,
			"/": http.StatusNotFound, "/metrics": http.StatusNotFound, "/connectors": http.StatusNotFound, "/?/media/": http.StatusNotFound,
			"/Media/abc": http.StatusNotFound,
		} {
			before := got.Load()
			if answer := c.post(t, target, "", ""); answer != want || got.Load()-before != map[int]int64{http.StatusOK: 1}[want] {
				t.Errorf("%s is answered %d, and passed on %d times", target, answer, got.Load()-before)
			}
		}
	})
}
