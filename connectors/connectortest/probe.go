package connectortest

import (
	"context"
	"encoding/base64"
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

// patience is how long the kit waits for what must come at once. Its own tests
// make it shorter.
var patience = 10 * time.Second

// record is what the checks of one run have in common.
type record struct {
	mu    sync.Mutex
	said  []string // all that the connector let out
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

// probe is what one check works with.
type probe struct {
	h      Harness
	record *record

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
	settings, err := config.ParseSettings(p.h.Settings(base))
	if err != nil {
		panic(err) // the harness is wrong
	}
	transport := &http.Transport{DialContext: p.record.dial, DisableKeepAlives: true}
	c, err := p.h.New(config.Channel{Name: "kit", Enabled: true, Culture: "en", Settings: settings}, connectors.Dependencies{
		Egress:    config.Egress{Allow: allow},
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

// dial refuses everything but loopback: a test must not reach a real network.
func (r *record) dial(ctx context.Context, network, address string) (net.Conn, error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	if ip := net.ParseIP(host); ip == nil || !ip.IsLoopback() {
		r.mu.Lock()
		r.away = append(r.away, address)
		r.mu.Unlock()
		return nil, errors.New("the kit reaches loopback only")
	}
	var d net.Dialer
	return d.DialContext(ctx, network, address)
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
	if err == nil {
		return nil
	}
	p.record.heard("error", fmt.Sprintf("%v %+v", err, err))
	var se *connectors.SendError
	if !errors.As(err, &se) {
		p.errorf("Send's error is a %T, want a *connectors.SendError", err)
		return connectors.AsSendError(err)
	}
	p.record.heard("error", fmt.Sprintf("%+v", *se))
	for cause := se.Err; cause != nil; cause = errors.Unwrap(cause) {
		p.record.heard("cause", fmt.Sprintf("%v %+v", cause, cause))
	}
	if !slices.Contains(connectors.SendReasons, se.Reason) || se.Reason == connectors.ReasonBug {
		p.errorf("Send's error has the reason %q", se.Reason)
	}
	return se
}

// part is a message to the harness's conversation.
func (p *probe) part(id, text string) connectors.Part {
	return connectors.Part{ID: id, To: connectors.Address{TrackingID: p.h.Network.To, RemoteAddress: markChat}, Text: text}
}

// leaks finds secret in what the connector let out, in any usual spelling.
func (r *record) leaks(secret string) (where string, found bool) {
	spellings := []string{
		secret, url.QueryEscape(secret), url.PathEscape(secret),
		base64.StdEncoding.EncodeToString([]byte(secret)),
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, said := range r.said {
		for _, s := range spellings {
			if strings.Contains(said, s) {
				return said, true
			}
		}
	}
	return "", false
}

// lastChecks look at what the checks before them left.
var lastChecks = []check{
	{"secrets", func(p *probe) {
		for _, secret := range append([]string{markText, markNetwork, markChat}, p.h.Secrets...) {
			if where, found := p.record.leaks(secret); found {
				p.errorf("%q was let out in %s", secret, where)
			}
		}
	}},
	{"stays local", func(p *probe) {
		for _, address := range p.record.away {
			p.errorf("tried to reach %s", address)
		}
	}},
	{"goroutines", func(p *probe) {
		if err := goleak.Find(p.record.began); err != nil {
			p.errorf("%v", err)
		}
	}},
}
