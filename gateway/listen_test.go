package gateway

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"servicelink/config"
	"servicelink/connectors"
)

// listening starts a server on a free port and ends it with the test.
func listening(t *testing.T, h http.Handler, change func(*httpServer)) *httpServer {
	t.Helper()
	s := newHTTPServer("public", "127.0.0.1:0", nil, h, discardLog)
	if change != nil {
		change(s)
	}
	if err := s.Listen(); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- s.Serve() }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 5*time.Second)
		defer cancel()
		_ = s.Shutdown(ctx) // some tests have done it
		if err := <-done; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	return s
}

// dial opens a connection that a broken server cannot make the test hang on.
func dial(t *testing.T, s *httpServer) net.Conn {
	t.Helper()
	c, err := new(net.Dialer).DialContext(t.Context(), "tcp", s.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if err := c.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return c
}

// talk writes raw bytes and gives everything the server says until it hangs up.
func talk(t *testing.T, s *httpServer, raw string) string {
	t.Helper()
	c := dial(t, s)
	if _, err := io.WriteString(c, raw); err != nil {
		t.Fatal(err)
	}
	answer, err := io.ReadAll(c)
	if err != nil && !errors.Is(err, syscall.ECONNRESET) {
		t.Fatal(err)
	}
	return string(answer)
}

// TestServedHostileCalls throws at a real server what a client library would
// not send.
func TestServedHostileCalls(t *testing.T) {
	t.Parallel()
	const head = "POST " + rigTarget + " HTTP/1.1\r\nHost: h\r\nSecret: s1\r\n"
	for _, tc := range []struct {
		name, raw, answer string
		moved             string // the counter that must be 1; empty = none
	}{
		{"slow body", head + "Content-Length: 10\r\n\r\n[", "HTTP/1.1 422 ", "refused shop body"},
		{"slow chunk", head + "Transfer-Encoding: chunked\r\n\r\n5\r\n[", "HTTP/1.1 422 ", "refused shop body"},
		{"slow header", "POST " + rigTarget + " HTTP/1.1\r\nHost: h\r\nX: ", "", ""},
		{"silence", "", "", ""},
		{"too large, told", head + "Content-Length: 201\r\n\r\n", "HTTP/1.1 413 ", "refused shop too_large"},
		{"too large, asked first", head + "Content-Length: 201\r\nExpect: 100-continue\r\n\r\n", "HTTP/1.1 413 ", "refused shop too_large"},
		{"too large, in chunks", head + "Transfer-Encoding: chunked\r\n\r\nc9\r\n" + strings.Repeat("x", 201) + "\r\n", "HTTP/1.1 413 ", "refused shop too_large"},
		{"bad chunk", head + "Transfer-Encoding: chunked\r\n\r\nzz\r\n", "HTTP/1.1 422 ", "refused shop body"},
		{"two lengths", head + "Content-Length: 2\r\nContent-Length: 3\r\n\r\n[]", "HTTP/1.1 400 ", ""},
		{"absurd length", head + "Content-Length: 99999999999999999999\r\n\r\n", "HTTP/1.1 400 ", ""},
		{"negative length", head + "Content-Length: -1\r\n\r\n", "HTTP/1.1 400 ", ""},
		{"large header", head + "X: " + strings.Repeat("x", 64<<10) + "\r\n\r\n", "HTTP/1.1 431 ", ""},
		{"no HTTP", "\x16\x03\x01\x00\xa5\x01\x00\r\n\r\n", "HTTP/1.1 400 ", ""},
		{"HTTP/2 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "HTTP/1.1 404 ", ""},
		{"all is well", head + "Content-Length: 5\r\nConnection: close\r\n\r\n[\"a\"]", "HTTP/1.1 200 ", "requests shop accepted"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			rig := newHookRig(t, rigChannel{name: "shop", secret: "s1"})
			s := listening(t, rig.handler, func(s *httpServer) {
				switch tc.name { // the others must not meet a limit on a busy machine
				case "slow header", "silence":
					s.server.ReadHeaderTimeout = 50 * time.Millisecond
				case "slow body", "slow chunk":
					s.server.ReadTimeout = time.Second
				}
			})
			answer := talk(t, s, tc.raw)
			if !strings.HasPrefix(answer, tc.answer) || (tc.answer == "" && answer != "") {
				t.Errorf("answer %.80q, want one that begins with %q", answer, tc.answer)
			}
			if strings.Contains(answer, "PLANTED") || strings.Contains(rig.logs.String(), "PLANTED") {
				t.Error("the path's token is in the answer or the log")
			}
			if tc.moved != "" && rig.moved(t)[tc.moved] != 1 {
				t.Errorf("%s is not 1: %v", tc.moved, rig.moved(t))
			}
		})
	}
}

// TestServedPatience: a Deliver that takes longer than a call may take to
// arrive is not cut off by that limit, nor is the connection spoiled.
func TestServedPatience(t *testing.T) {
	t.Parallel()
	rig := newHookRig(t, rigChannel{name: "shop", secret: "s1"})
	const limit = time.Second
	rig.channels[0].Deliver = func(ctx context.Context, _ []connectors.Event) error {
		late := time.NewTimer(limit + limit/4)
		defer late.Stop()
		select {
		case <-late.C:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	rig.remount(t)
	s := listening(t, rig.handler, func(s *httpServer) { s.server.ReadHeaderTimeout, s.server.ReadTimeout = limit, limit })
	c := dial(t, s)
	answers := bufio.NewReader(c)
	for n := range 2 {
		if _, err := io.WriteString(c, "POST "+rigTarget+" HTTP/1.1\r\nHost: h\r\nSecret: s1\r\nContent-Length: 5\r\n\r\n[\"a\"]"); err != nil {
			t.Fatal(err)
		}
		res, err := http.ReadResponse(answers, nil)
		if err != nil {
			t.Fatalf("call %d: %v", n, err)
		}
		_, _ = io.Copy(io.Discard, res.Body)
		_ = res.Body.Close()
		if res.StatusCode != http.StatusOK {
			t.Errorf("call %d: status %d", n, res.StatusCode)
		}
	}
}

func TestListenErrors(t *testing.T) {
	t.Parallel()
	first := listening(t, http.NotFoundHandler(), nil)
	for _, tc := range []struct {
		name, listen string
		tls          *config.ServerTLS
		want         string
	}{
		{"port in use", first.Addr().String(), nil, "address already in use"},
		{"no port", "127.0.0.1", nil, "missing port"},
		{"no certificate", "127.0.0.1:0", &config.ServerTLS{Cert: "/nowhere/cert.pem", Key: "/nowhere/key.pem"}, "no such file"},
	} {
		s := newHTTPServer("private", tc.listen, tc.tls, http.NotFoundHandler(), discardLog)
		err := s.Listen()
		if err == nil || !strings.HasPrefix(err.Error(), "private listener: ") || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: error %v, want one of the private listener with %q", tc.name, err, tc.want)
		}
		if err := s.Shutdown(t.Context()); err != nil {
			t.Errorf("%s: Shutdown of a server that never listened: %v", tc.name, err)
		}
	}
}

// TestShutdownWithoutServe: a start that fails after Listen frees the port.
func TestShutdownWithoutServe(t *testing.T) {
	t.Parallel()
	s := newHTTPServer("public", "127.0.0.1:0", nil, http.NotFoundHandler(), discardLog)
	if err := s.Listen(); err != nil {
		t.Fatal(err)
	}
	if err := s.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	ln, err := new(net.ListenConfig).Listen(t.Context(), "tcp", s.Addr().String())
	if err != nil {
		t.Fatalf("the port is still taken: %v", err)
	}
	_ = ln.Close()
}

// TestShutdownLetsCallsEnd: a call in progress is answered, new ones are not.
func TestShutdownLetsCallsEnd(t *testing.T) {
	t.Parallel()
	started, finish := make(chan struct{}), make(chan struct{})
	s := listening(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		close(started)
		<-finish
		w.WriteHeader(http.StatusTeapot)
	}), nil)
	c := dial(t, s)
	if _, err := io.WriteString(c, "GET / HTTP/1.1\r\nHost: h\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	<-started
	stopped := make(chan error, 1)
	go func() { stopped <- s.Shutdown(t.Context()) }()
	awaitRefusal(t, s)
	close(finish)
	answer, err := io.ReadAll(c)
	if err != nil || !bytes.HasPrefix(answer, []byte("HTTP/1.1 418 ")) {
		t.Errorf("the call in progress got %q, %v", answer, err)
	}
	if err := <-stopped; err != nil {
		t.Errorf("Shutdown: %v", err)
	}
}

// awaitRefusal waits until the listener takes no more connections.
func awaitRefusal(t *testing.T, s *httpServer) {
	t.Helper()
	for t.Context().Err() == nil {
		c, err := new(net.Dialer).DialContext(t.Context(), "tcp", s.Addr().String())
		if err != nil {
			return
		}
		_ = c.Close()
	}
}

func TestShutdownHasAnEnd(t *testing.T) {
	t.Parallel()
	started, finish := make(chan struct{}), make(chan struct{})
	s := listening(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		close(started)
		<-finish
	}), nil)
	c := dial(t, s)
	if _, err := io.WriteString(c, "GET / HTTP/1.1\r\nHost: h\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	<-started
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Shutdown(ctx); !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "cut off") {
		t.Errorf("error %v, want one that says calls were cut off", err)
	}
	close(finish)
}

// TestConnectionLimit: connections above the limit wait until one is closed.
func TestConnectionLimit(t *testing.T) {
	t.Parallel()
	s := listening(t, http.NotFoundHandler(), func(s *httpServer) { s.conns = 1 })
	first, second := dial(t, s), dial(t, s)
	const call = "GET / HTTP/1.1\r\nHost: h\r\n\r\n"
	ask := func(c net.Conn) *bufio.Reader {
		if _, err := io.WriteString(c, call); err != nil {
			t.Fatal(err)
		}
		return bufio.NewReader(c)
	}
	if line, err := ask(first).ReadString('\n'); err != nil {
		t.Fatalf("first connection: %q, %v", line, err)
	}
	waiting := ask(second)
	if err := second.SetReadDeadline(time.Now().Add(100 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	if line, err := waiting.ReadString('\n'); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("second connection was served beside the first: %q, %v", line, err)
	}
	_ = first.Close()
	if err := second.SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if line, err := waiting.ReadString('\n'); err != nil || !strings.HasPrefix(line, "HTTP/1.1 404") {
		t.Errorf("second connection after the first: %q, %v", line, err)
	}
}

// writeCertificate makes a self-signed key pair named name in dir.
func writeCertificate(t *testing.T, files config.ServerTLS, name string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: []string{name}, NotAfter: time.Now().Add(time.Hour),
	}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for file, block := range map[string]*pem.Block{
		files.Cert: {Type: "CERTIFICATE", Bytes: cert}, files.Key: {Type: "PRIVATE KEY", Bytes: der},
	} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func TestServedTLS(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	files := config.ServerTLS{Cert: filepath.Join(dir, "cert.pem"), Key: filepath.Join(dir, "key.pem")}
	writeCertificate(t, files, "gw.example.com")
	var logs bytes.Buffer
	s := listening(t, http.NotFoundHandler(), func(s *httpServer) {
		s.tls = &files
		s.server.ErrorLog = slog.NewLogLogger(serverLog{slog.NewTextHandler(&lockedWriter{w: &logs}, nil)}, slog.LevelWarn)
	})
	c := tls.Client(dial(t, s), &tls.Config{InsecureSkipVerify: true, ServerName: "gw.example.com", NextProtos: []string{"h2", "http/1.1"}}) //nolint:gosec // the test's own certificate
	if err := c.HandshakeContext(t.Context()); err != nil {
		t.Fatal(err)
	}
	if state := c.ConnectionState(); state.Version < tls.VersionTLS12 || state.NegotiatedProtocol == "h2" {
		t.Errorf("TLS version %x, protocol %q", state.Version, state.NegotiatedProtocol)
	}
	if _, err := io.WriteString(c, "GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	if answer, err := io.ReadAll(c); err != nil || !bytes.HasPrefix(answer, []byte("HTTP/1.1 404")) {
		t.Errorf("answer %q, %v", answer, err)
	}
	old := tls.Client(dial(t, s), &tls.Config{InsecureSkipVerify: true, MaxVersion: tls.VersionTLS11}) //nolint:gosec // the test's own certificate
	if err := old.HandshakeContext(t.Context()); err == nil {
		t.Error("TLS 1.1 was accepted")
	}
	if logs.Len() != 0 {
		t.Errorf("a failed handshake is logged above debug: %s", &logs)
	}
}

// TestCertificateRenewal: a new certificate is used without a restart, looked
// for seldom, and a broken one leaves the old in use.
func TestCertificateRenewal(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	files := config.ServerTLS{Cert: filepath.Join(dir, "cert.pem"), Key: filepath.Join(dir, "key.pem")}
	writeCertificate(t, files, "one.example")
	var logs bytes.Buffer
	keys, err := loadCertificate(files, slog.New(slog.NewTextHandler(&logs, nil)))
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	keys.now = func() time.Time { return now }
	step := func(what, want string) {
		t.Helper()
		pair, err := keys.get(nil)
		if err != nil {
			t.Fatal(err)
		}
		if got := pair.Leaf.DNSNames[0]; got != want {
			t.Errorf("%s: certificate of %s, want %s", what, got, want)
		}
	}
	step("at start", "one.example")
	writeCertificate(t, files, "two.example")
	if err := os.Chtimes(files.Cert, now, now.Add(time.Second)); err != nil {
		t.Fatal(err)
	}
	step("too early", "one.example")
	now = now.Add(certEvery + time.Second)
	step("renewed", "two.example")
	if err := os.WriteFile(files.Cert, []byte("broken"), 0o600); err != nil {
		t.Fatal(err)
	}
	now = now.Add(certEvery)
	step("broken", "two.example")
	if !strings.Contains(logs.String(), "certificate not renewed") {
		t.Errorf("nothing was said about it: %s", &logs)
	}
	writeCertificate(t, files, "three.example")
	now = now.Add(certEvery)
	step("repaired", "three.example")
}

// TestServerLog: what net/http reports is kept without addresses and values,
// noise at debug.
func TestServerLog(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ in, level, want string }{
		{"http: TLS handshake error from 1.2.3.4:5: EOF-PLANTED", "DEBUG", "TLS handshake failed"},
		{"http: panic serving 1.2.3.4:5: PLANTED\nPLANTED\ngoroutine 7 [running]:\nmain.go:1", "ERROR", `stack="goroutine 7 [running]:\nmain.go:1"`},
		{"http: Accept error: accept tcp: too many open files; retrying in 5ms", "WARN", "too many open files"},
		{"http: URL query contains semicolon", "DEBUG", "semicolon"},
	} {
		for _, level := range []slog.Level{slog.LevelDebug, slog.LevelError} {
			var logs bytes.Buffer
			h := slog.NewTextHandler(&logs, &slog.HandlerOptions{Level: level})
			slog.NewLogLogger(serverLog{h}, slog.LevelWarn).Print(tc.in)
			switch {
			case level == slog.LevelError && tc.level != "ERROR":
				if logs.Len() != 0 {
					t.Errorf("%q is logged at error: %s", tc.in, &logs)
				}
			case !strings.Contains(logs.String(), "level="+tc.level) || !strings.Contains(logs.String(), tc.want):
				t.Errorf("%q is logged as %s", tc.in, &logs)
			}
			if strings.Contains(logs.String(), "PLANTED") || strings.Contains(logs.String(), "1.2.3.4") {
				t.Errorf("address or value in the log: %s", &logs)
			}
		}
	}
}

// TestServedPanic: a panic in a handler costs its call, nothing else.
func TestServedPanic(t *testing.T) {
	t.Parallel()
	s := listening(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("PLANTED") }), nil)
	for n := range 2 {
		if answer := talk(t, s, fmt.Sprintf("GET /%d HTTP/1.1\r\nHost: h\r\n\r\n", n)); answer != "" {
			t.Errorf("call %d was answered %q", n, answer)
		}
	}
}
