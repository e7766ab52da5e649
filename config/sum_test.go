package config

import (
	"os"
	"path/filepath"
	"testing"
)

func sumOf(t *testing.T, text string) [32]byte {
	t.Helper()
	s, err := ParseSettings(text)
	if err != nil {
		t.Fatal(err)
	}
	return s.Sum()
}

func TestSumTellsWhatIsNew(t *testing.T) {
	for name, tc := range map[string]struct {
		a, b string
		same bool
	}{
		"the same":         {"token: abc", "token: abc", true},
		"other places":     {"token: abc\nurl: x", "\n\n{ url: 'x', token: \"abc\" }", true},
		"another value":    {"token: abc", "token: abd", false},
		"another key":      {"token: abc", "tokens: abc", false},
		"one more key":     {"token: abc", "token: abc\nurl: x", false},
		"nothing":          {"", "", true},
		"null or a word":   {"token:", "token: 'null'", false},
		"order of a list":  {"a: [x, y]", "a: [y, x]", false},
		"nesting":          {"a: [x, [y]]", "a: [[x], y]", false},
		"text or its list": {"a: x", "a: [x]", false},
		"borders":          {"a: [xy, z]", "a: [x, yz]", false},
		"a map in a map":   {"a: { b: c }", "a: { b: d }", false},
	} {
		t.Run(name, func(t *testing.T) {
			if same := sumOf(t, tc.a) == sumOf(t, tc.b); same != tc.same {
				t.Errorf("same = %v, want %v", same, tc.same)
			}
		})
	}
}

// TestSumFollowsReferences: a token that was changed where it lies is new,
// though the file is as it was.
func TestSumFollowsReferences(t *testing.T) {
	path := filepath.Join(t.TempDir(), "token")
	write := func(text string) {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	file := "token: 'file:" + path + "'"
	none := sumOf(t, file)
	write("one")
	one := sumOf(t, file)
	write("two")
	if two := sumOf(t, file); none == one || one == two {
		t.Error("another secret in the file, the same sum")
	}
	t.Setenv("SUM_TOKEN", "one")
	first := sumOf(t, "token: ${SUM_TOKEN}")
	t.Setenv("SUM_TOKEN", "two")
	if first == sumOf(t, "token: ${SUM_TOKEN}") {
		t.Error("another value in the environment, the same sum")
	}
}
