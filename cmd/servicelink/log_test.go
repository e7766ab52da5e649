package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"unicode"
)

// TestLogLines: nothing in a value or a message starts another line, steers a
// terminal or turns the order of what is read.
func TestLogLines(t *testing.T) {
	hostile := []string{
		"two\nlevel=ERROR msg=forged", "\r\n{\"level\":\"ERROR\"}", "\x1b[31mred\x1b[0m", "\x1b]0;title\x07", "\u009b31m", "\x7f\x08\x00",
		"\u202egnp.exe", "\u2066\u2069\u200f\u061c", "\u2028\u2029\u0085", "\xff\xfe", "\ufffd", "\ufeff\u200b", `" key=value "`, "\t=\\",
		strings.Repeat("long ", longestText),
	}
	for _, format := range []string{"text", "json"} {
		for _, value := range hostile {
			var out bytes.Buffer
			log := newLog(&out, format, slog.LevelDebug)
			log.Info("message "+value, "string", value, "error", errors.New(value), slog.Group("group", "inner", value)) //nolint:sloglint // the test of odd ones
			line, rest, _ := strings.Cut(out.String(), "\n")
			if rest != "" || len(line) > 8*longestText {
				t.Errorf("%s, %.40q: %d bytes, then %.80q", format, value, len(line), rest)
			}
			for _, r := range line {
				if !unicode.IsPrint(r) || r == unicode.ReplacementChar {
					t.Errorf("%s, %.40q: the line holds %U", format, value, r)
				}
			}
			if format == "json" && !json.Valid([]byte(line)) {
				t.Errorf("%.40q: no JSON: %.200s", value, line)
			}
			if strings.Contains(line, " level=ERROR") && !strings.Contains(line, `nlevel=ERROR`) {
				t.Errorf("%s, %.40q: a second level: %.200s", format, value, line)
			}
		}
	}
}

// TestLogKeepsWhatCanBeRead: letters of every kind stay as they are.
func TestLogKeepsWhatCanBeRead(t *testing.T) {
	for _, text := range []string{"plain", "příliš žluťoučký", "日本語", "عربى", "a\tb\nc", ""} {
		if got := plainText(text); got != text {
			t.Errorf("%q became %q", text, got)
		}
	}
	for in, want := range map[string]string{"a\u202eb": `a\u202eb`, "\x1b[1m": `\x1b[1m`, "\xff": `\xff`, "\u009b": `\u009b`} {
		if got := plainText(in); got != want {
			t.Errorf("%q became %q, want %q", in, got, want)
		}
	}
}
