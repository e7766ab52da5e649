package sqlite

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"servicelink/gateway/journal"
	"servicelink/gateway/journal/internal/writer"
)

// shownProblems is how many of what SQLite finds are told.
const shownProblems = 20

// Verify is journal.Journal's: one moment of the file, in a connection of its
// own.
func (j *Journal) Verify(ctx context.Context) (v journal.Verified, err error) {
	if err := j.db.PingContext(ctx); err != nil { // closed
		return v, fail(ctx, err)
	}
	return verifyAt(ctx, j.s.path, "")
}

// VerifyFile is Verify of a file that no gateway uses, a backup say. It is not
// written to.
func VerifyFile(ctx context.Context, path string) (v journal.Verified, err error) {
	if path, err = filepath.Abs(path); err != nil {
		return v, err
	}
	if info, err := os.Stat(path); err != nil {
		return v, err
	} else if !info.Mode().IsRegular() {
		return v, fmt.Errorf("%s is not a file", path)
	}
	unlock, err := lockShared(path)
	if err != nil {
		return v, err
	}
	defer func() { err = errors.Join(err, unlock()) }()
	// Without a log beside it nothing needs to be made beside it either.
	if log, err := os.Stat(path + "-wal"); err != nil || log.Size() == 0 {
		return verifyAt(ctx, path, "&immutable=1")
	}
	return verifyAt(ctx, path, "")
}

// lockShared makes sure that no gateway has the file or takes it meanwhile. A
// file beside which there is no lock was never a gateway's.
func lockShared(path string) (unlock func() error, err error) {
	f, err := os.Open(path + ".lock") //nolint:gosec // the operator names it
	if errors.Is(err, fs.ErrNotExist) {
		return func() error { return nil }, nil
	}
	if err != nil {
		return nil, err
	}
	err = unix.Flock(int(f.Fd()), unix.LOCK_SH|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		err = journal.ErrLocked
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f.Close, nil
}

func verifyAt(ctx context.Context, path, more string) (v journal.Verified, err error) {
	began := time.Now()
	db, err := openAside(path, more)
	if err != nil {
		return v, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return v, fail(ctx, err)
	}
	defer func() { _ = tx.Rollback() }() // it only reads
	w := verifier{ctx: ctx, tx: tx}
	for _, look := range []func() error{w.ours, w.structure, w.counts, w.rows, w.index} {
		if err := look(); isDamage(err) {
			w.problem("it cannot be read: %v", err)
		} else if err != nil {
			return v, fail(ctx, err)
		}
		if w.foreign != nil {
			return v, w.foreign
		}
	}
	w.v.Took = time.Since(began)
	return w.v, nil
}

// verifier looks at one moment of a file.
type verifier struct {
	ctx     context.Context //nolint:containedctx // of one call
	tx      *sql.Tx
	v       journal.Verified
	ledger  map[journal.LedgerKey]journal.Counts
	foreign error // it is not a journal of this program
}

func (w *verifier) problem(format string, args ...any) {
	w.v.Problems = append(w.v.Problems, fmt.Sprintf(format, args...))
}

func (w *verifier) each(columns int, fn func([]driver.Value), query string) error {
	return each(w.ctx, w.tx, columns, func(v []driver.Value) error { fn(v); return nil }, query)
}

func (w *verifier) ours() error {
	var mark int64
	err := w.each(1, func(v []driver.Value) { mark = asInt(v[0]) }, "PRAGMA application_id")
	if err == nil && mark != applicationID {
		w.foreign = errors.New("it is not a journal")
	}
	return err
}

// structure has SQLite look at every page, and at every index against its table.
func (w *verifier) structure() error {
	return w.each(1, func(v []driver.Value) {
		if says := asText(v[0]); says != "ok" {
			w.problem("%s", says)
		}
	}, fmt.Sprintf("PRAGMA integrity_check(%d)", shownProblems))
}

func (w *verifier) counts() error {
	w.ledger = make(map[journal.LedgerKey]journal.Counts)
	err := w.each(7, func(v []driver.Value) {
		k, c := decodeCounts(v)
		w.ledger[k] = c
	}, selectLedger)
	if err != nil {
		return err
	}
	if err := w.each(1, func(v []driver.Value) { w.v.Conversations = asInt(v[0]) }, "SELECT count(*) FROM conversation"); err != nil {
		return err
	}
	for _, c := range contradictions {
		err := w.each(1, func(v []driver.Value) {
			if asInt(v[0]) != 0 {
				w.problem("%s", c.says)
			}
		}, c.count)
		if err != nil {
			return err
		}
	}
	return nil
}

// rows holds the rows against the ledger. Done and dead rows leave with time:
// there may be fewer than were counted.
func (w *verifier) rows() error {
	pending := make(map[journal.LedgerKey]int64)
	err := w.each(6, func(v []driver.Value) {
		all := asInt(v[5])
		w.v.Rows += all
		w.v.Pending += asInt(v[2])
		if v[0] == nil {
			w.problem("%d rows belong to no conversation", all)
			return
		}
		k := journal.LedgerKey{Channel: asText(v[0]), Direction: direction(asInt(v[1]))}
		pending[k] = asInt(v[2])
		c := w.ledger[k]
		if done, dead := asInt(v[3]), asInt(v[4]); done > c.Done || dead > c.Dead || all > c.Accepted {
			w.problem("%s %s: %d rows are done and %d dead of %d; the ledger has %d, %d and %d",
				k.Channel, k.Direction, done, dead, all, c.Done, c.Dead, c.Accepted)
		}
	}, `SELECT c.channel, m.lane & 1, sum(m.state < 3), sum(m.state = 3), sum(m.state > 3), count(*)
		FROM message m NOT INDEXED LEFT JOIN conversation c ON c.id = m.lane >> 1 GROUP BY 1, 2`)
	if err != nil {
		return err
	}
	for k := range pending {
		if _, ok := w.ledger[k]; !ok {
			w.problem("there are rows of %s %s, and no line of it in the ledger", k.Channel, k.Direction)
		}
	}
	for k, c := range w.ledger {
		w.v.Problems = append(w.v.Problems, writer.Unbalanced(k, c, pending[k])...)
	}
	return nil
}

// index holds the index of pending rows, by which all work is found, against the
// rows.
func (w *verifier) index() error {
	var found [2]string
	for i, how := range []string{"INDEXED BY message_pending", "NOT INDEXED"} {
		err := w.each(2, func(v []driver.Value) { found[i] = fmt.Sprintf("%d rows, sum %d", asInt(v[0]), asInt(v[1])) },
			"SELECT count(*), sum(seq) FROM message "+how+" WHERE state < 3")
		if err != nil {
			return err
		}
	}
	if found[0] != found[1] {
		w.problem("pending by their index: %s; by the rows: %s", found[0], found[1])
	}
	return nil
}
