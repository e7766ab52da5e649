package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"servicelink/test/ports"
)

// process is one started program.
type process struct {
	cmd *exec.Cmd
	log *bytes.Buffer
	// addresses it was told to listen on, until release.
	release []func()
}

// newProcess prepares a program. What it writes to standard error is kept for
// the case that it fails.
func newProcess(ctx context.Context, name string, args ...string) *process {
	p := &process{cmd: exec.CommandContext(ctx, name, args...), log: new(bytes.Buffer)}
	p.cmd.Stderr = p.log
	return p
}

// stop asks the program to end and waits for it.
func (p *process) stop() {
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	_ = p.cmd.Wait()
	for _, release := range p.release {
		release()
	}
}

func (p *process) usage() usage { return processUsage(p.cmd.Process.Pid) }

// startBare starts this program as the bare handler.
func startBare(ctx context.Context) (p *process, url string, err error) {
	self, err := os.Executable()
	if err != nil {
		return nil, "", err
	}
	p = newProcess(ctx, self, "bare")
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, "", err
	}
	if err := p.cmd.Start(); err != nil {
		return nil, "", err
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		p.stop()
		return nil, "", fmt.Errorf("bare handler: %w", err)
	}
	return p, "http://" + strings.TrimSpace(line) + "/", nil
}

// startCore starts bin/refcore with its memory store.
func startCore(ctx context.Context, s *settings, more ...string) (p *process, address string, err error) {
	address, release, err := ports.Hold()
	if err != nil {
		return nil, "", err
	}
	p = newProcess(ctx, filepath.Join(s.bin, "refcore"), append([]string{
		"-listen", address, "-http", "127.0.0.1:0",
		"-account", "bench", "-keep-sentences", "200", "-log", "warn",
	}, more...)...)
	p.release = []func(){release}
	p.cmd.Env = append(os.Environ(), "REFCORE_SECRET="+coreSecret)
	return p, address, p.cmd.Start()
}

// coreSecret is good for the cores of this program only.
const coreSecret = "secret-of-the-benchmark"

// stage is a gateway with its addresses.
type stage struct {
	gateway                         *process
	public, webhook, metrics, pprof string // addresses
}

const webhookToken = "benchmark-token-of-the-webhook"

// startGateway starts a gateway with one channel, whose network is at the given
// address, and waits for its connection to the core.
func startGateway(ctx context.Context, s *settings, dir, core, network string) (*stage, error) {
	st, err := launch(ctx, s, dir, core, webhookChannel("bench", network))
	if err != nil {
		return nil, err
	}
	st.webhook = st.hook("bench")
	return st, st.linked(ctx)
}

// webhookChannel is the configuration of a channel that is called by webhook.
func webhookChannel(name, network string) string {
	return fmt.Sprintf("  - { name: %s, network: omnichannel, settings: { token: %q, webhook_url: %q } }\n",
		name, webhookToken+name, network)
}

// hook is the webhook's address of a channel made by webhookChannel.
func (st *stage) hook(name string) string {
	return st.public + "/connector/omnichannel/omnichannel_message/" + webhookToken + name + "/bot_api_webhook"
}

// launch writes a configuration with the given channels, starts bin/servicelink
// with it, and returns when it is ready: it serves, the core or not.
func launch(ctx context.Context, s *settings, dir, core, channels string) (*stage, error) {
	public, releasePublic, err := ports.Hold()
	if err != nil {
		return nil, err
	}
	private, releasePrivate, err := ports.Hold()
	if err != nil {
		return nil, err
	}
	text := fmt.Sprintf(`
core:    { address: %q, peer: "@servicelink", account: bench, secret: %q }
journal: { driver: sqlite, path: %q }
public:  { listen: %q, url: "http://%s" }
private: { listen: %q }
egress:  { allow: ["127.0.0.0/8"] }
log:     { level: warn }
texts:   { closed: { en: "closed" }, hidden: { en: "closed" } }
channels:
%s`, core, coreSecret, filepath.Join(dir, "journal.db"), public, public, private, channels)
	file := filepath.Join(dir, "gateway.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		return nil, err
	}
	p := newProcess(ctx, filepath.Join(s.bin, "servicelink"), "run", "--config", file)
	p.release = []func(){releasePublic, releasePrivate}
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	st := &stage{
		gateway: p,
		public:  "http://" + public,
		metrics: "http://" + private + "/metrics",
		pprof:   "http://" + private + "/debug/pprof/profile",
	}
	if err := st.ready(ctx, "http://"+private+"/readyz"); err != nil {
		p.stop()
		return nil, fmt.Errorf("gateway did not come up: %w: %s", err, p.log)
	}
	return st, nil
}

// ready waits until the gateway says that it is.
func (st *stage) ready(ctx context.Context, url string) error {
	const limit = 5 * time.Minute
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	for {
		_, err := get(ctx, url)
		if err == nil {
			return nil
		}
		if !waitUntil(ctx, time.Now().Add(10*time.Millisecond)) {
			return fmt.Errorf("not ready within %v: %w", limit, err)
		}
	}
}

// linked waits for the connection to the core; without one it stops the gateway.
func (st *stage) linked(ctx context.Context) error {
	err := st.await(ctx, 30*time.Second, func(m samples) bool { return m.sum("servicelink_core_link_up") == 1 })
	if err != nil {
		st.gateway.stop()
		return fmt.Errorf("gateway did not reach the core: %w: %s", err, st.gateway.log)
	}
	return nil
}

// await polls the metrics until they satisfy done.
func (st *stage) await(ctx context.Context, limit time.Duration, done func(samples) bool) error {
	return st.watch(ctx, limit, 20*time.Millisecond, done)
}

// watch is await at another pace.
func (st *stage) watch(ctx context.Context, limit, every time.Duration, done func(samples) bool) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	for {
		m, err := scrape(ctx, st.metrics)
		if err == nil && done(m) {
			return nil
		}
		if !waitUntil(ctx, time.Now().Add(every)) {
			return errors.Join(fmt.Errorf("not within %v", limit), err)
		}
	}
}
