package main

import (
	"fmt"
	"slices"
	"strings"
)

// promise names a test, or fuzz target, that must run and pass.
type promise struct {
	suite, pkg, test string
}

func (p promise) String() string { return p.pkg + " " + p.test }

type promises []promise

// parsePromises reads lines of "suite package test"; # starts a comment.
func parsePromises(text string) (promises, error) {
	var all promises
	for i, line := range strings.Split(text, "\n") {
		line, _, _ = strings.Cut(line, "#")
		fields := strings.Fields(line)
		switch {
		case len(fields) == 0:
			continue
		case len(fields) != 3:
			return nil, fmt.Errorf("promised.txt:%d: want suite, package and test", i+1)
		case !slices.Contains(suites, fields[0]):
			return nil, fmt.Errorf("promised.txt:%d: unknown suite %q", i+1, fields[0])
		}
		all = append(all, promise{suite: fields[0], pkg: fields[1], test: fields[2]})
	}
	return all, nil
}

func (ps promises) of(suite string) promises {
	var some promises
	for _, p := range ps {
		if p.suite == suite {
			some = append(some, p)
		}
	}
	return some
}

// broken lists the promises that verdict does not call "pass", with what
// became of them.
func (ps promises) broken(verdict func(promise) string) []string {
	var list []string
	for _, p := range ps {
		if v := verdict(p); v != "pass" {
			list = append(list, fmt.Sprintf("%s: %s", p, orElse(v, "did not run")))
		}
	}
	return list
}

func orElse(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}
