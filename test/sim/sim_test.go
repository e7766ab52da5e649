// The older of the standard library's sources of chance, which spaces the
// retries of sends, begins where it always does.
//
//go:debug randautoseed=0
package sim

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestMain leaves one processor: goroutines of a bubble then take turns in much
// the same order every time.
func TestMain(m *testing.M) {
	flag.Parse()
	runtime.GOMAXPROCS(1)
	os.Exit(m.Run())
}

var (
	flagSeed  = flag.Uint64("seed", 0, "make this run alone, and print its timeline with -test.v")
	flagRuns  = flag.Int("runs", fixedRuns, "how many runs TestSim makes")
	flagFrom  = flag.Uint64("from", 1, "the first of them")
	flagKeep  = flag.String("keep", "", "go on after a failure, and leave the timelines in this folder")
	flagQuick = flag.Bool("quick", false, "tell of a failure in one line, and end")
	flagTell  = flag.String("report", "", "write what was done into this file, too")
	flagLog   = flag.Bool("log", false, "put the engine's log into the timeline")
)

// fixedRuns is what `make test` makes, under the race detector.
const fixedRuns = 25

// TestSim makes the runs of fixed seeds.
func TestSim(t *testing.T) {
	if *flagSeed != 0 {
		*flagFrom, *flagRuns = *flagSeed, 1
	}
	s := newSeries(t)
	for i := range *flagRuns {
		s.run(newPlan(*flagFrom + uint64(i)))
	}
	s.report()
}

// TestMessages makes the runs with messages of fixed seeds.
func TestMessages(t *testing.T) {
	if *flagSeed != 0 {
		*flagFrom, *flagRuns = *flagSeed, 1
	}
	s := newSeries(t)
	for i := range *flagRuns {
		s.run(newMessagePlan(*flagFrom + uint64(i)))
	}
	s.report()
}

// simulate makes one run.
func simulate(t *testing.T, p *plan) (res *result) {
	t.Helper()
	base, err := os.MkdirTemp(tempBase(), "sim") //nolint:usetesting // in memory, where that is; gone after each run
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(base)
	synctest.Test(t, func(*testing.T) { res = play(p, filepath.Join(base, "journal")) })
	return res
}

// tempBase is a file system in memory where there is one (see disk).
func tempBase() string {
	if st, err := os.Stat("/dev/shm"); err == nil && st.IsDir() {
		return "/dev/shm"
	}
	return ""
}

// series is a number of runs.
type series struct {
	*testing.T
	began   time.Time
	runs    int
	sum     result
	faults  map[string]int
	excuses map[string]int
}

func newSeries(t *testing.T) *series {
	return &series{T: t, began: time.Now(), faults: map[string]int{}, excuses: map[string]int{}}
}

// run makes one run, and ends the test when it fails.
func (s *series) run(p *plan) {
	s.Helper()
	seed := p.Seed
	p.Verbose = *flagLog
	// A panic in the engine ends the process: this line tells which run it was.
	fmt.Fprintf(os.Stderr, "\rseed %d ", seed)
	r := simulate(s.T, p)
	s.runs++
	s.sum.Events, s.sum.Said, s.sum.Virtual = s.sum.Events+r.Events, s.sum.Said+r.Said, s.sum.Virtual+r.Virtual
	add(s.excuses, r.Excuses)
	add(s.faults, r.Faults)
	switch {
	case len(r.Verdicts) > 0 && *flagKeep != "":
		s.Errorf("seed %d: %s", seed, r.Verdicts[0])
		s.keep(p, r)
	case len(r.Verdicts) > 0:
		s.fail(p, r)
	case *flagSeed != 0 && testing.Verbose():
		r.print(os.Stdout, p)
	}
}

// fail shows a failed run, without the faults that it fails without as well.
func (s *series) fail(p *plan, r *result) {
	s.Helper()
	if *flagQuick {
		s.Fatalf("seed %d: %s", p.Seed, r.Verdicts[0])
	}
	small, shown := shrink(p, r, func(p *plan) *result { return simulate(s.T, p) })
	fmt.Fprintf(os.Stderr, "\nseed %d fails; what is left of it after taking out what does not matter:\n", p.Seed)
	shown.print(os.Stderr, small)
	for _, v := range r.Verdicts {
		s.Errorf("seed %d: %s", p.Seed, v)
	}
	series := "TestSim"
	if p.Settings.Messages.On {
		series = "TestMessages"
	}
	s.Fatalf("replay: go test ./test/sim -run %s -v -args -seed %d", series, p.Seed)
}

// keep leaves a failed run's timeline in a file.
func (s *series) keep(p *plan, r *result) {
	s.Helper()
	f, err := os.Create(filepath.Join(*flagKeep, fmt.Sprint(p.Seed)))
	if err != nil {
		s.Fatal(err)
	}
	defer f.Close()
	r.print(f, p)
}

// report says what was done, and what was excused.
func (s *series) report() {
	s.Helper()
	took := time.Since(s.began)
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %d runs in %v (%v each): %d events, %d sentences, %v of virtual time\n", s.Name(), s.runs,
		took.Round(time.Millisecond), (took / time.Duration(max(s.runs, 1))).Round(time.Microsecond),
		s.sum.Events, s.sum.Said, s.sum.Virtual.Round(time.Second))
	for _, k := range slices.Sorted(maps.Keys(s.faults)) {
		fmt.Fprintf(&b, "%8d x %s\n", s.faults[k], k)
	}
	for _, k := range slices.Sorted(maps.Keys(s.excuses)) {
		fmt.Fprintf(&b, "%8d excused: %s\n", s.excuses[k], k)
	}
	s.Log(b.String())
	if *flagTell == "" {
		return
	}
	f, err := os.OpenFile(*flagTell, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		s.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteString(b.String()); err != nil {
		s.Fatal(err)
	}
}

func add(to, from map[string]int) {
	for k, n := range from {
		to[k] += n
	}
}
