package guide

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"servicelink/simprot"
	"servicelink/simprot/refcore"
	"servicelink/test/netsim/control"
	"servicelink/test/netsim/mail"
)

// What the guide's mailbox and its gateways are called.
const (
	support    = "support@example.com"
	customer   = "ada@example.com"
	gatewayOut = "6b8a2d34-5f0e-4b0c-9d52-0c1f6a7e2002"
)

// onMail makes a mail host with the mailbox of the guide, and a customer's.
func onMail(t *testing.T, s *stage) {
	host, err := mail.New(mail.Options{Name: "mail.example.com", Auth: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(host.Close)
	s.secret = "a-password-of-the-simulated-mailbox"
	for _, who := range []string{support, customer} {
		if err := host.AddMailbox(who, s.secret); err != nil {
			t.Fatal(err)
		}
	}
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, host.CA(), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, address := range map[string]string{"imap.example.com": host.IMAPS(), "smtp.example.com": host.SMTP()} {
		at, port, err := net.SplitHostPort(address)
		if err != nil {
			t.Fatal(err)
		}
		s.replacements[fmt.Sprintf(`\"%s\"`, name)] = fmt.Sprintf(`\"%s\", \"Port\": %s, \"CA\": \"%s\"`, at, port, ca)
	}
	s.replacements["the-password-of-that-mailbox"] = s.secret
	s.checked, s.examined = "the core's, of @servicelink", "the server takes mail from this sender"
	s.talk = func(t *testing.T) {
		t.Helper()
		s.correspond(t, host)
	}
}

// correspond writes a mail to the mailbox, answers it as the agent, and waits for both
// to arrive.
func (s *stage) correspond(t *testing.T, host *mail.Server) {
	t.Helper()
	id, err := host.Act(customer, control.Action{Do: "mail", Chat: support, Title: "An order", Text: "Hello, support"})
	if err != nil {
		t.Fatal(err)
	}
	var all []refcore.Message
	for deadline := time.Now().Add(patience); len(all) == 0; {
		if time.Now().After(deadline) {
			t.Fatal("the mail did not come to the core")
		}
		s.call(t, "GET", "/api/messages?full", nil, &all)
	}
	if m := all[0].Content; m.DeliverySystemId != string(id) || m.SubjectField != "An order" || !strings.HasPrefix(m.BodyText, "Hello, support") {
		t.Errorf("the agent sees %+v", m)
	}
	answer := map[string]any{
		"GatewayId": gatewayOut, "RemoteAddress": customer, "SubjectField": "Re: An order", "BodyText": "Hello, Ada",
		"InReplyToId": all[0].Content.DeliverySystemId, "Direction": simprot.DirectionOut,
	}
	s.call(t, "POST", "/api/messages", answer, nil)
	ctx, cancel := s.patience(t)
	defer cancel()
	if err := host.AwaitCount(ctx, customer, "INBOX", 1); err != nil {
		t.Fatal(err)
	}
	inbox, err := host.Chat(ctx, customer, "INBOX", -1)
	if err != nil || len(inbox.Messages) != 1 || inbox.Messages[0].ReplyTo != id || strings.TrimSpace(inbox.Messages[0].Text) != "Hello, Ada" {
		t.Errorf("the answer: %+v %v", inbox, err)
	}
}
