package simprot

import (
	"bufio"
	"encoding/binary"
	"errors"
	"io"
)

const (
	// Version of this protocol, as told in SP_LOGIN and SP_WELCOME.
	Version int32 = 1
	// DefaultMaxFrame is the largest body in bytes that is read unless
	// configured otherwise.
	DefaultMaxFrame = 4 << 20
	// MaxReadFrame is the largest body in bytes that is skipped. A longer one
	// is a protocol error: reading it away would take too long.
	MaxReadFrame = 256 << 20

	lengthSize = 4
	// readBuffer holds the usual frames whole, so that they are handed out
	// without a copy and several arrive with one read.
	readBuffer = 64 << 10
	// keepBuffer is the most that a reader holds on to between two frames.
	keepBuffer = 1 << 20
)

// FrameReader cuts a byte stream into frame bodies. It is not safe for
// concurrent use.
type FrameReader struct {
	r       *bufio.Reader
	max     int
	pending int    // bytes of the last body that still stand in r
	large   []byte // holds bodies that are longer than r's buffer
}

// NewFrameReader returns a reader of r that hands out bodies of at most
// maxFrame bytes; 0 means DefaultMaxFrame, and MaxReadFrame is the most.
func NewFrameReader(r io.Reader, maxFrame int) *FrameReader {
	if maxFrame <= 0 {
		maxFrame = DefaultMaxFrame
	}
	return &FrameReader{r: bufio.NewReaderSize(r, readBuffer), max: min(maxFrame, MaxReadFrame)}
}

// Next returns the next body, which is valid until the next call. Memory
// grows with the bytes that arrive, never with the length that is announced.
//
// Errors: *OversizeError - the frame was above the limit, has been thrown
// away, and the stream goes on; *FrameError - close; io.EOF - the stream ended
// between two frames; anything else comes from the reader, with
// io.ErrUnexpectedEOF for an end inside a frame.
func (f *FrameReader) Next() ([]byte, error) {
	if _, err := f.r.Discard(f.pending); err != nil {
		return nil, err
	}
	f.pending = 0
	size, err := f.length()
	if err != nil {
		return nil, err
	}
	switch {
	case size > f.max:
		if _, err := f.r.Discard(size); err != nil {
			return nil, inside(err)
		}
		return nil, &OversizeError{Size: int64(size)}
	case size <= f.r.Size():
		body, err := f.r.Peek(size)
		if err != nil {
			return nil, inside(err)
		}
		f.pending = size
		return body, nil
	default:
		return f.readLarge(size)
	}
}

// length reads a frame's length and checks it before anything is done with it.
func (f *FrameReader) length() (int, error) {
	head, err := f.r.Peek(lengthSize)
	if err != nil {
		if len(head) > 0 {
			err = inside(err)
		}
		return 0, err
	}
	size := binary.BigEndian.Uint32(head)
	if size == 0 {
		return 0, &FrameError{Reason: "empty body"}
	}
	if size > MaxReadFrame {
		return 0, &FrameError{Reason: "length above what may be sent"}
	}
	_, err = f.r.Discard(lengthSize)
	return int(size), err
}

// readLarge reads a body that does not fit the read buffer, doubling its own
// buffer as the bytes come in.
func (f *FrameReader) readLarge(size int) ([]byte, error) {
	body := f.large[:0]
	for len(body) < size {
		if len(body) == cap(body) {
			grown := make([]byte, len(body), min(max(2*cap(body), readBuffer), size))
			copy(grown, body)
			body = grown
		}
		n, err := io.ReadFull(f.r, body[len(body):min(cap(body), size)])
		body = body[:len(body)+n]
		if err != nil {
			return nil, inside(err)
		}
	}
	if cap(body) <= keepBuffer {
		f.large = body[:0]
	}
	return body, nil
}

// inside turns the end of the stream into the error for an end within a frame.
func inside(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
