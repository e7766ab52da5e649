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
	"cmp"
	"net/http"
	"net/url"
	"time"

	"servicelink/connectors"
	"servicelink/internal/egress"
)

// Defaults of Options.
const (
	TotalTimeout = 15 * time.Second // from the first byte out to the last one in
	MaxAnswer    = 1 << 20          // bytes, after decompression
	MaxStream    = 50 << 20         // bytes, after decompression
	Idle         = 30 * time.Second // between two pieces of a stream
)

const userAgent = "servicelink"

// Options are what connectors choose. The zero value is the default.
type Options struct {
	Timeout   time.Duration // of one whole call, of a stream to its header; 0 = TotalTimeout
	MaxAnswer int64         // bytes; 0 = MaxAnswer
	MaxStream int64         // bytes; 0 = Dependencies.MaxFile, or MaxStream
	Idle      time.Duration // longest wait for the next bytes of a stream; 0 = Idle
	// Trusted switches the egress guard off, for an address that stands in the
	// configuration itself and may be private (an api_url).
	Trusted bool
}

// Client makes requests for one channel. It is safe for concurrent use.
type Client struct {
	http      *http.Client
	timeout   time.Duration
	maxAnswer int64
	maxStream int64
	idle      time.Duration
	trusted   bool
	guard     *egress.Guard // nil = trusted
}

// New builds a client. It connects to nothing; it reads the egress CA file. For
// egress.proxy see egress.NewClient.
func New(deps connectors.Dependencies, opts Options) (*Client, error) {
	c := &Client{
		timeout:   cmp.Or(opts.Timeout, TotalTimeout),
		maxAnswer: cmp.Or(opts.MaxAnswer, MaxAnswer),
		maxStream: cmp.Or(opts.MaxStream, deps.MaxFile, MaxStream),
		idle:      cmp.Or(opts.Idle, Idle),
		trusted:   opts.Trusted,
	}
	if !opts.Trusted {
		c.guard = &egress.Guard{Allow: deps.Egress.Allow}
	}
	var err error
	if c.http, err = egress.NewClient(deps.Egress, c.guard, deps.Transport); err != nil {
		return nil, err
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
	return c.guard.CheckHost(target.Hostname())
}

// Close ends idle connections. Calls under way are not touched.
func (c *Client) Close() error {
	c.http.CloseIdleConnections()
	return nil
}
