package gateway

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"syscall"
	"testing"
	"time"
)

// asks sends one call and gives the first line of the answer, "" when the
// connection was closed instead.
func asks(t *testing.T, c net.Conn) string {
	t.Helper()
	_, err := io.WriteString(c, "GET / HTTP/1.1\r\nHost: h\r\n\r\n")
	var line string
	if err == nil {
		line, err = bufio.NewReader(c).ReadString('\n')
	}
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, syscall.ECONNRESET) && !errors.Is(err, syscall.EPIPE) {
		t.Fatal(err)
	}
	return strings.TrimSpace(line)
}

// TestOneCallersShare: who has its share is refused at once, others are served,
// and a place that is given back can be had again.
func TestOneCallersShare(t *testing.T) {
	t.Parallel()
	var logs bytes.Buffer
	s := listening(t, http.NotFoundHandler(), func(s *httpServer) {
		s.share, s.exempt = 2, []netip.Prefix{netip.MustParsePrefix("127.0.0.9/32")}
		s.log = slog.New(slog.NewTextHandler(&lockedWriter{w: &logs}, nil))
	})
	from := func(address string) net.Conn {
		d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(address)}}
		c, err := d.DialContext(t.Context(), "tcp", s.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		if err := c.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
			t.Fatal(err)
		}
		return c
	}
	const served = "HTTP/1.1 404 Not Found"
	first := from("127.0.0.1")
	for i, c := range []net.Conn{first, from("127.0.0.1")} {
		if line := asks(t, c); line != served {
			t.Fatalf("connection %d of the share: %q", i, line)
		}
	}
	for range 3 {
		if line := asks(t, from("127.0.0.1")); line != "" {
			t.Fatalf("beyond the share: %q", line)
		}
	}
	if line := asks(t, from("127.0.0.2")); line != served {
		t.Errorf("another caller: %q", line)
	}
	for range 5 {
		if line := asks(t, from("127.0.0.9")); line != served {
			t.Errorf("an exempt caller: %q", line)
		}
	}
	_ = first.Close()
	for asks(t, from("127.0.0.1")) != served {
		if t.Context().Err() != nil {
			t.Fatal("the place was not given back")
		}
	}
	if n := strings.Count(logs.String(), "connections of one caller refused"); n != 1 {
		t.Errorf("%d log lines about it: %s", n, &logs)
	}
}

// TestIdleGivesWay: when all places are taken, connections that do nothing give
// theirs up, the longest first; one with a call under way does not.
func TestIdleGivesWay(t *testing.T) {
	t.Parallel()
	busy, release := make(chan struct{}), make(chan struct{})
	s := listening(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/busy" {
			close(busy)
			<-release
		}
	}), func(s *httpServer) { s.conns = 3 })
	const served = "HTTP/1.1 200 OK"
	working := dial(t, s)
	if _, err := io.WriteString(working, "GET /busy HTTP/1.1\r\nHost: h\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	<-busy
	silent, idle := dial(t, s), dial(t, s)
	if line := asks(t, idle); line != served {
		t.Fatalf("idle: %q", line)
	}
	began := time.Now()
	for i := range 2 {
		if line := asks(t, dial(t, s)); line != served {
			t.Errorf("waiting connection %d: %q", i, line)
		}
	}
	if took := time.Since(began); took > headerTime {
		t.Errorf("it took %v: the idle gave no way, a time limit ended them", took)
	}
	for name, c := range map[string]net.Conn{"silent": silent, "idle": idle} {
		if line := asks(t, c); line != "" {
			t.Errorf("the %s one still has a place: %q", name, line)
		}
	}
	close(release)
	if line, err := bufio.NewReader(working).ReadString('\n'); !strings.HasPrefix(line, served) {
		t.Errorf("the one that worked: %q, %v", line, err)
	}
}

func TestCallerOf(t *testing.T) {
	t.Parallel()
	l := newLimitListener(nil, 1, 1, []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}, discardLog)
	for address, want := range map[string]string{
		"192.0.2.1": "192.0.2.1/32", "::ffff:192.0.2.1": "192.0.2.1/32",
		"2001:db8:1:2:3:4:5:6": "2001:db8:1:2::/64", "fe80::1%eth0": "fe80::/64",
		"10.1.2.3": "invalid Prefix", "::ffff:10.1.2.3": "invalid Prefix",
	} {
		addr := netip.MustParseAddr(address)
		if got := l.callerOf(net.TCPAddrFromAddrPort(netip.AddrPortFrom(addr, 1))); got.String() != want {
			t.Errorf("%s: %s, want %s", address, got, want)
		}
	}
	if got := l.callerOf(&net.UnixAddr{}); got.IsValid() {
		t.Errorf("no address: %s", got)
	}
}
