package sqlite

import (
	"database/sql/driver"
	"fmt"
	"slices"

	"servicelink/gateway/journal"
	"servicelink/gateway/journal/internal/writer"
)

// rowCost is what a row takes beside its texts, in bytes, its share of the
// indexes and the log included.
const rowCost = 500

// Known finds the row an entry repeats.
func (s *store) Known(e *journal.Entry, row *journal.Row) (bool, error) {
	if s.forgetting.remains.Knows(e) {
		return true, nil
	}
	c, err := s.convs.get(e.Lane.Channel, e.Lane.TrackingID)
	if c == nil || err != nil {
		return false, err
	}
	lane := laneNumber(c.id, e.Lane.Direction)
	return s.known(e, lane, s.seen.hash(lane, e.ID, e.TextHash), row)
}

// known fills row when the repeated row is pending.
func (s *store) known(e *journal.Entry, lane, hash int64, row *journal.Row) (bool, error) {
	return s.seen.find(hash, func(seq int64) (bool, error) {
		if err := s.batch.flush(); err != nil {
			return false, err
		}
		v, err := s.byKey.first(seq, lane, e.ID, int64(e.TextHash))
		if v == nil || err != nil {
			return false, err
		}
		if !journal.State(asInt(v[2])).Pending() {
			return true, nil
		}
		err = decodeRow(v, row)
		row.Repeat = true
		s.reported.note(row)
		return true, err
	})
}

func (s *store) Accept(e *journal.Entry, row *journal.Row) (journal.Verdict, error) {
	if s.forgetting.remains.Knows(e) {
		return journal.Repeat, nil
	}
	c, err := s.convs.getOrNew(e.Lane.Channel, e.Lane.TrackingID)
	if err != nil {
		return 0, err
	}
	lane := laneNumber(c.id, e.Lane.Direction)
	hash := s.seen.hash(lane, e.ID, e.TextHash)
	if !c.Started.IsZero() { // else it has no rows
		if known, err := s.known(e, lane, hash, row); known || err != nil {
			return journal.Repeat, err
		}
	}
	now := s.now()
	if writer.MergeParty(&c.Party, e.Party) {
		s.convs.rename(c)
	}
	s.convs.seen(c, now)
	r := journal.Row{
		Seq: s.next, Entry: *e, State: journal.Accepted,
		BaseChat: c.ChatID, BaseCounter: c.Counter, AcceptedAt: now,
	}
	r.Party = nil
	if e.DeadReason != "" {
		r.State, r.Reason, r.EndedAt = journal.Dead, e.DeadReason, now
	}
	if err := s.batch.add(&r, lane); err != nil {
		return 0, err
	}
	s.next++
	s.written += int64(rowCost + len(r.ID) + len(r.Content))
	s.seen.add(hash, r.Seq)
	a := s.ledger.account(e.Lane.Channel, e.Lane.Direction)
	a.Accepted++
	if r.State == journal.Dead {
		a.Dead++
		return journal.Refused, nil
	}
	a.Pending++
	at := place{a, lane}
	s.pending.begins(r.Seq, at)
	s.pending.keep(r.Seq, at)
	*row = r
	return journal.New, nil
}

func (s *store) Change(c *journal.Change) error {
	if c.Conv != nil {
		conv, err := s.convs.getOrNew(c.Conv.Channel, c.Conv.TrackingID)
		if err != nil {
			return err
		}
		if writer.MergeConv(&conv.Conversation, c.Conv) {
			s.convs.touch(conv)
			conv.windowed = conv.windowed || !c.Conv.WindowEnd.IsZero()
		}
		if writer.MergeProfile(&conv.Conversation, c.Conv) {
			s.convs.rename(conv)
		}
	}
	if c.Seq == 0 {
		return nil
	}
	if c.State < journal.Accepted || c.State > journal.Dead {
		return writer.ErrState
	}
	changed, err := s.updateRow(c)
	if err != nil || !changed || c.State.Pending() {
		return err
	}
	return s.endRow(c)
}

// endRow keeps the books of a row that has just ended.
func (s *store) endRow(c *journal.Change) error {
	at, err := s.placeOf(c.Seq)
	if err != nil {
		return err
	}
	s.pending.ends(c.Seq, at)
	s.reported.ends(c.Seq)
	a := at.account
	a.Pending--
	if c.State == journal.Done {
		a.Done++
	} else {
		a.Dead++
	}
	return s.sweep.ended(c.Seq, c.State, s.now(), &s.o)
}

// simplyDone tells whether a change is the everyday one: a row that is known to
// be pending, and was never requeued, is done.
func (s *store) simplyDone(c *journal.Change) bool {
	return c.State == journal.Done && c.Parts == nil && c.Epoch == 0 && c.Reason == "" && c.Hint == "" && c.Strikes == 0 &&
		c.Next.IsZero() && s.pending.place(c.Seq).account != nil
}

func (s *store) updateRow(c *journal.Change) (changed bool, err error) {
	if s.simplyDone(c) {
		return true, s.batch.end(c.Seq, c.Attempts, s.now())
	}
	if err := s.batch.flush(); err != nil {
		return false, err
	}
	var ended any
	if !c.State.Pending() {
		ended = s.now().UnixMicro()
	}
	var n int64
	if c.Parts == nil {
		n, err = s.update.exec(int64(c.State), text(c.Reason), text(c.Hint), int64(c.Attempts), int64(c.Strikes),
			moment(c.Next), ended,
			c.Seq, int64(c.Epoch))
		return n > 0, err
	}
	kept, err := s.keepReported(c)
	if err != nil {
		return false, err
	}
	parts, err := encodeParts(kept)
	if err != nil {
		return false, err
	}
	with := s.updateParts
	if c.Listed {
		with = s.updateListed
	}
	n, err = with.exec(int64(c.State), text(c.Reason), text(c.Hint), int64(c.Attempts), int64(c.Strikes),
		moment(c.Next), ended,
		parts, c.Seq, int64(c.Epoch))
	return n > 0, err
}

// placeOf gives where a pending row belongs, its counters to be changed.
func (s *store) placeOf(seq int64) (place, error) {
	if at := s.pending.place(seq); at.account != nil {
		s.ledger.touch(at.account)
		return at, nil
	}
	v, err := s.laneOf.first(seq)
	if err != nil {
		return place{}, err
	}
	if v == nil {
		return place{}, journal.ErrNotFound
	}
	lane := asInt(v[0])
	return place{s.ledger.account(asText(v[1]), direction(lane)), lane}, nil
}

func (s *store) Requeue(seq int64, row *journal.Row) error {
	if err := s.batch.flush(); err != nil {
		return err
	}
	v, err := s.bySeq.first(seq)
	if err != nil {
		return err
	}
	if err := isDead(v, 2); err != nil {
		return err
	}
	if err := decodeRow(v, row); err != nil {
		return err
	}
	writer.Revive(row)
	parts, err := encodeParts(row.Parts)
	if err != nil {
		return err
	}
	if _, err := s.requeue.exec(int64(row.Epoch), parts, seq); err != nil {
		return err
	}
	a := s.ledger.account(row.Lane.Channel, row.Lane.Direction)
	a.Requeued++
	a.Pending++
	s.pending.begins(seq, place{a, asInt(v[1])})
	s.reported.note(row)
	row.Loaded = true
	return nil
}

func (s *store) Discard(seq int64) error {
	if err := s.batch.flush(); err != nil {
		return err
	}
	v, err := s.stateOf.first(seq)
	if err != nil {
		return err
	}
	if err := isDead(v, 0); err != nil {
		return err
	}
	_, err = s.discard.exec(seq)
	return err
}

// isDead checks the state in a row's column.
func isDead(v []driver.Value, column int) error {
	switch {
	case v == nil:
		return journal.ErrNotFound
	case asInt(v[column]) != int64(journal.Dead):
		return journal.ErrNotDead
	}
	return nil
}

func (s *store) Pending(lane journal.Lane, limit int) (rows []journal.Row, more bool, err error) {
	defer func() { s.noteDamage(err) }()
	c, err := s.convs.get(lane.Channel, lane.TrackingID)
	if c == nil || err != nil {
		return nil, false, err
	}
	at := place{s.ledger.get(lane.Channel, lane.Direction), laneNumber(c.id, lane.Direction)}
	seqs, more := s.pending.first(at.account, at.lane, limit)
	rows = make([]journal.Row, 0, len(seqs))
	for some := range slices.Chunk(seqs, readMany) {
		if err := s.readMany(&rows, some); err != nil {
			return nil, false, err
		}
	}
	if len(rows) < len(seqs) {
		return nil, false, fmt.Errorf("%w: %d pending rows of a lane are not where its index says", errDamaged, len(seqs)-len(rows))
	}
	for i := range rows {
		rows[i].Loaded = true
		s.reported.note(&rows[i])
		if rows[i].Epoch == 0 {
			s.pending.keep(rows[i].Seq, at)
		}
	}
	return rows, more, nil
}

// readMany adds the rows of up to as many seqs, which ascend: nobody commits
// while the writer reads, and a statement's fixed cost is as high as a row's.
func (s *store) readMany(rows *[]journal.Row, seqs []int64) error {
	var args [readMany]any
	for i := range args {
		args[i] = int64(0) // no row
		if i < len(seqs) {
			args[i] = seqs[i]
		}
	}
	return s.bySeqs.each(func(v []driver.Value) error {
		*rows = append(*rows, journal.Row{})
		return decodeRow(v, &(*rows)[len(*rows)-1])
	}, args[:]...)
}
