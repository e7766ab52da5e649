//go:build proxies

package proxies

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"servicelink/config"
	"servicelink/connectors"
	"servicelink/gateway"
)

// maxBody of the probe's webhook, in bytes: as the largest of the connectors.
const maxBody = 1 << 20

// probe is a connector that hands over what the gateway tells it of a call.
type probe struct{ got chan connectors.Request }

func (*probe) Capabilities() connectors.Capabilities { return connectors.Capabilities{} }

func (*probe) Send(context.Context, connectors.Part) (connectors.Receipt, error) {
	return connectors.Receipt{}, &connectors.SendError{Outcome: connectors.Rejected, Reason: connectors.ReasonContent, Err: errors.New("a probe")}
}

func (p *probe) Webhooks() []connectors.Webhook {
	return []connectors.Webhook{{
		Method: http.MethodPost, Path: "/connector/probe/{rest...}", MaxBody: maxBody,
		Verify: func(r *connectors.Request) error {
			kept := *r
			kept.Header, kept.Body = r.Header.Clone(), append([]byte(nil), r.Body...)
			p.got <- kept
			return nil
		},
		Parse: func(*connectors.Request) (connectors.ParseResult, error) { return connectors.ParseResult{}, nil },
		Reply: func(v connectors.Verdict) connectors.Reply {
			return connectors.Reply{Status: map[connectors.Result]int{
				connectors.Accepted: http.StatusOK, connectors.TooLarge: http.StatusRequestEntityTooLarge,
			}[v.Result], ContentType: "text/plain", Body: "probe"}
		},
	}}
}

// startProbe starts a gateway in this process, with the probe as its channel and
// settings as the example says.
func startProbe(t *testing.T, x *proxy) *probe {
	t.Helper()
	dir := t.TempDir()
	cfg, err := config.Parse([]byte(`
core: { address: "127.0.0.1:1", login: false }
journal: { path: "`+filepath.Join(dir, "journal.db")+`" }
public: { listen: "`+x.gateway+`", url: "https://`+host+`", trusted_proxies: ["127.0.0.1/32"] }
private: { listen: "127.0.0.1:0" }
channels:
  - { name: probe, network: probe, settings: {} }
`), "probe.yaml")
	if err != nil {
		t.Fatal(err)
	}
	p := &probe{got: make(chan connectors.Request, 16)}
	ready := make(chan struct{})
	g, err := gateway.New(cfg, gateway.Options{
		Definitions: []connectors.Definition{{
			Network: "probe", New: func(config.Channel, connectors.Dependencies) (connectors.Connector, error) { return p, nil },
		}},
		Version: "test", OnReady: func() { close(ready) },
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- g.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	select {
	case <-ready:
	case err := <-ended:
		ended <- err
		t.Fatal("the gateway did not start: ", err)
	}
	return p
}

// next is the call that the gateway was told of.
func (p *probe) next(t *testing.T) connectors.Request {
	t.Helper()
	select {
	case r := <-p.got:
		return r
	case <-time.After(patience):
		t.Fatal("nothing came through")
	}
	return connectors.Request{}
}

// nothing fails when a call came through.
func (p *probe) nothing(t *testing.T) {
	t.Helper()
	if len(p.got) > 0 {
		t.Errorf("%s came through", (<-p.got).URL)
	}
}

// caller writes requests as they are, on one connection from outside.
type caller struct {
	io.Writer
	in *bufio.Reader
}

func (x *proxy) caller(t *testing.T) *caller {
	conn := x.dial(t)
	return &caller{conn, bufio.NewReader(conn)}
}

// post sends a body with its length and gives the answer's status.
func (c *caller) post(t *testing.T, target, header, body string) int {
	t.Helper()
	c.write(t, target, header+"Content-Length: "+strconv.Itoa(len(body))+"\r\n", body)
	return c.answer(t)
}

func (c *caller) write(t *testing.T, target, header, body string) {
	t.Helper()
	if _, err := io.WriteString(c, "POST "+target+" HTTP/1.1\r\nHost: "+host+"\r\n"+header+"\r\n"+body); err != nil {
		t.Fatal(err)
	}
}

func (c *caller) answer(t *testing.T) int {
	t.Helper()
	answer, err := http.ReadResponse(c.in, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if _, err := io.Copy(io.Discard, answer.Body); err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode
}

// TestAddresses: what a network signs comes through letter by letter.
func TestAddresses(t *testing.T) {
	each(t, func(t *testing.T, x *proxy) {
		p, c := startProbe(t, x), x.caller(t)
		for _, tail := range []string{
			"a", "A/b/C", "a?", "a?x", "a?x=", "a?=", "a?b=2&a=1&b=1", "a?x=1&&y=2&", "a?x=a+b%20c",
			"a?name=O'Hara", "a?name=O%27Hara", "a?x=%7e~%7E", "a?x=%2f/%2F", "a?x=%c3%bc%C3%BC", "a?x=(1)*!;:@,$", "a?ref=core-1%231",
			"a?u=https://example.com/?q=1", "a?bodySHA256=0a1b", "it's", "it%27s", "a%20b", "a%2Fb", "a%2fb", "%c3%bc", "%C3%BC", "%7Ea~", "a;b=c",
			"a+b", "a=b&c", "(a)!*,$@:", "a?x=%", "a?x=%zz", "a?x=[1]{2}|3^4", "a?" + strings.Repeat("x=%20&", 800),
		} {
			target := "/connector/probe/" + tail
			if got := c.post(t, target, "", "x"); got != http.StatusOK {
				t.Errorf("%.80s is answered %d", target, got)
				continue
			}
			if got := p.next(t).PublicURL; got != "https://"+host+target {
				t.Errorf("%.80s came as %.80s", target, got)
			}
		}
		// The first one's slash, which no proxy takes away, is the gateway's to refuse.
		for _, target := range []string{"/connector/probe/a/", "/", "/metrics", "/healthz", "/connectors/probe/a", "/other"} {
			if got := c.post(t, target, "", ""); got != http.StatusNotFound {
				t.Errorf("%s is answered %d", target, got)
			}
		}
		p.nothing(t)
	})
}

// TestCallers: the caller is who the proxy says, whatever the caller says itself.
func TestCallers(t *testing.T) {
	each(t, func(t *testing.T, x *proxy) {
		p, c := startProbe(t, x), x.caller(t)
		for _, header := range []string{
			"",
			"X-Forwarded-For: 203.0.113.7\r\n",
			"X-Forwarded-For: 203.0.113.7, 127.0.0.1\r\n",
			"X-Forwarded-For: 203.0.113.7\r\nX-Forwarded-For: 127.0.0.1\r\n",
			"x-forwarded-for: 127.0.0.1\r\n",
			"X-Forwarded-For:\r\n",
			"X-Forwarded-For: nonsense, , [::1]:x\r\n",
			"Forwarded: for=203.0.113.7\r\nX-Real-IP: 203.0.113.7\r\nVia: 1.1 x\r\n",
			"X-Forwarded-For: " + strings.Repeat("203.0.113.7, ", 200) + "127.0.0.1\r\n",
		} {
			if got := c.post(t, "/connector/probe/a", header, "x"); got != http.StatusOK {
				t.Errorf("%.60q is answered %d", header, got)
				continue
			}
			if got := p.next(t).Client; got != outside {
				t.Errorf("with %.60q the caller is %s, want %s", header, got, outside)
			}
		}
	})
}

// TestBodies: a body comes through whole, whatever its form, up to the gateway's
// limit; a larger one is refused.
func TestBodies(t *testing.T) {
	each(t, func(t *testing.T, x *proxy) {
		p := startProbe(t, x)
		small, large := "Body=it's+%27&x=\r\n\x00é", strings.Repeat("0123456789abcdef", 60_000) // 960,000 bytes
		c := x.caller(t)
		for _, body := range []string{"", small, large} {
			for form, send := range map[string]func() int{
				"whole": func() int {
					return c.post(t, "/connector/probe/a", "Content-Type: application/x-www-form-urlencoded\r\n", body)
				},
				"in chunks": func() int { c.write(t, "/connector/probe/a", chunked, inChunks(body)); return c.answer(t) },
			} {
				if got := send(); got != http.StatusOK {
					t.Fatalf("%d bytes %s are answered %d", len(body), form, got)
				}
				if got := string(p.next(t).Body); got != body {
					t.Errorf("%d bytes %s came as %d, %.40q", len(body), form, len(got), got)
				}
			}
		}
		for what, size := range map[string]int{"above the gateway's limit": maxBody + 1, "above the proxy's limit": 3 << 20} {
			body := strings.Repeat("x", size)
			if got := x.caller(t).refusal(t, "Content-Length: "+strconv.Itoa(size)+"\r\n", body); got != http.StatusRequestEntityTooLarge {
				t.Errorf("a body %s is answered %d", what, got)
			}
			if got := x.caller(t).refusal(t, chunked, inChunks(body)); got != http.StatusRequestEntityTooLarge {
				t.Errorf("a body in chunks %s is answered %d", what, got)
			}
		}
		p.nothing(t)
	})
}

const chunked = "Transfer-Encoding: chunked\r\n"

func inChunks(body string) string {
	var out strings.Builder
	for len(body) > 0 {
		n := min(len(body), 7919)
		fmt.Fprintf(&out, "%x\r\n%s\r\n", n, body[:n])
		body = body[n:]
	}
	return out.String() + "0\r\n\r\n"
}

// refusal posts what is refused before it was read to its end: writing may fail.
func (c *caller) refusal(t *testing.T, header, body string) int {
	t.Helper()
	wrote := make(chan struct{})
	go func() {
		defer close(wrote)
		_, _ = io.WriteString(c, "POST /connector/probe/a HTTP/1.1\r\nHost: "+host+"\r\n"+header+"\r\n"+body)
	}()
	status := c.answer(t)
	_ = c.Writer.(io.Closer).Close()
	<-wrote
	return status
}

// TestKeepAlive: a caller's connection is kept between its calls.
func TestKeepAlive(t *testing.T) {
	each(t, func(t *testing.T, x *proxy) {
		p, c := startProbe(t, x), x.caller(t)
		for n := range 100 { // on one connection, else answer fails
			body := strconv.Itoa(n)
			if got := c.post(t, "/connector/probe/a", "", body); got != http.StatusOK {
				t.Fatalf("call %d is answered %d", n, got)
			}
			if got := string(p.next(t).Body); got != body {
				t.Fatalf("call %d came as %q", n, got)
			}
		}
	})
}

// TestSlowBody: a call whose body does not come is given up, by the proxy, and the
// gateway hears nothing of it.
func TestSlowBody(t *testing.T) {
	each(t, func(t *testing.T, x *proxy) {
		p, c := startProbe(t, x), x.caller(t)
		began := time.Now()
		c.write(t, "/connector/probe/a", "Content-Length: 100\r\n", "half of it")
		answer, err := http.ReadResponse(c.in, nil)
		if err == nil {
			_ = answer.Body.Close()
			if answer.StatusCode != http.StatusRequestTimeout {
				t.Errorf("it is answered %d", answer.StatusCode)
			}
		}
		if took := time.Since(began); took > 20*time.Second {
			t.Errorf("it was given up after %v", took)
		}
		p.nothing(t)
	})
}
