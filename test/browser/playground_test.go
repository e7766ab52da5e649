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

// playground is a running bin/playground.
type playground struct {
	page, console, metrics string
}

// addressLine finds what the playground prints about itself.
var addressLine = regexp.MustCompile(`^  (Customers' page|Agent's console|Metrics) +(http://\S+)`)

// startPlayground starts the program on free ports and waits until it has
// printed its addresses. It is stopped with the test, and must end well.
func startPlayground(t *testing.T) playground {
	t.Helper()
	program, err := filepath.Abs("../../bin/playground")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), program, "--data", t.TempDir(),
		"--page", "127.0.0.1:0", "--console", "127.0.0.1:0", "--core", "127.0.0.1:0",
		"--public", ports.For(t), "--private", ports.For(t)) // chosen before the gateway listens
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
	var p playground
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		m := addressLine.FindStringSubmatch(lines.Text())
		if m == nil {
			continue
		}
		switch m[1] {
		case "Customers' page":
			p.page = m[2]
		case "Agent's console":
			p.console = m[2]
		case "Metrics":
			p.metrics = m[2]
			return p // the last of the three
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

// deadline bounds one step of a page.
func deadline(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, 20*time.Second)
}
