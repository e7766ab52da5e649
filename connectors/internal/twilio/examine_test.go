package twilio

import (
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"servicelink/config"
	"servicelink/connectors"
)

// Parts of the paths that an examination asks.
const (
	askAccount  = "/Accounts/" + testAccount + ".json"
	askMessages = "/Messages.json"
	askNumbers  = "/IncomingPhoneNumbers.json"
	askSenders  = "/v2/Channels/Senders"
	askService  = "/v1/Services/"
	askAlerts   = "/monitor/v1/Alerts"
)

// twilioSays is a Twilio where all is well but for what changes says, by the part of
// the path that is asked; an answer begins with its status. calls, by user and
// password, are refused where refused has them.
func twilioSays(changes map[string]string, refused ...string) http.HandlerFunc {
	all := map[string]string{
		askAccount:  `200 {"status":"active","auth_token":"` + testToken + `"}`,
		askMessages: `200 {"messages":[]}`,
		askNumbers:  `200 {"incoming_phone_numbers":[{"sid":"PN1","phone_number":"` + testSender + `","sms_url":"` + hook + `","sms_method":"POST"}]}`,
		askSenders:  `200 {"senders":[{"sid":"XE1","sender_id":"whatsapp:` + testSender + `","status":"ONLINE","webhook":{"callback_url":"` + hook + `","callback_method":"POST"},"offline_reasons":null}]}`,
		askService:  `200 {"inbound_request_url":"` + hook + `","inbound_method":"POST","use_inbound_webhook_on_number":false}`,
		askAlerts:   `200 {"alerts":[]}`,
	}
	maps.Copy(all, changes)
	delete(all, "") // nothing is changed
	return func(w http.ResponseWriter, r *http.Request) {
		_, password, _ := r.BasicAuth()
		if slices.Contains(refused, password) {
			says(http.StatusUnauthorized, `{"code":20003}`)(w, r)
			return
		}
		for part, answer := range all {
			if strings.Contains(r.URL.Path, part) {
				says(int(answer[0]-'0')*100+int(answer[1]-'0')*10+int(answer[2]-'0'), answer[4:])(w, r)
				return
			}
		}
		w.WriteHeader(http.StatusNotFound)
	}
}

// order is that of the checks.
var order = []connectors.CheckName{
	connectors.CheckNetwork, connectors.CheckCredentials, connectors.CheckSignature, connectors.CheckWebhook, connectors.CheckSender,
	connectors.CheckErrors, connectors.CheckClock,
}

// checksOf examines c; a Check that cannot be is a mistake of the test.
func checksOf(t *testing.T, c *Channel) map[connectors.CheckName]connectors.Check {
	t.Helper()
	byName := map[connectors.CheckName]connectors.Check{}
	var names []connectors.CheckName
	for _, check := range c.Examine(t.Context(), connectors.Examination{}) {
		byName[check.Name] = check
		names = append(names, check.Name)
		all := check.Found + check.Cure + check.Code
		if strings.Contains(all, testToken) || strings.Contains(all, "secret") && check.Fault != connectors.FaultWrongToken {
			t.Errorf("it tells a secret: %+v", check)
		}
		if (check.Fault == "") != (check.Cure == "") || check.Mendable {
			t.Errorf("%+v", check)
		}
	}
	if !slices.Equal(names, order) {
		t.Errorf("it looks at %v, want %v", names, order)
	}
	return byName
}

// keyed are settings of a channel that calls by an API key, with the account's token.
func keyed(base string) Settings {
	s := settings(base)
	s.APIKey, s.APISecret = testKey, config.NewSecret("key-secret")
	return s
}

// TestExamine: each fault is named where it is, and nowhere else.
func TestExamine(t *testing.T) {
	now := time.Now().UTC()
	senders := func(status, webhook, reasons string) string {
		return fmt.Sprintf(`200 {"senders":[{"sid":"XE1","sender_id":"whatsapp:%s","status":"%s","webhook":{"callback_url":"%s","callback_method":"POST"},"offline_reasons":%s}]}`,
			testSender, status, webhook, reasons)
	}
	alert := func(url string, at time.Time) string {
		return `{"error_code":"11200","request_url":"` + url + `","date_created":"` + at.Format(time.RFC3339) + `"}`
	}
	message := func(code, from string) string {
		return `{"sid":"SM1","direction":"outbound-api","from":"whatsapp:` + from + `","error_code":` + code + `,"date_created":"` + now.Format(time.RFC1123Z) + `"}`
	}
	const (
		ok, unknown, warning, failed = connectors.CheckOK, connectors.CheckUnknown, connectors.CheckWarning, connectors.CheckFailed
	)
	for name, tc := range map[string]struct {
		change, answer string
		check          connectors.CheckName
		state          connectors.CheckState
		fault          connectors.FaultName
		found          string
		more           []connectors.CheckName // that are not well either
	}{
		"all well":               {"", "", connectors.CheckWebhook, ok, "", "calls this gateway", nil},
		"suspended":              {askAccount, `200 {"status":"suspended","auth_token":"` + testToken + `"}`, connectors.CheckSender, failed, connectors.FaultPausedSender, "suspended", nil},
		"not active":             {askSenders, `403 {"code":20005}`, connectors.CheckSender, failed, connectors.FaultPausedSender, "not active", []connectors.CheckName{connectors.CheckWebhook}},
		"another token signs":    {askAccount, `200 {"status":"active","auth_token":"ffffffffffffffffffffffffffffffff"}`, connectors.CheckSignature, failed, connectors.FaultWrongSecret, "not the one", nil},
		"a token that is masked": {askAccount, `200 {"status":"active","auth_token":"********"}`, connectors.CheckSignature, ok, "", "account's", nil},
		"a page":                 {askAccount, `502 <html>`, connectors.CheckNetwork, failed, connectors.FaultNetworkAnswer, "502", order[1:6]},
		"offline":                {askSenders, senders("OFFLINE", hook, `[{"code":"63020","message":"secret"}]`), connectors.CheckSender, failed, connectors.FaultPausedSender, "OFFLINE", nil},
		"offline, and no reason": {askSenders, senders("OFFLINE", hook, `{"odd":1}`), connectors.CheckSender, failed, connectors.FaultPausedSender, "OFFLINE", nil},
		"updating":               {askSenders, senders("ONLINE:UPDATING", hook, `null`), connectors.CheckSender, ok, "", "active", nil},
		"a strange status":       {askSenders, senders("secret/secret", hook, `null`), connectors.CheckSender, failed, connectors.FaultPausedSender, "something else", nil},
		"no such sender":         {askSenders, `200 {"senders":[]}`, connectors.CheckSender, failed, connectors.FaultConfig, "no such sender", []connectors.CheckName{connectors.CheckWebhook}},
		"nothing entered":        {askSenders, senders("ONLINE", "", `null`), connectors.CheckWebhook, failed, connectors.FaultWrongWebhook, "no address", nil},
		"another path":           {askSenders, senders("ONLINE", testPublic+"/secret", `null`), connectors.CheckWebhook, failed, connectors.FaultWrongWebhook, "another address of this host", nil},
		"another port":           {askSenders, senders("ONLINE", strings.Replace(hook, ".com/", ".com:8443/", 1), `null`), connectors.CheckWebhook, failed, connectors.FaultWrongWebhook, "another address", nil},
		"an old host":            {askSenders, senders("ONLINE", "https://old.example.net/connector/whatsapp/message", `null`), connectors.CheckWebhook, failed, connectors.FaultWrongWebhook, "old.example.net", nil},
		"Twilio's example":       {askSenders, senders("ONLINE", "https://demo.twilio.com/welcome/sms/reply", `null`), connectors.CheckWebhook, failed, connectors.FaultWrongWebhook, "example", nil},
		"another system":         {askSenders, senders("ONLINE", "https://crm.example.net/secret?x=secret", `null`), connectors.CheckWebhook, failed, connectors.FaultForeignWebhook, "crm.example.net", nil},
		"no address at all":      {askSenders, senders("ONLINE", "::secret", `null`), connectors.CheckWebhook, failed, connectors.FaultWrongWebhook, "no address", nil},
		"lost calls":             {askAlerts, `200 {"alerts":[` + alert(hook, now) + `,` + alert("https://crm.example.net/x", now) + `]}`, connectors.CheckErrors, warning, connectors.FaultDeliveryErrors, "calls of this gateway that failed within a day: 1", nil},
		"old ones":               {askAlerts, `200 {"alerts":[` + alert(hook, now.Add(-25*time.Hour)) + `]}`, connectors.CheckErrors, ok, "", "none", nil},
		"no alerts for a key":    {askAlerts, `401 {"code":20003}`, connectors.CheckErrors, unknown, "", "20003", nil},
		"a sender not set up":    {askMessages, `200 {"messages":[` + message("63007", testSender) + `]}`, connectors.CheckErrors, warning, connectors.FaultDeliveryErrors, "messages that failed within a day: 1", nil},
		"a customer's refusal":   {askMessages, `200 {"messages":[` + message("63024", testSender) + `]}`, connectors.CheckErrors, ok, "", "none", nil},
		"another's failure":      {askMessages, `200 {"messages":[` + message("63007", "+1") + `]}`, connectors.CheckErrors, ok, "", "none", nil},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFake(t, twilioSays(map[string]string{tc.change: tc.answer}))
			checks := checksOf(t, open(t, keyed(f.URL)))
			got := checks[tc.check]
			if got.State != tc.state || got.Fault != tc.fault || !strings.Contains(got.Found, tc.found) {
				t.Errorf("%+v, want %s %s with %q", got, tc.state, tc.fault, tc.found)
			}
			for check, c := range checks {
				if check != tc.check && (c.State != ok) != slices.Contains(tc.more, check) {
					t.Errorf("%+v", c)
				}
			}
			for _, r := range f.requests() {
				if r.method != http.MethodGet {
					t.Errorf("it sent %s %s", r.method, r.uri)
				}
			}
		})
	}
}

// TestExamineTokens: which of the secrets is wrong.
func TestExamineTokens(t *testing.T) {
	key := func(s *Settings) { s.APIKey, s.APISecret = testKey, config.NewSecret("key-secret") }
	other := func(s *Settings) { s.AuthTokenOther = config.NewSecret("other-secret") }
	for name, tc := range map[string]struct {
		change       []func(*Settings)
		refused      []string
		credentials  connectors.FaultName
		signature    connectors.CheckState
		wrongSigning bool
	}{
		"a wrong token":                  {nil, []string{testToken}, connectors.FaultWrongToken, connectors.CheckUnknown, false},
		"a wrong token beside a key":     {[]func(*Settings){key}, []string{testToken}, "", connectors.CheckFailed, true},
		"a wrong key":                    {[]func(*Settings){key}, []string{"key-secret"}, connectors.FaultWrongToken, connectors.CheckOK, false},
		"both wrong":                     {[]func(*Settings){key}, []string{"key-secret", testToken}, connectors.FaultWrongToken, connectors.CheckUnknown, false},
		"the other one is the account's": {[]func(*Settings){key, other}, []string{testToken}, "", connectors.CheckWarning, true},
		"neither is":                     {[]func(*Settings){key, other}, []string{testToken, "other-secret"}, "", connectors.CheckFailed, true},
		"the other one is an old one":    {[]func(*Settings){other}, []string{"other-secret"}, "", connectors.CheckOK, false},
		"changed, and no key":            {[]func(*Settings){other}, []string{testToken}, connectors.FaultWrongToken, connectors.CheckWarning, true},
	} {
		f := newFake(t, twilioSays(nil, tc.refused...))
		s := settings(f.URL)
		for _, change := range tc.change {
			change(&s)
		}
		checks := checksOf(t, open(t, s))
		credentials, signature := checks[connectors.CheckCredentials], checks[connectors.CheckSignature]
		if credentials.Fault != tc.credentials || signature.State != tc.signature || (signature.Fault == connectors.FaultWrongSecret) != tc.wrongSigning {
			t.Errorf("%s: %+v and %+v", name, credentials, signature)
		}
	}
}

// TestExamineSorts: a number and a service have their webhooks elsewhere.
func TestExamineSorts(t *testing.T) {
	number := func(more string) string {
		return `200 {"incoming_phone_numbers":[{"sid":"PN1","phone_number":"` + testSender + `",` + more + `}]}`
	}
	service := func(url, use string) string {
		return `200 {"inbound_request_url":"` + url + `","inbound_method":"POST","use_inbound_webhook_on_number":` + use + `}`
	}
	for name, tc := range map[string]struct {
		sort, change, answer string
		webhook              connectors.FaultName
		state                connectors.CheckState
		sender               connectors.CheckState
	}{
		"a number":              {"number", "", "", "", connectors.CheckOK, connectors.CheckOK},
		"an application":        {"number", askNumbers, number(`"sms_url":"` + hook + `","sms_method":"POST","sms_application_sid":"AP1"`), connectors.FaultForeignWebhook, connectors.CheckFailed, connectors.CheckOK},
		"by GET":                {"number", askNumbers, number(`"sms_url":"` + hook + `","sms_method":"GET"`), connectors.FaultWrongWebhook, connectors.CheckFailed, connectors.CheckOK},
		"a number of others":    {"number", askNumbers, `200 {"incoming_phone_numbers":[]}`, "", connectors.CheckUnknown, connectors.CheckFailed},
		"a short code":          {"short", "", "", "", connectors.CheckUnknown, connectors.CheckUnknown},
		"a service":             {"service", "", "", "", connectors.CheckOK, connectors.CheckOK},
		"a service of others":   {"service", askService, `404 {"code":20404}`, "", connectors.CheckUnknown, connectors.CheckFailed},
		"left to its numbers":   {"service", askService, service(hook, "true"), connectors.FaultWrongWebhook, connectors.CheckWarning, connectors.CheckOK},
		"another system's":      {"service", askService, service("https://crm.example.net/x", "false"), connectors.FaultForeignWebhook, connectors.CheckFailed, connectors.CheckOK},
		"a service, not set up": {"service", askService, service("", "false"), connectors.FaultWrongWebhook, connectors.CheckFailed, connectors.CheckOK},
	} {
		f := newFake(t, twilioSays(map[string]string{tc.change: tc.answer}))
		s := keyed(f.URL)
		if tc.sort == "service" {
			s.From, s.Service = "", testService
		}
		c := open(t, s)
		switch tc.sort {
		case "number":
			c.traits.Prefix = ""
		case "short":
			c.traits.Prefix, c.from = "", "12345"
		}
		checks := checksOf(t, c)
		if got := checks[connectors.CheckWebhook]; got.Fault != tc.webhook || got.State != tc.state {
			t.Errorf("%s: %+v", name, got)
		}
		if got := checks[connectors.CheckSender]; got.State != tc.sender {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

// TestMonitor: alerts are beside the API wherever Twilio has it.
func TestMonitor(t *testing.T) {
	for api, want := range map[string]string{
		DefaultAPI:                            "https://monitor.twilio.com",
		"https://api.dublin.ie1.twilio.com":   "https://monitor.dublin.ie1.twilio.com",
		"https://api.twilio.com.example.net/": "https://api.twilio.com.example.net/monitor",
		"http://127.0.0.1:1/twilio":           "http://127.0.0.1:1/twilio/monitor",
	} {
		u, err := url.Parse(api)
		if err != nil {
			t.Fatal(err)
		}
		if got := monitor(u).String(); got != want {
			t.Errorf("%s: %s, want %s", api, got, want)
		}
	}
}

// TestProbe: it is signed as Twilio signs, belongs to this channel alone, and brings
// nothing.
func TestProbe(t *testing.T) {
	service := settings("http://127.0.0.1:9")
	service.From, service.Service = "", testService
	for _, s := range []Settings{settings("http://127.0.0.1:9"), service} {
		c := open(t, s)
		r, err := c.Probe()
		if err != nil || r.Method != http.MethodPost || r.URL.String() != hook {
			t.Fatalf("%+v, %v", r, err)
		}
		got := incoming(t, r)
		if err := c.verifyMessage(got); err != nil {
			t.Errorf("Verify refuses it: %v", err)
		}
		if result, err := c.parseMessage(got); err != nil || len(result.Events) != 0 || result.Ignored["probe"] != 1 {
			t.Errorf("Parse = %+v, %v", result, err)
		}
		s.AuthToken = config.NewSecret("another-token")
		if err := open(t, s).verifyMessage(got); err == nil {
			t.Error("it is taken with another token")
		}
	}
}

// incoming is r as the engine hands it over.
func incoming(t *testing.T, r *http.Request) *connectors.Request {
	t.Helper()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return &connectors.Request{Method: r.Method, URL: r.URL, PublicURL: r.URL.String(), Header: r.Header, Body: body}
}
