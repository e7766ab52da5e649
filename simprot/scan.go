package simprot

import (
	"encoding/binary"

	"github.com/vmihailenco/msgpack/v5/msgpcode"
)

// MaxDepth is how deep arrays and maps may nest in a frame, and in the JSON
// text of a payload.
const MaxDepth = 32

// Scan walks once over a body without recursion and without allocating, and
// refuses with *FrameError whatever could harm a decoder: something else than
// one array, nesting deeper than MaxDepth, a length or count beyond the bytes
// that remain, a code MessagePack does not define, bytes behind the array.
func Scan(body []byte) error {
	if len(body) == 0 {
		return &FrameError{Reason: "empty body"}
	}
	if !isArray(body[0]) {
		return &FrameError{Reason: "no MessagePack array"}
	}
	s := scanner{body: body, due: 1, open: 1}
	s.left[0] = 1
	for s.open > 0 {
		if s.left[s.open-1] == 0 {
			s.open--
			continue
		}
		s.left[s.open-1]--
		s.due--
		if reason := s.value(); reason != "" {
			return &FrameError{Reason: reason}
		}
	}
	if s.pos != len(body) {
		return &FrameError{Reason: "bytes behind the array"}
	}
	return nil
}

// scanner is the state of one Scan. left holds, for every container that is
// open, how many values are still to come; left[0] is the body as a whole.
type scanner struct {
	body []byte
	pos  int
	due  uint64 // values still to come, in all open containers
	open int
	left [MaxDepth + 1]uint64
}

const (
	reasonShort = "length beyond the bytes that remain"
	reasonCount = "count beyond the bytes that remain"
	reasonDepth = "nested deeper than allowed"
	reasonCode  = "undefined MessagePack code"
)

// value passes over one scalar or the head of one container. It returns the
// reason for refusing it, "" when it is in order.
func (s *scanner) value() string {
	if s.pos >= len(s.body) {
		return reasonShort
	}
	c := s.body[s.pos]
	s.pos++
	switch {
	case msgpcode.IsFixedNum(c):
		return ""
	case msgpcode.IsFixedString(c):
		return s.skip(uint64(c & msgpcode.FixedStrMask))
	case msgpcode.IsFixedArray(c):
		return s.enter(uint64(c & msgpcode.FixedArrayMask))
	case msgpcode.IsFixedMap(c):
		return s.enter(2 * uint64(c&msgpcode.FixedMapMask))
	}
	shape := shapes[c-firstShape]
	if !shape.defined {
		return reasonCode
	}
	n, reason := s.number(int(shape.lengthBytes))
	if reason != "" {
		return reason
	}
	if shape.perItem > 0 {
		return s.enter(n * uint64(shape.perItem))
	}
	return s.skip(n + uint64(shape.plus))
}

// number reads the length or count that follows a code, size bytes of it.
func (s *scanner) number(size int) (uint64, string) {
	if len(s.body)-s.pos < size {
		return 0, reasonShort
	}
	b := s.body[s.pos : s.pos+size]
	s.pos += size
	switch size {
	case 1:
		return uint64(b[0]), ""
	case 2:
		return uint64(binary.BigEndian.Uint16(b)), ""
	case 4:
		return uint64(binary.BigEndian.Uint32(b)), ""
	default:
		return 0, ""
	}
}

func (s *scanner) skip(n uint64) string {
	if n > uint64(len(s.body)-s.pos) {
		return reasonShort
	}
	s.pos += int(n)
	return ""
}

// enter opens a container of n values. Every value takes a byte at least, so
// all that are due in all open containers must find room in what remains.
func (s *scanner) enter(n uint64) string {
	if s.open == len(s.left) {
		return reasonDepth
	}
	s.due += n
	if s.due > uint64(len(s.body)-s.pos) {
		return reasonCount
	}
	s.left[s.open] = n
	s.open++
	return ""
}

func isArray(c byte) bool {
	return msgpcode.IsFixedArray(c) || c == msgpcode.Array16 || c == msgpcode.Array32
}

// shape tells what follows a code from 0xc0 to 0xdf: a length or count of
// lengthBytes; then, for containers, perItem values for each of the count,
// else the length and plus more bytes.
type shape struct {
	defined     bool
	lengthBytes uint8
	plus        uint8
	perItem     uint8
}

const firstShape = 0xc0

var shapes = [0x20]shape{
	0xc0 - firstShape: {defined: true},                             // nil
	0xc2 - firstShape: {defined: true},                             // false
	0xc3 - firstShape: {defined: true},                             // true
	0xc4 - firstShape: {defined: true, lengthBytes: 1},             // bin 8
	0xc5 - firstShape: {defined: true, lengthBytes: 2},             // bin 16
	0xc6 - firstShape: {defined: true, lengthBytes: 4},             // bin 32
	0xc7 - firstShape: {defined: true, lengthBytes: 1, plus: 1},    // ext 8: length, type, data
	0xc8 - firstShape: {defined: true, lengthBytes: 2, plus: 1},    // ext 16
	0xc9 - firstShape: {defined: true, lengthBytes: 4, plus: 1},    // ext 32
	0xca - firstShape: {defined: true, plus: 4},                    // float 32
	0xcb - firstShape: {defined: true, plus: 8},                    // float 64
	0xcc - firstShape: {defined: true, plus: 1},                    // uint 8
	0xcd - firstShape: {defined: true, plus: 2},                    // uint 16
	0xce - firstShape: {defined: true, plus: 4},                    // uint 32
	0xcf - firstShape: {defined: true, plus: 8},                    // uint 64
	0xd0 - firstShape: {defined: true, plus: 1},                    // int 8
	0xd1 - firstShape: {defined: true, plus: 2},                    // int 16
	0xd2 - firstShape: {defined: true, plus: 4},                    // int 32
	0xd3 - firstShape: {defined: true, plus: 8},                    // int 64
	0xd4 - firstShape: {defined: true, plus: 2},                    // fixext 1: type, data
	0xd5 - firstShape: {defined: true, plus: 3},                    // fixext 2
	0xd6 - firstShape: {defined: true, plus: 5},                    // fixext 4
	0xd7 - firstShape: {defined: true, plus: 9},                    // fixext 8
	0xd8 - firstShape: {defined: true, plus: 17},                   // fixext 16
	0xd9 - firstShape: {defined: true, lengthBytes: 1},             // str 8
	0xda - firstShape: {defined: true, lengthBytes: 2},             // str 16
	0xdb - firstShape: {defined: true, lengthBytes: 4},             // str 32
	0xdc - firstShape: {defined: true, lengthBytes: 2, perItem: 1}, // array 16
	0xdd - firstShape: {defined: true, lengthBytes: 4, perItem: 1}, // array 32
	0xde - firstShape: {defined: true, lengthBytes: 2, perItem: 2}, // map 16
	0xdf - firstShape: {defined: true, lengthBytes: 4, perItem: 2}, // map 32
}
