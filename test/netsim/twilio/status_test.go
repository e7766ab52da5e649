package twilio

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"servicelink/test/netsim/control"
)

// statuses are what a gateway was told, in the order it was.
func statuses(calls []hooked) string {
	var list []string
	for _, call := range calls {
		list = append(list, call.form.Get("MessageStatus"))
	}
	return strings.Join(list, " ")
}

// TestByHand: the phone brings a message on when the network does not, forward
// only.
func TestByHand(t *testing.T) {
	g := newGateway(t)
	s := newServer(t, g)
	n := s.WhatsApp()
	must(t, n.Set([]byte(`{"status":"queued","window":"open"}`)))
	made := func() control.ID {
		t.Helper()
		return control.ID(send(t, n, "Body", "x", "StatusCallback", g.server.URL).JSON["sid"].(string))
	}
	m := made()
	for i, tc := range []struct{ do, want string }{
		{"deliver", "sent delivered"}, {"fail", "sent delivered"}, {"read", "sent delivered read"}, {"fail", "sent delivered read"}, {"deliver", "sent delivered read"},
	} {
		act(t, n, control.Action{Do: tc.do, Message: m})
		n.statuses.Wait()
		if got := statuses(g.got(t, 2)); got != tc.want {
			t.Errorf("%d: %s, want %s", i, got, tc.want)
		}
	}
	failed := made()
	act(t, n, control.Action{Do: "fail", Message: failed, Data: "63024"})
	act(t, n, control.Action{Do: "read", Message: failed})
	n.statuses.Wait()
	last := g.got(t, 4)[3].form
	if len(g.got(t, 4)) != 4 || last.Get("MessageStatus") != "undelivered" || last.Get("ErrorCode") != "63024" || last.Get("ChannelStatusMessage") == "" {
		t.Errorf("told %v", last)
	}
	in := act(t, n, control.Action{Do: "text", Text: "x"})
	for _, a := range []control.Action{
		{Do: "read", Chat: ann, Message: in}, {Do: "read", Chat: ann, Message: "SM1"}, {Do: "read", Chat: "+420601234568", Message: failed},
	} {
		if _, err := n.Act(ours, a); !errors.Is(err, control.ErrUnknown) {
			t.Errorf("%+v: %v", a, err)
		}
	}
	sms := control.ID(send(t, s.SMS(), "Body", "x").JSON["sid"].(string))
	for _, a := range []control.Action{{Do: "read", Chat: ann, Message: sms}, {Do: "fail", Chat: ann, Message: sms, Data: "x"}} {
		if _, err := s.SMS().Act(ours, a); !errors.Is(err, control.ErrAction) {
			t.Errorf("%+v: %v", a, err)
		}
	}
}

// TestStatusFaults: callbacks are doubled, overtaken, late and lost, and messages
// fail.
func TestStatusFaults(t *testing.T) {
	for name, tc := range map[string]struct {
		fault control.Fault
		want  string
	}{
		"twice":   {control.Fault{Kind: control.Duplicate, Method: hookStatus}, "sent sent delivered delivered"},
		"over":    {control.Fault{Kind: control.Reorder, Method: hookStatus, Times: 1}, "delivered sent"},
		"late":    {control.Fault{Kind: control.Late, Method: hookStatus, Times: 1, Seconds: 0.05}, "delivered sent"},
		"lost":    {control.Fault{Kind: control.Lose, Method: hookStatus, Times: 1}, "delivered"},
		"failing": {control.Fault{Kind: control.Fail, Method: "create_message", Code: 30007}, "undelivered"},
		"away":    {control.Fault{Kind: control.Fail}, "undelivered"},
	} {
		t.Run(name, func(t *testing.T) {
			g := newGateway(t)
			n := newServer(t, g).SMS()
			must(t, n.Fault(tc.fault))
			send(t, n, "Body", "x", "StatusCallback", g.server.URL)
			g.got(t, strings.Count(tc.want, " ")+1)
			n.statuses.Wait()
			calls := g.got(t, 1)
			if statuses(calls) != tc.want {
				t.Errorf("told %s", statuses(calls))
			}
			if strings.Contains(tc.want, "undelivered") && calls[0].form.Get("ErrorCode") == "" {
				t.Errorf("no error: %v", calls[0].form)
			}
		})
	}
}

// TestPace: the settings decide how far and how fast; a callback may be the
// sender's.
func TestPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, nil)
		n := s.WhatsApp()
		must(t, n.Set([]byte(`{"status":"delivered","status_seconds":10,"window":"open"}`)))
		send(t, n, "Body", "x")
		began := time.Now()
		for _, state := range []string{"queued", "sent", "delivered", "delivered"} {
			synctest.Wait()
			list := when(t, n, func([]control.Message) bool { return true })
			if list[0].State != state {
				t.Errorf("after %v it is %s", time.Since(began), list[0].State)
			}
			<-time.After(10 * time.Second)
		}
	})
}

// TestStatusHook: where statuses go of a message that names no place.
func TestStatusHook(t *testing.T) {
	g := newGateway(t)
	s := newServer(t, nil)
	n := s.SMS()
	must(t, n.AddAccount(Account{Account: ours, AccountSID: ac, AuthToken: token, Service: mg, StatusURL: g.server.URL + "/sender"}))
	must(t, n.Set([]byte(`{"status":"sent"}`)))
	send(t, n, "Body", "x")
	g.got(t, 1)
	if a := ask(t, s, "POST", "/messaging/v1/Services/"+mg, "StatusCallback", g.server.URL+"/service"); a.Status != 200 {
		t.Fatalf("%d %s", a.Status, a.Body)
	}
	ask(t, s, "POST", messages+".json", "To", ann, "MessagingServiceSid", mg, "Body", "x")
	g.got(t, 3)
	send(t, n, "Body", "x", "StatusCallback", g.server.URL+"/own")
	got := ""
	for _, call := range g.got(t, 4) {
		got += strings.TrimPrefix(call.url, g.server.URL) + " "
	}
	if got != "/sender /service /service /own " {
		t.Errorf("called %s", got)
	}
}
