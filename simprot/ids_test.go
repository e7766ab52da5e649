package simprot

import (
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"
)

func TestShortenID(t *testing.T) {
	for _, test := range []struct {
		name, id string
		limit    int
		want     string
	}{
		{"short", "telegram:1", MaxID, "telegram:1"},
		{"empty", "", MaxID, ""},
		{"at the limit", strings.Repeat("x", 64), 64, strings.Repeat("x", 64)},
		{"characters, not bytes", strings.Repeat("č", 64), 64, strings.Repeat("č", 64)},
		{"never below 128 bits", "hello", 4, "h:2cf24dba5fb0a30e26e83b2ac5b9e29e"},
		{"whole hash", strings.Repeat("x", 200), 80, "h:aa20c23e3201834050679e1d88941b9a6fed0557c9a705cb2c315e2e63fd486d"},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := ShortenID(test.id, test.limit)
			if got != test.want {
				t.Errorf("%q, want %q", got, test.want)
			}
		})
	}
}

var shortened = regexp.MustCompile(`^h:[0-9a-f]{32,64}$`)

func TestShortenedIDsFit(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		id := rapid.StringN(0, 300, -1).Draw(t, "id")
		limit := rapid.IntRange(34, 320).Draw(t, "limit")
		got := ShortenID(id, limit)
		if utf8.RuneCountInString(got) > limit {
			t.Fatalf("%q is longer than %d", got, limit)
		}
		if got != id && !shortened.MatchString(got) {
			t.Fatalf("%q became %q", id, got)
		}
		if got != ShortenID(got, limit) {
			t.Fatal("shortening twice is not shortening once")
		}
	})
}

func TestTruncate(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.String().Draw(t, "s")
		limit := rapid.IntRange(0, 40).Draw(t, "limit")
		got := Truncate(s, limit)
		want := string([]rune(s)[:min(limit, utf8.RuneCountInString(s))])
		if got != want {
			t.Fatalf("%q, want %q", got, want)
		}
	})
}

func TestEscapeID(t *testing.T) {
	for text, want := range map[string]string{
		"whatsapp:ID.7":        "whatsapp:_49_44.7",
		"telegram:123456789":   "telegram:123456789",
		"1|omnichannel":        "1|omnichannel",
		"jana@example.com":     "jana@example.com",
		"sms:+420777000111":    "sms:+420777000111",
		"a_b":                  "a_5fb",
		"č /":                  "_c4_8d_20_2f",
		"\xff\x00":             "_ff_00",
		"":                     "",
		"facebook:page-1|psid": "facebook:page-1|psid",
	} {
		if got := EscapeID(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

var trackingAlphabet = regexp.MustCompile(`^[0-9a-z:_.|+@-]*$`)

func TestEscapedIDsComeBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := string(rapid.SliceOf(rapid.Byte()).Draw(t, "text"))
		escaped := EscapeID(text)
		if !trackingAlphabet.MatchString(escaped) {
			t.Fatalf("%q leaves the alphabet", escaped)
		}
		if back, ok := UnescapeID(escaped); !ok || back != text {
			t.Fatalf("%q came back as %q, %v", text, back, ok)
		}
	})
}

// TestUnescapeIsTheInverse: whatever it accepts, EscapeID writes.
func TestUnescapeIsTheInverse(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		escaped := rapid.StringMatching(`[0-9a-c:_A]{0,12}`).Draw(t, "escaped")
		if text, ok := UnescapeID(escaped); ok && EscapeID(text) != escaped {
			t.Fatalf("%q gives %q, which is written %q", escaped, text, EscapeID(text))
		}
	})
}

func TestUnescapeIDRefuses(t *testing.T) {
	for _, text := range []string{"_", "_4", "a_4", "_4g", "_G4", "_4A", "_61", "A", "a b", "č", "_30"} {
		if got, ok := UnescapeID(text); ok {
			t.Errorf("%q is read as %q", text, got)
		}
	}
}

func TestLogID(t *testing.T) {
	if got, want := LogID("hello"), "2cf24dba"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
