//go:build chaos

package chaos

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"servicelink/simprot/refcore"
	"servicelink/test/proc"
)

// tellAtMost bounds the violations that are told one by one.
const tellAtMost = 50

// report is what is told about a run.
type report struct {
	Seed       uint64                      `json:"seed"`
	Variant    variant                     `json:"variant"`
	Began      time.Time                   `json:"began"`
	Took       time.Duration               `json:"took_ns"`
	Kills      struct{ Gateway, Core int } `json:"kills"`
	Lives      int                         `json:"lives_of_the_gateway"`
	Refused    int                         `json:"starts_refused_on_a_sick_disk"`
	Strikes    int                         `json:"strikes"`
	ByKind     map[kind]int                `json:"strikes_by_kind"`
	Impossible map[kind]string             `json:"not_possible_here,omitempty"`
	Rounds     []round                     `json:"rounds"`
	Sum        sums                        `json:"sum"`
	Offences   map[string]int              `json:"offences"`
	Resources  map[string]float64          `json:"resources_at_rest"`
	Timeline   []happening                 `json:"timeline"`
	Violations []string                    `json:"violations"`
	Untold     int                         `json:"further_violations"`
	Verdict    string                      `json:"verdict"`

	spoilt []disturbance
	say    func(string, ...any)
}

// happening is one strike.
type happening struct {
	At     string `json:"at"` // since the beginning
	Strike strike `json:"strike"`
	Text   string `json:"text"`
}

// round is what both ends had after one.
type round struct {
	Round   int                    `json:"round"`
	Drained time.Duration          `json:"drained_ns"` // how long it took to come to rest
	Sums    sums                   `json:"counts"`
	Ledger  map[string]proc.Ledger `json:"ledger"` // since the beginning, by channel and direction
}

func newReport(seed uint64, say func(string, ...any)) *report {
	return &report{
		Seed: seed, Began: time.Now(), ByKind: map[kind]int{}, Impossible: map[kind]string{},
		Offences: map[string]int{}, Resources: map[string]float64{}, Violations: []string{}, say: say,
	}
}

// can says whether this machine allows a kind.
func (r *report) can(k kind) bool { return r.Impossible[k] == "" }

func (r *report) violate(format string, args ...any) {
	if len(r.Violations) >= tellAtMost {
		r.Untold++
		return
	}
	v := fmt.Sprintf(format, args...)
	r.Violations = append(r.Violations, v)
	r.say("VIOLATION at %v: %s", time.Since(r.Began).Round(time.Millisecond), v)
}

func (r *report) happened(from, to time.Time, s strike) {
	at := from.Sub(r.Began).Round(time.Millisecond)
	r.Strikes++
	r.ByKind[s.Kind]++
	r.Timeline = append(r.Timeline, happening{At: at.String(), Strike: s, Text: s.String()})
	r.say("%8v  %v (%v)", at, s, to.Sub(from).Round(time.Millisecond))
}

// harmless offences are no breach: how long a confirmation takes is what is
// done to the processes.
var harmless = []refcore.Offence{refcore.OffenceUnconfirmed}

// offences takes the core's book over. It counts since the core's last start.
func (r *report) offences(book refcore.OffenceReport) {
	for name, n := range book.Total {
		if n > r.Offences[string(name)] && !slices.Contains(harmless, name) {
			r.violate("offence %s: %d, last at %s", name, n, book.Last[name])
		}
		r.Offences[string(name)] = max(n, r.Offences[string(name)])
	}
}

func (r *report) close() {
	r.Took = time.Since(r.Began).Round(time.Millisecond)
	r.Verdict = "kept: nothing lost, nothing twice, in order, accounted for"
	if len(r.Violations) > 0 {
		r.Verdict = fmt.Sprintf("BROKEN: %d violations", len(r.Violations)+r.Untold)
	}
}

// String is the report for people.
func (r *report) String() string {
	var b strings.Builder
	line := func(name, format string, args ...any) {
		fmt.Fprintf(&b, "%-20s "+format+"\n", append([]any{name}, args...)...)
	}
	line("seed", "%d", r.Seed)
	line("run", "%v, %d rounds, %d strikes, %+v", r.Took, len(r.Rounds), r.Strikes, r.Variant)
	line("killed", "gateway %d times, core %d times; %d lives of the gateway, %d starts refused on a sick disk",
		r.Kills.Gateway, r.Kills.Core, r.Lives, r.Refused)
	for _, w := range weights {
		if why := r.Impossible[w.kind]; why != "" {
			line("  "+string(w.kind), "NOT DONE: %s", why)
		} else {
			line("  "+string(w.kind), "%d", r.ByKind[w.kind])
		}
	}
	s := r.Sum
	line("to the core", "%d messages of customers, %d there", s.Written, s.AtCore)
	line("to the networks", "%d sentences of agents, %d there, %d repeats of unknown fate, %d notes, %d dead letters of closed chats",
		s.Said, s.AtNetwork, s.Repeats, s.Notes, s.DeadOnly)
	if len(r.Rounds) > 0 {
		last := r.Rounds[len(r.Rounds)-1]
		for _, lane := range slices.Sorted(maps.Keys(last.Ledger)) {
			line("  ledger "+lane, "%+v", last.Ledger[lane])
		}
	}
	line("offences", "%v", r.Offences)
	line("at rest", "%v", r.Resources)
	for _, v := range r.Violations {
		line("VIOLATION", "%s", v)
	}
	line("verdict", "%s", r.Verdict)
	return b.String()
}

// write leaves the report, with the whole timeline, in dir.
func (r *report) write(dir string) error {
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	var lines strings.Builder
	for _, h := range r.Timeline {
		fmt.Fprintf(&lines, "%10s  %s\n", h.At, h.Text)
	}
	return errors.Join(
		os.WriteFile(filepath.Join(dir, "report.json"), append(text, '\n'), 0o644),
		os.WriteFile(filepath.Join(dir, "report.txt"), []byte(r.String()+"\n"+lines.String()), 0o644),
	)
}
