// Package writer is the part every driver of the journal shares: one queue, one
// goroutine that works it off in groups, one transaction per group, and one that
// tells what came of each group while the next is written.
//
// A driver brings a [Store], whose methods run on the first goroutine alone. What
// may fail, in what order callers hear of it, and what is tried again is
// decided here and nowhere else.
package writer

import (
	"time"

	"servicelink/gateway/journal"
)

// Store is one driver's storage. Between Begin and Commit or Rollback the
// writer calls the changing methods in the order of the journal's calls.
//
// An error that Away recognises ends the transaction for everybody in it; any
// other error is taken as the fault of the one step it came from.
type Store interface {
	Begin() error
	// Accept journals one entry and fills row when it is to be handed over
	// (row.Seq stays 0 otherwise).
	Accept(e *journal.Entry, row *journal.Row) (journal.Verdict, error)
	// Known tells whether an entry is journaled, without journaling it; it
	// fills row as Accept does for a repeat.
	Known(e *journal.Entry, row *journal.Row) (bool, error)
	Change(c *journal.Change) error
	// Requeue fills row with the dead letter that is pending again.
	Requeue(seq int64, row *journal.Row) error
	Discard(seq int64) error
	// Report puts a report into its row (ApplyReport) and fills row with it.
	Report(r *journal.Report, row *journal.Row) (changed bool, err error)
	Pause(channel string, since time.Time) error
	// Claim gives the name as it is kept: n, unless there was one. With known it
	// keeps nothing new: ErrNotFound then.
	Claim(n *journal.Name, known bool) (journal.Name, error)
	Sweep() (int, error)
	// Forget erases a piece of a conversation: ErrPending and ErrNotFound as
	// journal.Journal's Forget has them.
	Forget(e *Erasure) (journal.Forgotten, error)
	// Probe writes a trifle, to see whether writing works again.
	Probe() error
	Commit() error
	// Rollback undoes everything since Begin, in memory too.
	Rollback()

	// Pending gives a lane's first pending rows, outside a transaction.
	Pending(lane journal.Lane, limit int) (rows []journal.Row, more bool, err error)
	// Wipe takes a step at overwriting what erased rows left behind, outside a
	// transaction.
	Wipe() (Wiping, error)
	// Full is nil, or says why no new entry fits (errors.Is ErrFull), or why
	// none is taken any more (errors.Is ErrAway).
	Full() error
	// Away wraps err into ErrFull or ErrAway when it says that the storage
	// cannot be written now, whatever is written; else it returns nil.
	Away(err error) error
	Close() error
}
