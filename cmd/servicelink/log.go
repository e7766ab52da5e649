package main

import (
	"io"
	"log/slog"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// longestText bounds one value of a log line, in bytes. Stacks are the longest
// of our own; what the core sends may be as long as a frame.
const longestText = 16 << 10

// newLog makes the log. Whatever is in a value, an entry stays one line of
// printable characters.
func newLog(w io.Writer, format string, level slog.Leveler) *slog.Logger {
	options := &slog.HandlerOptions{Level: level, ReplaceAttr: plainAttr}
	if format == "json" {
		return slog.New(slog.NewJSONHandler(w, options))
	}
	return slog.New(slog.NewTextHandler(w, options))
}

// plainAttr is slog's ReplaceAttr hook. JSON leaves what turns the order of text
// around and what steers terminals as it is.
func plainAttr(_ []string, a slog.Attr) slog.Attr {
	switch a.Value.Kind() {
	case slog.KindString:
		a.Value = slog.StringValue(plainText(a.Value.String()))
	case slog.KindAny:
		if err, ok := a.Value.Any().(error); ok && err != nil {
			a.Value = slog.StringValue(plainText(err.Error()))
		}
	}
	return a
}

// plainText escapes what is not printable as Go does; line ends and tabs are
// left to the handlers, which do.
func plainText(s string) string {
	if len(s) > longestText {
		s = strings.ToValidUTF8(s[:longestText], "") + "..."
	}
	if strings.IndexFunc(s, unprintable) < 0 {
		return s
	}
	var b strings.Builder
	for i, r := range s {
		switch {
		case !unprintable(r):
			b.WriteRune(r)
		case r == utf8.RuneError:
			_, width := utf8.DecodeRuneInString(s[i:])
			b.WriteString(trimQuotes(strconv.QuoteToASCII(s[i : i+width])))
		default:
			b.WriteString(trimQuotes(strconv.QuoteRuneToASCII(r)))
		}
	}
	return b.String()
}

func unprintable(r rune) bool {
	return r == utf8.RuneError || !unicode.IsPrint(r) && r != '\n' && r != '\t' && r != '\r'
}

func trimQuotes(s string) string { return s[1 : len(s)-1] }
