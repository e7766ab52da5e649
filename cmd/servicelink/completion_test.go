package main

import (
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// TestCompletion asks as the shells' scripts do.
func TestCompletion(t *testing.T) {
	good := file(t, strings.Replace(networks, "API", "http://127.0.0.1:1", 1))
	edited := file(t, wrong)
	const nothing = ":4" // no files either
	for _, tc := range []struct {
		args []string
		want []string // whole lines; the last is cobra's directive
	}{
		{[]string{"urls", "--config", good, ""}, []string{"shop\tomnichannel", "bot\ttelegram", "sms\tsms", nothing}},
		{[]string{"register", "--config", good, "s"}, []string{"shop\tomnichannel", "sms\tsms", nothing}},
		{[]string{"pause", "--config", good, "b"}, []string{"bot\ttelegram", nothing}},
		{[]string{"resume", "--config", edited, "t"}, []string{"two\tomnichannel", nothing}},
		{[]string{"resume", "--config", good, "bot", ""}, []string{nothing}},
		{[]string{"urls", ""}, []string{"--config\tthe configuration `FILE`", nothing}}, // it is required
		{[]string{"urls", "--config", good + ".none", ""}, []string{nothing}},
		{[]string{"trace", "--config", good, "--channel", "sh"}, []string{"shop\tomnichannel", nothing}},
		{[]string{"dead", "list", "--config", good, "--channel", "sh"}, []string{"shop\tomnichannel", nothing}},
		{[]string{"forget", "--config", good, "--channel", "sh"}, []string{"shop\tomnichannel", nothing}},
		{[]string{"trace", "--by", ""}, []string{"tracking", "id", "hash", "address", nothing}},
		{[]string{"run", "--config", ""}, []string{"yaml", "yml", ":8"}},
		{[]string{"status", "--config", ""}, []string{"yaml", "yml", ":8"}},
		{[]string{"dead", "show", "--token-file", ""}, []string{":0"}},
		{[]string{"journal", "verify", "--file", ""}, []string{":0"}},
		{[]string{"version", ""}, []string{nothing}},
		{[]string{"urls", "--show"}, []string{"--show-secrets\tprint whole addresses, tokens in them too", nothing}},
		{[]string{"reg"}, []string{"register\tEnter a channel's addresses at its network", nothing}},
	} {
		code, out, err := typed(append([]string{cobra.ShellCompRequestCmd}, tc.args...)...)
		got := strings.TrimSuffix(out, "\n")
		if want := strings.Join(tc.want, "\n"); code != exitFine || got != want {
			t.Errorf("%q: exit code %d,\n%s\nwant\n%s\n%s", tc.args, code, got, want, err)
		}
	}
}

// TestCompletionScripts: every shell gets a script.
func TestCompletionScripts(t *testing.T) {
	for _, shell := range []string{"bash", "zsh", "fish", "powershell"} {
		code, out, err := typed("completion", shell)
		if code != exitFine || !strings.Contains(out, "servicelink") || !strings.Contains(out, cobra.ShellCompRequestCmd) {
			t.Errorf("%s: exit code %d, %d bytes, %s", shell, code, len(out), err)
		}
	}
	if _, out, _ := typed("--help"); !strings.Contains(out, "completion") || !strings.Contains(out, "register") {
		t.Errorf("the help names no completion:\n%s", out)
	}
}
