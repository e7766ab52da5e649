//go:build second

package second

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/uuid"

	"servicelink/simprot"
	"servicelink/test/netsim/mail"
	"servicelink/test/proc"
)

const (
	mailbox      = "support@shop.example"
	mailPassword = "password of the example core's mailbox"
	mails        = 25 // at a time
	doneFolder   = "Servicelink/Done"
)

// TestMailWithExampleCore lets a gateway and the example core, which was written
// from SPEC.md alone, carry mails both ways, in both encodings, while the core is
// killed, the wire is cut and answers are lost: what comes is there once and leaves
// the mailbox, what is sent is sent once and answered.
func TestMailWithExampleCore(t *testing.T) {
	t.Parallel()
	bin := t.TempDir()
	if err := proc.Build(t.Context(), bin, "servicelink/cmd/servicelink"); err != nil {
		t.Fatal(err)
	}
	for _, encoding := range []string{"msgpack", "json"} {
		t.Run(encoding, func(t *testing.T) {
			host := newMailHost(t)
			core := startCore(t, "--gateways", host.register(t), "--resend", "4")
			wire := newRelay(t, core.address)
			startGateway(t, filepath.Join(bin, "servicelink"), wire.address, encoding)
			post := &post{T: t, host: host, core: core, texts: map[string]bool{}}
			post.exchange("at first", func() {})
			post.exchange("during a kill", func() {
				// What was typed and not read ends with the process.
				until(t, "the core has read all", func() bool { return core.written() == len(post.texts) }, func() any { return core.written() })
				core.restart(syscall.SIGKILL)
			})
			post.exchange("during a cut", func() {
				if wire.cut() == 0 {
					t.Error("there was nothing to cut")
				}
			})
			wire.muted.Store(true)
			before := len(core.received())
			post.exchange("while answers are lost", func() {
				until(t, "the core has mails that it is asked about again", func() bool { return len(core.received()) > before }, func() any { return before })
				wire.cut()
			})
			post.check()
		})
	}
}

func customer(i int) string { return fmt.Sprintf("c%d@customer.example", i) }

// mailHost is a mail host in this process, and the two gateways that work it.
type mailHost struct {
	*mail.Server
	in, out uuid.UUID
}

func newMailHost(t *testing.T) *mailHost {
	t.Helper()
	s, err := mail.New(mail.Options{Plain: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	for i := range mails {
		if err := s.AddMailbox(customer(i), "unused"); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.AddMailbox(mailbox, mailPassword); err != nil {
		t.Fatal(err)
	}
	return &mailHost{Server: s, in: uuid.New(), out: uuid.New()}
}

// register is the file of --gateways.
func (h *mailHost) register(t *testing.T) string {
	t.Helper()
	device := func(name, address string, more map[string]any) string {
		host, port, _ := strings.Cut(address, ":")
		settings := map[string]any{"Host": host, "Port": json.Number(port), "Security": "none", "User": mailbox, "Password": mailPassword}
		maps.Copy(settings, more)
		text, err := json.Marshal(settings)
		if err != nil {
			t.Fatal(err)
		}
		return name + " " + string(text)
	}
	return writeRegister(t, simprot.GatewayList{
		{Id: h.in, PeerAddress: "@servicelink", Direction: simprot.DirectionIn, Device: device("ImapHost", h.IMAP(), nil)},
		{Id: h.out, PeerAddress: "@servicelink", Direction: simprot.DirectionOut, Device: device("SmtpHost", h.SMTP(), map[string]any{"From": mailbox})},
	})
}

// post is what was written, to be compared with what arrived.
type post struct {
	*testing.T
	host  *mailHost
	core  *exampleCore
	ids   []string // Message-IDs of customers' mails
	texts map[string]bool
}

// exchange lets customers write and the agent, with something happening half way,
// and waits until all has arrived.
func (p *post) exchange(what string, happens func()) {
	p.Helper()
	for i := range mails {
		if i == mails/2 {
			happens()
		}
		id := fmt.Sprintf("%d.%s@customer.example", len(p.ids), uuid.NewString())
		p.ids = append(p.ids, id)
		raw := fmt.Sprintf("From: Customer <%s>\r\nTo: %s\r\nSubject: %s\r\nMessage-ID: <%s>\r\n"+
			"Date: Mon, 23 Nov 2026 09:00:00 +0000\r\n\r\nquestion %d\r\n", customer(i), mailbox, what, id, i)
		if err := p.host.Append(mailbox, []byte(raw)); err != nil {
			p.Fatal(err)
		}
		text := fmt.Sprintf("answer %d %s", i, what)
		p.texts[text] = true
		p.core.types(fmt.Sprintf("/mail %s %s %s", p.host.out, customer(i), text))
	}
	until(p.T, what+": the core has every mail", func() bool { return len(p.core.received()) >= len(p.ids) },
		func() any { return len(p.core.received()) })
	until(p.T, what+": every mail has left the mailbox", func() bool { return p.count("INBOX") == 0 && p.count(doneFolder) == len(p.ids) },
		func() any { return fmt.Sprint(p.count("INBOX"), p.count(doneFolder)) })
	until(p.T, what+": every answer is sent", func() bool { return len(p.core.sent()) >= len(p.texts) },
		func() any { return len(p.core.sent()) })
}

func (p *post) count(folder string) int {
	p.Helper()
	n, err := p.host.Count(mailbox, folder)
	if err != nil {
		p.Fatal(err)
	}
	return n
}

// check compares all that was written with all that arrived.
func (p *post) check() {
	p.Helper()
	got := map[string]int{}
	for _, id := range p.core.received() {
		got[id]++
	}
	for _, id := range p.ids {
		if got[id] != 1 {
			p.Errorf("the core has %s %d times", id, got[id])
		}
	}
	for id, failure := range p.core.sent() {
		if failure != "" {
			p.Errorf("%s was not sent: %s", id, failure)
		}
	}
	deliveries := p.host.Deliveries()
	seen := map[string]int{}
	for _, d := range deliveries {
		for text := range p.texts {
			if strings.Contains(string(d.Raw), "\r\n\r\n"+text+"\r\n") {
				seen[text]++
			}
		}
	}
	for text := range p.texts {
		if seen[text] != 1 {
			p.Errorf("%q was sent %d times", text, seen[text])
		}
	}
	if len(deliveries) != len(p.texts) {
		p.Errorf("%d mails were sent, %d written", len(deliveries), len(p.texts))
	}
}

// received are the DeliverySystemIds of the messages in the core's store.
func (c *exampleCore) received() (ids []string) {
	c.t.Helper()
	c.stored(func(event messageEvent) {
		if len(event.Received) == 2 {
			ids = append(ids, event.Received[1])
		}
	})
	return ids
}

// written counts the agent's messages in the core's store.
func (c *exampleCore) written() (n int) {
	c.t.Helper()
	c.stored(func(event messageEvent) {
		if event.Sending != nil {
			n++
		}
	})
	return n
}

// sent is what became of the agent's messages that were answered: their errors.
func (c *exampleCore) sent() map[string]string {
	c.t.Helper()
	all := map[string]string{}
	c.stored(func(event messageEvent) {
		if event.Sending == nil && event.Received == nil && event.Message != "" {
			all[event.Message] = event.Error
		}
	})
	return all
}

// messageEvent is a line of the core's store that is about a message.
type messageEvent struct {
	Message  string
	Received []string
	Sending  json.RawMessage
	Error    string
}

func (c *exampleCore) stored(yield func(messageEvent)) {
	c.t.Helper()
	text, err := os.ReadFile(c.store)
	if err != nil {
		c.t.Fatal(err)
	}
	for line := range strings.SplitSeq(string(text), "\n") {
		var event messageEvent
		if json.Unmarshal([]byte(line), &event) == nil { // else the last one, half written
			yield(event)
		}
	}
}
