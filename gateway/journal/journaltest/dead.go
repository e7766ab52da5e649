package journaltest

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"servicelink/gateway/journal"
)

func testRequeue(t *testing.T, d Driver) {
	h := open(t, d)
	first := h.acceptOne(entry(laneIn("a"), "1"))
	h.acceptOne(entry(laneIn("a"), "2"))
	if err := h.Requeue(t.Context(), first.Seq); !errors.Is(err, journal.ErrNotDead) {
		t.Errorf("requeue of a pending row: %v", err)
	}
	sent := journal.Part{State: journal.PartSent, NetworkID: "n", At: h.clock.Now()}
	h.commit(journal.Change{
		Seq: first.Seq, State: journal.Dead, Reason: "rejected", Hint: "h", Attempts: 4,
		Parts: []journal.Part{
			sent,
			{State: journal.PartRejected, Reason: "content"},
			{},
			{State: journal.PartUnknown, Reason: "cut"},
			{State: journal.PartAttempting},
			{State: journal.PartRejected, Doubt: true},
		},
	})
	h.taken()
	h.clock.add(time.Minute)
	if err := h.Requeue(t.Context(), first.Seq); err != nil {
		t.Fatal(err)
	}
	want := first
	want.Epoch, want.Parts, want.Loaded = 1, []journal.Part{sent, {}, {}, {Doubt: true}, {Doubt: true}, {Doubt: true}}, true
	if diff := cmp.Diff([]journal.Row{want}, h.taken()); diff != "" {
		t.Errorf("handed over: %s", diff)
	}
	want.Loaded = false
	if diff := cmp.Diff(want, h.row(first.Seq)); diff != "" {
		t.Errorf("row: %s", diff)
	}
	h.wantCounts(first.Lane, journal.Counts{Accepted: 2, Requeued: 1, Dead: 1, Pending: 2})
	if rows, _ := h.refill(first.Lane, 9); len(rows) != 2 || rows[0].Seq != first.Seq {
		t.Errorf("the lane's order after a requeue: %v", ids(rows))
	}
	// A change of the life before is dropped, one of this life is taken.
	h.finish(first, journal.Done, "")
	if got := h.row(first.Seq); got.State != journal.Accepted {
		t.Errorf("state %v by a change of an old epoch", got.State)
	}
	h.finish(want, journal.Done, "")
	h.wantCounts(first.Lane, journal.Counts{Accepted: 2, Requeued: 1, Done: 1, Dead: 1, Pending: 1})
	if err := h.Requeue(t.Context(), first.Seq); !errors.Is(err, journal.ErrNotDead) {
		t.Errorf("requeue of a done row: %v", err)
	}
	if err := h.Requeue(t.Context(), 1<<40); !errors.Is(err, journal.ErrNotFound) {
		t.Errorf("requeue of no row: %v", err)
	}
}

func testDiscard(t *testing.T, d Driver) {
	h := open(t, d)
	e := entry(laneIn("a"), "1")
	r := h.acceptOne(e)
	if err := h.Discard(t.Context(), r.Seq); !errors.Is(err, journal.ErrNotDead) {
		t.Errorf("discard of a pending row: %v", err)
	}
	h.finish(r, journal.Dead, "blocked")
	if err := h.Discard(t.Context(), r.Seq); err != nil {
		t.Fatal(err)
	}
	h.wantCounts(r.Lane, journal.Counts{Accepted: 1, Dead: 1})
	if dead, err := h.Dead(t.Context(), journal.DeadQuery{}); err != nil || len(dead) != 0 {
		t.Errorf("dead letters after a discard: %v, %v", dead, err)
	}
	if got := h.row(r.Seq); got.State != journal.Dead || got.Reason != "discarded" || len(got.Content) != 0 {
		t.Errorf("discarded row %+v", got)
	}
	h.wantVerdicts(h.accept(e), journal.Repeat)
	for name, call := range map[string]func() error{
		"requeue": func() error { return h.Requeue(t.Context(), r.Seq) },
		"discard": func() error { return h.Discard(t.Context(), r.Seq) },
	} {
		if err := call(); !errors.Is(err, journal.ErrNotDead) {
			t.Errorf("%s of a discarded row: %v", name, err)
		}
	}
	if err := h.Discard(t.Context(), 1<<40); !errors.Is(err, journal.ErrNotFound) {
		t.Errorf("discard of no row: %v", err)
	}
}

func testDeadPages(t *testing.T, d Driver) {
	h := open(t, d)
	for i := range 7 {
		e := entry(laneIn("a"), fmt.Sprint(i))
		if i%2 == 1 {
			e.Lane.Channel = "other"
		}
		r := h.acceptOne(e)
		if i != 4 {
			h.finish(r, journal.Dead, "blocked")
		}
	}
	page := func(q journal.DeadQuery) []journal.Row {
		rows, err := h.Dead(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		return rows
	}
	first := page(journal.DeadQuery{Limit: 2})
	if diff := cmp.Diff([]string{"6", "5"}, ids(first)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"3", "2", "1", "0"}, ids(page(journal.DeadQuery{Before: first[1].Seq}))); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"5", "3", "1"}, ids(page(journal.DeadQuery{Channel: "other"}))); diff != "" {
		t.Error(diff)
	}
}

func testPendingPages(t *testing.T, d Driver) {
	h := open(t, d)
	for i := range 8 {
		l := laneIn(string(rune('a' + i%3)))
		if i == 3 {
			l.Channel = "other"
		}
		if i%2 == 1 {
			l.Direction = journal.Out
		}
		r := h.acceptOne(entry(l, fmt.Sprint(i)))
		if i == 2 {
			h.finish(r, journal.Done, "")
		}
	}
	var got []string
	for after, n := int64(0), 0; ; {
		rows, err := h.Pending(t.Context(), laneIn("a").Channel, after, 2)
		if err != nil {
			t.Fatal(err)
		}
		if len(rows) == 0 {
			break
		}
		if n++; n > 4 || len(rows) > 2 {
			t.Fatalf("page %d has %d rows", n, len(rows))
		}
		after = rows[len(rows)-1].Seq
		got = append(got, ids(rows)...)
	}
	if diff := cmp.Diff([]string{"0", "1", "4", "5", "6", "7"}, got); diff != "" {
		t.Error(diff)
	}
	if rows, err := h.Pending(t.Context(), "nobody", 0, 9); err != nil || len(rows) != 0 {
		t.Errorf("of no channel: %v, %v", ids(rows), err)
	}
}
