package gateway

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"

	"servicelink/connectors"
	"servicelink/internal/egress"
	"servicelink/simprot"
)

// coreTime bounds the attempt to log in: the core has ten seconds for its answer.
const coreTime = 15 * time.Second

const cureCore = "check core.address, the firewall in between and the core itself"

// examineCore says how the running link is: core, and fence.
func (g *Gateway) examineCore() []connectors.Check {
	if s := g.link.Session(); s != nil {
		return g.coreAnswered(s.Welcome())
	}
	f := g.linkFault.Load()
	if f == nil {
		return []connectors.Check{unknownCheck(connectors.CheckCore, "it is being connected to")}
	}
	c := failCheck(connectors.CheckCore, connectors.FaultCoreAway, "the gateway has no connection to the core", f.Hint)
	switch f.What {
	case "core_" + string(simprot.LinkRefused):
		c.Fault, c.Found = connectors.FaultCoreRefuses, "the core refuses the gateway's login"
	case "core_" + string(simprot.LinkReplaced):
		c.Fault, c.Found = connectors.FaultUnwell, "another gateway has logged in by this one's name"
	}
	return []connectors.Check{c}
}

// coreAnswered is what the core's welcome tells.
func (g *Gateway) coreAnswered(w simprot.Welcome) []connectors.Check {
	cfg := g.config().Core
	core := wellCheck(connectors.CheckCore, "%s takes the login of %s", orCore(w.Server), cfg.Peer)
	if !cfg.Login {
		core = wellCheck(connectors.CheckCore, "it is there; without session control nothing shows that it takes this gateway")
	}
	fence := wellCheck(connectors.CheckFence, "what an earlier connection left is shut out")
	if !w.Fences {
		fence = warnCheck(connectors.CheckFence, connectors.FaultNoFence,
			"the core does not shut out what an earlier connection left, so that a sentence may come late; the gateway waits core.settle after each connection for that reason",
			fmt.Sprintf("let the core keep rule O1 of SPEC.md, or keep core.settle (%v) above the longest time a sentence takes to it", cfg.Settle))
	}
	return []connectors.Check{core, fence}
}

func orCore(server string) string {
	server = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return -1
		}
		return r
	}, simprot.Truncate(server, 64))
	if server == "" {
		return "the core"
	}
	return server
}

// tryCore logs in as another instance than a gateway that runs: it replaces none, and
// claims no Port.
func (g *Gateway) tryCore(ctx context.Context) []connectors.Check {
	cfg, err := g.linkConfig()
	if err != nil {
		return []connectors.Check{failCheck(connectors.CheckCore, connectors.FaultConfig, err.Error(), "see core in the configuration")}
	}
	mark := make([]byte, 4)
	_, _ = rand.Read(mark) // never fails
	cfg.Instance += "-doctor-" + hex.EncodeToString(mark)
	ctx, cancel := context.WithTimeout(ctx, coreTime)
	defer cancel()
	attempt := &coreAttempt{done: cancel}
	cfg.Observe, cfg.OnUp = attempt, attempt.up
	client, err := simprot.NewClient(cfg)
	if err != nil {
		return []connectors.Check{failCheck(connectors.CheckCore, connectors.FaultConfig, err.Error(), "see core in the configuration")}
	}
	_ = client.Run(ctx) // returns nil
	switch {
	case attempt.welcome != nil:
		return g.coreAnswered(*attempt.welcome)
	case attempt.err == nil:
		return []connectors.Check{failCheck(connectors.CheckCore, connectors.FaultCoreAway, "the core does not answer in time", cureCore)}
	}
	return []connectors.Check{notIn(attempt.err, g.config().Core.Login)}
}

// coreAttempt notes how the first connection of a client went, and ends it. The
// client calls all of it on goroutines that Run waits for.
type coreAttempt struct {
	done    func()
	welcome *simprot.Welcome
	err     error
}

func (a *coreAttempt) up(s *simprot.Session) {
	w := s.Welcome()
	a.welcome = &w
	a.done()
}

// LinkState implements simprot.Observer.
func (a *coreAttempt) LinkState(state simprot.LinkState, err error) {
	if state == simprot.LinkConnecting || state == simprot.LinkUp || a.welcome != nil {
		return
	}
	if a.err == nil {
		a.err = err
	}
	a.done()
}

// BadPacket implements simprot.Observer.
func (a *coreAttempt) BadPacket(simprot.BadPacket, simprot.Code) {}

// Question implements simprot.Observer.
func (a *coreAttempt) Question(simprot.Code, string, time.Duration) {}

// refusedCures are what helps against each reason of SP_REFUSED.
var refusedCures = map[string]string{ //nolint:gosec // what to do, no credentials
	"credentials": "compare core.account and core.secret with what the core has",
	"peer":        "let the core know core.peer, for this account",
	"version":     "the core speaks another version of SimProt: update the older of the two",
	"busy":        "the core takes no more gateways now: look at its limits",
}

// notIn says why there is no login.
func notIn(err error, login bool) connectors.Check {
	if refused, ok := errors.AsType[*simprot.RefusedError](err); ok {
		cure := refusedCures[refused.Reason]
		if cure == "" {
			cure = "check core.account, core.secret and core.peer"
		}
		return failCheck(connectors.CheckCore, connectors.FaultCoreRefuses, fmt.Sprintf("the core refuses the login: %q", refused.Reason), cure)
	}
	_, text := egress.Describe(err)
	_, notTLS := errors.AsType[tls.RecordHeaderError](err)
	_, chain := errors.AsType[*tls.CertificateVerificationError](err)
	own, ours := strings.CutPrefix(err.Error(), "simprot: ")
	switch {
	case chain:
		return failCheck(connectors.CheckCore, connectors.FaultBadCertificate, "the core's certificate is not accepted: "+text,
			"put its authority into core.tls.ca, and the name in it into core.tls.server_name")
	case notTLS:
		return failCheck(connectors.CheckCore, connectors.FaultCoreAway, "what answers at core.address speaks no TLS",
			"leave core.tls out, or turn TLS on at the core")
	case ours:
		text = own
	}
	cure := cureCore
	if login && ours {
		cure = "see that core.address is the core's; for a core without session control write core.login: false"
	}
	return failCheck(connectors.CheckCore, connectors.FaultCoreAway, "the core cannot be reached: "+text, cure)
}
