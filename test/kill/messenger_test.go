package kill

import (
	"fmt"
	"net/http/httptest"
	"testing"

	"servicelink/connectors"
	"servicelink/test/netsim"
	"servicelink/test/netsim/control"
	"servicelink/test/netsim/graph"
)

const (
	fbChannel = "fb"
	fbPage    = "100200300400500"
	fbApp     = "900800700600500"
	fbToken   = "EAAmarkedpagetoken"
	fbSecret  = "0123456789abcdef0123456789abcdef"
	fbVerify  = "verify-0123456789"
)

// TestKillMessenger kills the gateway while 5,000 messages go each way through
// Messenger. Events come in batches, twice and in any order, and echoes before their
// send is answered; what finds nobody comes again. Every customer's message is at the
// core once, every answer is on its phone once and in order, and no delivery status
// ever goes backwards. Of what never left nobody can be asked: it is reported.
func TestKillMessenger(t *testing.T) {
	r := run{chats: 50, each: 100, kills: 10} // a report reaches a conversation's 100 newest messages
	w := newMessenger(t)
	w.start()
	w.play(r)
	w.checkCore(r)
	w.checkPhones(r)
	w.checkStatuses(r)
	w.checkLedger(r)
}

func newMessenger(t *testing.T) *simulated {
	t.Helper()
	s := prepare(t, "report")
	sim := netsim.New(netsim.Options{Seed: 1})
	net := sim.Graph()
	server := httptest.NewServer(sim.Handler())
	t.Cleanup(func() {
		sim.Close()
		server.Close()
	})
	if err := net.AddAccount(graph.Account{
		Account: fbPage, Name: "Shop", Token: fbToken, AppID: fbApp, AppSecret: fbSecret, VerifyToken: fbVerify,
		CallbackURL: "http://" + s.public + "/connector/facebook/webhook",
	}); err != nil {
		t.Fatal(err)
	}
	settings := net.Settings()
	settings.StatusSeconds, settings.EchoFirst, settings.Batch, settings.BatchSeconds, settings.Posts = 0.05, true, 50, 0.01, 4
	if err := net.SetSettings(settings); err != nil {
		t.Fatal(err)
	}
	for _, kind := range []string{"message", "echo", "delivery", "read"} {
		for _, f := range []control.Fault{
			{Kind: control.Reorder, Method: kind, Chance: 0.1},
			{Kind: control.Duplicate, Method: kind, Chance: 0.1},
		} {
			if err := net.Fault(f); err != nil {
				t.Fatal(err)
			}
		}
	}
	s.more = fmt.Sprintf("  - { name: %s, network: facebook, unknown: report, settings: { page_id: %q, page_token: %s, app_id: %q, "+
		"app_secret: %s, verify_token: %s, api_url: \"%s/graph\", messages_per_second: 300 } }\n",
		fbChannel, fbPage, fbToken, fbApp, fbSecret, fbVerify, server.URL)
	customer := func(chat int) control.ID { return control.ID(fmt.Sprintf("7000000000%06d", chat)) }
	return &simulated{
		stage: s, net: net, channel: fbChannel, account: fbPage, customerID: customer,
		tracking: func(chat int) string { return string(customer(chat)) + "|" + fbPage + "|facebook" },
		lost:     func() int { return 0 }, mayNotKnow: true, notKnown: make(map[string]bool),
		furthest: make(map[string]connectors.DeliveryStatus),
	}
}
