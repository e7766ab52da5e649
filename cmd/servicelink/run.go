package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"sync"
	"syscall"

	"github.com/spf13/cobra"

	"servicelink/config"
	"servicelink/connectors/all"
	"servicelink/gateway"
)

func newRun() *cobra.Command {
	var path string
	command := &cobra.Command{
		Use:   "run --config FILE",
		Short: "Run the gateway",
		Long: "Run the gateway until SIGINT or SIGTERM, which end it in order: what is in\n" +
			"flight is finished within limits.stop. A second signal ends it at once.\n" +
			"SIGHUP reads the configuration again, secrets included. With a mistake in it\n" +
			"nothing changes; otherwise its channels are added, changed and removed one by\n" +
			"one, and the log says what needs a restart.\n\n" +
			"A service manager that sets NOTIFY_SOCKET hears when it is ready, reloads and\n" +
			"stops; with WATCHDOG_USEC also that it lives, for as long as its own /healthz\n" +
			"answers.",
		Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			return run(command.Context(), path, command.ErrOrStderr())
		},
	}
	configFlag(command, &path)
	return command
}

// run starts half a gateway never: any mistake in the configuration ends it
// before anything is opened.
func run(ctx context.Context, path string, stderr io.Writer) error {
	cfg, err := load(path)
	if err != nil {
		return err
	}
	level := new(slog.LevelVar)
	setLevel(level, cfg.Log.Level)
	log := newLog(stderr, cfg.Log.Format, level)
	for _, warning := range cfg.Warnings {
		log.Warn("configuration", "warning", warning.Error())
	}
	manager := newSupervisor(log)
	up := make(chan struct{})
	g, err := gateway.New(cfg, gateway.Options{
		Definitions: all.All(), Devices: all.Devices(), Log: log, Version: version,
		OnReady: func() { manager.ready(); close(up) },
	})
	if err != nil {
		return &failure{exitUsage, config.Flatten(err)}
	}

	g.ConfigRead(true)
	if os.Getenv("GOGC") == "" { // else the operator's wish counts
		debug.SetGCPercent(mostGarbage)
		defer paceCollector()()
	}
	// One more than there are cores: the journal's writer, the narrowest place,
	// leaves its place whenever it waits for the disk, and would queue behind
	// everything else to get one again.
	if os.Getenv("GOMAXPROCS") == "" {
		runtime.GOMAXPROCS(runtime.GOMAXPROCS(0) + 1)
	}

	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	received := make(chan os.Signal, 4)
	signal.Notify(received, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer signal.Stop(received)
	watching := make(chan struct{})
	reloads := newReloader(path, g, level, manager, log)
	var helpers sync.WaitGroup
	running, ended := context.WithCancel(context.WithoutCancel(ctx)) // also while it stops
	defer ended()
	helpers.Go(func() {
		select {
		case <-up:
			manager.watch(running, watchdogEvery(log), func(ctx context.Context) error { return alive(ctx, g.PrivateAddr()) })
		case <-running.Done():
		}
	})
	helpers.Go(func() { reloads.run(ctx) })
	helpers.Go(func() {
		watch(watching, received, handlers{
			stop:   func() { manager.stopping(); cancel() },
			abort:  func() { os.Exit(exitFailed) },
			reload: reloads.ask,
		})
	})
	err = g.Run(ctx)
	close(watching)
	cancel() // it may have ended by itself
	ended()
	helpers.Wait()
	if err != nil && !errors.Is(err, context.Canceled) {
		return &failure{exitFailed, fmt.Errorf("servicelink: %w", err)}
	}
	return nil
}

// handlers are what signals do.
type handlers struct {
	stop   func() // the first SIGINT or SIGTERM
	abort  func() // the second
	reload func() // SIGHUP
}

// watch obeys signals until end is closed.
func watch(end <-chan struct{}, received <-chan os.Signal, do handlers) {
	stopping := false
	for {
		select {
		case <-end:
			return
		case s := <-received:
			switch {
			case s == syscall.SIGHUP:
				do.reload()
			case stopping:
				do.abort()
			default:
				stopping = true
				do.stop()
			}
		}
	}
}

// setLevel takes a level that the configuration has checked.
func setLevel(level *slog.LevelVar, name string) {
	var parsed slog.Level
	if err := parsed.UnmarshalText([]byte(name)); err == nil {
		level.Set(parsed)
	}
}
