//go:build chaos

package chaos

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"servicelink/test/proc"
)

// A static Go program asks the kernel for the time by itself, so no library can
// be put before it, and the wall clock of a machine is not a test's to set. What
// remains is the place where Go reads it: a gateway is built with a package time
// that adds the seconds it finds in a file to what time.Now says. The monotonic
// reading stays as it is, as with a real step.

// clockVariable names the file with the seconds.
const clockVariable = "SERVICELINK_STEPPING_CLOCK"

// errTime says that Go's package time is not written as expected.
var errTime = errors.New("chaos: time.Now of this Go version is not the one that clock_test.go knows")

const (
	timeNow     = "func Now() Time {\n\tsec, nsec, mono := runtimeNow()\n"
	timeStepper = `package time

import (
	"sync/atomic"
	"syscall"
	"unsafe"
)

// stepping is shared with whoever wrote the file.
var stepping = openStepping()

func openStepping() *int64 {
	path, _ := syscall.Getenv("` + clockVariable + `")
	fd, err := syscall.Open(path, syscall.O_RDONLY|syscall.O_CLOEXEC, 0)
	if err != nil {
		panic("stepping clock: " + err.Error())
	}
	page, err := syscall.Mmap(fd, 0, 8, syscall.PROT_READ, syscall.MAP_SHARED)
	if err != nil {
		panic("stepping clock: " + err.Error())
	}
	return (*int64)(unsafe.Pointer(&page[0]))
}

func step() int64 { return atomic.LoadInt64(stepping) }
`
)

// buildStepping builds the gateway with that package time in dir.
func buildStepping(ctx context.Context, dir string) error {
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	root, err := exec.CommandContext(ctx, "go", "env", "GOROOT").Output()
	if err != nil {
		return err
	}
	folder := filepath.Join(strings.TrimSpace(string(root)), "src", "time")
	source, err := os.ReadFile(filepath.Join(folder, "time.go"))
	if err != nil {
		return err
	}
	if bytes.Count(source, []byte(timeNow)) != 1 {
		return errTime
	}
	source = bytes.Replace(source, []byte(timeNow), []byte(timeNow+"\tsec += step()\n"), 1)
	overlay, err := json.Marshal(map[string]map[string]string{"Replace": {
		filepath.Join(folder, "time.go"):     filepath.Join(dir, "time.go"),
		filepath.Join(folder, "stepping.go"): filepath.Join(dir, "stepping.go"),
	}})
	if err != nil {
		return err
	}
	for name, text := range map[string][]byte{"time.go": source, "stepping.go": []byte(timeStepper), "overlay.json": overlay} {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			return err
		}
	}
	return proc.BuildWith(ctx, dir, []string{"-overlay", filepath.Join(dir, "overlay.json")}, "servicelink/cmd/servicelink")
}

// clock is the file with the seconds.
type clock struct{ path string }

// set lets the gateways that step see the time so much later, or earlier.
func (c clock) set(offset time.Duration) error {
	seconds := binary.NativeEndian.AppendUint64(nil, uint64(int64(offset/time.Second)))
	f, err := os.OpenFile(c.path, os.O_WRONLY|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteAt(seconds, 0) // into the page that is mapped: no truncation
	return errors.Join(err, f.Close())
}
