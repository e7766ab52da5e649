//go:build second

package second

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"servicelink/test/ports"
	"servicelink/test/proc"
)

const (
	channel   = "shop"
	hookToken = "token-of-the-example-core-test"
)

// TestGatewayWithExampleCore lets a gateway and the example core carry
// conversations both ways, in both encodings, while the core ends in order, is
// killed, and the wire is cut: everything once and in order.
func TestGatewayWithExampleCore(t *testing.T) {
	t.Parallel()
	bin := t.TempDir()
	if err := proc.Build(t.Context(), bin, "servicelink/cmd/servicelink"); err != nil {
		t.Fatal(err)
	}
	for _, encoding := range []string{"msgpack", "json"} {
		t.Run(encoding, func(t *testing.T) {
			core := startCore(t)
			wire := newRelay(t, core.address)
			g := startGateway(t, filepath.Join(bin, "servicelink"), wire.address, encoding)
			day := &day{t: t, core: core, gateway: g}
			day.talk("at first")
			core.restart(syscall.SIGTERM)
			day.talk("after an orderly restart")
			core.restart(syscall.SIGKILL)
			day.talk("after a kill")
			day.talkWhile("during a cut", func() {
				if wire.cut() == 0 {
					t.Error("there was nothing to cut")
				}
			})
			for n := range customers {
				core.types(trackingOf(n) + " /close")
			}
			day.talk("in the next chats")
			day.check()
		})
	}
}

const (
	customers = 4
	messages  = 10 // of each customer and each answer, in one talk
)

func trackingOf(customer int) string { return fmt.Sprintf("%d|omnichannel", customer+1) }

// day is what customers and agents said, to be compared with what arrived.
type day struct {
	t           *testing.T
	core        *exampleCore
	gateway     *gatewayProcess
	asked, said [customers][]string
}

func (d *day) talk(what string) {
	d.t.Helper()
	d.talkWhile(what, func() {})
}

// talkWhile lets all customers write and the agent answer each, with something
// happening half way, and waits until everything has arrived.
func (d *day) talkWhile(what string, happens func()) {
	d.t.Helper()
	for i := range messages {
		if i == messages/2 {
			happens()
		}
		for n := range customers {
			text := fmt.Sprintf("%s: question %d", what, i)
			d.asked[n] = append(d.asked[n], text)
			d.gateway.post(n, len(d.asked[n]), text)
		}
	}
	d.arrives("the core has every question", func(n int) bool {
		return len(d.core.texts(trackingOf(n))) >= len(d.asked[n])
	})
	for i := range messages {
		if i == messages/2 {
			happens()
		}
		for n := range customers {
			text := fmt.Sprintf("%s: answer %d", what, i)
			d.said[n] = append(d.said[n], text)
			d.core.types(trackingOf(n) + " " + text)
		}
	}
	d.arrives("the network has every answer", func(n int) bool { return len(d.gateway.got(n)) >= len(d.said[n]) })
}

func (d *day) arrives(what string, ok func(customer int) bool) {
	d.t.Helper()
	until(d.t, what, func() bool {
		for n := range customers {
			if !ok(n) {
				return false
			}
		}
		return true
	}, func() any { return fmt.Sprint(d.core.texts(trackingOf(0)), d.gateway.got(0)) })
}

// check compares all that was said with all that arrived.
func (d *day) check() {
	d.t.Helper()
	until(d.t, "all is confirmed", func() bool { return d.core.unconfirmed() == 0 }, func() any { return d.core.unconfirmed() })
	for n := range customers {
		if got := d.core.texts(trackingOf(n)); !slices.Equal(got, d.asked[n]) {
			d.t.Errorf("customer %d: the core has %q", n, got)
		}
		if got := d.gateway.got(n); !slices.Equal(got, d.said[n]) {
			d.t.Errorf("customer %d: the network has %q", n, got)
		}
	}
	for _, direction := range []string{"in", "out"} {
		var l proc.Ledger
		until(d.t, "the ledger is done: "+direction, func() bool {
			metrics, err := proc.Scrape(d.t.Context(), http.DefaultClient, d.gateway.private) //nolint:forbidigo // a test's
			if err != nil {
				d.t.Fatal(err)
			}
			if l, err = metrics.Ledger(channel, direction); err != nil {
				d.t.Fatal(err)
			}
			return l.Pending == 0
		}, func() any { return l })
		if want := int64(len(d.asked[0]) * customers); l.Done != want || l.Dead != 0 {
			d.t.Errorf("the ledger %s: %+v, want %d done", direction, l, want)
		}
	}
}

// gatewayProcess is bin/servicelink between a network in this process and a core.
type gatewayProcess struct {
	t               *testing.T
	public, private string
	mu              sync.Mutex
	sent            map[string][]string // texts by chat
}

func startGateway(t *testing.T, program, core, encoding string) *gatewayProcess {
	t.Helper()
	g := &gatewayProcess{t: t, public: ports.For(t), private: ports.For(t), sent: map[string][]string{}}
	network := httptest.NewServer(http.HandlerFunc(g.take))
	t.Cleanup(network.Close)
	dir := t.TempDir()
	config := filepath.Join(dir, "gateway.yaml")
	text := fmt.Sprintf(`
core:    { address: %q, account: servicelink, secret: %q, encoding: %s }
journal: { path: %q }
public:  { listen: %q, url: "http://%s" }
private: { listen: %q }
egress:  { allow: ["127.0.0.0/8"] }
texts:   { closed: { en: "closed" }, hidden: { en: "closed" } }
channels:
  - { name: %s, network: omnichannel, settings: { token: %q, webhook_url: %q } }
`, core, coreSecret, encoding, filepath.Join(dir, "journal.db"), g.public, g.public, g.private, channel, hookToken, network.URL)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	logs, err := os.Create(filepath.Join(dir, "gateway.log"))
	if err != nil {
		t.Fatal(err)
	}
	gateway, err := proc.Start(logs, nil, program, "run", "--config", config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		gateway.Kill()
		_ = logs.Close()
		if said, err := os.ReadFile(logs.Name()); err == nil && t.Failed() {
			t.Logf("the gateway's log:\n%s", said)
		}
	})
	until(t, "the gateway is ready", func() bool { return gateway.Alive() && g.ready() }, func() any { return gateway.Alive() })
	return g
}

func (g *gatewayProcess) ready() bool {
	resp, err := g.do(http.MethodGet, "http://"+g.private+"/readyz", "")
	return err == nil && resp == http.StatusOK
}

func (g *gatewayProcess) do(method, url, body string) (status int, err error) {
	r, err := http.NewRequestWithContext(g.t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		return 0, err
	}
	r.Header.Set("Content-Type", "application/json")
	client := &http.Client{Timeout: patience}
	resp, err := client.Do(r)
	if err != nil {
		return 0, err
	}
	_, _ = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode, resp.Body.Close()
}

// post brings a customer's message, as the network does.
func (g *gatewayProcess) post(customer, number int, text string) {
	g.t.Helper()
	chat := customer + 1
	body := fmt.Sprintf(`{"event":"new_message","chat_id":%d,"visitor":{"id":"v%d","fields":{"name":"Customer %d"}},`+
		`"message":{"id":"m-%d-%d","kind":"visitor","text":%q}}`, chat, chat, chat, chat, number, text)
	url := "http://" + g.public + "/connector/omnichannel/omnichannel_message/" + hookToken + "/bot_api_webhook"
	if status, err := g.do(http.MethodPost, url, body); err != nil || status != http.StatusOK {
		g.t.Fatalf("webhook: %d, %v", status, err)
	}
}

// take is the network: it accepts what the gateway sends.
func (g *gatewayProcess) take(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost { // the gateway looks whether somebody is there
		w.WriteHeader(http.StatusMethodNotAllowed)
		return
	}
	var m struct {
		ChatID  json.Number `json:"chat_id"`
		Message struct{ Text string }
	}
	if err := json.NewDecoder(r.Body).Decode(&m); err != nil {
		g.t.Errorf("the gateway sent no JSON: %v", err)
	}
	g.mu.Lock()
	g.sent[m.ChatID.String()] = append(g.sent[m.ChatID.String()], m.Message.Text)
	g.mu.Unlock()
	w.WriteHeader(http.StatusNoContent)
}

// got is what a customer was sent.
func (g *gatewayProcess) got(customer int) []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Clone(g.sent[fmt.Sprint(customer+1)])
}
