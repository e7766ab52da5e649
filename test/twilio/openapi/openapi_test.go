//go:build openapi

package openapi

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"servicelink/config"
	"servicelink/connectors"
	"servicelink/connectors/sms"
	"servicelink/connectors/whatsapp"
	"servicelink/test/netsim/control"
	"servicelink/test/netsim/twilio"
)

// The simulated account.
const (
	account  = "AC00000000000000000000000000000001"
	service  = "MG00000000000000000000000000000001"
	token    = "0123456789abcdef0123456789abcdef"
	sender   = "+420800123456"
	customer = "+420601234567"
	public   = "https://gateway.example.com"
)

// spoil is a header that makes the simulator answer what Twilio would not.
const spoil = "X-Test-Spoil"

// world is a simulated Twilio behind the proxy.
type world struct {
	*watch
	twilio *twilio.Server
	proxy  string
}

func start(t *testing.T) *world {
	t.Helper()
	base := ""
	sim := twilio.New(twilio.Options{Seed: 1, BaseURL: func() string { return base + "/twilio" }, Transport: nobody{}})
	api := http.StripPrefix("/twilio", sim.API())
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if answer := r.Header.Get(spoil); answer != "" {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusCreated)
			_, _ = w.Write([]byte(answer))
			return
		}
		api.ServeHTTP(w, r)
	}))
	base = server.URL
	t.Cleanup(func() { server.Close(); sim.Close() })
	for _, n := range []*twilio.Network{sim.WhatsApp(), sim.SMS()} {
		if err := n.AddAccount(twilio.Account{Account: sender, AccountSID: account, AuthToken: token, Service: service}); err != nil {
			t.Fatal(err)
		}
	}
	file, way := cut(t), &http.Transport{}
	t.Cleanup(way.CloseIdleConnections)
	return &world{
		watch:  &watch{known: operations(t, file), way: way, seen: map[string]int{}},
		twilio: sim, proxy: startPrism(t, file, base+"/twilio"),
	}
}

// nobody is the way to a gateway that is not there.
type nobody struct{}

func (nobody) RoundTrip(*http.Request) (*http.Response, error) { return nil, http.ErrServerClosed }

// channel is a real connector whose Twilio is behind the proxy.
func (w *world) channel(t *testing.T, d connectors.Definition, settings string) connectors.Connector {
	t.Helper()
	parsed, err := config.ParseSettings("account_sid: " + account + "\nauth_token: " + token +
		"\napi_url: " + w.proxy + "\nmessaging_url: " + w.proxy + "/messaging\n" + settings)
	if err != nil {
		t.Fatal(err)
	}
	c, err := d.New(config.Channel{Name: "shop", Enabled: true, Culture: "en", Settings: parsed}, connectors.Dependencies{
		Log: slog.New(slog.DiscardHandler), PublicURL: public, Transport: w.watch,
		Egress: config.Egress{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.(connectors.Closer).Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

// inbox counts what is delivered.
type inbox struct{ events []connectors.Event }

func (i *inbox) Deliver(_ context.Context, events []connectors.Event) error {
	i.events = append(i.events, events...)
	return nil
}
func (*inbox) Typing(string, bool) {}
func (*inbox) Working()            {}

// TestOpenAPI: all that the connectors ask of Twilio, and all that the simulator
// answers, is as Twilio describes it.
func TestOpenAPI(t *testing.T) {
	w := start(t)
	for _, tt := range []struct {
		name, settings string
		d              connectors.Definition
		sim            *twilio.Network
	}{
		{"whatsapp", "from: '" + sender + "'", whatsapp.Definition, w.twilio.WhatsApp()},
		{"whatsapp service", "messaging_service_sid: " + service, whatsapp.Definition, w.twilio.WhatsApp()},
		{"sms", "from: '" + sender + "'\nmms: true", sms.Definition, w.twilio.SMS()},
		{"sms service", "messaging_service_sid: " + service + "\nmms: true", sms.Definition, w.twilio.SMS()},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := w.channel(t, tt.d, tt.settings)
			began := time.Now().Add(-time.Second)
			mustAct(t, tt.sim, control.Action{Do: "text", Text: "hello"})
			mustAct(t, tt.sim, control.Action{Do: "photo", File: &control.File{Name: "a.png", Data: []byte("\x89PNG\r\n\x1a\n")}})
			w.sends(t, c, tt.d.Network)
			w.asks(t, c, tt.d.Network, began)
			for _, v := range w.take() {
				t.Error(v)
			}
		})
	}
	t.Run("others", w.others)
	for _, v := range w.take() {
		t.Error(v)
	}
	for _, name := range w.unseen("POST /2010-04-01/Accounts/{Sid}.json", "POST /2010-04-01/Accounts/{AccountSid}/IncomingPhoneNumbers.json",
		"POST /2010-04-01/Accounts/{AccountSid}/Messages/{Sid}.json", "POST /messaging/v1/Services", "POST /messaging/v2/Channels/Senders") {
		t.Errorf("%s was never asked", name)
	}
}

func mustAct(t *testing.T, n *twilio.Network, a control.Action) {
	t.Helper()
	a.User = control.User{ID: customer, FirstName: "Ann"}
	if _, err := n.Act(sender, a); err != nil {
		t.Fatal(err)
	}
}

// sends sends every kind of part.
func (w *world) sends(t *testing.T, c connectors.Connector, network string) {
	t.Helper()
	file := &connectors.OutFile{Type: "image/png", Name: "map.png", URL: "https://files.example.com/a%20b/m.png?x=1&y='2'"}
	for i, part := range []connectors.Part{
		{Text: "good morning"},
		{Text: strings.Repeat("žluťoučký kůň 😀 \"&+%' ", 20)},
		{File: file, Text: "the way to us"},
		{File: file},
		{Template: &connectors.Template{ID: "HX00000000000000000000000000000001", Variables: map[string]string{"1": `it's "ready" & 😀`}}},
		{Template: &connectors.Template{ID: "HX00000000000000000000000000000009"}},
	} {
		part.ID, part.Ref, part.To = "id", "1z.id#"+string(rune('1'+i)), address(network)
		receipt, err := c.Send(t.Context(), part)
		if err != nil || receipt.NetworkID == "" {
			t.Errorf("part %d: %v", i, err)
		}
	}
}

func address(network string) connectors.Address {
	return connectors.Address{TrackingID: connectors.TrackingID(customer, network), RemoteAddress: customer}
}

// asks makes the connector ask for all that it can ask.
func (w *world) asks(t *testing.T, c connectors.Connector, network string, began time.Time) {
	t.Helper()
	finding, err := c.(connectors.Reconciler).Reconcile(t.Context(), connectors.Attempt{
		Part:  connectors.Part{ID: "id", Ref: "1z.id#1", Text: "good morning", To: address(network)},
		Began: began, Ended: time.Now(),
	})
	if err != nil || finding.Fate != connectors.FateSent {
		t.Errorf("asked for a message that was sent, it is %v, %v", finding.Fate, err)
	}
	var in inbox
	if err := c.(connectors.Recoverer).Recover(t.Context(), began.Add(-time.Hour), time.Now().Add(time.Minute), &in); err != nil {
		t.Errorf("recover: %v", err)
	}
	file := slices.ContainsFunc(in.events, func(e connectors.Event) bool { return e.Kind == connectors.KindFile })
	if len(in.events) < 2 || !file {
		t.Errorf("%d messages were recovered, a file among them: %v", len(in.events), file)
	}
	for range 2 { // the second time there is nothing to change
		if done, err := c.(connectors.Registrar).Register(t.Context()); err != nil || len(done) == 0 {
			t.Errorf("register: %q, %v", done, err)
		}
	}
	for _, check := range c.(connectors.Doctor).Examine(t.Context(), connectors.Examination{}) {
		// The webhook calls of this test end nowhere, which is all there is to find.
		if check.State != connectors.CheckOK && check.Name != connectors.CheckErrors {
			t.Errorf("examined: %+v", check)
		}
	}
	if typer, ok := c.(connectors.Typer); ok && len(in.events) > 0 {
		if err := typer.Typing(t.Context(), address(network), in.events[0].NetworkID, true); err != nil {
			t.Errorf("typing: %v", err)
		}
	}
}

// others asks the simulator for what the connectors do not ask for.
func (w *world) others(t *testing.T) {
	api := w.proxy + "/2010-04-01/Accounts/" + account
	get := func(address string, members ...string) string {
		t.Helper()
		body := w.do(t, http.MethodGet, address, http.Header{}, nil)
		var answer any
		if err := json.Unmarshal([]byte(body), &answer); err != nil {
			t.Fatalf("%s: %s", address, body)
		}
		for _, m := range members { // a name, or "" for the first of a list
			switch a := answer.(type) {
			case map[string]any:
				answer = a[m]
			case []any:
				if len(a) == 0 {
					t.Fatalf("%s has nothing", address)
				}
				answer = a[0]
			}
		}
		sid, _ := answer.(string)
		return sid
	}
	get(api + ".json")
	message := get(api+"/Messages.json?PageSize=1", "messages", "", "sid")
	get(api + "/Messages.json?PageSize=1&Page=1&To=" + url.QueryEscape(customer))
	get(api + "/Messages/" + message + ".json")
	number := get(api+"/IncomingPhoneNumbers.json", "incoming_phone_numbers", "", "sid")
	get(api + "/IncomingPhoneNumbers/" + number + ".json")
	get(w.proxy + "/messaging/v1/Services")
	get(w.proxy + "/messaging/v1/Services/" + service)
	one := get(w.proxy+"/messaging/v2/Channels/Senders?Channel=whatsapp", "senders", "", "sid")
	get(w.proxy + "/messaging/v2/Channels/Senders/" + one)
	w.do(t, http.MethodPost, api+"/Messages.json", http.Header{}, url.Values{
		"To": {customer}, "From": {sender}, "MediaUrl": {"https://files.example.com/1.png", "https://files.example.com/2.png"},
	})
}

// TestViolations: the proxy does notice, in a request and in an answer.
func TestViolations(t *testing.T) {
	w := start(t)
	good := url.Values{"To": {customer}, "From": {sender}, "Body": {"x"}}
	messages := w.proxy + "/2010-04-01/Accounts/" + account + "/Messages.json"
	form := func(name, value string) url.Values {
		f := url.Values{name: {value}}
		for n, v := range good {
			if n != name {
				f[n] = v
			}
		}
		return f
	}
	answer := w.do(t, http.MethodPost, messages, http.Header{}, good)
	if v := w.take(); len(v) > 0 {
		t.Fatalf("a good request and its answer: %q", v)
	}
	without := func(name string) string {
		var members map[string]any
		if err := json.Unmarshal([]byte(answer), &members); err != nil {
			t.Fatal(err)
		}
		delete(members, name)
		raw, err := json.Marshal(members)
		if err != nil {
			t.Fatal(err)
		}
		return string(raw)
	}
	for name, tt := range map[string]struct {
		address string
		form    url.Values
		spoil   string
	}{
		"a field that is not described":   {messages, form("StatusCallBack", "https://example.com/"), ""},
		"a template that is none":         {messages, form("ContentSid", "template-1"), ""},
		"no receiver":                     {messages, url.Values{"From": {sender}, "Body": {"x"}}, ""},
		"a callback that is no address":   {messages, form("StatusCallback", "not an address"), ""},
		"a number that is none":           {messages, form("ValidityPeriod", "long"), ""},
		"a query that is not described":   {messages + "?Pages=1", good, ""},
		"a path that is not described":    {messages + "x", good, ""},
		"an answer without a member":      {messages, good, without("num_segments")},
		"an answer with another type":     {messages, good, strings.Replace(answer, `"num_segments":"1"`, `"num_segments":1`, 1)},
		"an answer with an unknown state": {messages, good, strings.Replace(answer, `"status":"`, `"status":"un`, 1)},
		"an answer with a member more":    {messages, good, `{"more":1,` + answer[1:]},
		"an answer that is no JSON":       {messages, good, "<html>"},
	} {
		header := http.Header{}
		if tt.spoil != "" {
			if tt.spoil == answer {
				t.Fatalf("%s: nothing is spoilt in %s", name, answer)
			}
			header.Set(spoil, tt.spoil)
		}
		w.do(t, http.MethodPost, tt.address, header, tt.form)
		if len(w.take()) == 0 {
			t.Errorf("%s: nothing was noticed", name)
		}
	}
}
