//go:build chaos

package chaos

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"time"
)

// kind is what a strike does.
type kind string

const (
	killOnly  kind = "kill"         // nothing but the kills
	stop      kind = "stop"         // SIGSTOP, later SIGCONT
	stutter   kind = "stutter"      // stopped and continued many times: a slow process
	orderly   kind = "orderly stop" // SIGTERM of the gateway
	links     kind = "link"
	answers   kind = "network answers" // refused, cut, swallowed
	diskFull  kind = "disk full"
	diskFails kind = "disk read-only" // by the kernel; what was not synced is gone
	diskHangs kind = "disk hangs"
	tornTail  kind = "torn tail"     // rubbish behind the journal's log, a damaged index of it
	clockStep kind = "clock step"    // of the gateway's wall clock
	twice     kind = "started twice" // a second gateway on the journal
)

// weights are how often the dice choose a kind. Every kind but those without a
// kill of their own comes with one in half of all cases.
var weights = []struct {
	kind   kind
	weight int
}{
	{killOnly, 44},
	{links, 18},
	{answers, 6},
	{stop, 9},
	{stutter, 4},
	{orderly, 4},
	{diskFull, 5},
	{diskFails, 4},
	{diskHangs, 3},
	{tornTail, 6},
	{clockStep, 6},
	{twice, 2},
}

// victim is who is hit.
type victim string

const (
	gatewayVictim victim = "gateway"
	coreVictim    victim = "core"
	bothVictims   victim = "gateway and core"
	nobody        victim = ""
)

// strike is one thing that is done to the processes.
type strike struct {
	Kind   kind          `json:"kind"`
	Victim victim        `json:"victim,omitempty"` // of stop and stutter
	Fault  linkFault     `json:"fault,omitempty"`
	Links  []link        `json:"-"`
	Where  string        `json:"where,omitempty"`
	Hold   time.Duration `json:"hold_ns"` // how long it lasts
	Offset time.Duration `json:"clock_offset_ns,omitempty"`
	Kill   victim        `json:"kill,omitempty"` // in the midst of it
	Down   time.Duration `json:"down_ns,omitempty"`
	Again  time.Duration `json:"again_ns,omitempty"` // the gateway's next life is killed after so long; 0 = not
	Pause  time.Duration `json:"pause_ns"`           // before it
}

func (s strike) String() string {
	var b strings.Builder
	b.WriteString(string(s.Kind))
	for _, part := range []string{string(s.Fault), s.Where, string(s.Victim)} {
		if part != "" {
			b.WriteString(" " + part)
		}
	}
	if s.Kind == clockStep {
		fmt.Fprintf(&b, " to %+v", s.Offset)
	}
	if s.Hold > 0 {
		fmt.Fprintf(&b, " for %v", s.Hold)
	}
	if s.Kill != nobody {
		fmt.Fprintf(&b, ", SIGKILL of %s, down for %v", s.Kill, s.Down)
	}
	if s.Again > 0 {
		fmt.Fprintf(&b, ", again after %v", s.Again)
	}
	return b.String()
}

// possible says which kinds this machine allows.
type possible func(kind) bool

// roll lets the dice choose a strike.
func roll(dice *rand.Rand, can possible) strike {
	s := strike{Kind: rollKind(dice, can), Pause: between(dice, 100*time.Millisecond, 1200*time.Millisecond)}
	s.Hold = between(dice, 100*time.Millisecond, 3*time.Second)
	if dice.IntN(10) == 0 {
		s.Hold = between(dice, 6*time.Second, 14*time.Second) // longer than keep-alives and time-outs of TCP
	}
	switch s.Kind {
	case killOnly, tornTail:
		s.Hold, s.Kill = 0, gatewayVictim
	case links:
		s.aim(dice)
	case stop, stutter:
		s.Victim = one(dice, gatewayVictim, coreVictim, bothVictims)
	case clockStep:
		s.Hold, s.Offset = 0, between(dice, -10*time.Hour, 10*time.Hour).Truncate(time.Second)
		if dice.IntN(3) == 0 {
			s.Offset = between(dice, -90*time.Second, 90*time.Second).Truncate(time.Second)
		}
	case orderly, twice:
		s.Hold = 0
	case diskFull, diskFails:
		s.Hold = max(s.Hold, 1500*time.Millisecond) // there is room left in the log at first
	case diskHangs:
		s.Hold = min(s.Hold, 5*time.Second)
	}
	s.rollKill(dice)
	return s
}

func rollKind(dice *rand.Rand, can possible) kind {
	total := 0
	for _, w := range weights {
		if can(w.kind) {
			total += w.weight
		}
	}
	n := dice.IntN(total)
	for _, w := range weights {
		if !can(w.kind) {
			continue
		}
		if n < w.weight {
			return w.kind
		}
		n -= w.weight
	}
	panic("the weights are their sum")
}

// aim chooses a link, or two, and what happens to it.
func (s *strike) aim(dice *rand.Rand) {
	all := []link{coreLink, networkLink, webhookLink}
	dice.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	s.Links, s.Fault = all[:1+dice.IntN(4)/3], one(dice, linkFaults...)
	names := make([]string, len(s.Links))
	for i, l := range s.Links {
		names[i] = linkNames[l]
	}
	s.Where = strings.Join(names, " and ")
}

// rollKill adds a kill, or chooses another victim where there is one already.
func (s *strike) rollKill(dice *rand.Rand) {
	switch s.Kind {
	case killOnly:
		s.Kill = one(dice, gatewayVictim, gatewayVictim, gatewayVictim, coreVictim, coreVictim, bothVictims)
	case tornTail:
		s.Kill = one(dice, gatewayVictim, gatewayVictim, bothVictims)
	case diskFails:
		s.Kill = gatewayVictim // it has to let go of the disk for the repair
	case orderly, twice:
	default:
		if dice.IntN(2) == 0 {
			s.Kill = one(dice, gatewayVictim, gatewayVictim, coreVictim, bothVictims)
		}
	}
	if s.Kill == nobody {
		return
	}
	if dice.IntN(3) > 0 {
		s.Down = between(dice, 0, 1500*time.Millisecond)
	}
	if s.Kill != coreVictim && s.Kind != diskFails && dice.IntN(5) == 0 {
		s.Again = between(dice, time.Millisecond, 400*time.Millisecond)
	}
}

func between(dice *rand.Rand, low, high time.Duration) time.Duration {
	return (low + time.Duration(dice.Int64N(int64(high-low)))).Round(time.Millisecond)
}

func one[T any](dice *rand.Rand, of ...T) T { return of[dice.IntN(len(of))] }

// variant is what stays the same during a run.
type variant struct {
	Fences          bool `json:"core_fences"`
	Asks            bool `json:"core_mirrors_ask"`
	All             bool `json:"core_tells_all"` // what nobody asked for goes to every connection
	JSON            bool `json:"json"`
	TLS             bool `json:"tls"`
	TelegramResends bool `json:"telegram_resends"` // and omnichannel reports; else the other way round
}

func rollVariant(dice *rand.Rand) variant {
	return variant{
		Fences: dice.IntN(3) > 0, Asks: dice.IntN(3) > 0, All: dice.IntN(2) == 0, JSON: dice.IntN(3) == 0,
		TLS: dice.IntN(2) == 0, TelegramResends: dice.IntN(2) == 0,
	}
}
