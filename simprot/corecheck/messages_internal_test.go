package corecheck

import (
	"testing"

	"github.com/google/uuid"

	"servicelink/simprot"
)

// TestRegisterFaults: what is wrong with a register is told, without what is in it.
func TestRegisterFaults(t *testing.T) {
	right := simprot.GatewayInfo{Id: uuid.UUID{1}, PeerAddress: "@Mail", Device: "DropFolder", Direction: "I"}
	for want, change := range map[string]func(*simprot.GatewayInfo){
		"":                                       func(*simprot.GatewayInfo) {},
		"one has no Id":                          func(g *simprot.GatewayInfo) { g.Id = uuid.Nil },
		"one has no Direction":                   func(g *simprot.GatewayInfo) { g.Direction = "in" },
		"one has another PeerAddress":            func(g *simprot.GatewayInfo) { g.PeerAddress = "@other" },
		"a Device is no name with a JSON object": func(g *simprot.GatewayInfo) { g.Device = "" },
	} {
		g := right
		change(&g)
		if got := faultOf(simprot.GatewayList{&g}, "@mail"); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	if got := faultOf(simprot.GatewayList{&right, &right}, "@mail"); got != "an Id is there twice" {
		t.Errorf("%q", got)
	}
}

func TestIsDevice(t *testing.T) {
	for device, want := range map[string]bool{
		"DropFolder": true, " DropFolder ": true, "SmtpHost {}": true, "SmtpHost{\"Port\":25}": true, "SmtpHost\n{ \"A\": {} }\n": true,
		"": false, "{}": false, "SmtpHost null": false, "SmtpHost []": false, "SmtpHost {": false, "SmtpHost {} {}": false, "SmtpHost Host=x": false,
	} {
		if got := isDevice(device); got != want {
			t.Errorf("%q: %t", device, got)
		}
	}
}
