package email

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"servicelink/config"
	"servicelink/connectors"
)

// TestSettings: every mistake is told at once, and where it is.
func TestSettings(t *testing.T) {
	junk := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(junk, []byte("no certificate"), 0o600); err != nil {
		t.Fatal(err)
	}
	gateway := func(registered bool, dropDir string) *config.Gateway {
		return &config.Gateway{ID: "6f9619ff-8b86-d011-b42d-00c04fc964ff", Inbound: true, Registered: registered, DropDir: dropDir}
	}
	for name, test := range map[string]struct {
		make     func(config.Channel, connectors.Dependencies) (connectors.Device, error)
		settings string
		gateway  *config.Gateway
		want     []string // each in one line; none: it is well
	}{
		"imap":       {make: newImapHost, settings: "{Host: a.test, User: u, Password: p}"},
		"imap ipv6":  {make: newImapHost, settings: "{Host: '::1', User: u, Password: p, Security: starttls, Done: flag, Poll: 10s, Idle: false, MaxSize: 1MiB}"},
		"imap oauth": {make: newImapHost, settings: "{Host: a.test, User: u, OAuth: {TokenURL: 'https://t.test/x', ClientID: c, RefreshToken: r}}"},
		"imap mistakes": {
			make:     newImapHost,
			settings: "{Host: 'imap://a.test', Security: tls, Port: 70000, Poll: 1ms, Timeout: 1h, Done: move, DoneFolder: INBOX, FailedFolder: '*', CA: '" + junk + "', MaxSize: 1KiB, Addresses: [nobody], Culture: 'x y', Wrong: 1}",
			want: []string{
				"Host: is not the name", "Security: is none of", "Port: must be", "Poll: is not from", "Timeout: is not from 1s to 10m", "Done: is none of",
				"FailedFolder: is not the name", "CA: cannot be read", "MaxSize: is not from", "Addresses[0]: is not", "Culture: is not", "Wrong: is not a known key", "User: is missing",
			},
		},
		"imap into itself": {make: newImapHost, settings: "{Host: a, User: u, Password: p, DoneFolder: inbox}", want: []string{"DoneFolder: is the mailbox itself"}},
		"two secrets":      {make: newImapHost, settings: "{Host: a, User: u, Password: p, OAuth: {TokenURL: 'ftp://t', ClientID: c, RefreshToken: r}}", want: []string{"Password: must be there, or OAuth", "OAuth.TokenURL: is not"}},
		"pop3":             {make: newPop3Host, settings: "{Host: a.test, User: u, Password: p}"},
		"pop3 mistakes":    {make: newPop3Host, settings: "{User: \"a\\r\\nb\", Done: flag}", want: []string{"Host: is missing", "Done: is not a known key", "Password: must be", "User: holds"}},
		"drop":             {make: newDropFolder, settings: "{Path: /var/mail/in, Recipients: [a@b.test, '@c.test']}"},
		"drop mistakes": {
			make: newDropFolder, settings: "{Path: in, DoneFolder: ../done, FailedFolder: /x, Pattern: 'a/b', Recipients: [x]}",
			want: []string{"Path: is not an absolute", "DoneFolder: is not", "FailedFolder: is not", "Pattern: is not", "Recipients[0]: is neither"},
		},
		"drop lent":      {make: newDropFolder, settings: "{Path: /srv/drop/a}", gateway: gateway(true, "/srv/drop")},
		"drop not lent":  {make: newDropFolder, settings: "{Path: /srv/drop/a}", gateway: gateway(true, ""), want: []string{"Path: is refused"}},
		"drop out of it": {make: newDropFolder, settings: "{Path: /srv/drop/../a}", gateway: gateway(true, "/srv/drop"), want: []string{"Path: is not below"}},
	} {
		t.Run(name, func(t *testing.T) {
			channel := testChannel(t, test.settings)
			if test.gateway != nil {
				channel.Gateway = test.gateway
			}
			device, err := test.make(channel, connectors.Dependencies{Log: testLog()})
			problems := config.Flatten(err)
			for _, want := range test.want {
				found := false
				for _, p := range problems {
					found = found || strings.Contains(p.Error(), want) && p.Line == 1
				}
				if !found {
					t.Errorf("%q is not told", want)
				}
			}
			if len(problems) != len(test.want) {
				t.Errorf("%d problems:\n%v", len(problems), err)
			}
			if closer, ok := device.(connectors.Closer); ok && err == nil {
				_ = closer.Close()
			}
		})
	}
}
