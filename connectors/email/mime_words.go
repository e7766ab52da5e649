package email

import (
	"io"
	"strings"
	"unicode"
)

// decodeHeader makes text for people of a field's value: encoded words (RFC 2047)
// and raw bytes beyond ASCII. It reads what mailers write beside the standard: words
// in quotes, without spaces between them, with spaces in them, and characters that
// are split between two words. hint is a charset for raw bytes; may be empty.
func decodeHeader(value, hint string) string {
	if !strings.Contains(value, "=?") {
		return oneLine(toUTF8([]byte(value), "", hint))
	}
	var b strings.Builder
	var bytesOf []byte // of words of one charset that follow each other
	charset := ""
	flush := func() {
		b.WriteString(toUTF8(bytesOf, charset, hint))
		bytesOf = bytesOf[:0]
	}
	for value != "" {
		start, word, ok := nextWord(value)
		between := value[:start]
		if !ok {
			between, value = value, ""
		} else {
			value = value[start+word.length:]
		}
		// Spaces between two words are not text.
		if len(bytesOf) == 0 || !ok || strings.TrimSpace(between) != "" {
			flush()
			b.WriteString(toUTF8([]byte(between), "", hint))
		}
		if !ok {
			break
		}
		if word.charset != charset {
			flush()
			charset = word.charset
		}
		bytesOf = append(bytesOf, word.bytes...)
	}
	flush()
	return oneLine(b.String())
}

// encodedWord is one of RFC 2047: "=?charset?Q?text?=".
type encodedWord struct {
	charset string
	bytes   []byte
	length  int // of the word as it stands
}

// nextWord finds the next encoded word and where it starts.
func nextWord(s string) (start int, word encodedWord, ok bool) {
	for {
		i := strings.Index(s[start:], "=?")
		if i < 0 {
			return len(s), encodedWord{}, false
		}
		start += i
		if word, ok = cutWord(s[start:]); ok {
			return start, word, true
		}
		start += 2
	}
}

// wordCharset is the charset of an encoded word of the header: a program that names
// one there and none for the text mostly writes both in it.
func wordCharset(h header) string {
	for _, name := range []string{"subject", "from", "to"} {
		if _, word, ok := nextWord(h.get(name)); ok && lookupCharset(word.charset) != nil {
			return word.charset
		}
	}
	return ""
}

// maxCharsetName bounds how far an encoded word is looked for.
const maxCharsetName = 60

// cutWord reads the encoded word that s begins with.
func cutWord(s string) (encodedWord, bool) {
	rest := s[2:]
	i := strings.IndexByte(rest[:min(len(rest), maxCharsetName)], '?')
	if i <= 0 || i+2 >= len(rest) || rest[i+2] != '?' {
		return encodedWord{}, false
	}
	charset, how := rest[:i], rest[i+1]
	charset, _, _ = strings.Cut(charset, "*") // RFC 2231: a language
	text := rest[i+3:]
	end := strings.Index(text, "?=")
	if end < 0 {
		return encodedWord{}, false
	}
	// "=?utf-8?Q?=?=": the first "?=" may be the text's "=" behind the mark.
	if how|0x20 == 'q' && end == 0 && strings.HasPrefix(text[1:], "?=") {
		end = 1
	}
	word := encodedWord{charset: charsetName(charset), length: len(s) - len(text) + end + 2}
	switch text = text[:end]; how {
	case 'b', 'B':
		word.bytes = readAll(&base64Reader{in: strings.NewReader(text)})
	case 'q', 'Q':
		word.bytes = unquote(nil, []byte(strings.ReplaceAll(text, "_", "=20")))
	default:
		return encodedWord{}, false
	}
	return word, true
}

// readAll reads what cannot fail.
func readAll(r io.Reader) []byte {
	all, _ := io.ReadAll(r)
	return all
}

// oneLine is s without line breaks and what is not seen: control characters, and
// those that turn the direction of text so that a name reads as another one.
func oneLine(s string) string {
	s = strings.Map(func(r rune) rune {
		switch {
		case r == '\r' || r == '\n' || r == '\t':
			return ' '
		case unicode.IsControl(r), r >= 0x202A && r <= 0x202E, r >= 0x2066 && r <= 0x2069, r == 0xFEFF:
			return -1
		}
		return r
	}, s)
	return strings.TrimSpace(s)
}
