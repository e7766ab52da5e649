package security

import (
	"bytes"
	"compress/gzip"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"
)

func itoa(n int) string { return strconv.Itoa(n) }

// zipped is n zero bytes, compressed.
func zipped(t *testing.T, n int) string {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write(make([]byte, n)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestBombs: small calls that would grow, in bytes, depth or time. Each is
// refused quickly, and memory stays what it was.
func TestBombs(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.served(1, patience)
	before := s.memory()
	nested := func(open, inner, shut string, n int) string {
		return strings.Repeat(open, n) + inner + strings.Repeat(shut, n)
	}
	member := func(text string) string {
		return strings.TrimSuffix(s.message(2, "visitor", "x", ""), "}") + `,"more":` + text + "}"
	}
	chat := func(number string) string {
		return strings.Replace(s.message(3, "visitor", "x", ""), `"chat_id":3`, `"chat_id":`+number, 1)
	}
	bomb := zipped(t, 64<<20)
	for name, call := range map[string]struct {
		body   string
		header map[string]string
		status string // what it may be; empty = anything but 200
	}{
		"gzip":                {bomb, map[string]string{"Content-Encoding": "gzip"}, ""},
		"gzip in other words": {bomb, map[string]string{"Content-Encoding": "x-gzip, identity"}, ""},
		"deflate":             {bomb, map[string]string{"Content-Encoding": "deflate"}, ""},
		"br":                  {bomb, map[string]string{"Content-Encoding": "br"}, ""},
		"gzip, not told":      {bomb, nil, ""},
		"deep arrays":         {member(nested("[", "", "]", 100_000)), nil, ""},
		"deep objects":        {member(nested(`{"a":`, "1", "}", 100_000)), nil, ""},
		"deep, never closed":  {strings.Repeat("[", 500_000), nil, ""},
		"many members":        {member("{" + strings.Repeat(`"k":1,`, 100_000) + `"z":1}`), nil, ""},
		"many elements":       {member("[" + strings.Repeat("1,", 300_000) + "1]"), nil, ""},
		"a long number":       {chat(strings.Repeat("9", 500_000)), nil, ""},
		"a huge exponent":     {chat("1e999999999"), nil, ""},
		"a tiny exponent":     {chat("1e-999999999"), nil, ""},
		"a long fraction":     {chat("1." + strings.Repeat("3", 500_000)), nil, ""},
		"not a number":        {chat("NaN"), nil, ""},
		"a long string":       {s.message(4, "visitor", strings.Repeat("a", 2<<20), ""), nil, ""},
		"many escapes":        {member(`"` + strings.Repeat(`\u0000`, 100_000) + `"`), nil, "any"},
		"half a surrogate":    {strings.Replace(s.message(5, "visitor", "TEXT", ""), "TEXT", strings.Repeat(`\ud83d`, 1000), 1), nil, "any"},
		"no UTF-8":            {strings.Replace(s.message(6, "visitor", "TEXT", ""), "TEXT", strings.Repeat("\xff\xfe", 1000), 1), nil, "any"},
		"a byte order mark":   {"\ufeff" + s.message(7, "visitor", "x", ""), nil, "any"},
		"nothing":             {"", nil, ""},
	} {
		began := time.Now()
		got, err := s.do(http.MethodPost, "http://"+s.public+hookPath, call.body, call.header)
		if err != nil { // it may hang up on a body it does not want
			continue
		}
		if took := time.Since(began); took > 3*time.Second {
			t.Errorf("%s: took %v", name, took)
		}
		if call.status == "" && got.status == http.StatusOK {
			t.Errorf("%s: was taken", name)
		}
		if len(got.body) > 200 {
			t.Errorf("%s: a long answer: %.300q", name, got.body)
		}
	}
	s.served(1, patience)
	if grown := s.memory() - before; grown > 64<<20 {
		t.Errorf("memory grew by %d MiB", grown>>20)
	}
}

// TestHeaderBombs: a header has its limit, in bytes and in time, and so have the
// trailer and the extensions of chunks.
func TestHeaderBombs(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.served(1, patience)
	before := s.memory()
	start := "POST " + hookPath + " HTTP/1.1\r\nHost: h\r\nConnection: close\r\n"
	chunked := start + "Transfer-Encoding: chunked\r\n\r\n"
	for name, raw := range map[string]string{
		"one long header":      start + "X: " + strings.Repeat("x", 8<<20) + "\r\n\r\n",
		"many headers":         start + strings.Repeat("X: y\r\n", 500_000) + "\r\n",
		"a long name":          start + strings.Repeat("x", 8<<20) + ": y\r\n\r\n",
		"a long line":          "POST /" + strings.Repeat("x", 8<<20) + " HTTP/1.1\r\n\r\n",
		"a long query":         "POST " + hookPath + "?" + strings.Repeat("a=b&", 1<<20) + " HTTP/1.1\r\nHost: h\r\n\r\n",
		"cookies":              start + strings.Repeat("Cookie: a=b\r\n", 200_000) + "\r\n",
		"a long method":        strings.Repeat("X", 8<<20),
		"a long extension":     chunked + "1;" + strings.Repeat("x", 8<<20) + "\r\n{\r\n0\r\n\r\n",
		"many extensions":      chunked + strings.Repeat("1;"+strings.Repeat("x", 200)+"\r\n \r\n", 50_000) + "0\r\n\r\n",
		"a long trailer":       chunked + "2\r\n{}\r\n0\r\n" + strings.Repeat("X: y\r\n", 500_000) + "\r\n",
		"many small chunks":    chunked + strings.Repeat("1\r\n \r\n", 300_000) + "0\r\n\r\n",
		"a body without end":   chunked + strings.Repeat("10000\r\n"+strings.Repeat(" ", 0x10000)+"\r\n", 200),
		"pipelined for ever":   strings.Repeat("GET /x HTTP/1.1\r\nHost: h\r\n\r\n", 20_000),
		"a range of a webhook": start + "Range: bytes=" + strings.Repeat("0-1,", 3000) + "0-1\r\nContent-Length: 0\r\n\r\n",
	} {
		began := time.Now()
		said := s.raw(s.public, raw)
		if took := time.Since(began); took > 10*time.Second {
			t.Errorf("%s: took %v", name, took)
		}
		if strings.HasPrefix(said, "HTTP/1.1 2") {
			t.Errorf("%s: %.100q", name, said)
		}
	}
	s.served(1, patience)
	if grown := s.memory() - before; grown > 64<<20 {
		t.Errorf("memory grew by %d MiB", grown>>20)
	}
}
