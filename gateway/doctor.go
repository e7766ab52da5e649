package gateway

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"servicelink/connectors"
)

// Diagnosis is what an examination found: the gateway's own checks first, then
// every channel's in the order of the configuration.
type Diagnosis struct {
	At      time.Time  `json:"at"`
	Running bool       `json:"running"` // a running gateway looked at itself
	Checks  []Examined `json:"checks"`
}

// Examined is a Check and whose it is. A channel's has its name and network, a message
// gateway's what people call it, too; the gateway's own has none.
type Examined struct {
	Channel string `json:"channel,omitempty"`
	Network string `json:"network,omitempty"`
	Gateway string `json:"gateway,omitempty"`
	connectors.Check
}

// examined is a check of the channel's.
func (ch *channel) examined(c connectors.Check) Examined {
	return Examined{Channel: ch.cfg.Name, Network: ch.cfg.Network, Gateway: ch.displayName(), Check: c}
}

// Failed tells whether anything is wrong; a warning is not.
func (d *Diagnosis) Failed() bool {
	return slices.ContainsFunc(d.Checks, func(e Examined) bool { return e.State == connectors.CheckFailed })
}

// add notes what was found of a channel, nil for the gateway.
func (d *Diagnosis) add(ch *channel, checks ...connectors.Check) {
	for _, c := range checks {
		if ch != nil {
			d.Checks = append(d.Checks, ch.examined(c))
		} else {
			d.Checks = append(d.Checks, Examined{Check: c})
		}
	}
}

// examineTime bounds what is asked about one channel, all its calls together.
const examineTime = 30 * time.Second

// examineChannel looks at one channel: how it is set up at its network, and whether
// the network's calls get here. A disabled one is looked at too, except for calls:
// they would be refused, as they should be.
func (g *Gateway) examineChannel(ctx context.Context, ch *channel, running bool) []connectors.Check {
	ctx, cancel := context.WithTimeout(ctx, examineTime)
	defer cancel()
	var checks []connectors.Check
	if d, ok := ch.conn.(connectors.Doctor); ok {
		found, err := examineSafely(ctx, d, connectors.Examination{Running: running})
		if err == nil {
			err = sound(found)
		}
		if err != nil {
			ch.log.Error("the connector's examination has a bug", "error", err)
			found = append(slices.DeleteFunc(found, unsound), connectors.Check{
				Name: connectors.CheckRunning, State: connectors.CheckWarning, Fault: connectors.FaultUnwell,
				Found: "the connector's examination has a bug: " + err.Error(),
				Cure:  "please report it with the log",
			})
		}
		checks = append(checks, found...)
	}
	if running {
		if c, ok := ch.examineReader(checks); ok {
			checks = append(checks, c)
		}
	}
	if p, ok := ch.conn.(connectors.Prober); ok && ch.cfg.Enabled && g.config().Public.URL != "" {
		checks = append(checks, g.roundTrip(ctx, p))
	}
	return checks
}

// examineSafely keeps a connector's panic at the border.
func examineSafely(ctx context.Context, d connectors.Doctor, e connectors.Examination) (checks []connectors.Check, err error) {
	defer func() {
		if p := recover(); p != nil {
			checks, err = nil, fmt.Errorf("connector panicked: %T", p)
		}
	}()
	return d.Examine(ctx, e), nil
}

// foundMax bounds a line of a Check, in bytes.
const foundMax = 600

// sound tells what is wrong with what a Doctor returned; nil = nothing.
func sound(checks []connectors.Check) error {
	seen := make(map[connectors.CheckName]bool, len(checks))
	for _, c := range checks {
		if err := soundCheck(c); err != nil {
			return err
		}
		if seen[c.Name] {
			return fmt.Errorf("two checks are named %s", c.Name)
		}
		seen[c.Name] = true
	}
	return nil
}

func unsound(c connectors.Check) bool { return soundCheck(c) != nil }

// soundCheck holds a Check against the contract. Names and faults are closed lists:
// they are labels and scripts depend on them.
func soundCheck(c connectors.Check) error {
	if !slices.Contains(connectors.Checks, c.Name) {
		return errors.New("a check with a name that is not in the list")
	}
	bad := c.State == connectors.CheckWarning || c.State == connectors.CheckFailed
	switch {
	case !bad && c.State != connectors.CheckOK && c.State != connectors.CheckUnknown:
		return fmt.Errorf("%s has no state of the list", c.Name)
	case bad != (c.Fault != ""):
		return fmt.Errorf("%s: a fault belongs to what is not well, and to nothing else", c.Name)
	case bad && !slices.Contains(connectors.Faults, c.Fault):
		return fmt.Errorf("%s has a fault that is not in the list", c.Name)
	case bad && c.Cure == "":
		return fmt.Errorf("%s has a fault without a cure", c.Name)
	case c.Found == "":
		return fmt.Errorf("%s does not say what was found", c.Name)
	case len(c.Found) > foundMax || len(c.Cure) > foundMax || strings.ContainsAny(c.Found+c.Cure, "\r\n"):
		return fmt.Errorf("%s is more than a line", c.Name)
	}
	return nil
}

// The four states of a Check.

func wellCheck(name connectors.CheckName, format string, args ...any) connectors.Check {
	return connectors.Check{Name: name, State: connectors.CheckOK, Found: fmt.Sprintf(format, args...)}
}

func unknownCheck(name connectors.CheckName, format string, args ...any) connectors.Check {
	return connectors.Check{Name: name, State: connectors.CheckUnknown, Found: fmt.Sprintf(format, args...)}
}

func warnCheck(name connectors.CheckName, fault connectors.FaultName, found, cure string) connectors.Check {
	return connectors.Check{Name: name, State: connectors.CheckWarning, Fault: fault, Found: found, Cure: cure}
}

func failCheck(name connectors.CheckName, fault connectors.FaultName, found, cure string) connectors.Check {
	return connectors.Check{Name: name, State: connectors.CheckFailed, Fault: fault, Found: found, Cure: cure}
}
