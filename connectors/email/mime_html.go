package email

import (
	"net/url"
	"regexp"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
)

// A mail's HTML is hostile, and it is the core that makes it harmless before it
// shows it: so it says of its bodies. What is handed over is what the sender wrote,
// in well-formed UTF-8, with references to the mail's own pictures turned into
// links to where they are kept. Nothing is fetched. Only the tokens are read, not
// the tree: building that takes quadratic time of hostile input.

// contentID is a reference to another part of the mail (RFC 2392).
var contentID = regexp.MustCompile(`(?i)\bcid:([^\s"'()<>&;,]{1,300})`)

// linkPictures replaces the references to parts that links names, by their
// Content-ID, and the charset that the document says to be in.
func linkPictures(document string, links map[string]string) string {
	if lower := strings.ToLower(document); !strings.Contains(lower, "charset") && (len(links) == 0 || !strings.Contains(lower, "cid:")) {
		return document
	}
	var b strings.Builder
	b.Grow(len(document))
	z := html.NewTokenizer(strings.NewReader(document))
	style := false
	for {
		kind := z.Next()
		raw := string(z.Raw())
		switch kind {
		case html.ErrorToken:
			return b.String() // what is left is a tag without an end
		case html.StartTagToken, html.SelfClosingTagToken:
			name, more := z.TagName()
			style = atom.Lookup(name) == atom.Style
			if atom.Lookup(name) == atom.Meta && more && saysCharset(z) {
				raw = `<meta charset="utf-8">`
			}
			raw = linkIDs(raw, links)
		case html.TextToken:
			if style {
				raw = linkIDs(raw, links)
			}
		default:
			style = false
		}
		b.WriteString(raw)
	}
}

func linkIDs(s string, links map[string]string) string {
	if len(links) == 0 || !strings.Contains(strings.ToLower(s), "cid:") {
		return s
	}
	return contentID.ReplaceAllStringFunc(s, func(ref string) string {
		id := ref[len("cid:"):]
		if plain, err := url.PathUnescape(id); err == nil {
			id = plain
		}
		if link := links[id]; link != "" {
			return html.EscapeString(link)
		}
		return ref
	})
}

// saysCharset: a meta tag that tells in which charset the document was.
func saysCharset(z *html.Tokenizer) bool {
	for {
		key, value, more := z.TagAttr()
		if string(key) == "charset" || string(key) == "content" && strings.Contains(strings.ToLower(string(value)), "charset=") {
			return true
		}
		if !more {
			return false
		}
	}
}

// cutHTML shortens a document to limit bytes, never within a tag; cut reports
// whether it did.
func cutHTML(document string, limit int) (short string, cut bool) {
	if len(document) <= limit {
		return document, false
	}
	z := html.NewTokenizer(strings.NewReader(document))
	size := 0
	for {
		kind := z.Next()
		if kind == html.ErrorToken {
			return document[:size], true
		}
		if raw := z.Raw(); size+len(raw) > limit {
			if kind == html.TextToken {
				size += len(cutText(string(raw), limit-size))
			}
			return document[:size], true
		}
		size += len(z.Raw())
	}
}

// cutText is s shortened to limit bytes at the border of a character.
func cutText(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	for limit > 0 && !utf8.RuneStart(s[limit]) {
		limit--
	}
	return s[:limit]
}

// htmlOfText shows plain text among HTML.
func htmlOfText(s string) string {
	return `<div style="white-space: pre-wrap">` + html.EscapeString(s) + "</div>"
}

// textOfHTML is what a person reads in a document.
func textOfHTML(document string) string {
	w := textWriter{}
	z := html.NewTokenizer(strings.NewReader(document))
	for {
		switch z.Next() {
		case html.ErrorToken:
			return strings.TrimSpace(w.b.String())
		case html.TextToken:
			w.text(string(z.Text()))
		case html.StartTagToken, html.SelfClosingTagToken:
			name, more := z.TagName()
			w.start(atom.Lookup(name), attributes(z, more))
		case html.EndTagToken:
			name, _ := z.TagName()
			w.end(atom.Lookup(name))
		}
	}
}

// attributes reads those that textWriter wants.
func attributes(z *html.Tokenizer, more bool) map[string]string {
	var all map[string]string
	for more {
		var key, value []byte
		key, value, more = z.TagAttr()
		if k := string(key); k == "href" || k == "alt" {
			if all == nil {
				all = map[string]string{}
			}
			all[k] = string(value)
		}
	}
	return all
}

// textWriter writes the text of a document, line by line.
type textWriter struct {
	b       strings.Builder
	hidden  atom.Atom // within what is not shown, until it ends
	pre     int       // preformatted elements around
	quotes  int       // quotations around
	breaks  int       // line breaks at the end of what is written
	space   bool      // a space is due before the next word
	href    string    // of the link around
	linkAt  int       // where its text begins
	started bool
}

func (w *textWriter) start(name atom.Atom, attributes map[string]string) {
	if w.hidden != 0 {
		return
	}
	switch name {
	case atom.Script, atom.Style, atom.Title, atom.Template, atom.Textarea, atom.Noframes, atom.Iframe, atom.Noembed, atom.Xmp:
		w.hidden = name
	case atom.Br:
		w.newline(w.breaks + 1)
	case atom.Hr:
		w.newline(1)
		w.write("----")
		w.newline(1)
	case atom.P, atom.H1, atom.H2, atom.H3, atom.H4, atom.H5, atom.H6, atom.Ul, atom.Ol, atom.Table:
		w.newline(2)
	case atom.Blockquote:
		w.newline(1)
		w.quotes = min(w.quotes+1, 10)
	case atom.Pre:
		w.newline(1)
		w.pre++
	case atom.Li:
		w.newline(1)
		w.write("- ")
	case atom.Td, atom.Th:
		w.space = true
	case atom.Img:
		if alt := strings.TrimSpace(attributes["alt"]); alt != "" {
			w.text("[" + alt + "]")
		}
	case atom.A:
		w.href, w.linkAt = strings.TrimSpace(attributes["href"]), w.b.Len()
	default:
		if isBlock(name) {
			w.newline(1)
		}
	}
}

func (w *textWriter) end(name atom.Atom) {
	if w.hidden != 0 {
		if name == w.hidden {
			w.hidden = 0
		}
		return
	}
	switch name {
	case atom.A:
		w.endLink()
	case atom.Blockquote:
		w.newline(1)
		w.quotes = max(w.quotes-1, 0)
	case atom.Pre:
		w.newline(1)
		w.pre = max(w.pre-1, 0)
	case atom.P, atom.H1, atom.H2, atom.H3, atom.H4, atom.H5, atom.H6, atom.Ul, atom.Ol, atom.Table:
		w.newline(2)
	default:
		if isBlock(name) {
			w.newline(1)
		}
	}
}

// isBlock: elements that stand on lines of their own.
func isBlock(name atom.Atom) bool {
	switch name {
	case atom.Div, atom.Tr, atom.Section, atom.Article, atom.Header, atom.Footer, atom.Center, atom.Dl, atom.Dt, atom.Dd,
		atom.Address, atom.Form, atom.Body, atom.Fieldset, atom.Figure, atom.Main, atom.Nav, atom.Aside, atom.Caption:
		return true
	default:
		return false
	}
}

// endLink writes where a link goes, unless its text says so.
func (w *textWriter) endLink() {
	href := w.href
	w.href = ""
	if len(href) > 2000 || !strings.HasPrefix(href, "http://") && !strings.HasPrefix(href, "https://") && !strings.HasPrefix(href, "mailto:") {
		return
	}
	text := strings.TrimSpace(w.b.String()[w.linkAt:])
	target := strings.TrimSuffix(strings.TrimPrefix(href, "mailto:"), "/")
	if text != "" && !strings.Contains(text, target) && !strings.HasSuffix(target, "://"+text) {
		w.write(" <" + strings.TrimPrefix(href, "mailto:") + ">")
	}
}

// text writes words, with single spaces between them outside of what is preformatted.
func (w *textWriter) text(s string) {
	if w.hidden != 0 {
		return
	}
	s = strings.ReplaceAll(s, "\u00a0", " ")
	if w.pre > 0 {
		for line := range strings.Lines(s) {
			w.write(strings.TrimRight(line, "\r\n"))
			if strings.HasSuffix(line, "\n") {
				w.newline(w.breaks + 1)
			}
		}
		return
	}
	if s != "" && isSpace(s[0]) {
		w.space = true
	}
	for word := range strings.FieldsSeq(s) {
		if w.space && w.breaks == 0 && w.started {
			w.write(" ")
		}
		w.write(word)
		w.space = true
	}
	w.space = s != "" && isSpace(s[len(s)-1]) || w.space && strings.TrimSpace(s) == ""
}

func isSpace(c byte) bool { return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' }

// write puts s onto the line, behind the marks of quotations at its start.
func (w *textWriter) write(s string) {
	if s == "" {
		return
	}
	if (w.breaks > 0 || !w.started) && w.quotes > 0 {
		w.b.WriteString(strings.Repeat(">", w.quotes) + " ")
	}
	w.b.WriteString(s)
	w.breaks, w.started = 0, true
}

// newline sees to it that what is written ends with n line breaks, three at most.
func (w *textWriter) newline(n int) {
	w.space = false
	for ; w.started && w.breaks < min(n, 3); w.breaks++ {
		w.b.WriteByte('\n')
	}
}
