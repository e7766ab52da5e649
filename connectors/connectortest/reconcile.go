package connectortest

import (
	"context"
	"reflect"
	"slices"
	"strings"
	"time"

	"servicelink/connectors"
)

// reconcileChecks are for connectors that are Reconcilers.
var reconcileChecks = []check{
	{"reconcile/taken", checkFindsTaken, inBubble},
	{"reconcile/lost", checkFindsLost, inBubble},
	{"reconcile/late", checkFindsLate, inBubble},
	{"reconcile/twins", checkFindsTwins, inBubble},
	{"reconcile/faults", checkFindsNothing, inBubble},
	{"reconcile/stops", checkFindingStops, inBubble},
}

// findPatience is how long the engine goes on asking.
const findPatience = 10 * time.Minute

// doubtful is a world in which the outcome of a send is unknown.
type doubtful struct {
	*world
	r connectors.Reconciler
	c connectors.Connector
}

// doubtful makes one whose conversation has begun; ok is false for a connector
// that is no Reconciler.
func (p *probe) doubtful() (d doubtful, ok bool) {
	w := p.world().known()
	c := p.connector(memoryAddress)
	r, ok := c.(connectors.Reconciler)
	return doubtful{w, r, c}, ok
}

// loses sends a part of which the wire loses what, and gives what is to be found
// out.
func (d doubtful) loses(what loss, part connectors.Part) connectors.Attempt {
	d.wire.lose(what, part.Text)
	a := connectors.Attempt{Part: part, Began: time.Now()}
	_, se := d.send(d.c, part)
	a.Ended = time.Now()
	if se == nil || se.Outcome != connectors.Unknown {
		d.p.errorf("Send whose connection breaks without an answer: %v, want an unknown outcome", se)
	}
	return a
}

// ask asks once, as the engine does. A failed question finds nothing.
func (d doubtful) ask(a connectors.Attempt) (connectors.Finding, error) {
	ctx, cancel := context.WithTimeout(context.Background(), sendPatience)
	defer cancel()
	before, began := d.shown(), time.Now()
	f, err := d.r.Reconcile(ctx, a)
	if time.Since(began) >= sendPatience {
		d.p.errorf("Reconcile took %v and more: it has no time limit of its own", sendPatience)
	}
	// What was under way may arrive meanwhile; the question itself sends nothing.
	if now := d.shown(); time.Since(began) < underWay && !reflect.DeepEqual(before, now) {
		d.p.errorf("Reconcile changes the conversation: %d messages of the agent, then %d", len(before), len(now))
	}
	if err != nil {
		d.p.hear(err)
		if f != (connectors.Finding{}) {
			d.p.errorf("Reconcile returns an error and a finding")
		}
		return connectors.Finding{}, err
	}
	if f.Fate == connectors.FateFailed && f.Failure == nil {
		d.p.errorf("Reconcile says failed and not why")
	}
	return f, nil
}

// find asks until it is told, or the engine would give up.
func (d doubtful) find(a connectors.Attempt) connectors.Finding {
	for began := time.Now(); time.Since(began) < findPatience; {
		f, err := d.ask(a)
		if err != nil {
			d.p.errorf("Reconcile while all is well: %v", err)
			return f
		}
		if f.Fate != connectors.FateUnknown || f.AskAgain < 0 {
			return f
		}
		<-time.After(max(f.AskAgain, time.Second))
	}
	return connectors.Finding{}
}

// last is the network's id of the agent's latest message.
func (d doubtful) last() string {
	got := d.shown()
	if len(got) == 0 {
		panic("nothing arrived")
	}
	return got[len(got)-1].ID
}

// wantSent: the finding names the message that arrived.
func (d doubtful) wantSent(what string, f connectors.Finding) {
	if f.Fate != connectors.FateSent || f.NetworkID != d.last() {
		d.p.errorf("%s: Reconcile says %s %q, want sent %q", what, f.Fate, f.NetworkID, d.last())
	}
}

// wantNotSent: what did not arrive may be in doubt for ever, and no more.
func (d doubtful) wantNotSent(what string, f connectors.Finding) {
	if f.Fate != connectors.FateNotSent && f.Fate != connectors.FateUnknown {
		d.p.errorf("%s: Reconcile says %s %q, and it did not arrive", what, f.Fate, f.NetworkID)
	}
}

// checkFindsTaken: what the network has is found, with the network's id.
func checkFindsTaken(p *probe) {
	if d, ok := p.doubtful(); ok {
		d.wantSent("a send whose answer was lost", d.find(d.loses(lostAnswer, p.part("id-1", markText))))
	}
}

// checkFindsLost: what never arrived is not found.
func checkFindsLost(p *probe) {
	if d, ok := p.doubtful(); ok {
		d.wantNotSent("a send that was lost", d.find(d.loses(lostRequest, p.part("id-1", markText))))
	}
}

// checkFindsLate: a request that is still under way is not called not sent.
func checkFindsLate(p *probe) {
	d, ok := p.doubtful()
	if !ok {
		return
	}
	f := d.find(d.loses(lostForNow, p.part("id-1", markText)))
	<-time.After(underWay)
	d.wantSent("a send that arrived later", f)
}

// otherChat is a second conversation.
const otherChat = "4200000000000018"

// checkFindsTwins: what looks like the part is not the part.
func checkFindsTwins(p *probe) {
	for what, meet := range map[string]func(doubtful, connectors.Part) connectors.Attempt{
		"the same text in a message that is known": func(d doubtful, part connectors.Part) connectors.Attempt {
			first := d.accepted(part)
			a := d.loses(lostRequest, part)
			a.Began, a.Taken = a.Began.Add(-time.Minute), []string{first}
			return a
		},
		"the same text an hour before": func(d doubtful, part connectors.Part) connectors.Attempt {
			d.accepted(part)
			<-time.After(time.Hour)
			return d.loses(lostRequest, part)
		},
		"the same text of the customer": func(d doubtful, part connectors.Part) connectors.Attempt {
			a := d.loses(lostRequest, part)
			d.say(part.Text)
			return a
		},
		"the same text in another conversation": func(d doubtful, part connectors.Part) connectors.Attempt {
			d.act("text", map[string]any{"text": "hello", "user": map[string]any{"id": otherChat, "first_name": "Bob"}})
			a := d.loses(lostRequest, part)
			part.To = connectors.Address{TrackingID: strings.Replace(part.To.TrackingID, markChat, otherChat, 1), RemoteAddress: otherChat}
			d.accepted(part)
			return a
		},
	} {
		d, ok := p.doubtful()
		if !ok {
			return
		}
		d.wantNotSent("with "+what+", a send that was lost", d.find(meet(d, p.part("id-1", markText))))
		p.end()
	}
	d, _ := p.doubtful()
	defer p.end()
	first := d.accepted(p.part("id-1", markText))
	a := d.loses(lostAnswer, p.part("id-2", markText))
	a.Taken = []string{first}
	d.wantSent("with the same text before, a send whose answer was lost", d.find(a))
}

// accepted sends a part and gives its id at the network.
func (d doubtful) accepted(part connectors.Part) string {
	receipt, se := d.send(d.c, part)
	if se != nil {
		d.p.errorf("Send: %v", se)
	}
	return receipt.NetworkID
}

// checkFindsNothing: a question that fails says nothing of the part.
func checkFindsNothing(p *probe) {
	for _, f := range []Fault{
		{Kind: FaultRate, RetryAfter: 7},
		{Kind: FaultServer},
		{Kind: FaultHTML},
		{Kind: FaultOutage},
		{Kind: FaultUnauthorized},
		{Kind: FaultCut},
		{Kind: FaultTruncated},
		{Kind: FaultSwallow, Seconds: 900},
		{Kind: FaultSlow, Seconds: 900},
	} {
		d, ok := p.doubtful()
		if !ok {
			return
		}
		if !slices.Contains(p.h.Simulation.Without, f.Kind) {
			d.asksDuring(f)
		}
		p.end()
	}
}

func (d doubtful) asksDuring(f Fault) {
	a := d.loses(lostAnswer, d.p.part("id-1", markText))
	<-time.After(findPatience) // now the network would know
	d.fault(f)
	got, err := d.ask(a)
	if got.Fate != connectors.FateUnknown {
		d.p.errorf("fault %s: Reconcile says %s, and the network could not be asked", f.Kind, got.Fate)
	}
	if f.RetryAfter > 0 && !d.p.h.Simulation.NoWait {
		wish := got.AskAgain
		if err != nil {
			wish = connectors.AsSendError(err).RetryAfter
		}
		if wait := time.Duration(f.RetryAfter) * time.Second; wish < wait {
			d.p.errorf("fault %s: Reconcile asks for %v of patience, the network for %v", f.Kind, wish, wait)
		}
	}
	d.sim.Clear()
	d.wantSent("after the fault "+f.Kind+", a send whose answer was lost", d.find(a))
}

// checkFindingStops: Reconcile ends at once with its context.
func checkFindingStops(p *probe) {
	d, ok := p.doubtful()
	if !ok {
		return
	}
	a := d.loses(lostAnswer, p.part("id-1", markText))
	d.fault(Fault{Kind: FaultSwallow, Seconds: 1800})
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	began := time.Now()
	f, err := d.r.Reconcile(ctx, a)
	if took := time.Since(began); took > time.Second+atOnce {
		p.errorf("Reconcile took %v to end when its context did", took-time.Second)
	}
	if err == nil && f.Fate != connectors.FateUnknown {
		p.errorf("Reconcile that was ended says %s", f.Fate)
	}
	p.hear(err)
}

// checkNotice: the network's own word on a send whose answer was lost comes as a
// notice with our id, and never as a message of the customer.
func checkNotice(p *probe) {
	s := p.stage()
	defer s.leave()
	s.known()
	s.rest()
	part := p.part("id-1", markText)
	s.wire.lose(lostAnswer, part.Text)
	if _, se := s.send(s.c, part); se == nil || se.Outcome != connectors.Unknown {
		p.errorf("Send whose answer is lost: %v, want an unknown outcome", se)
	}
	s.rest()
	reported := false
	var found []connectors.Notice
	for _, ev := range s.journal.taken() {
		switch {
		case ev.Kind != connectors.KindNotice && strings.Contains(ev.Text, markText):
			p.errorf("what the agent sent comes back as an event of kind %s of the customer", ev.Kind)
		case ev.Kind == connectors.KindNotice && ev.TrackingID == part.To.TrackingID:
			n := *ev.Notice
			reported = reported || n.Status != connectors.StatusNone
			n.Status = connectors.StatusNone // how far it came is another matter
			found = append(found, n)
		}
	}
	if s.c.Capabilities().Reports && !reported {
		p.errorf("Reports is declared, and no notice tells how far the message came")
	}
	shown := s.shown()
	want := connectors.Notice{Ref: part.Ref, Finding: connectors.Finding{Fate: connectors.FateSent, NetworkID: shown[len(shown)-1].ID}}
	if !slices.Contains(found, want) {
		p.errorf("the network has the message, and the notices are %+v, want %+v", found, want)
	}
}
