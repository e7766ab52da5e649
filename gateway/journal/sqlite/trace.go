package sqlite

import (
	"context"
	"slices"

	"servicelink/gateway/journal"
)

// Trace is journal.Journal's. It reads the newest rows one by one: an index of
// its own would be the writer's work with every message.
func (j *Journal) Trace(ctx context.Context, q journal.TraceQuery) ([]journal.Row, error) {
	rest, args := "WHERE m.seq > (SELECT max(seq) FROM message) - ?1 ", []any{q.Recent, q.Limit}
	switch {
	case q.TrackingID != "":
		conversation, err := j.integer(ctx, "SELECT id FROM conversation WHERE channel = ? AND tracking_id = ?", q.Channel, q.TrackingID)
		if err != nil || conversation == 0 {
			return nil, fail(ctx, err)
		}
		rest += "AND m.lane >> 1 = ?3 "
		args = append(args, conversation)
	case len(q.Within) > 0:
		rest += "AND (?3 = '' OR c.channel = ?3) AND instr(m.content, ?4) "
		args = append(args, q.Channel, q.Within)
	default:
		rest += `AND (?3 = '' OR c.channel = ?3) AND (m.id = ?4 OR instr(m.id || '|', '|' || ?4 || '|') > instr(m.id, '|') OR m.chat_id = ?4 OR m.base_chat = ?4 OR
			EXISTS (SELECT 1 FROM json_each(m.parts) p WHERE p.value ->> 'id' = ?4)) `
		args = append(args, q.Channel, q.ID)
	}
	rows, err := j.selectRows(ctx, rest+"ORDER BY m.seq DESC LIMIT ?2", args...)
	slices.Reverse(rows)
	return rows, err
}
