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

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"servicelink/config"
	"servicelink/connectors/all"
	"servicelink/gateway"
	"servicelink/simprot/refcore"
	"servicelink/test/netsim"
	"servicelink/test/netsim/graph"
	"servicelink/test/netsim/omnichannel"
	"servicelink/test/netsim/phone"
	"servicelink/test/netsim/telegram"
	"servicelink/test/netsim/twilio"
)

// Names that all parts agree on.
const (
	peer    = "@servicelink"
	account = "playground"
	botName = "playground_bot"

	whatsAppNumber = "+420800123456"
	smsNumber      = "+420800654321"

	pageID = "100200300400500"
	appID  = "700600500400300"

	channelTelegram    = "telegram"
	channelOmnichannel = "omnichannel"
	channelWhatsApp    = "whatsapp"
	channelSMS         = "sms"
	channelFacebook    = "facebook"
	channelReal        = "telegram-real"

	channelMail = "mail" // its gateways, on the start page
)

// channels are all there can be, a real bot's last.
var channels = []string{channelTelegram, channelOmnichannel, channelWhatsApp, channelSMS, channelFacebook, channelReal}

// realToken is the environment's name of a real bot's token. It goes from
// there into the configuration and nowhere else.
const realToken = "TELEGRAM_TOKEN"

// secrets are made anew at every start and stand in no file.
type secrets struct {
	core     string // the gateway's at the core
	webhook  string // in the path of the webhook
	outbound string // of the gateway at the simulated /send_message
	bot      string // of the simulated bot
	twilio   twilioAccount
	facebook facebookApp
	mailbox  string // the password of every mailbox
}

// twilioAccount is the one at the simulated Twilio, which both senders belong to.
type twilioAccount struct{ sid, token string }

// facebookApp is the one at the simulated Messenger, with its page.
type facebookApp struct{ token, secret, verify string }

// newSecrets makes them. The bot's id is new as well: the simulator counts its
// messages from 1 at every start, and the journal would take them for those of
// the last one.
func newSecrets(now time.Time) secrets {
	return secrets{
		core: rand.Text(), webhook: rand.Text(), outbound: rand.Text(),
		bot:      fmt.Sprintf("%d:%s", now.Unix(), rand.Text()+rand.Text()[:9]),
		twilio:   twilioAccount{sid: fmt.Sprintf("AC%032x", now.UnixNano()), token: rand.Text()},
		facebook: facebookApp{token: rand.Text(), secret: rand.Text(), verify: rand.Text()},
		mailbox:  rand.Text(),
	}
}

// house is everything that has an address before anything runs.
type house struct {
	secrets
	data            string
	core, page      net.Listener
	public, private string
	real            bool // a real bot takes part
}

func open(ctx context.Context, o *options) (*house, error) {
	h := &house{secrets: newSecrets(time.Now()), data: o.data, real: os.Getenv(realToken) != ""}
	if err := os.MkdirAll(o.data, 0o750); err != nil {
		return nil, err
	}
	var errs [4]error
	h.core, errs[0] = o.core.listen(ctx)
	h.page, errs[1] = o.page.listen(ctx)
	h.public, errs[2] = o.public.pick(ctx)
	h.private, errs[3] = o.private.pick(ctx)
	if err := errors.Join(errs[:]...); err != nil {
		h.close()
		return nil, err
	}
	return h, nil
}

// close gives up listeners that nobody serves.
func (h *house) close() {
	for _, l := range []net.Listener{h.core, h.page} {
		if l != nil {
			_ = l.Close()
		}
	}
}

func (h *house) url() string { return "http://" + h.page.Addr().String() }

// configuration is the gateway's, as an integrator would write it. egress.allow
// is for the simulated customer's server, which is on this machine.
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
    network: telegram
    settings: { token: %q, api_url: "%s/telegram" }
  - name: %s
    network: omnichannel
    settings: { token: %q, webhook_url: "%s/omnichannel/%s", webhook_token: %q }
`, h.core.Addr(), peer, account, h.secrets.core, filepath.Join(h.data, "journal.db"), h.public, h.public, h.private,
		channelTelegram, h.bot, h.url(), channelOmnichannel, h.webhook, h.url(), account, h.outbound)
	text += h.twilioChannel(channelWhatsApp, whatsAppNumber, "") + h.twilioChannel(channelSMS, smsNumber, ", mms: true")
	text += h.facebookChannel()
	if h.real {
		text += fmt.Sprintf("  - { name: %s, network: telegram, settings: { token: \"${%s}\" } }\n", channelReal, realToken)
	}
	cfg, err := config.Parse([]byte(text), "playground.yaml")
	if cfg != nil {
		cfg.Path = "" // there is no such file to compare with
	}
	return cfg, err
}

// twilioChannel is the block of a sender at Twilio.
func (h *house) twilioChannel(network, number, more string) string {
	return fmt.Sprintf(`
  - name: %s
    network: %s
    confirm: delivered
    settings:
      { account_sid: %q, auth_token: %q, from: %q, api_url: "%s/twilio", messaging_url: "%s/twilio/messaging"%s }
`, network, network, h.twilio.sid, h.twilio.token, number, h.url(), h.url(), more)
}

// facebookChannel is the block of the page. Customers' files lie on this server.
func (h *house) facebookChannel() string {
	return fmt.Sprintf(`
  - name: %s
    network: facebook
    confirm: delivered
    settings:
      { page_id: %q, page_token: %q, app_id: %q, app_secret: %q, verify_token: %q, human_agent: true, api_url: "%s/graph", media_hosts: [%q] }
`, channelFacebook, pageID, h.facebook.token, appID, h.facebook.secret, h.facebook.verify, h.url(), h.page.Addr())
}

func (h *house) webhookURL() string {
	return "http://" + h.public + "/connector/omnichannel/omnichannel_message/" + h.webhook + "/bot_api_webhook"
}

// networks makes the simulated networks with an account each.
func (h *house) networks() (*netsim.Sim, error) {
	host, err := h.newMail()
	if err != nil {
		return nil, err
	}
	sim := netsim.New(netsim.Options{
		Seed:  uint64(time.Now().UnixNano()),
		Phone: phone.Handler(), BaseURL: h.url(), Mail: host,
	})
	err = errors.Join(
		sim.Telegram().AddAccount(telegram.Account{Token: h.bot, Username: botName, Name: "Playground"}),
		sim.Omnichannel().AddAccount(omnichannel.Account{Account: account, Webhook: h.webhookURL(), Token: h.outbound}),
		h.addSender(sim.Twilio().WhatsApp(), channelWhatsApp, whatsAppNumber),
		h.addSender(sim.Twilio().SMS(), channelSMS, smsNumber),
		h.addTexts(sim.Twilio().SMS()),
		h.addPage(sim.Graph()),
	)
	if err != nil {
		sim.Close()
		return nil, err
	}
	return sim, nil
}

// addSender gives a network of Twilio a number. Pictures that agents send lie
// anywhere, and are fetched as Twilio does.
func (h *house) addSender(n *twilio.Network, name, number string) error {
	return errors.Join(
		n.AddAccount(twilio.Account{
			Account: number, AccountSID: h.twilio.sid, AuthToken: h.twilio.token,
			MessageURL: "http://" + h.public + "/connector/" + name + "/message",
		}),
		n.Set([]byte(`{"fetch_urls": true}`)),
	)
}

// addPage gives Messenger a page, whose app may answer late as a person. Pictures are
// fetched as for addSender.
func (h *house) addPage(n *graph.Server) error {
	return errors.Join(
		n.AddAccount(graph.Account{
			Account: pageID, Name: "Playground", Token: h.facebook.token,
			AppID: appID, AppSecret: h.facebook.secret, VerifyToken: h.facebook.verify,
			CallbackURL: "http://" + h.public + "/connector/facebook/webhook", HumanAgent: true,
		}),
		n.Set([]byte(`{"fetch_urls": true}`)),
	)
}

// newCore makes the reference core. Its console shows pictures that the
// gateway serves, and may be shown on the start page.
func (h *house) newCore(log *slog.Logger) *refcore.Core {
	return refcore.New(refcore.Options{
		Account: account, Secret: h.secrets.core, Peer: peer,
		Ports:  channels,
		Fences: true, Asks: true, Logger: log.With("part", "core"),
		ConsoleFramed: true, ConsoleImages: []string{"http://" + h.public},
	})
}

// play runs all parts until ctx ends or one of them fails. They stop in the
// direction messages walk: the gateway first, while the core can still confirm
// what is under way, then the rest.
func play(ctx context.Context, o *options, stdout, stderr io.Writer) error {
	h, err := open(ctx, o)
	if err != nil {
		return err
	}
	log := slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: o.level}))
	registry := prometheus.NewRegistry()
	ready := make(chan struct{})
	cfg, err := h.configuration()
	if err != nil {
		h.close()
		return err
	}
	gw, err := gateway.New(cfg, gateway.Options{
		Definitions: all.All(), Devices: all.Devices(), Log: log.With("part", "gateway"), Version: version,
		OnReady: func() { close(ready) }, Registry: registry,
	})
	if err != nil {
		h.close()
		return err
	}
	sim, err := h.networks() //nolint:contextcheck // they end by Close
	if err != nil {
		h.close()
		return err
	}
	defer sim.Close()
	core := newSwitch(h.newCore(log), h.core.Addr().String())
	gateways, err := h.register(sim.Mail())
	if err = errors.Join(err, core.SetGateways(gateways)); err != nil {
		h.close()
		return errors.Join(err, core.Close())
	}

	rest, stopRest := context.WithCancel(context.WithoutCancel(ctx))
	defer stopRest()
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		defer stopRest()
		return gw.Run(ctx)
	})
	group.Go(func() error { return core.run(rest, h.core) })
	group.Go(func() error { return serve(rest, h.page, h.site(core, sim, registry)) })
	group.Go(func() error {
		select {
		case <-ready:
			fmt.Fprint(stdout, h.welcome())
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
