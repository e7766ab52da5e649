package gateway

import (
	"cmp"
	"errors"
	"strconv"
	"time"

	"servicelink/connectors"
	"servicelink/gateway/journal"
)

var _ healthSource = (*Gateway)(nil)

// Ready lists what makes the gateway unready: only the journal, a listener or
// start-up. One bad token never takes the other channels out of service.
func (g *Gateway) Ready() []Fault {
	var faults []Fault
	if !g.ready.Load() {
		faults = append(faults, fault("", "starting_or_stopping", "the gateway is not serving yet, or no more"))
	}
	if err := g.journal.Health(); err != nil {
		faults = append(faults, journalFault(err))
	}
	return faults
}

func journalFault(err error) Fault {
	if errors.Is(err, journal.ErrFull) {
		return fault("", "journal_full", "journal.max_bytes or the disk is full: see what is pending, free space or raise the limit")
	}
	return fault("", "journal_away", "the journal cannot be written: check the disk and the file's permissions")
}

// fillingPercent of journal.max_bytes or files.max_bytes is where operators hear that it
// fills.
const fillingPercent = 80

// filling tells whether more than that is used of a limit; 0 = unlimited.
func filling(used, limit int64) bool { return limit > 0 && used > limit/100*fillingPercent }

// Unwell lists everything that is not well and takes nothing out of service.
func (g *Gateway) Unwell() []Fault {
	var faults []Fault
	if f := g.linkFault.Load(); f != nil {
		faults = append(faults, *f)
	} else if g.link.Session() == nil {
		faults = append(faults, fault("", "core_connecting", "no connection to the core yet"))
	}
	if filling(g.journal.Size(), int64(g.config().Journal.MaxBytes)) {
		faults = append(faults, fault("", "journal_filling",
			"more than %d %% of journal.max_bytes is used; nothing is taken when it is full: see what is pending, or raise the limit", fillingPercent))
	}
	if n := g.parkedLanes.Load(); n > 0 {
		faults = append(faults, fault("", "lanes_parked", "the core does not answer for %s conversation(s)", strconv.FormatInt(n, 10)))
	}
	if n := g.messages.unanswered(time.Minute); n > 0 {
		faults = append(faults, fault("", "messages_unanswered",
			"the core has not answered %s message(s) for more than a minute: look at its log; they are written again after %s", strconv.Itoa(n), unansweredAgain))
	}
	if n := g.suspects.count(); n > 0 {
		faults = append(faults, fault("", "lanes_suspect",
			"%s message(s) are suspected of breaking the connection to the core and wait for a trial: see /api/v1/suspects", strconv.Itoa(n)))
	}
	faults = append(faults, g.filesFault()...)
	return g.named(append(append(faults, g.devices.faults()...), g.foundFaults()...))
}

// ChannelFault lists what is wrong with one channel; not what will be, or was.
func (g *Gateway) ChannelFault(name string) (faults []Fault, known bool) {
	ch, listed := g.channel(name), g.devices.of(name)
	if ch == nil {
		return listed, len(listed) > 0
	}
	faults = append(listed, ch.wrong(ch.found(time.Now()))...)
	if !ch.cfg.Enabled {
		faults = append(faults, fault(name, stateDisabled, "the channel is configured with enabled: false"))
	}
	if f := g.linkFault.Load(); f != nil {
		faults = append(faults, *f)
	}
	return g.named(faults), true
}

func (ch *channel) faults() []Fault {
	if !ch.cfg.Enabled {
		return nil
	}
	faults := ch.refused()
	if a := ch.deaf.Load(); a != nil && a.err.Reason != connectors.ReasonAuth { // it is paused for that
		faults = append(faults, a.fault(ch.cfg.Name))
	}
	if until := ch.limits.app.rests(); until.After(time.Now()) {
		faults = append(faults, fault(ch.cfg.Name, "app_slowed",
			"the app is slowed down by the network until %s: messages of all its channels wait", until.UTC().Format(time.RFC3339)))
	}
	if ch.starting.Load() {
		faults = append(faults, fault(ch.cfg.Name, stateStarting,
			"it waits for its turn to begin reading: the network allows %.3g starts a minute", 60*ch.caps.StartRate.PerSecond))
	}
	if ch.port.parked() {
		faults = append(faults, fault(ch.cfg.Name, stateNoAnswer, "the core does not answer for Port %s: is it configured there?", ch.cfg.Port))
	}
	for i := range ch.rooms {
		if r := &ch.rooms[i]; r.starved.Load() {
			faults = append(faults, fault(ch.cfg.Name, "lanes_full", "%d messages are held in memory; further ones wait in the journal", r.limit.Load()))
		}
	}
	if ch.port.unjournaled.Load() {
		faults = append(faults, fault(ch.cfg.Name, "unjournaled", "sentences of the core could not be journaled; they are asked for again"))
	}
	if s := ch.gate.closed(); s != "" {
		faults = append(faults, fault(ch.cfg.Name, stateClosed, "the core takes no chats now (%s)", string(s)))
	}
	return faults
}

// refused is why the channel may not send, or why what it sends is refused: that is told
// from the first time on, as somebody waits for that answer.
func (ch *channel) refused() []Fault {
	se, struck := ch.limits.cause(), ch.limits.refusal()
	switch {
	case se != nil && ch.limits.isHeld():
		return []Fault{fault(ch.cfg.Name, stateHeld, "%s", se.Hint)}
	case se != nil:
		return []Fault{fault(ch.cfg.Name, statePaused, "%s", refusedHint(se))}
	case struck != nil:
		f := fault(ch.cfg.Name, faultRefused, "%s", refusedHint(struck.err))
		f.Since = struck.since
		return []Fault{f}
	}
	return nil
}

// refusedHint says what helps against a refusal that only an operator can mend.
func refusedHint(se *connectors.SendError) string {
	hint := "the network refuses the credentials: check the channel's settings"
	if se.Reason == connectors.ReasonForbidden {
		hint = "the egress guard refuses the channel's target: list its range in egress.allow if it is meant"
	}
	return cmp.Or(se.Hint, hint)
}

// deafHints say why a network cannot be read and what helps, where its connector
// does not know better. It is asked again in every case.
var deafHints = map[connectors.Reason]string{
	connectors.ReasonRate:      "the network asks for patience",
	connectors.ReasonConnect:   "there is no connection: check the network's address, DNS, proxy and firewall",
	connectors.ReasonTimeout:   "there is no answer in time: if it lasts, look at the network's status page and at proxies in between",
	connectors.ReasonCut:       "connections break off: if it lasts, look at the network's status page and at proxies in between",
	connectors.ReasonServer:    "the network or a proxy in between fails: if it lasts, look at the network's status page",
	connectors.ReasonAnswer:    "what answers is not the network, or not the whole answer: check its address and proxies in between",
	connectors.ReasonForbidden: "the egress guard refuses its address: list the range in egress.allow if it is meant",
	connectors.ReasonBug:       "the connector has a bug: please report it with the log",
}

func (a *ailment) fault(channel string) Fault {
	f := fault(channel, stateDeaf, "the network cannot be read: %s",
		cmp.Or(deafHints[a.err.Reason], string(a.err.Reason)))
	if a.err.Reason == connectors.ReasonConflict {
		f = fault(channel, stateConflict, "somebody else reads this account: end the other reader, or give each its own account")
	}
	f.Hint, f.Since = cmp.Or(a.err.Hint, f.Hint), a.since
	return f
}

// states gives every channel's one word for the metrics.
func (g *Gateway) states() map[string]string {
	states := make(map[string]string, len(g.now().ordered))
	for _, ch := range g.now().ordered {
		states[ch.cfg.Name] = ch.state()
	}
	return states
}

// hooks lists the webhooks of channels, disabled ones too: their callers get the
// connector's refusal.
func (g *Gateway) hooks(channels []*channel) []hookChannel {
	var hooks []hookChannel
	for _, ch := range channels {
		w, ok := ch.conn.(connectors.Webhooker)
		if !ok {
			continue
		}
		hooks = append(hooks, hookChannel{
			Name: ch.cfg.Name, Network: ch.cfg.Network, Enabled: ch.cfg.Enabled, Hooks: w.Webhooks(),
			Patience: ch.caps.WebhookPatience, Deliver: g.tracing.Webhook(ch.cfg.Name, ch.cfg.Network, inbox{g, ch}.Deliver), Metrics: ch.metrics,
		})
	}
	return hooks
}
