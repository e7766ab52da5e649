package main

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestProcess starts the real process, lets it read its configuration again and
// again, and ends it with a signal.
func TestProcess(t *testing.T) {
	p := startProcess(t)
	p.rewrite("level: info", "level: loud")
	if line := p.log.until("configuration not read again"); !strings.Contains(line["problem"].(string), "log.level") {
		t.Errorf("the log says %v", line)
	}
	p.wantMetric("servicelink_config_last_reload_success 0")

	// Two mistakes in one file, one of them a connector's: nothing changes.
	p.rewrite("channels: [", `channels: [ { name: two, network: omnichannel, settings: { token: "file:`+p.secret+`", webhook_url: "https://b.example" } },`)
	p.log.until("configuration not read again")
	p.log.until("configuration not read again")

	if err := os.WriteFile(p.secret, []byte("planted-0451-second"), 0o600); err != nil {
		t.Fatal(err)
	}
	p.rewrite("level: loud", "level: debug")
	if line := p.log.until("channel added"); line["channel"] != "two" {
		t.Errorf("the log says %v", line)
	}
	if line := p.log.until("configuration read again"); line["level"] != "DEBUG" {
		t.Errorf("the log says %v", line)
	}
	p.wantMetric("servicelink_config_last_reload_success 1")
	p.wantMetric(`servicelink_channel_state{channel="two",network="omnichannel",state="ok"} 1`)

	// The file is as it was; the secret is another one.
	if err := os.WriteFile(p.secret, []byte("planted-0451-third"), 0o600); err != nil {
		t.Fatal(err)
	}
	p.signal(syscall.SIGHUP)
	if line := p.log.until("channel changed"); line["channel"] != "two" {
		t.Errorf("the log says %v", line)
	}
	p.log.until("configuration read again")

	p.rewrite("name: one,", "name: three,")
	p.log.until("channel removed")
	p.log.until("configuration read again")
	if body := p.metrics(); strings.Contains(body, `channel="one"`) || !strings.Contains(body, `channel="three"`) {
		t.Error("the series of the channels are not those of the configuration")
	}

	p.signal(syscall.SIGTERM)
	p.log.rest()
	if err := p.command.Wait(); err != nil {
		t.Errorf("after SIGTERM: %v\n%s", err, p.log.seen.String())
	}
	if strings.Contains(p.log.seen.String(), "planted-0451") {
		t.Errorf("the log shows a secret: %s", p.log.seen.String())
	}
}

// process is the real command, its configuration and what it logs.
type process struct {
	t            *testing.T
	text         string
	path, secret string
	journal      string
	private      string
	public       string
	command      *exec.Cmd
	log          *logReader
}

func startProcess(t *testing.T) *process {
	t.Helper()
	p := &process{t: t, secret: filepath.Join(t.TempDir(), "token"), journal: filepath.Join(t.TempDir(), "journal.db")}
	p.text = `
core: { address: "127.0.0.1:1", login: false }
journal: { path: "` + p.journal + `" }
public: { listen: "127.0.0.1:0" }
private: { listen: "127.0.0.1:0" }
log: { level: info, format: json }
channels: [ { name: one, network: omnichannel, settings: { token: "${OMNI_TOKEN}", webhook_url: "https://a.example" } } ]
`
	p.path = file(t, p.text)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	p.command = exec.CommandContext(ctx, os.Args[0], "run", "--config", p.path)
	p.command.Env = append(os.Environ(), runMain+"=1", "OMNI_TOKEN=planted-0451-planted")
	stderr, err := p.command.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.command.Start(); err != nil {
		t.Fatal(err)
	}
	p.log = &logReader{t: t, lines: bufio.NewScanner(stderr)}
	line := p.log.until("gateway listens")
	p.private, _ = line["private"].(string)
	p.public, _ = line["public"].(string)
	p.log.until("gateway is up")
	return p
}

// rewrite changes the configuration and has it read again.
func (p *process) rewrite(from, to string) {
	p.t.Helper()
	p.text = strings.Replace(p.text, from, to, 1)
	if err := os.WriteFile(p.path, []byte(p.text), 0o600); err != nil {
		p.t.Fatal(err)
	}
	p.signal(syscall.SIGHUP)
}

func (p *process) signal(s os.Signal) {
	p.t.Helper()
	if err := p.command.Process.Signal(s); err != nil {
		p.t.Fatal(err)
	}
}

func (p *process) metrics() string {
	p.t.Helper()
	r, err := http.NewRequestWithContext(p.t.Context(), http.MethodGet, "http://"+p.private+"/metrics", nil)
	if err != nil {
		p.t.Fatal(err)
	}
	answer, err := (&http.Client{Timeout: 10 * time.Second}).Do(r)
	if err != nil {
		p.t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	return string(body)
}

func (p *process) wantMetric(line string) {
	p.t.Helper()
	if !strings.Contains(p.metrics(), line+"\n") {
		p.t.Errorf("the metrics lack %s", line)
	}
}

// logReader reads JSON log lines up to the one that is waited for.
type logReader struct {
	t     *testing.T
	lines *bufio.Scanner
	seen  strings.Builder
}

// rest reads to the end.
func (r *logReader) rest() {
	for r.lines.Scan() {
		r.seen.WriteString(r.lines.Text() + "\n")
	}
}

func (r *logReader) until(message string) map[string]any {
	r.t.Helper()
	for r.lines.Scan() {
		r.seen.WriteString(r.lines.Text() + "\n")
		var line map[string]any
		if err := json.Unmarshal(r.lines.Bytes(), &line); err != nil {
			r.t.Fatalf("the log has a line that is not JSON: %s", r.lines.Text())
		}
		if line["msg"] == message {
			return line
		}
	}
	r.t.Fatalf("the log ends without %q:\n%s", message, r.seen.String())
	return nil
}
