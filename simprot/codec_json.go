package simprot

import (
	"strconv"
	"time"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/google/uuid"
)

// jsonFormat writes values as JSON text without white space.
type jsonFormat struct{ out *output }

func (f *jsonFormat) openMap() int {
	f.out.b = append(f.out.b, '{')
	return 0
}

func (f *jsonFormat) closeMap(int, int) { f.out.b = append(f.out.b, '}') }

// key writes a member's name, which needs no escapes.
func (f *jsonFormat) key(name string, position int) {
	f.item(position)
	f.out.b = append(append(append(f.out.b, '"'), name...), '"', ':')
}

func (f *jsonFormat) openList(int) { f.out.b = append(f.out.b, '[') }
func (f *jsonFormat) closeList()   { f.out.b = append(f.out.b, ']') }

func (f *jsonFormat) item(position int) {
	if position > 0 {
		f.out.b = append(f.out.b, ',')
	}
}

func (f *jsonFormat) integer(n int64) { f.out.b = strconv.AppendInt(f.out.b, n, 10) }
func (f *jsonFormat) truth(v bool)    { f.out.b = strconv.AppendBool(f.out.b, v) }

// tick is the step of a .NET DateTime, and so the seventh fractional digit.
const tick = 100 * time.Nanosecond

func (f *jsonFormat) moment(t time.Time) {
	b := append(f.out.b, '"')
	b = t.Truncate(tick).AppendFormat(b, time.RFC3339Nano)
	f.out.b = append(b, '"')
}

func (f *jsonFormat) guid(u uuid.UUID) {
	f.out.b = append(appendGUID(append(f.out.b, '"'), u), '"')
}

// text writes a string with the escapes JSON asks for and no others.
func (f *jsonFormat) text(s string) {
	b := append(f.out.b, '"')
	start := 0
	for i := range len(s) {
		c := s[i]
		if c >= ' ' && c != '"' && c != '\\' {
			continue
		}
		b = append(b, s[start:i]...)
		start = i + 1
		switch c {
		case '"', '\\':
			b = append(b, '\\', c)
		case '\n':
			b = append(b, '\\', 'n')
		case '\r':
			b = append(b, '\\', 'r')
		case '\t':
			b = append(b, '\\', 't')
		default:
			b = append(b, '\\', 'u', '0', '0', lowerHex[c>>4], lowerHex[c&15])
		}
	}
	f.out.b = append(append(b, s[start:]...), '"')
}

// jsonSource reads values from JSON text (RFC 8259). It never recurses deeper
// than MaxDepth and keeps integers exact.
type jsonSource struct {
	b       []byte
	pos     int
	open    int
	began   [MaxDepth]bool // for every open list or object: something was read
	scratch []byte         // an unescaped string
}

func (s *jsonSource) reset(text []byte) {
	s.b, s.pos, s.open = text, 0, 0
	if cap(s.scratch) > readBuffer {
		s.scratch = nil
	}
}

// peek passes over white space and returns the byte that follows, 0 at the
// end.
func (s *jsonSource) peek() byte {
	for ; s.pos < len(s.b); s.pos++ {
		switch c := s.b[s.pos]; c {
		case ' ', '\t', '\r', '\n':
		default:
			return c
		}
	}
	return 0
}

// end reports an error unless nothing but white space is left.
func (s *jsonSource) end() error {
	s.peek()
	if s.pos < len(s.b) {
		return errJSON
	}
	return nil
}

func (s *jsonSource) next() (token, error) {
	switch c := s.peek(); c {
	case '"':
		b, err := s.str()
		return token{kind: kindText, b: b}, err
	case '{':
		return token{kind: kindMap}, s.enter()
	case '[':
		return token{kind: kindList}, s.enter()
	case 't':
		return token{kind: kindBool, n: 1}, s.word("true")
	case 'f':
		return token{kind: kindBool}, s.word("false")
	case 'n':
		return token{kind: kindNull}, s.word("null")
	default:
		return s.number()
	}
}

func (s *jsonSource) enter() error {
	if s.open == len(s.began) {
		return errDepth
	}
	s.pos++
	s.began[s.open] = false
	s.open++
	return nil
}

func (s *jsonSource) word(w string) error {
	if len(s.b)-s.pos < len(w) || string(s.b[s.pos:s.pos+len(w)]) != w {
		return errJSON
	}
	s.pos += len(w)
	return nil
}

// number reads a number by JSON's grammar: no leading noughts, no plus sign,
// digits on both sides of the point.
func (s *jsonSource) number() (token, error) {
	start := s.pos
	if s.at('-') {
		s.pos++
	}
	first := s.pos
	whole := s.digits()
	if whole == 0 || whole > 1 && s.b[first] == '0' {
		return token{}, errJSON
	}
	plain := true
	if s.at('.') {
		s.pos++
		plain = false
		if s.digits() == 0 {
			return token{}, errJSON
		}
	}
	if s.at('e') || s.at('E') {
		s.pos++
		plain = false
		if s.at('+') || s.at('-') {
			s.pos++
		}
		if s.digits() == 0 {
			return token{}, errJSON
		}
	}
	text := s.b[start:s.pos]
	if plain {
		if n, err := strconv.ParseInt(string(text), 10, 64); err == nil {
			return token{kind: kindInt, n: n}, nil
		}
	}
	return token{kind: kindNumber, b: text}, nil
}

func (s *jsonSource) at(c byte) bool { return s.pos < len(s.b) && s.b[s.pos] == c }

func (s *jsonSource) digits() int {
	start := s.pos
	for s.pos < len(s.b) && '0' <= s.b[s.pos] && s.b[s.pos] <= '9' {
		s.pos++
	}
	return s.pos - start
}

// str reads a string. Without escapes it is a part of the text itself.
func (s *jsonSource) str() ([]byte, error) {
	s.pos++
	start := s.pos
	for ; s.pos < len(s.b); s.pos++ {
		switch c := s.b[s.pos]; {
		case c == '"':
			s.pos++
			return s.b[start : s.pos-1], nil
		case c == '\\':
			return s.unescape(start)
		case c < ' ':
			return nil, errJSON
		}
	}
	return nil, errJSON
}

// unescape reads a string from start on, whose first escape is at pos.
func (s *jsonSource) unescape(start int) ([]byte, error) {
	out := append(s.scratch[:0], s.b[start:s.pos]...)
	for s.pos < len(s.b) {
		c := s.b[s.pos]
		s.pos++
		switch {
		case c == '"':
			s.scratch = out
			return out, nil
		case c < ' ':
			return nil, errJSON
		case c != '\\':
			out = append(out, c)
		case s.at('u'):
			r, ok := s.unicode()
			if !ok {
				return nil, errJSON
			}
			out = utf8.AppendRune(out, r)
		default:
			short, ok := s.shortEscape()
			if !ok {
				return nil, errJSON
			}
			out = append(out, short)
		}
	}
	return nil, errJSON
}

func (s *jsonSource) shortEscape() (byte, bool) {
	if s.pos == len(s.b) {
		return 0, false
	}
	c := s.b[s.pos]
	s.pos++
	switch c {
	case '"', '\\', '/':
		return c, true
	case 'b':
		return '\b', true
	case 'f':
		return '\f', true
	case 'n':
		return '\n', true
	case 'r':
		return '\r', true
	case 't':
		return '\t', true
	}
	return 0, false
}

// unicode reads uXXXX, and the second half of a surrogate pair with it. A half
// alone becomes U+FFFD.
func (s *jsonSource) unicode() (rune, bool) {
	r, ok := s.hex4()
	if !ok || !utf16.IsSurrogate(r) {
		return r, ok
	}
	back := s.pos
	if s.at('\\') {
		s.pos++
		if s.at('u') {
			low, ok := s.hex4()
			if !ok {
				return 0, false
			}
			if pair := utf16.DecodeRune(r, low); pair != utf8.RuneError {
				return pair, true
			}
		}
	}
	s.pos = back
	return utf8.RuneError, true
}

// hex4 reads the u and the four digits after it.
func (s *jsonSource) hex4() (rune, bool) {
	if len(s.b)-s.pos < 5 {
		return 0, false
	}
	n, err := strconv.ParseUint(string(s.b[s.pos+1:s.pos+5]), 16, 32)
	s.pos += 5
	return rune(n), err == nil
}

func (s *jsonSource) nextKey() ([]byte, bool, error) {
	more, err := s.step('}')
	if err != nil || !more {
		return nil, false, err
	}
	if s.peek() != '"' {
		return nil, false, errJSON
	}
	key, err := s.str()
	if err != nil {
		return nil, false, err
	}
	if s.peek() != ':' {
		return nil, false, errJSON
	}
	s.pos++
	return key, true, nil
}

func (s *jsonSource) nextItem() (bool, error) { return s.step(']') }

// step goes to the next value of the open list or object, or over its end.
func (s *jsonSource) step(end byte) (bool, error) {
	began := &s.began[s.open-1]
	switch c := s.peek(); {
	case c == end:
		s.pos++
		s.open--
		return false, nil
	case !*began:
		*began = true
		return true, nil
	case c == ',':
		s.pos++
		return true, nil
	}
	return false, errJSON
}

// skip passes over one value. It checks the grammar like any other reading,
// and enter bounds its recursion.
func (s *jsonSource) skip() error {
	t, err := s.next()
	if err != nil {
		return err
	}
	for t.kind == kindMap || t.kind == kindList {
		var more bool
		if t.kind == kindMap {
			_, more, err = s.nextKey()
		} else {
			more, err = s.nextItem()
		}
		if err != nil || !more {
			return err
		}
		if err := s.skip(); err != nil {
			return err
		}
	}
	return nil
}
