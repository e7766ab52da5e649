package simprot

import (
	"errors"
	"fmt"
	"io"
	"time"
)

// receiver takes what a connection reads. Both methods are called on the
// reader's goroutine, in order of arrival.
type receiver interface {
	// packet takes every packet but pings and pongs. size is the frame body's,
	// in bytes. An error ends the reading.
	packet(p Packet, size int) error
	// bad takes what was skipped: *OversizeError, *UnknownCodeError,
	// *DecodeError.
	bad(err error)
}

// read hands packets to r until the connection ends or r wants no more, and
// returns the reason. It does not end the connection.
func (c *Conn) read(r receiver) error {
	for {
		body, err := c.frames.Next()
		if c.deaf.Load() {
			return ErrClosed
		}
		c.heard.Store(int64(time.Since(c.born)))
		if err == nil {
			err = c.take(body, r)
		}
		if err == nil {
			continue
		}
		if !skippable(err) {
			return err
		}
		r.bad(err)
	}
}

// take decodes one body and answers or passes on what it holds.
func (c *Conn) take(body []byte, r receiver) error {
	p, err := DecodePacket(body)
	if err != nil {
		return err
	}
	switch v := p.Payload.(type) {
	case *Ping:
		if p.Code == CodePong {
			c.alive.pong(v.Token)
			return nil
		}
		// An unread pong proves nothing: beyond the room it is dropped.
		_ = c.trySend(Packet{Code: CodePong, Payload: v}, controlRoom, nil)
		return nil
	default:
		return r.packet(p, len(body))
	}
}

// skippable tells what is wrong with one frame from what ends the connection.
func skippable(err error) bool {
	var (
		oversize *OversizeError
		unknown  *UnknownCodeError
		decode   *DecodeError
	)
	return errors.As(err, &oversize) || errors.As(err, &unknown) || errors.As(err, &decode)
}

// finish ends a connection whose reading ended with err, waits for its writer
// and returns the first cause; of a failed write and what was read after it,
// the latter. In an orderly end the writer flushes first.
func (c *Conn) finish(err error) error {
	if errors.Is(err, io.EOF) {
		err = fmt.Errorf("simprot: the other side closed: %w", err)
	}
	c.mu.Lock()
	orderly := c.closer != nil
	if c.writeErr != nil && isTimeout(err) { // nothing more was to be read
		err = c.writeErr
	}
	c.mu.Unlock()
	if orderly {
		<-c.writerEnd
	}
	c.end(err)
	<-c.writerEnd
	return c.Err()
}
