package email

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"servicelink/connectors"
)

const (
	// dropBatch is how many files are delivered together.
	dropBatch = 16
	// orphaned is how long a mail lies that is nobody's until it is told.
	orphaned = 10 * time.Minute
	// maxCopies is how many files of one name there may be in a folder.
	maxCopies = 10_000
)

// sight is a file as it was when it was looked at first.
type sight struct {
	size    int64
	changed time.Time
	since   time.Time
	judged  bool // what follows is known
	ours    bool
	told    bool // that it is nobody's
}

// candidate is a file that may be worked on.
type candidate struct {
	name    string // below Path, with slashes
	size    int64
	changed time.Time
}

// round moves what has ended and takes what is there. more: not all of it.
func (d *dropFolder) round(ctx context.Context, root *os.Root, in connectors.Inbox) (more bool, err error) {
	if err := d.mark(root); err != nil {
		return false, err
	}
	begun, fresh, err := d.list(root)
	if err != nil {
		return false, err
	}
	in.Working()
	d.present(places(begun))
	var batch []arrived[string]
	var disk error
	for _, c := range slices.Concat(begun, d.ready(ctx, root, fresh)) {
		place := strings.TrimSuffix(c.name, d.working) + d.working
		if wanted, _ := d.wanted(place); !wanted {
			continue
		}
		if more = !d.take(place, c.size); more || ctx.Err() != nil {
			break
		}
		event, err := d.work(ctx, root, c, place)
		switch {
		case err == nil:
			batch = append(batch, arrived[string]{place, event})
		case errors.Is(err, errTakenAway) || errors.Is(err, fs.ErrNotExist) || ctx.Err() != nil:
			d.release(place)
		case unavailable(err):
			d.release(place)
			disk = err
		default:
			d.failed(place, withoutName(err))
		}
		if len(batch) == dropBatch && disk == nil {
			disk, batch = d.deliver(ctx, in, batch), nil
		}
		if disk != nil {
			break
		}
	}
	if delivering := d.deliver(ctx, in, batch); delivering != nil {
		disk = delivering
	}
	d.rest.note(disk)
	return more, nil
}

func places(begun []candidate) map[string]bool {
	there := make(map[string]bool, len(begun))
	for _, c := range begun {
		there[c.name] = true
	}
	return there
}

// list finds the files that were begun, by an earlier process perhaps, and the new
// ones, each by age. Links are not followed, and what begins with a dot is being
// written by whoever named it so.
func (d *dropFolder) list(root *os.Root) (begun, fresh []candidate, err error) {
	done, dead := filepath.ToSlash(filepath.Clean(d.s.DoneFolder)), filepath.ToSlash(filepath.Clean(d.s.FailedFolder))
	err = fs.WalkDir(root.FS(), ".", func(name string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil && name == ".":
			return err
		case err != nil || name == ".":
			return nil //nolint:nilerr // a folder that cannot be read now is asked again next time
		case entry.IsDir():
			if !d.s.Subfolders || name == done || name == dead || strings.HasPrefix(path.Base(name), ".") {
				return fs.SkipDir
			}
			return nil
		case !entry.Type().IsRegular() || strings.HasPrefix(path.Base(name), "."):
			return nil
		}
		ofOurs := strings.HasSuffix(name, d.working)
		if matches, _ := path.Match(d.s.Pattern, path.Base(name)); !matches && !ofOurs {
			return nil
		}
		info, err := entry.Info()
		if err != nil {
			return nil //nolint:nilerr // it has gone meanwhile
		}
		c := candidate{name: name, size: info.Size(), changed: info.ModTime()}
		if ofOurs {
			begun = append(begun, c)
		} else {
			fresh = append(fresh, c)
		}
		return nil
	})
	byAge := func(a, b candidate) int {
		if c := a.changed.Compare(b.changed); c != 0 {
			return c
		}
		return strings.Compare(a.name, b.name)
	}
	slices.SortFunc(begun, byAge)
	slices.SortFunc(fresh, byAge)
	return begun, fresh, err
}

// ready are those files that nobody writes any more and that are this gateway's.
func (d *dropFolder) ready(ctx context.Context, root *os.Root, fresh []candidate) (ready []candidate) {
	now := time.Now()
	looked := make(map[string]sight, len(fresh))
	for _, c := range fresh {
		s, known := d.looked[c.name]
		if !known || s.size != c.size || !s.changed.Equal(c.changed) {
			s = sight{size: c.size, changed: c.changed, since: now}
		}
		// Unchanged over a poll, or since before the last one.
		if age := max(now.Sub(s.since), now.Sub(c.changed)); age >= d.s.Poll {
			if !s.judged {
				s.judged, s.ours = d.judge(ctx, root, c)
			}
			switch {
			case s.judged && s.ours:
				ready = append(ready, c)
			case s.judged && !s.told && now.Sub(s.since) >= orphaned:
				s.told = true
				d.warn("a mail in the folder is for no recipient of this gateway, and nobody has taken it: it stays",
					"hint", "Add its recipient to Recipients of the gateway that is to have it, or take the file away.")
			}
		}
		looked[c.name] = s
	}
	d.looked = looked
	return ready
}

// judge finds out whether a file is this gateway's; known = false: it cannot be read
// now.
func (d *dropFolder) judge(ctx context.Context, root *os.Root, c candidate) (known, ours bool) {
	if len(d.s.Recipients) == 0 {
		return true, true
	}
	f, _, err := openFile(root, c.name)
	if err != nil {
		return false, false
	}
	defer func() { _ = f.Close() }() // it was only read
	h, err := readHeader(ctx, io.LimitReader(f, headerBytes))
	return err == nil, err == nil && d.isFor(h)
}

// Where the recipients of a mail stand: those of the envelope, which the mail server
// has written, before those that the sender has.
var envelopeFields, senderFields = []string{"x-rcptto", "delivered-to", "x-original-to"}, []string{"to", "cc"}

// isFor tells whether a mail is for this gateway's recipients.
func (d *dropFolder) isFor(h header) bool {
	fields := senderFields
	if slices.ContainsFunc(envelopeFields, h.has) {
		fields = envelopeFields
	}
	for _, name := range fields {
		for _, value := range h.all(name) {
			for _, a := range parseAddresses(value, "") {
				if d.serves(strings.ToLower(a.addr)) {
					return true
				}
			}
		}
	}
	return false
}

func (d *dropFolder) serves(address string) bool {
	at := strings.LastIndexByte(address, '@')
	return at >= 0 && (slices.Contains(d.s.Recipients, address) || slices.Contains(d.s.Recipients, address[at:]))
}

// errTakenAway: the file is another one now, or gone.
var errTakenAway = errors.New("the file has gone")

// work renames a file, so that nobody else takes it, and reads it.
func (d *dropFolder) work(ctx context.Context, root *os.Root, c candidate, place string) (connectors.Event, error) {
	if c.name != place {
		if _, err := root.Lstat(place); err == nil {
			return connectors.Event{}, errTakenAway // one of the same name is not done yet: after it
		}
		if err := root.Rename(c.name, place); errors.Is(err, fs.ErrNotExist) {
			return connectors.Event{}, errTakenAway // another gateway was faster
		} else if err != nil {
			return connectors.Event{}, err
		}
	}
	f, info, err := openFile(root, place)
	if err != nil {
		return connectors.Event{}, err
	}
	defer func() { _ = f.Close() }() // it was only read
	whole := info.Size() <= d.maxSize
	var r io.Reader = f
	if !whole {
		r = io.LimitReader(f, headerBytes)
	}
	return d.read(ctx, r, info.ModTime(), whole, info.Size())
}

// openFile opens a file and no link.
func openFile(root *os.Root, name string) (*os.File, fs.FileInfo, error) {
	before, err := root.Lstat(name)
	if err != nil {
		return nil, nil, err
	}
	if !before.Mode().IsRegular() {
		return nil, nil, errTakenAway
	}
	f, err := root.Open(name)
	if err != nil {
		return nil, nil, err
	}
	info, err := f.Stat()
	if err == nil && !os.SameFile(before, info) {
		err = errTakenAway // something was put in its place
	}
	if err != nil {
		return nil, nil, errors.Join(err, f.Close())
	}
	return f, info, nil
}

// mark moves what has ended.
func (d *dropFolder) mark(root *os.Root) error {
	done, dead := d.unmarked()
	for folder, places := range map[string][]string{d.s.DoneFolder: done, d.s.FailedFolder: dead} {
		for _, place := range places {
			if err := d.move(root, place, folder); err != nil {
				return err
			}
			d.marked([]string{place})
		}
	}
	return nil
}

// move moves a file into a folder, under its own name or, where that is taken, with a
// number. It never writes over another file.
func (d *dropFolder) move(root *os.Root, place, folder string) error {
	name := strings.TrimSuffix(place, d.working)
	to := filepath.Join(folder, filepath.FromSlash(name))
	if err := root.MkdirAll(filepath.Dir(to), 0o750); err != nil {
		return err
	}
	extension := filepath.Ext(to)
	for n := range maxCopies {
		target := to
		if n > 0 {
			target = strings.TrimSuffix(to, extension) + "-" + strconv.Itoa(n) + extension
		}
		err := moveTo(root, filepath.FromSlash(place), target)
		switch {
		case errors.Is(err, fs.ErrExist):
			continue
		case errors.Is(err, fs.ErrNotExist):
			return nil // somebody took it away: it is out of the way
		}
		return err
	}
	return fmt.Errorf("%w: %d files of one name", fs.ErrExist, maxCopies)
}

// moveTo moves a file where nothing is yet. A link fails where something is, a rename
// does not; not every file system has links.
func moveTo(root *os.Root, from, to string) error {
	err := root.Link(from, to)
	if err == nil {
		return root.Remove(from)
	}
	if errors.Is(err, fs.ErrExist) || errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if _, err := root.Lstat(to); err == nil {
		return fs.ErrExist
	}
	return root.Rename(from, to)
}

// withoutName is an error of the file system without the file's name, which a
// customer may have chosen.
func withoutName(err error) error {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		return fmt.Errorf("%s: %w", e.Op, e.Err)
	}
	if e, ok := errors.AsType[*os.LinkError](err); ok {
		return fmt.Errorf("%s: %w", e.Op, e.Err)
	}
	return err
}

// dropFailure is what Run returns for an error.
func dropFailure(err error) error {
	if se, ok := errors.AsType[*connectors.SendError](err); ok {
		return se
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return failed(connectors.ReasonNotFound, "there is no such folder", "Make the folder in Path on the gateway's machine, or mount what it lies on.")
	case errors.Is(err, fs.ErrPermission):
		return failed(connectors.ReasonAuth, "the gateway may not work in the folder", "Let the user that the gateway runs as read, write and rename in Path.")
	}
	return failed(connectors.ReasonServer, "the folder cannot be worked in: "+withoutName(err).Error(), "See whether the disk, or the share, that Path lies on is well.")
}
