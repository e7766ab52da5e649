package sqlite

import (
	"database/sql/driver"
	"maps"
	"slices"
)

// segmentBits: the index of pending rows is cut into segments of 1<<12 rows.
const segmentBits = 12

// segments knows how many pending rows each segment of the sequence has, so
// that a lane's rows are looked for only where there are any.
type segments struct {
	pending map[int64]int
	moved   []segmentMove // by this transaction
}

type segmentMove struct {
	segment int64
	by      int
}

func (s *segments) load(c *conn) error {
	all := c.prepare("SELECT seq >> 12, count(*) FROM message INDEXED BY message_pending WHERE state < 3 GROUP BY 1")
	if c.err != nil {
		return c.err
	}
	s.pending = make(map[int64]int)
	return all.each(func(v []driver.Value) error {
		s.pending[asInt(v[0])] = int(asInt(v[1]))
		return nil
	})
}

// move notes that a row became pending (1) or ended (-1).
func (s *segments) move(seq int64, by int) {
	m := segmentMove{seq >> segmentBits, by}
	s.moved = append(s.moved, m)
	s.add(m.segment, by)
}

func (s *segments) add(segment int64, by int) {
	n := s.pending[segment] + by
	if n == 0 {
		delete(s.pending, segment)
		return
	}
	s.pending[segment] = n
}

// sorted gives the segments that have pending rows, oldest first.
func (s *segments) sorted() []int64 { return slices.Sorted(maps.Keys(s.pending)) }

func (s *segments) committed() { s.moved = s.moved[:0] }

func (s *segments) rolledBack() {
	for _, m := range s.moved {
		s.add(m.segment, -m.by)
	}
	s.moved = s.moved[:0]
}
