package conformance

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"servicelink/connectors"
	"servicelink/connectors/connectortest"
	"servicelink/connectors/whatsapp"
	sim "servicelink/test/netsim/twilio"
)

// The simulated account, of which both networks have a sender.
const (
	twilioAccount = "AC00000000000000000000000000000001"
	twilioToken   = "t0ken-of-the-simulated-account-1"
	twilioOther   = "t0ken-of-the-simulated-account-2"
	twilioKey     = "SK00000000000000000000000000000001"
	twilioSecret  = "s3cret-of-the-simulated-key-0001"
	twilioSender  = "+420800123456"
)

var twilioSecrets = []string{twilioToken, twilioOther, twilioSecret}

func twilioSettings(base string) string {
	return "account_sid: " + twilioAccount + "\nauth_token: " + twilioToken + "\nauth_token_other: " + twilioOther +
		"\napi_key: " + twilioKey + "\napi_secret: " + twilioSecret + "\nfrom: \"" + twilioSender + "\"\napi_url: " + base +
		"/twilio\nmessaging_url: " + base + "/twilio/messaging"
}

// twilioCall is Twilio's request for a customer's message of a network, signed by the
// simulator's own hand.
func twilioCall(network, prefix string, m connectortest.Message, more map[string]string) *http.Request {
	fields := url.Values{
		"MessageSid": {m.ID}, "AccountSid": {twilioAccount}, "From": {prefix + "+" + m.Conversation}, "To": {prefix + twilioSender},
		"NumMedia": {"0"}, "ApiVersion": {"2010-04-01"},
	}
	for name, value := range more {
		fields.Set(name, value)
	}
	path := "/connector/" + network + "/message"
	r := httptest.NewRequestWithContext(context.Background(), http.MethodPost, path, strings.NewReader(fields.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=UTF-8")
	r.Header.Set("X-Twilio-Signature", sim.Signature(twilioToken, connectortest.PublicURL+path, fields))
	return r
}

func twilioWebhook(network, prefix string) *connectortest.Webhook {
	return &connectortest.Webhook{
		Text: func(m connectortest.Message) *http.Request {
			return twilioCall(network, prefix, m, map[string]string{"Body": m.Text})
		},
		Unknown: func(m connectortest.Message) *http.Request {
			return twilioCall(network, prefix, m, map[string]string{"MessageType": "hologram", "HologramData": m.Text, "Body": ""})
		},
		Forge: func(r *http.Request) *http.Request {
			r.Header.Set("X-Twilio-Signature", sim.Signature(twilioToken+"x", connectortest.PublicURL+r.URL.Path, nil))
			return r
		},
	}
}

func twilioNetwork(to string) connectortest.Network {
	return connectortest.Network{
		To: to,
		Accept: func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusCreated)
			_, _ = io.WriteString(w, `{"sid":"SM1","status":"queued","num_segments":"1"}`)
		},
		Read: func(_ *http.Request, body []byte) (id, text string) {
			fields, err := url.ParseQuery(string(body))
			if err != nil {
				return "", ""
			}
			return "", fields.Get("Body")
		},
	}
}

// nobody is the way to a gateway that is not there: every message names an address for
// its status, which must lead to no socket.
type nobody struct{}

func (nobody) RoundTrip(*http.Request) (*http.Response, error) {
	return nil, errors.New("nobody is there")
}

// startTwilio makes a Twilio with one sender of one network, whose webhooks are asked
// for again when nobody could take them: the fragment says so.
func startTwilio(network string, of func(*sim.Server) *sim.Network, gateway *connectortest.Gateway) connectortest.Simulator {
	options := sim.Options{Seed: 1, BaseURL: func() string { return "http://127.0.0.1:80/twilio" }, Transport: nobody{}}
	account := sim.Account{
		Account: twilioSender, AccountSID: twilioAccount, AuthToken: twilioToken, APIKey: twilioKey, APISecret: twilioSecret,
	}
	if gateway != nil {
		account.MessageURL, options.Transport = gateway.URL+"/connector/"+network+"/message#rc=5&rp=all", gateway.Transport
	}
	n := of(sim.New(options))
	if err := n.AddAccount(account); err != nil {
		panic(err)
	}
	return serve("twilio", twilioSender, n)
}

func whatsappHarness() connectortest.Harness {
	return connectortest.Harness{
		New: whatsapp.New, Settings: twilioSettings, Secrets: twilioSecrets,
		Webhook: twilioWebhook("whatsapp", "whatsapp:"),
		Network: twilioNetwork("+4200000000000017|whatsapp"),
		Simulation: &connectortest.Simulation{
			Start: func(g *connectortest.Gateway) connectortest.Simulator {
				return startTwilio("whatsapp", (*sim.Server).WhatsApp, g)
			},
			Kinds: []connectors.Kind{
				connectors.KindText, connectors.KindFile, connectors.KindLocation, connectors.KindButton,
				connectors.KindService, connectors.KindStop, connectors.KindUnsupported, connectors.KindNotice,
			},
			// Twilio has no such thing as a second reader.
			Without: []string{connectortest.FaultConflict},
			NoWait:  true,
			// What the simulator notes of webhooks that failed.
			Background: []string{"alert"},
			Rows:       twilioRows(),
		},
	}
}

// twilioError is an answer of Twilio's API.
func twilioError(status, code int) string {
	text, err := json.Marshal(map[string]any{
		"code": code, "message": "No", "more_info": "https://www.twilio.com/docs/errors/" + strconv.Itoa(code), "status": status,
	})
	if err != nil {
		panic(err)
	}
	return string(text)
}

// twilioRows has one code of each class; that each code is of its class is tested
// beside the connector's table.
func twilioRows() []connectortest.Row {
	rows := []connectortest.Row{
		{
			Name: "20429 with a wait", Status: 429, Header: http.Header{"Retry-After": {"31"}}, Body: twilioError(429, 20429),
			Want: connectors.SendError{Outcome: connectors.NotSent, Reason: connectors.ReasonRate, RetryAfter: 31 * time.Second}, HasHint: true,
		},
		{
			Name: "20429", Status: 429, Body: twilioError(429, 20429),
			Want: connectors.SendError{Outcome: connectors.NotSent, Reason: connectors.ReasonRate}, HasHint: true,
		},
		{
			Name: "a proxy's page", Status: 502, Header: http.Header{"Content-Type": {"text/html"}}, Body: "<html>502</html>",
			Want: connectors.SendError{Outcome: connectors.Unknown, Reason: connectors.ReasonServer},
		},
		{
			Name: "a success that is none", Status: 201, Body: `{"status":"queued"}`,
			Want: connectors.SendError{Outcome: connectors.Unknown, Reason: connectors.ReasonAnswer},
		},
		{
			Name: "a redirect", Status: 307, Header: http.Header{"Location": {"http://127.0.0.1:9/"}},
			Want: connectors.SendError{Outcome: connectors.NotSent, Reason: connectors.ReasonAnswer}, HasHint: true,
		},
	}
	for _, r := range []struct {
		status, code int
		want         connectors.SendError
	}{
		{429, 63018, connectors.SendError{Outcome: connectors.NotSent, Reason: connectors.ReasonRate, RetryAfter: 30 * time.Second, Scope: connectors.ScopeRecipient}},
		{429, 63017, connectors.SendError{Outcome: connectors.NotSent, Reason: connectors.ReasonRate, RetryAfter: 30 * time.Second}},
		{400, 21611, connectors.SendError{Outcome: connectors.NotSent, Reason: connectors.ReasonRate, RetryAfter: 10 * time.Minute}},
		{400, 63016, connectors.SendError{Outcome: connectors.Rejected, Reason: connectors.ReasonWindow}},
		{500, 20500, connectors.SendError{Outcome: connectors.Unknown, Reason: connectors.ReasonServer}},
		{503, 20503, connectors.SendError{Outcome: connectors.NotSent, Reason: connectors.ReasonServer}},
		{400, 21620, connectors.SendError{Outcome: connectors.Rejected, Reason: connectors.ReasonFile}},
		{400, 21623, connectors.SendError{Outcome: connectors.Rejected, Reason: connectors.ReasonContent}},
		{401, 20003, connectors.SendError{Outcome: connectors.NotSent, Reason: connectors.ReasonAuth}},
		{400, 21610, connectors.SendError{Outcome: connectors.Rejected, Reason: connectors.ReasonBlocked}},
		{400, 21211, connectors.SendError{Outcome: connectors.Rejected, Reason: connectors.ReasonNotFound}},
		{400, 63007, connectors.SendError{Outcome: connectors.Rejected, Reason: connectors.ReasonAuth}},
		{400, 21408, connectors.SendError{Outcome: connectors.Rejected, Reason: connectors.ReasonBlocked}},
		{400, 21617, connectors.SendError{Outcome: connectors.Rejected, Reason: connectors.ReasonContent}},
		{400, 63015, connectors.SendError{Outcome: connectors.Rejected, Reason: connectors.ReasonBlocked}},
		{400, 21608, connectors.SendError{Outcome: connectors.Rejected, Reason: connectors.ReasonBlocked}},
	} {
		rows = append(rows, connectortest.Row{
			Name: strconv.Itoa(r.code), Status: r.status, Body: twilioError(r.status, r.code), Want: r.want, HasHint: true,
		})
	}
	return append(rows, connectortest.Row{
		Name: "20003, of a file to be opened", Status: 401, Body: twilioError(401, 20003), Open: true,
		Want: connectors.SendError{Outcome: connectors.NotSent, Reason: connectors.ReasonAuth}, HasHint: true,
	})
}

// FuzzWhatsapp: nothing that is posted makes Parse panic, or say half.
func FuzzWhatsapp(f *testing.F) { connectortest.Fuzz(f, harness("whatsapp"), twilioSeeds()...) }

// twilioSeeds are bodies of webhooks.
func twilioSeeds() [][]byte {
	return [][]byte{
		[]byte("MessageSid=SM1&From=whatsapp%3A%2B420601234567&Body=x&MediaUrl0=https%3A%2F%2Fapi.twilio.com%2F2010-04-01%2FAccounts%2F" +
			twilioAccount + "%2FMessages%2FMM1%2FMedia%2FME1&MediaContentType0=image%2Fjpeg&NumMedia=1"),
		[]byte("MessageSid=SM1&From=%2B420601234567&Latitude=50.1&Longitude=14.4&Label=a&Address=b"),
		[]byte("MessageSid=SM1&From=%2B420601234567&ButtonPayload=p&ButtonText=t&OptOutType=STOP"),
		[]byte("MessageSid=SM1&MessageStatus=failed&ErrorCode=63016&To=whatsapp%3A%2B420601234567"),
		[]byte("a=1&a=2&%ff=%zz;"),
	}
}
