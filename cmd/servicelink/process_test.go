package main

import (
	"bufio"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestProcess starts the real process, lets it read its log level again, and
// ends it with a signal.
func TestProcess(t *testing.T) {
	text := `
core: { address: "127.0.0.1:1", login: false }
journal: { path: "` + filepath.Join(t.TempDir(), "journal.db") + `" }
public: { listen: "127.0.0.1:0" }
private: { listen: "127.0.0.1:0" }
log: { level: info, format: json }
channels: [ { name: one, network: omnichannel, settings: { token: "${OMNI_TOKEN}", webhook_url: "https://a.example" } } ]
`
	path := file(t, text)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	command := exec.CommandContext(ctx, os.Args[0], "run", "--config", path)
	command.Env = append(os.Environ(), runMain+"=1", "OMNI_TOKEN=planted-0451-planted")
	stderr, err := command.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	log := &logReader{t: t, lines: bufio.NewScanner(stderr)}
	log.until("gateway is up")

	rewrite := func(from, to string) {
		text = strings.Replace(text, from, to, 1)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := command.Process.Signal(syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
	}
	rewrite("level: info", "level: loud")
	if line := log.until("configuration not read again"); !strings.Contains(line["problem"].(string), "log.level") {
		t.Errorf("the log says %v", line)
	}
	rewrite("level: loud", "level: debug")
	if line := log.until("log level read again"); line["level"] != "DEBUG" {
		t.Errorf("the log says %v", line)
	}

	if err := command.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	log.rest()
	if err := command.Wait(); err != nil {
		t.Errorf("after SIGTERM: %v\n%s", err, log.seen.String())
	}
	if strings.Contains(log.seen.String(), "planted-0451") {
		t.Errorf("the log shows a secret: %s", log.seen.String())
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
