package twilio

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"

	"servicelink/test/netsim/control"
)

// methodAlert is in the record, and no request of a client.
const methodAlert = "alert"

// Codes of alerts.
const (
	alertFailed = 11200 // the webhook did not answer, or not with success
	alertType   = 12300 // its answer was of a wrong type
)

// alert is what an operator finds in Twilio's debugger.
type alert struct {
	sid, account string // account: the Twilio account's SID
	code         int
	method, url  string // of the webhook
	resource     string // the message's SID
	at           time.Time
}

// alertBook holds the latest ones. It has a mutex of its own, as webhooks end at any
// time.
type alertBook struct {
	mu   sync.Mutex
	list []alert // oldest first
	made int
}

func (a *alertBook) add(one alert) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.made++
	one.sid = fmt.Sprintf("NO%032x", a.made)
	a.list = append(a.list, one)
	a.list = a.list[max(0, len(a.list)-maxAlerts):]
}

// of are an account's since then, the latest first.
func (a *alertBook) of(account string, since time.Time) []alert {
	a.mu.Lock()
	defer a.mu.Unlock()
	var list []alert
	for _, one := range slices.Backward(a.list) {
		if one.account == account && !one.at.Before(since) {
			list = append(list, one)
		}
	}
	return list
}

// alert records what went wrong with a webhook.
func (n *Network) alert(c control.Call, code, status int) {
	params := map[string]string{
		"ErrorCode": strconv.Itoa(code), "Url": c.URL, "HttpResponse": strconv.Itoa(status),
	}
	fields := parseForm(string(c.Body))
	for name, values := range fields {
		if name == "MessageSid" || name == "MessageStatus" {
			params[name] = values[0]
		}
	}
	n.server.alerts.add(alert{
		account: fields.Get("AccountSid"), code: code, method: c.Method, url: c.URL, resource: fields.Get("MessageSid"), at: time.Now(),
	})
	seq := n.Begin(control.Request{Account: c.Account, Method: methodAlert, Params: params})
	n.End(seq, http.StatusOK, "", "")
}

// listAlerts lists them (https://www.twilio.com/docs/usage/monitor-alert), the latest
// first. All are errors.
func (c *call) listAlerts() (control.Answer, error) {
	var since time.Time
	if from := c.form.Get("StartDate"); from != "" {
		var err error
		if since, err = moment(from); err != nil {
			return control.Answer{}, err
		}
	}
	list := []map[string]any{}
	if level := c.form.Get("LogLevel"); level == "" || level == "error" {
		size, _ := c.page()
		for _, one := range c.s.alerts.of(c.tenant.sid, since) {
			if len(list) < size {
				list = append(list, one.json(c.s.base()))
			}
		}
	}
	return c.metaPaged("alerts", list), nil
}

func (a alert) json(base string) map[string]any {
	at, code := a.at.UTC().Format(time.RFC3339), strconv.Itoa(a.code)
	return map[string]any{
		"sid": a.sid, "account_sid": a.account, "error_code": code, "log_level": "error", "alert_text": "Msg=" + texts[a.code],
		"more_info": "https://www.twilio.com/docs/errors/" + code, "request_method": a.method, "request_url": a.url,
		"resource_sid": maybe(a.resource), "service_sid": nil, "api_version": "2010-04-01", "date_created": at, "date_generated": at,
		"date_updated": at, "url": base + "/monitor/v1/Alerts/" + a.sid,
	}
}
