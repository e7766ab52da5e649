package httpx

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"servicelink/config"
	"servicelink/connectors"
)

func fetch(t *testing.T, base string) Request {
	t.Helper()
	r := post(t, base)
	r.Method, r.Body = http.MethodGet, nil
	return r
}

func TestStream(t *testing.T) {
	const limit = 100
	head := "HTTP/1.1 206 Partial Content\r\nContent-Type: image/png\r\nContent-Range: bytes 0-99/500\r\n"
	for name, tc := range map[string]struct {
		text    string
		size    int64
		read    int
		outcome connectors.Outcome
		reason  connectors.Reason // empty = whole
	}{
		"at the limit": {head + "Content-Length: 100\r\n\r\n" + strings.Repeat("x", 100), 100, 100, 0, ""},
		"too large":    {head + "Content-Length: 101\r\n\r\n" + strings.Repeat("x", 101), 101, 100, connectors.Rejected, connectors.ReasonContent},
		"endless":      {head + "\r\n" + strings.Repeat("x", 1<<16), -1, 100, connectors.Rejected, connectors.ReasonContent},
		"cut":          {head + "Content-Length: 50\r\n\r\nxx", 50, 2, connectors.Unknown, connectors.ReasonCut},
		"no chunk":     {head + "Transfer-Encoding: chunked\r\n\r\n" + secretBody + "\r\n", -1, 0, connectors.Unknown, connectors.ReasonAnswer},
	} {
		t.Run(name, func(t *testing.T) {
			c := client(t, config.Egress{Allow: loopback}, Options{MaxStream: limit})
			s, err := c.Stream(t.Context(), fetch(t, rawServer(t, answer(tc.text))))
			if err != nil {
				t.Fatal(err)
			}
			m := s.Media()
			if s.Status != 206 || s.Response().Status != 206 || m.Type != "image/png" || m.Size != tc.size || m.ContentRange != "bytes 0-99/500" {
				t.Errorf("%+v %+v", s, m)
			}
			body, err := io.ReadAll(m.Body)
			if len(body) != tc.read {
				t.Errorf("read %d bytes", len(body))
			}
			se, _ := errors.AsType[*connectors.SendError](err)
			if tc.reason == "" && err != nil || tc.reason != "" && (se == nil || se.Outcome != tc.outcome || se.Reason != tc.reason) {
				t.Errorf("%v, want %s: %s", err, tc.outcome, tc.reason)
			}
			if text := fmt.Sprintf("%v %+v %#v", se, se, se); strings.Contains(text, "-secret") {
				t.Errorf("error gives a secret away: %s", text)
			}
			if err := m.Body.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestStreamLimitOfFiles: the engine's limit is a connector's default.
func TestStreamLimitOfFiles(t *testing.T) {
	c, err := New(connectors.Dependencies{MaxFile: 7}, Options{})
	if err != nil || c.maxStream != 7 || c.idle != Idle {
		t.Errorf("%+v, %v", c, err)
	}
	if c, err = New(connectors.Dependencies{}, Options{}); err != nil || c.maxStream != MaxStream {
		t.Errorf("%+v, %v", c, err)
	}
}

func TestStreamFailures(t *testing.T) {
	for name, tc := range map[string]struct {
		base    string
		outcome connectors.Outcome
		reason  connectors.Reason
	}{
		"private address": {"http://10.0.0.1", connectors.NotSent, connectors.ReasonForbidden},
		"no address":      {"ftp://127.0.0.1", connectors.NotSent, connectors.ReasonBug},
		"closed":          {rawServer(t, readRequest), connectors.Unknown, connectors.ReasonCut},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := local(t).Stream(t.Context(), fetch(t, tc.base))
			if se := connectors.AsSendError(err); s != nil || se.Outcome != tc.outcome || se.Reason != tc.reason || strings.Contains(se.Error(), "-secret") {
				t.Errorf("%+v, %v", s, err)
			}
		})
	}
}

// TestStreamForeignHost: a file store that the network redirects to hears none of
// the credentials, nor the address that had them.
func TestStreamForeignHost(t *testing.T) {
	heard := make(chan string, 1)
	store := rawServer(t, func(conn net.Conn) {
		b := make([]byte, 4096)
		n, _ := conn.Read(b)
		heard <- string(b[:n])
		_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
	})
	api := rawServer(t, answer("HTTP/1.1 302 Found\r\nLocation: "+store+"/f\r\nContent-Length: 0\r\n\r\n"))
	r := fetch(t, api)
	r.Header.Set("X-Token", "key-secret")
	r.Redirects = 1
	s, err := local(t).Stream(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	if body, err := io.ReadAll(s.Body); string(body) != "ok" || err != nil {
		t.Errorf("%q, %v", body, err)
	}
	_ = s.Body.Close()
	if got := <-heard; strings.Contains(got, "-secret") {
		t.Errorf("the store heard %q", got)
	}
}

// pipeTo connects every dial to talk, over a pipe.
func pipeTo(talk func(net.Conn)) func(context.Context, string, string) (net.Conn, error) {
	return func(context.Context, string, string) (net.Conn, error) {
		ours, theirs := net.Pipe()
		go func() { talk(theirs); _ = theirs.Close() }()
		return ours, nil
	}
}

// TestStreamSilence: the time until the header and between pieces is bounded, the
// whole is not.
func TestStreamSilence(t *testing.T) {
	for name, tc := range map[string]struct {
		header, piece, after time.Duration
		late                 bool
	}{
		"slow":             {14 * time.Second, 29 * time.Second, 14*time.Second + 4*29*time.Second, false},
		"silent":           {time.Second, time.Minute, 31 * time.Second, true},
		"without a header": {time.Minute, time.Second, TotalTimeout, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				network := &http.Transport{DialContext: pipeTo(func(conn net.Conn) {
					readRequest(conn)
					time.Sleep(tc.header)
					_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n")
					for range 4 {
						time.Sleep(tc.piece)
						_, _ = io.WriteString(conn, "x")
					}
				})}
				c, err := New(connectors.Dependencies{Transport: network}, Options{Trusted: true})
				if err != nil {
					t.Fatal(err)
				}
				began := time.Now()
				u, _ := url.Parse("http://network/f")
				s, err := c.Stream(t.Context(), Request{Method: http.MethodGet, URL: u})
				if err == nil {
					_, err = io.ReadAll(s.Body)
					_ = s.Body.Close()
				}
				if tc.late != (err != nil) || tc.late && connectors.AsSendError(err).Reason != connectors.ReasonTimeout {
					t.Errorf("%v", err)
				}
				if took := time.Since(began); took != tc.after {
					t.Errorf("took %v, want %v", took, tc.after)
				}
				_ = c.Close()
				time.Sleep(10 * time.Minute) // what still sleeps at the other end wakes up
			})
		})
	}
}
