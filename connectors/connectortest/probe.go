package connectortest

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"go.uber.org/goleak"

	"servicelink/config"
	"servicelink/connectors"
)

// What the kit writes into messages and looks for afterwards.
const (
	markText    = "mArKed-text-7f3a91"
	markNetwork = "mArKed-answer-5be2" // in what the network answers
	markChat    = "4200000000000017"   // a conversation
)

// PublicURL is where networks find the gateway of the kit: Dependencies.PublicURL,
// and the beginning of Request.PublicURL.
const PublicURL = "http://gateway.example.com"

// patience is how long the kit waits for what must come at once. Its own tests
// make it shorter.
var patience = 10 * time.Second

// record is what the checks of one run have in common.
type record struct {
	mu    sync.Mutex
	said  []string // all that the connector let out
	given []string // events: what may hold texts and addresses, and no secret
	away  []string // addresses it tried to reach beyond loopback
	began goleak.Option
}

func newRecord() *record { return &record{began: goleak.IgnoreCurrent()} }

// Write takes log lines.
func (r *record) Write(line []byte) (int, error) {
	r.heard("log", string(line))
	return len(line), nil
}

func (r *record) heard(where, text string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.said = append(r.said, where+": "+text)
}

// brought keeps an event.
func (r *record) brought(ev connectors.Event) {
	text, err := json.Marshal(ev)
	if err != nil {
		panic(err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.given = append(r.given, string(text))
}

// probe is what one check works with.
type probe struct {
	h      Harness
	record *record

	// dial replaces the sockets, where the check has a simulator in memory.
	dial func(context.Context) (net.Conn, error)

	mu       sync.Mutex
	problems []string
	undo     []func()
}

// end undoes what the check set up, the last thing first.
func (p *probe) end() {
	for _, undo := range slices.Backward(p.undo) {
		undo()
	}
	p.undo = nil
}

// connector makes one for a network at base. It is closed when the check ends.
func (p *probe) connector(base string) connectors.Connector {
	c, err := p.build(base, netip.MustParsePrefix("127.0.0.0/8"))
	if err != nil {
		panic(fmt.Errorf("the harness's settings are refused: %w", err))
	}
	return c
}

// build is connector with the private ranges that egress allows. The error is
// the connector's New's.
func (p *probe) build(base string, allow ...netip.Prefix) (connectors.Connector, error) {
	return p.buildAs("kit", base, allow...)
}

// buildAs is build for a channel of this name.
func (p *probe) buildAs(name, base string, allow ...netip.Prefix) (connectors.Connector, error) {
	settings, err := config.ParseSettings(p.h.Settings(base))
	if err != nil {
		panic(err) // the harness is wrong
	}
	transport := &http.Transport{DialContext: p.connect(), DisableKeepAlives: true}
	c, err := p.h.New(config.Channel{Name: name, Enabled: true, Culture: "en", Settings: settings}, connectors.Dependencies{
		Egress:    config.Egress{Allow: allow},
		PublicURL: PublicURL,
		Log:       slog.New(slog.NewJSONHandler(p.record, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Transport: transport,
	})
	if err != nil {
		return nil, err
	}
	p.undo = append(p.undo, func() {
		if closer, ok := c.(connectors.Closer); ok {
			if err := closer.Close(); err != nil {
				p.errorf("Close: %v", err)
			}
		}
		transport.CloseIdleConnections()
	})
	return c, nil
}

// connect makes a dialer for what is to be reached now. It refuses everything but
// loopback: a test must not reach a real network. A call that was given up may still
// dial when the check has ended.
func (p *probe) connect() func(ctx context.Context, network, address string) (net.Conn, error) {
	dial := p.dial
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		if err := p.record.local(address); err != nil {
			return nil, err
		}
		if dial != nil {
			return dial(ctx)
		}
		var d net.Dialer
		return d.DialContext(ctx, network, address)
	}
}

// local returns an error for an address that is not on loopback, and notes it.
func (r *record) local(address string) error {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return err
	}
	if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		r.mu.Lock()
		r.away = append(r.away, address)
		r.mu.Unlock()
		return errors.New("the kit reaches loopback only")
	}
	return nil
}

// network is the fake at the other end.
type network struct {
	*httptest.Server
	mu   sync.Mutex
	sent []sent
}

// sent is one request that arrived.
type sent struct {
	request *http.Request
	body    []byte
}

// network starts a fake that reads each request whole and then answers.
func (p *probe) network(answer http.HandlerFunc) *network {
	n := &network{}
	n.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return // the client left
		}
		n.mu.Lock()
		n.sent = append(n.sent, sent{r, body})
		n.mu.Unlock()
		answer(w, r)
	}))
	n.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	n.Start()
	p.undo = append(p.undo, n.Close)
	return n
}

func (n *network) arrived() []sent {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Clone(n.sent)
}

// send makes one attempt and judges the form of its error.
func (p *probe) send(ctx context.Context, c connectors.Connector, part connectors.Part) *connectors.SendError {
	_, err := c.Send(ctx, part)
	return p.judge(err)
}

// judge looks at the form of an error of Send, Typing or Open.
func (p *probe) judge(err error) *connectors.SendError {
	if err == nil {
		return nil
	}
	p.hear(err)
	var se *connectors.SendError
	if !errors.As(err, &se) {
		p.errorf("Send's error is a %T, want a *connectors.SendError", err)
		return connectors.AsSendError(err)
	}
	if !slices.Contains(connectors.SendReasons, se.Reason) || se.Reason == connectors.ReasonBug {
		p.errorf("Send's error has the reason %q", se.Reason)
	}
	return se
}

// hear keeps all that an error says.
func (p *probe) hear(err error) {
	for cause := err; cause != nil; cause = errors.Unwrap(cause) {
		p.record.heard("error", fmt.Sprintf("%v %+v", cause, cause))
		if se, ok := cause.(*connectors.SendError); ok { //nolint:errorlint // each link of the chain
			p.record.heard("error", fmt.Sprintf("%+v", *se))
		}
	}
}

// part is a message to the harness's conversation.
func (p *probe) part(id, text string) connectors.Part {
	return connectors.Part{ID: id, Ref: "1z." + id, To: connectors.Address{TrackingID: p.h.Network.To, RemoteAddress: markChat}, Text: text}
}

// leaks finds secret in what the connector let out, in any usual spelling.
func (r *record) leaks(secret string, said []string) (where string, found bool) {
	spellings := []string{
		secret, url.QueryEscape(secret), url.PathEscape(secret),
		base64.StdEncoding.EncodeToString([]byte(secret)),
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, text := range said {
		for _, s := range spellings {
			if strings.Contains(text, s) {
				return text, true
			}
		}
	}
	return "", false
}

// lastChecks look at what the checks before them left.
var lastChecks = []check{
	{"secrets", func(p *probe) {
		for _, secret := range append([]string{markText, markNetwork, markChat}, p.h.Secrets...) {
			if where, found := p.record.leaks(secret, p.record.said); found {
				p.errorf("%q was let out in %s", secret, where)
			}
		}
		for _, secret := range p.h.Secrets {
			if where, found := p.record.leaks(secret, p.record.given); found {
				p.errorf("%q was let out in the event %s", secret, where)
			}
		}
	}, onSockets},
	{"stays local", func(p *probe) {
		for _, address := range p.record.away {
			p.errorf("tried to reach %s", address)
		}
	}, onSockets},
	{"goroutines", func(p *probe) {
		if err := goleak.Find(p.record.began); err != nil {
			p.errorf("%v", err)
		}
	}, onSockets},
}
