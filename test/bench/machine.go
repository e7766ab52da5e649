package main

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// describeMachine prints what figures depend on: processor, Go, kernel, and
// how long the disk takes to make 4 KiB durable.
func describeMachine(s *settings) error {
	fmt.Fprintf(s.out, "machine   %s, %d cores, %s, %s/%s, kernel %s\n",
		cpuModel(), runtime.NumCPU(), runtime.Version(), runtime.GOOS, runtime.GOARCH, kernel())
	p50, p99, err := syncLatency(s.data)
	if err != nil {
		return err
	}
	fmt.Fprintf(s.out, "disk      append 4 KiB + fsync: p50 %v, p99 %v (in %s)\n", p50, p99, s.data)
	fmt.Fprintf(s.out, "runs      %d of %v each, interleaved; medians\n", s.runs, s.duration)
	return nil
}

func cpuModel() string {
	info, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return "unknown processor"
	}
	for line := range strings.Lines(string(info)) {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return "unknown processor"
}

func kernel() string {
	version, err := os.ReadFile("/proc/sys/kernel/osrelease")
	if err != nil {
		return "unknown"
	}
	return strings.TrimSpace(string(version))
}

func syncLatency(dir string) (p50, p99 time.Duration, err error) {
	f, err := os.Create(filepath.Join(dir, "sync"))
	if err != nil {
		return 0, 0, err
	}
	defer os.Remove(f.Name())
	defer f.Close()
	block := make([]byte, 4096)
	took := make([]time.Duration, 300)
	for i := range took {
		start := time.Now()
		if _, err := f.Write(block); err != nil {
			return 0, 0, err
		}
		if err := f.Sync(); err != nil {
			return 0, 0, err
		}
		took[i] = time.Since(start)
	}
	return quantile(took, 0.50), quantile(took, 0.99), nil
}

// quantile of durations, which it sorts; rounded for reading.
func quantile(took []time.Duration, q float64) time.Duration {
	if len(took) == 0 {
		return 0
	}
	slices.Sort(took)
	return took[min(int(q*float64(len(took))), len(took)-1)].Round(10 * time.Microsecond)
}

// tick is the unit of processor time in /proc: USER_HZ is 100 on every Linux.
const tick = 10 * time.Millisecond

// usage is what a process has used so far.
type usage struct {
	cpu      time.Duration
	resident int64 // bytes, at its highest
	now      int64 // bytes resident at this moment
	written  int64 // bytes handed to the disk
}

// since is what was used after before; resident memory has no difference.
func (u usage) since(before usage) usage {
	return usage{cpu: u.cpu - before.cpu, resident: u.resident, now: u.now, written: u.written - before.written}
}

// processUsage reads /proc, so it works on Linux only; elsewhere it is zero.
func processUsage(pid int) usage {
	var u usage
	dir := fmt.Sprintf("/proc/%d/", pid)
	stat, err := os.ReadFile(dir + "stat")
	if err != nil {
		return u
	}
	// After the name in brackets: state is field 3, utime 14, stime 15.
	_, rest, _ := strings.Cut(string(stat), ") ")
	if fields := strings.Fields(rest); len(fields) > 13 {
		u.cpu = time.Duration(number(fields[11])+number(fields[12])) * tick
	}
	u.resident = 1024 * numberAfter(dir+"status", "VmHWM:")
	u.now = 1024 * numberAfter(dir+"status", "VmRSS:")
	u.written = numberAfter(dir+"io", "write_bytes:")
	return u
}

// bystander measures what other programs take of the machine, because a figure
// from a busy machine is worth little and should say so.
type bystander struct {
	at         time.Time
	busy, ours time.Duration
}

// watchOthers begins to measure; programs are those this one has started and
// not yet ended.
func watchOthers(programs ...*process) bystander {
	b := bystander{at: time.Now(), busy: machineBusy(), ours: ownUsage()}
	for _, p := range programs {
		b.ours += p.usage().cpu
	}
	return b
}

// share is what others have taken since, of all processors.
func (b bystander) share(programs ...*process) float64 {
	now := watchOthers(programs...)
	others := (now.busy - b.busy) - (now.ours - b.ours)
	return max(0, others.Seconds()/now.at.Sub(b.at).Seconds()/float64(runtime.NumCPU()))
}

// ownUsage is the processor time of this program and of those that ended.
func ownUsage() time.Duration {
	var total time.Duration
	for _, who := range []int{syscall.RUSAGE_SELF, syscall.RUSAGE_CHILDREN} {
		var u syscall.Rusage
		if syscall.Getrusage(who, &u) == nil {
			total += time.Duration(u.Utime.Nano() + u.Stime.Nano())
		}
	}
	return total
}

// machineBusy is the time all processors have worked, stolen time included.
func machineBusy() time.Duration {
	stat, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0
	}
	line, _, _ := strings.Cut(string(stat), "\n")
	var total int64
	// cpu user nice system idle iowait irq softirq steal ...
	for i, field := range strings.Fields(line) {
		if i > 0 && i < 9 && i != 4 && i != 5 {
			total += number(field)
		}
	}
	return time.Duration(total) * tick
}

func numberAfter(file, label string) int64 {
	text, err := os.ReadFile(file)
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(text)) {
		rest, ok := strings.CutPrefix(line, label)
		if fields := strings.Fields(rest); ok && len(fields) > 0 {
			return number(fields[0])
		}
	}
	return 0
}

// number reads a decimal; 0 when it is none.
func number(s string) int64 {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return 0
	}
	return n
}
