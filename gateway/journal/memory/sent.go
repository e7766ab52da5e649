package memory

import (
	"context"
	"slices"

	"servicelink/gateway/journal"
)

// Sent is journal.Journal's.
func (j *Journal) Sent(ctx context.Context, q journal.SentQuery) ([]journal.Row, error) {
	return j.newest(ctx, q.Recent, q.Limit, func(r *journal.Row) bool {
		return r.State == journal.Done && r.Lane.Direction == journal.Out &&
			r.Lane.Channel == q.Channel && slices.Contains(q.TrackingIDs, r.Lane.TrackingID)
	})
}
