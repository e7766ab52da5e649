package security

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
	"unicode"

	"servicelink/simprot"
	"servicelink/simprot/refcore"
	"servicelink/test/netsim"
	"servicelink/test/netsim/telegram"
)

const (
	peer       = "@servicelink"
	coreSecret = "secret-of-the-security-test"
	hookToken  = "token-of-the-security-test"
	adminToken = "admin-of-the-security-test"
	botToken   = "4711:token-of-the-security-tests-bot00"
	publicURL  = "https://gw.example.com"
	patience   = 30 * time.Second
	// outside is the only address beside public ones that files are fetched from.
	outside = "127.0.0.2"
)

// program is the gateway as `make build` makes it, built once.
var program = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "servicelink-security-") // for all tests; TestMain removes it
	if err != nil {
		return "", err
	}
	cmd := exec.CommandContext(context.Background(), "go", "build", "-o", dir+"/", "servicelink/cmd/servicelink")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	return filepath.Join(dir, "servicelink"), nil
})

func TestMain(m *testing.M) {
	code := m.Run()
	if path, err := program(); err == nil {
		_ = os.RemoveAll(filepath.Dir(path))
	}
	os.Exit(code)
}

// stage is a running gateway, a core in this process, a simulated Telegram, and
// a file server at an address that is not allowed ("inside") and one that is.
type stage struct {
	*testing.T
	core     *refcore.Core
	coreAddr string
	sim      *netsim.Sim
	simAddr  string
	outside  *httptest.Server
	inside   net.Listener // on every address of this machine
	reached  atomic.Int64 // connections to inside
	client   *http.Client

	dir             string
	public, private string
	process         *exec.Cmd
	ended           chan struct{}
	log             logFile
	sent            atomic.Int64
}

// logFile keeps what a process writes.
type logFile struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logFile) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logFile) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func newStage(t *testing.T) *stage {
	t.Helper()
	s := prepare(t)
	s.start()
	return s
}

// prepare makes everything but the gateway.
func prepare(t *testing.T) *stage {
	t.Helper()
	s := &stage{T: t, dir: filepath.Join(t.TempDir(), "data"), client: &http.Client{
		Timeout: patience, Transport: &http.Transport{MaxIdleConnsPerHost: 64, DisableCompression: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
	t.Cleanup(s.client.CloseIdleConnections)
	s.core = refcore.New(refcore.Options{Account: "servicelink", Secret: coreSecret, Peer: peer, Fences: true, Asks: true})
	s.coreAddr = s.serve("127.0.0.1:0", func(ctx context.Context, l net.Listener) { _ = s.core.Serve(ctx, l) })
	t.Cleanup(func() { _ = s.core.Close() })

	s.sim = netsim.New(netsim.Options{Seed: 1})
	t.Cleanup(s.sim.Close)
	if err := s.sim.Telegram().AddAccount(telegram.Account{Token: botToken, Username: "security_bot"}); err != nil {
		t.Fatal(err)
	}
	networks := httptest.NewServer(s.sim.Handler())
	t.Cleanup(networks.Close)
	s.simAddr = networks.URL

	s.outside = httptest.NewUnstartedServer(http.HandlerFunc(serveOutside))
	_ = s.outside.Listener.Close()
	s.outside.Listener = s.listen(outside + ":0")
	s.outside.Start()
	t.Cleanup(s.outside.Close)
	s.inside = s.listen(":0")
	go s.watchInside()
	return s
}

// picture is the smallest PNG there is, as far as its first bytes tell.
const picture = "\x89PNG\r\n\x1a\n" + "picture"

// serveOutside is a file server that may be asked, and that may lie.
func serveOutside(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case "/file":
		w.Header().Set("Content-Type", "image/png")
		_, _ = io.WriteString(w, picture)
	case "/redirect":
		w.Header().Set("Location", r.URL.Query().Get("to"))
		w.WriteHeader(http.StatusFound)
	}
}

// watchInside counts whoever gets through.
func (s *stage) watchInside() {
	for {
		c, err := s.inside.Accept()
		if err != nil {
			return
		}
		s.reached.Add(1)
		_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 6\r\nConnection: close\r\n\r\ninside")
		_ = c.Close()
	}
}

func (s *stage) insidePort() string {
	_, port, _ := net.SplitHostPort(s.inside.Addr().String())
	return port
}

func (s *stage) listen(address string) net.Listener {
	s.Helper()
	l, err := new(net.ListenConfig).Listen(s.Context(), "tcp", address)
	if err != nil {
		s.Fatal(err)
	}
	s.Cleanup(func() { _ = l.Close() })
	return l
}

func (s *stage) serve(address string, serve func(context.Context, net.Listener)) string {
	s.Helper()
	l := s.listen(address)
	go serve(context.WithoutCancel(s.Context()), l)
	return l.Addr().String()
}

// configure writes the configuration and gives its path. Lines in replace take
// the place of those that begin with the same key.
func (s *stage) configure(replace ...string) string {
	s.Helper()
	lines := []string{
		fmt.Sprintf("core: { address: %q, secret: %q, instance: security-%s }", s.coreAddr, coreSecret, filepath.Base(filepath.Dir(s.dir))),
		fmt.Sprintf("journal: { path: %q }", filepath.Join(s.dir, "journal.db")),
		fmt.Sprintf(`public: { listen: "127.0.0.1:0", url: %q }`, publicURL),
		fmt.Sprintf(`private: { listen: "127.0.0.1:0", token: %q }`, adminToken),
		fmt.Sprintf("egress: { allow: [%q] }", outside),
		`media: { key: "the key of the security test" }`,
		"log: { level: debug, format: json }",
		"limits: { stop: 5s }",
		fmt.Sprintf(`channels: [
  { name: shop, network: omnichannel, settings: { token: %q, webhook_url: "%s/omnichannel/shop" } },
  { name: bot, network: telegram, settings: { token: %q, api_url: "%s/telegram", poll_timeout: 1s } } ]`,
			hookToken, s.outside.URL, botToken, s.simAddr),
	}
	for _, r := range replace {
		key, _, _ := strings.Cut(r, ":")
		for i, line := range lines {
			if strings.HasPrefix(line, key+":") {
				lines[i] = r
			}
		}
	}
	path := filepath.Join(filepath.Dir(s.dir), "gateway.yaml")
	if err := os.WriteFile(path, []byte(strings.Join(lines, "\n")), 0o600); err != nil {
		s.Fatal(err)
	}
	return path
}

// start runs the gateway with no umask, so that every file shows which rights
// it was given.
func (s *stage) start(extra ...string) {
	s.Helper()
	path, err := program()
	if err != nil {
		s.Fatal(err)
	}
	s.process = exec.Command("sh", "-c", `umask 0; exec "$0" run --config "$1"`, path, s.configure(extra...)) //nolint:noctx // ended by Cleanup
	s.process.Stdout, s.process.Stderr = &s.log, &s.log
	if err := s.process.Start(); err != nil {
		s.Fatal(err)
	}
	s.ended = make(chan struct{})
	go func() { _ = s.process.Wait(); close(s.ended) }()
	s.Cleanup(s.stop)
	s.public, s.private = s.address("public"), s.address("private")
	s.until("the core link", func() bool { return strings.Contains(s.log.String(), "core link up") })
	arguments, err := os.ReadFile("/proc/" + strconv.Itoa(s.process.Process.Pid) + "/cmdline")
	if err == nil && !strings.Contains(string(arguments), "--config") {
		s.Errorf("the arguments are %q", arguments)
	}
	for _, secret := range []string{coreSecret, hookToken, adminToken, botToken} {
		if strings.Contains(string(arguments), secret) {
			s.Errorf("every user of the machine sees a secret: %q", arguments)
		}
	}
}

// address is what the log says of a listener.
func (s *stage) address(name string) (address string) {
	s.Helper()
	s.until("the gateway to listen", func() bool {
		for line := range strings.Lines(s.log.String()) {
			var entry map[string]any
			if json.Unmarshal([]byte(line), &entry) == nil && entry["msg"] == "gateway listens" {
				address, _ = entry[name].(string)
			}
		}
		return address != ""
	})
	return address
}

// stop ends the gateway and holds every line of its log to the rules.
func (s *stage) stop() {
	_ = s.process.Process.Signal(syscall.SIGTERM)
	select {
	case <-s.ended:
	case <-time.After(patience):
		s.Errorf("it does not stop")
		_ = s.process.Process.Kill()
		<-s.ended
	}
	for line := range strings.Lines(s.log.String()) {
		var entry map[string]any
		if err := json.Unmarshal([]byte(line), &entry); err != nil || entry["level"] == nil || entry["msg"] == nil {
			s.Errorf("the log has a line that is no entry: %.300q", line)
		}
		for _, r := range strings.TrimSuffix(line, "\n") {
			if !unicode.IsPrint(r) {
				s.Errorf("the log holds %U: %.300q", r, line)
			}
		}
		for _, secret := range []string{coreSecret, hookToken, adminToken, botToken} {
			if strings.Contains(line, secret) {
				s.Errorf("the log holds a secret: %.300q", line)
			}
		}
	}
	if s.Failed() {
		s.Logf("the log ends with:\n%s", tail(s.log.String(), 6000))
	}
}

func tail(text string, n int) string { return text[max(0, len(text)-n):] }

// until waits for what other processes do.
func (s *stage) until(what string, ok func() bool) {
	s.Helper()
	end := time.Now().Add(patience)
	for !ok() {
		select {
		case <-s.ended:
			s.Fatalf("the gateway has ended; waited for %s\n%s", what, tail(s.log.String(), 3000))
		case <-time.After(5 * time.Millisecond):
		}
		if time.Now().After(end) {
			s.Fatalf("not within %v: %s", patience, what)
		}
	}
}

// message is a customer's message; data is more members of "message".
func (s *stage) message(chat int, kind, text, data string) string {
	return fmt.Sprintf(`{"event":"new_message","chat_id":%d,"visitor":{"id":"v","fields":{"name":"Customer"}},"message":{"id":"m-%d","kind":%q,"text":%q%s}}`,
		chat, s.sent.Add(1), kind, text, data)
}

const hookPath = "/connector/omnichannel/omnichannel_message/" + hookToken + "/bot_api_webhook"

// hook calls the webhook as the network does and gives the status.
func (s *stage) hook(body string) int {
	s.Helper()
	resp, err := s.do(http.MethodPost, "http://"+s.public+hookPath, body, nil)
	if err != nil {
		s.Fatal(err)
	}
	return resp.status
}

// answer is one HTTP answer, read whole.
type answer struct {
	status int
	header http.Header
	body   string
}

func (s *stage) do(method, url, body string, header map[string]string) (answer, error) {
	req, err := http.NewRequestWithContext(s.Context(), method, url, strings.NewReader(body))
	if err != nil {
		return answer{}, err
	}
	for name, value := range header {
		req.Header.Set(name, value)
		if name == "Host" {
			req.Host = value
		}
	}
	resp, err := s.client.Do(req)
	if err != nil {
		return answer{}, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	return answer{resp.StatusCode, resp.Header, string(text)}, err
}

// served proves that an honest caller is served within limit: taken, and shown
// at the core.
func (s *stage) served(chat int, limit time.Duration) {
	s.Helper()
	began := time.Now()
	text := "are you there, " + strconv.Itoa(int(s.sent.Load()))
	if status := s.hook(s.message(chat, "visitor", text, "")); status != http.StatusOK {
		s.Fatalf("an honest caller: status %d", status)
	}
	s.until("the message at the core", func() bool { return s.shown(chat, text) })
	if took := time.Since(began); took > limit {
		s.Errorf("an honest caller waited %v, more than %v", took, limit)
	}
}

// shown reports whether the core has a sentence with text in a chat.
func (s *stage) shown(chat int, text string) bool {
	for _, sentence := range s.sentences("shop", strconv.Itoa(chat)+"|omnichannel") {
		if strings.Contains(sentence.Text, text) {
			return true
		}
	}
	return false
}

func (s *stage) sentences(port, tracking string) []*simprot.ChatSentenceInfo {
	chat, err := s.core.Find(refcore.Address{Peer: peer, Port: port, TrackingID: tracking})
	if err != nil {
		return nil
	}
	_, sentences, err := s.core.Chat(chat.ID)
	if err != nil {
		return nil
	}
	return sentences
}

// memory is what the gateway holds of this machine's, in bytes.
func (s *stage) memory() int64 {
	s.Helper()
	f, err := os.Open("/proc/" + strconv.Itoa(s.process.Process.Pid) + "/status")
	if err != nil {
		s.Skipf("this system does not tell: %v", err)
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		if rest, ok := strings.CutPrefix(lines.Text(), "VmHWM:"); ok { // the most it ever was
			n, err := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
			if err != nil {
				s.Fatal(err)
			}
			return n << 10
		}
	}
	s.Fatal("no VmHWM")
	return 0
}

// raw writes bytes to the public listener and gives all it says, at most 64 KiB.
func (s *stage) raw(address, text string) string {
	s.Helper()
	c, err := new(net.Dialer).DialContext(s.Context(), "tcp", address)
	if err != nil {
		s.Fatal(err)
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		s.Fatal(err)
	}
	go func() { _, _ = io.WriteString(c, text) }() // it may hang up before all is written
	said, _ := io.ReadAll(io.LimitReader(c, 64<<10))
	return string(said)
}
