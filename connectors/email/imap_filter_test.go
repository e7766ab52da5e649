package email

import (
	"bytes"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"testing/iotest"
)

// readerConn is a connection that only gives.
type readerConn struct {
	net.Conn
	io.Reader
}

func (c readerConn) Read(b []byte) (int, error) { return c.Reader.Read(b) }

func filtered(t testing.TB, r io.Reader) string {
	t.Helper()
	out, err := io.ReadAll(newIMAPFilter(readerConn{Reader: r}, ""))
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Fatal(err)
	}
	return string(out)
}

func TestIMAPFilter(t *testing.T) {
	long := strings.Repeat("1 ", filterBuffer)
	for name, test := range map[string]struct{ in, want string }{
		"known":            {"* 3 EXISTS\r\n* ok fine {3}\r\nT1 OK\r\n+ go\r\n", "* 3 EXISTS\r\n* ok fine {3}\r\nT1 OK\r\n+ go\r\n"},
		"unknown":          {"* XFOO 1\r\n* 3 EXISTS\r\n", "* 3 EXISTS\r\n"},
		"number":           {"* 3 XFOO\r\n* 3 LIST\r\n* EXISTS 3\r\n* 3\r\n", ""},
		"literal in it":    {"* XFOO {8}\r\n* 1 OK\r\n (x\r\n* FLAGS ()\r\n", "* FLAGS ()\r\n"},
		"literal kept":     {"* 1 FETCH (BODY[] {14}\r\n* XFOO inside\n)\r\n* XBAR\r\n", "* 1 FETCH (BODY[] {14}\r\n* XFOO inside\n)\r\n"},
		"empty literal":    {"* 1 FETCH (BODY[] {0}\r\n)\r\n* XBAR\r\n", "* 1 FETCH (BODY[] {0}\r\n)\r\n"},
		"brace in words":   {"* OK see {99999}\r\nT1 OK {5}\r\n* XBAR\r\n", "* OK see {99999}\r\nT1 OK {5}\r\n"},
		"long line":        {"* SEARCH " + long + "\r\n* XFOO " + long + "{2}\r\nab\r\n* 1 EXISTS\r\n", "* SEARCH " + long + "\r\n* 1 EXISTS\r\n"},
		"nothing":          {"\r\n* \r\n", ""},
		"end without line": {"T1 OK", "T1 OK"},
	} {
		t.Run(name, func(t *testing.T) {
			equal(t, "at once", filtered(t, strings.NewReader(test.in)), test.want)
			equal(t, "byte by byte", filtered(t, iotest.OneByteReader(strings.NewReader(test.in))), test.want)
		})
	}
}

// FuzzIMAPFilter: what comes out is a part of what went in, in its order, however it
// came; and what is known comes through.
func FuzzIMAPFilter(f *testing.F) {
	for _, s := range []string{"* 1 FETCH (BODY[] {3}\r\nabc)\r\n", "* XFOO {2}\r\nab\r\n", "* OK [UIDVALIDITY 7] x\r\n", "* X {9999999999999999999}\r\n", "* X {}\r\n", "* X {+}\r\n", "* \xff\r\n"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		whole := filtered(t, bytes.NewReader(raw))
		if pieces := filtered(t, iotest.OneByteReader(bytes.NewReader(raw))); pieces != whole {
			t.Fatalf("%q by pieces, %q at once", pieces, whole)
		}
		rest := raw
		for i := range len(whole) {
			at := bytes.IndexByte(rest, whole[i])
			if at < 0 {
				t.Fatalf("%q comes of %q", whole, raw)
			}
			rest = rest[at+1:]
		}
		// An answer behind whole lines without literals always comes through.
		if !bytes.ContainsAny(raw, "{") {
			if out := filtered(t, io.MultiReader(bytes.NewReader(raw), strings.NewReader("\r\n* 1 EXISTS\r\n"))); !strings.HasSuffix(out, "* 1 EXISTS\r\n") {
				t.Fatalf("%q is lost behind %q", out, raw)
			}
		}
	})
}
