package corpus

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"html"
	"mime/quotedprintable"
	"strings"
)

// shapes are how mails are built.
var shapes = []struct {
	name  string
	write func(*writer) (contentHeader, body string)
}{
	{"plain", (*writer).plain},
	{"html", (*writer).htmlOnly},
	{"alternative", (*writer).alternative},
	{"alternative in mixed", func(w *writer) (string, string) {
		return w.multipart("mixed", part(w.alternative()), w.attachment())
	}},
	{"mixed", func(w *writer) (string, string) { return w.multipart("mixed", part(w.plain()), w.attachment()) }},
	{"related", func(w *writer) (string, string) {
		return w.multipart("related", part(w.htmlOnly()), w.picture())
	}},
	{"related in alternative in mixed", func(w *writer) (string, string) {
		related := part(w.multipart("related", part(w.htmlOnly()), w.picture()))
		return w.multipart("mixed", part(w.multipart("alternative", part(w.plain()), related)), w.attachment())
	}},
	{"signed", func(w *writer) (string, string) {
		return w.multipart("signed", part(w.plain()), "Content-Type: application/pgp-signature\r\n\r\n-----BEGIN PGP SIGNATURE-----\r\n")
	}},
	{"forwarded", func(w *writer) (string, string) {
		w.made.Files++
		return w.multipart("mixed", part(w.plain()), "Content-Type: message/rfc822\r\n\r\nSubject: inner\r\nMIME-Version: 1.0\r\n"+
			"Content-Type: multipart/mixed; boundary=inner\r\n\r\n--inner\r\n\r\nhidden\r\n--inner--\r\n")
	}},
	{"nested", func(w *writer) (string, string) {
		h, b := w.plain()
		for range 1 + w.r.IntN(10) {
			h, b = w.multipart("mixed", part(h, b))
		}
		return h, b
	}},
	{"unclosed", func(w *writer) (string, string) {
		h, b := w.multipart("mixed", part(w.plain()), w.attachment())
		return h, b[:strings.LastIndex(b, "\r\n--")+2]
	}},
	{"flowed", (*writer).flowed},
}

func part(header, body string) string { return header + "\r\n" + body }

// plain is a text part.
func (w *writer) plain() (contentHeader, body string) {
	w.html = false
	return w.text("text/plain", w.made.Text)
}

func (w *writer) htmlOnly() (contentHeader, body string) {
	w.made.HTML = true
	return w.text("text/html", `<html><head><title>no</title><style>p { color: red }</style></head><body><p class="a">`+
		html.EscapeString(w.made.Text)+`</p><img src="cid:picture@example.org"><script>alert("no")</script></body></html>`)
}

func (w *writer) alternative() (contentHeader, body string) {
	return w.multipart("alternative", part(w.plain()), part(w.htmlOnly()))
}

// flowed has every word on a line of its own.
func (w *writer) flowed() (contentHeader, body string) {
	h, _ := w.text("text/plain; format=flowed", "")
	return h, w.transfer(w.script.encode(strings.ReplaceAll(w.made.Text, " ", " \r\n")))
}

func (w *writer) text(kind, text string) (contentHeader, body string) {
	h := "Content-Type: " + kind
	if w.script.charset != "" {
		h += w.one("; charset=", ";\r\n\tcharset=", "; CHARSET=") + w.one(w.script.charset, `"`+w.script.charset+`"`)
	}
	h += "\r\n"
	if w.encoding != "" {
		h += "Content-Transfer-Encoding: " + w.encoding + "\r\n"
	}
	return h, w.transfer(w.script.encode(text))
}

// transfer applies the mail's transfer encoding.
func (w *writer) transfer(raw []byte) string {
	switch strings.ToLower(w.encoding) {
	case "base64":
		return wrap(base64.StdEncoding.EncodeToString(raw)) + w.one("", "\r\n", "\r\n\r\n")
	case "quoted-printable":
		var b bytes.Buffer
		q := quotedprintable.NewWriter(&b)
		_, _ = q.Write(raw)
		_ = q.Close()
		return b.String() + "\r\n"
	default:
		return string(raw) + "\r\n"
	}
}

// wrap breaks base64 into lines.
func wrap(s string) string {
	var b strings.Builder
	for len(s) > 76 {
		b.WriteString(s[:76] + "\r\n")
		s = s[76:]
	}
	return b.String() + s
}

// attachment is a file whose name is written in one of the ways that are met.
func (w *writer) attachment() string {
	w.made.Files++
	raw := make([]byte, w.r.IntN(5000))
	for i := range raw {
		raw[i] = byte(w.r.Uint32())
	}
	name := w.one(`filename="report.pdf"`, "filename=report.pdf", "filename*=utf-8''%C3%9Cbersicht.pdf", `filename="=?utf-8?Q?=C3=9Cbersicht.pdf?="`,
		"filename*0=\"very long\"; filename*1=\" name.pdf\"", `filename="../../etc/passwd"`, `filename="C:\docs\report.pdf"`, `filename=""`)
	return "Content-Type: application/pdf\r\nContent-Disposition: attachment; " + name +
		"\r\nContent-Transfer-Encoding: base64\r\n\r\n" + wrap(base64.StdEncoding.EncodeToString(raw))
}

func (w *writer) picture() string {
	w.made.Files++
	return "Content-Type: image/png; name=p.png\r\nContent-ID: <picture@example.org>\r\nContent-Disposition: inline\r\n" +
		"Content-Transfer-Encoding: base64\r\n\r\niVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
}

// multipart puts parts together, with a boundary that may be the beginning of
// another's.
func (w *writer) multipart(kind string, parts ...string) (contentHeader, body string) {
	boundary := w.one("b", "=_b", "----=_Next Part", "b(1)'+,./:=?") + strings.Repeat("x", w.r.IntN(5))
	all := strings.Join(parts, "")
	for strings.Contains(all, "--"+boundary+"\r\n") {
		boundary += "y"
	}
	var b strings.Builder
	b.WriteString(w.one("", "This is a message in MIME format.\r\n"))
	for _, p := range parts {
		fmt.Fprintf(&b, "--%s%s\r\n%s\r\n", boundary, w.one("", "", " "), p)
	}
	fmt.Fprintf(&b, "--%s--\r\n%s", boundary, w.one("", "", "epilogue\r\n"))
	return fmt.Sprintf("Content-Type: multipart/%s;%sboundary=%q\r\n", kind, w.one(" ", "\r\n "), boundary), b.String()
}

// subject writes text as a header can hold it.
func (w *writer) subject(text string) string {
	if w.script.charset == "us-ascii" && w.rarely(2) {
		return strings.ReplaceAll(text, " ", w.one(" ", "\r\n "))
	}
	if w.script.enc == nil && w.rarely(4) {
		return text // raw bytes
	}
	words := strings.Split(text, " ")
	for i := range words {
		if i > 0 {
			words[i] = " " + words[i] // spaces between encoded words are none
		}
		words[i] = w.word(words[i])
	}
	return strings.Join(words, w.one(" ", "\r\n ", "\r\n\t"))
}

// word is an encoded word of RFC 2047.
func (w *writer) word(text string) string {
	charset := w.script.charset
	if charset == "" {
		charset = "utf-8"
	}
	raw := w.script.encode(text)
	if w.rarely(2) {
		return "=?" + charset + "?" + w.one("b", "B") + "?" + base64.StdEncoding.EncodeToString(raw) + "?="
	}
	var b strings.Builder
	for _, c := range raw {
		switch {
		case c == ' ':
			b.WriteByte('_')
		case c >= '0' && c <= '9', c >= 'a' && c <= 'z':
			b.WriteByte(c)
		default:
			fmt.Fprintf(&b, "=%02X", c)
		}
	}
	return "=?" + charset + "?" + w.one("q", "Q") + "?" + b.String() + "?="
}
