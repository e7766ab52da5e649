package tracing

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	spans "go.opentelemetry.io/proto/otlp/trace/v1"
)

// TestClient: what passes is tried again, what does not is told, and headers
// go to nobody else.
func TestClient(t *testing.T) {
	var elsewhere atomic.Bool
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { elsewhere.Store(true) }))
	defer other.Close()
	for _, tt := range []struct {
		name    string
		answers []int
		want    error
		asked   int32
	}{
		{"taken", []int{200}, nil, 1},
		{"taken later", []int{503, 429, 202}, nil, 3},
		{"refused", []int{400}, refusal(400), 1},
		{"sent elsewhere", []int{307}, refusal(307), 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var asked atomic.Int32
			collector := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.Header.Get("Authorization") != "token" || r.Header.Get("Content-Type") != "application/x-protobuf" {
					t.Errorf("asked with %v", r.Header)
				}
				w.Header().Set("Location", other.URL)
				w.WriteHeader(tt.answers[asked.Add(1)-1])
			}))
			defer collector.Close()
			c := newClient(collector.URL, map[string]string{"Authorization": "token"})
			defer c.http.CloseIdleConnections()
			err := c.UploadTraces(t.Context(), []*spans.ResourceSpans{{}})
			if !errors.Is(err, tt.want) || asked.Load() != tt.asked {
				t.Errorf("%v after %d requests, want %v after %d", err, asked.Load(), tt.want, tt.asked)
			}
		})
	}
	if elsewhere.Load() {
		t.Error("a redirect was followed")
	}
}

// TestClientGivesUp when its time is over.
func TestClientGivesUp(t *testing.T) {
	collector := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusServiceUnavailable)
	}))
	defer collector.Close()
	c := newClient(collector.URL, nil)
	defer c.http.CloseIdleConnections()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := c.UploadTraces(ctx, nil); err == nil {
		t.Error("taken by nobody")
	}
}
