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

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"servicelink/config"
	"servicelink/connectors"
)

// hookRig is a public handler over fake channels of one network. The fake
// network signs with the header Secret, and its body is a JSON list of texts;
// a few texts and header values make a connector misbehave.
type hookRig struct {
	reg      *prometheus.Registry
	logs     *bytes.Buffer
	channels []hookChannel
	handler  http.Handler

	mu        sync.Mutex
	delivered map[string][]string // channel -> texts
	fail      error               // of Deliver
	seen      []connectors.Request
	deadline  time.Duration // Deliver's, from Received
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
	rig.handler, err = newPublicHandler(config.Public{URL: "https://gw.example.com/base/"}, rig.channels, m.channel(""), log)
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

const rigTarget = "/hook/tok-PLANTED/in"

func TestWebhookPipeline(t *testing.T) {
	t.Parallel()
	one := []rigChannel{{name: "shop", secret: "s1"}}
	two := []rigChannel{{name: "shop", secret: "s1"}, {name: "desk", secret: "s2"}}
	same := []rigChannel{{name: "shop", secret: "s1"}, {name: "desk", secret: "s1"}}
	off := []rigChannel{{name: "shop", secret: "s1", disabled: true}, {name: "desk", secret: "s2"}}
	type texts = map[string][]string
	type counts = map[string]float64
	for _, tc := range []struct {
		name                         string
		channels                     []rigChannel
		method, target, secret, body string
		fail                         error
		status                       int
		delivered                    texts
		counts                       counts
	}{
		{
			"accepted", one, "POST", rigTarget, "s1", `["a","b"]`, nil, 200,
			texts{"shop": {"a", "b"}},
			counts{"requests shop accepted": 1, "seconds shop": 1},
		},
		{
			"nothing to take", one, "POST", rigTarget, "s1", `["SKIP","SKIP"]`, errors.New("never asked"), 200,
			texts{},
			counts{"requests shop accepted": 1, "ignored shop file_not_ready": 2, "seconds shop": 1},
		},
		{
			"forged", one, "POST", rigTarget, "x", `["a"]`, nil, 400,
			texts{},
			counts{"requests shop refused": 1, "refused shop forged": 1, "seconds shop": 1},
		},
		{
			"not mine", one, "POST", rigTarget, "", `["a"]`, nil, 400,
			texts{},
			counts{"requests shop refused": 1, "refused shop no_channel": 1, "seconds shop": 1},
		},
		{
			"second channel's", two, "POST", rigTarget, "s2", `["a"]`, nil, 200,
			texts{"desk": {"a"}},
			counts{"requests desk accepted": 1, "seconds desk": 1},
		},
		{
			"both channels'", same, "POST", rigTarget, "s1", `["a"]`, nil, 200,
			texts{"shop": {"a"}, "desk": {"a"}},
			counts{"requests shop accepted": 1, "requests desk accepted": 1, "seconds shop": 1},
		},
		{
			"nobody's of two", two, "POST", rigTarget, "", `["a"]`, nil, 400,
			texts{},
			counts{"requests - refused": 1, "refused - no_channel": 1, "seconds -": 1},
		},
		{
			"forged for two", two, "POST", rigTarget, "x", `["a"]`, nil, 400,
			texts{},
			counts{"requests - refused": 1, "refused - forged": 1, "seconds -": 1},
		},
		{
			"disabled channel's", off, "POST", rigTarget, "s1", `["a"]`, nil, 400,
			texts{},
			counts{"requests shop refused": 1, "refused shop no_channel": 1, "seconds shop": 1},
		},
		{
			"not the disabled one's", off, "POST", rigTarget, "s2", `["a"]`, nil, 200,
			texts{"desk": {"a"}},
			counts{"requests desk accepted": 1, "seconds desk": 1},
		},
		{
			"malformed", one, "POST", rigTarget, "s1", `["a"`, nil, 422,
			texts{},
			counts{"requests shop malformed": 1, "refused shop syntax": 1, "seconds shop": 1},
		},
		{
			"parse fails without a reason", one, "POST", rigTarget, "s1", `["ODD"]`, nil, 422,
			texts{},
			counts{"requests shop malformed": 1, "refused shop syntax": 1, "seconds shop": 1},
		},
		{
			"journal away", one, "POST", rigTarget, "s1", `["a"]`, connectors.ErrUnavailable, 503,
			texts{},
			counts{"requests shop unavailable": 1, "refused shop unavailable": 1, "seconds shop": 1},
		},
		{
			"journal away, ignored parts come again", one, "POST", rigTarget, "s1", `["a","SKIP"]`, errors.New("x"), 503,
			texts{},
			counts{"requests shop unavailable": 1, "refused shop unavailable": 1, "seconds shop": 1},
		},
		{
			"verify panics", one, "POST", rigTarget, "panic", `["a"]`, nil, 503,
			texts{},
			counts{"requests shop unavailable": 1, "refused shop bug": 1, "seconds shop": 1},
		},
		{
			"parse panics", one, "POST", rigTarget, "s1", `["PANIC"]`, nil, 503,
			texts{},
			counts{"requests shop unavailable": 1, "refused shop bug": 1, "seconds shop": 1},
		},
		{
			"deliver panics", one, "POST", rigTarget, "s1", `["BOOM"]`, nil, 503,
			texts{},
			counts{"requests shop unavailable": 1, "refused shop bug": 1, "seconds shop": 1},
		},
		{
			"too large", one, "POST", rigTarget, "s1", `["` + strings.Repeat("a", 200) + `"]`, nil, 413,
			texts{},
			counts{"requests shop too_large": 1, "refused shop too_large": 1, "seconds shop": 1},
		},
		{
			"empty body", one, "POST", rigTarget, "s1", "", nil, 422,
			texts{},
			counts{"requests shop malformed": 1, "refused shop syntax": 1, "seconds shop": 1},
		},
		{"wrong path", one, "POST", "/hook/tok-PLANTED/out", "s1", `["a"]`, nil, 404, texts{}, counts{"refused - not_found": 1}},
		{"root", one, "POST", "/", "s1", `["a"]`, nil, 404, texts{}, counts{"refused - not_found": 1}},
		{"unclean path", one, "POST", "//hook/tok-PLANTED/in", "s1", `["a"]`, nil, 404, texts{}, counts{"refused - not_found": 1}},
		{"slash at the end", one, "POST", rigTarget + "/", "s1", `["a"]`, nil, 404, texts{}, counts{"refused - not_found": 1}},
		{"dots", one, "POST", "/x/../hook/tok-PLANTED/in", "s1", `["a"]`, nil, 404, texts{}, counts{"refused - not_found": 1}},
		{"asterisk", one, "OPTIONS", "*", "", "", nil, 404, texts{}, counts{"refused - not_found": 1}},
		{"wrong method", one, "GET", rigTarget, "s1", "", nil, 405, texts{}, counts{"refused - method": 1}},
		{"head", one, "HEAD", rigTarget, "s1", "", nil, 405, texts{}, counts{"refused - method": 1}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			rig := newHookRig(t, tc.channels...)
			rig.fail = tc.fail
			res := rig.call(tc.method, tc.target, tc.secret, tc.body)
			if res.Code != tc.status {
				t.Errorf("status %d, want %d", res.Code, tc.status)
			}
			if diff := cmp.Diff(tc.delivered, rig.delivered); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff(tc.counts, rig.moved(t)); diff != "" {
				t.Error(diff)
			}
			assertNoSecrets(t, rig, res)
		})
	}
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

// TestWebhookOneChannelsFailure: what goes wrong with one channel of a path
// neither takes the others' events away nor is hidden by their success.
func TestWebhookOneChannelsFailure(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name   string
		spoil  func(*hookChannel)
		status int
	}{
		{"parse", func(c *hookChannel) {
			c.Hooks[0].Parse = func(*connectors.Request) (connectors.ParseResult, error) {
				return connectors.ParseResult{}, &connectors.RequestError{Reason: connectors.ReasonMissing}
			}
		}, 422},
		{"parse panics", func(c *hookChannel) {
			c.Hooks[0].Parse = func(*connectors.Request) (connectors.ParseResult, error) { panic(1) }
		}, 503},
		{"verify panics", func(c *hookChannel) {
			c.Hooks[0].Verify = func(*connectors.Request) error { panic(1) }
		}, 503},
		{"journal", func(c *hookChannel) {
			c.Deliver = func(context.Context, []connectors.Event) error { return connectors.ErrUnavailable }
		}, 503},
	} {
		for i, broken := range []string{"first", "last"} {
			t.Run(tc.name+" "+broken, func(t *testing.T) {
				t.Parallel()
				rig := newHookRig(t, rigChannel{name: "c0", secret: "s"}, rigChannel{name: "c1", secret: "s"})
				tc.spoil(&rig.channels[i])
				rig.remount(t)
				res := rig.call("POST", rigTarget, "s", `["a"]`)
				if res.Code != tc.status {
					t.Errorf("status %d, want %d", res.Code, tc.status)
				}
				healthy := fmt.Sprintf("c%d", 1-i)
				if diff := cmp.Diff(map[string][]string{healthy: {"a"}}, rig.delivered); diff != "" {
					t.Error(diff)
				}
				if got := rig.moved(t)["requests "+healthy+" accepted"]; got != 1 {
					t.Errorf("the healthy channel counts %v accepted calls, want 1", got)
				}
			})
		}
	}
}

// remount builds the handler again after a test changed the channels.
func (rig *hookRig) remount(t *testing.T) {
	t.Helper()
	h, err := newPublicHandler(config.Public{}, rig.channels, rig.channels[0].Metrics, discardLog)
	if err != nil {
		t.Fatal(err)
	}
	rig.handler = h
}

// TestWebhookReplyGuard: an answer that would make the network forget what was
// not taken, or none at all, becomes 503.
func TestWebhookReplyGuard(t *testing.T) {
	t.Parallel()
	for name, reply := range map[string]func(connectors.Verdict) connectors.Reply{
		"says yes to unavailable": func(connectors.Verdict) connectors.Reply { return connectors.Reply{Status: 200} },
		"redirects":               func(connectors.Verdict) connectors.Reply { return connectors.Reply{Status: 302} },
		"no status":               func(connectors.Verdict) connectors.Reply { return connectors.Reply{} },
		"informational":           func(connectors.Verdict) connectors.Reply { return connectors.Reply{Status: 103} },
		"absurd status":           func(connectors.Verdict) connectors.Reply { return connectors.Reply{Status: 1000} },
		"panics":                  func(connectors.Verdict) connectors.Reply { panic("PANIC") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rig := newHookRig(t, rigChannel{name: "shop", secret: "s1"})
			rig.channels[0].Hooks[0].Reply = reply
			rig.remount(t)
			rig.fail = errors.New("journal away")
			if res := rig.call("POST", rigTarget, "s1", `["a"]`); res.Code != http.StatusServiceUnavailable {
				t.Errorf("status %d, want 503", res.Code)
			}
			if got := rig.moved(t)["refused shop bug"]; got != 1 {
				t.Errorf("counted as bug %v times, want 1", got)
			}
		})
	}
}

func TestWebhookAnswerHeaders(t *testing.T) {
	t.Parallel()
	rig := newHookRig(t, rigChannel{name: "shop", secret: "s1"})
	for _, tc := range []struct {
		name, method, target, secret, body string
		fail                               error
		want                               http.Header
		text                               string
	}{
		{
			"accepted", "POST", rigTarget, "s1", "[]", nil,
			http.Header{"X-Content-Type-Options": {"nosniff"}, "Content-Type": {"application/json"}},
			"{}",
		},
		{
			"no content type", "POST", rigTarget, "x", "[]", nil,
			http.Header{"X-Content-Type-Options": {"nosniff"}, "Content-Type": nil},
			"refused",
		},
		{
			"retry after is rounded up", "POST", rigTarget, "s1", `["a"]`, errors.New("full"),
			http.Header{"X-Content-Type-Options": {"nosniff"}, "Content-Type": nil, "Retry-After": {"2"}},
			"",
		},
		{
			"too large hangs up", "POST", rigTarget, "s1", strings.Repeat("x", 201), nil,
			http.Header{"X-Content-Type-Options": {"nosniff"}, "Content-Type": nil, "Connection": {"close"}},
			"",
		},
		{
			"not found", "POST", "/other", "", "", nil,
			http.Header{"X-Content-Type-Options": {"nosniff"}, "Content-Type": {"text/plain; charset=utf-8"}},
			"not found\n",
		},
		{
			"method", "PUT", rigTarget, "", "", nil,
			http.Header{"X-Content-Type-Options": {"nosniff"}, "Content-Type": {"text/plain; charset=utf-8"}, "Allow": {"POST"}},
			"method not allowed\n",
		},
	} {
		rig.fail = tc.fail
		res := rig.call(tc.method, tc.target, tc.secret, tc.body)
		if diff := cmp.Diff(tc.want, res.Header()); diff != "" || res.Body.String() != tc.text {
			t.Errorf("%s: %q, want %q; headers %s", tc.name, res.Body, tc.text, diff)
		}
	}
}

// TestWebhookRequest: Verify and Parse see the call as it came.
func TestWebhookRequest(t *testing.T) {
	t.Parallel()
	rig := newHookRig(t, rigChannel{name: "shop", secret: "s1"})
	rig.call("POST", "/hook/a%2Fb%20c/in?x=1&x=%7e;y", "s1", `["a"]`)
	rig.call("POST", "/hook/second/in", "s1", `["a"]`)
	if len(rig.seen) != 2 {
		t.Fatalf("Parse was called %d times, want 2", len(rig.seen))
	}
	first, second := rig.seen[0], rig.seen[1]
	for what, pair := range map[string][2]string{
		"method":               {first.Method, "POST"},
		"public URL":           {first.PublicURL, "https://gw.example.com/base/hook/a%2Fb%20c/in?x=1&x=%7e;y"},
		"wildcard":             {first.Values["token"], "a/b c"},
		"body":                 {string(first.Body), `["a"]`},
		"client":               {first.Client, "192.0.2.1"},
		"second wildcard":      {second.Values["token"], "second"},
		"second public URL":    {second.PublicURL, "https://gw.example.com/base/hook/second/in"},
		"query as it came":     {first.URL.RawQuery, "x=1&x=%7e;y"},
		"header as it came":    {first.Header.Get("Secret"), "s1"},
		"second URL, no query": {second.URL.RawQuery, ""},
	} {
		if pair[0] != pair[1] {
			t.Errorf("%s is %q, want %q", what, pair[0], pair[1])
		}
	}
	if first.Received.IsZero() {
		t.Error("Received is not set")
	}
	if rig.deadline <= 0 || rig.deadline > 3600*time.Millisecond {
		t.Errorf("Deliver has %v, want at most 9/10 of the patience of 4 s", rig.deadline)
	}
}

// TestWebhookConcurrent: borrowed memory is never seen by two calls at once.
func TestWebhookConcurrent(t *testing.T) {
	t.Parallel()
	rig := newHookRig(t, rigChannel{name: "c0", secret: "s0"}, rigChannel{name: "c1", secret: "s1"})
	const callers, each = 8, 50
	var wg sync.WaitGroup
	for caller := range callers {
		wg.Go(func() {
			for n := range each {
				text := fmt.Sprintf("%d-%d", caller, n)
				secret := fmt.Sprintf("s%d", caller%2)
				body := fmt.Sprintf(`["%s"%s]`, text, strings.Repeat(" ", n))
				if res := rig.call("POST", "/hook/"+text+"/in", secret, body); res.Code != 200 {
					t.Errorf("%s: status %d", text, res.Code)
				}
			}
		})
	}
	wg.Wait()
	seen := make(map[string]int)
	for channel, texts := range rig.delivered {
		for _, text := range texts {
			var caller, n int
			if _, err := fmt.Sscanf(text, "%d-%d", &caller, &n); err != nil || fmt.Sprintf("c%d", caller%2) != channel {
				t.Errorf("channel %s got %q", channel, text)
			}
			seen[text]++
		}
	}
	for text, n := range seen {
		if n != 1 {
			t.Errorf("%q was delivered %d times", text, n)
		}
	}
	if len(seen) != callers*each {
		t.Errorf("%d texts were delivered, want %d", len(seen), callers*each)
	}
	for _, r := range rig.seen {
		if !bytes.Contains(r.Body, []byte(`"`+r.Values["token"]+`"`)) {
			t.Errorf("the path's %q came with the body %q", r.Values["token"], r.Body)
		}
	}
}

// TestWebhookLogIsSeldom: a flood of refused calls writes one line.
func TestWebhookLogIsSeldom(t *testing.T) {
	t.Parallel()
	rig := newHookRig(t, rigChannel{name: "shop", secret: "s1"})
	for range 50 {
		rig.call("POST", rigTarget, "x", "[]")
		rig.call("POST", rigTarget, "s1", `["PANIC"]`)
	}
	if n := strings.Count(rig.logs.String(), "webhook not taken"); n != 1 {
		t.Errorf("%d lines about refused calls, want 1", n)
	}
	if n := strings.Count(rig.logs.String(), "connector panicked"); n != 1 {
		t.Errorf("%d lines about panics, want 1", n)
	}
	var s seldom
	start := time.Unix(1, 0)
	if !s.due(start) || s.due(start.Add(warnEvery-1)) || !s.due(start.Add(warnEvery)) {
		t.Error("a line is due at once and again after warnEvery")
	}
}

// TestWebhookPanicIsFound: the line names stage and kind of a panic, with the
// stack, and not its value.
func TestWebhookPanicIsFound(t *testing.T) {
	t.Parallel()
	rig := newHookRig(t, rigChannel{name: "shop", secret: "s1"})
	rig.call("POST", rigTarget, "s1", `["INDEX"]`)
	for _, part := range []string{"channel=shop", "network=fake", "stage=parse", "path=" + rigPath, "index out of range [1] with length 1", "webhook_test.go"} {
		if !strings.Contains(rig.logs.String(), part) {
			t.Errorf("the log lacks %q: %s", part, rig.logs)
		}
	}
}
