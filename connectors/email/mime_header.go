package email

import (
	"bytes"
	"strings"
)

// Limits of a header block; what is beyond them is passed over.
const (
	maxFields     = 2000
	maxField      = 64 << 10 // bytes of one field
	maxRootHeader = 512 << 10
	maxPartHeader = 64 << 10
)

// header is a block of fields, in the order they stand in.
type header []field

// field is one of them: its name in lower case, its value unfolded and otherwise as
// it stands: what it holds need not be UTF-8.
type field struct{ name, value string }

// get gives the first field of a name, without spaces around it.
func (h header) get(name string) string {
	for _, f := range h {
		if f.name == name {
			return strings.TrimSpace(f.value)
		}
	}
	return ""
}

// has reports whether there is a field of that name, be it empty.
func (h header) has(name string) bool {
	for _, f := range h {
		if f.name == name {
			return true
		}
	}
	return false
}

// all gives the values of every field of a name.
func (h header) all(name string) []string {
	var values []string
	for _, f := range h {
		if f.name == name {
			values = append(values, strings.TrimSpace(f.value))
		}
	}
	return values
}

// header reads a block of fields and the empty line behind it. A line that is no
// field ends it, too, and belongs to what follows: the empty line is missing.
// Nothing of it is an error.
func (s *scanner) header(limit int) (h header) {
	var value []byte
	first, size := true, 0
	name := ""
	end := func() {
		if name != "" {
			h = append(h, field{name, string(value)})
		}
		name, value = "", value[:0]
	}
	defer end()
	for {
		piece, starts := s.next()
		if piece == nil {
			return h
		}
		size += len(piece)
		text := bytes.TrimRight(piece, "\r\n")
		switch {
		case !starts: // of a line longer than the buffer
		case len(text) == 0:
			return h
		case text[0] == ' ' || text[0] == '\t':
			if len(bytes.TrimSpace(text)) == 0 && name == "" {
				return h // a line of spaces for an empty one
			}
		default:
			end()
			var ok bool
			if name, text, ok = cutField(text); !ok {
				if first && isEnvelope(piece) {
					continue // of a mailbox file
				}
				s.unread(piece)
				return h
			}
			if len(h) >= maxFields {
				name = ""
			}
		}
		first = false
		if room := min(maxField-len(value), limit-size); name != "" && room > 0 {
			value = append(value, text[:min(room, len(text))]...)
		}
	}
}

// cutField takes a line apart. ok is false for one that is no field.
func cutField(line []byte) (name string, value []byte, ok bool) {
	i := bytes.IndexByte(line, ':')
	if i <= 0 || i > 200 {
		return "", nil, false
	}
	key := bytes.TrimRight(line[:i], " \t")
	if len(key) == 0 {
		return "", nil, false
	}
	for _, c := range key {
		if c <= ' ' || c >= 0x7f {
			return "", nil, false
		}
	}
	return strings.ToLower(string(key)), line[i+1:], true
}

// isEnvelope: the line that a mailbox file, or who put one into a mail, begins by.
func isEnvelope(line []byte) bool {
	return bytes.HasPrefix(line, []byte("From ")) || bytes.HasPrefix(line, []byte(">From "))
}
