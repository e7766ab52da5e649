package conformance

import (
	"testing"

	"servicelink/connectors"
	"servicelink/connectors/connectortest"
	"servicelink/connectors/sms"
	sim "servicelink/test/netsim/twilio"
)

func smsHarness() connectortest.Harness {
	return connectortest.Harness{
		New:      sms.New,
		Settings: func(base string) string { return twilioSettings(base) + "\nmms: true" },
		Secrets:  twilioSecrets,
		Webhook:  twilioWebhook("sms", ""),
		Network:  twilioNetwork("+4200000000000017|sms"),
		Simulation: &connectortest.Simulation{
			Start: func(g *connectortest.Gateway) connectortest.Simulator {
				return startTwilio("sms", (*sim.Server).SMS, g)
			},
			Kinds: []connectors.Kind{
				connectors.KindText, connectors.KindFile, connectors.KindService, connectors.KindStop,
				connectors.KindUnsupported, connectors.KindNotice,
			},
			Without: []string{connectortest.FaultConflict},
			NoWait:  true,
			// What the simulator notes of webhooks that failed.
			Background: []string{"alert"},
			Rows:       twilioRows(),
		},
	}
}

// FuzzSms: nothing that is posted makes Parse panic, or say half.
func FuzzSms(f *testing.F) { connectortest.Fuzz(f, harness("sms"), twilioSeeds()...) }
