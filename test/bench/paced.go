package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"
)

// pacedResult is the latency of webhook answers at a fixed rate.
type pacedResult struct {
	sent, failed  int
	p50, p99, max time.Duration
}

// paced posts fresh messages at a fixed rate, whatever the answers do. A
// request's latency counts from when it should have left, so a server that
// stalls cannot hide the requests it held up.
func paced(ctx context.Context, url string, perSecond float64, duration time.Duration) pacedResult {
	client := &http.Client{
		Transport: &http.Transport{MaxIdleConnsPerHost: connections, MaxConnsPerHost: connections},
		Timeout:   30 * time.Second,
	}
	defer client.CloseIdleConnections()
	var mu sync.Mutex
	var took []time.Duration
	var result pacedResult
	_ = atPace(ctx, perSecond, int(perSecond*duration.Seconds()), func(i int, due time.Time) error {
		err := post(ctx, client, url, freshWebhook(i%conversations))
		late := time.Since(due)
		mu.Lock()
		defer mu.Unlock()
		took = append(took, late)
		if err != nil {
			result.failed++
		}
		return err
	})
	result.sent = len(took)
	result.p50, result.p99, result.max = quantile(took, 0.5), quantile(took, 0.99), quantile(took, 1)
	return result
}

// waitUntil reports false when ctx ends first.
func waitUntil(ctx context.Context, at time.Time) bool {
	wait := time.Until(at)
	if wait <= 0 {
		return ctx.Err() == nil
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// freshWebhook is a message of conversation i with an id of its own.
func freshWebhook(i int) []byte {
	head, _, tail := webhookParts(i)
	return []byte(head + rand.Text() + tail)
}

// loopback is the client for calls that are not part of a figure.
var loopback = http.Client{Timeout: 10 * time.Second}

// post makes one call; any answer but 2xx is an error.
func post(ctx context.Context, client *http.Client, url string, body []byte) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		return err
	}
	if resp.StatusCode/100 != 2 {
		return fmt.Errorf("answered %d", resp.StatusCode)
	}
	return nil
}
