//go:build second

package second

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"
)

// patience bounds every wait for another process. It is far beyond what a busy
// machine needs.
const patience = 2 * time.Minute

// program is a process with somebody at its keyboard and its screen.
type program struct {
	t     *testing.T
	cmd   *exec.Cmd
	keys  io.WriteCloser
	ended chan struct{}

	mu     sync.Mutex
	screen []string
}

// startProgram starts a program that ends with the test at the latest.
func startProgram(t *testing.T, env []string, name string, args ...string) *program {
	t.Helper()
	p := &program{t: t, cmd: exec.Command(name, args...), ended: make(chan struct{})} //nolint:noctx // ended by kill
	p.cmd.Env = append(os.Environ(), env...)
	p.cmd.Stderr = os.Stderr
	keys, err := p.cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	screen, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	p.keys = keys
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { // ends with the process
		for in := bufio.NewScanner(screen); in.Scan(); {
			p.mu.Lock()
			p.screen = append(p.screen, in.Text())
			p.mu.Unlock()
		}
		_ = p.cmd.Wait()
		close(p.ended)
	}()
	t.Cleanup(p.kill)
	return p
}

func (p *program) types(line string) {
	p.t.Helper()
	if _, err := fmt.Fprintln(p.keys, line); err != nil {
		p.t.Fatal(err)
	}
}

// shows is what the screen has shown so far.
func (p *program) shows() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.screen)
}

// sees waits for a line.
func (p *program) sees(line string) {
	p.t.Helper()
	until(p.t, fmt.Sprintf("%q is on the screen", line), func() bool { return slices.Contains(p.shows(), line) },
		func() any { return p.shows() })
}

// kill ends it with SIGKILL.
func (p *program) kill() {
	_ = p.cmd.Process.Kill() // it may have ended
	<-p.ended
}

// stop ends it with SIGTERM, or what the end of its input does.
func (p *program) stop(signal syscall.Signal) {
	p.t.Helper()
	if signal != 0 {
		if err := p.cmd.Process.Signal(signal); err != nil {
			p.t.Fatal(err)
		}
	}
	select {
	case <-p.ended:
	case <-time.After(patience):
		p.t.Fatal("the program does not end")
	}
	if !p.cmd.ProcessState.Success() {
		p.t.Errorf("it ended with %v", p.cmd.ProcessState)
	}
}

// until waits for something that other processes do. state is shown when it
// does not happen.
func until(t *testing.T, what string, ok func() bool, state func() any) {
	t.Helper()
	for deadline := time.Now().Add(patience); !ok(); {
		if time.Now().After(deadline) {
			t.Fatalf("not within %v: %s; it is %v", patience, what, state())
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-t.Context().Done():
			t.Fatal("stopped")
		}
	}
}
