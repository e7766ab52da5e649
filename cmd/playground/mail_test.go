package main

import (
	"cmp"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"servicelink/simprot"
	"servicelink/simprot/refcore"
	"servicelink/test/netsim/control"
)

// message waits for one at the core.
func (c caller) message(console, what string, is func(refcore.Message) bool) refcore.Message {
	c.Helper()
	var all []refcore.Message
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
		c.call(console+"/api/messages?full", nil, &all)
		if i := slices.IndexFunc(all, is); i >= 0 {
			return all[i]
		}
	}
	c.Fatalf("%s did not come to the core: %+v", what, all)
	return refcore.Message{}
}

// answers has the core send an answer, and waits until its gateway has sent it.
func (c caller) answers(console string, to refcore.Message, by uuid.UUID, text string) refcore.Message {
	c.Helper()
	var sent struct{ ID uuid.UUID }
	c.call(console+"/api/messages", simprot.MessageContentInfo{
		GatewayId: by, RemoteAddress: to.Content.RemoteAddress, InReplyToId: to.Content.DeliverySystemId,
		SubjectField: strings.TrimSpace("Re: " + to.Content.SubjectField), BodyText: text,
	}, &sent)
	m := c.message(console, "that the answer was sent", func(m refcore.Message) bool {
		return m.ID == sent.ID && m.State != refcore.MessageSending
	})
	if m.State != refcore.MessageSent || m.Thread != to.Thread {
		c.Errorf("the answer is %s (%s), in thread %s of %s", m.State, m.Error, m.Thread, to.Thread)
	}
	return m
}

// ready waits until an address answers with success.
func (c caller) ready(url string) {
	c.Helper()
	status := 0
	for deadline := time.Now().Add(patience); status != http.StatusOK; {
		if time.Now().After(deadline) {
			c.Fatalf("%s answers %d", url, status)
		}
		req, err := http.NewRequestWithContext(c.Context(), http.MethodGet, url, http.NoBody)
		if err != nil {
			c.Fatal(err)
		}
		resp, err := c.client.Do(req)
		if err != nil {
			c.Fatal(err)
		}
		status = resp.StatusCode
		_ = resp.Body.Close()
	}
}

// TestMail: a mail goes by IMAP and the gateway to the core, with the core away in
// between; its answer by SMTP to the customer's mailbox, in the same thread.
func TestMail(t *testing.T) {
	addresses, _ := start(t)
	page, console := addresses["Start page"], addresses["Agent's console"]
	c := caller{t, newClient(t)}
	alice := page + "/control/mail/act/" + people[0]
	folder := page + "/control/mail/chat/" + people[0] + "/INBOX"
	write := func(title, text string, answered control.ID) (id string) {
		t.Helper()
		var written struct{ Message string }
		c.call(alice, control.Action{Do: "mail", Chat: control.ID(support), Title: title, Text: text, Message: answered}, &written)
		return written.Message
	}

	id := write("Where is my parcel?", "It should have come on Monday.", "")
	first := c.message(console, "the mail", func(m refcore.Message) bool { return !m.Outbound() })
	if got := first.Content; got.GatewayId != gatewayMailIn || got.DeliverySystemId != id || got.RemoteAddress != people[0] ||
		got.SubjectField != "Where is my parcel?" || !strings.HasPrefix(got.BodyText, "It should have come on Monday.") {
		t.Errorf("the core has %+v", got)
	}
	answer := c.answers(console, first, gatewayMailOut, "On its way.")

	var inbox control.Conversation
	for deadline := time.Now().Add(patience); len(inbox.Messages) == 0 && time.Now().Before(deadline); {
		c.call(folder, nil, &inbox)
	}
	if len(inbox.Messages) != 1 {
		t.Fatalf("alice's INBOX: %+v", inbox)
	}
	got := inbox.Messages[0]
	if string(got.ReplyTo) != id || strings.TrimSpace(got.Text) != "On its way." || got.Caption != "Re: Where is my parcel?" {
		t.Errorf("the answer in the mailbox: %+v", got)
	}

	c.call(page+"/api/core", map[string]float64{"off_seconds": 60}, nil)
	write("Re: Where is my parcel?", "Thanks.", got.ID)
	c.call(page+"/api/core", map[string]float64{"off_seconds": 0}, nil)
	second := c.message(console, "the second mail", func(m refcore.Message) bool { return !m.Outbound() && m.ID != first.ID })
	if second.Thread != first.Thread || second.Content.InReplyToId != answer.Content.DeliverySystemId {
		t.Errorf("the second mail answers %q in thread %s; the answer was %q in %s",
			second.Content.InReplyToId, second.Thread, answer.Content.DeliverySystemId, first.Thread)
	}
	var s state
	c.call(page+"/api/state", nil, &s)
	i := slices.IndexFunc(s.Channels, func(ch channelState) bool { return ch.Name == channelMail })
	if i < 0 || cmp.Or(s.Channels[i].Out["done"], -1) != 1 || s.Channels[i].State != "ok" || s.Offences != 0 {
		t.Errorf("in the end: %+v", s)
	}
}

// TestTexts: a short message to the number that takes messages goes to the core as one,
// not as a chat, and so does its answer.
func TestTexts(t *testing.T) {
	addresses, _ := start(t)
	page, console := addresses["Start page"], addresses["Agent's console"]
	c := caller{t, newClient(t)}
	const customer = "+420601000815"
	control := page + "/control/sms"
	c.ready(addresses["Readiness"] + "?channel=" + gatewayTextIn.String()) // it has no answer before the register is known
	c.call(control+"/act/"+textNumber, map[string]any{"do": "text", "chat": customer, "text": "Are you open?"}, nil)
	m := c.message(console, "the short message", func(m refcore.Message) bool { return !m.Outbound() })
	if got := m.Content; got.GatewayId != gatewayTextIn || got.RemoteAddress != customer || got.BodyText != "Are you open?" {
		t.Errorf("the core has %+v", got)
	}
	c.answers(console, m, gatewayTextOut, "Until six.")
	c.until(control+"/chat/"+textNumber+"/"+customer, "the answer", func(conv conversation) bool {
		return slices.ContainsFunc(conv.Messages, func(m struct{ From, Text, State string }) bool {
			return m.From == "agent" && strings.HasSuffix(m.Text, "Until six.")
		})
	})
}
