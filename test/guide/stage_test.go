package guide

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"servicelink/test/netsim"
	"servicelink/test/netsim/control"
	"servicelink/test/netsim/graph"
	"servicelink/test/netsim/telegram"
	"servicelink/test/netsim/twilio"
	"servicelink/test/ports"
)

// stage is what a guide takes for granted: a network, an account there, free
// addresses.
type stage struct {
	sim                            *netsim.Sim
	base                           string // of sim
	core, console, public, private string
	client                         *http.Client

	network      control.Network
	account      string            // at the network
	secret, hook string            // must not be printed; must be
	customer     control.User      // who writes
	shown        []string          // the customer's name at the agent's: one of these
	replacements map[string]string // everything in the guide that is another thing here

	checked, examined string             // what the commands check and doctor say when all is well
	talk              func(t *testing.T) // a customer and the agent write
}

func newStage(t *testing.T) *stage {
	t.Helper()
	s := &stage{
		sim:  netsim.New(netsim.Options{Seed: 1}),
		core: ports.For(t), console: ports.For(t), public: ports.For(t), private: ports.For(t),
		client: &http.Client{Transport: &http.Transport{}},
	}
	server := httptest.NewServer(s.sim.Handler())
	s.base = server.URL
	s.replacements = map[string]string{
		"127.0.0.1:18321": s.core, "127.0.0.1:18380": s.console, "127.0.0.1:8080": s.public, "127.0.0.1:9090": s.private,
	}
	t.Cleanup(func() {
		s.client.CloseIdleConnections()
		s.sim.Close()
		server.Close()
	})
	return s
}

func onTelegram(t *testing.T, s *stage) {
	s.network, s.secret = s.sim.Telegram(), "987654321:AAE-a-token-of-the-simulated-Telegram"
	s.account, s.shown = s.secret, []string{"Ada Lovelace"}
	s.customer = control.User{ID: "4711", FirstName: "Ada", LastName: "Lovelace", LanguageCode: "en"}
	s.replacements["123456789:AAF0-the-token-that-BotFather-gave-you"] = s.secret
	s.replacements["https://api.telegram.org"] = s.base + "/telegram"
	if err := s.sim.Telegram().AddAccount(telegram.Account{Token: s.secret, Username: "my_bot", Name: "My bot"}); err != nil {
		t.Fatal(err)
	}
}

func onWhatsApp(t *testing.T, s *stage) {
	s.onTwilio(t, s.sim.Twilio().WhatsApp(), "whatsapp")
	s.shown = []string{"Ada Lovelace"}
	s.replacements["https://messaging.twilio.com"] = s.base + "/twilio/messaging"
}

func onSMS(t *testing.T, s *stage) {
	s.onTwilio(t, s.sim.Twilio().SMS(), "sms")
	s.shown = []string{"New contact my-sms-+420601234567"} // nobody tells a name
}

// onTwilio makes a number that does not know yet where to bring messages.
func (s *stage) onTwilio(t *testing.T, n *twilio.Network, network string) {
	t.Helper()
	s.network, s.account, s.secret = n, "+420800123456", "fedcba9876543210fedcba9876543210"
	s.hook = "http://" + s.public + "/connector/" + network + "/message"
	s.customer = control.User{ID: "+420601234567", FirstName: "Ada", LastName: "Lovelace"}
	s.replacements["the-auth-token-of-that-account"] = s.secret
	s.replacements["https://gateway.example.com"] = "http://" + s.public
	s.replacements["https://api.twilio.com"] = s.base + "/twilio"
	err := n.AddAccount(twilio.Account{
		Account: s.account, AccountSID: "AC0123456789abcdef0123456789abcdef", AuthToken: s.secret,
	})
	if err != nil {
		t.Fatal(err)
	}
}

// onMessenger makes a page whose app does not know yet where to bring messages.
func onMessenger(t *testing.T, s *stage) {
	s.network, s.account, s.secret = s.sim.Graph(), "100200300400500", "EAA-a-token-of-the-simulated-page"
	s.hook = "http://" + s.public + "/connector/facebook/webhook"
	s.customer = control.User{ID: "6010008150815", FirstName: "Ada", LastName: "Lovelace"}
	s.shown = []string{"Ada Lovelace", "New contact my-page-6010008150815"} // the first message does not wait for the name
	s.replacements["the-token-of-that-page"] = s.secret
	s.replacements["the-secret-of-that-app"] = "0123456789abcdef0123456789abcdef"
	s.replacements["https://gateway.example.com"] = "http://" + s.public
	s.replacements["https://graph.facebook.com"] = s.base + "/graph"
	untold := false
	err := s.sim.Graph().AddAccount(graph.Account{
		Account: s.account, Name: "Shop", Token: s.secret, AppID: "700600500400300", AppSecret: "0123456789abcdef0123456789abcdef",
		Subscribed: &untold,
	})
	if err != nil {
		t.Fatal(err)
	}
}

func (s *stage) patience(t *testing.T) (context.Context, context.CancelFunc) {
	return context.WithTimeout(t.Context(), patience)
}

// call asks the core's HTTP interface, until it answers with success.
func (s *stage) call(t *testing.T, method, path string, body, answer any) {
	t.Helper()
	encoded, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := s.patience(t)
	defer cancel()
	for {
		req, err := http.NewRequestWithContext(ctx, method, "http://"+s.console+path, bytes.NewReader(encoded))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/json")
		resp, err := s.client.Do(req)
		if ctx.Err() != nil {
			t.Fatalf("%s %s: %v", method, path, err)
		}
		if err != nil { // it is starting
			continue
		}
		out, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if err == nil && resp.StatusCode == http.StatusOK {
			if answer != nil {
				err = json.Unmarshal(out, answer)
			}
			if err != nil {
				t.Fatal(err)
			}
			return
		}
	}
}

// copyTree copies the sources, as a fresh checkout has them.
func copyTree(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	root := os.DirFS("../..")
	err := fs.WalkDir(root, ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (name == ".git" || name == "bin" || name == "data" || d.Name() == "node_modules"):
			return fs.SkipDir
		case d.IsDir():
			return os.MkdirAll(filepath.Join(dir, name), 0o755)
		case !d.Type().IsRegular():
			return nil
		}
		data, err := fs.ReadFile(root, name)
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(dir, name), data, 0o644)
	})
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// shell is a terminal: it runs blocks of commands one after the other.
type shell struct {
	t   *testing.T
	dir string
	in  io.Writer
	out *bufio.Reader

	mu  sync.Mutex
	all strings.Builder
}

// done follows every block's output. A command that fails ends the shell.
const done = "the-block-has-ended"

func startShell(t *testing.T, dir string) *shell {
	t.Helper()
	sh := &shell{t: t, dir: dir}
	cmd := exec.CommandContext(t.Context(), "bash", "-e", "-o", "pipefail")
	cmd.Dir = dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) } // and what it started
	var err error
	if sh.in, err = cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	sh.out = bufio.NewReader(out)
	cmd.Stderr = sh
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { // the test's context has ended by now
		_, _ = io.Copy(io.Discard, out)
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("what was printed:\n%s", sh.log())
		}
	})
	return sh
}

// Write keeps what the programs print to standard error.
func (sh *shell) Write(p []byte) (int, error) {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	return sh.all.Write(p)
}

func (sh *shell) log() string {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	return sh.all.String()
}

func (sh *shell) save(name, text string) {
	sh.t.Helper()
	if err := os.WriteFile(filepath.Join(sh.dir, name), []byte(text), 0o600); err != nil {
		sh.t.Fatal(err)
	}
}

// run runs a block, which must end with success, and gives what it printed.
func (sh *shell) run(block string) string {
	sh.t.Helper()
	if _, err := io.WriteString(sh.in, block+"echo; echo "+done+"\n"); err != nil {
		sh.t.Fatal(err)
	}
	var out strings.Builder
	for {
		line, err := sh.out.ReadString('\n')
		if err != nil {
			sh.t.Fatalf("a command failed: %v\n%s\n%s", err, block, out.String())
		}
		if line == done+"\n" {
			_, _ = sh.Write([]byte(out.String()))
			return out.String()
		}
		out.WriteString(line)
	}
}
