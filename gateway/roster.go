package gateway

import (
	"reflect"

	"servicelink/config"
)

// roster is what is configured now. It is never changed, only replaced as a
// whole, so its readers need no lock; whoever needs two answers that fit
// together asks one roster.
type roster struct {
	cfg      *config.Config
	channels map[string]*channel // by name
	ports    map[string]*channel // enabled ones, by Port; no message gateways
	ordered  []*channel          // as configured, message gateways last
	served   int                 // how many are enabled
}

// newRoster lists channels in their order. Of two that claim one Port the first
// has it; a configuration that was checked has none.
func newRoster(cfg *config.Config, ordered []*channel) *roster {
	r := &roster{
		cfg: cfg, ordered: ordered,
		channels: make(map[string]*channel, len(ordered)), ports: make(map[string]*channel, len(ordered)),
	}
	for _, ch := range ordered {
		r.channels[ch.cfg.Name] = ch
		if ch.cfg.Enabled {
			r.served++
		}
		if ch.cfg.Enabled && !ch.isGateway() && r.ports[ch.cfg.Port] == nil {
			r.ports[ch.cfg.Port] = ch
		}
	}
	return r
}

// with gives the roster after some channels were taken out and others put in.
func (r *roster) with(cfg *config.Config, out, in []*channel) *roster {
	left := make(map[*channel]bool, len(out))
	for _, ch := range out {
		left[ch] = true
	}
	ordered := make([]*channel, 0, len(r.ordered)+len(in))
	for _, ch := range r.ordered {
		if !left[ch] {
			ordered = append(ordered, ch)
		}
	}
	return newRoster(cfg, append(ordered, in...))
}

// same gives the channel that runs as c says, or nil.
func (r *roster) same(c config.Channel, egress config.Egress) *channel {
	if r == nil {
		return nil
	}
	ch := r.channels[c.Name]
	if ch == nil || ch.sum != c.Settings.Sum() || !reflect.DeepEqual(ch.egress, egress) {
		return nil
	}
	was := ch.cfg
	was.Settings, c.Settings = config.Settings{}, config.Settings{}
	if !reflect.DeepEqual(was, c) {
		return nil
	}
	return ch
}

// has tells whether ch is in the roster.
func (r *roster) has(ch *channel) bool { return r != nil && r.channels[ch.cfg.Name] == ch }

// now is what is configured at this moment.
func (g *Gateway) now() *roster { return g.roster.Load() }

// channel gives a configured channel by its name, or nil.
func (g *Gateway) channel(name string) *channel { return g.now().channels[name] }

// config is the configuration in force: of the parts that need a restart, what
// the process was started with.
func (g *Gateway) config() *config.Config { return g.now().cfg }

// enter makes a roster the present one and shares the memory for rows among its
// channels.
func (g *Gateway) enter(next *roster) {
	n := share(next.served)
	for _, ch := range next.ordered {
		limit := n
		if ch.isGateway() {
			limit = min(n, heldMessages)
		}
		ch.rooms[0].limit.Store(limit)
		ch.rooms[1].limit.Store(limit)
	}
	g.roster.Store(next)
}
