//go:build mail

package mail

import (
	"crypto/tls"
	"crypto/x509"
	"net/smtp"
	"os"
	"strings"
	"testing"
	"time"
)

// TestServers: what the suites lean on. Mail from who has logged in comes into its
// mailbox; an unknown recipient, a wrong password and a stranger are refused.
func TestServers(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	login := func(secret string) (*smtp.Client, error) {
		c, err := smtp.Dial(h.smtp().address)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		pem, err := os.ReadFile(h.ca())
		if err != nil {
			t.Fatal(err)
		}
		roots := x509.NewCertPool()
		roots.AppendCertsFromPEM(pem)
		if err := c.StartTLS(&tls.Config{RootCAs: roots, ServerName: "localhost", MinVersion: tls.VersionTLS12}); err != nil {
			t.Fatal(err)
		}
		return c, c.Auth(smtp.PlainAuth("", "support@"+domain, secret, "127.0.0.1"))
	}
	if _, err := login("wrong"); err == nil || !strings.Contains(err.Error(), "535") {
		t.Errorf("a wrong password: %v", err)
	}
	c, err := login(password)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Mail("support@" + domain); err != nil {
		t.Fatal(err)
	}
	if err := c.Rcpt("nobody-here@" + domain); err == nil || !strings.Contains(err.Error(), "550") {
		t.Errorf("an unknown recipient: %v", err)
	}
	if err := c.Rcpt("alice@" + domain); err != nil {
		t.Fatal(err)
	}
	w, err := c.Data()
	if err != nil {
		t.Fatal(err)
	}
	_, _ = w.Write([]byte("Subject: hello\r\n\r\nhello\r\n"))
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	h.deliver(t, "alice@"+domain, []byte("Subject: second\r\n\r\nby hand\r\n"))
	for begin := time.Now(); len(h.folder(t, "alice@"+domain, "INBOX")) < 2; {
		if time.Since(begin) > patience {
			t.Fatal("the mail does not come")
		}
		<-time.After(50 * time.Millisecond)
	}
	h.renumber(t)
	h.stop(t)
	h.start(t)
	if n := len(h.folder(t, "alice@"+domain, "INBOX")); n != 2 {
		t.Errorf("%d mails are there after a restart", n)
	}
}
