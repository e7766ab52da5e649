package control

import (
	"bytes"
	"maps"
	"net"
	"net/http"
	"strconv"
	"time"
)

// Answer is what a network says to one request.
type Answer struct {
	Status int
	Header http.Header // may be nil
	Body   []byte
}

// page is what a proxy in front of a network shows when that is away.
const page502 = "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n" +
	"<center><h1>502 Bad Gateway</h1></center>\r\n<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n"

// Instead says whether the fault takes the place of what was asked, which then
// does not happen.
func (f Fault) Instead() bool {
	switch f.Kind {
	case Outage, Rate, Server, HTML, Unauthorized, Conflict, Blocked, Refuse, Missing:
		return true
	default:
		return false
	}
}

// HTMLPage is the answer of the fault HTML.
func HTMLPage() Answer {
	return Answer{http.StatusBadGateway, http.Header{"Content-Type": {"text/html"}}, []byte(page502)}
}

// Give writes a as f spoils it, with f's Shift; the zero Fault spoils nothing. It obeys stop
// and the end of r. It panics with http.ErrAbortHandler where the connection
// has to break.
func Give(w http.ResponseWriter, r *http.Request, a Answer, f Fault, stop <-chan struct{}) {
	switch f.Kind {
	case Outage:
		Reset(w)
		return
	case Swallow:
		pause(r, f.Duration(0), stop)
		Reset(w)
		return
	}
	maps.Copy(w.Header(), a.Header)
	if f.Shift != 0 {
		off := time.Duration(f.Shift * float64(time.Second))
		w.Header().Set("Date", time.Now().Add(off).UTC().Format(http.TimeFormat))
	}
	if f.Kind == Truncated {
		a.Body = a.Body[:len(a.Body)/2]
	}
	if a.Status != http.StatusNoContent && a.Status != http.StatusNotModified {
		w.Header().Set("Content-Length", strconv.Itoa(len(a.Body)))
	}
	w.WriteHeader(a.Status)
	switch f.Kind {
	case Slow:
		dribble(w, r, a.Body, f.Duration(3*time.Second), stop)
	case Cut:
		_, _ = w.Write(a.Body[:len(a.Body)/2])
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	default:
		_, _ = w.Write(a.Body) // the reader is gone: nobody to tell
	}
}

// Reset breaks the connection so that the other side sees a reset.
func Reset(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = conn.Close()
}

// dribble writes body in twenty pieces over d.
func dribble(w http.ResponseWriter, r *http.Request, body []byte, d time.Duration, stop <-chan struct{}) {
	const pieces = 20
	flush := http.NewResponseController(w)
	size := max(1, (len(body)+pieces-1)/pieces)
	for len(body) > 0 {
		n := min(size, len(body))
		if _, err := w.Write(body[:n]); err != nil {
			return
		}
		_ = flush.Flush()
		body = body[n:]
		if !pause(r, d/pieces, stop) {
			panic(http.ErrAbortHandler)
		}
	}
}

// pause waits; false when r or the network ended meanwhile.
func pause(r *http.Request, d time.Duration, stop <-chan struct{}) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-r.Context().Done():
	case <-stop:
	}
	return false
}

// Buffer takes what a handler of net/http writes and keeps it as an Answer.
type Buffer struct {
	answer Answer
	body   bytes.Buffer
}

// Header implements http.ResponseWriter.
func (b *Buffer) Header() http.Header {
	if b.answer.Header == nil {
		b.answer.Header = http.Header{}
	}
	return b.answer.Header
}

// WriteHeader implements http.ResponseWriter.
func (b *Buffer) WriteHeader(status int) {
	if b.answer.Status == 0 {
		b.answer.Status = status
	}
}

// Write implements http.ResponseWriter.
func (b *Buffer) Write(p []byte) (int, error) {
	b.WriteHeader(http.StatusOK)
	return b.body.Write(p)
}

// Answer is what was written.
func (b *Buffer) Answer() Answer {
	b.WriteHeader(http.StatusOK)
	b.answer.Body = b.body.Bytes()
	return b.answer
}
