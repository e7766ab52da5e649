package doctor

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"servicelink/connectors"
)

// TestFilesOnADiskOfTheirOwn: that messages' files cannot be kept is found before the
// first start, and told by a running gateway before the first mail.
func TestFilesOnADiskOfTheirOwn(t *testing.T) {
	t.Run("full", func(t *testing.T) {
		filesOnDisk(t, finding{"", connectors.CheckFiles, connectors.FaultFilesFull, connectors.CheckFailed, "is full"}, func(dir string) error {
			err := os.WriteFile(filepath.Join(dir, "ballast"), bytes.Repeat([]byte{1}, 2<<20), 0o600)
			if errors.Is(err, unix.ENOSPC) {
				return nil
			}
			return errors.Join(errors.New("the disk is not full"), err)
		})
	})
	t.Run("read-only", func(t *testing.T) {
		filesOnDisk(t, finding{"", connectors.CheckFiles, connectors.FaultFilesAway, connectors.CheckFailed, "read-only"}, func(dir string) error {
			return unix.Mount("tmpfs", dir, "tmpfs", unix.MS_REMOUNT|unix.MS_RDONLY, "")
		})
	})
	t.Run("small", func(t *testing.T) {
		filesOnDisk(t, finding{"", connectors.CheckFiles, connectors.FaultFilesFull, connectors.CheckWarning, "are free on its disk"}, func(string) error { return nil })
	})
}

func filesOnDisk(t *testing.T, want finding, spoil func(dir string) error) {
	t.Helper()
	h := newHouse(t)
	h.channels = []string{"sms"}
	dir, here := smallDisk(t)
	if !here {
		return
	}
	h.files = filepath.Join(dir, "files")
	h.must(spoil(dir))
	h.names([]finding{want})
	if _, err := os.Stat(h.files); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("looking made the folder: %v", err)
	}
	h.run()
	h.names([]finding{want})
	if !h.statusSays(string(want.fault)) {
		t.Error("the gateway does not tell what it has found")
	}
}
