//go:build chaos

package chaos

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

const (
	diskBytes = 48 << 20
	ballast   = "ballast"
)

// disk is the file system below the journal: ext4 in a file where we are root,
// else memory, which can be full and nothing worse.
type disk struct {
	image, at string
	device    string // "loop0"; empty = in memory
}

// newDisk makes and mounts it. Only root of the machine may attach a file.
func newDisk(dir string, root bool) (*disk, error) {
	d := &disk{image: filepath.Join(dir, "disk.img"), at: filepath.Join(dir, "disk")}
	if err := os.Mkdir(d.at, 0o700); err != nil {
		return nil, err
	}
	if !root {
		return d, unix.Mount("tmpfs", d.at, "tmpfs", 0, fmt.Sprintf("size=%d,mode=700", diskBytes))
	}
	if err := os.WriteFile(d.image, nil, 0o600); err != nil {
		return nil, err
	}
	if err := os.Truncate(d.image, diskBytes); err != nil {
		return nil, err
	}
	// Nothing reserved: root would not see that it is full.
	if err := command("mkfs.ext4", "-q", "-m", "0", "-e", "remount-ro", d.image); err != nil {
		return nil, err
	}
	return d, d.mount()
}

func (d *disk) mount() error {
	if err := command("mount", "-o", "loop,errors=remount-ro", d.image, d.at); err != nil {
		return err
	}
	out, err := exec.Command("findmnt", "-n", "-o", "SOURCE", d.at).Output() //nolint:noctx // short
	d.device = filepath.Base(strings.TrimSpace(string(out)))
	return err
}

// real says whether there is a block device.
func (d *disk) real() bool { return d.device != "" }

// fill leaves no byte.
func (d *disk) fill() error {
	f, err := os.OpenFile(filepath.Join(d.at, ballast), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	for size := 1 << 20; size > 0; {
		n, err := f.Write(bytes.Repeat([]byte{1}, size))
		switch {
		case errors.Is(err, unix.ENOSPC) && n == 0:
			size /= 2
		case err != nil && !errors.Is(err, unix.ENOSPC):
			return err
		}
	}
	return f.Sync() // what is promised is not there for others
}

// empty makes room again.
func (d *disk) empty() error {
	err := os.Remove(filepath.Join(d.at, ballast))
	if errors.Is(err, os.ErrNotExist) {
		err = nil
	}
	return err
}

// freeze stops every write where it is; thaw lets them go on.
func (d *disk) freeze() error { return command("fsfreeze", "-f", d.at) }
func (d *disk) thaw() error   { return command("fsfreeze", "-u", d.at) }

// fail makes the kernel find a fault in the file system: from then on it can
// only be read, and what was not synced before is gone.
func (d *disk) fail() error {
	return os.WriteFile(filepath.Join("/sys/fs/ext4", d.device, "trigger_fs_error"), []byte("1"), 0o600)
}

// repair does what an operator does then. Nobody may have files open there.
func (d *disk) repair() error {
	if err := command("umount", d.at); err != nil {
		return err
	}
	err := command("fsck.ext4", "-p", d.image)
	if failed, ok := errors.AsType[*exec.ExitError](err); ok && failed.ExitCode() == 1 {
		err = nil // it says that it has mended something
	}
	return errors.Join(err, d.mount())
}

// close unmounts it: the file behind it is removed with the test's folder.
func (d *disk) close() error { return command("umount", d.at) }
