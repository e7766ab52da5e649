package tracing

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/cenkalti/backoff/v4"
	spans "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

// Limits of an export.
const (
	postTimeout  = 10 * time.Second // for one request
	retryTimeout = 20 * time.Second // for all attempts; the next batch waits meanwhile
	maxAnswer    = 64 << 10         // bytes that are read of an answer
)

// client posts what OpenTelemetry's exporter hands it, as OTLP over HTTP says
// (opentelemetry.io/docs/specs/otlp/#otlphttp). The ready-made client is not
// used because all of gRPC comes with it, a third of the program's size, and
// because it obeys variables of the environment that nobody configured here.
type client struct {
	url     string
	headers map[string]string
	http    *http.Client
}

func newClient(url string, headers map[string]string) *client {
	return &client{url: url, headers: headers, http: &http.Client{
		Timeout:   postTimeout,
		Transport: &http.Transport{TLSHandshakeTimeout: postTimeout, IdleConnTimeout: time.Minute, MaxIdleConns: 1, ForceAttemptHTTP2: true},
		// The headers are for the collector that was named, and nobody else.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

func (c *client) Start(context.Context) error { return nil }

func (c *client) Stop(context.Context) error {
	c.http.CloseIdleConnections()
	return nil
}

// UploadTraces tries until the collector has them, refuses them for good, or
// the time is over.
func (c *client) UploadTraces(ctx context.Context, list []*spans.ResourceSpans) error {
	// TracesData has the layout of ExportTraceServiceRequest.
	body, err := proto.Marshal(&spans.TracesData{ResourceSpans: list})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, retryTimeout)
	defer cancel()
	return backoff.Retry(func() error {
		err := c.post(ctx, body)
		if status, ok := errors.AsType[refusal](err); ok && !status.passing() {
			return backoff.Permanent(err)
		}
		return err
	}, backoff.WithContext(backoff.NewExponentialBackOff(), ctx))
}

func (c *client) post(ctx context.Context, body []byte) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url, bytes.NewReader(body))
	if err != nil {
		return backoff.Permanent(err)
	}
	for name, value := range c.headers {
		request.Header.Set(name, value)
	}
	request.Header.Set("Content-Type", "application/x-protobuf")
	answer, err := c.http.Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	_, _ = io.CopyN(io.Discard, answer.Body, maxAnswer) // so that the connection can be used again
	if answer.StatusCode/100 != 2 {
		return refusal(answer.StatusCode)
	}
	return nil
}

// refusal is the status of an answer that takes nothing.
type refusal int

func (r refusal) Error() string { return fmt.Sprintf("the collector answers %d", int(r)) }

// passing: asked again later, the collector may take it (the specification's
// list).
func (r refusal) passing() bool {
	switch int(r) {
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	}
	return false
}
