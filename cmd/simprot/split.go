package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"servicelink/simprot"
)

// piece is a stretch of a stream: a frame, or bytes that are none.
type piece struct {
	at     time.Time // when its last byte was seen; zero: not known
	offset int64     // of its first byte in the stream
	size   int64     // bytes of the stream it stands for
	raw    []byte    // these bytes, valid during the call; nil when they are not at hand
	packet simprot.Packet
	err    error // not nil: no packet, and why
}

// What a stretch that is no packet may be, besides what simprot says of it.
var (
	errEmptyBody = &simprot.FrameError{Reason: "empty body"}
	errTLS       = errors.New("TLS: what it carries can only be shown by the proxy with --tls-cert and --tls-key")
)

const lengthSize = 4

// trustedLength is the longest body that is waited for although it does not
// begin as one: its length may be no length at all, and hide what follows.
const trustedLength = 64 << 10

// splitter cuts the bytes of one direction into pieces. It holds one frame of
// maxFrame bytes at most, and finds its way back after what is no frame.
type splitter struct {
	maxFrame int
	emit     func(piece)

	at      time.Time
	buf     []byte
	offset  int64 // of buf[0]
	discard int64 // bytes still to come of a frame that is too large to hold
	lost    bool  // the next frame's beginning must be searched for
	skipped int64 // bytes passed over while searching
	deaf    bool  // TLS: nothing more can be told
}

// feed takes the next bytes of the stream. It keeps nothing of b.
func (s *splitter) feed(at time.Time, b []byte) {
	s.at = at
	n := min(s.discard, int64(len(b)))
	s.discard -= n
	s.offset += n
	b = b[n:]
	if s.deaf {
		s.offset += int64(len(b))
		return
	}
	s.buf = append(s.buf, b...)
	rest := s.buf
	for again := true; again; {
		var used int
		used, again = s.next(rest)
		rest = rest[used:]
		s.offset += int64(used)
	}
	s.buf = s.buf[:copy(s.buf, rest)]
	if cap(s.buf) > trustedLength && len(s.buf) == 0 {
		s.buf = nil
	}
}

// gap says that n bytes of the stream were not seen.
func (s *splitter) gap(at time.Time, n int64) {
	s.at = at
	if s.discard >= n || s.deaf {
		s.discard = max(0, s.discard-n)
		s.offset += n
		return
	}
	s.drop("ends in a gap")
	s.emit(piece{at: at, offset: s.offset, size: n, err: fmt.Errorf("%d bytes of the stream are missing", n)})
	s.offset += n
	s.discard, s.lost = 0, true
}

// end says that nothing more comes.
func (s *splitter) end(at time.Time) {
	s.at = at
	s.drop("the stream ends in it")
}

// drop gives up what is held of a frame.
func (s *splitter) drop(why string) {
	n := int64(len(s.buf))
	s.offset += n
	s.buf = nil
	switch {
	case s.lost:
		s.skipped += n
		s.found()
	case n > 0:
		s.emit(piece{at: s.at, offset: s.offset - n, size: n, err: fmt.Errorf("%d bytes of a frame: %s", n, why)})
	}
}

// next takes one piece off b and returns its length. again is false when more
// bytes are needed.
func (s *splitter) next(b []byte) (used int, again bool) {
	if s.lost {
		return s.search(b)
	}
	if len(b) < lengthSize || s.deaf {
		return 0, false
	}
	size := int64(binary.BigEndian.Uint32(b))
	switch {
	case s.offset == 0 && isTLS(b):
		s.deaf = true
		return s.broken(b, len(b), errTLS), false
	case size == 0:
		return s.broken(b, lengthSize, errEmptyBody), true
	case size > simprot.MaxReadFrame:
		return s.broken(b, lengthSize, fmt.Errorf("a length of %d bytes is above what may be sent", size)), true
	case size > int64(s.maxFrame):
		return s.large(b, size)
	case size > trustedLength && len(b) > lengthSize && !isArray(b[lengthSize]):
		return s.broken(b, lengthSize, fmt.Errorf("a length of %d bytes and no array behind it", size)), true
	case int64(len(b)) < lengthSize+size:
		return 0, false
	}
	used = lengthSize + int(size)
	p := piece{at: s.at, offset: s.offset, size: int64(used), raw: b[:used]}
	p.packet, p.err = simprot.DecodePacket(b[lengthSize:used])
	_, s.lost = errors.AsType[*simprot.FrameError](p.err)
	s.emit(p)
	return used, true
}

// broken tells of n bytes after which the next frame must be searched for.
func (s *splitter) broken(b []byte, n int, err error) int {
	s.lost = !s.deaf
	s.emit(piece{at: s.at, offset: s.offset, size: int64(n), raw: b[:n], err: err})
	return n
}

// large passes over a frame that is not to be held, if it begins as one.
func (s *splitter) large(b []byte, size int64) (used int, again bool) {
	switch begins(b) {
	case no:
		return s.broken(b, lengthSize, fmt.Errorf("a length of %d bytes and no packet behind it", size)), true
	case perhaps:
		return 0, false
	}
	whole := lengthSize + size
	s.emit(piece{at: s.at, offset: s.offset, size: whole, err: &simprot.OversizeError{Size: size}})
	n := min(whole, int64(len(b)))
	s.discard = whole - n
	return int(n), true
}

// search passes over bytes until a frame begins.
func (s *splitter) search(b []byte) (used int, again bool) {
	for i := range b {
		switch begins(b[i:]) {
		case yes:
			s.skipped += int64(i)
			s.offset += int64(i)
			s.found()
			s.offset -= int64(i) // the caller counts what is used
			return i, true
		case perhaps:
			s.skipped += int64(i)
			return i, false
		}
	}
	s.skipped += int64(len(b))
	return len(b), false
}

// found ends a search at offset.
func (s *splitter) found() {
	if n := s.skipped; n > 0 {
		s.emit(piece{at: s.at, offset: s.offset - n, size: n, err: fmt.Errorf("%d bytes in which no frame begins", n)})
	}
	s.lost, s.skipped = false, 0
}

type answer uint8

const (
	no answer = iota
	perhaps
	yes
)

// begins reports whether a frame begins here: a length, an array, and a code
// of this protocol. perhaps means that b is too short to say.
func begins(b []byte) answer {
	if len(b) > 0 && b[0] > simprot.MaxReadFrame>>24 {
		return no
	}
	if len(b) <= lengthSize {
		return perhaps
	}
	at := lengthSize + 1
	switch c := b[lengthSize]; {
	case c > 0x90 && c <= 0x9f: // array of 1 to 15
	case c == 0xdc:
		at += 2
	case c == 0xdd:
		at += 4
	default:
		return no
	}
	if len(b) <= at {
		return perhaps
	}
	switch c := b[at]; {
	case c > 0xa3 && c <= 0xbf: // string of 4 to 31
		at++
	case c == 0xd9:
		at += 2
	default:
		return no
	}
	return beginsCode(b[min(at, len(b)):])
}

// beginsCode reports whether one of the protocol's codes begins here.
func beginsCode(b []byte) answer {
	best := no
	for _, prefix := range []string{"ES_", "SE_", "SP_", "CS_", "SC_"} {
		n := min(len(b), len(prefix))
		switch {
		case string(b[:n]) != prefix[:n]:
		case n == len(prefix):
			return yes
		default:
			best = perhaps
		}
	}
	return best
}

func isArray(c byte) bool { return c >= 0x90 && c <= 0x9f || c == 0xdc || c == 0xdd }

// isTLS reports whether a TLS record begins here. As a length these bytes are
// above what may be sent.
func isTLS(b []byte) bool {
	return b[0] >= 0x14 && b[0] <= 0x17 && b[1] == 3 && b[2] <= 4
}
