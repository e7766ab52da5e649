// Command netsim runs the simulated networks: their APIs, the control API that
// makes customers act and faults happen, and a phone-like page for each.
//
// When it listens it writes one line of JSON to standard output:
//
//	{"url":"http://127.0.0.1:18090"}
//
// Everything else it has to say goes to standard error. It asks nobody for a
// password, so it listens on this machine unless told otherwise. It runs until
// it is interrupted. Exit codes: 0 fine, 1 failed, 2 wrong usage.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"servicelink/test/netsim"
	"servicelink/test/netsim/phone"
)

// version is set by the linker.
var version = "unknown"

type options struct {
	listen  string
	version bool
	sim     netsim.Options
}

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
	case err != nil:
		return 2
	case o.version:
		fmt.Fprintln(stdout, "netsim", version)
		return 0
	}
	if err := serve(ctx, o, stdout); err != nil {
		fmt.Fprintln(stderr, "netsim:", err)
		return 1
	}
	return 0
}

func parseFlags(args []string, stderr io.Writer) (*options, error) {
	o := &options{sim: netsim.Options{Phone: phone.Handler()}}
	flags := flag.NewFlagSet("netsim", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&o.listen, "listen", "127.0.0.1:18090", "`address` to listen on; port 0 takes a free one")
	flags.Uint64Var(&o.sim.Seed, "seed", 1, "decides all that is left to chance")
	flags.BoolVar(&o.sim.FetchURLs, "fetch", false, "let Telegram, Twilio and Messenger fetch http URLs that are sent as files")
	flags.BoolVar(&o.version, "version", false, "print the version and exit")
	if err := flags.Parse(args); err != nil {
		return nil, err
	}
	if flags.NArg() > 0 {
		fmt.Fprintf(stderr, "netsim: unexpected argument %q\n", flags.Arg(0))
		flags.Usage()
		return nil, errors.New("arguments")
	}
	return o, nil
}

// serve runs the networks until ctx ends or the server fails.
func serve(ctx context.Context, o *options, stdout io.Writer) error {
	var listen net.ListenConfig
	listener, err := listen.Listen(ctx, "tcp", o.listen)
	if err != nil {
		return err
	}
	sim := netsim.New(o.sim)
	defer sim.Close()
	server := &http.Server{Handler: sim.Handler(), ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	err = json.NewEncoder(stdout).Encode(map[string]string{"url": "http://" + listener.Addr().String()})
	if err == nil {
		select {
		case err = <-failed:
			return err
		case <-ctx.Done():
		}
	}
	sim.Close() // ends what waits, so that the server need not
	final, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if server.Shutdown(final) != nil {
		_ = server.Close()
	}
	if ended := <-failed; !errors.Is(ended, http.ErrServerClosed) {
		err = errors.Join(err, ended)
	}
	return err
}
