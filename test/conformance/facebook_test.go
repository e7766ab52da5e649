package conformance

import (
	"context"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"servicelink/connectors"
	"servicelink/connectors/connectortest"
	"servicelink/connectors/facebook"
	sim "servicelink/test/netsim/graph"
)

// The simulated page and its app.
const (
	facebookPage   = "100000000000001"
	facebookApp    = "200000000000002"
	facebookToken  = "EAAkits3cretOfTheSimulatedPage"
	facebookSecret = "s3cret-of-the-simulated-app-0001"
	facebookOther  = "s3cret-of-the-simulated-app-0002"
	facebookVerify = "v3rify-token-of-the-kit"
	facebookPath   = "/connector/facebook/webhook"
)

func facebookSettings(base string) string {
	return "page_id: \"" + facebookPage + "\"\npage_token: " + facebookToken + "\napp_id: \"" + facebookApp + "\"\napp_secret: " + facebookSecret +
		"\napp_secret_other: " + facebookOther + "\nverify_token: " + facebookVerify + "\napi_url: " + base +
		"/facebook\nhuman_agent: true\nmedia_hosts: [\"127.0.0.1\"]"
}

// facebookCall is the network's request, signed by the simulator's own hand.
func facebookCall(messages []connectortest.Message, members func(connectortest.Message) map[string]any) *http.Request {
	items := []map[string]any{}
	for _, m := range messages {
		item := map[string]any{
			"sender": map[string]string{"id": m.Conversation}, "recipient": map[string]string{"id": facebookPage}, "timestamp": 1700000000000,
		}
		maps.Copy(item, members(m))
		items = append(items, item)
	}
	body, err := json.Marshal(map[string]any{"object": "page", "entry": []any{map[string]any{"id": facebookPage, "time": 1700000000000, "messaging": items}}})
	if err != nil {
		panic(err)
	}
	r := httptest.NewRequestWithContext(context.Background(), http.MethodPost, facebookPath, strings.NewReader(string(body)))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("X-Hub-Signature-256", sim.Signature(facebookSecret, body))
	return r
}

func facebookText(m connectortest.Message) map[string]any {
	return map[string]any{"message": map[string]any{"mid": "m_" + m.ID, "text": m.Text}}
}

func startFacebook(gateway *connectortest.Gateway) connectortest.Simulator {
	options := sim.Options{Seed: 1, BaseURL: func() string { return "http://127.0.0.1:80/facebook" }, Transport: nobody{}}
	account := sim.Account{
		Account: facebookPage, Name: "Kit", Token: facebookToken, AppID: facebookApp, AppSecret: facebookSecret,
		VerifyToken: facebookVerify, HumanAgent: true,
	}
	if gateway != nil {
		account.CallbackURL, options.Transport = gateway.URL+facebookPath, gateway.Transport
	}
	n := sim.New(options)
	if err := n.AddAccount(account); err != nil {
		panic(err)
	}
	return serve("facebook", facebookPage, n)
}

func facebookHarness() connectortest.Harness {
	return connectortest.Harness{
		New: facebook.New, Settings: facebookSettings,
		Secrets: []string{facebookToken, facebookSecret, facebookOther, facebookVerify},
		Webhook: &connectortest.Webhook{
			Text: func(m connectortest.Message) *http.Request {
				return facebookCall([]connectortest.Message{m}, facebookText)
			},
			Unknown: func(m connectortest.Message) *http.Request {
				return facebookCall([]connectortest.Message{m}, func(m connectortest.Message) map[string]any {
					return map[string]any{"hologram": map[string]any{"mid": "m_" + m.ID, "data": m.Text}}
				})
			},
			Batch: func(list []connectortest.Message) *http.Request { return facebookCall(list, facebookText) },
			Forge: func(r *http.Request) *http.Request {
				r.Header.Set("X-Hub-Signature-256", sim.Signature(facebookSecret+"x", nil))
				return r
			},
		},
		Network: connectortest.Network{
			To: "4200000000000017|" + facebookPage + "|facebook",
			Accept: func(w http.ResponseWriter, _ *http.Request) {
				_, _ = io.WriteString(w, `{"recipient_id":"4200000000000017","message_id":"m_1"}`)
			},
			Read: func(_ *http.Request, body []byte) (id, text string) {
				var got struct{ Message struct{ Text string } }
				if json.Unmarshal(body, &got) != nil {
					return "", ""
				}
				return "", got.Message.Text
			},
		},
		Simulation: &connectortest.Simulation{
			Start: startFacebook,
			Kinds: []connectors.Kind{
				connectors.KindText, connectors.KindFile, connectors.KindLocation, connectors.KindButton, connectors.KindEdit,
				connectors.KindDelete, connectors.KindReaction, connectors.KindService, connectors.KindUnsupported, connectors.KindNotice,
			},
			// There is no second reader of a page.
			Without:    []string{connectortest.FaultConflict},
			Background: []string{"alert"},
			WaitUnit:   time.Minute,
			Undone:     true,
			Unordered:  true,
			Rows:       facebookRows(),
		},
	}
}

// facebookError is an answer of the Graph API.
func facebookError(code, subcode int, transient bool) string {
	text, err := json.Marshal(map[string]any{"error": map[string]any{
		"message": "No", "type": "OAuthException", "code": code, "error_subcode": subcode, "is_transient": transient, "fbtrace_id": "x",
	}})
	if err != nil {
		panic(err)
	}
	return string(text)
}

// facebookRows has one code of each class; that each code is of its class is tested
// beside the connector's table.
func facebookRows() []connectortest.Row {
	rows := []connectortest.Row{
		{
			Name: "80006 with a wait", Status: 400, Body: facebookError(80006, 0, false),
			Header: http.Header{"X-Business-Use-Case-Usage": {`{"1":[{"estimated_time_to_regain_access":5}]}`}},
			Want:   connectors.SendError{Outcome: connectors.NotSent, Reason: connectors.ReasonRate, RetryAfter: 5 * time.Minute}, HasHint: true,
		},
		{
			Name: "a proxy's page", Status: 502, Header: http.Header{"Content-Type": {"text/html"}}, Body: "<html>502</html>",
			Want: connectors.SendError{Outcome: connectors.Unknown, Reason: connectors.ReasonServer},
		},
		{
			Name: "a success that is none", Status: 200, Body: `{"recipient_id":"7"}`,
			Want: connectors.SendError{Outcome: connectors.Unknown, Reason: connectors.ReasonAnswer},
		},
	}
	for _, r := range []struct {
		name          string
		status        int
		code, subcode int
		want          connectors.SendError
		hint          bool
	}{
		{"2", 500, 2, 0, connectors.SendError{Outcome: connectors.NotSent, Reason: connectors.ReasonServer}, false},
		{"1", 500, 1, 0, connectors.SendError{Outcome: connectors.Unknown, Reason: connectors.ReasonServer}, false},
		{"4", 403, 4, 0, connectors.SendError{Outcome: connectors.NotSent, Reason: connectors.ReasonRate, Scope: connectors.ScopeApp}, true},
		{"613", 400, 613, 0, connectors.SendError{Outcome: connectors.NotSent, Reason: connectors.ReasonRate}, true},
		{"10/2018278", 403, 10, 2018278, connectors.SendError{Outcome: connectors.Rejected, Reason: connectors.ReasonWindow}, true},
		{"10", 403, 10, 0, connectors.SendError{Outcome: connectors.NotSent, Reason: connectors.ReasonAuth}, true},
		{"190/463", 401, 190, 463, connectors.SendError{Outcome: connectors.NotSent, Reason: connectors.ReasonAuth}, true},
		{"100/2018001", 400, 100, 2018001, connectors.SendError{Outcome: connectors.Rejected, Reason: connectors.ReasonNotFound}, true},
		{"551/1545041", 400, 551, 1545041, connectors.SendError{Outcome: connectors.Rejected, Reason: connectors.ReasonBlocked}, true},
		{"368", 400, 368, 0, connectors.SendError{Outcome: connectors.NotSent, Reason: connectors.ReasonAuth}, true},
	} {
		rows = append(rows, connectortest.Row{
			Name: r.name, Status: r.status, Body: facebookError(r.code, r.subcode, false), Want: r.want, HasHint: r.hint,
		})
	}
	return rows
}

// FuzzFacebook: nothing that is posted makes Parse panic, or say half.
func FuzzFacebook(f *testing.F) {
	entry := func(item string) []byte {
		return []byte(`{"object":"page","entry":[{"id":"` + facebookPage + `","time":1,"messaging":[` + item + `]}]}`)
	}
	connectortest.Fuzz(f, harness("facebook"),
		entry(`{"sender":{"id":"7"},"recipient":{"id":"`+facebookPage+`"},"timestamp":1,"message":{"mid":"m_1","text":"x","attachments":[{"type":"image","payload":{"url":"https://x.fbcdn.net/a","sticker_id":1}}]}}`),
		entry(`{"sender":{"id":"7"},"timestamp":"1","message_edit":{"mid":"m_1","text":"x","num_edit":"2"}},7,{"reaction":{"mid":"m_1","action":"react"}}`),
		entry(`{"sender":{"id":"7"},"delivery":{"mids":["m_1"],"watermark":5}},{"sender":{"id":7},"read":{"watermark":5}}`),
		entry(`{"sender":{"id":"`+facebookPage+`"},"recipient":{"id":"7"},"message":{"mid":"m_2","is_echo":true,"metadata":"sl1:a"}}`),
	)
}
