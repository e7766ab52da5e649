// Package proc runs the project's programs as processes of their own, for the
// tests that kill, stop and cut them, and asks them how they are.
package proc

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"syscall"
	"testing"
)

// Build makes programs of this module in dir, statically as `make build` does.
func Build(ctx context.Context, dir string, programs ...string) error {
	return BuildWith(ctx, dir, nil, programs...)
}

// BuildWith is Build with further flags for the go command.
func BuildWith(ctx context.Context, dir string, flags []string, programs ...string) error {
	args := slices.Concat([]string{"build", "-o", dir + "/"}, flags, programs)
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("go build: %w\n%s", err, out)
	}
	return nil
}

// KeptDir is a folder for what the processes of a test write. It is kept when
// the test fails, for whoever looks for the cause.
func KeptDir(t *testing.T, name string) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "servicelink-"+name+"-") //nolint:usetesting // it outlives a test that fails
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("kept: the logs of every process, the last configuration and the journal, in %s", dir)
			return
		}
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// Process is one life of a program. It must be ended by Kill, or seen to end.
type Process struct {
	*exec.Cmd
	ended chan struct{}
}

// Start starts a program that writes what it has to say to log.
func Start(log io.Writer, env []string, program string, args ...string) (*Process, error) {
	p := &Process{
		Cmd:   exec.Command(program, args...), //nolint:noctx // ended by Kill
		ended: make(chan struct{}),
	}
	p.Stdout, p.Stderr = log, log
	p.Env = append(os.Environ(), env...)
	return p, p.run()
}

// StartTelling is Start for a program that tells its addresses by one line of
// JSON on its standard output, which is decoded into told.
func StartTelling(told any, log io.Writer, env []string, program string, args ...string) (*Process, error) {
	read, write, err := os.Pipe() // not StdoutPipe: Wait may be called before all is read
	if err != nil {
		return nil, err
	}
	defer read.Close()
	p := &Process{
		Cmd:   exec.Command(program, args...), //nolint:noctx // ended by Kill
		ended: make(chan struct{}),
	}
	p.Stdout, p.Stderr = write, log
	p.Env = append(os.Environ(), env...)
	err = p.run()
	_ = write.Close()
	if err != nil {
		return nil, err
	}
	line, err := bufio.NewReader(read).ReadBytes('\n')
	if err == nil {
		err = json.Unmarshal(line, told)
	}
	if err != nil {
		p.Kill()
		return nil, fmt.Errorf("the addresses of %s: %w", program, err)
	}
	return p, nil
}

func (p *Process) run() error {
	if err := p.Cmd.Start(); err != nil {
		return err
	}
	go func() { // ends with the process
		_ = p.Wait()
		close(p.ended)
	}()
	return nil
}

// Ended is closed once the process has ended and was waited for.
func (p *Process) Ended() <-chan struct{} { return p.ended }

// Kill ends the process with SIGKILL and waits for its end.
func (p *Process) Kill() {
	_ = p.Process.Kill() // it may have ended
	<-p.ended
}

// Signal sends s.
func (p *Process) Signal(s syscall.Signal) error { return p.Process.Signal(s) }

// Alive says whether the process has not ended yet.
func (p *Process) Alive() bool {
	select {
	case <-p.ended:
		return false
	default:
		return true
	}
}

// Killed says whether the process, which has ended, ended by SIGKILL.
func (p *Process) Killed() bool {
	status, ok := p.ProcessState.Sys().(syscall.WaitStatus)
	return ok && status.Signaled() && status.Signal() == syscall.SIGKILL
}
