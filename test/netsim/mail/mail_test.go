package mail_test

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
	"go.uber.org/goleak"

	"servicelink/test/netsim/control"
	"servicelink/test/netsim/mail"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	anna = "anna@mail.test"
	word = "correct horse"
	note = "From: x@example.org\r\nSubject: hi\r\nMessage-ID: <1@example.org>\r\n\r\nline\r\n.dot\r\n"
)

func start(t *testing.T, o mail.Options) *mail.Server {
	t.Helper()
	s, err := mail.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	if err := s.AddMailbox(anna, word); err != nil {
		t.Fatal(err)
	}
	return s
}

// submit connects by SMTP with STARTTLS and logs in.
func submit(t *testing.T, s *mail.Server) *smtp.Client {
	t.Helper()
	conn, err := s.Dial(t.Context(), "tcp", s.SMTP())
	if err != nil {
		t.Fatal(err)
	}
	c, err := smtp.NewClientStartTLS(conn, s.TLS())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	if err := c.Auth(sasl.NewPlainClient("", anna, word)); err != nil {
		t.Fatal(err)
	}
	return c
}

func TestSMTPToIMAP(t *testing.T) {
	s := start(t, mail.Options{})
	conn, err := s.Dial(t.Context(), "tcp", "any:465")
	if err == nil {
		_ = conn.Close()
	}
	c, err := smtp.DialStartTLS(s.SMTP(), s.TLS())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.Auth(sasl.NewLoginClient(anna, word)); err != nil {
		t.Fatal(err)
	}
	if err := c.SendMail("x@example.org", []string{"ANNA+tag@mail.test"}, strings.NewReader(note)); err != nil {
		t.Fatal(err)
	}
	err = c.SendMail("x@example.org", []string{"nobody@mail.test"}, strings.NewReader(note))
	if refused, ok := errors.AsType[*smtp.SMTPError](err); !ok || refused.Code != 550 || refused.EnhancedCode != (smtp.EnhancedCode{5, 1, 1}) {
		t.Fatalf("an unknown recipient: %v", err)
	}
	if err := c.Quit(); err != nil {
		t.Fatal(err)
	}
	got := s.Deliveries()
	if len(got) != 1 || string(got[0].Raw) != note || got[0].From != "x@example.org" {
		t.Fatalf("deliveries: %+v", got)
	}

	ic, err := imapclient.DialTLS(s.IMAPS(), &imapclient.Options{TLSConfig: s.TLS()})
	if err != nil {
		t.Fatal(err)
	}
	defer ic.Close()
	if err := ic.Login(anna, word).Wait(); err != nil {
		t.Fatal(err)
	}
	selected, err := ic.Select("INBOX", nil).Wait()
	if err != nil || selected.NumMessages != 1 {
		t.Fatalf("select: %+v, %v", selected, err)
	}
	whole := &imap.FetchItemBodySection{Peek: true}
	found, err := ic.Fetch(imap.UIDSet{{Start: 1}}, &imap.FetchOptions{BodySection: []*imap.FetchItemBodySection{whole}}).Collect()
	if err != nil || len(found) != 1 {
		t.Fatalf("fetch: %v, %v", found, err)
	}
	if raw := found[0].FindBodySection(whole); !bytes.HasSuffix(raw, []byte(note)) || !bytes.HasPrefix(raw, []byte("Return-Path: <x@example.org>\r\n")) {
		t.Fatalf("raw: %q", raw)
	}
	if err := ic.Create("Servicelink/Done", nil).Wait(); err != nil {
		t.Fatal(err)
	}
	if _, err := ic.Move(imap.UIDSet{{Start: 1}}, "Servicelink/Done").Wait(); err != nil {
		t.Fatal(err)
	}
	if err := ic.Logout().Wait(); err != nil {
		t.Fatal(err)
	}
	all, err := s.Messages(anna)
	if err != nil || len(all) != 1 || all[0].Folder != "Servicelink/Done" {
		t.Fatalf("messages: %+v, %v", all, err)
	}
}

func TestIdleInABubble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := start(t, mail.Options{Pipe: true})
		conn, err := s.Dial(t.Context(), "tcp", s.IMAP())
		if err != nil {
			t.Fatal(err)
		}
		news := make(chan uint32, 1)
		c, err := imapclient.NewStartTLS(conn, &imapclient.Options{
			TLSConfig: s.TLS(),
			UnilateralDataHandler: &imapclient.UnilateralDataHandler{Mailbox: func(data *imapclient.UnilateralDataMailbox) {
				if data.NumMessages != nil {
					news <- *data.NumMessages
				}
			}},
		})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if err := c.Login(anna, word).Wait(); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Select("INBOX", nil).Wait(); err != nil {
			t.Fatal(err)
		}
		idle, err := c.Idle()
		if err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if err := submit(t, s).SendMail("x@example.org", []string{anna}, strings.NewReader(note)); err != nil {
			t.Fatal(err)
		}
		select {
		case n := <-news:
			if n != 1 {
				t.Fatalf("%d mails", n)
			}
		case <-time.After(time.Minute):
			t.Fatal("no news of the mail")
		}
		if err := idle.Close(); err != nil {
			t.Fatal(err)
		}
		if err := idle.Wait(); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := s.AwaitCount(ctx, anna, "INBOX", 2); err == nil {
			t.Fatal("two mails where one is")
		}
		if err := s.Fault(control.Fault{Kind: control.Lose, Method: "imap.IDLE", Times: 1}); err != nil {
			t.Fatal(err)
		}
	})
}
