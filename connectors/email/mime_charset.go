package email

import (
	"bytes"
	"encoding/base64"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/htmlindex"
	"golang.org/x/text/encoding/ianaindex"
	"golang.org/x/text/encoding/japanese"
	"golang.org/x/text/encoding/simplifiedchinese"
	"golang.org/x/text/encoding/unicode"
)

// toUTF8 makes text of bytes. declared is the charset that they say to be in, hint
// what else is known of the mail; both may be wrong, or empty. What cannot be read
// becomes U+FFFD.
func toUTF8(raw []byte, declared, hint string) string {
	declared = charsetName(declared)
	switch {
	case len(raw) == 0:
		return ""
	case declared == "utf-7":
		return decodeUTF7(raw)
	case bytes.HasPrefix(raw, []byte{0xFE, 0xFF}), bytes.HasPrefix(raw, []byte{0xFF, 0xFE}):
		return decodeWith(unicode.UTF16(unicode.LittleEndian, unicode.UseBOM), raw)
	}
	raw = bytes.TrimPrefix(raw, []byte("\xEF\xBB\xBF"))
	enc := lookupCharset(declared)
	ascii := isASCII(raw)
	switch {
	case ascii && enc == nil && isJapanese(raw):
		return decodeWith(japanese.ISO2022JP, raw) // its bytes are below 0x80
	case ascii && (enc == nil || !shifts(declared)):
		return string(raw)
	case enc == nil || isWestern(declared):
		// What is well-formed UTF-8 beyond ASCII is hardly ever anything else.
		if looksUTF8(raw) {
			return strings.ToValidUTF8(string(raw), "\uFFFD")
		}
		if enc == nil {
			enc = lookupCharset(charsetName(hint))
		}
		if enc == nil || !isWestern(declared) && shifts(charsetName(hint)) {
			enc = charmap.Windows1252
		}
	}
	return decodeWith(enc, raw)
}

func decodeWith(enc encoding.Encoding, raw []byte) string {
	out, err := enc.NewDecoder().Bytes(raw)
	if err != nil {
		return strings.ToValidUTF8(string(raw), "\uFFFD")
	}
	return string(out)
}

// charsetName brings a name into the form in which the tables know it.
func charsetName(name string) string {
	name = strings.ToLower(strings.Trim(name, " \t\r\n\"'<>"))
	switch name {
	case "unicode-1-1-utf-7", "utf7", "x-unicode-2-0-utf-7":
		return "utf-7"
	case "gb2312", "gbk", "gb_2312-80", "x-gbk", "cp936", "euc-cn":
		return "gb18030" // holds them all
	case "cp932", "ms932", "x-ms-cp932":
		return "shift_jis"
	case "ansi_x3.4-1968", "ascii", "us-ascii", "646", "iso646-us", "7bit", "8bit", "unknown-8bit", "x-unknown",
		"unknown", "default", "default_charset", "none", "utf-8", "utf8", "unicode-1-1-utf-8", "binary":
		return "" // looked at: ASCII and UTF-8 are seen by themselves
	}
	if rest, ok := strings.CutPrefix(name, "cp-"); ok {
		return "cp" + rest
	}
	return name
}

// lookupCharset is nil for what is not known.
func lookupCharset(name string) encoding.Encoding {
	if name == "" || len(name) > 40 {
		return nil
	}
	if name == "hz-gb-2312" {
		return simplifiedchinese.HZGB2312
	}
	if enc, err := htmlindex.Get(name); err == nil && enc != encoding.Replacement {
		return enc
	}
	for _, index := range []*ianaindex.Index{ianaindex.MIME, ianaindex.IANA} {
		// The index knows names that it has no table for.
		if enc, err := index.Encoding(name); err == nil && enc != nil && enc != encoding.Replacement {
			return enc
		}
	}
	return nil
}

// shifts: charsets that write other characters with bytes below 0x80.
func shifts(name string) bool {
	return strings.HasPrefix(name, "iso-2022") || strings.HasPrefix(name, "utf-16") ||
		name == "csiso2022jp" || name == "hz-gb-2312" || name == "utf-7"
}

// isWestern: names that mailers write without knowing what they send.
func isWestern(name string) bool {
	return name == "" || name == "iso-8859-1" || name == "latin1" || name == "windows-1252" || name == "iso-8859-15"
}

func isASCII(raw []byte) bool {
	for _, c := range raw {
		if c >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

func isJapanese(raw []byte) bool {
	return bytes.Contains(raw, []byte("\x1b$B")) || bytes.Contains(raw, []byte("\x1b$@"))
}

// looksUTF8 reports whether raw is UTF-8, with a broken place here and there (a cut,
// a footer in another charset). In other charsets hardly anything is well-formed.
func looksUTF8(raw []byte) bool {
	good, bad := 0, 0
	for len(raw) > 0 {
		r, size := utf8.DecodeRune(raw)
		switch {
		case r == utf8.RuneError && size == 1:
			bad++
		case size > 1:
			good++
		}
		raw = raw[size:]
	}
	return good > 0 && bad*2 <= good
}

// decodeUTF7 reads RFC 2152, which no library at hand does.
func decodeUTF7(raw []byte) string {
	var b strings.Builder
	for len(raw) > 0 {
		i := bytes.IndexByte(raw, '+')
		if i < 0 {
			b.Write(raw)
			break
		}
		b.Write(raw[:i])
		raw = raw[i+1:]
		end := 0
		for end < len(raw) && base64Values[raw[end]] >= 0 && raw[end] != '-' && raw[end] != '_' {
			end++
		}
		if end == 0 {
			b.WriteByte('+')
		} else {
			units := make([]byte, base64.RawStdEncoding.DecodedLen(end))
			n, _ := base64.RawStdEncoding.Decode(units, raw[:end]) // as far as it goes
			b.WriteString(decodeWith(unicode.UTF16(unicode.BigEndian, unicode.IgnoreBOM), units[:n&^1]))
		}
		raw = bytes.TrimPrefix(raw[end:], []byte("-"))
	}
	return strings.ToValidUTF8(b.String(), "\uFFFD")
}
