package gateway

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"syscall"
	"time"

	"servicelink/connectors"
	"servicelink/internal/egress"
)

// publicTime bounds one call to public.url.
const publicTime = 10 * time.Second

// publicClient calls public.url, which the operator wrote down: no guard stands in
// its way, and no proxy, as the networks' calls have none. What a redirect says is of
// interest itself.
func (g *Gateway) publicClient() *http.Client {
	transport := g.opts.Transport
	if transport == nil {
		transport = &http.Transport{
			DialContext:       (&net.Dialer{Timeout: publicTime}).DialContext,
			TLSClientConfig:   &tls.Config{MinVersion: tls.VersionTLS12},
			DisableKeepAlives: true,
		}
	}
	return &http.Client{
		Transport: transport, Timeout: publicTime,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// oneCall makes one call; the answer's body is gone.
func oneCall(client *http.Client, r *http.Request) (*http.Response, error) {
	answer, err := client.Do(r)
	if err != nil {
		return nil, err
	}
	_, _ = io.CopyN(io.Discard, answer.Body, 4<<10)
	return answer, answer.Body.Close()
}

// roundTrip sends a call as the network would and judges the answer.
func (g *Gateway) roundTrip(ctx context.Context, p connectors.Prober) connectors.Check {
	const name = connectors.CheckRoundTrip
	r, err := probeSafely(p)
	if err != nil {
		return unknownCheck(name, "no call could be made up: %v", err)
	}
	defer g.probes.expect(r)()
	answer, err := oneCall(g.publicClient(), r.WithContext(ctx)) //nolint:bodyclose // closed there
	if err != nil {
		return unknownCheck(name, "no answer came from public.url: %s", unreached(err))
	}
	if answer.StatusCode/100 == 2 {
		return wellCheck(name, "a call signed as the network's comes in through public.url")
	}
	c := failCheck(name, connectors.FaultUnreachable, "", "")
	c.Code = fmt.Sprintf("HTTP %d", answer.StatusCode)
	switch s := answer.StatusCode; {
	case s == http.StatusUnauthorized || s == http.StatusForbidden:
		c.Fault = connectors.FaultWrongSecret
		c.Found = "a call signed with this channel's secret is refused behind public.url"
		c.Cure = "start or reload the gateway there with these settings; if it has them, let the proxy in between pass path, query, Host and body unchanged"
	case s == http.StatusNotFound:
		c.Found = "behind public.url nobody knows the path of this channel's webhook"
		c.Cure = "start or reload the gateway there with these settings, and let the proxy in between pass the whole path"
	case s/100 == 3:
		c.Found = "public.url redirects a network's calls" + redirected(answer, r.URL)
		c.Cure = "let the proxy hand the webhook's path to the gateway without a redirect or a login"
	case s == http.StatusServiceUnavailable:
		return unknownCheck(name, "the call got to the gateway, or to a proxy, and cannot be taken now: HTTP 503")
	default:
		c.Found = fmt.Sprintf("a call signed as the network's is answered with HTTP %d behind public.url", s)
		c.Cure = "look at the proxy in between and at the gateway's log: networks take such an answer for a failure"
	}
	return c
}

// probeSafely keeps a connector's panic at the border.
func probeSafely(p connectors.Prober) (r *http.Request, err error) {
	defer func() {
		if v := recover(); v != nil {
			r, err = nil, fmt.Errorf("connector panicked: %T", v)
		}
	}()
	return p.Probe()
}

// redirected says where to, as far as it may be shown: another host, never a path.
func redirected(answer *http.Response, from *url.URL) string {
	to, err := answer.Location()
	switch {
	case err != nil:
		return ""
	case !strings.EqualFold(to.Host, from.Host):
		return " to another host"
	case to.Scheme != from.Scheme:
		return " from " + from.Scheme + " to " + to.Scheme
	}
	return " to another page, a login perhaps"
}

// unreached says why public.url does not answer, without its address.
func unreached(err error) string {
	var dns *net.DNSError
	switch {
	case errors.As(err, &dns) && dns.IsNotFound:
		return "its name is not in DNS"
	case errors.As(err, &dns):
		return "its name could not be looked up"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "the connection is refused: nothing listens there"
	}
	_, text := egress.Describe(err)
	return text
}
