//go:build browser

package browser

import (
	"bufio"
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"syscall"
	"testing"
	"time"

	"servicelink/test/ports"
)

// playground is the addresses of a running bin/playground, by their labels.
type playground map[string]string

// What the playground calls its pages.
const (
	startPage = "Start page"
	console   = "Agent's console"
	lastLine  = "Readiness" // the last address it prints
)

// addressLine finds what the playground prints about itself.
var addressLine = regexp.MustCompile(`^  (\S.*?) {2,}(http://\S+)$`)

// startPlayground starts the program on free ports and waits until it has
// printed its addresses. It is stopped with the test, and must end well.
func startPlayground(t *testing.T) playground {
	t.Helper()
	program, err := filepath.Abs("../../bin/playground")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), program, "--data", t.TempDir(),
		"--page", "127.0.0.1:0",
		// These are named before somebody listens there, or again after a pause.
		"--core", ports.For(t), "--public", ports.For(t), "--private", ports.For(t))
	cmd.Stderr = os.Stderr
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 30 * time.Second
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatalf("%v (make build makes it)", err)
	}
	t.Cleanup(func() { // the test's context has ended by now
		_, _ = io.Copy(io.Discard, out)
		if err := cmd.Wait(); err != nil && cmd.ProcessState.ExitCode() != 0 {
			t.Errorf("playground ended with %v", err)
		}
	})
	return readAddresses(t, out)
}

func readAddresses(t *testing.T, out io.Reader) playground {
	t.Helper()
	p := playground{}
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if m := addressLine.FindStringSubmatch(lines.Text()); m != nil {
			p[m[1]] = m[2]
		}
		if p[lastLine] != "" {
			return p
		}
	}
	t.Fatalf("the playground ended before it printed its addresses: %v", lines.Err())
	return p
}

// artifacts is the folder for screenshots.
func artifacts(t *testing.T) string {
	t.Helper()
	dir := os.Getenv("SCREENSHOTS")
	if dir == "" {
		return t.ArtifactDir()
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

// patience bounds one step of a page. What the tests break is broken for 20 s
// and mended by back-offs that take their time.
const patience = 90 * time.Second

func deadline(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, patience)
}
