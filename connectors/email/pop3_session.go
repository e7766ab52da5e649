package email

import (
	"bufio"
	"context"
	"encoding/base64"
	"errors"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"servicelink/config"
	"servicelink/connectors"
)

// A client of our own: those that exist hold a mail in memory as a whole, have no
// limits of time, and know neither STLS nor XOAUTH2 nor another authority.

// pop3Session is one connection. The maildrop is locked as long as it lasts.
type pop3Session struct {
	host  *host
	guard *watchdog
	r     *bufio.Reader
	stop  func() bool
	capa  map[string]string // capability, upper case, to its arguments
}

func (s *pop3Session) open(ctx context.Context) error {
	conn, err := s.host.connect(ctx)
	if err != nil {
		return err
	}
	s.begin(ctx, conn)
	if err := s.answer(); err != nil {
		return s.greeting(err)
	}
	if s.host.security == securityStartTLS {
		if err := s.ask("STLS"); err != nil {
			return s.noTLS(err)
		}
		if s.r.Buffered() > 0 {
			return s.noTLS(errPOP3) // it was sent in the open
		}
		s.stop()
		if conn, err = s.host.secure(ctx, conn); err != nil {
			return err
		}
		s.begin(ctx, conn)
	}
	if err := s.capabilities(); err != nil {
		return err
	}
	return s.login(ctx)
}

func (s *pop3Session) begin(ctx context.Context, conn net.Conn) {
	s.guard = newWatchdog(conn, s.host.timeout)
	s.r = bufio.NewReaderSize(s.guard, filterBuffer)
	guard := s.guard
	s.stop = context.AfterFunc(ctx, func() { _ = guard.Close() }) // what waits for it gets the error
}

// close ends the connection. What was to be deleted stays, but for quit.
func (s *pop3Session) close() {
	if s.guard != nil {
		s.stop()
		_ = s.guard.Close() // it is given up
	}
}

func (s *pop3Session) watch() func() { return s.guard.watch(commandLength * s.host.timeout) }

// ask gives a command and reads the first line of the answer.
func (s *pop3Session) ask(command string) error {
	defer s.watch()()
	if err := s.write(command); err != nil {
		return err
	}
	return s.answer()
}

func (s *pop3Session) write(line string) error {
	_, err := s.guard.Write([]byte(line + "\r\n"))
	return err
}

// answer reads a first line: nil is +OK.
func (s *pop3Session) answer() error {
	defer s.watch()()
	line, err := readLine(s.r)
	if err != nil {
		return err
	}
	more, err := pop3Status(line)
	if more {
		return errPOP3
	}
	return err
}

// list gives a command whose answer is a list.
func (s *pop3Session) list(command string, take func(line string) error) error {
	if err := s.ask(command); err != nil {
		return err
	}
	defer s.watch()()
	return readList(s.r, take)
}

func (s *pop3Session) capabilities() error {
	s.capa = map[string]string{}
	err := s.list("CAPA", func(line string) error {
		name, arguments, _ := strings.Cut(strings.ToUpper(line), " ")
		s.capa[name] = arguments
		return nil
	})
	if _, refused := errors.AsType[*pop3Refusal](err); refused {
		return nil // a server from before RFC 2449
	}
	return err
}

func (s *pop3Session) login(ctx context.Context) error {
	h := s.host
	if h.tokens != nil {
		return h.byToken(ctx, func(token config.Secret) (code, text string, err error) {
			_, initial, _ := xoauth2{user: h.user, token: token}.Start()
			return refusalOf(s.sasl("XOAUTH2", initial))
		})
	}
	_, user := s.capa["USER"]
	var err error
	if !user && slices.Contains(strings.Fields(s.capa["SASL"]), "PLAIN") {
		err = s.sasl("PLAIN", []byte("\x00"+h.user+"\x00"+h.password.Reveal()))
	} else if err = s.ask("USER " + h.user); err == nil {
		err = s.ask("PASS " + h.password.Reveal())
	}
	code, text, err := refusalOf(err)
	if code != "" {
		return h.refusedLogin(code, text)
	}
	return err
}

// refusalOf parts a refusal, whose code is never empty, from what else goes wrong.
func refusalOf(err error) (code, text string, other error) {
	if refused, ok := errors.AsType[*pop3Refusal](err); ok {
		if refused.code == "" {
			return "ERR", refused.text, nil
		}
		return refused.code, refused.text, nil
	}
	return "", "", err
}

// sasl logs in by a mechanism of one step (RFC 5034). The step is not sent with the
// command, which not all servers take.
func (s *pop3Session) sasl(mechanism string, step []byte) error {
	defer s.watch()()
	line := "AUTH " + mechanism
	for range 3 {
		if err := s.write(line); err != nil {
			return err
		}
		answer, err := readLine(s.r)
		if err != nil {
			return err
		}
		if more, err := pop3Status(answer); err != nil || !more {
			return err
		}
		// A second challenge is why it is refused; an empty answer ends the dialogue.
		line, step = base64.StdEncoding.EncodeToString(step), nil
	}
	return errPOP3
}

// pop3Mail is a mail of the maildrop; its number means something in this session.
type pop3Mail struct {
	number int
	uidl   string
	size   int64
}

// mails lists the maildrop. Of several with one UIDL the first is listed: whether they
// are the same mail is seen when that one is gone.
func (s *pop3Session) mails() ([]pop3Mail, error) {
	var all []pop3Mail
	at := map[int]int{}
	seen := map[string]bool{}
	err := s.list("UIDL", func(line string) error {
		number, uidl, err := numberLine(line)
		if err == nil && !seen[uidl] {
			seen[uidl] = true
			at[number] = len(all)
			all = append(all, pop3Mail{number: number, uidl: uidl})
		}
		return err
	})
	if _, refused := errors.AsType[*pop3Refusal](err); refused {
		return nil, failed(connectors.ReasonAnswer, s.host.name+" does not tell one mail from another (UIDL)", "Fetch this mailbox by IMAP, or set a server that has UIDL.")
	}
	if err != nil {
		return nil, err
	}
	err = s.list("LIST", func(line string) error {
		number, size, err := numberLine(line)
		if i, ok := at[number]; ok && err == nil {
			if all[i].size, err = strconv.ParseInt(size, 10, 64); err != nil || all[i].size < 0 {
				return errPOP3
			}
		}
		return err
	})
	return all, err
}

// get asks for a mail; its bytes are to be read to their end before the next command.
// end is called then.
func (s *pop3Session) get(mail pop3Mail, whole bool) (body *dotReader, end func(), err error) {
	command := "RETR " + strconv.Itoa(mail.number)
	if !whole {
		command = "TOP " + strconv.Itoa(mail.number) + " 0"
	}
	if err := s.ask(command); err != nil {
		return nil, nil, err
	}
	end = s.guard.watch(commandLength*s.host.timeout + time.Duration(mail.size/slowest)*time.Second)
	return newDotReader(s.r), end, nil
}

func (s *pop3Session) greeting(err error) error {
	if refused, ok := errors.AsType[*pop3Refusal](err); ok {
		return failed(connectors.ReasonServer, s.host.name+" takes no connection now: "+refused.Error(), "The server is busy or is being worked on.")
	}
	return err
}

func (s *pop3Session) noTLS(err error) error {
	if _, refused := errors.AsType[*pop3Refusal](err); refused || errors.Is(err, errPOP3) {
		return failed(connectors.ReasonAnswer, s.host.name+" does not begin TLS when it is asked to", "See whether the server offers STLS at this port, or set Security to implicit.")
	}
	return err
}

// why is what Run returns for an error.
func (s *pop3Session) why(ctx context.Context, err error) error {
	if se := s.host.lost(ctx, s.guard, err); se != nil || err == nil {
		return se
	}
	if refused, ok := errors.AsType[*pop3Refusal](err); ok {
		return failed(connectors.ReasonServer, s.host.name+" refuses a command: "+refused.Error(), "See the mail server's log.")
	}
	return failed(connectors.ReasonAnswer, s.host.name+" sends what is no POP3", "See whether Host and Port are those of a POP3 server.")
}
