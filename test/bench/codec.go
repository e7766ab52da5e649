package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
)

// codec runs the Go benchmarks of the protocol and the journal; it needs the
// source tree and the go command.
func codec(ctx context.Context, s *settings) error {
	cmd := exec.CommandContext(ctx, "go", "test", "-run=^$", "-bench=.", "-benchmem",
		fmt.Sprintf("-count=%d", s.runs), "-benchtime=300ms", "./simprot", "./gateway/journal/...")
	cmd.Stdout, cmd.Stderr = s.out, os.Stderr
	return cmd.Run()
}
