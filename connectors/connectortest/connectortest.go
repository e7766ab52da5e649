// Package connectortest is the conformance kit: what every connector has to do
// whatever its network, as checks against two networks.
//
// The first is the kit's own on loopback, played by the Harness: it answers what
// a check needs and no real network would. The second is a Simulator, written by
// somebody else to the network's documentation. It runs in memory and in a bubble
// of testing/synctest, so that hours of waiting cost nothing and each run is the
// same; one that calls webhooks is given the way to the connector's.
//
// The kit stands where the engine will: it mounts the webhooks, calls Verify
// before Parse, makes one attempt per Send, runs a Runner again after a back-off
// and ends the process in front of every single step of it. It records all that
// the connector lets out - errors, log lines, replies, capabilities, events - and
// looks there for the secrets, texts and addresses it put in. Its transport
// refuses every address but loopback.
//
//	inbound/*    webhooks: Verify, Parse, Reply
//	send/*       outcomes of Send: HTTP's own, the simulator's faults, documented errors
//	claims/*     Capabilities against what the simulator takes, and optional interfaces
//	reconcile/*  what became of a send whose answer was lost
//	scenarios/*  contents both ways, against golden files
//	run/*        Runners: crashes, faults, patience, end
//	examine/*    Doctors: what they find, and that they change nothing; probe: Probers
//	the last     secrets, addresses, goroutines: what the others left
//
// The kit is itself tested with connectors that are broken on purpose, each of
// which must be caught by the check meant for it. Harnesses are in
// test/conformance.
package connectortest

import (
	"fmt"
	"net/http"
	"slices"
	"testing"
	"testing/synctest"

	"go.uber.org/goleak"

	"servicelink/config"
	"servicelink/connectors"
)

// Harness describes a connector and its network.
type Harness struct {
	New func(config.Channel, connectors.Dependencies) (connectors.Connector, error)
	// Settings is the YAML of the channel "kit" for a network whose address is base, a
	// http://127.0.0.1 URL.
	Settings func(base string) string
	// Secrets are all secrets in Settings. They must not be guessable words:
	// whatever the connector lets out is searched for them.
	Secrets []string
	// Webhook describes the way in; nil for a connector without webhooks.
	Webhook *Webhook
	// Network describes the other end of Send.
	Network Network
	// Simulation is the same network as somebody else wrote it; nil = there is none,
	// and what needs one is not checked. Every connector of this module has one.
	Simulation *Simulation
}

// Message is what a customer writes, as the kit makes it up.
type Message struct {
	Conversation string // decimal digits; the network's name of the conversation
	ID           string // the network's id of the message
	Text         string
}

// Webhook makes the network's calls. Each is a server's request, as
// httptest.NewRequest makes it, and genuine.
type Webhook struct {
	// Text is the call for a text message.
	Text func(Message) *http.Request
	// Unknown is a call with a message of a kind that does not exist; Text is
	// somewhere in it.
	Unknown func(Message) *http.Request
	// Batch is one call with all messages; nil where a call carries one: then the
	// kit makes the calls one after the other.
	Batch func([]Message) *http.Request
	// Forge returns the call with its proof made wrong.
	Forge func(*http.Request) *http.Request
}

// Network answers Send. The handlers of refusals may be nil: then the plain
// status of HTTP serves.
type Network struct {
	// To is the TrackingID of a conversation of this network.
	To string
	// Accept answers a send that the network takes.
	Accept http.HandlerFunc
	// Read gives back what a send carried; id is empty if it carries none.
	Read func(r *http.Request, body []byte) (id, text string)
	// Limit answers that there were too many; header sets Retry-After if any.
	Limit http.HandlerFunc // nil = 429
	// Unauthorized answers that the credentials are wrong.
	Unauthorized http.HandlerFunc // nil = 401
	// Refuse answers that this message is never taken.
	Refuse http.HandlerFunc // nil = 400
	// Guarded says that the target comes under the egress guard.
	Guarded bool
}

// check is one thing a connector must do.
type check struct {
	name   string
	run    func(*probe)
	bubble bool // it runs in a bubble of testing/synctest
}

// Where a check runs.
const (
	onSockets = false
	inBubble  = true
)

// checks returns what applies to h, in order. The last ones look at what the
// others left.
func checks(h Harness) []check {
	list := []check{{"capabilities", checkCapabilities, onSockets}}
	if h.Webhook != nil {
		list = append(list, inboundChecks...)
	}
	list = append(list, outboundChecks...)
	if h.Network.Guarded {
		list = append(list, check{"send/guard", checkGuard, onSockets})
	}
	if h.Simulation != nil {
		list = slices.Concat(list, simChecks(h), examineChecks)
	}
	return slices.Concat(list, probeChecks, lastChecks)
}

// Run checks the connector, one subtest per check. It is not to run beside
// other tests: it counts goroutines.
func Run(t *testing.T, h Harness) {
	t.Helper()
	all := newRecord()
	for _, c := range checks(h) {
		t.Run(c.name, func(t *testing.T) {
			for _, problem := range all.try(t, h, c) {
				t.Error(problem)
			}
		})
	}
}

// try runs one check on a probe of its own. A panic is a problem like another.
func (r *record) try(t *testing.T, h Harness, c check) (problems []string) {
	t.Helper()
	p := &probe{h: h, record: r}
	if !c.bubble {
		p.run(c)
		return p.problems
	}
	defer func() {
		if x := recover(); x != nil { // goroutines are left that nothing can wake
			p.errorf("%v", x)
		}
		problems = p.problems
	}()
	synctest.Test(t, func(*testing.T) {
		began := goleak.IgnoreCurrent()
		p.run(c)
		if err := goleak.Find(began); err != nil {
			p.errorf("%v", err)
		}
	})
	return nil
}

// run makes the check and undoes what it set up.
func (p *probe) run(c check) {
	defer p.end()
	defer func() {
		if x := recover(); x != nil {
			p.errorf("panic: %v", x)
		}
	}()
	c.run(p)
}

// errorf notes a problem.
func (p *probe) errorf(format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.problems) < maxProblems {
		p.problems = append(p.problems, fmt.Sprintf(format, args...))
	}
}

// maxProblems keeps a check that fails for every input readable.
const maxProblems = 10
