package refcore

import (
	"errors"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"
	"go.uber.org/goleak"

	"servicelink/simprot"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	testPeer = "@servicelink"
	testPort = "shop"
	testChat = "77|omnichannel"
)

// bench is a Core and the gateways connected to it, without a network. It
// lives in a synctest bubble.
type bench struct {
	*testing.T
	core *Core
	next uint64
}

// inBubble runs a test with a Core of the given options, time standing still
// while anybody works.
func inBubble(t *testing.T, o Options, test func(b *bench)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		b := &bench{T: t, core: New(o)}
		test(b)
		b.core.Drop()
		if err := b.core.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
}

// gateway is a link that keeps what the core sends.
type gateway struct {
	*bench
	id    uint64
	login simprot.Login

	mu      sync.Mutex
	got     []simprot.Packet
	aborted error
}

func (b *bench) connect() *gateway {
	return b.connectAs(simprot.Login{Peer: testPeer, Instance: "gw"})
}

func (b *bench) connectAs(login simprot.Login) *gateway {
	b.next++
	g := &gateway{bench: b, id: b.next, login: login}
	b.core.connected(g)
	return g
}

func (g *gateway) ID() uint64           { return g.id }
func (g *gateway) Login() simprot.Login { return g.login }
func (g *gateway) RemoteAddr() net.Addr {
	return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: int(g.id)}
}

func (g *gateway) Send(p simprot.Packet) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.aborted != nil {
		return errors.New("closed")
	}
	g.got = append(g.got, p)
	return nil
}

func (g *gateway) Abort(reason error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.aborted = reason
}

// dropped reports whether the core reset the connection.
func (g *gateway) dropped() bool {
	synctest.Wait()
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.aborted != nil
}

// read returns what the core sent since the last read.
func (g *gateway) read() []simprot.Packet {
	g.Helper()
	synctest.Wait()
	g.mu.Lock()
	defer g.mu.Unlock()
	got := g.got
	g.got = nil
	return got
}

// tell hands the core a packet without waiting for anything.
func (g *gateway) tell(code simprot.Code, p simprot.Payload) {
	g.core.onPacket(g, simprot.Packet{Code: code, Payload: p, Extras: simprot.Extras{Ask: "q-1"}})
}

// send hands the core a packet and returns everything the core sent then.
func (g *gateway) send(code simprot.Code, p simprot.Payload) []simprot.Packet {
	g.Helper()
	g.tell(code, p)
	return g.read()
}

// one fails unless exactly one packet of the code came.
func one(t testing.TB, got []simprot.Packet, code simprot.Code) simprot.Packet {
	t.Helper()
	if len(got) != 1 || got[0].Code != code {
		t.Fatalf("got %v, want one %s", codes(got), code)
	}
	return got[0]
}

func none(t testing.TB, got []simprot.Packet) {
	t.Helper()
	if len(got) != 0 {
		t.Fatalf("got %v, want nothing", codes(got))
	}
}

func codes(ps []simprot.Packet) []simprot.Code {
	out := []simprot.Code{}
	for _, p := range ps {
		out = append(out, p.Code)
	}
	return out
}

func service() *simprot.ChatServiceInfo {
	return &simprot.ChatServiceInfo{Peer: testPeer, Port: testPort, TrackingId: testChat, PartyName: "Jana"}
}

func sentence(id, text string) *simprot.ChatSentenceInfo {
	return &simprot.ChatSentenceInfo{
		Peer: testPeer, Port: testPort, TrackingId: testChat, ID: id, PartyName: "Jana", Text: text,
		TimeSent: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
	}
}

func cmd(id string) *simprot.ChatCommandInfo {
	return &simprot.ChatCommandInfo{Peer: testPeer, Port: testPort, TrackingId: testChat, ID: id}
}

func askStatus() *simprot.ChatStatusInfo {
	return &simprot.ChatStatusInfo{Peer: testPeer, Port: testPort, TrackingId: testChat}
}

func resyncOf(port string) *simprot.ChatCommandInfo {
	return &simprot.ChatCommandInfo{Peer: testPeer, Port: port}
}

// opened is a gateway that claimed the Port and opened the test's chat.
func (b *bench) opened() (*gateway, uuid.UUID) {
	b.Helper()
	g := b.connect()
	g.send(simprot.CodeChatResync, resyncOf(testPort))
	g.send(simprot.CodeChatRequest, service())
	status := one(b, g.send(simprot.CodeChatStart, service()), simprot.CodeChatStatus)
	return g, status.Payload.(*simprot.ChatStatusInfo).ChatId
}

// status asks STATUS and returns the answer.
func (g *gateway) status() *simprot.ChatStatusInfo {
	g.Helper()
	return one(g, g.send(simprot.CodeChatStatusAsk, askStatus()), simprot.CodeChatStatus).Payload.(*simprot.ChatStatusInfo)
}

// noOffence fails when a gateway was found to do something wrong.
func (b *bench) noOffence() {
	b.Helper()
	if r := b.core.Offences(); len(r.Total) != 0 {
		b.Fatalf("offences %v at %v", r.Total, r.Last)
	}
}
