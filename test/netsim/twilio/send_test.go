package twilio

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"servicelink/test/netsim/control"
)

// code is the error code of an answer, 0 = none.
func (a answer) code() int {
	code, _ := a.JSON["code"].(float64)
	return int(code)
}

// TestRefused: what is wrong with a message is said at once, with Twilio's codes.
func TestRefused(t *testing.T) {
	for name, tc := range map[string]struct {
		params []string
		status int
		code   int
	}{
		"good":                {[]string{"To", "whatsapp:" + ann, "From", "whatsapp:" + ours, "Body", "x", "Unknown", "y"}, 201, 0},
		"no number":           {[]string{"To", "whatsapp:CZ.1349120865530274", "From", "whatsapp:" + ours, "Body", "x"}, 201, 0},
		"place":               {[]string{"To", "whatsapp:" + ann, "From", "whatsapp:" + ours, "PersistentAction", "geo:1.5,2.5|There"}, 201, 0},
		"just long enough":    {[]string{"To", ann, "From", ours, "Body", strings.Repeat("ů", 1600)}, 201, 0},
		"no To":               {[]string{"From", ours, "Body", "x"}, 400, 21604},
		"wrong To":            {[]string{"To", "420 601", "From", ours, "Body", "x"}, 400, 21211},
		"a user of no number": {[]string{"To", "CZ.1349120865530274", "From", ours, "Body", "x"}, 400, 21211},
		"no From":             {[]string{"To", ann, "Body", "x"}, 400, 21603},
		"wrong From":          {[]string{"To", ann, "From", "+420800999999", "Body", "x"}, 400, 21606},
		"From without plus":   {[]string{"To", ann, "From", ours[1:], "Body", "x"}, 400, 21606},
		"no such channel":     {[]string{"To", "whatsapp:" + ann, "From", "whatsapp:+420800999999", "Body", "x"}, 400, 63007},
		"other channel":       {[]string{"To", ann, "From", "whatsapp:" + ours, "Body", "x"}, 400, 21910},
		"another other":       {[]string{"To", "whatsapp:" + ann, "From", ours, "Body", "x"}, 400, 21910},
		"itself":              {[]string{"To", ours, "From", ours, "Body", "x"}, 400, 21266},
		"nothing":             {[]string{"To", ann, "From", ours}, 400, 21602},
		"too long":            {[]string{"To", ann, "From", ours, "Body", strings.Repeat("ů", 1601)}, 400, 21617},
		"no URL":              {[]string{"To", ann, "From", ours, "MediaUrl", "file:///etc/passwd"}, 400, 21620},
		"no callback":         {[]string{"To", ann, "From", ours, "Body", "x", "StatusCallback", "status"}, 400, 21609},
		"no service":          {[]string{"To", ann, "MessagingServiceSid", mg, "Body", "x"}, 400, 21705},
		"no content":          {[]string{"To", "whatsapp:" + ann, "From", "whatsapp:" + ours, "ContentSid", "hello"}, 400, 21655},
		"no variables":        {[]string{"To", "whatsapp:" + ann, "From", "whatsapp:" + ours, "ContentSid", DefaultTemplates[0].SID, "ContentVariables", "{"}, 400, 21656},
		"eleven files":        {append([]string{"To", ann, "From", ours}, strings.Fields(strings.Repeat("MediaUrl https://files.example.com/a.png ", 11))...), 400, 21623},
	} {
		t.Run(name, func(t *testing.T) {
			a := ask(t, newServer(t, nil), "POST", messages+".json", tc.params...)
			if a.Status != tc.status || a.code() != tc.code {
				t.Fatalf("%d %s", a.Status, a.Body)
			}
			if tc.code != 0 && (a.JSON["status"] != float64(tc.status) || !strings.HasSuffix(a.JSON["more_info"].(string), fmt.Sprint(tc.code))) {
				t.Errorf("refused with %s", a.Body)
			}
		})
	}
}

// TestCredentials: who asks, and for whom.
func TestCredentials(t *testing.T) {
	s := newServer(t, nil)
	other := "AC00000000000000000000000000000002"
	must(t, s.SMS().AddAccount(Account{Account: "+420800123457", AccountSID: other, AuthToken: "other"}))
	for name, tc := range map[string]struct {
		path, user, password string
		status, code         int
	}{
		"token":              {messages + ".json", ac, token, 200, 0},
		"key":                {messages + ".json", key, "secret", 200, 0},
		"account":            {"/2010-04-01/Accounts/" + ac + ".json", ac, token, 200, 0},
		"wrong token":        {messages + ".json", ac, "x", 401, 20003},
		"nobody":             {messages + ".json", "", "", 401, 20003},
		"nobody's account":   {"/2010-04-01/Accounts/AC1.json", ac, "x", 401, 20003},
		"key's secret":       {messages + ".json", key, token, 401, 20003},
		"another's messages": {messages + ".json", other, "other", 404, 20404},
		"no such thing":      {"/2010-04-01/Accounts/" + ac + "/Calls.json", ac, token, 404, 20404},
	} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, tc.path, nil)
		if tc.user != "" {
			r.SetBasicAuth(tc.user, tc.password)
		}
		a := serve(t, s, r)
		if a.Status != tc.status || a.code() != tc.code || (a.Header.Get("WWW-Authenticate") != "") != (tc.status == 401) {
			t.Errorf("%s: %d %s %v", name, a.Status, a.Body, a.Header)
		}
	}
	must(t, s.SMS().RemoveAccount("420800123457"))
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/2010-04-01/Accounts/"+other+".json", nil)
	r.SetBasicAuth(other, "other")
	if a := serve(t, s, r); a.Status != 401 {
		t.Errorf("removed: %d", a.Status)
	}
}

// TestWindow: outside it a message is taken and fails later, but for a template.
func TestWindow(t *testing.T) {
	g := newGateway(t)
	s := newServer(t, g)
	n := s.WhatsApp()
	set := func(window string) { must(t, n.Set([]byte(`{"window":"`+window+`"}`))) }
	failed := func() {
		t.Helper()
		if a := send(t, n, "Body", "free"); a.Status != 201 {
			t.Fatalf("%d %s", a.Status, a.Body)
		}
		list := when(t, n, lastIn("failed"))
		if last := list[len(list)-1]; !strings.HasPrefix(last.Detail, "63016 ") {
			t.Errorf("it fails with %s", last.Detail)
		}
	}
	arrives := func(params ...string) {
		t.Helper()
		if a := send(t, n, params...); a.Status != 201 {
			t.Fatalf("%d %s", a.Status, a.Body)
		}
		when(t, n, lastIn("read"))
	}
	failed() // nobody wrote yet
	arrives("ContentSid", DefaultTemplates[0].SID, "ContentVariables", `{"1":"yes"}`)
	failed() // a template opens nothing
	act(t, n, control.Action{Do: "text", Text: "hello"})
	arrives("Body", "free")
	act(t, n, control.Action{Do: "expire"})
	failed()
	set("open")
	arrives("Body", "free")
	act(t, n, control.Action{Do: "text", Text: "hello"})
	set("closed")
	failed()
	set("clock")
	arrives("Body", "free")
	must(t, n.AddAccount(Account{Account: ours, AccountSID: ac, AuthToken: token, Window: 1e-9}))
	failed()
	send(t, s.SMS(), "Body", "no window in SMS")
	when(t, s.SMS(), lastIn("delivered"))
}

func TestTemplates(t *testing.T) {
	s := newServer(t, nil)
	n := s.WhatsApp()
	for name, tc := range map[string]struct {
		sid, variables string
		text, detail   string
	}{
		"plain":    {DefaultTemplates[0].SID, `{"1":"yes & no"}`, "We have an answer for you: yes & no", ""},
		"buttons":  {DefaultTemplates[1].SID, `{"1":"Ann","2":"it"}`, "Hello Ann, may we go on with it?", ""},
		"unknown":  {"HXffffffffffffffffffffffffffffffff", "", "", "63027 "},
		"too few":  {DefaultTemplates[1].SID, `{"1":"Ann"}`, "Hello Ann, may we go on with ?", "63028 "},
		"too many": {DefaultTemplates[0].SID, `{"1":"a","2":"b"}`, "We have an answer for you: a", ""},
	} {
		t.Run(name, func(t *testing.T) {
			if a := send(t, n, "ContentSid", tc.sid, "ContentVariables", tc.variables, "Body", "ignored"); a.Status != 201 {
				t.Fatalf("%d %s", a.Status, a.Body)
			}
			want := "read"
			if tc.detail != "" {
				want = "failed"
			}
			list := when(t, n, lastIn(want))
			last := list[len(list)-1]
			if last.Text != tc.text || !strings.HasPrefix(last.Detail, tc.detail) || (len(last.Buttons) > 0) != (tc.sid == DefaultTemplates[1].SID) {
				t.Errorf("shown %+v", last)
			}
		})
	}
	if n.AddAccount(Account{Account: ours, AccountSID: ac, AuthToken: token, Templates: []Template{{SID: "HX1", Text: "x"}}}) == nil {
		t.Error("a template with a wrong sid is taken")
	}
}

// TestService: a sender is found for the message, which is accepted before it is
// queued.
func TestService(t *testing.T) {
	g := newGateway(t)
	s := newServer(t, g)
	n := s.SMS()
	must(t, n.AddAccount(Account{Account: ours, AccountSID: ac, AuthToken: token, Service: mg}))
	a := ask(t, s, "POST", messages+".json", "To", ann, "MessagingServiceSid", mg, "Body", "x", "StatusCallback", g.server.URL)
	if a.Status != 201 || a.JSON["status"] != "accepted" || a.JSON["from"] != nil || a.JSON["num_segments"] != "0" || a.JSON["messaging_service_sid"] != mg {
		t.Fatalf("%d %s", a.Status, a.Body)
	}
	got := ""
	for _, call := range g.got(t, 3) {
		got += call.form.Get("MessageStatus") + " "
		if call.form.Get("MessagingServiceSid") != mg || call.form.Get("From") != ours {
			t.Errorf("call %v", call.form)
		}
	}
	if got != "queued sent delivered " {
		t.Errorf("statuses %s", got)
	}
	a = ask(t, s, "POST", messages+".json", "To", "whatsapp:"+ann, "MessagingServiceSid", mg, "Body", "x")
	if a.code() != 21703 {
		t.Errorf("a service without a sender of the channel: %s", a.Body)
	}
}

// TestOptOut: after STOP nothing is sent until START.
func TestOptOut(t *testing.T) {
	g := newGateway(t)
	s := newServer(t, g)
	n := s.SMS()
	for i, tc := range []struct {
		act    control.Action
		kind   string
		status int
	}{
		{control.Action{Do: "text", Text: "stop that please"}, "", 201},
		{control.Action{Do: "text", Text: "yes"}, "", 201},
		{control.Action{Do: "text", Text: "Help"}, "HELP", 201},
		{control.Action{Do: "stop"}, "STOP", 400},
		{control.Action{Do: "text", Text: "hello"}, "", 400},
		{control.Action{Do: "text", Text: "yes"}, "START", 201},
		{control.Action{Do: "text", Text: " unsubscribe "}, "STOP", 400},
		{control.Action{Do: "start"}, "START", 201},
	} {
		act(t, n, tc.act)
		got := g.got(t, i+1)[i].form
		a := send(t, n, "Body", "x")
		if got.Get("OptOutType") != tc.kind || a.Status != tc.status || tc.status == 400 && a.code() != 21610 {
			t.Errorf("%+v: OptOutType %s, then %d %s", tc.act, got.Get("OptOutType"), a.Status, a.Body)
		}
	}
	act(t, s.WhatsApp(), control.Action{Do: "stop"})
	if a := send(t, s.WhatsApp(), "Body", "x"); a.Status != 201 {
		t.Errorf("WhatsApp takes the word as well: %s", a.Body)
	}
}

func TestSegments(t *testing.T) {
	n := newServer(t, nil).SMS()
	for text, want := range map[string]int{
		"": 1, strings.Repeat("x", 160): 1, strings.Repeat("x", 161): 2, strings.Repeat("x", 306): 2, strings.Repeat("x", 307): 3,
		strings.Repeat("€", 80): 1, strings.Repeat("€", 81): 2, strings.Repeat("€", 152): 2, strings.Repeat("€", 153): 3, // 76 in a part of 153
		strings.Repeat("ů", 70): 1, strings.Repeat("ů", 71): 2, strings.Repeat("ů", 134): 2, strings.Repeat("ů", 135): 3,
		strings.Repeat("🐎", 35): 1, strings.Repeat("🐎", 36): 2, strings.Repeat("🐎", 66): 2, strings.Repeat("🐎", 67): 3, // 33 in a part of 67
		"x" + strings.Repeat("ů", 69) + "x": 2, "[" + strings.Repeat("x", 159): 2,
	} {
		if got := n.segments(text); got != want {
			t.Errorf("%d characters of %.8q take %d segments, want %d", len([]rune(text)), text, got, want)
		}
	}
	a := send(t, n, "Body", "“ok” – "+strings.Repeat("x", 100))
	b := send(t, n, "Body", "“ok” – "+strings.Repeat("x", 100), "SmartEncoded", "true")
	if a.JSON["num_segments"] != "2" || b.JSON["num_segments"] != "1" || !strings.HasPrefix(b.JSON["body"].(string), `"ok" - `) {
		t.Errorf("%s\n%s", a.Body, b.Body)
	}
}

// TestFaults: what takes the place of a request, and what only spoils its answer.
func TestFaults(t *testing.T) {
	s := newServer(t, nil)
	n := s.SMS()
	for _, tc := range []struct {
		fault        control.Fault
		status, code int
	}{
		{control.Fault{Kind: control.Rate}, 429, 20429},
		{control.Fault{Kind: control.Server}, 500, 20500},
		{control.Fault{Kind: control.HTML}, 502, 0},
		{control.Fault{Kind: control.Unauthorized}, 401, 20003},
		{control.Fault{Kind: control.Conflict}, 409, 20409},
		{control.Fault{Kind: control.Blocked}, 400, 21610},
		{control.Fault{Kind: control.Missing}, 404, 20404},
		{control.Fault{Kind: control.Refuse}, 429, 21611},
		{control.Fault{Kind: control.Refuse, Code: 20503}, 503, 20503},
		{control.Fault{Kind: control.Refuse, Code: 21408}, 400, 21408},
		{control.Fault{Kind: control.Refuse, Code: 99999}, 400, 99999},
	} {
		tc.fault.Times, tc.fault.Account, tc.fault.Method = 1, ours[1:], "create_message"
		must(t, n.Fault(tc.fault))
		if ask(t, s, "GET", messages+".json").Status != 200 || send(t, s.WhatsApp(), "Body", "x").Status != 201 {
			t.Errorf("%+v: another request fails", tc.fault)
		}
		a := send(t, n, "Body", "x")
		if a.Status != tc.status || a.code() != tc.code || a.Header.Get("Retry-After") != "" ||
			(a.Header.Get("Twilio-Concurrent-Requests") != "") != (tc.status == 429) {
			t.Errorf("%+v: %d %s %v", tc.fault, a.Status, a.Body, a.Header)
		}
	}
	if c, _ := n.Chat(t.Context(), ours, ann, -1); len(c.Messages) != 0 {
		t.Errorf("shown %+v", c.Messages)
	}
	must(t, n.Fault(control.Fault{Kind: control.Truncated, Times: 1}))
	if a := sendRaw(t, n); len(a) == 0 || strings.HasSuffix(a, "}") {
		t.Errorf("cut to %s", a)
	}
	if c, _ := n.Chat(t.Context(), ours, ann, -1); len(c.Messages) != 1 {
		t.Errorf("shown %+v", c.Messages)
	}
	got := n.Requests(control.Filter{Account: ours, Method: "create_message"})
	if last := got[len(got)-1]; last.Status != 201 || last.Fault != control.Truncated || last.Params["Body"] != "x" || last.Account != ours {
		t.Errorf("recorded %+v", last)
	}
}

// sendRaw gives the answer's body, which need not be JSON.
func sendRaw(t *testing.T, n *Network) string {
	t.Helper()
	form := url.Values{"To": {ann}, "From": {ours}, "Body": {"x"}}
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, messages+".json", strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
	r.SetBasicAuth(ac, token)
	w := httptest.NewRecorder()
	n.API().ServeHTTP(w, r)
	return w.Body.String()
}

func TestRate(t *testing.T) {
	s := newServer(t, nil)
	must(t, s.SMS().Set([]byte(`{"per_second":2}`)))
	got := ""
	for range 4 {
		got += fmt.Sprint(send(t, s.SMS(), "Body", "x").Status, " ")
	}
	if got != "201 201 429 429 " {
		t.Errorf("answered %s", got)
	}
}

// nowhere is a network in which nobody is reached.
type nowhere struct{}

func (nowhere) RoundTrip(*http.Request) (*http.Response, error) { return nil, errors.New("nowhere") }

// FuzzForm: no body of any type breaks the server, and what it says is JSON.
func FuzzForm(f *testing.F) {
	f.Add("application/x-www-form-urlencoded", "To=%2B420601234567&From=%2B420800123456&Body=x")
	f.Add("application/x-www-form-urlencoded", "To=whatsapp:%2B420601234567&From=whatsapp:%2B420800123456&ContentSid="+DefaultTemplates[1].SID+"&ContentVariables={\"1\":\"\"}")
	f.Add("application/x-www-form-urlencoded", "To=%2B420601234567&From=%2B420800123456&MediaUrl=http://a/%zz&MediaUrl=&PersistentAction=geo:1,|")
	f.Add("application/x-www-form-urlencoded", "messageId=SM1&channel=whatsapp&PhoneNumber=%2B&SmsUrl=::&InboundRequestUrl=http://x")
	f.Add("application/json", `{"webhook":{"callback_url":"http://x","callback_method":"PUT"}}`)
	s := New(Options{Transport: nowhere{}})
	f.Cleanup(s.Close)
	paths := []string{messages + ".json", "/messaging/v2/Indicators/Typing.json", "/messaging/v1/Services/" + mg}
	for _, n := range []*Network{s.WhatsApp(), s.SMS()} {
		if err := n.AddAccount(Account{Account: ours, AccountSID: ac, AuthToken: token, Service: mg}); err != nil {
			f.Fatal(err)
		}
		if err := n.Set([]byte(`{"status":"queued"}`)); err != nil {
			f.Fatal(err)
		}
	}
	paths = append(paths, "/messaging/v2/Channels/Senders/"+s.WhatsApp().senders[ours].senderSID,
		"/2010-04-01/Accounts/"+ac+"/IncomingPhoneNumbers/"+s.SMS().senders[ours].numberSID+".json")
	f.Fuzz(func(t *testing.T, contentType, body string) {
		for _, path := range paths {
			r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, path, strings.NewReader(body))
			r.Header.Set("Content-Type", contentType)
			r.SetBasicAuth(ac, token)
			if a := serve(t, s, r); a.JSON == nil || a.Status >= 500 {
				t.Fatalf("%s: %d %q", path, a.Status, a.Body)
			}
		}
	})
}
