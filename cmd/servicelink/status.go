package main

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"servicelink/config"
	"servicelink/gateway"
)

func newStatus() *cobra.Command {
	var a asking
	command := &cobra.Command{
		Use:   "status --config FILE",
		Short: "Show how a running gateway is, on one screen",
		Long: "Show how a running gateway is: its link to the core, the journal and its ledger, every\n" +
			"channel with what waits in both directions, and everything that is not well.\n\n" +
			"Exit codes: 0 it is ready and the ledger is in balance, 1 it is not, or nobody\n" +
			"answers, 2 wrong usage.",
		Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			body, err := a.call(command.Context(), http.MethodGet, "/api/v1/status")
			if err != nil {
				return err
			}
			var s gateway.Status
			if err := a.show(command.OutOrStdout(), body, &s, func(w io.Writer) error { return printStatus(w, &s) }); err != nil {
				return err
			}
			switch {
			case !s.Ready:
				return &failure{exitFailed, errors.New("servicelink: the gateway is not ready")}
			case !s.Balanced:
				return &failure{exitFailed, errors.New("servicelink: the ledger is not in balance")}
			}
			return nil
		},
	}
	a.flags(command)
	return command
}

func printStatus(w io.Writer, s *gateway.Status) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	line := func(format string, args ...any) { fmt.Fprintf(table, format+"\n", args...) }
	line("gateway\t%s, up %s, %s", shown(s.Version), wholeSeconds(durationOf(s.Uptime)), yesNo(s.Ready, "ready", "not ready"))
	line("core\t%s", shown(s.Core))
	limit := "no limit"
	if s.Journal.MaxBytes > 0 {
		limit = "at most " + config.Bytes(s.Journal.MaxBytes).String()
	}
	line("journal\t%s, %d KiB, %s, %s", shown(s.Journal.State), s.Journal.Bytes>>10, limit,
		yesNo(s.Journal.Volatile, "nothing survives the process", "since "+shownTime(s.Journal.Born)))
	line("ledger\t%s", yesNo(s.Balanced, "in balance", "NOT IN BALANCE"))
	line("suspects\t%d", s.Suspects)
	if r := s.Register; r != nil {
		line("register\t%s", registerText(r, s.At))
	}
	line("checks\t%s", checked(s.Checks, s.At))
	_ = table.Flush() // the one below fails, too
	table = tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	line("\nCHANNEL\tNETWORK\tSTATE\tCHECKS\tIN\tOLDEST\tOUT\tOLDEST\tDEAD\tLAST DEAD LETTER")
	for _, ch := range s.Channels {
		last := "-"
		if e := ch.LastError; e != nil {
			last = shownTime(e.At) + " " + shown(e.Reason)
			if e.Hint != "" {
				last += ": " + shown(e.Hint)
			}
		}
		line("%s\t%s\t%s\t%s\t%d\t%s\t%d\t%s\t%d\t%s", shownChannel(&ch), orDash(ch.Network), shown(ch.State), checked(ch.Checks, s.At),
			ch.In.Pending, age(s.At, ch.In.Oldest), ch.Out.Pending, age(s.At, ch.Out.Oldest), ch.In.Dead+ch.Out.Dead, last)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	for i, f := range s.Faults {
		if i == 0 {
			fmt.Fprintln(w)
		}
		where := "gateway"
		if f.Channel != "" {
			where = strings.TrimSpace("channel " + f.Channel + " " + f.Gateway)
		}
		if _, err := fmt.Fprintf(w, "%s: %s: %s\n", shown(where), shown(f.What), shown(f.Hint)); err != nil {
			return err
		}
	}
	return nil
}

// shownChannel is a channel's name, of a message gateway with what people call it.
func shownChannel(ch *gateway.ChannelStatus) string {
	if ch.Gateway == nil {
		return shown(ch.Name)
	}
	text := ch.Name + " " + ch.Gateway.Name
	if ch.Gateway.Device != "" {
		text += " (" + ch.Gateway.Device + ", " + ch.Gateway.Direction + ")"
	}
	return shown(text)
}

// registerText says how the core's register of message gateways is.
func registerText(r *gateway.RegisterStatus, now time.Time) string {
	text := shown(r.State)
	if r.State == "off" || r.At.IsZero() {
		return text
	}
	return fmt.Sprintf("%s, last told %s ago, %d gateways, %d broken", text, age(now, r.At), r.Gateways, r.Broken)
}

// checked says in a word or two how a set-up is; the faults below say what to do.
func checked(c *gateway.CheckStatus, now time.Time) string {
	if c == nil {
		return "-"
	}
	text := shown(string(c.State))
	switch {
	case c.Fault != "":
		text = shown(string(c.Fault))
	case c.At.IsZero():
		text = "not yet"
	}
	if !c.TokenEnds.IsZero() {
		text += fmt.Sprintf(", token %d d", int(max(0, c.TokenEnds.Sub(now)).Hours()/24))
	}
	return text
}

func yesNo(is bool, yes, no string) string {
	if is {
		return yes
	}
	return no
}

// age is how long ago something was, "-" when it never was.
func age(now, then time.Time) string {
	if then.IsZero() {
		return "-"
	}
	return wholeSeconds(now.Sub(then))
}

// durationOf reads the seconds of an answer.
func durationOf(seconds float64) time.Duration { return time.Duration(seconds * float64(time.Second)) }

func wholeSeconds(d time.Duration) string { return max(0, d).Truncate(time.Second).String() }
