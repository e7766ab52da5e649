package connectortest

import (
	"context"
	"net"
	"net/http"
	"slices"
	"sync/atomic"
	"time"

	"servicelink/connectors"
)

// stage is a world with the connector at work in it.
type stage struct {
	*world
	c       connectors.Connector
	journal *journal
	rest    func() // returns when what was brought has arrived
	leave   func()
}

func (p *probe) stage() *stage {
	if p.h.Webhook != nil {
		return p.hooked().stage
	}
	s := &stage{world: p.world(), journal: p.journal()}
	e := s.run(s.journal, 0)
	s.c = s.journal.c
	s.rest = rest
	s.leave = func() { e.join("after a scenario") }
	return s
}

// rest is longer than a network keeps an event back, so that the order is that of
// the steps.
func rest() { <-time.After(5 * time.Second) }

// gateway passes the calls of a simulator that calls webhooks on to the connector.
type gateway struct {
	*stage
	m      *mounted
	refuse atomic.Int64 // so many calls are told to come again
}

// hooked is the stage of a connector with webhooks.
func (p *probe) hooked() *gateway {
	g := &gateway{}
	inward := newMemory(g)
	p.undo = append(p.undo, inward.end)
	transport := &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return inward.dial(ctx)
	}}
	w := p.worldFor(&Gateway{URL: PublicURL, Transport: transport})
	g.stage = &stage{world: w, journal: p.journal(), rest: rest, leave: func() {}}
	g.m = p.mountAt(memoryAddress)
	g.c, g.journal.c = g.m.c, g.m.c
	return g
}

// ServeHTTP passes a call through Verify and Parse as the engine does.
func (g *gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	reply := g.answer(r)
	if reply.ContentType != "" {
		w.Header().Set("Content-Type", reply.ContentType)
	}
	w.WriteHeader(reply.Status)
	_, _ = w.Write([]byte(reply.Body))
}

func (g *gateway) answer(r *http.Request) connectors.Reply {
	hook, req := g.m.find(r)
	if err := hook.Verify(req); err != nil {
		g.p.errorf("Verify refuses the simulator's request: %v", err)
		return hook.Reply(connectors.Verdict{Result: connectors.Refused})
	}
	result, err := hook.Parse(req)
	if err != nil {
		g.p.hear(err)
		return hook.Reply(connectors.Verdict{Result: connectors.Malformed, Err: err})
	}
	if g.refuse.Add(-1) >= 0 {
		return hook.Reply(connectors.Verdict{Result: connectors.Unavailable})
	}
	for _, problem := range faults(g.c, result.Events) {
		g.p.errorf("%s", problem)
	}
	g.journal.take(result.Events)
	g.journal.wake()
	return hook.Reply(connectors.Verdict{Result: connectors.Accepted})
}

// checkBrought: what the network's side of a webhook does wrong costs nothing: what
// comes twice is taken once, what comes in another order is taken, and what could
// not be taken comes again, since the reply says so.
func checkBrought(p *probe) {
	for _, f := range []Fault{{}, {Kind: FaultDuplicate}, {Kind: FaultReorder, Times: 1}} {
		if slices.Contains(p.h.Simulation.Without, f.Kind) {
			continue
		}
		g := p.hooked()
		if f.Kind == "" {
			g.refuse.Store(3)
		} else {
			g.fault(f)
		}
		g.say(said...)
		ctx, cancel := context.WithTimeout(context.Background(), runPatience)
		g.journal.await(ctx, len(said))
		cancel()
		want := said
		if f.Kind == FaultReorder || f.Kind == "" && p.h.Simulation.Unordered {
			g.journal.sort()
			want = slices.Sorted(slices.Values(said))
		}
		g.journal.expect(want, " with the fault "+f.Kind)
		p.end()
	}
}
