package simprot

import (
	"net"
	"time"
)

// tcpUserTimeout is how long written bytes may stay unacknowledged.
const tcpUserTimeout = 10 * time.Second

// unwrapper is what *tls.Conn offers: the connection below it.
type unwrapper interface{ NetConn() net.Conn }

// bottom returns the transport below any TLS.
func bottom(nc net.Conn) net.Conn {
	for {
		upper, ok := nc.(unwrapper)
		if !ok {
			return nc
		}
		nc = upper.NetConn()
	}
}

// tune sets the options of a fresh connection. They are refinements: pings
// and the writer's limit do not depend on them, so a transport without them
// (a pipe, a proxy) is no error.
func tune(nc net.Conn, keepAlive time.Duration) {
	tcp, ok := bottom(nc).(*net.TCPConn)
	if !ok {
		return
	}
	_ = setUserTimeout(tcp, tcpUserTimeout)
	_ = tcp.SetKeepAliveConfig(net.KeepAliveConfig{Enable: true, Idle: keepAlive, Interval: 5 * time.Second, Count: 3})
}

// reset gives a connection up: SO_LINGER 0 throws away what is not sent yet,
// so that the other side cannot read, after a new connection was made, what
// was written to the old one.
func reset(nc net.Conn) {
	nc = bottom(nc)
	if tcp, ok := nc.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = nc.Close()
}

// closeWrite ends our direction only, so that the other side can still read
// everything. It reports whether the transport can do that.
func closeWrite(nc net.Conn) bool {
	half, ok := nc.(interface{ CloseWrite() error })
	return ok && half.CloseWrite() == nil
}
