package gateway

import (
	"slices"
	"testing"
	"time"

	"servicelink/config"
	"servicelink/connectors"
	"servicelink/simprot/refcore"
)

// appNetwork is a channel's account behind an app.
type appNetwork struct {
	*fakeNetwork
	app string
}

var _ connectors.Sharer = appNetwork{}

func (n appNetwork) App() string { return n.app }

// appHouse has three channels; two of them work through one app.
type appHouse struct {
	*house
	nets map[string]*fakeNetwork
	apps map[string]string
}

func inAppHouse(t *testing.T, test func(h *appHouse)) {
	t.Helper()
	var a *appHouse
	inHouse(t, func(*house) { test(a) }, func(h *house, _ *refcore.Options) {
		a = &appHouse{h, make(map[string]*fakeNetwork), map[string]string{testChannel: "one", "desk": "one", "other": "two"}}
		for _, name := range []string{"desk", "other"} {
			c := h.cfg.Channels[0]
			c.Name, c.Port = name, name
			h.cfg.Channels = append(h.cfg.Channels, c)
		}
		h.build = func(c config.Channel) (connectors.Connector, error) {
			if a.nets[c.Name] == nil {
				a.nets[c.Name] = &fakeNetwork{path: "/" + c.Name}
			}
			return appNetwork{a.nets[c.Name], a.apps[c.Name]}, nil
		}
	})
}

// answers has the agent answer ann on a channel, whose chat is opened for it.
func (h *appHouse) answers(channel string) {
	h.Helper()
	if err := (inbox{h.gw, h.gw.channel(channel)}).Deliver(h.Context(), []connectors.Event{textEvent("ann", 1)}); err != nil {
		h.Fatal(err)
	}
	h.waits(time.Second)
	c, err := h.core.Find(refcore.Address{Peer: testPeer, Port: channel, TrackingID: "ann|fake"})
	if err != nil {
		h.Fatal(err)
	}
	if _, err := h.core.Say(c.ID, "to "+channel); err != nil {
		h.Fatal(err)
	}
	h.waits(time.Second)
}

// wantSent checks on which channels the customer has got something.
func (h *appHouse) wantSent(want ...string) {
	h.Helper()
	var got []string
	for name, n := range h.nets {
		if len(n.got()) > 0 {
			got = append(got, name)
		}
	}
	slices.Sort(got)
	if !slices.Equal(got, want) {
		h.Errorf("sent on %v, want %v", got, want)
	}
}

func (h *appHouse) wantSlowed(want ...string) {
	h.Helper()
	var got []string
	for _, ch := range h.gw.now().ordered {
		faults, _ := h.gw.ChannelFault(ch.cfg.Name)
		if slices.ContainsFunc(faults, func(f Fault) bool { return f.What == "app_slowed" }) {
			got = append(got, ch.cfg.Name)
		}
	}
	if !slices.Equal(got, want) {
		h.Errorf("slowed down %v, want %v", got, want)
	}
}

// slowed has the network ask the app of the first channel for an hour's patience.
func (h *appHouse) slowed(scope connectors.Scope) {
	h.nets[testChannel].fail = func(n int, _ connectors.Part) error {
		if n > 1 {
			return nil
		}
		return &connectors.SendError{Outcome: connectors.NotSent, Reason: connectors.ReasonRate, RetryAfter: time.Hour, Scope: scope}
	}
	h.answers(testChannel)
}

// TestAppSlowsAllItsChannels: what one channel hears all that share its app obey,
// and are let go in time.
func TestAppSlowsAllItsChannels(t *testing.T) {
	inAppHouse(t, func(h *appHouse) {
		h.slowed(connectors.ScopeApp)
		h.answers("desk")
		h.answers("other")
		h.wantSent("other")
		h.wantSlowed(testChannel, "desk")
		h.waits(time.Hour - 10*time.Second)
		h.wantSent("other")
		h.waits(20 * time.Second)
		h.wantSent("desk", "other", testChannel)
		h.wantSlowed()
		if n := h.nets["desk"].tried; n != 1 {
			t.Errorf("%d attempts", n)
		}
	})
}

// TestAccountSlowsItselfAlone: only what is said of the app is the app's.
func TestAccountSlowsItselfAlone(t *testing.T) {
	inAppHouse(t, func(h *appHouse) {
		h.slowed(connectors.ScopeAccount)
		h.answers("desk")
		h.wantSent("desk")
		h.wantSlowed()
	})
}

// TestAppOfNobody: without a name it is the account's, as with every network that
// has no apps.
func TestAppOfNobody(t *testing.T) {
	inAppHouse(t, func(h *appHouse) {
		h.reload(func(c *config.Config) {
			clear(h.apps)
			for i := range c.Channels {
				c.Channels[i].Culture = "de"
			}
		})
		h.slowed(connectors.ScopeApp)
		h.answers("desk")
		h.wantSent("desk")
		h.wantSlowed()
		h.waits(2 * time.Hour)
		h.wantSent("desk", testChannel)
	})
}

// TestReloadKeepsTheAppsPatience: a channel that takes another's place obeys what
// its app was told, and one that changes its app no more.
func TestReloadKeepsTheAppsPatience(t *testing.T) {
	inAppHouse(t, func(h *appHouse) {
		h.slowed(connectors.ScopeApp)
		h.reload(func(c *config.Config) {
			h.apps["other"], h.apps["desk"] = "one", "two"
			for i := range c.Channels {
				c.Channels[i].Culture = "de"
			}
		})
		h.wantSlowed(testChannel, "other")
		h.answers("desk")
		h.answers("other")
		h.wantSent("desk")
		h.waits(time.Hour)
		h.wantSent("desk", "other", testChannel)
	})
}

// TestAppsAreOfANetwork: two networks may give the same name.
func TestAppsAreOfANetwork(t *testing.T) {
	t.Parallel()
	var all apps
	one := all.of("a", appNetwork{app: "x"})
	if one == nil || one != all.of("a", appNetwork{app: "x"}) || one == all.of("b", appNetwork{app: "x"}) || one == all.of("a", appNetwork{app: "y"}) {
		t.Error("apps are mixed up")
	}
	if all.of("a", appNetwork{}) != nil || all.of("a", &fakeNetwork{}) != nil {
		t.Error("an app of nobody")
	}
	now := time.Now()
	one.wait(now)
	one.wait(now.Add(-time.Hour))
	if got := one.rests(); !got.Equal(now) {
		t.Errorf("rests until %v", got)
	}
}
