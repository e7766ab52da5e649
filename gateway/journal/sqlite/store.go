package sqlite

import (
	"errors"
	"fmt"
	"io"
	"os"
	"sync/atomic"
	"time"

	"servicelink/gateway/journal"
	"servicelink/gateway/journal/internal/writer"
)

// measureEvery is how many bytes may be written before Size is measured again.
const measureEvery = 1 << 20

// store is the writing side: the writer's connection and what it keeps in
// memory to write little. Only Size is called from elsewhere.
type store struct {
	o    journal.Options
	path string
	file os.FileInfo // what path was at open
	born time.Time
	c    *conn
	// readers and lock are closed with the store, not used by it.
	readers, lock io.Closer

	batch   batch
	convs   convs
	ledger  ledger
	seen    seen
	pending pending
	sweep   sweep
	wipe    wipe
	next    int64 // the next Seq
	saved   int64 // next, as of the last commit
	size    atomic.Int64
	written int64 // bytes since size was measured, about

	damage error // found while the file was in use

	forgetting forgetting
	naming     naming

	reported reported

	begin, commit, rollback, probe        *stmt
	byKey, bySeq, bySeqs                  *stmt
	update, updateParts, requeue, discard *stmt
	updateListed, setParts                *stmt
	laneOf, stateOf, pause, unpause       *stmt
	pageCount, freeCount                  *stmt
}

var _ writer.Store = (*store)(nil)

// prepare makes all statements.
func (s *store) prepare() error {
	c := s.c
	s.begin, s.commit, s.rollback = c.prepare("BEGIN IMMEDIATE"), c.prepare("COMMIT"), c.prepare("ROLLBACK")
	s.probe = c.prepare("UPDATE meta SET value = value + 1 WHERE name = 'probe'")
	s.pageCount, s.freeCount = c.prepare("PRAGMA page_count"), c.prepare("PRAGMA freelist_count")
	s.byKey = c.prepare(selectRow + "WHERE m.seq = ? AND m.lane = ? AND m.id = ? AND m.text_hash = ?")
	s.bySeq = c.prepare(selectRow + "WHERE m.seq = ?")
	s.bySeqs = c.prepare(selectRow + "WHERE m.seq IN (" + list(readMany) + ") ORDER BY m.seq")
	const update = "UPDATE message SET state = ?, reason = ?, hint = ?, attempts = ?, strikes = ?, next_at = ?, ended_at = ?"
	const forward = " WHERE seq = ? AND epoch = ? AND state < 3"
	s.update = c.prepare(update + forward)
	s.updateParts = c.prepare(update + ", parts = ?" + forward)
	s.updateListed = c.prepare(update + ", listed = 1, parts = ?" + forward)
	s.requeue = c.prepare(`UPDATE message SET state = 1, reason = NULL, hint = NULL, attempts = 0, strikes = 0, next_at = NULL,
		ended_at = NULL, epoch = ?, parts = ? WHERE seq = ?`)
	s.pause = c.prepare("INSERT INTO paused (channel, since) VALUES (?, ?) ON CONFLICT DO UPDATE SET since = excluded.since")
	s.unpause = c.prepare("DELETE FROM paused WHERE channel = ?")
	s.setParts = c.prepare("UPDATE message SET parts = ? WHERE seq = ?")
	s.discard = c.prepare("UPDATE message SET state = 5, hint = NULL, content = NULL WHERE seq = ?")
	s.laneOf = c.prepare("SELECT m.lane, c.channel FROM message m JOIN conversation c ON c.id = m.lane >> 1 WHERE m.seq = ?")
	s.stateOf = c.prepare("SELECT state FROM message WHERE seq = ?")
	s.batch.prepare(c)
	s.convs.prepare(c)
	s.ledger.prepare(c)
	s.seen.prepare(c)
	s.sweep.prepare(c)
	s.forgetting.prepare(c)
	s.naming.prepare(c)
	s.wipe.prepare(c)
	return c.err
}

// load reads what is kept in memory.
func (s *store) load() error {
	if err := s.convs.load(s.c); err != nil {
		return err
	}
	accepted, err := s.ledger.load(s.c)
	if err != nil {
		return err
	}
	highest, meta := s.c.prepare("SELECT max(seq) FROM message"), s.c.prepare("SELECT value FROM meta WHERE name = ?")
	if s.c.err != nil {
		return s.c.err
	}
	seq, err := highest.integer()
	if err != nil {
		return err
	}
	// Sequences are never used twice, though swept rows leave no trace: as
	// many were given as entries were accepted.
	s.next = max(seq, accepted) + 1
	s.saved = s.next
	born, err := meta.integer("born")
	if err != nil {
		return err
	}
	s.born = time.UnixMicro(born).UTC()
	floor, err := meta.integer("floor")
	if err != nil {
		return err
	}
	salt, err := meta.first("salt")
	if err != nil {
		return err
	}
	if salt == nil || len(asBytes(salt[0])) == 0 {
		return errors.New("the table meta has no salt")
	}
	s.seen.salt = asBytes(salt[0])
	if err := errors.Join(s.forgetting.load(s.c, s.seen.salt, &s.o), s.wipe.load(s.c)); err != nil {
		return err
	}
	if err := s.seen.load(s.c, floor); err != nil {
		return err
	}
	if err := s.pending.load(s.c, &s.ledger); err != nil {
		return err
	}
	if err := s.sweep.load(s.c); err != nil {
		return err
	}
	return s.measure()
}

// Begin refuses to work on a file that is not at its path any more: what is
// written there would be gone with the process.
func (s *store) Begin() error {
	now, err := os.Stat(s.path)
	if err != nil {
		return fmt.Errorf("%w: %w", journal.ErrAway, err)
	}
	if !os.SameFile(s.file, now) {
		return fmt.Errorf("%w: %s was replaced by another file", journal.ErrAway, s.path)
	}
	_, err = s.begin.exec()
	return err
}

func (s *store) Commit() error {
	if err := s.batch.flush(); err != nil {
		return err
	}
	if err := s.convs.flush(); err != nil {
		return err
	}
	if err := s.ledger.flush(); err != nil {
		return err
	}
	// Twice as fast as ids come in, so that one frozen table is enough.
	if err := s.seen.flush(2*len(s.seen.added) + flushRow); err != nil {
		return err
	}
	if _, err := s.commit.exec(); err != nil {
		return err
	}
	s.convs.committed()
	s.pending.committed(&s.ledger)
	s.seen.committed()
	s.sweep.committed(&s.seen)
	s.forgetting.remains.Committed()
	s.reported.committed()
	s.saved = s.next
	s.remeasure()
	return nil
}

func (s *store) Rollback() {
	// After a failed commit SQLite may have rolled back already.
	_, _ = s.rollback.exec()
	s.batch.rolledBack()
	s.convs.rolledBack()
	s.ledger.rolledBack()
	s.seen.rolledBack()
	s.pending.rolledBack()
	s.sweep.rolledBack()
	s.forgetting.remains.RolledBack()
	s.reported.rolledBack()
	s.next = s.saved
}

func (s *store) Probe() error {
	_, err := s.probe.exec()
	return err
}

func (s *store) Away(err error) error { return away(err) }

// measure counts the bytes in use: pages that hold something, and the log.
func (s *store) measure() error {
	pages, err := s.pageCount.integer()
	if err != nil {
		return err
	}
	free, err := s.freeCount.integer()
	if err != nil {
		return err
	}
	size := (pages - free) * pageSize
	if wal, err := os.Stat(s.path + "-wal"); err == nil {
		size += wal.Size()
	}
	s.size.Store(size)
	s.written = 0
	return nil
}

// remeasure measures when enough was written since to matter, and empties the
// log when only the log fills the journal. What fails here is not an error of
// the transaction, which is committed; the next one meets it again.
func (s *store) remeasure() {
	left := s.o.MaxBytes - s.size.Load()
	if s.written < measureEvery && (s.o.MaxBytes == 0 || 8*s.written < left) {
		return
	}
	if s.measure() != nil || s.Full() == nil {
		return
	}
	if wal, err := os.Stat(s.path + "-wal"); err == nil && s.size.Load()-wal.Size() < s.o.MaxBytes {
		if s.c.once("PRAGMA wal_checkpoint(TRUNCATE)") == nil {
			_ = s.measure()
		}
	}
}

func (s *store) Full() error {
	if s.damage != nil {
		return s.damage
	}
	if size := s.size.Load(); s.o.MaxBytes > 0 && size >= s.o.MaxBytes {
		return fmt.Errorf("%w: %d of %d bytes are used", journal.ErrFull, size, s.o.MaxBytes)
	}
	return nil
}

// Close closes the readers first: the connection closed last empties the log,
// and the readers' may not write.
func (s *store) Close() error {
	return errors.Join(s.readers.Close(), s.c.Close(), s.lock.Close())
}

// now is the wall clock at the precision that is kept.
func (s *store) now() time.Time { return s.o.Now().UTC().Truncate(time.Microsecond) }
