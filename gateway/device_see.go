package gateway

import (
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// stateBroken is in the status the state of a gateway that the core has registered
// and that is not served.
const stateBroken = "broken"

// The faults of message gateways.
const (
	faultBroken   = "gateway_broken"  // as the core has registered it, it cannot be served
	faultTwice    = "gateway_twice"   // the file has it, too
	faultRegister = "register_silent" // the core answers no more for its register
)

// RegisterStatus is how the core's register of message gateways is.
type RegisterStatus struct {
	State    string    `json:"state"`       // "off", "waiting" for the first answer, "answered", "no_answer" to the latest question
	At       time.Time `json:"at,omitzero"` // of the latest answer
	Gateways int       `json:"gateways"`    // that are served as the core has registered them, now or before
	Broken   int       `json:"broken"`      // that cannot be served as they are registered
}

// GatewayStatus is what is known of a channel that is a message gateway.
type GatewayStatus struct {
	Name       string `json:"name"` // for people
	Device     string `json:"device,omitempty"`
	Direction  string `json:"direction,omitempty"` // "in": from customers | "out": to them
	Registered bool   `json:"registered"`          // the core configured it, not the file
}

// gatewayStatus is nil for a channel that chats.
func (ch *channel) gatewayStatus() *GatewayStatus {
	c := ch.cfg.Gateway
	if c == nil {
		return nil
	}
	return &GatewayStatus{Name: c.Name, Device: c.Device, Direction: ch.direction(), Registered: c.Registered}
}

// displayName is what people call a message gateway; a channel that chats has its
// name alone.
func (ch *channel) displayName() string {
	if ch == nil || ch.cfg.Gateway == nil {
		return ""
	}
	return ch.cfg.Gateway.Name
}

// named enters what people call the message gateways.
func (g *Gateway) named(faults []Fault) []Fault {
	for i := range faults {
		if f := &faults[i]; f.Gateway == "" && f.Channel != "" {
			f.Gateway = g.channel(f.Channel).displayName()
		}
	}
	return faults
}

// direction is a message gateway's, in a word.
func (ch *channel) direction() string {
	if ch.cfg.Gateway.Inbound {
		return "in"
	}
	return "out"
}

// registerStatus tells how the register is.
func (g *Gateway) registerStatus() *RegisterStatus {
	now := g.now()
	s := RegisterStatus{State: registerWaiting}
	for _, ch := range now.ordered {
		if ch.isGateway() && ch.cfg.Gateway.Registered {
			s.Gateways++
		}
	}
	d := g.devices
	d.mu.Lock()
	defer d.mu.Unlock()
	s.At, s.Broken = d.answered.UTC(), len(d.broken)
	switch {
	case !now.cfg.Messages.Register:
		s.State = registerOff
	case d.silent:
		s.State = registerSilent
	case !d.answered.IsZero():
		s.State = registerAnswered
	}
	return &s
}

// awaited: the core has not said yet which gateways it has, so that one it may have
// is not gone.
func (g *Gateway) awaited(channel string) bool {
	return g.config().Messages.Register && isGatewayID(channel) && !g.devices.known()
}

// brokenStatus lists the gateways with an Id that are not served at all.
func (d *devices) brokenStatus() (list []ChannelStatus) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, b := range d.broken {
		if b.id != "" && !b.running {
			list = append(list, ChannelStatus{Name: b.id, State: stateBroken, Gateway: &GatewayStatus{Name: b.name, Registered: true}})
		}
	}
	return list
}

// faults lists what is wrong with the register and what it says.
func (d *devices) faults() (faults []Fault) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.silent && !d.answered.IsZero() {
		f := fault("", faultRegister, "the core does not answer for its message gateways (ES_SL_GETGATEWAYS): those that run go on as they are")
		f.Since = d.answered
		faults = append(faults, f)
	}
	for _, b := range d.broken {
		faults = append(faults, b.fault())
	}
	for _, id := range d.twice {
		faults = append(faults, fault(id, faultTwice, "the core has registered it, too, and that counts: take it out of the file, or out of the register"))
	}
	return faults
}

// of gives the faults of one gateway.
func (d *devices) of(id string) (faults []Fault) {
	return slices.DeleteFunc(d.faults(), func(f Fault) bool { return f.Channel != id })
}

func (b *brokenGateway) fault() Fault {
	after := "it is not served: correct it in the core's register"
	if b.running {
		after = "it runs as it was registered before: correct it in the core's register"
	}
	f := fault(b.id, faultBroken, "%s; %s", b.reason, after)
	f.Gateway, f.Since = b.name, b.since
	return f
}

// deviceCollector tells of message gateways when it is scraped.
type deviceCollector struct {
	g                        *Gateway
	info, gateways, answered *prometheus.Desc
}

func newDeviceCollector(g *Gateway) *deviceCollector {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("servicelink_"+name, help, labels, nil)
	}
	return &deviceCollector{
		g: g,
		info: desc("gateway_info", "1 for each message gateway; channel is its id, name what people call it, direction in (from customers) or out.",
			"channel", "network", "name", "device", "direction"),
		gateways: desc("register_gateways", "Gateways of the core's register that are served, and broken ones that cannot be served as they are registered.", "state"),
		answered: desc("register_answered_timestamp_seconds", "When the core last told which message gateways it has, Unix time; 0 = never."),
	}
}

// Describe implements prometheus.Collector.
func (c *deviceCollector) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{c.info, c.gateways, c.answered} {
		out <- d
	}
}

// Collect implements prometheus.Collector.
func (c *deviceCollector) Collect(out chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	for _, ch := range c.g.now().ordered {
		if info := ch.cfg.Gateway; info != nil {
			gauge(c.info, 1, ch.cfg.Name, ch.cfg.Network, info.Name, info.Device, ch.direction())
		}
	}
	s := c.g.registerStatus()
	gauge(c.gateways, float64(s.Gateways), "served")
	gauge(c.gateways, float64(s.Broken), "broken")
	gauge(c.answered, unixSeconds(s.At))
}
