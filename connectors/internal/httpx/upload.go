package httpx

import (
	"errors"
	"io"
	"sync"
	"sync/atomic"

	"servicelink/connectors"
)

// upload hands a Request's Source to the transport and keeps what is known when
// the call fails: a network that has not got the last byte has carried nothing
// out.
type upload struct {
	source io.ReadCloser
	size   int64 // -1 = not known

	over  atomic.Bool
	mu    sync.Mutex // held while source is read
	given int64
	ended bool
	err   error // of source, or that it is not as long as it said
}

var (
	errUploadOver = errors.New("upload is over")
	errSourceSize = errors.New("file is not as long as announced")
)

// Read implements io.Reader for the transport.
func (u *upload) Read(p []byte) (int, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.over.Load() {
		return 0, errUploadOver
	}
	n, err := u.source.Read(p)
	if u.over.Load() { // what it says now is that it was closed
		return 0, errUploadOver
	}
	u.given += int64(n)
	u.ended = u.ended || errors.Is(err, io.EOF)
	switch {
	case err != nil && !u.ended:
		u.err = err
	case u.size >= 0 && (u.given > u.size || u.ended && u.given < u.size):
		u.err = errSourceSize
	default:
		return n, err
	}
	return n, u.err
}

// Close implements io.Closer for the transport, which may call it late: the
// source is end's to close.
func (u *upload) Close() error { return nil }

// end closes the source and returns when nobody reads it any more, which the
// transport may do beyond its own return.
func (u *upload) end() {
	if !u.over.Swap(true) {
		_ = u.source.Close()
	}
	u.mu.Lock()
	defer u.mu.Unlock()
}

// judge says what err of the transport means: the source's own failure comes
// first, and without its last byte the request has not been sent.
func (u *upload) judge(err error, p *progress) error {
	u.end()
	if u.err != nil {
		return u.failure()
	}
	if !u.ended && (u.size < 0 || u.given < u.size) {
		p.left.Store(false)
	}
	return err
}

// failure is the source's error as the request's. Whatever the source knows, the
// request was not carried out.
func (u *upload) failure() *connectors.SendError {
	se, ok := errors.AsType[*connectors.SendError](u.err)
	switch {
	case ok && se.Outcome != connectors.Unknown:
		return se
	case ok:
		certain := *se
		certain.Outcome = connectors.NotSent
		return &certain
	}
	text := cause("file cannot be read")
	if errors.Is(u.err, errSourceSize) {
		text = cause(errSourceSize.Error())
	}
	return &connectors.SendError{Outcome: connectors.NotSent, Reason: connectors.ReasonCut, Err: text}
}
