package journaltest

import (
	"slices"
	"testing"

	"servicelink/gateway/journal"
)

func testTrace(t *testing.T, d Driver) {
	h := open(t, d)
	if rows, err := h.Trace(t.Context(), journal.TraceQuery{ID: "1", Recent: 10, Limit: 10}); err != nil || len(rows) != 0 {
		t.Errorf("an empty journal: %v, %v", rows, err)
	}
	out := journal.Lane{Channel: "shop", Direction: journal.Out, TrackingID: "a"}
	h.acceptOne(entry(laneIn("a"), "1"))
	h.acceptOne(entry(laneIn("b"), "2"))
	sent := h.acceptOne(journal.Entry{Lane: out, ID: "3", TextHash: 1, ChatID: "chat-1", Counter: 1, Content: []byte("ab\x00\xffc")})
	h.acceptOne(entry(journal.Lane{Channel: "other", Direction: journal.In, TrackingID: "a"}, "1"))
	h.commit(journal.Change{
		Seq: sent.Seq, State: journal.Done,
		Parts: []journal.Part{{State: journal.PartSent, NetworkID: `net"7`}, {State: journal.PartSent, NetworkID: "net8"}},
		Conv:  &journal.ConvChange{Channel: "shop", TrackingID: "a", ChatID: "chat-1", Counter: 1},
	})
	h.acceptOne(entry(laneIn("a"), "5")) // in chat-1, by its base
	h.acceptOne(entry(laneIn("c"), "12|text|5:77|ready"))
	for _, c := range []struct {
		q    journal.TraceQuery
		want []string
	}{
		{journal.TraceQuery{ID: "1"}, []string{"1", "1"}},
		{journal.TraceQuery{ID: "1", Channel: "other"}, []string{"1"}},
		{journal.TraceQuery{ID: "chat-1"}, []string{"3", "5"}},
		{journal.TraceQuery{ID: `net"7`}, []string{"3"}},
		{journal.TraceQuery{ID: "net8", Channel: "other"}, nil},
		{journal.TraceQuery{ID: "net"}, nil},
		{journal.TraceQuery{Within: []byte("b\x00\xffc")}, []string{"3"}},
		{journal.TraceQuery{Within: []byte("b\x00\xffc"), Channel: "shop"}, []string{"3"}},
		{journal.TraceQuery{Within: []byte("b\x00\xffc"), Channel: "other"}, nil},
		{journal.TraceQuery{Within: []byte("b\x00\xff\x00")}, nil},
		{journal.TraceQuery{Within: []byte("B\x00")}, nil},
		{journal.TraceQuery{ID: "12|text|5:77|ready"}, []string{"12|text|5:77|ready"}},
		{journal.TraceQuery{ID: "5:77"}, []string{"12|text|5:77|ready"}},
		{journal.TraceQuery{ID: "5:77|ready"}, []string{"12|text|5:77|ready"}},
		{journal.TraceQuery{ID: "text"}, nil},
		{journal.TraceQuery{ID: "12"}, nil},
		{journal.TraceQuery{ID: "5:7"}, nil},
		{journal.TraceQuery{ID: ":77"}, nil},
		{journal.TraceQuery{Channel: "shop", TrackingID: "a"}, []string{"1", "3", "5"}},
		{journal.TraceQuery{Channel: "shop", TrackingID: "a", Limit: 2}, []string{"3", "5"}},
		{journal.TraceQuery{Channel: "shop", TrackingID: "a", Recent: 4}, []string{"3", "5"}},
		{journal.TraceQuery{Channel: "shop", TrackingID: "a", Recent: 2}, []string{"5"}},
		{journal.TraceQuery{ID: "1", Recent: 4}, []string{"1"}},
		{journal.TraceQuery{Channel: "shop", TrackingID: "nobody"}, nil},
		{journal.TraceQuery{Channel: "nobody", TrackingID: "a"}, nil},
	} {
		if c.q.Recent == 0 {
			c.q.Recent = 100
		}
		if c.q.Limit == 0 {
			c.q.Limit = 100
		}
		rows, err := h.Trace(t.Context(), c.q)
		if err != nil || !slices.Equal(ids(rows), c.want) {
			t.Errorf("%+v: %v, %v, want %v", c.q, ids(rows), err, c.want)
		}
	}
}
