package gateway

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"servicelink/config"
	"servicelink/connectors"
	"servicelink/gateway/journal"
	"servicelink/gateway/journal/memory"
	"servicelink/gateway/journal/sqlite"
	"servicelink/simprot"
)

// buildChannels makes every configured channel's connector and the device of every
// message gateway of the file, but takes over from old what the configuration says
// nothing new about. All mistakes are reported at once; nothing is left of what was
// built then.
func (g *Gateway) buildChannels(cfg *config.Config, old *roster) (channels []*channel, err error) {
	byNetwork := make(map[string]connectors.Definition)
	for _, d := range g.opts.Definitions {
		byNetwork[d.Network] = d
	}
	var problems config.Problems
	proofs := make(proofs)
	for _, c := range cfg.Channels {
		d, ok := byNetwork[c.Network]
		if !ok {
			problems = append(problems, c.Problem("network", "no such network", "one of: "+names(g.opts.Definitions)))
			continue
		}
		ch := old.same(c, cfg.Egress)
		if ch == nil {
			if ch, err = g.buildChannel(c, cfg, d); err != nil {
				problems = append(problems, asProblems(c, err)...)
				continue
			}
		}
		if other := proofs.claim(ch); other != "" {
			problems = append(problems, c.Problem("settings", fmt.Sprintf("channel %q takes the same calls as channel %q", c.Name, other),
				"every message would be shown twice: give each its own token or secret, or disable one"))
		}
		channels = append(channels, ch)
	}
	devices, wrong := g.buildGateways(cfg, old, proofs)
	channels, problems = append(channels, devices...), append(problems, wrong...)
	if len(problems) == 0 {
		if err := g.tryWebhooks(cfg.Public, channels); err != nil {
			problems = config.Problems{{Path: "channels", Message: err.Error()}}
		}
	}
	if len(problems) > 0 {
		for _, ch := range channels {
			if !old.has(ch) {
				_ = ch.close() // it was never used
			}
		}
		return nil, problems
	}
	return channels, nil
}

// proofs holds by which proof each network's calls are an enabled channel's.
// They are secrets: only compared, and gone when the channels are built.
type proofs map[struct{ network, proof string }]string

// claim notes a channel's proof and names the channel that has it already.
func (p proofs) claim(ch *channel) (other string) {
	key := struct{ network, proof string }{ch.cfg.Network, ch.proof()}
	if key.proof == "" {
		return ""
	}
	if p[key] == "" {
		p[key] = ch.cfg.Name
		return ""
	}
	return p[key]
}

func (g *Gateway) buildChannel(cfg config.Channel, all *config.Config, d connectors.Definition) (*channel, error) {
	return g.furnish(cfg, all, func(lent connectors.Dependencies) (connectors.Device, error) {
		conn, err := d.New(cfg, lent)
		if err != nil {
			return nil, err
		}
		return conn, checkContract(conn)
	})
}

// furnish makes a channel around what build makes of the settings. build may give
// both a device and an error: it was made, and does not keep the contract.
func (g *Gateway) furnish(cfg config.Channel, all *config.Config, build func(connectors.Dependencies) (connectors.Device, error)) (*channel, error) {
	log := g.log.With("channel", cfg.Name, "network", cfg.Network)
	if cfg.Gateway != nil {
		log = log.With("gateway", cfg.Gateway.Name)
	}
	sum := cfg.Settings.Sum() // before New: what it reads a moment later is not older
	conn, err := build(connectors.Dependencies{
		Egress: all.Egress, Log: log, MaxFile: g.media.limit, Transport: g.opts.Transport,
		PublicURL: strings.TrimSuffix(all.Public.URL, "/"), Files: g.keeperOf(cfg, all),
	})
	if conn == nil {
		return nil, err
	}
	ch := &channel{
		cfg: cfg, sum: sum, egress: all.Egress, conn: conn, caps: conn.Capabilities(), unknown: cfg.Unknown, media: g.media, log: log,
		gate: &gate{}, life: newLife(g.life), stopRunner: func() {},
	}
	if err != nil {
		_ = ch.close() // it was never used
		return nil, err
	}
	if ch.unknown == "" {
		ch.unknown = ch.caps.Unknown
	}
	if ch.unknown == "" {
		ch.unknown = config.Report
	}
	if _, ok := conn.(connectors.AttachmentOpener); ok && g.media.links == nil {
		cfg.Settings.Warn("", "files of its customers are announced without a link", "set public.url")
	}
	if cfg.Confirm == config.ConfirmDelivered && !ch.caps.Reports {
		_ = ch.close() // it was never used
		return nil, config.Problems{cfg.Problem("confirm", "this network does not report deliveries", "write accepted")}
	}
	ch.limits = newLimits(ch.caps, conn)
	ch.limits.app = g.apps.of(cfg.Network, conn)
	ch.profiles.asks, _ = conn.(connectors.Profiler)
	ch.limits.hold(g.pauses.has(cfg.Name))
	ch.port = newPort(g, ch)
	return ch, nil
}

// checkContract refuses a connector that does not keep rules 3 and 12.
func checkContract(conn connectors.Connector) error {
	ways := 0
	if _, ok := conn.(connectors.Webhooker); ok {
		ways++
	}
	if _, ok := conn.(connectors.Runner); ok {
		ways++
	}
	if _, ok := conn.(connectors.Mounter); ok {
		ways++
	}
	if ways != 1 {
		return fmt.Errorf("the connector has %d ways in instead of one", ways)
	}
	if _, ok := conn.(connectors.Recoverer); ok {
		if _, ok := conn.(connectors.Webhooker); !ok {
			return errors.New("the connector recovers webhooks and has none")
		}
	}
	caps := conn.Capabilities()
	if _, ok := conn.(connectors.Typer); caps.Typing && !ok {
		return errors.New("the connector declares typing and does not implement it")
	}
	if _, ok := conn.(connectors.ReadMarker); caps.ReadMark && !ok {
		return errors.New("the connector declares read marks and does not implement them")
	}
	return nil
}

// asProblems finds every Problem in a connector's error; what is none stands
// at the channel.
func asProblems(cfg config.Channel, err error) config.Problems {
	problems := config.Flatten(err)
	for i, p := range problems {
		if p.Path == "" {
			problems[i] = cfg.Problem("", p.Message, p.Hint)
		}
	}
	return problems
}

func names(defs []connectors.Definition) string {
	list := make([]string, len(defs))
	for i, d := range defs {
		list[i] = d.Network
	}
	return strings.Join(list, ", ")
}

func (g *Gateway) openJournal() error {
	opts := journal.Options{
		OnCommit: g.tracing.OnCommit(g.onCommit), MaxBytes: int64(g.config().Journal.MaxBytes),
		KeepContent: g.config().Journal.KeepContent, KeepIDs: g.config().Journal.KeepIDs,
	}
	var err error
	switch {
	case g.opts.Journal != nil:
		g.journal, err = g.opts.Journal(opts)
	case g.config().Journal.Driver == "memory":
		g.journal, err = memory.Open(opts)
	default:
		g.journal, err = sqlite.Open(context.Background(), g.config().Journal.Path, opts)
	}
	if err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	g.journal = g.tracing.Journal(g.journal)
	if err := g.tracing.Start(); err != nil {
		return errors.Join(err, g.journal.Close())
	}
	return nil
}

func (g *Gateway) openLink() error {
	cfg, err := g.linkConfig()
	if err != nil {
		return err
	}
	cfg.OnUp, cfg.OnDown, cfg.OnPacket = g.onUp, g.onDown, g.tracing.OnPacket(g.onPacket)
	cfg.Observe, cfg.Trace = observer{g}, g.tracing.Sending()
	g.link, err = simprot.NewClient(cfg)
	return err
}

// linkConfig is how to reach the core, and as whom.
func (g *Gateway) linkConfig() (cfg simprot.ClientConfig, err error) {
	enc, err := simprot.ParseEncoding(g.config().Core.Encoding)
	if err != nil {
		return cfg, err
	}
	instance, err := g.config().InstanceName()
	if err != nil {
		return cfg, err
	}
	cfg = simprot.ClientConfig{
		Address: g.config().Core.Address, Account: g.config().Core.Account, Secret: g.config().Core.Secret.Reveal(),
		Peer: g.config().Core.Peer, Instance: instance, Encoding: enc, Login: g.config().Core.Login,
		Settle: g.config().Core.Settle, Dial: g.opts.Dial,
	}
	if g.config().Core.TLS != nil {
		cfg.TLS, err = coreTLS(g.config().Core.TLS)
	}
	return cfg, err
}

func coreTLS(c *config.CoreTLS) (*tls.Config, error) {
	t := &tls.Config{ServerName: c.ServerName, MinVersion: tls.VersionTLS12}
	if c.CA != "" {
		pem, err := os.ReadFile(c.CA)
		if err != nil {
			return nil, fmt.Errorf("core.tls.ca: %w", err)
		}
		t.RootCAs = x509.NewCertPool()
		if !t.RootCAs.AppendCertsFromPEM(pem) {
			return nil, errors.New("core.tls.ca: no certificate in the file")
		}
	}
	if c.Cert != "" {
		pair, err := tls.LoadX509KeyPair(c.Cert, c.Key)
		if err != nil {
			return nil, fmt.Errorf("core.tls.cert: %w", err)
		}
		t.Certificates = []tls.Certificate{pair}
	}
	return t, nil
}

// openListeners binds the addresses. Callers wait in the queue until work.
func (g *Gateway) openListeners() error {
	g.public = newHTTPServer("public", g.config().Public.Listen, g.config().Public.TLS, g.media.front(&g.webhooks), g.log)
	g.public.exempt = slices.Concat(loopback, g.config().Public.TrustedProxies)
	g.private = newHTTPServer("private", g.config().Private.Listen, nil, nil, g.log)
	g.public.bind, g.private.bind = g.opts.Listen, g.opts.Listen
	if err := g.public.Listen(); err != nil {
		return err
	}
	if err := g.private.Listen(); err != nil {
		g.closeListeners()
		return err
	}
	return nil
}

// closeListeners gives the addresses back after a start that failed. After
// work, which has ended the listeners in their turn, nothing is left to do.
func (g *Gateway) closeListeners() {
	for _, s := range []*httpServer{g.public, g.private} {
		_ = s.Shutdown(context.Background()) // they never served: nobody to wait for
	}
}

// observer turns the link's words into metrics, faults and logs.
type observer struct{ g *Gateway }

func (o observer) LinkState(state simprot.LinkState, err error) {
	switch state {
	case simprot.LinkUp:
		o.g.linkFault.Store(nil)
	case simprot.LinkConnecting:
	default:
		f := fault("", "core_"+string(state), "%s", linkHint(state, err))
		f.Since = time.Now()
		if old := o.g.linkFault.Load(); old != nil && old.What == f.What {
			f.Since = old.Since // one more failed attempt is no new fault
		}
		o.g.linkFault.Store(&f)
		if o.g.life.lanes.Err() != nil {
			return
		}
		o.g.log.Warn("core link down", "state", string(state), "error", err)
	}
}

func linkHint(state simprot.LinkState, err error) string {
	var refused *simprot.RefusedError
	switch {
	case state == simprot.LinkReplaced:
		return "another gateway uses the same core.peer and core.instance: give each its own instance"
	case errors.As(err, &refused):
		return "the core refuses the login (" + refused.Reason + "): check core.account, core.secret and core.peer"
	}
	return "the core cannot be reached: check core.address, the network and the core itself"
}

func (o observer) BadPacket(kind simprot.BadPacket, code simprot.Code) {
	o.g.metrics.badPacket(string(kind))
	o.g.log.Debug("bad packet from the core", slog.String("kind", string(kind)), slog.String("code", string(code)))
}

func (o observer) Question(code simprot.Code, outcome string, took time.Duration) {
	o.g.metrics.question(string(code), outcome, took)
}

// privateHandler serves operators; it needs the journal.
func (g *Gateway) privateHandler() http.Handler {
	return newPrivateHandler(g.config().Private, g.registry, g, servedRows{g.journal, g}, stranded{g}, &g.suspects, g.log, redactRow, append(g.apiCalls(), g.consoleCall())...)
}
