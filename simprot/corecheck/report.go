package corecheck

import (
	"fmt"
	"slices"
	"sync"
	"time"

	"servicelink/simprot"
)

// Verdict is what was found about a rule.
type Verdict string

// The verdicts.
const (
	Kept       Verdict = "kept"
	Broken     Verdict = "broken"
	NotOffered Verdict = "not offered" // an optional rule the core does without
	NotTested  Verdict = "not tested"  // Came says why
)

// Result is the verdict about one rule. It holds no content: codes, states,
// counts and sizes only.
type Result struct {
	Rule
	Verdict Verdict `json:"verdict"`
	Came    string  `json:"came"` // what the core sent, or why there is no verdict
}

// Report is what a run found, every rule once, in the order of SPEC.md.
type Report struct {
	Address string        `json:"address"`
	Server  string        `json:"server"` // as the core calls itself
	Fences  bool          `json:"fences"` // announced
	Asks    bool          `json:"asks"`   // announced
	Took    time.Duration `json:"-"`
	TookMs  int64         `json:"took_ms"`
	Results []Result      `json:"results"`
}

// Broken returns the results of the rules that are broken.
func (r *Report) Broken() []Result {
	var broken []Result
	for _, v := range r.Results {
		if v.Verdict == Broken {
			broken = append(broken, v)
		}
	}
	return broken
}

// Count returns how many rules have a verdict.
func (r *Report) Count(v Verdict) int {
	n := 0
	for _, result := range r.Results {
		if result.Verdict == v {
			n++
		}
	}
	return n
}

// book collects verdicts. Safe for concurrent use.
type book struct {
	strict bool
	mu     sync.Mutex
	found  map[string]*Result
}

func newBook(strict bool) *book { return &book{strict: strict, found: map[string]*Result{}} }

// put enters a verdict; broken outdoes the others, and the first of its kind
// stays.
func (b *book) put(name string, v Verdict, came string) {
	i := slices.IndexFunc(rules, func(r Rule) bool { return r.Name == name })
	if i < 0 {
		panic("corecheck: no rule " + name) // a typing error in this package
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if had := b.found[name]; had != nil && rank[had.Verdict] >= rank[v] {
		return
	}
	b.found[name] = &Result{Rule: rules[i], Verdict: v, Came: came}
}

var rank = map[Verdict]int{NotTested: 1, NotOffered: 2, Kept: 3, Broken: 4}

// judge enters kept or broken. came describes what came, in both cases.
func (b *book) judge(name string, kept bool, format string, args ...any) {
	v := Broken
	if kept {
		v = Kept
	}
	b.put(name, v, fmt.Sprintf(format, args...))
}

// absent enters that an optional rule is not offered.
func (b *book) absent(name, came string) {
	i := slices.IndexFunc(rules, func(r Rule) bool { return r.Name == name })
	if b.strict && !rules[i].never {
		b.put(name, Broken, came)
		return
	}
	b.put(name, NotOffered, came)
}

// leave enters that a rule could not be tested.
func (b *book) leave(name, why string) { b.put(name, NotTested, why) }

// leaveRest leaves every rule without a verdict.
func (b *book) leaveRest(why string) {
	for _, r := range rules {
		b.leave(r.Name, why)
	}
}

// is reports whether a rule has the verdict.
func (b *book) is(name string, v Verdict) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	had := b.found[name]
	return had != nil && had.Verdict == v
}

func (b *book) report(cfg *Config, w simprot.Welcome, took time.Duration) *Report {
	b.mu.Lock()
	defer b.mu.Unlock()
	r := &Report{
		Address: cfg.Address, Server: simprot.Truncate(w.Server, 80), Fences: w.Fences, Asks: w.Asks,
		Took: took, TookMs: took.Milliseconds(),
	}
	for _, rule := range rules {
		r.Results = append(r.Results, *b.found[rule.Name])
	}
	return r
}
