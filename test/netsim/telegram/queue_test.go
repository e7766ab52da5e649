package telegram

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"servicelink/test/netsim/control"
)

// poll asks for updates in the background; the answer comes by the channel.
func pollLater(ctx context.Context, t *testing.T, n *Network, p map[string]any) <-chan reply {
	t.Helper()
	answers := make(chan reply, 1)
	go func() { answers <- askIn(ctx, t, n, "getUpdates", p) }()
	synctest.Wait()
	return answers
}

func TestConfirmation(t *testing.T) {
	for name, tc := range map[string]struct {
		offset func(first int64) int64
		limit  int
		want   string
	}{
		"none":                   {func(int64) int64 { return 0 }, 100, "a b c d"},
		"first":                  {func(first int64) int64 { return first }, 100, "a b c d"},
		"third":                  {func(first int64) int64 { return first + 2 }, 100, "c d"},
		"all":                    {func(first int64) int64 { return first + 4 }, 100, ""},
		"limit":                  {func(int64) int64 { return 0 }, 2, "a b"},
		"limit too low":          {func(int64) int64 { return 0 }, -1, "a"},
		"last two":               {func(int64) int64 { return -2 }, 100, "c d"},
		"more than there are":    {func(int64) int64 { return -9 }, 100, "a b c d"},
		"a little beyond":        {func(first int64) int64 { return first + 14 }, 100, ""},
		"far beyond is ignored":  {func(first int64) int64 { return first + 15 }, 100, "a b c d"},
		"a little behind":        {func(first int64) int64 { return first - 100 }, 100, "a b c d"},
		"nonsense is no offset ": {func(int64) int64 { return 1 << 40 }, 100, "a b c d"},
	} {
		t.Run(name, func(t *testing.T) {
			n := newNetwork(t)
			for _, text := range []string{"a", "b", "c", "d"} {
				says(t, n, text)
			}
			first := n.bots[token].queue.list[0].id
			p := map[string]any{"offset": tc.offset(first), "limit": tc.limit}
			if got := texts(t, updates(t, n, p)); got != tc.want {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}

// TestRedelivery: an update comes again until a higher offset is asked for.
func TestRedelivery(t *testing.T) {
	n := newNetwork(t)
	says(t, n, "a")
	for range 3 {
		if got := texts(t, updates(t, n, nil)); got != "a" {
			t.Fatalf("got %q", got)
		}
	}
	id := updates(t, n, nil)[0].UpdateID
	says(t, n, "b")
	if got := texts(t, updates(t, n, map[string]any{"offset": id + 1})); got != "b" {
		t.Errorf("got %q", got)
	}
	if got := texts(t, updates(t, n, nil)); got != "b" {
		t.Errorf("a confirmed update is back: %q", got)
	}
}

func TestLongPoll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		begin := time.Now()
		if got := updates(t, n, map[string]any{"timeout": 3600}); len(got) != 0 || time.Since(begin) != 50*time.Second {
			t.Errorf("an empty poll ended after %v with %d", time.Since(begin), len(got))
		}
		answers := pollLater(t.Context(), t, n, map[string]any{"timeout": 30, "offset": -1})
		time.Sleep(7 * time.Second)
		begin = time.Now()
		says(t, n, "hello")
		var list []gotUpdate
		got := <-answers
		got.into(t, &list)
		if texts(t, list) != "hello" || time.Since(begin) != 0 {
			t.Errorf("woken after %v with %v", time.Since(begin), got)
		}
	})
}

// TestGoneClient: a poll whose client has gone takes nothing with it.
func TestGoneClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan any, 1)
		go func() {
			defer func() { ended <- recover() }()
			askIn(ctx, t, n, "getUpdates", map[string]any{"timeout": 50})
		}()
		synctest.Wait()
		cancel()
		if r, _ := (<-ended).(error); !errors.Is(r, http.ErrAbortHandler) {
			t.Errorf("the handler ended with %v", r)
		}
		says(t, n, "hello")
		if got := texts(t, updates(t, n, nil)); got != "hello" {
			t.Errorf("got %q", got)
		}
	})
}

func TestSecondPoll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		wait := map[string]any{"timeout": 40}
		first := pollLater(t.Context(), t, n, wait)
		second := pollLater(t.Context(), t, n, wait)
		if got := <-first; got.Code != 409 || got.Description != textOtherPoll {
			t.Fatalf("the waiting poll got %v", got)
		}
		begin := time.Now()
		third := pollLater(t.Context(), t, n, wait)
		if got := <-second; got.Code != 409 || time.Since(begin) != 3*time.Second {
			t.Errorf("the second 409 within 3 s came after %v: %v", time.Since(begin), got)
		}
		says(t, n, "hello")
		if got := <-third; !got.OK || !strings.Contains(string(got.Result), "hello") {
			t.Errorf("the last poll got %v", got)
		}
	})
}

// TestSameOffset: who asks with the same offset over and over is slowed down.
func TestSameOffset(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		updates(t, n, nil)
		begin := time.Now()
		updates(t, n, nil)
		if took := time.Since(begin); took != 3*time.Second {
			t.Errorf("the same empty question again took %v", took)
		}
		time.Sleep(5 * time.Second)
		says(t, n, "a")
		says(t, n, "b")
		updates(t, n, nil)
		if got := texts(t, updates(t, n, nil)); got != "a" {
			t.Errorf("the same question at once got %q, want one update", got)
		}
	})
}

func TestAllowedUpdates(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		for _, tc := range []struct {
			name string
			set  any // allowed_updates of the poll before; nil = not said
			want string
		}{
			{"default", nil, "message new_kind"},
			{"named", []string{"message_reaction", "message"}, "message message_reaction"},
			{"sticks", nil, "message message_reaction"},
			{"unreadable", "message", "message message_reaction"},
			{"empty", []string{}, "message new_kind"},
		} {
			p := map[string]any{"offset": -1}
			if tc.set != nil {
				p["allowed_updates"] = tc.set
			}
			for _, u := range updates(t, n, p) { // of the round before
				updates(t, n, map[string]any{"offset": u.UpdateID + 1})
			}
			for _, kind := range []string{"message", "chat_member", "message_reaction", "message_reaction_count", "new_kind"} {
				must(t, n.Inject(token, []byte(`{"`+kind+`":{}}`)))
			}
			var names []string
			time.Sleep(10 * time.Second)
			for _, u := range updates(t, n, nil) {
				names = slices.AppendSeq(names, maps.Keys(u.Kinds))
			}
			if got := strings.Join(names, " "); got != tc.want {
				t.Errorf("%s: got %q, want %q", tc.name, got, tc.want)
			}
		}
	})
}

func TestExpiry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		for _, kind := range []string{"inline_query", "callback_query", "chosen_inline_result", "message"} {
			must(t, n.Inject(token, []byte(`{"`+kind+`":{}}`)))
		}
		for _, want := range []int{4, 3, 2, 1, 0} {
			if got := len(updates(t, n, nil)); got != want {
				t.Errorf("%d updates, want %d", got, want)
			}
			time.Sleep(map[int]time.Duration{4: 31 * time.Second, 3: 120 * time.Second, 2: 450 * time.Second, 1: 24 * time.Hour}[want])
		}
		if n.bots[token].queue.bytes != 0 {
			t.Error("the sizes do not add up")
		}
	})
}

// TestIDs: one after the other; after a week of silence anywhere; by command
// below what was.
func TestIDs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		last := func() int64 {
			list := updates(t, n, map[string]any{"offset": -1})
			id := list[0].UpdateID
			updates(t, n, map[string]any{"offset": id + 1})
			return id
		}
		says(t, n, "a")
		first := last()
		says(t, n, "b")
		if second := last(); second != first+1 {
			t.Errorf("ids %d, %d", first, second)
		}
		if _, err := n.Act(token, control.Action{Do: "jump"}); err != nil {
			t.Fatal(err)
		}
		says(t, n, "c")
		if third := last(); third >= first {
			t.Errorf("after a jump %d, not below %d", third, first)
		}
		time.Sleep(8 * 24 * time.Hour)
		before := n.bots[token].queue.last
		says(t, n, "d")
		if fourth := last(); fourth == before+1 {
			t.Error("a week's silence changed nothing")
		}
	})
}

// TestOffsetAfterJump: the offset of before a jump is far ahead, so it is
// ignored and confirms nothing.
func TestOffsetAfterJump(t *testing.T) {
	n := newNetwork(t)
	says(t, n, "a")
	offset := updates(t, n, nil)[0].UpdateID + 1
	updates(t, n, map[string]any{"offset": offset})
	does(t, n, control.Action{Do: "jump"})
	says(t, n, "b")
	for range 2 {
		if got := texts(t, updates(t, n, map[string]any{"offset": offset})); got != "b" {
			t.Errorf("got %q", got)
		}
	}
}

func TestTooLargeUpdate(t *testing.T) {
	n := newNetwork(t)
	must(t, n.Inject(token, fmt.Appendf(nil, `{"message":{"text":"%s"}}`, strings.Repeat("x", maxUpdateBytes))))
	says(t, n, "b")
	if got := texts(t, updates(t, n, nil)); got != "b" {
		t.Errorf("got %q", got)
	}
}

func TestInboundFaults(t *testing.T) {
	n := newNetwork(t)
	must(t, n.Fault(control.Fault{Kind: control.Duplicate, Times: 1, Account: "shop_bot"}))
	says(t, n, "a")
	first := updates(t, n, nil)
	says(t, n, "b")
	again := updates(t, n, map[string]any{"offset": first[0].UpdateID + 1})
	if texts(t, again) != "a" || again[0].UpdateID != first[0].UpdateID {
		t.Errorf("the confirmed update did not come again: %v", again)
	}
	if got := texts(t, updates(t, n, map[string]any{"offset": first[0].UpdateID + 1, "limit": 10})); got != "b" {
		t.Errorf("then got %q", got)
	}
	for i := range 20 {
		says(t, n, fmt.Sprint(i))
	}
	must(t, n.Fault(control.Fault{Kind: control.Reorder, Times: 1}))
	mixed := updates(t, n, map[string]any{"offset": first[0].UpdateID + 2})
	ordered := slices.IsSortedFunc(mixed, func(a, b gotUpdate) int { return int(a.UpdateID - b.UpdateID) })
	if len(mixed) != 20 || ordered {
		t.Errorf("%d updates, in order: %v", len(mixed), ordered)
	}
}

// TestInjected: what an injected update speaks of is known afterwards.
func TestInjected(t *testing.T) {
	n := newNetwork(t)
	for _, bad := range []string{"", "[]", "null", "{"} {
		if n.Inject(token, []byte(bad)) == nil {
			t.Errorf("%q was taken", bad)
		}
	}
	must(t, n.Inject(token, []byte(`{"update_id":5,"message":{"message_id":7,"date":1,"chat":{"id":-42,"type":"group","title":"G"},"from":{"id":1,"first_name":"A"},"text":"hi"}}`)))
	must(t, n.Inject(token, []byte(`{"callback_query":{"id":"q1","from":{"id":1,"first_name":"A"},"chat_instance":"1","data":"d"}}`)))
	for method, p := range map[string]map[string]any{
		"sendMessage":         {"chat_id": -42, "text": "x", "reply_parameters": map[string]any{"message_id": 7}},
		"answerCallbackQuery": {"callback_query_id": "q1"},
	} {
		if got := ask(t, n, method, p); !got.OK {
			t.Errorf("%s: %v", method, got)
		}
	}
	list := updates(t, n, nil)
	if len(list) != 2 || list[0].UpdateID == 5 || !json.Valid(list[0].Kinds["message"]) {
		t.Errorf("updates %v", list)
	}
}

func TestWebhookExcludesPolling(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		waiting := pollLater(t.Context(), t, n, map[string]any{"timeout": 50})
		if got := ask(t, n, "setWebhook", map[string]any{"url": "http://127.0.0.1:1/hook"}); !got.OK || got.Description != "Webhook was set" {
			t.Fatalf("set: %v", got)
		}
		if got := <-waiting; got.Code != 409 || got.Description != textWebhookSet {
			t.Errorf("the waiting poll got %v", got)
		}
		if got := ask(t, n, "getUpdates", nil); got.Code != 409 || got.Description != textWebhookThere {
			t.Errorf("a poll got %v", got)
		}
		if got := ask(t, n, "deleteWebhook", map[string]any{"drop_pending_updates": true}); !got.OK || got.Description != "Webhook was deleted" {
			t.Errorf("delete: %v", got)
		}
		if got := ask(t, n, "getUpdates", map[string]any{"timeout": 1}); !got.OK {
			t.Errorf("a poll got %v", got)
		}
		n.Close()
	})
}

// postFunc stands for the other end of a webhook.
type postFunc func(*http.Request) (*http.Response, error)

func (f postFunc) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// hookInfo is a WebhookInfo.
type hookInfo struct {
	URL     string
	Pending int    `json:"pending_update_count"`
	Error   string `json:"last_error_message"`
	Max     int    `json:"max_connections"`
}

func infoOf(t *testing.T, n *Network) (got hookInfo) {
	t.Helper()
	ask(t, n, "getWebhookInfo", nil).into(t, &got)
	return got
}

func TestBadWebhooks(t *testing.T) {
	n := newNetwork(t)
	for text, p := range map[string]map[string]any{
		"bad webhook: An HTTPS URL must be provided for webhook": {"url": "http://example.org/"},
		"invalid webhook URL specified":                          {"url": "example"},
		"secret token contains unallowed characters":             {"url": "https://h", "secret_token": "a b"},
		"secret token is too long":                               {"url": "https://h", "secret_token": strings.Repeat("x", 257)},
	} {
		if got := ask(t, n, "setWebhook", p); got.Description != "Bad Request: "+text {
			t.Errorf("%v: %v", p, got)
		}
	}
	if got := ask(t, n, "deleteWebhook", nil); got.Description != "Webhook is already deleted" {
		t.Errorf("delete: %v", got)
	}
}

// TestWebhook: updates are posted in order, each until it is taken, with what
// the answer says about time and about a call.
func TestWebhook(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		begin := time.Now()
		var posted []string
		answers := []*http.Response{
			{StatusCode: 502, Status: "502 Bad Gateway"},
			{StatusCode: 500},
			{StatusCode: 503, Header: http.Header{"Retry-After": {"30"}}},
			{StatusCode: 200, Body: io.NopCloser(strings.NewReader(`{"method":"sendMessage","chat_id":"4503599627370001","text":"by the way"}`))},
			{StatusCode: 204},
		}
		n.post.Transport = postFunc(func(r *http.Request) (*http.Response, error) {
			body, err := io.ReadAll(r.Body)
			if err != nil {
				return nil, err
			}
			var u gotUpdate
			must(t, json.Unmarshal(body, &u))
			posted = append(posted, fmt.Sprintf("%v %s %s", time.Since(begin), texts(t, []gotUpdate{u}), r.Header.Get("X-Telegram-Bot-Api-Secret-Token")))
			answer := answers[0]
			answers = answers[1:]
			if answer.Body == nil {
				answer.Body = http.NoBody
			}
			return answer, nil
		})
		says(t, n, "one")
		if got := infoOf(t, n); got != (hookInfo{Pending: 1}) {
			t.Errorf("before: %+v", got)
		}
		set := map[string]any{"url": "http://127.0.0.1/hook", "secret_token": "s3cret", "max_connections": 7}
		if got := ask(t, n, "setWebhook", set); got.Description != "Webhook was set" {
			t.Fatalf("set: %v", got)
		}
		synctest.Wait()
		if got := infoOf(t, n); got != (hookInfo{"http://127.0.0.1/hook", 1, "Wrong response from the webhook: 502 Bad Gateway", 7}) {
			t.Errorf("after a failure: %+v", got)
		}
		says(t, n, "two")
		if got := ask(t, n, "setWebhook", set); got.Description != "Webhook is already set" {
			t.Errorf("again: %v", got)
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		want := []string{"0s one s3cret", "1s one s3cret", "3s one s3cret", "33s one s3cret", "33s two s3cret"}
		if !slices.Equal(posted, want) {
			t.Errorf("posted %q, want %q", posted, want)
		}
		if got := infoOf(t, n); got.Pending != 0 {
			t.Errorf("afterwards: %+v", got)
		}
		c := chatOf(t, n, ann.ID)
		if last := c.Messages[len(c.Messages)-1]; last.Text != "by the way" {
			t.Errorf("the answer's call was not made: %+v", c.Messages)
		}
		n.Close()
	})
}

// TestWebhookStaysHere: whatever the address, nothing leaves this machine.
func TestWebhookStaysHere(t *testing.T) {
	client := loopbackClient()
	defer client.CloseIdleConnections()
	for _, url := range []string{"http://192.0.2.1/", "http://example.org/", "http://[2001:db8::1]/"} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, nil)
		must(t, err)
		answer, err := client.Do(r)
		if err == nil {
			answer.Body.Close()
		}
		if err == nil || !strings.Contains(err.Error(), "not this machine") {
			t.Errorf("%s: %v", url, err)
		}
	}
}

// TestMostUpdates: an answer has a hundred updates at most.
func TestMostUpdates(t *testing.T) {
	n := newNetwork(t)
	for range 120 {
		says(t, n, "x")
	}
	if got := len(updates(t, n, map[string]any{"limit": 1000})); got != 100 {
		t.Errorf("%d updates in one answer", got)
	}
}
