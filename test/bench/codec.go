package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
)

// codec runs the Go benchmarks of the protocol and the journal; it needs the
// source tree and the go command. The journal's run at a fixed number of
// messages, into an empty file and beside a million finished ones; filling that
// file takes minutes, so they run once and say so.
func codec(ctx context.Context, s *settings) error {
	if err := besideGenerated(ctx, s); err != nil {
		return err
	}
	fmt.Fprintln(s.out)
	err := goBench(ctx, s, "-bench=.", fmt.Sprintf("-count=%d", s.runs), "-benchtime=300ms", "./simprot")
	if err != nil {
		return err
	}
	if s.runs > 1 {
		fmt.Fprintf(s.out, "\nthe journal, in one run and not %d: an order of magnitude\n", s.runs)
	}
	return goBench(ctx, s, "-bench=.", "-count=1", "-benchtime=20000x", "-timeout=20m", "./gateway/journal/...")
}

func goBench(ctx context.Context, s *settings, args ...string) error {
	cmd := goTest(ctx, args...)
	cmd.Stdout = s.out
	return cmd.Run()
}

func goTest(ctx context.Context, args ...string) *exec.Cmd {
	args = append([]string{"test", "-run=^$", "-benchmem"}, args...)
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Stderr = os.Stderr
	return cmd
}

// besideGenerated sets simprot's codec beside generated code for the same
// packets. Ours is charged with the frame, the scan before it and the checks of
// every text, the generated one with its payload alone.
func besideGenerated(ctx context.Context, s *settings) error {
	const rounds = 3 // in each run; short ones, as machines change their pace
	ours, generated := benchmarks{}, benchmarks{}
	for range s.runs * rounds {
		for _, side := range []struct {
			into        benchmarks
			bench, from string
		}{
			{ours, "^Benchmark(Encode|Decode)$/./^msgpack$", "simprot"},
			{generated, "^Benchmark(Encode|Decode)$", "test/bench/msgp"},
		} {
			cmd := goTest(ctx, "-bench="+side.bench, "-count=1", "-benchtime=100ms", ".")
			cmd.Dir = side.from
			text, err := cmd.Output()
			if err != nil {
				return fmt.Errorf("%s: %w", side.from, err)
			}
			side.into.add(bytes.NewReader(text))
		}
	}
	missed, err := compare(s.out, ours, generated)
	if err == nil && missed {
		fmt.Fprintln(s.out, "MISSED: more than was asked")
	}
	return err
}

var errNoBenchmark = errors.New("a benchmark is missing on one side")
