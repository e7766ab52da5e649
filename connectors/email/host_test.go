package email

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"errors"
	"io"
	"math/big"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"servicelink/connectors"
)

// selfSigned is a certificate for a name, valid until a time.
func selfSigned(t testing.TB, name string, until time.Time) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: until.Add(-24 * time.Hour), NotAfter: until, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(parsed)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pool
}

// TestCertificates: what is wrong with a certificate is said, and when it is about to
// be.
func TestCertificates(t *testing.T) {
	for name, test := range map[string]struct {
		until       time.Duration
		words, hint string
		state       connectors.CheckState
	}{
		"expired":  {until: -time.Hour, words: "certificate of mail.test has expired on", hint: "renew"},
		"not yet":  {until: 48 * time.Hour, words: "not valid yet", hint: "clock"},
		"for long": {until: 20 * time.Hour, state: connectors.CheckWarning},
	} {
		t.Run(name, func(t *testing.T) {
			certificate, pool := selfSigned(t, "mail.test", time.Now().Add(test.until))
			listener, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12})
			if err != nil {
				t.Fatal(err)
			}
			var serving sync.WaitGroup
			serving.Go(func() {
				if conn, err := listener.Accept(); err == nil {
					_, _ = io.Copy(io.Discard, conn)
					_ = conn.Close()
				}
			})
			h := &host{
				name: "mail.test", security: securityImplicit, timeout: 10 * time.Second, tls: &tls.Config{ServerName: "mail.test", RootCAs: pool, MinVersion: tls.VersionTLS12},
				dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
					return new(net.Dialer).DialContext(ctx, network, listener.Addr().String())
				},
			}
			conn, err := h.connect(t.Context())
			if test.state != "" {
				if err != nil {
					t.Fatal(err)
				}
				if check := certificateCheck(newWatchdog(conn, time.Hour)); check.State != test.state || check.Cure == "" {
					t.Errorf("got %+v", check)
				}
				_ = conn.Close()
			} else if se := connectors.AsSendError(err); se.Reason != connectors.ReasonConnect || !strings.Contains(se.Error(), test.words) || !strings.Contains(se.Hint, test.hint) {
				t.Errorf("%v, hint %q", se, se.Hint)
			}
			_ = listener.Close()
			serving.Wait()
		})
	}
}

// TestConnectionFailures: each kind has its words.
func TestConnectionFailures(t *testing.T) {
	h := &host{name: "mail.test", address: "mail.test:993"}
	for name, test := range map[string]struct {
		err    error
		reason connectors.Reason
	}{
		"no such host": {&net.DNSError{IsNotFound: true}, connectors.ReasonConnect},
		"name server":  {&net.DNSError{IsTimeout: true}, connectors.ReasonConnect},
		"late":         {context.DeadlineExceeded, connectors.ReasonTimeout},
		"stopped":      {context.Canceled, connectors.ReasonCanceled},
		"ended":        {io.ErrUnexpectedEOF, connectors.ReasonCut},
		"other":        {&net.OpError{Op: "dial", Err: errors.New("odd")}, connectors.ReasonConnect},
	} {
		se := connectors.AsSendError(h.failure(test.err))
		if se.Reason != test.reason || se.Outcome != connectors.NotSent {
			t.Errorf("%s: %v", name, se)
		}
	}
	if h.failure(errors.New("of the protocol")) != nil {
		t.Error("what is no matter of the connection is explained as one")
	}
	h.address = net.JoinHostPort("127.0.0.1", freePort(t))
	h.security, h.timeout, h.dial = securityNone, time.Second, new(net.Dialer).DialContext
	if _, err := h.connect(t.Context()); err == nil || !strings.Contains(err.Error(), "refused") {
		t.Errorf("a closed port: %v", err)
	}
}

// freePort is one where nobody listens.
func freePort(t testing.TB) string {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(l.Addr().String())
	_ = l.Close()
	return port
}

// tokenServer is a token endpoint.
type tokenServer struct {
	asked  []string // the refresh tokens
	next   string   // the access token it gives
	status int
	body   string // in place of a token
}

func (s *tokenServer) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := r.ParseForm(); err != nil {
		return nil, err
	}
	s.asked = append(s.asked, r.PostForm.Get("refresh_token"))
	body := s.body
	if body == "" {
		raw, err := json.Marshal(map[string]any{"access_token": s.next, "expires_in": 3600, "refresh_token": "second"})
		if err != nil {
			return nil, err
		}
		body = string(raw)
	}
	return &http.Response{
		StatusCode: max(s.status, http.StatusOK), Header: http.Header{"Content-Type": {"application/json"}},
		Body: io.NopCloser(strings.NewReader(body)), ContentLength: int64(len(body)), Request: r, ProtoMajor: 1, ProtoMinor: 1,
	}, nil
}

func newTestTokens(t testing.TB, server *tokenServer) *tokens {
	t.Helper()
	tokens, err := newTokens(oauthSettings{
		TokenURL: "https://login.test/token", ClientID: "id", ClientSecret: secretOf("client secret"), RefreshToken: secretOf("first"),
	}, connectors.Dependencies{Log: testLog(), Transport: server})
	if err != nil {
		t.Fatal(err)
	}
	return tokens
}

// TestTokens: one is kept until shortly before its end, and given up when it is
// refused.
func TestTokens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := &tokenServer{next: "one"}
		tokens := newTestTokens(t, server)
		get := func(want string, wantFresh bool) {
			t.Helper()
			token, fresh, err := tokens.get(t.Context())
			if err != nil || token.Reveal() != want || fresh != wantFresh {
				t.Fatalf("%q, fresh %v, %v", token.Reveal(), fresh, err)
			}
		}
		get("one", true)
		server.next = "two"
		time.Sleep(57 * time.Minute)
		get("one", false)
		time.Sleep(time.Minute)
		get("two", true)
		server.next = "three"
		tokens.refused(secretOf("one")) // an old one's
		get("two", false)
		tokens.refused(secretOf("two"))
		get("three", true)
		equal(t, "refresh tokens", strings.Join(server.asked, " "), "first second second")
	})
}

func TestTokenRefusals(t *testing.T) {
	for name, test := range map[string]struct {
		status int
		body   string
		reason connectors.Reason
		hint   string
	}{
		"consent": {400, `{"error": "invalid_grant", "error_description": "anna@example.org"}`, connectors.ReasonAuth, "consent"},
		"client":  {401, `{"error": "invalid_client"}`, connectors.ReasonAuth, "ClientID"},
		"unknown": {400, `{"error": "anna@example.org"}`, connectors.ReasonAuth, "OAuth"},
		"away":    {503, "down", connectors.ReasonServer, ""},
		"page":    {200, "<html>", connectors.ReasonAnswer, "TokenURL"},
	} {
		t.Run(name, func(t *testing.T) {
			tokens := newTestTokens(t, &tokenServer{status: test.status, body: test.body})
			_, _, err := tokens.get(t.Context())
			se := connectors.AsSendError(err)
			if se.Reason != test.reason || !strings.Contains(se.Hint, test.hint) || se.Outcome != connectors.NotSent {
				t.Errorf("%v, hint %q", se, se.Hint)
			}
			for _, secret := range []string{"anna", "first", "client secret"} {
				if strings.Contains(se.Error()+se.Hint+se.Code, secret) {
					t.Errorf("%q is told: %v", secret, se)
				}
			}
		})
	}
}

// TestXOAUTH2: a token that is refused is replaced at once, and only once.
func TestXOAUTH2(t *testing.T) {
	popBubble(t, "", func(t *testing.T, r *popRig) {
		r.server.put(1, 1)
		endpoint := &tokenServer{next: "old"}
		r.device.host.tokens = newTestTokens(t, endpoint)
		if _, _, err := r.device.host.tokens.get(t.Context()); err != nil {
			t.Fatal(err)
		}
		endpoint.next, r.server.token = "new", "new"
		first := run(t, r.device, r.engine)
		after(time.Second)
		equal(t, "delivered", r.engine.subjects(), "m1")
		first.end()
		r.server.change(func() { r.server.token = "yet another" })
		again := run(t, r.device, r.engine)
		after(time.Minute)
		if se := again.end(); se.Reason != connectors.ReasonAuth || !strings.Contains(se.Error(), "access token") {
			t.Errorf("%v", &se)
		}
		if n := len(endpoint.asked); n != 3 {
			t.Errorf("the endpoint was asked %d times", n)
		}
	})
}
