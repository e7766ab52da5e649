package journaltest

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"servicelink/gateway/journal"
)

// reports has a report taken, and checks what it changed.
func (h *harness) reports(r journal.Report, changed bool) journal.Row {
	h.t.Helper()
	r.At = h.clock.Now().Add(789) // finer than is kept
	row, got, err := h.Report(h.t.Context(), r)
	if err != nil || got != changed {
		h.t.Errorf("report %+v: changed %v, %v; want %v", r, got, err, changed)
	}
	if stored := h.row(r.Seq); !cmp.Equal(stored, row) {
		h.t.Errorf("report %+v gives another row than is stored: %s", r, cmp.Diff(stored, row))
	}
	return row
}

func testReports(t *testing.T, d Driver) {
	h := open(t, d)
	out := journal.Lane{Channel: "shop", Direction: journal.Out, TrackingID: "a"}
	counts := func() journal.Counts {
		return h.checkLedger()[journal.LedgerKey{Channel: out.Channel, Direction: out.Direction}].Counts
	}
	for name, end := range map[string]func(journal.Row){
		"pending": func(journal.Row) {},
		"done":    func(r journal.Row) { h.finish(r, journal.Done, "") },
		"dead":    func(r journal.Row) { h.finish(r, journal.Dead, "content") },
	} {
		r := h.acceptOne(entry(out, name))
		sent := h.clock.Now()
		h.commit(journal.Change{Seq: r.Seq, State: journal.Delivering, Attempts: 1, Parts: []journal.Part{
			{State: journal.PartSent, NetworkID: "n1", At: sent}, {State: journal.PartUnknown, At: sent},
		}})
		end(h.row(r.Seq))
		before, books := h.row(r.Seq), counts()
		want := before
		want.Parts = []journal.Part{before.Parts[0], before.Parts[1]}
		told := func(r journal.Report, part int, change func(p *journal.Part)) {
			h.clock.add(time.Second)
			if change != nil {
				change(&want.Parts[part])
				want.Parts[part].StatusAt = h.clock.Now()
			}
			got := h.reports(r, change != nil)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s: after %+v: %s", name, r, diff)
			}
		}
		told(journal.Report{Seq: r.Seq, Part: 0, NetworkID: "n1", Status: 2}, 0, func(p *journal.Part) { p.Status = 2 })
		told(journal.Report{Seq: r.Seq, Part: 0, NetworkID: "n1", Status: 2}, 0, nil)
		told(journal.Report{Seq: r.Seq, Part: 0, NetworkID: "n1", Status: 1}, 0, nil)
		told(journal.Report{Seq: r.Seq, Part: 0, NetworkID: "other", Status: 3}, 0, nil)
		told(journal.Report{Seq: r.Seq, Part: 0, Epoch: 1, NetworkID: "n1", Status: 5}, 0, nil)
		told(journal.Report{Seq: r.Seq, Part: 2, NetworkID: "n1", Status: 5}, 0, nil)
		told(journal.Report{Seq: r.Seq, Part: -1, NetworkID: "n1", Status: 5}, 0, nil)
		told(journal.Report{Seq: r.Seq, Part: 0, NetworkID: "n1", Status: 3, Reason: "blocked", Hint: "ask"}, 0, func(p *journal.Part) {
			p.Status, p.Reason, p.Hint = 3, "blocked", "ask"
		})
		told(journal.Report{Seq: r.Seq, Part: 1, NetworkID: "n2", Status: 4}, 1, func(p *journal.Part) { p.Status, p.NetworkID = 4, "n2" })
		// Another attempt brought it as well: the customer has it.
		told(journal.Report{Seq: r.Seq, Part: 1, NetworkID: "n3", Status: 5}, 1, func(p *journal.Part) { p.Status = 5 })
		told(journal.Report{Seq: r.Seq, Part: 1, Status: 5}, 1, nil)
		if diff := cmp.Diff(books, counts()); diff != "" {
			t.Errorf("%s: a report moved the ledger: %s", name, diff)
		}
		if !h.Volatile() {
			h.reopen()
			if diff := cmp.Diff(want, h.row(r.Seq)); diff != "" {
				t.Errorf("%s: after a restart: %s", name, diff)
			}
		}
	}
	if _, _, err := h.Report(t.Context(), journal.Report{Seq: 1 << 40, Status: 1}); !errors.Is(err, journal.ErrNotFound) {
		t.Errorf("a report of no row: %v", err)
	}
	if v, err := h.Verify(t.Context()); err != nil || len(v.Problems) != 0 {
		t.Errorf("verified %+v, %v", v, err)
	}
}

// testReportsInOrder: a report sees every change called before it, and one of no
// row fails alone.
func testReportsInOrder(t *testing.T, d Driver) {
	h := open(t, d)
	out := journal.Lane{Channel: "shop", Direction: journal.Out, TrackingID: "a"}
	for i := range 50 {
		r := h.acceptOne(entry(out, fmt.Sprint(i)))
		h.Apply(journal.Change{Seq: r.Seq, State: journal.Delivering, Parts: []journal.Part{{State: journal.PartAttempting}}})
		if _, _, err := h.Report(t.Context(), journal.Report{Seq: 1 << 40, Status: 1}); !errors.Is(err, journal.ErrNotFound) {
			t.Errorf("a report of no row: %v", err)
		}
		h.reports(journal.Report{Seq: r.Seq, NetworkID: "n", Status: 2}, true)
		h.Apply(journal.Change{Seq: r.Seq, State: journal.Done, Parts: []journal.Part{{State: journal.PartSent, NetworkID: "n"}}})
		h.reports(journal.Report{Seq: r.Seq, NetworkID: "n", Status: 3}, true)
		if got := h.row(r.Seq); got.State != journal.Done || got.Parts[0].State != journal.PartSent {
			t.Errorf("row %+v", got)
		}
	}
}

// testReportsKept: the send that goes on knows nothing of a report, and what it
// writes down leaves it as it is.
func testReportsKept(t *testing.T, d Driver) {
	h := open(t, d)
	r := h.acceptOne(entry(journal.Lane{Channel: "shop", Direction: journal.Out, TrackingID: "a"}, "1"))
	change := journal.Change{Seq: r.Seq, State: journal.Delivering, Attempts: 1}
	parts := func(first, second journal.Part) {
		t.Helper()
		change.Parts = []journal.Part{first, second}
		h.commit(change)
		if diff := cmp.Diff([]journal.Part{first, second}, change.Parts); diff != "" {
			t.Errorf("the journal wrote to the caller's parts: %s", diff)
		}
	}
	status := func(want ...uint8) {
		t.Helper()
		for i, p := range h.row(r.Seq).Parts {
			if p.Status != want[i] {
				t.Errorf("part %d has come as far as %d, want %d", i, p.Status, want[i])
			}
		}
	}
	attempting := journal.Part{State: journal.PartAttempting}
	sent := func(id string) journal.Part { return journal.Part{State: journal.PartSent, NetworkID: id} }
	parts(attempting, journal.Part{})
	h.reports(journal.Report{Seq: r.Seq, Part: 0, NetworkID: "n1", Status: 4}, true) // before the answer
	parts(journal.Part{State: journal.PartSent, NetworkID: "n1", Hint: "as a template"}, journal.Part{})
	status(4, 0)
	if p := h.row(r.Seq).Parts[0]; p.Hint != "as a template" {
		t.Errorf("a report without a reason took the hint: %+v", p)
	}
	if !h.Volatile() { // the next process works on it as it finds it, and makes its parts anew
		h.reopen()
		h.refill(r.Lane, 1)
	}
	parts(sent("n1"), journal.Part{})
	status(4, 0)
	// A change that is of another epoch, and dropped, takes nothing along.
	h.commit(journal.Change{Seq: r.Seq, Epoch: 1, State: journal.Done, Parts: []journal.Part{sent("n1"), {}}})
	parts(sent("n1"), journal.Part{})
	status(4, 0)
	parts(sent("n1"), attempting)
	h.reports(journal.Report{Seq: r.Seq, Part: 1, NetworkID: "n2", Status: 3, Reason: "blocked"}, true)
	parts(sent("n1"), sent("other")) // it was another attempt's
	status(4, 0)
	change.State = journal.Done
	parts(sent("n1"), sent("other"))
	status(4, 0)
	h.reports(journal.Report{Seq: r.Seq, Part: 0, NetworkID: "n1", Status: 5}, true)
	status(5, 0)
	h.reports(journal.Report{Seq: r.Seq, Part: 1, NetworkID: "n2", Status: 4}, true) // but this one arrived
	status(5, 4)
}

// testReportsRequeued: what was sent before a death keeps its reports, however the
// send goes on.
func testReportsRequeued(t *testing.T, d Driver) {
	h := open(t, d)
	r := h.acceptOne(entry(journal.Lane{Channel: "shop", Direction: journal.Out, TrackingID: "a"}, "1"))
	sent := []journal.Part{{State: journal.PartSent, NetworkID: "n1"}, {}}
	h.commit(journal.Change{Seq: r.Seq, State: journal.Dead, Parts: sent})
	h.reports(journal.Report{Seq: r.Seq, NetworkID: "n1", Status: 4}, true)
	if err := h.Requeue(t.Context(), r.Seq); err != nil {
		t.Fatal(err)
	}
	h.reports(journal.Report{Seq: r.Seq, NetworkID: "n1", Status: 5}, false) // the old epoch
	for _, state := range []journal.State{journal.Delivering, journal.Done} {
		h.commit(journal.Change{Seq: r.Seq, Epoch: 1, State: state, Parts: sent})
		if p := h.row(r.Seq).Parts[0]; p.Status != 4 || p.StatusAt.IsZero() {
			t.Errorf("%s: part %+v", state, p)
		}
	}
	h.reports(journal.Report{Seq: r.Seq, Epoch: 1, NetworkID: "n1", Status: 5}, true)
}
