package gateway

import (
	"context"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"servicelink/config"
	"servicelink/connectors"
	"servicelink/simprot/refcore"
)

// reload takes over what change makes of the configuration in force.
func (h *house) reload(change func(*config.Config)) {
	h.Helper()
	if err := h.tryReload(change); err != nil {
		h.Fatalf("reload: %v", err)
	}
}

func (h *house) tryReload(change func(*config.Config)) error {
	next := *h.gw.config()
	next.Channels = slices.Clone(next.Channels)
	change(&next)
	return h.gw.Reload(h.Context(), &next)
}

// scrape gives the metrics as text.
func (h *house) scrape() string {
	w := httptest.NewRecorder()
	promhttp.HandlerFor(h.gw.registry, promhttp.HandlerOpts{}).ServeHTTP(w, httptest.NewRequestWithContext(h.Context(), http.MethodGet, "/", nil))
	return w.Body.String()
}

// fakes makes a connector of its own for every channel that is built, and keeps
// them, the latest last.
type fakes struct {
	mu     sync.Mutex
	built  map[string][]*fakeAccount
	refuse string // the name of a channel that cannot be built
}

// fakeAccount is one built connector: the fake network, and what ends with it.
type fakeAccount struct {
	fakeNetwork
	closed atomic.Bool
	hold   chan struct{}
}

func (a *fakeAccount) Close() error { a.closed.Store(true); return nil }

// Webhooks are those of the fake network; the answer waits for hold, if it is
// set.
func (a *fakeAccount) Webhooks() []connectors.Webhook {
	hooks := a.fakeNetwork.Webhooks()
	hooks[0].Verify = func(*connectors.Request) error {
		a.mu.Lock()
		hold := a.hold
		a.mu.Unlock()
		if hold != nil {
			<-hold
		}
		return nil
	}
	return hooks
}

func (f *fakes) build(c config.Channel) (connectors.Connector, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if c.Name == f.refuse {
		return nil, c.Problem("settings", "will not do", "")
	}
	if f.built == nil {
		f.built = make(map[string][]*fakeAccount)
	}
	a := &fakeAccount{}
	f.built[c.Name] = append(f.built[c.Name], a)
	return a, nil
}

// last is the connector a channel has now, made how many times.
func (f *fakes) last(name string) (*fakeAccount, int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	all := f.built[name]
	return all[len(all)-1], len(all)
}

func (f *fakes) into(h *house, _ *refcore.Options) { h.build = f.build }

func named(name string) config.Channel {
	return config.Channel{
		Name: name, Network: "fake", Enabled: true, Port: name, Culture: "en",
		WhenClosed: config.Hold, Unknown: config.Resend,
	}
}

func withChannels(names ...string) houseOption {
	return func(h *house, _ *refcore.Options) {
		for _, name := range names {
			h.cfg.Channels = append(h.cfg.Channels, named(name))
		}
	}
}

func (f *fakes) sentBy(name string) (texts []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, a := range f.built[name] {
		texts = append(texts, a.got()...)
	}
	return texts
}

func mine(a *fakeAccount, _ int) *fakeAccount { return a }

// hangsOnOne has the test channel's account take "one", the agent's first answer,
// and not come back before its block is closed.
func (h *house) hangsOnOne(all *fakes) *fakeAccount {
	h.Helper()
	h.opened()
	h.waits(5 * time.Second)
	account := mine(all.last(testChannel))
	account.set(func() { account.block = make(chan struct{}) })
	h.says("anna", "one")
	return account
}

func (f *fakeNetwork) set(change func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change()
}

func (f *fakeNetwork) attempts() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.tried
}

// perPath gives every channel's webhook a path of its own.
func perPath(h *house, _ *refcore.Options) {
	build := h.build
	h.build = func(c config.Channel) (connectors.Connector, error) {
		conn, err := build(c)
		if a, ok := conn.(*fakeAccount); ok {
			a.path = "/" + c.Name
		}
		return conn, err
	}
}

func logInfo(h *house, _ *refcore.Options) { h.chatty = true }

// callWebhook calls a channel's webhook and gives the answer's status.
func (h *house) callWebhook(name string) <-chan int {
	status := make(chan int, 1)
	go func() {
		w := httptest.NewRecorder()
		h.gw.webhooks.ServeHTTP(w, httptest.NewRequestWithContext(context.Background(), http.MethodPost, "/"+name, strings.NewReader("x")))
		status <- w.Code
	}()
	return status
}
