package email

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/textproto"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"servicelink/connectors"
)

// popRig is a device before a server of these tests.
type popRig struct {
	server *popServer
	device *pop3Host
	engine *testEngine
	files  *testFiles
}

func newPopRig(t testing.TB, settings string) *popRig {
	t.Helper()
	r := &popRig{server: newPopServer(t), engine: newTestEngine(), files: &testFiles{kept: map[string][]byte{}}}
	r.restart(t, settings)
	return r
}

// restart is another process.
func (r *popRig) restart(t testing.TB, settings string) {
	t.Helper()
	text := fmt.Sprintf("{Host: pop.test, Security: none, User: %s, Password: %s%s}", box, word, settings)
	device, err := newPop3Host(testChannel(t, text), connectors.Dependencies{Log: testLog(), Files: r.files})
	if err != nil {
		t.Fatal(err)
	}
	r.device = device.(*pop3Host)
	r.device.host.dial = r.server.dial
}

func popBubble(t *testing.T, settings string, test func(t *testing.T, r *popRig)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		r := newPopRig(t, settings)
		test(t, r)
		r.server.conns.Wait()
	})
}

func equal(t testing.TB, what, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("%s: %q, want %q", what, got, want)
	}
}

// TestPOP3: nothing is deleted before the core has it, and the maildrop is free in
// between.
func TestPOP3(t *testing.T) {
	popBubble(t, "", func(t *testing.T, r *popRig) {
		r.server.put(1, 3)
		run := run(t, r.device, r.engine)
		after(time.Second)
		equal(t, "delivered", r.engine.subjects(), "m1 m2 m3")
		after(5 * time.Minute)
		equal(t, "left before the end", r.server.left(), "u1 u2 u3")
		r.engine.settle(connectors.SettledDone)
		after(time.Minute)
		equal(t, "left", r.server.left(), "")
		r.server.put(4, 4)
		after(3 * time.Minute)
		equal(t, "delivered", r.engine.subjects(), "m1 m2 m3 m4")
		r.engine.settle(connectors.SettledFailed)
		after(10 * time.Minute)
		equal(t, "left of what failed", r.server.left(), "u4")
		if n, repeats := r.engine.counts(); n != 4 || repeats != 0 {
			t.Errorf("%d events, %d repeats", n, repeats)
		}
		run.end()
	})
}

// TestPOP3Whole: a mail comes byte for byte, dots at the beginning of lines included.
func TestPOP3Whole(t *testing.T) {
	popBubble(t, "", func(t *testing.T, r *popRig) {
		raw := "Subject: dots\r\n\r\n.\r\n..\r\n.x\r\nend\r\n"
		r.server.mails = []popMail{{"u", raw}}
		run := run(t, r.device, r.engine)
		after(time.Second)
		equal(t, "kept", string(r.files.kept["f0"]), raw)
		run.end()
	})
}

// TestPOP3LostQUIT: what was deleted without an answer is not missed; what was not
// deleted comes again as a repeat after a restart.
func TestPOP3LostQUIT(t *testing.T) {
	popBubble(t, "", func(t *testing.T, r *popRig) {
		r.engine.auto = true
		r.server.put(1, 2)
		first := run(t, r.device, r.engine)
		after(time.Second)
		first.end()
		r.restart(t, "") // before anything was deleted
		r.server.lostQUIT = true
		var err connectors.SendError
		for range 3 {
			again := run(t, r.device, r.engine)
			after(time.Minute)
			if len(again.ended) == 0 {
				again.end()
				break
			}
			err = again.end()
		}
		if err.Reason != connectors.ReasonCut {
			t.Errorf("the lost answer: %v", &err)
		}
		equal(t, "left", r.server.left(), "")
		if n, repeats := r.engine.counts(); n != 2 || repeats != 2 {
			t.Errorf("%d events, %d repeats", n, repeats)
		}
	})
}

// TestPOP3QUITNotHeard: what the server has not deleted is deleted the next time, and
// not fetched again for that.
func TestPOP3QUITNotHeard(t *testing.T) {
	popBubble(t, "", func(t *testing.T, r *popRig) {
		r.engine.auto = true
		r.server.put(1, 2)
		first := run(t, r.device, r.engine)
		after(time.Second)
		r.server.change(func() { r.server.hangUp["QUIT"] = true })
		after(time.Minute)
		equal(t, "left", r.server.left(), "u1 u2")
		if se := first.end(); se.Reason != connectors.ReasonCut {
			t.Error(&se)
		}
		again := run(t, r.device, r.engine)
		after(time.Minute)
		equal(t, "left", r.server.left(), "")
		if _, repeats := r.engine.counts(); repeats != 0 {
			t.Errorf("%d mails were fetched again", repeats)
		}
		again.end()
	})
}

// TestPOP3Faults: whatever the server does, at every command, nothing is lost or
// deleted too early, and Run says what it was.
func TestPOP3Faults(t *testing.T) {
	verbs := []string{"CONNECT", "CAPA", "USER", "PASS", "UIDL", "LIST", "RETR", "DELE", "QUIT"}
	for _, silent := range []bool{true, false} {
		for _, verb := range verbs {
			if verb == "CONNECT" && !silent {
				continue
			}
			t.Run(fmt.Sprintf("%s silent %v", verb, silent), func(t *testing.T) {
				popBubble(t, "", func(t *testing.T, r *popRig) {
					r.engine.auto = true
					r.server.put(1, 3)
					want := connectors.ReasonCut
					if r.server.hangUp[verb] = true; silent {
						delete(r.server.hangUp, verb)
						r.server.silent[verb] = true
						want = connectors.ReasonTimeout
					}
					first := run(t, r.device, r.engine)
					after(3 * time.Minute)
					if len(first.ended) == 0 {
						t.Fatal("Run goes on")
					}
					if se := connectors.AsSendError(<-first.ended); se.Reason != want {
						t.Errorf("%v, want %s", se, want)
					}
					again := run(t, r.device, r.engine)
					after(10 * time.Minute)
					if n, _ := r.engine.counts(); n != 3 {
						t.Errorf("%d events", n)
					}
					equal(t, "left", r.server.left(), "")
					again.end()
				})
			})
		}
	}
}

// TestPOP3Cut: a mail that breaks off is not taken for a mail.
func TestPOP3Cut(t *testing.T) {
	popBubble(t, "", func(t *testing.T, r *popRig) {
		r.server.put(1, 2)
		r.server.cut = true
		first := run(t, r.device, r.engine)
		after(time.Minute)
		if se := connectors.AsSendError(<-first.ended); se.Reason != connectors.ReasonCut {
			t.Error(se)
		}
		if n, _ := r.engine.counts(); n != 0 {
			t.Errorf("%d events of half a mail", n)
		}
		again := run(t, r.device, r.engine)
		after(time.Minute)
		equal(t, "delivered", r.engine.subjects(), "m1 m2")
		again.end()
	})
}

// TestPOP3OneRefused: a mail that cannot be had does not hold up the others.
func TestPOP3OneRefused(t *testing.T) {
	popBubble(t, ", MaxSize: 64KiB", func(t *testing.T, r *popRig) {
		r.engine.auto = true
		r.server.put(1, 1)
		r.server.mails = append(r.server.mails, popMail{"big", "Subject: big\r\n\r\n" + strings.Repeat("x", 100<<10) + "\r\n"})
		r.server.put(3, 3)
		r.server.refuse["TOP"] = "cannot"
		run := run(t, r.device, r.engine)
		after(10 * time.Minute)
		equal(t, "delivered", r.engine.subjects(), "m1 m3")
		equal(t, "left", r.server.left(), "big")
		r.server.change(func() { delete(r.server.refuse, "TOP") })
		after(2 * time.Hour)
		equal(t, "delivered", r.engine.subjects(), "m1 m3 big")
		equal(t, "left", r.server.left(), "")
		run.end()
	})
}

// TestPOP3SameUIDL: of two mails with one UIDL none is deleted that was not delivered.
func TestPOP3SameUIDL(t *testing.T) {
	popBubble(t, "", func(t *testing.T, r *popRig) {
		r.engine.auto = true
		r.server.mails = []popMail{{"u", string(testMail(1))}, {"u", string(testMail(2))}}
		run := run(t, r.device, r.engine)
		after(10 * time.Minute)
		equal(t, "delivered", r.engine.subjects(), "m1 m2")
		equal(t, "left", r.server.left(), "")
		run.end()
	})
}

func TestPOP3Backpressure(t *testing.T) {
	popBubble(t, "", func(t *testing.T, r *popRig) {
		r.server.put(1, 600)
		run := run(t, r.device, r.engine)
		for range 4 {
			after(10 * time.Minute)
			r.engine.settle(connectors.SettledDone)
		}
		after(10 * time.Minute)
		if n, repeats := r.engine.counts(); n != 600 || repeats != 0 || r.engine.most != maxWaiting {
			t.Errorf("%d events, %d repeats, at most %d at once", n, repeats, r.engine.most)
		}
		equal(t, "left", r.server.left(), "")
		run.end()
	})
}

func TestPOP3Unavailable(t *testing.T) {
	popBubble(t, "", func(t *testing.T, r *popRig) {
		r.engine.auto = true
		r.files.fails = fmt.Errorf("full: %w", connectors.ErrUnavailable)
		r.server.put(1, 2)
		run := run(t, r.device, r.engine)
		after(10 * time.Minute)
		equal(t, "left", r.server.left(), "u1 u2")
		r.files.mu.Lock()
		r.files.fails = nil
		r.files.mu.Unlock()
		after(10 * time.Minute)
		equal(t, "left", r.server.left(), "")
		run.end()
	})
}

// TestPOP3Logins: the ways in, and what is told of a refusal.
func TestPOP3Logins(t *testing.T) {
	for name, test := range map[string]struct {
		prepare func(r *popRig)
		reason  connectors.Reason
		words   string
	}{
		"PLAIN":       {prepare: func(r *popRig) { r.server.capa = "SASL PLAIN\r\n" }},
		"no CAPA":     {prepare: func(r *popRig) { r.server.capa = "" }},
		"password":    {prepare: func(r *popRig) { r.device.host.password = secretOf("wrong") }, reason: connectors.ReasonAuth, words: "user or password"},
		"in use":      {prepare: func(r *popRig) { r.server.refuse["PASS"] = "[IN-USE] locked by " + box }, reason: connectors.ReasonRate, words: "too many"},
		"overload":    {prepare: func(r *popRig) { r.server.refuse["PASS"] = "[SYS/TEMP] later" }, reason: connectors.ReasonServer, words: "cannot check"},
		"no UIDL":     {prepare: func(r *popRig) { r.server.refuse["UIDL"] = "what?" }, reason: connectors.ReasonAnswer, words: "UIDL"},
		"no STLS":     {prepare: func(r *popRig) { r.device.host.security = securityStartTLS }, reason: connectors.ReasonAnswer, words: "TLS"},
		"not allowed": {prepare: func(r *popRig) { r.server.refuse["USER"] = "POP3 is disabled for " + box }, reason: connectors.ReasonAuth, words: "not allowed"},
	} {
		t.Run(name, func(t *testing.T) {
			popBubble(t, "", func(t *testing.T, r *popRig) {
				r.server.put(1, 1)
				test.prepare(r)
				run := run(t, r.device, r.engine)
				after(time.Minute)
				if test.reason == "" {
					equal(t, "delivered", r.engine.subjects(), "m1")
					run.end()
					return
				}
				se := run.end()
				if se.Reason != test.reason || !strings.Contains(se.Error(), test.words) || se.Hint == "" {
					t.Errorf("%v, hint %q", &se, se.Hint)
				}
				if strings.Contains(se.Error()+se.Hint+se.Code, box) {
					t.Errorf("the user is told: %v", &se)
				}
			})
		})
	}
}

func FuzzDotReader(f *testing.F) {
	for _, s := range []string{".\r\n", "a\r\n..b\r\n.\r\nmore", "x", "..\r\n.\r\n", "a\n.\n", ".x\r\n.\r\n", strings.Repeat("y", 100) + "\r\n.\r\n", "\n.\n"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		r := bufio.NewReaderSize(bytes.NewReader(raw), 16)
		d := newDotReader(r)
		got, err := io.ReadAll(iotest.OneByteReader(d))
		if bytes.HasPrefix(raw, []byte("\n")) || bytes.Contains(raw, []byte("\n\n")) {
			return // behind an empty line without CR the standard library's reader sees no dot
		}
		// It writes line ends anew; but for that both agree.
		want, wantErr := io.ReadAll(textproto.NewReader(bufio.NewReader(bytes.NewReader(raw))).DotReader())
		if (err == nil) != (wantErr == nil) || err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Fatalf("%v, want %v", err, wantErr)
		}
		if err == nil && !bytes.Contains(raw, []byte("\r\r")) && !bytes.Equal(bytes.ReplaceAll(got, []byte("\r\n"), []byte("\n")), want) {
			t.Fatalf("%q, want %q", got, want)
		}
		if d.broken() != (err != nil) {
			t.Fatal("broken says otherwise")
		}
	})
}

func FuzzPOP3Lines(f *testing.F) {
	for _, s := range []string{"1 abc", "+OK", "-ERR [IN-USE] x", "+ abc", "0 x", "1", "99999999999 x", "-ERR [", "+1 x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, line string) {
		if n, said, err := numberLine(line); err == nil && (n < 1 || said == "" || strings.Contains(said, " ") || len(said) > maxUIDL) {
			t.Errorf("number %d, %q", n, said)
		}
		more, err := pop3Status(line)
		if more && (err != nil || line[0] != '+') {
			t.Errorf("%v %v", more, err)
		}
		if refused, ok := errors.AsType[*pop3Refusal](err); ok && strings.ContainsFunc(refused.Error(), controls) {
			t.Errorf("control characters in %q", refused.Error())
		}
		lines := 0
		err = readList(bufio.NewReaderSize(strings.NewReader(line), 16), func(line string) error {
			lines++
			return nil
		})
		if err == nil && !strings.Contains(line, ".") {
			t.Errorf("a list without an end, of %d lines", lines)
		}
	})
}
