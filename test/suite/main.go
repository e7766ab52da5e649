// Command suite runs a test suite and fails when a test that the project
// promises did not run: a green result reached by skipping is none. The
// promises are the lines of promised.txt.
//
//	suite test -- ARGS      go test ARGS, everything marked "test" must pass
//	suite browser -- ARGS   the same for what is marked "browser"
//	suite NAME -- ARGS      the same for what is marked NAME: one of suites
//	suite fuzz -total 3m    every fuzz target there is, sharing the time
//
// What it prints is what go test prints without -v, then one line of sums.
package main

import (
	"context"
	_ "embed"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"
)

//go:embed promised.txt
var promisedText string

// suites are the names that a promise can have; all but fuzz are go test's.
var suites = []string{"test", "browser", "grammy", "twilio", "openapi", "proxies", "mail", "deploy", "second", "chaos", "sim", "mutants", "fuzz"}

// errFailed says that everything there is to say was printed already.
var errFailed = errors.New("suite failed")

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	if err == nil {
		return
	}
	if !errors.Is(err, errFailed) {
		fmt.Fprintln(os.Stderr, "suite:", err)
	}
	os.Exit(1)
}

func run(ctx context.Context, args []string, out io.Writer) error {
	if len(args) == 0 {
		return errors.New("name a suite: " + strings.Join(suites, ", "))
	}
	promised, err := parsePromises(promisedText)
	if err != nil {
		return err
	}
	suite, rest := args[0], args[1:]
	switch {
	case suite == "fuzz":
		flags := flag.NewFlagSet("fuzz", flag.ContinueOnError)
		total := flags.Duration("total", 3*time.Minute, "time for all targets together")
		each := flags.String("each", "", "time of one target, instead of its share")
		if err := flags.Parse(rest); err != nil {
			return err
		}
		return fuzzAll(ctx, out, promised.of(suite), *total, *each)
	case slices.Contains(suites, suite):
		if len(rest) > 0 && rest[0] == "--" {
			rest = rest[1:]
		}
		return runTests(ctx, out, suite, promised.of(suite), rest)
	}
	return fmt.Errorf("unknown suite %q: %s", suite, strings.Join(suites, ", "))
}
