package refcore

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"testing"

	"servicelink/simprot"
)

// sink is a link that throws away what it is sent.
type sink struct{}

func (sink) ID() uint64                { return 1 }
func (sink) Login() simprot.Login      { return simprot.Login{Peer: testPeer} }
func (sink) RemoteAddr() net.Addr      { return &net.TCPAddr{} }
func (sink) Send(simprot.Packet) error { return nil }
func (sink) Abort(error)               {}

// BenchmarkSentence takes sentences for 1,000 conversations, without the
// network and without the codec.
func BenchmarkSentence(b *testing.B) {
	core := New(Options{KeepSentences: 100})
	core.connected(sink{})
	tell := func(code simprot.Code, p simprot.Payload) {
		core.onPacket(sink{}, simprot.Packet{Code: code, Payload: p})
	}
	tell(simprot.CodeChatResync, resyncOf(testPort))
	const conversations = 1000
	names := make([]string, conversations)
	for i := range names {
		names[i] = fmt.Sprintf("%d|omnichannel", i)
		s := service()
		s.TrackingId = names[i]
		tell(simprot.CodeChatStart, s)
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		s := sentence(strconv.Itoa(i), "Good day, my parcel has not arrived yet.")
		s.TrackingId = names[i%conversations]
		tell(simprot.CodeChatSentenceIn, s)
	}
}

// BenchmarkEchoOverTCP is the same with 64 sentences in flight on a loopback
// connection: what a load test of a gateway finds at the other end.
func BenchmarkEchoOverTCP(b *testing.B) {
	o := credentials()
	o.KeepSentences = 100
	l, err := new(net.ListenConfig).Listen(b.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	core := New(o)
	end := make(chan error, 1)
	go func() { end <- core.Serve(b.Context(), l) }()
	defer func() {
		if err := errors.Join(core.Close(), <-end); err != nil {
			b.Error(err)
		}
	}()
	conn, err := new(net.Dialer).DialContext(b.Context(), "tcp", l.Addr().String())
	if err != nil {
		b.Fatal(err)
	}
	defer conn.Close()
	frames := simprot.NewFrameReader(conn, simprot.DefaultMaxFrame)
	var buf []byte
	queue := func(code simprot.Code, p simprot.Payload) {
		if buf, err = simprot.AppendFrame(buf, simprot.Packet{Code: code, Payload: p}, simprot.EncodingMsgpack); err != nil {
			b.Fatal(err)
		}
	}
	flush := func(answers int) {
		if _, err := conn.Write(buf); err != nil {
			b.Fatal(err)
		}
		buf = buf[:0]
		for range answers {
			if _, err := frames.Next(); err != nil {
				b.Fatal(err)
			}
		}
	}
	queue(simprot.CodeLogin, login())
	queue(simprot.CodeChatResync, resyncOf(testPort))
	queue(simprot.CodeChatRequest, service())
	queue(simprot.CodeChatStart, service())
	flush(4)
	const flight = 64
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		queue(simprot.CodeChatSentenceIn, sentence(strconv.Itoa(i), "Good day, my parcel has not arrived yet."))
		if i%flight == flight-1 {
			flush(flight)
		}
	}
}
