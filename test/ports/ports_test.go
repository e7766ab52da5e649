package ports

import (
	"net"
	"runtime"
	"strconv"
	"testing"
)

func take(t *testing.T) (address string, port int) {
	t.Helper()
	address = For(t)
	_, text, err := net.SplitHostPort(address)
	if err == nil {
		port, err = strconv.Atoi(text)
	}
	if err != nil {
		t.Fatal(err)
	}
	return address, port
}

// TestHold: the program under test can listen there, end, and listen again.
func TestHold(t *testing.T) {
	first, port := take(t)
	if second, _ := take(t); first == second {
		t.Errorf("%s was given out twice", first)
	}
	if low, high := ephemeral(); port >= low && port <= high {
		t.Errorf("port %d is among those of outgoing connections, %d to %d", port, low, high)
	}
	for range 3 {
		l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", first)
		if err != nil {
			t.Fatal(err)
		}
		client, err := new(net.Dialer).DialContext(t.Context(), "tcp", first)
		if err != nil {
			t.Fatal(err)
		}
		server, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		_ = server.Close() // this side waits for stray packets
		_ = client.Close()
		_ = l.Close()
	}
}

// TestHeld: what one has, another process's Hold does not get.
func TestHeld(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("ports are held on Linux only")
	}
	_, port := take(t)
	if release, err := hold(port); err == nil {
		release()
		t.Errorf("port %d is held twice", port)
	}
}

func TestSpan(t *testing.T) {
	for name, tt := range map[string]struct{ low, high, first, count int }{
		"the usual range":     {32_768, 60_999, 10_000, 22_768},
		"no range is told":    {defaultLow, defaultHigh, 10_000, 22_768},
		"nothing below":       {1024, 60_999, 61_000, 4536},
		"next to none below":  {10_999, 60_000, 60_001, 5535},
		"nothing on any side": {1024, 65_535, 10_000, 55_536},
	} {
		t.Run(name, func(t *testing.T) {
			if first, count := span(tt.low, tt.high); first != tt.first || count != tt.count {
				t.Errorf("%d ports from %d, want %d from %d", count, first, tt.count, tt.first)
			}
		})
	}
}
