package simprot

import (
	"errors"
	"fmt"
	"net"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// maxQueued bytes may wait to be written before Send blocks.
	maxQueued = 8 << 20
	// controlRoom is what pings and farewells may take beyond the queue's limit.
	controlRoom = 64 << 10
	// writeChunk is what one write takes at most; the queue is flushed when it
	// is empty or when this much has come together.
	writeChunk = 64 << 10
	// writeStall is how long one chunk may take. It is TCP_USER_TIMEOUT for
	// transports and systems that have none.
	writeStall = 10 * time.Second
	// closeWithin bounds an orderly end: flush, then the other side's end.
	closeWithin = 5 * time.Second
	// drainWithin is how long we read on after our direction has ended.
	drainWithin = time.Second
)

var (
	// ErrClosed means that the connection has ended on our side, in order.
	ErrClosed = errors.New("simprot: connection closed")
	// ErrSlowReader ends a connection whose other side does not read.
	ErrSlowReader = errors.New("simprot: the other side does not read")
)

// Conn is one connection. It dies once and never comes back: Client makes new
// ones. Frames are encoded straight into a buffer that one goroutine writes;
// the other goroutine of a connection is its owner's, and reads.
type Conn struct {
	nc     net.Conn
	enc    Encoding
	frames *FrameReader
	limit  int // bytes that may wait
	alive  keepAlive
	heard  atomic.Int64 // when the last frame came, as time since born
	born   time.Time
	deaf   atomic.Bool // nothing read is handed on any more

	mu       sync.Mutex
	more     sync.Cond   // the writer waits: bytes, or the end
	room     sync.Cond   // senders wait: space, or the end
	pending  []byte      // encoded frames nobody writes yet
	marks    []mark      // written callbacks of pending
	writing  int         // bytes the writer holds
	maxFrame int         // bytes of a body the other side reads
	closing  bool        // no more frames; the writer flushes and ends
	dead     bool        // done is closed, or about to be
	err      error       // the first cause of the end
	writeErr error       // what a write failed with; the reader may know better
	closer   *time.Timer // bounds an orderly end
	flushed  bool        // our direction has ended in order

	done      chan struct{} // closed when the connection is given up
	writerEnd chan struct{} // closed when the writer has ended
}

// mark asks for a call when the bytes before end have been written.
type mark struct {
	end     int
	written func(time.Time)
}

// newConn starts the writer of nc. The caller reads, and ends it by end.
func newConn(nc net.Conn, enc Encoding, maxRead int) *Conn {
	c := &Conn{
		nc: nc, enc: enc,
		frames:    NewFrameReader(nc, maxRead),
		limit:     maxQueued,
		born:      time.Now(),
		maxFrame:  DefaultMaxFrame,
		done:      make(chan struct{}),
		writerEnd: make(chan struct{}),
	}
	c.alive.c = c
	c.more.L, c.room.L = &c.mu, &c.mu
	go c.writeLoop()
	return c
}

// setMaxFrame limits the bodies this side writes to what the other side reads.
func (c *Conn) setMaxFrame(announced int64) {
	if announced <= 0 {
		announced = DefaultMaxFrame
	}
	c.mu.Lock()
	c.maxFrame = int(min(announced, MaxReadFrame))
	c.mu.Unlock()
}

// Send queues p. It blocks only while more than 8 MiB wait. written, if not
// nil, is called on the writer's goroutine when the frame has been flushed to
// the socket, and never if the connection ends before that; it must not block
// or send. The answer to p may arrive before written is called.
//
// Errors: ErrClosed after the end; ErrFrameTooLong for a frame above the other
// side's MaxFrame, of which nothing is written; *EncodeError. The connection
// lives on after the latter two.
func (c *Conn) Send(p Packet, written func(time.Time)) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for !c.closing && len(c.pending)+c.writing >= c.limit {
		c.room.Wait()
	}
	return c.put(p, written)
}

// trySend is Send for those who must not wait: ErrSlowReader when the queue
// is full. Control packets may use some room beyond it.
func (c *Conn) trySend(p Packet, extra int, written func(time.Time)) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.closing && len(c.pending)+c.writing >= c.limit+extra {
		return ErrSlowReader
	}
	return c.put(p, written)
}

// put encodes p behind what is pending. c.mu is held.
func (c *Conn) put(p Packet, written func(time.Time)) error {
	if c.closing {
		return ErrClosed
	}
	buf, err := AppendFrame(c.pending, p, c.enc)
	if err != nil {
		return err
	}
	if size := len(buf) - len(c.pending) - lengthSize; size > c.maxFrame {
		return fmt.Errorf("%s: %w", p.Code, &OversizeError{Size: int64(size)})
	}
	c.pending = buf
	if written != nil {
		c.marks = append(c.marks, mark{end: len(buf), written: written})
	}
	c.more.Signal()
	return nil
}

// writeLoop writes what is pending until the connection ends.
func (c *Conn) writeLoop() {
	defer close(c.writerEnd)
	var buf []byte
	var marks []mark
	for {
		var ok bool
		if buf, marks, ok = c.swap(buf, marks); !ok {
			c.endWriting()
			return
		}
		if err := c.flush(buf, marks); err != nil {
			c.writeFailed(err)
			return
		}
		clear(marks)
	}
}

// swap hands the written buffers back and returns the pending ones; false
// means that nothing more is to be written.
func (c *Conn) swap(buf []byte, marks []mark) ([]byte, []mark, bool) {
	if cap(buf) > keepBuffer {
		buf = nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.writing = 0
	c.room.Broadcast()
	for len(c.pending) == 0 && !c.closing {
		c.more.Wait()
		// Whoever has something to send, too, comes first: one write for all.
		c.mu.Unlock()
		runtime.Gosched()
		c.mu.Lock()
	}
	if c.dead || len(c.pending) == 0 {
		return nil, nil, false
	}
	c.pending, buf = buf[:0], c.pending
	c.marks, marks = marks[:0], c.marks
	c.writing = len(buf)
	return buf, marks, true
}

// flush writes buf in chunks and calls the marks it passes.
func (c *Conn) flush(buf []byte, marks []mark) error {
	for sent := 0; sent < len(buf); {
		chunk := buf[sent:min(len(buf), sent+writeChunk)]
		if err := c.nc.SetWriteDeadline(time.Now().Add(writeStall)); err != nil {
			return err
		}
		n, err := c.nc.Write(chunk)
		if err != nil {
			return err
		}
		sent += n
		marks = callMarks(marks, sent)
	}
	return nil
}

// callMarks calls the marks up to sent bytes and returns the others.
func callMarks(marks []mark, sent int) []mark {
	if len(marks) == 0 || marks[0].end > sent {
		return marks
	}
	now := time.Now()
	for len(marks) > 0 && marks[0].end <= sent {
		marks[0].written(now)
		marks = marks[1:]
	}
	return marks
}

// writeFailed ends our direction after a failed write. What the other side
// said before it went, a farewell or a TLS alert, is still read.
func (c *Conn) writeFailed(err error) {
	c.mu.Lock()
	c.writeErr = err
	c.shut(nil)
	c.mu.Unlock()
	_ = c.nc.SetReadDeadline(time.Now().Add(drainWithin))
}

// endWriting ends our direction after an orderly flush.
func (c *Conn) endWriting() {
	c.mu.Lock()
	c.flushed = !c.dead
	orderly := c.flushed
	c.mu.Unlock()
	if !orderly {
		return // a reset must not be preceded by an orderly end
	}
	_ = c.nc.SetReadDeadline(time.Now().Add(drainWithin))
	if !closeWrite(c.nc) {
		c.end(ErrClosed)
	}
}

// shut takes no more frames and keeps the first cause. c.mu is held.
func (c *Conn) shut(err error) {
	c.closing = true
	if c.err == nil {
		c.err = err
	}
	c.more.Broadcast()
	c.room.Broadcast()
}

// startClose begins an orderly end and does not wait for it: what is queued
// is flushed, our direction ends, the other side's end is awaited, all that
// within 5 s.
func (c *Conn) startClose() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closing {
		return
	}
	c.shut(ErrClosed)
	c.closer = time.AfterFunc(closeWithin, func() { c.end(ErrClosed) })
}

// Close flushes what is queued and ends the connection in order, within 5 s.
// It waits for the end, so it must not be called from a callback.
func (c *Conn) Close() error {
	c.startClose()
	<-c.done
	if err := c.Err(); !errors.Is(err, ErrClosed) {
		return err
	}
	return nil
}

// Abort gives the connection up at once: a reset, unsent frames are lost.
// err is what Err tells; only the first end counts.
func (c *Conn) Abort(err error) { c.end(err) }

// end gives the connection up; only the first call does.
func (c *Conn) end(err error) {
	c.deaf.Store(true)
	c.mu.Lock()
	if c.dead {
		c.mu.Unlock()
		return
	}
	c.dead = true
	c.shut(err)
	closer, flushed := c.closer, c.flushed
	c.mu.Unlock()
	if closer != nil {
		closer.Stop()
	}
	c.alive.stop()
	if flushed {
		_ = bottom(c.nc).Close()
	} else {
		reset(c.nc)
	}
	close(c.done)
}

// Done is closed when the connection has ended.
func (c *Conn) Done() <-chan struct{} { return c.done }

// Err returns why the connection ended or ends, nil while it is whole.
func (c *Conn) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err == nil {
		return c.writeErr
	}
	return c.err
}
