package email

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"hash"
	"io"
	"slices"
	"strings"
	"time"
)

// Why the structure of a mail is read here and not by a library: those that can
// be had either hold every part in memory, or read a part through one reader for
// each multipart around it, which makes a small mail of a thousand of them cost
// minutes. Here all boundaries that are open stand in one stack, each line is
// looked at once, and nothing but the line is held.

// Limits of a mail's structure. What is beyond them is in the original only.
const (
	maxDepth    = 32   // multiparts in each other
	maxParts    = 1000 // parts that are looked at
	maxBoundary = 1000 // bytes; RFC 2046 allows 70
	lineBuffer  = 32 << 10
)

// scanner reads a mail once, line by line, and stops at the delimiters of the
// multiparts that are open. A line longer than its buffer comes in pieces.
type scanner struct {
	ctx   context.Context //nolint:containedctx // the scanner lives for one parse
	until time.Time       // when it gives up by errTooLong; zero = never
	in    *bufio.Reader
	lines int // that were read

	line    []byte // the piece to be given next, with its line ending; nil = not read yet
	starts  bool   // line is the start of a line, not a further piece
	partial bool   // the piece before line had no line ending
	err     error  // ends the mail: io.EOF, or what reading it failed by

	stack []string // the delimiters "--boundary" that are open, the outermost first
	stop  stop

	hash     hash.Hash // of the body, for the mail's identity; nil while in the header
	newlines int       // line endings that are not hashed yet
}

// stop is the delimiter that the scanner stands behind.
type stop struct {
	at     bool
	level  int  // its place in the stack
	closes bool // it is the last one of its multipart
}

func newScanner(ctx context.Context, r io.Reader) *scanner {
	return &scanner{ctx: ctx, in: bufio.NewReaderSize(r, lineBuffer)}
}

// fill reads the next piece of a line.
func (s *scanner) fill() bool {
	if s.line != nil {
		return true
	}
	if s.lines++; s.lines%64 == 1 && s.err == nil {
		s.err = s.ctx.Err()
		if !s.until.IsZero() && time.Now().After(s.until) {
			s.err = errTooLong
		}
	}
	if s.err != nil {
		return false
	}
	line, err := s.in.ReadSlice('\n')
	s.starts = !s.partial
	s.partial = errors.Is(err, bufio.ErrBufferFull)
	if err != nil && !s.partial {
		s.err = err
	}
	if len(line) == 0 {
		return false
	}
	s.line = line
	if s.hash != nil {
		s.addToHash(line)
	}
	return true
}

// failed is the error that reading the mail ended by, nil at its end.
func (s *scanner) failed() error {
	if errors.Is(s.err, io.EOF) {
		return nil
	}
	return s.err
}

// hashBody begins to hash what comes. Line endings count as "\n", those at the
// end of the mail not at all: what servers change is not part of its identity.
func (s *scanner) hashBody() {
	s.hash = sha256.New()
	if s.line != nil {
		s.addToHash(s.line)
	}
}

func (s *scanner) addToHash(line []byte) {
	text := bytes.TrimRight(line, "\r\n")
	if len(text) > 0 {
		for ; s.newlines > 0; s.newlines-- {
			s.hash.Write([]byte{'\n'})
		}
		s.hash.Write(text)
	}
	if len(text) < len(line) && line[len(line)-1] == '\n' {
		s.newlines++
	}
}

// next gives the next piece of what lies between two delimiters, with its line
// ending, valid until the next call. It is nil at a delimiter and at the end.
func (s *scanner) next() (piece []byte, starts bool) {
	if s.stop.at || !s.fill() {
		return nil, false
	}
	if s.starts && s.delimits(s.line) {
		s.line = nil
		return nil, false
	}
	piece, s.line = s.line, nil
	return piece, s.starts
}

// unread gives the latest piece back; it will come once more from next.
func (s *scanner) unread(piece []byte) {
	s.line = piece
	s.starts = true
}

// delimits reports whether line is a delimiter of an open multipart, the
// innermost where several have the same, and notes it.
func (s *scanner) delimits(line []byte) bool {
	if len(s.stack) == 0 || len(line) < 2 || line[0] != '-' || line[1] != '-' {
		return false
	}
	line = bytes.TrimRight(line, " \t\r\n")
	for i, d := range slices.Backward(s.stack) {
		if len(line) == len(d) && string(line) == d {
			s.stop = stop{at: true, level: i}
			return true
		}
		if len(line) == len(d)+2 && string(line[:len(d)]) == d && string(line[len(d):]) == "--" {
			s.stop = stop{at: true, level: i, closes: true}
			return true
		}
	}
	return false
}

// push opens a multipart and gives its level.
func (s *scanner) push(boundary string) int {
	s.stack = append(s.stack, "--"+strings.TrimRight(boundary, " \t\r\n"))
	return len(s.stack) - 1
}

// pop closes the multipart at level and all in it.
func (s *scanner) pop(level int) { s.stack = s.stack[:level] }

// part goes on behind a delimiter of level that opens a part; false where there is
// none: the multipart is closed, one around it goes on, or the mail ends.
func (s *scanner) part(level int) bool {
	if !s.stop.at || s.stop.level != level {
		return false
	}
	closes := s.stop.closes
	s.stop = stop{}
	return !closes
}

// skip passes over what is left until a delimiter or the end.
func (s *scanner) skip() {
	for {
		if piece, _ := s.next(); piece == nil {
			return
		}
	}
}

// content reads what lies before the next delimiter as it stands. The line ending
// before a delimiter belongs to the delimiter.
type content struct {
	s     *scanner
	ready []byte // to be given
	held  []byte // the latest line's ending
	space [4]byte
}

func (c *content) Read(p []byte) (int, error) {
	if len(c.ready) == 0 && !c.more() {
		if err := c.s.failed(); err != nil {
			return 0, err
		}
		return 0, io.EOF
	}
	n := 0
	for n < len(p) && (len(c.ready) > 0 || c.more()) {
		k := copy(p[n:], c.ready)
		c.ready = c.ready[k:]
		n += k
	}
	return n, nil
}

// more puts the next line into ready: first the ending of the one before it.
func (c *content) more() bool {
	if len(c.held) > 0 {
		if !c.s.peek() {
			return false
		}
		c.ready, c.held = c.held, nil
		return true
	}
	piece, _ := c.s.next()
	if piece == nil {
		return false
	}
	text := len(piece)
	if piece[text-1] == '\n' {
		text--
		if text > 0 && piece[text-1] == '\r' {
			text--
		}
	}
	c.held = c.space[:copy(c.space[:], piece[text:])]
	c.ready = piece[:text]
	if text == 0 {
		return c.more()
	}
	return true
}

// peek reports whether next would give a piece.
func (s *scanner) peek() bool {
	piece, starts := s.next()
	if piece == nil {
		return false
	}
	s.line, s.starts = piece, starts
	return true
}
