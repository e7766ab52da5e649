package email

import (
	"context"
	"errors"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"

	"servicelink/connectors"
)

// readyPatience is how long an idle connection has to prove that it lives.
const readyPatience = 5 * time.Second

// afterDot is the longest that a server may take to answer for a mail (RFC 5321,
// 4.5.3.2.6), as long as the caller's context lets it.
const afterDot = 10 * time.Minute

// smtpSession is one connection to a server, logged in. It is used by one attempt at
// a time, and not again after an error of the connection.
//
// go-smtp speaks under it, and not go-mail's client: only this one is told apart
// whether the dot has left, goes on with the next recipient after a refusal, and lets
// a context end what is under way.
type smtpSession struct {
	host   *host
	wire   *wire
	client *smtp.Client
	dirty  bool // a mail was begun and not taken: RSET before the next
}

// openSMTP connects and logs in. The error is a *connectors.SendError.
func openSMTP(ctx context.Context, h *host, hello string) (*smtpSession, error) {
	conn, err := h.connect(ctx)
	if err != nil {
		return nil, h.sendFailure(ctx, stageConnect, err)
	}
	s := &smtpSession{host: h, wire: &wire{Conn: conn, timeout: h.timeout}}
	defer s.closeWith(ctx)()
	if err := s.greet(hello); err != nil {
		_ = conn.Close()
		return nil, h.sendFailure(ctx, stageConnect, err)
	}
	if err := s.login(ctx); err != nil {
		_ = conn.Close()
		return nil, h.sendFailure(ctx, stageAuth, err)
	}
	return s, nil
}

// closeWith ends the connection when ctx ends, until the returned function is called:
// the library knows no context.
func (s *smtpSession) closeWith(ctx context.Context) func() {
	stop := context.AfterFunc(ctx, func() { _ = s.wire.Close() })
	return func() { stop() }
}

// greet waits for the greeting, says EHLO, and turns TLS on where that is a command.
func (s *smtpSession) greet(hello string) error {
	if s.host.security != securityStartTLS {
		s.client = smtp.NewClient(s.wire)
		s.limit()
		return s.client.Hello(hello)
	}
	// Its first EHLO is "localhost", which nobody judges before TLS.
	client, err := smtp.NewClientStartTLS(s.wire, s.host.tls)
	if err != nil {
		if s.wire.answered() && s.host.failure(err) == nil && !isAnswer(err) && !isMalformed(err) {
			return failed(connectors.ReasonConnect, "no STARTTLS", hintSTARTTLS)
		}
		return err
	}
	s.client = client
	s.limit()
	return client.Hello(hello) // shakes hands first
}

func (s *smtpSession) limit() {
	s.client.CommandTimeout, s.client.SubmissionTimeout = s.host.timeout, afterDot
}

// login proves who we are, where the settings name a user.
func (s *smtpSession) login(ctx context.Context) error {
	h := s.host
	switch {
	case h.user == "":
		return nil
	case h.tokens != nil:
		return s.loginByToken(ctx)
	case s.client.SupportsAuth(sasl.Plain):
		return s.client.Auth(sasl.NewPlainClient("", h.user, h.password.Reveal()))
	case s.client.SupportsAuth(sasl.Login):
		return s.client.Auth(sasl.NewLoginClient(h.user, h.password.Reveal()))
	}
	return failed(connectors.ReasonAuth, "the server takes no passwords", "The mail server offers neither PLAIN nor LOGIN; set OAuth, or look at Port and Security.")
}

// loginByToken asks for a new token where the one that was kept is not taken any more.
func (s *smtpSession) loginByToken(ctx context.Context) error {
	for {
		token, fresh, err := s.host.tokens.get(ctx)
		if err != nil {
			return err
		}
		err = s.client.Auth(xoauth2{user: s.host.user, token: token})
		if !isAnswer(err) {
			return err
		}
		s.host.tokens.refused(token)
		if fresh {
			return err
		}
	}
}

// ready says whether an idle connection still works, and ends what was begun on it.
func (s *smtpSession) ready(ctx context.Context) bool {
	defer s.closeWith(ctx)()
	defer s.limit()
	s.client.CommandTimeout = min(s.host.timeout, readyPatience)
	if s.dirty {
		s.dirty = false
		return s.client.Reset() == nil
	}
	return s.client.Noop() == nil
}

// send makes one attempt to hand a mail over for one recipient. usable: the connection
// may be used again. The error is a *connectors.SendError.
func (s *smtpSession) send(ctx context.Context, from, to string, l letter) (usable bool, err error) {
	defer s.closeWith(ctx)()
	at := stageMail
	fail := func(err error) (bool, error) {
		se := s.host.sendFailure(ctx, at, err)
		return isAnswer(err) && !strings.HasPrefix(se.Code, "421"), se
	}
	if se := s.fits(to, l); se != nil {
		return true, se
	}
	s.dirty = true
	if err := s.client.Mail(from, &smtp.MailOptions{Size: int64(len(l.raw)), UTF8: needsUTF8(to, l)}); err != nil {
		return fail(err)
	}
	at = stageRcpt
	if err := s.client.Rcpt(to, nil); err != nil {
		return fail(err)
	}
	at = stageData
	data, err := s.client.Data()
	if err != nil {
		return fail(err)
	}
	if _, err := data.Write(l.raw); err != nil {
		return fail(err)
	}
	s.wire.arm()
	if _, err := data.CloseWithResponse(); err != nil {
		if s.wire.left() {
			at = stageDot
		}
		return fail(err)
	}
	s.dirty = false
	return ctx.Err() == nil, nil
}

// fits refuses what the server has said that it does not take.
func (s *smtpSession) fits(to string, l letter) *connectors.SendError {
	if size, ok := s.client.MaxMessageSize(); ok && size > 0 && len(l.raw) > size {
		return answered(stageMail, &smtp.SMTPError{Code: 552, EnhancedCode: smtp.EnhancedCode{5, 3, 4}})
	}
	if offered, _ := s.client.Extension("SMTPUTF8"); needsUTF8(to, l) && !offered {
		se := failed(connectors.ReasonNotFound, "the mail server takes no addresses beyond ASCII", "Send by a mail server that offers SMTPUTF8, or to another address.")
		se.Outcome = connectors.Rejected
		return se
	}
	return nil
}

func needsUTF8(to string, l letter) bool { return l.utf8 || !isASCII([]byte(to)) }

// quit says good-bye as long as that is no trouble.
func (s *smtpSession) quit() {
	s.client.CommandTimeout, s.wire.timeout = time.Second, time.Second
	_ = s.client.Quit() // it is closed all the same
	_ = s.wire.Close()
}

// isAnswer says whether an error is an answer of the server.
func isAnswer(err error) bool {
	_, ok := errors.AsType[*smtp.SMTPError](err)
	return ok
}

// wire is the connection below everything. It tells whether the dot has left: the
// library reads the answer only after the last byte was written, with TLS or without,
// and an unfinished record of TLS is nothing to a server.
type wire struct {
	net.Conn
	timeout time.Duration // for one write: a server that reads no more

	mu    sync.Mutex
	armed bool
	asked bool // read after arm
	heard bool // something was read at all
}

func (w *wire) arm() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.armed, w.asked = true, false
}

func (w *wire) left() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.asked
}

func (w *wire) answered() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.heard
}

func (w *wire) Read(p []byte) (int, error) {
	w.mu.Lock()
	w.asked = w.asked || w.armed
	w.mu.Unlock()
	n, err := w.Conn.Read(p)
	w.mu.Lock()
	w.heard = w.heard || n > 0
	w.mu.Unlock()
	return n, err
}

func (w *wire) Write(p []byte) (int, error) {
	if err := w.SetWriteDeadline(time.Now().Add(w.timeout)); err != nil {
		return 0, err
	}
	return w.Conn.Write(p)
}
