package config

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// maxPrinted is how many problems Problems.Error writes out.
const maxPrinted = 100

// Problem is one mistake, or one warning, and where it is. It never holds a
// value from the file or the environment: any of them may be a secret in the
// wrong place.
type Problem struct {
	File    string // empty = not from a file
	Line    int    // from 1; 0 = the whole file
	Column  int    // from 1, in characters; 0 = the whole file
	Path    string // "channels[0].settings.token"; empty = the whole file
	Message string // "is missing"
	Hint    string // what to do about it; may be empty
}

// Error prints "file:line:column: path: message (hint)".
func (p Problem) Error() string {
	var b strings.Builder
	if p.File != "" {
		b.WriteString(p.File + ":")
	}
	if p.Line > 0 {
		fmt.Fprintf(&b, "%d:%d:", p.Line, p.Column)
	}
	if b.Len() > 0 {
		b.WriteByte(' ')
	}
	if p.Path != "" {
		b.WriteString(p.Path + ": ")
	}
	b.WriteString(p.Message)
	if p.Hint != "" {
		b.WriteString(" (" + p.Hint + ")")
	}
	return b.String()
}

// Problems is every mistake of a file at once, in the file's order.
type Problems []Problem

// Error prints one problem per line, at most 100 of them.
func (ps Problems) Error() string {
	shown := ps[:min(len(ps), maxPrinted)]
	lines := make([]string, 0, len(shown)+1)
	for _, p := range shown {
		lines = append(lines, p.Error())
	}
	if more := len(ps) - len(shown); more > 0 {
		lines = append(lines, fmt.Sprintf("... and %d more", more))
	}
	return strings.Join(lines, "\n")
}

// Unwrap lets errors.As find the single Problem.
func (ps Problems) Unwrap() []error {
	errs := make([]error, len(ps))
	for i, p := range ps {
		errs[i] = p
	}
	return errs
}

// Err is nil when there is none, else the problems, sorted and each once.
func (ps Problems) Err() error {
	if len(ps) == 0 {
		return nil
	}
	return ps.sorted()
}

// Flatten collects every Problem in err, through joined and wrapped errors,
// sorted. What is no Problem becomes one without a position, its text the
// message. Flatten(nil) is nil.
func Flatten(err error) Problems {
	var found Problems
	collect(err, &found)
	return found.sorted()
}

func collect(err error, found *Problems) {
	if err == nil {
		return
	}
	if problem, ok := err.(Problem); ok { //nolint:errorlint // the walk below does the unwrapping
		*found = append(*found, problem)
		return
	}
	if many, ok := err.(interface{ Unwrap() []error }); ok {
		for _, e := range many.Unwrap() {
			collect(e, found)
		}
		return
	}
	if inner := errors.Unwrap(err); inner != nil && holdsProblem(inner) {
		collect(inner, found)
		return
	}
	*found = append(*found, Problem{Message: err.Error()})
}

func holdsProblem(err error) bool {
	var p Problem
	return errors.As(err, &p)
}

// sorted returns the problems by file and position, each once.
func (ps Problems) sorted() Problems {
	out := slices.Clone(ps)
	slices.SortStableFunc(out, func(a, b Problem) int {
		return cmp.Or(
			cmp.Compare(a.File, b.File),
			cmp.Compare(a.Line, b.Line),
			cmp.Compare(a.Column, b.Column),
			cmp.Compare(a.Path, b.Path),
			cmp.Compare(a.Message, b.Message),
		)
	})
	return slices.Compact(out)
}
