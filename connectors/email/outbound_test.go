package email

import (
	"bytes"
	"flag"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	netmail "net/mail"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"servicelink/connectors"
)

var updateMails = flag.Bool("update-mails", false, "write testdata/outbound anew")

func testComposer() composer {
	return composer{from: address{name: "Support", addr: "support@mail.test"}, domain: "mail.test"}
}

// outboundMessages are the messages of the golden mails.
func outboundMessages() map[string]*connectors.Message {
	at := time.Date(2026, 11, 23, 9, 30, 0, 0, time.FixedZone("", 3600))
	var thread []string
	for i := range 100 {
		thread = append(thread, fmt.Sprintf("m%d@customers.test", i))
	}
	return map[string]*connectors.Message{
		"plain": {
			ID: "1", SystemID: "1@mail.test", RemoteAddress: "anna@customers.test", ReceivedAt: at, Subject: "Your order",
			Text: "Hello\n\n.a line with a dot\nFrom the start\n" + strings.Repeat("long ", 300),
		},
		"alternative": {
			ID: "2", SystemID: "2@mail.test", From: "Jörg Müller <joerg@mail.test>", To: "Anna Nováková <anna@customers.test>, bert@customers.test",
			Cc:         "Čestmír <c@customers.test>",
			Recipients: connectors.Recipients{To: []string{"anna@customers.test", "bert@customers.test"}, Cc: []string{"c@customers.test"}, Bcc: []string{"secret@customers.test"}, ReplyTo: []string{"replies@mail.test"}},
			ReceivedAt: at, Subject: "Re: Příliš žluťoučký kůň úpěl ďábelské ódy, a to nejméně dvakrát za sebou v jednom dlouhém řádku",
			Text: "Dobrý den,\nděkujeme.", HTML: "<p>Dobrý den,<br>děkujeme.</p>",
			InReplyTo: "m99@customers.test", References: thread,
		},
		"html": {ID: "3", SystemID: "3@mail.test", RemoteAddress: "anna@customers.test", ReceivedAt: at, HTML: "<p>Only <b>HTML</b></p>"},
		"hidden": {
			ID: "4", SystemID: "4@mail.test", Recipients: connectors.Recipients{Bcc: []string{"a@customers.test", "b@customers.test"}}, ReceivedAt: at, Subject: "To many", Text: "x",
		},
		"international": {
			ID: "5", SystemID: "not an id", Recipients: connectors.Recipients{To: []string{"žofie@příklad.test"}}, To: "Žofie <žofie@příklad.test>", ReceivedAt: at, Text: "x",
		},
		"hostile": {
			ID: "6", SystemID: "6@mail.test", RemoteAddress: "anna@customers.test", ReceivedAt: at,
			From:    "\"A\r\nBcc: x@evil.test\" <support@mail.test>\r\nX-Evil: 1",
			Subject: "one\r\nBcc: x@evil.test\r\n\r\nbody " + strings.Repeat("x", 2000), InReplyTo: "a\r\nX-Evil: 1@x", Text: "--=_x\r\n.\r\n",
		},
	}
}

// TestComposeGolden: the bytes of mails, which must stay the same for a message however
// often and by whichever version it is sent.
func TestComposeGolden(t *testing.T) {
	for name, m := range outboundMessages() {
		l, err := testComposer().compose(m)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		again, err := testComposer().compose(m)
		if err != nil || !bytes.Equal(l.raw, again.raw) {
			t.Errorf("%s: twice, and not the same: %v", name, err)
		}
		path := filepath.Join("testdata", "outbound", name+".eml")
		if *updateMails {
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, l.raw, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(l.raw, want) {
			t.Errorf("%s:\n%s\nwant\n%s", name, l.raw, want)
		}
		checkMail(t, name, m, l)
	}
}

// checkMail reads a mail with the standard library and compares it with its message.
func checkMail(t *testing.T, name string, m *connectors.Message, l letter) {
	t.Helper()
	for line := range bytes.SplitSeq(l.raw, []byte("\r\n")) {
		if len(line) > 998 || bytes.ContainsAny(line, "\r\n") {
			t.Errorf("%s: a line of %d bytes, or one that is not ended as in mails: %.80q", name, len(line), line)
		}
	}
	if !l.utf8 && !isASCII(l.raw) {
		t.Errorf("%s: bytes beyond ASCII", name)
	}
	read, err := netmail.ReadMessage(bytes.NewReader(l.raw))
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	for field := range read.Header {
		if !slices.Contains([]string{
			"Date", "Message-Id", "Mime-Version", "Subject", "In-Reply-To", "References", "From", "To", "Cc", "Reply-To", "Content-Type", "Content-Transfer-Encoding",
		}, field) {
			t.Errorf("%s: a field %q", name, field)
		}
	}
	subject, err := new(mime.WordDecoder).DecodeHeader(read.Header.Get("Subject"))
	if want := oneLine(strings.ToValidUTF8(m.Subject, "\uFFFD")); err != nil || subject != want {
		t.Errorf("%s: subject %q, want %q, %v", name, subject, want, err)
	}
	from := strings.ReplaceAll(read.Header.Get("From"), "@[ipv6:", "@[") // net/mail knows literals without their tag only
	if _, err := netmail.ParseAddressList(from); err != nil {
		t.Errorf("%s: From: %v", name, err)
	}
	if read.Header.Get("Message-Id") != "<"+l.id+">" || !isMessageID(l.id) || len(read.Header["Message-Id"]) != 1 {
		t.Errorf("%s: Message-ID %q", name, read.Header["Message-Id"])
	}
	if date, err := read.Header.Date(); err != nil || !date.Equal(m.ReceivedAt) {
		t.Errorf("%s: Date %v, %v", name, date, err)
	}
	text, document := bodiesOf(t, name, read)
	if m.HTML != "" && document != lines(strings.ToValidUTF8(m.HTML, "\uFFFD")) {
		t.Errorf("%s: HTML %q, want %q", name, document, lines(m.HTML))
	}
	if (m.Text != "" || m.HTML == "") && text != lines(strings.ToValidUTF8(m.Text, "\uFFFD")) {
		t.Errorf("%s: text %q, want %q", name, text, lines(m.Text))
	}
}

// bodiesOf are the two bodies of a mail.
func bodiesOf(t *testing.T, name string, m *netmail.Message) (text, document string) {
	t.Helper()
	kind, params, err := mime.ParseMediaType(m.Header.Get("Content-Type"))
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	if kind == "text/plain" {
		body, err := io.ReadAll(quotedprintable.NewReader(m.Body))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		return string(body), ""
	}
	r := multipart.NewReader(m.Body, params["boundary"])
	for _, into := range []*string{&text, &document} {
		part, err := r.NextPart() // decodes
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		body, err := io.ReadAll(part)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		*into = string(body)
	}
	if _, err := r.NextPart(); err != io.EOF {
		t.Errorf("%s: there is a third part: %v", name, err)
	}
	return text, document
}

// TestComposeRead: what is written here is read here as it was meant.
func TestComposeRead(t *testing.T) {
	m := outboundMessages()["alternative"]
	l, err := testComposer().compose(m)
	if err != nil {
		t.Fatal(err)
	}
	got := read(t, testParser(&memoryKeeper{}), l.raw).Message
	if got.SystemID != m.SystemID || got.Subject != m.Subject || got.InReplyTo != m.InReplyTo || got.ReplyTo != "replies@mail.test" ||
		got.RemoteAddress != "joerg@mail.test" || got.From != "Jörg Müller <joerg@mail.test>" || got.Problem != "" || !got.WrittenAt.Equal(m.ReceivedAt) {
		t.Errorf("%+v", got)
	}
	if want := "Anna Nováková <anna@customers.test>, bert@customers.test"; got.To != want {
		t.Errorf("To %q, want %q", got.To, want)
	}
	if strings.TrimSpace(got.Text) != m.Text || !strings.Contains(got.HTML, m.HTML) {
		t.Errorf("text %q, HTML %q", got.Text, got.HTML)
	}
	if n := len(got.References); n == 0 || n > mostReferences+1 || got.References[0] != "m0@customers.test" || got.References[n-1] != "m99@customers.test" {
		t.Errorf("references %v", got.References)
	}
}

func TestRecipients(t *testing.T) {
	many := make([]string, 101)
	for i := range many {
		many[i] = fmt.Sprintf("a%d@b.test", i)
	}
	for name, tc := range map[string]struct {
		m    connectors.Message
		want []string // nil: refused
	}{
		"lists":   {connectors.Message{Recipients: connectors.Recipients{To: []string{"a@B.test"}, Cc: []string{"A@b.test", " c@b.test "}, Bcc: []string{"d@b.test"}}, RemoteAddress: "x@b.test"}, []string{"a@b.test", "c@b.test", "d@b.test"}},
		"address": {connectors.Message{RemoteAddress: "Anna <a@b.test>", To: "z@b.test"}, []string{"a@b.test"}},
		"fields":  {connectors.Message{To: "Anna <a@b.test>, b@b.test", Cc: "c@b.test", Bcc: "\"x, y\" <d@b.test>"}, []string{"a@b.test", "b@b.test", "c@b.test", "d@b.test"}},
		"domain":  {connectors.Message{RemoteAddress: "a@Příklad.test"}, []string{"a@xn--pklad-zsa96e.test"}},
		"one bad": {connectors.Message{Recipients: connectors.Recipients{To: []string{"a@b.test", "nobody at all"}}}, []string{"a@b.test", "nobody at all"}},
		"all bad": {connectors.Message{Recipients: connectors.Recipients{To: []string{"nobody"}}}, nil},
		"none":    {connectors.Message{}, nil},
		"many":    {connectors.Message{Recipients: connectors.Recipients{To: many}}, nil},
		"enough":  {connectors.Message{Recipients: connectors.Recipients{To: many[:100]}}, many[:100]},
	} {
		got, err := recipients(&tc.m)
		if !slices.Equal(got, tc.want) || (err != nil) != (tc.want == nil) {
			t.Errorf("%s: %q, %v, want %q", name, got, err, tc.want)
		}
		if se := connectors.AsSendError(err); err != nil && (se.Outcome != connectors.Rejected || se.Reason != connectors.ReasonAddress) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// FuzzCompose: nothing that a message holds leaves its place in the mail.
func FuzzCompose(f *testing.F) {
	for _, m := range outboundMessages() {
		f.Add(m.SystemID, m.From, m.To, m.Subject, m.InReplyTo, m.Text, m.HTML)
	}
	f.Add("", "M\u00fcller\\J", "a@b\u3002", "", "", "", "")
	f.Add("", "a@\u3002, b@:, c@[x], d@e.\u00ad, f@[IPv6:::1], g@[192.0.2.1]", "", "", "", "", "")
	f.Add("a@b", "=?utf-8?q?=0d=0aBcc:_x?= <a@b>", "\"\\\"\" <\"a b\"@c>", "=?utf-8?b?eA==?=  two", "<x>", "\r.\r\n", "\x00\xff")
	f.Fuzz(func(t *testing.T, id, from, to, subject, inReplyTo, text, document string) {
		m := &connectors.Message{
			ID: "7", SystemID: id, From: from, To: to, Cc: to, RemoteAddress: "anna@customers.test", Subject: subject, InReplyTo: inReplyTo,
			References: []string{inReplyTo, id}, Text: text, HTML: document, ReceivedAt: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
		}
		l, err := testComposer().compose(m)
		if err != nil {
			t.Fatal(err)
		}
		checkMail(t, "fuzz", m, l)
	})
}

// FuzzRecipients: what comes out can stand in a command, and is its own recipient.
func FuzzRecipients(f *testing.F) {
	f.Add("Anna <a@b.test>, c@d.test", "e@f.test\r\nRCPT TO:<x@y.test>")
	f.Add("\"a\\\" b\"@c.test", "žofie@příklad.test")
	f.Fuzz(func(t *testing.T, to, cc string) {
		parts, err := recipients(&connectors.Message{To: to, Recipients: connectors.Recipients{Cc: []string{cc}}})
		if err != nil {
			return
		}
		for _, part := range parts {
			if strings.ContainsAny(part, "\r\n\x00") || part == "" {
				t.Errorf("%q", part)
			}
			if !isRecipient(part) {
				continue
			}
			again, err := recipients(&connectors.Message{RemoteAddress: part})
			if err != nil || len(again) != 1 || again[0] != part {
				t.Errorf("%q reads as %q, %v", part, again, err)
			}
		}
	})
}
