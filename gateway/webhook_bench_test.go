package gateway

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"servicelink/config"
	"servicelink/connectors"
)

const benchSecret = "bench secret"

func benchSign(body []byte) string {
	mac := hmac.New(sha256.New, []byte(benchSecret))
	mac.Write(body)
	return hex.EncodeToString(mac.Sum(nil))
}

// bareHandler is the yardstick: it reads the body, checks an HMAC, answers.
func bareHandler(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil || !hmac.Equal([]byte(benchSign(body)), []byte(r.Header.Get("X-Signature"))) {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	w.WriteHeader(http.StatusOK)
}

// pipelineHandler does the same check inside the pipeline, with one event and
// a Deliver that does nothing.
func pipelineHandler(b *testing.B) http.Handler {
	b.Helper()
	m := newMetrics(prometheus.NewRegistry(), []metricChannel{{"shop", "fake"}}, "bench")
	events := []connectors.Event{{ID: "1"}}
	hook := connectors.Webhook{
		Method: "POST", Path: "/hook/{token}/in", MaxBody: 1 << 20,
		Verify: func(r *connectors.Request) error {
			if !hmac.Equal([]byte(benchSign(r.Body)), []byte(r.Header.Get("X-Signature"))) {
				return connectors.ErrForged
			}
			return nil
		},
		Parse: func(*connectors.Request) (connectors.ParseResult, error) {
			return connectors.ParseResult{Events: events}, nil
		},
		Reply: func(connectors.Verdict) connectors.Reply { return connectors.Reply{Status: http.StatusOK} },
	}
	h, err := newPublicHandler(config.Public{URL: "https://gw.example.com"}, []hookChannel{{
		Name: "shop", Network: "fake", Enabled: true, Hooks: []connectors.Webhook{hook}, Patience: 5 * time.Second,
		Deliver: func(context.Context, []connectors.Event) error { return nil }, Metrics: m.channel("shop"),
	}}, m.channel(""), discardLog)
	if err != nil {
		b.Fatal(err)
	}
	return h
}

// quietWriter is a ResponseWriter that keeps nothing.
type quietWriter struct{ header http.Header }

func (w *quietWriter) Header() http.Header         { return w.header }
func (w *quietWriter) Write(p []byte) (int, error) { return len(p), nil }
func (w *quietWriter) WriteHeader(int)             { clear(w.header) }

// BenchmarkWebhookHandler measures the handler alone, without net/http.
func BenchmarkWebhookHandler(b *testing.B) {
	for name, h := range map[string]http.Handler{"bare": http.HandlerFunc(bareHandler), "pipeline": pipelineHandler(b)} {
		b.Run(name, func(b *testing.B) {
			body := strings.Repeat("x", 500)
			r := httptest.NewRequestWithContext(b.Context(), "POST", "/hook/0123456789abcdef/in", nil)
			r.Header.Set("X-Signature", benchSign([]byte(body)))
			r.ContentLength = int64(len(body))
			w := &quietWriter{header: http.Header{}}
			b.ReportAllocs()
			for b.Loop() {
				r.Body = io.NopCloser(strings.NewReader(body))
				h.ServeHTTP(w, r)
			}
		})
	}
}

// BenchmarkWebhookServed measures both behind real servers over loopback, in
// turns, and reports the median ratio of their rates.
func BenchmarkWebhookServed(b *testing.B) {
	body := strings.Repeat("x", 500)
	signature := benchSign([]byte(body))
	run := func(h http.Handler, n int) time.Duration {
		srv := httptest.NewServer(h)
		defer srv.Close()
		client := srv.Client()
		start := time.Now()
		for range n {
			req, err := http.NewRequestWithContext(b.Context(), "POST", srv.URL+"/hook/0123456789abcdef/in", strings.NewReader(body))
			if err != nil {
				b.Fatal(err)
			}
			req.Header.Set("X-Signature", signature)
			res, err := client.Do(req)
			if err != nil {
				b.Fatal(err)
			}
			_ = res.Body.Close()
			if res.StatusCode != http.StatusOK {
				b.Fatal(res.Status)
			}
		}
		return time.Since(start)
	}
	pipeline := pipelineHandler(b)
	ratios := make([]float64, 7)
	for i := range ratios {
		bare := run(http.HandlerFunc(bareHandler), b.N)
		ratios[i] = float64(bare) / float64(run(pipeline, b.N))
	}
	slices.Sort(ratios)
	b.ReportMetric(ratios[len(ratios)/2], "ratio")
	b.ReportMetric(0, "ns/op")
}
