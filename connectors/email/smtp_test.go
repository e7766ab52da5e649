package email

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"servicelink/config"
	"servicelink/connectors"
	"servicelink/test/netsim/control"
	"servicelink/test/netsim/mail"
)

const (
	smtpUser     = "support@mail.test"
	smtpPassword = "marked-password"
	smtpTo       = "anna@mail.test"
)

// smtpSite is a mail host in this process, and a SmtpHost that sends by it.
type smtpSite struct {
	*mail.Server
	device *smtpHost
}

func newSMTPSite(t *testing.T, o mail.Options, settings string) smtpSite {
	t.Helper()
	o.Pipe, o.Auth = true, true
	server, err := mail.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Close)
	for _, address := range []string{smtpUser, smtpTo, "bert@mail.test", "cyril@mail.test"} {
		if err := server.AddMailbox(address, smtpPassword); err != nil {
			t.Fatal(err)
		}
	}
	d := newTestSMTP(t, "{Host: mail.test, User: "+smtpUser+", Password: "+smtpPassword+", From: "+smtpUser+settings+"}")
	d.host.dial, d.host.tls = server.Dial, server.TLS()
	return smtpSite{server, d}
}

func newTestSMTP(t *testing.T, settings string) *smtpHost {
	t.Helper()
	s, err := config.ParseSettings(settings)
	if err != nil {
		t.Fatal(err)
	}
	d, err := newSmtpHost(config.Channel{Name: "out", Settings: s}, connectors.Dependencies{Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	host := d.(*smtpHost)
	t.Cleanup(func() {
		if err := host.Close(); err != nil {
			t.Error(err)
		}
	})
	return host
}

func (s smtpSite) fault(t *testing.T, f control.Fault) {
	t.Helper()
	if err := s.Fault(f); err != nil {
		t.Fatal(err)
	}
}

// commands are what came to the host, without what belongs to connecting.
func (s smtpSite) commands() []string {
	var list []string
	for _, r := range s.Requests(control.Filter{}) {
		if verb, ok := strings.CutPrefix(r.Method, "smtp."); ok {
			list = append(list, verb)
		}
	}
	return list
}

func sample() *connectors.Message {
	return &connectors.Message{
		ID: "0d3d5c0e-8ad6-4e0a-9d3e-6c8f6a6b8f11", SystemID: "one@mail.test", From: "Support <support@mail.test>",
		Recipients: connectors.Recipients{To: []string{smtpTo}}, To: "Anna <anna@mail.test>",
		ReceivedAt: time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC), Subject: "Your order",
		Text: "Hello\n.hidden dot\nFrom here", HTML: "<p>Hello</p>",
	}
}

// large is a mail that no server has read in whole when it has read some.
func large() *connectors.Message {
	m := sample()
	m.Text += strings.Repeat("one more line of many\n", 20_000)
	return m
}

func attempt(d *smtpHost, m *connectors.Message, to string) (string, *connectors.SendError) {
	ctx, cancel := context.WithTimeout(context.Background(), 80*time.Second)
	defer cancel()
	r, err := d.SendMessage(ctx, m, to)
	if err == nil {
		return r.NetworkID, nil
	}
	se, ok := errors.AsType[*connectors.SendError](err)
	if !ok {
		se = &connectors.SendError{Outcome: connectors.Unknown, Reason: connectors.ReasonBug, Err: err}
	}
	return r.NetworkID, se
}

// TestSMTPSends: every recipient gets the same bytes, in a transaction of its own, over
// one connection.
func TestSMTPSends(t *testing.T) {
	for _, security := range []string{"starttls", "implicit"} {
		t.Run(security, func(t *testing.T) {
			s := newSMTPSite(t, mail.Options{}, ", Security: "+security)
			m := sample()
			m.Recipients = connectors.Recipients{To: []string{smtpTo}, Cc: []string{"bert@mail.test"}, Bcc: []string{"cyril@mail.test"}}
			parts, err := s.device.Parts(m)
			if err != nil || !slices.Equal(parts, []string{smtpTo, "bert@mail.test", "cyril@mail.test"}) {
				t.Fatalf("parts %v, %v", parts, err)
			}
			for _, part := range parts {
				if id, se := attempt(s.device, m, part); se != nil || id != "one@mail.test" {
					t.Fatalf("%s: %q, %v", part, id, se)
				}
			}
			got := s.Deliveries()
			if len(got) != 3 {
				t.Fatalf("%d deliveries", len(got))
			}
			for i, d := range got {
				if !slices.Equal(d.To, parts[i:i+1]) || d.From != smtpUser || string(d.Raw) != string(got[0].Raw) {
					t.Errorf("delivery %d to %v from %s: %q", i, d.To, d.From, d.Raw)
				}
			}
			if raw := string(got[0].Raw); strings.Contains(raw, "cyril") || !strings.Contains(raw, "Cc: <bert@mail.test>") || !strings.Contains(raw, "\r\n.hidden dot\r\n") {
				t.Errorf("the mail: %s", raw)
			}
			commands := strings.Join(s.commands(), " ")
			if n := strings.Count(commands, "CONNECT"); n != 1 || strings.Count(commands, "NOOP") != 2 {
				t.Errorf("%d connections: %s", n, commands)
			}
		})
	}
}

// TestSMTPOutcomes: what every fault at every stage means. A mail that has certainly
// not been taken may be sent again; one that may have been is never "not sent".
func TestSMTPOutcomes(t *testing.T) {
	const (
		notSent  = connectors.NotSent
		rejected = connectors.Rejected
		unknown  = connectors.Unknown
	)
	for _, tc := range []struct {
		fault   control.Fault
		outcome connectors.Outcome
		reason  connectors.Reason
		code    string
	}{
		{control.Fault{Kind: control.Outage, Method: "smtp.CONNECT"}, notSent, connectors.ReasonCut, ""},
		{control.Fault{Kind: control.Refuse, Method: "smtp.CONNECT", Code: 421, Subcode: 432}, notSent, connectors.ReasonRate, "421 4.3.2"},
		{control.Fault{Kind: control.Refuse, Method: "smtp.CONNECT", Code: 554}, notSent, connectors.ReasonServer, "554"},
		{control.Fault{Kind: control.HTML, Method: "smtp.CONNECT"}, notSent, connectors.ReasonAnswer, ""},
		{control.Fault{Kind: control.Swallow, Method: "smtp.CONNECT"}, notSent, connectors.ReasonTimeout, ""},
		{control.Fault{Kind: control.Swallow, Method: "smtp.EHLO"}, notSent, connectors.ReasonTimeout, ""},
		{control.Fault{Kind: control.Refuse, Method: "smtp.STARTTLS", Code: 454, Subcode: 470}, notSent, connectors.ReasonRate, "454 4.7.0"},
		{control.Fault{Kind: control.Unauthorized, Method: "smtp.AUTH", Subcode: 578}, notSent, connectors.ReasonAuth, "535 5.7.8"},
		{control.Fault{Kind: control.Refuse, Method: "smtp.AUTH", Code: 454, Subcode: 470}, notSent, connectors.ReasonServer, "454 4.7.0"},
		{control.Fault{Kind: control.Swallow, Method: "smtp.AUTH"}, notSent, connectors.ReasonTimeout, ""},
		{control.Fault{Kind: control.Refuse, Method: "smtp.MAIL", Code: 451, Subcode: 430}, notSent, connectors.ReasonServer, "451 4.3.0"},
		{control.Fault{Kind: control.Refuse, Method: "smtp.MAIL", Code: 530, Subcode: 570}, notSent, connectors.ReasonAuth, "530 5.7.0"},
		{control.Fault{Kind: control.Refuse, Method: "smtp.MAIL", Code: 553, Subcode: 571}, notSent, connectors.ReasonAuth, "553 5.7.1"},
		{control.Fault{Kind: control.Refuse, Method: "smtp.MAIL", Code: 552, Subcode: 534}, rejected, connectors.ReasonContent, "552 5.3.4"},
		{control.Fault{Kind: control.Swallow, Method: "smtp.MAIL"}, notSent, connectors.ReasonTimeout, ""},
		{control.Fault{Kind: control.Outage, Method: "smtp.MAIL"}, notSent, connectors.ReasonCut, ""},
		{control.Fault{Kind: control.Refuse, Method: "smtp.RCPT", Code: 450, Subcode: 471}, notSent, connectors.ReasonRate, "450 4.7.1"},
		{control.Fault{Kind: control.Refuse, Method: "smtp.RCPT", Code: 451, Subcode: 420}, notSent, connectors.ReasonServer, "451 4.2.0"},
		{control.Fault{Kind: control.Refuse, Method: "smtp.RCPT", Code: 550, Subcode: 511}, rejected, connectors.ReasonNotFound, "550 5.1.1"},
		{control.Fault{Kind: control.Refuse, Method: "smtp.RCPT", Code: 552, Subcode: 522}, rejected, connectors.ReasonBlocked, "552 5.2.2"},
		{control.Fault{Kind: control.Refuse, Method: "smtp.RCPT", Code: 554, Subcode: 571}, rejected, connectors.ReasonBlocked, "554 5.7.1"},
		{control.Fault{Kind: control.Swallow, Method: "smtp.RCPT"}, notSent, connectors.ReasonTimeout, ""},
		{control.Fault{Kind: control.Refuse, Method: "smtp.DATA", Code: 451}, notSent, connectors.ReasonServer, "451"},
		{control.Fault{Kind: control.Refuse, Method: "smtp.DATA", Code: 554}, rejected, connectors.ReasonContent, "554"},
		{control.Fault{Kind: control.Cut, Method: "smtp.DATA"}, notSent, connectors.ReasonCut, ""},
		{control.Fault{Kind: control.Swallow, Method: "smtp.DATA"}, notSent, connectors.ReasonTimeout, ""},
		{control.Fault{Kind: control.Outage, Method: "smtp.BODY"}, notSent, connectors.ReasonCut, ""},
		{control.Fault{Kind: control.Swallow, Method: "smtp.BODY"}, notSent, connectors.ReasonTimeout, ""},
		{control.Fault{Kind: control.Refuse, Method: "smtp.DOT", Code: 451, Subcode: 430}, notSent, connectors.ReasonServer, "451 4.3.0"},
		{control.Fault{Kind: control.Refuse, Method: "smtp.DOT", Code: 421, Subcode: 430}, notSent, connectors.ReasonServer, "421 4.3.0"},
		{control.Fault{Kind: control.Refuse, Method: "smtp.DOT", Code: 552, Subcode: 534}, rejected, connectors.ReasonContent, "552 5.3.4"},
		{control.Fault{Kind: control.Refuse, Method: "smtp.DOT", Code: 552, Subcode: 522}, rejected, connectors.ReasonBlocked, "552 5.2.2"},
		{control.Fault{Kind: control.Refuse, Method: "smtp.DOT", Code: 554, Subcode: 571}, rejected, connectors.ReasonContent, "554 5.7.1"},
		{control.Fault{Kind: control.Cut, Method: "smtp.DOT"}, unknown, connectors.ReasonCut, ""},
		{control.Fault{Kind: control.Outage, Method: "smtp.DOT"}, unknown, connectors.ReasonCut, ""},
		{control.Fault{Kind: control.HTML, Method: "smtp.DOT"}, unknown, connectors.ReasonAnswer, ""},
		{control.Fault{Kind: control.Swallow, Method: "smtp.DOT"}, unknown, connectors.ReasonTimeout, ""},
	} {
		t.Run(fmt.Sprintf("%s %s %d %d", tc.fault.Method, tc.fault.Kind, tc.fault.Code, tc.fault.Subcode), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newSMTPSite(t, mail.Options{}, "")
				tc.fault.Times = 1
				s.fault(t, tc.fault)
				began := time.Now()
				_, se := attempt(s.device, large(), smtpTo)
				if se == nil || se.Outcome != tc.outcome || se.Reason != tc.reason || se.Code != tc.code {
					t.Fatalf("%v, want %v %s (%s)", se, tc.outcome, tc.reason, tc.code)
				}
				if (se.Scope == connectors.ScopeRecipient) != (tc.fault.Method == "smtp.RCPT" && se.Outcome == notSent && se.Code != "") {
					t.Errorf("%v is for the %v", se, se.Scope)
				}
				if took := time.Since(began); took > 80*time.Second {
					t.Errorf("it took %v", took)
				}
				if n := len(s.Deliveries()); se.Outcome != unknown && n != 0 {
					t.Errorf("%v, and %d mails were taken", se, n)
				}
				for _, secret := range []string{smtpPassword, "anna", "Hello", "Your order"} {
					if strings.Contains(se.Error()+se.Hint, secret) {
						t.Errorf("the error tells %q: %v", secret, se)
					}
				}
				taken := len(s.Deliveries())
				if _, se := attempt(s.device, sample(), smtpTo); se != nil || len(s.Deliveries()) != taken+1 {
					t.Errorf("the next attempt: %v", se)
				}
			})
		})
	}
}

// TestSMTPDotStays: a mail whose last bytes, with the dot, find nobody who reads them
// has not been sent, although all of it was handed to the library.
func TestSMTPDotStays(t *testing.T) {
	for _, kind := range []control.Kind{control.Swallow, control.Outage} {
		t.Run(string(kind), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newSMTPSite(t, mail.Options{}, "")
				s.fault(t, control.Fault{Kind: kind, Method: "smtp.BODY"})
				m := sample()
				m.Text += strings.Repeat("a line of some\n", 300) // two writes of the library, the last one at the dot
				if _, se := attempt(s.device, m, smtpTo); se == nil || se.Outcome != connectors.NotSent {
					t.Errorf("%v", se)
				}
			})
		})
	}
}

// TestSMTPContextEnds: an attempt ends with its context, wherever it is.
func TestSMTPContextEnds(t *testing.T) {
	for _, method := range []string{"CONNECT", "EHLO", "AUTH", "MAIL", "RCPT", "DATA", "BODY", "DOT"} {
		t.Run(method, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newSMTPSite(t, mail.Options{}, "")
				s.fault(t, control.Fault{Kind: control.Swallow, Method: "smtp." + method})
				ctx, cancel := context.WithCancel(t.Context())
				time.AfterFunc(time.Second, cancel)
				began := time.Now()
				_, err := s.device.SendMessage(ctx, large(), smtpTo)
				se := connectors.AsSendError(err)
				want := connectors.NotSent
				if method == "DOT" {
					want = connectors.Unknown
				}
				if se.Outcome != want || se.Reason != connectors.ReasonCanceled || time.Since(began) != time.Second {
					t.Errorf("after %v: %v", time.Since(began), se)
				}
			})
		})
	}
}

// TestSMTPStaleConnection: a connection that died while it was idle is found out before
// a mail is begun on it.
func TestSMTPStaleConnection(t *testing.T) {
	s := newSMTPSite(t, mail.Options{}, "")
	if _, se := attempt(s.device, sample(), smtpTo); se != nil {
		t.Fatal(se)
	}
	s.Kick("")
	if _, se := attempt(s.device, sample(), smtpTo); se != nil {
		t.Fatal(se)
	}
	if n := len(s.Deliveries()); n != 2 {
		t.Errorf("%d mails", n)
	}
}

// TestSMTPResetFails: after a refusal the connection is reset before its next use, and
// where that fails another one serves; what had been taken stays so.
func TestSMTPResetFails(t *testing.T) {
	s := newSMTPSite(t, mail.Options{}, "")
	if _, se := attempt(s.device, sample(), smtpTo); se != nil {
		t.Fatal(se)
	}
	if _, se := attempt(s.device, sample(), "nobody@mail.test"); se == nil || se.Code != "550 5.1.1" {
		t.Fatalf("an unknown recipient: %v", se)
	}
	s.fault(t, control.Fault{Kind: control.Refuse, Method: "smtp.RSET", Code: 421, Times: 1})
	if _, se := attempt(s.device, sample(), smtpTo); se != nil {
		t.Fatal(se)
	}
	if n := len(s.Deliveries()); n != 2 {
		t.Errorf("%d mails", n)
	}
	if commands := strings.Join(s.commands(), " "); strings.Count(commands, "CONNECT") != 2 || strings.Count(commands, "RSET") != 1 {
		t.Errorf("commands: %s", commands)
	}
}

// TestSMTPIdle: connections are used by many at once, never more than configured, and
// closed when nobody needs them.
func TestSMTPIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSMTPSite(t, mail.Options{}, ", Connections: 3")
		var work sync.WaitGroup
		for i := range 20 {
			work.Go(func() {
				m := sample()
				m.SystemID = fmt.Sprintf("%d@mail.test", i)
				if _, se := attempt(s.device, m, smtpTo); se != nil {
					t.Error(se)
				}
			})
		}
		work.Wait()
		if n := len(s.Deliveries()); n != 20 {
			t.Errorf("%d mails", n)
		}
		if n := len(s.Requests(control.Filter{Method: "smtp.CONNECT"})); n > 3 {
			t.Errorf("%d connections", n)
		}
		time.Sleep(2 * idleLife)
		synctest.Wait()
		if _, se := attempt(s.device, sample(), smtpTo); se != nil {
			t.Error(se)
		}
		if err := s.device.Close(); err != nil {
			t.Error(err)
		}
		if opened, ended := len(s.Requests(control.Filter{Method: "smtp.CONNECT"})), len(s.Requests(control.Filter{Method: "smtp.QUIT"})); opened != ended {
			t.Errorf("%d connections were opened and %d ended", opened, ended)
		}
	})
}
