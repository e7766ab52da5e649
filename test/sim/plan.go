package sim

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"servicelink/config"
	"servicelink/simprot"
)

// plan is all that a run does by itself, made from a seed before it begins.
// What is not in it is drawn by name (dice), so that a plan without one of its
// faults is the same run without that fault.
type plan struct {
	Seed     uint64
	Settings settings
	Ops      []op
	Verbose  bool // the engine's log goes into the timeline
}

// settings are fixed for a run.
type settings struct {
	Core            rules
	Volatile        bool          // journal in memory
	Age             time.Duration // of the first journal
	NewInstance     bool          // each process logs in under another name
	JSON            bool
	Window          int
	Deadline        time.Duration
	UnknownOutbound config.UnknownPolicy
	Nets            []netSettings
	Customers       int // of each network
	Messages        messageSettings
}

type netSettings struct {
	Poll, Serial bool
	Unknown      config.UnknownPolicy
	Asks         bool // the network can be asked what became of a send
	Tells        bool // it says so itself
	Reports      bool // it reports deliveries
	Confirm      config.ConfirmWhen
	Closed       config.WhenClosed
}

// op is one thing that happens.
type op struct {
	At    time.Duration // since the begin
	Kind  opKind
	Conv  int // which conversation; its network too
	N     int
	D     time.Duration
	Point point
	Fault faultKind
	Code  simprot.Code
	How   sendHow
	Up    bool
	Down  bool
	Who   int // of the writers of a mailbox, the hosts, the gateways
}

type opKind string

const (
	opWrites      opKind = "customer writes"
	opBursts      opKind = "customer writes a lot at once"
	opEdits       opKind = "customer edits"
	opStops       opKind = "customer leaves for good"
	opPoison      opKind = "customer writes poison"
	opRepeats     opKind = "network repeats"
	opSays        opKind = "agent says"
	opSaysLong    opKind = "agent says a lot"
	opSaysReused  opKind = "agent says under a used ID"
	opSaysNote    opKind = "agent's side notes"
	opBegins      opKind = "agent begins a chat"
	opCloses      opKind = "agent closes the chat"
	opTurns       opKind = "agent closes the chat, begins another one and speaks"
	opShuts       opKind = "core takes no chats"
	opBreaks      opKind = "connection breaks"
	opStalls      opKind = "connection stalls"
	opCoreFault   opKind = "core misbehaves"
	opCoreAway    opKind = "core is away"
	opCoreRestart opKind = "core restarts"
	opCoreForgets opKind = "core restarts and forgets"
	opSendFault   opKind = "network fails"
	opMute        opKind = "webhook answers are lost"
	opCrash       opKind = "crash"
	opCrashAt     opKind = "crash at a point"
	opWipe        opKind = "crash without the journal"
	opRestart     opKind = "stop and start"
	opFull        opKind = "journal is full"
	opAway        opKind = "journal is away"
)

func (o op) String() string {
	s := fmt.Sprintf("%v %s conv=%d n=%d d=%v who=%d", o.At, o.Kind, o.Conv, o.N, o.D, o.Who)
	switch o.Kind {
	case opCrashAt:
		s += fmt.Sprintf(" at %q", o.Point)
	case opCoreFault:
		s += fmt.Sprintf(" it %s %q", o.Fault, o.Code)
	case opSendFault, opHostFault:
		s += fmt.Sprintf(" %q", o.How)
	case opStalls:
		s += fmt.Sprintf(" up=%v down=%v", o.Up, o.Down)
	}
	return s
}

// isFault tells what shrinking may take out first: everything but what people
// say.
func (o op) isFault() bool {
	return !strings.HasPrefix(string(o.Kind), "customer") && !strings.HasPrefix(string(o.Kind), "agent")
}

// weighted says how often a thing happens.
type weighted struct {
	kind   opKind
	weight int
}

// weights are of a run without messages.
var weights = []weighted{
	{opWrites, 260},
	{opEdits, 15},
	{opBursts, 6},
	{opRepeats, 40},
	{opStops, 4},
	{opPoison, poisonWeight},
	{opSays, 220},
	{opSaysLong, 40},
	{opSaysReused, 15},
	{opSaysNote, 8},
	{opBegins, 30},
	{opCloses, 45},
	{opTurns, 12},
	{opShuts, 12},
	{opBreaks, 55},
	{opStalls, 20},
	{opCoreFault, 90},
	{opCoreAway, 10},
	{opCoreRestart, 8},
	{opCoreForgets, 2},
	{opSendFault, 60},
	{opMute, 10},
	{opCrash, 18},
	{opCrashAt, 45},
	{opWipe, 3},
	{opRestart, 10},
	{opFull, 8},
	{opAway, 8},
}

// poisonWeight is how often a customer writes what breaks the core's connection:
// simprot.md 3.14.
const poisonWeight = 4

// newPlan draws a plan.
func newPlan(seed uint64) *plan {
	r := rand.New(rand.NewPCG(seed, 0x51a)) //nolint:gosec // dice that must be repeatable
	p := &plan{Seed: seed, Settings: newSettings(r)}
	for i := range p.Settings.Nets { // apart from r, so that the rest of a plan is as it was
		p.Settings.Nets[i].Asks = newDice(seed).n(drawAsks, uint64(i), 2) == 0
		p.Settings.Nets[i].Tells = newDice(seed).n(drawTells, uint64(i), 3) == 0
		p.Settings.Nets[i].Reports = newDice(seed).n(drawReports, uint64(i), 3) == 0
		p.Settings.Nets[i].Confirm = config.ConfirmAccepted
		if p.Settings.Nets[i].Reports && newDice(seed).n(drawConfirm, uint64(i), 2) == 0 {
			p.Settings.Nets[i].Confirm = config.ConfirmDelivered
		}
	}
	p.draw(r, weights, len(p.Settings.Nets)*p.Settings.Customers, newOp)
	return p
}

// draw draws what happens.
func (p *plan) draw(r *rand.Rand, weights []weighted, convs int, newOp func(*rand.Rand, opKind, time.Duration, int, *settings) op) {
	total := 0
	for _, w := range weights {
		total += w.weight
	}
	at := time.Duration(0)
	for range 15 + r.IntN(60) {
		switch n := r.IntN(20); {
		case n < 11:
			at += time.Duration(r.IntN(60)) * time.Millisecond
		case n < 16:
			at += time.Duration(r.IntN(900)) * time.Millisecond
		case n < 19:
			at += time.Duration(r.IntN(8000)) * time.Millisecond
		case r.IntN(6) > 0:
			at += time.Duration(r.IntN(45_000)) * time.Millisecond
		default:
			at += time.Duration(r.IntN(900_000)) * time.Millisecond
		}
		n := r.IntN(total)
		for _, w := range weights {
			if n -= w.weight; n < 0 {
				p.Ops = append(p.Ops, newOp(r, w.kind, at, convs, &p.Settings))
				break
			}
		}
	}
}

func newSettings(r *rand.Rand) settings {
	often := func() bool { return r.IntN(3) > 0 }
	s := settings{
		Core: rules{
			Login: r.IntN(10) > 0, Fences: often(), Asks: often(), Counters: r.IntN(6) > 0, ListCounts: often(),
			ChatIDs: r.IntN(3) == 0, KeepClosed: often(), ToAll: r.IntN(3) == 0, BeginNews: r.IntN(2) == 0,
		},
		Volatile: r.IntN(4) == 0, NewInstance: r.IntN(4) == 0, JSON: r.IntN(8) == 0,
		Window: []int{256, 256, 2}[r.IntN(3)], Deadline: []time.Duration{24 * time.Hour, 24 * time.Hour, 10 * time.Minute}[r.IntN(3)],
		UnknownOutbound: []config.UnknownPolicy{config.Report, config.Report, config.Send}[r.IntN(3)],
		Customers:       1 + r.IntN(3),
	}
	if !s.Core.Login {
		s.Core.Fences, s.Core.Asks = false, false
	}
	if !s.Core.Counters {
		s.Core.ListCounts = false
	}
	if r.IntN(3) == 0 {
		s.Core.Short = 1 + r.IntN(6)
	}
	if r.IntN(4) == 0 {
		s.Core.ListFrame = 1
	}
	if r.IntN(3) > 0 {
		s.Age = 365 * 24 * time.Hour
	}
	for range 1 + r.IntN(3) {
		n := netSettings{
			Poll: r.IntN(3) == 0, Serial: r.IntN(2) == 0,
			Unknown: []config.UnknownPolicy{config.Report, config.Resend}[r.IntN(2)],
			Closed:  []config.WhenClosed{config.Hold, config.Answer}[r.IntN(2)],
		}
		if s.Volatile {
			n.Closed = config.Answer
		}
		s.Nets = append(s.Nets, n)
	}
	return s
}

var (
	someCodes = []simprot.Code{
		"", simprot.CodeChatSentenceIn, simprot.CodeChatStatusAsk, simprot.CodeChatStart, simprot.CodeChatRequest,
		simprot.CodeChatResync, simprot.CodeChatConfirmIn,
	}
	answerCodes = []simprot.Code{
		simprot.CodeChatSentence, simprot.CodeChatSentence, simprot.CodeChatStatus, simprot.CodeChatList, simprot.CodeChatResponse,
	}
	someSends = []sendHow{
		sendRate, sendRate, sendConnect, sendConnect, sendServer, sendAuth, sendContent,
		sendLostTook, sendLostTook, sendLostNever, sendLostNever, sendHang, sendPanic,
	}
)

func newOp(r *rand.Rand, kind opKind, at time.Duration, convs int, s *settings) op {
	o := op{At: at, Kind: kind, Conv: r.IntN(convs), N: 1 + r.IntN(3), D: time.Duration(r.IntN(4000)) * time.Millisecond}
	switch kind {
	case opCoreFault:
		o.Fault = []faultKind{breakBefore, breakAfter, ignore, lose, late, twice, late, breakAfter}[r.IntN(8)]
		o.N = 1 + r.IntN(2)
		switch o.Fault {
		case breakBefore, breakAfter, ignore:
			o.Code = someCodes[r.IntN(len(someCodes))]
		default:
			o.Code = answerCodes[r.IntN(len(answerCodes))]
			if o.Fault != lose && !s.Core.Asks {
				o.Code = simprot.CodeChatSentence // answers that cannot be told apart come once and in order
			}
		}
		o.D = time.Duration(1+r.IntN([]int{80, 60_000}[r.IntN(2)])) * time.Millisecond
	case opBursts:
		o.N = 15 + r.IntN(15) // more than a lane holds
	case opSendFault:
		o.How = someSends[r.IntN(len(someSends))]
		if r.IntN(6) == 0 {
			o.How, o.N = someSends[r.IntN(6)], 5+r.IntN(30) // an outage
		}
	case opCrashAt:
		o.Point = point(r.IntN(int(points)))
		o.N = 1 + r.IntN(4)
	case opStalls:
		o.Up, o.Down = r.IntN(2) == 0, r.IntN(2) == 0
		o.D = time.Duration(r.IntN(50_000)) * time.Millisecond
	case opShuts, opCoreAway, opFull, opAway:
		o.D = time.Duration(r.IntN(90_000)) * time.Millisecond
		if r.IntN(10) == 0 {
			o.D *= 15
		}
		o.Up = r.IntN(3) == 0
	case opCrash, opRestart:
		if r.IntN(10) == 0 {
			o.D *= 300
		}
	case opRepeats:
		o.N = r.IntN(100)
		switch r.IntN(3) {
		case 0:
			o.D = time.Duration(r.IntN(600_000)) * time.Millisecond
		case 1:
			o.Up, o.D = true, o.D/50 // the next event, soon after it was taken
		}
	}
	return o
}
