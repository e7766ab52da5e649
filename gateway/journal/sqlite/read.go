package sqlite

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
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
	if err != nil || conversation == 0 {
		return found, fail(ctx, err)
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

// Lanes is journal.Journal's.
func (j *Journal) Lanes(ctx context.Context, channel string, dir journal.Direction) (lanes []journal.LaneInfo, err error) {
	err = each(ctx, j.db, 2, func(v []driver.Value) error {
		lanes = append(lanes, journal.LaneInfo{
			Lane:    journal.Lane{Channel: channel, Direction: dir, TrackingID: asText(v[0])},
			Pending: asInt(v[1]),
		})
		return nil
	}, `SELECT c.tracking_id, p.n
		FROM (SELECT lane, count(*) AS n FROM message WHERE state < 3 GROUP BY lane) p
		JOIN conversation c ON c.id = p.lane >> 1
		WHERE c.channel = ? AND p.lane & 1 = ?`, channel, int64(dir-journal.In))
	return lanes, fail(ctx, err)
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

// Ledger is journal.Journal's: counters and oldest rows of one moment.
func (j *Journal) Ledger(ctx context.Context) (map[journal.LedgerKey]journal.LedgerEntry, error) {
	tx, err := j.db.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return nil, fail(ctx, err)
	}
	ledger, err := readLedger(ctx, tx)
	return ledger, fail(ctx, errors.Join(err, tx.Rollback()))
}

func readLedger(ctx context.Context, tx *sql.Tx) (map[journal.LedgerKey]journal.LedgerEntry, error) {
	ledger := make(map[journal.LedgerKey]journal.LedgerEntry)
	err := each(ctx, tx, 7, func(v []driver.Value) error {
		k, counts := decodeCounts(v)
		ledger[k] = journal.LedgerEntry{Counts: counts}
		return nil
	}, selectLedger)
	if err != nil {
		return nil, err
	}
	for k, e := range ledger {
		if e.Pending == 0 {
			continue
		}
		if e.OldestPending, err = oldestPending(ctx, tx, k); err != nil {
			return nil, err
		}
		ledger[k] = e
	}
	return ledger, nil
}

// oldestPending looks for the first segment that has a pending row of the key,
// then for the first row in it.
func oldestPending(ctx context.Context, tx *sql.Tx, k journal.LedgerKey) (oldest time.Time, err error) {
	err = each(ctx, tx, 1, func(v []driver.Value) error {
		oldest = asTime(v[0])
		return nil
	}, `SELECT accepted_at FROM message WHERE seq = (
		SELECT min(m.seq) FROM message m JOIN conversation c ON c.id = m.lane >> 1
		WHERE m.state < 3 AND m.lane & 1 = ?2 AND c.channel = ?1 AND m.seq >> 12 = (
			SELECT m.seq >> 12 FROM message m INDEXED BY message_pending JOIN conversation c ON c.id = m.lane >> 1
			WHERE m.state < 3 AND m.lane & 1 = ?2 AND c.channel = ?1 ORDER BY m.seq >> 12 LIMIT 1))`,
		k.Channel, int64(k.Direction-journal.In))
	return oldest, err
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
