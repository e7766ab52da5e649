package journaltest

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"servicelink/gateway/journal"
)

func ids(rows []journal.Row) (ids []string) {
	for _, r := range rows {
		ids = append(ids, r.ID)
	}
	return ids
}

func testRefill(t *testing.T, d Driver) {
	h := open(t, d)
	for i := range 5 {
		h.accept(entry(laneIn("a"), fmt.Sprint(i)), entry(laneIn("b"), fmt.Sprint(i)))
	}
	var rows []journal.Row
	for _, r := range h.taken() {
		if r.Lane == laneIn("a") {
			rows = append(rows, r)
		}
	}
	got, more := h.refill(laneIn("a"), 3)
	if diff := cmp.Diff([]string{"0", "1", "2"}, ids(got)); diff != "" || !more {
		t.Errorf("more %v: %s", more, diff)
	}
	if !got[0].Loaded || got[0].Repeat {
		t.Errorf("refilled row %+v", got[0])
	}
	// Finished in the middle, nobody waits: the refill behind it must see it.
	h.Apply(journal.Change{Seq: rows[1].Seq, State: journal.Done},
		journal.Change{Seq: rows[0].Seq, State: journal.Delivering, Attempts: 1})
	got, more = h.refill(laneIn("a"), 4)
	if diff := cmp.Diff([]string{"0", "2", "3", "4"}, ids(got)); diff != "" || more {
		t.Errorf("more %v: %s", more, diff)
	}
	if got[0].State != journal.Delivering || got[0].Attempts != 1 {
		t.Errorf("first row %+v", got[0])
	}
	if got, more = h.refill(laneIn("nobody"), 4); len(got) != 0 || more {
		t.Errorf("lane without rows: %v, %v", got, more)
	}
}

// testRefillFromCallback checks that the callbacks may call the journal as long
// as they do not wait.
func testRefillFromCallback(t *testing.T, d Driver) {
	refilled := make(chan []string, 1)
	var h *harness
	h = open(t, d, func(o *journal.Options) {
		o.OnCommit = func(rows []journal.Row) {
			h.Apply(journal.Change{Seq: rows[0].Seq, State: journal.Done})
			h.Refill(rows[0].Lane, 10, func(rows []journal.Row, _ bool, err error) {
				if err != nil {
					t.Error(err)
				}
				refilled <- ids(rows)
			})
		}
	})
	h.accept(entry(laneIn("a"), "1"), entry(laneIn("a"), "2"))
	if diff := cmp.Diff([]string{"2"}, <-refilled); diff != "" {
		t.Error(diff)
	}
}

func testFind(t *testing.T, d Driver) {
	h := open(t, d)
	out := journal.Lane{Channel: "shop", Direction: journal.Out, TrackingID: "a"}
	first := h.acceptOne(journal.Entry{Lane: out, ID: "1", TextHash: 1, Content: []byte("x")})
	second := h.acceptOne(journal.Entry{Lane: out, ID: "1", TextHash: 2, Content: []byte("y")})
	h.acceptOne(journal.Entry{Lane: laneIn("a"), ID: "2"})
	h.finish(second, journal.Done, "")
	got, err := h.Find(t.Context(), out, journal.IDHash{ID: "2"}, journal.IDHash{ID: "1", TextHash: 2},
		journal.IDHash{ID: "1", TextHash: 1}, journal.IDHash{ID: "1"})
	if err != nil || len(got) != 4 {
		t.Fatalf("find: %v, %v", got, err)
	}
	if got[0] != nil || got[3] != nil || got[1] == nil || got[2] == nil {
		t.Fatalf("found %v", got)
	}
	if got[1].Seq != second.Seq || got[1].State != journal.Done || got[2].Seq != first.Seq || string(got[2].Content) != "x" {
		t.Errorf("found %+v and %+v", got[1], got[2])
	}
	if got, err = h.Find(t.Context(), laneIn("nobody"), journal.IDHash{ID: "1"}); err != nil || len(got) != 1 || got[0] != nil {
		t.Errorf("found in no lane: %v, %v", got, err)
	}
	if got, err = h.Find(t.Context(), out); err != nil || len(got) != 0 {
		t.Errorf("found for no keys: %v, %v", got, err)
	}
}

func testLanes(t *testing.T, d Driver) {
	h := open(t, d)
	r := h.acceptOne(entry(laneIn("a"), "1"))
	h.accept(entry(laneIn("b"), "1"), entry(laneIn("b"), "2"))
	h.accept(journal.Entry{Lane: journal.Lane{Channel: "shop", Direction: journal.Out, TrackingID: "a"}, ID: "1"})
	h.accept(journal.Entry{Lane: journal.Lane{Channel: "other", Direction: journal.In, TrackingID: "a"}, ID: "1"})
	h.finish(r, journal.Done, "")
	for _, c := range []struct {
		channel string
		dir     journal.Direction
		want    []journal.LaneInfo
	}{
		{"shop", journal.In, []journal.LaneInfo{{Lane: laneIn("b"), Pending: 2}}},
		{"shop", journal.Out, []journal.LaneInfo{{Lane: journal.Lane{Channel: "shop", Direction: journal.Out, TrackingID: "a"}, Pending: 1}}},
		{"other", journal.Out, nil},
		{"nobody", journal.In, nil},
	} {
		got, err := h.Lanes(t.Context(), c.channel, c.dir)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("lanes of %s %s: %s", c.channel, c.dir, diff)
		}
	}
}

func testOldest(t *testing.T, d Driver) {
	h := open(t, d)
	start := h.clock.Now()
	a := h.acceptOne(entry(laneIn("a"), "1"))
	h.clock.add(time.Minute)
	b := h.acceptOne(entry(laneIn("b"), "1"))
	oldest := func() time.Time {
		return h.checkLedger()[journal.LedgerKey{Channel: "shop", Direction: journal.In}].OldestPending
	}
	if got := oldest(); !got.Equal(start) {
		t.Errorf("oldest %v, want %v", got, start)
	}
	h.finish(a, journal.Done, "")
	if got := oldest(); !got.Equal(start.Add(time.Minute)) {
		t.Errorf("oldest %v, want %v", got, start.Add(time.Minute))
	}
	h.finish(b, journal.Done, "")
	if got := oldest(); !got.IsZero() {
		t.Errorf("oldest %v, want none", got)
	}
}
