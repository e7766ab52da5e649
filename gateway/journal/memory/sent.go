package memory

import (
	"cmp"
	"context"
	"slices"

	"servicelink/gateway/journal"
)

// Sent is journal.Journal's.
func (j *Journal) Sent(ctx context.Context, q journal.SentQuery) (rows []journal.Row, err error) {
	err = j.view(ctx, func(s *store) {
		var newest int64
		for seq := range s.rows {
			newest = max(newest, seq)
		}
		for seq, r := range s.rows {
			if seq > newest-q.Recent && r.State == journal.Done && r.Lane.Direction == journal.Out &&
				r.Lane.Channel == q.Channel && slices.Contains(q.TrackingIDs, r.Lane.TrackingID) {
				rows = append(rows, *r)
			}
		}
	})
	slices.SortFunc(rows, func(a, b journal.Row) int { return cmp.Compare(a.Seq, b.Seq) })
	return rows[max(0, len(rows)-q.Limit):], err
}
