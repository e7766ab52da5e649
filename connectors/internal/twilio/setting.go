package twilio

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"

	openapi "github.com/twilio/twilio-go/rest/api/v2010"

	"servicelink/connectors"
)

// setting is where Twilio brings what customers write to this channel, and what
// Twilio says of the sender.
type setting struct {
	name, of    string // what an operator knows it by: "SmsUrl" of "+420601234567"
	sid         string // of what has it
	url, method string
	// instead goes before it: an application, or the numbers of a service; empty =
	// nothing does.
	instead string
	// status is a WhatsApp sender's, "ONLINE", and reason the code of why it is another
	// one; empty = not told.
	status, reason string
}

// What goes before a setting.
const (
	anApplication = "an application"
	itsNumbers    = "the addresses of its numbers"
)

// right reports whether Twilio brings everything here.
func (c *Channel) right(s setting) bool {
	return s.url == c.messageURL() && s.method == http.MethodPost && s.instead == ""
}

// setting reads it. A service's goes before that of its numbers, so it is the one
// that counts where the channel is a service.
func (c *Channel) setting(ctx context.Context) (setting, error) {
	switch {
	case c.service != "":
		return c.serviceSetting(ctx)
	case c.traits.Prefix != "":
		return c.senderSetting(ctx)
	}
	return c.numberSetting(ctx)
}

// enter sets it.
func (c *Channel) enter(ctx context.Context, s setting) error {
	switch {
	case c.service != "":
		return c.enterService(ctx)
	case c.traits.Prefix != "":
		return c.enterSender(ctx, s)
	}
	return c.enterNumber(ctx, s)
}

func notThere(what string) error {
	return &connectors.SendError{
		Outcome: connectors.Rejected, Reason: connectors.ReasonNotFound, Err: errors.New(what + " is not in the account"),
		Hint: "Compare account_sid and the sender with Twilio's console.",
	}
}

// numberSetting is SmsUrl of a phone number. A short code is not among them.
func (c *Channel) numberSetting(ctx context.Context) (setting, error) {
	if c.from[0] != '+' {
		return setting{}, &connectors.SendError{
			Outcome: connectors.Rejected, Reason: connectors.ReasonContent, Err: errors.New("short codes are set up in Twilio's console alone"),
			Hint: "Enter there what \"servicelink urls " + c.name + "\" prints.",
		}
	}
	request, service := c.call(ctx)
	_, _ = service.PageIncomingPhoneNumber(new(openapi.ListIncomingPhoneNumberParams).SetPhoneNumber(c.from), "", "")
	var numbers struct {
		List []struct {
			SID    word `json:"sid"`
			Number word `json:"phone_number"`
			URL    word `json:"sms_url"`
			Method word `json:"sms_method"`
			// App, when it is set, goes before URL.
			App word `json:"sms_application_sid"`
		} `json:"incoming_phone_numbers"`
	}
	if err := request.read(&numbers); err != nil {
		return setting{}, err
	}
	for _, n := range numbers.List {
		if string(n.Number) != c.from || !sidForm.MatchString(string(n.SID)) {
			continue
		}
		s := setting{name: "SmsUrl", of: c.from, sid: string(n.SID), url: string(n.URL), method: string(n.Method)}
		if n.App != "" {
			s.instead = anApplication
		}
		return s, nil
	}
	return setting{}, notThere("the number " + c.from)
}

func (c *Channel) enterNumber(ctx context.Context, s setting) error {
	params := new(openapi.UpdateIncomingPhoneNumberParams).SetSmsUrl(c.messageURL()).SetSmsMethod(http.MethodPost)
	if s.instead != "" {
		params.SetSmsApplicationSid("") // described as an AP...: only where there is one to take away
	}
	request, service := c.call(ctx)
	_, _ = service.UpdateIncomingPhoneNumber(s.sid, params)
	var updated struct{}
	return request.read(&updated)
}

// senderSetting is the webhook of a WhatsApp sender.
func (c *Channel) senderSetting(ctx context.Context) (setting, error) {
	answer, err := c.ask(ctx, http.MethodGet, c.messaging, "/v2/Channels/Senders?Channel="+c.traits.Network+"&PageSize=1000", "", nil)
	if err != nil {
		return setting{}, err
	}
	var senders struct {
		List []struct {
			SID     word `json:"sid"`
			Name    word `json:"sender_id"`
			Status  word `json:"status"`
			Webhook struct {
				URL    word `json:"callback_url"`
				Method word `json:"callback_method"`
			} `json:"webhook"`
			Reasons json.RawMessage `json:"offline_reasons"`
		} `json:"senders"`
	}
	if err := decode(answer, &senders); err != nil {
		return setting{}, err
	}
	for _, s := range senders.List {
		if string(s.Name) != c.traits.Prefix+c.from || !sidForm.MatchString(string(s.SID)) {
			continue
		}
		return setting{
			name: "the webhook", of: c.from, sid: string(s.SID), url: string(s.Webhook.URL), method: string(s.Webhook.Method),
			status: string(s.Status), reason: reasonOf(s.Reasons),
		}, nil
	}
	return setting{}, notThere("the WhatsApp sender " + c.from)
}

// reasonOf is the first code of offline_reasons; empty = none that can be read.
func reasonOf(raw json.RawMessage) string {
	var reasons []struct {
		Code word `json:"code"`
	}
	if json.Unmarshal(raw, &reasons) != nil {
		return ""
	}
	for _, r := range reasons {
		if r.Code.number() != 0 {
			return string(r.Code)
		}
	}
	return ""
}

func (c *Channel) enterSender(ctx context.Context, s setting) error {
	body, err := json.Marshal(map[string]map[string]string{
		"webhook": {"callback_url": c.messageURL(), "callback_method": http.MethodPost},
	})
	if err != nil {
		return &connectors.SendError{Outcome: connectors.NotSent, Reason: connectors.ReasonBug, Err: errors.New("webhook cannot be written as JSON")}
	}
	_, err = c.ask(ctx, http.MethodPost, c.messaging, "/v2/Channels/Senders/"+s.sid, jsonType, body)
	return err
}

// serviceSetting is InboundRequestUrl of a messaging service.
func (c *Channel) serviceSetting(ctx context.Context) (setting, error) {
	answer, err := c.ask(ctx, http.MethodGet, c.messaging, c.servicePath(), "", nil)
	if err != nil {
		return setting{}, err
	}
	var service struct {
		URL       word `json:"inbound_request_url"`
		Method    word `json:"inbound_method"`
		UseNumber bool `json:"use_inbound_webhook_on_number"`
	}
	if err := decode(answer, &service); err != nil {
		return setting{}, err
	}
	s := setting{name: "InboundRequestUrl", of: c.service, sid: c.service, url: string(service.URL), method: string(service.Method)}
	if service.UseNumber {
		s.instead = itsNumbers
	}
	return s, nil
}

func (c *Channel) enterService(ctx context.Context) error {
	fields := url.Values{
		"InboundRequestUrl": {c.messageURL()}, "InboundMethod": {http.MethodPost}, "UseInboundWebhookOnNumber": {"false"},
	}
	_, err := c.ask(ctx, http.MethodPost, c.messaging, c.servicePath(), formType, []byte(fields.Encode()))
	return err
}

func (c *Channel) servicePath() string { return "/v1/Services/" + c.service }
