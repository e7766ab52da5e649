package sqlite

import (
	"context"
	"encoding/json"
	"slices"

	"servicelink/gateway/journal"
)

// Sent is journal.Journal's. As Trace it reads the newest rows one by one: who
// asks does so once after a start.
func (j *Journal) Sent(ctx context.Context, q journal.SentQuery) ([]journal.Row, error) {
	names, err := json.Marshal(q.TrackingIDs)
	if err != nil {
		return nil, err
	}
	rows, err := j.selectRows(ctx, `WHERE m.seq IN (
		SELECT s.seq FROM message s NOT INDEXED WHERE s.seq > (SELECT max(seq) FROM message) - ?1 AND s.state = 3 AND s.lane IN (
			SELECT o.id * 2 + 1 FROM json_each(?3) i CROSS JOIN conversation o ON o.channel = ?2 AND o.tracking_id = i.value)
		ORDER BY s.seq DESC LIMIT ?4)
		ORDER BY m.seq DESC`, q.Recent, q.Channel, string(names), q.Limit)
	slices.Reverse(rows)
	return rows, err
}
