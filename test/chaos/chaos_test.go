//go:build chaos

package chaos

import (
	"cmp"
	"encoding/json"
	"flag"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"servicelink/test/proc"
)

var (
	killsFlag = flag.Int("kills", 0, "SIGKILLs of gateway and core that are wanted; 0: as many as there is time for")
	seedFlag  = flag.Uint64("seed", 0, "what the dice begin with; 0: another one each time")
	onlyFlag  = flag.String("only", "", "kinds of strikes, as the report names them, separated by commas; empty: all")
	forFlag   = flag.Duration("for", 0, "how long faults happen at most; 0: until there are -kills, else a minute")
)

// roundTime is about how long customers and agents are at it before both ends
// are compared.
const roundTime = 25 * time.Second

// everythingVariable: a run that leaves a kind of fault out has failed.
const everythingVariable = "CHAOS_EVERYTHING"

// reportVariable names the folder for the report.
const reportVariable = "CHAOS_REPORT"

// TestChaos: under whatever the dice do, what customers write is at the core
// exactly once and in order, what agents say is at the network in order and
// again only where its fate was unknown and the policy is to send it again, or
// the agent is told; both ends and the ledger agree; nothing crashes, leaks or
// stays stuck; and the core saw no breach of the protocol.
func TestChaos(t *testing.T) {
	seed := cmp.Or(*seedFlag, uint64(time.Now().UnixNano()))
	t.Logf("seed %d", seed)
	dice := newDice(seed, "plan")
	r := newReport(seed, t.Logf)
	r.Variant = rollVariant(dice)
	if os.Getenv(rootVariable) == "" {
		for _, k := range []kind{diskFails, diskHangs} {
			r.Impossible[k] = "only root may attach a file system"
			if os.Getenv(everythingVariable) != "" {
				t.Errorf("%s: %s", k, r.Impossible[k])
			}
		}
	}
	for _, k := range weights {
		if *onlyFlag != "" && !slices.Contains(strings.Split(*onlyFlag, ","), string(k.kind)) && r.can(k.kind) {
			r.Impossible[k.kind] = "by -only"
		}
	}
	w := newWorld(t, r.Variant, r)
	t.Cleanup(func() {
		r.Lives = w.lives
		r.close()
		t.Logf("report\n%s", r)
		if dir := os.Getenv(reportVariable); dir != "" {
			if err := r.write(dir); err != nil {
				t.Error(err)
			}
		}
	})
	w.must(w.startGateway())
	w.ready()
	for n := 1; !r.over(); n++ {
		w.round(n, dice)
		if len(r.Violations) > 0 {
			break // what follows would be told about a broken run
		}
	}
	w.last()
	if len(r.Violations) == 0 && !r.enough() {
		t.Errorf("in %v there were fewer than %d kills", *forFlag, *killsFlag)
	}
	for _, v := range r.Violations {
		t.Error(v)
	}
}

// over says whether enough was done, or the time is.
func (r *report) over() bool {
	limit := *forFlag
	if limit == 0 && *killsFlag == 0 {
		limit = time.Minute
	}
	return r.enough() && *killsFlag > 0 || limit > 0 && time.Since(r.Began) > limit
}

func (r *report) enough() bool { return r.Kills.Gateway+r.Kills.Core >= *killsFlag }

// round lets strikes rain on traffic, then lets everything come to rest and
// compares both ends.
func (w *world) round(n int, dice *rand.Rand) {
	w.t.Helper()
	t := w.startTraffic(n, w.log.Seed)
	w.rounds = append(w.rounds, t)
	for end := time.Now().Add(roundTime); time.Now().Before(end) && !w.log.over() && w.ctx.Err() == nil; {
		s := roll(dice, w.log.can)
		w.pause(s.Pause)
		w.strike(s)
	}
	w.must(t.end())
	began := time.Now()
	sum, violations := w.rest(t)
	w.keepOffences()
	for _, v := range violations {
		w.log.violate("round %d, %s", n, v)
	}
	done := round{Round: n, Drained: time.Since(began).Round(time.Millisecond), Sums: sum, Ledger: w.ledgers()}
	w.log.Rounds = append(w.log.Rounds, done)
	w.log.Sum.add(sum)
	w.log.say("round %d is at rest after %v: %+v", n, done.Drained, sum)
}

// rest waits until both ends agree and nothing is pending, and says what is
// wrong if they never do.
func (w *world) rest(t *traffic) (sum sums, violations []string) {
	told := time.Now()
	w.until(patience, func() bool {
		sum, violations = w.compare(t)
		if time.Since(told) > time.Minute {
			told = time.Now()
			w.log.say("not at rest: %d, such as %q", len(violations), violations[:min(3, len(violations))])
		}
		return len(violations) == 0
	})
	if len(violations) > 0 {
		w.keepState("no-rest")
	}
	return sum, violations
}

func (w *world) compare(t *traffic) (sum sums, violations []string) {
	all, err := t.gather()
	if err != nil {
		return sum, []string{err.Error()}
	}
	t.untold = map[string]int64{}
	for i, e := range all {
		s, wrong := judge(e, w.log.spoilt)
		sum.add(s)
		t.untold[t.list[i].network] += int64(s.DeadOnly)
		violations = append(violations, wrong...)
	}
	return sum, append(violations, w.accounts()...)
}

// last looks at the whole run once more: nothing came late, the process is as
// lean as it was, and no log has a panic.
func (w *world) last() {
	w.watch()
	for i, t := range w.rounds {
		if _, violations := w.compare(t); len(violations) > 0 && len(w.log.Violations) == 0 {
			w.log.violate("round %d, at the end: %q", i+1, violations)
		}
	}
	w.keepOffences()
	w.lean()
	w.stopOrderly()
	w.panicked()
}

// accounts compares the ledger with what the core has, since the beginning.
func (w *world) accounts() (violations []string) {
	for name, l := range w.ledgers() {
		if !l.Balanced() {
			violations = append(violations, name+": the ledger is not in balance")
		}
		if l.Pending != 0 {
			violations = append(violations, name+": something is pending")
		}
	}
	for _, channel := range networkNames {
		all, err := w.core.Sentences(w.ctx, channel)
		if err != nil {
			return append(violations, err.Error())
		}
		in, out := int64(0), int64(0)
		for _, s := range all {
			if s.Outbound {
				out++
			} else {
				in++
			}
		}
		ledgers := w.ledgers()
		untold := int64(0) // notes that a closed chat did not take: done, and not at the core
		for _, t := range w.rounds {
			untold += t.untold[channel]
		}
		if done := ledgers[channel+" in"].Done; done < in || done > in+untold {
			violations = append(violations, fmt.Sprintf("%s in: the ledger has %d done, the core has %d", channel, done, in))
		}
		if accepted := ledgers[channel+" out"].Accepted; accepted != out {
			violations = append(violations, fmt.Sprintf("%s out: the ledger has %d accepted, the core said %d", channel, accepted, out))
		}
	}
	return violations
}

// ledgers reads the ledger of every channel and direction; empty while the
// gateway cannot be asked.
func (w *world) ledgers() map[string]proc.Ledger {
	all := map[string]proc.Ledger{}
	m, err := proc.Scrape(w.ctx, w.client, private)
	if err != nil {
		return all
	}
	for _, channel := range networkNames {
		for _, direction := range []string{"in", "out"} {
			l, err := m.Ledger(channel, direction)
			w.must(err)
			all[channel+" "+direction] = l
		}
	}
	return all
}

// deadLetters lists the IDs of agents' sentences that were given up.
func (w *world) deadLetters() (ids []string, err error) {
	for before := ""; ; {
		var page struct {
			Dead []struct {
				ID        string
				Direction string
			}
			NextBefore json.Number `json:"next_before"`
		}
		text := w.text("/api/v1/dead?limit=1000" + before)
		if err := json.Unmarshal([]byte(text), &page); err != nil {
			return nil, err
		}
		for _, d := range page.Dead {
			if d.Direction == "out" {
				ids = append(ids, d.ID)
			}
		}
		if page.NextBefore == "" {
			return ids, nil
		}
		before = "&before=" + page.NextBefore.String()
	}
}

// What a gateway at rest needs at most: without traffic it has a few goroutines
// for each channel, listener and connection.
var atMost = map[string]float64{
	"go_goroutines": 120, "process_open_fds": 80, "process_resident_memory_bytes": 200 << 20, "servicelink_lanes_parked": 0,
}

// lean: nothing of what happened is left in the process.
func (w *world) lean() {
	read := func() bool {
		m, err := proc.Scrape(w.ctx, w.client, private)
		if err != nil {
			return false
		}
		fine := true
		for name, most := range atMost {
			value, n := m.Sum(name)
			w.log.Resources[name] = value
			fine = fine && n == 1 && value <= most
		}
		return fine
	}
	if !w.until(30*time.Second, read) {
		w.keepState("not-lean")
		w.log.violate("at rest the gateway has %v, at most is %v", w.log.Resources, atMost)
	}
}

func newDice(seed uint64, name string) *rand.Rand {
	h := fnv.New64a()
	_, _ = h.Write([]byte(name))                  // never fails
	return rand.New(rand.NewPCG(seed, h.Sum64())) //nolint:gosec // dice, no secret
}
