package mail

import (
	"bytes"
	"fmt"
	"net/mail"
	"strings"
	"testing"

	"servicelink/simprot"
	"servicelink/simprot/refcore"
)

// TestThreads: a customer's mail, the agent's answer, the customer's answer to that,
// another answer: each names the one before it on both sides, whatever the length of
// its Message-ID.
func TestThreads(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	x := newHouse(t, h)
	for name, id := range map[string]string{
		"short":    "first@customer.test",
		"too long": strings.Repeat("long-", 30) + "@customer.test",
	} {
		t.Run(name, func(t *testing.T) {
			x.T = t
			subject := "a question, " + name
			h.deliver(t, support, customerMail(subject, id, "", "Is it open?"))
			first := x.inbound(subject)
			if first.Content.RemoteAddress != "alice@"+domain || first.Content.BodyText == "" || !strings.Contains(first.Content.BodyText, "Is it open?") {
				t.Errorf("the core has %+v", first.Content)
			}
			answer := x.reply(first, "Yes, it is.")
			got := x.arrived("alice@"+domain, answer.Content.DeliverySystemId)
			if reply := got.Header.Get("In-Reply-To"); reply != "<"+id+">" {
				t.Errorf("In-Reply-To is %q", reply)
			}
			if refs := strings.Fields(got.Header.Get("References")); len(refs) != 1 || refs[0] != "<"+id+">" {
				t.Errorf("References are %q", refs)
			}
			h.deliver(t, support, customerMail("Re: "+subject, "second-"+id, answer.Content.DeliverySystemId, "Thank you."))
			second := x.inbound("Re: " + subject)
			if second.Thread != first.Thread || second.Content.InReplyToId != answer.Content.DeliverySystemId {
				t.Errorf("the second mail answers %q in thread %s, not %s", second.Content.InReplyToId, second.Thread, first.Thread)
			}
			last := x.reply(second, "You are welcome.")
			got = x.arrived("alice@"+domain, last.Content.DeliverySystemId)
			refs := strings.Fields(got.Header.Get("References"))
			want := []string{"<" + answer.Content.DeliverySystemId + ">", "<second-" + id + ">"}
			if len(refs) < 2 || refs[len(refs)-2] != want[0] || refs[len(refs)-1] != want[1] {
				t.Errorf("References are %q, and should end with %q", refs, want)
			}
			if last.Thread != first.Thread {
				t.Error("the last answer is in another thread")
			}
		})
	}
	x.T = t
	x.offences()
}

// TestRefused: a recipient that the mail server does not know is told to the core with
// the server's words; a second one of the same message gets it.
func TestRefused(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	x := newHouse(t, h)
	id := x.send(simprot.MessageContentInfo{RemoteAddress: "nobody-here@" + domain, SubjectField: "to nobody", BodyText: "x"})
	if m := x.settled(id); m.State != refcore.MessageFailed || !strings.Contains(m.Error, "550") || !strings.HasPrefix(m.Error, "refused:") {
		t.Errorf("it is %s: %q", m.State, m.Error)
	}
	id = x.send(simprot.MessageContentInfo{
		RemoteAddress: "bob@" + domain, SubjectField: "to two", BodyText: "x",
		ExtendedFields: fmt.Sprintf(`{"To": ["bob@%[1]s"], "Bcc": ["nobody-here@%[1]s"]}`, domain),
	})
	m := x.settled(id)
	if m.State != refcore.MessageFailed || !strings.HasPrefix(m.Error, "partly sent:") || !strings.Contains(m.Error, "nobody-here@"+domain) {
		t.Errorf("it is %s: %q", m.State, m.Error)
	}
	got := x.arrived("bob@"+domain, m.Content.DeliverySystemId)
	if got.Header.Get("Bcc") != "" {
		t.Error("the hidden recipient is not")
	}
	x.offences()
}

// customerMail is a mail of alice's.
func customerMail(subject, id, answers, text string) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "From: Alice <alice@%s>\r\nTo: Support <%s>\r\nSubject: %s\r\nMessage-ID: <%s>\r\n", domain, support, subject, id)
	if answers != "" {
		fmt.Fprintf(&b, "In-Reply-To: <%[1]s>\r\nReferences: <%[1]s>\r\n", answers)
	}
	fmt.Fprintf(&b, "Date: Mon, 23 Nov 2026 10:00:00 +0000\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n%s\r\n", text)
	return b.Bytes()
}

// inbound waits for the customer's message with a subject.
func (x *house) inbound(subject string) (found refcore.Message) {
	x.Helper()
	x.until("the core has "+subject, func() bool {
		for _, m := range x.messages(simprot.DirectionIn) {
			if m.Content.SubjectField == subject {
				found = m
				return true
			}
		}
		return false
	})
	return found
}

// reply has the agent answer, and waits until that is sent.
func (x *house) reply(to refcore.Message, text string) refcore.Message {
	x.Helper()
	m := x.settled(x.send(simprot.MessageContentInfo{
		RemoteAddress: to.Content.RemoteAddress, SubjectField: "Re: " + to.Content.SubjectField, BodyText: text,
		BodyHtml: "<p>" + text + "</p>", InReplyToId: to.Content.DeliverySystemId,
	}))
	if m.State != refcore.MessageSent {
		x.Fatalf("the answer is %s: %s", m.State, m.Error)
	}
	return m
}

// arrived waits for the mail with a Message-ID in somebody's mailbox.
func (x *house) arrived(address, id string) (found *mail.Message) {
	x.Helper()
	x.until("mail "+id+" is there", func() bool {
		for _, raw := range x.host.folder(x.T, address, "INBOX") {
			m, err := mail.ReadMessage(bytes.NewReader(raw))
			if err == nil && m.Header.Get("Message-Id") == "<"+id+">" {
				found = m
				return true
			}
		}
		return false
	})
	return found
}
