// Command playground runs a whole installation in one process: a reference
// core with an agent's console, the gateway, and simulated networks with a
// phone each, whose customers you are. They speak real SimProt and real HTTP to
// each other on loopback. It prints every address and goes on until it is
// interrupted.
//
// With the environment variable TELEGRAM_TOKEN it also serves that bot at the
// real Telegram.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
)

// version is set by the linker.
var version = "unknown"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// run gives the exit code: 0 fine, 1 failed, 2 wrong usage.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	o, err := parseFlags(args, stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil: // parseFlags has said what is wrong
		return 2
	}
	if err := play(ctx, o, stdout, stderr); err != nil {
		fmt.Fprintln(stderr, "playground:", err)
		return 1
	}
	return 0
}

// options are the command line.
type options struct {
	page, public, private, core address
	data                        string
	level                       slog.Level
}

func parseFlags(args []string, stderr io.Writer) (*options, error) {
	o := &options{
		page:    address{value: "127.0.0.1:8081"},
		public:  address{value: "127.0.0.1:8080"},
		private: address{value: "127.0.0.1:9090"},
		core:    address{value: "127.0.0.1:18321"},
		level:   slog.LevelWarn,
	}
	flags := flag.NewFlagSet("playground", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.Var(&o.page, "page", "`address` of the start page, the phones and the console; a default that is taken gives way to a free port")
	flags.Var(&o.public, "public", "`address` of the gateway's public listener, for webhooks")
	flags.Var(&o.private, "private", "`address` of the gateway's private listener, for metrics and health")
	flags.Var(&o.core, "core", "`address` where the reference core speaks SimProt")
	flags.StringVar(&o.data, "data", filepath.Join("data", "playground"), "`folder` of the gateway's journal; it is kept")
	flags.TextVar(&o.level, "log", o.level, "log `level`: debug, info, warn or error")
	if err := flags.Parse(args); err != nil {
		return nil, err
	}
	if flags.NArg() > 0 {
		err := fmt.Errorf("%q is not a flag", flags.Arg(0))
		fmt.Fprintln(stderr, "playground:", err)
		return nil, err
	}
	return o, nil
}
