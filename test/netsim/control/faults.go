package control

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"
)

// Kind is what goes wrong.
type Kind string

// The faults a network can be told to have. Those up to Missing answer instead
// of the method, which does not happen; Slow to Strange let it happen and spoil
// the answer; Fail lets it happen and the message fail later; Duplicate to Lose
// concern what is brought to the client; Clock comes beside any other. Not every
// network has all of them.
const (
	Rate         Kind = "rate"         // 429 with RetryAfter
	Server       Kind = "server"       // 500 in the network's own form
	HTML         Kind = "html"         // 502 with a page, as proxies send it
	Outage       Kind = "outage"       // every connection is reset
	Unauthorized Kind = "unauthorized" // 401
	Conflict     Kind = "conflict"     // 409
	Blocked      Kind = "blocked"      // 403
	Refuse       Kind = "refuse"       // the network's own error Code
	Missing      Kind = "missing"      // 404
	Slow         Kind = "slow"         // the body dribbles for Seconds (default 3)
	Cut          Kind = "cut"          // the connection breaks inside the body
	Truncated    Kind = "truncated"    // a whole answer with half a body
	Swallow      Kind = "swallow"      // no answer for Seconds, then a reset
	Strange      Kind = "strange"      // beside the answer something that no client knows
	Fail         Kind = "fail"         // accepted, and given up later with Code
	Duplicate    Kind = "duplicate"
	Reorder      Kind = "reorder"
	Late         Kind = "late" // brought Seconds later (default 3)
	Lose         Kind = "lose" // never brought
	// Clock spoils nothing and is not used up: answers tell a time that is Shift off.
	Clock Kind = "clock"
)

// told lists what spoils no answer.
var told = []Kind{Fail, Duplicate, Reorder, Late, Lose, Clock}

// answering lists what Take looks for: all that spoils answers.
var answering = []Kind{Outage, Rate, Server, HTML, Unauthorized, Conflict, Blocked, Refuse, Missing, Slow, Cut, Truncated, Swallow, Strange}

// Fault is one scripted fault.
type Fault struct {
	Kind    Kind   `json:"kind"`
	Method  string `json:"method,omitempty"`  // empty = any
	Account string `json:"account,omitempty"` // empty = any
	Times   int    `json:"times,omitempty"`   // 0 = until cleared
	// Seconds is how long Slow, Swallow and Late take. Any other fault ends by
	// itself after so many; 0 = it does not.
	Seconds    float64 `json:"seconds,omitempty"`
	RetryAfter int     `json:"retry_after,omitempty"` // of Rate, seconds; 0 = what is left of Seconds, at least 1
	Chance     float64 `json:"chance,omitempty"`      // 0 = always
	Code       int     `json:"code,omitempty"`        // of Refuse and Fail; 0 = as the network chooses
	// Shift of Clock: seconds that the network's clock is ahead; negative = behind.
	Shift   float64 `json:"shift,omitempty"`
	Subcode int     `json:"subcode,omitempty"` // beside Code, where a network's errors have two
}

// Duration is Seconds, or otherwise where they are not set.
func (f Fault) Duration(otherwise time.Duration) time.Duration {
	if f.Seconds <= 0 {
		return otherwise
	}
	return time.Duration(f.Seconds * float64(time.Second))
}

func (f Fault) check() error {
	switch {
	case !slices.Contains(answering, f.Kind) && !slices.Contains(told, f.Kind):
		return fmt.Errorf("%w: unknown fault %q", ErrAction, f.Kind)
	case f.Kind == Clock && (f.Shift == 0 || f.Shift < -maxShift || f.Shift > maxShift):
		return fmt.Errorf("%w: the fault clock needs shift, seconds up to a year", ErrAction)
	case f.Times < 0, f.Seconds < 0, f.Seconds > 24*3600, f.RetryAfter < 0, f.Code < 0, f.Subcode < 0, f.Chance < 0, f.Chance > 1:
		return fmt.Errorf("%w: a number of fault %q is out of range", ErrAction, f.Kind)
	}
	return nil
}

const (
	maxFaults = 1000            // of a script
	maxShift  = 365 * 24 * 3600 // seconds
)

// Script is the faults of one network. Chances are drawn from a seeded source.
type Script struct {
	mu     sync.Mutex
	random *rand.Rand
	faults []scripted
}

type scripted struct {
	Fault
	until time.Time // zero = no end by time
}

// NewScript makes an empty script.
func NewScript(seed uint64) *Script {
	return &Script{random: rand.New(rand.NewPCG(seed, 0x6e657473696d))} //nolint:gosec // repeatable by intent
}

// Fault adds f.
func (s *Script) Fault(f Fault) error {
	if err := f.check(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.faults) >= maxFaults {
		return fmt.Errorf("%w: %d faults", ErrFull, maxFaults)
	}
	one := scripted{Fault: f}
	if f.Seconds > 0 && f.Kind != Slow && f.Kind != Swallow && f.Kind != Late {
		one.until = time.Now().Add(f.Duration(0))
	}
	s.faults = append(s.faults, one)
	return nil
}

// Faults lists what is not used up, in the order it was added.
func (s *Script) Faults() []Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.expire()
	list := make([]Fault, len(s.faults))
	for i, f := range s.faults {
		list[i] = f.Fault
	}
	return list
}

// Clear removes every fault.
func (s *Script) Clear() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = nil
}

// Take uses the first fault up that spoils the answer to this method. A Fault that
// is not there has the Shift of the network's clock all the same: it is for Give.
func (s *Script) Take(account, method string) (Fault, bool) {
	f, ok := s.take(account, method, answering)
	f.Shift = s.shift(account, method)
	return f, ok
}

// shift is how many seconds the network's clock is ahead.
func (s *Script) shift(account, method string) float64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range s.faults { // take has dropped those that are over
		if f.Kind == Clock && fits(f.Account, account) && fits(f.Method, method) {
			return f.Shift
		}
	}
	return 0
}

// TakeKind uses a fault of one kind up.
func (s *Script) TakeKind(kind Kind, account, method string) (Fault, bool) {
	return s.take(account, method, []Kind{kind})
}

// Has says whether a fault of this kind is in force for account, without using
// it up.
func (s *Script) Has(kind Kind, account string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.expire()
	return slices.ContainsFunc(s.faults, func(f scripted) bool { return f.Kind == kind && fits(f.Account, account) })
}

// Int is a random number below n from the script's source.
func (s *Script) Int(n int64) int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.random.Int64N(n)
}

// Shuffle reorders n things by the script's source.
func (s *Script) Shuffle(n int, swap func(i, j int)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.random.Shuffle(n, swap)
}

func (s *Script) expire() {
	now := time.Now()
	s.faults = slices.DeleteFunc(s.faults, func(f scripted) bool {
		return !f.until.IsZero() && !now.Before(f.until)
	})
}

func (s *Script) take(account, method string, kinds []Kind) (Fault, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.expire()
	for i := range s.faults {
		f := &s.faults[i]
		if !slices.Contains(kinds, f.Kind) || !fits(f.Account, account) || !fits(f.Method, method) {
			continue
		}
		if f.Chance > 0 && s.random.Float64() >= f.Chance {
			continue
		}
		got := f.Fault
		if got.RetryAfter == 0 {
			got.RetryAfter = max(1, int(time.Until(f.until).Seconds()+0.999))
		}
		if f.Times == 1 {
			s.faults = slices.Delete(s.faults, i, i+1)
		} else if f.Times > 1 {
			f.Times--
		}
		return got, true
	}
	return Fault{}, false
}

func fits(want, got string) bool { return want == "" || strings.EqualFold(want, got) }
