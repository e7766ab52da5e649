package gateway

import (
	"cmp"
	"slices"
	"strings"

	"servicelink/config"
	"servicelink/connectors"
)

// examineReader says what a running gateway knows of other readers of the account: its
// connector does not ask while it reads itself. ok is false when there is nothing to
// say, as a webhook of somebody else's is refused in the same way.
func (ch *channel) examineReader(found []connectors.Check) (c connectors.Check, ok bool) {
	a := ch.deaf.Load()
	if a == nil || a.err.Reason != connectors.ReasonConflict || find(found, connectors.CheckReader).Name != "" ||
		find(found, connectors.CheckWebhook).State == connectors.CheckFailed {
		return c, false
	}
	c = failCheck(connectors.CheckReader, connectors.FaultSecondReader, "another program asks for its updates and takes them away",
		"end the other reader, or give each an account of its own")
	c.Code = a.err.Code
	return c, true
}

// examinePort says whether the core knows the channel's Port. Two channels of one
// configuration never have the same; whether a gateway of another Peer works it too, a
// core does not tell.
func (g *Gateway) examinePort(ch *channel) connectors.Check {
	const name = connectors.CheckPort
	port := ch.cfg.Port
	for _, other := range g.now().ordered {
		if other != ch && other.cfg.Enabled && !other.isGateway() && other.cfg.Port == port {
			return portTwice(port, other.cfg.Name)
		}
	}
	switch {
	case g.link == nil: // another process has the Port, or nobody
		return wellCheck(name, "no other channel has Port %s", oneLine(port))
	case ch.port.parked():
		return failCheck(name, connectors.FaultUnwell, "the core does not answer for Port "+oneLine(port), "let the core have this Port, or correct the channel's port")
	case ch.port.current() == nil:
		return unknownCheck(name, "the core is not there to ask about Port %s", oneLine(port))
	}
	return wellCheck(name, "the core answers for Port %s", oneLine(port))
}

func portTwice(port, other string) connectors.Check {
	return failCheck(connectors.CheckPort, connectors.FaultPortTaken, "channel "+other+" has Port "+oneLine(port)+" too",
		"give each channel a port of its own, or disable one")
}

// examineRunning says what the running gateway says of itself, leaving out what checks
// have found already.
func (g *Gateway) examineRunning(d *Diagnosis) []Examined {
	var list []Examined
	named := map[string]string{}
	for _, ch := range g.now().ordered {
		named[ch.cfg.Name] = ch.cfg.Network
		for _, f := range ch.faults() {
			if !d.explained(f) {
				list = append(list, ch.examined(runningCheck(f)))
			}
		}
	}
	for _, f := range g.named(g.devices.faults()) {
		if f.Channel != "" {
			list = append(list, Examined{Channel: f.Channel, Gateway: f.Gateway, Check: runningCheck(f)})
		}
	}
	for _, f := range slices.Concat(g.Ready(), g.Unwell()) {
		// A channel's own are above; those of looks are made anew.
		if f.Channel == "" && !slices.Contains(connectors.Faults, connectors.FaultName(f.What)) && !d.explained(f) {
			list = append(list, Examined{Check: runningCheck(f)})
		}
	}
	if len(list) == 0 {
		list = append(list, Examined{Check: wellCheck(connectors.CheckRunning, "the gateway runs, and nothing of it is unwell")})
	}
	return list
}

// mild are the engine's faults that are somebody's wish, or pass.
var mild = map[string]bool{
	stateHeld: true, stateClosed: true, "lanes_full": true, "lanes_parked": true, "lanes_suspect": true, "journal_filling": true, "app_slowed": true, faultRegister: true, faultTwice: true,
}

func runningCheck(f Fault) connectors.Check {
	if f.What == stateStarting {
		return unknownCheck(connectors.CheckRunning, "%s: %s", f.What, oneLine(f.Hint))
	}
	c := failCheck(connectors.CheckRunning, connectors.FaultUnwell, "the gateway says: "+f.What, cmp.Or(oneLine(f.Hint), "see servicelink status"))
	if mild[f.What] {
		c.State = connectors.CheckWarning
	}
	return c
}

// explained tells whether a check says the same, with its cause.
func (d *Diagnosis) explained(f Fault) bool {
	by := explains[f.What]
	switch {
	case strings.HasPrefix(f.What, "core_"):
		by = []connectors.CheckName{connectors.CheckCore}
	case strings.HasPrefix(f.What, "journal_"):
		by = []connectors.CheckName{connectors.CheckJournal}
	case f.What == stateNoAnswer:
		by = []connectors.CheckName{connectors.CheckPort}
	}
	return slices.ContainsFunc(d.Checks, func(e Examined) bool {
		return e.Channel == f.Channel && unwell(e.Check) && slices.Contains(by, e.Name)
	})
}

// examineFile compares the file with what runs.
func (g *Gateway) examineFile() []connectors.Check {
	running := g.config()
	if running.Path == "" {
		return nil
	}
	read, err := config.Load(running.Path)
	if err != nil {
		checks := ConfigChecks(err)
		for i := range checks {
			checks[i].Found = "the file would be refused now: " + checks[i].Found
		}
		return checks
	}
	if keys := needRestart(running, read); len(keys) > 0 {
		return []connectors.Check{warnCheck(connectors.CheckConfig, connectors.FaultConfig,
			"the file says something else than what runs: "+strings.Join(keys, ", "), "restart the gateway, or put the file back")}
	}
	old := g.now()
	if !old.runs(read) {
		return []connectors.Check{warnCheck(connectors.CheckConfig, connectors.FaultConfig,
			"the file's channels are not those that run", "let the gateway read it again (SIGHUP), or put the file back")}
	}
	return []connectors.Check{wellCheck(connectors.CheckConfig, "the gateway runs with %s as it is now", oneLine(running.Path))}
}

// ConfigChecks lists the mistakes of a configuration, one check each; nil for none.
func ConfigChecks(err error) []connectors.Check {
	var checks []connectors.Check
	for _, p := range config.Flatten(err) {
		cure := cmp.Or(oneLine(p.Hint), "correct it; servicelink check tells whether it is right")
		p.Hint = ""
		checks = append(checks, failCheck(connectors.CheckConfig, connectors.FaultConfig, oneLine(p.Error()), cure))
	}
	return checks
}

// oneLine is a text without what would steer a terminal or begin a line.
func oneLine(text string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, text)
}
