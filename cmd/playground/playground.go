package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"

	"servicelink/config"
	"servicelink/connectors/all"
	"servicelink/gateway"
	"servicelink/simprot/refcore"
)

// Names that all three parts agree on.
const (
	peer    = "@servicelink"
	account = "playground"
	channel = "shop"
)

// secrets are made anew at every start and stand in no file.
type secrets struct {
	core     string // the gateway's at the core
	webhook  string // in the path of the webhook
	outbound string // of the gateway at the network's /send_message
}

func newSecrets() secrets { return secrets{rand.Text(), rand.Text(), rand.Text()} }

// house is everything that has an address before anything runs.
type house struct {
	secrets
	data                string
	core, console, page net.Listener
	public, private     string
}

func open(ctx context.Context, o *options) (*house, error) {
	h := &house{secrets: newSecrets(), data: o.data}
	if err := os.MkdirAll(o.data, 0o750); err != nil {
		return nil, err
	}
	var errs [5]error
	h.core, errs[0] = o.core.listen(ctx)
	h.console, errs[1] = o.console.listen(ctx)
	h.page, errs[2] = o.page.listen(ctx)
	h.public, errs[3] = o.public.pick(ctx)
	h.private, errs[4] = o.private.pick(ctx)
	if err := errors.Join(errs[:]...); err != nil {
		h.close()
		return nil, err
	}
	return h, nil
}

// close gives up listeners that nobody serves.
func (h *house) close() {
	for _, l := range []net.Listener{h.core, h.console, h.page} {
		if l != nil {
			_ = l.Close()
		}
	}
}

// configuration is the gateway's, as an integrator would write it.
func (h *house) configuration() (*config.Config, error) {
	text := fmt.Sprintf(`
core:    { address: %q, peer: %q, account: %q, secret: %q }
journal: { driver: sqlite, path: %q }
public:  { listen: %q, url: "http://%s" }
private: { listen: %q }
egress:  { allow: ["127.0.0.0/8", "::1/128"] }
texts:
  closed: { en: "We are closed now. We have your message and answer it when we are back." }
  hidden: { en: "We are closed now. We have your message and answer it when we are back." }
channels:
  - name: %s
    network: omnichannel
    settings: { token: %q, webhook_url: "http://%s", webhook_token: %q }
`, h.core.Addr(), peer, account, h.secrets.core, filepath.Join(h.data, "journal.db"), h.public, h.public, h.private,
		channel, h.webhook, h.page.Addr(), h.outbound)
	return config.Parse([]byte(text), "playground.yaml")
}

func (h *house) webhookURL() string {
	return "http://" + h.public + "/connector/omnichannel/omnichannel_message/" + h.webhook + "/bot_api_webhook"
}

// play runs all three parts until ctx ends or one of them fails. They stop in
// the direction messages walk: the gateway first, while the core can still
// confirm what is under way, then the rest.
func play(ctx context.Context, o *options, stdout, stderr io.Writer) error {
	h, err := open(ctx, o)
	if err != nil {
		return err
	}
	log := slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: o.level}))

	ready := make(chan struct{})
	cfg, err := h.configuration()
	if err != nil {
		h.close()
		return err
	}
	gw, err := gateway.New(cfg, gateway.Options{
		Definitions: all.All(), Log: log.With("part", "gateway"), Version: version,
		OnReady: func() { close(ready) },
	})
	if err != nil {
		h.close()
		return err
	}
	core := refcore.New(refcore.Options{
		Account: account, Secret: h.secrets.core, Peer: peer, Ports: []string{channel},
		Fences: true, Asks: true, Logger: log.With("part", "core"),
	})
	network := newShop(time.Now(), []link{
		{"Agent's console", "http://" + h.console.Addr().String() + "/"},
		{"Metrics", "http://" + h.private + "/metrics"},
		{"Readiness", "http://" + h.private + "/readyz"},
	})

	rest, stopRest := context.WithCancel(context.WithoutCancel(ctx))
	defer stopRest()
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		defer stopRest()
		return gw.Run(ctx)
	})
	group.Go(func() error { return core.Serve(rest, h.core) })
	group.Go(func() error { return serve(rest, h.console, core.Console()) })
	group.Go(func() error { return serve(rest, h.page, network.handler(h.outbound)) })
	group.Go(func() error {
		select {
		case <-ready:
			fmt.Fprint(stdout, h.welcome())
			network.run(rest, newPoster(h.webhookURL()))
		case <-rest.Done():
		}
		return nil
	})
	err = group.Wait()
	return errors.Join(err, core.Close())
}

// serve serves HTTP on l until ctx ends.
func serve(ctx context.Context, l net.Listener, handler http.Handler) error {
	server := &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: 10 * time.Second,
		BaseContext:       func(net.Listener) context.Context { return ctx },
	}
	// Event streams end with ctx, everything else is short.
	defer context.AfterFunc(ctx, func() { _ = server.Close() })()
	if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
