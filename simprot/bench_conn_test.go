package simprot

import (
	"context"
	"fmt"
	"net"
	"sync"
	"testing"
	"time"
)

// loopback returns the two ends of a TCP connection.
func loopback(b testing.TB) (near, far net.Conn) {
	b.Helper()
	var lc net.ListenConfig
	l, err := lc.Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	near, err = new(net.Dialer).DialContext(context.Background(), "tcp", l.Addr().String())
	if err != nil {
		b.Fatal(err)
	}
	if far, err = l.Accept(); err != nil {
		b.Fatal(err)
	}
	return near, far
}

// receive is a receiver made of a function.
type receive func(Packet)

func (f receive) packet(p Packet, _ int) error { f(p); return nil }
func (f receive) bad(error)                    {}

// echoEnds starts both ends of a connection over loopback: one echoes, the
// other calls got for every echo.
func echoEnds(b testing.TB, got func(Packet)) *Conn {
	nearEnd, farEnd := loopback(b)
	near, far := newConn(nearEnd, EncodingMsgpack, 0), newConn(farEnd, EncodingMsgpack, 0)
	var ends sync.WaitGroup
	ends.Go(func() {
		_ = far.finish(far.read(receive(func(p Packet) { _ = far.Send(p, nil) })))
	})
	ends.Go(func() { _ = near.finish(near.read(receive(got))) })
	b.Cleanup(func() { near.Abort(ErrClosed); ends.Wait() })
	return near
}

// BenchmarkEcho measures sentences that go to the other end and come back,
// with so many of them in flight: 1 is the round trip, 64 is coalesced.
func BenchmarkEcho(b *testing.B) {
	for _, flight := range []int{1, 64, 256} {
		b.Run(fmt.Sprintf("inflight=%d", flight), func(b *testing.B) {
			window := make(chan struct{}, flight)
			conn := echoEnds(b, func(Packet) { <-window })
			p := Packet{Code: CodeChatSentence, Payload: benchSentence()}
			b.ReportAllocs()
			b.ResetTimer()
			for range b.N {
				window <- struct{}{}
				if err := conn.Send(p, nil); err != nil {
					b.Fatal(err)
				}
			}
			for range flight {
				window <- struct{}{}
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "echoes/s")
		})
	}
}

// BenchmarkSend measures one direction: what Send and the writer do, against
// a reader that throws bytes away. 1 in flight: every frame
// is flushed before the next is sent; 64: they are coalesced.
func BenchmarkSend(b *testing.B) {
	for _, flight := range []int{1, 64} {
		b.Run(fmt.Sprintf("inflight=%d", flight), func(b *testing.B) {
			nearEnd, farEnd := loopback(b)
			conn := newConn(nearEnd, EncodingMsgpack, 0)
			drained := make(chan struct{})
			go func() {
				defer close(drained)
				buf := make([]byte, 1<<20)
				for {
					if _, err := farEnd.Read(buf); err != nil {
						_ = farEnd.Close()
						return
					}
				}
			}()
			b.Cleanup(func() { _ = conn.finish(ErrClosed); <-drained })
			window := make(chan struct{}, flight)
			written := func(time.Time) { <-window }
			p := Packet{Code: CodeChatSentence, Payload: benchSentence()}
			b.ReportAllocs()
			b.ResetTimer()
			for range b.N {
				window <- struct{}{}
				if err := conn.Send(p, written); err != nil {
					b.Fatal(err)
				}
			}
			for range flight {
				window <- struct{}{}
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "frames/s")
		})
	}
}
