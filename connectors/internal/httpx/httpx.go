// Package httpx is the HTTP client of every connector: guarded, bounded, and
// exact about what is known when a request fails.
//
// # Certainty
//
// A request is not sent as long as the transport has no connection for it;
// from then on bytes may have left, and a lost answer means that its fate is
// unknown. The client makes one attempt. net/http itself repeats a request on
// a stale kept-alive connection only when not a byte of it was written, or when
// its method is GET, HEAD, OPTIONS or TRACE, or when it carries an
// Idempotency-Key: so none is ever set here, and a POST that may have left is
// never repeated behind the connector's back.
//
// # Safety
//
// Addresses are judged when they are dialled, after the name was resolved.
// Redirects are not followed unless the call allows them, the environment is
// not read, an answer beyond the limit is an error and never cut off, and no
// error holds a URL, a header or a byte of what either side sent.
package httpx

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"time"

	"servicelink/config"
	"servicelink/connectors"
)

// Defaults of Options.
const (
	ConnectTimeout = 5 * time.Second  // DNS and TCP; the same again for TLS
	TotalTimeout   = 15 * time.Second // from the first byte out to the last one in
	MaxAnswer      = 1 << 20          // bytes, after decompression
)

const (
	userAgent      = "servicelink"
	maxHeaderBytes = 64 << 10
	idlePerHost    = 32
	// idleTimeout is shorter than the usual 60 to 75 s of servers: a request on a
	// connection the server is just closing would end as unknown.
	idleTimeout = 30 * time.Second
)

// Options are what connectors choose. The zero value is the default.
type Options struct {
	Timeout   time.Duration // of one whole call; 0 = TotalTimeout
	MaxAnswer int64         // bytes; 0 = MaxAnswer
	// Trusted switches the egress guard off, for an address that stands in the
	// configuration itself and may be private (an api_url).
	Trusted bool
}

// Client makes requests for one channel. It is safe for concurrent use.
type Client struct {
	http      *http.Client
	timeout   time.Duration
	maxAnswer int64
	trusted   bool
	guard     *Guard // nil = trusted
}

// New builds a client. It connects to nothing; it reads the egress CA file.
//
// With egress.proxy every connection goes to the proxy, which resolves names
// itself: then only targets written as addresses are judged here, and names are
// the proxy's to judge.
func New(deps connectors.Dependencies, opts Options) (*Client, error) {
	c := &Client{timeout: opts.Timeout, maxAnswer: opts.MaxAnswer, trusted: opts.Trusted}
	if c.timeout <= 0 {
		c.timeout = TotalTimeout
	}
	if c.maxAnswer <= 0 {
		c.maxAnswer = MaxAnswer
	}
	guard := &Guard{Allow: deps.Egress.Allow}
	if opts.Trusted {
		guard = nil
	}
	c.guard = guard
	base := deps.Transport
	if base == nil {
		t, err := newTransport(deps.Egress, guard)
		if err != nil {
			return nil, err
		}
		base = t
	}
	c.http = &http.Client{
		Transport:     &guarded{next: base, guard: guard},
		CheckRedirect: checkRedirect,
	}
	return c, nil
}

// CheckHost says at once what every call to a target would end with: an error
// for a host that is written as an address and refused by the egress guard. A
// name is judged when it is dialled.
func (c *Client) CheckHost(target *url.URL) error {
	if c.guard == nil {
		return nil
	}
	return c.guard.checkHost(target.Hostname())
}

// Close ends idle connections. Calls under way are not touched.
func (c *Client) Close() error {
	c.http.CloseIdleConnections()
	return nil
}

func newTransport(egress config.Egress, guard *Guard) (*http.Transport, error) {
	t := &http.Transport{
		ForceAttemptHTTP2:      true,
		TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout:    ConnectTimeout,
		MaxIdleConnsPerHost:    idlePerHost,
		IdleConnTimeout:        idleTimeout,
		MaxResponseHeaderBytes: maxHeaderBytes,
	}
	if egress.CA != "" {
		pool, err := certPool(egress.CA)
		if err != nil {
			return nil, err
		}
		t.TLSClientConfig.RootCAs = pool
	}
	dialer := &net.Dialer{Timeout: ConnectTimeout}
	switch {
	case egress.Proxy != "":
		proxy, err := proxyURL(egress.Proxy)
		if err != nil {
			return nil, err
		}
		t.Proxy = http.ProxyURL(proxy)
	case guard != nil:
		dialer.Control = guard.control
	}
	t.DialContext = dialer.DialContext
	return t, nil
}

// proxyURL reads egress.proxy. Its error does not repeat it: it may hold a
// password.
func proxyURL(s string) (*url.URL, error) {
	u, err := url.Parse(s)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, errors.New("egress.proxy: want http://host:port or https://host:port")
	}
	return u, nil
}

// certPool is the system's certificates and those of file.
func certPool(file string) (*x509.CertPool, error) {
	pem, err := os.ReadFile(file) //nolint:gosec // the operator names the file
	if err != nil {
		return nil, fmt.Errorf("egress.ca: %w", err)
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("egress.ca: %s holds no certificate", file)
	}
	return pool, nil
}

// guarded judges the targets that are written as addresses, those of redirects
// included, before a request reaches the network or the proxy.
type guarded struct {
	next  http.RoundTripper
	guard *Guard
}

func (g *guarded) RoundTrip(req *http.Request) (*http.Response, error) {
	if g.guard != nil {
		if err := g.guard.checkHost(req.URL.Hostname()); err != nil {
			return nil, err
		}
	}
	return g.next.RoundTrip(req)
}

// CloseIdleConnections is found by http.Client through assertion.
func (g *guarded) CloseIdleConnections() {
	if c, ok := g.next.(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}

type redirectsKey struct{}

// withRedirects notes in ctx how many redirects the call allows.
func withRedirects(ctx context.Context, n int) context.Context {
	return context.WithValue(ctx, redirectsKey{}, n)
}

// checkRedirect hands a redirect back as the answer when the call allows no
// (more) of them, or when it would leave TLS.
func checkRedirect(req *http.Request, via []*http.Request) error {
	allowed, _ := req.Context().Value(redirectsKey{}).(int)
	if len(via) > allowed || via[0].URL.Scheme == "https" && req.URL.Scheme != "https" {
		return http.ErrUseLastResponse
	}
	return nil
}
