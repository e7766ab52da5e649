package security

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

// crowd opens n connections that begin with what begin gives and then do
// nothing. They stay open until the test ends.
func (s *stage) crowd(n int, begin func(i int) string) {
	s.Helper()
	ctx, cancel := context.WithCancel(s.Context())
	s.Cleanup(cancel)
	var wait sync.WaitGroup
	lane := make(chan struct{}, 32)
	for i := range n {
		lane <- struct{}{}
		wait.Go(func() {
			defer func() { <-lane }()
			c, err := new(net.Dialer).DialContext(ctx, "tcp", s.public)
			if err != nil {
				return // the queue is full: as good as a refusal
			}
			context.AfterFunc(ctx, func() { _ = c.Close() })
			_ = c.SetWriteDeadline(time.Now().Add(time.Second)) // nobody may read it
			_, _ = io.WriteString(c, begin(i))
		})
	}
	wait.Wait()
}

// TestSlowCrowd: more connections than there are places, all from behind one
// proxy that vouches for nobody: most idle after a call, others silent, with half
// a header, with half a body. An honest caller is served soon all the same, and
// memory is bounded.
func TestSlowCrowd(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.served(1, patience)
	start := "POST " + hookPath + " HTTP/1.1\r\nHost: h\r\n"
	s.crowd(6000, func(i int) string {
		switch i % 16 {
		case 0:
			return ""
		case 1:
			return start + "X-Slow: "
		case 2:
			return start + "Content-Length: 60000\r\n\r\n" + strings.Repeat(" ", 30_000)
		default:
			return "GET /idle HTTP/1.1\r\nHost: h\r\n\r\n"
		}
	})
	s.client.CloseIdleConnections() // it comes anew, behind all of them
	s.served(2, 25*time.Second)     // an idle connection may stay for three times as long
	if used := s.memory(); used > 400<<20 {
		t.Errorf("%d MiB of memory", used>>20)
	}
}

// TestFlood: callers who ask for nothing useful as fast as they can, with large
// bodies among them. Honest ones are served beside them.
func TestFlood(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.served(1, patience)
	ctx, stop := context.WithCancel(t.Context())
	var flood sync.WaitGroup
	defer flood.Wait()
	defer stop()
	large := strings.Repeat("x", 900<<10)
	for i := range 32 {
		flood.Go(func() {
			client := &http.Client{Transport: &http.Transport{}}
			defer client.CloseIdleConnections()
			for n := 0; ctx.Err() == nil; n++ {
				path, body := "/", ""
				switch (i + n) % 4 {
				case 0:
					path, body = strings.Replace(hookPath, hookToken, fmt.Sprintf("guess-%d-%d", i, n), 1), "{}"
				case 1:
					path, body = strings.Replace(hookPath, hookToken, "guess", 1), large
				case 2:
					path, body = "/media/"+strings.Repeat("A", 300), ""
				}
				req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+s.public+path, strings.NewReader(body))
				if err != nil {
					return
				}
				if resp, err := client.Do(req); err == nil {
					_, _ = io.Copy(io.Discard, resp.Body)
					_ = resp.Body.Close()
				}
			}
		})
	}
	for chat := range 100 {
		s.served(10+chat, 15*time.Second)
	}
	stop()
	flood.Wait()
	if used := s.memory(); used > 400<<20 {
		t.Errorf("%d MiB of memory", used>>20)
	}
	// A line for each call would fill the disk instead.
	if lines := strings.Count(s.log.String(), "webhook not taken"); lines > 20 {
		t.Errorf("%d log lines about refused calls", lines)
	}
}
