package simprot

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"math/big"
	"net"
	"strings"
	"testing"
	"time"
)

// authority signs the certificates of one test.
type authority struct {
	t    *testing.T
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pool *x509.CertPool
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{t: t, pool: x509.NewCertPool()}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test authority"},
		NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	var der []byte
	a.key, der = a.make(template, template, nil)
	var err error
	if a.cert, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	a.pool.AddCert(a.cert)
	return a
}

// make creates a key and its certificate; parentKey nil signs it by itself.
func (a *authority) make(template, parent *x509.Certificate, parentKey *ecdsa.PrivateKey) (*ecdsa.PrivateKey, []byte) {
	a.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	if parentKey == nil {
		parentKey = key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, parentKey)
	if err != nil {
		a.t.Fatal(err)
	}
	return key, der
}

// issue makes a certificate for name.
func (a *authority) issue(name string) tls.Certificate {
	key, der := a.make(&x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotAfter:    time.Now().Add(time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}, a.cert, a.key)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// startTLSCore serves over loopback and returns its address.
func startTLSCore(t *testing.T, config *tls.Config) string {
	t.Helper()
	var lc net.ListenConfig
	l, err := lc.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	runServer(t, l, ServerConfig{
		Login: true, TLS: config, OnPacket: echoCore,
		Authenticate: func(Login) string { return "" },
	})
	return l.Addr().String()
}

func TestTLS(t *testing.T) {
	ca, other := newAuthority(t), newAuthority(t)
	server := &tls.Config{
		MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{ca.issue("core.test")},
		ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: ca.pool,
	}
	mutual := &tls.Config{
		MinVersion: tls.VersionTLS12, RootCAs: ca.pool, ServerName: "core.test",
		Certificates: []tls.Certificate{ca.issue("gateway")},
	}
	with := func(change func(*tls.Config)) *tls.Config {
		c := mutual.Clone()
		change(c)
		return c
	}
	old := server.Clone()
	old.MinVersion, old.MaxVersion = tls.VersionTLS10, tls.VersionTLS11
	tests := []struct {
		name           string
		server, client *tls.Config
		plain          bool // the core speaks no TLS
		want           string
	}{
		{"mutual", server, mutual, false, ""},
		{"core of another authority", server, with(func(c *tls.Config) { c.RootCAs = other.pool }), false, "unknown authority"},
		{"core of another name", server, with(func(c *tls.Config) { c.ServerName = "else.test" }), false, "not else.test"},
		{"no client certificate", server, with(func(c *tls.Config) { c.Certificates = nil }), false, "certificate required"},
		{"client of another authority", server, with(func(c *tls.Config) {
			c.Certificates = []tls.Certificate{other.issue("gateway")}
		}), false, ""}, // the exact words are the library's; see below
		{"a core of the past", old, with(func(c *tls.Config) { c.MinVersion = tls.VersionTLS10 }), false, "protocol version"},
		{"a core without TLS", nil, mutual, true, "TLS"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			states := make(chan error, 10)
			cfg := ClientConfig{
				Address: startTLSCore(t, test.server), TLS: test.client, Peer: "@peer", Login: true,
				MinBackoff: time.Hour, MaxBackoff: time.Hour,
				Observe: stateFunc(func(state LinkState, err error) {
					if state != LinkConnecting {
						states <- err
					}
				}),
			}
			echoed := make(chan struct{})
			cfg.OnUp = func(s *Session) { _ = s.Send(CodeChatSentenceIn, &ChatSentenceInfo{ID: "1"}, nil) }
			cfg.OnPacket = func(*Session, Packet) { close(echoed) }
			runClient(t, cfg)
			err := <-states
			if test.name == "mutual" {
				if err != nil {
					t.Fatal(err)
				}
				<-echoed
				return
			}
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
}

// Over TLS a shutdown is told and a reset is a reset.
func TestTLSEnds(t *testing.T) {
	ca := newAuthority(t)
	var lc net.ListenConfig
	l, err := lc.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	logins := make(chan *ServerConn, 2)
	stop := runServer(t, l, ServerConfig{
		Login: true, Authenticate: func(Login) string { return "" },
		OnLogin: func(c *ServerConn) { logins <- c },
		TLS:     &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{ca.issue("core.test")}},
	})
	ups, ends := make(chan struct{}, 2), make(chan error, 2)
	runClient(t, ClientConfig{
		Address: l.Addr().String(), Peer: "@peer", Login: true, MinBackoff: 1, MaxBackoff: 1,
		TLS:    &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: ca.pool, ServerName: "core.test"},
		OnUp:   func(*Session) { ups <- struct{}{} },
		OnDown: func(_ *Session, err error) { ends <- err },
	})
	c := <-logins
	<-ups
	c.Abort(errors.New("over"))
	if err := <-ends; err == nil {
		t.Error("no reason after a reset")
	}
	<-ups
	stopped := make(chan struct{})
	go func() { defer close(stopped); stop() }()
	var bye *ByeError
	if err := <-ends; !errors.As(err, &bye) || bye.Reason != ByeShutdown {
		t.Errorf("ended with %v, want the farewell", err)
	}
	<-stopped
}

// A core that accepts and says nothing cannot hold a handshake for ever.
func TestTLSHandshakeIsBounded(t *testing.T) {
	bubble(t, func(t *testing.T, n *pipeNet, e *events) {
		cfg := testConfig(n, e)
		cfg.TLS = &tls.Config{MinVersion: tls.VersionTLS12}
		cfg.MinBackoff, cfg.MaxBackoff = time.Hour, time.Hour
		client, err := NewClient(cfg)
		if err != nil {
			t.Fatal(err)
		}
		if client.cfg.TLS.ServerName != "core.test" || cfg.TLS.ServerName != "" {
			t.Errorf("server name %q, the caller's %q", client.cfg.TLS.ServerName, cfg.TLS.ServerName)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 11*time.Second)
		defer cancel()
		go func() { accept(t, n) }()
		if err := client.Run(ctx); err != nil {
			t.Fatal(err)
		}
		if got := e.count("link down simprot: TLS"); got != 1 {
			t.Errorf("got %v", e.all())
		}
	})
}
