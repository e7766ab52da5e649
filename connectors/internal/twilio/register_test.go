package twilio

import (
	"net/http"
	"strings"
	"testing"

	"servicelink/connectors"
)

const hook = testPublic + "/connector/whatsapp/message"

// TestRegister: each sort of sender has its setting, which is written only where it
// differs.
func TestRegister(t *testing.T) {
	const number = "/twilio/2010-04-01/Accounts/" + testAccount + "/IncomingPhoneNumbers"
	numbers := func(more string) string {
		return `{"incoming_phone_numbers":[{"sid":"PN0","phone_number":"+4208001234567"},{"sid":"PN1","phone_number":"` + testSender + `",` + more + `}]}`
	}
	senders := func(webhook string) string {
		return `{"senders":[{"sid":"XE0","sender_id":"whatsapp:+1"},{"sid":"XE1","sender_id":"whatsapp:` + testSender + `","webhook":` + webhook + `}]}`
	}
	service := func(url, method, use string) string {
		return `{"inbound_request_url":` + url + `,"inbound_method":"` + method + `","use_inbound_webhook_on_number":` + use + `}`
	}
	for name, tc := range map[string]struct {
		sort, answer string
		want         string // of the second request, empty = none
	}{
		"a number":                                {"number", numbers(`"sms_url":null,"sms_method":"POST"`), "POST " + number + "/PN1.json SmsMethod=POST&SmsUrl=" + escaped},
		"a number that is set":                    {"number", numbers(`"sms_url":"` + hook + `","sms_method":"POST","sms_application_sid":""`), ""},
		"a number with an application":            {"number", numbers(`"sms_url":"` + hook + `","sms_method":"POST","sms_application_sid":"AP1"`), "POST " + number + "/PN1.json SmsApplicationSid=&SmsMethod=POST&SmsUrl=" + escaped},
		"a number with another method":            {"number", numbers(`"sms_url":"` + hook + `","sms_method":"GET"`), "POST " + number + "/PN1.json SmsMethod=POST&SmsUrl=" + escaped},
		"a sender":                                {"sender", senders(`null`), `POST /twilio/messaging/v2/Channels/Senders/XE1 {"webhook":{"callback_method":"POST","callback_url":"` + hook + `"}}`},
		"a sender that is set":                    {"sender", senders(`{"callback_url":"` + hook + `","callback_method":"POST"}`), ""},
		"a service":                               {"service", service("null", "POST", "false"), "POST /twilio/messaging/v1/Services/" + testService + " InboundMethod=POST&InboundRequestUrl=" + escaped + "&UseInboundWebhookOnNumber=false"},
		"a service that is set":                   {"service", service(`"`+hook+`"`, "POST", "false"), ""},
		"a service that leaves it to its numbers": {"service", service(`"`+hook+`"`, "POST", "true"), "POST /twilio/messaging/v1/Services/" + testService + " InboundMethod=POST&InboundRequestUrl=" + escaped + "&UseInboundWebhookOnNumber=false"},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFake(t, says(http.StatusOK, tc.answer))
			s := settings(f.URL)
			if tc.sort == "service" {
				s.From, s.Service = "", testService
			}
			c := open(t, s)
			if tc.sort == "number" {
				c.traits.Prefix = ""
			}
			done, err := c.Register(t.Context())
			if err != nil || len(done) != 1 || !strings.Contains(done[0], hook) {
				t.Fatalf("Register = %q, %v", done, err)
			}
			var got string
			if requests := f.requests(); len(requests) > 1 {
				got = requests[1].method + " " + requests[1].uri + " " + requests[1].body
			}
			if got != tc.want {
				t.Errorf("asked\n%s, want\n%s", got, tc.want)
			}
			if strings.HasSuffix(done[0], "already") != (tc.want == "") {
				t.Errorf("it says %q", done[0])
			}
		})
	}
}

const escaped = "https%3A%2F%2Fkit.example.com%2Fconnector%2Fwhatsapp%2Fmessage"

// TestRegisterNothing: a sender that is not in the account is an error that says so.
func TestRegisterNothing(t *testing.T) {
	for prefix, answer := range map[string]string{"": `{"incoming_phone_numbers":[]}`, "whatsapp:": `{"senders":[]}`} {
		f := newFake(t, says(http.StatusOK, answer))
		c := open(t, settings(f.URL))
		c.traits.Prefix = prefix
		_, err := c.Register(t.Context())
		expect(t, "no such sender", connectors.AsSendError(err), connectors.Rejected, connectors.ReasonNotFound)
		if connectors.AsSendError(err).Hint == "" {
			t.Error("no hint")
		}
	}
}

// TestHooks: what to paste where.
func TestHooks(t *testing.T) {
	s := settings("http://127.0.0.1:9")
	s.From, s.Service = "", testService
	hooks := open(t, s).Hooks()
	if len(hooks) != 1 || hooks[0].URL != hook || hooks[0].Method != http.MethodPost || hooks[0].Secret || !strings.Contains(hooks[0].Where, "Services") {
		t.Errorf("%+v", hooks)
	}
}
