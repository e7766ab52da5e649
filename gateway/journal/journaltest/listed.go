package journaltest

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"servicelink/gateway/journal"
)

// listing helps a test of Listed.
type listing struct {
	*harness
	out journal.Lane
}

// sends takes a row as far as a send does: the attempt, then its end.
func (h listing) sends(lane journal.Lane, id string, listed bool, end journal.State, parts ...journal.Part) journal.Row {
	h.t.Helper()
	r := h.acceptOne(entry(lane, id))
	h.commit(journal.Change{Seq: r.Seq, State: journal.Delivering, Attempts: 1, Parts: []journal.Part{{State: journal.PartAttempting}}, Listed: listed})
	h.commit(journal.Change{Seq: r.Seq, State: end, Attempts: 1, Parts: parts})
	return h.row(r.Seq)
}

func (h listing) finds(q journal.ListedQuery, want ...string) {
	h.t.Helper()
	if q.Lane.Channel == "" {
		q.Lane = h.out
	}
	if q.Recent == 0 {
		q.Recent = 100
	}
	rows, err := h.Listed(h.t.Context(), q)
	if err != nil || !slices.Equal(ids(rows), want) {
		h.t.Errorf("%+v: %v, %v, want %v", q, ids(rows), err, want)
	}
}

func testListed(t *testing.T, d Driver) {
	h := listing{open(t, d), journal.Lane{Channel: "shop", Direction: journal.Out, TrackingID: "a"}}
	at := h.clock.Now()
	sent := func(id string, after time.Duration, status uint8) journal.Part {
		return journal.Part{State: journal.PartSent, NetworkID: id, At: at.Add(after), Status: status}
	}
	h.finds(journal.ListedQuery{NetworkID: "n1"}) // nobody is known
	h.sends(h.out, "1", true, journal.Done, sent("n1", 0, 0))
	h.sends(h.out, "2", false, journal.Done, sent("n2", 0, 0)) // not listed
	h.sends(h.out, "3", true, journal.Dead, sent("n3", time.Second, 4), journal.Part{State: journal.PartRejected, At: at})
	h.sends(h.out, "4", true, journal.Delivering, sent("n4", 2*time.Second, 5), sent("n5", time.Minute, 0))
	h.sends(h.out, "5", true, journal.Delivering, journal.Part{State: journal.PartAttempting, At: at}, journal.Part{State: journal.PartUnknown, At: at})
	other := h.out
	other.TrackingID = "b"
	h.sends(other, "6", true, journal.Done, sent("n1", 0, 0))
	in := h.out
	in.Direction = journal.In
	h.finds(journal.ListedQuery{Lane: in, NetworkID: "n1"})
	for range 2 {
		h.finds(journal.ListedQuery{NetworkID: "n1"}, "1")
		h.finds(journal.ListedQuery{Lane: other, NetworkID: "n1"}, "6")
		h.finds(journal.ListedQuery{NetworkID: "n2"})
		h.finds(journal.ListedQuery{NetworkID: "n3"}, "3")
		h.finds(journal.ListedQuery{NetworkID: "n5"}, "4")
		h.finds(journal.ListedQuery{NetworkID: "n"})
		h.finds(journal.ListedQuery{SentBy: at.Add(-time.Microsecond), Status: 5})
		h.finds(journal.ListedQuery{SentBy: at, Status: 5}, "1")
		h.finds(journal.ListedQuery{SentBy: at.Add(time.Second), Status: 4}, "1")
		h.finds(journal.ListedQuery{SentBy: at.Add(time.Second), Status: 5}, "1", "3")
		h.finds(journal.ListedQuery{SentBy: at.Add(2 * time.Second), Status: 5}, "1", "3")
		h.finds(journal.ListedQuery{SentBy: at.Add(time.Minute), Status: 1}, "1", "4")
		h.finds(journal.ListedQuery{SentBy: at.Add(time.Minute), Status: 5, Recent: 3}, "3", "4")
		h.finds(journal.ListedQuery{NetworkID: "n1", Recent: 3})
		if !h.Volatile() {
			h.reopen()
		}
	}
}

// testListedMoves: what is listed stays so, however the row goes on, until it is
// gone.
func testListedMoves(t *testing.T, d Driver) {
	h := listing{open(t, d, func(o *journal.Options) { o.KeepIDs = time.Hour }), journal.Lane{Channel: "shop", Direction: journal.Out, TrackingID: "a"}}
	sent := journal.Part{State: journal.PartSent, NetworkID: "n1", At: h.clock.Now()}
	r := h.sends(h.out, "1", true, journal.Dead, sent)
	dropped := h.acceptOne(entry(h.out, "2"))
	h.commit(journal.Change{Seq: dropped.Seq, Epoch: 7, State: journal.Done, Parts: []journal.Part{sent}, Listed: true}) // another epoch's
	h.finds(journal.ListedQuery{NetworkID: "n1"}, "1")
	h.reports(journal.Report{Seq: r.Seq, NetworkID: "n1", Status: 4}, true)
	h.finds(journal.ListedQuery{SentBy: sent.At, Status: 4})
	h.finds(journal.ListedQuery{SentBy: sent.At, Status: 5}, "1")
	if err := h.Requeue(t.Context(), r.Seq); err != nil {
		t.Fatal(err)
	}
	h.finds(journal.ListedQuery{NetworkID: "n1"}, "1")
	h.commit(journal.Change{Seq: r.Seq, Epoch: 1, State: journal.Done, Parts: []journal.Part{sent}, Listed: true}) // again
	h.finds(journal.ListedQuery{NetworkID: "n1"}, "1")
	h.finish(dropped, journal.Done, "")
	h.clock.add(2 * time.Hour)
	h.sweepAll()
	h.finds(journal.ListedQuery{NetworkID: "n1"})

	for i := range 5 {
		h.sends(h.out, fmt.Sprint("f", i), true, journal.Done, sent)
	}
	h.finds(journal.ListedQuery{NetworkID: "n1", Recent: 2}, "f3", "f4")
	if _, err := h.Forget(t.Context(), "shop", "a"); err != nil {
		t.Fatal(err)
	}
	h.finds(journal.ListedQuery{NetworkID: "n1"})
	h.sends(h.out, "again", true, journal.Done, sent)
	h.finds(journal.ListedQuery{NetworkID: "n1"}, "again")
	if v, err := h.Verify(t.Context()); err != nil || len(v.Problems) != 0 {
		t.Errorf("verified %+v, %v", v, err)
	}
}
