package main

import (
	"errors"
	"net"
	"syscall"
	"testing"
)

func TestAddressSet(t *testing.T) {
	for s, ok := range map[string]bool{
		"127.0.0.1:8081": true,
		"[::1]:0":        true,
		"0.0.0.0:80":     false, // pages without a password
		"192.0.2.1:80":   false,
		"localhost:80":   false,
		"8080":           false,
		"":               false,
	} {
		var a address
		if err := a.Set(s); (err == nil) != ok {
			t.Errorf("Set(%q) = %v, want fine: %v", s, err, ok)
		}
	}
}

func TestTakenAddress(t *testing.T) {
	var lc net.ListenConfig
	taken, err := lc.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()

	byDefault := address{value: taken.Addr().String()}
	l, err := byDefault.listen(t.Context())
	if err != nil {
		t.Fatalf("a default that is taken: %v, want another port", err)
	}
	defer l.Close()

	var asked address
	if err := asked.Set(taken.Addr().String()); err != nil {
		t.Fatal(err)
	}
	if _, err := asked.listen(t.Context()); !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("an address that was asked for and is taken: %v, want %v", err, syscall.EADDRINUSE)
	}
}
