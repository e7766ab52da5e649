package email

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// popServer is a POP3 server with one maildrop, for tests.
type popServer struct {
	t     testing.TB
	cert  *tls.Config // nil: no STLS
	token string
	capa  string // lines of CAPA; empty: it is not known

	mu       sync.Mutex
	mails    []popMail
	silent   map[string]bool   // commands that are never answered, once
	hangUp   map[string]bool   // the connection ends when they come, once
	cut      bool              // the next RETR ends within the mail
	refuse   map[string]string // what they are refused with, always
	lostQUIT bool              // QUIT deletes and does not answer, once
	conns    sync.WaitGroup
	sessions int
}

type popMail struct{ uidl, raw string }

func newPopServer(t testing.TB) *popServer {
	return &popServer{
		t: t, capa: "USER\r\nUIDL\r\nTOP\r\nSASL PLAIN XOAUTH2\r\n",
		silent: map[string]bool{}, hangUp: map[string]bool{}, refuse: map[string]string{},
	}
}

func (p *popServer) dial(context.Context, string, string) (net.Conn, error) {
	ours, theirs := net.Pipe()
	p.conns.Go(func() { p.serve(theirs) })
	return ours, nil
}

func (p *popServer) put(from, to int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for n := from; n <= to; n++ {
		p.mails = append(p.mails, popMail{fmt.Sprintf("u%d", n), string(testMail(n))})
	}
}

func (p *popServer) left() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	var all []string
	for _, m := range p.mails {
		all = append(all, m.uidl)
	}
	return strings.Join(all, " ")
}

// change does something to a server that runs.
func (p *popServer) change(how func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	how()
}

// take tells whether a fault for a command is set, and uses it up.
func (p *popServer) take(of map[string]bool, verb string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	is := of[verb]
	delete(of, verb)
	return is
}

func (p *popServer) serve(conn net.Conn) {
	defer func() { _ = conn.Close() }()
	p.mu.Lock()
	p.sessions++
	mails := append([]popMail(nil), p.mails...) // as it is when the session begins
	p.mu.Unlock()
	deleted := map[int]bool{}
	r := bufio.NewReader(conn)
	say := func(format string, args ...any) { _, _ = fmt.Fprintf(conn, format+"\r\n", args...) }
	if p.take(p.silent, "CONNECT") {
		_, _ = r.ReadByte()
		return
	}
	say("+OK ready")
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return
		}
		verb, argument, _ := strings.Cut(strings.TrimSpace(line), " ")
		verb = strings.ToUpper(verb)
		n, _ := strconv.Atoi(strings.Split(argument, " ")[0])
		p.mu.Lock()
		refusal := p.refuse[verb]
		p.mu.Unlock()
		switch {
		case p.take(p.hangUp, verb):
			return
		case p.take(p.silent, verb):
			_, _ = r.ReadByte() // until the client gives up
			return
		case refusal != "":
			say("-ERR %s", refusal)
			continue
		}
		switch verb {
		case "CAPA":
			if p.capa == "" {
				say("-ERR what?")
			} else {
				say("+OK\r\n%s.", p.capa)
			}
		case "STLS":
			if p.cert == nil {
				say("-ERR no")
				continue
			}
			say("+OK")
			secured := tls.Server(conn, p.cert)
			conn, r = secured, bufio.NewReader(secured)
		case "USER":
			say("+OK")
		case "PASS":
			if argument != word {
				say("-ERR [AUTH] no such user or wrong password for " + box)
				continue
			}
			say("+OK")
		case "AUTH":
			p.auth(conn, r, argument)
		case "UIDL", "LIST":
			say("+OK")
			for i, m := range mails {
				if verb == "UIDL" {
					say("%d %s", i+1, m.uidl)
				} else {
					say("%d %d", i+1, len(m.raw))
				}
			}
			say(".")
		case "RETR", "TOP":
			raw := mails[n-1].raw
			if verb == "TOP" {
				head, _, _ := strings.Cut(raw, "\r\n\r\n")
				raw = head + "\r\n\r\n"
			}
			say("+OK")
			raw = strings.TrimPrefix(strings.ReplaceAll("\r\n"+raw, "\r\n.", "\r\n.."), "\r\n")
			p.mu.Lock()
			cut := p.cut
			p.cut = false
			p.mu.Unlock()
			if cut {
				_, _ = conn.Write([]byte(raw[:len(raw)/2]))
				return
			}
			say("%s.", raw)
		case "DELE":
			deleted[n] = true
			say("+OK")
		case "QUIT":
			p.mu.Lock()
			p.mails = nil
			for i, m := range mails {
				if !deleted[i+1] {
					p.mails = append(p.mails, m)
				}
			}
			lost := p.lostQUIT
			p.lostQUIT = false
			p.mu.Unlock()
			if !lost {
				say("+OK bye")
			}
			return
		default:
			say("-ERR unknown")
		}
	}
}

// auth does AUTH in two steps.
func (p *popServer) auth(conn net.Conn, r *bufio.Reader, mechanism string) {
	_, _ = conn.Write([]byte("+ \r\n"))
	line, _ := r.ReadString('\n')
	raw, _ := base64.StdEncoding.DecodeString(strings.TrimSpace(line))
	p.mu.Lock()
	token := p.token
	p.mu.Unlock()
	right := map[string]string{
		"PLAIN":   "\x00" + box + "\x00" + word,
		"XOAUTH2": "user=" + box + "\x01auth=Bearer " + token + "\x01\x01",
	}[mechanism]
	switch {
	case string(raw) == right:
		_, _ = conn.Write([]byte("+OK\r\n"))
	case mechanism == "XOAUTH2":
		_, _ = conn.Write([]byte("+ eyJzdGF0dXMiOiI0MDEifQ==\r\n"))
		_, _ = r.ReadString('\n')
		fallthrough
	default:
		_, _ = conn.Write([]byte("-ERR [AUTH] no\r\n"))
	}
}
