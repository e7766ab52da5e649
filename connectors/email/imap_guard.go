package email

import (
	"net"
	"sync"
	"time"
)

// watchdog ends a connection on which an answer is waited for and nothing comes. The
// IMAP library waits for ever: what ends a command is that its connection is closed.
type watchdog struct {
	net.Conn
	patience time.Duration // without a byte

	mu    sync.Mutex
	timer *time.Timer
	awake bool
	bit   bool
	until time.Time // however much comes
}

func newWatchdog(conn net.Conn, patience time.Duration) *watchdog {
	w := &watchdog{Conn: conn, patience: patience}
	w.timer = time.AfterFunc(time.Hour, w.bite)
	w.timer.Stop()
	return w
}

// watch begins to watch, for at most a time; the function it returns ends that.
func (w *watchdog) watch(atMost time.Duration) (end func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.awake, w.until = true, time.Now().Add(atMost)
	w.timer.Reset(min(w.patience, atMost))
	return func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.awake = false
		w.timer.Stop()
	}
}

// Read implements net.Conn. Whatever comes is a sign of life.
func (w *watchdog) Read(b []byte) (int, error) {
	n, err := w.Conn.Read(b)
	if n > 0 {
		w.mu.Lock()
		if w.awake {
			w.timer.Reset(max(0, min(w.patience, time.Until(w.until))))
		}
		w.mu.Unlock()
	}
	return n, err
}

func (w *watchdog) bite() {
	w.mu.Lock()
	bite := w.awake
	w.bit = w.bit || bite
	w.mu.Unlock()
	if bite {
		_ = w.Close() // what waits for it gets the error
	}
}

// bitten tells whether the watchdog ended the connection.
func (w *watchdog) bitten() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.bit
}
