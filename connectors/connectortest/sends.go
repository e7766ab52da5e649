package connectortest

import (
	"context"
	"io"
	"maps"
	"net/http"
	"slices"
	"time"

	"servicelink/connectors"
)

// sendWant is what a fault makes of a Send: any of the classes.
type sendWant struct {
	fault   Fault
	classes []class
	// lost: only the answer's body fails, which a network whose answers say nothing
	// can do without.
	lost bool
}

type class struct {
	outcome connectors.Outcome
	reason  connectors.Reason
}

// sendWants: what happened is as certain as the fault lets it be.
var sendWants = []sendWant{
	{Fault{Kind: FaultRate, RetryAfter: 7}, []class{{connectors.NotSent, connectors.ReasonRate}}, false},
	{Fault{Kind: FaultRate}, []class{{connectors.NotSent, connectors.ReasonRate}}, false},
	{Fault{Kind: FaultServer}, []class{{connectors.Unknown, connectors.ReasonServer}}, false},
	{Fault{Kind: FaultHTML}, []class{{connectors.Unknown, connectors.ReasonServer}}, false},
	{Fault{Kind: FaultSlow, Seconds: 900}, []class{{connectors.Unknown, connectors.ReasonTimeout}}, true},
	{Fault{Kind: FaultCut}, []class{{connectors.Unknown, connectors.ReasonCut}}, true},
	{Fault{Kind: FaultTruncated}, []class{{connectors.Unknown, connectors.ReasonAnswer}, {connectors.Unknown, connectors.ReasonCut}}, true},
	{Fault{Kind: FaultSwallow, Seconds: 900}, []class{{connectors.Unknown, connectors.ReasonTimeout}, {connectors.Unknown, connectors.ReasonCut}}, false},
	{Fault{Kind: FaultOutage}, []class{{connectors.NotSent, connectors.ReasonConnect}, {connectors.Unknown, connectors.ReasonCut}}, false},
	{Fault{Kind: FaultUnauthorized}, []class{{connectors.NotSent, connectors.ReasonAuth}}, false},
	{Fault{Kind: FaultConflict}, []class{{connectors.NotSent, connectors.ReasonConflict}}, false},
	{Fault{Kind: FaultBlocked}, []class{{connectors.Rejected, connectors.ReasonBlocked}}, false},
}

// checkSendFaults: each fault of the simulator becomes the right outcome, after
// one attempt, and leaves nothing behind.
func checkSendFaults(p *probe) {
	for _, want := range sendWants {
		if !slices.Contains(p.h.Simulation.Without, want.fault.Kind) {
			p.sendFault(want)
		}
	}
}

func (p *probe) sendFault(want sendWant) {
	defer p.end()
	w := p.world().known()
	c := p.connector(memoryAddress)
	before := len(w.requests(0))
	w.fault(want.fault)
	_, se := w.send(c, p.part("id-1", markText))
	if want.fault.Kind == FaultServer && p.h.Simulation.Undone {
		want.classes = []class{{connectors.NotSent, connectors.ReasonServer}}
	}
	p.classified("fault "+want.fault.Kind, se, want.classes, want.lost && p.h.Simulation.Bare)
	if got := len(w.requests(before)); got > 1 {
		p.errorf("fault %s: one Send made %d requests", want.fault.Kind, got)
	}
	if se != nil && se.Reason == connectors.ReasonRate {
		wait := time.Duration(want.fault.RetryAfter) * time.Second
		if unit := p.h.Simulation.WaitUnit; unit > 0 {
			wait = (wait + unit - 1).Truncate(unit)
		}
		if wait > 0 && !p.h.Simulation.NoWait && se.RetryAfter != wait {
			p.errorf("fault %s: RetryAfter is %v, want %v", want.fault.Kind, se.RetryAfter, wait)
		}
	}
	w.sim.Clear()
	if _, se := w.send(c, p.part("id-2", "after the fault")); se != nil {
		p.errorf("after the fault %s is over: %v", want.fault.Kind, se)
	}
	shown := w.shown()
	if len(shown) == 0 || shown[len(shown)-1].Text != "after the fault" {
		p.errorf("after the fault %s nothing arrives", want.fault.Kind)
	}
	p.judgeArrival(want.fault.Kind, se, len(shown) > 1)
}

// judgeArrival: an outcome may be less certain than what happened, never wrong.
func (p *probe) judgeArrival(kind string, se *connectors.SendError, arrived bool) {
	switch {
	case se == nil && !arrived:
		p.errorf("fault %s: Send says accepted, and nothing arrived", kind)
	case se != nil && se.Outcome != connectors.Unknown && arrived:
		p.errorf("fault %s: Send says %s, and yet it arrived", kind, se.Outcome)
	}
}

func (p *probe) classified(what string, se *connectors.SendError, classes []class, orSuccess bool) {
	switch {
	case se == nil && orSuccess:
		return
	case se == nil:
		p.errorf("%s: Send calls it a success", what)
		return
	case slices.Contains(classes, class{se.Outcome, se.Reason}):
		return
	}
	p.expect(what, se, classes[0].outcome, classes[0].reason)
}

// checkRows: every documented error of the network becomes what it means.
func checkRows(p *probe) {
	for _, row := range p.h.Simulation.Rows {
		p.row(row)
	}
}

func (p *probe) row(row Row) {
	defer p.end()
	n := p.network(func(w http.ResponseWriter, _ *http.Request) {
		maps.Copy(w.Header(), row.Header)
		w.WriteHeader(row.Status)
		_, _ = io.WriteString(w, row.Body)
	})
	part := p.part("id-1", markText)
	if row.Part != nil {
		row.Part(&part)
	}
	var se *connectors.SendError
	if c := p.connector(n.URL); row.Open {
		opener, ok := c.(connectors.AttachmentOpener)
		if !ok {
			panic("a row is about Open, which the connector does not have")
		}
		_, err := opener.Open(context.Background(), connectors.File{ID: "file-1"}, "")
		se = p.judge(err)
	} else {
		se = p.send(context.Background(), c, part)
	}
	if got := len(n.arrived()); got > max(row.Requests, 1) {
		p.errorf("%s: one call made %d requests", row.Name, got)
	}
	if se == nil {
		p.errorf("%s: it is called a success", row.Name)
		return
	}
	p.expect(row.Name, se, row.Want.Outcome, row.Want.Reason)
	if se.RetryAfter != row.Want.RetryAfter || se.Scope != row.Want.Scope {
		p.errorf("%s: RetryAfter %v for the %v, want %v for the %v",
			row.Name, se.RetryAfter, se.Scope, row.Want.RetryAfter, row.Want.Scope)
	}
	if row.HasHint && se.Hint == "" {
		p.errorf("%s: no hint for the operator", row.Name)
	}
}
