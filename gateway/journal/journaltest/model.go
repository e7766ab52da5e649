package journaltest

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"servicelink/gateway/journal"
)

// model is what the journal must hold, kept in the plainest way.
type model struct {
	h      *harness
	keepID time.Duration
	rows   map[int64]*journal.Row
	counts map[journal.LedgerKey]journal.Counts
	known  map[[2]string]bool      // conversations
	past   map[rowName]journal.Row // forgotten rows
	window map[[2]string]window    // of conversations
	listed map[int64]bool          // rows by Seq
	lanes  []journal.Lane
	steps  int
}

// rowName is how a row is known when its Seq is not.
type rowName struct {
	lane journal.Lane
	id   string
}

// RunModel drives journals at random, reopening them now and then, and compares
// them with a model after every step. Run includes it.
func RunModel(t *testing.T, fresh func(testing.TB) Driver) {
	rapid.Check(t, func(rt *rapid.T) {
		d := fresh(t)
		h := &harness{t: t, d: d, clock: newClock()}
		h.o = journal.Options{
			Now: h.clock.Now, OnCommit: h.take, KeepContent: time.Hour, KeepIDs: 4 * time.Hour,
		}
		h.open()
		defer func() {
			if err := h.Close(); err != nil {
				rt.Errorf("close: %v", err)
			}
		}()
		m := &model{
			h: h, keepID: 4 * time.Hour, rows: map[int64]*journal.Row{}, counts: map[journal.LedgerKey]journal.Counts{},
			known: map[[2]string]bool{}, past: map[rowName]journal.Row{}, window: map[[2]string]window{},
			listed: map[int64]bool{},
		}
		for _, ch := range []string{"shop", "help"} {
			for _, id := range []string{"a", "b"} {
				m.lanes = append(m.lanes, journal.Lane{Channel: ch, Direction: journal.In, TrackingID: id},
					journal.Lane{Channel: ch, Direction: journal.Out, TrackingID: id})
			}
		}
		rt.Repeat(map[string]func(*rapid.T){
			"accept": m.accept, "accept again": m.accept, "change": m.change, "change again": m.change,
			"report": m.report, "report again": m.report, "window": m.moveWindow,
			"requeue": m.requeue, "discard": m.discard, "forget": m.forget, "sweep": m.sweep, "time": m.time, "reopen": m.reopen,
			"": m.check,
		})
		m.checkRows(rt)
	})
}

func (m *model) find(lane journal.Lane, id string) *journal.Row {
	for _, r := range m.rows {
		if r.Lane == lane && r.ID == id {
			return r
		}
	}
	return nil
}

func (m *model) count(lane journal.Lane, by journal.Counts) {
	k := journal.LedgerKey{Channel: lane.Channel, Direction: lane.Direction}
	c := m.counts[k]
	c.Accepted += by.Accepted
	c.Requeued += by.Requeued
	c.Done += by.Done
	c.Dead += by.Dead
	c.Pending += by.Pending
	m.counts[k] = c
}

func (m *model) accept(t *rapid.T) {
	entries := make([]journal.Entry, rapid.IntRange(1, 4).Draw(t, "entries"))
	for i := range entries {
		entries[i] = entry(rapid.SampledFrom(m.lanes).Draw(t, "lane"), fmt.Sprint(rapid.IntRange(0, 9).Draw(t, "id")))
		if rapid.IntRange(0, 9).Draw(t, "dead") == 0 {
			entries[i].DeadReason = "address"
		}
	}
	m.h.taken()
	verdicts, err := m.h.Accept(m.h.t.Context(), entries...)
	if err != nil {
		t.Fatalf("accept: %v", err)
	}
	handed := m.h.taken()
	for i, e := range entries {
		known := m.find(e.Lane, e.ID)
		want := journal.New
		_, past := m.past[rowName{e.Lane, e.ID}]
		switch {
		case known != nil || past:
			want = journal.Repeat
		case e.DeadReason != "":
			want = journal.Refused
			m.count(e.Lane, journal.Counts{Accepted: 1, Dead: 1})
		default:
			m.count(e.Lane, journal.Counts{Accepted: 1, Pending: 1})
		}
		if verdicts[i] != want {
			t.Fatalf("entry %d: verdict %v, want %v", i, verdicts[i], want)
		}
		if past {
			continue
		}
		if known == nil {
			known = m.added(t, e)
		}
		if known.State.Pending() {
			if len(handed) == 0 || handed[0].Seq != known.Seq || handed[0].Repeat != (want == journal.Repeat) {
				t.Fatalf("entry %d: handed over %+v, want %d", i, handed, known.Seq)
			}
			handed = handed[1:]
		}
	}
	if len(handed) != 0 {
		t.Fatalf("handed over beside: %+v", handed)
	}
}

// added puts a new row into the model as the journal tells it.
func (m *model) added(t *rapid.T, e journal.Entry) *journal.Row {
	found, err := m.h.Find(m.h.t.Context(), e.Lane, journal.IDHash{ID: e.ID, TextHash: e.TextHash})
	if err != nil || found[0] == nil {
		t.Fatalf("find: %v, %v", found, err)
	}
	r := found[0]
	m.rows[r.Seq] = r
	m.known[[2]string{e.Lane.Channel, e.Lane.TrackingID}] = true
	return r
}

// some draws a row of the model, nil when there is none.
func (m *model) some(t *rapid.T) *journal.Row {
	seqs := make([]int64, 0, len(m.rows))
	for seq := range m.rows {
		seqs = append(seqs, seq)
	}
	if len(seqs) == 0 {
		return nil
	}
	slices.Sort(seqs)
	return m.rows[rapid.SampledFrom(seqs).Draw(t, "row")]
}

func (m *model) change(t *rapid.T) {
	r := m.some(t)
	if r == nil {
		return
	}
	c := journal.Change{
		Seq: r.Seq, Epoch: r.Epoch - int32(rapid.IntRange(0, 4).Draw(t, "old")/4),
		State:    rapid.SampledFrom([]journal.State{journal.Accepted, journal.Delivering, journal.Done, journal.Done, journal.Dead}).Draw(t, "state"),
		Attempts: rapid.IntRange(0, 3).Draw(t, "attempts"), Strikes: rapid.IntRange(0, 4).Draw(t, "strikes"), Reason: "r",
	}
	if rapid.Bool().Draw(t, "with parts") {
		c.Parts, c.Listed = someParts(t), rapid.Bool().Draw(t, "listed")
	}
	if rapid.Bool().Draw(t, "wait") {
		if err := m.h.Commit(m.h.t.Context(), c); err != nil {
			t.Fatalf("commit: %v", err)
		}
	} else {
		m.h.Apply(c)
		m.h.refill(r.Lane, 1) // waits for it
	}
	if !r.State.Pending() || c.Epoch != r.Epoch {
		return
	}
	r.State, r.Attempts, r.Strikes, r.Reason = c.State, c.Attempts, c.Strikes, c.Reason
	if c.Parts != nil {
		r.Parts = overwritten(r.Parts, c.Parts)
		m.listed[r.Seq] = m.listed[r.Seq] || c.Listed
	}
	switch c.State {
	case journal.Done:
		r.EndedAt = m.h.clock.Now()
		m.count(r.Lane, journal.Counts{Done: 1, Pending: -1})
	case journal.Dead:
		r.EndedAt = m.h.clock.Now()
		m.count(r.Lane, journal.Counts{Dead: 1, Pending: -1})
	}
}

func (m *model) requeue(t *rapid.T) {
	r := m.some(t)
	if r == nil {
		return
	}
	err := m.h.Requeue(m.h.t.Context(), r.Seq)
	if r.State != journal.Dead || r.Reason == "discarded" {
		if !errors.Is(err, journal.ErrNotDead) {
			t.Fatalf("requeue of %+v: %v", r, err)
		}
		return
	}
	if err != nil {
		t.Fatalf("requeue: %v", err)
	}
	r.State, r.Epoch, r.Attempts, r.Strikes, r.Reason, r.EndedAt = journal.Accepted, r.Epoch+1, 0, 0, "", time.Time{}
	r.Parts = revived(r.Parts)
	m.count(r.Lane, journal.Counts{Requeued: 1, Pending: 1})
}

func (m *model) discard(t *rapid.T) {
	r := m.some(t)
	if r == nil {
		return
	}
	err := m.h.Discard(m.h.t.Context(), r.Seq)
	if r.State != journal.Dead || r.Reason == "discarded" {
		if !errors.Is(err, journal.ErrNotDead) {
			t.Fatalf("discard of %+v: %v", r, err)
		}
		return
	}
	if err != nil {
		t.Fatalf("discard: %v", err)
	}
	r.Reason, r.Content = "discarded", nil
}

func (m *model) forget(t *rapid.T) {
	l := rapid.SampledFrom(m.lanes).Draw(t, "lane")
	name := [2]string{l.Channel, l.TrackingID}
	var rows []*journal.Row
	pending := false
	for _, r := range m.rows {
		if r.Lane.Channel == l.Channel && r.Lane.TrackingID == l.TrackingID {
			rows = append(rows, r)
			pending = pending || r.State.Pending()
		}
	}
	f, err := m.h.Forget(m.h.t.Context(), l.Channel, l.TrackingID)
	switch {
	case !m.known[name]:
		if !errors.Is(err, journal.ErrNotFound) {
			t.Fatalf("forget of nobody: %v", err)
		}
	case pending:
		if !errors.Is(err, journal.ErrPending) {
			t.Fatalf("forget with pending rows: %v", err)
		}
	case err != nil || f.Messages != len(rows) || !f.Clean:
		t.Fatalf("forgot %+v of %d rows, %v", f, len(rows), err)
	default:
		for _, r := range rows {
			m.past[rowName{r.Lane, r.ID}] = *r
			delete(m.rows, r.Seq)
		}
		delete(m.known, name)
		delete(m.window, name)
	}
}

func (m *model) time(t *rapid.T) {
	m.h.clock.add(time.Duration(rapid.IntRange(1, 150).Draw(t, "minutes")) * time.Minute)
}

// sweep takes from the journal which ids it still knows: they may live longer
// than KeepIDs, never shorter.
func (m *model) sweep(t *rapid.T) {
	m.h.sweepAll()
	now := m.h.clock.Now()
	for name, r := range m.past {
		if now.Sub(r.EndedAt) >= m.keepID {
			delete(m.past, name)
		}
	}
	for seq, r := range m.rows {
		if r.State == journal.Done && now.Sub(r.EndedAt) >= time.Hour {
			r.Content = nil
		}
		if !r.State.Pending() && now.Sub(r.EndedAt) >= m.keepID {
			if _, err := m.h.Row(m.h.t.Context(), seq); errors.Is(err, journal.ErrNotFound) {
				delete(m.rows, seq)
			}
		}
	}
}

func (m *model) reopen(*rapid.T) {
	if !m.h.Volatile() {
		m.h.reopen()
	}
}

// check compares the ledger after every step, and all else now and then.
func (m *model) check(t *rapid.T) {
	ledger := m.h.checkLedger()
	for k, want := range m.counts {
		if got := ledger[k].Counts; got != want {
			t.Fatalf("ledger of %v: %+v, want %+v", k, got, want)
		}
	}
	if m.steps++; m.steps%8 == 0 {
		m.checkRows(t)
	}
}

func (m *model) checkRows(t *rapid.T) {
	m.checkWindows(t)
	m.checkListed(t)
	pending := map[journal.Lane][]int64{}
	for seq, want := range m.rows {
		got, err := m.h.Row(m.h.t.Context(), seq)
		if err != nil {
			t.Fatalf("row %d: %v", seq, err)
		}
		if len(got.Content) == 0 {
			got.Content = nil
		}
		if diff := cmp.Diff(*want, got); diff != "" {
			t.Fatalf("row %d: %s", seq, diff)
		}
		if want.State.Pending() {
			pending[want.Lane] = append(pending[want.Lane], seq)
		}
	}
	for _, lane := range m.lanes {
		want := pending[lane]
		slices.Sort(want)
		rows, more := m.h.refill(lane, 1000)
		var got []int64
		for _, r := range rows {
			got = append(got, r.Seq)
		}
		if diff := cmp.Diff(want, got); diff != "" || more {
			t.Fatalf("pending of %v (more %v): %s", lane, more, diff)
		}
	}
}
