package connectortest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"servicelink/connectors"
)

// examineChecks are for connectors that are Doctors, and probeChecks for Probers.
var (
	examineChecks = []check{
		{"examine/well", checkExamine, inBubble},
		{"examine/faults", checkExamineFaults, inBubble},
		{"examine/stops", checkExamineStops, inBubble},
	}
	probeChecks = []check{{"probe", checkProbe, onSockets}}
)

// examinePatience is the longest an examination may take, whatever the network does.
const examinePatience = 5 * time.Minute

// mostFound is the longest Found and Cure, in bytes: a line on a screen.
const mostFound = 300

// doctor is a Doctor in a world, and what is known of how it speaks.
type doctor struct {
	*world
	c     connectors.Connector
	d     connectors.Doctor
	order []connectors.CheckName // that it was seen to have
	poll  bool                   // the connector asks, and so could take what waits
}

// doctor makes a fresh world with the connector, which does not run; nil = it is no
// Doctor.
func (p *probe) doctor() *doctor {
	x := &doctor{poll: p.h.Webhook == nil}
	if x.poll {
		x.world, x.c = p.world(), p.connector(memoryAddress)
	} else {
		s := p.hooked().stage
		x.world, x.c = s.world, s.c
	}
	var ok bool
	if x.d, ok = x.c.(connectors.Doctor); !ok {
		return nil
	}
	return x
}

// examine examines and judges the form of what is said.
func (x *doctor) examine(ctx context.Context, when string, running bool) []connectors.Check {
	began := time.Now()
	checks := x.d.Examine(ctx, connectors.Examination{Running: running})
	if took := time.Since(began); took > examinePatience {
		x.p.errorf("Examine takes %v %s", took, when)
	}
	if len(checks) == 0 {
		x.p.errorf("Examine says nothing %s", when)
	}
	var names []connectors.CheckName
	for _, c := range checks {
		for _, problem := range wrong(c) {
			x.p.errorf("%s: %s %s", c.Name, problem, when)
		}
		x.p.record.heard("check", fmt.Sprintf("%+v", c))
		if slices.Contains(names, c.Name) {
			x.p.errorf("%s is told twice %s", c.Name, when)
		}
		names = append(names, c.Name)
	}
	if x.order == nil {
		x.order = names
	}
	if !within(names, x.order) {
		x.p.errorf("Examine looks at %v %s, and at %v otherwise", names, when, x.order)
	}
	return checks
}

// within reports whether list is all with some left out.
func within(list, all []connectors.CheckName) bool {
	for _, name := range list {
		i := slices.Index(all, name)
		if i < 0 {
			return false
		}
		all = all[i+1:]
	}
	return true
}

// wrong lists what is wrong with the form of a Check.
func wrong(c connectors.Check) (problems []string) {
	bad := c.State == connectors.CheckWarning || c.State == connectors.CheckFailed
	for problem, found := range map[string]bool{
		"is no CheckName": !slices.Contains(connectors.Checks, c.Name),
		"has no state":    !bad && c.State != connectors.CheckOK && c.State != connectors.CheckUnknown,
		"names a fault and is well, or the reverse":  bad != (c.Fault != ""),
		"names a fault that does not exist":          c.Fault != "" && !slices.Contains(connectors.Faults, c.Fault),
		"has a fault without a cure, or the reverse": (c.Fault != "") != (c.Cure != ""),
		"says nothing":              c.Found == "",
		"says more than a line":     strings.ContainsAny(c.Found+c.Cure+c.Code, "\n\r") || len(c.Found) > mostFound || len(c.Cure) > mostFound,
		"is mended without a fault": c.Mendable && !bad,
	} {
		if found {
			problems = append(problems, problem)
		}
	}
	slices.Sort(problems)
	return problems
}

// checkExamine: where all is well nothing is wrong, and an examination changes
// nothing: nothing is sent, and what waits is brought afterwards.
func checkExamine(p *probe) {
	x := p.doctor()
	if x == nil {
		return
	}
	if r, ok := x.c.(connectors.Registrar); ok {
		if _, err := r.Register(context.Background()); err != nil {
			p.errorf("Register: %v", p.judge(err))
		}
	}
	for _, running := range []bool{false, true, false} {
		for _, c := range x.examine(context.Background(), "where all is well", running) {
			if c.Fault != "" {
				p.errorf("all is well, and it finds %s at %s: %s", c.Fault, c.Name, c.Found)
			}
		}
	}
	if x.poll {
		x.keepsWhatWaits()
	}
	if len(x.shown()) > 0 {
		p.errorf("Examine sends the customer something")
	}
}

// keepsWhatWaits: the messages that waited during an examination come when the
// connector runs, all of them.
func (x *doctor) keepsWhatWaits() {
	x.say(said...)
	x.examine(context.Background(), "while messages wait", false)
	j := x.p.journal()
	e := x.run(j, 0)
	defer e.join("after an examination")
	j.await(e.ctx(), len(said))
	x.settle()
	j.expect(said, " after an examination")
}

// checkExamineFaults: whatever fails is told, by the same names, and nothing is said to
// be well of a network that is away.
func checkExamineFaults(p *probe) {
	var order []connectors.CheckName
	for _, f := range []Fault{
		{},
		{Kind: FaultOutage},
		{Kind: FaultUnauthorized},
		{Kind: FaultServer},
		{Kind: FaultHTML},
		{Kind: FaultRate, RetryAfter: 40},
		{Kind: FaultCut},
		{Kind: FaultTruncated},
		{Kind: FaultSwallow, Seconds: 60},
		{Kind: FaultSlow, Seconds: 60},
	} {
		x := p.doctor()
		if x == nil {
			return
		}
		x.order = order
		if f.Kind != "" {
			x.fault(f)
		}
		checks := x.examine(context.Background(), "with the fault "+f.Kind, false)
		order = x.order
		faulty := slices.ContainsFunc(checks, func(c connectors.Check) bool { return c.State == connectors.CheckFailed })
		well := slices.ContainsFunc(checks, func(c connectors.Check) bool { return c.State == connectors.CheckOK })
		switch f.Kind {
		case FaultOutage:
			if well || !faulty {
				p.errorf("the network is away, and it finds %+v", checks)
			}
		case FaultUnauthorized: // where anything is asked that needs them
			if !faulty && slices.Contains(order, connectors.CheckCredentials) {
				p.errorf("the credentials are refused, and it finds %+v", checks)
			}
		}
		p.end()
	}
}

// checkExamineStops: it ends with its context, whatever it is doing, and asks nothing
// after it.
func checkExamineStops(p *probe) {
	for _, f := range []Fault{{Kind: FaultSwallow, Seconds: 1800}, {Kind: FaultSlow, Seconds: 1800}} {
		x := p.doctor()
		if x == nil {
			return
		}
		x.fault(f)
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		began := time.Now()
		x.examine(ctx, "after its time", false)
		if took := time.Since(began); took > 2*time.Second {
			p.errorf("with one second, and the fault %s, Examine takes %v", f.Kind, took)
		}
		cancel()
		for _, c := range x.examine(ctx, "after its end", false) {
			if c.State == connectors.CheckOK {
				p.errorf("it was stopped before it began, and %s is well: %s", c.Name, c.Found)
			}
		}
		p.end()
	}
}

// checkProbe: a Prober's request is the network's as far as Verify can tell, leads to
// one of the connector's own webhooks, and brings nothing; and it can be made again.
func checkProbe(p *probe) {
	prober, ok := p.connector(nowhere).(connectors.Prober)
	if !ok {
		return
	}
	if p.h.Webhook == nil {
		p.errorf("has a Probe and no webhook")
		return
	}
	m := p.mount()
	for range 2 {
		r, err := prober.Probe()
		if err != nil {
			p.errorf("Probe: %v", err)
			return
		}
		if !strings.HasPrefix(r.URL.String(), PublicURL+"/") {
			p.errorf("Probe leads to another place than public.url")
			return
		}
		if _, limited := r.Context().Deadline(); limited || r.Context().Err() != nil {
			p.errorf("Probe has a context of its own")
		}
		hook, req := m.find(r)
		if err := hook.Verify(req); err != nil {
			p.errorf("Verify refuses the probe: %v", err)
			continue
		}
		result, err := hook.Parse(req)
		if err != nil || len(result.Events) > 0 {
			p.errorf("the probe brings %d events, %v", len(result.Events), err)
		}
		if len(result.Ignored) == 0 {
			p.errorf("the probe is not counted: ParseResult.Ignored is empty")
		}
		if reply := hook.Reply(connectors.Verdict{Result: connectors.Accepted, Request: req}); reply.Status/100 != 2 {
			p.errorf("the probe is answered %d", reply.Status)
		}
	}
}
