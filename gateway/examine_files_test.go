package gateway

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"servicelink/config"
	"servicelink/connectors"
)

// TestExamineFiles: whether files of messages can be kept is found before a mail has to
// wait, and told once.
func TestExamineFiles(t *testing.T) {
	const gib = 1 << 30
	ok := connectors.Check{Name: connectors.CheckFiles, State: connectors.CheckOK}
	warning := connectors.Check{Name: connectors.CheckFiles, State: connectors.CheckWarning, Fault: connectors.FaultFilesFull}
	failed := connectors.Check{Name: connectors.CheckFiles, State: connectors.CheckFailed, Fault: connectors.FaultFilesFull}
	away := connectors.Check{Name: connectors.CheckFiles, State: connectors.CheckFailed, Fault: connectors.FaultFilesAway}
	for name, test := range map[string]struct {
		put   []int // bytes of what is kept before, of 1,000
		spoil func(dir string) error
		free  uint64 // of 100 GiB
		want  connectors.Check
		found string
	}{
		"well":                {nil, nil, 50 * gib, ok, "the folder can be written; 50 GiB are free"},
		"in use":              {[]int{800}, nil, 50 * gib, ok, "the folder can be written; 50 GiB are free"},
		"nearly all is used":  {[]int{801}, nil, 50 * gib, warning, "more than 80 % of files.max_bytes"},
		"all is used":         {[]int{900, 101}, nil, 50 * gib, failed, "files.max_bytes is reached"},
		"the disk fills":      {nil, nil, 9 * gib, warning, "9216 MiB (9 %) are free"},
		"no folder":           {nil, func(dir string) error { return os.WriteFile(dir, nil, 0o600) }, 50 * gib, away, "not a directory"},
		"no folder, and mail": {[]int{1}, func(dir string) error { return os.WriteFile(dir, nil, 0o600) }, 50 * gib, away, "not a directory"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "files")
			r := newMediaRig(t, func(cfg *config.Config) {
				cfg.Files = config.Files{Path: dir, Keep: time.Hour, MaxBytes: 1000}
				cfg.Journal.Driver = "memory"
			})
			r.gw.opts.Room = func(string) (free, all uint64, err error) { return test.free, 100 * gib, nil }
			if test.spoil != nil {
				if err := test.spoil(dir); err != nil {
					t.Fatal(err)
				}
			}
			for _, size := range test.put {
				_, _ = r.gw.media.files.Put(t.Context(), "", "", strings.NewReader(strings.Repeat("x", size)))
			}
			found := r.gw.examineFiles()
			if len(found) != 1 {
				t.Fatalf("found %+v", found)
			}
			c := found[0]
			if c.Name != test.want.Name || c.State != test.want.State || c.Fault != test.want.Fault || !strings.Contains(c.Found, test.found) {
				t.Errorf("found %+v", c)
			}
			r.gw.self.keep(found, time.Now())
			told := append(r.gw.filesFault(), r.gw.foundFaults()...)
			if c.State == connectors.CheckOK {
				wantFaults(t, "well", told)
			} else {
				wantFaults(t, "told once", told, ":"+string(test.want.Fault))
			}
			if left, _ := filepath.Glob(filepath.Join(dir, "*", ".servicelink*")); len(left) > 0 {
				t.Errorf("left behind: %v", left)
			}
		})
	}
}

// TestExamineFilesBeside: of a folder that the journal's will be made beside of, the
// journal's check says enough; of another one, and of one that is there, it does not.
func TestExamineFilesBeside(t *testing.T) {
	dir := t.TempDir()
	for path, want := range map[string]int{"": 0, "elsewhere": 0, filepath.Join("data", "files"): 1, "there": 1} {
		r := newMediaRig(t, func(cfg *config.Config) {
			cfg.Journal.Path = filepath.Join(dir, "journal.db")
			if path != "" {
				cfg.Files.Path = filepath.Join(dir, path)
			}
		})
		if path == "there" {
			if err := os.Mkdir(filepath.Join(dir, path), 0o700); err != nil {
				t.Fatal(err)
			}
		}
		r.gw.opts.Room = func(string) (free, all uint64, err error) { return 1, 100, nil }
		found := r.gw.examineFiles()
		if len(found) != want || want == 1 && (found[0].State != connectors.CheckOK || found[0].Found != "the folder can be written") {
			t.Errorf("%q: %+v", path, found) // the journal's check has the disk they share
		}
	}
	r := newMediaRig(t, func(cfg *config.Config) { cfg.Journal.Driver = "memory" })
	if found := r.gw.examineFiles(); len(found) != 0 {
		t.Errorf("where none are kept: %+v", found)
	}
}

// TestFilesDisk: what a disk says has its name and its cure.
func TestFilesDisk(t *testing.T) {
	for err, want := range map[error]connectors.FaultName{
		unix.ENOSPC: connectors.FaultFilesFull, unix.EDQUOT: connectors.FaultFilesFull,
		unix.EROFS: connectors.FaultFilesAway, unix.EACCES: connectors.FaultFilesAway, unix.EIO: connectors.FaultFilesAway,
	} {
		c := filesDisk(&os.PathError{Op: "write", Path: "/secret/place", Err: err})
		if c.Fault != want || c.Cure == "" || strings.Contains(c.Found, "/secret") {
			t.Errorf("%v: %+v", err, c)
		}
		if !errors.Is(err, unix.EIO) && strings.Contains(c.Found, err.Error()) {
			t.Errorf("%v is told as it comes: %s", err, c.Found)
		}
	}
}
