package email

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"io"
	"testing"

	"servicelink/test/corpus"
)

// BenchmarkParse reads mails of the sizes that issue 7 names.
func BenchmarkParse(b *testing.B) {
	run := func(name string, raw []byte) {
		b.Run(name, func(b *testing.B) {
			p := testParser(&memoryKeeper{discard: true})
			b.SetBytes(int64(len(raw)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := p.parse(b.Context(), incoming{Raw: bytes.NewReader(raw), Received: received, Original: original}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	run("50kB", bigMail(b, 50<<10))
	run("25MB", bigMail(b, 25<<20))
	for _, mail := range corpus.Hostile(1 << 20) {
		run("hostile/"+mail.Name, mail.Raw)
	}
}

// bigMail is one of size bytes: a text, its HTML and a file.
func bigMail(t testing.TB, size int) []byte {
	t.Helper()
	head := "From: a@x.example\r\nSubject: big\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n" +
		"--b\r\nContent-Type: multipart/alternative; boundary=c\r\n\r\n--c\r\n\r\nThe text\r\n--c\r\nContent-Type: text/html\r\n\r\n<p>The HTML</p>\r\n--c--\r\n" +
		"--b\r\nContent-Type: application/zip; name=big.zip\r\nContent-Transfer-Encoding: base64\r\n\r\n"
	var raw bytes.Buffer
	raw.Grow(size + 100)
	raw.WriteString(head)
	content := make([]byte, (size-len(head))/78*57)
	if _, err := io.ReadFull(rand.Reader, content); err != nil {
		t.Fatal(err)
	}
	for line := range bytesChunk(content, 57) {
		fmt.Fprintf(&raw, "%s\r\n", base64.StdEncoding.EncodeToString(line))
	}
	raw.WriteString("--b--\r\n")
	return raw.Bytes()
}

func bytesChunk(b []byte, n int) func(func([]byte) bool) {
	return func(yield func([]byte) bool) {
		for len(b) > 0 {
			k := min(n, len(b))
			if !yield(b[:k]) {
				return
			}
			b = b[k:]
		}
	}
}
