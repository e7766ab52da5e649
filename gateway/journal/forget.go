package journal

import (
	"errors"
	"time"
)

// Forgotten is what Forget erased.
type Forgotten struct {
	Messages int // rows, in both directions
	Dead     int // of them dead letters that were on the list
	// Clean: no trace is left in the journal's files either. If not, the wiping
	// that has begun goes on by itself, with Sweep.
	Clean bool
}

// Verified is what Verify looked through, and what it found.
type Verified struct {
	Rows, Pending, Conversations int64
	// Problems are the contradictions found, in words without content; none =
	// the journal is whole.
	Problems []string
	Took     time.Duration
}

// Errors of looking after a journal.
var (
	// ErrPending: the conversation has rows that are not done.
	ErrPending = errors.New("messages of the conversation are pending")
	// ErrNoFile: the journal is in memory alone.
	ErrNoFile = errors.New("the journal is not kept in a file")
	// ErrExists: there is a file of that name.
	ErrExists = errors.New("there is a file of that name already")
	// ErrNoSpace: the copy would leave the journal's own disk too little.
	ErrNoSpace = errors.New("not enough free space for the copy")
)
