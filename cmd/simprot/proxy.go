package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// Limits of the proxy.
const (
	maxLinks    = 256 // connections at a time; more are reset
	dialTimeout = 10 * time.Second
	copyBuffer  = 64 << 10
)

// proxyOptions are the flags of the live link.
type proxyOptions struct {
	listen, to, write string
	cert, key, coreCA string
	coreTLS           bool
}

// proxy carries connections between gateways and a core, and tells the tap
// what passes.
type proxy struct {
	to           string
	fromGateways *tls.Config // nil: bytes pass as they are
	toCore       *tls.Config // nil: without TLS
	tap          *tap
	show         func(l *link, way direction) *stream // makes the streams of a connection
	links        atomic.Int64
	count        int
}

// link is one connection through the proxy. Its streams belong to the printer.
type link struct {
	number  int
	gateway net.Conn
	core    net.Conn
	streams map[direction]*stream
	record  *recording  // nil: not recorded
	broken  atomic.Bool // told by the direction that saw it first
}

// dumpLive runs the proxy until it is interrupted.
func (d *dumper) dumpLive(ctx context.Context, o *proxyOptions) error {
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	// A reader that went away ends the printing, not the link.
	pipe := make(chan os.Signal, 1)
	signal.Notify(pipe, syscall.SIGPIPE)
	defer signal.Stop(pipe)

	p := &proxy{to: o.to, tap: newTap(tapLimit)}
	p.show = func(l *link, way direction) *stream { return d.linkStream(l, way) }
	if err := p.certificates(o); err != nil {
		return err
	}
	file, err := newRecorder(o.write)
	if err != nil {
		return err
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", o.listen)
	if err != nil {
		return errors.Join(err, file.close())
	}
	d.say("listening on %s for %s", listener.Addr(), o.to)
	if o.write != "" {
		d.say("warning: %s holds texts and addresses of customers", o.write)
	}
	var printing sync.WaitGroup
	printing.Go(func() { d.follow(p.tap, file) })
	err = p.serve(ctx, listener)
	p.tap.close()
	printing.Wait()
	if n := p.tap.skipped(); n > 0 {
		d.say("%d bytes passed that could not be shown in time", n)
	}
	return errors.Join(err, d.out.err, file.close())
}

// linkStream makes one direction of a connection, shown and recorded.
func (d *dumper) linkStream(l *link, way direction) *stream {
	return newStream(l.number, way, d.maxFrame, func(s *stream, p piece) {
		d.tell(s, p)
		if l.record != nil {
			l.record.piece(way, p)
		}
	})
}

// follow shows and records what the tap brings, until it is closed.
func (d *dumper) follow(t *tap, file *recorder) {
	for {
		chunks, ok := t.next()
		if !ok {
			return
		}
		for _, c := range chunks {
			d.chunk(c, file)
		}
		file.flush()
		if file.failed() {
			d.say("recording has ended: %v", file.err)
			file.told = true
		}
	}
}

// chunk shows and records one.
func (d *dumper) chunk(c chunk, file *recorder) {
	l := c.link
	if l.record == nil && file != nil && l.core != nil {
		l.record = file.connection(l, c.at)
	}
	switch {
	case c.note == "":
		s := l.streams[c.way]
		if c.missed > 0 {
			s.gap(c.at, c.missed)
		}
		s.feed(c.at, c.data)
		return
	case c.over:
		l.streams[toCore].end(c.at)
		l.streams[toGateway].end(c.at)
		if l.record != nil {
			l.record.end(c.at)
		}
	}
	d.out.note(c.at, l.number, c.note)
}

// serve accepts connections until ctx ends, and ends them.
func (p *proxy) serve(ctx context.Context, listener net.Listener) error {
	ctx, cancel := context.WithCancel(ctx)
	var links sync.WaitGroup
	defer links.Wait()
	defer cancel()
	stop := context.AfterFunc(ctx, func() { listener.Close() })
	defer stop()
	for {
		gateway, err := listener.Accept()
		switch {
		case ctx.Err() != nil:
			if err == nil {
				abort(gateway)
			}
			return nil
		case err != nil:
			return err
		case p.links.Add(1) > maxLinks:
			p.links.Add(-1)
			abort(gateway)
			continue
		}
		p.count++
		l := &link{number: p.count, gateway: gateway}
		links.Go(func() {
			defer p.links.Add(-1)
			p.carry(ctx, l)
		})
	}
}

// carry serves one connection to its end.
func (p *proxy) carry(ctx context.Context, l *link) {
	from := l.gateway.RemoteAddr()
	if err := p.connect(ctx, l); err != nil {
		abort(l.gateway)
		p.tap.offer(chunk{link: l, at: time.Now(), note: fmt.Sprintf("%s: %v", from, err)})
		return
	}
	stop := context.AfterFunc(ctx, func() { abort(l.gateway); abort(l.core) })
	defer stop()
	p.tap.offer(chunk{link: l, at: time.Now(), note: fmt.Sprintf("%s -> %s", from, l.core.RemoteAddr())})
	var ways sync.WaitGroup
	ways.Go(func() { p.pump(l, toCore, l.core, l.gateway) })
	p.pump(l, toGateway, l.gateway, l.core)
	ways.Wait()
	l.gateway.Close()
	l.core.Close()
	p.tap.finish(chunk{link: l, at: time.Now(), note: "end", over: true})
}

// connect makes the other half of the connection, and TLS where configured.
func (p *proxy) connect(ctx context.Context, l *link) error {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	l.streams = map[direction]*stream{}
	for _, way := range []direction{toCore, toGateway} {
		l.streams[way] = p.show(l, way)
	}
	if p.fromGateways != nil {
		secure := tls.Server(l.gateway, p.fromGateways)
		if err := secure.HandshakeContext(ctx); err != nil {
			return fmt.Errorf("TLS with the gateway: %w", err)
		}
		l.gateway = secure
	}
	core, err := new(net.Dialer).DialContext(ctx, "tcp", p.to)
	if err != nil {
		return err
	}
	if p.toCore != nil {
		secure := tls.Client(core, p.toCore)
		if err := secure.HandshakeContext(ctx); err != nil {
			abort(core)
			return fmt.Errorf("TLS with the core: %w", err)
		}
		core = secure
	}
	l.core = core
	return nil
}

// pump carries one direction. It tells before it writes, or an answer could be
// told before its question. An orderly end is handed on as one, any other as a
// reset, so that neither side waits for one that is gone.
func (p *proxy) pump(l *link, way direction, to, from net.Conn) {
	buf := make([]byte, copyBuffer)
	for {
		n, err := from.Read(buf)
		if n > 0 {
			p.tap.offer(chunk{link: l, way: way, at: time.Now(), data: buf[:n]})
			if _, failed := to.Write(buf[:n]); failed != nil {
				err = failed
			}
		}
		switch {
		case err == nil:
			continue
		case errors.Is(err, io.EOF) && closeWrite(to) == nil:
			p.tap.offer(chunk{link: l, way: way, at: time.Now(), note: "closed, " + who(way)})
		default:
			if l.broken.CompareAndSwap(false, true) {
				p.tap.offer(chunk{link: l, way: way, at: time.Now(), note: "broken, " + who(way)})
			}
			abort(to)
			abort(from)
		}
		return
	}
}

func who(way direction) string {
	if way == toCore {
		return "gateway to core"
	}
	return "core to gateway"
}

// closeWrite ends one direction in order.
func closeWrite(c net.Conn) error {
	if half, ok := c.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return errors.ErrUnsupported
}

// abort resets a connection: the other side cannot take it for an orderly end.
func abort(c net.Conn) {
	if secure, ok := c.(*tls.Conn); ok {
		c = secure.NetConn()
	}
	if tcp, ok := c.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	c.Close()
}
