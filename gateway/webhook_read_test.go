package gateway

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"

	"servicelink/config"
	"servicelink/connectors"
)

// endless says nothing of its length and never ends.
type endless struct{ read int }

func (e *endless) Read(p []byte) (int, error) {
	e.read += len(p)
	return len(p), nil
}

func TestReadBody(t *testing.T) {
	t.Parallel()
	big := strings.Repeat("x", keptBody)
	for _, tc := range []struct {
		name   string
		body   io.Reader
		length int64 // told; -1 = not
		limit  int64
		want   string
		err    error
	}{
		{"told", strings.NewReader("abc"), 3, 10, "abc", nil},
		{"not told", strings.NewReader("abc"), -1, 10, "abc", nil},
		{"empty", strings.NewReader(""), 0, 10, "", nil},
		{"exactly the limit", strings.NewReader("abcde"), 5, 5, "abcde", nil},
		{"exactly the limit, not told", strings.NewReader("abcde"), -1, 5, "abcde", nil},
		{"byte by byte", iotest.OneByteReader(strings.NewReader("abcde")), -1, 5, "abcde", nil},
		{"end with the last bytes", iotest.DataErrReader(strings.NewReader("abcde")), 5, 5, "abcde", nil},
		{"grows", strings.NewReader(big), -1, keptBody, big, nil},
		{"beyond what is kept", strings.NewReader(big + big), 2 * keptBody, 3 * keptBody, big + big, nil},
		{"told too large", iotest.ErrReader(errors.New("must not be read")), 6, 5, "", errTooLarge},
		{"one byte too many, not told", strings.NewReader("abcdef"), -1, 5, "", errTooLarge},
		{"endless", &endless{}, -1, 1 << 20, "", errTooLarge},
		{"cut", io.MultiReader(strings.NewReader("ab"), iotest.ErrReader(io.ErrUnexpectedEOF)), 5, 5, "", errBody},
		{"too slow", iotest.TimeoutReader(iotest.OneByteReader(strings.NewReader("abc"))), 3, 5, "", errBody},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			var held atomic.Int64
			c := &call{values: map[string]string{}}
			r := &http.Request{Body: io.NopCloser(tc.body), ContentLength: tc.length}
			err := c.read(r, tc.limit, &held)
			if !errors.Is(err, tc.err) || (err == nil && string(c.body) != tc.want) {
				t.Errorf("%d bytes, error %v; want %d bytes, error %v", len(c.body), err, len(tc.want), tc.err)
			}
			if n := held.Load(); n != c.charged || n > tc.limit+1 {
				t.Errorf("%d bytes are charged in all, %d to this call", n, c.charged)
			}
			c.discharge(&held)
			if n := held.Load(); n != 0 {
				t.Errorf("%d bytes stay charged", n)
			}
		})
	}
}

// TestReadBodyTakesMemoryAsItComes: a length that is only claimed costs
// nothing, and an endless body costs its limit at most.
func TestReadBodyTakesMemoryAsItComes(t *testing.T) {
	t.Parallel()
	var held atomic.Int64
	c := &call{}
	r := &http.Request{Body: io.NopCloser(strings.NewReader("x")), ContentLength: 50 << 20}
	if err := c.read(r, 60<<20, &held); err != nil {
		t.Fatal(err)
	}
	if cap(c.body) > keptBody {
		t.Errorf("%d bytes were taken for one", cap(c.body))
	}
	source := &endless{}
	c = &call{}
	if err := c.read(&http.Request{Body: io.NopCloser(source), ContentLength: -1}, 100_000, &held); !errors.Is(err, errTooLarge) {
		t.Fatal(err)
	}
	if source.read > 100_001 {
		t.Errorf("%d bytes were read of a body limited to 100,000", source.read)
	}
}

// TestReadBodyCrowded: large bodies share one budget, small ones do not ask.
func TestReadBodyCrowded(t *testing.T) {
	t.Parallel()
	var held atomic.Int64
	held.Store(maxHeld)
	c := &call{}
	large := &http.Request{Body: io.NopCloser(strings.NewReader(strings.Repeat("x", keptBody+1))), ContentLength: keptBody + 1}
	if err := c.read(large, 2*keptBody, &held); !errors.Is(err, errCrowded) {
		t.Errorf("large body: error %v, want errCrowded", err)
	}
	c.discharge(&held)
	if err := c.read(&http.Request{Body: io.NopCloser(strings.NewReader("x")), ContentLength: 1}, 2*keptBody, &held); err != nil {
		t.Errorf("small body: %v", err)
	}
	if held.Load() != maxHeld {
		t.Errorf("%d bytes held, want %d as before", held.Load(), maxHeld)
	}
}

// TestWebhookUnread: a body that cannot be taken in is answered by the
// connector and counted; none of it reaches Verify.
func TestWebhookUnread(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name   string
		change func(*hookRig, *http.Request)
		status int
		reason connectors.RequestReason
	}{
		{"gzip", func(_ *hookRig, r *http.Request) { r.Header.Set("Content-Encoding", "gzip") }, 422, connectors.ReasonSyntax},
		{"two encodings", func(_ *hookRig, r *http.Request) {
			r.Header["Content-Encoding"] = []string{"identity", "gzip"}
		}, 422, connectors.ReasonSyntax},
		{"identity", func(_ *hookRig, r *http.Request) { r.Header.Set("Content-Encoding", "Identity") }, 200, ""},
		{"cut", func(_ *hookRig, r *http.Request) { r.Body = io.NopCloser(iotest.ErrReader(io.ErrUnexpectedEOF)) }, 422, connectors.ReasonBody},
		{"too large", func(_ *hookRig, r *http.Request) { r.ContentLength = 201 }, 413, connectors.ReasonTooLarge},
		{"crowded", func(rig *hookRig, r *http.Request) {
			rig.channels[0].Hooks[0].MaxBody = 2 * keptBody
			h, err := newPublicHandler(config.Public{}, rig.channels, rig.channels[0].Metrics, discardLog)
			if err != nil {
				panic(err)
			}
			rig.handler = h
			r.Body, r.ContentLength = io.NopCloser(&endless{}), -1
			h.held.Store(maxHeld)
		}, 503, connectors.ReasonUnavail},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			rig := newHookRig(t, rigChannel{name: "shop", secret: "s1"})
			r := httptest.NewRequestWithContext(t.Context(), "POST", rigTarget, strings.NewReader(`["a"]`))
			r.Header.Set("Secret", "s1")
			tc.change(rig, r)
			if res := rig.do(r); res.Code != tc.status {
				t.Errorf("status %d, want %d", res.Code, tc.status)
			}
			if tc.reason == "" {
				return
			}
			if got := rig.moved(t)["refused shop "+string(tc.reason)]; got != 1 {
				t.Errorf("counted %v times as %s, want 1", got, tc.reason)
			}
			if len(rig.seen) != 0 {
				t.Error("Parse saw a call that was not taken in")
			}
		})
	}
}

func TestClientAddress(t *testing.T) {
	t.Parallel()
	proxies := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8")}
	for _, tc := range []struct {
		name, peer string
		forwarded  []string
		proxies    []netip.Prefix
		want       string
	}{
		{"no proxies configured", "10.0.0.1:1", []string{"1.2.3.4"}, nil, "10.0.0.1"},
		{"peer is no proxy", "9.9.9.9:1", []string{"1.2.3.4"}, proxies, "9.9.9.9"},
		{"one proxy", "10.0.0.1:1", []string{"1.2.3.4"}, proxies, "1.2.3.4"},
		{"two proxies", "10.0.0.1:1", []string{"1.2.3.4, 10.0.0.2"}, proxies, "1.2.3.4"},
		{"invented entry on the left", "10.0.0.1:1", []string{"127.0.0.1, 1.2.3.4"}, proxies, "1.2.3.4"},
		{"several lines", "10.0.0.1:1", []string{"8.8.8.8", "1.2.3.4", "10.0.0.2"}, proxies, "1.2.3.4"},
		{"only proxies", "10.0.0.1:1", []string{"10.0.0.3,10.0.0.2"}, proxies, "10.0.0.3"},
		{"no header", "10.0.0.1:1", nil, proxies, "10.0.0.1"},
		{"empty header", "10.0.0.1:1", []string{""}, proxies, "10.0.0.1"},
		{"garbage", "10.0.0.1:1", []string{"1.2.3.4, <script>"}, proxies, "10.0.0.1"},
		{"garbage behind a proxy", "10.0.0.1:1", []string{"unknown, 10.0.0.2"}, proxies, "10.0.0.2"},
		{"with port", "10.0.0.1:1", []string{"1.2.3.4:555"}, proxies, "1.2.3.4"},
		{"IPv6", "[fd00::1]:1", []string{"2001:db8::1"}, proxies, "2001:db8::1"},
		{"IPv6 in brackets with port", "[fd00::1]:1", []string{"[2001:db8::1]:9"}, proxies, "2001:db8::1"},
		{"proxy over a mapped address", "[::ffff:10.0.0.1]:1", []string{"1.2.3.4"}, proxies, "1.2.3.4"},
		{"no port", "pipe", []string{"1.2.3.4"}, proxies, "pipe"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			c := newCallers(config.Public{TrustedProxies: tc.proxies})
			r := &http.Request{RemoteAddr: tc.peer, Header: http.Header{"X-Forwarded-For": tc.forwarded}}
			if got := c.client(r); got != tc.want {
				t.Errorf("client %q, want %q", got, tc.want)
			}
		})
	}
}

// TestTarget: what networks sign is the target's bytes, not what parsing and
// printing makes of them.
func TestTarget(t *testing.T) {
	t.Parallel()
	for uri, want := range map[string]string{
		"/a?b=c":                 "/a?b=c",
		"/a%2fb?x=%7E&y=+ z":     "/a%2fb?x=%7E&y=+ z",
		"/a?":                    "/a?",
		"http://h.example/a?b":   "/a?b",
		"https://h.example:1/a%": "/a%",
		"":                       "/parsed?q",
		"http://h.example":       "/parsed?q",
	} {
		r := &http.Request{RequestURI: uri, URL: &url.URL{Path: "/parsed", RawQuery: "q"}}
		if got := target(r); got != want {
			t.Errorf("target of %q is %q, want %q", uri, got, want)
		}
	}
}

// FuzzClientAddress: whatever a proxy passes on, the answer is an address the
// peer is trusted for, or one read from the header.
func FuzzClientAddress(f *testing.F) {
	f.Add("1.2.3.4, 10.0.0.2")
	f.Add(",,[::1]:5,")
	c := newCallers(config.Public{TrustedProxies: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}})
	f.Fuzz(func(t *testing.T, line string) {
		r := &http.Request{RemoteAddr: "10.0.0.1:1", Header: http.Header{"X-Forwarded-For": {line}}}
		if _, err := netip.ParseAddr(c.client(r)); err != nil {
			t.Errorf("client of %q: %v", line, err)
		}
	})
}

// TestCallIsCleanWhenGivenBack: nothing of one call is left for the next.
func TestCallIsCleanWhenGivenBack(t *testing.T) {
	t.Parallel()
	c := &call{
		values: map[string]string{"token": "t"}, body: make([]byte, 10, keptBody+1),
		req: connectors.Request{Method: "POST", Received: time.Now(), Body: []byte("x")},
	}
	c.clean()
	if diff := cmp.Diff(connectors.Request{}, c.req); diff != "" || len(c.values) != 0 || c.body != nil {
		t.Errorf("left over: %d values, %d bytes, %s", len(c.values), cap(c.body), diff)
	}
	c = &call{values: map[string]string{}, body: bytes.Repeat([]byte("x"), 100)}
	c.clean()
	if cap(c.body) == 0 {
		t.Error("a buffer of common size was thrown away")
	}
}
