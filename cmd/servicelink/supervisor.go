package main

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
)

// supervisor tells the service manager what the process is at, by the protocol
// of sd_notify(3). Without NOTIFY_SOCKET in the environment nobody is told.
type supervisor struct {
	log  *slog.Logger
	send func(state string) error

	mu       sync.Mutex
	up, ends bool
}

func newSupervisor(log *slog.Logger) *supervisor {
	return &supervisor{log: log, send: func(state string) error {
		_, err := daemon.SdNotify(false, state)
		return err
	}}
}

// tell never fails: the gateway works whether or not somebody listens.
func (s *supervisor) tell(states ...string) {
	if err := s.send(strings.Join(states, "\n")); err != nil {
		s.log.Warn("the service manager cannot be told", "error", err)
	}
}

// ready: the listeners answer and the journal is open.
func (s *supervisor) ready() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.up = true
	s.tell(daemon.SdNotifyReady)
}

// reloading: the configuration is being read again. A reload that comes before
// ready is part of the start, one after stopping of the end; neither is told,
// since the word that ends it is READY.
func (s *supervisor) reloading() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.up || s.ends {
		return
	}
	// The time is for Type=notify-reload of systemd 253 and later.
	s.tell(daemon.SdNotifyReloading, strings.TrimSpace(daemon.SdNotifyMonotonicUsec()))
}

// reloaded ends reloading; status is what `systemctl status` shows from now on.
func (s *supervisor) reloaded(status string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.up && !s.ends {
		s.tell(daemon.SdNotifyReady, "STATUS="+status)
	}
}

// stopping: what is in flight is being finished.
func (s *supervisor) stopping() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ends = true
	s.tell(daemon.SdNotifyStopping)
}

// watchdogEvery is how often the service manager is to hear that the gateway
// lives: three times within its patience (WatchdogSec), so that one slow answer
// kills nobody. 0 = it does not ask.
func watchdogEvery(log *slog.Logger) time.Duration {
	patience, err := daemon.SdWatchdogEnabled(false)
	if err != nil {
		log.Warn("the service manager's watchdog is not served", "error", err)
	}
	return patience / 3
}

// watch tells the service manager that the gateway lives whenever alive says
// so, and nothing otherwise: it is killed and started again once it has been
// silent for WatchdogSec. It ends with ctx.
func (s *supervisor) watch(ctx context.Context, every time.Duration, alive func(context.Context) error) {
	if every <= 0 {
		return
	}
	next := time.NewTicker(every)
	defer next.Stop()
	for {
		if err := within(ctx, every, alive); err == nil {
			s.tell(daemon.SdNotifyWatchdog)
		} else if ctx.Err() == nil {
			s.log.Error("the gateway does not answer itself; the service manager is not told that it lives", "error", err)
		}
		select {
		case <-next.C:
		case <-ctx.Done():
			return
		}
	}
}

func within(ctx context.Context, limit time.Duration, do func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	return do(ctx)
}
