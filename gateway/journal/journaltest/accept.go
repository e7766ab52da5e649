package journaltest

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"servicelink/gateway/journal"
)

func testHandOver(t *testing.T, d Driver) {
	h := open(t, d)
	a, b := laneIn("a"), laneIn("b")
	h.wantVerdicts(h.accept(entry(a, "1"), entry(b, "1"), entry(a, "2")), journal.New, journal.New, journal.New)
	h.wantVerdicts(h.accept(entry(b, "2")), journal.New)
	var got []string
	last := int64(0)
	for _, r := range h.taken() {
		got = append(got, r.Lane.TrackingID+r.ID)
		if r.Seq <= last {
			t.Errorf("seq %d after %d", r.Seq, last)
		}
		last = r.Seq
		if r.State != journal.Accepted || r.Repeat || r.Loaded || !r.AcceptedAt.Equal(h.clock.Now()) {
			t.Errorf("handed over %+v", r)
		}
	}
	if diff := cmp.Diff([]string{"a1", "b1", "a2", "b2"}, got); diff != "" {
		t.Error(diff)
	}
	h.wantCounts(a, journal.Counts{Accepted: 4, Pending: 4})
	if v := h.accept(); len(v) != 0 {
		t.Errorf("verdicts of nothing: %v", v)
	}
}

func testUnique(t *testing.T, d Driver) {
	h := open(t, d)
	base := journal.Entry{
		Lane: journal.Lane{Channel: "shop", Direction: journal.Out, TrackingID: "a"}, ID: "1", TextHash: 7,
	}
	h.acceptOne(base)
	for name, change := range map[string]func(*journal.Entry){
		"channel":     func(e *journal.Entry) { e.Lane.Channel = "Shop" },
		"direction":   func(e *journal.Entry) { e.Lane.Direction = journal.In },
		"tracking id": func(e *journal.Entry) { e.Lane.TrackingID = "a " },
		"id":          func(e *journal.Entry) { e.ID = "01" },
		"text hash":   func(e *journal.Entry) { e.TextHash = math.MaxUint64 },
	} {
		e := base
		change(&e)
		if v := h.accept(e)[0]; v != journal.New {
			t.Errorf("entry with another %s: verdict %v", name, v)
		}
		if v := h.accept(e)[0]; v != journal.Repeat {
			t.Errorf("entry with another %s, repeated: verdict %v", name, v)
		}
	}
	e := base
	e.Content, e.Counter, e.ChatID, e.Deadline = []byte("else"), 9, "chat", h.clock.Now()
	h.wantVerdicts(h.accept(e), journal.Repeat)
}

func testRepeatInBatch(t *testing.T, d Driver) {
	h := open(t, d)
	a := laneIn("a")
	h.wantVerdicts(h.accept(entry(a, "1"), entry(a, "1"), entry(a, "2")), journal.New, journal.Repeat, journal.New)
	rows := h.taken()
	if len(rows) != 3 || rows[0].Repeat || !rows[1].Repeat || rows[1].Seq != rows[0].Seq {
		t.Errorf("handed over %+v", rows)
	}
	h.wantCounts(a, journal.Counts{Accepted: 2, Pending: 2})
}

func testRepeatByState(t *testing.T, d Driver) {
	h := open(t, d)
	a := laneIn("a")
	for _, c := range []struct {
		name   string
		state  journal.State
		handed int
	}{
		{"accepted", journal.Accepted, 1},
		{"delivering", journal.Delivering, 1},
		{"done", journal.Done, 0},
		{"dead", journal.Dead, 0},
	} {
		e := entry(a, c.name)
		r := h.acceptOne(e)
		h.commit(journal.Change{Seq: r.Seq, State: c.state, Attempts: 3})
		h.wantVerdicts(h.accept(e), journal.Repeat)
		rows := h.taken()
		if len(rows) != c.handed {
			t.Errorf("repeat of a row %s: %d rows handed over, want %d", c.name, len(rows), c.handed)
			continue
		}
		if c.handed == 1 {
			got := rows[0]
			want := h.row(r.Seq)
			want.Repeat = true
			if diff := cmp.Diff(want, got); diff != "" || got.Attempts != 3 {
				t.Errorf("repeat of a row %s: %s", c.name, diff)
			}
		}
	}
}

func testConcurrent(t *testing.T, d Driver) {
	h := open(t, d)
	const workers, each = 16, 40
	var (
		mu   sync.Mutex
		news int
		wg   sync.WaitGroup
	)
	for w := range workers {
		wg.Go(func() {
			for i := range each {
				// Every id is accepted by two workers.
				e := entry(laneIn(fmt.Sprint(i%7)), fmt.Sprintf("%d-%d", w/2, i))
				v, err := h.Accept(t.Context(), e)
				if err != nil {
					t.Error(err)
					return
				}
				if v[0] == journal.New {
					mu.Lock()
					news++
					mu.Unlock()
				}
			}
		})
	}
	wg.Wait()
	if want := workers * each / 2; news != want {
		t.Errorf("%d new entries, want %d", news, want)
	}
	last, first := int64(0), map[int64]bool{}
	for _, r := range h.taken() {
		if r.Repeat {
			if !first[r.Seq] {
				t.Errorf("repeat of %d before its first", r.Seq)
			}
			continue
		}
		first[r.Seq] = true
		if r.Seq <= last {
			t.Errorf("seq %d handed over after %d", r.Seq, last)
		}
		last = r.Seq
	}
	h.wantCounts(laneIn(""), journal.Counts{Accepted: int64(news), Pending: int64(news)})
}

// testCancelled holds the writer in OnCommit, so that the accept it cancels is
// in the queue.
func testCancelled(t *testing.T, d Driver) {
	held, release := make(chan struct{}), make(chan struct{})
	var h *harness
	h = open(t, d, func(o *journal.Options) {
		o.OnCommit = func(rows []journal.Row) {
			if rows[0].ID == "hold" {
				close(held)
				<-release
			}
			h.take(rows)
		}
	})
	h.Submit([]journal.Entry{entry(laneIn("a"), "hold")}, func([]journal.Verdict, error) {})
	<-held
	ctx, cancel := context.WithCancel(t.Context())
	cancelled := make(chan error)
	go func() {
		_, err := h.Accept(ctx, entry(laneIn("a"), "cancelled"))
		cancelled <- err
	}()
	cancel()
	if err := <-cancelled; !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled accept: %v", err)
	}
	close(release)
	v := h.accept(entry(laneIn("a"), "cancelled"))[0]
	if v != journal.New && v != journal.Repeat {
		t.Errorf("verdict after a cancelled accept: %v", v)
	}
	if _, err := h.Accept(ctx, entry(laneIn("a"), "never")); !errors.Is(err, context.Canceled) {
		t.Errorf("accept with a dead context: %v", err)
	}
	h.wantVerdicts(h.accept(entry(laneIn("a"), "never")), journal.New)
}

func testSubmit(t *testing.T, d Driver) {
	h := open(t, d)
	done := make(chan int, 1)
	h.Submit([]journal.Entry{entry(laneIn("a"), "1")}, func(v []journal.Verdict, err error) {
		if err != nil || len(v) != 1 || v[0] != journal.New {
			t.Errorf("submit: %v, %v", v, err)
		}
		done <- len(h.taken())
	})
	if n := <-done; n != 1 {
		t.Errorf("%d rows were handed over before done, want 1", n)
	}
}

func testDeadAtOnce(t *testing.T, d Driver) {
	h := open(t, d)
	e := entry(laneIn("a"), "1")
	e.DeadReason = "address"
	h.wantVerdicts(h.accept(e), journal.Refused)
	h.wantVerdicts(h.accept(e), journal.Repeat)
	if rows := h.taken(); len(rows) != 0 {
		t.Errorf("handed over %+v", rows)
	}
	h.wantCounts(e.Lane, journal.Counts{Accepted: 1, Dead: 1})
	dead, err := h.Dead(t.Context(), journal.DeadQuery{})
	if err != nil || len(dead) != 1 {
		t.Fatalf("dead: %v, %v", dead, err)
	}
	if r := dead[0]; r.Reason != "address" || r.State != journal.Dead || string(r.Content) != "text of 1" || r.EndedAt.IsZero() {
		t.Errorf("dead letter %+v", r)
	}
}

func testRoundTrip(t *testing.T, d Driver) {
	h := open(t, d)
	e := journal.Entry{
		Lane: journal.Lane{Channel: "shop", Direction: journal.Out, TrackingID: "42|omnichannel"},
		ID:   "7d9d6a3c", TextHash: math.MaxUint64 - 1, Counter: 12, ChatID: "chat-1",
		Content: []byte{0, 1, 2, 255}, SentAt: h.clock.Now().Add(-time.Minute),
		Deadline: h.clock.Now().Add(time.Hour), Party: &journal.Party{PartyName: "Anna"},
	}
	handed := h.acceptOne(e)
	want := journal.Row{Seq: handed.Seq, Entry: e, State: journal.Accepted, AcceptedAt: h.clock.Now()}
	want.Party = nil
	for name, got := range map[string]journal.Row{"handed over": handed, "read": h.row(handed.Seq)} {
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("row %s: %s", name, diff)
		}
	}
	rows, more := h.refill(e.Lane, 10)
	want.Loaded = true
	if diff := cmp.Diff([]journal.Row{want}, rows); diff != "" || more {
		t.Errorf("refilled (more %v): %s", more, diff)
	}
}

func testEdges(t *testing.T, d Driver) {
	h := open(t, d)
	for i, e := range []journal.Entry{
		{Lane: laneIn(strings.Repeat("ä", 500)), ID: strings.Repeat("x", 64)},
		{Lane: laneIn("nul\x00in"), ID: "a\x00b", ChatID: "\xff\xfe"},
		{Lane: laneIn("nul\x00in"), ID: "a"},
		{Lane: laneIn(""), ID: "", Content: []byte{}},
		{Lane: laneIn("big"), ID: "big", Content: make([]byte, 20<<10)},
		{Lane: laneIn("counter"), ID: "c", Counter: math.MinInt32, TextHash: 1 << 63},
		{Lane: laneIn("old"), ID: "old", SentAt: time.Unix(-62135596800, 1000).UTC(), Deadline: time.Unix(0, 0).UTC()},
	} {
		r := h.acceptOne(e)
		got := h.row(r.Seq)
		if len(e.Content) == 0 {
			r.Content, got.Content = nil, nil
		}
		if diff := cmp.Diff(r, got); diff != "" {
			t.Errorf("entry %d: %s", i, diff)
		}
		h.wantVerdicts(h.accept(e), journal.Repeat)
	}
}
