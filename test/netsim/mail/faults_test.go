package mail_test

import (
	"errors"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"

	"servicelink/test/netsim/control"
	"servicelink/test/netsim/mail"
)

// mailbox connects by IMAP, logs in and selects INBOX.
func mailbox(t *testing.T, s *mail.Server) *imapclient.Client {
	t.Helper()
	conn, err := s.Dial(t.Context(), "tcp", s.IMAP())
	if err != nil {
		t.Fatal(err)
	}
	c, err := imapclient.NewStartTLS(conn, &imapclient.Options{TLSConfig: s.TLS()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	if err := c.Login(anna, word).Wait(); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Select("INBOX", nil).Wait(); err != nil {
		t.Fatal(err)
	}
	return c
}

func fetchAll(c *imapclient.Client) error {
	whole := &imap.FetchItemBodySection{Peek: true}
	_, err := c.Fetch(imap.UIDSet{{Start: 1}}, &imap.FetchOptions{BodySection: []*imap.FetchItemBodySection{whole}}).Collect()
	return err
}

// TestIMAPFaults: each strikes where it is aimed, once, and the next connection works.
func TestIMAPFaults(t *testing.T) {
	var refusal *imap.Error
	for _, tc := range []struct {
		fault control.Fault
		want  func(err error) bool
	}{
		{control.Fault{Kind: control.Refuse, Method: "imap.FETCH"}, func(err error) bool { return errors.As(err, &refusal) && refusal.Type == imap.StatusResponseTypeNo }},
		{control.Fault{Kind: control.Outage, Method: "imap.FETCH"}, func(err error) bool { return !errors.As(err, &refusal) }},
		{control.Fault{Kind: control.Strange, Method: "imap.FETCH"}, func(err error) bool { return strings.Contains(err.Error(), "X-ODD-ID") }},
		{control.Fault{Kind: control.Truncated, Method: "imap.FETCH"}, func(err error) bool { return !errors.As(err, &refusal) }},
	} {
		t.Run(string(tc.fault.Kind), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := start(t, mail.Options{Pipe: true})
				if err := s.Append(anna, []byte(note)); err != nil {
					t.Fatal(err)
				}
				c := mailbox(t, s)
				tc.fault.Times = 1
				if err := s.Fault(tc.fault); err != nil {
					t.Fatal(err)
				}
				if err := fetchAll(c); err == nil || !tc.want(err) {
					t.Errorf("got %v", err)
				}
				if err := fetchAll(mailbox(t, s)); err != nil {
					t.Errorf("the next one: %v", err)
				}
			})
		})
	}
}

// TestIMAPCut: the connection ends in the middle of a mail. The library's Collect is not
// used: it reads on after the error, while another goroutine reads, too.
func TestIMAPCut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := start(t, mail.Options{Pipe: true})
		if err := s.Append(anna, []byte(note)); err != nil {
			t.Fatal(err)
		}
		if err := s.Fault(control.Fault{Kind: control.Cut, Method: "imap.FETCH", Times: 1}); err != nil {
			t.Fatal(err)
		}
		c := mailbox(t, s)
		fetch := c.Fetch(imap.UIDSet{{Start: 1}}, &imap.FetchOptions{BodySection: []*imap.FetchItemBodySection{{Peek: true}}})
		m := fetch.Next()
		if m == nil {
			t.Fatal("no mail begins")
		}
		for item := m.Next(); item != nil; item = m.Next() {
			body, ok := item.(imapclient.FetchItemDataBodySection)
			if !ok {
				continue
			}
			raw, _ := io.ReadAll(body.Literal) // the library makes a plain end of it
			if !strings.HasPrefix(note, string(raw)) || int64(len(raw)) >= body.Literal.Size() {
				t.Errorf("%q of %d", raw, body.Literal.Size())
			}
			break
		}
		_ = c.Close()
	})
}

// TestIMAPSilence: a command is not answered until its time is over.
func TestIMAPSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := start(t, mail.Options{Pipe: true})
		c := mailbox(t, s)
		if err := s.Fault(control.Fault{Kind: control.Swallow, Method: "imap.NOOP", Seconds: 40}); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		if err := c.Noop().Wait(); err == nil || time.Since(began) != 40*time.Second {
			t.Errorf("after %v: %v", time.Since(began), err)
		}
	})
}

// TestIdleLoses: a client that idles hears nothing, and finds the mail when it looks.
func TestIdleLoses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := start(t, mail.Options{Pipe: true})
		c := mailbox(t, s)
		if err := s.Fault(control.Fault{Kind: control.Lose, Method: "imap.IDLE", Times: 1}); err != nil {
			t.Fatal(err)
		}
		idle, err := c.Idle()
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Append(anna, []byte(note)); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if n := c.Mailbox().NumMessages; n != 0 {
			t.Errorf("it heard of %d mails", n)
		}
		if err := idle.Close(); err != nil {
			t.Fatal(err)
		}
		if err := idle.Wait(); err != nil {
			t.Fatal(err)
		}
		if err := fetchAll(c); err != nil {
			t.Error(err)
		}
	})
}

// TestRenumber: another UIDVALIDITY, the same mails with their flags.
func TestRenumber(t *testing.T) {
	s := start(t, mail.Options{Pipe: true})
	for range 3 {
		if err := s.Append(anna, []byte(note)); err != nil {
			t.Fatal(err)
		}
	}
	validity := func() uint32 {
		c := mailbox(t, s)
		data, err := c.Select("INBOX", nil).Wait()
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Store(imap.UIDSetNum(2), &imap.StoreFlags{Op: imap.StoreFlagsAdd, Flags: []imap.Flag{imap.FlagSeen}, Silent: true}, nil).Close(); err != nil {
			t.Fatal(err)
		}
		return data.UIDValidity
	}
	before := validity()
	if err := s.Renumber(anna, "INBOX"); err != nil {
		t.Fatal(err)
	}
	mails, err := s.Folder(anna, "INBOX")
	if err != nil || len(mails) != 3 || len(mails[1].Flags) != 1 || string(mails[2].Raw) != note {
		t.Errorf("%+v, %v", mails, err)
	}
	if after := validity(); after == before {
		t.Errorf("UIDVALIDITY is still %d", after)
	}
}

// TestOffers: what is left out is not offered, and a password needs TLS.
func TestOffers(t *testing.T) {
	s := start(t, mail.Options{Pipe: true, Auth: true, Without: []string{"SMTPUTF8", "8BITMIME", "IDLE", "MOVE"}})
	if err := s.SetToken(anna, "tok"); err != nil {
		t.Fatal(err)
	}
	c := submit(t, s)
	for _, name := range []string{"SMTPUTF8", "8BITMIME"} {
		if offered, _ := c.Extension(name); offered {
			t.Errorf("SMTP offers %s", name)
		}
	}
	conn, err := s.Dial(t.Context(), "tcp", s.SMTP())
	if err != nil {
		t.Fatal(err)
	}
	plain := smtp.NewClient(conn)
	defer plain.Close()
	if plain.SupportsAuth("PLAIN") {
		t.Error("a password is taken without TLS")
	}
	if err := plain.Auth(sasl.NewPlainClient("", anna, word)); err == nil {
		t.Error("it was taken")
	}
	if err := plain.SendMail("x@example.org", []string{anna}, strings.NewReader(note)); err == nil {
		t.Error("mail is taken without a login")
	}
	ic := mailbox(t, s)
	caps, err := ic.Capability().Wait()
	if err != nil || caps.Has(imap.CapMove) && !caps.Has(imap.CapIMAP4rev2) {
		t.Errorf("%v, %v", caps, err)
	}
	if _, listed := caps[imap.CapIdle]; listed {
		t.Error("IMAP offers IDLE")
	}
	if err := ic.Authenticate(token{"tok"}); err == nil {
		t.Error("it lets a user in twice")
	}
}

// token is XOAUTH2.
type token struct{ token string }

func (x token) Start() (string, []byte, error) {
	return "XOAUTH2", []byte("user=" + anna + "\x01auth=Bearer " + x.token + "\x01\x01"), nil
}
func (x token) Next([]byte) ([]byte, error) { return []byte{}, nil }

func TestXOAUTH2(t *testing.T) {
	s := start(t, mail.Options{Pipe: true})
	if err := s.SetToken(anna, "tok"); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		token string
		well  bool
	}{{"tok", true}, {"old", false}} {
		conn, err := s.Dial(t.Context(), "tcp", s.SMTP())
		if err != nil {
			t.Fatal(err)
		}
		c, err := smtp.NewClientStartTLS(conn, s.TLS())
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Auth(token{tc.token}); (err == nil) != tc.well {
			t.Errorf("SMTP with %q: %v", tc.token, err)
		}
		_ = c.Close()
		conn, err = s.Dial(t.Context(), "tcp", s.IMAP())
		if err != nil {
			t.Fatal(err)
		}
		ic, err := imapclient.NewStartTLS(conn, &imapclient.Options{TLSConfig: s.TLS()})
		if err != nil {
			t.Fatal(err)
		}
		if err := ic.Authenticate(token{tc.token}); (err == nil) != tc.well {
			t.Errorf("IMAP with %q: %v", tc.token, err)
		}
		_ = ic.Close()
	}
}
