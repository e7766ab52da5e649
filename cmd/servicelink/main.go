// Command servicelink is the gateway: customers' networks on one side, the
// core chat server on the other.
//
// This package only parses flags, turns signals into a cancelled context and
// errors into exit codes; the work is done by package gateway.
//
// Exit codes: 0 fine, 1 failed, 2 wrong usage or configuration.
package main

import (
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
	os.Exit(execute(os.Args[1:], os.Stdout, os.Stderr))
}

// failure is an error that carries its exit code. Every other error comes from
// cobra and means wrong usage.
type failure struct {
	code int
	err  error
}

func (f *failure) Error() string { return f.err.Error() }
func (f *failure) Unwrap() error { return f.err }

// execute runs the command line and returns the exit code.
func execute(args []string, stdout, stderr io.Writer) int {
	root := newRoot()
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	command, err := root.ExecuteC()
	if err == nil {
		return exitFine
	}
	if failed, ok := errors.AsType[*failure](err); ok {
		fmt.Fprintln(stderr, failed)
		return failed.code
	}
	fmt.Fprintf(stderr, "servicelink: %v\nSee: %s --help\n", err, command.CommandPath())
	return exitUsage
}

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "servicelink",
		Short: "A gateway between customers' messaging networks and a core chat server",
		// Mistakes are printed once, by execute.
		SilenceUsage:  true,
		SilenceErrors: true,
		RunE: func(*cobra.Command, []string) error {
			return errors.New("a command is missing")
		},
	}
	root.AddCommand(newRun(), newCheck(), newURLs(), newRegister(), newCapabilities(), newHealth(), newStatus(), newDoctor(), newDead(), newTrace(), newForget(), newJournal(), newCoreCheck(), newExample(), newVersion())
	root.AddCommand(newPauses()...)
	complete(root)
	return root
}

// configFlag adds the flag of commands that read the configuration themselves.
func configFlag(command *cobra.Command, path *string) {
	command.Flags().StringVar(path, "config", "", "the configuration `FILE`")
	if err := command.MarkFlagRequired("config"); err != nil {
		panic(err) // the flag is defined in the line above
	}
}
