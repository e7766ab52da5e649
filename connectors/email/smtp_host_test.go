package email

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"servicelink/config"
	"servicelink/connectors"
	"servicelink/test/netsim/control"
	"servicelink/test/netsim/mail"
)

// TestSMTPOffers: what the server does not offer is not used.
func TestSMTPOffers(t *testing.T) {
	for _, tc := range []struct {
		name    string
		options mail.Options
		change  func(m *connectors.Message)
		to      string
		want    connectors.Reason // empty = it is sent
		utf8    bool
	}{
		{"nothing", mail.Options{Without: []string{"8BITMIME", "SMTPUTF8", "SIZE", "PIPELINING", "CHUNKING"}}, nil, smtpTo, "", false},
		{"no STARTTLS", mail.Options{Without: []string{"STARTTLS"}}, nil, smtpTo, connectors.ReasonConnect, false},
		{"no AUTH", mail.Options{Without: []string{"AUTH"}}, nil, smtpTo, connectors.ReasonAuth, false},
		{"too small", mail.Options{MaxMail: 100}, nil, smtpTo, connectors.ReasonContent, false},
		{"an address in UTF-8", mail.Options{}, nil, "jörg@mail.test", "", true},
		{"one that is not taken", mail.Options{Without: []string{"SMTPUTF8"}}, nil, "jörg@mail.test", connectors.ReasonNotFound, false},
		{"a domain in UTF-8", mail.Options{Without: []string{"SMTPUTF8"}}, nil, "anna@münchen.test", "", false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := newSMTPSite(t, tc.options, "")
			for _, address := range []string{"jörg@mail.test", "anna@xn--mnchen-3ya.test"} {
				if err := s.AddMailbox(address, smtpPassword); err != nil {
					t.Fatal(err)
				}
			}
			m := sample()
			m.Recipients.To, m.To = []string{tc.to}, ""
			parts, err := s.device.Parts(m)
			if err != nil || len(parts) != 1 {
				t.Fatalf("parts %v, %v", parts, err)
			}
			_, se := attempt(s.device, m, parts[0])
			if tc.want == "" && se != nil || tc.want != "" && (se == nil || se.Reason != tc.want || se.Outcome == connectors.Unknown) {
				t.Fatalf("%v, want %q", se, tc.want)
			}
			if tc.want == "" && s.Deliveries()[0].UTF8 != tc.utf8 {
				t.Errorf("SMTPUTF8 = %v", !tc.utf8)
			}
		})
	}
}

// TestSMTPExamine: what the doctor finds.
func TestSMTPExamine(t *testing.T) {
	for name, tc := range map[string]struct {
		fault control.Fault
		want  [3]connectors.CheckState
	}{
		"well":            {control.Fault{}, [...]connectors.CheckState{"ok", "ok", "ok"}},
		"away":            {control.Fault{Kind: control.Outage, Method: "smtp.CONNECT"}, [...]connectors.CheckState{"failed", "unknown", "unknown"}},
		"wrong password":  {control.Fault{Kind: control.Unauthorized, Method: "smtp.AUTH"}, [...]connectors.CheckState{"ok", "failed", "unknown"}},
		"not this sender": {control.Fault{Kind: control.Refuse, Method: "smtp.MAIL", Code: 553, Subcode: 571}, [...]connectors.CheckState{"ok", "ok", "failed"}},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSMTPSite(t, mail.Options{}, "")
			if tc.fault.Kind != "" {
				s.fault(t, tc.fault)
			}
			checks := s.device.Examine(t.Context(), connectors.Examination{})
			if len(checks) != 3 {
				t.Fatalf("%v", checks)
			}
			for i, c := range checks {
				if c.State != tc.want[i] || c.State == connectors.CheckFailed && (c.Fault == "" || c.Cure == "") {
					t.Errorf("%+v, want %s", c, tc.want[i])
				}
			}
			if len(s.Deliveries()) != 0 {
				t.Error("it sent a mail")
			}
		})
	}
}

// TestSMTPTokens: a mailbox is opened by a token, and by a new one when that has ended.
func TestSMTPTokens(t *testing.T) {
	s := newSMTPSite(t, mail.Options{}, "")
	given := 0
	provider := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		given++
		if r.FormValue("refresh_token") != "marked-refresh" || r.FormValue("grant_type") != "refresh_token" {
			t.Errorf("asked with %v", r.Form)
		}
		_, _ = fmt.Fprintf(w, `{"access_token": "token-%d", "expires_in": 3600}`, given)
	}))
	defer provider.Close()
	d := newTestSMTP(t, "{Host: mail.test, User: "+smtpUser+", From: "+smtpUser+", OAuth: {TokenURL: '"+provider.URL+
		"', ClientID: id, RefreshToken: marked-refresh}}")
	d.host.dial, d.host.tls = s.Dial, s.TLS()
	for _, token := range []string{"token-1", "token-2"} {
		if err := s.SetToken(smtpUser, token); err != nil {
			t.Fatal(err)
		}
		if _, se := attempt(d, sample(), smtpTo); se != nil {
			t.Fatalf("%s: %v", token, se)
		}
		s.Kick("")
	}
	if err := s.SetToken(smtpUser, "taken back"); err != nil {
		t.Fatal(err)
	}
	_, se := attempt(d, sample(), smtpTo)
	if se == nil || se.Outcome != connectors.NotSent || se.Reason != connectors.ReasonAuth || given != 3 ||
		strings.Contains(se.Error()+se.Hint, "token-") {
		t.Errorf("%v after %d tokens", se, given)
	}
}

// TestSMTPCertificate: a certificate that nobody vouches for ends the attempt before
// anything is said, and says so.
func TestSMTPCertificate(t *testing.T) {
	s := newSMTPSite(t, mail.Options{}, "")
	other, err := mail.New(mail.Options{}) // on TCP: on a pipe both sides would write
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	s.device.host.dial = func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, other.SMTP())
	}
	_, se := attempt(s.device, sample(), smtpTo)
	if se == nil || se.Outcome != connectors.NotSent || se.Reason != connectors.ReasonConnect || se.Hint == "" ||
		!strings.Contains(se.Error(), "certificate") {
		t.Fatalf("%v", se)
	}
	if checks := s.device.Examine(t.Context(), connectors.Examination{}); checks[0].Fault != connectors.FaultBadCertificate {
		t.Errorf("%+v", checks[0])
	}
}

func TestSMTPSettings(t *testing.T) {
	for settings, want := range map[string]string{
		"{}":                           "From: is missing",
		"{Host: a.test, From: nobody}": "From: is not one mail address",
		"{Host: a.test, From: 'a@b.test, c@b.test'}":                        "From: is not one mail address",
		"{Host: a.test, From: a@b.test, Connections: 0}":                    "Connections: is not from 1 to 50",
		"{Host: a.test, From: a@b.test, Hello: 'x y'}":                      "Hello: is not the name of a machine",
		"{Host: a.test, From: a@b.test, Password: x}":                       "User: is missing",
		"{Host: 'smtp://a.test', From: a@b.test}":                           "Host: is not the name",
		"{Host: a.test, From: a@b.test, Security: tls}":                     "Security: is none of",
		"{Host: a.test, From: a@b.test, User: x, Password: y, Mbox: z}":     "Mbox",
		"{Host: a.test, From: a@b.test, User: x, Password: y, Domain: ' '}": "Domain",
	} {
		s, err := config.ParseSettings(settings)
		if err != nil {
			t.Fatal(err)
		}
		d, err := newSmtpHost(config.Channel{Name: "out", Settings: s}, connectors.Dependencies{Log: slog.New(slog.DiscardHandler)})
		if err == nil || d != nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", settings, err, want)
		}
	}
}
