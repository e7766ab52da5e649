package doctor

import (
	"strings"
	"testing"

	"servicelink/connectors"
	"servicelink/test/netsim/control"
	"servicelink/test/netsim/graph"
)

// messenger is a house with a page alone.
func messenger(t *testing.T) *house {
	t.Helper()
	h := newHouse(t)
	h.channels = []string{"facebook"}
	return h
}

// act lets something happen to the page at the network.
func (h *house) act(do, data string) {
	h.Helper()
	_, err := h.sim.Graph().Act(page, control.Action{Do: do, Data: data})
	h.must(err)
}

func TestMessengerWrongToken(t *testing.T) {
	h := messenger(t)
	h.pageToken = "EAAanothertoken"
	h.names([]finding{
		{"facebook", connectors.CheckCredentials, connectors.FaultWrongToken, "", ""},
		{"facebook", connectors.CheckToken, connectors.FaultWrongToken, "", ""},
	})
}

func TestExpiredToken(t *testing.T) {
	t.Run("has", func(t *testing.T) {
		h := messenger(t)
		h.act("token", "463")
		h.names([]finding{
			{"facebook", connectors.CheckCredentials, connectors.FaultExpiredToken, "", ""},
			{"facebook", connectors.CheckToken, connectors.FaultExpiredToken, "", ""},
		})
	})
	t.Run("will", func(t *testing.T) {
		h := messenger(t)
		h.page(func(a *graph.Account) { a.TokenSeconds = 5 * 24 * 3600 })
		h.names([]finding{{"facebook", connectors.CheckToken, connectors.FaultExpiredToken, connectors.CheckWarning, ""}})
	})
}

func TestMissingPermission(t *testing.T) {
	h := messenger(t)
	h.act("scope", "pages_messaging")
	h.names([]finding{{"facebook", connectors.CheckPermissions, connectors.FaultMissingPermission, "", "pages_messaging"}})
}

func TestUnsubscribed(t *testing.T) {
	for do, data := range map[string]string{"unsubscribe": "", "drop": "messages"} {
		t.Run(do, func(t *testing.T) {
			h := messenger(t)
			h.act(do, data)
			h.names([]finding{{"facebook", connectors.CheckSubscription, connectors.FaultUnsubscribed, "", "servicelink register my-facebook"}})
		})
	}
}

func TestMessengerWebhook(t *testing.T) {
	t.Run("wrong", func(t *testing.T) {
		h := messenger(t)
		h.page(func(a *graph.Account) { a.CallbackURL = h.url + "/old/path" })
		h.names([]finding{{"facebook", connectors.CheckWebhook, connectors.FaultWrongWebhook, "", "my-facebook"}})
	})
	t.Run("foreign", func(t *testing.T) {
		h := messenger(t)
		h.page(func(a *graph.Account) { a.CallbackURL = "https://crm.example.net/hook" })
		h.names([]finding{{"facebook", connectors.CheckWebhook, connectors.FaultForeignWebhook, "", "crm.example.net"}})
	})
}

func TestMessengerWrongSecret(t *testing.T) {
	h := messenger(t)
	h.appSecret = strings.Repeat("9", 32)
	h.names([]finding{{"facebook", connectors.CheckSignature, connectors.FaultWrongSecret, "", ""}})
}
