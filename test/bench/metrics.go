package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// samples are the gateway's metrics at one moment, one line each.
type samples []string

// scrape reads the metrics page at url.
func scrape(ctx context.Context, url string) (samples, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	body, err := get(ctx, url)
	if err != nil {
		return nil, err
	}
	return strings.Split(string(body), "\n"), nil
}

func get(ctx context.Context, url string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	var client http.Client
	resp, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s answered %d", url, resp.StatusCode)
	}
	return body, err
}

// sum adds up every series of a metric that has all of the given labels,
// written as name="value".
func (s samples) sum(name string, labels ...string) float64 {
	var total float64
	for _, line := range s {
		rest, ok := strings.CutPrefix(line, name)
		if !ok || rest == "" || (rest[0] != '{' && rest[0] != ' ') || !holdsAll(rest, labels) {
			continue
		}
		value, err := strconv.ParseFloat(rest[strings.LastIndexByte(rest, ' ')+1:], 64)
		if err == nil {
			total += value
		}
	}
	return total
}

func holdsAll(line string, labels []string) bool {
	for _, l := range labels {
		if !strings.Contains(line, l) {
			return false
		}
	}
	return true
}

// mean is the average of what a histogram has seen between before and s.
func (s samples) mean(before samples, name string, labels ...string) time.Duration {
	count := s.sum(name+"_count", labels...) - before.sum(name+"_count", labels...)
	if count == 0 {
		return 0
	}
	seconds := s.sum(name+"_sum", labels...) - before.sum(name+"_sum", labels...)
	return time.Duration(seconds / count * float64(time.Second)).Round(time.Microsecond)
}
