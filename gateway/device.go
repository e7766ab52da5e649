package gateway

import (
	"errors"
	"fmt"
	"strings"

	"servicelink/config"
	"servicelink/connectors"
)

// A message gateway is a channel of one direction whose connector is a device. It
// has no Port at the core: what comes by it is told as messages, and what goes by it
// is asked of it by its id, which is its name as a channel.

// buildGateways makes the devices of the file's gateways, but takes over from old
// what runs already.
func (g *Gateway) buildGateways(cfg *config.Config, old *roster, proofs proofs) (channels []*channel, problems config.Problems) {
	for _, m := range cfg.Messages.Gateways {
		d, err := g.deviceType(m.Device, m.Inbound())
		if err != nil {
			problems = append(problems, m.Problem("device", err.Error(), ""))
			continue
		}
		c := m.Channel(d.Network)
		ch := old.same(c, cfg.Egress)
		if ch == nil {
			if ch, err = g.buildDevice(c, cfg, d); err != nil {
				problems = append(problems, asProblems(c, err)...)
				continue
			}
		}
		if other := proofs.claim(ch); other != "" {
			problems = append(problems, m.Problem("settings", fmt.Sprintf("it takes the same calls as channel %q", other),
				"every message would be shown twice: give each its own token or secret, or disable one"))
		}
		channels = append(channels, ch)
	}
	return channels, problems
}

// deviceType finds a type that serves a direction. The error says in an integrator's
// words what is wrong.
func (g *Gateway) deviceType(name string, inbound bool) (d connectors.DeviceDefinition, err error) {
	known := make([]string, 0, len(g.opts.Devices))
	for _, d := range g.opts.Devices {
		switch {
		case d.Type != name:
			known = append(known, d.Type)
		case inbound && !d.In:
			return d, fmt.Errorf("the type %s only sends: it is for the direction out", d.Type)
		case !inbound && !d.Out:
			return d, fmt.Errorf("the type %s only receives: it is for the direction in", d.Type)
		default:
			return d, nil
		}
	}
	return d, errors.New("there is no such type of device; there are: " + strings.Join(known, ", "))
}

// buildDevice makes a message gateway. A panic of the device's is an error.
func (g *Gateway) buildDevice(cfg config.Channel, all *config.Config, d connectors.DeviceDefinition) (ch *channel, err error) {
	defer func() {
		if p := recover(); p != nil {
			ch, err = nil, fmt.Errorf("the device has a bug and cannot be built (%T): please report it with the log", p)
		}
	}()
	return g.furnish(cfg, all, func(lent connectors.Dependencies) (connectors.Device, error) {
		device, err := d.New(cfg, lent)
		if err != nil {
			return nil, err
		}
		return device, checkDevice(device, cfg.Gateway.Inbound)
	})
}

// checkDevice refuses a device that does not keep the rules of its direction.
func checkDevice(device connectors.Device, inbound bool) error {
	_, hooks := device.(connectors.Webhooker)
	_, runs := device.(connectors.Runner)
	_, sends := device.(connectors.MessageSender)
	switch {
	case inbound && hooks == runs:
		return errors.New("the device has a bug: it has not one way in")
	case !inbound && !sends:
		return errors.New("the device has a bug: it cannot send")
	case !inbound && runs:
		return errors.New("the device has a bug: it only sends, and reads all the same")
	}
	if _, ok := device.(connectors.Recoverer); ok && !hooks {
		return errors.New("the device has a bug: it recovers webhooks and has none")
	}
	return nil
}

// runs tells whether a configuration that was read says the same of the channels as
// what runs. Gateways that the core has registered are not the file's.
func (r *roster) runs(read *config.Config) bool {
	files := 0
	for _, ch := range r.ordered {
		if !ch.isGateway() || !ch.cfg.Gateway.Registered {
			files++
		}
	}
	for _, c := range read.Channels {
		files--
		if r.same(c, read.Egress) == nil {
			return false
		}
	}
	for _, m := range read.Messages.Gateways {
		ch := r.channels[m.ID]
		if ch == nil || !ch.isGateway() {
			return false
		}
		if ch.cfg.Gateway.Registered {
			continue // the core's counts
		}
		files--
		if r.same(m.Channel(ch.cfg.Network), read.Egress) == nil {
			return false
		}
	}
	return files == 0
}
