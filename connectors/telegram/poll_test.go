package telegram

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"servicelink/connectors"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// The library has a loop and a client of its own. What they do wrong, and what
// holds this package to do it right:
//
//	confirms updates before they are handled           TestRunConfirmsAfterDeliver
//	handles them in any order                          TestRunConfirmsAfterDeliver
//	loses what is queued when it is stopped            TestRunStopped
//	stops for ever at an update it cannot decode       TestUnknownTypes, TestRunPoison
//	has no call that gives the raw update              (newUpdate reads nothing else)
//	asks without rest after 401, 409 and 429           TestRunErrors
//	hides some errors from errors.Is                   TestReadAnswer, TestRunErrors
//	polls without rest when its time-out is short      TestNewReportsEverything, TestRunNeverBusy
//	takes the offset for the id seen last              TestRunConfirmsAfterDeliver
//	logs updates, and errors that quote them           TestRunSaysNothing, TestRunErrors
//	shows the token in errors about a URL              TestNewReportsEverything, TestRunErrors
//	dies of a panic                                    TestPanic
//	answers 200 to any webhook call                    (there is no webhook here)
//	sends calls without parameters as a broken form    TestAPIURL
//	reads reply_to_story under another name            TestUpdates/reply_story
//	leaves an absent message empty                     TestUpdates/button_inline
//	takes UTF-16 offsets of commands for bytes         TestReturnChat, TestLinks
//	can be pointed at another server                   TestAPIURL

// TestRunConfirmsAfterDeliver: an update is confirmed once the engine has it, by
// the id after it, and no poll goes out before that.
func TestRunConfirmsAfterDeliver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, in := newFake(), &fakeInbox{}
		gate := make(chan struct{})
		in.deliver = func(ctx context.Context, _ []connectors.Event) error {
			select {
			case <-gate:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		f.add(textUpdate("500", "7", "one"), textUpdate("501", "8", "two"))
		r := start(t, newTestBot(t, f, "", io.Discard), in)
		time.Sleep(time.Hour)
		if n := len(f.seen("getUpdates")); n != 1 {
			t.Errorf("%d polls while the engine had not taken the updates", n)
		}
		close(gate)
		synctest.Wait()
		polls := f.seen("getUpdates")
		want := map[string]any{"limit": 100.0, "timeout": 50.0, "allowed_updates": anys(allowedUpdates)}
		if diff := cmp.Diff(want, polls[0].params); diff != "" {
			t.Errorf("first poll: %s", diff)
		}
		if len(polls) != 2 || polls[1].params["offset"] != 502.0 {
			t.Errorf("polls after the delivery: %+v", polls[1:])
		}
		if got := in.texts(); !slices.Equal(got, []string{"one", "two"}) {
			t.Errorf("delivered %q", got)
		}
		r.end(t)
	})
}

func anys(list []string) (all []any) {
	for _, s := range list {
		all = append(all, s)
	}
	return all
}

// TestAllowedUpdates: reactions come only to those who ask for them, and nothing
// is asked for that cannot be read.
func TestAllowedUpdates(t *testing.T) {
	if !slices.Contains(allowedUpdates, "message_reaction") {
		t.Error("no reactions")
	}
	for _, kind := range allowedUpdates {
		if readers[kind] == nil {
			t.Errorf("nothing reads %s", kind)
		}
	}
	if len(allowedUpdates) != len(readers) {
		t.Errorf("%d kinds are asked for and %d can be read", len(allowedUpdates), len(readers))
	}
}

// TestRunStopped: whatever Run waits for, it ends at once and confirms nothing
// more; what was not taken comes to the next Run.
func TestRunStopped(t *testing.T) {
	for name, deliver := range map[string]func(context.Context, []connectors.Event) error{
		"in a poll": nil,
		"in Deliver": func(ctx context.Context, _ []connectors.Event) error {
			<-ctx.Done()
			return ctx.Err()
		},
		"in a rest": func(context.Context, []connectors.Event) error { return connectors.ErrUnavailable },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f, in := newFake(), &fakeInbox{deliver: deliver}
				f.add(textUpdate("500", "7", "one"))
				c := newTestBot(t, f, "", io.Discard)
				r := start(t, c, in)
				time.Sleep(20*time.Second + 500*time.Millisecond)
				r.end(t)
				if deliver == nil {
					return
				}
				in.deliver = nil
				again := start(t, c, in)
				synctest.Wait()
				if got := in.texts(); !slices.Equal(got, []string{"one"}) {
					t.Errorf("the next Run delivered %q", got)
				}
				again.end(t)
			})
		})
	}
}

// TestRunWhileTheEngineCannotTake: the same offset again after a rest that grows,
// and all of it once the engine takes events.
func TestRunWhileTheEngineCannotTake(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, in := newFake(), &fakeInbox{}
		failures := 7
		in.deliver = func(context.Context, []connectors.Event) error {
			if failures--; failures >= 0 {
				return fmt.Errorf("%w: disk full", connectors.ErrUnavailable)
			}
			return nil
		}
		f.add(textUpdate("500", "7", "one"), textUpdate("501", "8", "two"))
		r := start(t, newTestBot(t, f, "", io.Discard), in)
		time.Sleep(2 * time.Minute)
		polls := f.seen("getUpdates")
		rests := []int{1, 2, 4, 8, 15, 15, 15, 0} // seconds
		for i, rest := range rests {
			if got := polls[i+1].at.Sub(polls[i].at); got != time.Duration(rest)*time.Second {
				t.Errorf("rest %d is %v, want %ds", i, got, rest)
			}
			if polls[i].params["offset"] != nil {
				t.Errorf("poll %d has offset %v", i, polls[i].params["offset"])
			}
		}
		if got := in.texts(); !slices.Equal(got, []string{"one", "two"}) {
			t.Errorf("delivered %q", got)
		}
		r.end(t)
	})
}

// TestRunPoison: an update that cannot be read costs those around it nothing.
func TestRunPoison(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, in := newFake(), &fakeInbox{}
		f.add(textUpdate("500", "7", "one"), `{"update_id":501,"message":{"chat":"what","message_id":{}}}`,
			`{"update_id":502,"my_chat_member":{"chat":{"id":77},"new_chat_member":{"status":"planet"}}}`,
			textUpdate("503", "8", "two"))
		r := start(t, newTestBot(t, f, "", io.Discard), in)
		synctest.Wait()
		want := []string{"one", "an update of kind message", "an update of kind my chat member", "two"}
		if got := in.texts(); !slices.Equal(got, want) {
			t.Errorf("delivered %q", got)
		}
		if len(f.queue) != 0 {
			t.Errorf("not confirmed: %q", f.queue)
		}
		r.end(t)
	})
}

// TestRunIDs: after a week of silence ids begin anywhere, also lower; and a queue
// in another order is confirmed all the same.
func TestRunIDs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, in := newFake(), &fakeInbox{}
		r := start(t, newTestBot(t, f, "", io.Discard), in)
		want := []string{}
		for i, ids := range [][]string{{"2000000000", "2000000001"}, {"5", "6"}, {"8", "7"}, {"1"}} {
			for _, id := range ids {
				text := fmt.Sprintf("%d %s", i, id)
				want = append(want, text)
				f.add(textUpdate(id, id, text))
			}
			time.Sleep(8 * 24 * time.Hour)
			if len(f.queue) != 0 {
				t.Errorf("not confirmed: %q", f.queue)
			}
		}
		got := in.texts()
		slices.Sort(got)
		slices.Sort(want)
		if diff := cmp.Diff(want, slices.Compact(got)); diff != "" {
			t.Error(diff)
		}
		r.end(t)
	})
}

// TestRunNeverBusy: a server that does not wait, does not confirm, or sends what
// has no id is asked once a second.
func TestRunNeverBusy(t *testing.T) {
	for name, result := range map[string]string{
		"does not wait":    `[]`,
		"null":             `null`,
		"does not confirm": `[` + textUpdate("500", "7", "one") + `]`,
		"no id":            `[{"message":{"chat":{"id":77},"message_id":7,"text":"one"}}]`,
		"not updates":      `[5,null,"x"]`,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f, in := newFake(), &fakeInbox{}
				f.answer = func(_ context.Context, c call) (int, string, error) {
					if c.method == "getUpdates" {
						return 200, `{"ok":true,"result":` + result + `}`, nil
					}
					return 0, "", nil
				}
				r := start(t, newTestBot(t, f, "", io.Discard), in)
				time.Sleep(time.Minute)
				if n := len(f.seen("getUpdates")); n < 55 || n > 63 {
					t.Errorf("%d polls in a minute", n)
				}
				if strings.Contains(result, "update_id") && len(in.batches) != 1 {
					t.Errorf("delivered %d times", len(in.batches))
				}
				r.end(t)
			})
		})
	}
}

// TestRunErrors: each failure ends Run after one call, with what the engine needs
// to wait for the right time. No error holds the token.
func TestRunErrors(t *testing.T) {
	refused := func(code int, description, parameters string) string {
		return fmt.Sprintf(`{"ok":false,"error_code":%d,"description":%q%s}`, code, description, parameters)
	}
	for name, tc := range map[string]struct {
		status int
		body   string
		err    error
		reason connectors.Reason
		wait   time.Duration
		hint   string
	}{
		"rate": {
			429, refused(429, "Too Many Requests: retry after 37", `,"parameters":{"retry_after":37}`), nil,
			connectors.ReasonRate, 37 * time.Second, "",
		},
		"token revoked": {401, refused(401, "Unauthorized", ""), nil, connectors.ReasonAuth, 0, "BotFather"},
		"token unknown": {404, refused(404, "Not Found", ""), nil, connectors.ReasonAuth, 0, "BotFather"},
		"logged out":    {400, refused(400, "Logged out", ""), nil, connectors.ReasonAuth, 0, "api_url"},
		"second poller": {
			409, refused(409, "Conflict: terminated by other getUpdates request; make sure that only one bot instance is running", ""),
			nil, connectors.ReasonConflict, 0, "second program",
		},
		"webhook set meanwhile": {
			409, refused(409, "Conflict: can't use getUpdates method while webhook is active; use deleteWebhook to delete the webhook first", ""),
			nil, connectors.ReasonConflict, 0, "webhook",
		},
		"server":              {500, refused(500, "Internal Server Error", ""), nil, connectors.ReasonServer, 0, ""},
		"proxy's page":        {502, "<html>Bad Gateway</html>", nil, connectors.ReasonServer, 0, ""},
		"page instead":        {200, "<html>log in</html>", nil, connectors.ReasonAnswer, 0, ""},
		"answer cut":          {200, `{"ok":true,"result":[{"update_id":5`, nil, connectors.ReasonAnswer, 0, ""},
		"no list":             {200, `{"ok":true,"result":{"update_id":5}}`, nil, connectors.ReasonAnswer, 0, ""},
		"not even an error":   {200, `{}`, nil, connectors.ReasonAnswer, 0, ""},
		"connection refused":  {0, "", syscall.ECONNREFUSED, connectors.ReasonConnect, 0, ""},
		"connection is reset": {0, "", syscall.ECONNRESET, connectors.ReasonConnect, 0, ""},
	} {
		for _, method := range []string{"getMe", "getUpdates"} {
			t.Run(name+"/"+method, func(t *testing.T) {
				if method == "getMe" && name == "no list" {
					return // its result is not looked at
				}
				synctest.Test(t, func(t *testing.T) {
					f, log := newFake(), &syncBuffer{}
					f.answer = func(_ context.Context, c call) (int, string, error) {
						if c.method == method {
							return tc.status, tc.body, tc.err
						}
						return 0, "", nil
					}
					err := newTestBot(t, f, "", log).Run(t.Context(), &fakeInbox{})
					se, ok := errors.AsType[*connectors.SendError](err)
					if !ok || se.Reason != tc.reason || se.RetryAfter != tc.wait || !strings.Contains(se.Hint, tc.hint) {
						t.Errorf("%v, hint %q, wait %v", err, se.Hint, se.RetryAfter)
					}
					want := 1
					if name == "second poller" && method == "getUpdates" { // it may only have come by
						want = 2
					}
					if n := len(f.seen(method)); n != want {
						t.Errorf("%d calls", n)
					}
					if said := fmt.Sprintf("%v %+v %+v", err, se, log); strings.Contains(said, "AAH") || strings.Contains(said, "<html>") {
						t.Errorf("gives a secret away: %s", said)
					}
				})
			})
		}
	}
}

// TestRunGoesOn: after a failure the next Run confirms what this one delivered,
// and says that the network answers.
func TestRunGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, in := newFake(), &fakeInbox{}
		fail := true
		f.answer = func(_ context.Context, c call) (int, string, error) {
			if fail && c.method == "getUpdates" && c.params["offset"] != nil {
				return 502, "", nil
			}
			return 0, "", nil
		}
		f.add(textUpdate("500", "7", "one"))
		c := newTestBot(t, f, "", io.Discard)
		if se := connectors.AsSendError(c.Run(t.Context(), in)); se.Reason != connectors.ReasonServer {
			t.Error(se)
		}
		before := in.working
		fail = false
		r := start(t, c, in)
		time.Sleep(time.Minute)
		if got := in.texts(); !slices.Equal(got, []string{"one"}) || len(f.queue) != 0 {
			t.Errorf("delivered %q, not confirmed %q", got, f.queue)
		}
		if before != 1 || in.working <= before {
			t.Errorf("%d, then %d times said to be working", before, in.working)
		}
		r.end(t)
	})
}

// TestRunWebhook: a webhook somebody else set is named by its host alone, and
// removed only on demand, with what waits for it kept.
func TestRunWebhook(t *testing.T) {
	f := newFake()
	f.answer = func(_ context.Context, c call) (int, string, error) {
		if c.method == "getWebhookInfo" {
			return 200, `{"ok":true,"result":{"url":"https://other.example.com:8443/hook/hush-hush?key=hush-hush","pending_update_count":3}}`, nil
		}
		return 0, "", nil
	}
	synctest.Test(t, func(t *testing.T) {
		se := connectors.AsSendError(newTestBot(t, f, "", io.Discard).Run(t.Context(), &fakeInbox{}))
		if se.Reason != connectors.ReasonConflict || !strings.Contains(se.Error(), "other.example.com") ||
			!strings.Contains(se.Hint, "take_over") || strings.Contains(fmt.Sprint(se, se.Hint), "hush") {
			t.Errorf("%v, hint %q", se, se.Hint)
		}
		if len(f.seen("deleteWebhook"))+len(f.seen("getUpdates")) != 0 {
			t.Error("the webhook was not left alone")
		}
	})
	synctest.Test(t, func(t *testing.T) {
		log := &syncBuffer{}
		f.added = make(chan struct{}, 1)
		r := start(t, newTestBot(t, f, "take_over: true", log), &fakeInbox{})
		synctest.Wait()
		removed := f.seen("deleteWebhook")
		if len(removed) != 1 || removed[0].params["drop_pending_updates"] != false || len(f.seen("getUpdates")) != 1 {
			t.Errorf("%+v, %d polls", removed, len(f.seen("getUpdates")))
		}
		if !strings.Contains(log.String(), "other.example.com") || strings.Contains(log.String(), "hush") {
			t.Error(log)
		}
		r.end(t)
	})
}

// TestRunAnswersButtons: the customer's app stops waiting once the press is
// taken. A failure costs nothing else, and what hangs holds up the next poll for
// a few seconds only.
func TestRunAnswersButtons(t *testing.T) {
	press := func(id string) string {
		return `{"update_id":` + id + `,"callback_query":{"id":"q` + id + `","from":{"id":77},"data":"hush"}}`
	}
	synctest.Test(t, func(t *testing.T) {
		f, in, log := newFake(), &fakeInbox{}, &syncBuffer{}
		in.deliver = func(context.Context, []connectors.Event) error {
			if n := len(f.seen("answerCallbackQuery")); n != 0 {
				t.Errorf("%d answers before the press was taken", n)
			}
			return nil
		}
		f.answer = func(ctx context.Context, c call) (int, string, error) {
			switch c.params["callback_query_id"] {
			case "q501":
				return 400, `{"ok":false,"error_code":400,"description":"Bad Request: query is too old and response timeout expired or query ID is invalid"}`, nil
			case "q502":
				<-ctx.Done()
				return 0, "", ctx.Err()
			}
			return 0, "", nil
		}
		f.add(press("500"), press("501"), press("502"), textUpdate("503", "8", "two"))
		r := start(t, newTestBot(t, f, "", log), in)
		time.Sleep(answerTime)
		synctest.Wait()
		if n := len(f.seen("answerCallbackQuery")); n != 3 {
			t.Errorf("%d answers", n)
		}
		polls := f.seen("getUpdates")
		if len(polls) != 2 || polls[1].at.Sub(polls[0].at) != answerTime {
			t.Errorf("polls: %+v", polls)
		}
		if strings.Contains(log.String(), "hush") || strings.Contains(log.String(), "AAH") {
			t.Error(log)
		}
		r.end(t)
	})
}

// TestRunSaysNothing: nothing people write, and no token, is logged, whatever
// comes and whatever fails.
func TestRunSaysNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, in, log := newFake(), &fakeInbox{}, &syncBuffer{}
		in.deliver = func(context.Context, []connectors.Event) error { return connectors.ErrUnavailable }
		f.add(textUpdate("500", "7", "hush"), `{"update_id":501,"message":"hush"}`)
		c := newTestBot(t, f, "", log)
		r := start(t, c, in)
		time.Sleep(time.Minute)
		r.end(t)
		if said := fmt.Sprintf("%s %v %+v %#v", log, c, c.Capabilities(), c); strings.Contains(said, "hush") || strings.Contains(said, "AAH") {
			t.Error(said)
		}
	})
}
