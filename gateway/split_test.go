package gateway

import (
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/rivo/uniseg"
	"pgregory.net/rapid"

	"servicelink/connectors"
)

const family = "👨‍👩‍👧" // one grapheme of five characters, 8 UTF-16 units, 18 bytes

func TestSplitText(t *testing.T) {
	for name, tc := range map[string]struct {
		text  string
		limit int
		unit  connectors.TextUnit
		want  []string
	}{
		"no limit":                   {"hello", 0, connectors.Characters, []string{"hello"}},
		"just fits":                  {"hello", 5, connectors.Characters, []string{"hello"}},
		"at a space":                 {"hello world", 8, connectors.Characters, []string{"hello", "world"}},
		"a line goes before a space": {"hello\nto you", 9, connectors.Characters, []string{"hello", "to you"}},
		"a carriage return goes too": {"hello\r\nworld", 8, connectors.Characters, []string{"hello", "world"}},
		"an early space is no place": {"a bcdefghijk", 8, connectors.Characters, []string{"a bcdefg", "hijk"}},
		"no space":                   {"abcdefghij", 4, connectors.Characters, []string{"abcd", "efgh", "ij"}},
		"white space at the cut":     {"hello \n\n world", 8, connectors.Characters, []string{"hello", "world"}},
		"the end stays":              {"hello world  ", 8, connectors.Characters, []string{"hello", "world  "}},
		"the indent stays":           {"  a bcdefghi", 8, connectors.Characters, []string{"  a bcde", "fghi"}},
		"nothing but white space":    {"          ", 4, connectors.Characters, []string{"    "}},
		"characters":                 {"жжжжж", 3, connectors.Characters, []string{"жжж", "жж"}},
		"bytes":                      {"жжжжж", 3, connectors.Bytes, []string{"ж", "ж", "ж", "ж", "ж"}},
		"UTF-16":                     {"a👍👍", 3, connectors.UTF16Units, []string{"a👍", "👍"}},
		"an SMS fits":                {strings.Repeat("a", 160), 1, connectors.SMSSegments, []string{strings.Repeat("a", 160)}},
		"an SMS at a space":          {strings.Repeat("a", 150) + " " + strings.Repeat("b", 20), 1, connectors.SMSSegments, []string{strings.Repeat("a", 150), strings.Repeat("b", 20)}},
		"what would turn an SMS":     {strings.Repeat("a", 100) + "ж", 1, connectors.SMSSegments, []string{strings.Repeat("a", 100), "ж"}},
		"two SMS a part":             {strings.Repeat("€", 160), 2, connectors.SMSSegments, []string{strings.Repeat("€", 152), strings.Repeat("€", 8)}},
		"an SMS of pairs":            {strings.Repeat("👍", 36), 1, connectors.SMSSegments, []string{strings.Repeat("👍", 35), "👍"}},
		"an accent stays":            {"abe\u0301", 3, connectors.Characters, []string{"ab", "e\u0301"}},
		"an accent on a space":       {"ab \u0301c", 3, connectors.Characters, []string{"ab", " \u0301c"}},
		"a family stays":             {"ab" + family, 6, connectors.Characters, []string{"ab", family}},
		"flags stay":                 {"🇨🇿🇩🇪🇫🇷", 5, connectors.Characters, []string{"🇨🇿🇩🇪", "🇫🇷"}},
		"a grapheme over the limit":  {family + "a", 3, connectors.Characters, []string{"👨‍👩", "\u200d👧a"}},
		"a character over the limit": {"👍👍", 1, connectors.Bytes, []string{"👍", "👍"}},
	} {
		t.Run(name, func(t *testing.T) {
			if got := splitText(tc.text, tc.limit, tc.unit); !slices.Equal(got, tc.want) {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}

func TestSplitTextKeepsItsWord(t *testing.T) {
	piece := rapid.SampledFrom([]string{
		" ", "  ", "\n", "\n\n", "\r\n", "\r", "\t", "a", "word", "long-word-without-a-space", "ж", "👍", "🇨🇿", family,
		"e\u0301", "\u0301", " \u0301", "\u200d", "\u0600", "한국", "\u1100\u1161", "क्षि", strings.Repeat("a\u0301\u0302", 4), "\u2028",
	})
	rapid.Check(t, func(t *rapid.T) {
		text := strings.Join(rapid.SliceOfN(piece, 0, 60).Draw(t, "pieces"), "")
		limit := rapid.IntRange(0, 40).Draw(t, "limit")
		unit := rapid.SampledFrom([]connectors.TextUnit{connectors.Characters, connectors.UTF16Units, connectors.Bytes}).Draw(t, "unit")
		checkSplit(t, text, limit, unit)
	})
}

func TestSplitTextKeepsItsWordForShortMessages(t *testing.T) {
	piece := rapid.SampledFrom([]string{
		" ", "\n", "\n\n", "\r\n", "word", "€", "{[~]}", "ж", "👍", "🇨🇿", family, "e\u0301", "\xff",
		strings.Repeat("a", 100), strings.Repeat("|", 77), strings.Repeat("👍", 30), "a" + strings.Repeat("\u0301", 80),
	})
	rapid.Check(t, func(t *rapid.T) {
		text := strings.Join(rapid.SliceOfN(piece, 0, 60).Draw(t, "pieces"), "")
		checkSplit(t, text, rapid.IntRange(0, 10).Draw(t, "limit"), connectors.SMSSegments)
	})
}

func FuzzSplitText(f *testing.F) {
	f.Add("hello world\r\nand more "+family, 7, uint8(0))
	f.Add("\xff\u0301 \xf0\x9f", 1, uint8(2))
	f.Add("   \n\n   ", 2, uint8(1))
	f.Add(strings.Repeat("a€", 80)+" ж "+family, 2, uint8(3))
	f.Fuzz(func(t *testing.T, text string, limit int, unit uint8) {
		if len(text) > 4096 {
			t.Skip("longer texts say nothing more")
		}
		checkSplit(t, text, limit, connectors.TextUnit(unit%4))
	})
}

// checkSplit checks the promises of splitText for any text.
func checkSplit(t interface {
	Errorf(format string, args ...any)
	Fatalf(format string, args ...any)
}, text string, limit int, unit connectors.TextUnit,
) {
	parts := splitText(text, limit, unit)
	if again := splitText(text, limit, unit); !slices.Equal(parts, again) {
		t.Fatalf("once %q, then %q", parts, again)
	}
	if len(parts) == 0 {
		t.Fatalf("no part of %q", text)
	}
	if strings.Trim(text, " \r\n") == "" && len(parts) == 1 {
		return // white space is not cut but shortened
	}
	at, inside := 0, graphemes(text)
	for i, part := range parts {
		if part == "" && text != "" {
			t.Errorf("part %d of %q is empty", i, text)
		}
		skipped := strings.Index(text[at:], part)
		if skipped < 0 || strings.Trim(text[at:at+skipped], " \r\n") != "" {
			t.Fatalf("part %d, %q, does not follow %q in %q", i, part, text[:at], text)
		}
		start := at + skipped
		at = start + len(part)
		if limit > 0 && units(part, unit) > limit && utf8.RuneCountInString(part) > 1 {
			t.Errorf("part %d, %q, has %d units, over %d", i, part, units(part, unit), limit)
		}
		if utf8.ValidString(text) && !utf8.ValidString(part) {
			t.Errorf("part %d, %q, is not UTF-8", i, part)
		}
		for _, edge := range []int{start, at} {
			if g := inside[edge]; g != "" && units(g, unit) <= limit {
				t.Errorf("the grapheme %q of %q was cut", g, text)
			}
		}
	}
	if strings.Trim(text[at:], " \r\n") != "" {
		t.Errorf("%q is missing at the end of %q", text[at:], text)
	}
}

// graphemes maps every place inside a grapheme of text to that grapheme.
func graphemes(text string) map[int]string {
	inside := make(map[int]string)
	at := 0
	for rest, state := text, -1; rest != ""; {
		var cluster string
		cluster, rest, _, state = uniseg.FirstGraphemeClusterInString(rest, state)
		for i := 1; i < len(cluster); i++ {
			inside[at+i] = cluster
		}
		at += len(cluster)
	}
	return inside
}
