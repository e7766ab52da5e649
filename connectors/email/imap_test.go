package email

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"servicelink/connectors"
	"servicelink/test/netsim/control"
	"servicelink/test/netsim/mail"
)

const (
	box  = "support@mail.test"
	word = "correct horse"
)

func filesIn(t testing.TB, dir string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// TestIMAP: a mail is marked when the core has it, not before; what comes while IDLE
// waits is fetched at once.
func TestIMAP(t *testing.T) {
	for name, way := range map[string]string{"implicit": "", "STARTTLS": ", Security: starttls", "polled": ", Idle: false, Poll: 2s"} {
		t.Run(name, func(t *testing.T) {
			bubble(t, mail.Options{}, way, func(t *testing.T, r *imapRig) {
				r.put(1, 3)
				run := run(t, r.device, r.engine)
				after(time.Second)
				r.want("delivered", r.engine.subjects(), "m1 m2 m3")
				r.want("INBOX before the end", r.folder("INBOX"), "m1 m2 m3")
				r.engine.settle(connectors.SettledDone)
				after(time.Second)
				if !strings.Contains(way, "Idle") {
					r.want("INBOX", r.folder("INBOX"), "")
				}
				r.put(4, 4)
				after(3 * time.Second)
				r.want("INBOX", r.folder("INBOX"), "m4")
				r.want("done", r.folder("Servicelink/Done"), "m1 m2 m3")
				r.want("delivered", r.engine.subjects(), "m1 m2 m3 m4")
				r.engine.settle(connectors.SettledFailed)
				after(3 * time.Second)
				r.want("failed", r.folder("Servicelink/Failed"), "m4")
				r.want("INBOX", r.folder("INBOX"), "")
				if se := run.end(); se.Reason != connectors.ReasonCanceled {
					t.Error(&se)
				}
				if m := r.engine.events[0].Message; m.From == "" || len(m.Files) != 1 || m.ReceivedAt.IsZero() {
					t.Errorf("got %+v", m)
				}
			})
		})
	}
}

// TestIMAPDone: the other ways of marking, and what servers lack.
func TestIMAPDone(t *testing.T) {
	for _, test := range []struct {
		name, settings, inbox, done string
		without                     []string
	}{
		{name: "folder", inbox: "", done: "m1 m2"},
		{name: "folder without MOVE", without: []string{"MOVE", "IMAP4REV2"}, inbox: "", done: "m1 m2"},
		{name: "folder without UIDPLUS", without: []string{"MOVE", "UIDPLUS", "IMAP4REV2"}, inbox: "m1 m2", done: "m1 m2"},
		{name: "delete", settings: ", Done: delete", inbox: "", done: ""},
		{name: "delete without UIDPLUS", settings: ", Done: delete", without: []string{"UIDPLUS", "IMAP4REV2"}, inbox: "m1 m2", done: ""},
		{name: "flag", settings: ", Done: flag", inbox: "m1 m2", done: ""},
		{name: "no IDLE", without: []string{"IDLE", "IMAP4REV2"}, inbox: "", done: "m1 m2"},
	} {
		t.Run(test.name, func(t *testing.T) {
			bubble(t, mail.Options{Without: test.without}, test.settings+", Poll: 5s", func(t *testing.T, r *imapRig) {
				r.engine.auto = true
				r.put(1, 2)
				run1 := run(t, r.device, r.engine)
				after(time.Minute)
				r.want("INBOX", r.folder("INBOX"), test.inbox)
				r.want("done", r.folder("Servicelink/Done"), test.done)
				run1.end()
				// What is done stays done, over a restart.
				second := newIMAPRigOn(r, test.settings)
				run2 := run(t, second.device, second.engine)
				after(time.Minute)
				if n, _ := second.engine.counts(); n != 0 {
					t.Errorf("%d mails come again", n)
				}
				run2.end()
			})
		})
	}
}

// newIMAPRigOn is another process before the same server.
func newIMAPRigOn(r *imapRig, settings string) *imapRig {
	r.Helper()
	again := &imapRig{T: r.T, server: r.server, engine: newTestEngine(), files: r.files}
	text := fmt.Sprintf("{Host: mail.test, User: %s, Password: %s%s}", box, word, settings)
	device, err := newImapHost(testChannel(r.T, text), connectors.Dependencies{Log: testLog(), Files: r.files})
	if err != nil {
		r.Fatal(err)
	}
	again.device = device.(*imapHost)
	again.device.host.dial, again.device.host.tls = r.server.Dial, r.device.host.tls
	return again
}

// TestIMAPCrash: without Settled a mail comes again, as the same event.
func TestIMAPCrash(t *testing.T) {
	bubble(t, mail.Options{}, "", func(t *testing.T, r *imapRig) {
		r.put(1, 5)
		first := run(t, r.device, r.engine)
		after(time.Second)
		first.end()
		second := newIMAPRigOn(r, "")
		second.engine = r.engine
		again := run(t, second.device, r.engine)
		after(time.Second)
		if n, repeats := r.engine.counts(); n != 5 || repeats != 5 {
			t.Errorf("%d events, %d repeats", n, repeats)
		}
		r.engine.settle(connectors.SettledDone)
		after(time.Second)
		r.want("done", r.folder("Servicelink/Done"), "m1 m2 m3 m4 m5")
		again.end()
	})
}

// TestIMAPUIDValidity: the mailbox is numbered anew, between two connections and
// within one; nothing is lost, and nothing is marked by an old number.
func TestIMAPUIDValidity(t *testing.T) {
	for _, kick := range []bool{true, false} {
		t.Run(fmt.Sprint("between ", kick), func(t *testing.T) {
			bubble(t, mail.Options{}, ", Poll: 5s", func(t *testing.T, r *imapRig) {
				r.put(1, 3)
				first := run(t, r.device, r.engine)
				after(time.Second)
				if kick {
					first.end()
				}
				if err := r.server.Renumber(box, "INBOX"); err != nil {
					t.Fatal(err)
				}
				if kick {
					first = run(t, r.device, r.engine)
				}
				after(10 * time.Second)
				for len(first.ended) > 0 { // the server hung up
					<-first.ended
					first = run(t, r.device, r.engine)
					after(10 * time.Second)
				}
				r.engine.settle(connectors.SettledDone)
				after(10 * time.Second)
				if n, _ := r.engine.counts(); n != 3 {
					t.Errorf("%d events", n)
				}
				r.want("INBOX", r.folder("INBOX"), "")
				r.want("done", r.folder("Servicelink/Done"), "m1 m2 m3")
				first.end()
			})
		})
	}
}

// TestIMAPBackpressure: no more is fetched than may be under way.
func TestIMAPBackpressure(t *testing.T) {
	bubble(t, mail.Options{}, "", func(t *testing.T, r *imapRig) {
		r.put(1, 600)
		run := run(t, r.device, r.engine)
		for range 10 {
			after(time.Minute)
			if n, _ := r.engine.counts(); n%maxWaiting != 0 && n != 600 {
				t.Errorf("%d mails are under way", n)
			}
			r.engine.settle(connectors.SettledDone)
		}
		after(time.Minute)
		if n, repeats := r.engine.counts(); n != 600 || repeats != 0 || r.engine.most > maxWaiting {
			t.Errorf("%d mails, %d repeats, at most %d at once", n, repeats, r.engine.most)
		}
		if n, err := r.server.Count(box, "Servicelink/Done"); err != nil || n != 600 {
			t.Errorf("%d done, %v", n, err)
		}
		if r.files.most > readers {
			t.Errorf("%d files are written at the same time", r.files.most)
		}
		run.end()
	})
}

// TestIMAPUnavailable: neither the engine nor the disk takes anything: nothing is
// marked, and everything comes when they do.
func TestIMAPUnavailable(t *testing.T) {
	for _, disk := range []bool{true, false} {
		t.Run(fmt.Sprint("disk ", disk), func(t *testing.T) {
			bubble(t, mail.Options{}, "", func(t *testing.T, r *imapRig) {
				fail := func(err error) {
					if disk {
						r.files.mu.Lock()
						r.files.fails = err
						r.files.mu.Unlock()
					} else {
						r.engine.fail(err)
					}
				}
				r.engine.auto = true
				fail(fmt.Errorf("full: %w", connectors.ErrUnavailable))
				r.put(1, 3)
				run := run(t, r.device, r.engine)
				after(time.Minute)
				r.want("INBOX", r.folder("INBOX"), "m1 m2 m3")
				fail(nil)
				after(2 * maxRest)
				r.want("done", r.folder("Servicelink/Done"), "m1 m2 m3")
				if n, repeats := r.engine.counts(); n != 3 || repeats != 0 {
					t.Errorf("%d events, %d repeats", n, repeats)
				}
				run.end()
			})
		})
	}
}

// TestIMAPTooBig: the header is what comes of it, and the others are not held up.
func TestIMAPTooBig(t *testing.T) {
	bubble(t, mail.Options{}, ", MaxSize: 64KiB", func(t *testing.T, r *imapRig) {
		r.engine.auto = true
		big := append([]byte("From: b@example.org\r\nSubject: big\r\n\r\n"), make([]byte, 100<<10)...)
		if err := r.server.Append(box, big); err != nil {
			t.Fatal(err)
		}
		r.put(1, 1)
		run := run(t, r.device, r.engine)
		after(time.Second)
		r.want("delivered", r.engine.subjects(), "big m1")
		if m := r.engine.events[0].Message; !strings.Contains(m.Problem, "too large") {
			t.Errorf("got %q", m.Problem)
		}
		r.want("done", r.folder("Servicelink/Done"), "big m1")
		run.end()
	})
}

// TestIMAPFaults: whatever the server does, Run returns what an operator understands,
// and the next one goes on where nothing was lost.
func TestIMAPFaults(t *testing.T) {
	for _, test := range []struct {
		fault  control.Fault
		reason connectors.Reason // empty: Run goes on
		hint   string
	}{
		{control.Fault{Kind: control.Swallow, Method: "imap.AUTHENTICATE"}, connectors.ReasonTimeout, "does not answer"},
		{control.Fault{Kind: control.Swallow, Method: "imap.SELECT"}, connectors.ReasonTimeout, "does not answer"},
		{control.Fault{Kind: control.Swallow, Method: "imap.SEARCH"}, connectors.ReasonTimeout, "does not answer"},
		{control.Fault{Kind: control.Swallow, Method: "imap.FETCH"}, connectors.ReasonTimeout, "does not answer"},
		{control.Fault{Kind: control.Swallow, Method: "imap.MOVE"}, connectors.ReasonTimeout, "does not answer"},
		{control.Fault{Kind: control.Outage, Method: "imap.FETCH"}, connectors.ReasonCut, ""},
		{control.Fault{Kind: control.Cut, Method: "imap.FETCH"}, connectors.ReasonCut, ""},
		{control.Fault{Kind: control.Unauthorized, Method: "imap.AUTHENTICATE"}, connectors.ReasonAuth, "Password"},
		{control.Fault{Kind: control.Strange, Method: "imap.SEARCH"}, "", ""},
		{control.Fault{Kind: control.Strange, Method: "imap.SELECT"}, "", ""},
		{control.Fault{Kind: control.Lose, Method: "imap.IDLE"}, "", ""},
		{control.Fault{Kind: control.Refuse, Method: "imap.IDLE"}, "", ""},
	} {
		t.Run(string(test.fault.Kind)+" "+test.fault.Method, func(t *testing.T) {
			bubble(t, mail.Options{}, "", func(t *testing.T, r *imapRig) {
				r.engine.auto = true
				r.put(1, 3)
				test.fault.Account, test.fault.Times = "", 1
				if err := r.server.Fault(test.fault); err != nil {
					t.Fatal(err)
				}
				first := run(t, r.device, r.engine)
				after(2 * time.Minute)
				if test.reason != "" {
					if len(first.ended) == 0 {
						t.Fatal("Run goes on")
					}
					se := connectors.AsSendError(<-first.ended)
					if se.Reason != test.reason || !strings.Contains(se.Hint, test.hint) {
						t.Errorf("%v, hint %q", se, se.Hint)
					}
					for _, secret := range []string{word, box, "example.org"} {
						if strings.Contains(se.Error()+se.Hint, secret) {
							t.Errorf("%q is told: %v", secret, se)
						}
					}
					first = run(t, r.device, r.engine)
				}
				after(time.Minute)
				r.put(4, 4)
				after(3 * time.Minute)
				r.want("delivered", r.engine.subjects(), "m1 m2 m3 m4")
				r.want("done", r.folder("Servicelink/Done"), "m1 m2 m3 m4")
				if se := first.end(); se.Reason != connectors.ReasonCanceled {
					t.Error(&se)
				}
			})
		})
	}
}

// TestIMAPRefusals: what is wrong with the settings is told in words for who can
// change them.
func TestIMAPRefusals(t *testing.T) {
	for _, test := range []struct {
		name, settings string
		spoil          func(r *imapRig)
		reason         connectors.Reason
		words, hint    string
	}{
		{name: "mailbox", settings: ", Mailbox: Nowhere", reason: connectors.ReasonNotFound, words: "no mailbox", hint: "INBOX"},
		{name: "password", spoil: func(r *imapRig) { r.device.host.user = "other" }, reason: connectors.ReasonAuth, words: "user or password", hint: "Password"},
		{name: "host", spoil: func(r *imapRig) { r.device.host.tls.ServerName = "other.test" }, reason: connectors.ReasonConnect, words: "certificate is for another name", hint: "Host"},
		{name: "authority", spoil: func(r *imapRig) { r.device.host.tls.RootCAs = nil }, reason: connectors.ReasonConnect, words: "certificate of mail.test", hint: "CA"},
		{name: "no TLS there", settings: ", Port: 143", reason: connectors.ReasonConnect, words: "does not begin with TLS", hint: "starttls"},
		{name: "plain", settings: ", Security: none", reason: connectors.ReasonAuth, words: "password", hint: "Security"},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := newIMAPRig(t, mail.Options{}, test.settings)
			if test.spoil != nil {
				test.spoil(r)
			}
			se := connectors.AsSendError(r.device.Run(t.Context(), r.engine))
			if se.Reason != test.reason || !strings.Contains(se.Error(), test.words) || !strings.Contains(se.Hint, test.hint) {
				t.Errorf("%v, hint %q", se, se.Hint)
			}
		})
	}
}

// TestIMAPByToken: XOAUTH2; a token that has ended is replaced on the same connection.
func TestIMAPByToken(t *testing.T) {
	bubble(t, mail.Options{}, "", func(t *testing.T, r *imapRig) {
		endpoint := &tokenServer{next: "old"}
		r.device.host.tokens = newTestTokens(t, endpoint)
		if _, _, err := r.device.host.tokens.get(t.Context()); err != nil {
			t.Fatal(err)
		}
		endpoint.next = "new"
		if err := r.server.SetToken(box, "new"); err != nil {
			t.Fatal(err)
		}
		r.put(1, 1)
		first := run(t, r.device, r.engine)
		after(time.Second)
		r.want("delivered", r.engine.subjects(), "m1")
		first.end()
		if err := r.server.SetToken(box, "another"); err != nil {
			t.Fatal(err)
		}
		again := run(t, r.device, r.engine)
		after(time.Minute)
		if se := again.end(); se.Reason != connectors.ReasonAuth || !strings.Contains(se.Error(), "access token") {
			t.Errorf("%v", &se)
		}
	})
}

// TestIMAPExamine: what is well and what is not, in a fixed order, and nothing is
// changed by it.
func TestIMAPExamine(t *testing.T) {
	names := []connectors.CheckName{
		connectors.CheckNetwork, connectors.CheckTLS, connectors.CheckCredentials, connectors.CheckPermissions, connectors.CheckBacklog,
	}
	for name, test := range map[string]struct {
		o        mail.Options
		settings string
		spoil    func(r *imapRig)
		bad      connectors.CheckName
		state    connectors.CheckState
	}{
		"well":     {},
		"password": {spoil: func(r *imapRig) { r.device.host.password = secretOf("wrong") }, bad: connectors.CheckCredentials, state: connectors.CheckFailed},
		"mailbox":  {settings: ", Mailbox: Nowhere", bad: connectors.CheckPermissions, state: connectors.CheckFailed},
		"no MOVE":  {o: mail.Options{Without: []string{"MOVE", "UIDPLUS", "IMAP4REV2"}}, bad: connectors.CheckPermissions, state: connectors.CheckWarning},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, test.o, test.settings, func(t *testing.T, r *imapRig) {
				r.put(1, 1)
				if test.spoil != nil {
					test.spoil(r)
				}
				checks := r.device.Examine(t.Context(), connectors.Examination{})
				for i, check := range checks {
					want := connectors.CheckOK
					if check.Name == test.bad {
						want = test.state
					}
					if check.State != want && check.State != connectors.CheckUnknown && check.Name != connectors.CheckTLS || check.Name != names[i] {
						t.Errorf("got %+v", check)
					}
					if check.Fault != "" && check.Cure == "" || strings.Contains(check.Found+check.Cure, box) {
						t.Errorf("got %+v", check)
					}
				}
				if len(checks) != len(names) {
					t.Errorf("%d checks", len(checks))
				}
				list, err := r.server.Messages(box)
				if err != nil || len(list) != 1 || r.folder("INBOX") != "m1" {
					t.Errorf("changed: %v, %v", list, err)
				}
			})
		})
	}
}
