package sqlite

import (
	"fmt"
	"strings"
	"time"

	"servicelink/gateway/journal"
)

const (
	insertColumns = `seq, lane, state, accepted_at, ended_at, id, text_hash, counter,
		chat_id, base_chat, base_counter, sent_at, deadline, reason, content`
	columnCount = 15

	insertMany = 8  // rows one statement inserts
	finishMany = 16 // rows one statement finishes
	readMany   = 32 // rows one statement reads for a lane
)

// batch gathers the two writes of which a transaction has many, a new row and
// a row that is simply done: a statement's fixed cost is as high as its work,
// and the writer is the narrowest place of the whole gateway. Whoever reads
// rows or changes them otherwise within the transaction flushes first.
type batch struct {
	fresh    []any // columns of rows to insert
	done     []any // attempts, ended_at, then the rows' Seq
	attempts int   // of all that are done

	insert, insertMany, finishMany *stmt
	finish                         *stmt
}

func (b *batch) prepare(c *conn) {
	const into = "INSERT INTO message (" + insertColumns + ") VALUES "
	row := "(" + list(columnCount) + ")"
	b.insert = c.prepare(into + row)
	b.insertMany = c.prepare(into + strings.Repeat(row+", ", insertMany-1) + row)
	const finish = "UPDATE message SET state = 3, attempts = ?, ended_at = ?, next_at = NULL, strikes = 0, reason = NULL, hint = NULL WHERE seq "
	b.finish = c.prepare(finish + "= ? AND state < 3")
	b.finishMany = c.prepare(finish + "IN (" + list(finishMany) + ") AND state < 3")
}

// list is n parameters.
func list(n int) string { return strings.TrimSuffix(strings.Repeat("?, ", n), ", ") }

// add takes a new row.
func (b *batch) add(r *journal.Row, lane int64) error {
	var content any
	if len(r.Content) > 0 {
		content = r.Content
	}
	b.fresh = append(b.fresh, r.Seq, lane, int64(r.State), r.AcceptedAt.UnixMicro(), moment(r.EndedAt), r.ID,
		int64(r.TextHash), int64(r.Counter), text(r.ChatID), text(r.BaseChat), int64(r.BaseCounter),
		moment(r.SentAt), moment(r.Deadline), text(r.Reason), content)
	if len(b.fresh) < insertMany*columnCount {
		return nil
	}
	return b.flushFresh()
}

// end takes a row that is known to be pending, and done now.
func (b *batch) end(seq int64, attempts int, now time.Time) error {
	if len(b.done) > 0 && b.attempts != attempts {
		if err := b.flushDone(); err != nil {
			return err
		}
	}
	if len(b.done) == 0 {
		b.attempts = attempts
		b.done = append(b.done, int64(attempts), now.UnixMicro())
	}
	b.done = append(b.done, seq)
	if len(b.done) < 2+finishMany {
		return nil
	}
	return b.flushDone()
}

// flush writes what was gathered.
func (b *batch) flush() error {
	if err := b.flushFresh(); err != nil {
		return err
	}
	return b.flushDone()
}

func (b *batch) flushFresh() error {
	rows := b.fresh
	defer b.dropFresh()
	if len(rows) == insertMany*columnCount {
		_, err := b.insertMany.exec(rows...)
		return err
	}
	for ; len(rows) > 0; rows = rows[columnCount:] {
		if _, err := b.insert.exec(rows[:columnCount]...); err != nil {
			return err
		}
	}
	return nil
}

func (b *batch) flushDone() error {
	if len(b.done) == 0 {
		return nil
	}
	defer func() { b.done = b.done[:0] }()
	seqs := b.done[2:]
	if len(seqs) == finishMany {
		n, err := b.finishMany.exec(b.done...)
		return ended(n, len(seqs), err)
	}
	for _, seq := range seqs {
		n, err := b.finish.exec(b.done[0], b.done[1], seq)
		if err := ended(n, 1, err); err != nil {
			return err
		}
	}
	return nil
}

// ended checks that as many rows ended as the ledger was told.
func ended(n int64, want int, err error) error {
	if err == nil && n != int64(want) {
		err = fmt.Errorf("%d rows ended, not %d", n, want)
	}
	return err
}

func (b *batch) dropFresh() {
	clear(b.fresh)
	b.fresh = b.fresh[:0]
}

func (b *batch) rolledBack() {
	b.dropFresh()
	b.done = b.done[:0]
}
