package corecheck

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"servicelink/simprot"
)

const (
	// dialWithin bounds TCP, TLS and login together: a core answers a login
	// within 10 s.
	dialWithin = 10 * time.Second
	// writeWithin bounds one write.
	writeWithin = 10 * time.Second
	// readAtMost is the largest body that is looked at, in bytes. It is above
	// every MaxFrame announced here, so that a longer frame is seen.
	readAtMost = 16 << 20
)

// link is one connection to the core.
type link struct {
	r        *run
	nc       net.Conn
	instance string
	maxFrame atomic.Int64 // bytes, as announced
	welcome  simprot.Welcome

	mu    sync.Mutex // one writer at a time: the reader answers pings
	over  chan struct{}
	why   string // why it is over
	ended atomic.Bool
}

// dial connects, without a login.
func (r *run) dial(ctx context.Context) (*link, error) {
	ctx, cancel := context.WithTimeout(ctx, dialWithin)
	defer cancel()
	nc, err := new(net.Dialer).DialContext(ctx, "tcp", r.cfg.Address)
	if err != nil {
		return nil, err
	}
	if r.cfg.TLS != nil {
		secure := tls.Client(nc, r.cfg.tls())
		if err := secure.HandshakeContext(ctx); err != nil {
			_ = nc.Close()
			return nil, fmt.Errorf("TLS handshake: %w", err)
		}
		nc = secure
	}
	l := &link{
		r: r, nc: nc, over: make(chan struct{}), instance: fmt.Sprintf("core-check-%s-%d", r.tag, r.number()),
	}
	l.maxFrame.Store(simprot.DefaultMaxFrame)
	r.mu.Lock()
	r.links = append(r.links, l)
	r.mu.Unlock()
	r.reading.Go(l.read)
	return l, nil
}

// number gives a name's number, never twice.
func (r *run) number() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.last++
	return r.last
}

// connect dials and logs in. change may alter the login.
func (r *run) connect(ctx context.Context, change func(*simprot.Login)) (*link, error) {
	l, err := r.dial(ctx)
	if err != nil || r.cfg.NoLogin {
		return l, err
	}
	answer := l.login(ctx, change)
	if answer == nil {
		state := l.state()
		l.close()
		return nil, fmt.Errorf("SP_LOGIN got no answer: %s", state)
	}
	w, ok := answer.p.Payload.(*simprot.Welcome)
	if !ok {
		l.close()
		return nil, fmt.Errorf("SP_LOGIN was answered by %s", describe(answer))
	}
	l.welcome = *w
	return l, nil
}

// login sends SP_LOGIN and returns what the core answers; nil without an answer.
func (l *link) login(ctx context.Context, change func(*simprot.Login)) *received {
	cfg := &l.r.cfg
	v := &simprot.Login{
		Account: cfg.Account, Secret: cfg.Secret, Peer: cfg.Peer, Instance: l.instance, Version: simprot.Version,
		Encoding: cfg.Encoding.String(), MaxFrame: simprot.DefaultMaxFrame,
	}
	if change != nil {
		change(v)
	}
	l.instance = v.Instance
	l.maxFrame.Store(v.MaxFrame)
	if l.send(simprot.Packet{Code: simprot.CodeLogin, Payload: v}) != nil {
		l.ends(ctx) // the reader knows more
		return nil
	}
	return l.waitFor(ctx, dialWithin, func(p *received) bool {
		return p.code == simprot.CodeWelcome || p.code == simprot.CodeRefused
	})
}

// read enters what comes until the connection ends.
func (l *link) read() {
	frames := simprot.NewFrameReader(l.nc, readAtMost)
	var err error
	for err == nil {
		var body []byte
		if body, err = frames.Next(); err == nil {
			err = l.take(body)
		} else if errors.Is(err, simprot.ErrFrameTooLong) {
			l.r.book.judge("max-frame", false, "%v; %d bytes were announced", err, l.maxFrame.Load())
			err = nil
		}
	}
	if broken, ok := errors.AsType[*simprot.FrameError](err); ok {
		l.r.book.judge("decodes", false, "%v", broken)
	}
	l.why = err.Error()
	l.ended.Store(true)
	close(l.over)
	_ = l.nc.Close()
	l.r.inbox.put(nil)
}

// take enters one packet. Its error ends the connection.
func (l *link) take(body []byte) error {
	p, err := simprot.DecodePacket(body)
	got := &received{link: l, code: p.Code, p: p, size: len(body), at: time.Now()}
	var unknown *simprot.UnknownCodeError
	var decode *simprot.DecodeError
	switch {
	case errors.As(err, &unknown):
		got.code = unknown.Code
	case errors.As(err, &decode):
		got.code = decode.Code
		l.r.book.judge("decodes", false, "%v", decode)
	case err != nil:
		return err
	}
	if most := l.maxFrame.Load(); int64(len(body)) > most {
		l.r.book.judge("max-frame", false, "%s of %d bytes; %d were announced", got.code, len(body), most)
	}
	l.r.inbox.put(got)
	if p.Code == simprot.CodePing {
		_ = l.send(simprot.Packet{Code: simprot.CodePong, Payload: p.Payload}) // an end is seen by the reader
	}
	return nil
}

// send writes a packet in the configured encoding.
func (l *link) send(packets ...simprot.Packet) error {
	var frames []byte
	for _, p := range packets {
		var err error
		if frames, err = simprot.AppendFrame(frames, p, l.r.cfg.Encoding); err != nil {
			return err
		}
	}
	return l.write(frames)
}

// write writes bytes as they are.
func (l *link) write(b []byte) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.nc.SetWriteDeadline(time.Now().Add(writeWithin)); err != nil {
		return err
	}
	_, err := l.nc.Write(b)
	return err
}

// wait takes out the first packet of this connection that matches, within the
// time for one answer; nil when none comes or the connection ends.
func (l *link) wait(ctx context.Context, match func(*received) bool) *received {
	return l.waitFor(ctx, l.r.cfg.Timeout, match)
}

func (l *link) waitFor(ctx context.Context, within time.Duration, match func(*received) bool) *received {
	return l.r.inbox.wait(ctx, within, func(p *received) bool { return p.link == l && match(p) }, l.ended.Load)
}

// ends waits for the end of the connection and reports whether it came.
func (l *link) ends(ctx context.Context) bool {
	timer := time.NewTimer(l.r.cfg.Timeout)
	defer timer.Stop()
	select {
	case <-l.over:
		return true
	case <-timer.C:
	case <-ctx.Done():
	}
	return false
}

// state says in words whether the connection lives.
func (l *link) state() string {
	select {
	case <-l.over:
		return "the connection ended: " + l.why
	default:
		return "nothing came in time, the connection lives"
	}
}

func (l *link) close() { _ = l.nc.Close() }
