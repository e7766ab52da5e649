package email

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// Limits of what a POP3 server says.
const (
	maxPOP3Line = 4 << 10   // of an answer; RFC 2449 allows 512
	maxPOP3List = 1_000_000 // mails of a maildrop
	maxUIDL     = 512       // of one position; RFC 1939 allows 70
)

// errPOP3 is an answer that is no POP3.
var errPOP3 = errors.New("no POP3")

// pop3Refusal is "-ERR". Its words may hold an address, and are not shown.
type pop3Refusal struct{ code, text string }

func (e *pop3Refusal) Error() string {
	if e.code == "" {
		return "refused"
	}
	return "refused (" + e.code + ")"
}

// readLine reads a line without its end.
func readLine(r *bufio.Reader) (string, error) {
	var line []byte
	for {
		piece, err := r.ReadSlice('\n')
		line = append(line, piece...)
		switch {
		case len(line) > maxPOP3Line:
			return "", fmt.Errorf("%w: a line of more than %d bytes", errPOP3, maxPOP3Line)
		case err == nil:
			return strings.TrimRight(string(line), "\r\n"), nil
		case errors.Is(err, bufio.ErrBufferFull):
		case errors.Is(err, io.EOF):
			return "", io.ErrUnexpectedEOF
		default:
			return "", err
		}
	}
}

// pop3Status reads the first line of an answer: nil, or a *pop3Refusal. more: "+",
// the server waits for the next step of a login.
func pop3Status(line string) (more bool, err error) {
	word, text, _ := strings.Cut(line, " ")
	switch strings.ToUpper(word) {
	case "+OK":
		return false, nil
	case "+":
		return true, nil
	case "-ERR":
		e := &pop3Refusal{text: text}
		if code, _, ok := strings.Cut(strings.TrimPrefix(text, "["), "]"); ok && strings.HasPrefix(text, "[") {
			e.code = oneLine(strings.ToUpper(code)) // RFC 2449, section 8
		}
		return false, e
	}
	return false, fmt.Errorf("%w: neither +OK nor -ERR", errPOP3)
}

// readList reads the lines of a long answer up to the dot, and has each taken.
func readList(r *bufio.Reader, take func(line string) error) error {
	for n := 0; ; n++ {
		line, err := readLine(r)
		switch {
		case err != nil:
			return err
		case line == ".":
			return nil
		case n >= maxPOP3List:
			return fmt.Errorf("%w: a list of more than %d lines", errPOP3, maxPOP3List)
		}
		if err := take(strings.TrimPrefix(line, ".")); err != nil {
			return err
		}
	}
}

// numberLine reads a line of LIST or UIDL: a mail's number in this session, from 1,
// and what is said of it.
func numberLine(line string) (number int, said string, err error) {
	first, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
	said, _, _ = strings.Cut(strings.TrimSpace(rest), " ")
	number, err = strconv.Atoi(first)
	if err != nil || number < 1 || first[0] == '+' || said == "" || len(said) > maxUIDL {
		return 0, "", fmt.Errorf("%w: a line of a list that makes no sense", errPOP3)
	}
	return number, said, nil
}

// dotReader reads a mail up to the line that is a dot, without the dots that were put
// in for the way (RFC 1939, section 3). It changes nothing else: not the line ends,
// either.
type dotReader struct {
	r     *bufio.Reader
	piece []byte // of a line, to be given
	start bool   // the next byte begins a line
	err   error
}

func newDotReader(r *bufio.Reader) *dotReader { return &dotReader{r: r, start: true} }

// Read implements io.Reader. io.EOF is the dot; a connection that ends before it is
// io.ErrUnexpectedEOF.
func (d *dotReader) Read(b []byte) (int, error) {
	for len(d.piece) == 0 {
		if d.err != nil {
			return 0, d.err
		}
		d.fill()
	}
	n := copy(b, d.piece)
	d.piece = d.piece[n:]
	return n, nil
}

func (d *dotReader) fill() {
	piece, err := d.r.ReadSlice('\n')
	switch {
	case errors.Is(err, io.EOF):
		d.err = io.ErrUnexpectedEOF
		return
	case err != nil && !errors.Is(err, bufio.ErrBufferFull):
		d.err = err
		return
	}
	if d.start && piece[0] == '.' {
		if end := string(piece[1:]); end == "\r\n" || end == "\n" {
			d.err = io.EOF
			return
		}
		piece = piece[1:]
	}
	d.start = err == nil
	d.piece = piece
}

// broken tells whether the connection ended before the mail did.
func (d *dotReader) broken() bool { return d.err != nil && !errors.Is(d.err, io.EOF) }
