package main

import (
	"time"

	"servicelink/simprot"
)

// stream is one direction of one connection.
type stream struct {
	conn  int
	way   direction
	split splitter

	// quiet: nothing is told before a packet was found, because it may be
	// something else than SimProt.
	quiet bool
}

// newStream returns a stream whose pieces go to tell.
func newStream(conn int, way direction, maxFrame int, tell func(*stream, piece)) *stream {
	s := &stream{conn: conn, way: way}
	s.split = splitter{maxFrame: maxFrame, emit: func(p piece) {
		if s.quiet {
			if unread(p) {
				return
			}
			s.quiet = false
		}
		tell(s, p)
	}}
	return s
}

// doubtful makes the stream one that may be something else: it is searched for
// packets and tells nothing until there is one.
func (s *stream) doubtful() { s.quiet, s.split.lost = true, true }

// unread reports whether p shows no sign of a packet.
func unread(p piece) bool {
	if p.err == nil {
		return false
	}
	switch p.err.(type) { //nolint:errorlint // made by the splitter and never wrapped
	case *simprot.DecodeError, *simprot.UnknownCodeError:
		return false
	}
	return true
}

// feed, gap and end hand on to the splitter.
func (s *stream) feed(at time.Time, b []byte) { s.split.feed(at, b) }
func (s *stream) gap(at time.Time, n int64)   { s.split.gap(at, n) }
func (s *stream) end(at time.Time)            { s.split.end(at) }
