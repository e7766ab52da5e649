package gateway

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"servicelink/config"
	"servicelink/connectors"
	"servicelink/gateway/journal"
)

const (
	cureRoom   = "free space on the journal's disk, or move the journal to a larger one"
	cureRights = "let the gateway's user own the journal's file and folder"
)

// journalFaultCheck is a CheckJournal that failed.
func journalFaultCheck(fault connectors.FaultName, found, cure string) connectors.Check {
	return failCheck(connectors.CheckJournal, fault, found, cure)
}

// examineJournal looks at the journal that runs.
func (g *Gateway) examineJournal() connectors.Check {
	cfg := g.config().Journal
	err := g.journal.Health()
	switch {
	case errors.Is(err, journal.ErrFull):
		if c := tryDisk(cfg.Path); !g.journal.Volatile() && c != nil {
			return *c
		}
		return journalFaultCheck(connectors.FaultJournalFull, "it is full: nothing more is taken from any network",
			"see what is pending (servicelink status), and raise journal.max_bytes")
	case err != nil:
		if c := tryDisk(cfg.Path); c != nil {
			return *c
		}
		return journalFaultCheck(connectors.FaultJournal, "it cannot be read or written", "see the gateway's log; check the disk and the file's rights")
	case g.journal.Volatile():
		return inMemory()
	}
	if filling(g.journal.Size(), int64(cfg.MaxBytes)) {
		return warnCheck(connectors.CheckJournal, connectors.FaultJournalFull,
			fmt.Sprintf("more than %d %% of journal.max_bytes is used", fillingPercent), "see what is pending, or raise the limit")
	}
	return spaceFor(g.opts.Room, cfg.Path, "it is written")
}

func inMemory() connectors.Check {
	return wellCheck(connectors.CheckJournal, "it is in memory: nothing survives the process")
}

// tryJournal looks at the file of a journal that this process does not run. It changes
// neither the file nor its lock; what it writes beside it is gone afterwards.
func tryJournal(cfg config.Journal, room diskRoom) connectors.Check {
	if cfg.Driver == "memory" {
		return inMemory()
	}
	info, err := os.Stat(cfg.Path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if c := tryDisk(cfg.Path); c != nil {
			return *c
		}
		return spaceFor(room, cfg.Path, "there is none yet; it can be made")
	case err != nil:
		return diskFault(err)
	case !info.Mode().IsRegular():
		return journalFaultCheck(connectors.FaultJournal, "journal.path is no file", "name a file in journal.path")
	}
	if c := tryFile(cfg.Path); c != nil {
		return *c
	}
	if locked(cfg.Path) {
		return spaceFor(room, cfg.Path, "a running gateway holds it")
	}
	if c := tryDisk(cfg.Path); c != nil {
		return *c
	}
	if limit := int64(cfg.MaxBytes); limit > 0 && info.Size() >= limit {
		return warnCheck(connectors.CheckJournal, connectors.FaultJournalFull, "its file has reached journal.max_bytes",
			"start the gateway, which gives up what is old enough, or raise the limit")
	}
	return spaceFor(room, cfg.Path, "it can be written")
}

// sqliteMark begins every journal's file.
var sqliteMark = []byte("SQLite format 3\x00")

// tryFile opens the file for writing and reads its beginning; nil = it is well.
func tryFile(path string) *connectors.Check {
	f, err := os.OpenFile(path, os.O_RDWR, 0) //nolint:gosec // the operator names it
	if err != nil {
		c := diskFault(err)
		return &c
	}
	defer f.Close()
	mark := make([]byte, len(sqliteMark))
	n, err := io.ReadFull(f, mark)
	if n == 0 && errors.Is(err, io.EOF) || bytes.Equal(mark[:n], sqliteMark) {
		return nil // an empty one is filled at the start
	}
	c := journalFaultCheck(connectors.FaultJournal, "the file at journal.path is no journal, or is damaged",
		"name another file, or restore the journal from a backup")
	return &c
}

// locked tells whether a gateway has the journal. The lock is a file of its own, and
// held for a moment here.
func locked(path string) bool {
	f, err := os.OpenFile(path+".lock", os.O_RDWR, 0) //nolint:gosec // beside the file the operator names
	if err != nil {
		return false
	}
	defer f.Close()
	return errors.Is(unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB), unix.EWOULDBLOCK)
}

// tryDisk writes a file where the journal is, and removes it; nil = that worked.
func tryDisk(path string) *connectors.Check {
	if err := tryWriting(nearest(filepath.Dir(path))); err != nil {
		c := diskFault(err)
		return &c
	}
	return nil
}

// diskFault names what a disk says.
func diskFault(err error) connectors.Check {
	switch {
	case noRoom(err):
		return journalFaultCheck(connectors.FaultJournalFull, "the journal's disk is full", cureRoom)
	case errors.Is(err, unix.EROFS):
		return journalFaultCheck(connectors.FaultJournalReadOnly, "the journal's disk is read-only",
			cureReadOnly)
	case errors.Is(err, fs.ErrPermission):
		return journalFaultCheck(connectors.FaultJournalReadOnly, "this user may not write the journal", cureRights)
	}
	return journalFaultCheck(connectors.FaultJournal, "the journal cannot be written: "+causeOf(err), "check the disk and the folder of journal.path")
}

// spaceFor is how a journal is that can be written, and a warning when its disk is nearly
// full.
func spaceFor(room diskRoom, path, found string) connectors.Check {
	left, known := spaceLeft(room, filepath.Dir(path))
	switch {
	case !known:
		return wellCheck(connectors.CheckJournal, "%s", found)
	case left.low():
		return warnCheck(connectors.CheckJournal, connectors.FaultJournalFull, found+"; "+left.String(), cureRoom)
	}
	return wellCheck(connectors.CheckJournal, "%s; %s", found, left)
}
