package sim

import (
	"encoding/binary"
	"errors"
	"hash/fnv"
	"io"
	"net"
	"os"
	"slices"
	"sync"
	"time"

	"servicelink/simprot"
)

// wire is one connection between a gateway's process and the core: real frames,
// each on its way for a while. It can stall, break, and deliver what was on its
// way after it broke, also behind what a later connection brought.
type wire struct {
	w    *world
	id   uint64
	life *life
	seat *seat // the core's end
	base time.Duration
	// madeAt is when the connection was made.
	madeAt time.Time
	up     pipe // to the core
	down   pipe // to the gateway
	rest   []byte
	said   bool // SP_BYE: an orderly end
	owes   bool // an answer never came: without Asks a later one may be taken for it
	ended  bool // the gateway's end is closed
	// endedAt is when it was.
	endedAt time.Time

	// The gateway's end, read by its link.
	buf      []byte
	eof      bool
	arrived  sync.Cond
	deadline time.Time
	alarm    *time.Timer
}

// pipe is one direction; what is queued arrives in order.
type pipe struct {
	queue   []parcel
	last    time.Time
	stalled bool
}

// parcel is a frame on its way, or the end of the stream.
type parcel struct {
	at     time.Time
	packet simprot.Packet
	frame  []byte // down
	eof    bool
}

var errReset = errors.New("connection reset by peer")

// connect makes a connection for a process. w.mu is held.
func (w *world) connect(l *life) *wire {
	w.wires++
	x := &wire{w: w, id: w.wires, life: l, madeAt: time.Now()}
	x.arrived.L = &w.mu
	x.base = time.Millisecond + w.dice.upTo(drawLatency, x.id, 20*time.Millisecond)
	x.seat = w.core.seat(x)
	l.wires = append(l.wires, x)
	return x
}

// put queues a parcel. w.mu is held.
func (x *wire) put(p *pipe, c parcel, extra time.Duration) {
	now := time.Now()
	c.at = now.Add(x.base + extra + x.w.dice.upTo(drawJitter, x.id<<32|about(c.packet), 3*time.Millisecond))
	if c.at.Before(p.last) {
		c.at = p.last
	}
	p.last = c.at
	p.queue = append(p.queue, c)
	x.w.after(c.at.Sub(now), x.pump)
}

// about names a packet for the dice by what it is, so that another order of
// packets does not change each one's luck.
func about(p simprot.Packet) uint64 {
	h := fnv.New32a()
	_, _ = h.Write([]byte(p.Code))
	switch v := p.Payload.(type) {
	case *simprot.ChatSentenceInfo:
		_, _ = h.Write([]byte(v.TrackingId + v.ID))
	case *simprot.ChatStatusInfo:
		_, _ = h.Write([]byte(v.TrackingId))
	case *simprot.ChatServiceInfo:
		_, _ = h.Write([]byte(v.TrackingId))
	case *simprot.ChatCommandInfo:
		_, _ = h.Write([]byte(v.Port + v.TrackingId + v.ID))
	case *simprot.MessageContentInfo:
		_, _ = h.Write([]byte(v.DeliverySystemId + v.RequestId))
	case *simprot.CommandInfo:
		_, _ = h.Write([]byte(v.Reference + v.Data))
	}
	return uint64(h.Sum32())
}

// pump delivers what has arrived. w.mu is held.
func (x *wire) pump() {
	now := time.Now()
	for len(x.up.queue) > 0 && !x.up.stalled && !x.up.queue[0].at.After(now) {
		c := x.up.queue[0]
		x.up.queue = x.up.queue[1:]
		if c.eof {
			x.w.core.leaves(x.seat)
		} else {
			x.w.core.receive(x.seat, c.packet)
		}
	}
	for len(x.down.queue) > 0 && !x.down.stalled && !x.down.queue[0].at.After(now) {
		c := x.down.queue[0]
		x.down.queue = x.down.queue[1:]
		if x.ended || x.eof {
			continue
		}
		if c.eof {
			x.eof = true
		} else {
			x.w.core.told(x, c.packet)
			x.buf = append(x.buf, c.frame...)
		}
		x.arrived.Broadcast()
	}
}

// stall holds a direction back for a while. w.mu is held.
func (x *wire) stall(up, down bool, d time.Duration) {
	x.up.stalled, x.down.stalled = x.up.stalled || up, x.down.stalled || down
	x.w.after(d, func() {
		if x.ended {
			return
		}
		x.up.stalled, x.down.stalled = false, false
		x.pump()
	})
}

// sever ends the gateway's end. What was on its way to the core may still be
// read there: all of it after an orderly end; else some of it, behind a
// connection made meanwhile - within the time a core without fence is waited
// out, and long after it with one. w.mu is held.
func (x *wire) sever() {
	if x.ended {
		return
	}
	x.ended, x.endedAt = true, time.Now()
	x.buf, x.down.queue = nil, nil
	x.arrived.Broadcast()
	d := x.w.dice
	now := time.Now()
	x.up.stalled = false
	if !x.said {
		x.up.queue = x.up.queue[:d.n(drawSever, x.id, len(x.up.queue)+1)]
		limit := settleBound
		if x.w.core.rules.Fences {
			limit = time.Minute
		}
		late := d.upTo(drawSeverTime, x.id, limit)
		for i := range x.up.queue {
			c := &x.up.queue[i]
			c.at = now.Add(min(late, max(0, c.at.Sub(now))+late/2))
		}
	}
	for _, c := range x.up.queue {
		x.up.last = c.at
		x.w.after(c.at.Sub(now), x.pump)
	}
	if !x.said && d.n(drawNotice, x.id, 5) == 0 {
		return // the core never notices
	}
	x.put(&x.up, parcel{eof: true}, d.upTo(drawNotice, x.id, 10*time.Second))
}

// settleBound is how long what an ended connection left behind is on its way at
// most, where the core keeps no fence: less than core.settle, which waits for it.
const settleBound = 1500 * time.Millisecond

// cut breaks the connection for both ends. w.mu is held.
func (x *wire) cut() {
	if x.ended || x.eof {
		return
	}
	n := x.w.dice.n(drawSever, x.id, len(x.down.queue)+1)
	for _, c := range x.down.queue[:n] {
		if !c.eof {
			x.w.core.told(x, c.packet)
			x.buf = append(x.buf, c.frame...)
		}
	}
	x.down.queue = nil
	x.eof = true
	x.arrived.Broadcast()
}

// Read implements net.Conn.
func (x *wire) Read(p []byte) (int, error) {
	x.w.mu.Lock()
	defer x.w.mu.Unlock()
	for {
		switch {
		case x.ended:
			return 0, net.ErrClosed
		case len(x.buf) > 0:
			n := copy(p, x.buf)
			x.buf = x.buf[n:]
			return n, nil
		case x.eof:
			return 0, io.EOF
		case !x.deadline.IsZero() && !time.Now().Before(x.deadline):
			return 0, os.ErrDeadlineExceeded
		}
		x.arrived.Wait()
	}
}

// Write implements net.Conn.
func (x *wire) Write(p []byte) (int, error) {
	x.w.mu.Lock()
	defer x.w.mu.Unlock()
	if x.ended || x.life.dead {
		return 0, net.ErrClosed
	}
	if x.eof {
		return 0, errReset
	}
	x.rest = append(x.rest, p...)
	for len(x.rest) >= 4 {
		n := int(binary.BigEndian.Uint32(x.rest))
		if len(x.rest) < 4+n {
			break
		}
		packet, err := simprot.DecodePacket(slices.Clone(x.rest[4 : 4+n]))
		x.rest = x.rest[4+n:]
		if err != nil {
			x.w.violate("the gateway wrote a frame that cannot be read: %v", err)
			continue
		}
		x.said = x.said || packet.Code == simprot.CodeBye
		x.w.log(">", x.id, packet)
		if x.w.msgs != nil {
			x.w.msgs.hears(x, packet)
		}
		x.put(&x.up, parcel{packet: packet}, 0)
	}
	return len(p), nil
}

// Close implements net.Conn.
func (x *wire) Close() error {
	x.w.mu.Lock()
	defer x.w.mu.Unlock()
	x.sever()
	return nil
}

// SetReadDeadline implements net.Conn.
func (x *wire) SetReadDeadline(t time.Time) error {
	x.w.mu.Lock()
	defer x.w.mu.Unlock()
	x.deadline = t
	if x.alarm != nil {
		x.alarm.Stop()
	}
	if !t.IsZero() {
		x.alarm = time.AfterFunc(time.Until(t), func() {
			x.w.mu.Lock()
			defer x.w.mu.Unlock()
			x.arrived.Broadcast()
		})
	}
	x.arrived.Broadcast()
	return nil
}

// SetWriteDeadline implements net.Conn; a write never waits.
func (x *wire) SetWriteDeadline(time.Time) error { return nil }

// SetDeadline implements net.Conn.
func (x *wire) SetDeadline(t time.Time) error { return x.SetReadDeadline(t) }

// LocalAddr implements net.Conn.
func (x *wire) LocalAddr() net.Addr { return loopback }

// RemoteAddr implements net.Conn.
func (x *wire) RemoteAddr() net.Addr { return loopback }

var loopback = &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1}
