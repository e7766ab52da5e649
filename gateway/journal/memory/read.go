package memory

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"servicelink/gateway/journal"
	"servicelink/gateway/journal/internal/writer"
)

// view runs fn over a whole transaction's state.
func (j *Journal) view(ctx context.Context, fn func(*store)) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	j.s.mu.RLock()
	defer j.s.mu.RUnlock()
	if j.s.closed {
		return fmt.Errorf("%w: closed", journal.ErrAway)
	}
	fn(j.s)
	return nil
}

// Find is journal.Journal's.
func (j *Journal) Find(ctx context.Context, lane journal.Lane, keys ...journal.IDHash) ([]*journal.Row, error) {
	rows := make([]*journal.Row, len(keys))
	err := j.view(ctx, func(s *store) {
		for i, k := range keys {
			if seq, ok := s.keys[rowKey{lane, k}]; ok {
				r := *s.rows[seq]
				rows[i] = &r
			}
		}
	})
	if err != nil {
		return nil, err
	}
	j.s.remains.Fill(lane, keys, rows)
	return rows, nil
}

// Lanes is journal.Journal's.
func (j *Journal) Lanes(ctx context.Context, channel string, dir journal.Direction) (lanes []journal.LaneInfo, err error) {
	err = j.view(ctx, func(s *store) {
		for lane, seqs := range s.lanes {
			if lane.Channel == channel && lane.Direction == dir {
				lanes = append(lanes, journal.LaneInfo{Lane: lane, Pending: int64(len(seqs))})
			}
		}
	})
	return lanes, err
}

// Conversation is journal.Journal's.
func (j *Journal) Conversation(ctx context.Context, channel, trackingID string) (c journal.Conversation, ok bool, err error) {
	err = j.view(ctx, func(s *store) {
		if found := s.convs[convKey{channel, trackingID}]; found != nil {
			c, ok = *found, true
		}
	})
	return c, ok, err
}

// Conversations is journal.Journal's.
func (j *Journal) Conversations(ctx context.Context, channel string, since time.Time) (convs []journal.Conversation, err error) {
	err = j.view(ctx, func(s *store) {
		for _, c := range s.convs {
			if c.Channel == channel && !c.LastSeen.Before(since) {
				convs = append(convs, *c)
			}
		}
	})
	return convs, err
}

// Ledger is journal.Journal's.
func (j *Journal) Ledger(ctx context.Context) (map[journal.LedgerKey]journal.LedgerEntry, error) {
	ledger := make(map[journal.LedgerKey]journal.LedgerEntry)
	err := j.view(ctx, func(s *store) {
		for k, c := range s.ledger {
			ledger[k] = journal.LedgerEntry{Counts: *c}
		}
		for lane, seqs := range s.lanes {
			k := journal.LedgerKey{Channel: lane.Channel, Direction: lane.Direction}
			e, at := ledger[k], s.rows[seqs[0]].AcceptedAt
			if e.OldestPending.IsZero() || at.Before(e.OldestPending) {
				e.OldestPending = at
				ledger[k] = e
			}
		}
	})
	if err != nil {
		return nil, err
	}
	return ledger, nil
}

// Dead is journal.Journal's. It looks through all rows: the list is an
// operator's, not the engine's.
func (j *Journal) Dead(ctx context.Context, q journal.DeadQuery) (dead []journal.Row, err error) {
	limit := q.Limit
	if limit <= 0 {
		limit = writer.DeadLimit
	}
	err = j.view(ctx, func(s *store) {
		for _, r := range s.rows {
			if r.State == journal.Dead && r.Reason != writer.Discarded &&
				(q.Channel == "" || q.Channel == r.Lane.Channel) && (q.Before == 0 || r.Seq < q.Before) {
				dead = append(dead, *r)
			}
		}
	})
	slices.SortFunc(dead, func(a, b journal.Row) int { return int(b.Seq - a.Seq) })
	return dead[:min(limit, len(dead))], err
}

// Pending is journal.Journal's.
func (j *Journal) Pending(ctx context.Context, channel string, after int64, limit int) (pending []journal.Row, err error) {
	err = j.view(ctx, func(s *store) {
		for lane, seqs := range s.lanes {
			if lane.Channel != channel {
				continue
			}
			for _, seq := range seqs {
				if seq > after {
					pending = append(pending, *s.rows[seq])
				}
			}
		}
	})
	slices.SortFunc(pending, func(a, b journal.Row) int { return cmp.Compare(a.Seq, b.Seq) })
	return pending[:min(limit, len(pending))], err
}

// Row is journal.Journal's.
func (j *Journal) Row(ctx context.Context, seq int64) (row journal.Row, err error) {
	ok := false
	err = j.view(ctx, func(s *store) {
		if r := s.rows[seq]; r != nil {
			row, ok = *r, true
		}
	})
	if err == nil && !ok {
		err = journal.ErrNotFound
	}
	return row, err
}

// Size is the estimate that Options.MaxBytes is compared with, in bytes.
func (j *Journal) Size() int64 {
	j.s.mu.RLock()
	defer j.s.mu.RUnlock()
	return j.s.size
}
