package simprot

import (
	"encoding/binary"
	"encoding/hex"
	"io"
	"math"
	"strconv"
	"time"

	"github.com/google/uuid"
	"github.com/vmihailenco/msgpack/v5"
	"github.com/vmihailenco/msgpack/v5/msgpcode"
)

// msgpackFormat writes values as MessagePack in their shortest form.
type msgpackFormat struct {
	out *output
	enc *msgpack.Encoder
	err error // never set: output does not fail
}

func (f *msgpackFormat) keep(err error) {
	if err != nil {
		f.err = err
	}
}

func (f *msgpackFormat) null()           { f.keep(f.enc.EncodeNil()) }
func (f *msgpackFormat) integer(n int64) { f.keep(f.enc.EncodeInt(n)) }
func (f *msgpackFormat) truth(v bool)    { f.keep(f.enc.EncodeBool(v)) }
func (f *msgpackFormat) openList(n int)  { f.keep(f.enc.EncodeArrayLen(n)) }
func (f *msgpackFormat) item(int)        {}
func (f *msgpackFormat) closeList()      {}

// text does what the library's EncodeString does, for a third of its time: a
// packet is strings in the main, half of them the names of members.
func (f *msgpackFormat) text(s string) {
	f.out.b = append(appendTextHeader(f.out.b, len(s)), s...)
}

func (f *msgpackFormat) key(name string, _ int) { f.text(name) }

func (f *msgpackFormat) moment(t time.Time) { f.keep(f.enc.EncodeTime(t)) }

const guidText = 36 // characters of a GUID with hyphens

func (f *msgpackFormat) guid(u uuid.UUID) {
	f.out.b = appendGUID(append(f.out.b, msgpcode.Str8, guidText), u)
}

const (
	maxFixMap = 15
	map16Size = 2 // bytes of a map 16's count
)

// openMap leaves one byte for the head; closeMap fills it in, when the number
// of members is known.
func (f *msgpackFormat) openMap() int {
	f.out.b = append(f.out.b, msgpcode.FixedMapLow)
	return len(f.out.b) - 1
}

func (f *msgpackFormat) closeMap(mark, members int) {
	if members <= maxFixMap {
		f.out.b[mark] |= byte(members)
		return
	}
	f.out.b = append(f.out.b, make([]byte, map16Size)...)
	copy(f.out.b[mark+1+map16Size:], f.out.b[mark+1:])
	f.out.b[mark] = msgpcode.Map16
	binary.BigEndian.PutUint16(f.out.b[mark+1:], uint16(members))
}

// appendGUID appends the lower-case text with hyphens.
func appendGUID(dst []byte, u uuid.UUID) []byte {
	dst = append(hex.AppendEncode(dst, u[:4]), '-')
	dst = append(hex.AppendEncode(dst, u[4:6]), '-')
	dst = append(hex.AppendEncode(dst, u[6:8]), '-')
	dst = append(hex.AppendEncode(dst, u[8:10]), '-')
	return hex.AppendEncode(dst, u[10:])
}

// appendTextHeader appends the head of a string of size bytes.
func appendTextHeader(dst []byte, size int) []byte {
	switch {
	case size < 32:
		return append(dst, msgpcode.FixedStrLow|byte(size))
	case size <= math.MaxUint8:
		return append(dst, msgpcode.Str8, byte(size))
	case size <= math.MaxUint16:
		return binary.BigEndian.AppendUint16(append(dst, msgpcode.Str16), uint16(size))
	default:
		return binary.BigEndian.AppendUint32(append(dst, msgpcode.Str32), uint32(size))
	}
}

// insertTextHeader makes one MessagePack string of everything from start on.
func insertTextHeader(b []byte, start int) []byte {
	size := len(b) - start
	var room [5]byte
	head := appendTextHeader(room[:0], size)
	b = append(b, head...)
	copy(b[start+len(head):], b[start:start+size])
	copy(b[start:], head)
	return b
}

// input is a body that the MessagePack library reads byte by byte and this
// package in slices. Scan has found every length in it to be true.
type input struct {
	b   []byte
	pos int
}

func (in *input) Read(p []byte) (int, error) {
	if in.pos == len(in.b) {
		return 0, io.EOF
	}
	n := copy(p, in.b[in.pos:])
	in.pos += n
	return n, nil
}

func (in *input) ReadByte() (byte, error) {
	if in.pos == len(in.b) {
		return 0, io.EOF
	}
	c := in.b[in.pos]
	in.pos++
	return c, nil
}

func (in *input) UnreadByte() error { in.pos--; return nil }

func (in *input) peek() (byte, error) {
	if in.pos == len(in.b) {
		return 0, io.EOF
	}
	return in.b[in.pos], nil
}

// take returns the next n bytes without copying them.
func (in *input) take(n int) ([]byte, error) {
	if n < 0 || n > len(in.b)-in.pos {
		return nil, io.ErrUnexpectedEOF
	}
	b := in.b[in.pos : in.pos+n]
	in.pos += n
	return b, nil
}

// msgpackSource reads values from a scanned body. Every call of the library
// is made for the code that is known to come next, so none of its silent
// conversions can happen.
type msgpackSource struct {
	in   input
	dec  *msgpack.Decoder
	open int
	left [MaxDepth]int // members or items to come, for every open map or list
}

func (s *msgpackSource) reset(body []byte) {
	s.in = input{b: body}
	s.open = 0
}

func (s *msgpackSource) next() (token, error) {
	c, err := s.in.peek()
	if err != nil {
		return token{}, err
	}
	switch {
	case msgpcode.IsString(c):
		return s.text(c)
	case msgpcode.IsFixedNum(c), msgpcode.Uint8 <= c && c <= msgpcode.Uint32,
		msgpcode.Int8 <= c && c <= msgpcode.Int64:
		n, err := s.dec.DecodeInt64()
		return token{kind: kindInt, n: n}, err
	case msgpcode.IsFixedMap(c), c == msgpcode.Map16, c == msgpcode.Map32:
		n, err := s.dec.DecodeMapLen()
		return s.enter(kindMap, n, err)
	case msgpcode.IsFixedArray(c), c == msgpcode.Array16, c == msgpcode.Array32:
		n, err := s.dec.DecodeArrayLen()
		return s.enter(kindList, n, err)
	case msgpcode.IsExt(c):
		return s.ext()
	case msgpcode.IsBin(c):
		return s.bytes(kindBytes)
	}
	return s.rare(c)
}

// rare reads the codes that stand alone.
func (s *msgpackSource) rare(c byte) (token, error) {
	switch c {
	case msgpcode.False, msgpcode.True:
		_, err := s.dec.DecodeBool()
		return token{kind: kindBool, n: int64(c - msgpcode.False)}, err
	case msgpcode.Uint64:
		n, err := s.dec.DecodeUint64()
		if n > math.MaxInt64 {
			return token{kind: kindNumber, b: strconv.AppendUint(nil, n, 10)}, err
		}
		return token{kind: kindInt, n: int64(n)}, err
	case msgpcode.Float, msgpcode.Double:
		v, err := s.dec.DecodeFloat64()
		return token{kind: kindFloat, f: v}, err
	default:
		return token{kind: kindNull}, s.dec.DecodeNil()
	}
}

// text reads a string whose code is c. Short ones, the names of members among
// them, are taken without asking the library for their length.
func (s *msgpackSource) text(c byte) (token, error) {
	if !msgpcode.IsFixedString(c) {
		return s.bytes(kindText)
	}
	s.in.pos++
	b, err := s.in.take(int(c & msgpcode.FixedStrMask))
	return token{kind: kindText, b: b}, err
}

func (s *msgpackSource) bytes(k kind) (token, error) {
	n, err := s.dec.DecodeBytesLen()
	if err != nil {
		return token{}, err
	}
	b, err := s.in.take(n)
	return token{kind: k, b: b}, err
}

func (s *msgpackSource) ext() (token, error) {
	id, n, err := s.dec.DecodeExtHeader()
	if err != nil {
		return token{}, err
	}
	b, err := s.in.take(n)
	return token{kind: kindExt, n: int64(id), b: b}, err
}

func (s *msgpackSource) enter(k kind, n int, err error) (token, error) {
	if err == nil && s.open == len(s.left) {
		err = errDepth
	}
	if err != nil {
		return token{}, err
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
	c, err := s.in.peek()
	if err != nil {
		return nil, false, err
	}
	if !msgpcode.IsString(c) { // no member of ours: skipped with its value
		return nil, true, s.dec.Skip()
	}
	t, err := s.text(c)
	return t.b, true, err
}

func (s *msgpackSource) skip() error { return s.dec.Skip() }
