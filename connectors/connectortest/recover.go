package connectortest

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"time"

	"servicelink/connectors"
)

// recoverChecks are for connectors that are Recoverers.
var recoverChecks = []check{
	{"recover/lost", checkRecovers, inBubble},
	{"recover/faults", checkRecoverFaults, inBubble},
}

// found is an Inbox for what Recover brings; it judges the form of the events and
// keeps them as they came.
type found struct {
	s      *stage
	events []connectors.Event
}

// Deliver implements connectors.Inbox.
func (f *found) Deliver(_ context.Context, events []connectors.Event) error {
	for _, problem := range faults(f.s.c, events) {
		f.s.p.errorf("%s", problem)
	}
	f.events = append(f.events, events...)
	return nil
}

// Typing implements connectors.Inbox.
func (f *found) Typing(string, bool) { f.s.p.errorf("Recover speaks of typing") }

// Working implements connectors.Inbox.
func (f *found) Working() {}

// texts lists what the events say, in their order.
func texts(events []connectors.Event) (list []string) {
	for _, ev := range events {
		list = append(list, ev.Text)
	}
	return list
}

// checkRecovers: what a webhook lost comes, with what it did not lose, the oldest
// first and under the IDs that the webhook gave; and nothing from outside the time
// that was asked for.
func checkRecovers(p *probe) {
	s := p.stage()
	defer s.leave()
	r, ok := s.c.(connectors.Recoverer)
	if !ok {
		return
	}
	say := func(texts ...string) {
		s.say(texts...)
		s.rest()
	}
	say("long before")
	<-time.After(time.Hour)
	since := time.Now()
	<-time.After(time.Minute)
	say(said[0])
	s.fault(Fault{Kind: FaultLose, Times: 2})
	say(said[1:3]...)
	s.sim.Clear()
	say(said[3:]...)
	<-time.After(time.Minute)
	until := time.Now()
	<-time.After(time.Minute)
	say("long after")
	heard := s.journal.taken()
	if want := []string{"long before", said[0], said[3], said[4], "long after"}; !slices.Equal(texts(heard), want) {
		p.errorf("the simulator loses nothing: %q came", texts(heard))
	}
	box := &found{s: s}
	if err := r.Recover(context.Background(), since, until, box); err != nil {
		p.hear(err)
		p.errorf("Recover: %v", err)
	}
	if !slices.Equal(texts(box.events), said) {
		p.errorf("Recover brings %q, want %q", texts(box.events), said)
	}
	for _, ev := range heard {
		for _, again := range box.events {
			if ev.Text == again.Text && (ev.ID != again.ID || ev.TrackingID != again.TrackingID || ev.NetworkID != again.NetworkID) {
				p.errorf("%q came as %s in %s, and is recovered as %s in %s", ev.Text, ev.ID, ev.TrackingID, again.ID, again.TrackingID)
			}
		}
	}
}

// checkRecoverFaults: a network that fails is an error, and no message is lost for it.
func checkRecoverFaults(p *probe) {
	for _, kind := range []string{FaultRate, FaultServer, FaultHTML, FaultCut, FaultTruncated, FaultOutage, FaultUnauthorized} {
		s := p.stage()
		r, ok := s.c.(connectors.Recoverer)
		if !ok {
			s.leave()
			return
		}
		since := time.Now()
		s.say(said...)
		s.rest()
		s.fault(Fault{Kind: kind})
		box := &found{s: s}
		if se := p.judge(r.Recover(context.Background(), since, time.Now(), box)); se == nil {
			p.errorf("fault %s: Recover has no error", kind)
		} else if kind == FaultUnauthorized && se.Reason != connectors.ReasonAuth {
			p.errorf("fault %s: Recover fails with the reason %q", kind, se.Reason)
		}
		s.sim.Clear()
		box.events = nil
		if err := r.Recover(context.Background(), since, time.Now(), box); err != nil || !slices.Equal(texts(box.events), said) {
			p.errorf("after the fault %s Recover brings %q, %v", kind, texts(box.events), err)
		}
		s.leave()
		p.end()
	}
}

// checkHooks: the addresses to enter at the network are the connector's webhooks,
// below public.url.
func checkHooks(p *probe) {
	m := p.mount()
	lister, ok := m.c.(connectors.HookLister)
	if !ok {
		return
	}
	hooks := lister.Hooks()
	if len(hooks) == 0 {
		p.errorf("Hooks is empty although there is a public.url")
	}
	for _, h := range hooks {
		r, err := http.NewRequestWithContext(context.Background(), h.Method, h.URL, nil)
		if err != nil || !strings.HasPrefix(h.URL, PublicURL+"/") || h.Where == "" {
			p.errorf("the hook at %q is not below public.url, or says not where it belongs", h.Where)
			continue
		}
		if _, pattern := m.mux.Handler(r); pattern == "" {
			p.errorf("nobody takes calls at the hook of %q", h.Where)
		}
		if !h.Secret {
			p.record.heard("hook", h.URL)
		}
	}
}

// checkRegister: what Register sets at the network is where the network then calls;
// doing it again changes nothing.
func checkRegister(p *probe) {
	s := p.stage()
	defer s.leave()
	r, ok := s.c.(connectors.Registrar)
	if !ok {
		return
	}
	for range 2 {
		done, err := r.Register(context.Background())
		if err != nil || len(done) == 0 {
			p.errorf("Register = %q, %v", done, p.judge(err))
		}
		for _, line := range done {
			p.record.heard("register", line)
		}
	}
	s.say(said...)
	s.rest()
	s.journal.expect(said, " after Register")
	s.fault(Fault{Kind: FaultUnauthorized})
	if _, err := r.Register(context.Background()); err == nil || p.judge(err).Reason != connectors.ReasonAuth {
		p.errorf("Register with wrong credentials: %v", err)
	}
	s.sim.Clear()
}
