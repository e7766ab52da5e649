//go:build chaos

package chaos

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"servicelink/test/netsim/control"
	"servicelink/test/netsim/omnichannel"
	"servicelink/test/netsim/telegram"
	"servicelink/test/proc"
)

const (
	coreSecret = "secret-of-the-chaos-test"
	hookToken  = "token-of-the-chaos-test"
	omniToken  = "outgoing-token-of-the-chaos-test"
	botToken   = "987654321:AAE-token-of-the-chaos-test"
	account    = "shop"
	// patience bounds every wait for what must come. It is far beyond what a
	// busy machine and every pause of the gateway take together.
	patience = 4 * time.Minute
)

// world is the processes under test. One goroutine owns it.
type world struct {
	t        *testing.T
	ctx      context.Context //nolint:containedctx // of the test
	dir, bin string
	variant  variant
	client   *http.Client
	core     *proc.Core
	networks map[string]*proc.Network
	disk     *disk
	clock    clock
	front    *front
	log      *report
	rounds   []*traffic

	gateway, coreProcess, sim *proc.Process // nil: it is not to run
	lives                     int           // of the gateway
	stepping                  bool          // this life sees the stepping clock
	diskSick                  bool          // the gateway may refuse to start
	began                     time.Time
	gatewayLog, coreLog       *os.File
}

// newWorld starts everything but the gateway.
func newWorld(t *testing.T, v variant, r *report) *world {
	t.Helper()
	w := &world{
		t: t, ctx: t.Context(), dir: proc.KeptDir(t, "chaos"), bin: os.Getenv(binariesVariable), variant: v, log: r,
		client: &http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{
			MaxIdleConnsPerHost: 64,
			IdleConnTimeout:     time.Second, // sooner than any server here
		}},
	}
	t.Cleanup(w.client.CloseIdleConnections)
	w.core = &proc.Core{URL: "http://" + coreHTTP, Client: w.client}
	w.networks = map[string]*proc.Network{}
	for _, name := range networkNames {
		w.networks[name] = &proc.Network{URL: "http://" + netsimHTTP, Name: name, Client: w.client}
	}
	w.clock = clock{filepath.Join(w.dir, "clock")}
	w.must(w.clock.set(0))
	w.gatewayLog, w.coreLog = w.create("gateway.log"), w.create("core.log")
	var err error
	w.disk, err = newDisk(w.dir, os.Getenv(rootVariable) != "")
	w.must(err)
	t.Cleanup(w.end)
	if v.TLS {
		w.must(makeCertificate(w.dir))
	}
	w.must(w.startCore())
	w.startNetworks()
	w.front = newFront(t)
	return w
}

// end ends all processes: nothing of them may outlive the disk.
func (w *world) end() {
	for _, p := range []*proc.Process{w.gateway, w.coreProcess, w.sim} {
		if p != nil {
			p.Kill()
		}
	}
	if err := w.disk.close(); err != nil {
		w.t.Error(err)
	}
	if w.t.Failed() && w.disk.real() {
		return // the journal is in the image
	}
	_ = os.Remove(w.disk.image)
}

// must ends the test when the test itself is at fault.
func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) create(name string) *os.File {
	f, err := os.Create(filepath.Join(w.dir, name))
	w.must(err)
	w.t.Cleanup(func() { _ = f.Close() })
	return f
}

func (w *world) startCore() (err error) {
	_, _ = fmt.Fprintln(w.coreLog, "--- starts")
	args := []string{
		"-listen", host + ":" + corePort, "-http", coreHTTP, "-log", "warn", "-store", filepath.Join(w.dir, "core.db"),
		fmt.Sprintf("-fences=%t", w.variant.Fences), fmt.Sprintf("-asks=%t", w.variant.Asks),
	}
	if w.variant.All {
		args = append(args, "-unasked", "all")
	}
	if w.variant.JSON {
		args = append(args, "-encoding", "json")
	}
	if w.variant.TLS {
		args = append(args, "-tls-cert", certificate(w.dir), "-tls-key", certificate(w.dir))
	}
	w.coreProcess, err = proc.StartTelling(&struct{}{}, w.coreLog, []string{"REFCORE_SECRET=" + coreSecret}, filepath.Join(w.bin, "refcore"), args...)
	return err
}

func (w *world) startNetworks() {
	var err error
	w.sim, err = proc.StartTelling(&struct{}{}, w.create("netsim.log"), nil, filepath.Join(w.bin, "netsim"), "-listen", netsimHTTP)
	w.must(err)
	w.must(w.networks["telegram"].Call(w.ctx, http.MethodPost, "/accounts", telegram.Account{Token: botToken, Username: "chaos_bot"}, nil))
	w.must(w.networks["omnichannel"].Call(w.ctx, http.MethodPost, "/accounts", omnichannel.Account{
		Account: account, Token: omniToken,
		Webhook: "http://" + host + ":" + publicPort + "/connector/omnichannel/omnichannel_message/" + hookToken + "/bot_api_webhook",
	}, nil))
	w.must(w.networks["omnichannel"].Call(w.ctx, http.MethodPost, "/settings", omnichannel.Settings{RetrySeconds: 0.2}, nil))
}

// configure writes a gateway's configuration. The number of its life stands in
// the networks' URLs, so that every request tells which process sent it.
func (w *world) configure(name, public, private string) (path string) {
	resend := map[bool]string{true: "resend", false: "report"}
	secured, encoding := "", "msgpack"
	if w.variant.TLS {
		secured = fmt.Sprintf(", tls: { ca: %q }", certificate(w.dir))
	}
	if w.variant.JSON {
		encoding = "json"
	}
	base := fmt.Sprintf("http://%s:%s/%d", host, networkPort, w.lives)
	path = filepath.Join(w.dir, name)
	w.must(os.WriteFile(path, fmt.Appendf(nil, `
core:    { address: "%s:%s", account: servicelink, secret: %q, instance: chaos, encoding: %s, settle: 1s%s }
journal: { path: %q }
public:  { listen: %q, url: "http://%s" }
private: { listen: %q }
egress:  { allow: ["127.0.0.0/8"] }
log:     { level: info }
channels:
  - { name: omnichannel, network: omnichannel, unknown: %s, settings: { token: %q, webhook_url: "%s/omnichannel/%s", webhook_token: %q } }
  - { name: telegram, network: telegram, unknown: %s, settings: { token: %q, api_url: "%s/telegram", poll_timeout: 2s } }
`, host, corePort, coreSecret, encoding, secured, w.journal(), public, public, private,
		resend[w.resends("omnichannel")], hookToken, base, account, omniToken,
		resend[w.resends("telegram")], botToken, base), 0o600))
	return path
}

func (w *world) journal() string { return filepath.Join(w.disk.at, "journal.db") }

func (w *world) resends(network string) bool {
	return w.variant.TelegramResends == (network == "telegram")
}

// until waits for what must come; false: it did not.
func (w *world) until(within time.Duration, ok func() bool) bool {
	w.t.Helper()
	end := time.Now().Add(within)
	for !ok() {
		w.watch()
		if time.Now().After(end) || w.ctx.Err() != nil {
			return false
		}
		w.pause(50 * time.Millisecond)
	}
	return true
}

func (w *world) pause(d time.Duration) {
	select {
	case <-time.After(d):
	case <-w.ctx.Done():
	}
}

// ready waits until the gateway serves.
func (w *world) ready() {
	w.t.Helper()
	if !w.until(patience, func() bool { return w.get("/readyz", nil) == nil }) {
		w.keepState("not-ready")
		w.log.violate("life %d of the gateway is not ready after %v; readyz says %s", w.lives, patience, w.text("/readyz"))
		w.t.Fatal("the gateway does not get ready")
	}
}

// get asks the gateway's private listener.
func (w *world) get(path string, into *bytes.Buffer) error {
	req, err := http.NewRequestWithContext(w.ctx, http.MethodGet, "http://"+private+path, nil)
	if err != nil {
		return err
	}
	resp, err := w.client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if into != nil {
		if _, err := into.ReadFrom(resp.Body); err != nil {
			return err
		}
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", path, resp.Status)
	}
	return nil
}

func (w *world) text(path string) string {
	var b bytes.Buffer
	if err := w.get(path, &b); err != nil {
		return b.String() + err.Error()
	}
	return b.String()
}

// keepState writes down what a gateway that does not come to rest is doing.
func (w *world) keepState(name string) {
	for file, path := range map[string]string{
		"goroutines": "/debug/pprof/goroutine?debug=2", "metrics": "/metrics", "readyz": "/readyz", "dead": "/api/v1/dead?limit=1000",
	} {
		w.must(os.WriteFile(filepath.Join(w.dir, name+"-"+file+".txt"), []byte(w.text(path)), 0o600))
	}
}

// networkFault lets both networks answer badly for a while.
func (w *world) networkFault(hold time.Duration, begin bool) {
	for _, n := range w.networks {
		err := n.Call(w.ctx, http.MethodDelete, "/faults", nil, nil)
		for _, f := range []control.Fault{
			{Kind: control.Rate, Chance: 0.1, RetryAfter: 1},
			{Kind: control.Server, Chance: 0.1},
			{Kind: control.Cut, Chance: 0.1},
			{Kind: control.Swallow, Chance: 0.1, Seconds: 0.5},
			{Kind: control.Duplicate, Chance: 0.2},
		} {
			if err == nil && begin {
				if f.Kind != control.Swallow {
					f.Seconds = hold.Seconds()
				}
				err = n.Call(w.ctx, http.MethodPost, "/faults", f, nil)
			}
		}
		w.must(err)
	}
}

var networkNames = []string{"omnichannel", "telegram"}
