package httpx

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strconv"
	"sync/atomic"
	"time"

	"servicelink/connectors"
	"servicelink/internal/egress"
)

// Request is one call.
type Request struct {
	Method string
	URL    *url.URL
	Header http.Header // may be nil; not changed
	Body   []byte      // may be nil
	// Source is the body where it is too large to be held; then Body is nil. Do
	// closes it before it returns, and that must end a Read under way. When Source
	// fails, or the connection does before its last byte was handed over, the
	// request was not carried out. A *connectors.SendError of Source is returned.
	Source io.ReadCloser
	Size   int64 // of Source; -1 = not known
	// Timeout is for Do in place of Options.Timeout; 0 = that.
	Timeout time.Duration
	// Redirects is how many are followed, for GET and HEAD only; 0 = none. A
	// Trusted client follows none: where they lead comes from outside.
	Redirects int
}

// Response is an answer of any status.
type Response struct {
	Status int
	Header http.Header
	Body   []byte // nil when BodyErr is set
	// BodyErr says why the body is not there: cut, too late, too large. The status
	// still stands; who needs the body of a success returns BodyErr.
	BodyErr *connectors.SendError
	// Asked and Answered are this machine's time when the call began, and when the
	// answer's header was there.
	Asked, Answered time.Time
}

// Do makes one attempt. Its error is always a *connectors.SendError and means
// that there is no answer; what an answer means is for Table.Check to say.
func (c *Client) Do(ctx context.Context, r Request) (*Response, error) {
	if r.Source == nil {
		return c.do(ctx, r, nil)
	}
	up := &upload{source: r.Source, size: r.Size}
	defer up.end()
	return c.do(ctx, r, up)
}

func (c *Client) do(ctx context.Context, r Request, up *upload) (*Response, error) {
	var p progress
	call, cancel := context.WithTimeout(ctx, cmp.Or(r.Timeout, c.timeout))
	defer cancel()
	req, err := c.newRequest(p.trace(call), r)
	if err != nil {
		return nil, err
	}
	if up != nil {
		req.Body, req.ContentLength = up, r.Size
		// The transport does not return while it waits for the source.
		defer context.AfterFunc(call, up.end)()
	}
	asked := time.Now()
	answer, err := c.http.Do(req)
	answered := time.Now()
	if err != nil && up != nil {
		err = up.judge(err, &p)
	}
	if se, ok := errors.AsType[*connectors.SendError](err); ok {
		return nil, se
	}
	if err != nil {
		return nil, failure(ctx, err, &p)
	}
	defer answer.Body.Close()
	out := &Response{Status: answer.StatusCode, Header: answer.Header, Asked: asked, Answered: answered}
	body, err := readAll(answer.Body, c.maxAnswer)
	if err != nil {
		out.BodyErr = failure(ctx, err, &p)
		out.BodyErr.Code = strconv.Itoa(out.Status)
		return out, nil
	}
	out.Body = body
	return out, nil
}

func (c *Client) newRequest(ctx context.Context, r Request) (*http.Request, error) {
	if r.URL == nil || r.URL.Host == "" || r.URL.Scheme != "http" && r.URL.Scheme != "https" {
		return nil, bug("request without an http address")
	}
	if r.Redirects > 0 && !c.trusted && (r.Method == http.MethodGet || r.Method == http.MethodHead) {
		ctx = egress.WithRedirects(ctx, r.Redirects)
	}
	// bytes.Reader gives the request a GetBody: what was not written at all may
	// then be written again on a fresh connection.
	var body io.Reader
	if r.Body != nil {
		body = bytes.NewReader(r.Body)
	}
	req, err := http.NewRequestWithContext(ctx, r.Method, r.URL.String(), body)
	if err != nil {
		return nil, bug("request cannot be built")
	}
	maps.Copy(req.Header, r.Header)
	if req.Header.Get("User-Agent") == "" {
		req.Header.Set("User-Agent", userAgent)
	}
	return req, nil
}

func readAll(r io.Reader, limit int64) ([]byte, error) {
	body, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(body)) > limit {
		return nil, egress.ErrTooLarge
	}
	return body, nil
}

// progress is how far a request came. The transport calls the hooks on several
// goroutines.
type progress struct {
	left     atomic.Bool // bytes of it may have left
	answered atomic.Bool // the first byte of an answer came
}

func (p *progress) trace(ctx context.Context) context.Context {
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		// The transport looks for a connection: the first time, or again because
		// not a byte could be written on a stale one.
		GetConn: func(string) { p.left.Store(false) },
		// From here on the transport writes when it likes. Later hooks (headers
		// written, request written) say what was certainly written, not what was
		// certainly not.
		GotConn:              func(httptrace.GotConnInfo) { p.left.Store(true) },
		GotFirstResponseByte: func() { p.answered.Store(true) },
	})
}
