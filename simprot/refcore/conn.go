package refcore

import (
	"errors"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"

	"servicelink/simprot"
)

// link is what a Core needs of a connection; *simprot.ServerConn is one. Send
// queues and never waits.
type link interface {
	ID() uint64
	Login() simprot.Login
	RemoteAddr() net.Addr
	Send(simprot.Packet) error
	Abort(error)
}

var (
	errDropped = errors.New("refcore: dropped on purpose")
	errRestart = errors.New("refcore: restart")
)

// conn is one gateway connection.
type conn struct {
	link     link
	log      *slog.Logger
	id       uint64
	peer     string // every packet's Peer
	instance string
	remote   string
	maxFrame int // bytes the gateway reads

	// gone is set before the link is aborted: what was already read from the
	// network must not be handled any more, or a packet could overtake the lost
	// one before it.
	gone atomic.Bool

	handling sync.Mutex      // one packet at a time; held before a Port's lock
	claimed  map[string]bool // Ports this connection sent RESYNC for
	fenced   map[string]bool // Ports it lost to another connection, with RuleFenceBack broken; the Port's lock
	answers  []simprot.Packet
	register bool // it has asked for gateways; of who holds handling
	second   bool // of everySecond, the reader's own
}

func newConn(l link, peer string, log *slog.Logger) *conn {
	login := l.Login()
	k := &conn{
		link: l, id: l.ID(), peer: peer, instance: login.Instance, remote: l.RemoteAddr().String(),
		maxFrame: int(login.MaxFrame), claimed: map[string]bool{}, fenced: map[string]bool{},
	}
	k.log = log.With("conn", k.id)
	if k.maxFrame <= 0 {
		k.maxFrame = simprot.DefaultMaxFrame
	}
	return k
}

// push sends packets, unless the connection is on its way out.
func (k *conn) push(packets ...simprot.Packet) {
	for _, p := range packets {
		if k.gone.Load() {
			return
		}
		if err := k.link.Send(p); err != nil && !errors.Is(err, simprot.ErrClosed) {
			// A question whose answer cannot be written stays unanswered.
			k.log.Warn("not sent", "code", string(p.Code), "error", err)
		}
	}
}

// everySecond reports true every second time.
func (k *conn) everySecond() bool {
	k.second = !k.second
	return !k.second
}

// abort resets the connection; nothing read from it is handled from here on.
func (k *conn) abort(reason error) {
	k.gone.Store(true)
	k.link.Abort(reason)
}
