package sqlite

import (
	"errors"
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
	plain, full bulk  // rows to insert
	done        []any // attempts, ended_at, then the rows' Seq
	attempts    int   // of all that are done

	finish, finishMany *stmt
}

// bulk gathers rows of one shape to insert.
type bulk struct {
	columns   int
	rows      []any
	one, many *stmt // one row, insertMany
}

func (b *batch) prepare(c *conn) {
	const into = "INSERT INTO message (" + insertColumns + ") VALUES "
	b.full.prepare(c, into, "("+list(columnCount)+")")
	b.plain.prepare(c, into, "(?, ?, 1, ?, NULL, ?, 0, 0, NULL, ?, ?, ?, NULL, NULL, ?)")
	const finish = "UPDATE message SET state = 3, attempts = ?, ended_at = ?, next_at = NULL, strikes = 0, reason = NULL, hint = NULL WHERE seq "
	b.finish = c.prepare(finish + "= ? AND state < 3")
	b.finishMany = c.prepare(finish + "IN (" + list(finishMany) + ") AND state < 3")
}

// list is n parameters.
func list(n int) string { return strings.TrimSuffix(strings.Repeat("?, ", n), ", ") }

func (b *bulk) prepare(c *conn, into, row string) {
	b.columns = strings.Count(row, "?")
	b.one = c.prepare(into + row)
	b.many = c.prepare(into + strings.Repeat(row+", ", insertMany-1) + row)
}

func (b *bulk) add(row ...any) error {
	b.rows = append(b.rows, row...)
	if len(b.rows) < insertMany*b.columns {
		return nil
	}
	return b.flush()
}

func (b *bulk) flush() error {
	rows := b.rows
	defer b.drop()
	if len(rows) == insertMany*b.columns {
		_, err := b.many.exec(rows...)
		return err
	}
	for ; len(rows) > 0; rows = rows[b.columns:] {
		if _, err := b.one.exec(rows[:b.columns]...); err != nil {
			return err
		}
	}
	return nil
}

func (b *bulk) drop() {
	clear(b.rows)
	b.rows = b.rows[:0]
}

// add takes a new row. A parameter costs about as much as a column, so customers'
// events, nearly all that is new in a crowd, have few.
func (b *batch) add(r *journal.Row, lane int64) error {
	var content any
	if len(r.Content) > 0 {
		content = r.Content
	}
	if plain(r) {
		return b.plain.add(r.Seq, lane, r.AcceptedAt.UnixMicro(), r.ID,
			text(r.BaseChat), int64(r.BaseCounter), moment(r.SentAt), content)
	}
	return b.full.add(r.Seq, lane, int64(r.State), r.AcceptedAt.UnixMicro(), moment(r.EndedAt), r.ID,
		int64(r.TextHash), int64(r.Counter), text(r.ChatID), text(r.BaseChat), int64(r.BaseCounter),
		moment(r.SentAt), moment(r.Deadline), text(r.Reason), content)
}

// plain: only the parameters of batch.plain say anything.
func plain(r *journal.Row) bool {
	return r.State == journal.Accepted && r.EndedAt.IsZero() && r.TextHash == 0 && r.Counter == 0 &&
		r.ChatID == "" && r.Deadline.IsZero() && r.Reason == ""
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
	if err := errors.Join(b.plain.flush(), b.full.flush()); err != nil {
		return err
	}
	return b.flushDone()
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

func (b *batch) rolledBack() {
	b.plain.drop()
	b.full.drop()
	b.done = b.done[:0]
}
