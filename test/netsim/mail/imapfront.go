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
	"sync"
	"time"

	"servicelink/test/netsim/control"
)

// imapFront is the filter before the IMAP server: one goroutine for each direction.
type imapFront struct {
	server *Server
	conn   net.Conn // the client, below TLS
	in     *bufio.Reader
	inner  net.Conn
	greets chan struct{} // closed once the greeting is written

	mu     sync.Mutex
	client net.Conn // the client, above TLS; written with mu held
	secure bool     // changed by up alone
	user   string
	spoils map[string]control.Fault // by tag, for the answer
	auth   string                   // tag of an AUTHENTICATE that goes on
	deaf   bool                     // no news until DONE
	cut    bool                     // hang up in the next literal
	odd    bool                     // an item nobody knows in the next FETCH
}

func (s *Server) serveIMAP(conn net.Conn, secure bool) {
	f := &imapFront{
		server: s, conn: conn, client: conn, in: bufio.NewReaderSize(conn, maxCommand), spoils: map[string]control.Fault{},
		greets: make(chan struct{}),
	}
	if secure && f.startTLS() != nil {
		return
	}
	inner, err := s.inside(s.imapInner, f)
	if err != nil {
		return
	}
	f.inner = inner
	var down sync.WaitGroup
	over := make(chan struct{})
	down.Go(func() {
		f.down()
		close(over)
		_ = conn.Close()
	})
	select {
	case <-f.greets: // a client may speak first
	case <-over:
	}
	for f.up() == nil {
	}
	_ = conn.Close()
	s.leave(inner)
	down.Wait()
}

// login is told by the session who has come in.
func (f *imapFront) login(user string) {
	f.mu.Lock()
	f.user = user
	f.mu.Unlock()
	f.server.mark(f.conn, user)
}

// up passes one command on.
func (f *imapFront) up() error {
	line, err := f.in.ReadSlice('\n')
	if err != nil {
		return err
	}
	line = bytes.Clone(line)
	f.mu.Lock()
	user, going := f.user, f.auth != "" || strings.EqualFold(string(bytes.TrimSpace(line)), "DONE")
	if going {
		f.deaf = false
	}
	f.mu.Unlock()
	if going {
		return f.pass(line, true)
	}
	words := strings.Fields(string(line))
	if len(words) < 2 {
		return f.pass(line, true)
	}
	tag, verb := words[0], strings.ToUpper(words[1])
	if verb == "UID" && len(words) > 2 {
		verb = strings.ToUpper(words[2])
	}
	if verb == "STARTTLS" {
		return f.upgrade(tag)
	}
	fault, _ := f.server.Take(user, "imap."+verb)
	_, lose := f.server.TakeKind(control.Lose, user, "imap."+verb)
	record := control.Request{Account: user, Method: "imap." + verb, Params: map[string]string{"tag": tag}}
	if verb != "LOGIN" && verb != "AUTHENTICATE" {
		record.Params["line"] = strings.TrimSpace(string(line))
	}
	f.server.End(f.server.Begin(record), 0, "", fault.Kind)
	switch {
	case fault.Kind == control.Outage:
		return errHangUp
	case fault.Instead():
		if err := f.pass(line, false); err != nil {
			return err
		}
		return f.refuse(tag, fault)
	case (verb == "LOGIN" || verb == "AUTHENTICATE") && !f.secure && !f.server.o.Plain:
		return f.say(tag + " NO [PRIVACYREQUIRED] TLS is required\r\n")
	case verb == "IDLE" && f.server.without("IDLE"):
		return f.say(tag + " BAD Unknown command\r\n")
	}
	f.prepare(tag, verb, fault, lose)
	return f.pass(line, true)
}

// prepare tells the other direction what to do with the answer.
func (f *imapFront) prepare(tag, verb string, fault control.Fault, lose bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.deaf = lose
	if verb == "AUTHENTICATE" {
		f.auth = tag
	}
	switch {
	case verb == "FETCH" && fault.Kind == control.Cut:
		f.cut = true
	case verb == "FETCH" && fault.Kind == control.Strange:
		f.odd = true
	case fault.Kind != "":
		f.spoils[tag] = fault
	}
}

// pass hands the rest of a command on, literals included, or throws it away.
func (f *imapFront) pass(line []byte, on bool) error {
	for {
		if on {
			if _, err := f.inner.Write(line); err != nil {
				return err
			}
		}
		size, sync := literalSize(line)
		if size < 0 || sync && !on { // refused before it was sent
			return nil
		}
		to := io.Writer(f.inner)
		if !on {
			to = io.Discard
		}
		if _, err := io.CopyN(to, f.in, size); err != nil {
			return err
		}
		next, err := f.in.ReadSlice('\n')
		if err != nil {
			return err
		}
		line = bytes.Clone(next)
	}
}

// literalSize is the size of the literal that follows a line, -1 where none does. sync:
// the client waits to be asked for it.
func literalSize(line []byte) (size int64, sync bool) {
	line = bytes.TrimRight(line, "\r\n")
	open := bytes.LastIndexByte(line, '{')
	if open < 0 || !bytes.HasSuffix(line, []byte("}")) {
		return -1, false
	}
	digits, now := bytes.CutSuffix(line[open+1:len(line)-1], []byte("+"))
	n, err := strconv.ParseInt(string(digits), 10, 64)
	if err != nil {
		return -1, false
	}
	return n, !now
}

// down passes answers on until one side hangs up.
func (f *imapFront) down() {
	answers := bufio.NewReaderSize(f.inner, 64<<10)
	first := true
	for {
		line, err := answers.ReadBytes('\n')
		if err != nil {
			return
		}
		if first {
			if line, err = f.greet(line); err != nil {
				return
			}
		}
		if err := f.answer(line, answers); err != nil {
			return
		}
		if first {
			first = false
			close(f.greets)
		}
	}
}

// greet is the greeting, or a fault in its place.
func (f *imapFront) greet(line []byte) ([]byte, error) {
	fault, ok := f.server.Take("", "imap.CONNECT")
	f.server.End(f.server.Begin(control.Request{Method: "imap.CONNECT"}), 0, "", fault.Kind)
	switch {
	case !ok:
		return line, nil
	case fault.Kind == control.Swallow:
		f.server.wait(fault.Duration(0))
		return nil, errHangUp
	case fault.Kind == control.Slow:
		f.server.wait(fault.Duration(3 * time.Second))
		return line, nil
	case fault.Kind == control.HTML:
		return []byte(refusal(fault)), nil
	case fault.Instead() && fault.Kind != control.Outage:
		_ = f.say("* BYE [UNAVAILABLE] not now\r\n") // it hangs up anyway
	}
	return nil, errHangUp
}

// answer passes one response on, whose first line is read.
func (f *imapFront) answer(line []byte, rest *bufio.Reader) error {
	tag, _, _ := bytes.Cut(line, []byte(" "))
	f.mu.Lock()
	fault, spoil := f.spoils[string(tag)]
	delete(f.spoils, string(tag))
	if string(tag) == f.auth {
		f.auth = ""
	}
	drop := f.deaf && string(tag) == "*"
	cut := f.cut
	if f.odd && bytes.Contains(line, []byte(" FETCH (")) {
		line = bytes.Replace(line, []byte(" FETCH ("), []byte(" FETCH (X-ODD-ID 42 "), 1)
		f.odd = false
	}
	f.mu.Unlock()
	line = f.offer(line)
	if drop {
		return nil // news have no literals
	}
	if spoil {
		if err := f.spoil(line, fault); err != nil {
			return err
		}
		if fault.Kind == control.Slow {
			return nil
		}
	}
	for {
		if err := f.write(line); err != nil {
			return err
		}
		size, _ := literalSize(line)
		if size < 0 {
			return nil
		}
		if cut {
			_ = f.copy(rest, size/2) // it hangs up anyway
			return errHangUp
		}
		if err := f.copy(rest, size); err != nil {
			return err
		}
		var err error
		if line, err = rest.ReadBytes('\n'); err != nil {
			return err
		}
	}
}

// spoil does what a fault wants with the last line of an answer, before it is written.
func (f *imapFront) spoil(line []byte, fault control.Fault) error {
	switch fault.Kind {
	case control.Swallow:
		f.server.wait(fault.Duration(0))
		return errHangUp
	case control.Cut:
		return errHangUp
	case control.Truncated:
		_ = f.write(line[:len(line)/2]) // it hangs up anyway
		return errHangUp
	case control.Slow:
		f.mu.Lock()
		defer f.mu.Unlock()
		return dribble(f.server, f.client, string(line), fault.Duration(3*time.Second))
	case control.Strange:
		return f.write([]byte("* X-ODD 42 \"nobody knows\"\r\n"))
	}
	return nil
}

// offer leaves capabilities out, and adds those of TLS.
func (f *imapFront) offer(line []byte) []byte {
	at := bytes.Index(line, []byte("CAPABILITY IMAP4"))
	if at < 0 {
		return line
	}
	end := bytes.IndexAny(line[at:], "]\r")
	if end < 0 {
		return line
	}
	f.mu.Lock()
	in, secure := f.user != "", f.secure
	f.mu.Unlock()
	kept := []string{"CAPABILITY"}
	for _, word := range strings.Fields(string(line[at : at+end]))[1:] {
		if !f.server.without(word) && (secure || f.server.o.Plain || !strings.HasPrefix(word, "AUTH=")) {
			kept = append(kept, word)
		}
	}
	if !secure && !in {
		if !f.server.without("STARTTLS") {
			kept = append(kept, "STARTTLS")
		}
		if !f.server.o.Plain {
			kept = append(kept, "LOGINDISABLED")
		}
	}
	return fmt.Appendf(nil, "%s%s%s", line[:at], strings.Join(kept, " "), line[at+end:])
}

// refuse answers a command in the server's place.
func (f *imapFront) refuse(tag string, fault control.Fault) error {
	switch fault.Kind {
	case control.HTML:
		return f.say(refusal(fault))
	case control.Blocked:
		_ = f.say("* BYE account blocked\r\n") // it hangs up anyway
		return errHangUp
	case control.Unauthorized:
		return f.say(tag + " NO [AUTHENTICATIONFAILED] wrong password\r\n")
	case control.Rate:
		return f.say(tag + " NO [LIMIT] too often\r\n")
	case control.Server:
		return f.say(tag + " NO [SERVERBUG] it failed\r\n")
	case control.Missing:
		return f.say(tag + " NO [NONEXISTENT] there is none\r\n")
	}
	return f.say(tag + " NO refused\r\n")
}

func (f *imapFront) say(line string) error { return f.write([]byte(line)) }

func (f *imapFront) write(line []byte) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	_, err := f.client.Write(line)
	return err
}

func (f *imapFront) copy(r io.Reader, n int64) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	_, err := io.CopyN(f.client, r, n)
	return err
}

// upgrade is STARTTLS.
func (f *imapFront) upgrade(tag string) error {
	fault, ok := f.server.Take("", "imap.STARTTLS")
	f.server.End(f.server.Begin(control.Request{Method: "imap.STARTTLS"}), 0, "", fault.Kind)
	switch {
	case ok && fault.Kind == control.Swallow:
		f.server.wait(fault.Duration(0))
		return errHangUp
	case ok && fault.Kind != control.Refuse:
		return errHangUp
	case ok || f.secure || f.server.without("STARTTLS"):
		return f.say(tag + " NO not offered\r\n")
	}
	if err := f.say(tag + " OK begin TLS\r\n"); err != nil {
		return err
	}
	return f.startTLS()
}

// startTLS is called while nothing is under way in the other direction.
func (f *imapFront) startTLS() error {
	secure := tls.Server(f.conn, f.server.cert.server)
	if err := secure.HandshakeContext(f.server.stop); err != nil {
		return errors.Join(errHangUp, err)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.client, f.secure = secure, true
	f.in.Reset(secure)
	return nil
}
