package gateway

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"servicelink/connectors"
	"servicelink/gateway/files"
)

const (
	cureFilesLimit = "raise files.max_bytes, or keep files for a shorter time (files.keep)"
	cureFilesRoom  = "free space on the disk of files.path, or move the folder to a larger one"
)

// examineFiles looks at the folder of messages' files: whether it could be written now,
// before a mail has to wait for it. There is no Check where none are kept, and while a
// folder beside the journal is still to be made: the journal's says whether it can be.
func (g *Gateway) examineFiles() []connectors.Check {
	if g.media.files == nil {
		return nil
	}
	path, journal := g.config().FilesPath(), g.config().Journal
	beside := journal.Driver != "memory" && filepath.Dir(path) == filepath.Dir(journal.Path)
	if _, err := os.Stat(path); err != nil && beside {
		return nil
	}
	return []connectors.Check{g.tryFiles(path)}
}

// tryFiles writes a file into the folder, and removes it.
func (g *Gateway) tryFiles(path string) connectors.Check {
	health := g.media.files.Health()
	if errors.Is(health, files.ErrFull) {
		return failCheck(connectors.CheckFiles, connectors.FaultFilesFull, "files.max_bytes is reached: mails stay in their mailboxes", cureFilesLimit)
	}
	if err := tryWriting(nearest(g.media.files.Temp())); err != nil {
		return filesDisk(err)
	}
	if health != nil {
		return failCheck(connectors.CheckFiles, connectors.FaultFilesAway, "the latest file could not be kept, although the folder can be written",
			"see the gateway's log; the next mail is a new try")
	}
	if _, used, _ := g.media.files.Usage(); filling(used, g.media.files.MaxBytes()) {
		return warnCheck(connectors.CheckFiles, connectors.FaultFilesFull, fmt.Sprintf("more than %d %% of files.max_bytes is used", fillingPercent), cureFilesLimit)
	}
	const found = "the folder can be written"
	journal := g.config().Journal
	left, known := spaceLeft(g.opts.Room, path)
	switch {
	case !known, journal.Driver != "memory" && sameDisk(path, filepath.Dir(journal.Path)): // the journal's Check tells of its room
		return wellCheck(connectors.CheckFiles, found)
	case left.low():
		return warnCheck(connectors.CheckFiles, connectors.FaultFilesFull, found+"; "+left.String(), cureFilesRoom)
	}
	return wellCheck(connectors.CheckFiles, "%s; %s", found, left)
}

// filesDisk names what the folder's disk says.
func filesDisk(err error) connectors.Check {
	fault, found, cure := connectors.FaultFilesAway, "the folder of files cannot be written: "+causeOf(err), "check the disk and files.path"
	switch {
	case noRoom(err):
		fault, found, cure = connectors.FaultFilesFull, "the disk of the folder of files is full", cureFilesRoom
	case errors.Is(err, unix.EROFS):
		found, cure = "the disk of the folder of files is read-only", cureReadOnly
	case errors.Is(err, fs.ErrPermission):
		found, cure = "this user may not write the folder of files", "let the gateway's user own files.path"
	}
	return failCheck(connectors.CheckFiles, fault, found, cure)
}
