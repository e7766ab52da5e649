package all_test

import (
	"testing"

	"servicelink/connectors/all"
)

func TestDevices(t *testing.T) {
	seen := map[string]bool{}
	for _, d := range all.Devices() {
		if d.Type == "" || d.Network == "" || d.New == nil || !d.In && !d.Out {
			t.Errorf("%q is not complete", d.Type)
		}
		if seen[d.Type] {
			t.Errorf("%q stands twice", d.Type)
		}
		seen[d.Type] = true
	}
	for _, name := range []string{"ImapHost", "SmtpHost"} {
		if !seen[name] {
			t.Errorf("%s is not in %v", name, seen)
		}
	}
}

func TestAll(t *testing.T) {
	seen := map[string]bool{}
	for _, d := range all.All() {
		if d.Network == "" || d.New == nil {
			t.Errorf("%q is not complete", d.Network)
		}
		if seen[d.Network] {
			t.Errorf("%q stands twice", d.Network)
		}
		seen[d.Network] = true
	}
	for _, network := range []string{"omnichannel", "telegram"} {
		if !seen[network] {
			t.Errorf("%s is not in %v", network, seen)
		}
	}
}
