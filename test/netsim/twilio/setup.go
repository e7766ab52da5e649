package twilio

import (
	"cmp"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"servicelink/test/netsim/control"
)

// senders are the Twilio account's in the network of the request, by number.
func (c *call) senders() []*sender {
	list := slices.DeleteFunc(slices.Clone(c.tenant.senders), func(one *sender) bool { return one.net != c.n })
	slices.SortFunc(list, func(a, b *sender) int { return strings.Compare(a.Account.Account, b.Account.Account) })
	return list
}

// listNumbers lists phone numbers; PhoneNumber selects those that hold it.
func (c *call) listNumbers() (control.Answer, error) {
	list := []map[string]any{}
	for _, one := range c.senders() {
		if strings.Contains(one.Account.Account, strings.TrimSpace(c.form.Get("PhoneNumber"))) {
			list = append(list, one.numberJSON())
		}
	}
	size, page := c.page()
	return c.paged("incoming_phone_numbers", list, size, page, nil), nil
}

// theNumber is the one that the path names.
func (c *call) theNumber() (*sender, error) {
	sid := strings.TrimSuffix(c.PathValue("file"), ".json")
	if c.one == nil || c.one.numberSID != sid {
		return nil, notFound(c.URL.Path)
	}
	return c.one, nil
}

func (c *call) fetchNumber() (control.Answer, error) {
	one, err := c.theNumber()
	if err != nil {
		return control.Answer{}, err
	}
	return reply(http.StatusOK, one.numberJSON()), nil
}

// updateNumber sets a number's webhooks.
func (c *call) updateNumber() (control.Answer, error) {
	one, err := c.theNumber()
	if err != nil {
		return control.Answer{}, err
	}
	if err := c.setHook(&one.hook, "SmsUrl", "SmsMethod"); err != nil {
		return control.Answer{}, err
	}
	one.MessageURL = one.hook.url
	return reply(http.StatusOK, one.numberJSON()), nil
}

// setHook takes the parameters that are there.
func (c *call) setHook(h *hook, address, method string) error {
	if values, ok := c.form[address]; ok {
		if !isURL(values[0]) {
			return bad(21402, "%s is not a valid URL", address)
		}
		h.url = values[0]
	}
	if values, ok := c.form[method]; ok {
		if values[0] != http.MethodGet && values[0] != http.MethodPost {
			return bad(21403, "%s is not valid: GET or POST", method)
		}
		h.method = values[0]
	}
	return nil
}

func (one *sender) numberJSON() map[string]any {
	return map[string]any{
		"sid": one.numberSID, "account_sid": one.tenant.sid, "phone_number": one.Account.Account,
		"friendly_name": one.Account.Account, "sms_url": one.hook.url, "sms_method": one.hook.how(), "sms_fallback_url": "",
		"sms_fallback_method": "POST", "sms_application_sid": "", "status_callback": "", "status_callback_method": "POST",
		"capabilities": map[string]bool{"sms": true, "mms": true, "voice": false, "fax": false}, "status": "in-use",
		"api_version": "2010-04-01", "beta": false, "origin": "twilio", "type": "mobile",
		"date_created": date(one.made), "date_updated": date(one.made),
		"uri": "/2010-04-01/Accounts/" + one.tenant.sid + "/IncomingPhoneNumbers/" + one.numberSID + ".json",
	}
}

// how is the method; POST unless set.
func (h hook) how() string {
	if h.method == "" {
		return http.MethodPost
	}
	return h.method
}

// listSenders lists WhatsApp senders (https://www.twilio.com/docs/whatsapp/api/senders).
func (c *call) listSenders() (control.Answer, error) {
	if c.form.Get("Channel") != "whatsapp" {
		return control.Answer{}, bad(20001, "Channel is required: whatsapp")
	}
	list := []map[string]any{}
	for _, one := range c.senders() {
		list = append(list, one.senderJSON(c.s.base()))
	}
	return c.metaPaged("senders", list), nil
}

// metaPaged is a page of the hosts that came after the first one. It holds all
// there is.
func (c *call) metaPaged(name string, list []map[string]any) control.Answer {
	size, _ := c.page()
	address := c.s.base() + c.URL.Path + "?" + url.Values{"PageSize": {"50"}, "Page": {"0"}}.Encode()
	return reply(http.StatusOK, map[string]any{
		name: list, "meta": map[string]any{
			"key": name, "page": 0, "page_size": size, "first_page_url": address, "url": address, "next_page_url": nil,
			"previous_page_url": nil,
		},
	})
}

func (c *call) theSender() (*sender, error) {
	if c.one == nil || c.one.senderSID != c.PathValue("sid") {
		return nil, notFound(c.URL.Path)
	}
	return c.one, nil
}

func (c *call) fetchSender() (control.Answer, error) {
	one, err := c.theSender()
	if err != nil {
		return control.Answer{}, err
	}
	return reply(http.StatusOK, one.senderJSON(c.s.base())), nil
}

// webhookJSON is a sender's webhook; a member that is nil was not there.
type webhookJSON struct {
	CallbackURL          *string `json:"callback_url"`
	CallbackMethod       *string `json:"callback_method"`
	FallbackURL          *string `json:"fallback_url"`
	FallbackMethod       *string `json:"fallback_method"`
	StatusCallbackURL    *string `json:"status_callback_url"`
	StatusCallbackMethod *string `json:"status_callback_method"`
}

// updateSender sets a sender's webhooks; the body is JSON. What it does not name
// stays.
func (c *call) updateSender() (control.Answer, error) {
	one, err := c.theSender()
	if err != nil {
		return control.Answer{}, err
	}
	var in struct{ Webhook *webhookJSON }
	if json.Unmarshal([]byte(c.body), &in) != nil {
		return control.Answer{}, bad(20001, "The request body is not valid JSON")
	}
	if w := in.Webhook; w != nil {
		if err := one.hook.set(w.CallbackURL, w.CallbackMethod); err != nil {
			return control.Answer{}, err
		}
		if err := one.status.set(w.StatusCallbackURL, w.StatusCallbackMethod); err != nil {
			return control.Answer{}, err
		}
		one.MessageURL, one.StatusURL = one.hook.url, one.status.url
	}
	return reply(http.StatusAccepted, one.senderJSON(c.s.base())), nil
}

func (h *hook) set(address, method *string) error {
	if address != nil {
		if !isURL(*address) {
			return bad(63100, "Invalid webhook URL")
		}
		h.url = *address
	}
	if method != nil {
		if *method != http.MethodPost && *method != http.MethodPut {
			return bad(63100, "Invalid webhook method")
		}
		h.method = *method
	}
	return nil
}

func (one *sender) senderJSON(base string) map[string]any {
	return map[string]any{
		"sid": one.senderSID, "status": cmp.Or(one.SenderStatus, "ONLINE"), "sender_id": one.name(),
		"webhook": map[string]any{
			"callback_url": maybe(one.hook.url), "callback_method": one.hook.how(), "fallback_url": nil, "fallback_method": "POST",
			"status_callback_url": maybe(one.status.url), "status_callback_method": "POST",
		},
		"configuration": map[string]any{"waba_id": "100000000000001"},
		"profile":       map[string]any{"name": one.Account.Account}, "properties": map[string]any{"messaging_limit": "1K Customers/24hr"},
		"offline_reasons": one.offline(), "url": base + "/messaging/v2/Channels/Senders/" + one.senderSID,
	}
}

// offline is why the sender is not ONLINE; nil where nothing is told.
func (one *sender) offline() any {
	if one.SenderStatus == "" || one.OfflineCode == 0 {
		return nil
	}
	code := strconv.Itoa(one.OfflineCode)
	return []map[string]string{{
		"code": code, "message": coded(one.OfflineCode).text, "more_info": "https://www.twilio.com/docs/errors/" + code,
	}}
}

// theService is the messaging service that the path names.
func (c *call) theService() (*service, error) {
	if sv := c.s.services[c.PathValue("sid")]; sv != nil && sv.tenant == c.tenant {
		return sv, nil
	}
	return nil, notFound(c.URL.Path)
}

func (c *call) listServices() (control.Answer, error) {
	list := []map[string]any{}
	for _, sv := range c.s.services {
		if sv.tenant == c.tenant {
			list = append(list, sv.json(c.s.base()))
		}
	}
	slices.SortFunc(list, func(a, b map[string]any) int { return strings.Compare(a["sid"].(string), b["sid"].(string)) })
	return c.metaPaged("services", list), nil
}

func (c *call) fetchService() (control.Answer, error) {
	sv, err := c.theService()
	if err != nil {
		return control.Answer{}, err
	}
	return reply(http.StatusOK, sv.json(c.s.base())), nil
}

// updateService sets a service's webhooks (https://www.twilio.com/docs/messaging/api/service-resource).
func (c *call) updateService() (control.Answer, error) {
	sv, err := c.theService()
	if err != nil {
		return control.Answer{}, err
	}
	if err := c.setHook(&sv.inbound, "InboundRequestUrl", "InboundMethod"); err != nil {
		return control.Answer{}, err
	}
	if err := c.setHook(&sv.status, "StatusCallback", ""); err != nil {
		return control.Answer{}, err
	}
	if values, ok := c.form["UseInboundWebhookOnNumber"]; ok {
		sv.useNumber = strings.EqualFold(values[0], "true")
	}
	return reply(http.StatusOK, sv.json(c.s.base())), nil
}

func (sv *service) json(base string) map[string]any {
	at := sv.made.UTC().Format(time.RFC3339)
	return map[string]any{
		"sid": sv.sid, "account_sid": sv.tenant.sid, "friendly_name": "Simulated", "inbound_request_url": maybe(sv.inbound.url),
		"inbound_method": sv.inbound.how(), "fallback_url": nil, "fallback_method": "POST",
		"status_callback": maybe(sv.status.url), "use_inbound_webhook_on_number": sv.useNumber, "smart_encoding": true,
		"sticky_sender": true, "validity_period": 36000, "usecase": "undeclared", "date_created": at, "date_updated": at,
		"url": base + "/messaging/v1/Services/" + sv.sid, "links": map[string]string{},
	}
}
