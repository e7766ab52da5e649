package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"servicelink/config"
	"servicelink/connectors"
	"servicelink/gateway"
)

// registerTime bounds all calls of one registration.
const registerTime = time.Minute

func newRegister() *cobra.Command {
	var path string
	command := &cobra.Command{
		Use:   "register CHANNEL --config FILE",
		Short: "Enter a channel's addresses at its network",
		Long: "Enter the addresses that \"servicelink urls CHANNEL\" prints at the channel's network,\n" +
			"with the channel's credentials. What is right already is left alone. A running\n" +
			"gateway is not needed, but calls come from then on: start it first.\n\n" +
			"Where the gateway asks the network there is nothing to enter; what somebody else has\n" +
			"entered in its way there (the webhook of a Telegram bot) is removed.",
		Args: cobra.ExactArgs(1),
		RunE: func(command *cobra.Command, args []string) error {
			cfg, err := load(path)
			if err != nil {
				return err
			}
			return register(command.Context(), command.OutOrStdout(), cfg, args[0])
		},
	}
	configFlag(command, &path)
	return command
}

// register lets one channel's connector tell its network whom to call.
func register(ctx context.Context, w io.Writer, cfg *config.Config, name string) error {
	if err := known(cfg, []string{name}); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, registerTime)
	defer cancel()
	return gateway.OnTrial(cfg, compiledIn(), func(ch config.Channel, conn connectors.Device) error {
		if ch.Name != name {
			return nil
		}
		r, ok := conn.(connectors.Registrar)
		switch {
		case !ok:
			return misused("channel %s: nothing can be entered at %s from here; see: servicelink urls %s", name, ch.Network, name)
		case !ch.Enabled:
			return misused("channel %s is disabled: what its network brings would be refused", name)
		case cfg.Public.URL == "" && !asks(conn):
			return misused("channel %s: %w", name, errNoPublicURL)
		}
		done, err := r.Register(ctx)
		if err != nil {
			return notRegistered(name, err)
		}
		for _, line := range done {
			if _, err := fmt.Fprintln(w, shown(line)); err != nil {
				return failedWriting(err)
			}
		}
		return nil
	})
}

// notRegistered says what the network refused, and what helps.
func notRegistered(channel string, err error) error {
	se := connectors.AsSendError(err)
	hint := ""
	if se.Hint != "" {
		hint = "\n" + shown(se.Hint)
	}
	return &failure{exitFailed, fmt.Errorf("servicelink: channel %s is not registered: %s%s", channel, shown(se.Error()), hint)}
}
