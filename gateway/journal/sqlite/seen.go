package sqlite

import (
	"cmp"
	"crypto/sha256"
	"database/sql/driver"
	"encoding/binary"
	"slices"
	"strings"
	"sync"
)

const (
	hashBits = 48 // of a key in the B-tree
	flushRow = 16 // ids one statement writes
)

// tuning holds what tests make small.
type tuning struct {
	table int   // ids gathered in memory before they go to disk
	part  uint  // a partition has 1<<part rows
	mask  int64 // of hashes
}

var defaultTuning = tuning{table: 1 << 15, part: 20, mask: 1<<hashBits - 1}

// seen knows the ids of all rows: the index that makes a repeat a repeat.
//
// Ids are random, and a random insert into a B-tree dirties a page of its own:
// at one page per message that would cost more than all the rest. So new ids
// gather in memory (active); a full table is frozen, sorted, and written a
// piece with every group, many ids to a page. Nothing is lost by a crash: ids
// of the rows from floor on are read back from the rows themselves.
//
// The writer's goroutine changes it; mu lets readers see the tables meanwhile.
type seen struct {
	tuning
	salt []byte // keeps outsiders from making ids that collide
	buf  []byte // the writer's

	mu     sync.RWMutex
	active table
	frozen table
	parts  []int64 // partitions in the B-tree

	filters map[int64]filter // of parts; nil = that partition has none

	order  []id  // frozen, by key
	pos    int   // order[:pos] is written, if the transaction commits
	synced int   // order[:synced] is committed
	top    int64 // the highest row of order
	floor  int64 // every row before it is in the B-tree
	added  []id  // by this transaction

	insert, insertMany, at, saveFloor, saveFilter *stmt
}

// prepare makes the statements on the writer's connection.
func (s *seen) prepare(c *conn) {
	s.insert = c.prepare("INSERT OR IGNORE INTO seen (k, seq) VALUES (?, ?)")
	s.insertMany = c.prepare("INSERT OR IGNORE INTO seen (k, seq) VALUES " +
		strings.TrimSuffix(strings.Repeat("(?, ?), ", flushRow), ", "))
	s.at = c.prepare("SELECT seq FROM seen WHERE k = ?")
	s.saveFilter = c.prepare("INSERT OR REPLACE INTO seen_filter (part, bits) VALUES (?, ?)")
	s.saveFloor = c.prepare("UPDATE meta SET value = ? WHERE name = 'floor'")
}

// load finds the partitions and reads back what was in memory.
func (s *seen) load(c *conn, floor int64) error {
	s.floor, s.active, s.frozen = floor, newTable(), newTable()
	next := c.prepare("SELECT k FROM seen WHERE k >= ? ORDER BY k LIMIT 1")
	rows := c.prepare("SELECT seq, lane, id, text_hash FROM message WHERE seq >= ? ORDER BY seq")
	if c.err != nil {
		return c.err
	}
	s.filters = make(map[int64]filter)
	for k := int64(0); ; {
		row, err := next.first(k)
		if err != nil {
			return err
		}
		if row == nil {
			break
		}
		part := asInt(row[0]) >> hashBits
		s.parts = append(s.parts, part)
		k = (part + 1) << hashBits
	}
	if err := s.loadFilters(c); err != nil {
		return err
	}
	return rows.each(func(v []driver.Value) error {
		s.active.add(s.hash(asInt(v[1]), asText(v[2]), uint64(asInt(v[3]))), asInt(v[0]))
		return nil
	}, floor)
}

// loadFilters reads the filters of the partitions that are complete, and makes
// the last one's from its ids: half a second for a million of them.
func (s *seen) loadFilters(c *conn) error {
	saved, ids := c.prepare("SELECT bits FROM seen_filter WHERE part = ?"), c.prepare("SELECT k FROM seen WHERE k >= ? AND k < ?")
	if c.err != nil {
		return c.err
	}
	for _, p := range s.parts {
		row, err := saved.first(p)
		if err != nil {
			return err
		}
		if row != nil {
			s.filters[p] = filterOf(asBytes(row[0]), 1<<s.part)
			continue
		}
		f := newFilter(1 << s.part)
		err = ids.each(func(v []driver.Value) error {
			f.add(asInt(v[0]) & (1<<hashBits - 1))
			return nil
		}, p<<hashBits, (p+1)<<hashBits)
		if err != nil {
			return err
		}
		s.filters[p] = f
	}
	return nil
}

// hash is the same for the same key for the life of the file.
func (s *seen) hash(lane int64, entryID string, textHash uint64) int64 {
	s.buf = s.keyBytes(s.buf[:0], lane, entryID, textHash)
	return s.hashOf(s.buf)
}

func (s *seen) keyBytes(b []byte, lane int64, entryID string, textHash uint64) []byte {
	b = append(b, s.salt...)
	b = binary.LittleEndian.AppendUint64(b, uint64(lane))
	b = binary.LittleEndian.AppendUint64(b, textHash)
	return append(b, entryID...)
}

func (s *seen) hashOf(b []byte) int64 {
	sum := sha256.Sum256(b)
	return int64(binary.LittleEndian.Uint64(sum[:])) & s.mask
}

// snapshot gives a reader the rows in memory and the partitions on disk where
// a hash may be. What moves to the disk meanwhile is committed there before it
// leaves the memory, so whoever looks there afterwards misses nothing.
func (s *seen) snapshot(hash int64) (rows, parts []int64) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, t := range []*table{&s.active, &s.frozen} {
		if seq, ok := t.one[hash]; ok {
			rows = append(append(rows, seq), t.more[hash]...)
		}
	}
	return rows, slices.Clone(s.parts)
}

// find calls match with every row that may have the hash until one matches.
func (s *seen) find(hash int64, match func(seq int64) (bool, error)) (bool, error) {
	if ok, err := s.active.find(hash, match); ok || err != nil {
		return ok, err
	}
	if ok, err := s.frozen.find(hash, match); ok || err != nil {
		return ok, err
	}
	for _, p := range s.parts {
		if !s.filters[p].may(hash) {
			continue
		}
		if ok, err := s.probe(p<<hashBits|hash, match); ok || err != nil {
			return ok, err
		}
	}
	return false, nil
}

// probe goes through the rows of one hash in one partition.
func (s *seen) probe(k int64, match func(int64) (bool, error)) (bool, error) {
	for ; ; k++ {
		seq, err := s.at.integer(k)
		if err != nil || seq == 0 {
			return false, err
		}
		if ok, err := match(seq); ok || err != nil {
			return ok, err
		}
	}
}

func (s *seen) add(hash, seq int64) {
	s.mu.Lock()
	s.active.add(hash, seq)
	s.mu.Unlock()
	s.added = append(s.added, id{hash, seq})
}

// flush writes a piece of the frozen table, n ids or a little more.
func (s *seen) flush(n int) error {
	if s.pos == len(s.order) {
		return nil
	}
	var args [2 * flushRow]any
	for n > 0 && s.pos < len(s.order) {
		piece := s.order[s.pos:min(len(s.order), s.pos+flushRow)]
		for i, e := range piece {
			s.filterFor(e.k >> hashBits).add(e.k & (1<<hashBits - 1))
			args[2*i], args[2*i+1] = e.k, e.seq
		}
		written := int64(0)
		if len(piece) == flushRow {
			var err error
			if written, err = s.insertMany.exec(args[:]...); err != nil {
				return err
			}
		}
		if written < int64(len(piece)) {
			for _, e := range piece {
				if err := s.insertOne(e); err != nil {
					return err
				}
			}
		}
		s.pos += len(piece)
		n -= len(piece)
	}
	if s.pos < len(s.order) {
		return nil
	}
	if err := s.seal(); err != nil {
		return err
	}
	_, err := s.saveFloor.exec(s.top + 1)
	return err
}

// seal saves the filters of partitions that the table just written has left
// behind: nothing will be added to them.
func (s *seen) seal() error {
	for p := s.order[0].k >> hashBits; p < s.order[len(s.order)-1].k>>hashBits; p++ {
		if f := s.filters[p]; f != nil {
			if _, err := s.saveFilter.exec(p, f.bytes()); err != nil {
				return err
			}
		}
	}
	return nil
}

// insertOne writes one id to the first free place from its key on, unless it
// is there already.
func (s *seen) insertOne(e id) error {
	for {
		n, err := s.insert.exec(e.k, e.seq)
		if err != nil || n == 1 {
			return err
		}
		seq, err := s.at.integer(e.k)
		if err != nil || seq == e.seq {
			return err
		}
		e.k++
	}
}

// filterFor makes a partition one that find looks into.
func (s *seen) filterFor(part int64) filter {
	if f, ok := s.filters[part]; ok {
		return f
	}
	f := newFilter(1 << s.part)
	s.filters[part] = f
	s.mu.Lock()
	s.parts = append(s.parts, part)
	s.mu.Unlock()
	return f
}

func (s *seen) dropPart(part int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.filters, part)
	s.parts = slices.DeleteFunc(s.parts, func(p int64) bool { return p == part })
}

// committed makes what flush and add did final, and freezes a full table.
func (s *seen) committed() {
	s.added = s.added[:0]
	s.mu.Lock()
	defer s.mu.Unlock()
	s.synced = s.pos
	if len(s.order) > 0 && s.pos == len(s.order) {
		s.floor = s.top + 1
		s.frozen, s.order, s.pos, s.synced = newTable(), nil, 0, 0
	}
	if s.active.size() < s.table || len(s.order) > 0 {
		return
	}
	s.frozen, s.active = s.active, newTable()
	s.order = make([]id, 0, s.frozen.size())
	for hash, seq := range s.frozen.one {
		s.order = append(s.order, id{s.key(hash, seq), seq})
		for _, seq := range s.frozen.more[hash] {
			s.order = append(s.order, id{s.key(hash, seq), seq})
		}
	}
	s.top = 0
	for _, e := range s.order {
		s.top = max(s.top, e.seq)
	}
	slices.SortFunc(s.order, func(a, b id) int { return cmp.Compare(a.k, b.k) })
}

// key is where an id belongs in the B-tree.
func (s *seen) key(hash, seq int64) int64 { return (seq>>s.part&0x7fff)<<hashBits | hash }

// rolledBack undoes what the transaction added.
func (s *seen) rolledBack() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range slices.Backward(s.added) {
		s.active.remove(e.k)
	}
	s.added = s.added[:0]
	s.pos = s.synced
}
