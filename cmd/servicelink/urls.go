package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"servicelink/config"
	"servicelink/connectors"
	"servicelink/gateway"
)

// enteredURL is one address to enter at a network, as printed. A channel of which
// nothing is to be entered has none.
type enteredURL struct {
	Channel  string `json:"channel"`
	Gateway  string `json:"gateway,omitempty"` // what people call a message gateway
	Network  string `json:"network"`
	Enabled  bool   `json:"enabled"`
	Where    string `json:"where,omitempty"`
	Method   string `json:"method,omitempty"`
	URL      string `json:"url,omitempty"`
	Secret   bool   `json:"secret,omitempty"`   // whoever knows URL can write as a customer
	Register bool   `json:"register,omitempty"` // servicelink register enters it
}

func newURLs() *cobra.Command {
	var path string
	var inJSON, secrets bool
	command := &cobra.Command{
		Use:   "urls [CHANNEL] --config FILE",
		Short: "Print what is to be entered at each network",
		Long: "Print the addresses that networks are to call, and where they are entered, of one\n" +
			"channel or of all. No gateway has to run, and nothing is connected to.\n\n" +
			"An address that lets whoever knows it write as a customer is printed with its\n" +
			"secret part masked, unless --show-secrets is given.",
		Args: cobra.MaximumNArgs(1),
		RunE: func(command *cobra.Command, args []string) error {
			cfg, err := load(path)
			if err != nil {
				return err
			}
			urls, err := urlsOf(cfg, args, secrets)
			if err != nil {
				return err
			}
			w := command.OutOrStdout()
			if inJSON {
				enc := json.NewEncoder(w)
				enc.SetEscapeHTML(false)
				return failedWriting(enc.Encode(urls))
			}
			return failedWriting(printURLs(w, urls))
		},
	}
	configFlag(command, &path)
	f := command.Flags()
	f.BoolVar(&inJSON, "json", false, "print them as JSON")
	f.BoolVar(&secrets, "show-secrets", false, "print whole addresses, tokens in them too")
	return command
}

// misused is a mistake of who calls or configures.
func misused(format string, args ...any) error {
	return &failure{exitUsage, fmt.Errorf("servicelink: "+format, args...)}
}

var errNoPublicURL = errors.New("public.url is not set: what networks call is below it")

// urlsOf lists what is to be entered for the channel that is named, or for all.
func urlsOf(cfg *config.Config, named []string, secrets bool) ([]enteredURL, error) {
	if err := known(cfg, named); err != nil {
		return nil, err
	}
	urls := []enteredURL{}
	err := gateway.OnTrial(cfg, compiledIn(), func(ch config.Channel, conn connectors.Device) error {
		if len(named) > 0 && named[0] != ch.Name {
			return nil
		}
		line := enteredURL{Channel: ch.Name, Network: ch.Network, Enabled: ch.Enabled}
		if ch.Gateway != nil {
			line.Gateway = ch.Gateway.Name
		}
		lister, ok := conn.(connectors.HookLister)
		if !ok || asks(conn) {
			urls = append(urls, line)
			return nil
		}
		if cfg.Public.URL == "" {
			return misused("channel %s: %w", ch.Name, errNoPublicURL)
		}
		_, line.Register = conn.(connectors.Registrar)
		for _, h := range lister.Hooks() {
			line.Where, line.Method, line.URL, line.Secret = h.Where, h.Method, h.URL, h.Secret
			if !secrets {
				line.URL = gateway.MaskHook(cfg.Public.URL, conn, h)
			}
			urls = append(urls, line)
		}
		return nil
	})
	return urls, err
}

// asks reports whether conn asks its network, which then calls nobody: there is
// nothing to enter, and no public.url is needed.
func asks(conn connectors.Device) bool {
	_, runs := conn.(connectors.Runner)
	return runs
}

// known refuses a channel that the configuration has not.
func known(cfg *config.Config, named []string) error {
	if len(named) == 0 {
		return nil
	}
	for _, ch := range cfg.Channels {
		if ch.Name == named[0] {
			return nil
		}
	}
	for _, m := range cfg.Messages.Gateways {
		if m.ID == named[0] {
			return nil
		}
	}
	if cfg.Messages.Register && uuid.Validate(named[0]) == nil {
		return misused("no channel %q is in the file; what the core has registered is known to the running gateway and shown in its console", named[0])
	}
	return misused("no channel %q is configured", named[0])
}

func printURLs(w io.Writer, urls []enteredURL) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "CHANNEL\tNETWORK\tMETHOD\tURL\tWHERE")
	for _, u := range urls {
		name := shown(strings.TrimSpace(u.Channel + " " + u.Gateway))
		if u.URL == "" {
			fmt.Fprintf(table, "%s\t%s\t-\t-\tnothing to enter: the gateway asks the network\n", name, shown(u.Network))
			continue
		}
		where := u.Where
		if u.Register {
			where += "; or: servicelink register " + u.Channel
		}
		if !u.Enabled {
			where += " (disabled: calls are refused)"
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\n", name, shown(u.Network), shown(u.Method), shown(u.URL), shown(where))
	}
	return table.Flush()
}
