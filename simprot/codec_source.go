package simprot

import (
	"encoding/binary"
	"io"
	"math"
	"strconv"
)

// msgpackSource reads values from a body that Scan has accepted: every code in
// it is defined, every length and count is true.
type msgpackSource struct {
	b    []byte
	pos  int
	open int
	left [MaxDepth]int // members or items to come, for every open map or list
}

func (s *msgpackSource) reset(body []byte) { s.b, s.pos, s.open = body, 0, 0 }

func (s *msgpackSource) next() (token, error) {
	if s.pos == len(s.b) {
		return token{}, io.ErrUnexpectedEOF
	}
	c := s.b[s.pos]
	s.pos++
	switch {
	case c < mpFixMap, c >= mpNegative:
		return token{kind: kindInt, n: int64(int8(c))}, nil
	case c < mpFixArray:
		return s.enter(kindMap, int(c&maxFixMap))
	case c < mpFixStr:
		return s.enter(kindList, int(c&maxFixArray))
	case c < mpNil:
		b, err := s.take(int(c & maxFixStr))
		return token{kind: kindText, b: b}, err
	}
	return s.shaped(c)
}

// shaped reads what begins with a code of shapes.
func (s *msgpackSource) shaped(c byte) (token, error) {
	shape := &shapes[c-mpNil]
	length, err := s.take(int(shape.lengthBytes))
	if err != nil {
		return token{}, err
	}
	n := int(number(length))
	if shape.perItem > 0 {
		return s.enter(shape.kind, n)
	}
	b, err := s.take(n + int(shape.plus))
	if err != nil {
		return token{}, err
	}
	switch shape.kind {
	case kindBool:
		return token{kind: kindBool, n: int64(c - mpFalse)}, nil
	case kindInt:
		return integer(c, b), nil
	case kindFloat:
		return token{kind: kindFloat, f: float(b)}, nil
	case kindExt:
		return token{kind: kindExt, n: int64(int8(b[0])), b: b[1:]}, nil
	}
	return token{kind: shape.kind, b: b}, nil
}

// integer reads the bytes of an integer of code c.
func integer(c byte, b []byte) token {
	n := number(b)
	switch {
	case c >= mpInt8:
		unused := 64 - 8*len(b)
		return token{kind: kindInt, n: int64(n<<unused) >> unused} // with its sign
	case n > math.MaxInt64:
		return token{kind: kindNumber, b: strconv.AppendUint(nil, n, 10)}
	}
	return token{kind: kindInt, n: int64(n)}
}

// number reads a big-endian number of at most eight bytes.
func number(b []byte) uint64 {
	var n uint64
	for _, c := range b {
		n = n<<8 | uint64(c)
	}
	return n
}

func float(b []byte) float64 {
	if len(b) == 4 {
		return float64(math.Float32frombits(binary.BigEndian.Uint32(b)))
	}
	return math.Float64frombits(binary.BigEndian.Uint64(b))
}

// take returns the next n bytes without copying them.
func (s *msgpackSource) take(n int) ([]byte, error) {
	if n < 0 || n > len(s.b)-s.pos {
		return nil, io.ErrUnexpectedEOF
	}
	b := s.b[s.pos : s.pos+n]
	s.pos += n
	return b, nil
}

func (s *msgpackSource) enter(k kind, n int) (token, error) {
	if s.open == len(s.left) {
		return token{}, errDepth
	}
	s.left[s.open] = n
	s.open++
	return token{kind: k, n: int64(n)}, nil
}

func (s *msgpackSource) nextItem() (bool, error) {
	at := s.open - 1
	if s.left[at] == 0 {
		s.open = at
		return false, nil
	}
	s.left[at]--
	return true, nil
}

func (s *msgpackSource) nextKey() ([]byte, bool, error) {
	if more, _ := s.nextItem(); !more {
		return nil, false, nil
	}
	if s.pos < len(s.b) {
		if c := s.b[s.pos]; c >= mpFixStr && c < mpNil { // as most are
			s.pos++
			b, err := s.take(int(c & maxFixStr))
			return b, true, err
		}
	}
	start := s.pos
	if err := s.skip(); err != nil {
		return nil, false, err
	}
	if c := s.b[start]; c < mpStr8 || c > mpStr32 { // no member of ours: skipped with its value
		return nil, true, nil
	}
	s.pos = start
	t, err := s.next()
	return t.b, true, err
}

// skip passes over one value.
func (s *msgpackSource) skip() error {
	rest := scanner{body: s.b, pos: s.pos}
	if reason := rest.one(); reason != "" {
		return &FrameError{Reason: reason}
	}
	s.pos = rest.pos
	return nil
}
