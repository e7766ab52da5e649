// Package memory is the journal that keeps everything in the process: the same
// contract as any driver, no files, and nothing left after a restart.
//
// A row takes about its content, ids and 600 bytes; Options.MaxBytes bounds the
// sum by that estimate. Finished rows stay for Options.KeepIDs as everywhere,
// so a busy gateway wants shorter times here than on disk.
package memory

import (
	"errors"
	"time"

	"servicelink/gateway/journal"
	"servicelink/gateway/journal/internal/writer"
)

// Journal is a journal.Journal without files.
type Journal struct {
	*writer.Writer
	s *store
}

var _ journal.Journal = (*Journal)(nil)

// Open makes an empty journal. The entries it is given must not be changed
// afterwards, their content included.
func Open(o journal.Options) (*Journal, error) {
	if o.OnCommit == nil {
		return nil, errors.New("journal: OnCommit is required")
	}
	s := newStore(writer.WithDefaults(o))
	return &Journal{Writer: writer.Start(s, o.OnCommit), s: s}, nil
}

// Born is when Open was called.
func (j *Journal) Born() time.Time { return j.s.born }

// Volatile is true.
func (j *Journal) Volatile() bool { return true }
