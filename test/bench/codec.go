package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
)

// codec runs the Go benchmarks of the protocol and the journal; it needs the
// source tree and the go command. The journal's run at a fixed number of
// messages, into an empty file and beside a million finished ones; filling that
// file takes minutes, so they run once and say so.
func codec(ctx context.Context, s *settings) error {
	err := goBench(ctx, s, fmt.Sprintf("-count=%d", s.runs), "-benchtime=300ms", "./simprot")
	if err != nil {
		return err
	}
	if s.runs > 1 {
		fmt.Fprintf(s.out, "\nthe journal, in one run and not %d: an order of magnitude\n", s.runs)
	}
	return goBench(ctx, s, "-count=1", "-benchtime=20000x", "-timeout=20m", "./gateway/journal/...")
}

func goBench(ctx context.Context, s *settings, args ...string) error {
	args = append([]string{"test", "-run=^$", "-bench=.", "-benchmem"}, args...)
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Stdout, cmd.Stderr = s.out, os.Stderr
	return cmd.Run()
}
