package journaltest

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"servicelink/gateway/journal"
)

func testArrivals(t *testing.T, d Driver) {
	h := open(t, d)
	start := h.clock.Now().Truncate(time.Hour).UTC()
	hour := journal.HourOf(start)
	h.clock.add(start.Add(30 * time.Minute).Sub(h.clock.Now()))
	want := func(q journal.ArrivalsQuery, want map[string]journal.Arrivals) {
		t.Helper()
		got, err := h.Arrivals(t.Context(), q)
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("%+v: %v, %s", q, err, diff)
		}
	}
	at := func(minutes int) time.Time { return start.Add(time.Duration(minutes) * time.Minute) }
	all := journal.ArrivalsQuery{Since: start, Until: start.Add(24 * time.Hour)}
	want(all, map[string]journal.Arrivals{}) // an empty journal

	other := journal.Lane{Channel: "other", Direction: journal.In, TrackingID: "a"}
	out := journal.Lane{Channel: "shop", Direction: journal.Out, TrackingID: "a"}
	h.accept(entry(laneIn("a"), "1"), entry(laneIn("b"), "2"), entry(out, "3"))
	h.clock.add(20 * time.Minute)
	h.finish(h.acceptOne(entry(laneIn("a"), "4")), journal.Done, "")
	h.accept(entry(laneIn("a"), "4")) // a repeat is no arrival
	h.accept(entry(laneIn("a"), "own:5"))
	h.clock.add(20 * time.Minute) // ten past the next hour
	h.finish(h.acceptOne(entry(other, "own:")), journal.Dead, "content")
	h.accept(entry(other, "ow"))
	h.clock.add(2 * time.Hour)
	h.accept(entry(laneIn("c"), "8"))

	want(all, map[string]journal.Arrivals{
		"shop":  {Hours: map[int64]int64{hour: 4, hour + 3: 1}, Last: at(190)},
		"other": {Hours: map[int64]int64{hour + 1: 2}, Last: at(70)},
	})
	all.Except = "own:"
	want(all, map[string]journal.Arrivals{
		"shop":  {Hours: map[int64]int64{hour: 3, hour + 3: 1}, Last: at(190)},
		"other": {Hours: map[int64]int64{hour + 1: 1}, Last: at(70)},
	})
	want(journal.ArrivalsQuery{Since: at(50), Until: at(190)}, map[string]journal.Arrivals{
		"shop":  {Hours: map[int64]int64{hour: 2}, Last: at(50)},
		"other": {Hours: map[int64]int64{hour + 1: 2}, Last: at(70)},
	})
	want(journal.ArrivalsQuery{Since: at(191), Until: at(500)}, map[string]journal.Arrivals{})
}
