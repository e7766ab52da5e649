package gateway

import (
	"context"
	"errors"
	"reflect"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"servicelink/config"
)

// changesAtOnce is how many changes of channels are under way at a time: each
// waits for what its channel has in flight.
const changesAtOnce = 8

// ErrStopping is what Reload returns when the gateway stops instead.
var ErrStopping = errors.New("the gateway is stopping")

// ConfigRead tells the metrics that the configuration was read again, and
// whether it could be used. The caller says so for the first time, too.
func (g *Gateway) ConfigRead(ok bool) { g.metrics.configLoaded(ok, time.Now()) }

// Reload takes over a configuration that was read again; Run must have been
// called. It is checked whole first: on any mistake nothing changes, and the
// error is a config.Problems with all of them. Then the channels it says
// something new about are changed, each alone: no other channel's Runner, lane,
// Port or webhook is interrupted. What needs a restart is logged and left as it
// was. Reload returns when all is done.
func (g *Gateway) Reload(ctx context.Context, cfg *config.Config) error {
	release, err := g.holdChannels(ctx)
	if err != nil {
		return err
	}
	defer release()
	old := g.now()
	next := inForce(old.cfg, cfg)
	channels, err := g.buildChannels(next, old)
	if err != nil {
		return err
	}
	for _, key := range needRestart(old.cfg, cfg) {
		g.log.Warn("configuration: changed, and not used before a restart", "key", key)
	}
	defer g.devices.refresh()
	return g.changeTo(old, next, g.withRegistered(next, old, channels)) //nolint:contextcheck // what has begun is ended in order
}

// holdChannels waits until nobody else changes channels, and keeps it so until
// release is called.
func (g *Gateway) holdChannels(ctx context.Context) (release func(), err error) {
	select {
	case <-g.up:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	select {
	case g.reloading <- struct{}{}:
	case <-g.serving.Done():
		return nil, ErrStopping
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	release = func() { <-g.reloading }
	if g.serving.Err() != nil {
		release()
		return nil, ErrStopping
	}
	return release, nil
}

// changeTo makes channels, of which those that are in old run, the ones that are
// served. It returns when all is done.
func (g *Gateway) changeTo(old *roster, next *config.Config, channels []*channel) (err error) {
	for _, ch := range channels {
		if !old.has(ch) {
			g.count(ch)
		}
	}
	// All at once, for paths are shared. Until a channel's turn comes its calls
	// are journaled, and wait.
	if err := g.mountWebhooks(next.Public, channels); err != nil {
		return err // it was tried above: cannot happen
	}
	g.enter(old.with(next, nil, nil))
	for _, phase := range plan(old, channels) {
		var work errgroup.Group
		work.SetLimit(changesAtOnce)
		for _, s := range phase {
			work.Go(func() error { return g.change(next, s) })
		}
		err = errors.Join(err, work.Wait())
	}
	if err != nil {
		return err
	}
	g.enter(newRoster(next, channels)) // in the order of the file
	return nil
}

// inForce is the new configuration with the parts that need a restart as they
// were.
func inForce(old, read *config.Config) *config.Config {
	next := *read
	next.Path, next.Core, next.Journal = old.Path, old.Core, old.Journal
	next.Public, next.Private, next.Media, next.Files = old.Public, old.Private, old.Media, old.Files
	next.Tracing, next.Log.Format = old.Tracing, old.Log.Format
	return &next
}

// needRestart lists the keys that differ and are not taken over.
func needRestart(old, read *config.Config) (keys []string) {
	next := inForce(old, read)
	a, b := reflect.ValueOf(*read), reflect.ValueOf(*next)
	for i := range a.NumField() {
		section := yamlName(a.Type().Field(i))
		if section == "-" || a.Field(i).Kind() != reflect.Struct {
			continue
		}
		for j := range a.Field(i).NumField() {
			if !reflect.DeepEqual(a.Field(i).Field(j).Interface(), b.Field(i).Field(j).Interface()) {
				keys = append(keys, section+"."+yamlName(a.Field(i).Type().Field(j)))
			}
		}
	}
	return keys
}

func yamlName(f reflect.StructField) string {
	name, _, _ := strings.Cut(f.Tag.Get("yaml"), ",")
	return name
}

// step is one change: some channels go, others take their places. Nearly always
// it is one of each, or one alone.
type step struct {
	out, in []*channel
	between func() // what is to be done while none of them runs; may be nil
}

// plan orders the changes: what goes makes room, then what changes, then what
// comes. The steps of one phase do not concern each other.
func plan(old *roster, channels []*channel) (phases [3][]step) {
	changes := make(map[string]*step)
	var names []string
	at := func(ch *channel) *step {
		s := changes[ch.cfg.Name]
		if s == nil {
			s = &step{}
			changes[ch.cfg.Name] = s
			names = append(names, ch.cfg.Name)
		}
		return s
	}
	for _, ch := range old.ordered {
		if !slices.Contains(channels, ch) {
			at(ch).out = []*channel{ch}
		}
	}
	for _, ch := range channels {
		if !old.has(ch) {
			at(ch).in = []*channel{ch}
		}
	}
	// A Port or an account that moves from one channel to another is nobody's in
	// between, so all that move do so in one step.
	var moves step
	moving := movers(changes)
	for _, name := range names {
		s := *changes[name]
		switch {
		case moving[name]:
			moves.out, moves.in = append(moves.out, s.out...), append(moves.in, s.in...)
		case len(s.in) == 0:
			phases[0] = append(phases[0], s)
		case len(s.out) > 0:
			phases[1] = append(phases[1], s)
		default:
			phases[2] = append(phases[2], s)
		}
	}
	if len(moving) > 0 {
		phases[1] = append(phases[1], moves)
	}
	return phases
}

// movers names the channels that take over another one's Port or account, and
// those they take it from.
func movers(changes map[string]*step) map[string]bool {
	type claim struct{ network, what string } // network empty: a Port
	had := make(map[claim]string)
	claims := func(ch *channel) (list []claim) {
		if !ch.cfg.Enabled {
			return nil
		}
		if !ch.isGateway() {
			list = append(list, claim{"", ch.cfg.Port})
		}
		if p := ch.proof(); p != "" {
			list = append(list, claim{ch.cfg.Network, p})
		}
		return list
	}
	for name, s := range changes {
		for _, ch := range s.out {
			for _, c := range claims(ch) {
				had[c] = name
			}
		}
	}
	moving := make(map[string]bool)
	for name, s := range changes {
		for _, ch := range s.in {
			for _, c := range claims(ch) {
				if from := had[c]; from != "" && from != name {
					moving[name], moving[from] = true, true
				}
			}
		}
	}
	return moving
}

// change makes one step: the old channels end in order, then the new ones take
// over their lanes.
func (g *Gateway) change(cfg *config.Config, s step) error {
	if g.serving.Err() != nil {
		return errors.Join(append(closeAll(s.in), ErrStopping)...)
	}
	for _, ch := range s.out {
		ch.stopRunner()
		ch.life.stopLanes()
	}
	budget, cancel := context.WithTimeout(context.Background(), cfg.Limits.Stop)
	defer cancel()
	for _, ch := range s.out {
		ch.runner.Wait()
		if !ch.life.drain(budget) {
			ch.log.Warn("stopped before everything in flight had ended; it is in doubt")
		}
	}
	if s.between != nil {
		s.between()
	}
	g.swap(cfg, s)
	for _, ch := range s.out {
		g.retire(ch)
	}
	for _, ch := range s.in {
		g.takeOver(ch)
	}
	s.log()
	return nil
}

// swap replaces the roster. From here on the new channels get what comes.
func (g *Gateway) swap(cfg *config.Config, s step) {
	g.linking.Lock()
	defer g.linking.Unlock()
	for _, ch := range s.in {
		ch.opening.Store(true)
	}
	before := g.now()
	g.enter(before.with(cfg, s.out, s.in))
	for _, ch := range s.in {
		if ch.cfg.Enabled && !ch.isGateway() && g.session != nil {
			ch.port.up(g.session, before.ports[ch.cfg.Port] == nil)
		}
	}
}

// retire forgets a channel that has ended. Its rows stay in the journal.
func (g *Gateway) retire(ch *channel) {
	ch.retired.Store(true)
	g.convs.drop(ch)
	g.typing.forget(ch)
	if now := g.channel(ch.cfg.Name); now == nil || now.cfg.Network != ch.cfg.Network {
		g.discount(ch)
	}
	if err := ch.close(); err != nil {
		ch.log.Warn("the connector was not closed in order", "error", err)
	}
}

// takeOver starts a channel that is in the roster. What is pending goes before
// what came since the swap: the lanes of both are behind until the journal has
// been asked for all of it.
func (g *Gateway) takeOver(ch *channel) {
	if ch.cfg.Enabled {
		for !g.wakeChannel(g.serving, ch) && g.serving.Err() == nil {
			sleep(g.serving, journalRetry)
		}
	}
	ch.opening.Store(false)
	if ch.cfg.Enabled {
		g.convs.each(ch, func(c *conversation) { g.wakeBoth(c) })
	}
	g.startRunner(g.serving, ch)
}

func closeAll(channels []*channel) (errs []error) {
	for _, ch := range channels {
		errs = append(errs, ch.close())
	}
	return errs
}

// log tells what a step did.
func (s step) log() {
	came := make(map[string]bool)
	for _, ch := range s.in {
		came[ch.cfg.Name] = true
	}
	changed := make(map[string]bool)
	for _, ch := range s.out {
		if changed[ch.cfg.Name] = came[ch.cfg.Name]; !came[ch.cfg.Name] {
			ch.log.Info("channel removed")
		}
	}
	for _, ch := range s.in {
		if changed[ch.cfg.Name] {
			ch.log.Info("channel changed", "enabled", ch.cfg.Enabled)
		} else {
			ch.log.Info("channel added", "enabled", ch.cfg.Enabled)
		}
	}
}
