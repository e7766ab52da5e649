package gateway

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"servicelink/config"
	"servicelink/connectors"
	"servicelink/gateway/journal"
	"servicelink/simprot"
	"servicelink/simprot/refcore"
)

// profileNetwork says who its customers are when it is asked.
type profileNetwork struct {
	*fakeNetwork
	lag  time.Duration
	fast string // is asked about without it

	lock    sync.Mutex
	tells   func(name string) (connectors.Profile, error) // nil = "Ms NAME"
	asked   []string
	now     int // questions under way
	most    int
	at      []time.Duration // since the bubble's start
	stopped int             // questions that ctx ended
}

var _ connectors.Profiler = (*profileNetwork)(nil)

func (n *profileNetwork) Profile(ctx context.Context, to connectors.Address) (connectors.Profile, error) {
	n.lock.Lock()
	n.asked, n.at = append(n.asked, to.RemoteAddress), append(n.at, time.Since(bubbleStart).Round(time.Second))
	n.now++
	n.most = max(n.most, n.now)
	tells := n.tells
	n.lock.Unlock()
	lag := n.lag
	if to.RemoteAddress == n.fast {
		lag = 0
	}
	timer := time.NewTimer(lag)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
	n.lock.Lock()
	defer n.lock.Unlock()
	n.now--
	if ctx.Err() != nil {
		n.stopped++
		return connectors.Profile{}, &connectors.SendError{Outcome: connectors.Unknown, Reason: connectors.ReasonTimeout, Err: ctx.Err()}
	}
	if tells != nil {
		return tells(to.RemoteAddress)
	}
	return connectors.Profile{Name: " Ms " + to.RemoteAddress + "\xff "}, nil
}

type profileHouse struct {
	*house
	network *profileNetwork
}

func inProfileHouse(t *testing.T, test func(h *profileHouse), options ...houseOption) {
	t.Helper()
	var p *profileHouse
	inHouse(t, func(*house) { test(p) }, append([]houseOption{func(h *house, _ *refcore.Options) {
		p = &profileHouse{h, &profileNetwork{fakeNetwork: h.net}}
		h.build = func(config.Channel) (connectors.Connector, error) { return p.network, nil }
	}}, options...)...)
}

// names checks under what names the customer's messages were shown.
func (h *profileHouse) names(want ...string) {
	h.Helper()
	h.waits(10 * time.Millisecond)
	_, sentences, err := h.core.Chat(h.chat("anna").ID)
	if err != nil {
		h.Fatal(err)
	}
	var got []string
	for _, s := range sentences {
		if !s.IsOutbound {
			got = append(got, s.PartyName)
		}
	}
	if !slices.Equal(got, want) {
		h.Errorf("shown under %q, want %q", got, want)
	}
}

// wantAsked checks about whom the network was asked.
func (h *profileHouse) wantAsked(want ...string) {
	h.Helper()
	h.network.lock.Lock()
	defer h.network.lock.Unlock()
	if !slices.Equal(h.network.asked, want) {
		h.Errorf("asked about %q, want %q", h.network.asked, want)
	}
}

func (h *profileHouse) wantLookups(known, none, failed float64) {
	h.Helper()
	for outcome, want := range map[string]float64{profileKnown: known, profileNone: none, profileFailed: failed} {
		got := testutil.ToFloat64(h.gw.metrics.vecs.profiles.WithLabelValues(testChannel, "fake", outcome))
		if got != want {
			h.Errorf("%g questions %s, want %g", got, outcome, want)
		}
	}
}

func (h *profileHouse) profile() journal.Profile {
	h.Helper()
	c, _, err := h.disk.mem.Conversation(h.Context(), testChannel, "anna|fake")
	if err != nil {
		h.Fatal(err)
	}
	return c.Profile
}

const nameless = "Customer anna" // as its connector calls her

// TestProfileIsAskedBesideTheMessage: nothing waits for the answer, and the name is
// shown from the next message on.
func TestProfileIsAskedBesideTheMessage(t *testing.T) {
	inProfileHouse(t, func(h *profileHouse) {
		h.network.lag = 20 * time.Second
		for i := range 3 {
			h.writes("anna", i+1)
		}
		h.waits(time.Second)
		h.wantShown("anna", 3)
		h.names(nameless, nameless, nameless)
		h.wantAsked("anna")
		h.wantLookups(0, 0, 0)
		if got := h.chat("anna").PartyName; got != nameless {
			t.Errorf("the chat began with %q", got)
		}
		h.waits(20 * time.Second)
		h.writes("anna", 4)
		h.waits(time.Second)
		h.says("anna", "hello")
		h.names(nameless, nameless, nameless, "Ms anna\uFFFD")
		if got := h.chat("anna").PartyName; got != "Ms anna\uFFFD" {
			t.Errorf("the chat goes by %q", got)
		}
		h.wantAsked("anna")
		h.wantLookups(1, 0, 0)
	})
}

// TestProfileInTheStart: what is known when a chat begins is said then.
func TestProfileInTheStart(t *testing.T) {
	inProfileHouse(t, func(h *profileHouse) {
		h.network.tells = func(string) (connectors.Profile, error) {
			return connectors.Profile{Name: "Anna", Culture: "CS"}, nil
		}
		h.door.away.Store(true)
		h.door.breakAll()
		h.writes("anna", 1)
		h.waits(time.Second)
		h.door.away.Store(false)
		h.waits(time.Minute)
		h.names("Anna")
		if got := h.chat("anna"); got.PartyName != "Anna" || got.Culture != "cs" {
			t.Errorf("the chat began with %q, %q", got.PartyName, got.Culture)
		}
	})
}

// TestProfileIsKept over a restart, for a week.
func TestProfileIsKept(t *testing.T) {
	inProfileHouse(t, func(h *profileHouse) {
		h.network.lag = time.Second
		h.writes("anna", 1)
		h.waits(2 * time.Second)
		h.crash()
		h.start()
		h.waits(7*day - 3*time.Second)
		h.writes("anna", 2)
		h.names(nameless, "Ms anna\uFFFD")
		h.wantAsked("anna")
		h.network.tells = func(string) (connectors.Profile, error) { return connectors.Profile{Name: "Anna B."}, nil }
		h.waits(5 * time.Second)
		h.brings("a press", connectors.KindService) // not of the customer
		h.wantAsked("anna")
		h.writes("anna", 3)
		h.waits(2 * time.Second)
		h.wantAsked("anna", "anna")
		h.network.tells = func(string) (connectors.Profile, error) { return connectors.Profile{}, nil }
		h.waits(8 * day)
		h.writes("anna", 4)
		h.waits(2 * time.Second)
		h.writes("anna", 5)
		h.waits(time.Second)
		h.wantAsked("anna", "anna", "anna")
		h.wantLookups(1, 1, 0)
		if got := h.profile().Name; got != "Anna B." { // no more told is not another
			t.Errorf("the journal has %q", got)
		}
		if names := h.shownNames(); !slices.Equal(names[len(names)-2:], []string{"Anna B.", "Anna B."}) {
			t.Errorf("shown under %q", names)
		}
	}, oldJournal)
}

func (h *profileHouse) shownNames() (names []string) {
	h.Helper()
	_, sentences, err := h.core.Chat(h.chat("anna").ID)
	if err != nil {
		h.Fatal(err)
	}
	for _, s := range sentences {
		if !s.IsOutbound && s.Model != simprot.ModelTechNote {
			names = append(names, s.PartyName)
		}
	}
	return names
}

func (h *profileHouse) brings(id string, kind connectors.Kind) {
	h.Helper()
	ev := textEvent("anna", 1)
	ev.ID, ev.Kind = id, kind
	if err := (inbox{h.gw, h.gw.channel(testChannel)}).Deliver(h.Context(), []connectors.Event{ev}); err != nil {
		h.Errorf("deliver: %v", err)
	}
	h.waits(time.Second)
}

// TestProfileThatIsNotTold is not asked for again for a while, and the name that
// comes with the message is shown.
func TestProfileThatIsNotTold(t *testing.T) {
	for _, tt := range []struct {
		name         string
		tells        func(string) (connectors.Profile, error)
		rest         time.Duration
		none, failed float64
	}{
		{"not given out", func(string) (connectors.Profile, error) { return connectors.Profile{Culture: "x-klingon"}, nil }, profileDenied, 2, 0},
		{"failed", func(string) (connectors.Profile, error) {
			return connectors.Profile{Name: "half"}, sendErr(connectors.NotSent, connectors.ReasonServer)
		}, profileRetry, 0, 2},
		{"too fast", func(string) (connectors.Profile, error) {
			return connectors.Profile{}, &connectors.SendError{Outcome: connectors.NotSent, Reason: connectors.ReasonRate, RetryAfter: time.Hour}
		}, time.Hour, 0, 2},
		{"panic", func(string) (connectors.Profile, error) { panic("oops") }, profileRetry, 0, 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inProfileHouse(t, func(h *profileHouse) {
				h.network.tells = tt.tells
				h.writes("anna", 1)
				h.waits(tt.rest - time.Second)
				h.writes("anna", 2)
				h.waits(500 * time.Millisecond)
				h.wantAsked("anna")
				h.waits(time.Second)
				h.writes("anna", 3)
				h.waits(time.Second)
				h.wantAsked("anna", "anna")
				for _, name := range h.shownNames() {
					if name != nameless {
						t.Errorf("shown under %q", name)
					}
				}
				h.wantLookups(0, tt.none, tt.failed)
				if got := h.profile(); got != (journal.Profile{}) {
					t.Errorf("the journal has %+v", got)
				}
			}, oldJournal)
		})
	}
}

// TestProfilesAreBounded: a crowd is asked about by a few, one after the other.
func TestProfilesAreBounded(t *testing.T) {
	inProfileHouse(t, func(h *profileHouse) {
		h.network.lag = time.Second
		const crowd = 20
		for n := range 2 {
			for i := range crowd {
				h.writes(fmt.Sprint("c", i), n+1)
			}
		}
		h.waits(time.Minute)
		if len(h.network.asked) != crowd || h.network.most != profileWorkers {
			t.Errorf("%d questions, at most %d at once", len(h.network.asked), h.network.most)
		}
		h.wantLookups(crowd, 0, 0)
		if p := &h.gw.channel(testChannel).profiles; p.workers != 0 || len(p.queue) != 0 {
			t.Errorf("%d workers are left, %d wait", p.workers, len(p.queue))
		}
	})
}

// TestProfilesObeyTheNetwork: who waits, waits as long as the network wants.
func TestProfilesObeyTheNetwork(t *testing.T) {
	inProfileHouse(t, func(h *profileHouse) {
		h.network.lag, h.network.fast = time.Second, "c0"
		h.network.tells = func(name string) (connectors.Profile, error) {
			if name == h.network.fast {
				return connectors.Profile{}, &connectors.SendError{Outcome: connectors.NotSent, Reason: connectors.ReasonRate, RetryAfter: time.Hour}
			}
			return connectors.Profile{Name: name}, nil
		}
		h.writes("c0", 1)
		h.waits(time.Second) // the network has told its wish before others are asked about
		for i := range profileWorkers + 1 {
			h.writes(fmt.Sprint("c", i+1), 1)
		}
		h.waits(time.Minute)
		h.says("c0", "hello") // it is no reason not to send
		h.waits(2 * time.Hour)
		h.wantGot("hello")
		slices.Sort(h.network.at)
		if got := h.network.at; len(got) != profileWorkers+2 || got[0] > time.Minute || got[1] < time.Hour || got[len(got)-1] > time.Hour+time.Minute {
			t.Errorf("asked at %v", got)
		}
		h.wantLookups(profileWorkers+1, 0, 1)
	})
}

// TestPausedChannelAsksNobody: neither by an operator nor by what the network says.
func TestPausedChannelAsksNobody(t *testing.T) {
	inProfileHouse(t, func(h *profileHouse) {
		if err := h.gw.pause(h.Context(), testChannel, true); err != nil {
			t.Fatal(err)
		}
		h.writes("anna", 1)
		h.waits(time.Minute)
		h.wantAsked()
		if err := h.gw.pause(h.Context(), testChannel, false); err != nil {
			t.Fatal(err)
		}
		h.writes("anna", 2)
		h.waits(time.Second)
		h.wantAsked("anna")
	})
}

// TestProfileOfAForgottenCustomer: what is told when she is forgotten is not kept,
// and what was known is gone.
func TestProfileOfAForgottenCustomer(t *testing.T) {
	for _, early := range []bool{false, true} {
		inProfileHouse(t, func(h *profileHouse) {
			h.network.lag = 5 * time.Second
			h.writes("anna", 1)
			h.waits(time.Second)
			if !early {
				h.waits(time.Minute)
			}
			h.forgets("anna|fake", "", "", http.StatusOK)
			h.waits(20 * time.Second)
			if _, known, err := h.disk.mem.Conversation(t.Context(), testChannel, "anna|fake"); known || err != nil {
				t.Errorf("known %v, %v", known, err)
			}
			h.network.tells = func(string) (connectors.Profile, error) { return connectors.Profile{}, nil }
			h.writes("anna", 2)
			h.waits(time.Minute)
			h.writes("anna", 3)
			h.waits(time.Second)
			if names := h.shownNames(); names[len(names)-1] != nameless {
				t.Errorf("shown under %q", names)
			}
			h.forgets("anna|fake", "", "", http.StatusOK)
			h.writes("anna", 4)
			h.waits(time.Minute)
			h.wantAsked("anna", "anna", "anna") // that she was not to be asked about is forgotten, too
		}, oldJournal)
	}
}

// TestStopEndsProfiles: nobody waits for what is asked.
func TestStopEndsProfiles(t *testing.T) {
	inProfileHouse(t, func(h *profileHouse) {
		h.network.lag = time.Hour
		for i := range profileWorkers + 1 {
			h.writes(fmt.Sprint("c", i), 1)
		}
		h.waits(time.Second)
		c := h.gw.convs.find(h.gw.channel(testChannel), "c0|fake")
		if c.idleSince(time.Now().Add(time.Hour)) {
			t.Error("a conversation that is asked about is let go")
		}
		began := time.Now()
		h.stop()
		if took := time.Since(began); took > 3*time.Second || h.network.stopped != profileWorkers {
			t.Errorf("the stop took %s, %d questions ended", took, h.network.stopped)
		}
		h.start()
	})
}
