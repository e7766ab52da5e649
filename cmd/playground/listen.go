package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"syscall"
)

// address is a host and port to listen on. One that was asked for is binding;
// a default gives way to a free port of the same host when it is taken.
type address struct {
	value string
	asked bool
}

func (a *address) String() string { return a.value }

// Set takes host:port with an IP address on loopback: the playground has
// pages without a password.
func (a *address) Set(s string) error {
	ap, err := netip.ParseAddrPort(s)
	if err != nil || !ap.Addr().IsLoopback() {
		return errors.New("want an address on loopback such as 127.0.0.1:8081")
	}
	a.value, a.asked = s, true
	return nil
}

// listen opens the address.
func (a *address) listen(ctx context.Context) (net.Listener, error) {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", a.value)
	if errors.Is(err, syscall.EADDRINUSE) && !a.asked {
		var host string
		if host, _, err = net.SplitHostPort(a.value); err == nil {
			l, err = lc.Listen(ctx, "tcp", net.JoinHostPort(host, "0"))
		}
	}
	if err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	return l, nil
}

// pick finds the address that somebody else will listen on in a moment.
func (a *address) pick(ctx context.Context) (string, error) {
	l, err := a.listen(ctx)
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}
