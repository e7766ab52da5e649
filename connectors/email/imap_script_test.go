package email

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"servicelink/connectors"
)

// imapScript is an IMAP server that says what a test wants it to. It knows one
// mailbox and what a device asks for, without IDLE.
type imapScript struct {
	mu       sync.Mutex
	mails    map[int]string // by UID
	validity int
	moved    []string // "1 Servicelink/Done"
	// before is called for every command; what it returns is said before the answer,
	// and hangUp ends the connection.
	before func(verb, line string) (say string, hangUp bool)
	item   func(uid int) string // said in the FETCH of a body, before it
	search func(line string) string
	conns  sync.WaitGroup
}

func (s *imapScript) dial(context.Context, string, string) (net.Conn, error) {
	ours, theirs := net.Pipe()
	s.conns.Go(func() {
		defer func() { _ = theirs.Close() }()
		_, _ = fmt.Fprint(theirs, "* OK ready\r\n")
		for r := bufio.NewReader(theirs); ; {
			line, err := r.ReadString('\n')
			if err != nil || !s.answer(theirs, strings.TrimSpace(line)) {
				return
			}
		}
	})
	return ours, nil
}

func (s *imapScript) answer(conn net.Conn, line string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	tag, rest, _ := strings.Cut(line, " ")
	verb, arguments, _ := strings.Cut(rest, " ")
	if verb == "UID" {
		verb, arguments, _ = strings.Cut(arguments, " ")
	}
	say := ""
	if s.before != nil {
		extra, hangUp := s.before(verb, line)
		say = extra
		if hangUp {
			_, _ = fmt.Fprint(conn, say)
			return false
		}
	}
	uids := make([]int, 0, len(s.mails))
	for uid := range s.mails {
		uids = append(uids, uid)
	}
	slices.Sort(uids)
	switch verb {
	case "CAPABILITY":
		say += "* CAPABILITY IMAP4rev1 MOVE UIDPLUS\r\n"
	case "SELECT":
		say += fmt.Sprintf("* %d EXISTS\r\n* OK [UIDVALIDITY %d] ok\r\n* OK [PERMANENTFLAGS (\\*)] ok\r\n", len(uids), s.validity)
	case "LIST":
		say += "* LIST () \"/\" \"" + strings.Trim(strings.Fields(arguments)[1], `"`) + "\"\r\n"
	case "SEARCH":
		if s.search != nil {
			say += "* SEARCH " + s.search(line) + "\r\n"
		} else {
			say += "* SEARCH" + strings.TrimRight(" "+strings.Trim(fmt.Sprint(uids), "[]"), " ") + "\r\n"
		}
	case "FETCH":
		set, what, _ := strings.Cut(arguments, " ")
		for i, uid := range uids {
			if !inSet(set, uid) {
				continue
			}
			raw := s.mails[uid]
			if strings.Contains(what, "BODY") {
				item := ""
				if s.item != nil {
					item = s.item(uid)
				}
				if item == "hang up" {
					_, _ = fmt.Fprintf(conn, "%s* %d FETCH (UID %d BODY[] {%d}\r\n%s", say, i+1, uid, len(raw), raw[:len(raw)/2])
					return false
				}
				say += fmt.Sprintf("* %d FETCH (UID %d %sBODY[] {%d}\r\n%s)\r\n", i+1, uid, item, len(raw), raw)
			} else {
				say += fmt.Sprintf("* %d FETCH (UID %d RFC822.SIZE %d INTERNALDATE \"23-Nov-2026 08:00:00 +0000\")\r\n", i+1, uid, len(raw))
			}
		}
	case "MOVE":
		set, folder, _ := strings.Cut(arguments, " ")
		for _, uid := range uids {
			if inSet(set, uid) {
				s.moved = append(s.moved, fmt.Sprintf("%s %s", s.subject(uid), strings.Trim(folder, `"`)))
				delete(s.mails, uid)
			}
		}
	}
	_, err := fmt.Fprintf(conn, "%s%s OK done\r\n", say, tag)
	return err == nil
}

func (s *imapScript) subject(uid int) string {
	_, rest, _ := strings.Cut(s.mails[uid], "Subject: ")
	subject, _, _ := strings.Cut(rest, "\r\n")
	return subject
}

// inSet reads sets of numbers and ranges.
func inSet(set string, uid int) bool {
	return slices.ContainsFunc(strings.Split(set, ","), func(part string) bool {
		from, to, isRange := strings.Cut(part, ":")
		low, _ := strconv.Atoi(from)
		high, err := strconv.Atoi(to)
		if err != nil {
			high = 1 << 31
		}
		return low == uid || isRange && low <= uid && uid <= high
	})
}

func scriptBubble(t *testing.T, test func(t *testing.T, s *imapScript, d *imapHost, e *testEngine)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := &imapScript{mails: map[int]string{}, validity: 1}
		for n := 1; n <= 3; n++ {
			s.mails[n] = string(testMail(n))
		}
		device, err := newImapHost(testChannel(t, "{Host: imap.test, Security: none, User: u, Password: p}"),
			connectors.Dependencies{Log: testLog(), Files: &testFiles{kept: map[string][]byte{}}})
		if err != nil {
			t.Fatal(err)
		}
		d := device.(*imapHost)
		d.host.dial = s.dial
		test(t, s, d, newTestEngine())
		s.conns.Wait()
	})
}

// TestIMAPUnknownResponses: what no client knows may come at any time, with strings
// and literals in it, and disturbs nothing.
func TestIMAPUnknownResponses(t *testing.T) {
	scriptBubble(t, func(t *testing.T, s *imapScript, d *imapHost, e *testEngine) {
		e.auto = true
		s.before = func(string, string) (string, bool) {
			return "* XFOO bar \"a {3}\" {4}\r\n* BY {0}\r\n (x {2}\r\n\r\n)\r\n* 17 XBAR (1 2)\r\n* \r\n\r\n* OK [XCODE 1] {5}\r\n* VANISHED 1:3\r\n", false
		}
		run := run(t, d, e)
		after(5 * time.Minute)
		equal(t, "delivered", e.subjects(), "m1 m2 m3")
		equal(t, "moved", strings.Join(s.moved, ", "), "m1 Servicelink/Done, m2 Servicelink/Done, m3 Servicelink/Done")
		run.end()
	})
}

// TestIMAPUnknownItem: what stands within an answer cannot be left out: it is a clear
// fault, and nothing is taken for done.
func TestIMAPUnknownItem(t *testing.T) {
	scriptBubble(t, func(t *testing.T, s *imapScript, d *imapHost, e *testEngine) {
		e.auto = true
		s.item = func(int) string { return "X-ODD 5 " }
		run := run(t, d, e)
		after(time.Minute)
		if se := run.end(); se.Reason != connectors.ReasonAnswer || !strings.Contains(se.Hint, "IMAP") {
			t.Errorf("%v, hint %q", &se, se.Hint)
		}
		if len(s.moved) > 0 {
			t.Errorf("moved: %v", s.moved)
		}
	})
}

// TestIMAPPoison: a mail at which the server always hangs up does not hold up the
// others.
func TestIMAPPoison(t *testing.T) {
	scriptBubble(t, func(t *testing.T, s *imapScript, d *imapHost, e *testEngine) {
		e.auto = true
		poison := true
		s.item = func(uid int) string {
			if poison && uid == 2 {
				return "hang up"
			}
			return ""
		}
		for range 3 {
			run := run(t, d, e)
			after(time.Minute)
			run.end()
		}
		equal(t, "delivered", e.subjects(), "m1 m3")
		run1 := run(t, d, e)
		after(2 * time.Minute)
		if len(run1.ended) > 0 {
			t.Error("it is tried without a rest")
		}
		s.mu.Lock()
		poison = false
		s.mu.Unlock()
		after(2 * time.Hour)
		equal(t, "delivered in the end", e.subjects(), "m1 m3 m2")
		run1.end()
	})
}

// TestIMAPToldValidity: a new UIDVALIDITY told within a session: no mail is moved by
// a number that means another one now.
func TestIMAPToldValidity(t *testing.T) {
	scriptBubble(t, func(t *testing.T, s *imapScript, d *imapHost, e *testEngine) {
		told := false
		s.before = func(verb, _ string) (string, bool) {
			if verb == "SEARCH" && s.validity == 2 && !told {
				told = true
				return "* OK [UIDVALIDITY 2] renumbered\r\n", false
			}
			return "", false
		}
		run := run(t, d, e)
		after(time.Second)
		s.mu.Lock() // the numbers go to other mails
		s.validity = 2
		s.mails = map[int]string{1: string(testMail(9)), 11: s.mails[1], 12: s.mails[2], 13: s.mails[3]}
		s.mu.Unlock()
		e.settle(connectors.SettledDone)
		after(10 * time.Minute)
		for _, m := range s.moved {
			if strings.HasPrefix(m, "m9") {
				t.Errorf("moved before the core had it: %s", m)
			}
		}
		equal(t, "delivered", e.subjects(), "m1 m2 m3 m9")
		if len(s.moved) != 3 {
			t.Errorf("moved: %v", s.moved)
		}
		e.settle(connectors.SettledDone)
		after(10 * time.Minute)
		if len(s.moved) != 4 {
			t.Errorf("moved: %v", s.moved)
		}
		run.end()
	})
}

// TestIMAPRangeTrap: a search from n on brings the last mail also where it is below n,
// and may bring what is no number of a mail.
func TestIMAPRangeTrap(t *testing.T) {
	scriptBubble(t, func(t *testing.T, s *imapScript, d *imapHost, _ *testEngine) {
		session := &imapSession{d: d, arrived: make(chan struct{}, 1)}
		defer session.close()
		if err := session.open(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := session.selectMailbox(); err != nil {
			t.Fatal(err)
		}
		s.search = func(line string) string {
			if !strings.Contains(line, "UID 400:*") || !strings.Contains(line, "UNDELETED") {
				t.Errorf("asked %q", line)
			}
			return "300 399 400 512"
		}
		uids, err := session.list(400)
		if err != nil || !slices.Equal(uids, []uint32{400, 512}) || session.last != 512 {
			t.Errorf("%v, %v, last %d", uids, err, session.last)
		}
		s.search = func(string) string { return "0" }
		if _, err := session.list(400); err == nil {
			t.Error("number 0 is taken for a mail")
		}
	})
}

// TestIMAPBye: a server that says goodbye is one that has cut the connection.
func TestIMAPBye(t *testing.T) {
	for _, verb := range []string{"LOGIN", "SELECT", "SEARCH", "FETCH", "MOVE"} {
		t.Run(verb, func(t *testing.T) {
			scriptBubble(t, func(t *testing.T, s *imapScript, d *imapHost, e *testEngine) {
				e.auto = true
				once := true
				s.before = func(v, _ string) (string, bool) {
					if v == verb && once {
						once = false
						return "* BYE shutting down\r\n", true
					}
					return "", false
				}
				first := run(t, d, e)
				after(time.Minute)
				if se := first.end(); se.Reason != connectors.ReasonCut {
					t.Errorf("%v", &se)
				}
				again := run(t, d, e)
				after(5 * time.Minute)
				if len(s.moved) != 3 {
					t.Errorf("moved: %v", s.moved)
				}
				again.end()
			})
		})
	}
}
