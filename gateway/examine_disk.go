package gateway

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// Below one of these a disk is nearly full.
const (
	roomLeast        = 1 << 30 // bytes
	roomLeastPercent = 10
)

// trialBytes are written to see whether the disk takes them.
const trialBytes = 64 << 10

const cureReadOnly = "mount it for writing; see the system's log, as a disk with errors is made read-only"

// tryWriting writes a file in a folder, and removes it.
func tryWriting(dir string) error {
	f, err := os.CreateTemp(dir, ".servicelink-doctor-*")
	if err != nil {
		return err
	}
	_, err = f.Write(make([]byte, trialBytes))
	return errors.Join(err, f.Sync(), f.Close(), os.Remove(f.Name()))
}

// nearest is the folder itself, or the one above that it would be made in.
func nearest(dir string) string {
	for {
		if _, err := os.Stat(dir); err == nil || !errors.Is(err, fs.ErrNotExist) {
			return dir
		}
		up := filepath.Dir(dir)
		if up == dir {
			return dir
		}
		dir = up
	}
}

// noRoom tells whether a disk, or somebody's share of it, is full.
func noRoom(err error) bool { return errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) }

// causeOf is what a disk says, without the path: that is the operator's own, and long.
func causeOf(err error) string {
	if path, ok := errors.AsType[*fs.PathError](err); ok {
		err = path.Err
	}
	return oneLine(err.Error())
}

// diskRoom gives how many bytes are free on a folder's disk, and how many it has.
type diskRoom = func(folder string) (free, all uint64, err error)

func roomOn(folder string) (free, all uint64, err error) {
	var disk unix.Statfs_t
	if err := unix.Statfs(folder, &disk); err != nil {
		return 0, 0, err
	}
	size := uint64(disk.Bsize) //nolint:gosec // a block's size is not negative
	return disk.Bavail * size, disk.Blocks * size, nil
}

// space is what is left of a disk.
type space struct{ free, percent uint64 }

// spaceLeft asks for the room in a folder, or in the one it would be made in. Without on
// the disk itself is asked.
func spaceLeft(on diskRoom, folder string) (left space, known bool) {
	if on == nil {
		on = roomOn
	}
	free, all, err := on(nearest(folder))
	if err != nil || all == 0 {
		return space{}, false
	}
	return space{free, uint64(float64(free) / float64(all) * 100)}, true
}

// low: it is nearly full.
func (s space) low() bool { return s.free < roomLeast || s.percent < roomLeastPercent }

func (s space) String() string {
	if s.low() {
		return fmt.Sprintf("%d MiB (%d %%) are free on its disk", s.free>>20, s.percent)
	}
	return fmt.Sprintf("%d GiB are free on its disk", s.free>>30)
}

// sameDisk tells whether two folders, or those they would be made in, are on one disk.
func sameDisk(a, b string) bool {
	var one, other unix.Stat_t
	return unix.Stat(nearest(a), &one) == nil && unix.Stat(nearest(b), &other) == nil && one.Dev == other.Dev
}
