package gateway

import (
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"servicelink/config"
	"servicelink/connectors"
)

// Sizes of the buffers bodies are read into, in bytes.
const (
	// keptBody is the largest buffer kept for the next call, and the largest
	// that is not charged to maxHeld.
	keptBody = 64 << 10
	// firstBody is a new buffer's size when the length is not told.
	firstBody = 4 << 10
	// maxHeld bounds all larger buffers together: many callers with large
	// bodies are asked to come again instead of taking the memory of all.
	maxHeld = 128 << 20
)

// Why a call was not taken in.
var (
	errTooLarge = errors.New("body too large")
	errCrowded  = errors.New("too many large bodies at once")
	errEncoding = errors.New("content encoding not supported")
	errBody     = errors.New("body cut or too slow")
)

// call is what one webhook call borrows: the request given to connectors and
// the memory behind it. It goes back when the answer is written; connectors
// keep nothing of it.
type call struct {
	req     connectors.Request
	values  map[string]string
	body    []byte
	charged int64
}

var calls = sync.Pool{New: func() any { return &call{values: make(map[string]string, 2)} }}

func takeCall() *call { return calls.Get().(*call) } //nolint:forcetypeassert // the pool holds nothing else

// giveBack returns the call, discharged, for the next one.
func (c *call) giveBack() {
	c.clean()
	calls.Put(c)
}

// clean leaves nothing of one call for the next.
func (c *call) clean() {
	c.req = connectors.Request{}
	clear(c.values)
	if cap(c.body) > keptBody {
		c.body = nil
	}
}

// discharge ends the charge for a large body.
func (c *call) discharge(held *atomic.Int64) {
	held.Add(-c.charged)
	c.charged = 0
}

// read takes the body in, at most limit bytes of it. One that says it is
// larger is not read at all.
func (c *call) read(r *http.Request, limit int64, held *atomic.Int64) error {
	if e := r.Header["Content-Encoding"]; len(e) > 0 && (len(e) > 1 || !strings.EqualFold(e[0], "identity")) {
		return errEncoding
	}
	if r.ContentLength > limit {
		return errTooLarge
	}
	c.body = c.body[:0]
	want := int64(firstBody)
	if r.ContentLength >= 0 {
		want = min(r.ContentLength+1, keptBody) // beyond that memory is taken as it fills
	}
	for {
		if int64(cap(c.body)) < want {
			if err := c.grow(want, held); err != nil {
				return err
			}
		}
		n, err := r.Body.Read(c.body[len(c.body):cap(c.body)])
		c.body = c.body[:len(c.body)+n]
		switch {
		case int64(len(c.body)) > limit:
			return errTooLarge
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return errBody
		case len(c.body) == cap(c.body):
			want = min(2*int64(cap(c.body)), limit+1)
		}
	}
}

// grow moves the body to a larger buffer and charges what is above keptBody.
func (c *call) grow(size int64, held *atomic.Int64) error {
	if size > keptBody {
		extra := size - c.charged
		if held.Add(extra) > maxHeld {
			held.Add(-extra)
			return errCrowded
		}
		c.charged = size
	}
	c.body = append(make([]byte, 0, size), c.body...)
	return nil
}

// describe fills the request connectors see.
func (c *call) describe(r *http.Request, rt *route, received time.Time) {
	for _, name := range rt.path.wildcards {
		c.values[name] = r.PathValue(name)
	}
	c.req = connectors.Request{
		Method:    r.Method,
		URL:       r.URL,
		PublicURL: rt.public.callers.base + target(r),
		Values:    c.values,
		Header:    r.Header,
		Body:      c.body,
		Client:    rt.public.callers.client(r),
		Received:  received,
	}
}

// target is the path and query as they were received, byte for byte: networks
// sign them. A proxy's absolute form is cut to them.
func target(r *http.Request) string {
	if strings.HasPrefix(r.RequestURI, "/") {
		return r.RequestURI
	}
	if _, rest, ok := strings.Cut(r.RequestURI, "://"); ok {
		if i := strings.IndexByte(rest, '/'); i >= 0 {
			return rest[i:]
		}
	}
	return r.URL.RequestURI()
}

// callers tells who calls and under which address we were called.
type callers struct {
	base    string // public.url without a slash at its end
	proxies []netip.Prefix
}

func newCallers(cfg config.Public) callers {
	return callers{base: strings.TrimRight(cfg.URL, "/"), proxies: cfg.TrustedProxies}
}

// client is the caller's address. X-Forwarded-For is believed only from a
// trusted proxy, and only back to the first address that is none: everything
// left of that is the caller's own invention.
func (c *callers) client(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		host = r.RemoteAddr
	}
	if len(c.proxies) == 0 || !c.trusted(host) {
		return host
	}
	for _, line := range slices.Backward(r.Header["X-Forwarded-For"]) {
		for rest := line; rest != ""; {
			var hop string
			rest, hop = cutLast(rest)
			addr, ok := hopAddress(hop)
			if !ok {
				return host
			}
			if host = addr; !c.trusted(host) {
				return host
			}
		}
	}
	return host
}

func (c *callers) trusted(host string) bool {
	addr, err := netip.ParseAddr(host)
	if err != nil {
		return false
	}
	addr = addr.Unmap().WithZone("")
	for _, p := range c.proxies {
		if p.Contains(addr) {
			return true
		}
	}
	return false
}

// cutLast splits "a, b, c" into "a, b" and "c".
func cutLast(list string) (rest, last string) {
	if i := strings.LastIndexByte(list, ','); i >= 0 {
		return list[:i], strings.TrimSpace(list[i+1:])
	}
	return "", strings.TrimSpace(list)
}

// hopAddress reads an entry of X-Forwarded-For: an address, with or without
// port and brackets.
func hopAddress(hop string) (string, bool) {
	if a, err := netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(hop, "["), "]")); err == nil {
		return a.String(), true
	}
	if ap, err := netip.ParseAddrPort(hop); err == nil {
		return ap.Addr().String(), true
	}
	return "", false
}
