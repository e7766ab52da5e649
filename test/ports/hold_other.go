//go:build !linux

package ports

import (
	"net"
	"strconv"
)

// hold finds out whether the port is free. It is not held: not every system
// lets a listener in beside another socket.
func hold(port int) (release func(), err error) {
	l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port))) //nolint:noctx // does not wait
	if err != nil {
		return nil, err
	}
	return func() {}, l.Close()
}
