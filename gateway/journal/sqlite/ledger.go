package sqlite

import (
	"database/sql/driver"

	"servicelink/gateway/journal"
)

// account is one line of the ledger.
type account struct {
	key journal.LedgerKey
	journal.Counts
	saved journal.Counts // as of the last commit; pending's readers look at it
	dirty bool
}

// ledger holds all counters in memory; a transaction writes those it changed
// once, however many rows it has.
type ledger struct {
	accounts map[journal.LedgerKey]*account
	dirty    []*account

	save *stmt
}

func (l *ledger) prepare(c *conn) {
	l.save = c.prepare(`INSERT INTO ledger (channel, direction, accepted, requeued, done, dead, pending)
		VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (channel, direction) DO UPDATE SET
		accepted = excluded.accepted, requeued = excluded.requeued, done = excluded.done,
		dead = excluded.dead, pending = excluded.pending`)
}

const selectLedger = "SELECT channel, direction, accepted, requeued, done, dead, pending FROM ledger"

func decodeCounts(v []driver.Value) (journal.LedgerKey, journal.Counts) {
	return journal.LedgerKey{Channel: asText(v[0]), Direction: journal.Direction(asInt(v[1]))},
		journal.Counts{Accepted: asInt(v[2]), Requeued: asInt(v[3]), Done: asInt(v[4]), Dead: asInt(v[5]), Pending: asInt(v[6])}
}

// load reads the counters and returns how many rows were ever accepted.
func (l *ledger) load(c *conn) (accepted int64, err error) {
	all := c.prepare(selectLedger)
	if c.err != nil {
		return 0, c.err
	}
	l.accounts = make(map[journal.LedgerKey]*account)
	err = all.each(func(v []driver.Value) error {
		k, counts := decodeCounts(v)
		l.accounts[k] = &account{key: k, Counts: counts, saved: counts}
		accepted += counts.Accepted
		return nil
	})
	return accepted, err
}

// account gives the counters to change; the caller changes them.
func (l *ledger) account(channel string, d journal.Direction) *account {
	a := l.get(channel, d)
	l.touch(a)
	return a
}

// get gives the counters to look at.
func (l *ledger) get(channel string, d journal.Direction) *account {
	k := journal.LedgerKey{Channel: channel, Direction: d}
	a := l.accounts[k]
	if a == nil {
		a = &account{key: k}
		l.accounts[k] = a
	}
	return a
}

func (l *ledger) touch(a *account) {
	if !a.dirty {
		a.dirty = true
		l.dirty = append(l.dirty, a)
	}
}

func (l *ledger) flush() error {
	for _, a := range l.dirty {
		_, err := l.save.exec(a.key.Channel, int64(a.key.Direction), a.Accepted, a.Requeued, a.Done, a.Dead, a.Pending)
		if err != nil {
			return err
		}
	}
	return nil
}

func (l *ledger) committed() {
	for _, a := range l.dirty {
		a.saved, a.dirty = a.Counts, false
	}
	l.dirty = l.dirty[:0]
}

func (l *ledger) rolledBack() {
	for _, a := range l.dirty {
		a.Counts, a.dirty = a.saved, false
	}
	l.dirty = l.dirty[:0]
}
