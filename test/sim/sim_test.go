package sim

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"
)

var (
	flagSeed = flag.Uint64("seed", 0, "one run, from this seed")
	flagRuns = flag.Int("runs", 200, "how many runs")
	flagFor  = flag.Duration("for", 0, "how long to go on; 0 = runs")
	flagFrom = flag.Uint64("first", 0, "the first run's seed; 0 = by the clock")
	flagKeep = flag.String("keep", "", "go on after a failure, and leave the timelines in this folder")
	flagLog  = flag.Bool("log", false, "put the engine's log into the timeline")
)

func simulate(t *testing.T, p *plan) (res *result) {
	t.Helper()
	base, err := os.MkdirTemp(tempBase(), "sim")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(base)
	synctest.Test(t, func(*testing.T) { res = play(p, filepath.Join(base, "j")) })
	return res
}

func tempBase() string {
	if st, err := os.Stat("/dev/shm"); err == nil && st.IsDir() {
		return "/dev/shm"
	}
	return ""
}

func TestSim(t *testing.T) {
	began := time.Now()
	first := uint64(began.UnixNano())
	if *flagSeed != 0 {
		first, *flagRuns = *flagSeed, 1
	}
	if *flagFrom != 0 {
		first = *flagFrom
	}
	excuses := map[string]int{}
	n, events, said := 0, 0, 0
	var virtual time.Duration
	for ; n < *flagRuns && *flagFor == 0 || *flagFor > 0 && time.Since(began) < *flagFor; n++ {
		seed := first + uint64(n)
		p := newPlan(seed)
		p.Verbose = *flagLog
		fmt.Fprintf(os.Stderr, "\rseed %d ", seed)
		r := simulate(t, p)
		events, said, virtual = events+r.Events, said+r.Said, virtual+r.Virtual
		for k, v := range r.Excuses {
			excuses[k] += v
		}
		if *flagKeep != "" {
			for _, v := range r.Verdicts {
				t.Errorf("seed %d: %s", seed, v)
			}
			if len(r.Verdicts) > 0 {
				keep(t, r, p)
			}
			continue
		}
		if len(r.Verdicts) > 0 || *flagSeed != 0 && testing.Verbose() {
			r.Line.print(os.Stderr)
			fmt.Fprintf(os.Stderr, "%+v\n", p.Settings)
			for _, v := range r.Verdicts {
				t.Errorf("seed %d: %s", seed, v)
			}
			if len(r.Verdicts) > 0 {
				t.FailNow()
			}
		}
	}
	t.Logf("%d runs in %v (%v each), %d events, %d sentences, %v virtual", n, time.Since(began), time.Since(began)/time.Duration(max(n, 1)), events, said, virtual)
	for k, v := range excuses {
		t.Logf("excused %d times: %s", v, k)
	}
}

// keep leaves a failed run's timeline in a file.
func keep(t *testing.T, r *result, p *plan) {
	t.Helper()
	f, err := os.Create(filepath.Join(*flagKeep, fmt.Sprint(p.Seed)))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r.Line.print(f)
	fmt.Fprintf(f, "%+v\n", p.Settings)
}
