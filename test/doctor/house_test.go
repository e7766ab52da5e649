package doctor

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"servicelink/connectors"
	"servicelink/gateway"
	"servicelink/simprot/refcore"
	"servicelink/test/netsim"
	"servicelink/test/netsim/control"
	"servicelink/test/netsim/graph"
	"servicelink/test/netsim/telegram"
	"servicelink/test/netsim/twilio"
	"servicelink/test/ports"
	"servicelink/test/proc"
)

const (
	patience   = 2 * time.Minute // for any other process; far beyond what is needed
	botToken   = "100200:token-of-the-bot"
	twilioSID  = "AC0123456789abcdef0123456789abcdef"
	twilioAuth = "fedcba9876543210fedcba9876543210"
	whatsApp   = "+420800123456"
	sms        = "+420800123457"
	coreSecret = "secret-of-the-doctors-core"
	page       = "100200300400500"
	pageToken  = "EAAtokenofthepage"
	appSecret  = "0123456789abcdef0123456789abcdef"
)

// client calls what runs on this machine.
var client = &http.Client{Timeout: patience, Transport: &http.Transport{DisableKeepAlives: true}}

// program is the built servicelink.
var program string

func TestMain(m *testing.M) {
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "servicelink-doctor-")
		if err == nil {
			err = proc.Build(context.Background(), dir, "servicelink/cmd/servicelink")
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer os.RemoveAll(dir)
		program = filepath.Join(dir, "servicelink")
		return m.Run()
	}())
}

// house is everything a gateway needs, set up right, until a test spoils it.
type house struct {
	*testing.T
	sim *netsim.Sim
	net string // where sim answers

	core            refcore.Options
	coreAddress     string
	public, private string // listeners of the gateway
	journal, dir    string
	files           string // files.path; empty = beside the journal

	// What the configuration says.
	url, coreSecret, journalSection string
	token, authToken, apiKey        string
	pageToken, appSecret            string
	channels                        []string // names; nil = all
	ports                           map[string]string

	gateway *proc.Process
	log     *os.File
}

func newHouse(t *testing.T) *house {
	t.Helper()
	t.Parallel()
	h := &house{
		T: t, dir: t.TempDir(), public: ports.For(t), private: ports.For(t),
		core:       refcore.Options{Account: "servicelink", Secret: coreSecret, Fences: true, Asks: true},
		coreSecret: coreSecret, token: botToken, authToken: twilioAuth,
		pageToken: pageToken, appSecret: appSecret, ports: map[string]string{},
	}
	h.url = "http://" + h.public
	h.journal = filepath.Join(h.dir, "journal.db")
	h.sim = netsim.New(netsim.Options{Seed: 1})
	server := httptest.NewServer(h.sim.Handler())
	t.Cleanup(func() { server.Close(); h.sim.Close() })
	h.net = server.URL
	h.sim.SetBaseURL(h.net)
	h.must(h.sim.Telegram().AddAccount(telegram.Account{Token: botToken, Username: "doctor_bot", Name: "Doctor"}))
	h.sender(h.sim.Twilio().WhatsApp(), "whatsapp", nil)
	h.sender(h.sim.Twilio().SMS(), "sms", nil)
	h.page(nil)
	return h
}

// page gives Messenger its page, right but for what change does.
func (h *house) page(change func(*graph.Account)) {
	h.Helper()
	a := graph.Account{
		Account: page, Name: "Doctor", Token: pageToken, AppID: "700800900", AppSecret: appSecret,
		VerifyToken: "verify-token-of-the-doctor", CallbackURL: h.url + "/connector/facebook/webhook",
	}
	if change != nil {
		change(&a)
	}
	h.must(h.sim.Graph().AddAccount(a))
}

// sender gives a network of Twilio its sender, right but for what change does.
func (h *house) sender(n *twilio.Network, network string, change func(*twilio.Account)) {
	h.Helper()
	a := twilio.Account{
		Account: whatsApp, AccountSID: twilioSID, AuthToken: twilioAuth,
		MessageURL: h.url + "/connector/" + network + "/message",
	}
	if network == "sms" {
		a.Account = sms
	}
	if change != nil {
		change(&a)
	}
	h.must(n.AddAccount(a))
}

func (h *house) must(err error) {
	h.Helper()
	if err != nil {
		h.Fatal(err)
	}
}

// serveCore starts the core as h.core says.
func (h *house) serveCore() {
	h.Helper()
	l, err := new(net.ListenConfig).Listen(h.Context(), "tcp", "127.0.0.1:0")
	h.must(err)
	core := refcore.New(h.core)
	h.coreAddress = l.Addr().String()
	served := make(chan error, 1)
	go func() { served <- core.Serve(context.Background(), l) }()
	h.Cleanup(func() {
		_ = core.Close()
		<-served
	})
}

// settings of each channel.
func (h *house) settings() map[string]string {
	twilioSettings := func(from string) string {
		s := fmt.Sprintf("account_sid: %s, auth_token: %q, from: %q, api_url: %q, messaging_url: %q",
			twilioSID, h.authToken, from, h.net+"/twilio", h.net+"/twilio/messaging")
		if h.apiKey != "" {
			s += fmt.Sprintf(", api_key: %s, api_secret: secret-of-the-key", h.apiKey)
		}
		return s
	}
	return map[string]string{
		"facebook": fmt.Sprintf("page_id: %q, page_token: %q, app_id: \"700800900\", app_secret: %q, verify_token: verify-token-of-the-doctor, api_url: %q",
			page, h.pageToken, h.appSecret, h.net+"/graph"),
		"telegram": fmt.Sprintf("token: %q, api_url: %q, poll_timeout: 1s", h.token, h.net+"/telegram"),
		"whatsapp": twilioSettings(whatsApp),
		"sms":      twilioSettings(sms),
	}
}

// file writes the configuration.
func (h *house) file() string {
	h.Helper()
	if h.coreAddress == "" {
		h.serveCore()
	}
	if h.journalSection == "" {
		h.journalSection = fmt.Sprintf("{ path: %q }", h.journal)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "core: { address: %q, account: servicelink, secret: %q, instance: doctor-%s }\n", h.coreAddress, h.coreSecret, filepath.Base(h.dir))
	fmt.Fprintf(&b, "journal: %s\n", h.journalSection)
	if h.files != "" {
		fmt.Fprintf(&b, "files: { path: %q }\n", h.files)
	}
	fmt.Fprintf(&b, "public: { listen: %q, url: %q }\nprivate: { listen: %q }\n", h.public, h.url, h.private)
	b.WriteString("egress: { allow: [\"127.0.0.0/8\"] }\nchannels:\n")
	settings := h.settings()
	for _, network := range slices.Sorted(maps.Keys(settings)) {
		if h.channels != nil && !slices.Contains(h.channels, network) {
			continue
		}
		port := h.ports[network]
		if port == "" {
			port = network
		}
		fmt.Fprintf(&b, "  - { name: %s, network: %s, port: %s, settings: { %s } }\n", "my-"+network, network, port, settings[network])
	}
	path := filepath.Join(h.dir, "servicelink.yaml")
	h.must(os.WriteFile(path, []byte(b.String()), 0o600))
	return path
}

// run starts the gateway and waits until it is ready.
func (h *house) run() {
	h.Helper()
	log, err := os.Create(filepath.Join(h.dir, "log"))
	h.must(err)
	h.log = log
	h.gateway, err = proc.Start(log, nil, program, "run", "--config", h.file())
	h.must(err)
	h.Cleanup(func() {
		h.gateway.Kill()
		if h.Failed() {
			text, _ := os.ReadFile(log.Name())
			h.Logf("the gateway's log:\n%s", text)
		}
		_ = log.Close()
	})
	h.until("the gateway is ready", func() bool {
		answer, err := h.get("/readyz")
		return err == nil && answer == http.StatusOK
	})
}

func (h *house) get(path string) (status int, err error) {
	r, err := http.NewRequestWithContext(h.Context(), http.MethodGet, "http://"+h.private+path, nil)
	if err != nil {
		return 0, err
	}
	answer, err := client.Do(r)
	if err != nil {
		return 0, err
	}
	return answer.StatusCode, answer.Body.Close()
}

// until waits for what another process does.
func (h *house) until(what string, is func() bool) {
	h.Helper()
	end := time.Now().Add(patience)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !is() {
		if h.gateway != nil && !h.gateway.Alive() {
			h.Fatalf("%s: the gateway has ended", what)
		}
		if time.Now().After(end) {
			h.Fatalf("%s: not in %v", what, patience)
		}
		<-tick.C
	}
}

// doctor runs the command, once for people and once for programs.
func (h *house) doctor(more ...string) (d gateway.Diagnosis, lines []string, code int) {
	h.Helper()
	args := append([]string{"doctor", "--config", h.file()}, more...)
	text, code := h.command(args...)
	out, again := h.command(append(args, "--json")...)
	if code != again {
		h.Errorf("exit code %d, and %d with --json", code, again)
	}
	if err := json.Unmarshal([]byte(out), &d); err != nil {
		h.Fatalf("%v\n%s", err, out)
	}
	for _, secret := range []string{h.token, h.authToken, h.coreSecret, botToken, twilioAuth, coreSecret, pageToken, appSecret, h.pageToken, h.appSecret} {
		if strings.Contains(text+out, secret) {
			h.Errorf("a secret is shown: %s", text)
		}
	}
	return d, strings.Split(text, "\n"), code
}

func (h *house) command(args ...string) (out string, code int) {
	h.Helper()
	ctx, cancel := context.WithTimeout(h.Context(), patience)
	defer cancel()
	command := exec.CommandContext(ctx, program, args...)
	var stdout, stderr bytes.Buffer
	command.Stdout, command.Stderr = &stdout, &stderr
	err := command.Run()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		code = exit.ExitCode()
	} else if err != nil {
		h.Fatal(err)
	}
	h.Logf("servicelink %s: %d\n%s%s", strings.Join(args, " "), code, stdout.String(), stderr.String())
	return stdout.String(), code
}

// finding is what is to be named.
type finding struct {
	channel string // network's name; empty = the gateway
	check   connectors.CheckName
	fault   connectors.FaultName
	state   connectors.CheckState // empty = failed
	says    string                // in the line for people, beside the rest
}

// names runs doctor and wants exactly these faults, each in one line with its cure, and
// nothing else that failed.
func (h *house) names(wants []finding, more ...string) gateway.Diagnosis {
	h.Helper()
	d, lines, code := h.doctor(more...)
	failing := 0
	for _, w := range wants {
		if w.state == "" {
			w.state = connectors.CheckFailed
		}
		if w.state == connectors.CheckFailed {
			failing = 1
		}
		h.wantFinding(d, lines, w)
	}
	if code != failing {
		h.Errorf("exit code %d, want %d", code, failing)
	}
	for _, e := range d.Checks {
		if e.State != connectors.CheckFailed && (e.State != connectors.CheckWarning || passing(e)) {
			continue
		}
		if !slices.ContainsFunc(wants, func(w finding) bool {
			return e.Network == w.channel && e.Fault == w.fault && e.Name == w.check
		}) {
			h.Errorf("a false alarm: %+v", e)
		}
	}
	return d
}

// passing are warnings that a test's surroundings cause: all is on this machine, whose
// disk may be nearly full.
func passing(e gateway.Examined) bool {
	return e.Name == connectors.CheckPublicURL && strings.Contains(e.Found, "leads here") ||
		e.Name == connectors.CheckJournal && strings.Contains(e.Found, "are free")
}

func (h *house) wantFinding(d gateway.Diagnosis, lines []string, w finding) {
	h.Helper()
	channel, where := "", "gateway"
	if w.channel != "" {
		channel = "my-" + w.channel
		where = channel + " (" + w.channel + ")"
	}
	at := slices.IndexFunc(d.Checks, func(e gateway.Examined) bool {
		return e.Channel == channel && e.Name == w.check && e.Fault == w.fault
	})
	if at < 0 {
		h.Errorf("%s: %s %s is not named", where, w.check, w.fault)
		return
	}
	e := d.Checks[at]
	if e.State != w.state || e.Cure == "" || e.Found == "" || e.Network != w.channel {
		h.Errorf("%s: %+v, want it %s", where, e, w.state)
	}
	if !slices.ContainsFunc(lines, func(line string) bool {
		return strings.HasPrefix(line, string(w.state)) && strings.Contains(line, where) && strings.Contains(line, string(w.fault)) &&
			strings.Contains(line, e.Found) && strings.Contains(line, e.Cure) && strings.Contains(line, w.says)
	}) {
		h.Errorf("no line says %s of %s with %q and its cure:\n%s", w.fault, where, w.says, strings.Join(lines, "\n"))
	}
}

// fault scripts a fault of a simulated network.
func (h *house) fault(n interface{ Fault(control.Fault) error }, f control.Fault) {
	h.Helper()
	h.must(n.Fault(f))
}

// post makes a call to a simulated network.
func (h *house) post(path, body string) {
	h.Helper()
	r, err := http.NewRequestWithContext(h.Context(), http.MethodPost, h.net+path, strings.NewReader(body))
	h.must(err)
	r.Header.Set("Content-Type", "application/json")
	answer, err := client.Do(r)
	h.must(err)
	h.must(answer.Body.Close())
	if answer.StatusCode != http.StatusOK {
		h.Fatalf("POST %s: %s", path, answer.Status)
	}
}

// statusSays tells whether the running gateway names a fault.
func (h *house) statusSays(what string) bool {
	out, _ := h.command("status", "--config", filepath.Join(h.dir, "servicelink.yaml"))
	return strings.Contains(out, what)
}
