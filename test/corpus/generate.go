package corpus

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
)

// Made is a generated mail, with what a reader must find in it.
type Made struct {
	Raw       []byte
	Name      string // structure, charset and encoding
	MessageID string // without brackets; "" = none, or a malformed one
	From      string // the address; "" = none
	Subject   string
	Text      string // is in the text of the body, letter by letter
	HTML      bool   // there is HTML
	Files     int    // attachments and pictures
	Auto      bool   // no person wrote it
}

// Generate makes n mails of a seed: charsets, structures, encodings and oddities of
// headers, in every combination in the long run. Each is another mail, also to who
// compares senders, subjects and bodies; some have no Message-ID, or a malformed
// one, or one that another mail has, too.
func Generate(seed uint64, n int) [][]byte {
	made := Make(seed, n)
	raw := make([][]byte, len(made))
	for i := range made {
		raw[i] = made[i].Raw
	}
	return raw
}

// Make is Generate with what is to be found in the mails.
func Make(seed uint64, n int) []Made {
	all := make([]Made, n)
	for i := range all {
		w := &writer{r: rand.New(rand.NewPCG(seed, uint64(i))), seed: seed, i: i} //nolint:gosec // not negative, and no secret
		all[i] = w.mail()
	}
	return all
}

// writer writes one mail.
type writer struct {
	r    *rand.Rand
	seed uint64
	i    int
	made Made

	script   script
	encoding string
	html     bool // of the text that is written
}

func (w *writer) one(of ...string) string { return of[w.r.IntN(len(of))] }

// rarely is true once in n times.
func (w *writer) rarely(n int) bool { return w.r.IntN(n) == 0 }

func (w *writer) mail() Made {
	w.script = scripts[w.r.IntN(len(scripts))]
	w.encoding = w.one("", "7bit", "8bit", "quoted-printable", "base64", "BASE64", "Quoted-Printable")
	w.made.Text = w.words(3 + w.r.IntN(20))
	shape := shapes[w.r.IntN(len(shapes))]
	contentHeader, body := shape.write(w)

	var b bytes.Buffer
	w.header(&b)
	b.WriteString(contentHeader)
	b.WriteString("\r\n")
	b.WriteString(body)
	w.made.Raw = b.Bytes()
	if w.rarely(8) && !bytes.ContainsAny(w.made.Raw, "\x00") { // as files on a Unix system
		w.made.Raw = bytes.ReplaceAll(w.made.Raw, []byte("\r\n"), []byte("\n"))
	}
	w.made.Name = fmt.Sprintf("%d: %s, %s, %s", w.i, shape.name, w.script.charset, w.encoding)
	return w.made
}

// words are n of the script's, and what no other mail has.
func (w *writer) words(n int) string {
	var words []string
	for range n {
		words = append(words, w.script.words[w.r.IntN(len(w.script.words))])
	}
	return strings.Join(append(words, fmt.Sprintf("%d-%d", w.seed, w.i)), " ")
}

// header writes what every mail has, or should have.
func (w *writer) header(b *bytes.Buffer) {
	field := func(name, value string) {
		if w.rarely(10) {
			name = strings.ToLower(name)
		}
		b.WriteString(name + ":" + w.one(" ", " ", "", "\r\n ", "  ") + value + "\r\n")
	}
	for range w.r.IntN(3) {
		field("Received", "from a.example by mx.example.org\r\n\twith ESMTP id "+w.one("A", "B")+"; Mon, 23 Nov 2026 08:00:00 +0000")
	}
	w.from(field)
	field("To", w.one("support@example.org", `"Support, Desk" <support@example.org>`, "undisclosed-recipients:;",
		"team: a@example.org, b@example.org;", "<support@example.org>,\r\n\tother@example.org", "broken <", "=?utf-8?q?Gr=C3=BC=C3=9Fe?= <g@example.org>"))
	w.made.Subject = w.words(1 + w.r.IntN(8))
	field("Subject", w.subject(w.made.Subject))
	field("Date", w.one("Mon, 23 Nov 2026 08:00:00 +0000", "23 Nov 2026 08:00 +0100", "yesterday", "", "Mon, 99 Foo 2026 25:00:00", "Mon, 23 Nov 2026 08:00:00 GMT (comment)"))
	w.messageID(field)
	if w.rarely(3) {
		field("In-Reply-To", w.one("<parent@example.org>", "parent@example.org", "<a@b> <c@d>", `Your mail of "Monday" <x@y>`, "nothing"))
		field("References", w.one("<a@b>\r\n <c@d>", "<a@b>,<c@d>", "<a@b", strings.Repeat("<r@example.org> ", 30)))
	}
	if w.rarely(6) {
		w.made.Auto = true
		field(w.one("Auto-Submitted", "Auto-Submitted"), w.one("auto-replied", "auto-generated; why=x"))
	}
	if w.rarely(10) {
		field("X-Odd", strings.Repeat("x", 2000))
	}
	if !w.rarely(5) {
		field("MIME-Version", "1.0")
	}
}

func (w *writer) from(field func(name, value string)) {
	address := fmt.Sprintf("user%d@Example.org", w.i)
	w.made.From = fmt.Sprintf("user%d@example.org", w.i)
	switch w.r.IntN(12) {
	case 0:
		w.made.From = ""
	case 1:
		w.made.From = ""
		field("From", w.one("nobody", "", "<>", "a b c", "@"))
	case 2:
		field("From", address+", second@example.org")
	case 3:
		field("From", "Doe, John <"+address+">")
	case 4:
		field("From", w.word(w.script.words[0])+" <"+address+">")
	case 5:
		field("From", address+" (John Doe)")
	case 6:
		field("From", `"Doe \"J\" John" < `+address+" >")
	default:
		field("From", address)
	}
}

func (w *writer) messageID(field func(name, value string)) {
	switch w.r.IntN(12) {
	case 0:
	case 1:
		field("Message-ID", w.one("<>", "", "<two words@example.org>", "id"))
	case 2:
		w.made.MessageID = "same@example.org"
		field("Message-ID", "<same@example.org>")
	default:
		w.made.MessageID = fmt.Sprintf("%d.%d@example.org", w.seed, w.i)
		field("Message-Id", "<"+w.made.MessageID+">")
	}
}
