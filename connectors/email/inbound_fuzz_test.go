package email

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"servicelink/test/corpus"
)

// FuzzMail: any bytes are an event, twice the same one.
func FuzzMail(f *testing.F) {
	names, _ := filepath.Glob("testdata/in/*.eml")
	for _, name := range names {
		raw, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
	}
	for _, raw := range corpus.Generate(2, 50) {
		f.Add(raw)
	}
	for _, mail := range corpus.Hostile(1000) {
		f.Add(mail.Raw)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		keeper := &memoryKeeper{}
		one := read(t, testParser(keeper), raw)
		if one.Message.Problem == "The message could not be read." {
			t.Error("a panic")
		}
		total := 0
		for _, content := range keeper.content {
			total += len(content)
		}
		if total > len(raw) {
			t.Errorf("%d bytes of files in a mail of %d", total, len(raw))
		}
		if two := read(t, testParser(nil), bytes.ReplaceAll(raw, []byte("\r\n"), []byte("\n"))); two.ID != one.ID {
			t.Error("another mail with other line endings")
		}
	})
}

// FuzzAuthResults: only what is in the field is found, and the name is its first word.
func FuzzAuthResults(f *testing.F) {
	f.Add("mx.example.org; dkim=pass (2048-bit; \"x\") header.d=a.example; dmarc=fail (p=REJECT) header.from=a.example")
	f.Add("mx.example.org 1; none")
	f.Add(`"quoted; name" (comment (nested)) ; a/1 = b reason="c;d"`)
	f.Fuzz(func(t *testing.T, value string) {
		id, results := parseAuthResults(value)
		lower := strings.ToLower(value)
		if !strings.Contains(lower, strings.Trim(id, `"`)) && !strings.ContainsAny(value, `\(`) {
			t.Errorf("name %q", id)
		}
		if len(results) > strings.Count(value, ";") || len(results) > strings.Count(value, "=") {
			t.Errorf("%d results", len(results))
		}
		for _, one := range results {
			if strings.ContainsAny(one.result, " \t;") {
				t.Errorf("result %+v", one)
			}
		}
	})
}

// FuzzReport: whatever a report says, what is taken of it can be shown.
func FuzzReport(f *testing.F) {
	f.Add([]byte("Reporting-MTA: dns; x\n\nFinal-Recipient: rfc822; a@b.example\nAction: failed\nStatus: 5.1.1 (x)\nDiagnostic-Code: smtp; 550 no\n"), "MAILER-DAEMON@x.example")
	f.Add([]byte("Disposition: manual-action/MDN-sent-manually; displayed/error\nOriginal-Message-ID: <1@x>\n"), "a@x.example")
	f.Fuzz(func(t *testing.T, status []byte, from string) {
		from = strings.Map(func(r rune) rune {
			if r < ' ' {
				return -1
			}
			return r
		}, from)
		raw := "From: " + from + "\nContent-Type: multipart/report; boundary=b\n\n--b\n\ntext\n--b\nContent-Type: message/delivery-status\n\n" + string(status) + "\n--b--\n"
		m := read(t, testParser(nil), []byte(raw)).Message
		if m.Report == nil {
			return
		}
		for _, s := range []string{m.Report.Action, m.Report.Status, m.Report.Recipient, m.Report.Reason} {
			if !utf8.ValidString(s) || strings.ContainsAny(s, "\r\n\x00") || len(s) > maxReason+100 {
				t.Errorf("%q", s)
			}
		}
		if m.Report.Status != "" && !statusCode.MatchString(m.Report.Status) {
			t.Errorf("status %q", m.Report.Status)
		}
	})
}

// FuzzHeader: decoded text is one line of UTF-8, addresses are addresses, ids hold
// nothing that could break a header they are written into again.
func FuzzHeader(f *testing.F) {
	for _, s := range []string{"=?utf-8?B?R3LD?= =?utf-8?B?vMOfZQ==?=", "\"Doe, J\" <j@x.example>, g: a@b, c@d;", "<a@b> <c@d>", "Mon, 23 Nov 2026 08:00:00 +0100 (x)", "a/b; c*0*=utf-8'de'%41; c*1=x", "=?iso-2022-jp?b?GyRC?="} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, value string) {
		if s := decodeHeader(value, "koi8-r"); !utf8.ValidString(s) || strings.ContainsAny(s, "\r\n\x00") {
			t.Errorf("%q", s)
		}
		for _, a := range parseAddresses(value, "") {
			if !utf8.ValidString(a.String()) || strings.ContainsAny(a.String(), "\r\n\x00") || a.addr != "" && cleanAddress(a.addr) != a.addr {
				t.Errorf("%q %q", a.name, a.addr)
			}
		}
		for _, id := range append(messageIDs(value), messageID(value)) {
			if strings.ContainsAny(id, " \t\r\n<>") {
				t.Errorf("%q", id)
			}
		}
		if at := parseDate(value); !at.IsZero() && (at.Year() < 1969 || at.Year() > 10000) {
			t.Error(at)
		}
		for _, s := range parseMediaType(value).params {
			if name := safeName(decodeHeader(s, "")); strings.ContainsAny(name, "/\\\x00\r\n") || strings.HasPrefix(name, ".") || len(name) > maxFileName || !utf8.ValidString(name) {
				t.Errorf("%q", name)
			}
		}
	})
}
