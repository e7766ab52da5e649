// Package ports gives out loopback ports for programs under test that must
// know their address before they start, or keep it when they start again.
//
// A port the system chose and that was closed again is anybody's: the next
// outgoing connection of any process may get it, most of all while the program
// under test is away between a kill and its next start. So ports are taken
// outside the range of such connections and, where the system can, are held by
// a socket that lets a listener in but no stranger.
package ports

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"sync/atomic"
	"testing"
)

const (
	lowest  = 10_000 // below are the well-known services
	highest = 65_535
	// defaultLow and defaultHigh bound the ports of outgoing connections where
	// the system does not tell: no usual system begins below.
	defaultLow, defaultHigh = 32_768, highest
	// enough ports on one side of that range make it the one to take from.
	enough = 1000
	// perProcess parts test processes with neighbouring ids.
	perProcess = 16
)

// taken counts the ports this process has tried.
var taken atomic.Int64

// errNone: every port is in use.
var errNone = errors.New("ports: none is free")

// Hold gives an address on 127.0.0.1 where nobody listens. Until release is
// called nobody else is given the port; a program that names it can listen
// there, as often as it likes.
func Hold() (address string, release func(), err error) {
	first, count := span(ephemeral())
	for range count {
		n := os.Getpid()*perProcess + int(taken.Add(1)) - 1
		port := first + n%count
		if release, err = hold(port); err == nil {
			return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)), release, nil
		}
	}
	return "", nil, errors.Join(errNone, err)
}

// For is Hold for as long as a test runs.
func For(t testing.TB) (address string) {
	t.Helper()
	address, release, err := Hold()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(release)
	return address
}

// span chooses the ports to take from, given the range of outgoing
// connections: below it, else above it, else everywhere.
func span(low, high int) (first, count int) {
	switch {
	case low-lowest >= enough:
		return lowest, low - lowest
	case highest-high >= enough:
		return high + 1, highest - high
	default:
		return lowest, highest - lowest + 1
	}
}

// ephemeral is the range of ports the system gives to outgoing connections.
func ephemeral() (low, high int) {
	text, err := os.ReadFile("/proc/sys/net/ipv4/ip_local_port_range")
	if err == nil {
		_, err = fmt.Sscan(string(text), &low, &high)
	}
	if err != nil {
		return defaultLow, defaultHigh
	}
	return low, high
}
