package secrets

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"servicelink/config"
	"servicelink/connectors"
	"servicelink/connectors/all"
	"servicelink/gateway"
	"servicelink/simprot/refcore"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	peer     = "@servicelink"
	patience = 15 * time.Second
)

// stage is a gateway as the program runs it, between a core and a network on
// this machine. Everything anybody could see of it is recorded.
type stage struct {
	*testing.T
	recorder
	core     *refcore.Core
	coreAddr string
	network  *network
	telegram *telegramSide
	twilio   *twilioSide
	graph    *graphSide
	tap      *tap
	dir      string // of the last configuration and journal
	secrets  string // the folder of the core's gateways' secrets
	gw       *gateway.Gateway
	client   *http.Client
}

func newStage(t *testing.T) *stage {
	t.Helper()
	s := &stage{T: t, core: refcore.New(refcore.Options{
		Account: "servicelink", Secret: mark["core secret"], Peer: peer, Fences: true, Asks: true,
	})}
	s.client = &http.Client{Timeout: patience, Transport: &http.Transport{}}
	t.Cleanup(s.client.CloseIdleConnections)
	standard := log.Writer()
	log.SetOutput(s.writer("the standard logger")) // nothing of ours writes there
	t.Cleanup(func() { log.SetOutput(standard) })
	s.network = newNetwork(t)
	s.network.seen = s.writer("requests to networks")
	s.telegram, s.twilio, s.graph = newTelegram(s), newTwilio(s), newGraph(s)
	s.serveCore()
	s.registerGateways()
	return s
}

func (s *stage) serveCore() {
	s.Helper()
	l, err := (&net.ListenConfig{}).Listen(s.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		s.Fatal(err)
	}
	s.tap = newTap(s.T, l.Addr().String())
	s.coreAddr = s.tap.address
	served := make(chan error, 1)
	go func() { served <- s.core.Serve(context.Background(), l) }()
	s.Cleanup(func() {
		if err := s.core.Close(); err != nil {
			s.Errorf("core: %v", err)
		}
		<-served
	})
}

// config is a configuration with every kind of secret, as an operator writes it.
func (s *stage) config(secret string) *config.Config {
	s.Helper()
	dir := s.TempDir()
	s.dir = dir
	path := filepath.Join(dir, "gateway.yaml")
	text := fmt.Sprintf(`
core:    { address: %q, account: servicelink, secret: %q, instance: secrets-%s }
journal: { path: %q }
public:  { listen: "127.0.0.1:0", url: "https://gw.example.com" }
media:   { key: %q }
private: { listen: "127.0.0.1:0", token: %q }
egress:  { allow: ["127.0.0.2/32"] }
tracing: { endpoint: %q, sample: 1, headers: { Authorization: %q } }
limits:  { stop: 3s }
log:     { level: debug }
texts:   { closed: { en: %q } }
messages: { secrets_dir: %q }
channels:
  - { name: shop, network: omnichannel, settings: { token: %q, webhook_url: "%s/shop/%s?key=%s", webhook_token: %q } }
  - { name: off, network: omnichannel, enabled: false, settings: { token: %q, webhook_url: "%s/off/%s" } }
  - { name: locked, network: omnichannel, settings: { token: %q, webhook_url: "%s/locked/%s", webhook_token: %q } }
  - { name: bot, network: telegram, settings: { token: %q, api_url: "%s/telegram", poll_timeout: 1s } }
  - { name: wa, network: whatsapp, settings: { account_sid: %s, auth_token: %q, auth_token_other: %q, api_key: %s, api_secret: %q, from: %q, api_url: %q, messaging_url: "%s/messaging" } }
  - { name: fb, network: facebook, settings: { page_id: %q, page_token: %q, app_id: %q, app_secret: %q, app_secret_other: %q, verify_token: %q, user_token: %q, api_url: %q } }
  - { name: brittle, network: brittle }
`, s.coreAddr, secret, filepath.Base(dir), filepath.Join(dir, "journal.db"), mark["media key"], mark["private token"],
		s.collector(), mark["collector's token"], mark["closed text"], s.secrets,
		mark["webhook token"], s.network.URL, mark["token in webhook_url"], mark["token in webhook_url"], mark["webhook_token"],
		mark["disabled token"], s.network.URL, mark["token in webhook_url"],
		mark["locked token"], s.network.URL, mark["token in webhook_url"], mark["webhook_token"],
		mark["bot token"], s.telegram.URL,
		waAccount, mark["auth token"], mark["other auth token"], waKey, mark["api secret"], waSender, s.twilio.URL, s.twilio.URL,
		fbPage, mark["page token"], fbApp, mark["app secret"], mark["other app secret"], mark["verify token"], mark["user token"], s.graph.URL)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		s.Fatal(err)
	}
	cfg, err := config.Load(path)
	if err != nil {
		s.Fatal(err)
	}
	for _, w := range cfg.Warnings {
		s.add("configuration warnings", []byte(w.Error()))
	}
	return cfg
}

// collector takes traces and keeps all that it is told. It answers with words of
// its own now and then.
func (s *stage) collector() (url string) {
	s.Helper()
	seen, calls := s.writer("traces"), 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if r.Header.Get("Authorization") != mark["collector's token"] {
			s.Error("the collector is not shown its token")
		}
		noteRequest(seen, r)
		_, _ = seen.Write(body)
		if calls++; calls%2 == 0 {
			http.Error(w, mark["network's words"], http.StatusBadRequest)
		}
	}))
	s.Cleanup(server.Close)
	return server.URL
}

// run runs a gateway with secret for the core; stop ends it.
func (s *stage) run(secret string) (gw *gateway.Gateway, stop func()) {
	s.Helper()
	return s.start(s.config(secret))
}

// start runs a gateway with a configuration; stop ends it.
func (s *stage) start(cfg *config.Config) (gw *gateway.Gateway, stop func()) {
	s.Helper()
	ready := make(chan struct{})
	gw, err := gateway.New(cfg, gateway.Options{
		Definitions: append(all.All(), brittle), Devices: all.Devices(),
		Log:     slog.New(slog.NewTextHandler(s.writer("the log"), &slog.HandlerOptions{Level: slog.LevelDebug})),
		Version: "test",
		OnReady: func() { close(ready) },
	})
	if err != nil {
		s.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- gw.Run(ctx) }()
	select {
	case <-ready:
	case err := <-ended:
		cancel()
		s.Fatalf("run: %v", err)
	}
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			s.add("the error of Run", []byte(err.Error()))
		}
	})
	s.Cleanup(stop)
	return gw, stop
}

// until waits for what other goroutines and connections do.
func (s *stage) until(what string, ok func() bool) {
	s.Helper()
	end := time.Now().Add(patience)
	for !ok() {
		if time.Now().After(end) {
			s.Fatalf("not within %v: %s\n%s", patience, what, s.text("the log"))
		}
		<-time.After(10 * time.Millisecond)
	}
}

// post calls the public listener and records the whole answer.
func (s *stage) post(path, body string) (status int) {
	s.Helper()
	return s.call(http.MethodPost, "http://"+s.gw.PublicAddr()+path, body, "", "answers to webhooks")
}

func (s *stage) hook(token, body string) (status int) {
	s.Helper()
	return s.post("/connector/omnichannel/omnichannel_message/"+token+"/bot_api_webhook", body)
}

// admin calls the private listener and records the whole answer.
func (s *stage) admin(method, path, token string) (status int) {
	s.Helper()
	return s.call(method, "http://"+s.gw.PrivateAddr()+path, "", token, "the answer of "+path)
}

func (s *stage) call(method, url, body, token, where string) int {
	s.Helper()
	req, err := http.NewRequestWithContext(s.Context(), method, url, strings.NewReader(body))
	if err != nil {
		s.Fatal(err)
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := s.client.Do(req)
	if err != nil {
		s.Fatalf("%s: %v", method, err)
	}
	defer func() { _ = resp.Body.Close() }()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		s.Fatal(err)
	}
	s.add(where, []byte(resp.Status), fmt.Append(nil, resp.Header), answer)
	return resp.StatusCode
}

// network is the other end of the channels. It repeats what it was sent in
// every answer, as badly made servers do.
type network struct {
	*httptest.Server
	mu    sync.Mutex
	seen  io.Writer      // what is asked for, without the credentials that belong there
	first map[string]int // the first answer in a chat, then 200
	got   int            // accepted
}

// Further answers than HTTP's.
const (
	cutAnswer  = -1
	cutBody    = -2
	slowAnswer = -3
)

const networkHost = "127.0.0.2"

func newNetwork(t *testing.T) *network {
	n := &network{first: make(map[string]int)}
	// Its own address, so that localhost can be one the egress guard refuses.
	ln, err := new(net.ListenConfig).Listen(t.Context(), "tcp", networkHost+":0")
	if err != nil {
		t.Fatal(err)
	}
	n.Server = httptest.NewUnstartedServer(http.HandlerFunc(n.serve))
	_ = n.Listener.Close()
	n.Listener = ln
	n.Start()
	n.Config.ErrorLog = log.New(io.Discard, "", 0)
	t.Cleanup(n.Close)
	return n
}

// answers sets the first answer in a chat.
func (n *network) answers(chat string, status int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.first[chat] = status
}

// accepted is how many requests were answered with 200.
func (n *network) accepted() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.got
}

func (n *network) next(path string, body []byte) int {
	n.mu.Lock()
	defer n.mu.Unlock()
	var msg struct {
		ChatID json.Number `json:"chat_id"`
	}
	if json.Unmarshal(body, &msg) != nil || strings.HasPrefix(path, "/locked/") {
		return http.StatusUnauthorized
	}
	if status, ok := n.first[msg.ChatID.String()]; ok {
		delete(n.first, msg.ChatID.String())
		return status
	}
	n.got++
	return http.StatusOK
}

func (n *network) serve(w http.ResponseWriter, r *http.Request) {
	noteRequest(n.seen, r)
	if strings.HasPrefix(r.URL.Path, "/files/") {
		_, _ = io.WriteString(w, mark["agent's content"])
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	switch status := n.next(r.URL.Path, body); status {
	case cutAnswer:
		panic(http.ErrAbortHandler)
	case cutBody:
		w.Header().Set("Content-Length", "1000")
		w.WriteHeader(http.StatusInternalServerError)
		_, _ = w.Write(body)
		panic(http.ErrAbortHandler)
	case slowAnswer:
		select {
		case <-r.Context().Done():
		case <-time.After(300 * time.Millisecond):
		}
		w.WriteHeader(http.StatusServiceUnavailable)
	default:
		w.Header().Set("X-Error", mark["network's words"])
		w.Header().Set("Location", n.URL+r.URL.String())
		w.WriteHeader(status)
		_, _ = fmt.Fprintf(w, `{"error":%q,"url":%q,"auth":%q,"you said":%s}`,
			mark["network's words"], r.URL.String(), r.Header.Get("Authorization"), body)
	}
}

// brittle is a network whose connector panics with what it was given.
var brittle = connectors.Definition{
	Network: "brittle",
	New: func(config.Channel, connectors.Dependencies) (connectors.Connector, error) {
		return brittleConnector{}, nil
	},
}

type brittleConnector struct{}

func (brittleConnector) Capabilities() connectors.Capabilities { return connectors.Capabilities{} }

func (brittleConnector) Send(_ context.Context, p connectors.Part) (connectors.Receipt, error) {
	panic(p.Text + p.To.TrackingID)
}

// brittleHooks are the ways it breaks, each a route of its own: the log tells
// of each route's first panic only.
var brittleHooks = []string{"verify", "parse", "type", "index", "error", "well"}

func (brittleConnector) Webhooks() (hooks []connectors.Webhook) {
	for _, where := range brittleHooks {
		hooks = append(hooks, connectors.Webhook{
			Method: http.MethodPost, Path: "/brittle/" + where, MaxBody: 1 << 10,
			Verify: func(r *connectors.Request) error {
				if where == "verify" {
					panic(string(r.Body))
				}
				return nil
			},
			Parse: func(r *connectors.Request) (connectors.ParseResult, error) { return brittleParse(where, r.Body) },
			Reply: func(v connectors.Verdict) connectors.Reply {
				if v.Err != nil {
					panic(v.Err)
				}
				return connectors.Reply{Status: http.StatusServiceUnavailable}
			},
		})
	}
	return hooks
}

func brittleParse(where string, body []byte) (connectors.ParseResult, error) {
	switch where {
	case "parse":
		panic(fmt.Errorf("cannot read %s", body))
	case "type":
		var v any = string(body)
		return v.(connectors.ParseResult), nil //nolint:forcetypeassert // it is meant to panic
	case "index":
		_ = body[len(body)+1]
	case "error":
		return connectors.ParseResult{}, fmt.Errorf("cannot read %s", body)
	}
	return connectors.ParseResult{Events: []connectors.Event{{
		ID: "b:1", Kind: connectors.KindText, TrackingID: mark["chat id"] + "|brittle", Text: string(body),
	}}}, nil
}
