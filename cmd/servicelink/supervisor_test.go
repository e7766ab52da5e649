package main

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// manager is a service manager's end of the notify protocol.
type manager struct {
	t    *testing.T
	conn *net.UnixConn
	path string
}

func newManager(t *testing.T) *manager {
	t.Helper()
	dir, err := os.MkdirTemp("", "notify-") //nolint:usetesting // a socket's path is at most 107 characters
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "socket")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(); _ = os.RemoveAll(dir) })
	return &manager{t, conn, path}
}

// until gives the first message that begins with the state, and what came
// before it.
func (m *manager) until(state string) (message string, before []string) {
	m.t.Helper()
	if err := m.conn.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
		m.t.Fatal(err)
	}
	buffer := make([]byte, 4096)
	for {
		n, err := m.conn.Read(buffer)
		if err != nil {
			m.t.Fatalf("the manager waits for %s after %q: %v", state, before, err)
		}
		if message = string(buffer[:n]); strings.HasPrefix(message, state) {
			return message, before
		}
		before = append(before, message)
	}
}

// TestNotify follows the real process from start to end as a service manager
// does.
func TestNotify(t *testing.T) {
	m := newManager(t)
	t.Setenv("NOTIFY_SOCKET", m.path)
	t.Setenv("WATCHDOG_USEC", "300000")
	p := startProcess(t)
	if _, before := m.until("READY=1"); len(before) > 0 {
		t.Errorf("before it is ready it says %q", before)
	}
	for range 3 {
		m.until("WATCHDOG=1")
	}

	p.rewrite("level: info", "level: loud")
	if message, _ := m.until("RELOADING=1"); !strings.Contains(message, "\nMONOTONIC_USEC=") {
		t.Errorf("a reload is told without its time: %q", message)
	}
	if message, _ := m.until("READY=1"); !strings.Contains(message, "\nSTATUS=the configuration has a mistake") {
		t.Errorf("after a mistake it says %q", message)
	}
	p.rewrite("level: loud", "level: info")
	m.until("RELOADING=1")
	if message, _ := m.until("READY=1"); !strings.Contains(message, "\nSTATUS=the configuration was read again") {
		t.Errorf("after a good file it says %q", message)
	}
	m.until("WATCHDOG=1")

	p.signal(syscall.SIGTERM)
	m.until("STOPPING=1")
	p.log.rest()
	if err := p.command.Wait(); err != nil {
		t.Errorf("after SIGTERM: %v\n%s", err, p.log.seen.String())
	}
}

// TestNotifyStopped: a process that does not run tells nothing, and goes on
// telling when it does.
func TestNotifyStopped(t *testing.T) {
	m := newManager(t)
	t.Setenv("NOTIFY_SOCKET", m.path)
	t.Setenv("WATCHDOG_USEC", "300000")
	p := startProcess(t)
	m.until("WATCHDOG=1")
	p.signal(syscall.SIGSTOP)
	if err := m.drain(time.Second); err != nil {
		t.Error(err)
	}
	p.signal(syscall.SIGCONT)
	m.until("WATCHDOG=1")
	p.signal(syscall.SIGTERM)
	m.until("STOPPING=1")
	p.log.rest()
	_ = p.command.Wait()
}

// drain reads until it is silent for the given time; three pings may have been
// under way.
func (m *manager) drain(silence time.Duration) error {
	buffer := make([]byte, 4096)
	for range 4 {
		if err := m.conn.SetReadDeadline(time.Now().Add(silence)); err != nil {
			return err
		}
		if _, err := m.conn.Read(buffer); errors.Is(err, os.ErrDeadlineExceeded) {
			return nil
		} else if err != nil {
			return err
		}
	}
	return errors.New("a stopped process tells that it lives")
}

// told is a supervisor that keeps what it tells.
type told struct {
	supervisor
	mu     sync.Mutex
	states []string
}

func newTold() *told {
	k := &told{}
	k.log = slog.New(slog.DiscardHandler)
	k.send = func(state string) error {
		k.mu.Lock()
		defer k.mu.Unlock()
		k.states = append(k.states, state)
		return errors.New("nobody listens") // changes nothing
	}
	return k
}

// take gives the first words of what was told since the last call.
func (k *told) take() []string {
	k.mu.Lock()
	defer k.mu.Unlock()
	words := make([]string, len(k.states))
	for i, state := range k.states {
		words[i], _, _ = strings.Cut(state, "\n")
	}
	k.states = nil
	return words
}

// TestWatchdogNeedsLife: what is not alive, or does not answer in time, is not
// said to live.
func TestWatchdogNeedsLife(t *testing.T) {
	lives := func(context.Context) error { return nil }
	fails := func(context.Context) error { return errors.New("503") }
	hangs := func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
	for _, step := range []struct {
		name  string
		alive func(context.Context) error
		pings int // in a minute
	}{{"lives", lives, 3}, {"fails", fails, 0}, {"hangs", hangs, 0}} {
		t.Run(step.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newTold()
				ctx, cancel := context.WithTimeout(t.Context(), 59*time.Second)
				defer cancel()
				s.watch(ctx, 20*time.Second, step.alive)
				if got, want := s.take(), slices.Repeat([]string{"WATCHDOG=1"}, step.pings); !slices.Equal(got, want) {
					t.Errorf("in a minute it says %q, want %q", got, want)
				}
			})
		})
	}
}

// TestWatchdogGoesOn: one bad answer between good ones costs one ping.
func TestWatchdogGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, asked := newTold(), 0
		ctx, cancel := context.WithTimeout(t.Context(), 59*time.Second)
		defer cancel()
		s.watch(ctx, 20*time.Second, func(context.Context) error {
			if asked++; asked == 2 {
				return errors.New("503")
			}
			return nil
		})
		if got := s.take(); len(got) != 2 {
			t.Errorf("it says %q", got)
		}
	})
}

// TestReloadsBesideStartAndEnd: the word that ends a reload is READY, which must
// not be heard before the start has ended, nor after the end has begun.
func TestReloadsBesideStartAndEnd(t *testing.T) {
	s := newTold()
	s.reloading()
	s.reloaded("early")
	s.ready()
	s.reloading()
	s.stopping()
	s.reloaded("late")
	s.reloading()
	if got, want := s.take(), []string{"READY=1", "RELOADING=1", "STOPPING=1"}; !slices.Equal(got, want) {
		t.Errorf("it says %q, want %q", got, want)
	}
}

// TestWatchdogEvery: three pings within the manager's patience, none for
// another process or without a wish.
func TestWatchdogEvery(t *testing.T) {
	for _, test := range []struct {
		usec, pid string
		want      time.Duration
	}{
		{"", "", 0},
		{"60000000", "", 20 * time.Second},
		{"60000000", "1", 0},
		{"soon", "", 0},
	} {
		t.Setenv("WATCHDOG_USEC", test.usec)
		t.Setenv("WATCHDOG_PID", test.pid)
		if got := watchdogEvery(slog.New(slog.DiscardHandler)); got != test.want {
			t.Errorf("%q for %q: every %s, want %s", test.usec, test.pid, got, test.want)
		}
	}
}
