package refcore

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"servicelink/simprot"
)

// FaultKind is a way to misbehave.
type FaultKind string

// The kinds of faults. "The answer" of a packet read from a gateway is all
// that is sent to the asking connection because of it, the echo included.
const (
	FaultDrop      FaultKind = "drop"       // reset the connection before the packet is handled
	FaultDropAfter FaultKind = "drop_after" // handle the packet, then reset the connection instead of answering
	FaultLose      FaultKind = "lose"       // neither handle nor answer the packet
	FaultNever     FaultKind = "never"      // handle the packet, answer nothing
	FaultLate      FaultKind = "late"       // answer Delay later; what comes after it is not held up
	FaultTwice     FaultKind = "twice"      // answer twice
	FaultFalse     FaultKind = "false"      // answer ES_MESSAGE_RECEIVING "false", and keep nothing
	FaultRefuse    FaultKind = "refuse"     // refuse logins with Reason; Code, Port and TrackingID do not apply
)

// Fault is one scripted misbehaviour. Faults are asked in the order in which
// they were added and the first that applies acts.
//
// Code may be a packet a core sends unasked, such as SE_CHAT_SENTENCE: then
// Drop and DropAfter reset the connection instead of sending it, Lose and Never
// leave it out, and the sentence is stored all the same.
type Fault struct {
	Kind        FaultKind     `json:"kind"`
	Code        simprot.Code  `json:"code"`        // of the packet; empty = every ES packet
	Port        string        `json:"port"`        // empty = every Port
	TrackingID  string        `json:"tracking_id"` // empty = every conversation
	Skip        int           `json:"skip"`        // how many matching packets pass first
	Count       int           `json:"count"`       // how many packets it acts on; 0 = 1, negative = until cleared
	Probability float64       `json:"probability"` // of acting on a matching packet; 0 = always
	Delay       time.Duration `json:"-"`           // of Late
	Reason      string        `json:"reason"`      // of Refuse; empty = busy
}

// ErrFault is the class of faults that make no sense.
var ErrFault = errors.New("refcore: fault")

func (f *Fault) validate() error {
	switch f.Kind {
	case FaultDrop, FaultDropAfter, FaultLose, FaultNever, FaultTwice, FaultFalse, FaultRefuse:
	case FaultLate:
		if f.Delay <= 0 {
			return fmt.Errorf("%w: late needs a delay", ErrFault)
		}
	default:
		return fmt.Errorf("%w: unknown kind %q", ErrFault, f.Kind)
	}
	if f.Probability < 0 || f.Probability > 1 {
		return fmt.Errorf("%w: a probability is between 0 and 1", ErrFault)
	}
	return nil
}

// FaultState is a fault and what became of it.
type FaultState struct {
	Fault
	Acted int // packets it acted on
}

// faultScript holds the faults. Safe for concurrent use.
type faultScript struct {
	some     atomic.Bool // any fault that can still act: looked at without the lock
	mu       sync.Mutex
	dice     *rand.Rand
	list     []*FaultState
	standing []*FaultState // of the rules that are broken: asked last, not shown, never cleared
}

func newFaultScript(seed uint64, standing []Fault) *faultScript {
	s := &faultScript{dice: rand.New(rand.NewPCG(seed, seed))} //nolint:gosec // dice that must be repeatable, not secret
	for _, f := range standing {
		s.standing = append(s.standing, &FaultState{Fault: f})
	}
	s.some.Store(len(standing) > 0)
	return s
}

func (s *faultScript) add(f Fault) error {
	if err := f.validate(); err != nil {
		return err
	}
	if f.Count == 0 {
		f.Count = 1
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.list = append(s.list, &FaultState{Fault: f})
	s.some.Store(true)
	return nil
}

func (s *faultScript) clear() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.list = nil
	s.some.Store(len(s.standing) > 0)
}

func (s *faultScript) states() []FaultState {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]FaultState, 0, len(s.list))
	for _, f := range s.list {
		out = append(out, *f)
	}
	return out
}

// pick returns the fault that acts on a packet; its zero value when none does.
func (s *faultScript) pick(code simprot.Code, port, trackingID string) Fault {
	if !s.some.Load() {
		return Fault{}
	}
	return s.first(func(f *FaultState) bool {
		return f.Kind != FaultRefuse &&
			(f.Code == code || (f.Code == "" && fromGateway(code))) &&
			(f.Port == "" || f.Port == port) &&
			(f.TrackingID == "" || f.TrackingID == trackingID)
	})
}

// refusal returns the reason to refuse a login with, or "".
func (s *faultScript) refusal() string {
	f := s.first(func(f *FaultState) bool { return f.Kind == FaultRefuse })
	if f.Kind == FaultRefuse && f.Reason == "" {
		return "busy"
	}
	return f.Reason
}

func (s *faultScript) first(matches func(*FaultState) bool) Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range slices.Concat(s.list, s.standing) {
		if f.Count == 0 || !matches(f) {
			continue
		}
		if f.Skip > 0 {
			f.Skip--
			continue
		}
		if f.Probability > 0 && s.dice.Float64() >= f.Probability {
			continue
		}
		f.Acted++
		if f.Count > 0 {
			f.Count--
		}
		return f.Fault
	}
	return Fault{}
}

// fromGateway reports whether gateways send the code.
func fromGateway(code simprot.Code) bool { return len(code) > 3 && code[:3] == "ES_" }
