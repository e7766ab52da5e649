package sqlite

import (
	"encoding/binary"

	"servicelink/gateway/journal/internal/writer"
)

// SQLite overwrites what it deletes (secure_delete), but when it moves rows from
// one page to another, it leaves copies behind: in the unused middle of a page,
// where they stay until something else is written there. So after a conversation
// was forgotten the middle of every page is overwritten, a step at a time, and
// then the log is emptied, whose frames hold the pages of before.
//
// What comes into a page's middle meanwhile is a copy of rows that are still
// there, so one pass is enough. That it is to be made is in the file: it begins
// again after a crash.

const (
	// wipePages is how many pages one step looks at.
	wipePages = 256
	// wipeLimit is up to how many pages a tree's page is told from a row's
	// overflow by its first byte: 256 GiB.
	wipeLimit = 1 << 25
)

// wipe overwrites what erased rows left behind.
type wipe struct {
	owed bool
	next int64 // the page to look at

	keepOwed, paid, read, write, truncate *stmt
}

func (w *wipe) prepare(c *conn) {
	w.keepOwed = c.prepare("INSERT OR REPLACE INTO meta (name, value) VALUES ('wipe', 1)")
	w.paid = c.prepare("DELETE FROM meta WHERE name = 'wipe'")
	w.read = c.prepare("SELECT data FROM sqlite_dbpage WHERE pgno = ?")
	w.write = c.prepare("UPDATE sqlite_dbpage SET data = ? WHERE pgno = ?")
	w.truncate = c.prepare("PRAGMA wal_checkpoint(TRUNCATE)")
}

func (w *wipe) load(c *conn) error {
	owed := c.prepare("SELECT value FROM meta WHERE name = 'wipe'")
	if c.err != nil {
		return c.err
	}
	n, err := owed.integer()
	w.owed, w.next = n != 0, firstWiped
	return err
}

// firstWiped: page 1 holds the schema and nobody's data.
const firstWiped = 2

// begin has everything looked at once more. A transaction that is rolled back
// leaves a pass to be made that changes nothing.
func (w *wipe) begin() error {
	w.owed, w.next = true, firstWiped
	_, err := w.keepOwed.exec()
	return err
}

// Wipe is writer.Store's.
func (s *store) Wipe() (writer.Wiping, error) {
	w := &s.wipe
	if !w.owed {
		return writer.Wiped, nil
	}
	pages, err := s.pageCount.integer()
	if err != nil {
		return writer.Wiped, err
	}
	if w.next <= min(pages, wipeLimit) {
		return writer.WipeMore, s.inTransaction(func() error { return w.pass(min(pages, wipeLimit)) })
	}
	v, err := w.truncate.first()
	if err != nil || v == nil || asInt(v[0]) != 0 {
		return writer.WipeWait, err // a reader still needs the log
	}
	err = s.inTransaction(func() error {
		_, err := w.paid.exec()
		return err
	})
	if err != nil {
		return writer.WipeWait, err
	}
	w.owed = false
	return writer.Wiped, s.measure()
}

// inTransaction is for what is no part of a group.
func (s *store) inTransaction(do func() error) error {
	err := s.Begin()
	if err != nil {
		return err
	}
	if err = do(); err == nil {
		_, err = s.commit.exec()
	}
	if err != nil {
		_, _ = s.rollback.exec()
	}
	return err
}

// pass looks at the next pages up to the last.
func (w *wipe) pass(last int64) error {
	to := min(last, w.next+wipePages-1)
	for n := w.next; n <= to; n++ {
		v, err := w.read.first(n)
		if err != nil {
			return err
		}
		if v == nil {
			continue
		}
		page := asBytes(v[0])
		from, end := middle(page)
		if dirty(page[from:end]) {
			clear(page[from:end])
			if _, err := w.write.exec(page, n); err != nil {
				return err
			}
		}
	}
	w.next = to + 1
	return nil
}

// middle gives the unused space between the cell pointers and the cells of a
// tree's page, empty for any other page (https://sqlite.org/fileformat2.html,
// "B-tree Pages"). Those of a free page are overwritten when it is freed, and
// an overflow page begins with a page's number, whose first byte is 0 or 1.
func middle(page []byte) (from, to int) {
	const leaf, header = 0x08, 8
	if len(page) < header {
		return 0, 0
	}
	switch page[0] {
	case 0x02, 0x05:
		from = header + 4 // the rightmost child
	case 0x02 | leaf, 0x05 | leaf:
		from = header
	default:
		return 0, 0
	}
	from += 2 * int(binary.BigEndian.Uint16(page[3:]))
	to = int(binary.BigEndian.Uint16(page[5:]))
	if to > len(page) || from > to {
		return 0, 0
	}
	return from, to
}

func dirty(space []byte) bool {
	for _, b := range space {
		if b != 0 {
			return true
		}
	}
	return false
}
