package conformance

import (
	"context"
	"encoding/json"
	"flag"
	"net/http"
	"testing"
	"time"

	"servicelink/connectors/all"
	"servicelink/connectors/connectortest"
	"servicelink/test/netsim/control"
)

var update = flag.Bool("update", false, "write the golden files anew")

// harnesses describe every network; the key is its name.
var harnesses = map[string]func() connectortest.Harness{
	"facebook":    facebookHarness,
	"omnichannel": omnichannelHarness,
	"sms":         smsHarness,
	"telegram":    telegramHarness,
	"whatsapp":    whatsappHarness,
}

// TestConformance: every connector does what the contract says and its network
// documents.
func TestConformance(t *testing.T) {
	for network := range harnesses {
		t.Run(network, func(t *testing.T) { connectortest.Run(t, harness(network)) })
	}
}

// TestEveryConnector: none that is compiled in is left out.
func TestEveryConnector(t *testing.T) {
	for _, d := range all.All() {
		if harnesses[d.Network] == nil {
			t.Errorf("the network %s is not described here", d.Network)
		}
	}
}

// harness is a network's, with what all have in common.
func harness(network string) connectortest.Harness {
	h := harnesses[network]()
	h.Simulation.Scenarios = "testdata/" + network
	h.Simulation.Update = *update
	return h
}

// simulator shows a simulated network to the kit.
type simulator struct {
	http.Handler
	control.Network
	account string
}

var _ connectortest.Simulator = simulator{}

// serve makes a simulator of a network that has the account.
func serve(name, account string, n control.Network) simulator {
	return simulator{http.StripPrefix("/"+name, n.API()), n, account}
}

// Act implements connectortest.Simulator.
func (s simulator) Act(action json.RawMessage) (string, error) {
	var a control.Action
	if err := json.Unmarshal(action, &a); err != nil {
		return "", err
	}
	id, err := s.Network.Act(s.account, a)
	return string(id), err
}

// Inject implements connectortest.Simulator.
func (s simulator) Inject(event json.RawMessage) error { return s.Network.Inject(s.account, event) }

// Fault implements connectortest.Simulator.
func (s simulator) Fault(f connectortest.Fault) error {
	return s.Network.Fault(control.Fault{
		Kind: control.Kind(f.Kind), Times: f.Times, Seconds: f.Seconds, RetryAfter: f.RetryAfter,
	})
}

// request is what of a request stands in golden files.
type request struct {
	Params map[string]string `json:"params,omitempty"`
	Body   json.RawMessage   `json:"body,omitempty"`
	Files  []control.Upload  `json:"files,omitempty"`
	Answer string            `json:"answer,omitempty"` // of a refusal
	Status int               `json:"status"`
}

// Requests implements connectortest.Simulator.
func (s simulator) Requests() []connectortest.Request {
	var list []connectortest.Request
	for _, r := range s.Network.Requests(control.Filter{}) {
		content := request{Params: r.Params, Files: r.Files, Status: r.Status}
		if json.Valid([]byte(r.Body)) {
			content.Body, content.Params = json.RawMessage(r.Body), nil
		}
		if r.Status >= 300 {
			content.Answer = r.Answer
		}
		list = append(list, connectortest.Request{Method: r.Method, Content: content})
	}
	return list
}

// Shown implements connectortest.Simulator.
func (s simulator) Shown(chat string) ([]connectortest.Shown, error) {
	conversation, err := s.Chat(context.Background(), s.account, control.ID(chat), -1)
	if err != nil {
		return nil, err
	}
	var list []connectortest.Shown
	for _, m := range conversation.Messages {
		m.At, m.Detail = time.Time{}, ""
		shown := connectortest.Shown{
			ID: string(m.ID), Agent: m.From == control.FromAgent, Text: m.Text, ReplyTo: string(m.ReplyTo), Content: m,
		}
		for _, row := range m.Buttons {
			for _, b := range row {
				shown.Buttons = append(shown.Buttons, b.Data)
			}
		}
		list = append(list, shown)
	}
	return list, nil
}
