package main

import (
	"fmt"
	"io"
	"net/http"
	"net/url"

	"github.com/spf13/cobra"
)

func newPause(action, short, long string) *cobra.Command {
	var a asking
	command := &cobra.Command{
		Use: action + " CHANNEL --config FILE", Short: short, Long: long, Args: cobra.ExactArgs(1),
		RunE: func(command *cobra.Command, args []string) error {
			body, err := a.call(command.Context(), http.MethodPost, "/api/v1/channels/"+url.PathEscape(args[0])+"/"+action)
			if err != nil {
				return err
			}
			var done struct {
				Channel  string `json:"channel"`
				Volatile bool   `json:"volatile"`
			}
			return a.show(command.OutOrStdout(), body, &done, func(w io.Writer) error {
				_, err := fmt.Fprintf(w, "%s: %s: done%s\n", shown(done.Channel), action,
					yesNo(done.Volatile, "; the journal is in memory: a restart forgets it", ""))
				return err
			})
		},
	}
	a.flags(command)
	return command
}

func newPauses() []*cobra.Command {
	return []*cobra.Command{
		newPause("pause", "Send nothing more to a channel's network", "Send nothing more to a channel's network, and do not poll it.\n\n"+
			"What the network brings by itself is taken and goes to the core. Agents' sentences wait\n"+
			"in order, until their deadline. It lasts until \"resume\": a restart does not end it\n"+
			"(with the journal in memory it does), nor does a configuration that is read again."),
		newPause("resume", "End what pause began", "End what \"pause\" began: what waits is sent, in order."),
	}
}
