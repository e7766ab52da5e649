package email

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"io"
	netmail "net/mail"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/wneessen/go-mail"
	"golang.org/x/net/idna"

	"servicelink/connectors"
)

// Bounds of the References of a mail: a server refuses a header without end, and the
// first one and the newest are what threads are built from.
const (
	mostReferences     = 40
	mostReferenceBytes = 8 << 10
)

// maxWord is the longest word, in bytes, that stands in a header as it is. A longer
// one could make a line of more than the 998 bytes that SMTP allows.
const maxWord = 200

// composer makes mails of messages.
type composer struct {
	from   address // where the message names no sender
	domain string  // of a Message-ID that has to be made
}

// letter is a mail that is ready to go. The same message makes the same letter, byte
// for byte, at every attempt and for every recipient.
type letter struct {
	id   string // Message-ID without brackets
	raw  []byte
	utf8 bool // an address in its header is not ASCII (RFC 6532)
}

// compose writes m as a mail. The library writes header and MIME; what it does not
// bound or settle - words without end, the boundary, the ids - is done here, and the
// bodies are quoted-printable, so that every server takes them as they are.
func (c composer) compose(m *connectors.Message) (letter, error) {
	l := letter{id: c.messageID(m)}
	msg := mail.NewMsg(mail.WithNoDefaultUserAgent(), mail.WithEncoding(mail.EncodingQP), mail.WithBoundary(boundary(l.id, m)))
	for name, list := range map[mail.AddrHeader][]address{
		mail.HeaderFrom:    {c.sender(m)},
		mail.HeaderTo:      shown(m.Recipients.To, m.To),
		mail.HeaderCc:      shown(m.Recipients.Cc, m.Cc),
		mail.HeaderReplyTo: shown(m.Recipients.ReplyTo, m.ReplyTo),
	} {
		if name == mail.HeaderTo && len(list) == 0 {
			list = c.toOf(m)
		}
		for _, a := range list {
			l.utf8 = l.utf8 || !isASCII([]byte(a.addr))
		}
		if len(list) > 0 {
			msg.SetAddrHeaderFromMailAddress(name, netAddresses(list)...)
		}
	}
	if len(msg.GetTo()) == 0 && len(msg.GetCc()) == 0 {
		msg.SetGenHeader("To", "undisclosed-recipients:;")
	}
	msg.SetGenHeader(mail.HeaderSubject, encodeText(m.Subject))
	msg.SetDateWithValue(cmp.Or(m.ReceivedAt, m.WrittenAt, time.Now()).UTC())
	msg.SetMessageIDWithValue(l.id)
	if isMessageID(m.InReplyTo) {
		msg.SetGenHeader("In-Reply-To", bracket(m.InReplyTo))
	}
	if ids := references(m); len(ids) > 0 {
		msg.SetGenHeader("References", strings.Join(ids, " "))
	}
	c.bodies(msg, m)
	var b bytes.Buffer
	if _, err := msg.WriteTo(&b); err != nil {
		return letter{}, err
	}
	l.raw = b.Bytes()
	return l, nil
}

// bodies adds what the message says: HTML never without a text beside it.
func (composer) bodies(msg *mail.Msg, m *connectors.Message) {
	text := strings.ToValidUTF8(m.Text, "\uFFFD")
	if m.HTML == "" {
		msg.SetBodyString(mail.TypeTextPlain, lines(text))
		return
	}
	document := strings.ToValidUTF8(m.HTML, "\uFFFD")
	msg.SetBodyString(mail.TypeTextPlain, lines(orElse(text, func() string { return textOfHTML(document) })))
	msg.AddAlternativeString(mail.TypeTextHTML, lines(document))
}

// lines ends every line the way mails do.
func lines(s string) string {
	s = strings.ReplaceAll(strings.ReplaceAll(s, "\r\n", "\n"), "\r", "\n")
	if s != "" && !strings.HasSuffix(s, "\n") {
		s += "\n"
	}
	return strings.ReplaceAll(s, "\n", "\r\n")
}

// messageID is the one to be used, or where that is none a stable one.
func (c composer) messageID(m *connectors.Message) string {
	if isMessageID(m.SystemID) && strings.Contains(m.SystemID, "@") && isASCII([]byte(m.SystemID)) {
		return m.SystemID
	}
	sum := sha256.Sum256([]byte(m.ID + "\n" + m.SystemID))
	return hex.EncodeToString(sum[:16]) + "@" + c.domain
}

// boundary is derived from what stands between it, so that no body can hold it. The
// library writes it without quotes: letters and digits only.
func boundary(id string, m *connectors.Message) string {
	h := sha256.New()
	for _, s := range []string{id, m.Text, m.HTML} {
		_, _ = io.WriteString(h, s+"\x00") // a hash takes everything
	}
	return hex.EncodeToString(h.Sum(nil)[:20])
}

// sender is the From of a message: the one it names, else ours, under the name that
// it names.
func (c composer) sender(m *connectors.Message) address {
	from := c.from
	for _, a := range parseAddresses(m.From, "") {
		if a.addr != "" {
			return toASCII(a)
		}
		from.name = orElse(a.name, func() string { return from.name })
	}
	return from
}

// toOf is the To of a message whose recipients are named by RemoteAddress alone.
func (composer) toOf(m *connectors.Message) []address {
	r := m.Recipients
	if len(r.To)+len(r.Cc)+len(r.Bcc) > 0 {
		return nil
	}
	return addressesOf(m.RemoteAddress)
}

// shown is a field of the header: the list of addresses with the names that the text
// for people has for them, or where there is no list what is in the text.
func shown(list []string, text string) []address {
	named := addressesOf(text)
	if len(list) == 0 {
		return named
	}
	names := map[string]string{}
	for _, a := range named {
		names[a.addr] = a.name
	}
	var all []address
	for _, s := range list {
		for _, a := range addressesOf(s) {
			a.name = orElse(a.name, func() string { return names[a.addr] })
			all = append(all, a)
		}
	}
	return all
}

// addressesOf are the mailboxes in a text that have an address, domains in ASCII.
func addressesOf(text string) []address {
	var all []address
	for _, a := range parseAddresses(text, "") {
		if a.addr != "" {
			all = append(all, toASCII(a))
		}
	}
	return all
}

// toASCII writes a domain as DNS does. One that cannot be written so stays: a server
// with SMTPUTF8 may know it.
func toASCII(a address) address {
	at := strings.LastIndexByte(a.addr, '@')
	if domain, err := idna.Lookup.ToASCII(a.addr[at+1:]); err == nil && isDomain(domain) {
		a.addr = a.addr[:at+1] + domain
	}
	return a
}

// netAddresses are mailboxes as the library wants them. It writes a name in quotes or
// encoded, and quotes a local part that needs it.
func netAddresses(list []address) []*netmail.Address {
	all := make([]*netmail.Address, len(list))
	for i, a := range list {
		at := strings.LastIndexByte(a.addr, '@')
		local := a.addr[:at]
		if len(local) > 1 && local[0] == '"' {
			local = strings.NewReplacer(`\"`, `"`, `\\`, `\`).Replace(local[1 : len(local)-1])
		}
		name := strings.Join(strings.Fields(oneLine(strings.ToValidUTF8(a.name, "\uFFFD"))), " ")
		if hasLongWord(name) { // nobody is called that
			name = ""
		}
		if !isASCII([]byte(name)) { // net/mail leaves it as it is in an encoded word, where RFC 2047, 5 (3) allows none
			name = strings.ReplaceAll(name, `\`, "/")
		}
		all[i] = &netmail.Address{Name: name, Address: local + a.addr[at:]}
	}
	return all
}

// references are the ids of the thread, in brackets: the first and the newest.
func references(m *connectors.Message) []string {
	var ids []string
	for _, id := range append(slices.Clip(m.References), m.InReplyTo) {
		if isMessageID(id) && isASCII([]byte(id)) && (len(ids) == 0 || ids[len(ids)-1] != bracket(id)) {
			ids = append(ids, bracket(id))
		}
	}
	size := 0
	for i := len(ids) - 1; i > 0; i-- {
		size += len(ids[i]) + 1
		if len(ids)-i >= mostReferences || size > mostReferenceBytes {
			return append(ids[:1], ids[i+1:]...)
		}
	}
	return ids
}

func bracket(id string) string { return "<" + id + ">" }

// encodeText is a text for a header (RFC 2047): as it stands where it is short words
// of ASCII, else all of it encoded, which no CR or LF leaves.
func encodeText(s string) string {
	s = oneLine(strings.ToValidUTF8(s, "\uFFFD"))
	if isASCII([]byte(s)) && !strings.Contains(s, "=?") && !strings.Contains(s, "  ") && !hasLongWord(s) {
		return s
	}
	const most = 45 // bytes that fit into a word of 75 characters
	var words []string
	for s != "" {
		n := min(most, len(s))
		for n < len(s) && !utf8.RuneStart(s[n]) {
			n--
		}
		words = append(words, "=?utf-8?b?"+base64.StdEncoding.EncodeToString([]byte(s[:n]))+"?=")
		s = s[n:]
	}
	return strings.Join(words, " ")
}

func hasLongWord(s string) bool {
	for word := range strings.FieldsSeq(s) {
		if len(word) > maxWord {
			return true
		}
	}
	return false
}
