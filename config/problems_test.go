package config

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

func TestProblemText(t *testing.T) {
	for want, p := range map[string]Problem{
		"f:1:2: a.b: is odd (fix it)": {"f", 1, 2, "a.b", "is odd", "fix it"},
		"f:1:2: is odd":               {"f", 1, 2, "", "is odd", ""},
		"f: is odd":                   {"f", 0, 0, "", "is odd", ""},
		"1:2: a: is odd":              {"", 1, 2, "a", "is odd", ""},
		"a: is odd":                   {"", 0, 0, "a", "is odd", ""},
	} {
		if p.Error() != want {
			t.Errorf("got %q, want %q", p.Error(), want)
		}
	}
}

func TestFlatten(t *testing.T) {
	late, early := Problem{File: "f", Line: 9, Message: "late"}, Problem{File: "f", Line: 2, Message: "early"}
	err := errors.Join(
		fmt.Errorf("channel one: %w", Problems{late, early}),
		errors.New("plain"),
		nil,
		fmt.Errorf("two: %w", fmt.Errorf("wrapped: %w", errors.New("cause"))),
		early,
	)
	got := Flatten(err).Error()
	want := "plain\ntwo: wrapped: cause\nf:2:0: early\nf:9:0: late"
	if got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if Flatten(nil) != nil || Problems(nil).Err() != nil {
		t.Error("no problems are not nil")
	}
	var one Problem
	if !errors.As(Problems{late}.Err(), &one) || one != late {
		t.Error("errors.As does not find a Problem")
	}
}

func TestProblemsAreCutWhenPrinted(t *testing.T) {
	many := make(Problems, maxPrinted+5)
	for i := range many {
		many[i] = Problem{Line: i + 1, Message: "x"}
	}
	lines := strings.Split(many.Error(), "\n")
	if len(lines) != maxPrinted+1 || lines[maxPrinted] != "... and 5 more" {
		t.Errorf("%d lines, the last %q", len(lines), lines[len(lines)-1])
	}
}
