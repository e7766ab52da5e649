package connectortest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"servicelink/connectors"
)

// runChecks are for Runners.
var runChecks = []check{
	{"run/messages", checkRun, inBubble},
	{"run/crash", checkCrash, inBubble},
	{"run/unavailable", checkUnavailable, inBubble},
	{"run/faults", checkRunFaults, inBubble},
	{"run/stops", checkRunStops, inBubble},
	{"run/idle", checkRunIdle, inBubble},
	{"run/exclusive", checkExclusive, onSockets},
}

// Times of the Runner checks, by the bubble's clock.
const (
	troubleLasts = 2 * time.Minute  // a fault
	runPatience  = 15 * time.Minute // for what must come once all is well
	// mostPolls is the most requests in troubleLasts, whatever fails: one a second
	// is polite, a busy loop makes thousands.
	mostPolls = 200
	lastStep  = 1000
)

var said = []string{"one", "two", "three", "four", "five"}

// checkRun: what customers write comes, once and in order, with the form every
// event has; and Working is called.
func checkRun(p *probe) {
	w := p.world()
	w.say(said[:3]...)
	j := p.journal()
	e := w.run(j, 0)
	defer e.join("after it brought messages")
	j.await(context.Background(), 3)
	w.say(said[3:]...)
	j.await(context.Background(), len(said))
	w.settle()
	j.expect(said, "")
	if j.worked() == 0 {
		p.errorf("Inbox.Working is never called, so that a channel that was not well never is again")
	}
	for _, reason := range e.stopped() {
		p.errorf("Run ended with %s although all was well", reason)
	}
	w.answer(j)
}

// answer writes back to where the events came from, by the TrackingID alone.
func (w *world) answer(j *journal) {
	a, ok := j.c.(connectors.Addresser)
	events := j.taken()
	if !ok || len(events) == 0 {
		return
	}
	part := w.p.part("id-1", "the answer")
	part.To, _ = a.Address(events[0].TrackingID)
	if _, se := w.send(j.c, part); se != nil {
		w.p.errorf("Send to the address that the TrackingID of an event gives: %v", se)
	}
	if got := w.shown(); len(got) != 1 || got[0].Text != part.Text {
		w.p.errorf("an answer to the address that the TrackingID of an event gives does not arrive")
	}
}

// settle lets what is under way come to its end.
func (w *world) settle() { <-time.After(10 * time.Second) }

// expect compares what was journaled with the texts that were said.
func (j *journal) expect(want []string, when string) {
	got := j.taken()
	var texts []string
	for _, ev := range got {
		if ev.Kind == connectors.KindText {
			texts = append(texts, ev.Text)
		}
	}
	if !slices.Equal(texts, want) {
		j.p.errorf("the customer wrote %q, it came as %s%s", want, describeEvents(got), when)
	}
}

// checkCrash walks through every step of polling, handing over and confirming.
// The process ends in front of each, once; the next life must find what the first
// one did not journal, and nothing is taken twice.
func checkCrash(p *probe) {
	for _, refuse := range []int{0, 1} {
		step := 1
		for ; step < lastStep; step++ {
			if !p.crash(step, refuse) {
				break
			}
			if len(p.problems) > 0 {
				return // the steps after this one would say the same
			}
		}
		if step < 5 || step == lastStep {
			p.errorf("Run takes %d steps to bring %d messages", step, len(said))
			return
		}
	}
}

// crash ends the first life in front of step fatal; false when it has fewer
// steps. refuse makes so many hand-overs fail before.
func (p *probe) crash(fatal, refuse int) bool {
	defer p.end()
	w := p.world()
	w.say(said[:3]...)
	j := p.journal()
	j.refuseNext(refuse)
	first := w.run(j, fatal)
	j.await(first.ctx(), 3)
	w.say(said[3:]...)
	j.await(first.ctx(), len(said))
	reached := !first.survives() // until the last of them is confirmed
	steps := first.taken()
	first.join("after a crash")
	second := w.run(j, 0)
	j.await(context.Background(), len(said))
	w.settle()
	second.join("in its second life")
	j.expect(said, fmt.Sprintf(" after a crash in front of the last of the steps %s", strings.Join(steps, ", ")))
	return reached
}

// checkUnavailable: what the journal could not take is offered again, patiently,
// and nothing overtakes it.
func checkUnavailable(p *probe) {
	w := p.world()
	j := p.journal()
	j.refuseNext(1 << 30)
	e := w.run(j, 0)
	defer e.join("after the journal was away")
	e.count(mostPolls)
	w.say(said[:3]...)
	if !e.survives() {
		p.errorf("more than %d requests in %v while nothing can be handed over: a busy loop", mostPolls, troubleLasts)
		return
	}
	e.count(mostRequests)
	j.refuseNext(0)
	j.await(e.ctx(), 3)
	w.say(said[3:]...)
	j.await(e.ctx(), len(said))
	w.settle()
	j.expect(said, " after the journal was away")
}

// checkRunFaults: whatever fails, Run asks patiently, says what is wrong where
// the engine must know, and goes on where it was.
func checkRunFaults(p *probe) {
	for _, f := range []Fault{
		{Kind: FaultRate, RetryAfter: 40},
		{Kind: FaultRate},
		{Kind: FaultServer},
		{Kind: FaultHTML},
		{Kind: FaultSlow, Seconds: 20},
		{Kind: FaultCut},
		{Kind: FaultTruncated},
		{Kind: FaultSwallow, Seconds: 30},
		{Kind: FaultOutage},
		{Kind: FaultUnauthorized},
		{Kind: FaultConflict},
		{Kind: FaultDuplicate},
		{Kind: FaultReorder},
	} {
		if !slices.Contains(p.h.Simulation.Without, f.Kind) {
			p.runFault(f)
		}
	}
}

func (p *probe) runFault(f Fault) {
	defer p.end()
	w := p.world()
	j := p.journal()
	w.say(said[0])
	e := w.run(j, 0)
	defer e.join("after the fault " + f.Kind)
	j.await(e.ctx(), 1)
	w.fault(f)
	e.count(mostPolls)
	worked := j.worked()
	w.say(said[1:4]...)
	if !e.survives() {
		p.errorf("fault %s: more than %d requests in %v, a busy loop", f.Kind, mostPolls, troubleLasts)
		return
	}
	if polls := e.counted(); f.RetryAfter > 0 && !p.h.Simulation.NoWait && polls > int(troubleLasts.Seconds())/f.RetryAfter+2 {
		p.errorf("fault %s: %d requests in %v although the network asks for %d s each time", f.Kind, polls, troubleLasts, f.RetryAfter)
	}
	p.expectStops(e, f.Kind)
	if now := j.worked(); now > worked+1 && breaks(f.Kind) { // one poll may have been under way
		p.errorf("fault %s: Inbox.Working was called %d times meanwhile", f.Kind, now-worked)
	}
	worked = j.worked()
	w.sim.Clear()
	e.count(mostRequests)
	w.say(said[4:]...)
	j.await(e.ctx(), len(said))
	w.settle()
	if f.Kind == FaultReorder { // the order is what the network made it
		j.sort()
		j.expect(slices.Sorted(slices.Values(said)), " with the fault "+f.Kind)
	} else {
		j.expect(said, " with the fault "+f.Kind)
	}
	if j.worked() == worked {
		p.errorf("fault %s: Inbox.Working is not called when it is over", f.Kind)
	}
}

// breaks reports whether no poll can succeed while the fault lasts.
func breaks(kind string) bool {
	return !slices.Contains([]string{FaultSlow, FaultDuplicate, FaultReorder, FaultSwallow}, kind)
}

func (p *probe) expectStops(e *engine, kind string) {
	want := map[string]connectors.Reason{FaultUnauthorized: connectors.ReasonAuth, FaultConflict: connectors.ReasonConflict}[kind]
	if stops := e.stopped(); want != "" && !slices.Contains(stops, want) {
		p.errorf("fault %s: Run must return with the reason %q, it returned %q", kind, want, stops)
	}
}

// sort orders the events by their text.
func (j *journal) sort() {
	j.mu.Lock()
	defer j.mu.Unlock()
	slices.SortFunc(j.events, func(a, b connectors.Event) int { return strings.Compare(a.Text, b.Text) })
}

// checkRunStops: Run ends at once with its context, whatever it is doing.
func checkRunStops(p *probe) {
	for when, set := range map[string]func(*world, *journal){
		"while nothing happens":         func(*world, *journal) {},
		"while the network fails":       func(w *world, _ *journal) { w.fault(Fault{Kind: FaultServer}) },
		"while it is to wait":           func(w *world, _ *journal) { w.fault(Fault{Kind: FaultRate, RetryAfter: 3600}) },
		"while the network is silent":   func(w *world, _ *journal) { w.fault(Fault{Kind: FaultSwallow, Seconds: 1800}) },
		"while the network dribbles":    func(w *world, _ *journal) { w.fault(Fault{Kind: FaultSlow, Seconds: 1800}) },
		"while nobody is there":         func(w *world, _ *journal) { w.fault(Fault{Kind: FaultOutage}) },
		"while the journal takes long":  func(_ *world, j *journal) { j.stuck = true },
		"while the journal is not well": func(_ *world, j *journal) { j.refuseNext(1 << 30) },
	} {
		w, j := p.world(), p.journal()
		set(w, j)
		e := w.run(j, 0)
		w.say(said...)
		<-time.After(3*time.Minute + 333*time.Millisecond)
		e.join(when)
		p.end()
	}
}

// checkRunIdle: nothing is asked without need when nothing more happens.
func checkRunIdle(p *probe) {
	w, j := p.world(), p.journal()
	e := w.run(j, 0)
	defer e.join("after doing nothing")
	e.count(mostPolls)
	w.say(said[0])
	if !e.survives() {
		p.errorf("more than %d requests in %v although nothing more happens: a busy loop, or what was taken is not confirmed", mostPolls, troubleLasts)
	}
}

// checkExclusive: two Runners of one account would take each other's messages,
// so the engine must be able to tell.
func checkExclusive(p *probe) {
	one, ok := p.connector(nowhere).(connectors.Exclusive)
	if !ok {
		p.errorf("a Runner must be Exclusive: two channels with one account take each other's messages")
		return
	}
	other := p.connector("http://127.0.0.2:9").(connectors.Exclusive)
	if one.Exclusive() == "" || one.Exclusive() != other.Exclusive() {
		p.errorf("Exclusive differs between two connectors of one account, or is empty")
	}
}
