package simprot

import (
	"errors"
	"strconv"
	"sync"
	"time"
)

const (
	defaultKeepAlive   = 15 * time.Second
	defaultPongTimeout = 5 * time.Second
)

// ErrNoPong ends a connection whose other side left a ping unanswered.
var ErrNoPong = errors.New("simprot: no pong")

// keepAlive pings a silent connection and gives it up when no pong comes. It
// lives in timers, not in a goroutine. The zero value sends no pings.
type keepAlive struct {
	c      *Conn
	every  time.Duration // of silence before a ping
	within time.Duration // for the pong, counted from the ping being written

	mu      sync.Mutex
	on      bool
	stopped bool // for good: start may come after the connection's end
	sent    uint64
	waiting string // token of the ping that is out; empty: none
	silence *time.Timer
	late    *time.Timer
}

// start begins to watch. Zero durations mean the defaults.
func (k *keepAlive) start(every, within time.Duration) {
	if every <= 0 {
		every = defaultKeepAlive
	}
	if within <= 0 {
		within = defaultPongTimeout
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.stopped {
		return
	}
	k.every, k.within, k.on = every, within, true
	k.silence = time.AfterFunc(every, k.check)
}

// check pings after a time of silence.
func (k *keepAlive) check() {
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.on {
		return
	}
	silent := time.Since(k.c.born) - time.Duration(k.c.heard.Load())
	if silent < k.every {
		k.silence.Reset(k.every - silent)
		return
	}
	k.ping()
	k.silence.Reset(k.every)
}

// now pings without waiting for silence. A ping that is out serves as well.
func (k *keepAlive) now() {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.on {
		k.ping()
	}
}

// ping sends one unless one is out. k.mu is held.
func (k *keepAlive) ping() {
	if k.waiting != "" {
		return
	}
	k.sent++
	token := strconv.FormatUint(k.sent, 10)
	k.waiting = token
	err := k.c.trySend(Packet{Code: CodePing, Payload: &Ping{Token: token}}, controlRoom,
		func(time.Time) { k.await(token) })
	if err != nil {
		k.waiting = "" // no room: the writer's own limit decides
	}
}

// await begins the time for the pong. The pong may have come already.
func (k *keepAlive) await(token string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.on && k.waiting == token {
		k.late = time.AfterFunc(k.within, func() { k.expire(token) })
	}
}

// pong takes the other side's answer.
func (k *keepAlive) pong(token string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.waiting != token {
		return
	}
	k.waiting = ""
	if k.late != nil {
		k.late.Stop()
	}
}

// expire gives the connection up if the ping is still out.
func (k *keepAlive) expire(token string) {
	k.mu.Lock()
	missing := k.on && k.waiting == token
	k.mu.Unlock()
	if missing {
		k.c.Abort(ErrNoPong)
	}
}

// stop ends the watch.
func (k *keepAlive) stop() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.on, k.stopped = false, true
	for _, t := range []*time.Timer{k.silence, k.late} {
		if t != nil {
			t.Stop()
		}
	}
}
