package httpx

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"servicelink/connectors"
)

// source is a file that is read.
type source struct {
	io.Reader
	closed atomic.Bool
	closes chan struct{} // closed by Close, if not nil
}

func (s *source) Close() error {
	if !s.closed.Swap(true) && s.closes != nil {
		close(s.closes)
	}
	return nil
}

// breaks fails after what it holds.
type breaks struct{ err error }

func (b breaks) Read([]byte) (int, error) { return 0, b.err }

func uploading(t *testing.T, base string, s io.ReadCloser, size int64) Request {
	t.Helper()
	r := post(t, base)
	r.Body, r.Source, r.Size = nil, s, size
	return r
}

func TestUpload(t *testing.T) {
	var body string
	var length int64
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		body, length = string(b), r.ContentLength
	}))
	t.Cleanup(server.Close)
	for _, size := range []int64{-1, 9} {
		s := &source{Reader: strings.NewReader("the bytes")}
		resp, err := local(t).Do(t.Context(), uploading(t, server.URL, s, size))
		if err != nil || resp.Status != http.StatusOK || body != "the bytes" || length != size || !s.closed.Load() {
			t.Errorf("size %d: %+v, %v; arrived %q, announced %d, closed: %v", size, resp, err, body, length, s.closed.Load())
		}
	}
}

// TestUploadBroken: a network that has not got the last byte has done nothing.
func TestUploadBroken(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
	}))
	t.Cleanup(server.Close)
	long := strings.Repeat("x", 1<<20)
	tooBig := &connectors.SendError{Outcome: connectors.Rejected, Reason: connectors.ReasonContent}
	slow := &connectors.SendError{Outcome: connectors.Unknown, Reason: connectors.ReasonTimeout}
	for name, tc := range map[string]struct {
		source  io.Reader
		size    int64
		outcome connectors.Outcome
		reason  connectors.Reason
	}{
		"the source refuses":     {io.MultiReader(strings.NewReader(long), breaks{tooBig}), -1, connectors.Rejected, connectors.ReasonContent},
		"the source is late":     {io.MultiReader(strings.NewReader(long), breaks{slow}), 2 << 20, connectors.NotSent, connectors.ReasonTimeout},
		"the source just breaks": {io.MultiReader(strings.NewReader(long), breaks{errors.New("file-secret")}), -1, connectors.NotSent, connectors.ReasonCut},
		"shorter than announced": {strings.NewReader(long), 2 << 20, connectors.NotSent, connectors.ReasonCut},
		"longer than announced":  {strings.NewReader(long), 1 << 10, connectors.NotSent, connectors.ReasonCut},
	} {
		t.Run(name, func(t *testing.T) {
			s := &source{Reader: tc.source}
			_, err := local(t).Do(t.Context(), uploading(t, server.URL, s, tc.size))
			if se := connectors.AsSendError(err); err == nil || se.Outcome != tc.outcome || se.Reason != tc.reason {
				t.Errorf("Do: %v, want %s: %s", err, tc.outcome, tc.reason)
			}
			if err != nil && strings.Contains(err.Error(), "secret") || !s.closed.Load() {
				t.Errorf("Do: %v; closed: %v", err, s.closed.Load())
			}
		})
	}
}

// TestUploadCut: the connection breaks before the last byte, or after it.
func TestUploadCut(t *testing.T) {
	more, cut := make(chan struct{}), make(chan struct{})
	base := rawServer(t, func(conn net.Conn) {
		_, _ = conn.Read(make([]byte, 4<<10))
		_ = conn.Close()
		close(cut)
	})
	waits := readerFunc(func(p []byte) (int, error) {
		<-cut
		select {
		case <-more:
			return 0, io.ErrClosedPipe
		default:
			return len(p), nil
		}
	})
	s := &source{Reader: io.MultiReader(strings.NewReader("first"), waits), closes: more}
	_, err := local(t).Do(t.Context(), uploading(t, base, s, -1))
	if se := connectors.AsSendError(err); err == nil || se.Outcome != connectors.NotSent || se.Reason != connectors.ReasonConnect {
		t.Errorf("cut in the middle: %v", err)
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		conn, _, _ := http.NewResponseController(w).Hijack()
		_ = conn.Close()
	}))
	t.Cleanup(server.Close)
	_, err = local(t).Do(t.Context(), uploading(t, server.URL, &source{Reader: strings.NewReader("all")}, 3))
	if se := connectors.AsSendError(err); err == nil || se.Outcome != connectors.Unknown || se.Reason != connectors.ReasonCut {
		t.Errorf("cut after the last byte: %v", err)
	}
}

// TestUploadStopped: a source that is stuck is closed and does not hold Do up.
func TestUploadStopped(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
	}))
	t.Cleanup(server.Close)
	ctx, cancel := context.WithCancel(t.Context())
	s := &source{closes: make(chan struct{})}
	s.Reader = readerFunc(func([]byte) (int, error) {
		cancel()
		<-s.closes
		return 0, errors.New("closed")
	})
	_, err := local(t).Do(ctx, uploading(t, server.URL, s, -1))
	if se := connectors.AsSendError(err); err == nil || se.Outcome != connectors.NotSent || se.Reason != connectors.ReasonCanceled {
		t.Errorf("Do: %v", err)
	}
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }
