package email

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"regexp"
	"slices"
	"strings"

	"servicelink/connectors"
)

// reading is one mail being read.
type reading struct {
	p        *parser
	ctx      context.Context //nolint:containedctx // the reading lives for one parse
	s        *scanner
	original connectors.File
	whole    bool // parts are looked at, not only the headers

	root header
	kind mediaType // of the whole mail
	hint string    // the charset that a text said to be in
	body block

	sender address

	parts              int
	textLeft, htmlLeft int // budgets
	textCut, htmlCut   bool

	files    []connectors.File
	unkept   []string          // names of files that there is no place for
	pictures map[string]string // Content-ID -> URL
	problems []string

	signed, sealed bool // a signature was seen; the text is within what only the receiver can open

	reports  []header // of a delivery report, group by group
	receipt  header   // of a receipt (RFC 8098)
	returned header   // of the mail that a report is about
}

func newReading(ctx context.Context, p *parser, in incoming) *reading {
	return &reading{
		p: p, ctx: ctx, s: newScanner(ctx, in.Raw), original: in.Original,
		textLeft: textBudget, htmlLeft: textBudget, pictures: map[string]string{},
	}
}

// read takes the mail in, to its last byte.
func (r *reading) read() error {
	r.root = r.s.header(maxRootHeader)
	r.s.hashBody()
	r.kind = parseMediaType(r.root.get("content-type"))
	r.hint = wordCharset(r.root)
	if r.whole {
		if len(r.root) == 0 {
			r.problem("The message has no headers.")
		}
		if err := r.entity(r.root, place{block: &r.body}); err != nil {
			return err
		}
	} else {
		r.problem("The message could not be read.")
	}
	r.s.pop(0)
	for {
		r.s.stop = stop{}
		r.s.skip()
		if !r.s.stop.at {
			return r.s.failed()
		}
	}
}

// problem notes why the message is not shown as it was written, once.
func (r *reading) problem(sentence string) {
	if !slices.Contains(r.problems, sentence) {
		r.problems = append(r.problems, sentence)
	}
}

// writersOwn are the fields that its writer gives a mail and nobody on its way changes.
var writersOwn = []string{
	"message-id", "from", "date", "subject", "sender", "reply-to", "to", "cc", "in-reply-to", "references",
	"mime-version", "content-type", "content-transfer-encoding", "content-disposition",
}

// identity names the mail whichever way it came: what its writer made of it counts,
// not what servers on the way added.
func (r *reading) identity() string {
	h := sha256.New()
	for _, name := range writersOwn {
		h.Write([]byte(strings.Join(strings.Fields(r.root.get(name)), " ") + "\n"))
	}
	h.Write(r.s.hash.Sum(nil))
	return hex.EncodeToString(h.Sum(nil))[:40]
}

func sha256Sum(s string) [sha256.Size]byte { return sha256.Sum256([]byte(s)) }

// place is where in the mail a part stands.
type place struct {
	depth int
	in    string // the subtype of the multipart around; "" = it is the mail itself
	block *block // where its text goes
}

// entity reads the mail, or a part of it, whose header was read.
func (r *reading) entity(h header, at place) error {
	t := parseMediaType(h.get("content-type"))
	subtype, multipart := strings.CutPrefix(t.name, "multipart/")
	if !multipart {
		return r.leaf(h, t, at)
	}
	boundary := t.params["boundary"]
	if boundary == "" {
		boundary = r.guessBoundary()
	}
	switch {
	case at.depth >= maxDepth:
		r.problem("The message has more parts within parts than are looked at.")
		return nil
	case boundary == "" || len(boundary) > maxBoundary:
		t.name = "text/plain"
		return r.leaf(h, t, at)
	}
	switch subtype {
	case "signed":
		r.signed = true
	case "encrypted":
		r.sealed = true
	}
	kind := blockRow
	if subtype == "alternative" {
		kind = blockAlternative
	}
	inner := &block{kind: kind}
	at.block.parts = append(at.block.parts, inner)
	return r.multipart(boundary, place{depth: at.depth + 1, in: subtype, block: inner})
}

// multipart reads the parts between the delimiters of boundary.
func (r *reading) multipart(boundary string, at place) error {
	level := r.s.push(boundary)
	if err := r.preamble(level, at); err != nil {
		return err
	}
	for r.s.part(level) {
		if r.parts++; r.parts > maxParts {
			r.problem("The message has more parts than are looked at.")
			break
		}
		if err := r.entity(r.s.header(maxPartHeader), at); err != nil {
			return err
		}
		r.s.skip()
	}
	r.s.pop(level)
	if err := r.s.failed(); err != nil {
		return err
	}
	if r.parts > maxParts || r.s.stop.at && r.s.stop.level < level {
		return nil
	}
	r.s.stop = stop{}
	r.s.skip() // the epilogue
	return nil
}

// preamble is what stands before the first delimiter: a line for mailers of old,
// which is passed over, or the whole text where no delimiter comes.
func (r *reading) preamble(level int, at place) error {
	raw, cut, err := readText(&content{s: r.s}, &r.textLeft)
	if err != nil {
		return err
	}
	r.s.skip()
	if r.s.stop.at && r.s.stop.level == level {
		r.textLeft += len(raw)
		return nil
	}
	r.problem("The parts of the message cannot be told apart.")
	r.textCut = r.textCut || cut
	r.addText(at.block, blockPlain, plainText(toUTF8(raw, "", r.hint)))
	return nil
}

// guessBoundary looks whether the part begins with what must be a delimiter.
func (r *reading) guessBoundary() string {
	piece, starts := r.s.next()
	if piece == nil {
		return ""
	}
	r.s.line, r.s.starts = piece, starts
	if boundary, ok := strings.CutPrefix(strings.TrimSpace(string(piece)), "--"); ok && len(boundary) > 0 {
		return boundary
	}
	return ""
}

// leaf reads a part that has no parts.
func (r *reading) leaf(h header, t mediaType, at place) error {
	if !strings.Contains(t.name, "/") {
		t.name = "text/plain" // RFC 2045, 5.2
		if at.in == "digest" {
			t.name = "message/rfc822"
		}
	}
	stands := bufio.NewReaderSize(&content{s: r.s}, 4096)
	encoding := h.get("content-transfer-encoding")
	if strings.HasPrefix(t.name, "text/") && strings.EqualFold(encoding, "base64") && !isBase64(stands) {
		encoding = "" // some program wrote it and sent the text as it was
	}
	body := decoded(encoding, stands)
	disposition := parseMediaType(h.get("content-disposition"))
	name := fileName(disposition, t, r.hint)
	attached := disposition.name == "attachment"
	if (t.name == "text/plain" || t.name == "text/html") && !attached && (name == "" || at.depth == 0) {
		return r.text(body, t, at)
	}
	var err error
	switch t.name {
	case "message/delivery-status", "message/global-delivery-status":
		r.reports, err = readGroups(r.ctx, body)
	case "message/disposition-notification", "message/global-disposition-notification":
		var groups []header
		if groups, err = readGroups(r.ctx, body); len(groups) > 0 {
			r.receipt = groups[0]
		}
	case "text/rfc822-headers", "message/global-headers":
		r.returned, err = readHeader(r.ctx, body)
	case "application/pgp-signature", "application/pkcs7-signature", "application/x-pkcs7-signature":
		r.signed = true // of use to who has the original
	case "application/pgp-encrypted", "text/x-amp-html":
	case "application/pkcs7-mime", "application/x-pkcs7-mime":
		r.sealed = true
		err = r.file(body, t, h, name)
	default:
		err = r.file(body, t, h, name)
	}
	return err
}

// metaCharset is what a document says of itself, near its beginning.
var metaCharset = regexp.MustCompile(`(?i)<meta[^>]{0,200}charset\s*=\s*["']?\s*([a-z0-9_:.-]{2,40})`)

// text reads a part of the body.
func (r *reading) text(body io.Reader, t mediaType, at place) error {
	kind, budget, wasCut := blockPlain, &r.textLeft, &r.textCut
	if t.name == "text/html" {
		kind, budget, wasCut = blockHTML, &r.htmlLeft, &r.htmlCut
	}
	raw, cut, err := readText(body, budget)
	if err != nil {
		return err
	}
	*wasCut = *wasCut || cut
	charset := t.params["charset"]
	if kind == blockHTML && lookupCharset(charsetName(charset)) == nil {
		if m := metaCharset.FindSubmatch(raw[:min(len(raw), 4096)]); m != nil {
			charset = string(m[1])
		}
	}
	if lookupCharset(charsetName(r.hint)) == nil {
		r.hint = charset
	}
	s := toUTF8(raw, charset, r.hint)
	if cut {
		s = strings.TrimRight(s, "\uFFFD")
	}
	s = plainText(s)
	if kind == blockPlain && strings.EqualFold(t.params["format"], "flowed") {
		s = unflow(s, strings.EqualFold(t.params["delsp"], "yes"))
	}
	if kind == blockPlain && strings.Contains(s, "-----BEGIN PGP SIGNED MESSAGE-----") {
		r.signed = true
	}
	r.addText(at.block, kind, s)
	return nil
}

func (r *reading) addText(to *block, kind blockKind, s string) {
	if strings.TrimSpace(s) != "" {
		to.parts = append(to.parts, &block{kind: kind, text: s})
	}
}

// What is put at the end of a body that was cut.
const (
	cutSentence = "The text is longer than what is passed on here. The original message has all of it."
	cutInText   = "\n\n[" + cutSentence + "]\n"
	cutInHTML   = "<p>[" + cutSentence + "]</p>"
)

// fillBody writes what there is to read.
func (r *reading) fillBody(m *connectors.Message) {
	out := r.body.render()
	if out.html != "" {
		if out.text == "" {
			out.text = textOfHTML(out.html)
			r.textCut = r.textCut || r.htmlCut
		}
		html, cut := cutHTML(linkPictures(out.html, r.pictures), connectors.MaxBody-len(cutInHTML))
		if m.HTML = html; cut || r.htmlCut {
			m.HTML += cutInHTML
			r.problem(cutSentence)
		}
	}
	text := cutText(out.text, connectors.MaxBody-len(cutInText))
	r.textCut = r.textCut || len(text) < len(out.text)
	m.Text = strings.Trim(strings.TrimRight(text, " \t\n"), "\n")
	if r.textCut {
		m.Text += cutInText
		r.problem(cutSentence)
	}
	if r.sealed {
		r.problem("The message is encrypted or signed in a way that hides its text. The original message has it.")
	}
	if len(r.unkept) > 0 {
		r.problem("Files that came with the message are not kept here: " + strings.Join(r.unkept, ", ") + ".")
	}
	m.Problem = strings.Join(r.problems, " ")
	if m.Text == "" && m.HTML == "" && m.Problem != "" {
		m.Text = m.Problem
	}
}
