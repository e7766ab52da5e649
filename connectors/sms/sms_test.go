package sms

import (
	"log/slog"
	"strings"
	"testing"

	"servicelink/config"
	"servicelink/connectors"
)

const account = "account_sid: AC00000000000000000000000000000001\nauth_token: marked-token\nfrom: \"+420800123456\"\n"

func build(settings string) (connectors.Connector, error) {
	s, err := config.ParseSettings(settings)
	if err != nil {
		return nil, err
	}
	return New(config.Channel{Name: "shop", Settings: s}, connectors.Dependencies{
		Log: slog.New(slog.DiscardHandler), PublicURL: "https://gw.example.com",
	})
}

func TestSettings(t *testing.T) {
	for name, tc := range map[string]struct {
		settings string
		want     []string
	}{
		"nothing":            {"", []string{"account_sid", "auth_token", "from"}},
		"no segment":         {account + "max_segments: 0", []string{"max_segments"}},
		"too many":           {account + "max_segments: 11", []string{"max_segments"}},
		"a name in letters":  {strings.Replace(account, "+420800123456", "SHOP", 1), []string{"from: is no sender"}},
		"not one of its own": {account + "window_template: {content_sid: HX00000000000000000000000000000001}", []string{"window_template"}},
	} {
		c, err := build(tc.settings)
		if err == nil || c != nil {
			t.Errorf("%s: New = %v, %v", name, c, err)
			continue
		}
		for _, want := range tc.want {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s: error lacks %q: %v", name, want, err)
			}
		}
	}
	if _, err := build(strings.Replace(account, "+420800123456", "12345", 1)); err != nil {
		t.Errorf("a short code: %v", err)
	}
}

// TestCapabilities: the text limit is what the channel may cost, and files are sent
// only where they can be.
func TestCapabilities(t *testing.T) {
	for settings, want := range map[string]connectors.Capabilities{
		account:                                {TextLimit: 10},
		account + "max_segments: 3\nmms: true": {TextLimit: 3, Caption: 3, Files: true},
	} {
		c, err := build(settings)
		if err != nil {
			t.Fatal(err)
		}
		got := c.Capabilities()
		if got.TextLimit != want.TextLimit || got.TextUnit != connectors.SMSSegments || got.Caption != want.Caption ||
			got.Files != want.Files || got.Typing || got.ReplyWindow != 0 {
			t.Errorf("%q: %+v", settings, got)
		}
	}
}
