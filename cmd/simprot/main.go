// Command simprot is for those who write or run one end of a SimProt link.
// `simprot dump` shows what passes on one: from a capture, from a byte stream,
// or live, as a proxy between gateway and core.
//
// # Rooms
//
//	dump.go     the command line, and which input it means
//	capture.go  pcap and pcapng: TCP streams put together
//	proxy.go    the live link; tap.go takes copies without holding it up; tls.go its certificates
//	record.go   what the proxy saw, as a capture
//	stream.go   one direction of a connection; split.go cuts its bytes into frames
//	view.go     what is told of a packet; members.go all of it; mask.go what must not be seen
//	filter.go   which packets are wanted
//	printer.go  lines or JSON
//
// Texts and addresses are masked unless asked for; secrets always.
//
// Exit codes: 0 fine, 1 failed, 2 wrong usage.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"
)

// version is set by the linker.
var version = "unknown"

// The exit codes.
const (
	exitFine   = 0
	exitFailed = 1
	exitUsage  = 2
)

func main() {
	os.Exit(execute(context.Background(), os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// failure is an error that means exit code 1. Every other one is wrong usage.
type failure struct{ err error }

func (f *failure) Error() string { return f.err.Error() }
func (f *failure) Unwrap() error { return f.err }

// execute runs the command line and returns the exit code.
func execute(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	root := newRoot() //nolint:contextcheck // cobra hands the context to the command
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	command, err := root.ExecuteContextC(ctx)
	if err == nil {
		return exitFine
	}
	fmt.Fprintln(stderr, "simprot:", err)
	if _, failed := errors.AsType[*failure](err); failed {
		return exitFailed
	}
	fmt.Fprintf(stderr, "See: %s --help\n", command.CommandPath())
	return exitUsage
}

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "simprot",
		Short: "Tools for SimProt links",
		// Mistakes are printed once, by execute.
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			return errors.New("a command is missing")
		},
	}
	root.CompletionOptions.HiddenDefaultCmd = true
	root.AddCommand(newDump(), newVersion())
	return root
}

func newVersion() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Args:  cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			_, err := fmt.Fprintln(command.OutOrStdout(), "simprot", version)
			return failed(err)
		},
	}
}

// failed makes any error one of exit code 1.
func failed(err error) error {
	if err == nil {
		return nil
	}
	return &failure{err}
}
