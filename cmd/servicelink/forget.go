package main

import (
	"fmt"
	"io"
	"net/url"

	"github.com/spf13/cobra"

	"servicelink/gateway"
)

func newForget() *cobra.Command {
	var a asking
	var channel string
	var pending bool
	command := &cobra.Command{
		Use:   "forget TRACKING_ID --config FILE",
		Short: "Erase everything that is kept of one customer",
		Long: "Erase everything that is kept of one customer: every message of the conversations with\n" +
			"this TrackingId, in both directions, dead letters too, name and addresses. Nothing of it\n" +
			"is left in the journal's files. Counts and hashes stay, so that the ledger is in balance\n" +
			"and what the network repeats is not shown again.\n\n" +
			"It is refused while messages of the customer are pending. --pending gives them up; their\n" +
			"channel stops for that moment and is started again.\n\n" +
			"The core and the network keep what they have: end the chat and erase there first, or what\n" +
			"they tell makes the customer known again. Copies of the journal made before keep it, too.\n" +
			"The gateway's log says who was forgotten, by a hash.",
		Args: cobra.ExactArgs(1),
		RunE: func(command *cobra.Command, args []string) error {
			form := url.Values{"tracking": args}
			if channel != "" {
				form.Set("channel", channel)
			}
			if pending {
				form.Set("pending", "true")
			}
			body, err := a.post(command.Context(), "/api/v1/forget", form)
			if err != nil {
				return err
			}
			var f gateway.Forgotten
			return a.show(command.OutOrStdout(), body, &f, func(w io.Writer) error { return printForgotten(w, f) })
		},
	}
	a.flags(command)
	f := command.Flags()
	f.StringVar(&channel, "channel", "", "only in one channel")
	f.BoolVar(&pending, "pending", false, "give up what is pending")
	return command
}

func printForgotten(w io.Writer, f gateway.Forgotten) error {
	for _, c := range f.Channels {
		fmt.Fprintf(w, "%s: conversation %s forgotten: %d messages, %d of them dead letters, %d given up\n",
			shown(c.Channel), shown(f.Conversation), c.Messages, c.DeadLetters, c.GivenUp)
		if !c.Clean {
			fmt.Fprintln(w, "  traces of it are being wiped from the journal's files; that goes on by itself")
		}
		if c.Open {
			fmt.Fprintln(w, "  the core held a chat open: what it tells of it makes the customer known again; end it and forget once more")
		}
	}
	_, err := fmt.Fprintln(w, "copies of the journal that were made before still hold it")
	return err
}
