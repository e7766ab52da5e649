package journaltest

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"servicelink/gateway/journal"
)

// forget forgets the conversation of a lane.
func (h *harness) forget(lane journal.Lane) journal.Forgotten {
	h.t.Helper()
	f, err := h.Forget(h.t.Context(), lane.Channel, lane.TrackingID)
	if err != nil {
		h.t.Fatalf("forget: %v", err)
	}
	h.checkLedger()
	if !f.Clean {
		h.t.Error("forgotten, and not clean")
	}
	return f
}

func testForget(t *testing.T, d Driver) {
	h := open(t, d, keep(48*time.Hour, 192*time.Hour))
	in, out, other := laneIn("a"), journal.Lane{Channel: "shop", Direction: journal.Out, TrackingID: "a"}, laneIn("b")
	first := entry(in, "1")
	first.Party = &journal.Party{RemoteAddress: "+49 170", PartyName: "Ann"}
	sent := journal.Entry{Lane: out, ID: "2", TextHash: 7, ChatID: "chat", Counter: 1, Content: []byte("x")}
	rows := map[string]journal.Row{"1": h.acceptOne(first), "2": h.acceptOne(sent), "3": h.acceptOne(entry(in, "3")), "b": h.acceptOne(entry(other, "1"))}
	elsewhere := h.acceptOne(entry(journal.Lane{Channel: "other", Direction: journal.In, TrackingID: "a"}, "1"))
	h.finish(rows["1"], journal.Done, "")
	h.finish(rows["2"], journal.Dead, "blocked")
	h.commit(journal.Change{Conv: &journal.ConvChange{
		Channel: "shop", TrackingID: "a", WindowEnd: h.clock.Now().Add(24 * time.Hour), WindowBy: journal.WindowByCustomer,
	}})

	before := h.checkLedger()
	if _, err := h.Forget(t.Context(), "shop", "a"); !errors.Is(err, journal.ErrPending) {
		t.Fatalf("forget with a pending row: %v", err)
	}
	if got := h.row(rows["1"].Seq); len(got.Content) == 0 {
		t.Error("a refused forget erased a content")
	}
	h.finish(rows["3"], journal.Dead, "blocked")
	if err := h.Discard(t.Context(), rows["3"].Seq); err != nil {
		t.Fatal(err)
	}
	if f := h.forget(in); f.Messages != 3 || f.Dead != 1 {
		t.Errorf("forgotten %+v", f)
	}
	after := h.checkLedger()
	k := journal.LedgerKey{Channel: "shop", Direction: journal.Out}
	if diff := cmp.Diff(journal.Counts{Accepted: 1, Dead: 1}, after[k].Counts); diff != "" || before[k].Accepted != 1 {
		t.Errorf("ledger: %s", diff)
	}
	h.wantForgotten(rows["1"], rows["2"], rows["3"])
	for _, r := range []journal.Row{rows["b"], elsewhere} {
		if got := h.row(r.Seq); string(got.Content) != "text of 1" {
			t.Errorf("a row of another conversation: %+v", got)
		}
	}
	if _, err := h.Forget(t.Context(), "shop", "a"); !errors.Is(err, journal.ErrNotFound) {
		t.Errorf("forget once more: %v", err)
	}
	h.remembersIDs(first, sent)
	if !h.Volatile() {
		h.reopen()
		h.remembersIDs(first, sent)
	}
	// The customer comes back, as somebody new; what was done stays done.
	again := h.acceptOne(entry(in, "4"))
	if again.BaseChat != "" || again.BaseCounter != 0 {
		t.Errorf("a row knows of the time before: %+v", again)
	}
	if c, ok, err := h.Conversation(t.Context(), "shop", "a"); err != nil || !ok || !c.WindowEnd.IsZero() || c.WindowBy != "" {
		t.Errorf("the conversation knows of the time before: %+v, %v, %v", c, ok, err)
	}
	h.wantVerdicts(h.accept(first), journal.Repeat)
	h.finish(again, journal.Done, "")
	if f := h.forget(in); f.Messages != 1 {
		t.Errorf("forgotten again %+v", f)
	}
	if h.Volatile() {
		return
	}
	h.clock.add(193 * time.Hour)
	h.sweepAll()
	h.acceptOne(first) // its id is over its time
}

// wantForgotten checks that no call gives anything of the rows any more.
func (h *harness) wantForgotten(rows ...journal.Row) {
	h.t.Helper()
	ctx := h.t.Context()
	for _, r := range rows {
		if got, err := h.Row(ctx, r.Seq); !errors.Is(err, journal.ErrNotFound) {
			h.t.Errorf("forgotten row: %+v, %v", got, err)
		}
		for _, q := range []journal.TraceQuery{{Channel: r.Lane.Channel, TrackingID: r.Lane.TrackingID}, {Channel: r.Lane.Channel, ID: r.ID}} {
			q.Recent, q.Limit = 100, 100
			if found, err := h.Trace(ctx, q); err != nil || len(found) > 0 && found[0].Lane.TrackingID == r.Lane.TrackingID {
				h.t.Errorf("traced: %+v, %v", found, err)
			}
		}
		if c, ok, err := h.Conversation(ctx, r.Lane.Channel, r.Lane.TrackingID); ok || err != nil {
			h.t.Errorf("conversation: %+v, %v", c, err)
		}
	}
	if dead, err := h.Dead(ctx, journal.DeadQuery{}); err != nil || len(dead) != 0 {
		h.t.Errorf("dead letters: %+v, %v", dead, err)
	}
}

// remembersIDs checks that forgotten entries are repeats, hand nothing over, make
// nothing known, and are found as they ended.
func (h *harness) remembersIDs(done, dead journal.Entry) {
	h.t.Helper()
	h.taken()
	h.wantVerdicts(h.accept(done, dead), journal.Repeat, journal.Repeat)
	if rows := h.taken(); len(rows) != 0 {
		h.t.Errorf("handed over %v", ids(rows))
	}
	if c, ok, err := h.Conversation(h.t.Context(), done.Lane.Channel, done.Lane.TrackingID); ok || err != nil {
		h.t.Errorf("a repeat made %+v, %v", c, err)
	}
	for e, want := range map[*journal.Entry]journal.State{&done: journal.Done, &dead: journal.Dead} {
		found, err := h.Find(h.t.Context(), e.Lane, journal.IDHash{ID: e.ID, TextHash: e.TextHash}, journal.IDHash{ID: "none"})
		if err != nil || found[0] == nil || found[0].State != want || found[0].ID != e.ID || len(found[0].Content) != 0 || found[1] != nil {
			h.t.Errorf("found %+v, %v, want state %v", found, err, want)
		}
	}
}

// testForgetMany forgets more rows than one transaction does, among others.
func testForgetMany(t *testing.T, d Driver) {
	h := open(t, d)
	const n = 700
	entries := make([]journal.Entry, 0, 2*n)
	for i := range n {
		entries = append(entries, entry(laneIn("a"), fmt.Sprint(i)), entry(laneIn("b"), fmt.Sprint(i)))
	}
	h.accept(entries...)
	var changes []journal.Change
	for _, r := range h.taken() {
		changes = append(changes, journal.Change{Seq: r.Seq, State: journal.Done})
	}
	h.commit(changes...)
	if f := h.forget(laneIn("a")); f.Messages != n || f.Dead != 0 {
		t.Errorf("forgotten %+v", f)
	}
	for _, v := range h.accept(entries...) {
		if v != journal.Repeat {
			t.Fatalf("verdict %v", v)
		}
	}
	h.wantCounts(laneIn("a"), journal.Counts{Accepted: 2 * n, Done: 2 * n})
	if v, err := h.Verify(t.Context()); err != nil || v.Rows != n || len(v.Problems) != 0 {
		t.Errorf("verified %+v, %v", v, err)
	}
}

func testVerify(t *testing.T, d Driver) {
	h := open(t, d)
	want := func(rows, pending, conversations int64) {
		t.Helper()
		v, err := h.Verify(t.Context())
		if err != nil || v.Rows != rows || v.Pending != pending || v.Conversations != conversations || len(v.Problems) != 0 {
			t.Errorf("verified %+v, %v", v, err)
		}
	}
	want(0, 0, 0)
	a, b := h.acceptOne(entry(laneIn("a"), "1")), h.acceptOne(entry(laneIn("b"), "1"))
	h.acceptOne(journal.Entry{Lane: journal.Lane{Channel: "shop", Direction: journal.Out, TrackingID: "a"}, ID: "2"})
	h.finish(a, journal.Done, "")
	h.finish(b, journal.Dead, "blocked")
	want(3, 1, 2)
	if err := h.Requeue(t.Context(), b.Seq); err != nil {
		t.Fatal(err)
	}
	want(3, 2, 2)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := h.Verify(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("verified by nobody: %v", err)
	}
}
