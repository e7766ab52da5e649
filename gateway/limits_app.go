package gateway

import (
	"sync"
	"sync/atomic"
	"time"

	"servicelink/connectors"
)

// A network may limit the app that several channels work through. What it asks of
// one of them (connectors.ScopeApp) it means for all, also for one that takes the
// place of another when the configuration is read again.

// apps are the apps of this process, by network and connectors.Sharer. They are as
// many as the configuration has named since the start, and are compared only.
type apps struct {
	mu  sync.Mutex
	all map[struct{ network, name string }]*app
}

// app is what several channels work through.
type app struct {
	notBefore atomic.Pointer[time.Time] // the network asked for patience; nil = never
}

// of gives the app of a connector or device, nil = it works through none.
func (a *apps) of(network string, conn connectors.Device) *app {
	s, ok := conn.(connectors.Sharer)
	if !ok || s.App() == "" {
		return nil
	}
	key := struct{ network, name string }{network, s.App()}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.all == nil {
		a.all = make(map[struct{ network, name string }]*app)
	}
	if a.all[key] == nil {
		a.all[key] = new(app)
	}
	return a.all[key]
}

// rests is until when the network wants no send through the app.
func (a *app) rests() (until time.Time) {
	if a == nil {
		return until
	}
	if t := a.notBefore.Load(); t != nil {
		until = *t
	}
	return until
}

// wait has the app rest until then, at least.
func (a *app) wait(until time.Time) {
	for {
		old := a.notBefore.Load()
		if old != nil && !until.After(*old) || a.notBefore.CompareAndSwap(old, &until) {
			return
		}
	}
}
