package gateway

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/google/uuid"

	"servicelink/config"
	"servicelink/connectors"
	"servicelink/simprot"
)

// brokenGateway is a gateway of the core's register that cannot be served as it is
// registered.
type brokenGateway struct {
	id      string // empty: it has none
	name    string // for people
	reason  string
	running bool // as it was registered before
	since   time.Time
}

// stateAwaited is the state of a gateway with rows in the journal that the core may
// still tell of.
const stateAwaited = "awaits_register"

// isGatewayID tells the id of a message gateway from the name of a channel.
func isGatewayID(name string) bool { return len(name) == 36 && uuid.Validate(name) == nil }

// maxDisplayName is how much of a gateway's name is shown.
const maxDisplayName = 64

// displayName is a gateway's name as people are shown it: one line.
func displayName(text, id string) string {
	text = strings.TrimSpace(strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) {
			return ' '
		}
		if !unicode.IsGraphic(r) {
			return -1
		}
		return r
	}, text))
	if runes := []rune(text); len(runes) > maxDisplayName {
		text = string(runes[:maxDisplayName-3]) + "..."
	}
	return cmp.Or(text, id)
}

// withRegistered puts the gateways of the core's register beside the channels of the
// file. What cannot be served is noted, and goes on as it was if it runs. Of a
// gateway that both have, the core's counts.
func (g *Gateway) withRegistered(cfg *config.Config, old *roster, channels []*channel) []*channel {
	if !cfg.Messages.Register {
		g.devices.forget()
		return channels
	}
	var broken []brokenGateway
	var twice []string
	list := g.devices.latest()
	ids := countIDs(list)
	for i, info := range list {
		b := brokenGateway{}
		ch, err := (*channel)(nil), errTooMany
		if i < maxRegistered {
			b = nameOf(info)
			ch, err = g.registered(cfg, old, info, channels, ids)
		}
		file := slices.IndexFunc(channels, func(c *channel) bool { return c.cfg.Name == b.id })
		switch {
		case err == nil && file >= 0:
			twice = append(twice, b.id)
			if !old.has(channels[file]) {
				_ = channels[file].close() // it was never used
			}
			channels = append(slices.Delete(slices.Clone(channels), file, file+1), ch)
		case err == nil:
			channels = append(channels, ch)
		default:
			b.reason = reasonOf(err)
			if file < 0 {
				if was := old.channels[b.id]; was != nil && was.isGateway() && was.cfg.Gateway.Registered && g.fits(cfg, was, channels) == nil {
					channels = append(channels, was)
				}
			}
			b.running = slices.ContainsFunc(channels, func(c *channel) bool { return c.cfg.Name == b.id && c.isGateway() })
			broken = append(broken, b)
		}
		if i == maxRegistered {
			break
		}
	}
	g.devices.found(g, broken, twice)
	return channels
}

var (
	errTooMany = fmt.Errorf("the core has registered more than %d gateways: the rest is not served", maxRegistered)
	errNoID    = errors.New("it has no Id")
	errEmpty   = errors.New("an entry of the core's list is empty")
	errSameID  = errors.New("the core has registered several gateways with this Id: none of them can be told from the others")
)

func countIDs(list simprot.GatewayList) map[uuid.UUID]int {
	ids := make(map[uuid.UUID]int, len(list))
	for _, info := range list {
		if info != nil {
			ids[info.Id]++
		}
	}
	return ids
}

// nameOf says which gateway is meant, as far as it says so.
func nameOf(info *simprot.GatewayInfo) (b brokenGateway) {
	if info != nil {
		b.id = idText(info.Id)
		b.name = displayName(info.DisplayName, b.id)
	}
	return b
}

// registered makes the channel of a gateway in the core's list, or gives the one that
// runs as it says. The error is in an integrator's words.
func (g *Gateway) registered(cfg *config.Config, old *roster, info *simprot.GatewayInfo, channels []*channel, ids map[uuid.UUID]int) (*channel, error) {
	switch {
	case info == nil:
		return nil, errEmpty
	case info.Id == uuid.Nil:
		return nil, errNoID
	case ids[info.Id] > 1:
		return nil, errSameID
	}
	c, d, err := g.readGateway(cfg, info)
	if err != nil {
		return nil, err
	}
	others := slices.DeleteFunc(slices.Clone(channels), func(ch *channel) bool { return ch.isGateway() && ch.cfg.Name == c.Name })
	if slices.ContainsFunc(others, func(ch *channel) bool { return ch.cfg.Name == c.Name }) {
		return nil, errors.New("a channel of the gateway's own configuration has this Id as its name")
	}
	if ch := old.same(c, cfg.Egress); ch != nil {
		return ch, nil
	}
	ch, err := g.buildDevice(c, cfg, d)
	if err != nil {
		return nil, err
	}
	if err := g.fits(cfg, ch, others); err != nil {
		_ = ch.close() // it was never used
		return nil, err
	}
	return ch, nil
}

// fits tells whether a new gateway can be served beside the others.
func (g *Gateway) fits(cfg *config.Config, ch *channel, others []*channel) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("the device has a bug and cannot be built (%T): please report it with the log", p)
		}
	}()
	if proof := ch.proof(); proof != "" {
		for _, other := range others {
			if other.cfg.Network == ch.cfg.Network && other.proof() == proof {
				return fmt.Errorf("it takes the same messages as %s: each would be shown twice",
					strings.TrimSpace(other.cfg.Name+" "+other.displayName()))
			}
		}
	}
	if _, hooks := ch.conn.(connectors.Webhooker); hooks {
		return g.tryWebhooks(cfg.Public, append(slices.Clip(others), ch))
	}
	return nil
}

// readGateway reads what the core says of a gateway.
func (g *Gateway) readGateway(cfg *config.Config, info *simprot.GatewayInfo) (c config.Channel, d connectors.DeviceDefinition, err error) {
	m := config.MessageGateway{ID: info.Id.String(), Enabled: true}
	switch info.Direction {
	case simprot.DirectionIn:
		m.Direction = config.DirectionIn
	case simprot.DirectionOut:
		m.Direction = config.DirectionOut
	default:
		return c, d, fmt.Errorf("its Direction must be %s (from customers) or %s (to customers)", simprot.DirectionIn, simprot.DirectionOut)
	}
	m.Name = displayName(info.DisplayName, m.ID)
	if m.Device, m.Settings, err = config.ParseDevice(info.Device, cfg.Messages.SecretsDir); err != nil {
		return c, d, err
	}
	if d, err = g.deviceType(m.Device, m.Inbound()); err != nil {
		return c, d, err
	}
	c = m.Channel(d.Network)
	c.Gateway.Registered, c.Gateway.DropDir = true, cfg.Messages.DropDir
	return c, d, nil
}

// reasonMax bounds the reason why a gateway is not served, in bytes.
const reasonMax = 400

// reasonOf writes an error in one line.
func reasonOf(err error) string {
	problems := config.Flatten(err)
	lines := make([]string, len(problems))
	for i, p := range problems {
		lines[i] = p.Error()
	}
	text := oneLine(strings.Join(lines, "; "))
	if len(text) > reasonMax {
		text = strings.ToValidUTF8(text[:reasonMax], "") + "..."
	}
	return text
}

// found keeps what is broken in the latest answer, and logs what is new in it.
func (d *devices) found(g *Gateway, broken []brokenGateway, twice []string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	now := time.Now()
	for i := range broken {
		b := &broken[i]
		b.since = now
		before := slices.IndexFunc(d.broken, func(was brokenGateway) bool { return was.id == b.id && was.name == b.name && was.reason == b.reason })
		if before >= 0 {
			b.since = d.broken[before].since
			continue
		}
		g.log.Warn("a message gateway of the core's cannot be served as it is registered",
			"channel", b.id, "gateway", b.name, "hint", b.reason, "runs", b.running)
	}
	for _, id := range twice {
		if !slices.Contains(d.twice, id) {
			g.log.Warn("a message gateway stands in the file and in the core's register: the core's counts", "channel", id)
		}
	}
	d.broken, d.twice = broken, twice
}
