package sqlite

import (
	"database/sql/driver"
	"time"

	"servicelink/gateway/journal"
)

// sweepRows is how many rows one Sweep looks at.
const sweepRows = 1000

// sweep erases by ranges of Seq, which are ranges of time. Two marks move
// through the rows: below content, contents of done rows are erased; below
// rows, done and dead rows are gone. What was not due when a mark passed it
// becomes a straggler, at once or when it ends.
type sweep struct {
	content, rows           int64 // every row up to and with it was passed
	savedContent, savedRows int64
	dropped                 []int64 // partitions this transaction emptied

	reach, erase, remove, late             *stmt
	stragglers, addStraggler, cutStraggler *stmt
	row, eraseOne, removeOne               *stmt
	saveMark                               *stmt
	anyRow, seenEnd, seenCut, filterCut    *stmt
}

func (s *sweep) prepare(c *conn) {
	// The last row of the next step, all of whose rows are older than a time.
	s.reach = c.prepare(`SELECT max(seq) FROM (SELECT seq, accepted_at FROM message WHERE seq > ?1
		ORDER BY seq LIMIT ?2) WHERE accepted_at <= ?3`)
	const inRange = " WHERE seq > ?1 AND seq <= ?2 AND "
	s.erase = c.prepare("UPDATE message SET content = NULL" + inRange + "state = 3 AND ended_at <= ?3")
	s.remove = c.prepare("DELETE FROM message" + inRange + "state >= 3 AND ended_at <= ?3")
	s.late = c.prepare("INSERT OR IGNORE INTO straggler SELECT ended_at + ?4, seq FROM message" + inRange +
		"state >= 3 AND ended_at > ?3")
	s.stragglers = c.prepare("SELECT due, seq FROM straggler WHERE due <= ? ORDER BY due LIMIT ?")
	s.addStraggler = c.prepare("INSERT OR IGNORE INTO straggler (due, seq) VALUES (?, ?)")
	s.cutStraggler = c.prepare("DELETE FROM straggler WHERE due = ? AND seq = ?")
	s.row = c.prepare("SELECT state, ended_at FROM message WHERE seq = ?")
	s.eraseOne = c.prepare("UPDATE message SET content = NULL WHERE seq = ?")
	s.removeOne = c.prepare("DELETE FROM message WHERE seq = ?")
	s.saveMark = c.prepare("UPDATE meta SET value = ? WHERE name = ?")
	s.anyRow = c.prepare("SELECT 1 FROM message WHERE seq BETWEEN ? AND ? LIMIT 1")
	s.seenEnd = c.prepare("SELECT k FROM seen WHERE k >= ? AND k < ? ORDER BY k LIMIT 1 OFFSET ?")
	s.filterCut = c.prepare("DELETE FROM seen_filter WHERE part = ?")
	s.seenCut = c.prepare("DELETE FROM seen WHERE k >= ? AND k < ?")
}

func (s *sweep) load(c *conn) error {
	mark := c.prepare("SELECT value FROM meta WHERE name = ?")
	if c.err != nil {
		return c.err
	}
	var err error
	if s.content, err = mark.integer("content_mark"); err != nil {
		return err
	}
	s.rows, err = mark.integer("row_mark")
	s.savedContent, s.savedRows = s.content, s.rows
	return err
}

func (s *sweep) committed(ids *seen) {
	s.savedContent, s.savedRows = s.content, s.rows
	for _, p := range s.dropped {
		ids.dropPart(p)
	}
	s.dropped = s.dropped[:0]
}

func (s *sweep) rolledBack() {
	s.content, s.rows = s.savedContent, s.savedRows
	s.dropped = s.dropped[:0]
}

// ended notes a row that ends after the first mark passed it.
func (s *sweep) ended(seq int64, state journal.State, now time.Time, o *journal.Options) error {
	if seq > s.content {
		return nil
	}
	due := now.Add(o.KeepIDs)
	if state == journal.Done {
		due = now.Add(o.KeepContent)
	}
	_, err := s.addStraggler.exec(due.UnixMicro(), seq)
	return err
}

// Sweep does one step: whatever is due first in the list below.
func (s *store) Sweep() (int, error) {
	if err := s.batch.flush(); err != nil {
		return 0, err
	}
	now := s.now()
	for _, step := range []func(time.Time) (int, error){s.sweepContent, s.sweepRows, s.sweepStragglers, s.sweepSeen, s.sweepForgotten, s.sweepNames} {
		if n, err := step(now); n > 0 || err != nil {
			return n, err
		}
	}
	return 0, nil
}

func (s *store) sweepContent(now time.Time) (int, error) {
	return s.pass("content_mark", &s.sweep.content, now.Add(-s.o.KeepContent), s.sweep.erase, s.o.KeepContent)
}

func (s *store) sweepRows(now time.Time) (int, error) {
	return s.pass("row_mark", &s.sweep.rows, now.Add(-s.o.KeepIDs), s.sweep.remove, s.o.KeepIDs)
}

// pass moves a mark over at most sweepRows rows.
func (s *store) pass(name string, mark *int64, before time.Time, act *stmt, keep time.Duration) (int, error) {
	cut := before.UnixMicro()
	to, err := s.sweep.reach.integer(*mark, int64(sweepRows), cut)
	if err != nil || to == 0 {
		return 0, err
	}
	if _, err := s.sweep.late.exec(*mark, to, cut, keep.Microseconds()); err != nil {
		return 0, err
	}
	if _, err := act.exec(*mark, to, cut); err != nil {
		return 0, err
	}
	// Gaps in the sequence make this an upper bound of the rows passed.
	passed := min(to-*mark, sweepRows)
	*mark = to
	_, err = s.sweep.saveMark.exec(to, name)
	return int(passed), err
}

func (s *store) sweepStragglers(now time.Time) (int, error) {
	type straggler struct{ due, seq int64 }
	var list []straggler
	err := s.sweep.stragglers.each(func(v []driver.Value) error {
		list = append(list, straggler{asInt(v[0]), asInt(v[1])})
		return nil
	}, now.UnixMicro(), int64(sweepRows))
	if err != nil {
		return 0, err
	}
	for _, l := range list {
		if _, err := s.sweep.cutStraggler.exec(l.due, l.seq); err != nil {
			return 0, err
		}
		if err := s.sweepStraggler(l.seq, now); err != nil {
			return 0, err
		}
	}
	return len(list), nil
}

// sweepStraggler does what is due for one row, and notes what is due next when
// the marks will not come by again.
func (s *store) sweepStraggler(seq int64, now time.Time) error {
	v, err := s.sweep.row.first(seq)
	if err != nil || v == nil {
		return err
	}
	state, ended := journal.State(asInt(v[0])), asTime(v[1])
	if state.Pending() {
		return nil // noted again when it ends
	}
	if now.Sub(ended) >= s.o.KeepIDs {
		_, err = s.sweep.removeOne.exec(seq)
		return err
	}
	due := ended.Add(s.o.KeepIDs)
	if state == journal.Done {
		if now.Sub(ended) < s.o.KeepContent {
			due = ended.Add(s.o.KeepContent)
		} else if _, err = s.sweep.eraseOne.exec(seq); err != nil {
			return err
		}
	}
	if seq > s.sweep.rows && state != journal.Done {
		return nil
	}
	_, err = s.sweep.addStraggler.exec(due.UnixMicro(), seq)
	return err
}

// sweepSeen erases a piece of a partition of ids all of whose rows are gone.
func (s *store) sweepSeen(time.Time) (int, error) {
	for _, p := range s.seen.parts {
		from, to := p<<s.seen.part, (p+1)<<s.seen.part-1
		if to >= s.seen.floor || to > s.sweep.rows {
			continue
		}
		row, err := s.sweep.anyRow.integer(from, to)
		if err != nil {
			return 0, err
		}
		if row != 0 {
			continue
		}
		lo, hi := p<<hashBits, (p+1)<<hashBits
		end, err := s.sweep.seenEnd.integer(lo, hi, int64(sweepRows))
		if err != nil {
			return 0, err
		}
		if end == 0 {
			end = hi
			s.sweep.dropped = append(s.sweep.dropped, p)
			if _, err := s.sweep.filterCut.exec(p); err != nil {
				return 0, err
			}
		}
		n, err := s.sweep.seenCut.exec(lo, end)
		return max(int(n), 1), err
	}
	return 0, nil
}
