package email

import (
	"context"
	"sync"
	"time"

	"servicelink/connectors"
)

// idleLife is how long a connection waits for the next mail. Servers hang up after
// some minutes.
const idleLife = time.Minute

// smtpPool keeps the connections to a server.
type smtpPool struct {
	open  func(ctx context.Context) (*smtpSession, error)
	slots chan struct{} // one for each connection in use

	mu     sync.Mutex
	idle   []idleSession // the one used last at the end
	closed bool
	reaper *time.Timer // runs while one is idle
	work   sync.WaitGroup
}

type idleSession struct {
	*smtpSession
	since time.Time
}

func newSMTPPool(connections int, open func(ctx context.Context) (*smtpSession, error)) *smtpPool {
	return &smtpPool{open: open, slots: make(chan struct{}, connections)}
}

// take waits for a connection that works, one that is idle before a new one. give has
// to follow. The error is a *connectors.SendError.
func (p *smtpPool) take(ctx context.Context) (*smtpSession, error) {
	select {
	case p.slots <- struct{}{}:
	case <-ctx.Done():
		reason := connectors.ReasonTimeout
		if ctx.Err() == context.Canceled {
			reason = connectors.ReasonCanceled
		}
		return nil, failed(reason, "no connection is free", "See whether the mail server is slow, or set Connections higher.")
	}
	for s := p.pop(); s != nil; s = nil {
		if s.ready(ctx) {
			return s, nil
		}
		_ = s.wire.Close()
		p.drop() // what ended this one has ended the older ones, too
	}
	s, err := p.open(ctx)
	if err != nil {
		<-p.slots
		return nil, err
	}
	return s, nil
}

// give takes a connection back.
func (p *smtpPool) give(s *smtpSession, usable bool) {
	defer func() { <-p.slots }()
	p.mu.Lock()
	defer p.mu.Unlock()
	if !usable || p.closed {
		_ = s.wire.Close()
		return
	}
	p.idle = append(p.idle, idleSession{s, time.Now()})
	p.wait()
}

func (p *smtpPool) pop() *smtpSession {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := len(p.idle)
	if n == 0 {
		return nil
	}
	s := p.idle[n-1].smtpSession
	p.idle = p.idle[:n-1]
	return s
}

// drop hangs up on all that are idle.
func (p *smtpPool) drop() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, s := range p.idle {
		_ = s.wire.Close()
	}
	p.idle = nil
}

// wait has the reaper look when the oldest has been idle for long enough; with mu held.
func (p *smtpPool) wait() {
	if p.reaper != nil || len(p.idle) == 0 || p.closed {
		return
	}
	p.work.Add(1)
	p.reaper = time.AfterFunc(time.Until(p.idle[0].since.Add(idleLife)), p.reap)
}

// reap says good-bye to what is not needed any more.
func (p *smtpPool) reap() {
	defer p.work.Done()
	p.mu.Lock()
	var old []*smtpSession
	for len(p.idle) > 0 && time.Since(p.idle[0].since) >= idleLife {
		old = append(old, p.idle[0].smtpSession)
		p.idle = p.idle[1:]
	}
	p.reaper = nil
	p.wait()
	p.mu.Unlock()
	for _, s := range old {
		s.quit()
	}
}

// close says good-bye to what is idle; what is in use ends with its attempt.
func (p *smtpPool) close() {
	p.mu.Lock()
	p.closed = true
	if p.reaper != nil && p.reaper.Stop() {
		p.work.Done()
	}
	for _, s := range p.idle {
		p.work.Go(s.quit)
	}
	p.idle = nil
	p.mu.Unlock()
	p.work.Wait()
}
