//go:build chaos

package chaos

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"servicelink/test/proc"
)

const (
	// binariesVariable tells the test inside the house where the programs are.
	binariesVariable = "SERVICELINK_CHAOS_BINARIES"
	// rootVariable is set inside the house of the machine's root.
	rootVariable = "SERVICELINK_CHAOS_ROOT"
)

// TestMain builds the programs and starts itself again in its own house.
func TestMain(m *testing.M) {
	if os.Getenv(binariesVariable) != "" {
		if err := furnish(); err != nil {
			fmt.Fprintln(os.Stderr, "chaos: the house cannot be furnished:", err)
			os.Exit(1)
		}
		goleak.VerifyTestMain(m)
		return
	}
	code, err := moveIn()
	if err != nil {
		fmt.Fprintln(os.Stderr, "chaos:", err)
		code = 1
	}
	os.Exit(code)
}

// moveIn builds what is under test and runs this program again, with process,
// mount and network namespaces of its own. Without root it gets a user
// namespace as well, where the system allows it.
func moveIn() (code int, err error) {
	dir, err := os.MkdirTemp("", "servicelink-chaos-bin-")
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	ctx := context.Background()
	err = proc.Build(ctx, dir, "servicelink/cmd/servicelink", "servicelink/cmd/refcore", "servicelink/cmd/netsim")
	if err == nil {
		err = buildStepping(ctx, filepath.Join(dir, "stepping"))
	}
	if err != nil {
		return 0, err
	}
	cmd := exec.CommandContext(ctx, "/proc/self/exe", os.Args[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.Env = append(os.Environ(), binariesVariable+"="+dir)
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWNET | syscall.CLONE_NEWPID,
		Pdeathsig:  syscall.SIGKILL, // and with the first process of its namespace all others
	}
	if os.Geteuid() == 0 {
		cmd.Env = append(cmd.Env, rootVariable+"=yes")
	} else {
		cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}}
	}
	runtime.LockOSThread() // Pdeathsig is about the thread
	defer runtime.UnlockOSThread()
	err = cmd.Run()
	if failed, ok := errors.AsType[*exec.ExitError](err); ok && failed.ExitCode() > 0 {
		return failed.ExitCode(), nil
	}
	if errors.Is(err, syscall.EPERM) {
		err = fmt.Errorf("this needs root, or a system that lets users make namespaces: %w", err)
	}
	return 0, err
}

// furnish makes the inside of the house: mounts that nobody else sees, /proc of
// its own processes, and a loopback interface whose packets are small, so that
// frames are cut where a link is.
func furnish() error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("private mounts: %w", err)
	}
	if err := unix.Mount("proc", "/proc", "proc", 0, ""); err != nil {
		return fmt.Errorf("/proc: %w", err)
	}
	if err := command("ip", "link", "set", "lo", "mtu", "576", "up"); err != nil {
		return err
	}
	return filter(noFault, nil)
}

// command runs a program of the system.
func command(name string, args ...string) error {
	out, err := exec.CommandContext(context.Background(), name, args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, strings.TrimSpace(string(out)))
	}
	return nil
}
