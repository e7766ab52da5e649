package twilio

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"servicelink/config"
	"servicelink/connectors"
)

// always answers every request in the same way.
type always struct {
	status int
	body   string
}

// RoundTrip implements http.RoundTripper.
func (a always) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: a.status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(a.body)), Request: r}, nil
}

// FuzzExamine: whatever Twilio answers, what is found is a short line of plain letters
// under the usual names.
func FuzzExamine(f *testing.F) {
	f.Add(200, `{"status":"suspended","auth_token":"x","messages":[{"error_code":63007,"from":"whatsapp:`+testSender+`","direction":"outbound-api"}]}`)
	f.Add(200, `{"senders":[{"sid":"XE1","sender_id":"whatsapp:`+testSender+`","status":"\u202e","webhook":{"callback_url":"https://\u202e/"},"offline_reasons":[{"code":"1\n2"}]}],"messages":[]}`)
	f.Add(200, `{"alerts":[{"error_code":"-1","request_url":"`+hook+`","date_created":"9999-12-31T23:59:59Z"}],"messages":[],"senders":[{"sid":"XE1","sender_id":"whatsapp:`+testSender+`","webhook":{"callback_url":"https://crm.example.net/x"}}]}`)
	f.Add(403, `{"code":20005}`)
	f.Add(502, `<html>`)
	f.Fuzz(func(t *testing.T, status int, body string) {
		if status < 100 || status > 999 {
			return
		}
		c, err := New(config.Channel{Name: "shop"}, connectors.Dependencies{
			Log: slog.New(slog.DiscardHandler), PublicURL: testPublic, Transport: always{status, body},
		}, testTraits, settings("http://127.0.0.1:9"), nil)
		if err != nil {
			t.Fatal(err)
		}
		checks := c.Examine(context.Background(), connectors.Examination{})
		if len(checks) != len(order) {
			t.Fatalf("%d checks", len(checks))
		}
		for i, check := range checks {
			said := check.Found + check.Cure + check.Code
			if check.Name != order[i] || check.Found == "" || (check.Fault == "") != (check.Cure == "") || len(check.Found) > 300 ||
				strings.ContainsFunc(said, func(r rune) bool { return r < ' ' || r > '~' }) {
				t.Errorf("%+v", check)
			}
		}
	})
}
