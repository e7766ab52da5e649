package journaltest

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"servicelink/gateway/journal"
)

func keep(content, ids time.Duration) func(*journal.Options) {
	return func(o *journal.Options) { o.KeepContent, o.KeepIDs = content, ids }
}

// sweepAll sweeps until nothing is left and returns the steps' sizes.
func (h *harness) sweepAll() (steps []int) {
	h.t.Helper()
	for {
		n, err := h.Sweep(h.t.Context())
		if err != nil {
			h.t.Fatalf("sweep: %v", err)
		}
		h.checkLedger()
		if n == 0 {
			return steps
		}
		steps = append(steps, n)
	}
}

func testSweep(t *testing.T, d Driver) {
	h := open(t, d, keep(48*time.Hour, 192*time.Hour))
	a := laneIn("a")
	done, dead := h.acceptOne(entry(a, "done")), h.acceptOne(entry(a, "dead"))
	h.finish(done, journal.Done, "")
	h.finish(dead, journal.Dead, "blocked")
	h.clock.add(48*time.Hour - time.Second)
	h.sweepAll()
	if r := h.row(done.Seq); len(r.Content) == 0 {
		t.Error("content erased before its time")
	}
	h.clock.add(2 * time.Second)
	h.sweepAll()
	if r := h.row(done.Seq); len(r.Content) != 0 || r.ID != "done" || r.State != journal.Done {
		t.Errorf("done row after KeepContent: %+v", r)
	}
	if r := h.row(dead.Seq); len(r.Content) == 0 {
		t.Error("content of a dead letter erased")
	}
	h.wantVerdicts(h.accept(entry(a, "done"), entry(a, "dead")), journal.Repeat, journal.Repeat)
	h.clock.add(144 * time.Hour)
	h.sweepAll()
	for _, r := range []journal.Row{done, dead} {
		if _, err := h.Row(t.Context(), r.Seq); !errors.Is(err, journal.ErrNotFound) {
			t.Errorf("row %s after KeepIDs: %v", r.ID, err)
		}
	}
	h.wantCounts(a, journal.Counts{Accepted: 2, Done: 1, Dead: 1})
	if _, ok, err := h.Conversation(t.Context(), "shop", "a"); !ok || err != nil {
		t.Errorf("the conversation does not outlive its messages: %v, %v", ok, err)
	}
	// Whether an id is forgotten at KeepIDs or a little later is the driver's.
	h.clock.add(10 * 192 * time.Hour)
	h.sweepAll()
	if r := h.acceptOne(entry(a, "done")); r.Seq <= dead.Seq {
		t.Errorf("seq %d was given before", r.Seq)
	}
}

func testSweepPending(t *testing.T, d Driver) {
	h := open(t, d, keep(time.Hour, 2*time.Hour))
	a := laneIn("a")
	pending := h.acceptOne(entry(a, "pending"))
	again := h.acceptOne(entry(a, "again"))
	h.finish(again, journal.Dead, "blocked")
	h.clock.add(time.Hour)
	if err := h.Requeue(t.Context(), again.Seq); err != nil {
		t.Fatal(err)
	}
	h.clock.add(100 * time.Hour)
	h.sweepAll()
	for _, want := range []journal.Row{pending, again} {
		if r := h.row(want.Seq); string(r.Content) != string(want.Content) {
			t.Errorf("pending row after a sweep: %+v", r)
		}
		h.wantVerdicts(h.accept(entry(a, want.ID)), journal.Repeat)
	}
	h.finish(pending, journal.Done, "")
	h.clock.add(90 * time.Minute)
	h.sweepAll()
	if r := h.row(pending.Seq); len(r.Content) != 0 {
		t.Errorf("content of a row that was done 90 minutes ago: %q", r.Content)
	}
	h.wantVerdicts(h.accept(entry(a, "pending")), journal.Repeat)
}

func testSweepBounded(t *testing.T, d Driver) {
	h := open(t, d, keep(time.Hour, 2*time.Hour))
	const n = 2500
	entries := make([]journal.Entry, n)
	for i := range entries {
		entries[i] = entry(laneIn(fmt.Sprint(i%9)), fmt.Sprint(i))
	}
	h.accept(entries...)
	var changes []journal.Change
	for _, r := range h.taken() {
		changes = append(changes, journal.Change{Seq: r.Seq, State: journal.Done})
	}
	h.commit(changes...)
	h.clock.add(3 * time.Hour)
	total := 0
	for _, step := range h.sweepAll() {
		total += step
		if step > 1000 {
			t.Errorf("a step of %d rows", step)
		}
	}
	if total < n {
		t.Errorf("%d rows swept, want at least %d", total, n)
	}
	h.wantCounts(laneIn(""), journal.Counts{Accepted: n, Done: n})
}

func testFull(t *testing.T, d Driver) {
	h := open(t, d, keep(time.Hour, 2*time.Hour), func(o *journal.Options) { o.MaxBytes = d.MaxBytes })
	a := laneIn("a")
	big := func(i int) journal.Entry {
		e := entry(a, fmt.Sprint(i))
		e.Content = make([]byte, 20<<10)
		return e
	}
	n := 0
	for ; ; n++ {
		_, err := h.Accept(t.Context(), big(n))
		if err == nil {
			if n > int(d.MaxBytes/(20<<10)) {
				t.Fatalf("%d entries of 20 KiB fit into %d bytes", n, d.MaxBytes)
			}
			continue
		}
		if !errors.Is(err, journal.ErrFull) {
			t.Fatalf("accept: %v", err)
		}
		break
	}
	if err := h.Health(); !errors.Is(err, journal.ErrFull) {
		t.Errorf("health %v, want ErrFull", err)
	}
	h.checkLedger()
	rows := h.taken()
	if len(rows) != n {
		t.Fatalf("%d rows handed over, %d accepted", len(rows), n)
	}
	// A repeat takes no room; a mixed accept is refused whole.
	h.wantVerdicts(h.accept(big(0)), journal.Repeat)
	if v, err := h.Accept(t.Context(), big(1), big(n+1)); !errors.Is(err, journal.ErrFull) || v != nil {
		t.Errorf("accept of a repeat and a new entry: %v, %v", v, err)
	}
	for _, r := range rows {
		h.finish(r, journal.Done, "")
	}
	h.clock.add(3 * time.Hour)
	h.sweepAll()
	if err := h.Health(); err != nil {
		t.Errorf("health after a sweep: %v", err)
	}
	h.wantVerdicts(h.accept(big(n+1)), journal.New)
	if size := h.Size(); size <= 0 || size > d.MaxBytes {
		t.Errorf("size %d of at most %d", size, d.MaxBytes)
	}
}

func testClosed(t *testing.T, d Driver) {
	h := open(t, d)
	r := h.acceptOne(entry(laneIn("a"), "1"))
	for range 2 {
		if err := h.Close(); err != nil {
			t.Fatalf("close: %v", err)
		}
	}
	ctx := context.WithoutCancel(t.Context())
	h.Apply(journal.Change{Seq: r.Seq, State: journal.Done})
	for name, call := range map[string]func() error{
		"accept":        func() error { _, err := h.Accept(ctx, entry(laneIn("a"), "2")); return err },
		"commit":        func() error { return h.Commit(ctx, journal.Change{Seq: r.Seq, State: journal.Done}) },
		"requeue":       func() error { return h.Requeue(ctx, r.Seq) },
		"discard":       func() error { return h.Discard(ctx, r.Seq) },
		"forget":        func() error { _, err := h.Forget(ctx, "shop", "a"); return err },
		"verify":        func() error { _, err := h.Verify(ctx); return err },
		"sweep":         func() error { _, err := h.Sweep(ctx); return err },
		"find":          func() error { _, err := h.Find(ctx, laneIn("a"), journal.IDHash{ID: "1"}); return err },
		"lanes":         func() error { _, err := h.Lanes(ctx, "shop", journal.In); return err },
		"conversation":  func() error { _, _, err := h.Conversation(ctx, "shop", "a"); return err },
		"conversations": func() error { _, err := h.Conversations(ctx, "shop", time.Time{}); return err },
		"ledger":        func() error { _, err := h.Ledger(ctx); return err },
		"dead":          func() error { _, err := h.Dead(ctx, journal.DeadQuery{}); return err },
		"pending":       func() error { _, err := h.Pending(ctx, "a", 0, 1); return err },
		"row":           func() error { _, err := h.Row(ctx, r.Seq); return err },
		"health":        h.Health,
		"submit": func() error {
			ch := make(chan error, 1)
			h.Submit([]journal.Entry{entry(laneIn("a"), "3")}, func(_ []journal.Verdict, err error) { ch <- err })
			return <-ch
		},
		"refill": func() error {
			ch := make(chan error, 1)
			h.Refill(laneIn("a"), 1, func(_ []journal.Row, _ bool, err error) { ch <- err })
			return <-ch
		},
	} {
		if err := call(); !errors.Is(err, journal.ErrAway) {
			t.Errorf("%s after close: %v", name, err)
		}
	}
}

// testCloseFlushes closes while the writer is held with work behind it.
func testCloseFlushes(t *testing.T, d Driver) {
	held, release := make(chan struct{}), make(chan struct{})
	h := open(t, d, func(o *journal.Options) {
		o.OnCommit = func(rows []journal.Row) {
			if rows[0].ID == "hold" {
				close(held)
				<-release
			}
		}
	})
	h.Submit([]journal.Entry{entry(laneIn("a"), "hold")}, func([]journal.Verdict, error) {})
	<-held
	accepted := make(chan error, 1)
	h.Submit([]journal.Entry{entry(laneIn("a"), "behind")}, func(_ []journal.Verdict, err error) { accepted <- err })
	closed := make(chan error, 1)
	go func() { closed <- h.Close() }()
	close(release)
	if err := <-accepted; err != nil {
		t.Errorf("accept in the queue of a closing journal: %v", err)
	}
	if err := <-closed; err != nil {
		t.Errorf("close: %v", err)
	}
}

func testReopen(t *testing.T, d Driver) {
	h := open(t, d)
	born := h.Born()
	a := laneIn("a")
	done, dead, pending := h.acceptOne(entry(a, "1")), h.acceptOne(entry(a, "2")), h.acceptOne(entry(a, "3"))
	h.finish(done, journal.Done, "")
	h.finish(dead, journal.Dead, "blocked")
	h.commit(journal.Change{Conv: &journal.ConvChange{Channel: "shop", TrackingID: "a", ChatID: "c1", Counter: 4}})
	h.Apply(journal.Change{Seq: pending.Seq, State: journal.Delivering, Attempts: 1})
	h.clock.add(time.Hour)
	h.reopen()
	if h.Volatile() {
		if !h.Born().Equal(born.Add(time.Hour)) {
			t.Errorf("born %v", h.Born())
		}
		h.wantCounts(a, journal.Counts{})
		h.wantVerdicts(h.accept(entry(a, "1")), journal.New)
		return
	}
	if !h.Born().Equal(born) {
		t.Errorf("born %v, want %v", h.Born(), born)
	}
	h.wantCounts(a, journal.Counts{Accepted: 3, Done: 1, Dead: 1, Pending: 1})
	if rows := h.taken(); len(rows) != 0 {
		t.Errorf("handed over at open: %v", ids(rows))
	}
	rows, _ := h.refill(a, 9)
	if len(rows) != 1 || rows[0].ID != "3" || rows[0].State != journal.Delivering || rows[0].Attempts != 1 {
		t.Errorf("pending after reopening: %+v", rows)
	}
	h.wantVerdicts(h.accept(entry(a, "1"), entry(a, "2"), entry(a, "3")), journal.Repeat, journal.Repeat, journal.Repeat)
	h.taken()
	if r := h.acceptOne(entry(a, "4")); r.BaseChat != "c1" || r.BaseCounter != 4 || r.Seq <= pending.Seq {
		t.Errorf("row after reopening %+v", r)
	}
}
