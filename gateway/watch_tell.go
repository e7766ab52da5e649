package gateway

import (
	"slices"
	"time"

	"servicelink/connectors"
)

// found is what is known of how a channel is set up: what the latest look found, and
// what needs no look.
func (ch *channel) found(now time.Time) []connectors.Check {
	if !ch.cfg.Enabled {
		return nil
	}
	checks, _, _ := ch.looked.found()
	if ch.hears() && find(checks, connectors.CheckTraffic).Name == "" {
		checks = append(slices.Clip(checks), ch.examineTraffic(now))
	}
	return checks
}

// diagnosis gives the latest of every channel that is served, and of the gateway
// itself. At is the time of the oldest look; zero while one is still to come.
func (g *Gateway) diagnosis() Diagnosis {
	now := time.Now()
	checks, at, _ := g.self.found()
	d := Diagnosis{At: at.UTC(), Running: true, Checks: []Examined{}}
	for _, c := range checks {
		d.Checks = append(d.Checks, Examined{Check: c})
	}
	for _, ch := range g.now().ordered {
		if !ch.cfg.Enabled {
			continue
		}
		if _, at, _ := ch.looked.found(); at.Before(d.At) {
			d.At = at.UTC()
		}
		for _, c := range ch.found(now) {
			d.Checks = append(d.Checks, ch.examined(c))
		}
	}
	return d
}

// explains are the checks that say why a channel is in a state. What they found
// stands in its place, and is not told a second time.
var explains = map[string][]connectors.CheckName{
	statePaused:   {connectors.CheckCredentials, connectors.CheckToken, connectors.CheckPermissions},
	faultRefused:  {connectors.CheckCredentials, connectors.CheckToken, connectors.CheckPermissions},
	stateConflict: {connectors.CheckReader, connectors.CheckWebhook},
	stateNoAnswer: {connectors.CheckPort},
	stateDeaf:     {connectors.CheckNetwork, connectors.CheckCredentials, connectors.CheckToken},
}

// wrong lists what does not work on a channel: what the engine meets, and what a look
// found.
func (ch *channel) wrong(checks []connectors.Check) []Fault {
	faults := ch.faults()
	_, _, since := ch.looked.found()
	for _, c := range checks {
		if c.State != connectors.CheckFailed {
			continue
		}
		at := slices.IndexFunc(faults, func(f Fault) bool {
			return f.What == string(c.Fault) || slices.Contains(explains[f.What], c.Name)
		})
		if at < 0 {
			f := foundFault(ch.cfg.Name, c)
			f.Since = since[c.Name]
			faults = append(faults, f)
		} else if faults[at].What != string(c.Fault) {
			faults[at].Hint = foundHint(c)
		}
	}
	return faults
}

// foundFaults lists everything that is not well with the channels, and what looks found
// of the gateway itself, each once.
func (g *Gateway) foundFaults() (faults []Fault) {
	now := time.Now()
	own, _, since := g.self.found()
	said := make(map[connectors.FaultName]bool)
	for _, f := range g.filesFault() {
		said[connectors.FaultName(f.What)] = true // by the engine, which met it
	}
	for _, c := range own {
		if !unwell(c) || c.State == connectors.CheckFailed && engineSays[c.Name] || said[c.Fault] {
			continue
		}
		said[c.Fault] = true
		f := foundFault("", c)
		f.Since = since[c.Name]
		faults = append(faults, f)
	}
	for _, ch := range g.now().ordered {
		checks := slices.DeleteFunc(slices.Clone(ch.found(now)), func(c connectors.Check) bool { return said[c.Fault] })
		wrong := ch.wrong(checks)
		faults = append(append(faults, wrong...), ch.doubtful(checks, wrong)...)
		faults = append(faults, g.mendedFaults(ch, now)...)
	}
	return faults
}

// engineSays are the gateway's own checks of whose failure the engine knows, and sooner.
var engineSays = map[connectors.CheckName]bool{connectors.CheckCore: true, connectors.CheckJournal: true}

// doubtful lists what a look found that works for now. That it is silent on a channel
// with which something is wrong is no news.
func (ch *channel) doubtful(checks []connectors.Check, wrong []Fault) (faults []Fault) {
	_, _, since := ch.looked.found()
	for _, c := range checks {
		if c.State != connectors.CheckWarning || c.Fault == connectors.FaultSilent && len(wrong) > 0 {
			continue
		}
		f := foundFault(ch.cfg.Name, c)
		f.Since = since[c.Name]
		faults = append(faults, f)
	}
	return faults
}

func foundFault(channel string, c connectors.Check) Fault {
	return fault(channel, string(c.Fault), "%s", foundHint(c))
}

func foundHint(c connectors.Check) string {
	if c.Cure == "" {
		return c.Found
	}
	return c.Found + ": " + c.Cure
}

// CheckStatus is what the watch found of one channel, or of the gateway itself.
type CheckStatus struct {
	State connectors.CheckState `json:"state"` // the worst there is; unknown = not looked yet
	Check connectors.CheckName  `json:"check,omitempty"`
	Fault connectors.FaultName  `json:"fault,omitempty"` // stands among the faults with its cure
	At    time.Time             `json:"at,omitzero"`     // of the latest look
	// TokenEnds is when the credentials end; zero = never, or not told.
	TokenEnds time.Time `json:"token_ends,omitzero"`
}

// status sums up what was found: by the latest look, or by the checks that are given.
func (l *looked) status(checks []connectors.Check) *CheckStatus {
	latest, at, _ := l.found()
	if checks == nil {
		checks = latest
	}
	s := &CheckStatus{State: connectors.CheckUnknown, TokenEnds: find(checks, connectors.CheckToken).Ends}
	if !at.IsZero() {
		s.State, s.At = connectors.CheckOK, at.UTC()
	}
	for _, state := range []connectors.CheckState{connectors.CheckFailed, connectors.CheckWarning} {
		for _, c := range checks {
			if c.State == state {
				s.State, s.Check, s.Fault = state, c.Name, c.Fault
				return s
			}
		}
	}
	return s
}
