package main

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"servicelink/gateway/journal"
)

func TestStopwatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newStopwatch()
		if err := w.wait(t.Context()); err != nil {
			t.Errorf("nothing to wait for: %v", err)
		}
		w.start("in", "a", time.Now())
		w.start("out", "b", time.Now().Add(-time.Second))
		time.Sleep(time.Second)
		w.stop("a")
		w.stop("stranger")
		time.AfterFunc(time.Second, func() { w.stop("b") })
		if err := w.wait(t.Context()); err != nil {
			t.Error(err)
		}
		if got := w.took("in"); !slices.Equal(got, []time.Duration{time.Second}) {
			t.Errorf("in: %v", got)
		}
		if got := w.took("out"); !slices.Equal(got, []time.Duration{3 * time.Second}) {
			t.Errorf("out: %v", got)
		}
		w.start("in", "lost", time.Now())
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if w.wait(ctx) == nil {
			t.Error("a message that never came was not missed")
		}
	})
}

func TestAtPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		calls := make(chan time.Duration, 500)
		err := atPace(t.Context(), 100, 500, func(i int, due time.Time) error {
			calls <- due.Sub(began)
			if i == 7 {
				return context.Canceled
			}
			return nil
		})
		if err == nil {
			t.Error("the error of a call is lost")
		}
		close(calls)
		var last time.Duration
		for c := range calls {
			last = max(last, c)
		}
		if len(calls) != 0 || last != 4990*time.Millisecond || time.Since(began) != last {
			t.Errorf("the last call was due after %v, made after %v", last, time.Since(began))
		}
	})
}

// TestBacklogEntry: every message has an id of its own, and a conversation stays
// on its channel.
func TestBacklogEntry(t *testing.T) {
	sample := journal.Entry{Lane: journal.Lane{Direction: journal.In, TrackingID: "5000000|omnichannel"}}
	const n = 1000
	ids, channels := map[string]bool{}, map[string]string{}
	for i := range n {
		e := backlogEntry(sample, i, n)
		ids[e.ID] = true
		if c := channels[e.Lane.TrackingID]; c != "" && c != e.Lane.Channel {
			t.Fatalf("%s is on %s and on %s", e.Lane.TrackingID, c, e.Lane.Channel)
		}
		channels[e.Lane.TrackingID] = e.Lane.Channel
	}
	if len(ids) != n || len(channels) != n/backlogEach {
		t.Errorf("%d ids, %d conversations", len(ids), len(channels))
	}
}
