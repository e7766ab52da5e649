package email

import (
	"io"
	"strings"

	"servicelink/connectors"
)

// textBudget is how many bytes of text are taken out of a mail before they are
// decoded, of plain text and of HTML each: a charset may write a character in more
// bytes than UTF-8 does.
const textBudget = 2 * connectors.MaxBody

// block is what the body of a mail is made of: a text, or others in a row, or
// several that say the same.
type block struct {
	kind  blockKind
	text  string // of plain and of HTML
	parts []*block
}

type blockKind uint8

const (
	blockRow         blockKind = iota // one after the other
	blockAlternative                  // the same, the best last
	blockPlain
	blockHTML
)

// bodies are a mail's: an empty one is not there.
type bodies struct{ text, html string }

// render puts the bodies together. In a row with HTML anywhere both hold all of it.
func (b *block) render() bodies {
	switch b.kind {
	case blockPlain:
		return bodies{text: b.text}
	case blockHTML:
		return bodies{html: b.text}
	case blockAlternative:
		return b.renderAlternative()
	default:
		return b.renderRow()
	}
}

// renderAlternative takes the first that is nothing but text, and the last HTML.
func (b *block) renderAlternative() bodies {
	var out bodies
	pure := false
	for _, part := range b.parts {
		is := part.render()
		if is.html != "" {
			out.html = is.html
		}
		if is.text != "" && (out.text == "" || !pure && is.html == "") {
			out.text, pure = is.text, is.html == ""
		}
	}
	return out
}

func (b *block) renderRow() bodies {
	all := make([]bodies, 0, len(b.parts))
	anyText, anyHTML := false, false
	for _, part := range b.parts {
		is := part.render()
		if is == (bodies{}) {
			continue
		}
		all = append(all, is)
		anyText = anyText || is.text != ""
		anyHTML = anyHTML || is.html != ""
	}
	if len(all) == 1 {
		return all[0]
	}
	var text, html []string
	for _, is := range all {
		if anyText {
			text = append(text, strings.TrimRight(orElse(is.text, func() string { return textOfHTML(is.html) }), "\n"))
		}
		if anyHTML {
			html = append(html, orElse(is.html, func() string { return htmlOfText(is.text) }))
		}
	}
	return bodies{text: strings.Join(text, "\n\n"), html: strings.Join(html, "\n")}
}

func orElse(s string, other func() string) string {
	if s != "" {
		return s
	}
	return other()
}

// readText reads a text part within the budget; cut reports that there was more.
func readText(r io.Reader, budget *int) (raw []byte, cut bool, err error) {
	raw, err = io.ReadAll(io.LimitReader(r, int64(*budget)))
	*budget -= len(raw)
	if err != nil || *budget > 0 {
		return raw, false, err
	}
	var one [1]byte
	n, err := io.ReadFull(r, one[:])
	if n == 0 && err == io.EOF { //nolint:errorlint // ReadFull's own
		err = nil
	}
	return raw, n > 0, err
}

// plainText is a decoded text as it is handed on: one kind of line endings, nothing
// that cannot be shown.
func plainText(s string) string {
	s = strings.ReplaceAll(s, "\r\n", "\n")
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\r':
			return '\n'
		case r == '\n' || r == '\t':
			return r
		case r < ' ' || r == 0x7f || r == 0xFEFF:
			return -1
		}
		return r
	}, s)
}

// unflow joins the lines of format=flowed (RFC 3676). delSp: the space at a
// line's end is no part of the text.
func unflow(s string, delSp bool) string {
	var b strings.Builder
	b.Grow(len(s))
	open, depth := false, 0 // the line before goes on in one of the same depth
	for line := range strings.Lines(s) {
		line = strings.TrimSuffix(line, "\n")
		quoted := len(line) - len(strings.TrimLeft(line, ">"))
		text := strings.TrimPrefix(line[quoted:], " ")
		signature := text == "-- "
		if open && (quoted != depth || signature) {
			b.WriteByte('\n')
			open = false
		}
		if !open && quoted > 0 {
			b.WriteString(line[:quoted] + " ")
		}
		flows := strings.HasSuffix(text, " ") && !signature
		if flows && delSp {
			text = strings.TrimSuffix(text, " ")
		}
		b.WriteString(text)
		if !flows {
			b.WriteByte('\n')
		}
		open, depth = flows, quoted
	}
	return b.String()
}
