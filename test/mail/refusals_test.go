//go:build mail

package mail

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"servicelink/simprot"
	"servicelink/simprot/refcore"
	"servicelink/test/ports"
	"servicelink/test/proc"
)

// sent is what the core must hear of a message.
type sent struct {
	what    string
	args    []string // of smtp-sink
	address string   // of the recipient; empty = alice
	state   refcore.MessageState
	begins  string // of the error
	holds   string
}

// TestSink: Postfix' smtp-sink refuses, softly and for good, and hangs up at every
// stage of a mail; the core hears in time what became of it, and what may be done.
func TestSink(t *testing.T) {
	t.Parallel()
	x := newHouse(t, newHost(t))
	failed := refcore.MessageFailed
	var cases []sent
	for stage, name := range map[string]string{"ehlo,helo": "greeting", "mail": "sender", "rcpt": "recipient", "data": "data", ".": "dot"} {
		cases = append(cases,
			sent{what: "later at " + name, args: []string{"-r", stage}, state: failed, begins: "not sent:"},
			sent{what: "gone at " + name, args: []string{"-q", stage}, state: failed, begins: "not sent:"},
		)
		hard := sent{what: "refused at " + name, args: []string{"-f", stage}, state: failed, begins: "refused:", holds: "500"}
		if name == "greeting" {
			hard.begins = "not sent:" // it would be so for every mail
		}
		cases = append(cases, hard)
	}
	for i, c := range cases {
		if c.what == "gone at dot" {
			cases[i].begins = "unknown:"
		}
	}
	cases = append(cases, sent{what: "taken", state: refcore.MessageSent})
	gateways := x.gateways()
	ids := make([]uuid.UUID, len(cases))
	for i, c := range cases {
		address := ports.For(t)
		p, err := proc.Start(x.create(strings.ReplaceAll(c.what, " ", "-")+".log"), nil, "smtp-sink", append(c.args, "-u", "nobody", address, "100")...)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(p.Kill)
		await(t, "smtp-sink", p, address)
		ids[i] = uuid.New()
		host, port, _ := strings.Cut(address, ":")
		gateways = append(gateways, &simprot.GatewayInfo{
			Id: ids[i], DisplayName: c.what, PeerAddress: "@servicelink", Direction: simprot.DirectionOut,
			Device: fmt.Sprintf(`SmtpHost {"Host": %q, "Port": %s, "Security": "none", "From": %q}`, host, port, support),
		})
	}
	x.register(gateways...)
	x.restartGateway()
	messages := make([]uuid.UUID, len(cases))
	for i := range cases {
		messages[i] = x.sendBy(ids[i], simprot.MessageContentInfo{RemoteAddress: "alice@" + domain, SubjectField: "x", BodyText: "x"})
	}
	x.check(cases, messages)
}

// TestStages: what aiosmtpd says at a stage, by the recipient's name, is what the core
// is told, with its code.
func TestStages(t *testing.T) {
	t.Parallel()
	python := os.Getenv("PYTHON")
	if python == "" {
		python = "/usr/bin/python3"
	}
	x := newHouse(t, newHost(t))
	address := ports.For(t)
	_, port, _ := strings.Cut(address, ":")
	p, err := proc.Start(x.create("aiosmtpd.log"), nil, python, "stages.py", port)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Kill)
	await(t, "aiosmtpd", p, address)
	gateways := x.gateways()
	gateways[1].Device = fmt.Sprintf(`SmtpHost {"Host": "127.0.0.1", "Port": %s, "Security": "none", "From": %q}`, port, support)
	x.register(gateways...)
	x.restartGateway()
	failed := refcore.MessageFailed
	cases := []sent{
		{what: "taken", address: "bob@example.test", state: refcore.MessageSent},
		{what: "no such user", address: "rcpt-550-5.1.1@example.test", state: failed, begins: "refused:", holds: "550"},
		{what: "mailbox full", address: "rcpt-452-4.2.2@example.test", state: failed, begins: "not sent:", holds: "452"},
		{what: "spam", address: "dot-554-5.7.1@example.test", state: failed, begins: "refused:", holds: "554"},
		{what: "too big", address: "dot-552-5.3.4@example.test", state: failed, begins: "refused:", holds: "552"},
		{what: "try later", address: "dot-451-4.3.0@example.test", state: failed, begins: "not sent:", holds: "451"},
		{what: "no answer to the dot", address: "dot-none@example.test", state: failed, begins: "unknown:"},
	}
	messages := make([]uuid.UUID, len(cases))
	for i, c := range cases {
		messages[i] = x.send(simprot.MessageContentInfo{RemoteAddress: c.address, SubjectField: c.what, BodyText: "x"})
	}
	x.check(cases, messages)
}

// check compares what the core heard, and that it heard it in time and once.
func (x *house) check(cases []sent, messages []uuid.UUID) {
	x.Helper()
	for i, c := range cases {
		m := x.settled(messages[i])
		if m.State != c.state || !strings.HasPrefix(m.Error, c.begins) || !strings.Contains(m.Error, c.holds) {
			x.Errorf("%s: it is %s: %q", c.what, m.State, m.Error)
		}
		if took := m.Settled.Sub(m.Sent); took > 85*time.Second || m.Sends != 1 {
			x.Errorf("%s: answered after %v, said %d times", c.what, took, m.Sends)
		}
		x.Logf("%s: %s after %v: %s", c.what, m.State, m.Settled.Sub(m.Sent).Round(time.Second), m.Error)
	}
	x.offences()
}

// sendBy has the core send a message by a gateway.
func (x *house) sendBy(gateway uuid.UUID, m simprot.MessageContentInfo) uuid.UUID {
	x.Helper()
	m.GatewayId = gateway
	var told struct{ ID uuid.UUID }
	if err := x.api.Call(x.Context(), http.MethodPost, "/api/messages", m, &told); err != nil {
		x.Fatal(err)
	}
	return told.ID
}

// TestInTime, in real time: a server that says nothing at all is told to the core
// before 90 s are over, and a core that takes 70 s for its answer is waited for: the
// mail is not said again, and not marked before.
func TestInTime(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	x := newHouse(t, h)
	silent := ports.For(t)
	l := listen(t, silent)
	defer l.Close()
	host, port, _ := strings.Cut(silent, ":")
	gateways := x.gateways()
	gateways[1].Device = fmt.Sprintf(`SmtpHost {"Host": %q, "Port": %s, "Security": "none", "From": %q}`, host, port, support)
	x.register(gateways...)
	x.restartGateway()
	if err := x.api.Call(t.Context(), http.MethodPost, "/api/fault", map[string]any{
		"kind": refcore.FaultLate, "code": simprot.CodeMessageIn, "delay_ms": 70_000,
	}, nil); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	id := x.send(simprot.MessageContentInfo{RemoteAddress: "alice@" + domain, SubjectField: "into the silence", BodyText: "x"})
	h.deliver(t, support, customerMail("to a slow core", "slow@customer.test", "", "x"))
	x.inbound("to a slow core")
	for time.Since(began) < 65*time.Second {
		if len(h.folder(t, support, "INBOX")) != 1 {
			t.Fatal("the mail is marked before the core has answered")
		}
		<-time.After(time.Second)
	}
	x.until("the mail is done", func() bool { return len(h.folder(t, support, "Servicelink/Done")) == 1 })
	if m := x.inbound("to a slow core"); m.Repeats != 0 {
		t.Errorf("it was said %d times more", m.Repeats)
	}
	m := x.settled(id)
	took := m.Settled.Sub(m.Sent)
	if m.State != refcore.MessageFailed || !strings.HasPrefix(m.Error, "not sent:") || took > 86*time.Second || m.Sends != 1 {
		t.Errorf("after %v it is %s: %q, said %d times", took, m.State, m.Error, m.Sends)
	}
	t.Logf("answered after %v: %s", took, m.Error)
	x.offences()
}

// TestExpired: a certificate whose time is over is told as such.
func TestExpired(t *testing.T) {
	t.Parallel()
	h := newReal(t, time.Now().Add(-time.Hour))
	x := newHouse(t, h)
	h.deliver(t, support, customerMail("behind an old certificate", "old@customer.test", "", "x"))
	x.told(mailbox, "expired")
	if len(h.folder(t, support, "INBOX")) != 1 {
		t.Error("the mail is not in its mailbox any more")
	}
	id := x.send(simprot.MessageContentInfo{RemoteAddress: "alice@" + domain, SubjectField: "x", BodyText: "x"})
	if m := x.settled(id); m.State != refcore.MessageFailed || !strings.HasPrefix(m.Error, "not sent:") {
		t.Errorf("it is %s: %q", m.State, m.Error)
	}
	x.offences()
}

// TestByPOP3: the same mailbox by POP3: a mail is gone from it when the core has it.
func TestByPOP3(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	x := newHouse(t, h)
	gateways := x.gateways()
	gateways[0].Device = device("Pop3Host", map[string]any{"Poll": "5s"}, h.pop3(), h.ca())
	x.register(gateways...)
	x.restartGateway()
	for i := range 20 {
		h.deliver(t, support, customerMail(fmt.Sprint("by POP3 ", i), fmt.Sprintf("pop%d@customer.test", i), "", "x"))
	}
	x.until("the mailbox is empty", func() bool { return len(h.folder(t, support, "INBOX")) == 0 })
	x.killGateway()
	h.deliver(t, support, customerMail("by POP3 last", "last@customer.test", "", "x"))
	x.inbound("by POP3 last")
	if n := len(x.messages(simprot.DirectionIn)); n != 21 {
		t.Errorf("the core has %d messages of 21", n)
	}
	x.offences()
}

// TestByFolder: mails that are put into a folder.
func TestByFolder(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	drop := t.TempDir()
	x := newHouse(t, h)
	x.more = fmt.Sprintf("messages: { refresh: 30s, drop_dir: %q }\n", drop)
	x.configure()
	gateways := x.gateways()
	gateways[0].Device = fmt.Sprintf(`DropFolder {"Path": %q, "Poll": "1s"}`, filepath.Join(drop, "support"))
	if err := os.Mkdir(filepath.Join(drop, "support"), 0o700); err != nil {
		t.Fatal(err)
	}
	x.register(gateways...)
	x.restartGateway()
	if err := os.WriteFile(filepath.Join(drop, "support", "a.eml"), customerMail("by folder", "folder@customer.test", "", "x"), 0o600); err != nil {
		t.Fatal(err)
	}
	x.inbound("by folder")
	x.until("the file is done", func() bool {
		_, err := os.Stat(filepath.Join(drop, "support", "done", "a.eml"))
		return err == nil
	})
	x.offences()
}
