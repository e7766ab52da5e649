package config

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"
)

// FuzzParse: no file panics or hangs, every problem stands inside the file and
// names something, and a file that is accepted is accepted again.
func FuzzParse(f *testing.F) {
	f.Add([]byte(Example))
	files, err := filepath.Glob("testdata/wrong/*.yaml")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		cfg, err := Parse(data, "x")
		if cfg == nil && err == nil {
			t.Fatal("neither a configuration nor a problem")
		}
		var problems Problems
		if err != nil && !errors.As(err, &problems) {
			t.Fatalf("the error is a %T", err)
		}
		if cfg != nil {
			problems = append(problems, cfg.Warnings...)
			for _, channel := range cfg.Channels {
				var settings sample
				problems = append(problems, Flatten(channel.Settings.Decode(&settings))...)
			}
		}
		lines := strings.Split(string(data), "\n")
		for _, p := range problems {
			checkPlace(t, p, lines)
		}
	})
}

func checkPlace(t *testing.T, p Problem, lines []string) {
	t.Helper()
	if p.Message == "" {
		t.Errorf("a problem without a message: %+v", p)
	}
	if p.Line == 0 && p.Column == 0 {
		return
	}
	if p.Line < 1 || p.Line > len(lines) {
		t.Fatalf("line %d of %d: %v", p.Line, len(lines), p)
	}
	if width := utf8.RuneCountInString(lines[p.Line-1]); p.Column < 1 || p.Column > width+1 {
		t.Errorf("column %d of %d: %v", p.Column, width, p)
	}
}
