package httpx

import (
	"context"
	"errors"
	"io"
	"net/http"

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
	req, err := c.newRequest(p.trace(ctx), r)
	if err != nil {
		return nil, err
	}
	answer, err := egress.Stream(c.http, req, egress.Limits{Header: c.timeout, Idle: c.idle, Bytes: c.maxStream})
	if err != nil {
		return nil, failure(ctx, err, &p)
	}
	if answer.StatusCode == http.StatusPartialContent && answer.Header.Get("Content-Range") == "" {
		_ = answer.Body.Close()
		return nil, &connectors.SendError{
			Outcome: connectors.Unknown, Reason: connectors.ReasonAnswer,
			Err: errors.New("a piece of which nobody says which one it is"),
		}
	}
	return &Stream{
		Status: answer.StatusCode, Header: answer.Header, Size: answer.ContentLength,
		Body: &streamBody{ReadCloser: answer.Body, ctx: ctx, progress: &p},
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
	io.ReadCloser
	ctx      context.Context //nolint:containedctx // of the one call the body belongs to
	progress *progress
}

func (b *streamBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err == nil || errors.Is(err, io.EOF) {
		return n, err
	}
	se := failure(b.ctx, err, b.progress)
	if errors.Is(err, egress.ErrTooLarge) {
		se.Outcome, se.Reason = connectors.Rejected, connectors.ReasonContent
	}
	return n, se
}
