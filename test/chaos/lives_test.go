//go:build chaos

package chaos

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"servicelink/test/proc"
)

// startGateway begins a life, and does not wait for it.
func (w *world) startGateway() error {
	w.lives++
	w.stepping = !w.stepping // a life with the other clock sees a step as well
	program, env := filepath.Join(w.bin, "servicelink"), []string(nil)
	if w.stepping {
		program, env = filepath.Join(w.bin, "stepping", "servicelink"), []string{clockVariable + "=" + w.clock.path}
	}
	_, _ = fmt.Fprintf(w.gatewayLog, "--- life %d, stepping clock: %t\n", w.lives, w.stepping)
	config := w.configure("gateway.yaml", host+":"+publicPort, private)
	var err error
	w.began = time.Now()
	w.gateway, err = proc.Start(w.gatewayLog, env, program, "run", "--config", config)
	return err
}

// killGateway ends a life. One that had ended by itself is a violation.
func (w *world) killGateway() {
	w.gateway.Kill()
	switch {
	case w.gateway.Killed():
		w.log.Kills.Gateway++
	case w.excused():
		w.log.Refused++
	default:
		w.crashed("gateway", w.gateway)
	}
}

func (w *world) killCore() {
	w.keepOffences()
	w.coreProcess.Kill()
	if w.coreProcess.Killed() {
		w.log.Kills.Core++
	} else {
		w.crashed("core", w.coreProcess)
	}
}

// watch looks for processes that have ended by themselves, and starts them again.
func (w *world) watch() {
	w.t.Helper()
	if !w.gateway.Alive() {
		if w.excused() {
			w.log.Refused++
		} else {
			w.crashed("gateway", w.gateway)
		}
		w.must(w.startGateway())
	}
	if w.coreProcess != nil && !w.coreProcess.Alive() {
		w.crashed("core", w.coreProcess)
		w.must(w.startCore())
	}
	if !w.sim.Alive() {
		w.t.Fatal("netsim ended by itself")
	}
}

// excused: a gateway may refuse to start on a disk that takes nothing, and has
// to say so.
func (w *world) excused() bool {
	return w.diskSick && w.gateway.ProcessState.ExitCode() == 1 && strings.Contains(w.lastWords(w.gatewayLog), "servicelink: journal ")
}

func (w *world) crashed(who string, p *proc.Process) {
	log := map[string]*os.File{"gateway": w.gatewayLog, "core": w.coreLog}[who]
	w.log.violate("the %s ended by itself after %v: %v\n%s", who, time.Since(w.began).Round(time.Millisecond), p.ProcessState, w.lastWords(log))
}

// lastWords are the last lines of a log.
func (w *world) lastWords(log *os.File) string {
	text, err := os.ReadFile(log.Name())
	w.must(err)
	lines := bytes.Split(bytes.TrimSpace(text), []byte("\n"))
	return string(bytes.Join(lines[max(0, len(lines)-12):], []byte("\n")))
}

// keepOffences takes over what the core holds against the gateway: it forgets
// that when it is killed.
func (w *world) keepOffences() {
	r, err := w.core.Offences(w.ctx)
	if err != nil {
		return // it is stopped, or was killed a moment ago
	}
	w.log.offences(r)
}

// secondGateway is started on the journal of the first, has to say why it does
// not run, and to end.
func (w *world) secondGateway() {
	config := w.configure("second.yaml", otherPublic, otherPrivat)
	var words bytes.Buffer
	p, err := proc.Start(&words, nil, filepath.Join(w.bin, "servicelink"), "run", "--config", config)
	w.must(err)
	select {
	case <-p.Ended():
	case <-time.After(20 * time.Second):
		p.Kill()
	}
	if p.ProcessState.ExitCode() != 1 || !strings.Contains(words.String(), "in use by another process") {
		w.log.violate("a second gateway on the journal: %v\n%s", p.ProcessState, &words)
	}
}

// stopOrderly ends a life with SIGTERM.
func (w *world) stopOrderly() {
	w.must(w.gateway.Signal(syscall.SIGTERM))
	select {
	case <-w.gateway.Ended():
	case <-time.After(30 * time.Second): // limits.stop is 15 s
		w.keepState("no-end")
		w.gateway.Kill()
	}
	if code := w.gateway.ProcessState.ExitCode(); code != 0 {
		w.log.violate("an orderly stop ended with %v\n%s", w.gateway.ProcessState, w.lastWords(w.gatewayLog))
	}
}

// panicked finds what no log may have.
func (w *world) panicked() {
	for _, name := range []string{"gateway.log", "core.log", "netsim.log"} {
		text, err := os.ReadFile(filepath.Join(w.dir, name))
		w.must(err)
		for line := range strings.Lines(string(text)) {
			if slices.ContainsFunc([]string{"panic:", "fatal error:", "panicked", "reason=bug"}, func(s string) bool { return strings.Contains(line, s) }) {
				w.log.violate("%s: %s", name, line)
			}
		}
	}
}
