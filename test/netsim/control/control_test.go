package control

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestID(t *testing.T) {
	for raw, want := range map[string]ID{`"x|y"`: "x|y", `7`: "7", `-9007199254740993`: "-9007199254740993", `null`: "", `""`: ""} {
		var id ID
		if err := json.Unmarshal([]byte(raw), &id); err != nil || id != want {
			t.Errorf("%s: %q, %v", raw, id, err)
		}
	}
	for _, raw := range []string{`1.5`, `1e3`, `{}`, `true`, `[]`} {
		if err := json.Unmarshal([]byte(raw), new(ID)); err == nil {
			t.Errorf("%s is an id", raw)
		}
	}
}

func TestScript(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := NewScript(1)
		for _, bad := range []Fault{{Kind: "rain"}, {Kind: Rate, Times: -1}, {Kind: Rate, Chance: 2}, {Kind: Slow, Seconds: -1}, {Kind: Rate, RetryAfter: -1}} {
			if err := s.Fault(bad); !errors.Is(err, ErrAction) {
				t.Errorf("%+v: %v", bad, err)
			}
		}
		must(t, s.Fault(Fault{Kind: Rate, Method: "Send", Account: "a", Times: 2}))
		must(t, s.Fault(Fault{Kind: Server, Seconds: 10}))
		must(t, s.Fault(Fault{Kind: Duplicate}))
		for _, tc := range []struct {
			account, method string
			want            Kind
		}{{"a", "send", Rate}, {"b", "send", Server}, {"a", "get", Server}, {"a", "SEND", Rate}, {"a", "send", Server}} {
			if f, _ := s.Take(tc.account, tc.method); f.Kind != tc.want {
				t.Errorf("%+v: %s", tc, f.Kind)
			}
		}
		if got := len(s.Faults()); got != 2 {
			t.Errorf("%d faults are left, want 2", got)
		}
		time.Sleep(10 * time.Second)
		if f, ok := s.Take("a", "send"); ok {
			t.Errorf("%s goes on after its time", f.Kind)
		}
		if _, ok := s.TakeKind(Duplicate, "a", ""); !ok || s.Has(Reorder, "a") || !s.Has(Duplicate, "a") {
			t.Error("the fault without end has ended")
		}
		s.Clear()
		if len(s.Faults()) != 0 {
			t.Error("faults are left")
		}
	})
}

// TestRetryAfter: what is left of the time, or what was said.
func TestRetryAfter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := NewScript(1)
		must(t, s.Fault(Fault{Kind: Rate, Seconds: 20}))
		time.Sleep(12 * time.Second)
		if f, _ := s.Take("", ""); f.RetryAfter != 8 {
			t.Errorf("retry after %d, want 8", f.RetryAfter)
		}
		s.Clear()
		must(t, s.Fault(Fault{Kind: Rate, RetryAfter: 3}))
		must(t, s.Fault(Fault{Kind: Rate, RetryAfter: 4}))
		if f, _ := s.Take("", ""); f.RetryAfter != 3 {
			t.Errorf("retry after %d, want 3", f.RetryAfter)
		}
	})
}

// TestChance: by the seed, so the same again.
func TestChance(t *testing.T) {
	run := func(seed uint64) (hits []bool) {
		s := NewScript(seed)
		must(t, s.Fault(Fault{Kind: Cut, Chance: 0.3}))
		for range 200 {
			_, hit := s.Take("", "")
			hits = append(hits, hit)
		}
		return hits
	}
	first := run(7)
	count := 0
	for _, hit := range first {
		if hit {
			count++
		}
	}
	if count < 30 || count > 90 {
		t.Errorf("%d of 200 at a chance of 0.3", count)
	}
	if !slices.Equal(first, run(7)) || slices.Equal(first, run(8)) {
		t.Error("the seed does not decide")
	}
}

func TestFullScript(t *testing.T) {
	s := NewScript(1)
	for range maxFaults {
		must(t, s.Fault(Fault{Kind: Rate}))
	}
	if err := s.Fault(Fault{Kind: Rate}); !errors.Is(err, ErrFull) {
		t.Errorf("one more: %v", err)
	}
}

func TestRecorder(t *testing.T) {
	var rec Recorder
	first := rec.Begin(Request{Account: "a", Method: "Send", Params: map[string]string{"text": "x"}})
	rec.Begin(Request{Account: "b", Method: "get"})
	rec.End(first, 200, "fine", Slow)
	rec.End(99, 200, "nobody", "")
	if got := rec.Requests(Filter{Account: "a", Method: "send"}); len(got) != 1 || got[0].Status != 200 || got[0].Answer != "fine" || got[0].Fault != Slow {
		t.Errorf("recorded %+v", got)
	}
	if got := rec.Requests(Filter{After: first}); len(got) != 1 || got[0].Account != "b" || got[0].Status != 0 {
		t.Errorf("after the first: %+v", got)
	}
	for range maxRequests {
		rec.Begin(Request{})
	}
	if got := rec.Requests(Filter{}); len(got) != maxRequests || got[0].Seq != 3 {
		t.Errorf("%d kept from %d", len(got), got[0].Seq)
	}
}

// TestRecorderMemory: large requests push the old ones out.
func TestRecorderMemory(t *testing.T) {
	var rec Recorder
	big := strings.Repeat("x", 2*maxValue)
	for range 500 {
		rec.End(rec.Begin(Request{Body: big, Files: []Upload{{Data: []byte(big)}}}), 200, big, "")
	}
	total := 0
	list := rec.Requests(Filter{})
	for _, r := range list {
		total += r.weight()
	}
	if total > maxRecordBytes+4*maxValue || total != rec.weight || list[len(list)-1].Seq != 500 {
		t.Errorf("%d requests of %d bytes, counted as %d", len(list), total, rec.weight)
	}
}

func TestAwait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var rec Recorder
		found := make(chan Request, 1)
		go func() {
			r, err := rec.Await(t.Context(), Filter{Method: "b"})
			must(t, err)
			found <- r
		}()
		synctest.Wait()
		rec.Begin(Request{Method: "a"})
		synctest.Wait()
		rec.Begin(Request{Method: "b"})
		if r := <-found; r.Seq != 2 {
			t.Errorf("found %+v", r)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := rec.Await(ctx, Filter{Method: "c"}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("in vain: %v", err)
		}
	})
}

func TestBook(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b Book
		must(t, b.Open("a", ChatInfo{Chat: "1", Type: "private", Name: "Ann"}))
		seen := make(chan Conversation, 1)
		go func() {
			c, err := b.Chat(t.Context(), "a", "1", 0)
			must(t, err)
			seen <- c
		}()
		synctest.Wait()
		must(t, b.Add("a", "1", Message{ID: "m", Text: "x"}))
		if c := <-seen; c.Version != 1 || len(c.Messages) != 1 || c.Messages[0].At.IsZero() {
			t.Errorf("seen %+v", c)
		}
		if err := b.ChangeMessage("a", "1", "n", func(*Message) {}); !errors.Is(err, ErrUnknown) {
			t.Errorf("a message that is not there: %v", err)
		}
		must(t, b.Typing("a", "1"))
		c, err := b.Chat(t.Context(), "a", "1", -1)
		must(t, err)
		begin := time.Now()
		later, err := b.Chat(t.Context(), "a", "1", c.Version) // the end of the typing is news
		must(t, err)
		if !c.Typing || later.Typing || time.Since(begin) != typingLasts {
			t.Errorf("typing %v, then %v after %v", c.Typing, later.Typing, time.Since(begin))
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if same, err := b.Chat(ctx, "a", "1", later.Version); err != nil || same.Version != later.Version {
			t.Errorf("nothing new: %+v, %v", same, err)
		}
		for range maxMessages {
			must(t, b.Add("a", "1", Message{}))
		}
		list, err := b.Chats("a")
		must(t, err)
		if c, _ = b.Chat(t.Context(), "a", "1", -1); len(c.Messages) != maxMessages || len(list) != 1 || list[0].Name != "Ann" || list[0].Version != c.Version {
			t.Errorf("%d messages, chats %+v", len(c.Messages), list)
		}
	})
}

func TestFullBook(t *testing.T) {
	var b Book
	for i := range maxChats {
		must(t, b.Open("a", ChatInfo{Chat: ID(fmt.Sprint(i))}))
	}
	if err := b.Open("a", ChatInfo{Chat: "x"}); !errors.Is(err, ErrFull) {
		t.Errorf("one more: %v", err)
	}
}

// TestGive: what a client over TCP sees of each fault.
func TestGive(t *testing.T) {
	body := strings.Repeat("0123456789", 100)
	stop := make(chan struct{})
	var fault atomic.Pointer[Fault]
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		Give(w, r, Answer{http.StatusOK, http.Header{"X-Y": {"z"}}, []byte(body)}, *fault.Load(), stop)
	}))
	defer server.Close()
	ask := func() (status int, got string, err error) {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL, nil)
		must(t, err)
		answer, err := server.Client().Do(r)
		if err != nil {
			return 0, "", err
		}
		defer answer.Body.Close()
		all, err := io.ReadAll(answer.Body)
		if answer.Header.Get("X-Y") != "z" {
			t.Error("the header is lost")
		}
		return answer.StatusCode, string(all), err
	}
	for _, tc := range []struct {
		fault  Fault
		status int
		length int
		breaks bool
	}{
		{Fault{}, 200, 1000, false},
		{Fault{Kind: Slow, Seconds: 0.02}, 200, 1000, false},
		{Fault{Kind: Truncated}, 200, 500, false},
		{Fault{Kind: Cut}, 200, 500, true},
		{Fault{Kind: Swallow, Seconds: 0.01}, 0, 0, true},
		{Fault{Kind: Outage}, 0, 0, true},
	} {
		fault.Store(&tc.fault)
		status, got, err := ask()
		if status != tc.status || len(got) != tc.length || (err != nil) != tc.breaks {
			t.Errorf("%s: %d, %d bytes, %v", tc.fault.Kind, status, len(got), err)
		}
	}
	close(stop)
	for _, kind := range []Kind{Slow, Swallow} { // the network closes meanwhile
		fault.Store(&Fault{Kind: kind, Seconds: 1000})
		if _, _, err := ask(); err == nil {
			t.Errorf("%s is not cut short", kind)
		}
	}
}

func TestInstead(t *testing.T) {
	for _, kind := range answering {
		want := !slices.Contains([]Kind{Slow, Cut, Truncated, Swallow, Strange}, kind)
		if (Fault{Kind: kind}).Instead() != want {
			t.Errorf("%s: %v", kind, !want)
		}
	}
	if page := HTMLPage(); page.Status != 502 || !bytes.HasPrefix(page.Body, []byte("<html>")) {
		t.Errorf("the page is %+v", page)
	}
}

// TestGivenUp: a network that says so tries a call so often, hears how it ended,
// and counts no try while it is away itself.
func TestGivenUp(t *testing.T) {
	type ended struct {
		call   string
		state  string
		status int
	}
	calls := make(chan ended, 10)
	answers := make(chan int, 10) // 0 = the connection is cut
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if status := <-answers; status != 0 {
			w.WriteHeader(status)
			return
		}
		Reset(w)
	}))
	defer server.Close()
	b := NewBoard(1)
	c := b.NewCaller(CallerOptions{
		Retry: time.Millisecond, Patience: time.Minute,
		Request: func(ctx context.Context, c Call) (*http.Request, error) {
			return http.NewRequestWithContext(ctx, c.Method, c.URL, bytes.NewReader(c.Body))
		},
		Tries: func(_ Call, _ int, err error) int {
			if err != nil {
				return 2
			}
			return 1
		},
		Ended: func(c Call, state string, a Answer) { calls <- ended{string(c.Body), state, a.Status} },
	})
	defer c.Close()
	for _, tc := range []struct {
		name    string
		answers []int
		want    ended
	}{
		{"taken", []int{200}, ended{"taken", StateTaken, 200}},
		{"refused", []int{400}, ended{"refused", StateRefused, 400}},
		{"failed", []int{500}, ended{"failed", StateRefused, 500}},
		{"cut", []int{0, 200}, ended{"cut", StateTaken, 200}},
		{"cut twice", []int{0, 0}, ended{"cut twice", StateRefused, 0}},
	} {
		for _, status := range tc.answers {
			answers <- status
		}
		must(t, b.Fault(Fault{Kind: Outage, Seconds: 0.05}))
		must(t, c.Add(Call{Account: "a", Chat: "1", Method: http.MethodPost, URL: server.URL, Body: []byte(tc.name)}))
		if got := <-calls; got != tc.want || len(answers) != 0 {
			t.Errorf("%s: ended %+v with %d answers left", tc.name, got, len(answers))
		}
	}
}

// TestTold: faults that spoil no answer wait for whom they concern.
func TestTold(t *testing.T) {
	s := NewScript(1)
	for _, kind := range told {
		must(t, s.Fault(Fault{Kind: kind, Times: 1, Code: 7, Seconds: 1000, Shift: 1}))
		if f, spoilt := s.Take("a", "m"); spoilt {
			t.Errorf("%s spoils an answer: %+v", kind, f)
		}
		if f, ok := s.TakeKind(kind, "a", "m"); !ok || f.Code != 7 {
			t.Errorf("%s: %+v, %v", kind, f, ok)
		}
	}
	if s.Fault(Fault{Kind: Fail, Code: -1}) == nil {
		t.Error("a code below nothing is taken")
	}
}

// TestClockFault: the answers' Date is off, beside any other fault, until it ends.
func TestClockFault(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := NewScript(1)
		if err := s.Fault(Fault{Kind: Clock}); !errors.Is(err, ErrAction) {
			t.Errorf("a clock without shift: %v", err)
		}
		must(t, s.Fault(Fault{Kind: Clock, Shift: -300, Account: "a", Seconds: 60}))
		must(t, s.Fault(Fault{Kind: Rate, Times: 1}))
		for _, want := range []struct {
			account string
			behind  bool
			fault   Kind
		}{{"a", true, Rate}, {"a", true, ""}, {"b", false, ""}} {
			f, spoilt := s.Take(want.account, "m")
			w := httptest.NewRecorder()
			Give(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil), Answer{Status: 200}, f, nil)
			date, err := http.ParseTime(w.Header().Get("Date"))
			if behind := err == nil && time.Since(date).Round(time.Second) == 5*time.Minute; behind != want.behind || f.Kind != want.fault || spoilt != (f.Kind != "") {
				t.Errorf("%+v: %+v, Date %q", want, f, w.Header().Get("Date"))
			}
		}
		time.Sleep(time.Minute)
		if f, _ := s.Take("a", "m"); f.Shift != 0 {
			t.Error("it goes on after its time")
		}
	})
}
