package gateway

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"servicelink/connectors"
)

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
	if first.Received.IsZero() || !rig.received.Equal(second.Received) {
		t.Errorf("received at %v, and at %v; Deliver is told %v", first.Received, second.Received, rig.received)
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

// TestWebhookNotTakenNamesItsChannel: where one is known.
func TestWebhookNotTakenNamesItsChannel(t *testing.T) {
	t.Parallel()
	shop, desk := rigChannel{name: "shop", secret: "s1"}, rigChannel{name: "desk", secret: "s2"}
	off := rigChannel{name: "off", secret: "s3", disabled: true}
	for name, tc := range map[string]struct {
		channels     []rigChannel
		secret, body string
		want         string // empty = no channel
	}{
		"the only channel's path": {[]rigChannel{shop}, "", "[]", "shop"},
		"its own mistake":         {[]rigChannel{shop, desk}, "s2", "{", "desk"},
		"too large for anybody":   {[]rigChannel{shop, desk}, "s2", strings.Repeat("x", 500), ""},
		"disabled":                {[]rigChannel{shop, off}, "s3", "[]", "off"},
		"nobody's":                {[]rigChannel{shop, desk}, "", "[]", ""},
		"forged for either":       {[]rigChannel{shop, desk}, "guess", "[]", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rig := newHookRig(t, tc.channels...)
			rig.call("POST", rigTarget, tc.secret, tc.body)
			line := rig.logs.String()
			if !strings.Contains(line, "webhook not taken") {
				t.Fatalf("log: %s", line)
			}
			_, got, _ := strings.Cut(line, "channel=")
			if got = strings.TrimSpace(got); got != tc.want {
				t.Errorf("channel %q, want %q, in %s", got, tc.want, line)
			}
		})
	}
}
