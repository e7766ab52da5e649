package main

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"servicelink/gateway"
)

func newTrace() *cobra.Command {
	var a asking
	var by, channel string
	var content bool
	command := &cobra.Command{
		Use:   "trace QUERY --config FILE",
		Short: "Show what happened to a message or a conversation",
		Long: "Show every step that is kept of one message, or of one conversation's messages, and\n" +
			"of one that is not delivered yet where it is now and what it waits for. The journal\n" +
			"keeps when a message was taken, what its parts came to and how it ended; the steps in\n" +
			"between are held in memory, the newest 65536 of this process.\n\n" +
			"QUERY is a message's id at its network, the core's sentence ID or ChatId, a\n" +
			"TrackingId, its hash from a log line, or a customer's address. What it is, is found\n" +
			"out in this order unless --by says it: tracking, id, hash, address.\n\n" +
			"Texts, names and addresses are shown only with --content; the gateway's log says\n" +
			"that they were read.",
		Args: cobra.ExactArgs(1),
		RunE: func(command *cobra.Command, args []string) error {
			query := url.Values{"q": args}
			for name, value := range map[string]string{"by": by, "channel": channel} {
				if value != "" {
					query.Set(name, value)
				}
			}
			if content {
				query.Set("content", "true")
			}
			body, err := a.call(command.Context(), http.MethodGet, "/api/v1/trace?"+query.Encode())
			if err != nil {
				return err
			}
			var t gateway.Trace
			return a.show(command.OutOrStdout(), body, &t, func(w io.Writer) error { return printTrace(w, &t) })
		},
	}
	a.flags(command)
	f := command.Flags()
	f.StringVar(&by, "by", "", "what QUERY is: tracking, id, hash or address")
	f.StringVar(&channel, "channel", "", "only in one channel")
	f.BoolVar(&content, "content", false, "show texts, names and addresses; the log says so")
	return command
}

func printTrace(w io.Writer, t *gateway.Trace) error {
	for _, c := range t.Conversations {
		fmt.Fprintf(w, "conversation %s in %s, chat %s, counter %d, since %s\n",
			shown(c.Conversation), shown(c.Channel), orDash(c.ChatID), c.Counter, shownTime(c.Started))
		if c.TrackingID != "" {
			fmt.Fprintf(w, "  %s, address %s, TrackingId %s\n", orDash(c.PartyName), orDash(c.Address), shown(c.TrackingID))
		}
		if c.Window != nil {
			printWindow(w, c.Window)
		}
	}
	for _, m := range t.Messages {
		fmt.Fprintf(w, "\n%d %s %s/%s, id %s", m.Seq, shown(m.Direction), shown(m.Channel), shown(m.Conversation), shown(m.ID))
		if m.Counter != 0 {
			fmt.Fprintf(w, ", counter %d", m.Counter)
		}
		fmt.Fprintf(w, ", %d bytes: %s\n", m.Bytes, shown(m.State))
		if m.Text != "" {
			fmt.Fprintf(w, "  text: %s\n", shown(m.Text))
		}
		if m.Now != nil {
			printNow(w, m.Now)
		}
		table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
		for _, s := range m.Steps {
			fmt.Fprintf(table, "  %s\t%s%s\n", shownTime(s.At), shown(s.What), until(s.Until))
		}
		if err := table.Flush(); err != nil {
			return err
		}
	}
	fmt.Fprintln(w)
	for _, n := range t.Notes {
		if _, err := fmt.Fprintf(w, "(%s)\n", shown(n)); err != nil {
			return err
		}
	}
	return nil
}

// printWindow prints how long the network takes what is no template.
func printWindow(w io.Writer, t *gateway.TracedWindow) {
	state := "closed since"
	if t.Open {
		state = "until"
	}
	fmt.Fprintf(w, "  reply window %s %s (%s)\n", state, shownTime(t.End), shown(t.What))
	if !t.LateEnd.IsZero() {
		fmt.Fprintf(w, "  late answers of agents until %s\n", shownTime(t.LateEnd))
	}
}

// printNow prints where a message is that is not delivered yet.
func printNow(w io.Writer, n *gateway.Now) {
	fmt.Fprintf(w, "  NOW it %s%s, for %s\n", shown(n.Waits), until(n.Until), wholeSeconds(durationOf(n.Seconds)))
	if n.Hint != "" {
		fmt.Fprintf(w, "      %s\n", shown(n.Hint))
	}
}

// until is for the end of a line that tells of a wait.
func until(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return ", until " + shownTime(t)
}
