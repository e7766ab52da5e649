package email

import (
	"bufio"
	"context"
	"errors"
	"net"
	"strings"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
	"github.com/emersion/go-sasl"

	"servicelink/config"
	"servicelink/connectors"
)

// open connects and logs in.
func (s *imapSession) open(ctx context.Context) error {
	conn, err := s.d.host.connect(ctx)
	if err != nil {
		return err
	}
	greeting := ""
	if s.d.host.security == securityStartTLS {
		if conn, err = s.startTLS(ctx, conn); err != nil {
			return err
		}
		greeting = "* OK\r\n" // it was read before TLS, and the library waits for one
	}
	s.guard = newWatchdog(conn, s.d.host.timeout)
	s.filter = newIMAPFilter(s.guard, greeting)
	s.client = imapclient.New(s.filter, &imapclient.Options{
		UnilateralDataHandler: &imapclient.UnilateralDataHandler{Mailbox: s.told},
	})
	s.stop = context.AfterFunc(ctx, func() { _ = s.guard.Close() }) // what waits for it gets the error
	return s.login(ctx)
}

// told is called within the library's reading.
func (s *imapSession) told(data *imapclient.UnilateralDataMailbox) {
	if data.NumMessages != nil {
		select {
		case s.arrived <- struct{}{}:
		default:
		}
	}
}

// startTLS asks for TLS before anything else is said. The library's own way cannot
// have a filter within TLS.
func (s *imapSession) startTLS(ctx context.Context, conn net.Conn) (net.Conn, error) {
	h := s.d.host
	_ = conn.SetDeadline(time.Now().Add(h.timeout)) // of a connection that is open
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	r := bufio.NewReader(conn)
	line, err := r.ReadString('\n')
	if err == nil && !strings.HasPrefix(strings.ToUpper(line), "* OK") {
		// PREAUTH as well: who is let in without TLS would be let in by anybody.
		_ = conn.Close()
		return nil, failed(connectors.ReasonAnswer, h.name+" does not greet as an IMAP server that offers TLS", "See whether Host and Port are those of IMAP with STARTTLS.")
	}
	if err == nil {
		_, err = conn.Write([]byte("A1 STARTTLS\r\n"))
	}
	for err == nil && !strings.HasPrefix(line, "A1 ") {
		line, err = r.ReadString('\n')
	}
	switch {
	case err != nil:
		_ = conn.Close()
		return nil, err
	case !strings.HasPrefix(strings.ToUpper(line), "A1 OK") || r.Buffered() > 0:
		// What stands in the buffer was sent in the open and would be taken for
		// something said within TLS.
		_ = conn.Close()
		return nil, failed(connectors.ReasonAnswer, h.name+" does not begin TLS when it is asked to", "See whether the server offers STARTTLS at this port, or set Security to implicit.")
	}
	_ = conn.SetDeadline(time.Time{}) // of a connection that is open
	return h.secure(ctx, conn)
}

func (s *imapSession) login(ctx context.Context) error {
	if err := s.do(s.client.WaitGreeting); err != nil {
		if refused, ok := errors.AsType[*imap.Error](err); ok {
			return failed(connectors.ReasonServer, s.d.host.name+" takes no connection now"+codeText(refused), "The server is busy or is being worked on, or it has too many connections of this account.")
		}
		return err
	}
	if s.client.State() == imap.ConnStateNotAuthenticated {
		if err := s.authenticate(ctx); err != nil {
			return err
		}
	}
	return s.do(func() error {
		// Asked for once more: many servers offer more after the login.
		caps, err := s.client.Capability().Wait()
		s.caps = caps
		return err
	})
}

func (s *imapSession) authenticate(ctx context.Context) error {
	h := s.d.host
	var caps imap.CapSet
	if err := s.do(func() error { caps = s.client.Caps(); return nil }); err != nil {
		return err
	}
	if h.tokens != nil {
		if caps != nil && !caps.Has(imap.AuthCap("XOAUTH2")) {
			return failed(connectors.ReasonAuth, h.name+" does not take access tokens (XOAUTH2)", "Give a Password instead of OAuth, or turn the mechanism on at the server.")
		}
		return s.byToken(ctx)
	}
	var err error
	switch {
	case caps.Has(imap.AuthCap("PLAIN")):
		err = s.do(func() error {
			return s.client.Authenticate(sasl.NewPlainClient("", h.user, h.password.Reveal()))
		})
	case caps.Has(imap.CapLoginDisabled):
		return failed(connectors.ReasonAuth, h.name+" takes no password on this connection", passwordCure(h.security))
	default:
		err = s.do(func() error { return s.client.Login(h.user, h.password.Reveal()).Wait() })
	}
	if refused, ok := errors.AsType[*imap.Error](err); ok {
		return h.refusedLogin(string(refused.Code), refused.Text)
	}
	return err
}

func passwordCure(security string) string {
	if security == securityNone {
		return "Set Security to starttls or implicit: the server takes no password in the open."
	}
	return "The server wants another way of login: set OAuth instead of Password."
}

// byToken logs in by an access token, and with a new one where an old one is refused.
func (s *imapSession) byToken(ctx context.Context) error {
	return s.d.host.byToken(ctx, func(token config.Secret) (code, text string, err error) {
		err = s.do(func() error { return s.client.Authenticate(xoauth2{user: s.d.host.user, token: token}) })
		if refused, ok := errors.AsType[*imap.Error](err); ok {
			return cmpCode(refused), refused.Text, nil
		}
		return "", "", err
	})
}

// cmpCode is the code of a refusal, never empty.
func cmpCode(e *imap.Error) string {
	if e.Code == "" {
		return string(e.Type)
	}
	return string(e.Code)
}

// codeText is the code of a refusal as a part of a sentence. A server's own words may
// hold an address, and are not shown.
func codeText(e *imap.Error) string {
	if e.Code == "" {
		return ""
	}
	return " (" + oneLine(string(e.Code)) + ")"
}

// noMailbox says why the mailbox cannot be opened.
func (s *imapSession) noMailbox(refused *imap.Error) error {
	switch refused.Code {
	case imap.ResponseCodeUnavailable, imap.ResponseCodeInUse, imap.ResponseCodeServerBug, imap.ResponseCodeLimit:
		return s.explain(refused)
	case imap.ResponseCodeNoPerm:
		return failed(connectors.ReasonNotFound, "this user may not read the mailbox in Mailbox", "Give the user the right to read it and to move mails out of it.")
	}
	return failed(connectors.ReasonNotFound, "there is no mailbox of the name in Mailbox"+codeText(refused), "Write its name as the mail program shows it, folders parted as the server does it; that of most accounts is INBOX.")
}

// explain says what an error of a command means.
func (s *imapSession) explain(err error) error {
	if refused, ok := errors.AsType[*imap.Error](err); ok {
		switch refused.Code {
		case imap.ResponseCodeOverQuota:
			return failed(connectors.ReasonServer, "the mailbox is full (OVERQUOTA)", "Make room in the mailbox: mails that are done cannot be moved.")
		case imap.ResponseCodeLimit:
			return failed(connectors.ReasonRate, "the server's limit is reached (LIMIT)", "Other programs use the account, or the server allows little: ask who runs it.")
		case imap.ResponseCodeNoPerm:
			return failed(connectors.ReasonServer, "the user may not do that in the mailbox (NOPERM)", "Give the user the right to move and delete mails.")
		}
		return failed(connectors.ReasonServer, s.d.host.name+" refuses a command"+codeText(refused), "See the mail server's log.")
	}
	return failed(connectors.ReasonAnswer, s.d.host.name+" sends what is no IMAP that is understood here", "See whether Host and Port are those of an IMAP server; if they are, report it with the server's make and version.")
}
