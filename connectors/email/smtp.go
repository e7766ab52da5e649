package email

import (
	"context"
	"errors"
	"os"
	"strings"

	"servicelink/config"
	"servicelink/connectors"
	"servicelink/connectors/internal/httpx"
)

// SmtpHost sends mails by a mail server (RFC 5321, RFC 6409).
var SmtpHost = connectors.DeviceDefinition{Type: "SmtpHost", Network: "email", Out: true, New: newSmtpHost} //nolint:staticcheck // as the core calls it

// smtpSettings are those of a SmtpHost.
type smtpSettings struct {
	hostSettings
	// From is the envelope's sender, to which reports go, and the From of messages
	// that have none; Name the name there.
	From string `yaml:"From,required"`
	Name string `yaml:"Name"`
	// Hello is our name in EHLO. Empty = the machine's.
	Hello string `yaml:"Hello"`
	// Connections is how many mails may be under way at once.
	Connections int `yaml:"Connections"`
	// Domain of Message-IDs that are made here. Empty = From's.
	Domain string `yaml:"Domain"`
}

// maxConnections is more than the usual servers take from one client.
const maxConnections = 50

// smtpHost is the device.
type smtpHost struct {
	host    *host
	pool    *smtpPool
	compose composer
	from    string // envelope
	hello   string
}

var (
	_ connectors.Device        = (*smtpHost)(nil)
	_ connectors.MessageSender = (*smtpHost)(nil)
	_ connectors.Doctor        = (*smtpHost)(nil)
	_ connectors.Closer        = (*smtpHost)(nil)
)

func newSmtpHost(ch config.Channel, deps connectors.Dependencies) (connectors.Device, error) { //nolint:staticcheck // see SmtpHost
	s := smtpSettings{
		hostSettings: hostSettings{Security: securityStartTLS, Timeout: defaultTimeout}, Connections: 4,
	}
	f := decode(ch, &s)
	f.host(s.hostSettings, false)
	from := addressesOf(s.From)
	if s.From != "" && (len(from) != 1 || !isASCII([]byte(from[0].addr))) {
		f.problem("From", "is not one mail address", "such as support@example.org")
	}
	if s.Connections < 1 || s.Connections > maxConnections {
		f.problem("Connections", "is not from 1 to 50", "leave it out for 4")
	}
	for key, name := range map[string]string{"Hello": s.Hello, "Domain": s.Domain} {
		if name != "" && !isHost(name) {
			f.problem(key, "is not the name of a machine", "such as gateway.example.org")
		}
	}
	roots := f.roots(s.hostSettings)
	if f.err != nil {
		return nil, f.err
	}
	h, err := newHost(s.hostSettings, ports{implicit: 465, plain: 587}, roots, deps)
	if err != nil {
		return nil, err
	}
	d := &smtpHost{host: h, from: from[0].addr, hello: orElse(s.Hello, machine)}
	_, domain, _ := strings.Cut(d.from, "@")
	d.compose = composer{
		from:   address{name: orElse(s.Name, func() string { return from[0].name }), addr: d.from},
		domain: orElse(s.Domain, func() string { return domain }),
	}
	d.pool = newSMTPPool(s.Connections, func(ctx context.Context) (*smtpSession, error) {
		return openSMTP(ctx, d.host, d.hello)
	})
	return d, nil
}

// machine is this machine's name, where it can stand in EHLO.
func machine() string {
	if name, err := os.Hostname(); err == nil && isHost(name) {
		return name
	}
	return "localhost"
}

// Capabilities implements connectors.Device. A mail that a server may have taken is not
// sent again by itself: mail has nothing that drops the second one for certain.
func (d *smtpHost) Capabilities() connectors.Capabilities {
	return connectors.Capabilities{Unknown: config.Report}
}

// Parts implements connectors.MessageSender: the recipients.
func (d *smtpHost) Parts(m *connectors.Message) ([]string, error) { return recipients(m) }

// SendMessage implements connectors.MessageSender.
func (d *smtpHost) SendMessage(ctx context.Context, m *connectors.Message, part string) (connectors.Receipt, error) {
	if !isRecipient(part) {
		return connectors.Receipt{}, &connectors.SendError{
			Outcome: connectors.Rejected, Reason: connectors.ReasonNotFound, Err: errors.New("the recipient is no mail address"),
		}
	}
	l, err := d.compose.compose(m)
	if err != nil {
		return connectors.Receipt{}, &connectors.SendError{
			Outcome: connectors.Rejected, Reason: connectors.ReasonContent, Err: errors.New("the message cannot be written as a mail"),
		}
	}
	s, err := d.pool.take(ctx)
	if err != nil {
		return connectors.Receipt{}, err
	}
	usable, err := s.send(ctx, d.from, part, l)
	d.pool.give(s, usable)
	if err != nil {
		return connectors.Receipt{}, err
	}
	return connectors.Receipt{NetworkID: l.id}, nil
}

// Close implements connectors.Closer.
func (d *smtpHost) Close() error {
	d.pool.close()
	return d.host.close()
}

// Examine implements connectors.Doctor:
//
//	network      the server greets, with TLS as configured
//	credentials  it takes the login
//	sender       it takes MAIL FROM, which is taken back
func (d *smtpHost) Examine(ctx context.Context, _ connectors.Examination) []connectors.Check {
	ctx, cancel := context.WithTimeout(ctx, 4*d.host.timeout)
	defer cancel()
	s, err := openSMTP(ctx, d.host, d.hello)
	if err != nil {
		return []connectors.Check{httpx.Reached(err), httpx.Accepted(err), httpx.Unasked(connectors.CheckSender, err)}
	}
	defer s.quit()
	checks := []connectors.Check{httpx.Reached(nil), httpx.Accepted(nil)}
	return append(checks, s.examineSender(ctx, d.from))
}

// examineSender begins a mail and takes it back.
func (s *smtpSession) examineSender(ctx context.Context, from string) connectors.Check {
	defer s.closeWith(ctx)()
	check := connectors.Check{Name: connectors.CheckSender, State: connectors.CheckOK, Found: "the server takes mail from this sender"}
	if err := s.client.Mail(from, nil); err != nil {
		se := s.host.sendFailure(ctx, stageMail, err)
		if se.Reason != connectors.ReasonAuth {
			return httpx.Unasked(connectors.CheckSender, se)
		}
		check.State, check.Fault, check.Code = connectors.CheckFailed, connectors.FaultPausedSender, se.Code
		check.Found, check.Cure = "the server refuses the sender", se.Hint
		return check
	}
	_ = s.client.Reset() // the mail ends with the connection all the same
	return check
}
