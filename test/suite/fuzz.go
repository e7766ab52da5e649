package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// target is one native fuzz target.
type target struct {
	pkg, name string
}

// fuzzAll runs every target of the module one after the other, so that none
// that somebody adds is forgotten.
func fuzzAll(ctx context.Context, out io.Writer, promised promises, total time.Duration, each string) error {
	targets, err := findTargets(ctx)
	if err != nil {
		return err
	}
	if len(targets) == 0 {
		return errors.New("no fuzz target found")
	}
	if each == "" {
		each = (total / time.Duration(len(targets))).Round(time.Second / 10).String()
	}
	verdicts := map[target]string{}
	failed := false
	for _, t := range targets {
		execs, err := fuzzOne(ctx, out, t, each)
		verdicts[t] = "pass"
		if err != nil {
			fmt.Fprintf(out, "FAIL %s %s: %v\n", t.pkg, t.name, err)
			verdicts[t], failed = "fail", true
			continue
		}
		fmt.Fprintf(out, "ok  \t%s %s\t%s\t%d inputs\n", t.pkg, t.name, each, execs)
	}
	broken := promised.broken(func(p promise) string { return verdicts[target{p.pkg, p.test}] })
	for _, b := range broken {
		fmt.Fprintln(out, "promised:", b)
	}
	fmt.Fprintf(out, "suite fuzz: %d targets; %d of %d promised passed\n",
		len(targets), len(promised)-len(broken), len(promised))
	if failed || len(broken) > 0 {
		return errFailed
	}
	return nil
}

// findTargets asks every package for its fuzz targets.
func findTargets(ctx context.Context) ([]target, error) {
	var targets []target
	err := goTest(ctx, []string{"-json", "-list", "^Fuzz", "./..."}, func(r io.Reader) error {
		in := bufio.NewScanner(r)
		in.Buffer(nil, 1<<20)
		for in.Scan() {
			var e event
			if json.Unmarshal(in.Bytes(), &e) != nil || e.Action != "output" {
				continue
			}
			if name := strings.TrimSpace(e.Output); strings.HasPrefix(name, "Fuzz") {
				targets = append(targets, target{e.Package, name})
			}
		}
		return in.Err()
	})
	return targets, err
}

// fuzzExecs finds the running total in lines like
// "fuzz: elapsed: 3s, execs: 325017 (108336/sec), ...".
var fuzzExecs = regexp.MustCompile(`^fuzz: elapsed: .*, execs: (\d+) `)

// fuzzOne fuzzes t and gives the number of inputs tried; none is an error. The
// go command now and then reports the end of -fuzztime itself as a failure;
// then, and only then, it is asked a second time.
func fuzzOne(ctx context.Context, out io.Writer, t target, each string) (int, error) {
	execs, said, err := fuzzRun(ctx, t, each)
	if err != nil && onlyTimeUp(said) {
		execs, said, err = fuzzRun(ctx, t, each)
	}
	if err != nil {
		fmt.Fprint(out, said)
		return execs, err
	}
	if execs == 0 {
		fmt.Fprint(out, said)
		return 0, errors.New("no input was tried")
	}
	return execs, nil
}

// onlyTimeUp recognises a failure that names nothing but the deadline: no
// input that failed, no panic, no other word of a test.
func onlyTimeUp(said string) bool {
	found := false
	for line := range strings.Lines(said) {
		line = strings.TrimSpace(line)
		switch {
		case line == "context deadline exceeded":
			found = true
		case line == "", line == "FAIL", strings.HasPrefix(line, "fuzz: elapsed: "), strings.HasPrefix(line, "--- FAIL: Fuzz"),
			strings.HasPrefix(line, "FAIL\t"), strings.HasPrefix(line, "exit status "):
		default:
			return false
		}
	}
	return found
}

func fuzzRun(ctx context.Context, t target, each string) (execs int, said string, err error) {
	var all strings.Builder
	args := []string{"-run=^$", "-fuzz=^" + t.name + "$", "-fuzztime=" + each, t.pkg}
	err = goTest(ctx, args, func(r io.Reader) error {
		in := bufio.NewScanner(r)
		in.Buffer(nil, 1<<20)
		for in.Scan() {
			all.Write(in.Bytes())
			all.WriteByte('\n')
			if m := fuzzExecs.FindSubmatch(in.Bytes()); m != nil {
				execs, _ = strconv.Atoi(string(m[1]))
			}
		}
		return in.Err()
	})
	return execs, all.String(), err
}
