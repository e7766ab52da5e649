package twilio

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"servicelink/test/netsim/control"
)

// TestSignature: the example of the documentation, and one of its helper libraries
// with a repeated parameter.
func TestSignature(t *testing.T) {
	const address = "https://mycompany.com/myapp.php?foo=1&bar=2"
	for want, form := range map[string]url.Values{
		"RSOYDt4T1cUTdK1PDd93/VVr8B8=": {
			"CallSid": {"CA1234567890ABCDE"}, "Caller": {"+14158675309"}, "Digits": {"1234"}, "From": {"+14158675309"}, "To": {"+18005551212"},
		},
		"IK+Dwps556ElfBT0I3Rgjkr1wJU=": {"Sid": {"CA123"}, "SidAccount": {"AC123"}, "Digits": {"5678", "1234", "1234"}},
	} {
		if got := Signature("12345", address, form); got != want {
			t.Errorf("%v is signed %s, want %s", form, got, want)
		}
	}
}

func TestSignedAddress(t *testing.T) {
	for _, tc := range []struct{ address, with, without string }{
		{"https://a.example/x?y=%27#z", "https://a.example:443/x?y=%27#z", "https://a.example/x?y=%27#z"},
		{"http://a.example", "http://a.example:80", "http://a.example"},
		{"https://A.example:8443/x/", "https://A.example:8443/x/", "https://A.example/x/"},
		{"https://a.example?x=b:1", "https://a.example:443?x=b:1", "https://a.example?x=b:1"},
		{"https://[::1]/x", "https://[::1]:443/x", "https://[::1]/x"},
		{"https://[::1]:1/x", "https://[::1]:1/x", "https://[::1]/x"},
	} {
		for port, want := range map[string]string{"": tc.address, "with": tc.with, "without": tc.without} {
			if got := signedAddress(tc.address, port); got != want {
				t.Errorf("%s %q: %s, want %s", tc.address, port, got, want)
			}
		}
	}
}

// TestPortVariants: the webhook is signed for the variant that is set.
func TestPortVariants(t *testing.T) {
	g := newGateway(t)
	n := newServer(t, g).SMS()
	for i, port := range []string{"", "with", "without"} {
		must(t, n.Set([]byte(`{"signed_port":"`+port+`"}`)))
		act(t, n, control.Action{Do: "text", Text: "x"})
		call := g.got(t, i+1)[i]
		address := call.url
		if port == "without" {
			u, err := url.Parse(address)
			must(t, err)
			address = "http://" + u.Hostname() + u.Path
		}
		if got := call.header.Get("X-Twilio-Signature"); got != Signature(token, address, call.form) {
			t.Errorf("%q: not signed for %s", port, address)
		}
	}
}

// alerts are the codes of what went wrong with webhooks.
func alerts(n *Network) (codes []string) {
	for _, r := range n.Requests(control.Filter{Method: methodAlert}) {
		codes = append(codes, r.Params["ErrorCode"]+" "+r.Params["HttpResponse"])
	}
	return codes
}

// TestGivenUp: a webhook that is refused is lost, one that finds nobody is tried
// once more, and one whose URL says so more often. The list has them all.
func TestGivenUp(t *testing.T) {
	for name, tc := range map[string]struct {
		status []int // answers; 0 = the connection is cut
		rest   string
		calls  int
		state  string
		alerts string
	}{
		"fine":             {[]int{204}, "", 1, control.StateTaken, ""},
		"busy":             {[]int{503}, "", 1, control.StateRefused, "11200 503"},
		"forbidden":        {[]int{403}, "", 1, control.StateRefused, "11200 403"},
		"cut once":         {[]int{0, 204}, "", 2, control.StateTaken, ""},
		"cut twice":        {[]int{0, 0}, "", 2, control.StateRefused, "11200 0"},
		"cut, then busy":   {[]int{0, 503}, "", 2, control.StateRefused, "11200 503"},
		"no retry":         {[]int{0}, "#rc=0", 1, control.StateRefused, "11200 0"},
		"busy, all":        {[]int{503, 500, 0, 503, 204}, "#rc=5&rp=all", 5, control.StateTaken, ""},
		"busy, all, twice": {[]int{503, 500, 503}, "#rc=2&rp=all", 3, control.StateRefused, "11200 503"},
		"busy, 5xx":        {[]int{503, 204}, "#rp=5xx", 2, control.StateTaken, ""},
		"forbidden, 5xx":   {[]int{403}, "#rp=5xx", 1, control.StateRefused, "11200 403"},
		"forbidden, 4xx":   {[]int{403, 204}, "#rp=4xx,5xx", 2, control.StateTaken, ""},
		"too many":         {[]int{503}, "#rc=6", 1, control.StateRefused, "11200 503"},
	} {
		t.Run(name, func(t *testing.T) {
			g := newGateway(t)
			g.answer = func(w http.ResponseWriter, n int) {
				if n > len(tc.status) {
					t.Errorf("call %d", n)
				} else if tc.status[n-1] == 0 {
					control.Reset(w)
				} else {
					w.WriteHeader(tc.status[n-1])
				}
			}
			s := newServer(t, nil)
			n := s.WhatsApp()
			must(t, n.AddAccount(Account{Account: ours, AccountSID: ac, AuthToken: token, MessageURL: g.server.URL + tc.rest}))
			id := act(t, n, control.Action{Do: "text", Text: "hello"})
			when(t, n, lastIn(tc.state))
			n.messages.Wait()
			calls := g.got(t, tc.calls)
			for _, call := range calls {
				if got := call.header.Get("I-Twilio-Idempotency-Token"); got == "" || got != calls[0].header.Get("I-Twilio-Idempotency-Token") {
					t.Errorf("token %s", got)
				}
				if call.header.Get("X-Twilio-Signature") != Signature(token, g.server.URL, call.form) {
					t.Error("not signed for its URL without the fragment")
				}
			}
			if got := strings.Join(alerts(n), ","); got != tc.alerts || len(calls) != tc.calls {
				t.Errorf("%d calls, alerts %s", len(calls), got)
			}
			if a := ask(t, s, "GET", messages+".json", "To", "whatsapp:"+ours); !strings.Contains(a.Body, string(id)) {
				t.Errorf("not in the list: %s", a.Body)
			}
		})
	}
}

// TestNobody: where nobody listens the message is lost, unless the network itself
// is away: then it keeps it.
func TestNobody(t *testing.T) {
	free, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	must(t, err)
	address := "http://" + free.Addr().String()
	must(t, free.Close())
	g := newGateway(t)
	n := newServer(t, nil).SMS()
	act(t, n, control.Action{Do: "text", Text: "one"})
	if list := when(t, n, lastIn(control.StateRefused)); list[0].Detail != "no webhook is set" {
		t.Errorf("seen %+v", list)
	}
	must(t, n.AddAccount(Account{Account: ours, AccountSID: ac, AuthToken: token, MessageURL: address}))
	act(t, n, control.Action{Do: "text", Text: "two"})
	when(t, n, lastIn(control.StateRefused))
	must(t, n.AddAccount(Account{Account: ours, AccountSID: ac, AuthToken: token, MessageURL: g.server.URL}))
	must(t, n.Fault(control.Fault{Kind: control.Outage}))
	act(t, n, control.Action{Do: "text", Text: "three"})
	when(t, n, lastIn(control.StateWaiting))
	n.Clear()
	when(t, n, lastIn(control.StateTaken))
	if calls := g.got(t, 1); len(calls) != 1 || calls[0].form.Get("Body") != "three" {
		t.Errorf("posted %+v", calls)
	}
}

// TestAnswers: what Twilio makes of the answer to a customer's message.
func TestAnswers(t *testing.T) {
	for name, tc := range map[string]struct {
		kind, body string
		alerts     string
		answer     string
	}{
		"xml":     {"text/xml; charset=utf-8", "<Response/>", "", ""},
		"nothing": {"", "", "", ""},
		"json":    {"application/json", `{"ok":true}`, "12300 200", ""},
		"plain":   {"text/plain", "OK\n", "", "OK"},
	} {
		t.Run(name, func(t *testing.T) {
			g := newGateway(t)
			g.answer = func(w http.ResponseWriter, _ int) {
				w.Header().Set("Content-Type", tc.kind)
				_, _ = w.Write([]byte(tc.body))
			}
			n := newServer(t, g).SMS()
			act(t, n, control.Action{Do: "text", Text: "hello"})
			n.messages.Wait()
			list := when(t, n, func([]control.Message) bool { return true })
			if got := strings.Join(alerts(n), ","); got != tc.alerts || list[0].State != control.StateTaken {
				t.Errorf("alerts %s, seen %+v", got, list)
			}
			if (len(list) == 2) != (tc.answer != "") || tc.answer != "" && (list[1].Text != tc.answer || list[1].From != control.FromAgent) {
				t.Errorf("the customer sees %+v", list)
			}
		})
	}
}

// TestBrought: webhooks that are lost, late, doubled and overtaken.
func TestBrought(t *testing.T) {
	g := newGateway(t)
	n := newServer(t, g).WhatsApp()
	must(t, n.Fault(control.Fault{Kind: control.Lose, Method: hookMessage, Times: 1}))
	act(t, n, control.Action{Do: "text", Text: "lost"})
	must(t, n.Fault(control.Fault{Kind: control.Late, Method: hookMessage, Times: 1, Seconds: 0.05}))
	act(t, n, control.Action{Do: "text", Text: "late"})
	act(t, n, control.Action{Do: "text", Text: "next"})
	g.got(t, 2)
	n.messages.Wait()
	must(t, n.Fault(control.Fault{Kind: control.Duplicate, Method: hookMessage, Times: 1}))
	act(t, n, control.Action{Do: "text", Text: "twice"})
	g.got(t, 4)
	n.messages.Wait()
	must(t, n.Fault(control.Fault{Kind: control.Reorder, Method: hookMessage, Times: 1}))
	act(t, n, control.Action{Do: "text", Text: "overtaken"})
	act(t, n, control.Action{Do: "text", Text: "overtaking"})
	got := ""
	for _, call := range g.got(t, 6) {
		got += call.form.Get("Body") + " "
	}
	if got != "next late twice twice overtaking overtaken " || strings.Join(alerts(n), ",") != "11200 0" {
		t.Errorf("brought %s, alerts %v", got, alerts(n))
	}
}

// TestMethodGET: the parameters are then part of the URL, and signed as that.
func TestMethodGET(t *testing.T) {
	g := newGateway(t)
	s := newServer(t, g)
	n := s.SMS()
	number := "/2010-04-01/Accounts/" + ac + "/IncomingPhoneNumbers/" + n.senders[ours].numberSID + ".json"
	if a := ask(t, s, "POST", number, "SmsUrl", g.server.URL+"/m?a=b", "SmsMethod", "GET"); a.Status != 200 || a.JSON["sms_method"] != "GET" {
		t.Fatalf("%d %s", a.Status, a.Body)
	}
	act(t, n, control.Action{Do: "text", Text: "a b"})
	call := g.got(t, 1)[0]
	if call.method != http.MethodGet || len(call.form) != 0 || !strings.Contains(call.url, "/m?a=b&") || !strings.Contains(call.url, "Body=a+b") ||
		call.header.Get("X-Twilio-Signature") != Signature(token, call.url, nil) {
		t.Errorf("called %+v", call)
	}
}

// TestClosed: what is under way ends with the server, and nothing begins after it.
func TestClosed(t *testing.T) {
	waits := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // only then the end of the connection is seen
		waits <- struct{}{}
		<-r.Context().Done()
	}))
	defer server.Close()
	s := newServer(t, nil)
	n := s.WhatsApp()
	must(t, n.AddAccount(Account{Account: ours, AccountSID: ac, AuthToken: token, MessageURL: server.URL}))
	must(t, n.Set([]byte(`{"status_seconds":3600}`)))
	act(t, n, control.Action{Do: "text", Text: "x"})
	send(t, n, "Body", "x")
	must(t, n.Fault(control.Fault{Kind: control.Late, Method: hookMessage, Times: 1, Seconds: 3600}))
	act(t, n, control.Action{Do: "text", Text: "later"})
	<-waits
	n.Close()
	send(t, n, "Body", "x")
	if list := when(t, n, func([]control.Message) bool { return true }); list[len(list)-1].State != "queued" {
		t.Errorf("it goes on: %+v", list)
	}
}

// TestAlertList: what became of webhooks that failed can be asked, the latest first.
func TestAlertList(t *testing.T) {
	g := newGateway(t)
	s := newServer(t, g)
	n := s.SMS()
	for range 2 {
		must(t, n.Fault(control.Fault{Kind: control.Lose, Times: 1}))
		act(t, n, control.Action{Do: "text", Text: "x"})
	}
	if got := alerts(n); len(got) != 2 {
		t.Fatalf("%q", got)
	}
	a := ask(t, s, "GET", "/monitor/v1/Alerts", "LogLevel", "error", "StartDate", "2020-01-01T00:00:00Z")
	if a.Status != 200 || strings.Count(a.Body, `"error_code":"11200"`) != 2 || !strings.Contains(a.Body, `"request_url":"`+g.server.URL+`/sms/message"`) ||
		strings.Index(a.Body, "/Alerts/NO00000000000000000000000000000002") > strings.Index(a.Body, "/Alerts/NO00000000000000000000000000000001") {
		t.Errorf("%d %s", a.Status, a.Body)
	}
	for _, query := range [][]string{{"StartDate", "2999-01-01"}, {"LogLevel", "debug"}} {
		if a := ask(t, s, "GET", "/monitor/v1/Alerts", query...); a.Status != 200 || !strings.Contains(a.Body, `"alerts":[]`) {
			t.Errorf("%q: %s", query, a.Body)
		}
	}
	if a := ask(t, s, "GET", "/monitor/v1/Alerts", "StartDate", "soon"); a.Status != 400 {
		t.Errorf("a date that is none: %d", a.Status)
	}
}
