package sqlite

import (
	"context"

	"servicelink/gateway/journal"
)

// Listed is journal.Journal's. Its index holds nothing but listed rows, so others
// cost nothing for it.
func (j *Journal) Listed(ctx context.Context, q journal.ListedQuery) ([]journal.Row, error) {
	conversation, err := j.integer(ctx, "SELECT id FROM conversation WHERE channel = ? AND tracking_id = ?",
		q.Lane.Channel, q.Lane.TrackingID)
	if err != nil || conversation == 0 {
		return nil, fail(ctx, err)
	}
	match, args := "p.value ->> 'id' = ?3", []any{laneNumber(conversation, q.Lane.Direction), q.Recent, q.NetworkID}
	if q.NetworkID == "" {
		match = "p.value ->> 's' = ?3 AND coalesce(p.value ->> 'at', 0) <= ?4 AND coalesce(p.value ->> 'st', 0) < ?5"
		args = append(args[:2], int64(journal.PartSent), q.SentBy.UnixMicro(), int64(q.Status))
	}
	return j.selectRows(ctx, `WHERE m.seq IN (
		SELECT l.seq FROM message l INDEXED BY message_listed WHERE l.lane = ?1 AND l.listed = 1 ORDER BY l.seq DESC LIMIT ?2)
		AND EXISTS (SELECT 1 FROM json_each(m.parts) p WHERE `+match+`)
		ORDER BY m.seq`, args...)
}
