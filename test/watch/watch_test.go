package watch

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"servicelink/config"
	"servicelink/connectors"
	"servicelink/connectors/all"
	"servicelink/gateway"
	"servicelink/simprot/refcore"
	"servicelink/test/netsim/control"
	"servicelink/test/netsim/graph"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	page      = "100200300400500"
	appID     = "900800700600500"
	every     = 15 * time.Minute // limits.watch_every
	callback  = "http://gw.example.com/connector/facebook/webhook"
	settings  = `page_id: "` + page + `", page_token: made-up-page-token, app_id: "` + appID + `", app_secret: 0123456789abcdef0123456789abcdef, verify_token: made-up-verify-token, api_url: "http://graph.example.com"`
	gatewayIs = `
core: { address: "core.example.com:80", account: gw, secret: made-up-secret, instance: gw-1 }
journal: { driver: memory }
public: { listen: "gw.example.com:80", url: "http://gw.example.com" }
private: { listen: "127.0.0.1:90" }
channels:
  - { name: shop, network: facebook, settings: { ` + settings + ` } }
`
)

// wire is a network in memory: listeners by their address.
type wire struct {
	mu  sync.Mutex
	all map[string]*listener
}

type listener struct {
	address string
	conns   chan net.Conn
	closed  chan struct{}
	once    sync.Once
}

func (w *wire) listen(_ context.Context, _, address string) (net.Listener, error) {
	l := &listener{address: address, conns: make(chan net.Conn), closed: make(chan struct{})}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.all[address] = l
	return l, nil
}

func (w *wire) dial(ctx context.Context, _, address string) (net.Conn, error) {
	w.mu.Lock()
	l := w.all[address]
	w.mu.Unlock()
	if l == nil {
		return nil, errors.New("nobody listens at " + address)
	}
	ours, theirs := net.Pipe()
	select {
	case l.conns <- theirs:
		return ours, nil
	case <-l.closed:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (l *listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *listener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

func (l *listener) Addr() net.Addr { return place(l.address) }

type place string

func (place) Network() string  { return "tcp" }
func (p place) String() string { return string(p) }

// house is a gateway with one page at a simulated Graph API, in one synctest bubble.
type house struct {
	*testing.T
	sim *graph.Server
	gw  *gateway.Gateway
}

func inHouse(t *testing.T, test func(h *house)) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "gateway.yaml")
	if err := os.WriteFile(path, []byte(gatewayIs), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, err := config.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		w := &wire{all: make(map[string]*listener)}
		transport := &http.Transport{DialContext: w.dial, DisableKeepAlives: true}
		h := &house{T: t, sim: graph.New(graph.Options{Seed: 1, Transport: transport, BaseURL: func() string { return "http://graph.example.com" }})}
		defer h.sim.Close()
		defer w.serve(t, "graph.example.com:80", h.sim.API())()
		core := refcore.New(refcore.Options{Account: "gw", Secret: "made-up-secret", Fences: true, Asks: true})
		door, _ := w.listen(t.Context(), "tcp", "core.example.com:80")
		served := make(chan error, 1)
		go func() { served <- core.Serve(context.Background(), door) }()
		defer func() { _ = core.Close(); <-served }()

		ready := make(chan struct{})
		h.gw, err = gateway.New(cfg, gateway.Options{
			Definitions: all.All(), Dial: w.dial, Listen: w.listen, Transport: transport,
			Log: slog.New(slog.NewTextHandler(t.Output(), nil)), OnReady: func() { close(ready) },
		})
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(context.Background())
		ended := make(chan error, 1)
		go func() { ended <- h.gw.Run(ctx) }()
		defer func() {
			stop()
			if err := <-ended; err != nil {
				t.Error(err)
			}
		}()
		<-ready
		if err := h.sim.AddAccount(graph.Account{
			Account: page, Name: "Shop", Token: "made-up-page-token", AppID: appID, AppSecret: "0123456789abcdef0123456789abcdef",
			VerifyToken: "made-up-verify-token", CallbackURL: callback,
		}); err != nil {
			t.Fatal(err)
		}
		test(h)
	})
}

// serve answers at an address until done.
func (w *wire) serve(t *testing.T, address string, handler http.Handler) (done func()) {
	l, _ := w.listen(t.Context(), "tcp", address)
	s := &http.Server{Handler: handler, ReadHeaderTimeout: time.Minute}
	served := make(chan error, 1)
	go func() { served <- s.Serve(l) }()
	return func() { _ = s.Close(); <-served }
}

func (h *house) act(do string) {
	h.Helper()
	if _, err := h.sim.Act(page, control.Action{Do: do}); err != nil {
		h.Fatal(err)
	}
}

// faults are the channel's, as the status has them.
func (h *house) faults() (whats []string) {
	h.Helper()
	s, err := h.gw.Status(h.Context())
	if err != nil {
		h.Fatal(err)
	}
	for _, f := range s.Faults {
		if f.Channel == "shop" {
			whats = append(whats, f.What)
		}
	}
	return whats
}

// check is how the latest look found one thing.
func (h *house) check(name connectors.CheckName) connectors.CheckState {
	h.Helper()
	d := h.gw.Examine(h.Context())
	i := slices.IndexFunc(d.Checks, func(e gateway.Examined) bool { return e.Channel == "shop" && e.Name == name })
	if i < 0 {
		h.Fatalf("%s is not looked at: %+v", name, d.Checks)
	}
	return d.Checks[i].State
}

// TestUnsubscribedPage: a page that its network has unsubscribed is subscribed again
// within one interval, and that is told.
func TestUnsubscribedPage(t *testing.T) {
	inHouse(t, func(h *house) {
		time.Sleep(2 * time.Minute)
		if got := h.faults(); len(got) != 0 {
			t.Fatalf("all is well, but %v", got)
		}
		for range 2 {
			h.act("unsubscribe")
			time.Sleep(every + time.Second)
			if got := h.faults(); !slices.Equal(got, []string{"mended"}) {
				t.Errorf("after an interval: %v", got)
			}
			if got := h.check(connectors.CheckSubscription); got != connectors.CheckOK {
				t.Errorf("the subscription is %s", got)
			}
		}
		time.Sleep(25 * time.Hour)
		if got := h.faults(); len(got) != 0 {
			t.Errorf("a day later: %v", got)
		}
	})
}
