package egress

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"servicelink/config"
	"servicelink/connectors"
)

// nameServer answers each question for an address with the next one of its list,
// and goes on with the last.
func nameServer(t *testing.T, addresses ...string) *net.Resolver {
	t.Helper()
	var asked atomic.Int32
	return &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
		ours, theirs := net.Pipe()
		go func() {
			defer theirs.Close()
			// Over a stream: two bytes of length, then the message.
			var length [2]byte
			if _, err := io.ReadFull(theirs, length[:]); err != nil {
				return
			}
			q := make([]byte, binary.BigEndian.Uint16(length[:]))
			if _, err := io.ReadFull(theirs, q); err != nil {
				return
			}
			end := 12
			for q[end] != 0 {
				end += int(q[end]) + 1
			}
			end += 5 // the root, the type, the class
			kind := binary.BigEndian.Uint16(q[end-4:])
			a := append([]byte{q[0], q[1], 0x81, 0x80, 0, 1, 0, 0, 0, 0, 0, 0}, q[12:end]...)
			if kind == 1 {
				a[7] = 1
				ip := netip.MustParseAddr(addresses[min(int(asked.Add(1)), len(addresses))-1]).As4()
				a = append(a, 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4)
				a = append(a, ip[:]...)
			}
			_, _ = theirs.Write(binary.BigEndian.AppendUint16(nil, uint16(len(a))))
			_, _ = theirs.Write(a)
		}()
		return ours, nil
	}}
}

// TestRebinding: a name that means an allowed address when it is looked at first
// and another one when it is dialled again does not get through.
func TestRebinding(t *testing.T) {
	var inside atomic.Int32
	private := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { inside.Add(1) }))
	private.Start()
	t.Cleanup(private.Close)
	_, port, err := net.SplitHostPort(private.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	public := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "public")
	}))
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.2:"+port)
	if err != nil {
		t.Skip("this machine has one loopback address only: ", err)
	}
	_ = public.Listener.Close()
	public.Listener = l
	public.Config.SetKeepAlivesEnabled(false) // every request dials
	public.Start()
	t.Cleanup(public.Close)

	// 127.0.0.2 stands for the public address; 127.0.0.1 is the private one.
	guard := &Guard{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.2/32")}}
	dialer := &net.Dialer{Timeout: ConnectTimeout, Resolver: nameServer(t, "127.0.0.2", "127.0.0.1")}
	transport, err := newTransport(config.Egress{}, guard, dialer)
	if err != nil {
		t.Fatal(err)
	}
	client, err := NewClient(config.Egress{}, guard, transport)
	if err != nil {
		t.Fatal(err)
	}
	defer client.CloseIdleConnections()
	get := func() (string, error) {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://files.example.com:"+port, nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := client.Do(req)
		if err != nil {
			return "", err
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		return string(body), err
	}
	if body, err := get(); body != "public" || err != nil {
		t.Fatalf("first: %q, %v", body, err)
	}
	if body, err := get(); !errors.Is(err, ErrRefused) {
		t.Errorf("second: %q, %v", body, err)
	}
	if inside.Load() != 0 {
		t.Error("the private server was reached")
	}
}

// chain is a client over a network of hosts made up in the test.
func chain(t *testing.T, answer func(*http.Request) string) (client *http.Client, seen *[]*http.Request) {
	t.Helper()
	seen = new([]*http.Request)
	client, err := NewClient(config.Egress{}, &Guard{}, roundTrip(func(r *http.Request) (*http.Response, error) {
		*seen = append(*seen, r)
		resp := &http.Response{StatusCode: 200, Header: http.Header{}, Body: io.NopCloser(strings.NewReader("file")), Request: r}
		if to := answer(r); to != "" {
			resp.StatusCode = http.StatusFound
			resp.Header.Set("Location", to)
		}
		return resp, nil
	}))
	if err != nil {
		t.Fatal(err)
	}
	return client, seen
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func get(ctx context.Context, t *testing.T, address string) *http.Request {
	t.Helper()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header = http.Header{
		"Authorization": {"Bearer secret"}, "X-Api-Key": {"secret"}, "Cookie": {"s=secret"},
		"User-Agent": {"servicelink"}, "Range": {"bytes=0-9"},
	}
	return req
}

// TestRedirectsKeepCredentials: another host hears neither them nor the address
// that led to it, a subdomain included.
func TestRedirectsKeepCredentials(t *testing.T) {
	for from, to := range map[string]string{
		"https://api.example.com/token-secret/1": "https://cdn.example.net/f",
		"https://example.com/token-secret/2":     "https://cdn.example.com/f",
		"https://example.com/token-secret/3":     "https://example.com:8443/f",
	} {
		client, seen := chain(t, func(r *http.Request) string {
			if strings.Contains(r.URL.Path, "token") {
				return to
			}
			return ""
		})
		resp, err := client.Do(get(WithRedirects(t.Context(), 1), t, from))
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if len(*seen) != 2 || (*seen)[1].URL.String() != to {
			t.Fatalf("%s: %d requests", from, len(*seen))
		}
		for name, values := range (*seen)[1].Header {
			if strings.Contains(strings.Join(values, ""), "secret") {
				t.Errorf("%s: %s goes along to %s", from, name, to)
			}
		}
		if (*seen)[1].Header.Get("Range") == "" {
			t.Errorf("%s: the range is lost", from)
		}
	}
}

func TestRedirectsStopAt(t *testing.T) {
	for name, tc := range map[string]struct {
		to      string
		allowed int
		status  int
		refused bool
	}{
		"the same host":     {"https://example.com/f", 1, 200, false},
		"none allowed":      {"https://example.com/f", 0, 302, false},
		"out of TLS":        {"http://example.com/f", 1, 302, false},
		"a private address": {"https://10.0.0.1/f", 1, 0, true},
		"the metadata":      {"https://169.254.169.254/latest", 1, 0, true},
		"in IPv6":           {"https://[::ffff:127.0.0.1]/f", 1, 0, true},
		"for ever":          {"https://example.com/again", 5, 302, false},
	} {
		t.Run(name, func(t *testing.T) {
			client, _ := chain(t, func(r *http.Request) string {
				if r.URL.Path == "/f" {
					return ""
				}
				return tc.to
			})
			resp, err := client.Do(get(WithRedirects(t.Context(), tc.allowed), t, "https://example.com/start"))
			if tc.refused {
				if !errors.Is(err, ErrRefused) {
					t.Errorf("%v", err)
				}
				return
			}
			if err != nil || resp.StatusCode != tc.status {
				t.Fatalf("%+v, %v", resp, err)
			}
			_ = resp.Body.Close()
		})
	}
}

func TestStream(t *testing.T) {
	limits := Limits{Header: 15 * time.Second, Idle: 30 * time.Second, Bytes: 100}
	client := func(wait time.Duration) *http.Client {
		return &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
			select {
			case <-time.After(wait):
			case <-r.Context().Done():
				return nil, r.Context().Err()
			}
			return &http.Response{StatusCode: 200, Body: &dripping{r.Context(), 20 * time.Second, 10}, Request: r}, nil
		})}
	}
	for name, tc := range map[string]struct {
		header time.Duration
		cancel time.Duration // 0 = never
		reason connectors.Reason
		after  time.Duration
	}{
		"slow, and whole":      {10 * time.Second, 0, "", 210 * time.Second},
		"no header":            {time.Minute, 0, connectors.ReasonTimeout, 15 * time.Second},
		"canceled before":      {10 * time.Second, 5 * time.Second, "", 5 * time.Second},
		"canceled in the body": {time.Second, 50 * time.Second, "", 50 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				if tc.cancel > 0 {
					time.AfterFunc(tc.cancel, cancel)
				}
				began := time.Now()
				resp, err := Stream(client(tc.header), get(ctx, t, "https://example.com/f"), limits)
				n := 0
				if err == nil {
					var body []byte
					body, err = io.ReadAll(resp.Body)
					n = len(body)
					_ = resp.Body.Close()
				}
				switch {
				case tc.reason != "":
					if reason, _ := Describe(err); reason != tc.reason {
						t.Errorf("%v", err)
					}
				case tc.cancel > 0:
					if !errors.Is(err, context.Canceled) {
						t.Errorf("%v", err)
					}
				case err != nil || n != 10:
					t.Errorf("%d bytes, %v", n, err)
				}
				if took := time.Since(began); took != tc.after {
					t.Errorf("took %v, want %v", took, tc.after)
				}
			})
		})
	}
}

// TestProxyIsAskedForNothingInside: behind a proxy there is no dial of ours to
// judge, so nothing that could mean an address inside may reach it.
func TestProxyIsAskedForNothingInside(t *testing.T) {
	var asked atomic.Int32
	proxy := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked.Add(1) }))
	t.Cleanup(proxy.Close)
	client, err := NewClient(config.Egress{Proxy: proxy.URL}, &Guard{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer client.CloseIdleConnections()
	do := func(host string) error {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://files.example.com/f", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.URL.Host = host
		resp, err := client.Do(req)
		if err == nil {
			_ = resp.Body.Close()
		}
		return err
	}
	odd := append([]string{"127.0.0.1", "[::1]", "[::ffff:10.0.0.1]", "[fe80::1%25eth0]", "169.254.169.254:80"}, oddHosts...)
	odd = append(odd, "\uff11\uff12\uff17.0.0.1", "127\u30020\u30020\u30021", "\u2460\u2461\u2466.\u2460", "\uff4c\uff4f\uff43\uff41\uff4clhost")
	for _, host := range odd {
		if err := do(host); err == nil {
			t.Errorf("%q was asked for", host)
		}
	}
	if n := asked.Load(); n != 0 {
		t.Errorf("%d requests reached the proxy", n)
	}
	if err := do("files.example.com"); err != nil || asked.Load() != 1 {
		t.Errorf("a name: %v, %d requests at the proxy", err, asked.Load())
	}
}

// TestDescribeIsFixed: no text of net/http is passed on.
func TestDescribeIsFixed(t *testing.T) {
	for _, err := range []error{
		errors.New("x-secret"),
		&url.Error{Op: "Get", URL: "https://x/path-secret", Err: errors.New("header-secret")},
		&net.DNSError{Name: "host-secret", IsNotFound: true},
	} {
		if _, text := Describe(err); strings.Contains(text, "secret") || text == "" {
			t.Errorf("%T: %q", err, text)
		}
	}
}
