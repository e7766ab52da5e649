package simprot

import "encoding/binary"

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
	s := scanner{body: body}
	if reason := s.one(); reason != "" {
		return &FrameError{Reason: reason}
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

// one passes over one value with all that is in it. It returns the reason of a
// refusal, "" for none.
func (s *scanner) one() string {
	s.due, s.open, s.left[0] = 1, 1, 1
	for s.open > 0 {
		if s.left[s.open-1] == 0 {
			s.open--
			continue
		}
		s.left[s.open-1]--
		s.due--
		if reason := s.value(); reason != "" {
			return reason
		}
	}
	return ""
}

// value passes over one scalar or the head of one container. It returns the
// reason for refusing it, "" when it is in order.
func (s *scanner) value() string {
	if s.pos >= len(s.body) {
		return reasonShort
	}
	c := s.body[s.pos]
	s.pos++
	switch {
	case c < mpFixMap, c >= mpNegative:
		return ""
	case c < mpFixArray:
		return s.enter(2 * uint64(c&maxFixMap))
	case c < mpFixStr:
		return s.enter(uint64(c & maxFixArray))
	case c < mpNil:
		return s.skip(uint64(c & maxFixStr))
	}
	shape := &shapes[c-mpNil]
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
