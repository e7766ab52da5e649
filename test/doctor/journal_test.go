package doctor

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"servicelink/connectors"
)

// alone says that this process is the one that smallDisk has started.
const alone = "SERVICELINK_DOCTOR_ALONE"

// smallDisk mounts a disk in memory. Who may not do that runs the test in a process that
// may: root of a namespace of its own. here is false when the test was run there.
func smallDisk(t *testing.T) (dir string, here bool) {
	t.Helper()
	dir = t.TempDir()
	err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=1m,mode=700")
	if errors.Is(err, unix.EPERM) && os.Getenv(alone) == "" {
		command := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
		command.Env = append(os.Environ(), alone+"=1")
		command.SysProcAttr = &syscall.SysProcAttr{
			Cloneflags:  syscall.CLONE_NEWNS | syscall.CLONE_NEWUSER,
			UidMappings: []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}},
			GidMappings: []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}},
		}
		out, err := command.CombinedOutput()
		if _, ran := errors.AsType[*exec.ExitError](err); err != nil && !ran {
			t.Skipf("no file system can be mounted: %v", err)
		}
		if err != nil || !strings.Contains(string(out), "--- PASS: "+t.Name()) {
			t.Errorf("in a namespace of its own: %v\n%s", err, out)
		}
		return "", false
	}
	if err != nil {
		t.Skipf("no file system can be mounted: %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return dir, true
}

// TestJournalOnAFullDisk: found before the first start.
func TestJournalOnAFullDisk(t *testing.T) {
	h := newHouse(t)
	h.channels = []string{"sms"}
	dir, here := smallDisk(t)
	if !here {
		return
	}
	ballast := filepath.Join(dir, "ballast")
	if err := os.WriteFile(ballast, bytes.Repeat([]byte{1}, 2<<20), 0o600); !errors.Is(err, unix.ENOSPC) {
		t.Fatalf("filling the disk: %v", err)
	}
	h.journal = filepath.Join(dir, "journal.db")
	h.names([]finding{{"", connectors.CheckJournal, connectors.FaultJournalFull, "", "full"}})
}

// TestJournalOnAReadOnlyDisk: found before the first start.
func TestJournalOnAReadOnlyDisk(t *testing.T) {
	h := newHouse(t)
	h.channels = []string{"sms"}
	dir, here := smallDisk(t)
	if !here {
		return
	}
	h.journal = filepath.Join(dir, "data", "journal.db")
	if err := unix.Mount("tmpfs", dir, "tmpfs", unix.MS_REMOUNT|unix.MS_RDONLY, ""); err != nil {
		t.Fatal(err)
	}
	h.names([]finding{{"", connectors.CheckJournal, connectors.FaultJournalReadOnly, "", "read-only"}})
}

// TestJournalPlaces: what else is wrong with a place is told without a disk of its own.
func TestJournalPlaces(t *testing.T) {
	t.Run("no folder can be made", func(t *testing.T) {
		h := newHouse(t)
		h.channels = []string{"sms"}
		file := filepath.Join(h.dir, "a-file")
		h.must(os.WriteFile(file, nil, 0o600))
		h.journal = filepath.Join(file, "journal.db")
		h.names([]finding{{"", connectors.CheckJournal, connectors.FaultJournal, "", "cannot be written"}})
	})
	t.Run("another file", func(t *testing.T) {
		h := newHouse(t)
		h.channels = []string{"sms"}
		h.must(os.WriteFile(h.journal, []byte("these are somebody's notes, and no journal"), 0o600))
		h.names([]finding{{"", connectors.CheckJournal, connectors.FaultJournal, "", "no journal"}})
	})
	t.Run("memory", func(t *testing.T) {
		h := newHouse(t)
		h.channels = []string{"sms"}
		h.journalSection = "{ driver: memory }"
		d := h.names(nil)
		for _, e := range d.Checks {
			if e.Name == connectors.CheckJournal && e.Found != "it is in memory: nothing survives the process" {
				t.Errorf("%+v", e)
			}
		}
	})
	t.Run("left as it was", func(t *testing.T) {
		h := newHouse(t)
		h.channels = []string{"sms"}
		h.journal = filepath.Join(h.dir, "data", "journal.db")
		h.names(nil)
		if _, err := os.Stat(filepath.Dir(h.journal)); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("looking made the journal's folder: %v", err)
		}
		if left, _ := filepath.Glob(filepath.Join(h.dir, ".servicelink*")); len(left) > 0 {
			t.Errorf("looking left %v", left)
		}
	})
}
