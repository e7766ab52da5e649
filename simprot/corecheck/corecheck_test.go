package corecheck_test

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sync/errgroup"

	"servicelink/simprot"
	"servicelink/simprot/corecheck"
	"servicelink/simprot/refcore"
	"servicelink/simprot/refcore/sqlite"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// serve starts a reference core and its agent's side, and returns what is
// needed to check it strictly.
func serve(t *testing.T, o refcore.Options) corecheck.Config {
	t.Helper()
	cfg, _ := serveCore(t, o)
	return cfg
}

func serveCore(t *testing.T, o refcore.Options) (corecheck.Config, *refcore.Core) {
	t.Helper()
	o.Account, o.Secret, o.Peer = "gateway", "s3cret", "@servicelink"
	o.ResendMessage = cmp.Or(o.ResendMessage, resendAfter)
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	core := refcore.New(o)
	if err := core.SetGateways(mailGateways(o.Peer)); err != nil {
		t.Fatal(err)
	}
	end := make(chan error, 1)
	go func() { end <- core.Serve(context.WithoutCancel(t.Context()), l) }()
	site := httptest.NewServer(core.Console())
	t.Cleanup(func() {
		site.CloseClientConnections()
		site.Close()
		if err := core.Close(); err != nil {
			t.Error(err)
		}
		if err := <-end; err != nil {
			t.Error(err)
		}
	})
	return corecheck.Config{
		Address: l.Addr().String(), Account: o.Account, Secret: o.Secret, Peer: o.Peer, Port: "core-check",
		Encoding: o.Encoding, Strict: true, Quick: true, Timeout: 2 * time.Second, Resend: resendAfter,
		Agent: &corecheck.HTTPAgent{URL: site.URL, Client: site.Client()},
	}, core
}

func check(t *testing.T, cfg corecheck.Config) *corecheck.Report {
	t.Helper()
	report, err := corecheck.Run(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	return report
}

func names(results []corecheck.Result) []string {
	var out []string
	for _, r := range results {
		out = append(out, r.Name)
	}
	return out
}

// untested are the rules that no core can be tested for here.
var untested = []string{"restart-bye", "chat-form", "forms", "registers", "agents-clients"}

// TestRulesStandInSpec: the numbers are those of SPEC.md, where a section or a
// rule may move; and what is checked can be broken.
func TestRulesStandInSpec(t *testing.T) {
	text, err := os.ReadFile("../SPEC.md")
	if err != nil {
		t.Fatal(err)
	}
	numbers := map[string]string{}
	for _, r := range corecheck.Rules() {
		numbers[r.Name] = r.Spec
	}
	for _, r := range refcore.Rules() {
		if numbers[string(r.Rule)] != r.Spec {
			t.Errorf("%s is %q for the reference core and %q here", r.Rule, r.Spec, numbers[string(r.Rule)])
		}
	}
	for name, number := range numbers {
		if !slices.ContainsFunc(refcore.Rules(), func(r refcore.RuleInfo) bool { return string(r.Rule) == name }) &&
			name != "welcome" && !slices.Contains(untested, name) {
			t.Errorf("%s: the reference core cannot break it", name)
		}
		stands := func(as string) bool { return strings.Contains(string(text), fmt.Sprintf(as, number)) }
		if !stands("\n### %s ") && !stands("\n## %s. ") && !stands("**%s**") {
			t.Errorf("%s: SPEC.md has no %s", name, number)
		}
	}
}

// TestGreen: a core that keeps every rule is found to, in both encodings and
// with each store, and nothing is left untested.
func TestGreen(t *testing.T) {
	for name, o := range map[string]refcore.Options{
		"msgpack": {},
		"json":    {Encoding: simprot.EncodingJSON},
		"all":     {Unasked: refcore.UnaskedAll},
		"sqlite":  {Store: openStore(t)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o.Fences, o.Asks, o.KeepAlive = true, true, time.Second
			cfg := serve(t, o)
			cfg.Quick, cfg.Patient, cfg.Timeout = false, true, corecheck.DefaultTimeout
			report := check(t, cfg)
			for _, r := range report.Results {
				if r.Verdict != corecheck.Kept && !slices.Contains(untested, r.Name) {
					t.Errorf("%s (%s) is %s: %s", r.Name, r.Spec, r.Verdict, r.Came)
				}
			}
		})
	}
}

func openStore(t *testing.T) *sqlite.Store {
	t.Helper()
	s, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "core.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// TestEveryRuleBites: for every rule the reference core can break, that rule
// is named, and no other.
func TestEveryRuleBites(t *testing.T) {
	rules := refcore.Rules()
	configs := make([]corecheck.Config, len(rules))
	for i, rule := range rules {
		configs[i] = serve(t, refcore.Options{
			Fences: true, Asks: true, KeepAlive: time.Second, MaxFrame: 256 << 10, Break: []refcore.Rule{rule.Rule},
		})
		configs[i].Quick = rule.Rule != refcore.RulePing
		configs[i].Patient = rule.Spec == "M4" || rule.Spec == "M5"
	}
	for i, report := range checkAll(t, configs) {
		t.Run(string(rules[i].Rule), func(t *testing.T) {
			broken := report.Broken()
			if got := names(broken); !slices.Equal(got, []string{string(rules[i].Rule)}) {
				t.Errorf("broken: %q, want %q", got, rules[i].Rule)
			}
			for _, r := range broken {
				t.Logf("%s after %v: %s", r.Name, report.Took, r.Came)
			}
		})
	}
}

// checkAll makes many checks, twelve at a time: most of their time they wait
// for what does not come.
func checkAll(t *testing.T, configs []corecheck.Config) []*corecheck.Report {
	t.Helper()
	reports := make([]*corecheck.Report, len(configs))
	var group errgroup.Group
	group.SetLimit(12)
	for i, cfg := range configs {
		group.Go(func() (err error) {
			reports[i], err = corecheck.Run(t.Context(), cfg)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	return reports
}

// TestBareCore: a core without what is optional is in order, unless everything
// is asked for.
func TestBareCore(t *testing.T) {
	missing := []string{"chat-id", "fence", "fence-back", "asks", "after-counter", "list-counter", "list-closed", "read-confirm"}
	for name, want := range map[string]struct {
		strict bool
		as     corecheck.Verdict
	}{
		"strict": {true, corecheck.Broken}, "not strict": {false, corecheck.NotOffered},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := serve(t, refcore.Options{Break: append(refcore.Bare(), refcore.RuleChatID, refcore.RuleReadConfirm)})
			cfg.Strict = want.strict
			var got []string
			for _, r := range check(t, cfg).Results {
				if r.Verdict == want.as && !slices.Contains(untested, r.Name) {
					got = append(got, r.Name)
				}
			}
			if !slices.Equal(got, missing) {
				t.Errorf("%s: %q, want %q", want.as, got, missing)
			}
		})
	}
}

// TestNoLogin: a core without session control, and nothing optional.
func TestNoLogin(t *testing.T) {
	cfg := serve(t, refcore.Options{NoLogin: true})
	cfg.NoLogin, cfg.Strict = true, false
	report := check(t, cfg)
	if got := names(report.Broken()); len(got) != 0 {
		t.Errorf("broken: %q", got)
	}
	if n := report.Count(corecheck.Kept); n < 30 {
		t.Errorf("only %d rules are kept", n)
	}
}

// TestTLS: the rules are the same behind TLS, the broken ones, too.
func TestTLS(t *testing.T) {
	site := httptest.NewUnstartedServer(nil)
	site.StartTLS()
	defer site.Close()
	server := &tls.Config{Certificates: site.TLS.Certificates, MinVersion: tls.VersionTLS12}
	cfg := serve(t, refcore.Options{Fences: true, Asks: true, TLS: server, Break: []refcore.Rule{refcore.RulePong}})
	roots := x509.NewCertPool()
	roots.AddCert(site.Certificate())
	cfg.TLS = &tls.Config{RootCAs: roots, ServerName: "example.com", MinVersion: tls.VersionTLS12}
	if got := names(check(t, cfg).Broken()); !slices.Equal(got, []string{"pong"}) {
		t.Errorf("broken: %q, want pong", got)
	}
	cfg.TLS = &tls.Config{MinVersion: tls.VersionTLS12}
	if got := names(check(t, cfg).Broken()); !slices.Equal(got, []string{"welcome"}) {
		t.Errorf("with a certificate of nobody known: broken %q", got)
	}
}

// TestWhatIsNoCore: whatever answers there, the check comes to an end and says
// where it stood still.
func TestWhatIsNoCore(t *testing.T) {
	for name, tt := range map[string]struct {
		does func(net.Conn)
		says string
	}{
		"closes":       {func(net.Conn) {}, "ended"},
		"another tale": {says([]byte("SSH-2.0-OpenSSH_9.9\r\n")), "broken frame"},
		"refuses":      {says(frame(t, simprot.CodeRefused, &simprot.Refused{Reason: "busy"})), "busy"},
		"version":      {says(frame(t, simprot.CodeWelcome, &simprot.Welcome{Version: 7})), "Version 7"},
		"is silent":    {says(nil), "nothing came"},
	} {
		t.Run(name, func(t *testing.T) {
			l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			var ended sync.WaitGroup
			ended.Go(func() {
				for {
					nc, err := l.Accept()
					if err != nil {
						return
					}
					ended.Go(func() {
						defer nc.Close()
						tt.does(nc)
					})
				}
			})
			defer ended.Wait()
			defer l.Close()
			report := check(t, corecheck.Config{
				Address: l.Addr().String(), Account: "a", Secret: "s", Peer: "@p", Port: "x", Quick: true,
				Timeout: 100 * time.Millisecond, Limit: time.Second,
			})
			i := slices.IndexFunc(report.Results, func(r corecheck.Result) bool { return r.Name == "welcome" })
			if r := report.Results[i]; r.Verdict != corecheck.Broken || !strings.Contains(r.Came, tt.says) {
				t.Errorf("welcome is %s: %s", r.Verdict, r.Came)
			}
			if n := report.Count(corecheck.Kept); n > 1 { // what came, if anything, could be read
				t.Errorf("%d rules are kept", n)
			}
		})
	}
}

// says writes bytes and then listens until the other side has gone.
func says(b []byte) func(net.Conn) {
	return func(nc net.Conn) {
		_, _ = nc.Write(b)
		_, _ = io.Copy(io.Discard, nc)
	}
}

func frame(t *testing.T, code simprot.Code, p simprot.Payload) []byte {
	t.Helper()
	b, err := simprot.AppendFrame(nil, simprot.Packet{Code: code, Payload: p}, simprot.EncodingMsgpack)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestReportHoldsNoContent: reports are handed around.
func TestReportHoldsNoContent(t *testing.T) {
	for _, broken := range [][]refcore.Rule{{refcore.RuleAddress}, {refcore.RuleEcho, refcore.RuleLimits}} {
		cfg := serve(t, refcore.Options{Fences: true, Asks: true, Break: broken})
		cfg.Timeout = 200 * time.Millisecond
		text, err := json.Marshal(check(t, cfg))
		if err != nil {
			t.Fatal(err)
		}
		for _, secret := range []string{cfg.Secret, "corecheck:", "CORECHECK:", "cc.", "Dobr", "long long"} {
			if strings.Contains(string(text), secret) {
				t.Errorf("%v: the report holds %q", broken, secret)
			}
		}
	}
}

// TestConfig: what makes no sense is said before anything is done.
func TestConfig(t *testing.T) {
	right := corecheck.Config{Address: "127.0.0.1:1", Account: "a", Secret: "s", Peer: "@p", Port: "x"}
	for name, tt := range map[string]struct {
		change func(*corecheck.Config)
		want   error
	}{
		"address":  {func(c *corecheck.Config) { c.Address = "core" }, corecheck.ErrNoAddress},
		"no port":  {func(c *corecheck.Config) { c.Address = "core:" }, corecheck.ErrNoAddress},
		"peer":     {func(c *corecheck.Config) { c.Peer = "" }, corecheck.ErrNoPeer},
		"its port": {func(c *corecheck.Config) { c.Port = "" }, corecheck.ErrNoPeer},
		"secret":   {func(c *corecheck.Config) { c.Secret = "" }, corecheck.ErrNoSecret},
	} {
		cfg := right
		tt.change(&cfg)
		if _, err := corecheck.Run(t.Context(), cfg); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, want %v", name, err, tt.want)
		}
	}
}

// TestNoAgent: without an agent nothing is called broken, and what needs one
// says so.
func TestNoAgent(t *testing.T) {
	cfg := serve(t, refcore.Options{Fences: true, Asks: true})
	cfg.Agent = nil
	report := check(t, cfg)
	if got := names(report.Broken()); len(got) != 0 {
		t.Errorf("broken: %q", got)
	}
	for _, r := range report.Results {
		switch r.Name {
		case "outbound", "confirm", "read-confirm", "cut-outbound", "list-closed":
			if r.Verdict != corecheck.NotTested || !strings.Contains(r.Came, "agent") {
				t.Errorf("%s is %s: %s", r.Name, r.Verdict, r.Came)
			}
		}
	}
}
