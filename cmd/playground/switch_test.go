package main

import (
	"context"
	"net"
	"testing"
	"time"

	"servicelink/simprot/refcore"
)

// listens reports whether somebody takes connections at the address.
func listens(t *testing.T, address string) bool {
	t.Helper()
	var d net.Dialer
	c, err := d.DialContext(t.Context(), "tcp", address)
	if err != nil {
		return false
	}
	return c.Close() == nil
}

func TestSwitch(t *testing.T) {
	var lc net.ListenConfig
	l, err := lc.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	s := newSwitch(refcore.New(refcore.Options{Account: "a", Secret: "s"}), address)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.run(ctx, l) }()

	until := func(what string, on bool) {
		t.Helper()
		for deadline := time.Now().Add(patience); listens(t, address) != on; {
			if time.Now().After(deadline) {
				t.Fatal(what)
			}
		}
	}
	until("a core that was never switched off does not listen", true)
	if _, on := s.away(); !on {
		t.Error("it is said to be off")
	}
	order := func(d time.Duration) {
		t.Helper()
		if err := s.off(t.Context(), d); err != nil {
			t.Fatal(err)
		}
	}
	order(0) // on already: nothing happens
	order(time.Hour)
	until("it listens though it is off", false)
	if left, on := s.away(); on || left < 50*time.Minute {
		t.Errorf("it is said to be away for %v (on: %t), want an hour", left, on)
	}
	order(time.Millisecond) // comes back by itself
	until("it does not come back", true)

	order(time.Hour)
	stop()
	if err := <-ended; err != nil {
		t.Errorf("the end while it was off: %v", err)
	}
	if err := s.off(ctx, 0); err == nil {
		t.Error("an order to a core that has ended was taken")
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}
