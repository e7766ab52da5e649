package journaltest

import (
	"errors"
	"slices"
	"time"

	"pgregory.net/rapid"

	"servicelink/gateway/journal"
)

// window is a conversation's reply window, and its customer's profile.
type window struct {
	end     time.Time
	by      string
	profile journal.Profile
}

var networkIDs = []string{"", "n1", "n2"}

// someParts are parts as a send writes them down, which knows of no report.
func someParts(t *rapid.T) []journal.Part {
	parts := make([]journal.Part, rapid.IntRange(1, 3).Draw(t, "parts"))
	for i := range parts {
		parts[i] = journal.Part{
			State:     journal.PartState(rapid.IntRange(0, 4).Draw(t, "part state")),
			NetworkID: rapid.SampledFrom(networkIDs).Draw(t, "part id"),
			Reason:    rapid.SampledFrom([]string{"", "late"}).Draw(t, "part reason"),
		}
	}
	return parts
}

// sameSend: an id that is not known contradicts none.
func sameSend(a, b string) bool { return a == "" || b == "" || a == b }

// speaksOf tells whether a status reported of one send is one of the other's part.
func speaksOf(a, b string, status uint8) bool { return sameSend(a, b) || status >= journal.Delivered }

// overwritten is what is recorded once a change has brought new parts.
func overwritten(old, parts []journal.Part) []journal.Part {
	parts = slices.Clone(parts)
	for i := range parts {
		if i >= len(old) || old[i].Status == 0 || !speaksOf(old[i].NetworkID, parts[i].NetworkID, old[i].Status) {
			continue
		}
		parts[i].Status, parts[i].StatusAt = old[i].Status, old[i].StatusAt
		if parts[i].NetworkID == "" {
			parts[i].NetworkID = old[i].NetworkID
		}
		if parts[i].Reason == "" && old[i].Reason != "" {
			parts[i].Reason, parts[i].Hint = old[i].Reason, old[i].Hint
		}
	}
	return parts
}

// revived is what a requeue leaves of parts: what was sent, and doubts.
func revived(old []journal.Part) []journal.Part {
	parts := slices.Clone(old)
	for i, p := range parts {
		if p.State != journal.PartSent {
			parts[i] = journal.Part{Doubt: p.Doubt || p.State == journal.PartAttempting || p.State == journal.PartUnknown}
		}
	}
	if !slices.ContainsFunc(parts, func(p journal.Part) bool { return p.State == journal.PartSent || p.Doubt }) {
		return nil
	}
	return parts
}

func (m *model) report(t *rapid.T) {
	r := m.some(t)
	if r == nil {
		return
	}
	by := journal.Report{
		Seq: r.Seq, Epoch: r.Epoch - int32(rapid.IntRange(0, 4).Draw(t, "old")/4),
		Part: rapid.IntRange(-1, 3).Draw(t, "part"), NetworkID: rapid.SampledFrom(networkIDs).Draw(t, "id"),
		Status: uint8(rapid.IntRange(0, 5).Draw(t, "status")), At: m.h.clock.Now(),
	}
	if rapid.Bool().Draw(t, "failed") {
		by.Reason, by.Hint = "blocked", "ask"
	}
	row, changed, err := m.h.Report(m.h.t.Context(), by)
	if err != nil {
		t.Fatalf("report: %v", err)
	}
	tells := by.Epoch == r.Epoch && by.Part >= 0 && by.Part < len(r.Parts) && by.Status > r.Parts[by.Part].Status &&
		speaksOf(r.Parts[by.Part].NetworkID, by.NetworkID, by.Status)
	if changed != tells || row.Seq != r.Seq {
		t.Fatalf("report %+v of %+v: changed %v, row %+v", by, r, changed, row)
	}
	if !tells {
		return
	}
	r.Parts = slices.Clone(r.Parts)
	p := &r.Parts[by.Part]
	p.Status, p.StatusAt = by.Status, by.At
	if p.NetworkID == "" {
		p.NetworkID = by.NetworkID
	}
	if by.Reason != "" {
		p.Reason, p.Hint = by.Reason, by.Hint
	}
}

// checkListed compares what is found by the lane, each time by another question.
func (m *model) checkListed(t *rapid.T) {
	for _, lane := range m.lanes {
		q := journal.ListedQuery{
			Lane: lane, NetworkID: rapid.SampledFrom(networkIDs).Draw(t, "sought"), SentBy: m.h.clock.Now(),
			Status: uint8(rapid.IntRange(0, 6).Draw(t, "below")), Recent: 1000,
		}
		var want []int64
		for seq, r := range m.rows {
			found := slices.ContainsFunc(r.Parts, func(p journal.Part) bool {
				if q.NetworkID != "" {
					return p.NetworkID == q.NetworkID
				}
				return p.State == journal.PartSent && p.Status < q.Status
			})
			if r.Lane == lane && m.listed[seq] && found {
				want = append(want, seq)
			}
		}
		slices.Sort(want)
		rows, err := m.h.Listed(m.h.t.Context(), q)
		var got []int64
		for _, r := range rows {
			got = append(got, r.Seq)
		}
		if err != nil || !slices.Equal(got, want) {
			t.Fatalf("listed by %+v: %v, %v, want %v", q, got, err, want)
		}
	}
}

// moveWindow moves a conversation's reply window and its profile, or says nothing
// of them.
func (m *model) moveWindow(t *rapid.T) {
	l := rapid.SampledFrom(m.lanes).Draw(t, "lane")
	c := journal.ConvChange{Channel: l.Channel, TrackingID: l.TrackingID, Counter: 1, WindowBy: journal.WindowByNetwork}
	name := [2]string{l.Channel, l.TrackingID}
	if hours := rapid.IntRange(-2, 24).Draw(t, "hours"); hours != 0 {
		c.WindowEnd = m.h.clock.Now().Add(time.Duration(hours) * time.Hour)
		c.WindowBy = rapid.SampledFrom([]string{journal.WindowByCustomer, journal.WindowByNetwork}).Draw(t, "by")
		w := m.window[name]
		w.end, w.by = c.WindowEnd, c.WindowBy
		m.window[name] = w
	}
	if rapid.Bool().Draw(t, "profile") {
		c.Profile = &journal.Profile{
			Name: rapid.SampledFrom([]string{"", "Ann", "Bob"}).Draw(t, "name"), Culture: rapid.SampledFrom([]string{"", "cs"}).Draw(t, "culture"),
			At: m.h.clock.Now(),
		}
		w := m.window[name]
		w.profile = *c.Profile
		m.window[name] = w
	}
	m.known[name] = true
	if err := m.h.Commit(m.h.t.Context(), journal.Change{Conv: &c}); err != nil {
		t.Fatalf("commit: %v", err)
	}
}

func (m *model) checkWindows(t *rapid.T) {
	for _, l := range m.lanes {
		name := [2]string{l.Channel, l.TrackingID}
		c, ok, err := m.h.Conversation(m.h.t.Context(), l.Channel, l.TrackingID)
		if err != nil || ok != m.known[name] {
			t.Fatalf("conversation %v: known %v, %v", name, ok, err)
		}
		if want := m.window[name]; !c.WindowEnd.Equal(want.end) || c.WindowBy != want.by {
			t.Fatalf("window of %v: until %v by %q, want %+v", name, c.WindowEnd, c.WindowBy, want)
		} else if c.Profile != want.profile {
			t.Fatalf("profile of %v: %+v, want %+v", name, c.Profile, want.profile)
		}
	}
	for _, r := range m.past {
		if _, _, err := m.h.Report(m.h.t.Context(), journal.Report{Seq: r.Seq, Status: 5}); !errors.Is(err, journal.ErrNotFound) {
			t.Fatalf("report of a forgotten row: %v", err)
		}
	}
}
