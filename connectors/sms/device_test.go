package sms

import (
	"log/slog"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"servicelink/config"
	"servicelink/connectors"
	"servicelink/test/netsim/control"
	"servicelink/test/netsim/twilio"
)

const (
	simAccount = "AC00000000000000000000000000000001"
	simToken   = "marked-token-of-the-account-0001"
	simSender  = "+420800123456"
	simPublic  = "https://gw.example.com"
	customer   = "+420601234567"
)

func device(t *testing.T, api string, inbound bool, more string) connectors.Device {
	t.Helper()
	_, s, err := config.ParseDevice(`TwilioSms {"AccountSID": "`+simAccount+`", "AuthToken": "`+simToken+`", "From": "`+simSender+
		`", "APIURL": "`+api+`"`+more+`}`, "")
	if err != nil {
		t.Fatal(err)
	}
	id := "6f9619ff-8b86-d011-b42d-00c04fc964ff"
	deps := connectors.Dependencies{Log: slog.New(slog.DiscardHandler)}
	if inbound {
		deps.PublicURL = simPublic
	}
	d, err := TwilioSms.New(config.Channel{
		Name: id, Network: Network, Settings: s, Gateway: &config.Gateway{ID: id, Inbound: inbound, Device: "TwilioSms"},
	}, deps)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.(connectors.Closer).Close() })
	return d
}

// simulate is a Twilio with one sender.
func simulate(t *testing.T) (api string, network *twilio.Network) {
	t.Helper()
	sim := twilio.New(twilio.Options{Seed: 1, BaseURL: func() string { return "http://127.0.0.1" }})
	t.Cleanup(sim.Close)
	network = sim.SMS()
	if err := network.AddAccount(twilio.Account{Account: simSender, AccountSID: simAccount, AuthToken: simToken}); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(network.API())
	t.Cleanup(server.Close)
	return server.URL, network
}

// TestDeviceSends: every number gets every text, numbered, and Twilio is given no
// address to report to.
func TestDeviceSends(t *testing.T) {
	api, network := simulate(t)
	d := device(t, api, false, `, "MaxSegments": 1`).(connectors.MessageSender)
	long := strings.TrimSpace(strings.Repeat("some words of an order. ", 15))
	m := &connectors.Message{ID: "x", Text: long, Recipients: connectors.Recipients{To: []string{"+420 601-234 567", "nobody"}}}
	parts, err := d.Parts(m)
	want := []string{customer + " 1/3", customer + " 2/3", customer + " 3/3", "nobody 1/3", "nobody 2/3", "nobody 3/3"}
	if err != nil || !slices.Equal(parts, want) {
		t.Fatalf("parts %q, %v", parts, err)
	}
	var said []string
	for _, part := range parts[:3] {
		r, err := d.SendMessage(t.Context(), m, part)
		if err != nil || !strings.HasPrefix(r.NetworkID, "SM") {
			t.Fatalf("%s: %+v, %v", part, r, err)
		}
	}
	for _, r := range network.Requests(control.Filter{}) {
		if r.Params["To"] != customer || r.Params["From"] != simSender || r.Params["StatusCallback"] != "" {
			t.Errorf("asked with %v", r.Params)
		}
		label, text, _ := strings.Cut(r.Params["Body"], " ")
		if len(r.Params["Body"]) > 153 || label == "" {
			t.Errorf("%q has %d characters", r.Params["Body"], len(r.Params["Body"]))
		}
		said = append(said, text)
	}
	if got := strings.Join(said, " "); got != long {
		t.Errorf("said %q, want %q", got, long)
	}
	for _, part := range []string{"nobody 1/3", customer, customer + " 4/3"} {
		_, err := d.SendMessage(t.Context(), m, part)
		if se := connectors.AsSendError(err); err == nil || se.Outcome != connectors.Rejected {
			t.Errorf("%s: %v", part, err)
		}
	}
}

// TestDeviceOutcomes: Twilio's refusals keep their meaning.
func TestDeviceOutcomes(t *testing.T) {
	api, network := simulate(t)
	d := device(t, api, false, "").(connectors.MessageSender)
	m := &connectors.Message{ID: "x", Text: "hello", RemoteAddress: customer}
	for _, tc := range []struct {
		fault   control.Fault
		outcome connectors.Outcome
		reason  connectors.Reason
	}{
		{control.Fault{Kind: control.Unauthorized}, connectors.NotSent, connectors.ReasonAuth},
		{control.Fault{Kind: control.Rate, RetryAfter: 1}, connectors.NotSent, connectors.ReasonRate},
		{control.Fault{Kind: control.Refuse, Code: 21610}, connectors.Rejected, connectors.ReasonBlocked},
		{control.Fault{Kind: control.Cut}, connectors.Unknown, connectors.ReasonCut},
	} {
		tc.fault.Times = 1
		if err := network.Fault(tc.fault); err != nil {
			t.Fatal(err)
		}
		_, err := d.SendMessage(t.Context(), m, customer)
		if se := connectors.AsSendError(err); err == nil || se.Outcome != tc.outcome || se.Reason != tc.reason || strings.Contains(se.Error(), customer) {
			t.Errorf("%+v: %v", tc.fault, err)
		}
	}
}

// TestDeviceReceives: what a customer writes is the event it is in a chat, without a
// made-up name.
func TestDeviceReceives(t *testing.T) {
	d := device(t, "https://api.example.com", true, "")
	hooks := d.(connectors.Webhooker).Webhooks()
	if len(hooks) == 0 || hooks[0].Path != "/connector/sms/message" {
		t.Fatalf("webhooks %+v", hooks)
	}
	form := url.Values{
		"MessageSid": {"SM00000000000000000000000000000001"}, "AccountSid": {simAccount}, "From": {customer}, "To": {simSender},
		"Body": {"Good morning"}, "NumMedia": {"0"},
	}
	r := &connectors.Request{
		Method: "POST", URL: &url.URL{Path: hooks[0].Path}, PublicURL: simPublic + hooks[0].Path, Body: []byte(form.Encode()),
		Header:   map[string][]string{"Content-Type": {"application/x-www-form-urlencoded"}, "X-Twilio-Signature": {twilio.Signature(simToken, simPublic+hooks[0].Path, form)}},
		Received: time.Now(),
	}
	if err := hooks[0].Verify(r); err != nil {
		t.Fatal(err)
	}
	result, err := hooks[0].Parse(r)
	if err != nil || len(result.Events) != 1 {
		t.Fatalf("%+v, %v", result, err)
	}
	ev := result.Events[0]
	if ev.Kind != connectors.KindText || ev.Text != "Good morning" || ev.TrackingID != customer+"|sms" || ev.Customer.PartyName != customer ||
		ev.Customer.RemoteAddress != customer || ev.NetworkID != "SM00000000000000000000000000000001" {
		t.Errorf("%+v", ev)
	}
}

// TestDeviceExamine: what sends is not blamed for where Twilio brings answers.
func TestDeviceExamine(t *testing.T) {
	api, network := simulate(t)
	d := device(t, api, false, "").(connectors.Doctor)
	states := map[connectors.CheckName]connectors.CheckState{}
	for _, c := range d.Examine(t.Context(), connectors.Examination{}) {
		states[c.Name] = c.State
	}
	if states[connectors.CheckNetwork] != connectors.CheckOK || states[connectors.CheckCredentials] != connectors.CheckOK || states[connectors.CheckSender] != connectors.CheckOK {
		t.Errorf("%v", states)
	}
	if _, looked := states[connectors.CheckWebhook]; looked {
		t.Error("it looks at the webhook")
	}
	if err := network.Fault(control.Fault{Kind: control.Unauthorized}); err != nil {
		t.Fatal(err)
	}
	for _, c := range d.Examine(t.Context(), connectors.Examination{}) {
		if c.Name == connectors.CheckCredentials && c.State != connectors.CheckFailed {
			t.Errorf("with a wrong password: %+v", c)
		}
	}
}

func TestDeviceDirections(t *testing.T) {
	in, out := device(t, "https://api.example.com", true, ""), device(t, "https://api.example.com", false, "")
	if _, sends := in.(connectors.MessageSender); sends {
		t.Error("what receives sends messages")
	}
	if _, hooks := out.(connectors.Webhooker); hooks {
		t.Error("what sends has webhooks")
	}
	if _, exclusive := out.(connectors.Exclusive); exclusive {
		t.Error("what sends shuts out what receives by the same sender")
	}
}

func TestDeviceSettings(t *testing.T) {
	for settings, want := range map[string]string{
		`{}`: "AccountSID: is missing",
		`{"AccountSID": "AC1", "AuthToken": "x", "From": "` + simSender + `"}`:                         "AccountSID: is not AC",
		`{"AccountSID": "` + simAccount + `", "AuthToken": "x", "From": "SHOP"}`:                       "From: is no sender",
		`{"AccountSID": "` + simAccount + `", "AuthToken": "x", "From": "12345", "MaxSegments": 11}`:   "MaxSegments: is not",
		`{"AccountSID": "` + simAccount + `", "AuthToken": "x", "From": "12345", "max_segments": 1}`:   "max_segments",
		`{"AccountSID": "` + simAccount + `", "AuthToken": "x", "From": "12345", "APIURL": "ftp://x"}`: "APIURL",
		`{"AccountSID": "` + simAccount + `", "AuthToken": "x", "From": "1", "MessagesPerSecond": 0}`:  "MessagesPerSecond",
		`{"AccountSID": "` + simAccount + `", "AuthToken": "x", "From": "12345", "APIKey": "SK1"}`:     "APIKey",
	} {
		_, s, err := config.ParseDevice("TwilioSms "+settings, "")
		if err != nil {
			t.Fatal(err)
		}
		d, err := TwilioSms.New(config.Channel{Settings: s, Gateway: &config.Gateway{}}, connectors.Dependencies{Log: slog.New(slog.DiscardHandler)})
		if err == nil || d != nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", settings, err, want)
		}
	}
}

// FuzzDeviceTexts: whatever is written leaves whole, in parts that fit.
func FuzzDeviceTexts(f *testing.F) {
	f.Add("plain words, "+strings.Repeat("many of them ", 40), 1)
	f.Add(strings.Repeat("ěščřžýáíé👩‍👩‍👧", 30), 2)
	f.Add(strings.Repeat("x", 2000), 1)
	f.Add("{[~]}\r\n\x00\xff", 10)
	f.Fuzz(func(t *testing.T, text string, segments int) {
		d := outDevice{maxSegments: 1 + abs(segments)%mostSegments}
		texts, err := d.texts(&connectors.Message{Text: text})
		if err != nil {
			if se := connectors.AsSendError(err); se.Outcome != connectors.Rejected || se.Reason != connectors.ReasonContent {
				t.Fatalf("%v", err)
			}
			return
		}
		each := foreignEach
		if isOwn(strings.TrimSpace(strings.ReplaceAll(strings.ToValidUTF8(text, "\uFFFD"), "\r\n", "\n"))) {
			each = ownEach
		}
		var said strings.Builder
		for i, one := range texts {
			if n := length(one); n > each*d.maxSegments && n > markRoom+40 {
				t.Errorf("part %d has %d of %d", i, n, each*d.maxSegments)
			}
			if len(texts) > 1 {
				_, one, _ = strings.Cut(one, " ")
			}
			said.WriteString(one)
		}
		if got, want := letters(said.String()), letters(strings.ToValidUTF8(text, "\uFFFD")); got != want {
			t.Errorf("said %q, want %q", got, want)
		}
	})
}

func abs(n int) int {
	if n < 0 {
		return -(n + 1)
	}
	return n
}

// letters is a text without what may be left out between parts.
func letters(s string) string { return strings.Join(strings.Fields(s), "") }
