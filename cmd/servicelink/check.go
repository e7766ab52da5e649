package main

import (
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"servicelink/config"
	"servicelink/connectors/all"
	"servicelink/gateway"
)

func newCheck() *cobra.Command {
	var path string
	command := &cobra.Command{
		Use:   "check --config FILE",
		Short: "Check a configuration without connecting to anything",
		Long: "Check a configuration without connecting to anything.\n\n" +
			"Prints every mistake and every warning as file:line:column, and a summary when\n" +
			"there is no mistake. Environment variables and secret files must be there.",
		Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			cfg, err := load(path)
			if cfg != nil {
				warn(command.ErrOrStderr(), cfg.Warnings)
			}
			if err != nil {
				return err
			}
			return failedWriting(summarize(command.OutOrStdout(), cfg))
		},
	}
	configFlag(command, &path)
	return command
}

// load reads a configuration and builds every connector on trial, so that the
// mistakes of the file and of the channels' settings come together. Warnings
// are complete afterwards, also when there is an error.
func load(path string) (*config.Config, error) {
	cfg, err := config.Load(path)
	inFile := config.Flatten(err)
	problems := inFile
	if cfg != nil {
		trial := *cfg
		if len(inFile) > 0 {
			// What is wrong there is said once, not by every channel.
			trial.Egress = config.Egress{Allow: allowOnTrial(cfg, inFile)}
		}
		for _, found := range config.Flatten(gateway.Check(&trial, compiledIn())) {
			known := func(p config.Problem) bool { return p.Path == found.Path }
			if !slices.ContainsFunc(inFile, known) {
				problems = append(problems, found)
			}
		}
	}
	if len(problems) > 0 {
		return cfg, &failure{exitUsage, config.Flatten(problems)}
	}
	return cfg, nil
}

// compiledIn is what this program is built from.
func compiledIn() gateway.Options {
	return gateway.Options{Definitions: all.All(), Devices: all.Devices(), Version: version}
}

// allowOnTrial is egress.allow as far as it can be relied on: where one of its
// ranges cannot be read, no channel shall be told that its target is in none.
func allowOnTrial(cfg *config.Config, inFile []config.Problem) []netip.Prefix {
	broken := func(p config.Problem) bool { return strings.HasPrefix(p.Path, "egress") }
	if slices.ContainsFunc(inFile, broken) {
		return []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0"), netip.MustParsePrefix("::/0")}
	}
	return cfg.Egress.Allow
}

func warn(w io.Writer, warnings []config.Problem) {
	for _, warning := range warnings {
		warning.Message = "warning: " + warning.Message
		fmt.Fprintln(w, warning)
	}
}

// summarize prints what a correct configuration says.
func summarize(w io.Writer, cfg *config.Config) error {
	instance, err := cfg.InstanceName()
	if err != nil {
		return err
	}
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	line := func(format string, args ...any) { fmt.Fprintf(table, format+"\n", args...) }
	line("ok\tcore\t%s as %s, instance %s, %s", cfg.Core.Address, cfg.Core.Peer, instance, overTLS(cfg.Core.TLS != nil))
	line("ok\tjournal\t%s", journalText(cfg.Journal))
	line("ok\tpublic\t%s, %s", cfg.Public.Listen, overTLS(cfg.Public.TLS != nil))
	line("ok\tprivate\t%s", cfg.Private.Listen)
	for _, channel := range cfg.Channels {
		state := "port " + channel.Port
		if !channel.Enabled {
			state = "disabled"
		}
		line("ok\tchannel %s\t%s, %s", channel.Name, channel.Network, state)
	}
	for _, m := range cfg.Messages.Gateways {
		state := m.Direction
		if !m.Enabled {
			state = "disabled"
		}
		line("ok\tgateway %s\t%s, %s, %s", m.ID, m.Device, state, shown(m.Name))
	}
	if cfg.Messages.Register {
		line("ok\tregister\tthe core's, of %s, every %s", cfg.Messages.Address, cfg.Messages.Refresh)
	}
	return table.Flush()
}

func overTLS(on bool) string {
	if on {
		return "TLS"
	}
	return "no TLS"
}

func journalText(journal config.Journal) string {
	if journal.Driver == "memory" {
		return "memory: nothing survives the process"
	}
	return fmt.Sprintf("%s %s, at most %s", journal.Driver, journal.Path, journal.MaxBytes)
}
