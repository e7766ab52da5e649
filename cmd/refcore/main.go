// Command refcore runs the reference core: a core chat server to develop and
// test gateways against, with an agent's console in the browser.
//
// When it listens it writes one line of JSON to standard output, so that a
// test may let it choose its ports:
//
//	{"simprot":"127.0.0.1:18321","console":"http://127.0.0.1:18380/"}
//
// Everything else it has to say goes to standard error. It runs until it is
// interrupted. Exit codes: 0 fine, 1 failed, 2 wrong usage.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"servicelink/simprot"
	"servicelink/simprot/refcore"
	"servicelink/simprot/refcore/sqlite"
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
	case err != nil:
		return 2
	case o.version:
		fmt.Fprintln(stdout, "refcore", version)
		return 0
	}
	if err := serve(ctx, o, stdout); err != nil {
		fmt.Fprintln(stderr, "refcore:", err)
		return 1
	}
	return 0
}

// serve runs the core and its console until ctx ends or one of them fails.
func serve(ctx context.Context, o *options, stdout io.Writer) (err error) {
	if o.store != "" {
		store, failed := sqlite.Open(ctx, o.store)
		if failed != nil {
			return failed
		}
		defer func() { err = errors.Join(err, store.Close()) }()
		o.core.Store = store
	}
	var listen net.ListenConfig
	links, err := listen.Listen(ctx, "tcp", o.listen)
	if err != nil {
		return err
	}
	pages, err := listen.Listen(ctx, "tcp", o.http)
	if err != nil {
		return errors.Join(err, links.Close())
	}
	if a, ok := pages.Addr().(*net.TCPAddr); ok && !a.IP.IsLoopback() {
		o.core.Logger.Warn("the console asks for no password and can be reached from other machines", "address", a.String())
	}
	core := refcore.New(o.core)
	if err := register(core, o.gateways); err != nil {
		return errors.Join(err, links.Close(), pages.Close(), core.Close())
	}
	site := &http.Server{
		Handler: core.Console(), ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute,
		ErrorLog: slog.NewLogLogger(o.core.Logger.Handler(), slog.LevelDebug),
	}

	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return core.Serve(ctx, links) })
	group.Go(func() error {
		if err := site.Serve(pages); !errors.Is(err, http.ErrServerClosed) {
			return err
		}
		return nil
	})
	group.Go(func() error {
		<-ctx.Done()
		// Nothing of the console is worth waiting for.
		return errors.Join(core.Close(), site.Close())
	})
	ready := json.NewEncoder(stdout).Encode(map[string]string{
		"simprot": links.Addr().String(), "console": "http://" + pages.Addr().String() + "/",
	})
	if ready != nil {
		group.Go(func() error { return ready })
	}
	return group.Wait()
}

// register gives the core the message gateways of a file; without a name they stay as
// they are.
func register(core *refcore.Core, name string) error {
	if name == "" {
		return nil
	}
	text, err := os.ReadFile(name) //nolint:gosec // the name is the operator's
	if err != nil {
		return err
	}
	strict := json.NewDecoder(bytes.NewReader(text))
	strict.DisallowUnknownFields()
	var list simprot.GatewayList
	if err := strict.Decode(&list); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return core.SetGateways(list)
}
