package sqlite

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"slices"
	"strconv"
	"time"

	"servicelink/gateway/journal"
	"servicelink/gateway/journal/internal/writer"
)

// querier is a pool or a transaction.
type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

// each calls fn with every row of a query; the slice is reused.
func each(ctx context.Context, q querier, columns int, fn func([]driver.Value) error, query string, args ...any) (err error) {
	rows, err := q.QueryContext(ctx, query, args...)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	values, scanned, dest := make([]driver.Value, columns), make([]any, columns), make([]any, columns)
	for i := range scanned {
		dest[i] = &scanned[i]
	}
	for rows.Next() {
		if err := rows.Scan(dest...); err != nil {
			return err
		}
		for i, v := range scanned {
			values[i] = v
		}
		if err := fn(values); err != nil {
			return err
		}
	}
	return rows.Err()
}

// fail makes a reading call's error: the caller's own end of patience stays
// what it is.
func fail(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return readError(err)
}

// selectRows reads whole rows by the rest of a query.
func (j *Journal) selectRows(ctx context.Context, rest string, args ...any) (rows []journal.Row, err error) {
	err = each(ctx, j.db, rowColumns, func(v []driver.Value) error {
		var r journal.Row
		if err := decodeRow(v, &r); err != nil {
			return err
		}
		rows = append(rows, r)
		return nil
	}, selectRow+rest, args...)
	return rows, fail(ctx, err)
}

// Find is journal.Journal's.
func (j *Journal) Find(ctx context.Context, lane journal.Lane, keys ...journal.IDHash) ([]*journal.Row, error) {
	found := make([]*journal.Row, len(keys))
	conversation, err := j.integer(ctx, "SELECT id FROM conversation WHERE channel = ? AND tracking_id = ?",
		lane.Channel, lane.TrackingID)
	if err != nil {
		return found, fail(ctx, err)
	}
	defer j.s.forgetting.remains.Fill(lane, keys, found)
	if conversation == 0 {
		return found, nil
	}
	number := laneNumber(conversation, lane.Direction)
	for i, k := range keys {
		if found[i], err = j.find(ctx, number, k); err != nil {
			return nil, fail(ctx, err)
		}
	}
	return found, nil
}

// find looks where the id may be: in memory, then on disk.
func (j *Journal) find(ctx context.Context, lane int64, k journal.IDHash) (*journal.Row, error) {
	hash := j.s.seen.hashOf(j.s.seen.keyBytes(nil, lane, k.ID, k.TextHash))
	seqs, parts := j.s.seen.snapshot(hash)
	for _, seq := range seqs {
		if r, err := j.match(ctx, seq, lane, k); r != nil || err != nil {
			return r, err
		}
	}
	for _, p := range parts {
		for at := p<<hashBits | hash; ; at++ {
			seq, err := j.integer(ctx, "SELECT seq FROM seen WHERE k = ?", at)
			if err != nil {
				return nil, err
			}
			if seq == 0 {
				break
			}
			if r, err := j.match(ctx, seq, lane, k); r != nil || err != nil {
				return r, err
			}
		}
	}
	return nil, nil
}

// match reads a row if it has the key.
func (j *Journal) match(ctx context.Context, seq, lane int64, k journal.IDHash) (*journal.Row, error) {
	rows, err := j.selectRows(ctx, "WHERE m.seq = ? AND m.lane = ? AND m.id = ? AND m.text_hash = ?",
		seq, lane, k.ID, int64(k.TextHash))
	if err != nil || len(rows) == 0 {
		return nil, err
	}
	return &rows[0], nil
}

// integer gives the first column of the first row, 0 when there is none.
func (j *Journal) integer(ctx context.Context, query string, args ...any) (n int64, err error) {
	err = each(ctx, j.db, 1, func(v []driver.Value) error {
		n = asInt(v[0])
		return nil
	}, query, args...)
	return n, err
}

// Lanes is journal.Journal's. Its names are read from disk, a piece at a time.
func (j *Journal) Lanes(ctx context.Context, channel string, dir journal.Direction) (lanes []journal.LaneInfo, err error) {
	if err := j.db.PingContext(ctx); err != nil {
		return nil, fail(ctx, err)
	}
	list := j.s.pending.list(journal.LedgerKey{Channel: channel, Direction: dir})
	lanes = slices.Grow(lanes, len(list))
	for piece := range slices.Chunk(list, lanesPiece) {
		names, err := j.trackingIDs(ctx, piece)
		if err != nil {
			return nil, fail(ctx, err)
		}
		for _, l := range piece {
			lanes = append(lanes, journal.LaneInfo{
				Lane:    journal.Lane{Channel: channel, Direction: dir, TrackingID: names[l.number>>1]},
				Pending: l.rows,
			})
		}
	}
	return lanes, nil
}

// lanesPiece is how many conversations' names one query reads.
const lanesPiece = 4096

// trackingIDs names the conversations of lanes.
func (j *Journal) trackingIDs(ctx context.Context, lanes []laneCount) (map[int64]string, error) {
	ids := make([]byte, 0, 8*len(lanes))
	for i, l := range lanes {
		ids = strconv.AppendInt(append(ids, "[,"[min(i, 1)]), l.number>>1, 10)
	}
	names := make(map[int64]string, len(lanes))
	err := each(ctx, j.db, 2, func(v []driver.Value) error {
		names[asInt(v[0])] = asText(v[1])
		return nil
	}, "SELECT c.id, c.tracking_id FROM json_each(?) i JOIN conversation c ON c.id = i.value", string(append(ids, ']')))
	return names, err
}

// Conversation is journal.Journal's.
func (j *Journal) Conversation(ctx context.Context, channel, trackingID string) (c journal.Conversation, ok bool, err error) {
	err = each(ctx, j.db, conversationColumns, func(v []driver.Value) error {
		c, ok = decodeConversation(v), true
		return nil
	}, selectConversation+"WHERE c.channel = ? AND c.tracking_id = ?", channel, trackingID)
	return c, ok, fail(ctx, err)
}

// Conversations is journal.Journal's. LastSeen may lag on disk, so it lists
// conversations from a little earlier too.
func (j *Journal) Conversations(ctx context.Context, channel string, since time.Time) (convs []journal.Conversation, err error) {
	err = each(ctx, j.db, conversationColumns, func(v []driver.Value) error {
		convs = append(convs, decodeConversation(v))
		return nil
	}, selectConversation+"WHERE c.channel = ? AND p.last_seen >= ?", channel, since.Add(-lastSeenStep).UnixMicro())
	return convs, fail(ctx, err)
}

// Ledger is journal.Journal's: counters and oldest rows of one moment, from the
// writer's own books, so that it costs no walk through a backlog.
func (j *Journal) Ledger(ctx context.Context) (map[journal.LedgerKey]journal.LedgerEntry, error) {
	if err := j.db.PingContext(ctx); err != nil {
		return nil, fail(ctx, err)
	}
	books := j.s.pending.books()
	ledger := make(map[journal.LedgerKey]journal.LedgerEntry, len(books))
	for k, b := range books {
		e := journal.LedgerEntry{Counts: b.Counts}
		if b.oldest > 0 {
			at, err := j.integer(ctx, "SELECT accepted_at FROM message WHERE seq = ?", b.oldest)
			if err != nil {
				return nil, fail(ctx, err)
			}
			e.OldestPending = asTime(at)
		}
		ledger[k] = e
	}
	return ledger, nil
}

// Dead is journal.Journal's.
func (j *Journal) Dead(ctx context.Context, q journal.DeadQuery) ([]journal.Row, error) {
	limit := q.Limit
	if limit <= 0 {
		limit = writer.DeadLimit
	}
	return j.selectRows(ctx, `WHERE m.state = 4 AND (?1 = '' OR c.channel = ?1) AND (?2 = 0 OR m.seq < ?2)
		ORDER BY m.seq DESC LIMIT ?3`, q.Channel, q.Before, limit)
}

// Pending is journal.Journal's. It reads on from the segment of after, so a page
// costs as much as what it passes over.
func (j *Journal) Pending(ctx context.Context, channel string, after int64, limit int) ([]journal.Row, error) {
	return j.selectRows(ctx, `WHERE m.seq IN (
		SELECT p.seq FROM message p INDEXED BY message_pending JOIN conversation o ON o.id = p.lane >> 1
		WHERE p.state < 3 AND p.seq >> 12 >= ?2 >> 12 AND p.seq > ?2 AND o.channel = ?1
		ORDER BY p.seq >> 12, p.seq LIMIT ?3)
		ORDER BY m.seq`, channel, after, limit)
}

// Row is journal.Journal's.
func (j *Journal) Row(ctx context.Context, seq int64) (journal.Row, error) {
	rows, err := j.selectRows(ctx, "WHERE m.seq = ?", seq)
	switch {
	case err != nil:
		return journal.Row{}, err
	case len(rows) == 0:
		return journal.Row{}, journal.ErrNotFound
	}
	return rows[0], nil
}
