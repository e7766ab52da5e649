package sqlite

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"slices"
	"time"

	"servicelink/gateway/journal"
	"servicelink/gateway/journal/internal/writer"
)

const (
	// forgetPiece is how many rows one transaction forgets.
	forgetPiece = 200
	// walkPiece is how many Seqs one look for a conversation's rows walks
	// through: a reader that stays long keeps the log from being emptied.
	walkPiece = 50_000
)

// Forget is journal.Journal's. Rows are not found by their conversation, so all
// are looked through, beside the writer; it erases them piece by piece, and in
// the end what came meanwhile.
func (j *Journal) Forget(ctx context.Context, channel, trackingID string) (journal.Forgotten, error) {
	f, err := j.forget(ctx, channel, trackingID)
	if err != nil && !errors.Is(err, journal.ErrNotFound) {
		return f, err
	}
	clean, wipeErr := j.Wipe(ctx)
	f.Clean = clean && wipeErr == nil // else Sweep goes on with it
	return f, err
}

func (j *Journal) forget(ctx context.Context, channel, trackingID string) (f journal.Forgotten, err error) {
	id, err := j.integer(ctx, "SELECT id FROM conversation WHERE channel = ? AND tracking_id = ?", channel, trackingID)
	switch {
	case err != nil:
		return f, fail(ctx, err)
	case id == 0:
		return f, journal.ErrNotFound
	}
	erase := func(e writer.Erasure) error {
		e.Channel, e.TrackingID = channel, trackingID
		n, err := j.Erase(ctx, e)
		f.Messages += n.Messages
		f.Dead += n.Dead
		return err
	}
	if err := erase(writer.Erasure{}); err != nil {
		return f, err // pending: that costs no walk
	}
	var walked int64
	for range 2 { // the second walk is short: it looks at what came during the first
		seqs, to, err := j.rowsOf(ctx, id, walked)
		if err != nil {
			return f, fail(ctx, err)
		}
		for piece := range slices.Chunk(seqs, forgetPiece) {
			if err := erase(writer.Erasure{Seqs: piece}); err != nil {
				return f, err
			}
		}
		walked = to
	}
	return f, erase(writer.Erasure{Last: true, Upto: walked})
}

// rowsOf finds the rows of a conversation after a Seq, and tells how far it
// looked.
func (j *Journal) rowsOf(ctx context.Context, conversation, after int64) (seqs []int64, to int64, err error) {
	first, err := j.integer(ctx, "SELECT min(seq) FROM message WHERE seq > ?", after)
	if err != nil || first == 0 {
		return nil, after, err
	}
	if to, err = j.integer(ctx, "SELECT max(seq) FROM message"); err != nil {
		return nil, after, err
	}
	for from := first - 1; from < to; from += walkPiece {
		err := each(ctx, j.db, 1, func(v []driver.Value) error {
			seqs = append(seqs, asInt(v[0]))
			return nil
		}, "SELECT seq FROM message WHERE seq > ? AND seq <= ? AND lane >> 1 = ?", from, min(to, from+walkPiece), conversation)
		if err != nil {
			return nil, after, err
		}
	}
	return seqs, to, nil
}

// forgetting is the writer's side.
type forgetting struct {
	remains *writer.Remains

	rest, row                        *stmt
	addRemnant, cutRemnant           *stmt
	removeConversation, removeRecord *stmt
}

func (f *forgetting) prepare(c *conn) {
	f.rest = c.prepare("SELECT seq FROM message WHERE seq > ? AND lane >> 1 = ?")
	f.row = c.prepare("SELECT lane, state, ended_at, id, text_hash FROM message WHERE seq = ?")
	f.addRemnant = c.prepare("INSERT OR REPLACE INTO forgotten (k, state, ended_at) VALUES (?, ?, ?)")
	f.cutRemnant = c.prepare("DELETE FROM forgotten WHERE k = ?")
	f.removeConversation = c.prepare("DELETE FROM conversation WHERE id = ?")
	f.removeRecord = c.prepare("DELETE FROM progress WHERE conversation = ?")
}

func (f *forgetting) load(c *conn, salt []byte, o *journal.Options) error {
	f.remains = writer.NewRemains(salt, o.KeepIDs)
	all := c.prepare("SELECT k, state, ended_at FROM forgotten")
	if c.err != nil {
		return c.err
	}
	defer f.remains.Committed()
	return all.each(func(v []driver.Value) error {
		f.remains.Add(asInt(v[0]), writer.Remnant{State: journal.State(asInt(v[1])), Ended: asTime(v[2])})
		return nil
	})
}

// Forget is writer.Store's.
func (s *store) Forget(e *writer.Erasure) (f journal.Forgotten, err error) {
	if err := s.batch.flush(); err != nil {
		return f, err
	}
	c, err := s.convs.get(e.Channel, e.TrackingID)
	switch {
	case err != nil:
		return f, err
	case c == nil:
		return f, journal.ErrNotFound
	case s.waits(c, journal.In), s.waits(c, journal.Out):
		return f, journal.ErrPending
	}
	seqs := e.Seqs
	if e.Last {
		err := s.forgetting.rest.each(func(v []driver.Value) error {
			seqs = append(seqs, asInt(v[0]))
			return nil
		}, e.Upto, c.id)
		if err != nil {
			return f, err
		}
	}
	for _, seq := range seqs {
		if err := s.forgetRow(c, seq, &f); err != nil {
			return f, err
		}
	}
	if !e.Last {
		return f, nil
	}
	return f, s.forgetConversation(c)
}

// waits tells whether a lane has pending rows, as far as the transaction is.
func (s *store) waits(c *conv, d journal.Direction) bool {
	lane, a := laneNumber(c.id, d), s.ledger.get(c.Channel, d)
	n := len(s.pending.lanes[a][lane])
	for _, m := range s.pending.moved {
		switch {
		case m.account != a || m.lane != lane:
		case m.ended:
			n--
		default:
			n++
		}
	}
	return n > 0
}

func (s *store) forgetRow(c *conv, seq int64, f *journal.Forgotten) error {
	v, err := s.forgetting.row.first(seq)
	if err != nil || v == nil || asInt(v[0])>>1 != c.id {
		return err
	}
	f.Messages++
	one := writer.Remnant{State: journal.State(asInt(v[1])), Ended: asTime(v[2])}
	switch asInt(v[1]) {
	case int64(journal.Done):
	case int64(journal.Dead):
		f.Dead++
	case discarded:
		one.State = journal.Dead
	default:
		return fmt.Errorf("%w: a row is pending and its lane has none", errDamaged)
	}
	lane := journal.Lane{Channel: c.Channel, Direction: direction(asInt(v[0])), TrackingID: c.TrackingID}
	k := s.forgetting.remains.Key(lane, journal.IDHash{ID: asText(v[3]), TextHash: uint64(asInt(v[4]))})
	if _, err := s.forgetting.addRemnant.exec(k, int64(one.State), one.Ended.UnixMicro()); err != nil {
		return err
	}
	s.forgetting.remains.Add(k, one)
	_, err = s.sweep.removeOne.exec(seq)
	return err
}

func (s *store) forgetConversation(c *conv) error {
	if _, err := s.naming.forget.exec(hashOf(c.Channel, c.TrackingID), c.Channel, c.TrackingID); err != nil {
		return err
	}
	if _, err := s.forgetting.removeRecord.exec(c.id); err != nil {
		return err
	}
	if _, err := s.forgetting.removeConversation.exec(c.id); err != nil {
		return err
	}
	s.convs.remove(c)
	return s.wipe.begin()
}

// remove forgets a conversation that is no more; what was to be written of it is
// not.
func (s *convs) remove(c *conv) {
	k := convKey{c.Channel, c.TrackingID}
	delete(s.young, k)
	delete(s.old, k)
	c.moved, c.renamed = false, false
}

// sweepForgotten erases the ids of forgotten rows whose time is over.
func (s *store) sweepForgotten(now time.Time) (int, error) {
	over := s.forgetting.remains.Over(now, sweepRows)
	for _, k := range over {
		if _, err := s.forgetting.cutRemnant.exec(k); err != nil {
			return 0, err
		}
		s.forgetting.remains.Drop(k)
	}
	return len(over), nil
}
