package mail

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"time"

	"servicelink/test/netsim/control"
)

// maxCommand bounds a line that is no mail's, in bytes.
const maxCommand = 64 << 10

// errHangUp ends a connection.
var errHangUp = errors.New("hanging up")

// smtpFront is the filter before the SMTP server. It goes in step with the client: a
// command, its reply.
type smtpFront struct {
	server *Server
	conn   net.Conn // the client, below TLS
	client net.Conn // the client, above TLS
	in     *bufio.Reader
	inner  net.Conn
	reply  *bufio.Reader
	secure bool

	// Read by the session while it works on what the filter has handed it.
	user, from, to string
	spared         bool // the mail in hand is not taken
}

func (s *Server) serveSMTP(conn net.Conn, secure bool) {
	f := &smtpFront{server: s, conn: conn, client: conn, in: bufio.NewReaderSize(conn, maxCommand)}
	if secure && f.startTLS() != nil {
		return
	}
	inner, err := s.inside(s.smtpInner, f)
	if err != nil {
		return
	}
	defer s.leave(inner)
	f.inner, f.reply = inner, bufio.NewReader(inner)
	if f.exchange("CONNECT", nil) != nil {
		return
	}
	for {
		line, err := f.in.ReadSlice('\n')
		if err != nil {
			return
		}
		if err := f.command(bytes.Clone(line)); err != nil {
			return
		}
	}
}

// login is told by the session who has come in.
func (f *smtpFront) login(user string) {
	f.user = user
	f.server.mark(f.conn, user)
}

// command passes one command on, with all that belongs to it.
func (f *smtpFront) command(line []byte) error {
	words := strings.Fields(string(line))
	verb := "EMPTY"
	if len(words) > 0 {
		verb = strings.ToUpper(words[0])
	}
	switch verb {
	case "EHLO", "HELO", "RSET":
		f.from, f.to = "", ""
	case "MAIL":
		f.from, f.to = path(line), ""
	case "RCPT":
		f.to = path(line)
	case "STARTTLS":
		return f.upgrade(line)
	case "AUTH":
		if !f.secure && !f.server.o.Plain {
			return f.say("530 5.7.0 Must issue a STARTTLS command first\r\n")
		}
	}
	return f.exchange(verb, line)
}

// path is the address of a MAIL or RCPT.
func path(line []byte) string {
	_, rest, _ := strings.Cut(string(line), "<")
	address, _, _ := strings.Cut(rest, ">")
	return address
}

// whose is the account that faults and the record go by.
func (f *smtpFront) whose() string {
	for _, name := range []string{f.to, f.from, f.user} {
		if name != "" {
			return name
		}
	}
	return ""
}

// exchange hands a command to the server and the reply to the client, as a fault may
// spoil it.
func (f *smtpFront) exchange(verb string, line []byte) error {
	fault, _ := f.server.Take(f.whose(), "smtp."+verb)
	record := control.Request{Account: f.whose(), Method: "smtp." + verb, Params: map[string]string{}}
	if verb != "AUTH" {
		record.Params["line"] = strings.TrimSpace(string(line))
	}
	seq := f.server.Begin(record)
	if verb != "CONNECT" && fault.Instead() && fault.Kind != control.Outage {
		answer := refusal(fault)
		f.server.End(seq, code(answer), answer, fault.Kind)
		return f.say(answer)
	}
	if fault.Kind == control.Outage {
		f.server.End(seq, 0, "", fault.Kind)
		return errHangUp
	}
	if verb != "CONNECT" { // an empty write waits for a reader, too
		if _, err := f.inner.Write(line); err != nil {
			return err
		}
	}
	answer, err := f.read()
	if err != nil {
		return err
	}
	if verb == "CONNECT" && fault.Instead() {
		answer = refusal(fault)
	}
	f.server.End(seq, code(answer), answer, fault.Kind)
	if err := f.give(f.offer(verb, answer), fault); err != nil {
		return err
	}
	return f.goOn(verb, code(answer))
}

// goOn is what an interim reply asks for.
func (f *smtpFront) goOn(verb string, status int) error {
	switch {
	case status == 334: // AUTH goes on
		line, err := f.in.ReadSlice('\n')
		if err != nil {
			return err
		}
		return f.exchange(verb, bytes.Clone(line))
	case status == 354:
		return f.body()
	case status == 221, status == 421:
		return errHangUp
	}
	return nil
}

// body passes a mail on, and what becomes of it.
func (f *smtpFront) body() error {
	if fault, ok := f.server.Take(f.whose(), "smtp.BODY"); ok {
		if _, err := f.in.ReadSlice('\n'); err != nil {
			return err
		}
		if fault.Kind == control.Swallow { // reads no more
			f.server.wait(fault.Duration(0))
		}
		return errHangUp
	}
	begin := true
	for {
		line, err := f.in.ReadSlice('\n')
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			return err
		}
		if begin && string(line) == ".\r\n" {
			break
		}
		begin = err == nil
		if _, err := f.inner.Write(line); err != nil {
			return err
		}
	}
	fault, ok := f.server.Take(f.whose(), "smtp.DOT")
	f.spared = ok && fault.Instead()
	seq := f.server.Begin(control.Request{Account: f.whose(), Method: "smtp.DOT"})
	if _, err := io.WriteString(f.inner, ".\r\n"); err != nil {
		return err
	}
	answer, err := f.read()
	if err != nil {
		return err
	}
	if f.spared {
		answer = refusal(fault)
	}
	f.server.End(seq, code(answer), answer, fault.Kind)
	return f.give(answer, fault)
}

// read takes one reply of the server's, all its lines.
func (f *smtpFront) read() (string, error) {
	var all strings.Builder
	for {
		line, err := f.reply.ReadString('\n')
		if err != nil {
			return "", err
		}
		all.WriteString(line)
		if len(line) < 4 || line[3] != '-' {
			return all.String(), nil
		}
	}
}

// offer leaves out of EHLO's reply what is not to be offered, and adds STARTTLS.
func (f *smtpFront) offer(verb, answer string) string {
	if verb != "EHLO" || code(answer) != 250 {
		return answer
	}
	lines := strings.Split(strings.TrimSuffix(answer, "\r\n"), "\r\n")
	kept := lines[:1]
	if !f.secure {
		lines = append(lines, "250-STARTTLS")
	}
	for _, line := range lines[1:] {
		keyword, _, _ := strings.Cut(line[4:], " ")
		if f.server.without(keyword) || keyword == "AUTH" && !f.secure && !f.server.o.Plain {
			continue
		}
		kept = append(kept, line)
	}
	for i, line := range kept {
		sep := "-"
		if i == len(kept)-1 {
			sep = " "
		}
		kept[i] = "250" + sep + line[4:]
	}
	return strings.Join(kept, "\r\n") + "\r\n"
}

// give writes an answer as a fault spoils it.
func (f *smtpFront) give(answer string, fault control.Fault) error {
	switch fault.Kind {
	case control.Outage:
		return errHangUp
	case control.Swallow:
		f.server.wait(fault.Duration(0))
		return errHangUp
	case control.Cut:
		return errHangUp
	case control.Truncated:
		_, _ = io.WriteString(f.client, answer[:len(answer)/2]) // it hangs up anyway
		return errHangUp
	case control.Slow:
		return dribble(f.server, f.client, answer, fault.Duration(3*time.Second))
	}
	return f.say(answer)
}

// dribble writes an answer in ten pieces over d.
func dribble(s *Server, w io.Writer, answer string, d time.Duration) error {
	const pieces = 10
	size := max(1, (len(answer)+pieces-1)/pieces)
	for answer != "" {
		n := min(size, len(answer))
		if _, err := io.WriteString(w, answer[:n]); err != nil {
			return err
		}
		answer = answer[n:]
		s.wait(d / pieces)
	}
	return nil
}

// say writes an answer of the filter's own.
func (f *smtpFront) say(answer string) error {
	if _, err := io.WriteString(f.client, answer); err != nil {
		return err
	}
	if code(answer) == 421 {
		return errHangUp
	}
	return nil
}

// upgrade is STARTTLS.
func (f *smtpFront) upgrade(line []byte) error {
	if f.secure || f.server.without("STARTTLS") {
		return f.say("502 5.5.1 Not offered\r\n")
	}
	fault, ok := f.server.Take("", "smtp.STARTTLS")
	seq := f.server.Begin(control.Request{Method: "smtp.STARTTLS", Params: map[string]string{"line": strings.TrimSpace(string(line))}})
	answer := "220 2.0.0 Ready to start TLS\r\n"
	if ok && fault.Instead() {
		answer = refusal(fault)
	}
	f.server.End(seq, code(answer), answer, fault.Kind)
	if err := f.give(answer, fault); err != nil || code(answer) != 220 {
		return err
	}
	return f.startTLS()
}

func (f *smtpFront) startTLS() error {
	secure := tls.Server(f.conn, f.server.cert.server)
	if err := secure.HandshakeContext(f.server.stop); err != nil {
		return err
	}
	f.client, f.secure = secure, true
	f.in.Reset(secure)
	return nil
}

// refusal is a fault as a reply. Subcode 511 reads 5.1.1.
func refusal(fault control.Fault) string {
	status, text := fault.Code, "Refused"
	switch fault.Kind {
	case control.HTML:
		return "<html><h1>It works!</h1></html>\r\n"
	case control.Rate:
		status, text = or(status, 450), "Try again later"
	case control.Server:
		status, text = or(status, 451), "Local error in processing"
	case control.Unauthorized:
		status, text = or(status, 535), "Authentication failed"
	case control.Conflict:
		status, text = or(status, 421), "Too many connections"
	}
	status = or(status, 550)
	if fault.Subcode == 0 {
		return fmt.Sprintf("%d %s\r\n", status, text)
	}
	sub := strconv.Itoa(fault.Subcode)
	for len(sub) < 3 {
		sub += "0"
	}
	return fmt.Sprintf("%d %c.%c.%s %s\r\n", status, sub[0], sub[1], sub[2:], text)
}

func or(status, otherwise int) int {
	if status == 0 {
		return otherwise
	}
	return status
}

// code is a reply's status; 0 where it has none.
func code(answer string) int {
	if len(answer) < 3 {
		return 0
	}
	n, err := strconv.Atoi(answer[:3])
	if err != nil {
		return 0
	}
	return n
}

// without says whether an extension is not to be offered.
func (s *Server) without(name string) bool {
	for _, w := range s.o.Without {
		if strings.EqualFold(w, name) {
			return true
		}
	}
	return false
}
