package egress

import (
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
)

// ConnectTimeout is for DNS and TCP; the same again for TLS.
const ConnectTimeout = 5 * time.Second

const (
	maxHeaderBytes = 64 << 10
	// idlePerHost is how many conversations can speak at once without dialing for
	// each message: with 32, dialing took a sixth of a busy gateway's CPU.
	idlePerHost = 256
	// idleConnection is shorter than the usual 60 to 75 s of servers: a request on
	// a connection the server is just closing would end as unknown; and a thousand
	// channels that start leave as many connections behind as it allows.
	idleConnection = 15 * time.Second
)

// NewClient builds an HTTP client behind guard; nil = no guard, for addresses
// that stand in the configuration. base stands in for the network in tests; nil
// = TCP. It connects to nothing; it reads the egress CA file.
//
// With egress.proxy every connection goes to the proxy, which resolves names
// itself: then only targets written as addresses are judged here, in whatever
// form, and names are the proxy's to judge.
func NewClient(cfg config.Egress, guard *Guard, base http.RoundTripper) (*http.Client, error) {
	if base == nil {
		t, err := newTransport(cfg, guard, &net.Dialer{Timeout: ConnectTimeout})
		if err != nil {
			return nil, err
		}
		base = t
	}
	return &http.Client{
		Transport:     &guarded{next: base, guard: guard, proxied: cfg.Proxy != ""},
		CheckRedirect: checkRedirect,
	}, nil
}

// connBuffer is half of what net/http takes: a thousand channels that poll hold
// two of them for each of two connections.
const connBuffer = 2 << 10

func newTransport(cfg config.Egress, guard *Guard, dialer *net.Dialer) (*http.Transport, error) {
	t := &http.Transport{
		ForceAttemptHTTP2:      true,
		TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout:    ConnectTimeout,
		MaxIdleConnsPerHost:    idlePerHost,
		IdleConnTimeout:        idleConnection,
		ReadBufferSize:         connBuffer,
		WriteBufferSize:        connBuffer,
		MaxResponseHeaderBytes: maxHeaderBytes,
	}
	if cfg.CA != "" {
		pool, err := certPool(cfg.CA)
		if err != nil {
			return nil, err
		}
		t.TLSClientConfig.RootCAs = pool
	}
	switch {
	case cfg.Proxy != "":
		proxy, err := proxyURL(cfg.Proxy)
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
	next    http.RoundTripper
	guard   *Guard
	proxied bool
}

func (g *guarded) RoundTrip(req *http.Request) (*http.Response, error) {
	if g.guard != nil {
		check := g.guard.CheckHost
		if g.proxied {
			check = g.guard.checkProxied
		}
		if err := check(req.URL.Hostname()); err != nil {
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
