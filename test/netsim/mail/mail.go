// Package mail is a simulated mail host for tests and the playground: SMTP and IMAP
// in this process, on mailboxes in memory. What comes by SMTP for a known address
// lies in its INBOX; any other recipient is refused with 550 5.1.1.
//
// The protocols are go-smtp's and go-imap's. In front of each stands a filter
// (smtpFront, imapFront) that ends TLS and does the scripted faults, so that they
// can strike at any command, with or without TLS.
//
// # Faults
//
// They are package control's. Method is "smtp." or "imap." and a command, "UID" left
// out: "smtp.RCPT", "imap.FETCH". CONNECT is the greeting; BODY (of SMTP) is a mail's
// content while it comes; DOT is its end, when the mail is complete. Account is the
// user, of SMTP the recipient where there is one, else the sender.
//
//	refuse        Code and Subcode (511 = 5.1.1) by SMTP, by IMAP a NO; with code 421 it hangs up
//	server rate blocked missing unauthorized conflict   the same with a code of its own
//	html          what is no answer at all
//	outage        hangs up, and nothing has happened
//	cut           does it, and hangs up before the answer: at DOT the mail has been
//	              taken; at FETCH in the first literal
//	truncated     does it, and hangs up in the answer
//	swallow       does it, says nothing for Seconds (0 = for ever) and hangs up
//	slow          the answer dribbles for Seconds
//	strange       (imap) a response, of FETCH an item, that no client knows
//	lose          (imap.IDLE) no news while the client idles
//
// Server.Renumber changes a folder's UIDVALIDITY, Server.Kick hangs up on a user.
package mail

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapserver"
	"github.com/emersion/go-smtp"

	"servicelink/test/netsim/control"
)

// Bounds of a host's memory.
const (
	// noUser marks a connection behind the filters.
	noUser = "-"

	maxMailboxes  = 10_000
	maxDeliveries = 10_000
	// defaultMaxMail is Options.MaxMail where it is 0, in bytes.
	defaultMaxMail = 64 << 20
)

// Options of a mail host. The zero value listens on loopback and asks for TLS
// before a password.
type Options struct {
	// Seed decides what is left to chance.
	Seed uint64
	// Name is what the host calls itself, in the certificate too. Default "mail.test".
	Name string
	// MaxMail is the largest mail SMTP takes, in bytes; 0 = 64 MiB.
	MaxMail int64
	// Plain takes passwords without TLS.
	Plain bool
	// Auth refuses mail by SMTP before AUTH (530).
	Auth bool
	// Without lists extensions of SMTP and capabilities of IMAP that are not offered,
	// e.g. "8BITMIME", "SMTPUTF8", "STARTTLS", "IDLE", "MOVE", "UIDPLUS".
	Without []string
	// Pipe makes no listeners: Dial is the only way in, and no system call happens,
	// as testing/synctest needs it.
	Pipe bool
}

// Server is a mail host. Create it by New, end it by Close.
type Server struct {
	*control.Board
	o    Options
	cert *certificate
	stop context.Context //nolint:containedctx // ends by Close, like all that is under way
	end  context.CancelFunc
	work sync.WaitGroup

	smtp      *smtp.Server
	imap      *imapserver.Server
	smtpInner *pipeListener
	imapInner *pipeListener
	doors     map[string]*door // by name: "smtp", "smtps", "imap", "imaps"

	mu         sync.Mutex
	boxes      map[string]*mailbox // by address and alias, lower case
	order      []*mailbox
	conns      map[net.Conn]string // open ones, and whose they are
	deliveries []Delivery
}

// Delivery is one mail as it came by SMTP.
type Delivery struct {
	From string
	To   []string
	Raw  []byte // without the lines the host adds
	At   time.Time
	// UTF8 and EightBit say what the client asked for (SMTPUTF8, BODY=8BITMIME).
	UTF8, EightBit bool
}

// New starts a mail host without mailboxes.
func New(o Options) (*Server, error) {
	if o.Name == "" {
		o.Name = "mail.test"
	}
	if o.MaxMail == 0 {
		o.MaxMail = defaultMaxMail
	}
	cert, err := newCertificate(o.Name)
	if err != nil {
		return nil, err
	}
	s := &Server{
		Board: control.NewBoard(o.Seed), o: o, cert: cert,
		smtpInner: newPipeListener(), imapInner: newPipeListener(),
		doors: map[string]*door{}, boxes: map[string]*mailbox{}, conns: map[net.Conn]string{},
	}
	s.stop, s.end = context.WithCancel(context.Background())
	s.smtp, s.imap = newSMTP(s), newIMAP(s)
	s.work.Go(func() { _ = s.smtp.Serve(s.smtpInner) }) // ends by Close
	s.work.Go(func() { _ = s.imap.Serve(s.imapInner) })
	for name, d := range map[string]*door{
		"smtp":  {port: "587", serve: s.serveSMTP},
		"smtps": {port: "465", secure: true, serve: s.serveSMTP},
		"imap":  {port: "143", serve: s.serveIMAP},
		"imaps": {port: "993", secure: true, serve: s.serveIMAP},
	} {
		s.doors[name] = d
		if err := s.open(d); err != nil {
			s.Close()
			return nil, err
		}
	}
	return s, nil
}

// quiet throws away what the libraries log: what clients do wrong is in the record.
type quiet struct{}

func (quiet) Printf(string, ...any) {}
func (quiet) Println(...any)        {}

// Close hangs up on everybody and waits until all has ended.
func (s *Server) Close() {
	s.end()
	for _, d := range s.doors {
		if d.listener != nil {
			_ = d.listener.Close()
		}
	}
	s.mu.Lock()
	for conn := range s.conns {
		_ = conn.Close()
	}
	s.mu.Unlock()
	_ = s.smtpInner.Close()
	_ = s.imapInner.Close()
	s.work.Wait()
	_ = s.smtp.Shutdown(context.Background()) // waits for its connections, which are closed
	_ = s.imap.Close()
}

// SMTP is where SMTP begins in plain text and offers STARTTLS, "host:port". With
// Options.Pipe this address, as the others, is a name for Dial.
func (s *Server) SMTP() string { return s.address("smtp") }

// SMTPS is SMTP with TLS from the start.
func (s *Server) SMTPS() string { return s.address("smtps") }

// IMAP is IMAP with STARTTLS.
func (s *Server) IMAP() string { return s.address("imap") }

// IMAPS is IMAP with TLS from the start.
func (s *Server) IMAPS() string { return s.address("imaps") }

func (s *Server) address(name string) string {
	if l := s.doors[name].listener; l != nil {
		return l.Addr().String()
	}
	return net.JoinHostPort(s.o.Name, s.doors[name].port)
}

// CA is the certificate, in PEM, by which clients know the host: as Options.Name,
// localhost and 127.0.0.1.
func (s *Server) CA() []byte { return s.cert.pem }

// TLS is what a client needs to trust the host.
func (s *Server) TLS() *tls.Config {
	return &tls.Config{RootCAs: s.cert.pool, ServerName: s.o.Name, MinVersion: tls.VersionTLS12}
}

// Dial connects within the process: address is one that SMTP, SMTPS, IMAP or IMAPS
// has given, or any host with the well-known port of one (25, 587, 465, 143, 993).
func (s *Server) Dial(ctx context.Context, _, address string) (net.Conn, error) {
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	for name, d := range s.doors {
		if address == s.address(name) || port == d.port || name == "smtp" && port == "25" {
			client, server := net.Pipe()
			if !s.enter(d, server) {
				return nil, net.ErrClosed
			}
			return client, ctx.Err()
		}
	}
	return nil, fmt.Errorf("nothing listens on port %s", port)
}

// AddMailbox adds one, or changes its password. The address is its user's name, too.
func (s *Server) AddMailbox(address, password string) error {
	local, domain, ok := strings.Cut(address, "@")
	if !ok || local == "" || domain == "" {
		return fmt.Errorf("%w: %q is no address", control.ErrAction, address)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if old := s.boxes[strings.ToLower(address)]; old != nil {
		old.setPassword(password)
		return nil
	}
	if len(s.order) >= maxMailboxes {
		return fmt.Errorf("%w: %d mailboxes", control.ErrFull, maxMailboxes)
	}
	box := newMailbox(address, password)
	s.boxes[strings.ToLower(address)] = box
	s.order = append(s.order, box)
	return nil
}

// AddAlias lets a mailbox have the mail of another address, too; "@domain" is every
// address there that is no mailbox.
func (s *Server) AddAlias(alias, address string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	box := s.boxes[strings.ToLower(address)]
	if box == nil {
		return fmt.Errorf("%s: %w", address, control.ErrUnknownAccount)
	}
	s.boxes[strings.ToLower(alias)] = box
	return nil
}

// SetToken sets the access token that XOAUTH2 takes for a mailbox; empty = none.
func (s *Server) SetToken(address, token string) error {
	box, err := s.box(address)
	if err == nil {
		box.setToken(token)
	}
	return err
}

// Append puts a mail into a mailbox' INBOX, byte for byte.
func (s *Server) Append(address string, raw []byte) error {
	return s.AppendTo(address, inbox, raw, time.Now())
}

// AppendTo puts a mail into a folder, which is made where it is missing.
func (s *Server) AppendTo(address, folder string, raw []byte, received time.Time) error {
	box, err := s.box(address)
	if err != nil {
		return err
	}
	return box.append(folder, raw, &imap.AppendOptions{Time: received})
}

// Deliveries lists what came by SMTP, the oldest first; the oldest are forgotten.
func (s *Server) Deliveries() []Delivery {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Delivery(nil), s.deliveries...)
}

// Kick hangs up on every connection of a user; empty = on all.
func (s *Server) Kick(address string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for conn, user := range s.conns {
		if address == "" && user != noUser || strings.EqualFold(user, address) {
			_ = conn.Close()
		}
	}
}

// box finds the mailbox of an address, a "+detail" left out.
func (s *Server) box(address string) (*mailbox, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	name := strings.ToLower(address)
	if box := s.boxes[name]; box != nil {
		return box, nil
	}
	local, domain, _ := strings.Cut(name, "@")
	plain, _, _ := strings.Cut(local, "+")
	if box := s.boxes[plain+"@"+domain]; box != nil {
		return box, nil
	}
	if box := s.boxes["@"+domain]; box != nil {
		return box, nil
	}
	return nil, fmt.Errorf("%s: %w", address, control.ErrUnknownAccount)
}

// mark says whose connection it is.
func (s *Server) mark(conn net.Conn, user string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, open := s.conns[conn]; open {
		s.conns[conn] = user
	}
}

// door is one way in.
type door struct {
	port     string // the well-known one
	secure   bool   // TLS from the start
	listener net.Listener
	serve    func(conn net.Conn, secure bool)
}

func (s *Server) open(d *door) error {
	if s.o.Pipe {
		return nil
	}
	l, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // at once
	if err != nil {
		return err
	}
	d.listener = l
	s.work.Go(func() {
		for {
			conn, err := l.Accept()
			if errors.Is(err, net.ErrClosed) {
				return
			}
			if err == nil {
				s.enter(d, conn)
			}
		}
	})
	return nil
}

// enter serves one connection until it ends; false after Close.
func (s *Server) enter(d *door, conn net.Conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stop.Err() != nil {
		_ = conn.Close()
		return false
	}
	s.conns[conn] = ""
	s.work.Go(func() {
		defer s.leave(conn)
		d.serve(conn, d.secure)
	})
	return true
}

// inside connects to a server behind the filters.
func (s *Server) inside(to *pipeListener, front any) (net.Conn, error) {
	conn, err := to.dial(front)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stop.Err() != nil {
		_ = conn.Close()
		return nil, net.ErrClosed
	}
	s.conns[conn] = noUser
	return conn, nil
}

// leave ends a connection.
func (s *Server) leave(conn net.Conn) {
	_ = conn.Close()
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, conn)
}

// wait is a pause that Close ends; 0 = until then.
func (s *Server) wait(d time.Duration) {
	if d <= 0 {
		<-s.stop.Done()
		return
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-s.stop.Done():
	}
}
