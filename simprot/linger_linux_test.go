package simprot

import (
	"net"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestUserTimeout(t *testing.T) {
	near, far := loopback(t)
	defer far.Close()
	defer near.Close()
	tune(near, 7*time.Second)
	tcp, ok := near.(*net.TCPConn)
	if !ok {
		t.Fatal("no TCP connection")
	}
	for _, option := range []struct {
		name string
		opt  int
		want int
	}{{"TCP_USER_TIMEOUT", unix.TCP_USER_TIMEOUT, 10_000}, {"TCP_KEEPIDLE", unix.TCP_KEEPIDLE, 7}} {
		raw, err := tcp.SyscallConn()
		if err != nil {
			t.Fatal(err)
		}
		err = raw.Control(func(fd uintptr) {
			got, err := unix.GetsockoptInt(int(fd), unix.IPPROTO_TCP, option.opt)
			if err != nil || got != option.want {
				t.Errorf("%s is %d (%v), want %d", option.name, got, err, option.want)
			}
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}
