package kill

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"servicelink/test/ports"
	"servicelink/test/proc"
)

const (
	channel    = "shop"
	hookToken  = "token-of-the-kill-test"
	coreSecret = "secret-of-the-kill-test"
	// patience bounds every wait for another process. It is far beyond what a
	// busy machine needs: what has gone wrong for good is seen by other means.
	patience = 3 * time.Minute
)

// stage is a core process, a network in this process, and the gateway between
// them that is killed and started again.
type stage struct {
	*testing.T
	bin, dir        string
	config          string
	coreAddress     string
	unknown         string // the channel's policy
	more            string // further channels, in the configuration's words
	limits          string // of its section
	public, private string
	core            *proc.Core
	network         *network
	client          *http.Client

	gateway *proc.Process
	log     *os.File
	kills   int
}

func newStage(t *testing.T, unknown string) *stage {
	t.Helper()
	s := prepare(t, unknown)
	s.start()
	return s
}

// prepare makes a stage whose gateway does not run yet.
func prepare(t *testing.T, unknown string) *stage {
	t.Helper()
	s := &stage{
		T: t, bin: t.TempDir(), dir: proc.KeptDir(t, "kill"),
		public: ports.For(t), private: ports.For(t),
		client: &http.Client{Timeout: patience, Transport: &http.Transport{
			MaxIdleConnsPerHost: 64,
			IdleConnTimeout:     30 * time.Second, // sooner than any server here: nothing is sent to one that is closing
		}},
	}
	if err := proc.Build(t.Context(), s.bin, "servicelink/cmd/servicelink", "servicelink/cmd/refcore"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.client.CloseIdleConnections)
	s.network = newNetwork(t)
	s.coreAddress, s.unknown = s.startCore(), unknown
	s.config = filepath.Join(s.dir, "gateway.yaml")
	s.log = s.create("gateway.log")
	t.Cleanup(func() {
		if s.gateway != nil {
			s.gateway.Kill()
		}
	})
	return s
}

// create makes a file among those that are kept.
func (s *stage) create(name string) *os.File {
	s.Helper()
	f, err := os.Create(filepath.Join(s.dir, name))
	if err != nil {
		s.Fatal(err)
	}
	s.Cleanup(func() { _ = f.Close() })
	return f
}

func (s *stage) write(path, text string) {
	s.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		s.Fatal(err)
	}
}

func (s *stage) startCore() (simprot string) {
	s.Helper()
	var told struct{ Console, Simprot string }
	core, err := proc.StartTelling(&told, s.create("core.log"), []string{"REFCORE_SECRET=" + coreSecret},
		filepath.Join(s.bin, "refcore"), "-listen", "127.0.0.1:0", "-http", "127.0.0.1:0", "-log", "info")
	if err != nil {
		s.Fatal(err)
	}
	s.Cleanup(core.Kill)
	s.core = &proc.Core{URL: strings.TrimSuffix(told.Console, "/"), Client: s.client}
	return told.Simprot
}

// configure writes the gateway's configuration. The number of kills stands in
// the webhook's URL, so that every request tells which process sent it.
func (s *stage) configure() {
	s.Helper()
	s.write(s.config, fmt.Sprintf(`
core:    { address: %q, account: servicelink, secret: %q }
journal: { path: %q }
public:  { listen: %q, url: "http://%s" }
private: { listen: %q }
egress:  { allow: ["127.0.0.0/8"] }
log:     { level: info }
limits:  { %s }
texts:   { closed: { en: "closed" }, hidden: { en: "closed" } }
channels:
  - { name: %s, network: omnichannel, unknown: %s, settings: { token: %q, webhook_url: "%s/%d" } }
%s`, s.coreAddress, coreSecret, filepath.Join(s.dir, "journal.db"), s.public, s.public, s.private, s.limits, channel, s.unknown,
		hookToken, s.network.URL, s.kills, s.more))
}

// start starts the gateway and waits until it is ready.
func (s *stage) start() {
	s.Helper()
	s.launch()
	s.ready()
}

// launch starts the gateway and does not wait for it.
func (s *stage) launch() {
	s.Helper()
	s.configure()
	_, _ = fmt.Fprintf(s.log, "--- after %d kills\n", s.kills)
	var err error
	if s.gateway, err = proc.Start(s.log, nil, filepath.Join(s.bin, "servicelink"), "run", "--config", s.config); err != nil {
		s.Fatal(err)
	}
}

func (s *stage) ready() {
	s.Helper()
	s.until("the gateway is ready", func() bool {
		resp, err := s.client.Get("http://" + s.private + "/readyz") //nolint:noctx // the client has a time-out
		if err != nil {
			return false
		}
		defer func() { _ = resp.Body.Close() }()
		return resp.StatusCode == http.StatusOK
	})
}

// kill ends the gateway with SIGKILL and starts it again.
func (s *stage) kill() {
	s.Helper()
	s.alive()
	s.gateway.Kill()
	s.kills++
	s.start()
}

// alive fails the test when the gateway has ended by itself.
func (s *stage) alive() {
	s.Helper()
	if !s.gateway.Alive() {
		s.Fatalf("after %d kills the gateway ended by itself: %v", s.kills, s.gateway.ProcessState)
	}
}

// until waits for a condition of another process.
func (s *stage) until(what string, ok func() bool) {
	s.Helper()
	end := time.Now().Add(patience)
	for !ok() {
		s.alive()
		if time.Now().After(end) {
			s.Fatalf("not within %v: %s", patience, what)
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-s.Context().Done():
			s.Fatal("stopped")
		}
	}
}

// post sends a customer's message until the gateway takes it, as the network
// would: a refused connection, a cut answer and a 500 are tried again.
func (s *stage) post(chat, n int) error {
	body := fmt.Sprintf(`{"event":"new_message","chat_id":%d,"visitor":{"id":"v%d","fields":{"name":"Customer %d"}},"message":{"id":"m-%d-%d","kind":"visitor","text":"message %d"}}`,
		chat, chat, chat, chat, n, n)
	url := "http://" + s.public + "/connector/omnichannel/omnichannel_message/" + hookToken + "/bot_api_webhook"
	for {
		if err := s.Context().Err(); err != nil {
			return err
		}
		req, err := http.NewRequestWithContext(s.Context(), http.MethodPost, url, strings.NewReader(body))
		if err != nil {
			return err
		}
		req.Header.Set("Content-Type", "application/json")
		resp, err := s.client.Do(req)
		if err == nil {
			_, _ = io.Copy(io.Discard, resp.Body)
			_ = resp.Body.Close()
			switch resp.StatusCode {
			case http.StatusOK:
				return nil
			case http.StatusInternalServerError, http.StatusServiceUnavailable:
			default:
				return fmt.Errorf("webhook: %s", resp.Status)
			}
		}
		<-time.After(10 * time.Millisecond)
	}
}

// ledger reads the channel's ledger of one direction.
func (s *stage) ledger(direction string) proc.Ledger {
	s.Helper()
	m, err := proc.Scrape(s.Context(), s.client, s.private)
	if err != nil {
		s.Fatal(err)
	}
	l, err := m.Ledger(channel, direction)
	if err != nil {
		s.Fatal(err)
	}
	return l
}

// network is the other end of the channel: it takes what the gateway sends.
type network struct {
	*httptest.Server
	mu  sync.Mutex
	got map[string][]arrival // by chat
}

// arrival is one request the network accepted, and how many kills came before
// the process that sent it.
type arrival struct {
	id    string
	kills int
}

func newNetwork(t *testing.T) *network {
	n := &network{got: make(map[string][]arrival)}
	n.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var msg struct {
			ChatID  json.Number `json:"chat_id"`
			Message struct {
				ID string `json:"id"`
			} `json:"message"`
		}
		if err := json.NewDecoder(r.Body).Decode(&msg); err != nil {
			return // cut by a kill: not accepted
		}
		kills, err := strconv.Atoi(strings.TrimSuffix(strings.TrimPrefix(r.URL.Path, "/"), "/send_message"))
		if err != nil {
			t.Errorf("path %q", r.URL.Path)
		}
		n.mu.Lock()
		n.got[msg.ChatID.String()] = append(n.got[msg.ChatID.String()], arrival{msg.Message.ID, kills})
		n.mu.Unlock()
		w.WriteHeader(http.StatusNoContent)
	}))
	t.Cleanup(n.Close)
	return n
}
