package email

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net"
	"strconv"
	"strings"
	"sync/atomic"
)

// imapFilter keeps from the IMAP library what it does not know: one response of an
// unknown kind, as odd servers send, makes it give up the connection. Such a response
// is dropped as a whole, with its literals. It looks at responses as lines and
// literals (RFC 9051, section 4.3), and changes nothing of what it lets through.
type imapFilter struct {
	net.Conn
	r *bufio.Reader

	greeting string // to be read first: the one of before STARTTLS
	piece    []byte // of a line, to be read; valid until the next one
	inside   bool   // of a response
	drop     bool   // the response is dropped
	literals bool   // the response may have literals
	tail     []byte // the end of the line so far: where a literal is announced
	literal  int64  // bytes of a literal that are still to come
	// validity is the latest UIDVALIDITY that was told; 0 = none.
	validity atomic.Uint32
}

const filterBuffer = 32 << 10

func newIMAPFilter(conn net.Conn, greeting string) *imapFilter {
	return &imapFilter{Conn: conn, r: bufio.NewReaderSize(conn, filterBuffer), greeting: greeting}
}

// Read implements net.Conn.
func (f *imapFilter) Read(b []byte) (int, error) {
	if len(b) == 0 {
		return 0, nil
	}
	for {
		switch {
		case f.greeting != "":
			n := copy(b, f.greeting)
			f.greeting = f.greeting[n:]
			return n, nil
		case len(f.piece) > 0:
			n := copy(b, f.piece)
			f.piece = f.piece[n:]
			return n, nil
		case f.literal > 0 && !f.drop:
			n, err := f.r.Read(b[:min(int64(len(b)), f.literal)])
			f.literal -= int64(n)
			return n, err
		case f.literal > 0:
			n, err := f.r.Discard(int(min(f.literal, filterBuffer)))
			f.literal -= int64(n)
			if err != nil {
				return 0, err
			}
		default:
			if err := f.line(); err != nil {
				return 0, err
			}
		}
	}
}

// line reads the next piece of a line; piece stays empty where it is dropped.
func (f *imapFilter) line() error {
	piece, err := f.r.ReadSlice('\n')
	whole := err == nil
	if err != nil && !errors.Is(err, bufio.ErrBufferFull) && (len(piece) == 0 || !errors.Is(err, io.EOF)) {
		return err
	}
	if !f.inside {
		f.begin(piece)
	}
	f.inside = true
	if !f.drop {
		f.piece = piece
	}
	if !f.literals {
		f.inside = !whole
		return nil
	}
	f.tail = append(f.tail, piece[max(0, len(piece)-tailLength):]...)
	f.tail = f.tail[max(0, len(f.tail)-tailLength):]
	if whole {
		f.literal, f.inside = literalAt(f.tail)
		f.tail = f.tail[:0]
	}
	return nil
}

// tailLength is room for "{", 19 digits, "+}" and a line's end.
const tailLength = 24

// literalAt reads the announcement of a literal at the end of a line. An empty one
// goes on as well.
func literalAt(line []byte) (size int64, goesOn bool) {
	line = bytes.TrimSuffix(bytes.TrimSuffix(line, []byte("\n")), []byte("\r"))
	if !bytes.HasSuffix(line, []byte("}")) {
		return 0, false
	}
	begin := bytes.LastIndexByte(line, '{')
	if begin < 0 {
		return 0, false
	}
	digits := strings.TrimSuffix(string(line[begin+1:len(line)-1]), "+")
	size, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || size < 0 || digits[0] == '+' {
		return 0, false
	}
	return size, true
}

// What the library is given of untagged responses: what is asked for here, and what
// a server may say by itself.
var knownResponses = map[string]bool{
	"OK": true, "NO": true, "BAD": true, "BYE": true, "PREAUTH": true,
	"CAPABILITY": true, "ENABLED": true, "FLAGS": true, "LIST": true, "SEARCH": true, "ESEARCH": true,
	"NAMESPACE": true, "STATUS": true,
	"EXISTS": true, "RECENT": true, "FETCH": true, "EXPUNGE": true,
}

// numbered are those that begin with a number.
var numbered = map[string]bool{"EXISTS": true, "RECENT": true, "FETCH": true, "EXPUNGE": true}

// begin looks at the begin of a response.
func (f *imapFilter) begin(piece []byte) {
	f.drop, f.literals = false, false
	head := string(piece[:min(len(piece), 64)])
	if strings.TrimSpace(head) == "" {
		f.drop = true
		return
	}
	rest, untagged := strings.CutPrefix(head, "* ")
	if !untagged {
		return
	}
	words := strings.FieldsFunc(rest, func(r rune) bool { return r == ' ' || r == '\r' || r == '\n' })
	kind, number := "", false
	if len(words) > 0 {
		kind = strings.ToUpper(words[0])
		if number = kind[0] >= '0' && kind[0] <= '9'; number && len(words) > 1 {
			kind = strings.ToUpper(words[1])
		}
	}
	f.drop = !knownResponses[kind] || numbered[kind] != number
	switch kind {
	case "OK":
		f.noteValidity(head)
	case "NO", "BAD", "BYE", "PREAUTH": // words for people: a brace there means nothing
	default:
		f.literals = true
	}
}

// noteValidity reads "OK [UIDVALIDITY n]".
func (f *imapFilter) noteValidity(head string) {
	_, rest, ok := strings.Cut(strings.ToUpper(head), "[UIDVALIDITY ")
	digits, _, closed := strings.Cut(rest, "]")
	if n, err := strconv.ParseUint(digits, 10, 32); ok && closed && err == nil {
		f.validity.Store(uint32(n))
	}
}
