package twilio

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"servicelink/test/netsim/control"
)

// update sends a sender's JSON.
func update(t *testing.T, s *Server, sid, body string) answer {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/messaging/v2/Channels/Senders/"+sid, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	r.SetBasicAuth(ac, token)
	return serve(t, s, r)
}

// TestSenders: the webhooks of a WhatsApp sender.
func TestSenders(t *testing.T) {
	g := newGateway(t)
	s := newServer(t, nil)
	n := s.WhatsApp()
	must(t, n.AddAccount(Account{Account: "+420800123457", AccountSID: ac, AuthToken: token}))
	var list struct {
		Senders []struct {
			SID     string
			ID      string `json:"sender_id"`
			Webhook map[string]any
		}
		Meta map[string]any
	}
	a := ask(t, s, "GET", "/messaging/v2/Channels/Senders", "Channel", "whatsapp")
	must(t, json.Unmarshal([]byte(a.Body), &list))
	if len(list.Senders) != 2 || list.Senders[0].ID != "whatsapp:"+ours || list.Meta["key"] != "senders" || list.Senders[0].Webhook["callback_url"] != nil {
		t.Fatalf("%s", a.Body)
	}
	if a := ask(t, s, "GET", "/messaging/v2/Channels/Senders"); a.Status != 400 {
		t.Errorf("without a channel: %d", a.Status)
	}
	sid := list.Senders[0].SID
	for _, body := range []string{"{", `{"webhook":{"callback_url":"x"}}`, `{"webhook":{"callback_method":"GET"}}`} {
		if a := update(t, s, sid, body); a.Status != 400 {
			t.Errorf("%s: %d", body, a.Status)
		}
	}
	if a := update(t, s, "XE1", "{}"); a.Status != 404 {
		t.Errorf("another: %d", a.Status)
	}
	a = update(t, s, sid, `{"webhook":{"callback_url":"`+g.server.URL+`/m","callback_method":"POST","status_callback_url":"`+g.server.URL+`/s"}}`)
	if a.Status != http.StatusAccepted {
		t.Fatalf("%d %s", a.Status, a.Body)
	}
	a = update(t, s, sid, `{"webhook":{"status_callback_url":"`+g.server.URL+`/t"}}`)
	if again := ask(t, s, "GET", "/messaging/v2/Channels/Senders/"+sid); again.Body != a.Body || !strings.Contains(a.Body, `/m"`) || !strings.Contains(a.Body, `/t"`) {
		t.Errorf("%s, then %s", a.Body, again.Body)
	}
	act(t, n, control.Action{Do: "text", Text: "hello"})
	g.got(t, 1)
	send(t, n, "Body", "x")
	if calls := g.got(t, 2); !strings.HasSuffix(calls[0].url, "/m") || !strings.HasSuffix(calls[1].url, "/t") {
		t.Errorf("called %+v", calls)
	}
	must(t, n.AddAccount(Account{Account: ours, AccountSID: ac, AuthToken: token})) // as a page does that knows no webhook
	if again := ask(t, s, "GET", "/messaging/v2/Channels/Senders/"+sid); again.Body != a.Body {
		t.Errorf("it is forgotten: %s", again.Body)
	}
}

// TestNumbers: the webhooks of a phone number.
func TestNumbers(t *testing.T) {
	s := newServer(t, nil)
	must(t, s.SMS().AddAccount(Account{Account: "+420800123457", AccountSID: ac, AuthToken: token}))
	const path = "/2010-04-01/Accounts/" + ac + "/IncomingPhoneNumbers"
	list := func(params ...string) []any {
		t.Helper()
		a := ask(t, s, "GET", path+".json", params...)
		numbers, ok := a.JSON["incoming_phone_numbers"].([]any)
		if a.Status != 200 || !ok {
			t.Fatalf("%d %s", a.Status, a.Body)
		}
		return numbers
	}
	one := list("PhoneNumber", ours)
	if len(list()) != 2 || len(one) != 1 || len(list("PhoneNumber", "+4209")) != 0 {
		t.Fatalf("%v of %v", one, list())
	}
	sid := one[0].(map[string]any)["sid"].(string)
	for i, tc := range []struct {
		params []string
		status int
		url    string
		method string
	}{
		{[]string{"SmsUrl", "http://a.example/x", "SmsMethod", "GET"}, 200, "http://a.example/x", "GET"},
		{[]string{"SmsMethod", "POST"}, 200, "http://a.example/x", "POST"},
		{[]string{"SmsUrl", "x"}, 400, "http://a.example/x", "POST"},
		{[]string{"SmsMethod", "PUT"}, 400, "http://a.example/x", "POST"},
		{[]string{"SmsUrl", ""}, 200, "", "POST"},
	} {
		a := ask(t, s, "POST", path+"/"+sid+".json", tc.params...)
		now := ask(t, s, "GET", path+"/"+sid+".json").JSON
		if a.Status != tc.status || now["sms_url"] != tc.url || now["sms_method"] != tc.method {
			t.Errorf("%d: %d, then %v", i, a.Status, now)
		}
	}
	for _, method := range []string{"GET", "POST"} {
		if a := ask(t, s, method, path+"/PN1.json"); a.Status != 404 {
			t.Errorf("%s another: %d", method, a.Status)
		}
	}
}

// TestServices: a service's webhook wins, unless it leaves that to its numbers.
func TestServices(t *testing.T) {
	g := newGateway(t)
	s := newServer(t, g)
	must(t, s.SMS().AddAccount(Account{Account: ours, AccountSID: ac, AuthToken: token, Service: mg}))
	if a := ask(t, s, "GET", "/messaging/v1/Services"); a.Status != 200 || !strings.Contains(a.Body, mg) {
		t.Fatalf("%d %s", a.Status, a.Body)
	}
	const path = "/messaging/v1/Services/"
	for i, tc := range []struct {
		params []string
		status int
		want   string
	}{
		{nil, 200, "/sms/message"},
		{[]string{"InboundRequestUrl", g.server.URL + "/service"}, 200, "/service"},
		{[]string{"InboundRequestUrl", "x"}, 400, "/service"},
		{[]string{"UseInboundWebhookOnNumber", "true"}, 200, "/sms/message"},
		{[]string{"UseInboundWebhookOnNumber", "false"}, 200, "/service"},
		{[]string{"InboundRequestUrl", ""}, 200, "/sms/message"},
	} {
		if a := ask(t, s, "POST", path+mg, tc.params...); a.Status != tc.status {
			t.Errorf("%d: %d %s", i, a.Status, a.Body)
		}
		act(t, s.SMS(), control.Action{Do: "text", Text: "x"})
		if call := g.got(t, i+1)[i]; call.url != g.server.URL+tc.want || call.form.Get("MessagingServiceSid") != mg {
			t.Errorf("%d: called %s", i, call.url)
		}
	}
	for _, method := range []string{"GET", "POST"} {
		if a := ask(t, s, method, path+"MG1"); a.Status != 404 {
			t.Errorf("%s another: %d", method, a.Status)
		}
	}
	if a := ask(t, s, "GET", path+mg); a.JSON["inbound_request_url"] != nil || a.JSON["account_sid"] != ac {
		t.Errorf("%s", a.Body)
	}
}

// TestStanding: an account that is not active is refused everything but the look at
// itself, and a sender tells why it is offline.
func TestStanding(t *testing.T) {
	s := newServer(t, nil)
	n := s.WhatsApp()
	must(t, n.AddAccountJSON([]byte(`{"account":"`+ours+`","account_sid":"`+ac+`","auth_token":"`+token+`","sender_status":"OFFLINE","offline_code":63020}`)))
	senders := "/messaging/v2/Channels/Senders"
	if a := ask(t, s, "GET", senders, "Channel", "whatsapp"); !strings.Contains(a.Body, `"status":"OFFLINE"`) || !strings.Contains(a.Body, `"code":"63020"`) {
		t.Errorf("offline: %s", a.Body)
	}
	change := Account{Account: ours, AccountSID: ac, AuthToken: token, AccountStatus: "suspended"}
	must(t, n.AddAccount(change))
	account := "/2010-04-01/Accounts/" + ac
	if a := ask(t, s, "GET", account+".json"); a.Status != 200 || !strings.Contains(a.Body, `"status":"suspended"`) {
		t.Errorf("a suspended account: %d %s", a.Status, a.Body)
	}
	if a := ask(t, s, "GET", account+"/Messages.json"); a.Status != 403 || !strings.Contains(a.Body, "20005") {
		t.Errorf("its messages: %d %s", a.Status, a.Body)
	}
	change.AccountStatus = "active"
	must(t, n.AddAccount(change))
	if a := ask(t, s, "GET", senders, "Channel", "whatsapp"); a.Status != 200 || !strings.Contains(a.Body, `"status":"ONLINE"`) || !strings.Contains(a.Body, `"offline_reasons":null`) {
		t.Errorf("active again: %s", a.Body)
	}
	change.AccountStatus = "sleeping"
	if n.AddAccount(change) == nil {
		t.Error("a status that does not exist is taken")
	}
}
