// Package sqlite is the journal in one SQLite file: the default driver.
//
// One connection writes, in WAL mode with synchronous=FULL, one transaction per
// group of the writer; reading calls have connections of their own and see
// whole transactions. A lock on <path>.lock keeps a second process out, and
// goes with the process however that ends.
//
// # What is on disk
//
// Message rows in order of Seq, conversations, ledger counters, and the known
// ids (see the type seen). Space that Sweep frees is used again; the file does
// not shrink. Conversations and counters are kept for good: they outlive their
// messages, at some 200 bytes a conversation. Ids are erased in pieces of a
// million rows, so up to that many are known longer than KeepIDs asks.
// Times are kept to the microsecond, a conversation's LastSeen to the minute.
// What is erased is overwritten; of a forgotten conversation, which must leave no
// trace, the copies SQLite makes as well (see the type wipe).
//
// # When the disk fails
//
// Options.MaxBytes counts used pages and the log. Beyond it nothing new is
// taken (ErrFull), repeats are still answered and changes still written. The
// same goes for a full device, as far as the log has room. A file that was
// removed or replaced under the process is ErrAway until it is back: writing
// on would be writing into nothing.
package sqlite

import (
	"context"
	"database/sql"
	"sync"
	"time"

	"servicelink/gateway/journal"
	"servicelink/gateway/journal/internal/writer"
)

// Journal is a journal.Journal in a file.
type Journal struct {
	*writer.Writer
	s  *store
	db *sql.DB // reads

	backingUp sync.Mutex
}

var _ journal.Journal = (*Journal)(nil)

// Born is when the file was made.
func (j *Journal) Born() time.Time { return j.s.born }

// Volatile is false.
func (j *Journal) Volatile() bool { return false }

// Size is what Options.MaxBytes is compared with: used pages and the log, in
// bytes, after the latest group.
func (j *Journal) Size() int64 { return j.s.size.Load() }

// Open opens the journal at path and makes it when there is none, with its
// directory. The errors name the path and say what can be done; ErrLocked is
// one of them.
func Open(ctx context.Context, path string, o journal.Options) (*Journal, error) {
	j, err := open(ctx, path, writer.WithDefaults(o), defaultTuning)
	if err != nil {
		return nil, openError(path, err)
	}
	return j, nil
}
