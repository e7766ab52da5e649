package conformance

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"servicelink/connectors"
	"servicelink/connectors/connectortest"
	"servicelink/connectors/omnichannel"
	sim "servicelink/test/netsim/omnichannel"
)

// The secrets of the simulated channel.
const (
	omniToken    = "in-t0ken-0123456789"
	omniOutToken = "out-s3cret-0123456789"
	omniAccount  = "url-s3cret-0123456789"
)

var omniPath = strings.Replace(omnichannel.WebhookPath, "{token}", omniToken, 1)

func omnichannelHarness() connectortest.Harness {
	return connectortest.Harness{
		New: omnichannel.New,
		Settings: func(base string) string {
			return "token: " + omniToken + "\nwebhook_token: " + omniOutToken + "\nwebhook_url: " + base + "/omnichannel/" + omniAccount
		},
		Secrets: []string{omniToken, omniOutToken, omniAccount},
		Webhook: &connectortest.Webhook{
			Text:    func(m connectortest.Message) *http.Request { return omniCall(m, "visitor") },
			Unknown: func(m connectortest.Message) *http.Request { return omniCall(m, "sticker") },
			Forge: func(r *http.Request) *http.Request {
				r.URL.Path = strings.Replace(r.URL.Path, omniToken, omniToken+"x", 1)
				return r
			},
		},
		Network: connectortest.Network{
			To:     "4200000000000017|omnichannel",
			Accept: func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) },
			Read: func(_ *http.Request, body []byte) (id, text string) {
				var got struct{ Message struct{ ID, Text string } }
				if json.Unmarshal(body, &got) != nil {
					return "", ""
				}
				return got.Message.ID, got.Message.Text
			},
			Guarded: true,
		},
		Simulation: &connectortest.Simulation{
			Start: startOmnichannel,
			Kinds: []connectors.Kind{
				connectors.KindText, connectors.KindFile, connectors.KindButton, connectors.KindUnsupported,
			},
			Without: []string{connectortest.FaultConflict, connectortest.FaultBlocked},
			Bare:    true,
			Rows:    omnichannelRows,
		},
	}
}

func startOmnichannel(gateway *connectortest.Gateway) connectortest.Simulator {
	account, options := sim.Account{Account: omniAccount, Token: omniOutToken}, sim.Options{Seed: 1}
	if gateway != nil {
		account.Webhook, options.Transport = gateway.URL+omniPath, gateway.Transport
	}
	n := sim.New(options)
	if err := n.AddAccount(account); err != nil {
		panic(err)
	}
	return serve("omnichannel", omniAccount, n)
}

// omniCall is the client's request with m in a message of this kind.
func omniCall(m connectortest.Message, kind string) *http.Request {
	body, err := json.Marshal(map[string]any{
		"event": "new_message", "chat_id": json.Number(m.Conversation),
		"visitor": map[string]any{"id": "v1", "fields": map[string]string{"name": "Ann"}},
		"message": map[string]string{"id": m.ID, "kind": kind, "text": m.Text},
	})
	if err != nil {
		panic(err)
	}
	return httptest.NewRequestWithContext(context.Background(), http.MethodPost, omniPath, strings.NewReader(string(body)))
}

// omnichannelRows: the API documents 2xx and nothing else, so HTTP's own words
// count.
var omnichannelRows = []connectortest.Row{
	{
		Name: "wrong token", Status: 401, Body: `{"error":"wrong token"}`, HasHint: true,
		Want: connectors.SendError{Outcome: connectors.NotSent, Reason: connectors.ReasonAuth},
	},
	{
		Name: "no such account", Status: 404, Body: `{"error":"no such account"}`, HasHint: true,
		Want: connectors.SendError{Outcome: connectors.Rejected, Reason: connectors.ReasonNotFound},
	},
	{
		Name: "not understood", Status: 422, Body: `{"error":"what?"}`,
		Want: connectors.SendError{Outcome: connectors.Rejected, Reason: connectors.ReasonContent},
	},
	{
		Name: "too many", Status: 429, Header: http.Header{"Retry-After": {"12"}},
		Want: connectors.SendError{Outcome: connectors.NotSent, Reason: connectors.ReasonRate, RetryAfter: 12 * time.Second},
	},
	{
		Name: "in maintenance", Status: 503, Header: http.Header{"Retry-After": {"60"}},
		Want: connectors.SendError{Outcome: connectors.NotSent, Reason: connectors.ReasonServer, RetryAfter: time.Minute},
	},
	{
		Name: "failing", Status: 500,
		Want: connectors.SendError{Outcome: connectors.Unknown, Reason: connectors.ReasonServer},
	},
	{
		Name: "moved", Status: 308, Header: http.Header{"Location": {"https://elsewhere.example.com"}}, HasHint: true,
		Want: connectors.SendError{Outcome: connectors.NotSent, Reason: connectors.ReasonAnswer},
	},
}

// FuzzOmnichannel: nothing that is posted makes Parse panic, or say half.
func FuzzOmnichannel(f *testing.F) {
	files, err := filepath.Glob("../../connectors/omnichannel/testdata/*.in.json")
	if err != nil || len(files) == 0 {
		f.Fatal("no recorded payloads", err)
	}
	var seeds [][]byte
	for _, file := range files {
		body, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		seeds = append(seeds, body)
	}
	connectortest.Fuzz(f, harness("omnichannel"), seeds...)
}
