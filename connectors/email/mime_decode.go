package email

import (
	"bufio"
	"bytes"
	"io"
	"strings"
)

// decoded reads a part's content without its transfer encoding. What is broken is
// read as far as it goes and is never an error; an unknown encoding is none.
func decoded(encoding string, r io.Reader) io.Reader {
	encoding, _, _ = strings.Cut(strings.ToLower(strings.TrimSpace(encoding)), ";")
	switch strings.TrimSpace(encoding) {
	case "base64":
		return &base64Reader{in: r}
	case "quoted-printable":
		return &quotedReader{in: r}
	default:
		return r
	}
}

// isBase64 reports whether what comes may be base64: its first lines are words
// without spaces between them.
func isBase64(r *bufio.Reader) bool {
	start, _ := r.Peek(200)
	for line := range bytes.Lines(bytes.TrimSpace(start)) {
		if bytes.ContainsAny(bytes.TrimSpace(line), " \t<>") {
			return false
		}
	}
	return true
}

// base64Reader passes over what is not of the alphabet, and goes on behind padding:
// some mailers join pieces that were encoded one by one.
type base64Reader struct {
	in     io.Reader
	buf    [4096]byte
	out    []byte // decoded and not given yet, in outBuf
	outBuf [4096]byte
	bits   uint32
	have   int // characters in bits
	err    error
}

func (r *base64Reader) Read(p []byte) (int, error) {
	for len(r.out) == 0 {
		if r.err != nil {
			return 0, r.err
		}
		r.fill()
	}
	n := copy(p, r.out)
	r.out = r.out[n:]
	return n, nil
}

func (r *base64Reader) fill() {
	n, err := r.in.Read(r.buf[:])
	out := r.outBuf[:0]
	for _, c := range r.buf[:n] {
		if c == '=' {
			out = r.flush(out)
			continue
		}
		v := base64Values[c]
		if v < 0 {
			continue
		}
		r.bits = r.bits<<6 | uint32(v)
		if r.have++; r.have == 4 {
			out = append(out, byte(r.bits>>16&0xff), byte(r.bits>>8&0xff), byte(r.bits&0xff))
			r.bits, r.have = 0, 0
		}
	}
	if err != nil {
		out = r.flush(out)
		r.err = err
	}
	r.out = out
}

// flush decodes what is left before padding or the end.
func (r *base64Reader) flush(out []byte) []byte {
	switch r.have {
	case 2:
		out = append(out, byte(r.bits>>4&0xff))
	case 3:
		out = append(out, byte(r.bits>>10&0xff), byte(r.bits>>2&0xff))
	}
	r.bits, r.have = 0, 0
	return out
}

// base64Values gives a character its value, -1 for what has none. The alphabet of
// URLs is read, too.
var base64Values = func() (values [256]int8) {
	for i := range values {
		values[i] = -1
	}
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
	for i := range int8(len(alphabet)) {
		values[alphabet[i]] = i
	}
	values['-'], values['_'] = 62, 63
	return values
}()

// quotedReader reads quoted-printable; "=" that begins no code stays.
type quotedReader struct {
	in  io.Reader
	buf [4096]byte
	raw []byte // read and not decoded, in buf
	out []byte // decoded and not given yet, in outBuf
	err error

	outBuf [4096]byte // decoding makes nothing longer
}

func (r *quotedReader) Read(p []byte) (int, error) {
	for len(r.out) == 0 {
		if r.err != nil && len(r.raw) == 0 {
			return 0, r.err
		}
		r.fill()
	}
	n := copy(p, r.out)
	r.out = r.out[n:]
	return n, nil
}

// fill decodes a buffer of it. What may be the start of a code, of a soft line
// break or of spaces before a line's end waits for what follows.
func (r *quotedReader) fill() {
	if r.err == nil {
		have := copy(r.buf[:], r.raw)
		var n int
		n, r.err = r.in.Read(r.buf[have:])
		r.raw = r.buf[:have+n]
	}
	end := len(r.raw)
	if r.err == nil {
		end = r.safe()
	}
	r.out = unquote(r.outBuf[:0], r.raw[:end])
	r.raw = r.raw[end:]
}

// safe is how much of raw can be decoded without what follows it.
func (r *quotedReader) safe() int {
	end := len(r.raw)
	tail := end
	for tail > 0 && (r.raw[tail-1] == ' ' || r.raw[tail-1] == '\t' || r.raw[tail-1] == '\r') {
		tail--
	}
	if i := bytes.LastIndexByte(r.raw[max(0, tail-2):tail], '='); i >= 0 {
		tail = max(0, tail-2) + i
	}
	if tail == 0 && end > len(r.buf)/2 {
		return end // nothing but spaces
	}
	return tail
}

// unquote decodes text behind out.
func unquote(out, text []byte) []byte {
	for len(text) > 0 {
		switch c := text[0]; c {
		case '=':
			if len(text) >= 3 {
				high, low := hexValue(text[1]), hexValue(text[2])
				if high >= 0 && low >= 0 {
					out = append(out, byte(high<<4|low)) //nolint:gosec // both are below 16
					text = text[3:]
					continue
				}
			}
			if rest := bytes.TrimLeft(text[1:], " \t\r"); len(rest) == 0 || rest[0] == '\n' {
				text = rest[min(1, len(rest)):] // a soft line break
				continue
			}
			out, text = append(out, c), text[1:]
		case ' ', '\t':
			rest := bytes.TrimLeft(text, " \t")
			spaces := text[:len(text)-len(rest)]
			if len(rest) == 0 || rest[0] != '\n' && !bytes.HasPrefix(rest, []byte("\r\n")) {
				out = append(out, spaces...) // else a mail server put them there
			}
			text = rest
		default:
			out, text = append(out, c), text[1:]
		}
	}
	return out
}

func hexValue(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c >= 'A' && c <= 'F':
		return int(c-'A') + 10
	case c >= 'a' && c <= 'f':
		return int(c-'a') + 10
	default:
		return -1
	}
}
