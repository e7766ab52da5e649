package httpx

import (
	"bufio"
	"bytes"
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"servicelink/config"
	"servicelink/connectors"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var loopback = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}

func client(t *testing.T, egress config.Egress, opts Options) *Client {
	t.Helper()
	c, err := New(connectors.Dependencies{Egress: egress, Log: slog.New(slog.DiscardHandler)}, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

func local(t *testing.T) *Client { return client(t, config.Egress{Allow: loopback}, Options{}) }

// secretPath and secretBody must be in no error.
const (
	secretPath = "/path-secret/x?key=query-secret"
	secretBody = "body-secret"
)

func post(t *testing.T, base string) Request {
	t.Helper()
	u, err := url.Parse(base + secretPath)
	if err != nil {
		t.Fatal(err)
	}
	return Request{
		Method: http.MethodPost, URL: u, Body: []byte(secretBody),
		Header: http.Header{"Authorization": {"Token header-secret"}},
	}
}

// rawServer answers each connection with whatever talk does to it.
func rawServer(t *testing.T, talk func(net.Conn)) (base string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // a test's listener
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			talk(conn)
			_ = conn.Close()
		}
	}()
	t.Cleanup(func() { _ = l.Close(); <-done })
	return "http://" + l.Addr().String()
}

// readRequest reads one request to its end.
func readRequest(conn net.Conn) {
	req, err := http.ReadRequest(bufio.NewReader(conn))
	if err == nil {
		_, _ = io.Copy(io.Discard, req.Body)
	}
}

func answer(text string) func(net.Conn) {
	return func(conn net.Conn) {
		readRequest(conn)
		_, _ = io.WriteString(conn, text)
	}
}

func TestFailures(t *testing.T) {
	closed := httptest.NewServer(http.NotFoundHandler())
	closed.Close()
	plain := rawServer(t, answer("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"))
	tlsServer := httptest.NewUnstartedServer(http.NotFoundHandler())
	tlsServer.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelInfo)
	tlsServer.StartTLS()
	t.Cleanup(tlsServer.Close)
	for _, tc := range []struct {
		name, base string
		outcome    connectors.Outcome
		reason     connectors.Reason
		text       string
	}{
		{"refused", closed.URL, connectors.NotSent, connectors.ReasonConnect, "connection refused"},
		{"no TLS there", strings.Replace(plain, "http:", "https:", 1), connectors.NotSent, connectors.ReasonConnect, "target does not speak TLS"},
		{"unknown authority", tlsServer.URL, connectors.NotSent, connectors.ReasonConnect, "certificate is of an unknown authority"},
		{"private address", "http://10.0.0.1", connectors.NotSent, connectors.ReasonForbidden, "egress.allow"},
		{"closed after the request", rawServer(t, readRequest), connectors.Unknown, connectors.ReasonCut, "connection closed"},
		{"not HTTP", rawServer(t, answer(secretBody+"\r\n\r\n")), connectors.Unknown, connectors.ReasonAnswer, "not HTTP"},
		{"broken header", rawServer(t, answer("HTTP/1.1 200 OK\r\n"+secretBody+"\r\n\r\n")), connectors.Unknown, connectors.ReasonAnswer, "not HTTP"},
		{"header cut", rawServer(t, answer("HTTP/1.1 200 OK\r\nX: ")), connectors.Unknown, connectors.ReasonCut, "connection closed"},
		{"not an address", "ftp://127.0.0.1", connectors.NotSent, connectors.ReasonBug, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			resp, err := local(t).Do(t.Context(), post(t, tc.base))
			var se *connectors.SendError
			if !errors.As(err, &se) || resp != nil {
				t.Fatalf("Do = %+v, %v", resp, err)
			}
			if se.Outcome != tc.outcome || se.Reason != tc.reason || !strings.Contains(se.Error(), tc.text) {
				t.Errorf("%v, want %s: %s: %s", se, tc.outcome, tc.reason, tc.text)
			}
			if text := fmt.Sprintf("%v %+v %#v", se, se, se); strings.Contains(text, "-secret") {
				t.Errorf("error gives a secret away: %s", text)
			}
		})
	}
}

// TestRebinding: a name is judged by what it resolves to when it is dialled.
func TestRebinding(t *testing.T) {
	var hits atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { hits.Add(1) }))
	t.Cleanup(server.Close)
	c := client(t, config.Egress{}, Options{})
	_, err := c.Do(t.Context(), post(t, strings.Replace(server.URL, "127.0.0.1", "localhost", 1)))
	if se := connectors.AsSendError(err); se.Outcome != connectors.NotSent || se.Reason != connectors.ReasonForbidden || se.Hint == "" {
		t.Errorf("Do = %+v", se)
	}
	if hits.Load() != 0 {
		t.Error("the request arrived")
	}
	// The same is fine for an address of the configuration.
	trusted := client(t, config.Egress{}, Options{Trusted: true})
	if resp, err := trusted.Do(t.Context(), post(t, server.URL)); err != nil || resp.Status != 200 {
		t.Errorf("trusted: %+v, %v", resp, err)
	}
}

// silent is a network that takes every request and never answers, over pipes:
// so a bubble's clock can run. arrived hears of each request.
func silent(arrived chan<- struct{}) *http.Transport {
	return &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) {
		ours, theirs := net.Pipe()
		go func() {
			readRequest(theirs)
			arrived <- struct{}{}
			_, _ = io.Copy(io.Discard, theirs) // until the client leaves
			_ = theirs.Close()
		}()
		return ours, nil
	}}
}

func TestTimeAndCancel(t *testing.T) {
	for _, tc := range []struct {
		name    string
		context func(context.Context) (context.Context, context.CancelFunc)
		after   time.Duration
		reason  connectors.Reason
	}{
		{"own limit", context.WithCancel, TotalTimeout, connectors.ReasonTimeout},
		{"caller's deadline", func(ctx context.Context) (context.Context, context.CancelFunc) {
			return context.WithTimeout(ctx, time.Second)
		}, time.Second, connectors.ReasonTimeout},
		{"canceled in flight", func(ctx context.Context) (context.Context, context.CancelFunc) {
			ctx, cancel := context.WithCancel(ctx)
			time.AfterFunc(2*time.Second, cancel)
			return ctx, cancel
		}, 2 * time.Second, connectors.ReasonCanceled},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				arrived := make(chan struct{}, 1)
				c, err := New(connectors.Dependencies{Transport: silent(arrived)}, Options{Trusted: true})
				if err != nil {
					t.Fatal(err)
				}
				ctx, cancel := tc.context(t.Context())
				defer cancel()
				start := time.Now()
				_, err = c.Do(ctx, post(t, "http://network"))
				if se := connectors.AsSendError(err); se.Outcome != connectors.Unknown || se.Reason != tc.reason {
					t.Errorf("%v, want unknown: %s", se, tc.reason)
				}
				if took := time.Since(start); took != tc.after {
					t.Errorf("took %v, want %v", took, tc.after)
				}
				<-arrived
			})
		})
	}
	t.Run("canceled before", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err := local(t).Do(ctx, post(t, "http://127.0.0.1:9"))
		if se := connectors.AsSendError(err); se.Outcome != connectors.NotSent || se.Reason != connectors.ReasonCanceled {
			t.Errorf("%v", se)
		}
	})
}

func TestAnswerBody(t *testing.T) {
	const limit = 100
	for _, tc := range []struct {
		name, text string
		body       int // length; -1 = none
		reason     connectors.Reason
	}{
		{"at the limit", "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n" + strings.Repeat("x", 100), 100, ""},
		{"too large", "HTTP/1.1 200 OK\r\nContent-Length: 101\r\n\r\n" + strings.Repeat("x", 101), -1, connectors.ReasonAnswer},
		{"endless", "HTTP/1.1 500 No\r\n\r\n" + strings.Repeat("x", 1<<16), -1, connectors.ReasonAnswer},
		{"cut", "HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nxx", -1, connectors.ReasonCut},
		{"cut in a chunk", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nxx", -1, connectors.ReasonCut},
		{"no chunk", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + secretBody + "\r\n", -1, connectors.ReasonAnswer},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := client(t, config.Egress{Allow: loopback}, Options{MaxAnswer: limit})
			resp, err := c.Do(t.Context(), post(t, rawServer(t, answer(tc.text))))
			if err != nil {
				t.Fatal(err)
			}
			if want := "HTTP/1.1 " + fmt.Sprint(resp.Status); !strings.HasPrefix(tc.text, want) {
				t.Errorf("status = %d", resp.Status)
			}
			if tc.body >= 0 {
				if resp.BodyErr != nil || len(resp.Body) != tc.body {
					t.Errorf("body of %d bytes, %v", len(resp.Body), resp.BodyErr)
				}
				return
			}
			if resp.Body != nil || resp.BodyErr == nil || resp.BodyErr.Outcome != connectors.Unknown ||
				resp.BodyErr.Reason != tc.reason || resp.BodyErr.Code != fmt.Sprint(resp.Status) {
				t.Errorf("body %q, %+v", resp.Body, resp.BodyErr)
			}
		})
	}
}

// TestOneAttempt: a POST that was written on a kept-alive connection which the
// server then drops is not written a second time.
func TestOneAttempt(t *testing.T) {
	var seen atomic.Int32
	base := rawServer(t, func(conn net.Conn) {
		r := bufio.NewReader(conn)
		for n := range 2 {
			req, err := http.ReadRequest(r)
			if err != nil {
				return
			}
			_, _ = io.Copy(io.Discard, req.Body)
			if seen.Add(1); n == 0 {
				_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
			}
		}
	})
	c := local(t)
	if resp, err := c.Do(t.Context(), post(t, base)); err != nil || resp.Status != 200 {
		t.Fatalf("first: %+v, %v", resp, err)
	}
	_, err := c.Do(t.Context(), post(t, base))
	if se := connectors.AsSendError(err); se.Outcome != connectors.Unknown || se.Reason != connectors.ReasonCut {
		t.Errorf("second: %v", se)
	}
	if seen.Load() != 2 {
		t.Errorf("the server saw %d requests, want 2", seen.Load())
	}
}

func TestRedirects(t *testing.T) {
	var base string
	mux := http.NewServeMux()
	mux.HandleFunc("/a", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, base+"/b", http.StatusFound) })
	mux.HandleFunc("/b", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, base+"/c", http.StatusFound) })
	mux.HandleFunc("/c", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("/out", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "http://169.254.169.254/latest", http.StatusFound)
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	base = server.URL
	for _, tc := range []struct {
		method, path string
		allowed      int
		status       int
	}{
		{"GET", "/a", 0, 302},
		{"GET", "/a", 1, 302},
		{"GET", "/a", 2, 200},
		{"POST", "/a", 5, 302},
	} {
		u, _ := url.Parse(base + tc.path)
		resp, err := local(t).Do(t.Context(), Request{Method: tc.method, URL: u, Redirects: tc.allowed})
		if err != nil || resp.Status != tc.status {
			t.Errorf("%s %s with %d redirects: %+v, %v; want %d", tc.method, tc.path, tc.allowed, resp, err, tc.status)
		}
	}
	u, _ := url.Parse(base + "/a")
	trusted := client(t, config.Egress{}, Options{Trusted: true})
	if resp, err := trusted.Do(t.Context(), Request{Method: http.MethodGet, URL: u, Redirects: 2}); err != nil || resp.Status != 302 {
		t.Errorf("a trusted client follows redirects: %+v, %v", resp, err)
	}
	u, _ = url.Parse(base + "/out")
	_, err := local(t).Do(t.Context(), Request{Method: http.MethodGet, URL: u, Redirects: 1})
	if se := connectors.AsSendError(err); se.Reason != connectors.ReasonForbidden {
		t.Errorf("redirect to a private address: %v", se)
	}
}

func TestRequestAsSent(t *testing.T) {
	var got *http.Request
	var body []byte
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		got = r
		body, _ = io.ReadAll(r.Body)
	}))
	t.Cleanup(server.Close)
	req := post(t, server.URL)
	if _, err := local(t).Do(t.Context(), req); err != nil {
		t.Fatal(err)
	}
	if got.UserAgent() != "servicelink" || got.Header.Get("Authorization") != "Token header-secret" ||
		got.RequestURI != secretPath || string(body) != secretBody || got.Header.Get("Idempotency-Key") != "" {
		t.Errorf("arrived: %s %v %q", got.RequestURI, got.Header, body)
	}
	if req.Header.Get("User-Agent") != "" {
		t.Error("the caller's header was changed")
	}
}

// TestProxy: with a proxy every request goes there, the environment counts for
// nothing, and targets written as private addresses are still refused.
func TestProxy(t *testing.T) {
	t.Setenv("HTTP_PROXY", "http://127.0.0.1:1")
	t.Setenv("NO_PROXY", "*")
	var asked atomic.Value
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Store(r.URL.Host)
		w.WriteHeader(http.StatusAccepted)
	}))
	t.Cleanup(proxy.Close)
	c := client(t, config.Egress{Proxy: proxy.URL}, Options{})
	resp, err := c.Do(t.Context(), post(t, "http://client.example.com"))
	if err != nil || resp.Status != http.StatusAccepted || asked.Load() != "client.example.com" {
		t.Errorf("through the proxy: %+v, %v, asked for %v", resp, err, asked.Load())
	}
	_, err = c.Do(t.Context(), post(t, "http://192.168.0.1"))
	if se := connectors.AsSendError(err); se.Reason != connectors.ReasonForbidden {
		t.Errorf("private target: %v", se)
	}
	direct := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	t.Cleanup(direct.Close)
	if resp, err := local(t).Do(t.Context(), post(t, direct.URL)); err != nil || resp.Status != 200 {
		t.Errorf("without egress.proxy the environment was read: %+v, %v", resp, err)
	}
}

func TestExtraCA(t *testing.T) {
	server := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	t.Cleanup(server.Close)
	file := filepath.Join(t.TempDir(), "ca.pem")
	var out bytes.Buffer
	if err := pem.Encode(&out, &pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, out.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	c := client(t, config.Egress{Allow: loopback, CA: file}, Options{})
	if resp, err := c.Do(t.Context(), post(t, server.URL)); err != nil || resp.Status != 200 {
		t.Errorf("%+v, %v", resp, err)
	}
}

func TestNewRefuses(t *testing.T) {
	empty := filepath.Join(t.TempDir(), "empty.pem")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, egress := range map[string]config.Egress{
		"egress.proxy": {Proxy: "socks5://user:proxy-secret@h:1"},
		"egress.ca":    {CA: "/nonexistent/ca.pem"},
		"certificate":  {CA: empty},
	} {
		_, err := New(connectors.Dependencies{Egress: egress}, Options{})
		if err == nil || !strings.Contains(err.Error(), name) || strings.Contains(err.Error(), "-secret") {
			t.Errorf("New with bad %s = %v", name, err)
		}
	}
}
