package twilio

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"

	openapi "github.com/twilio/twilio-go/rest/api/v2010"

	"servicelink/connectors"
)

// Hooks implements connectors.HookLister. The address of status calls goes out with
// every message.
func (c *Channel) Hooks() []connectors.Hook {
	where := c.traits.Where
	if c.service != "" {
		where = "Messaging > Services > Integration > Send a webhook"
	}
	return []connectors.Hook{{Where: where, Method: http.MethodPost, URL: c.messageURL()}}
}

func (c *Channel) messageURL() string { return c.public + c.messagePath() }

// Register implements connectors.Registrar. A service's address goes before that of
// its numbers, so it is the one that is set where the channel is a service.
func (c *Channel) Register(ctx context.Context) (done []string, err error) {
	var line string
	switch {
	case c.service != "":
		line, err = c.registerService(ctx)
	case c.traits.Prefix != "":
		line, err = c.registerSender(ctx)
	default:
		line, err = c.registerNumber(ctx)
	}
	if err != nil {
		return nil, err
	}
	return []string{line}, nil
}

func (c *Channel) said(changed bool, setting, of string) string {
	if changed {
		return fmt.Sprintf("%s of %s is now %s", setting, of, c.messageURL())
	}
	return fmt.Sprintf("%s of %s is %s already", setting, of, c.messageURL())
}

func notThere(what string) error {
	return &connectors.SendError{
		Outcome: connectors.Rejected, Reason: connectors.ReasonNotFound, Err: errors.New(what + " is not in the account"),
		Hint: "Compare account_sid and the sender with Twilio's console.",
	}
}

// registerNumber sets SmsUrl of a phone number.
func (c *Channel) registerNumber(ctx context.Context) (string, error) {
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
		return "", err
	}
	for _, n := range numbers.List {
		if string(n.Number) != c.from || !sidForm.MatchString(string(n.SID)) {
			continue
		}
		if string(n.URL) == c.messageURL() && n.Method == http.MethodPost && n.App == "" {
			return c.said(false, "SmsUrl", c.from), nil
		}
		params := new(openapi.UpdateIncomingPhoneNumberParams).SetSmsUrl(c.messageURL()).SetSmsMethod(http.MethodPost)
		if n.App != "" {
			params.SetSmsApplicationSid("") // described as an AP...: only where there is one to take away
		}
		request, service := c.call(ctx)
		_, _ = service.UpdateIncomingPhoneNumber(string(n.SID), params)
		var updated struct{}
		return c.said(true, "SmsUrl", c.from), request.read(&updated)
	}
	return "", notThere("the number " + c.from)
}

// registerSender sets the webhook of a WhatsApp sender.
func (c *Channel) registerSender(ctx context.Context) (string, error) {
	answer, err := c.ask(ctx, http.MethodGet, c.messaging, "/v2/Channels/Senders?Channel="+c.traits.Network+"&PageSize=1000", "", nil)
	if err != nil {
		return "", err
	}
	var senders struct {
		List []struct {
			SID     word `json:"sid"`
			Name    word `json:"sender_id"`
			Webhook struct {
				URL    word `json:"callback_url"`
				Method word `json:"callback_method"`
			} `json:"webhook"`
		} `json:"senders"`
	}
	if err := decode(answer, &senders); err != nil {
		return "", err
	}
	for _, s := range senders.List {
		if string(s.Name) != c.traits.Prefix+c.from || !sidForm.MatchString(string(s.SID)) {
			continue
		}
		if string(s.Webhook.URL) == c.messageURL() && s.Webhook.Method == http.MethodPost {
			return c.said(false, "the webhook", c.from), nil
		}
		body, err := json.Marshal(map[string]map[string]string{
			"webhook": {"callback_url": c.messageURL(), "callback_method": http.MethodPost},
		})
		if err != nil {
			return "", &connectors.SendError{Outcome: connectors.NotSent, Reason: connectors.ReasonBug, Err: errors.New("webhook cannot be written as JSON")}
		}
		_, err = c.ask(ctx, http.MethodPost, c.messaging, "/v2/Channels/Senders/"+string(s.SID), jsonType, body)
		return c.said(true, "the webhook", c.from), err
	}
	return "", notThere("the WhatsApp sender " + c.from)
}

// registerService sets InboundRequestUrl of a messaging service.
func (c *Channel) registerService(ctx context.Context) (string, error) {
	path := "/v1/Services/" + c.service
	answer, err := c.ask(ctx, http.MethodGet, c.messaging, path, "", nil)
	if err != nil {
		return "", err
	}
	var service struct {
		URL       word `json:"inbound_request_url"`
		Method    word `json:"inbound_method"`
		UseNumber bool `json:"use_inbound_webhook_on_number"`
	}
	if err := decode(answer, &service); err != nil {
		return "", err
	}
	if string(service.URL) == c.messageURL() && service.Method == http.MethodPost && !service.UseNumber {
		return c.said(false, "InboundRequestUrl", c.service), nil
	}
	fields := url.Values{
		"InboundRequestUrl": {c.messageURL()}, "InboundMethod": {http.MethodPost}, "UseInboundWebhookOnNumber": {"false"},
	}
	_, err = c.ask(ctx, http.MethodPost, c.messaging, path, formType, []byte(fields.Encode()))
	return c.said(true, "InboundRequestUrl", c.service), err
}
