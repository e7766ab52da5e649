package memory

import (
	"bytes"
	"cmp"
	"context"
	"slices"
	"strings"

	"servicelink/gateway/journal"
)

// Trace is journal.Journal's.
func (j *Journal) Trace(ctx context.Context, q journal.TraceQuery) ([]journal.Row, error) {
	return j.newest(ctx, q.Recent, q.Limit, func(r *journal.Row) bool { return traced(r, q) })
}

// newest gives the newest rows that match, limit at most, of the newest recent
// ones.
func (j *Journal) newest(ctx context.Context, recent int64, limit int, match func(*journal.Row) bool) (rows []journal.Row, err error) {
	err = j.view(ctx, func(s *store) {
		var newest int64
		for seq := range s.rows {
			newest = max(newest, seq)
		}
		for seq, r := range s.rows {
			if seq > newest-recent && match(r) {
				rows = append(rows, *r)
			}
		}
	})
	slices.SortFunc(rows, func(a, b journal.Row) int { return cmp.Compare(a.Seq, b.Seq) })
	return rows[max(0, len(rows)-limit):], err
}

func traced(r *journal.Row, q journal.TraceQuery) bool {
	if q.TrackingID != "" {
		return r.Lane.Channel == q.Channel && r.Lane.TrackingID == q.TrackingID
	}
	if q.Channel != "" && r.Lane.Channel != q.Channel {
		return false
	}
	if len(q.Within) > 0 {
		return bytes.Contains(r.Content, q.Within)
	}
	return r.ID == q.ID || member(r.ID, q.ID) || r.ChatID == q.ID || r.BaseChat == q.ID ||
		slices.ContainsFunc(r.Parts, func(p journal.Part) bool { return p.NetworkID == q.ID })
}

// member tells whether id, of account|kind|the network's id|revision, has what is
// sought from its third member on.
func member(id, sought string) bool {
	return strings.Index(id+"|", "|"+sought+"|") > strings.Index(id, "|")
}
