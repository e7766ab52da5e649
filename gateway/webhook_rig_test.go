package gateway

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"servicelink/config"
	"servicelink/connectors"
)

const rigTarget = "/hook/tok-PLANTED/in"

// hookRig is a public handler over fake channels of one network. The fake
// network signs with the header Secret, and its body is a JSON list of texts;
// a few texts and header values make a connector misbehave.
type hookRig struct {
	reg      *prometheus.Registry
	logs     *bytes.Buffer
	channels []hookChannel
	handler  http.Handler
	strays   *channelMetrics // of calls that no channel can be blamed for

	mu        sync.Mutex
	delivered map[string][]string // channel -> texts
	fail      error               // of Deliver
	seen      []connectors.Request
	deadline  time.Duration // Deliver's, from Received
	received  time.Time     // as Deliver is told it, for traces
}

type rigChannel struct {
	name, secret string
	disabled     bool
}

const rigPath = "/hook/{token}/in"

func newHookRig(t *testing.T, channels ...rigChannel) *hookRig {
	t.Helper()
	rig := &hookRig{reg: prometheus.NewRegistry(), logs: new(bytes.Buffer), delivered: make(map[string][]string)}
	named := make([]metricChannel, len(channels))
	for i, c := range channels {
		named[i] = metricChannel{c.name, "fake"}
	}
	m := newMetrics(rig.reg, named, "test")
	rig.strays = m.channel("")
	for _, c := range channels {
		rig.channels = append(rig.channels, hookChannel{
			Name: c.name, Network: "fake", Enabled: !c.disabled, Patience: 4 * time.Second,
			Hooks:   []connectors.Webhook{rig.webhook(c.secret)},
			Deliver: func(ctx context.Context, events []connectors.Event) error { return rig.deliver(ctx, c.name, events) },
			Metrics: m.channel(c.name),
		})
	}
	log := slog.New(slog.NewTextHandler(&lockedWriter{w: rig.logs}, &slog.HandlerOptions{Level: slog.LevelDebug}))
	var err error
	rig.handler, err = newPublicHandler(config.Public{URL: "https://gw.example.com/base/"}, rig.channels, rig.strays, log)
	if err != nil {
		t.Fatal(err)
	}
	return rig
}

var discardLog = slog.New(slog.DiscardHandler)

type lockedWriter struct {
	mu sync.Mutex
	w  io.Writer
}

func (w *lockedWriter) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.w.Write(p)
}

func (rig *hookRig) webhook(secret string) connectors.Webhook {
	return connectors.Webhook{
		Method: http.MethodPost, Path: rigPath, MaxBody: 200,
		Verify: func(r *connectors.Request) error {
			switch sent := r.Header.Get("Secret"); {
			case sent == "panic":
				panic("verify: " + string(r.Body))
			case sent == secret:
				return nil
			case sent == "":
				return connectors.ErrNotMine
			default:
				return connectors.ErrForged
			}
		},
		Parse: rig.parse,
		Reply: rigReply,
	}
}

func (rig *hookRig) parse(r *connectors.Request) (connectors.ParseResult, error) {
	rig.mu.Lock()
	kept := *r
	kept.Body = bytes.Clone(r.Body)
	kept.Values = map[string]string{"token": r.Values["token"]}
	rig.seen = append(rig.seen, kept)
	rig.mu.Unlock()
	var texts []string
	if err := json.Unmarshal(r.Body, &texts); err != nil {
		return connectors.ParseResult{}, &connectors.RequestError{Reason: connectors.ReasonSyntax}
	}
	res := connectors.ParseResult{Ignored: map[string]int{}}
	for _, text := range texts {
		switch text {
		case "PANIC":
			panic(text)
		case "INDEX":
			_ = texts[len(texts)]
		case "SKIP":
			res.Ignored["file_not_ready"]++
		case "ODD":
			return res, errors.New("odd")
		default:
			res.Events = append(res.Events, connectors.Event{ID: text, Text: text})
		}
	}
	return res, nil
}

func rigReply(v connectors.Verdict) connectors.Reply {
	switch v.Result {
	case connectors.Accepted:
		return connectors.Reply{Status: 200, ContentType: "application/json", Body: "{}"}
	case connectors.Refused:
		return connectors.Reply{Status: 400, Body: "refused"}
	case connectors.TooLarge:
		return connectors.Reply{Status: 413}
	case connectors.Malformed:
		return connectors.Reply{Status: 422}
	default:
		return connectors.Reply{Status: 503, RetryAfter: 1500 * time.Millisecond}
	}
}

func (rig *hookRig) deliver(ctx context.Context, channel string, events []connectors.Event) error {
	rig.mu.Lock()
	defer rig.mu.Unlock()
	if end, ok := ctx.Deadline(); ok {
		rig.deadline = time.Until(end)
	}
	rig.received = receivedAt(ctx)
	if rig.fail != nil {
		return rig.fail
	}
	for _, e := range events {
		if e.Text == "BOOM" {
			panic(e)
		}
		rig.delivered[channel] = append(rig.delivered[channel], e.Text)
	}
	return nil
}

// call posts body and gives the answer.
func (rig *hookRig) call(method, target, secret, body string) *httptest.ResponseRecorder {
	r := httptest.NewRequestWithContext(context.Background(), method, target, strings.NewReader(body))
	if secret != "" {
		r.Header.Set("Secret", secret)
	}
	return rig.do(r)
}

func (rig *hookRig) do(r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	rig.handler.ServeHTTP(w, r)
	return w
}

// moved gives the webhook counters that are not zero, short:
// "refused shop forged" or "requests shop accepted".
func (rig *hookRig) moved(t *testing.T) map[string]float64 {
	t.Helper()
	got := make(map[string]float64)
	for key, v := range values(ours(t, rig.reg)) {
		for prefix, short := range map[string]string{
			"servicelink_webhook_refused_total ":  "refused ",
			"servicelink_webhook_requests_total ": "requests ",
			"servicelink_events_ignored_total ":   "ignored ",
			"servicelink_webhook_seconds ":        "seconds ",
		} {
			if rest, ok := strings.CutPrefix(key, prefix); ok && v != 0 {
				channel, rest, _ := strings.Cut(rest, " ")
				_, rest, _ = strings.Cut(rest, " ")
				got[strings.TrimSpace(short+channel+" "+rest)] = v
			}
		}
	}
	return got
}

// remount builds the handler again after a test changed the channels.
func (rig *hookRig) remount(t *testing.T) {
	t.Helper()
	h, err := newPublicHandler(config.Public{}, rig.channels, rig.strays, discardLog)
	if err != nil {
		t.Fatal(err)
	}
	rig.handler = h
}

// assertNoSecrets: neither the log nor the answer holds a token of the path, a
// secret, or what was written.
func assertNoSecrets(t *testing.T, rig *hookRig, res *httptest.ResponseRecorder) {
	t.Helper()
	answer := fmt.Sprint(res.Header(), res.Body)
	for _, text := range []string{"PLANTED", "PANIC", "BOOM", "verify: ", "s1", "s2", `"a"`} {
		if strings.Contains(rig.logs.String(), text) {
			t.Errorf("the log holds %q: %s", text, rig.logs)
		}
		if strings.Contains(answer, text) {
			t.Errorf("the answer holds %q: %s", text, answer)
		}
	}
}
