// Command bench measures the gateway as it is shipped: the programs in bin/,
// each in its own process, on this machine. It prints the machine, every run,
// medians, and ratios to a bare Go handler that does the least any webhook
// receiver must do. Runs are interleaved, so that a machine that slows down
// slows both sides. No test depends on its figures.
//
//	bin/bench                     everything, about half an hour
//	bin/bench -only inbound       one section: inbound, outbound, idle, backlog, isolation, codec or mail
//	bin/bench -profile cpu.out    a CPU profile of the gateway under load (with -only)
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// settings are the command line.
type settings struct {
	runs     int
	duration time.Duration
	only     string
	data     string // folder for journals: it should be on a real disk
	bin      string // folder of the programs
	profile  string
	pending  int // messages of the backlog
	out      io.Writer
}

// sections are what -only chooses from, in order.
var sections = []struct {
	name string
	run  func(context.Context, *settings) error
}{
	{"inbound", inbound},
	{"outbound", outbound},
	{"idle", idle},
	{"backlog", backlog},
	{"isolation", isolation},
	{"codec", codec},
	{"mail", mail},
}

func main() {
	if len(os.Args) == 2 && os.Args[1] == "bare" {
		exit(serveBare(os.Stdout))
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	exit(err)
}

func exit(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

func run(ctx context.Context, args []string, out io.Writer) error {
	s := &settings{out: out}
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.IntVar(&s.runs, "runs", 5, "interleaved runs of each kind")
	flags.DurationVar(&s.duration, "duration", 10*time.Second, "length of one run")
	flags.StringVar(&s.only, "only", "", "one section; empty = all")
	flags.StringVar(&s.data, "data", filepath.Join("data", "bench"), "folder for journals, on the disk to measure")
	flags.StringVar(&s.bin, "bin", "bin", "folder of the programs")
	flags.StringVar(&s.profile, "profile", "", "file for a CPU profile of the gateway under inbound load")
	flags.IntVar(&s.pending, "pending", 1_000_000, "messages of the backlog; isolation has half as many")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if s.runs < 1 || s.duration < time.Second {
		return errors.New("want at least one run of one second")
	}
	if err := os.MkdirAll(s.data, 0o755); err != nil {
		return err
	}
	// A folder of this run's own: nobody else's run may delete it.
	own, err := os.MkdirTemp(s.data, "run-")
	if err != nil {
		return err
	}
	s.data = own
	defer os.RemoveAll(own)
	if err := describeMachine(s); err != nil {
		return err
	}
	known := false
	for _, section := range sections {
		if s.only != "" && s.only != section.name {
			continue
		}
		known = true
		fmt.Fprintf(out, "\n%s\n%s\n", section.name, strings.Repeat("-", len(section.name)))
		if err := section.run(ctx, s); err != nil {
			return fmt.Errorf("%s: %w", section.name, err)
		}
	}
	if !known {
		return fmt.Errorf("nothing is called %q", s.only)
	}
	return nil
}

// median of values; 0 of none.
func median(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	middle := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[middle]
	}
	return (sorted[middle-1] + sorted[middle]) / 2
}
