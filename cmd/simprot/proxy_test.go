package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io"
	"net"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"servicelink/simprot"
	"servicelink/simprot/refcore"
)

// live is `simprot dump --listen` in this process.
type live struct {
	address string
	out     *lines
	errs    *lines
	stop    func() int // ends it; the exit code
}

// startLive runs the proxy before a core; what it prints goes to out, or is
// kept when out is nil.
func startLive(t *testing.T, to string, out io.Writer, flags ...string) *live {
	t.Helper()
	l := &live{out: newLines(), errs: newLines()}
	if out == nil {
		out = l.out
	}
	ctx, cancel := context.WithCancel(context.Background())
	code := make(chan int, 1)
	go func() {
		args := append([]string{"dump", "--listen", "127.0.0.1:0", "--to", to}, flags...)
		code <- execute(ctx, args, nil, out, l.errs)
	}()
	l.stop = sync.OnceValue(func() int {
		cancel()
		return <-code
	})
	t.Cleanup(func() { l.stop() })
	l.address = regexp.MustCompile(`listening on (\S+) for`).FindStringSubmatch(l.errs.await(t, " for "))[1]
	return l
}

// TestProxy: a conversation through the proxy is as one without, it is shown,
// and the recording shows the same again.
func TestProxy(t *testing.T) {
	core, address := startCore(t, refcore.Options{Fences: true, Asks: true})
	file := filepath.Join(t.TempDir(), "seen.pcapng")
	l := startLive(t, address, nil, "--write", file)
	converse(t, core, simprot.ClientConfig{Address: l.address})
	out := l.out.await(t, "#1 == end\n")
	if code := l.stop(); code != exitFine {
		t.Fatalf("exit code %d: %s", code, l.errs)
	}
	checkConversation(t, out)
	if offences := core.Offences().Total; len(offences) > 0 {
		t.Errorf("the core saw offences: %v", offences)
	}

	recorded, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(recorded, []byte(secret)) {
		t.Error("the recording holds the secret")
	}
	if !bytes.Contains(recorded, []byte(hello)) {
		t.Error("the recording holds no text")
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	again := dumpFine(t, recorded)
	checkConversation(t, again)
	if got, want := packetsOf(again), packetsOf(out); got != want {
		t.Errorf("the recording shows\n%s\ninstead of\n%s", got, want)
	}

	// A file that exists is left alone.
	var errs bytes.Buffer
	args := []string{"dump", "--listen", "127.0.0.1:0", "--to", address, "--write", file}
	if code := execute(t.Context(), args, nil, io.Discard, &errs); code != exitFailed {
		t.Errorf("exit code %d, %s", code, errs.String())
	}
}

// packetsOf leaves the lines of packets, without their places: the login in a
// recording is shorter.
func packetsOf(out string) string {
	var kept []string
	for line := range strings.Lines(out) {
		if line, _, found := strings.Cut(line, " at="); found && !strings.Contains(line, "SP_LOGIN") {
			kept = append(kept, line[:len("2006-01-02T15:04:05.000000")]+line[len("2006-01-02T15:04:05.000000Z"):])
		}
	}
	return strings.Join(kept, "\n")
}

// echoCore is a server that tells what it was sent, byte for byte, and can
// break its connections.
func echoCore(t *testing.T) (address string, conns <-chan net.Conn) {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	accepted := make(chan net.Conn, 8)
	var done sync.WaitGroup
	done.Go(func() {
		for {
			c, err := listener.Accept()
			if err != nil {
				return
			}
			accepted <- c
		}
	})
	t.Cleanup(func() { listener.Close(); done.Wait() })
	return listener.Addr().String(), accepted
}

func dialTo(t *testing.T, address string) *net.TCPConn {
	t.Helper()
	c, err := new(net.Dialer).DialContext(t.Context(), "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if err := c.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return c.(*net.TCPConn)
}

func write(t *testing.T, c net.Conn, b []byte) {
	t.Helper()
	if _, err := c.Write(b); err != nil {
		t.Error(err)
	}
}

// stuck is a terminal that takes nothing until it is let go.
type stuck struct {
	let chan struct{}
	out *lines
}

func (s *stuck) Write(b []byte) (int, error) {
	<-s.let
	return s.out.Write(b)
}

// TestSlowPrinter: while the terminal takes nothing, many times as much as is
// kept for it passes, unaltered; afterwards it is said what is missing.
func TestSlowPrinter(t *testing.T) {
	address, conns := echoCore(t)
	terminal := &stuck{let: make(chan struct{}), out: newLines()}
	l := startLive(t, address, terminal)
	gateway := dialTo(t, l.address)
	core := <-conns
	defer core.Close()

	const size = 3 * tapLimit
	frame := ping(t, strings.Repeat("x", 50_000))
	sent := bytes.Repeat(frame, size/len(frame))
	var writing sync.WaitGroup
	writing.Go(func() { write(t, gateway, sent) })
	got := make([]byte, len(sent))
	if err := core.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(core, got); err != nil {
		t.Fatalf("the link is held up: %v", err)
	}
	writing.Wait()
	if !bytes.Equal(got, sent) {
		t.Fatal("bytes were altered")
	}
	close(terminal.let)
	missing := regexp.MustCompile(`fault="\d+ bytes of the stream are missing"`)
	for !missing.MatchString(terminal.out.String()) { // with the first chunk that finds room
		write(t, gateway, frame)
		if _, err := io.ReadFull(core, got[:len(frame)]); err != nil {
			t.Fatalf("it is not said in its place that bytes are missing: %v", err)
		}
	}
	gateway.Close()
	core.Close()
	terminal.out.await(t, "#1 == end\n")
	l.stop()
	if !strings.Contains(l.errs.String(), "bytes passed that could not be shown in time") {
		t.Errorf("does not say how much is missing: %s", l.errs)
	}
}

// TestEndsPassThrough: an orderly end is one on the other side, and a reset is
// a reset.
func TestEndsPassThrough(t *testing.T) {
	address, conns := echoCore(t)
	l := startLive(t, address, nil)

	gateway := dialTo(t, l.address)
	core := <-conns
	if err := gateway.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if _, err := core.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Errorf("an orderly end came as %v", err)
	}
	write(t, core, []byte("late"))
	core.Close()
	if rest, err := io.ReadAll(gateway); err != nil || string(rest) != "late" {
		t.Errorf("behind the end came %q, %v", rest, err)
	}
	l.out.await(t, "#1 == end\n")

	gateway = dialTo(t, l.address)
	core = <-conns
	defer core.Close()
	write(t, gateway, []byte("x"))
	if _, err := core.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	abort(gateway)
	if _, err := core.Read(make([]byte, 1)); err == nil || errors.Is(err, io.EOF) {
		t.Errorf("a reset came as %v", err)
	}
	out := l.out.await(t, "#2 == end\n")
	if !strings.Contains(out, "#2 == broken, gateway to core\n") {
		t.Errorf("the reset is not told:\n%s", out)
	}
}

// TestNoCore: a gateway is not kept waiting for a core that is not there.
func TestNoCore(t *testing.T) {
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	listener.Close()
	l := startLive(t, listener.Addr().String(), nil)
	gateway, err := new(net.Dialer).DialContext(t.Context(), "tcp", l.address)
	if err == nil { // the reset may be faster than the dialling
		defer gateway.Close()
		err = gateway.SetDeadline(time.Now().Add(20 * time.Second))
		if err == nil {
			_, err = gateway.Read(make([]byte, 1))
		}
	}
	if err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("read: %v", err)
	}
	l.out.await(t, "refused")
}

// TestProxyTLS: with certificates a link with TLS is shown, without them it is
// carried and said to be one.
func TestProxyTLS(t *testing.T) {
	cert, key, pair := certificate(t)
	core, address := startCore(t, refcore.Options{Fences: true, Asks: true, TLS: &tls.Config{Certificates: []tls.Certificate{pair}}})
	roots := x509.NewCertPool()
	roots.AddCert(pair.Leaf)
	trust := &tls.Config{RootCAs: roots}

	l := startLive(t, address, nil, "--tls-cert", cert, "--tls-key", key, "--core-ca", cert)
	converse(t, core, simprot.ClientConfig{Address: l.address, TLS: trust})
	checkConversation(t, l.out.await(t, "#1 == end\n"))

	blind := startLive(t, address, nil)
	converse(t, core, simprot.ClientConfig{Address: blind.address, TLS: trust})
	out := blind.out.await(t, "#1 == end\n")
	if strings.Count(out, "TLS: what it carries") != 2 || strings.Contains(out, "SP_LOGIN") {
		t.Errorf("shows\n%s", out)
	}
}

// certificate is one for 127.0.0.1 that vouches for itself, as files too.
func certificate(t *testing.T) (certFile, keyFile string, pair tls.Certificate) {
	t.Helper()
	server := httptest.NewTLSServer(nil)
	defer server.Close()
	pair = server.TLS.Certificates[0]
	pair.Leaf = server.Certificate()
	key, err := x509.MarshalPKCS8PrivateKey(pair.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	write := func(name, kind string, der []byte) string {
		file := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	return write("cert", "CERTIFICATE", pair.Certificate[0]), write("key", "PRIVATE KEY", key), pair
}
