package email

import (
	"slices"
	"strconv"
	"strings"
)

const maxParams = 200

// mediaType is a Content-Type or Content-Disposition, as far as it can be read.
type mediaType struct {
	name   string // lower case: "text/plain", "attachment"
	params map[string]string
}

// parseMediaType reads what mailers write; a strict parser refuses a tenth of that.
// Parameters in pieces and with a charset (RFC 2231) are put together.
func parseMediaType(value string) mediaType {
	parts := splitOutside(stripComments(value), ';')
	name, rest, _ := strings.Cut(strings.TrimSpace(parts[0]), " ")
	t := mediaType{name: strings.ToLower(name), params: map[string]string{}}
	pieces := map[string][]paramPiece{}
	if strings.Contains(rest, "=") { // "text/plain charset=utf-8"
		parts = append(parts, rest)
	}
	for _, part := range parts[1:min(len(parts), maxParams)] {
		key, value, ok := strings.Cut(part, "=")
		key = strings.ToLower(strings.TrimSpace(key))
		if !ok || key == "" {
			continue
		}
		value = unquoted(strings.TrimSpace(value))
		base, piece, isPiece := cutPiece(key, value)
		if isPiece {
			pieces[base] = append(pieces[base], piece)
		} else if _, twice := t.params[key]; !twice {
			t.params[key] = value
		}
	}
	for base, all := range pieces {
		t.params[base] = joinPieces(all)
	}
	return t
}

// paramPiece is "name*1*=value".
type paramPiece struct {
	number  int
	encoded bool // percent-encoded; the first one begins with charset'language'
	value   string
}

func cutPiece(key, value string) (base string, piece paramPiece, ok bool) {
	base, rest, ok := strings.Cut(key, "*")
	if !ok {
		return key, piece, false
	}
	number, encoded := strings.CutSuffix(rest, "*")
	if rest == "" {
		number, encoded = "", true // name*=value
	}
	piece = paramPiece{encoded: encoded, value: value}
	if number != "" {
		n, err := strconv.Atoi(number)
		if err != nil || n < 0 {
			return key, piece, false
		}
		piece.number = n
	}
	return base, piece, true
}

func joinPieces(all []paramPiece) string {
	slices.SortStableFunc(all, func(a, b paramPiece) int { return a.number - b.number })
	charset := ""
	var raw []byte
	for i, piece := range all {
		if !piece.encoded {
			raw = append(raw, piece.value...)
			continue
		}
		value := piece.value
		if i == 0 {
			if parts := strings.SplitN(value, "'", 3); len(parts) == 3 {
				charset, value = parts[0], parts[2]
			}
		}
		raw = append(raw, percentDecoded(value)...)
	}
	return toUTF8(raw, charset, "")
}

func percentDecoded(s string) []byte {
	out := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] == '%' && i+2 < len(s) {
			if high, low := hexValue(s[i+1]), hexValue(s[i+2]); high >= 0 && low >= 0 {
				out = append(out, byte(high<<4|low)) //nolint:gosec // both are below 16
				i += 2
				continue
			}
		}
		out = append(out, s[i])
	}
	return out
}

// unquoted is a value without its quotes. A backslash stays before anything but
// what it must protect: names of files have been seen with whole paths.
func unquoted(s string) string {
	if len(s) == 0 || s[0] != '"' {
		return s
	}
	s = strings.TrimSuffix(s[1:], `"`)
	return strings.NewReplacer(`\"`, `"`, `\\`, `\`).Replace(s)
}

// splitOutside splits s at a separator outside of quotes.
func splitOutside(s string, separator byte) []string {
	var parts []string
	quoted, start := false, 0
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '\\' && quoted:
			i++
		case c == '"':
			quoted = !quoted
		case c == separator && !quoted:
			parts = append(parts, s[start:i])
			start = i + 1
		}
	}
	return append(parts, s[start:])
}

// stripComments takes out "(comments)", which may lie in each other, outside of
// quotes. One that never ends is text.
func stripComments(s string) string {
	if !strings.Contains(s, "(") {
		return s
	}
	var b strings.Builder
	quoted, depth, opened := false, 0, 0
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case c == '\\' && i+1 < len(s):
			if depth == 0 {
				b.WriteByte(c)
				b.WriteByte(s[i+1])
			}
			i++
			continue
		case c == '"' && depth == 0:
			quoted = !quoted
		case c == '(' && !quoted:
			if depth == 0 {
				opened = i
			}
			depth++
			continue
		case c == ')' && depth > 0:
			if depth--; depth == 0 {
				b.WriteByte(' ')
			}
			continue
		}
		if depth == 0 {
			b.WriteByte(c)
		}
	}
	if depth > 0 {
		b.WriteString(s[opened:])
	}
	return b.String()
}
