package gateway

import (
	"strings"
	"testing"

	"servicelink/config"
	"servicelink/connectors"
	"servicelink/simprot"
)

const gatewaysFile = `
core: { address: "core:18321", login: false }
journal: { driver: memory }
channels: []
messages:
  register: false
  gateways:
    - { id: 6f9619ff-8b86-d011-b42d-000000000001, direction: in, device: ImapHost, settings: { Host: a } }
    - { id: 6f9619ff-8b86-d011-b42d-000000000002, direction: in, device: Fax }
    - { id: 6f9619ff-8b86-d011-b42d-000000000003, direction: in, device: SmtpHost, settings: { Host: a } }
    - { id: 6f9619ff-8b86-d011-b42d-000000000004, direction: in, device: Panic }
    - { id: 6f9619ff-8b86-d011-b42d-000000000005, direction: out, device: Deaf }
    - { id: 6F9619FF-8B86-D011-B42D-000000000006, direction: out, device: SmtpHost, settings: { Hots: hidden } }
    - { id: 6f9619ff-8b86-d011-b42d-000000000007, direction: in, device: Sms, settings: { Host: a } }
    - { id: 6f9619ff-8b86-d011-b42d-000000000008, direction: in, device: Sms, settings: { Host: a } }
`

// TestGatewaysOfTheFile: every mistake is found at its place, also of the settings.
func TestGatewaysOfTheFile(t *testing.T) {
	cfg, err := config.Parse([]byte(gatewaysFile), "x")
	if err != nil {
		t.Fatal(err)
	}
	opts := Options{Devices: (&fakeDevices{}).definitions()}
	err = Check(cfg, opts)
	if err == nil {
		t.Fatal("no mistake is found")
	}
	for _, want := range []string{
		"x:9:74: messages.gateways[1].device: there is no such type of device; there are: ImapHost, SmtpHost",
		"x:10:74: messages.gateways[2].device: the type SmtpHost only sends",
		"messages.gateways[3]: the device has a bug and cannot be built",
		"messages.gateways[4]: the device has a bug: it cannot send",
		"messages.gateways[5].settings.Host: is missing", "messages.gateways[5].settings.Hots: is not a known key",
		`messages.gateways[7].settings: it takes the same calls as channel "6f9619ff-8b86-d011-b42d-000000000007"`,
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("not found: %s", want)
		}
	}
	if n := len(config.Flatten(err)); n != 7 || strings.Contains(err.Error(), "hidden") {
		t.Errorf("%d mistakes:\n%v", n, err)
	}

	// The doctor looks at those that can be built.
	d := Examine(t.Context(), without(cfg, err), opts)
	ids := map[string]bool{}
	for _, e := range d.Checks {
		ids[e.Channel] = true
		if e.Channel != "" && e.Name == connectors.CheckPort {
			t.Errorf("a Port of %s", e.Channel)
		}
	}
	if !ids["6f9619ff-8b86-d011-b42d-000000000001"] || ids["6f9619ff-8b86-d011-b42d-000000000002"] {
		t.Errorf("examined were %v", ids)
	}
}

// TestDisplayName: what the core calls a gateway is one line wherever it is shown.
func TestDisplayName(t *testing.T) {
	for text, want := range map[string]string{
		" Support\n mailbox\x1b[31m ": "Support  mailbox[31m", "": "id", "\x00\u202e": "id", "ü" + strings.Repeat("x", 100): "ü" + strings.Repeat("x", 60) + "...",
	} {
		if got := displayName(text, "id"); got != want {
			t.Errorf("%q is shown as %q", text, got)
		}
	}
	if b := nameOf(&simprot.GatewayInfo{DisplayName: "x"}); b.id != "" || b.name != "x" {
		t.Errorf("without an Id: %+v", b)
	}
}
