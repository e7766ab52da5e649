package gateway

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"servicelink/config"
	"servicelink/connectors"
)

// TestSoundCheck: what a Doctor says is held against the contract.
func TestSoundCheck(t *testing.T) {
	well := connectors.Check{Name: connectors.CheckWebhook, State: connectors.CheckOK, Found: "it is set"}
	bad := connectors.Check{
		Name: connectors.CheckSender, State: connectors.CheckFailed, Fault: connectors.FaultPausedSender, Found: "it is paused", Cure: "wait",
	}
	if err := sound([]connectors.Check{well, bad}); err != nil {
		t.Errorf("what keeps the contract: %v", err)
	}
	if sound([]connectors.Check{well, well}) == nil {
		t.Error("a name may be there once")
	}
	for what, change := range map[string]func(*connectors.Check){
		"a name outside the list":  func(c *connectors.Check) { c.Name = "weather" },
		"a fault outside the list": func(c *connectors.Check) { c.Fault = "rain" },
		"a state outside the list": func(c *connectors.Check) { c.State = "wet" },
		"a fault that is well":     func(c *connectors.Check) { c.State = connectors.CheckOK },
		"no fault":                 func(c *connectors.Check) { c.Fault = "" },
		"no cure":                  func(c *connectors.Check) { c.Cure = "" },
		"nothing found":            func(c *connectors.Check) { c.Found = "" },
		"two lines":                func(c *connectors.Check) { c.Found = "one\ntwo" },
		"a book":                   func(c *connectors.Check) { c.Cure = strings.Repeat("x", foundMax+1) },
	} {
		c := bad
		change(&c)
		if sound([]connectors.Check{well, c}) == nil {
			t.Errorf("%s is taken", what)
		}
	}
}

// doctored is a network whose Doctor says what a test wants, and which probes.
type doctored struct {
	*fakeNetwork
	examine func() []connectors.Check
	probe   func() (*http.Request, error)
}

func (d *doctored) Examine(context.Context, connectors.Examination) []connectors.Check {
	return d.examine()
}
func (d *doctored) Probe() (*http.Request, error) { return d.probe() }

// examined gives what is found of a channel with that connector, without a gateway that
// runs.
func examined(t *testing.T, public string, d *doctored) []connectors.Check {
	t.Helper()
	d.fakeNetwork = &fakeNetwork{}
	cfg := &config.Config{
		Core: config.Core{Secret: config.NewSecret(testSecret), Peer: testPeer, Window: 16}, Public: config.Public{URL: public},
		Channels: []config.Channel{{Name: testChannel, Network: "fake", Port: testChannel, Enabled: true}},
	}
	g, err := New(cfg, Options{
		Log: slog.New(slog.DiscardHandler),
		Definitions: []connectors.Definition{{Network: "fake", New: func(config.Channel, connectors.Dependencies) (connectors.Connector, error) {
			return d, nil
		}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer g.life.stopHard()
	defer g.media.close()
	return g.examineChannel(t.Context(), g.channel(testChannel), false)
}

// TestExamineBorder: a Doctor that breaks the contract, or panics, is named as a bug,
// and what it said right is kept.
func TestExamineBorder(t *testing.T) {
	right := connectors.Check{Name: connectors.CheckWebhook, State: connectors.CheckOK, Found: "it is set"}
	wrong := connectors.Check{Name: connectors.CheckSender, State: connectors.CheckFailed, Fault: connectors.FaultPausedSender, Found: "it is paused"}
	found := examined(t, "", &doctored{examine: func() []connectors.Check { return []connectors.Check{right, wrong} }})
	if len(found) != 2 || found[0] != right || found[1].Fault != connectors.FaultUnwell || !strings.Contains(found[1].Found, "sender") {
		t.Errorf("without a cure: %+v", found)
	}
	found = examined(t, "", &doctored{examine: func() []connectors.Check { panic("a customer's words") }})
	if len(found) != 1 || found[0].Fault != connectors.FaultUnwell || strings.Contains(found[0].Found, "customer's words") {
		t.Errorf("after a panic: %+v", found)
	}
}

// TestRoundTrip: each answer to a call signed as the network's has its name.
func TestRoundTrip(t *testing.T) {
	for status, want := range map[int]connectors.Check{
		http.StatusOK:                 {State: connectors.CheckOK},
		http.StatusNoContent:          {State: connectors.CheckOK},
		http.StatusForbidden:          {State: connectors.CheckFailed, Fault: connectors.FaultWrongSecret},
		http.StatusUnauthorized:       {State: connectors.CheckFailed, Fault: connectors.FaultWrongSecret},
		http.StatusNotFound:           {State: connectors.CheckFailed, Fault: connectors.FaultUnreachable},
		http.StatusFound:              {State: connectors.CheckFailed, Fault: connectors.FaultUnreachable},
		http.StatusBadGateway:         {State: connectors.CheckFailed, Fault: connectors.FaultUnreachable},
		http.StatusServiceUnavailable: {State: connectors.CheckUnknown},
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", "/login?token=secret-of-the-proxy")
			w.WriteHeader(status)
		}))
		found := examined(t, server.URL, &doctored{
			examine: func() []connectors.Check { return nil },
			probe: func() (*http.Request, error) {
				return http.NewRequestWithContext(context.Background(), http.MethodPost, server.URL+"/hook", nil)
			},
		})
		server.Close()
		if len(found) != 1 || found[0].Name != connectors.CheckRoundTrip || found[0].State != want.State || found[0].Fault != want.Fault ||
			soundCheck(found[0]) != nil || strings.Contains(found[0].Found, "secret-of") {
			t.Errorf("HTTP %d: %+v", status, found)
		}
	}
}

// issuer signs certificates of tests.
type issuer struct {
	*testing.T
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func (i *issuer) issue(change func(*x509.Certificate)) (*x509.Certificate, *ecdsa.PrivateKey) {
	i.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		i.Fatal(err)
	}
	c := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: "of a test"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(90 * 24 * time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	if i.cert == nil {
		c.IsCA, c.BasicConstraintsValid, c.KeyUsage = true, true, x509.KeyUsageCertSign
		c.Subject.CommonName = "authority"
	}
	if change != nil {
		change(c)
	}
	parent, signer := i.cert, i.key
	if parent == nil {
		parent, signer = c, key
	}
	raw, err := x509.CreateCertificate(rand.Reader, c, parent, &key.PublicKey, signer)
	if err != nil {
		i.Fatal(err)
	}
	if c, err = x509.ParseCertificate(raw); err != nil {
		i.Fatal(err)
	}
	return c, key
}

// TestCertificates: each way in which a certificate is not good is told apart.
func TestCertificates(t *testing.T) {
	root := &issuer{T: t}
	root.cert, root.key = root.issue(nil)
	days := func(n int) func(*x509.Certificate) {
		return func(c *x509.Certificate) { c.NotAfter = time.Now().AddDate(0, 0, n) }
	}
	for name, c := range map[string]struct {
		change func(*x509.Certificate)
		known  bool // the authority is
		chain  bool // it is sent along
		state  connectors.CheckState
		says   string
	}{
		"good":       {nil, true, false, connectors.CheckOK, "89 days"},
		"ends soon":  {days(10), true, false, connectors.CheckWarning, "9 days"},
		"ended":      {func(c *x509.Certificate) { c.NotBefore, c.NotAfter = time.Unix(0, 0), time.Unix(86400, 0) }, true, false, connectors.CheckFailed, "1970-01-02"},
		"other name": {func(c *x509.Certificate) { c.IPAddresses = nil; c.DNSNames = []string{"other.example.com"} }, true, false, connectors.CheckFailed, "is not for 127.0.0.1"},
		"no chain":   {nil, false, false, connectors.CheckFailed, "browsers may complete it"},
		"private":    {nil, false, true, connectors.CheckFailed, "authority that is not known"},
	} {
		t.Run(name, func(t *testing.T) {
			leaf, key := root.issue(c.change)
			pair := tls.Certificate{Certificate: [][]byte{leaf.Raw}, PrivateKey: key}
			if c.chain {
				pair.Certificate = append(pair.Certificate, root.cert.Raw)
			}
			server := httptest.NewUnstartedServer(http.NotFoundHandler())
			server.TLS = &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}
			server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, 0)
			server.StartTLS()
			defer server.Close()
			g := &Gateway{}
			client := g.publicClient()
			roots := x509.NewCertPool()
			if c.known {
				roots.AddCert(root.cert)
			}
			client.Transport.(*http.Transport).TLSClientConfig.RootCAs = roots //nolint:forcetypeassert // made above
			u, err := url.Parse(server.URL)
			if err != nil {
				t.Fatal(err)
			}
			answer, err := get(t.Context(), client, server.URL) //nolint:bodyclose // closed there
			var check connectors.Check
			if broken := brokenChain(err); broken != nil {
				check = badChain(broken, u.Hostname(), g.chainOf(t.Context(), u))
				if _, err := get(t.Context(), g.trustingClient(), server.URL); err != nil { //nolint:bodyclose // closed there
					t.Errorf("who answers there is not seen: %v", err)
				}
			} else if err != nil {
				t.Fatal(err)
			} else {
				check = goodChain(answer.TLS, u.Hostname(), time.Now())
			}
			if check.State != c.state || !strings.Contains(check.Found, c.says) || soundCheck(check) != nil {
				t.Errorf("%+v", check)
			}
		})
	}
}

// TestPublicOnTrial: an address of this machine is no fault where the listener is of it,
// too, and stays one where others reach the listener.
func TestPublicOnTrial(t *testing.T) {
	for _, c := range []struct {
		address, listen string
		want            connectors.CheckState
	}{
		{"http://127.0.0.1:8080", "127.0.0.1:8080", connectors.CheckUnknown},
		{"http://localhost:8080", "[::1]:8080", connectors.CheckUnknown},
		{"http://127.0.0.1:8080", ":8080", connectors.CheckWarning},
		{"http://127.0.0.1:8080", "192.0.2.1:8080", connectors.CheckWarning},
		{"http://8.8.8.8", "127.0.0.1:8080", connectors.CheckWarning},
		{"https://10.0.0.1", "127.0.0.1:8080", connectors.CheckWarning}, // behind a proxy
		{"https://8.8.8.8", "127.0.0.1:8080", connectors.CheckOK},
	} {
		u, err := url.Parse(c.address)
		if err != nil {
			t.Fatal(err)
		}
		answer := &http.Response{StatusCode: http.StatusNoContent, Header: http.Header{}}
		answer.Header.Set(probeHeader, "proof")
		if got := judgePublic(t.Context(), u, c.listen, answer, nil, "proof"); got.State != c.want || soundCheck(got) != nil {
			t.Errorf("%s, at %s: %+v", c.address, c.listen, got)
		}
		if got := judgePublic(t.Context(), u, c.listen, answer, nil, "another"); got.State != connectors.CheckFailed {
			t.Errorf("%s, somebody else: %+v", c.address, got)
		}
	}
}

// TestProbe: what is sealed in a probe comes back, and to nobody without the key.
func TestProbe(t *testing.T) {
	r := newMediaRig(t, nil)
	address, proof := r.media.links.probe(time.Now())
	if a := r.get(http.MethodGet, address); a.StatusCode != http.StatusNoContent || a.Header.Get(probeHeader) != proof || strings.Contains(address, proof) {
		t.Errorf("%d, %q for %q", a.StatusCode, a.Header.Get(probeHeader), address)
	}
	old, _ := r.media.links.probe(time.Now().Add(-2 * probeLife))
	if a := r.get(http.MethodGet, old); a.StatusCode != http.StatusGone || a.Header.Get(probeHeader) != "" {
		t.Errorf("an old one: %d", a.StatusCode)
	}
	other := linksOf(t, func(c *config.Config) { c.Core.Secret = config.NewSecret("another core's") })
	foreign, _ := other.probe(time.Now())
	if a := r.get(http.MethodGet, foreign); a.StatusCode != http.StatusNotFound || a.Header.Get(probeHeader) != "" {
		t.Errorf("another gateway's: %d", a.StatusCode)
	}
}

// TestDoctorCall: the API examines one channel or all, one examination at a time, and
// leaves a line in the log.
func TestDoctorCall(t *testing.T) {
	inHouse(t, func(h *house) {
		h.chatty = true
		h.stop()
		h.start()
		call := func(method, form string) *httptest.ResponseRecorder {
			w := httptest.NewRecorder()
			r := httptest.NewRequestWithContext(h.Context(), method, "/api/v1/doctor", strings.NewReader(form))
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			h.gw.serveDoctor(w, r)
			return w
		}
		if w := call(http.MethodPost, "channel="+testChannel); w.Code != http.StatusOK || !strings.Contains(w.Body.String(), `"running":true`) {
			h.Errorf("one channel: %d %s", w.Code, w.Body)
		}
		for form, want := range map[string]int{"channel=nobody": http.StatusNotFound, "chanel=" + testChannel: http.StatusBadRequest, "": http.StatusOK} {
			if w := call(http.MethodPost, form); w.Code != want {
				h.Errorf("%q: %d %s", form, w.Code, w.Body)
			}
		}
		_ = h.gw.examinations.do(func() error {
			if w := call(http.MethodPost, ""); w.Code != http.StatusConflict {
				h.Errorf("a second one at a time: %d", w.Code)
			}
			return nil
		})
		if w := call(http.MethodGet, ""); w.Code != http.StatusOK {
			h.Errorf("the latest: %d", w.Code)
		}
		if !strings.Contains(h.logs.String(), "action=doctor") {
			h.Error("no line says who asked")
		}
	})
}
