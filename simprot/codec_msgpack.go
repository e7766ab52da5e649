package simprot

import (
	"encoding/binary"
	"encoding/hex"
	"math"
	"time"

	"github.com/google/uuid"
)

// msgpackFormat writes values as MessagePack in their shortest form.
type msgpackFormat struct{ out *output }

func (f *msgpackFormat) null()           { f.out.b = append(f.out.b, mpNil) }
func (f *msgpackFormat) integer(n int64) { f.out.b = appendInt(f.out.b, n) }
func (f *msgpackFormat) openList(n int)  { f.out.b = appendListHeader(f.out.b, n) }
func (f *msgpackFormat) item(int)        {}
func (f *msgpackFormat) closeList()      {}

func (f *msgpackFormat) truth(v bool) {
	c := byte(mpFalse)
	if v {
		c = mpTrue
	}
	f.out.b = append(f.out.b, c)
}

func (f *msgpackFormat) text(s string) {
	f.out.b = append(appendTextHeader(f.out.b, len(s)), s...)
}

// key writes a member's name, which is never longer than a short string.
func (f *msgpackFormat) key(name string, _ int) {
	f.out.b = append(append(f.out.b, mpFixStr|byte(len(name))), name...)
}

// moment writes a timestamp of 4, 8 or 12 bytes.
func (f *msgpackFormat) moment(t time.Time) {
	sec, nsec := uint64(t.Unix()), uint64(t.Nanosecond())
	b := f.out.b
	switch {
	case sec>>34 != 0: // before 1970 too
		b = append(b, mpExt8, 12, timestampType)
		b = binary.BigEndian.AppendUint32(b, uint32(nsec))
		b = binary.BigEndian.AppendUint64(b, sec)
	case nsec == 0 && sec <= math.MaxUint32:
		b = binary.BigEndian.AppendUint32(append(b, mpFixExt4, timestampType), uint32(sec))
	default:
		b = binary.BigEndian.AppendUint64(append(b, mpFixExt8, timestampType), nsec<<34|sec)
	}
	f.out.b = b
}

const guidText = 36 // characters of a GUID with hyphens

func (f *msgpackFormat) guid(u uuid.UUID) {
	f.out.b = appendGUID(append(f.out.b, mpStr8, guidText), u)
}

const map16Size = 2 // bytes of a map 16's count

// openMap leaves one byte for the head; closeMap fills it in, when the number
// of members is known.
func (f *msgpackFormat) openMap() int {
	f.out.b = append(f.out.b, mpFixMap)
	return len(f.out.b) - 1
}

func (f *msgpackFormat) closeMap(mark, members int) {
	if members <= maxFixMap {
		f.out.b[mark] |= byte(members)
		return
	}
	f.out.b = append(f.out.b, make([]byte, map16Size)...)
	copy(f.out.b[mark+1+map16Size:], f.out.b[mark+1:])
	f.out.b[mark] = mpMap16
	binary.BigEndian.PutUint16(f.out.b[mark+1:], uint16(members))
}

// appendGUID appends the lower-case text with hyphens.
func appendGUID(dst []byte, u uuid.UUID) []byte {
	dst = append(dst, "00000000-0000-0000-0000-000000000000"...)
	text := dst[len(dst)-guidText:]
	hex.Encode(text, u[:4])
	hex.Encode(text[9:], u[4:6])
	hex.Encode(text[14:], u[6:8])
	hex.Encode(text[19:], u[8:10])
	hex.Encode(text[24:], u[10:])
	return dst
}

// appendInt appends an integer in its shortest form: what is not negative is
// unsigned.
func appendInt(dst []byte, n int64) []byte {
	switch {
	case -32 <= n && n <= math.MaxInt8:
		return append(dst, byte(n))
	case n < math.MinInt32:
		return binary.BigEndian.AppendUint64(append(dst, mpInt64), uint64(n))
	case n < math.MinInt16:
		return binary.BigEndian.AppendUint32(append(dst, mpInt32), uint32(n))
	case n < math.MinInt8:
		return binary.BigEndian.AppendUint16(append(dst, mpInt16), uint16(n))
	case n < 0:
		return append(dst, mpInt8, byte(n))
	case n <= math.MaxUint8:
		return append(dst, mpUint8, byte(n))
	case n <= math.MaxUint16:
		return binary.BigEndian.AppendUint16(append(dst, mpUint16), uint16(n))
	case n <= math.MaxUint32:
		return binary.BigEndian.AppendUint32(append(dst, mpUint32), uint32(n))
	default:
		return binary.BigEndian.AppendUint64(append(dst, mpUint64), uint64(n))
	}
}

// appendListHeader appends the head of an array of n values.
func appendListHeader(dst []byte, n int) []byte {
	switch {
	case n <= maxFixArray:
		return append(dst, mpFixArray|byte(n))
	case n <= math.MaxUint16:
		return binary.BigEndian.AppendUint16(append(dst, mpArray16), uint16(n))
	default:
		return binary.BigEndian.AppendUint32(append(dst, mpArray32), uint32(n))
	}
}

// appendTextHeader appends the head of a string of size bytes.
func appendTextHeader(dst []byte, size int) []byte {
	switch {
	case size <= maxFixStr:
		return append(dst, mpFixStr|byte(size))
	case size <= math.MaxUint8:
		return append(dst, mpStr8, byte(size))
	case size <= math.MaxUint16:
		return binary.BigEndian.AppendUint16(append(dst, mpStr16), uint16(size))
	default:
		return binary.BigEndian.AppendUint32(append(dst, mpStr32), uint32(size))
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
