package mail

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
)

// newSMTP makes the server behind the filter, which sees to TLS.
func newSMTP(s *Server) *smtp.Server {
	server := smtp.NewServer(smtp.BackendFunc(func(c *smtp.Conn) (smtp.Session, error) {
		return &smtpSession{server: s, front: frontOf[*smtpFront](c.Conn())}, nil
	}))
	server.Domain = s.o.Name
	server.MaxMessageBytes = s.o.MaxMail
	server.MaxLineLength = 0 // the filter bounds commands; mails come as they are
	server.AllowInsecureAuth = true
	server.EnableSMTPUTF8 = true
	server.EnableDSN = true
	server.ErrorLog = quiet{}
	return server
}

// smtpSession takes mails of one client.
type smtpSession struct {
	server *Server
	front  *smtpFront
	from   string
	opts   smtp.MailOptions
	to     []string
	boxes  []*mailbox
}

var _ smtp.AuthSession = (*smtpSession)(nil)

// Mechanisms of AUTH, of SMTP and IMAP alike.
var mechanisms = []string{sasl.Plain, sasl.Login, "XOAUTH2"}

func (ss *smtpSession) AuthMechanisms() []string { return mechanisms }

func (ss *smtpSession) Auth(mech string) (sasl.Server, error) {
	server := ss.server.sasl(mech, func(box *mailbox) { ss.front.login(box.address) })
	if server == nil {
		return nil, smtp.ErrAuthUnknownMechanism
	}
	return saslSMTP{server}, nil
}

// saslSMTP gives a refusal SMTP's code.
type saslSMTP struct{ sasl.Server }

func (s saslSMTP) Next(response []byte) ([]byte, bool, error) {
	challenge, done, err := s.Server.Next(response)
	if errors.Is(err, errRefused) {
		err = smtp.ErrAuthFailed
	}
	return challenge, done, err
}

func (ss *smtpSession) Mail(from string, opts *smtp.MailOptions) error {
	if ss.server.o.Auth && ss.front.user == "" {
		return &smtp.SMTPError{Code: 530, EnhancedCode: smtp.EnhancedCode{5, 7, 0}, Message: "Authentication required"}
	}
	ss.from, ss.opts = from, *opts
	return nil
}

func (ss *smtpSession) Rcpt(to string, _ *smtp.RcptOptions) error {
	box, err := ss.server.box(to)
	if err != nil {
		return &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 1, 1}, Message: "No such user here"}
	}
	ss.to = append(ss.to, to)
	if !slices.Contains(ss.boxes, box) {
		ss.boxes = append(ss.boxes, box)
	}
	return nil
}

func (ss *smtpSession) Data(r io.Reader) error {
	raw, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	if ss.front.spared { // by a fault that takes the place of taking it
		return &smtp.SMTPError{Code: 451, Message: "fault"}
	}
	ss.server.deliver(Delivery{
		From: ss.from, To: ss.to, Raw: raw, At: time.Now(),
		UTF8: ss.opts.UTF8, EightBit: ss.opts.Body == smtp.Body8BitMIME,
	}, ss.boxes)
	return nil
}

func (ss *smtpSession) Reset() { ss.from, ss.opts, ss.to, ss.boxes = "", smtp.MailOptions{}, nil, nil }

func (ss *smtpSession) Logout() error { return nil }

// deliver puts a mail into mailboxes, with the lines that a host adds.
func (s *Server) deliver(d Delivery, boxes []*mailbox) {
	head := fmt.Sprintf("Return-Path: <%s>\r\nDelivered-To: %s\r\nReceived: by %s; %s\r\n",
		d.From, strings.Join(d.To, ",\r\n\t"), s.o.Name, d.At.Format(time.RFC1123Z))
	raw := slices.Concat([]byte(head), d.Raw)
	for _, box := range boxes {
		_ = box.append(inbox, raw, &imap.AppendOptions{Time: d.At}) // an INBOX is always there
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.deliveries = append(s.deliveries, d)
	if over := len(s.deliveries) - maxDeliveries; over > 0 {
		s.deliveries = slices.Delete(s.deliveries, 0, over)
	}
}
