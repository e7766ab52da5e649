// Command terminal is a chat in a terminal: you are the customer, the core's
// agents answer. It shows how little an application outside needs to take part
// in a core's chats: a simprot.Client and the rules of SPEC.md.
//
//	CORE_SECRET=... terminal -core 127.0.0.1:18321 -name Ann
//
// A line is a message. /bye ends the chat for good; the end of the input leaves
// it open, and the same -id finds it again. What you typed and what the core has
// not confirmed is kept in memory only.
package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"

	"servicelink/simprot"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdin, os.Stdout)
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "terminal:", err)
		os.Exit(1) //nolint:forbidigo // this is main
	}
}

// run chats until in ends and everything is said, /bye, or the end of ctx.
func run(ctx context.Context, args []string, in io.Reader, out io.Writer) error {
	c := newConversation(out)
	cfg := simprot.ClientConfig{Login: true, Secret: os.Getenv("CORE_SECRET"), OnUp: c.up, OnDown: c.down, OnPacket: c.packet}
	var id string
	flags := flag.NewFlagSet("terminal", flag.ContinueOnError)
	flags.StringVar(&cfg.Address, "core", "127.0.0.1:18321", "`host:port` of the core")
	flags.StringVar(&cfg.Account, "account", "servicelink", "`account` at the core; its secret stands in CORE_SECRET")
	flags.StringVar(&cfg.Peer, "peer", "@servicelink", "this application's `address` at the core")
	flags.StringVar(&cfg.Instance, "instance", "terminal", "`name` of this process; a second one of the same name takes its place")
	flags.StringVar(&c.port, "port", "terminal", "`port` of the chats")
	flags.StringVar(&c.name, "name", "Customer", "your `name`")
	flags.StringVar(&id, "id", "", "`who` you are, the same again finds the same chat; default: your name")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if id == "" {
		id = c.name
	}
	c.tracking = "terminal:" + simprot.EscapeID(id)
	client, err := simprot.NewClient(cfg)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	var running sync.WaitGroup
	running.Go(func() { err = client.Run(ctx) })
	c.run(ctx, lines(in))
	cancel() // says goodbye behind what is queued
	running.Wait()
	return err
}

// lines reads in until its end. The goroutine ends with the input; a terminal
// cannot be read otherwise.
func lines(in io.Reader) <-chan string {
	out := make(chan string)
	go func() {
		defer close(out)
		for scan := bufio.NewScanner(in); scan.Scan(); {
			if text := strings.TrimSpace(scan.Text()); text != "" {
				out <- text
			}
		}
	}()
	return out
}
