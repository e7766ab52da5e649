package simprot

import (
	"encoding/binary"
	"math"
	"strconv"
	"time"

	"github.com/google/uuid"
)

// The functions here turn a value from the wire, never a null, into a value
// of Go. They hold all tolerance towards other people's encoders and are the
// same for both payload encodings.

func toText(t token) (string, error) {
	if t.kind != kindText {
		return "", errKind
	}
	return validText(t.b), nil
}

// toEnum reads an enumeration: its name, or a number, which is kept as text.
func toEnum[T ~string](t token) (T, error) {
	if t.kind == kindInt {
		return T(strconv.FormatInt(t.n, 10)), nil
	}
	s, err := toText(t)
	return T(s), err
}

// toLoose reads a text, a truth as "true" or "false", an integer in its digits.
func toLoose(t token) (string, error) {
	if t.kind == kindBool {
		return strconv.FormatBool(t.n != 0), nil
	}
	return toEnum[string](t)
}

func toBool(t token) (bool, error) {
	if t.kind != kindBool {
		return false, errKind
	}
	return t.n != 0, nil
}

func toInt16(t token) (int16, error) {
	n, err := toInt64(t)
	if err == nil && (n < math.MinInt16 || n > math.MaxInt16) {
		err = errRange
	}
	return int16(n), err
}

func toInt32(t token) (int32, error) {
	n, err := toInt64(t)
	if err == nil && (n < math.MinInt32 || n > math.MaxInt32) {
		err = errRange
	}
	return int32(n), err
}

// maxExact is the largest float below which every whole number has its own.
const maxExact = 1 << 53

// toInt64 takes floating-point numbers too when they are whole: encoders of
// languages that know no integers write them.
func toInt64(t token) (int64, error) {
	v := t.f
	switch t.kind {
	case kindInt:
		return t.n, nil
	case kindFloat:
	case kindNumber:
		var err error
		if v, err = strconv.ParseFloat(string(t.b), 64); err != nil {
			return 0, errRange
		}
	default:
		return 0, errKind
	}
	if v != math.Trunc(v) || math.Abs(v) > maxExact {
		return 0, errRange
	}
	return int64(v), nil
}

// toGUID takes the text in any case, with or without braces, and 16 bytes in
// the order of the text.
func toGUID(t token) (uuid.UUID, error) {
	b := t.b
	switch t.kind {
	case kindBytes:
		u, err := uuid.FromBytes(b)
		if err != nil {
			err = errGUID
		}
		return u, err
	case kindText:
		if len(b) == guidText+2 && b[0] == '{' && b[guidText+1] == '}' {
			b = b[1 : guidText+1]
		}
		if len(b) != guidText {
			return uuid.Nil, errGUID
		}
		u, err := uuid.ParseBytes(b)
		if err != nil {
			err = errGUID
		}
		return u, err
	}
	return uuid.Nil, errKind
}

// extTimestamp is the type of MessagePack's timestamp; timestampType is its
// byte on the wire.
const (
	extTimestamp  = -1
	timestampType = 0xff
)

// toTime takes a MessagePack timestamp, text, and whole milliseconds since
// 1970. The result is UTC.
func toTime(t token) (time.Time, error) {
	var v time.Time
	switch t.kind {
	case kindExt:
		if t.n != extTimestamp {
			return v, errKind
		}
		var ok bool
		if v, ok = timestamp(t.b); !ok {
			return v, errTime
		}
	case kindText:
		var err error
		if v, err = parseTime(t.b); err != nil {
			return v, errTime
		}
	default:
		ms, err := toInt64(t)
		if err != nil {
			return v, err
		}
		v = time.UnixMilli(ms)
	}
	if v = v.UTC(); !inEra(v) {
		return time.Time{}, errTime
	}
	return v, nil
}

const maxNanosecond = 999_999_999

// timestamp reads the three forms of MessagePack's timestamp.
func timestamp(b []byte) (time.Time, bool) {
	var sec, nsec int64
	switch len(b) {
	case 4:
		sec = int64(binary.BigEndian.Uint32(b))
	case 8:
		v := binary.BigEndian.Uint64(b)
		sec, nsec = int64(v&(1<<34-1)), int64(v>>34)
	case 12:
		nsec, sec = int64(binary.BigEndian.Uint32(b)), int64(binary.BigEndian.Uint64(b[4:]))
	default:
		return time.Time{}, false
	}
	return time.Unix(sec, nsec), nsec <= maxNanosecond
}

const (
	dateSize    = len("2006-01-02")
	zoneSize    = len("+00:00")
	maxTimeText = 64
)

// parseTime reads RFC 3339 and the ISO form of .NET: the zone may be missing,
// which means UTC, and a blank may stand for the T.
func parseTime(b []byte) (time.Time, error) {
	var t time.Time
	if len(b) <= dateSize+zoneSize || len(b) > maxTimeText {
		return t, errTime
	}
	var room [maxTimeText + 1]byte
	text := append(room[:0], b...)
	if c := text[dateSize]; c == ' ' || c == 't' {
		text[dateSize] = 'T'
	}
	last := len(text) - 1
	switch sign := text[len(text)-zoneSize]; {
	case text[last] == 'z':
		text[last] = 'Z'
	case text[last] != 'Z' && sign != '+' && sign != '-':
		text = append(text, 'Z')
	}
	err := t.UnmarshalText(text)
	return t, err
}

// The years 1 to 9999 in seconds since 1970: what both encodings and a .NET
// DateTime can hold.
const (
	firstSecond = -62_135_596_800
	lastSecond  = 253_402_300_799
)

func inEra(t time.Time) bool { return firstSecond <= t.Unix() && t.Unix() <= lastSecond }

// maxDecimal bounds the text of a decimal: 29 digits, sign, point, exponent
// and some leading noughts.
const maxDecimal = 64

func toDecimal(t token) (Decimal, error) {
	var text string
	switch t.kind {
	case kindText, kindNumber:
		text = string(t.b)
	case kindInt:
		text = strconv.FormatInt(t.n, 10)
	case kindFloat:
		text = strconv.FormatFloat(t.f, 'f', -1, 64)
	default:
		return "", errKind
	}
	if !isDecimal(text) {
		return "", errDecimal
	}
	return Decimal(text), nil
}

// isDecimal accepts digits with an optional sign, point and exponent.
func isDecimal(s string) bool {
	if s == "" || len(s) > maxDecimal {
		return false
	}
	if s[0] == '-' || s[0] == '+' {
		s = s[1:]
	}
	whole, s := digits(s)
	fraction := 0
	if s != "" && s[0] == '.' {
		fraction, s = digits(s[1:])
	}
	if whole+fraction == 0 {
		return false
	}
	if s == "" {
		return true
	}
	if s[0] != 'e' && s[0] != 'E' {
		return false
	}
	if s = s[1:]; s != "" && (s[0] == '-' || s[0] == '+') {
		s = s[1:]
	}
	n, rest := digits(s)
	return n > 0 && rest == ""
}

// digits counts the leading digits of s and returns what follows them.
func digits(s string) (int, string) {
	n := 0
	for n < len(s) && '0' <= s[n] && s[n] <= '9' {
		n++
	}
	return n, s[n:]
}
