package gateway

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"time"

	"servicelink/connectors"
	"servicelink/internal/egress"
)

// certificateSoon is how long a certificate should last at least: who renews by
// themselves do it a month before.
const certificateSoon = 14 * 24 * time.Hour

const (
	curePublic = "let the name in public.url, and the proxy behind it, lead to this gateway's public.listen"
	cureProxy  = "start the gateway, and let the proxy at public.url lead to its public.listen"
	cureChain  = "configure the server with the full chain (fullchain.pem), not the certificate alone"
	cureRenew  = "renew the certificate, and see why it is not renewed by itself"
	cureNames  = "get a certificate for the name in public.url, or write the name it is for into public.url"
)

// examinePublic looks at the networks' way to this gateway: public_url, and tls where
// it is https. It is looked at from here, which is not quite where networks are.
func (g *Gateway) examinePublic(ctx context.Context) []connectors.Check {
	if g.media.links == nil {
		return []connectors.Check{wellCheck(connectors.CheckPublicURL, "not set: no network calls here, and customers' files have no links")}
	}
	u, err := url.Parse(g.config().Public.URL)
	if err != nil {
		return []connectors.Check{failCheck(connectors.CheckPublicURL, connectors.FaultConfig, "public.url is no address", "write https:// and the name networks call")}
	}
	address, proof := g.media.links.probe(time.Now())
	client := g.publicClient()
	answer, err := get(ctx, client, address) //nolint:bodyclose // closed there
	secure := connectors.Check{}
	if broken := brokenChain(err); broken != nil && u.Scheme == "https" {
		secure = badChain(broken, u.Hostname(), g.chainOf(ctx, u))
		client = g.trustingClient()
		answer, err = get(ctx, client, address) //nolint:bodyclose // closed there
	} else if err == nil && answer.TLS != nil {
		secure = goodChain(answer.TLS, u.Hostname(), time.Now())
	}
	checks := []connectors.Check{judgePublic(ctx, u, g.config().Public.Listen, answer, err, proof)}
	if secure.Name != "" {
		checks = append(checks, secure)
	} else if u.Scheme == "https" {
		checks = append(checks, unknownCheck(connectors.CheckTLS, "no connection was made"))
	}
	return checks
}

// get makes one call; the answer's body is gone.
func get(ctx context.Context, client *http.Client, address string) (*http.Response, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	return oneCall(client, r)
}

// judgePublic says who answered.
func judgePublic(ctx context.Context, u *url.URL, listen string, answer *http.Response, err error, proof string) connectors.Check {
	const name = connectors.CheckPublicURL
	if err != nil {
		return failCheck(name, connectors.FaultUnreachable, "public.url cannot be reached from here: "+unreached(err), curePublic)
	}
	if answer.StatusCode == http.StatusNoContent && answer.Header.Get(probeHeader) == proof {
		if onTrial(u, listen) {
			return unknownCheck(name, "it leads to this gateway, on this machine alone, as in a trial: no network gets there")
		}
		if why := unseen(ctx, u); why != "" {
			return warnCheck(name, connectors.FaultUnreachable, "public.url leads here, and "+why,
				"write an address into public.url that the internet reaches by https, unless this is a trial")
		}
		return wellCheck(name, "it leads to this gateway")
	}
	c := failCheck(name, connectors.FaultUnreachable, "", curePublic)
	c.Code = fmt.Sprintf("HTTP %d", answer.StatusCode)
	switch s := answer.StatusCode; {
	case s/100 == 3:
		c.Found = "public.url redirects" + redirected(answer, answer.Request.URL) + " instead of leading to this gateway"
		c.Cure = "let the proxy hand calls to the gateway without a redirect or a login"
	case s == http.StatusUnauthorized, s == http.StatusForbidden:
		c.Found = "what answers at public.url asks for a login, or refuses"
		c.Cure = "let the proxy hand calls to the gateway without a login: webhooks prove themselves by their signature"
	case s == http.StatusBadGateway, s == http.StatusServiceUnavailable, s == http.StatusGatewayTimeout:
		c.Found = fmt.Sprintf("a proxy answers at public.url and does not reach the gateway (HTTP %d)", s)
		c.Cure = cureProxy
	default:
		c.Found = fmt.Sprintf("another server answers at public.url, or a gateway with another media.key (HTTP %d)", s)
	}
	return c
}

// onTrial tells that public.url and public.listen are of this machine alone: that is how
// somebody tries the gateway out, and nothing that went wrong.
func onTrial(u *url.URL, listen string) bool {
	host, _, err := net.SplitHostPort(listen)
	return err == nil && isLoopback(host) && isLoopback(u.Hostname())
}

func isLoopback(host string) bool {
	addr, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && addr.Unmap().IsLoopback()
}

// unseen says why networks cannot come the way that works from here; empty = they can,
// for all that is known.
func unseen(ctx context.Context, u *url.URL) string {
	if u.Scheme != "https" {
		return "networks call https alone"
	}
	guard := &egress.Guard{}
	host := u.Hostname()
	if addr, err := netip.ParseAddr(host); err == nil {
		if guard.Check(addr) != nil {
			return "its address is one of this machine or of a private network, where no network gets to"
		}
		return ""
	}
	addrs, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return "" // it was reached
	}
	for _, addr := range addrs {
		if guard.Check(addr) == nil {
			return ""
		}
	}
	return "its name stands for addresses of this machine or of a private network, where no network gets to"
}

// brokenChain gives the error of a certificate that is not accepted, or nil.
func brokenChain(err error) error {
	if bad, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return bad.Err
	}
	return nil
}

// trustingClient looks who answers behind a certificate that is not accepted. It sends
// nothing but a probe.
func (g *Gateway) trustingClient() *http.Client {
	client := g.publicClient()
	if t, ok := client.Transport.(*http.Transport); ok && g.opts.Transport == nil {
		t.TLSClientConfig.InsecureSkipVerify = true // see above
	}
	return client
}

// chainOf reads what certificates the server sends; nil = it could not be read.
func (g *Gateway) chainOf(ctx context.Context, u *url.URL) []*x509.Certificate {
	port := u.Port()
	if port == "" {
		port = "443"
	}
	d := tls.Dialer{
		NetDialer: &net.Dialer{Timeout: publicTime},
		Config:    &tls.Config{MinVersion: tls.VersionTLS12, ServerName: u.Hostname(), InsecureSkipVerify: true}, //nolint:gosec // it is looked at, nothing is sent
	}
	conn, err := d.DialContext(ctx, "tcp", net.JoinHostPort(u.Hostname(), port))
	if err != nil {
		return nil
	}
	defer conn.Close()
	if c, ok := conn.(*tls.Conn); ok {
		return c.ConnectionState().PeerCertificates
	}
	return nil
}

// goodChain is of a certificate that is accepted here.
func goodChain(state *tls.ConnectionState, host string, now time.Time) connectors.Check {
	leaf := state.PeerCertificates[0]
	left := leaf.NotAfter.Sub(now)
	found := fmt.Sprintf("the certificate of %s is good until %s, %d days", host, leaf.NotAfter.UTC().Format(time.DateOnly), int(left.Hours()/24))
	c := wellCheck(connectors.CheckTLS, "%s", found)
	if left < certificateSoon {
		c = warnCheck(connectors.CheckTLS, connectors.FaultBadCertificate, found, cureRenew)
	}
	c.Ends = leaf.NotAfter
	return c
}

// badChain says why a certificate is not accepted, as networks would not accept it
// either. Browsers fetch a missing part of a chain themselves; networks do not.
func badChain(err error, host string, sent []*x509.Certificate) connectors.Check {
	var name x509.HostnameError
	var invalid x509.CertificateInvalidError
	var authority x509.UnknownAuthorityError
	c := failCheck(connectors.CheckTLS, connectors.FaultBadCertificate, "", cureChain)
	switch {
	case errors.As(err, &name):
		c.Found, c.Cure = "the certificate is not for "+host, cureNames
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		c.Found, c.Cure = "the certificate has expired, or is not valid yet", cureRenew
		if len(sent) > 0 {
			c.Found = fmt.Sprintf("the certificate was good from %s to %s", sent[0].NotBefore.UTC().Format(time.DateOnly), sent[0].NotAfter.UTC().Format(time.DateOnly))
		}
	case errors.As(err, &authority) && len(sent) == 1 && string(sent[0].RawIssuer) != string(sent[0].RawSubject):
		c.Found = "the certificate's chain is incomplete, or of an authority that networks do not know; browsers may complete it, networks do not"
	case errors.As(err, &authority):
		c.Found = "the certificate is of an authority that is not known: networks refuse it"
		c.Cure = "get a certificate of a public authority, such as Let's Encrypt"
	default:
		c.Found = "the certificate is not accepted"
	}
	return c
}
