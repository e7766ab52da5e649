package main

import (
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"servicelink/config"
)

// complete lets the shell complete what every command below root takes: files only
// where one is meant, and channels as the configuration names them.
func complete(root *cobra.Command) {
	root.CompletionOptions.SetDefaultShellCompDirective(cobra.ShellCompDirectiveNoFileComp)
	for _, command := range root.Commands() {
		complete(command)
	}
	if slices.Contains(strings.Fields(strings.NewReplacer("[", "", "]", "").Replace(root.Use)), "CHANNEL") {
		root.ValidArgsFunction = func(command *cobra.Command, args []string, begun string) ([]cobra.Completion, cobra.ShellCompDirective) {
			if len(args) > 0 {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			return channels(command, args, begun)
		}
	}
	completeFlag := func(flag *pflag.Flag) {
		var by cobra.CompletionFunc
		switch meant, _ := pflag.UnquoteUsage(flag); {
		case flag.Name == "config":
			by = cobra.FixedCompletions([]cobra.Completion{"yaml", "yml"}, cobra.ShellCompDirectiveFilterFileExt)
		case flag.Name == "channel":
			by = channels
		case flag.Name == "by":
			by = cobra.FixedCompletions([]cobra.Completion{"tracking", "id", "hash", "address"}, cobra.ShellCompDirectiveNoFileComp)
		case meant == "FILE" || meant == "PATH":
			by = cobra.FixedCompletions(nil, cobra.ShellCompDirectiveDefault)
		default:
			return
		}
		if err := root.RegisterFlagCompletionFunc(flag.Name, by); err != nil {
			panic(err) // two completions of one flag: a mistake of this file
		}
	}
	root.LocalFlags().VisitAll(completeFlag)
}

// channels are those of the file that --config names, as far as it can be read. It
// may well have mistakes while it is being edited.
func channels(command *cobra.Command, _ []string, begun string) ([]cobra.Completion, cobra.ShellCompDirective) {
	path, _ := command.Flags().GetString("config")
	if path == "" {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	cfg, _ := config.Load(path) // nobody is there to be told of mistakes
	if cfg == nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var names []cobra.Completion
	for _, ch := range cfg.Channels {
		if strings.HasPrefix(ch.Name, begun) {
			names = append(names, cobra.CompletionWithDesc(ch.Name, ch.Network))
		}
	}
	for _, m := range cfg.Messages.Gateways {
		if strings.HasPrefix(m.ID, begun) {
			names = append(names, cobra.CompletionWithDesc(m.ID, m.Name))
		}
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}
