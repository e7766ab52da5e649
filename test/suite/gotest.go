package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// event is one line of go test -json (see go doc test2json).
type event struct {
	Action  string
	Package string
	Test    string
	Output  string
}

// line is a piece of output and the test that wrote it, "" for the package.
type line struct {
	test, text string
}

// report follows the events of one go test run.
type report struct {
	out      io.Writer
	output   map[string][]line // by package, until the package ends
	verdicts map[[2]string]string
	packages int
	counts   map[string]int // tests by pass, fail, skip; subtests are not counted
	skipped  []string
	failed   bool
}

func newReport(out io.Writer) *report {
	return &report{
		out:      out,
		output:   map[string][]line{},
		verdicts: map[[2]string]string{},
		counts:   map[string]int{},
	}
}

// read takes events until r ends. Lines that are no JSON are printed as they
// are: the go command writes some errors that way.
func (r *report) read(from io.Reader) error {
	in := bufio.NewReader(from)
	for {
		text, err := in.ReadString('\n')
		if text != "" {
			var e event
			if json.Unmarshal([]byte(text), &e) == nil && e.Action != "" {
				r.take(e)
			} else {
				fmt.Fprint(r.out, text)
			}
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func (r *report) take(e event) {
	switch e.Action {
	case "build-output":
		fmt.Fprint(r.out, e.Output)
	case "build-fail":
		r.failed = true
	case "output":
		r.output[e.Package] = append(r.output[e.Package], line{e.Test, e.Output})
	case "pass", "fail", "skip":
		r.failed = r.failed || e.Action == "fail"
		if e.Test == "" {
			r.endPackage(e)
			return
		}
		r.verdicts[[2]string{e.Package, e.Test}] = e.Action
		if e.Action == "skip" {
			r.skipped = append(r.skipped, e.Package+" "+e.Test)
		}
		if !strings.Contains(e.Test, "/") {
			r.counts[e.Action]++
		}
	}
}

// endPackage prints what go test prints without -v: the closing line of a
// package that passed, everything that matters of one that failed.
func (r *report) endPackage(e event) {
	for _, l := range r.output[e.Package] {
		switch {
		case e.Action != "fail":
			if !strings.HasPrefix(l.text, "ok  \t") && !strings.HasPrefix(l.text, "?   \t") {
				continue
			}
		case l.test != "":
			v := r.verdicts[[2]string{e.Package, l.test}]
			if v == "pass" || v == "skip" || strings.HasPrefix(l.text, "=== ") {
				continue
			}
		}
		fmt.Fprint(r.out, l.text)
	}
	delete(r.output, e.Package)
	if e.Action != "skip" {
		r.packages++
	}
}

func (r *report) verdict(p promise) string {
	return r.verdicts[[2]string{p.pkg, p.test}]
}

// close prints the sums and every broken promise.
func (r *report) close(suite string, promised promises) error {
	for _, s := range r.skipped {
		fmt.Fprintln(r.out, "skipped:", s)
	}
	broken := promised.broken(r.verdict)
	for _, b := range broken {
		fmt.Fprintln(r.out, "promised:", b)
	}
	fmt.Fprintf(r.out, "suite %s: %d packages, %d tests passed, %d failed, %d skipped; %d of %d promised passed\n",
		suite, r.packages, r.counts["pass"], r.counts["fail"], r.counts["skip"],
		len(promised)-len(broken), len(promised))
	if r.failed || len(broken) > 0 || r.packages == 0 {
		return errFailed
	}
	return nil
}

// runTests runs go test with args and checks the promises.
func runTests(ctx context.Context, out io.Writer, suite string, promised promises, args []string) error {
	r := newReport(out)
	runErr := goTest(ctx, append([]string{"-json"}, args...), r.read)
	if err := r.close(suite, promised); err != nil {
		return err
	}
	return runErr
}

// goTest runs the go command and hands its standard output to read.
func goTest(ctx context.Context, args []string, read func(io.Reader) error) error {
	cmd := exec.CommandContext(ctx, "go", append([]string{"test"}, args...)...)
	cmd.Stderr = os.Stderr
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 20 * time.Second
	pipe, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	readErr := read(pipe)
	if err := cmd.Wait(); err != nil {
		return fmt.Errorf("go test: %w", err)
	}
	return readErr
}
