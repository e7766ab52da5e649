package gateway

import (
	"context"
	"errors"
	"sync"
	"time"

	"servicelink/simprot"
)

// The core's register says which message gateways there are. It is asked on every
// connection, by the clock, and when the core names one that is not known here. Each
// answer is taken over as a configuration that was read again is: what is not new in
// it is not touched. Nothing of it is kept on disk.

const (
	// registerPause is how soon after a question the register is asked again because
	// somebody wants it.
	registerPause = 10 * time.Second
	// maxRegistered is how many gateways of one register are served.
	maxRegistered = 1000
)

// The states of the register.
const (
	registerOff      = "off"       // messages.register is false
	registerWaiting  = "waiting"   // it has not been asked, or not answered, yet
	registerAnswered = "answered"  // the latest question was
	registerSilent   = "no_answer" // the latest question was not; what runs goes on
)

// devices is what is known of the message gateways that the core has registered.
type devices struct {
	wanted chan struct{} // the register is to be asked
	linked chan struct{} // there is a connection that it was not asked on

	mu       sync.Mutex
	list     simprot.GatewayList // the latest answer
	answered time.Time           // when that came; zero = there was none
	silent   bool                // the latest question had no answer
	broken   []brokenGateway     // in the latest answer
	twice    []string            // gateways that the file has, too
}

func newDevices() *devices {
	return &devices{wanted: make(chan struct{}, 1), linked: make(chan struct{}, 1)}
}

// refresh has the register asked soon. It does not wait.
func (d *devices) refresh() { leaveWord(d.wanted) }

// leaveWord puts a word where there is room for one, unless there is one.
func leaveWord(in chan<- struct{}) {
	select {
	case in <- struct{}{}:
	default:
	}
}

// keepRegister asks the register again and again until ctx ends.
func (g *Gateway) keepRegister(ctx context.Context) {
	var on *simprot.Session // the latest that was asked
	var asked, due time.Time
	tries := 0
	for {
		messages, s := g.config().Messages, g.linkSession()
		if messages.Register && s != nil && (s != on || !time.Now().Before(due)) {
			if s != on {
				tries = 0
			}
			on, asked = s, time.Now()
			tries++
			if g.askRegister(ctx, s, messages.Address) {
				tries = 0
			}
			due = asked.Add(g.registerRest(tries, messages.Refresh))
		}
		var clock <-chan time.Time
		timer := time.NewTimer(max(time.Until(due), 0))
		if messages.Register && s != nil {
			clock = timer.C
		}
		select {
		case <-clock:
		case <-g.devices.linked:
		case <-g.devices.wanted:
			due = asked.Add(registerPause)
		case <-ctx.Done():
		}
		timer.Stop()
		if ctx.Err() != nil {
			return
		}
	}
}

// linkSession is the session that is up, nil = none.
func (g *Gateway) linkSession() *simprot.Session {
	g.linking.Lock()
	defer g.linking.Unlock()
	return g.session
}

// registerRest is how long the register rests after so many questions without an
// answer. A core that never answered has none, and is not bothered.
func (g *Gateway) registerRest(tries int, refresh time.Duration) time.Duration {
	if tries == 0 || !g.devices.known() {
		return refresh
	}
	return min(parkFor(tries), refresh)
}

// askRegister asks once, and takes the answer over.
func (g *Gateway) askRegister(ctx context.Context, s *simprot.Session, address string) bool {
	answered := g.messages.asksRegister(s)
	list, err := s.Gateways(ctx, address)
	answered()
	switch {
	case errors.Is(err, simprot.ErrNoAnswer):
		g.registerSilent(s)
		return false
	case err != nil:
		return false // the connection or the gateway has ended
	}
	if err := g.takeRegister(ctx, list); err != nil && ctx.Err() == nil {
		g.log.Error("the core's message gateways cannot be taken over", "error", err)
	}
	return true
}

// registerSilent notes that the core did not answer. It is logged once.
func (g *Gateway) registerSilent(s *simprot.Session) {
	d := g.devices
	d.mu.Lock()
	before, known := d.silent, !d.answered.IsZero()
	d.silent = true
	d.mu.Unlock()
	switch {
	case known:
		if !before {
			g.log.Warn("the core does not answer for its message gateways; those that run go on")
		}
		g.renew(s)
	case !before:
		g.log.Info("the core does not answer for message gateways: it has no register of them, it seems")
	}
}

// known tells whether the core has ever answered.
func (d *devices) known() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return !d.answered.IsZero()
}

// answer keeps an answer.
func (d *devices) answer(list simprot.GatewayList) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.list, d.answered, d.silent = list, time.Now(), false
}

// latest gives the latest answer; it is not to be changed.
func (d *devices) latest() simprot.GatewayList {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.list
}

// forget drops what the core said, because it is not to be asked any more.
func (d *devices) forget() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.list, d.answered, d.silent, d.broken, d.twice = nil, time.Time{}, false, nil, nil
}

// takeRegister takes an answer over: the channels that it says something new about
// are changed, each alone, and no other one is touched.
func (g *Gateway) takeRegister(ctx context.Context, list simprot.GatewayList) error {
	release, err := g.holdChannels(ctx)
	if err != nil {
		return err
	}
	defer release()
	g.devices.answer(list)
	old := g.now()
	return g.changeTo(old, old.cfg, g.withRegistered(old.cfg, old, g.filed(old, list))) //nolint:contextcheck // what has begun is ended in order
}

// filed lists what runs of the file's, and what comes back since the core does not
// have it any more.
func (g *Gateway) filed(old *roster, list simprot.GatewayList) (channels []*channel) {
	listed := make(map[string]bool, len(list))
	for _, info := range list {
		listed[nameOf(info).id] = true
	}
	for _, ch := range old.ordered {
		if !ch.isGateway() || !ch.cfg.Gateway.Registered {
			channels = append(channels, ch)
		}
	}
	for _, m := range old.cfg.Messages.Gateways {
		if ch := old.channels[m.ID]; ch != nil && (!ch.cfg.Gateway.Registered || listed[m.ID]) {
			continue
		}
		d, err := g.deviceType(m.Device, m.Inbound())
		if err != nil {
			continue // it was built once: cannot happen
		}
		ch, err := g.buildDevice(m.Channel(d.Network), old.cfg, d)
		if err != nil {
			g.log.Error("the file's gateway cannot be built any more", "channel", m.ID, "error", err)
			continue
		}
		channels = append(channels, ch)
	}
	return channels
}
