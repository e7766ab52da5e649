package main

import (
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

const (
	mailbox  = "6f9619ff-8b86-d011-b42d-000000000001"
	textsIn  = "6f9619ff-8b86-d011-b42d-000000000002"
	textsOut = "6f9619ff-8b86-d011-b42d-000000000003"
	unknown  = "6f9619ff-8b86-d011-b42d-000000000009"

	messageGateways = `messages:
  gateways:
    - { id: 6F9619FF-8B86-D011-B42D-000000000001, name: Support mailbox, direction: in, device: ImapHost, settings: { Host: mail.example.org, User: u, Password: p } }
    - { id: 6f9619ff-8b86-d011-b42d-000000000002, direction: in, device: TwilioSms, settings: { AccountSID: AC0123456789abcdef0123456789abcdef, AuthToken: auth-0123456789, From: "+420800123457" } }
    - { id: 6f9619ff-8b86-d011-b42d-000000000003, name: Texts, enabled: false, direction: out, device: TwilioSms, settings: { AccountSID: AC0123456789abcdef0123456789abcdef, AuthToken: auth-0123456789, From: "+420800123457" } }
`
)

// TestMessageGateways: the commands that read the file know its message gateways, and
// show what people call them.
func TestMessageGateways(t *testing.T) {
	path := file(t, strings.Replace(networks, "API", "http://127.0.0.1:1", 1)+messageGateways)
	for name, tc := range map[string]struct {
		args []string
		code int
		want []string // in what is printed
	}{
		"check": {[]string{"check"}, exitFine, []string{
			"gateway " + mailbox, "ImapHost, in, Support mailbox", "TwilioSms, disabled, Texts", "the core's, of @servicelink, every 5m0s",
		}},
		"urls":                 {[]string{"urls"}, exitFine, []string{mailbox + " Support mailbox", "nothing to enter", textsIn, "https://gw.example.com/in/connector/sms/"}},
		"urls of one":          {[]string{"urls", mailbox, "--json"}, exitFine, []string{`[{"channel":"` + mailbox + `","gateway":"Support mailbox","network":"email","enabled":true}]`}},
		"urls of the core's":   {[]string{"urls", unknown}, exitUsage, []string{"known to the running gateway"}},
		"doctor of the core's": {[]string{"doctor", unknown, "--offline"}, exitUsage, []string{"known to the running gateway"}},
		"capabilities":         {[]string{"capabilities"}, exitFine, []string{"shop"}},
		"completion":           {[]string{cobra.ShellCompRequestCmd, "doctor"}, exitFine, []string{mailbox + "\tSupport mailbox"}},
	} {
		t.Run(name, func(t *testing.T) {
			args := append(tc.args, "--config", path)
			if name == "completion" {
				args = append(args, "6f")
			}
			code, out, err := typed(args...)
			if code != tc.code {
				t.Errorf("exit code %d: %s", code, err)
			}
			for _, want := range tc.want {
				if !strings.Contains(out+err, want) {
					t.Errorf("it prints\n%s%s\nwithout %s", out, err, want)
				}
			}
			if name == "capabilities" && strings.Contains(out, mailbox) {
				t.Error("it shows a Port of a message gateway")
			}
		})
	}
}
