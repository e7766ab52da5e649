package httpx

import (
	"context"
	"errors"
	"io"
	"net/http"
	"time"

	"servicelink/connectors"
	"servicelink/internal/egress"
)

// Stream is an answer of any status whose body is still to be read. Whoever has
// it closes Body.
type Stream struct {
	Status int
	Header http.Header
	Size   int64 // of Body, as the answer tells it; -1 = it does not
	// Body gives at most Options.MaxStream bytes, and waits at most
	// Options.Idle for the next ones. Its errors other than io.EOF are
	// *connectors.SendError: too large is ReasonContent.
	Body io.ReadCloser
}

// Stream makes one attempt and returns when the header of the answer is there.
// ctx bounds the reading too; Options.Timeout bounds only what comes before the
// body. Its error is always a *connectors.SendError; what a status means is for
// Table.Check to say, see Response.
func (c *Client) Stream(ctx context.Context, r Request) (*Stream, error) {
	var p progress
	call, cancel := context.WithCancelCause(p.trace(ctx))
	stop := func() { cancel(context.Canceled) }
	req, err := c.newRequest(call, r)
	if err != nil {
		stop()
		return nil, err
	}
	timer := time.AfterFunc(c.timeout, func() { cancel(context.DeadlineExceeded) })
	answer, err := c.http.Do(req) //nolint:bodyclose // the caller closes it
	if !timer.Stop() && err == nil {
		_ = answer.Body.Close() // the header came in the very moment of the time-out
		err = context.DeadlineExceeded
	}
	if err != nil {
		if late := context.Cause(call); ctx.Err() == nil && late != nil {
			err = late
		}
		stop()
		return nil, failure(ctx, err, &p)
	}
	body := egress.NewBody(answer.Body, stop, c.maxStream, c.idle)
	return &Stream{
		Status: answer.StatusCode, Header: answer.Header, Size: answer.ContentLength,
		Body: &streamBody{Body: body, ctx: ctx, progress: &p},
	}, nil
}

// Response is the answer without its body, for Table.Check.
func (s *Stream) Response() *Response { return &Response{Status: s.Status, Header: s.Header} }

// Media is the answer as a file.
func (s *Stream) Media() *connectors.Media {
	m := &connectors.Media{Body: s.Body, Type: s.Header.Get("Content-Type"), Size: s.Size}
	if s.Status == http.StatusPartialContent {
		m.ContentRange = s.Header.Get("Content-Range")
	}
	return m
}

// streamBody says what a failed read means.
type streamBody struct {
	*egress.Body
	ctx      context.Context //nolint:containedctx // of the one call the body belongs to
	progress *progress
}

func (b *streamBody) Read(p []byte) (int, error) {
	n, err := b.Body.Read(p)
	if err == nil || errors.Is(err, io.EOF) {
		return n, err
	}
	se := failure(b.ctx, err, b.progress)
	if errors.Is(err, egress.ErrTooLarge) {
		se.Outcome, se.Reason = connectors.Rejected, connectors.ReasonContent
	}
	return n, se
}
