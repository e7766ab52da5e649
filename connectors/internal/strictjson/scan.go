package strictjson

import (
	"bytes"
	"unicode/utf16"
	"unicode/utf8"
)

// scanner walks over a document once and notes its values.
type scanner struct {
	doc  *document
	data []byte
	at   int
}

func (s *scanner) space() {
	for s.at < len(s.data) {
		switch s.data[s.at] {
		case ' ', '\t', '\n', '\r':
			s.at++
		default:
			return
		}
	}
}

// peek returns the next byte, 0 at the end: NUL begins nothing in JSON.
func (s *scanner) peek() byte {
	if s.at < len(s.data) {
		return s.data[s.at]
	}
	return 0
}

// take steps over c and the space behind it if c is next.
func (s *scanner) take(c byte) bool {
	if s.peek() != c {
		return false
	}
	s.at++
	s.space()
	return true
}

// open notes a value that begins here and returns its node's index.
func (s *scanner) open(kind Kind) (int, error) {
	if len(s.doc.nodes) >= MaxValues {
		return 0, ErrLimit
	}
	s.doc.nodes = append(s.doc.nodes, node{start: int32(s.at), kind: kind}) //nolint:gosec // bodies are far below 2 GiB
	return len(s.doc.nodes) - 1, nil
}

func (s *scanner) close(i int) {
	n := &s.doc.nodes[i]
	n.end, n.next = int32(s.at), int32(len(s.doc.nodes)) //nolint:gosec // bounded, as in open
}

// value reads one value; depth is how many containers it stands in.
func (s *scanner) value(depth int) error {
	s.space()
	switch c := s.peek(); {
	case c == '{':
		return s.container(Object, depth)
	case c == '[':
		return s.container(Array, depth)
	case c == '"':
		return s.text()
	case c == '-' || c >= '0' && c <= '9':
		return s.number()
	case c == 't':
		return s.literal("true", Bool)
	case c == 'f':
		return s.literal("false", Bool)
	case c == 'n':
		return s.literal("null", Null)
	default:
		return ErrSyntax
	}
}

func (s *scanner) container(kind Kind, depth int) error {
	if depth >= MaxDepth {
		return ErrLimit
	}
	i, err := s.open(kind)
	if err != nil {
		return err
	}
	s.at++
	s.space()
	closing := byte(']')
	if kind == Object {
		closing = '}'
	}
	for n := 0; ; n++ {
		if n == 0 && s.peek() == closing {
			break
		}
		if kind == Object {
			if err := s.name(i, n); err != nil {
				return err
			}
		}
		if err := s.value(depth + 1); err != nil {
			return err
		}
		s.space()
		if s.peek() == closing {
			break
		}
		if !s.take(',') {
			return ErrSyntax
		}
	}
	s.at++
	s.close(i)
	return nil
}

// name reads the n-th name of the object at node i, and the colon behind it.
func (s *scanner) name(i, n int) error {
	if n >= MaxNames {
		return ErrLimit
	}
	if s.peek() != '"' {
		return ErrSyntax
	}
	me := len(s.doc.nodes)
	if err := s.text(); err != nil {
		return err
	}
	if s.again(i+1, me) {
		return ErrTwice
	}
	s.space()
	if !s.take(':') {
		return ErrSyntax
	}
	return nil
}

// again reports whether the name at node me stands among the names from first on.
func (s *scanner) again(first, me int) bool {
	nodes := s.doc.nodes
	mine := s.doc.body[nodes[me].start:nodes[me].end]
	if nodes[me].escaped {
		mine = unescape(mine)
	}
	for i := first; i < me; i = int(nodes[i+1].next) {
		n := nodes[i]
		theirs := s.doc.body[n.start:n.end]
		if n.escaped {
			theirs = unescape(theirs)
		}
		if bytes.Equal(mine, theirs) {
			return true
		}
	}
	return false
}

func (s *scanner) literal(word string, kind Kind) error {
	i, err := s.open(kind)
	if err != nil {
		return err
	}
	if !bytes.HasPrefix(s.data[s.at:], []byte(word)) {
		return ErrSyntax
	}
	s.at += len(word)
	s.close(i)
	return nil
}

func (s *scanner) number() error {
	i, err := s.open(Number)
	if err != nil {
		return err
	}
	if s.peek() == '-' {
		s.at++
	}
	if s.peek() == '0' {
		s.at++ // and nothing more: 01 is not a number
	} else if !s.digits() {
		return ErrSyntax
	}
	if s.peek() == '.' {
		s.at++
		if !s.digits() {
			return ErrSyntax
		}
	}
	if c := s.peek(); c == 'e' || c == 'E' {
		s.at++
		if c := s.peek(); c == '+' || c == '-' {
			s.at++
		}
		if !s.digits() {
			return ErrSyntax
		}
	}
	s.close(i)
	return nil
}

// digits steps over digits and reports whether there was one.
func (s *scanner) digits() bool {
	from := s.at
	for c := s.peek(); c >= '0' && c <= '9'; c = s.peek() {
		s.at++
	}
	return s.at > from
}

// text reads a string. Its node spans what is between the quotes.
func (s *scanner) text() error {
	s.at++
	i, err := s.open(String)
	if err != nil {
		return err
	}
	ascii, escaped := true, false
	for {
		// The hot loop of the package: most bytes are plain ASCII.
		at, data := s.at, s.data
		for at < len(data) && ordinary[data[at]] {
			at++
		}
		s.at = at
		switch c := s.peek(); {
		case c == '"':
			s.close(i)
			s.doc.nodes[i].escaped = escaped
			if !ascii && !utf8.Valid(data[s.doc.nodes[i].start:at]) {
				return ErrSyntax
			}
			s.at++
			return nil
		case c == '\\':
			escaped = true
			if !s.escape() {
				return ErrSyntax
			}
		case c >= utf8.RuneSelf:
			ascii = false
			s.at++
		default: // a control character, or the end
			return ErrSyntax
		}
	}
}

// ordinary are the bytes that stand in a string for themselves and are ASCII.
var ordinary = func() (table [256]bool) {
	for c := ' '; c < utf8.RuneSelf; c++ {
		table[c] = c != '"' && c != '\\'
	}
	return table
}()

func (s *scanner) escape() bool {
	s.at++
	switch s.peek() {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		s.at++
		return true
	case 'u':
		if s.at+5 > len(s.data) {
			return false
		}
		if _, ok := hex4(s.data[s.at+1:]); !ok {
			return false
		}
		s.at += 5
		return true
	default:
		return false
	}
}

func hex4(b []byte) (rune, bool) {
	if len(b) < 4 {
		return 0, false
	}
	var r rune
	for _, c := range b[:4] {
		switch {
		case c >= '0' && c <= '9':
			c -= '0'
		case c >= 'a' && c <= 'f':
			c -= 'a' - 10
		case c >= 'A' && c <= 'F':
			c -= 'A' - 10
		default:
			return 0, false
		}
		r = r<<4 | rune(c)
	}
	return r, true
}

var simpleEscapes = map[byte]byte{'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t'}

// unescape reads a string the scanner has accepted.
func unescape(raw []byte) []byte {
	out := make([]byte, 0, len(raw))
	for i := 0; i < len(raw); {
		if raw[i] != '\\' {
			out = append(out, raw[i])
			i++
			continue
		}
		c := raw[i+1]
		if c != 'u' {
			if plain, ok := simpleEscapes[c]; ok {
				c = plain
			}
			out = append(out, c)
			i += 2
			continue
		}
		r, _ := hex4(raw[i+2:])
		i += 6
		if utf16.IsSurrogate(r) {
			var low rune
			if i+6 <= len(raw) && raw[i] == '\\' && raw[i+1] == 'u' {
				low, _ = hex4(raw[i+2:])
			}
			if r = utf16.DecodeRune(r, low); r != utf8.RuneError {
				i += 6
			}
		}
		out = utf8.AppendRune(out, r)
	}
	return out
}
