package main

import (
	"encoding/json"
	"testing"
	"time"
)

func TestSamples(t *testing.T) {
	before := samples{"x_seconds_sum 1", "x_seconds_count 10"}
	now := samples{
		"# HELP done_total of things",
		`done_total{channel="a",direction="in"} 5`,
		`done_total{channel="b",direction="in"} 1.5e+01`,
		`done_total{channel="a",direction="out"} 7`,
		`done_total_created 99`,
		"up 1",
		"x_seconds_sum 3",
		"x_seconds_count 20",
	}
	for _, tt := range []struct {
		name   string
		labels []string
		want   float64
	}{
		{"done_total", nil, 27},
		{"done_total", []string{`direction="in"`}, 20},
		{"done_total", []string{`direction="in"`, `channel="a"`}, 5},
		{"done", nil, 0},
		{"up", nil, 1},
	} {
		if got := now.sum(tt.name, tt.labels...); got != tt.want {
			t.Errorf("sum(%s, %v) = %v, want %v", tt.name, tt.labels, got, tt.want)
		}
	}
	if got, want := now.mean(before, "x_seconds"), 200*time.Millisecond; got != want {
		t.Errorf("mean = %v, want %v", got, want)
	}
}

func TestStatistics(t *testing.T) {
	for _, tt := range []struct {
		in   []float64
		want float64
	}{{nil, 0}, {[]float64{3}, 3}, {[]float64{3, 1, 2}, 2}, {[]float64{4, 1, 3, 2}, 2.5}} {
		if got := median(tt.in); got != tt.want {
			t.Errorf("median(%v) = %v, want %v", tt.in, got, tt.want)
		}
	}
	took := make([]time.Duration, 100)
	for i := range took {
		took[len(took)-1-i] = time.Duration(i) * time.Millisecond
	}
	if got, want := quantile(took, 0.99), 99*time.Millisecond; got != want {
		t.Errorf("p99 = %v, want %v", got, want)
	}
	if got := quantile(nil, 0.5); got != 0 {
		t.Errorf("quantile of nothing = %v", got)
	}
}

// TestWebhookParts: the load is what the figures are stated for.
func TestWebhookParts(t *testing.T) {
	head, id, tail := webhookParts(7)
	body := head + id + tail
	if !json.Valid([]byte(body)) {
		t.Errorf("not JSON: %s", body)
	}
	if n := len(body); n < 450 || n > 550 {
		t.Errorf("%d bytes, want about 500", n)
	}
}
