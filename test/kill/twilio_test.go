package kill

import (
	"fmt"
	"net/http/httptest"
	"testing"

	"servicelink/connectors"
	"servicelink/test/netsim"
	"servicelink/test/netsim/control"
	"servicelink/test/netsim/twilio"
)

const (
	waChannel  = "wa"
	waSender   = "+420800123456"
	waAccount  = "AC0123456789abcdef0123456789abcdef"
	waToken    = "fedcba9876543210fedcba9876543210"
	waHookPath = "/connector/whatsapp/message"
)

// TestKillTwilio kills the gateway while 5,000 messages go each way through
// WhatsApp. A webhook that finds nobody is lost, and delivery reports come twice
// and in any order: every customer's message is at the core once, every answer is
// on its phone once and in order, and no delivery status ever goes backwards.
func TestKillTwilio(t *testing.T) {
	r := run{chats: 25, each: 200, kills: 10}
	w := newWhatsApp(t)
	w.start()
	w.play(r)
	w.checkCore(r)
	w.checkPhones(r)
	w.checkStatuses(r)
	w.checkLedger(r)
}

func newWhatsApp(t *testing.T) *simulated {
	t.Helper()
	s := prepare(t, "report")
	sim := netsim.New(netsim.Options{Seed: 1})
	net := sim.Twilio().WhatsApp()
	server := httptest.NewServer(sim.Handler())
	t.Cleanup(func() {
		sim.Close()
		server.Close()
	})
	if err := net.AddAccount(twilio.Account{
		Account: waSender, AccountSID: waAccount, AuthToken: waToken, MessageURL: "http://" + s.public + waHookPath,
	}); err != nil {
		t.Fatal(err)
	}
	settings := net.Settings()
	settings.StatusSeconds = 0.05
	if err := net.SetSettings(settings); err != nil {
		t.Fatal(err)
	}
	for _, f := range []control.Fault{
		{Kind: control.Reorder, Method: "status", Chance: 0.3},
		{Kind: control.Duplicate, Method: "status", Chance: 0.3},
		{Kind: control.Duplicate, Method: "message", Chance: 0.1},
		{Kind: control.Lose, Method: "message", Chance: 0.01},
	} {
		if err := net.Fault(f); err != nil {
			t.Fatal(err)
		}
	}
	s.limits = "recover_after: 3s"
	s.more = fmt.Sprintf("  - { name: %s, network: whatsapp, unknown: report, settings: { account_sid: %s, auth_token: %s, from: %q, "+
		"api_url: \"%s/twilio\", messaging_url: \"%s/twilio/messaging\", messages_per_second: 1000 } }\n",
		waChannel, waAccount, waToken, waSender, server.URL, server.URL)
	number := func(chat int) control.ID { return control.ID(fmt.Sprintf("+4206010%05d", chat)) }
	return &simulated{
		stage: s, net: net, channel: waChannel, account: waSender, customerID: number,
		tracking: func(chat int) string { return string(number(chat)) + "|whatsapp" },
		lost:     func() int { return len(net.Requests(control.Filter{Method: "alert"})) },
		furthest: make(map[string]connectors.DeliveryStatus),
	}
}
