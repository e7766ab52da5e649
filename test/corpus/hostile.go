package corpus

import (
	"bytes"
	"fmt"
	"strings"
)

// Hostile gives mails of about size bytes each that are made to cost a reader more
// than their length: time, memory, or a stack.
func Hostile(size int) []Mail {
	var all []Mail
	add := func(name, raw string) {
		all = append(all, Mail{Name: name, Raw: []byte(strings.ReplaceAll(raw, "\n", "\r\n"))})
	}
	body := func(name, contentType, raw string) {
		add(name, "From: a@x.example\nSubject: hostile\nMIME-Version: 1.0\nContent-Type: "+contentType+"\n\n"+raw)
	}
	header := func(name, raw string) { add(name, "From: a@x.example\n"+raw+"\n\ntext\n") }
	fill := func(s string) string { return strings.Repeat(s, max(1, size/len(s))) }

	add("nested multiparts", nested(size, func(i int) string { return fmt.Sprintf("b%d", i) }))
	add("nested multiparts of one boundary", nested(size, func(int) string { return "b" }))
	add("nested multiparts, each the beginning of the next", nested(size, func(i int) string { return strings.Repeat("b", i%900+1) }))
	body("nested mails", "message/rfc822", fill("Content-Type: message/rfc822\n\n"))
	body("many parts", "multipart/mixed; boundary=b", fill("--b\n\nx\n"))
	body("many empty parts", "multipart/mixed; boundary=b", fill("--b\n"))
	body("many files", "multipart/mixed; boundary=b", fill("--b\nContent-Type: image/png\n\nx\n"))
	body("many texts", "multipart/alternative; boundary=b", fill("--b\nContent-Type: text/html\n\n<p>x\n--b\n\nx\n"))
	body("many lines that might be delimiters", "multipart/mixed; boundary=b", "--b\n\n"+fill("--\n"))
	body("many multiparts in a row", "multipart/mixed; boundary=b", fill("--b\nContent-Type: multipart/mixed; boundary=c\n\n--c\n\nx\n"))
	body("a line without an end", "multipart/mixed; boundary=b", "--b\n\n"+fill("x"))
	body("a line of spaces", "text/plain; format=flowed", fill(" "))
	body("flowed quotes", "text/plain; format=flowed", fill("> > \n>>>>> \n"))
	body("a line of quotes", "text/plain; format=flowed", fill(">"))
	body("quoted-printable of spaces", "text/plain\nContent-Transfer-Encoding: quoted-printable", fill("=   "))
	body("quoted-printable of equals signs", "text/plain\nContent-Transfer-Encoding: quoted-printable", fill("="))
	body("base64 of padding", "text/plain\nContent-Transfer-Encoding: base64", fill("A="))
	body("utf-7 of shifts", "text/plain; charset=utf-7", fill("+-+A"))
	body("charset of shifts", "text/plain; charset=iso-2022-jp", fill("\x1b$B\x1b(B"))
	for _, s := range []string{
		"<div>", "<", "a=b ", `<a href="https://x.example/">`, `<a href="https://x.example/">x</a>`, "<!--", "&lt;&#x41;", "<blockquote>x",
		"<ul><li>", `<img src="cid:a">`, "<script>", "<pre>\n", "<table><tr><td>x", "<br>", "</blockquote><blockquote>x", "<a href=x>y",
	} {
		body("html of "+s, "text/html", fill(s))
	}
	body("html of one tag", "text/html", "<a "+fill("b='c' "))
	header("fields", fill("X: y\n"))
	header("a field without an end", "Subject: "+fill("x"))
	header("folded lines", "Subject: x\n"+fill(" x\n"))
	header("lines of no field", fill("no field\n"))
	header("encoded words", "Subject: "+fill("=?utf-8?q?x?= "))
	header("beginnings of encoded words", "Subject: "+fill("=?"))
	header("broken encoded words", "Subject: "+fill("=?utf-8?q?"))
	header("addresses", "To: "+fill("a@x.example,"))
	header("commas", "To: "+fill("a,"))
	header("angles", "To: "+fill("<"))
	header("angles and commas", "To: "+fill("<,"))
	header("colons", "To: @"+fill(":"))
	header("comments in comments", "To: "+fill("("))
	header("comments in comments of a type", "Content-Type: text/plain"+fill("("))
	header("quotes", "To: "+fill(`"\`))
	header("references", "References: "+fill("<a@b>"))
	header("ids without an end", "References: "+fill("<"))
	header("parameters", "Content-Type: text/plain"+fill(";a=b"))
	header("pieces of a parameter", "Content-Type: text/plain"+fill(";a*1*=%41"))
	header("received", fill("Received: by x.example; now\n"))
	header("results", "Authentication-Results: mx.example.org"+fill("; a=b (c)"))
	body("groups of a report", "multipart/report; boundary=b", "--b\nContent-Type: message/delivery-status\n\n"+fill("Action: failed\n\n"))
	body("ids in a report", "text/plain\nReturn-Path: <>", fill("Message-ID: "))
	return all
}

// nested is a mail of multiparts in each other.
func nested(size int, boundary func(i int) string) string {
	var b bytes.Buffer
	b.WriteString("From: a@x.example\nSubject: hostile\n")
	for i := 0; b.Len() < size; i++ {
		fmt.Fprintf(&b, "Content-Type: multipart/mixed; boundary=%q\n\n--%s\n", boundary(i), boundary(i))
	}
	b.WriteString("\n\ntext\n")
	return b.String()
}
