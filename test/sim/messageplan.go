package sim

import (
	"math/rand/v2"
	"time"

	"servicelink/config"
	"servicelink/simprot"
)

// messageSettings are of a run with message gateways: mailboxes that are read, and
// hosts that mail leaves by.
type messageSettings struct {
	On       bool
	Register bool // the core has a register; else the gateways stand in the file
	Keeps    bool // the core keeps the repeat rule (M6)
	Boxes    int
	Writers  int // of each mailbox
	Hosts    []hostSettings
}

type hostSettings struct{ Unknown config.UnknownPolicy }

const (
	opMails      opKind = "customer mails"
	opMailsSame  opKind = "customer mails under a used Message-ID"
	opPosts      opKind = "agent mails"
	opRefuses    opKind = "core refuses messages"
	opMumbles    opKind = "core answers neither true nor false"
	opBoxBreaks  opKind = "mailbox breaks"
	opMarksLost  opKind = "mailbox loses marks"
	opHostFault  opKind = "mail host fails"
	opUnlists    opKind = "register lacks a gateway"
	opMisdescrib opKind = "register describes a gateway wrongly"
	opRelists    opKind = "register changes a gateway"
)

// messageWeights say how often each thing happens in a run with messages. There is a
// conversation beside them, which shares the link, the journal and the crashes.
var messageWeights = []weighted{
	{opMails, 260},
	{opMailsSame, 15},
	{opPosts, 220},
	{opWrites, 25},
	{opSays, 25},
	{opRefuses, 25},
	{opMumbles, 15},
	{opBoxBreaks, 30},
	{opMarksLost, 30},
	{opHostFault, 80},
	{opUnlists, 12},
	{opMisdescrib, 10},
	{opRelists, 12},
	{opBreaks, 55},
	{opStalls, 25},
	{opCoreFault, 100},
	{opCoreAway, 10},
	{opCoreRestart, 10},
	{opCoreForgets, 2},
	{opCrash, 20},
	{opCrashAt, 55},
	{opWipe, 3},
	{opRestart, 14},
	{opFull, 10},
	{opAway, 10},
}

// newMessagePlan draws the plan of a run with messages.
func newMessagePlan(seed uint64) *plan {
	r := rand.New(rand.NewPCG(seed, 0x6d61)) //nolint:gosec // dice that must be repeatable
	p := &plan{Seed: seed, Settings: newSettings(r)}
	s := &p.Settings
	s.Nets, s.Customers = s.Nets[:1], 1
	s.Nets[0].Confirm = config.ConfirmAccepted
	s.Messages = messageSettings{
		On: true, Register: r.IntN(3) > 0, Keeps: r.IntN(3) > 0, Boxes: 1 + r.IntN(2), Writers: 1 + r.IntN(3),
	}
	for range 1 + r.IntN(2) {
		s.Messages.Hosts = append(s.Messages.Hosts, hostSettings{[]config.UnknownPolicy{config.Report, config.Resend}[r.IntN(2)]})
	}
	p.draw(r, messageWeights, len(s.Nets)*s.Customers, newMessageOp)
	return p
}

var (
	messageCodes = []simprot.Code{
		"", simprot.CodeMessageIn, simprot.CodeMessageIn, simprot.CodeMessageOutDone, simprot.CodeMessageOutDone, simprot.CodeGatewaysAsk,
	}
	messageAnswers = []simprot.Code{
		simprot.CodeMessageInDone, simprot.CodeMessageInDone, simprot.CodeMessageOut, simprot.CodeMessageOut, simprot.CodeGateways,
	}
	hostFaults = []sendHow{
		sendRate, sendConnect, sendConnect, sendServer, sendAuth, sendContent, sendContent,
		sendLostTook, sendLostTook, sendLostNever, sendLostNever, sendHang, sendPanic,
	}
)

func newMessageOp(r *rand.Rand, kind opKind, at time.Duration, convs int, s *settings) op {
	o := newOp(r, kind, at, convs, s)
	o.Who = r.IntN(6)
	long := func() {
		if r.IntN(4) == 0 {
			o.D *= 60
		}
	}
	switch kind {
	case opCoreFault:
		switch o.Fault {
		case breakBefore, breakAfter, ignore:
			o.Code = messageCodes[r.IntN(len(messageCodes))]
		default:
			o.Code = messageAnswers[r.IntN(len(messageAnswers))]
			if o.Fault != lose && !s.Core.Asks && o.Code == simprot.CodeGateways {
				o.Code = simprot.CodeMessageInDone // answers that cannot be told apart come once and in order
			}
			if o.Code == simprot.CodeMessageInDone {
				long() // up to an hour
			}
		}
	case opRefuses:
		o.N = 1 + r.IntN(4)
		if r.IntN(6) == 0 {
			o.N = 20
		}
	case opPosts:
		o.N = []int{1, 1, 1, 2, 3, 9}[r.IntN(6)] // recipients: more than are with the network at a time
	case opHostFault:
		o.How = hostFaults[r.IntN(len(hostFaults))]
		if r.IntN(6) == 0 {
			o.How, o.N = hostFaults[r.IntN(5)], 5+r.IntN(30) // an outage
		}
	case opBoxBreaks, opUnlists, opMisdescrib:
		long()
	}
	return o
}
