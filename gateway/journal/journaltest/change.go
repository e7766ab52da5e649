package journaltest

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"servicelink/gateway/journal"
)

func testChange(t *testing.T, d Driver) {
	h := open(t, d)
	r := h.acceptOne(entry(laneIn("a"), "1"))
	h.clock.add(time.Second)
	parts := []journal.Part{
		{State: journal.PartSent, NetworkID: "n1", At: h.clock.Now()},
		{State: journal.PartUnknown, Reason: "cut", At: h.clock.Now()},
		{},
	}
	next := h.clock.Now().Add(time.Minute)
	h.commit(journal.Change{
		Seq: r.Seq, State: journal.Delivering, Reason: "rate", Hint: "wait", Attempts: 2, Next: next, Parts: parts,
	})
	want := r
	want.State, want.Reason, want.Hint, want.Attempts = journal.Delivering, "rate", "wait", 2
	want.Next, want.Parts = next, parts
	if diff := cmp.Diff(want, h.row(r.Seq)); diff != "" {
		t.Errorf("after the first change: %s", diff)
	}
	h.clock.add(time.Second)
	h.commit(journal.Change{Seq: r.Seq, State: journal.Done, Attempts: 3})
	want.State, want.Reason, want.Hint, want.Attempts = journal.Done, "", "", 3
	want.Next, want.EndedAt = time.Time{}, h.clock.Now()
	if diff := cmp.Diff(want, h.row(r.Seq)); diff != "" {
		t.Errorf("after the second change: %s", diff)
	}
	h.wantCounts(r.Lane, journal.Counts{Accepted: 1, Done: 1})
}

func testForwardOnly(t *testing.T, d Driver) {
	h := open(t, d)
	done := h.acceptOne(entry(laneIn("a"), "done"))
	dead := h.acceptOne(entry(laneIn("a"), "dead"))
	wrong := h.acceptOne(entry(laneIn("a"), "wrong epoch"))
	h.finish(done, journal.Done, "")
	h.finish(dead, journal.Dead, "blocked")
	before := []journal.Row{h.row(done.Seq), h.row(dead.Seq), h.row(wrong.Seq)}
	h.commit(
		journal.Change{Seq: done.Seq, State: journal.Dead, Reason: "late"},
		journal.Change{Seq: done.Seq, State: journal.Delivering},
		journal.Change{Seq: dead.Seq, State: journal.Done},
		journal.Change{Seq: wrong.Seq, Epoch: 1, State: journal.Done},
		journal.Change{Seq: 1 << 40, State: journal.Done},
	)
	after := []journal.Row{h.row(done.Seq), h.row(dead.Seq), h.row(wrong.Seq)}
	if diff := cmp.Diff(before, after); diff != "" {
		t.Error(diff)
	}
	h.wantCounts(done.Lane, journal.Counts{Accepted: 3, Done: 1, Dead: 1, Pending: 1})
}

func testNoState(t *testing.T, d Driver) {
	h := open(t, d)
	r := h.acceptOne(entry(laneIn("a"), "1"))
	if err := h.Commit(t.Context(), journal.Change{Seq: r.Seq}); err == nil {
		t.Error("a change without a state was taken")
	}
	if diff := cmp.Diff(r, h.row(r.Seq)); diff != "" {
		t.Error(diff)
	}
	h.wantVerdicts(h.accept(entry(laneIn("a"), "2")), journal.New)
}

func testConvChange(t *testing.T, d Driver) {
	h := open(t, d)
	h.acceptOne(entry(laneIn("a"), "1"))
	closed := h.clock.Now().Add(-time.Hour)
	for i, c := range []struct {
		by   journal.ConvChange
		want journal.Conversation
	}{
		{journal.ConvChange{Counter: 2}, journal.Conversation{Counter: 2}},
		{journal.ConvChange{ChatID: "c1", Counter: 1}, journal.Conversation{ChatID: "c1", Counter: 1}},
		{journal.ConvChange{ChatID: "c1", Counter: 5, Released: 3}, journal.Conversation{ChatID: "c1", Counter: 5, Released: 3}},
		{journal.ConvChange{Counter: 4, Released: 4}, journal.Conversation{ChatID: "c1", Counter: 5, Released: 4}},
		{journal.ConvChange{ChatID: "c1", Counter: 6, ClosedText: closed}, journal.Conversation{ChatID: "c1", Counter: 6, Released: 4, ClosedText: closed}},
		{journal.ConvChange{ChatID: "c2"}, journal.Conversation{ChatID: "c2", ClosedText: closed}},
		{
			journal.ConvChange{WindowEnd: closed, WindowBy: journal.WindowByCustomer},
			journal.Conversation{ChatID: "c2", ClosedText: closed, WindowEnd: closed, WindowBy: journal.WindowByCustomer},
		},
		{ // back again: a network may say that it is closed
			journal.ConvChange{WindowEnd: closed.Add(-time.Hour), WindowBy: journal.WindowByNetwork},
			journal.Conversation{ChatID: "c2", ClosedText: closed, WindowEnd: closed.Add(-time.Hour), WindowBy: journal.WindowByNetwork},
		},
		{
			journal.ConvChange{Counter: 1, WindowBy: journal.WindowByCustomer}, // no time, no word
			journal.Conversation{ChatID: "c2", Counter: 1, ClosedText: closed, WindowEnd: closed.Add(-time.Hour), WindowBy: journal.WindowByNetwork},
		},
	} {
		c.by.Channel, c.by.TrackingID = "shop", "a"
		h.commit(journal.Change{Conv: &c.by})
		got, ok, err := h.Conversation(t.Context(), "shop", "a")
		if err != nil || !ok {
			t.Fatalf("conversation: %v, %v", ok, err)
		}
		c.want.Channel, c.want.TrackingID = "shop", "a"
		c.want.Started, c.want.LastSeen = h.clock.Now(), h.clock.Now()
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("after change %d: %s", i, diff)
		}
	}
	if !h.Volatile() {
		h.reopen()
		got, ok, err := h.Conversation(t.Context(), "shop", "a")
		if err != nil || !ok || !got.WindowEnd.Equal(closed.Add(-time.Hour)) || got.WindowBy != journal.WindowByNetwork {
			t.Errorf("after a restart: %+v, %v, %v", got, ok, err)
		}
	}
	h.commit(journal.Change{Conv: &journal.ConvChange{Channel: "shop", TrackingID: "new", ChatID: "c9"}})
	got, ok, err := h.Conversation(t.Context(), "shop", "new")
	if err != nil || !ok || got.ChatID != "c9" || !got.Started.IsZero() {
		t.Errorf("conversation known by its chat alone: %+v, %v, %v", got, ok, err)
	}
	if _, ok, err = h.Conversation(t.Context(), "other", "a"); ok || err != nil {
		t.Errorf("conversation of another channel: %v, %v", ok, err)
	}
}

func testBase(t *testing.T, d Driver) {
	h := open(t, d)
	r := h.acceptOne(entry(laneIn("a"), "1"))
	if r.BaseChat != "" || r.BaseCounter != 0 {
		t.Errorf("base of the first entry: %q %d", r.BaseChat, r.BaseCounter)
	}
	// In one transaction with the row, as a lane would do it.
	h.commit(journal.Change{
		Seq: r.Seq, State: journal.Done,
		Conv: &journal.ConvChange{Channel: "shop", TrackingID: "a", ChatID: "c1", Counter: 8},
	})
	r = h.acceptOne(entry(laneIn("a"), "2"))
	if r.BaseChat != "c1" || r.BaseCounter != 8 {
		t.Errorf("base of the second entry: %q %d", r.BaseChat, r.BaseCounter)
	}
	if got := h.row(r.Seq); got.BaseChat != "c1" || got.BaseCounter != 8 {
		t.Errorf("base as read: %q %d", got.BaseChat, got.BaseCounter)
	}
}

func testParty(t *testing.T, d Driver) {
	h := open(t, d)
	for i, c := range []struct {
		party *journal.Party
		want  journal.Party
	}{
		{&journal.Party{PartyName: "Anna", RemoteAddress: "1"}, journal.Party{PartyName: "Anna", RemoteAddress: "1"}},
		{nil, journal.Party{PartyName: "Anna", RemoteAddress: "1"}},
		{&journal.Party{Culture: "cs", UserToken: "t"}, journal.Party{PartyName: "Anna", RemoteAddress: "1", Culture: "cs", UserToken: "t"}},
		{&journal.Party{PartyName: "Anna B."}, journal.Party{PartyName: "Anna B.", RemoteAddress: "1", Culture: "cs", UserToken: "t"}},
	} {
		e := entry(laneIn("a"), string(rune('0'+i)))
		e.Party = c.party
		if r := h.acceptOne(e); r.Party != nil {
			t.Errorf("row with a party: %+v", r.Party)
		}
		got, _, err := h.Conversation(t.Context(), "shop", "a")
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(c.want, got.Party); diff != "" {
			t.Errorf("after entry %d: %s", i, diff)
		}
	}
}

func testConversations(t *testing.T, d Driver) {
	h := open(t, d)
	start := h.clock.Now()
	h.acceptOne(entry(laneIn("a"), "1"))
	h.acceptOne(entry(laneIn("b"), "1"))
	h.clock.add(time.Hour)
	h.acceptOne(entry(laneIn("b"), "2"))
	e := entry(laneIn("c"), "1")
	e.Lane.Channel = "other"
	h.acceptOne(e)
	names := func(since time.Time) map[string]bool {
		convs, err := h.Conversations(t.Context(), "shop", since)
		if err != nil {
			t.Fatal(err)
		}
		m := map[string]bool{}
		for _, c := range convs {
			m[c.TrackingID] = true
		}
		return m
	}
	if diff := cmp.Diff(map[string]bool{"a": true, "b": true}, names(start)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(map[string]bool{"b": true}, names(start.Add(30*time.Minute))); diff != "" {
		t.Error(diff)
	}
	got, _, err := h.Conversation(t.Context(), "shop", "b")
	if err != nil || !got.Started.Equal(start) || !got.LastSeen.Equal(start.Add(time.Hour)) {
		t.Errorf("conversation b: %+v, %v", got, err)
	}
}
