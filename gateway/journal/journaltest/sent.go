package journaltest

import (
	"slices"
	"testing"

	"servicelink/gateway/journal"
)

func testSent(t *testing.T, d Driver) {
	h := open(t, d)
	lane := func(channel, tracking string) journal.Lane {
		return journal.Lane{Channel: channel, Direction: journal.Out, TrackingID: tracking}
	}
	done := func(l journal.Lane, id string) { h.finish(h.acceptOne(entry(l, id)), journal.Done, "") }
	sent := func(q journal.SentQuery, want ...string) {
		t.Helper()
		if q.Recent == 0 {
			q.Recent = 100
		}
		if q.Limit == 0 {
			q.Limit = 100
		}
		rows, err := h.Sent(t.Context(), q)
		if err != nil || !slices.Equal(ids(rows), want) {
			t.Errorf("%+v: %v, %v, want %v", q, ids(rows), err, want)
		}
	}
	sent(journal.SentQuery{Channel: "shop", TrackingIDs: []string{"a"}}) // an empty journal
	done(lane("shop", "a"), "1")
	done(lane("shop", "b"), "2")
	done(laneIn("a"), "3")
	done(lane("other", "a"), "4")
	h.acceptOne(entry(lane("shop", "a"), "pending"))
	h.finish(h.acceptOne(entry(lane("shop", "a"), "dead")), journal.Dead, "content")
	done(lane("shop", "c'\""), "7")
	done(lane("shop", "a"), "8")
	sent(journal.SentQuery{Channel: "shop", TrackingIDs: []string{"a"}}, "1", "8")
	sent(journal.SentQuery{Channel: "shop", TrackingIDs: []string{"b", "a", "nobody"}}, "1", "2", "8")
	sent(journal.SentQuery{Channel: "shop", TrackingIDs: []string{"c'\""}}, "7")
	sent(journal.SentQuery{Channel: "shop"})
	sent(journal.SentQuery{Channel: "nobody", TrackingIDs: []string{"a"}})
	sent(journal.SentQuery{Channel: "shop", TrackingIDs: []string{"a", "b"}, Limit: 2}, "2", "8")
	sent(journal.SentQuery{Channel: "shop", TrackingIDs: []string{"a", "b"}, Recent: 1}, "8")
	rows, err := h.Sent(t.Context(), journal.SentQuery{Channel: "shop", TrackingIDs: []string{"a"}, Recent: 100, Limit: 1})
	if err != nil || len(rows) != 1 || string(rows[0].Content) != "text of 8" || rows[0].Lane != lane("shop", "a") {
		t.Errorf("%+v, %v", rows, err)
	}
}
