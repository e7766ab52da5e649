package gateway

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"servicelink/config"
	"servicelink/connectors"
	"servicelink/simprot/refcore"
)

// patient is a network that can be examined, and registered at.
type patient struct {
	*fakeNetwork
	mu       sync.Mutex
	checks   []connectors.Check
	examined []time.Time
	running  bool
	register func() error // nil = nothing comes of it
	calls    int          // of Register
	examine  func(ctx context.Context)
}

func (p *patient) Examine(ctx context.Context, e connectors.Examination) []connectors.Check {
	p.mu.Lock()
	p.examined, p.running = append(p.examined, time.Now()), e.Running
	checks, examine := slices.Clone(p.checks), p.examine
	p.mu.Unlock()
	if examine != nil {
		examine(ctx)
	}
	return checks
}

func (p *patient) Hooks() []connectors.Hook { return nil }

func (p *patient) Register(context.Context) ([]string, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.calls++
	if p.register == nil {
		return nil, nil
	}
	return []string{"done"}, p.register()
}

func (p *patient) set(checks ...connectors.Check) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.checks = checks
}

// looks gives how often and when it was examined.
func (p *patient) looks() []time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.examined)
}

func (p *patient) registered() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.calls
}

var (
	subscribed   = connectors.Check{Name: connectors.CheckSubscription, State: connectors.CheckOK, Found: "subscribed"}
	unsubscribed = connectors.Check{
		Name: connectors.CheckSubscription, State: connectors.CheckFailed, Fault: connectors.FaultUnsubscribed,
		Found: "the page is not subscribed", Cure: "register it", Mendable: true,
	}
	wrongToken = connectors.Check{
		Name: connectors.CheckCredentials, State: connectors.CheckFailed, Fault: connectors.FaultWrongToken,
		Found: "the token is not known", Cure: "get another", Code: "190",
	}
	foreign = connectors.Check{
		Name: connectors.CheckWebhook, State: connectors.CheckFailed, Fault: connectors.FaultForeignWebhook,
		Found: "the network calls another system", Cure: "ask whose it is",
	}
)

const watchEvery = 15 * time.Minute

// withPatient makes every channel's connector p, and switches the watch on.
func withPatient(p *patient) houseOption {
	return func(h *house, _ *refcore.Options) {
		h.cfg.Limits.WatchEvery = watchEvery
		h.build = func(config.Channel) (connectors.Connector, error) { p.fakeNetwork = h.net; return p, nil }
	}
}

// unwell is what is not well with the channel.
func (h *house) unwell() (faults []Fault) {
	return slices.DeleteFunc(h.gw.Unwell(), func(f Fault) bool { return f.Channel == "" })
}

func (h *house) faults() (whats []string) {
	for _, f := range h.unwell() {
		whats = append(whats, f.What)
	}
	return whats
}

func TestWatchLooks(t *testing.T) {
	p := &patient{checks: []connectors.Check{subscribed}}
	inHouse(t, func(h *house) {
		if d := h.gw.diagnosis(); !d.At.IsZero() || !d.Running {
			t.Errorf("before a look: %+v", d)
		}
		began := time.Now()
		h.waits(time.Minute)
		looks := p.looks()
		if len(looks) != 1 || looks[0].Sub(began) < firstLook || !p.running {
			t.Fatalf("after a minute it was examined at %v, running: %t", looks, p.running)
		}
		h.waits(2 * watchEvery)
		looks = p.looks()
		if len(looks) != 3 || looks[2].Sub(looks[1]).Round(2*time.Second) != watchEvery {
			t.Errorf("examined at %v", looks)
		}
		d := h.gw.diagnosis()
		i := slices.IndexFunc(d.Checks, func(e Examined) bool { return e.Name == connectors.CheckSubscription })
		if i < 0 || d.Checks[i].Channel != testChannel || d.Checks[i].Network != "fake" || time.Since(d.At) > watchEvery || d.At.IsZero() {
			t.Errorf("%+v", d)
		}
		if got := h.faults(); len(got) != 0 {
			t.Errorf("all is well, but %v", got)
		}
	}, withPatient(p))
}

// TestWatchLooksAgain: what is new is looked at again a minute later, and what
// lasts is not.
func TestWatchLooksAgain(t *testing.T) {
	p := &patient{checks: []connectors.Check{wrongToken}}
	inHouse(t, func(h *house) {
		h.waits(3 * time.Minute)
		if looks := p.looks(); len(looks) != 2 || looks[1].Sub(looks[0]) > lookAgain+2*time.Second {
			t.Errorf("examined at %v", looks)
		}
		h.waits(watchEvery)
		if looks := p.looks(); len(looks) != 3 {
			t.Errorf("examined at %v", looks)
		}
		p.set(subscribed)
		h.gw.channel(testChannel).limits.refuse(sendErr(connectors.NotSent, connectors.ReasonAuth))
		h.waits(2 * time.Second)
		if looks := p.looks(); len(looks) != 4 {
			t.Errorf("the channel is paused, and it was examined at %v", looks)
		}
	}, withPatient(p))
}

// TestWatchLooksAtRefused: the first send that is refused for its credentials has the
// channel looked at within seconds, the next ones do not, and what was found says it.
func TestWatchLooksAtRefused(t *testing.T) {
	p := &patient{checks: []connectors.Check{subscribed}}
	inHouse(t, func(h *house) {
		h.waits(3 * time.Minute)
		before, limits := len(p.looks()), h.gw.channel(testChannel).limits
		p.set(wrongToken)
		refuses := func() { limits.learn(one("a"), sendErr(connectors.NotSent, connectors.ReasonAuth)) }
		refuses()
		h.waits(2 * time.Second)
		unwell := h.unwell()
		if got := h.faults(); !slices.Equal(got, []string{faultRefused}) || unwell[0].Hint != "the token is not known: get another" {
			t.Errorf("not well: %+v", unwell)
		}
		for range 20 { // on and off
			limits.worked()
			h.waits(time.Second)
			refuses()
			h.waits(time.Second)
		}
		if n := len(p.looks()) - before; n != 1 {
			t.Errorf("%d looks within a minute", n)
		}
	}, withPatient(p))
}

// TestWatchLooksAtPaused: an operator's pause ends no examination, but nothing is
// changed at the network.
func TestWatchLooksAtPaused(t *testing.T) {
	p := &patient{checks: []connectors.Check{unsubscribed}}
	inHouse(t, func(h *house) {
		if err := h.gw.pause(h.Context(), testChannel, true); err != nil {
			t.Fatal(err)
		}
		h.waits(time.Minute)
		if len(p.looks()) == 0 || p.registered() != 0 {
			t.Errorf("%d looks, %d registrations", len(p.looks()), p.registered())
		}
		if got := h.faults(); !slices.Equal(got, []string{stateHeld, "unsubscribed"}) {
			t.Errorf("not well: %v", got)
		}
	}, withPatient(p))
}

func TestWatchMends(t *testing.T) {
	p := &patient{checks: []connectors.Check{subscribed}}
	p.register = func() error { p.checks = []connectors.Check{subscribed}; return nil }
	inHouse(t, func(h *house) {
		h.waits(time.Minute)
		p.set(unsubscribed)
		h.waits(watchEvery)
		if p.registered() != 1 {
			t.Fatalf("registered %d times", p.registered())
		}
		if h.logged("the set-up was put right", "check=subscription", "fault=unsubscribed", testChannel) != 1 {
			t.Error("not told in the log")
		}
		unwell := h.unwell()
		if len(unwell) != 1 || unwell[0].What != stateMended || unwell[0].Channel != testChannel ||
			!strings.Contains(unwell[0].Hint, "the page is not subscribed") || time.Since(unwell[0].Since) > watchEvery {
			t.Errorf("told: %+v", unwell)
		}
		if faults, _ := h.gw.ChannelFault(testChannel); len(faults) != 0 {
			t.Errorf("it works, but %+v", faults)
		}
		if got := scraped(h)["servicelink_mended_total shop subscription"]; got != 1 {
			t.Errorf("counted %v", got)
		}
		h.waits(23 * time.Hour)
		if got := h.faults(); len(got) != 1 {
			t.Errorf("within a day: %v", got)
		}
		h.waits(2 * time.Hour)
		if got := h.faults(); len(got) != 0 {
			t.Errorf("a day later: %v", got)
		}
		if p.registered() != 1 {
			t.Errorf("registered %d times", p.registered())
		}
	}, withPatient(p))
}

// TestWatchMendsSeldom: what does not help is tried once in an interval, whatever
// else makes it look.
func TestWatchMendsSeldom(t *testing.T) {
	for name, register := range map[string]func() error{
		"in vain": nil,
		"fails":   func() error { return sendErr(connectors.NotSent, connectors.ReasonConnect) },
		"panics":  func() error { panic("secret") },
		"foreign": func() error { return errors.New("no such error") },
	} {
		t.Run(name, func(t *testing.T) {
			p := &patient{checks: []connectors.Check{unsubscribed}, register: register}
			inHouse(t, func(h *house) {
				h.waits(watchEvery)
				if looks, n := len(p.looks()), p.registered(); n != 1 || looks < 2 {
					t.Errorf("%d looks, registered %d times", looks, n)
				}
				h.reload(otherCulture)
				h.waits(5 * watchEvery)
				if n := p.registered(); n < 5 || n > 6 {
					t.Errorf("registered %d times in six intervals", n)
				}
				if got := h.faults(); !slices.Equal(got, []string{"unsubscribed"}) || h.logged("was put right") != 0 {
					t.Errorf("not well: %v", got)
				}
				if h.logged("secret") != 0 {
					t.Error("the panic's value is in the log")
				}
			}, withPatient(p))
		})
	}
}

// TestWatchTakesNothing: what another system has set is not overwritten, nor what
// nobody said may be mended.
func TestWatchTakesNothing(t *testing.T) {
	notOurs := unsubscribed
	notOurs.Mendable = false
	doubtful := unsubscribed
	doubtful.State = connectors.CheckWarning
	for name, checks := range map[string][]connectors.Check{
		"beside a foreign webhook": {foreign, unsubscribed},
		"not mendable":             {notOurs},
		"works":                    {doubtful},
	} {
		t.Run(name, func(t *testing.T) {
			p := &patient{checks: checks}
			inHouse(t, func(h *house) {
				h.waits(2 * watchEvery)
				if p.registered() != 0 || len(p.looks()) < 2 {
					t.Errorf("registered %d times in %d looks", p.registered(), len(p.looks()))
				}
			}, withPatient(p))
		})
	}
}

// TestWatchBorder: a connector that panics or hangs harms nobody, and is told of.
func TestWatchBorder(t *testing.T) {
	for name, c := range map[string]struct {
		examine func(context.Context)
		unwell  []string
	}{
		"panics": {func(context.Context) { panic("secret") }, []string{"unwell"}},
		"hangs":  {func(ctx context.Context) { <-ctx.Done() }, nil},
	} {
		t.Run(name, func(t *testing.T) {
			p := &patient{checks: []connectors.Check{subscribed}, examine: c.examine}
			inHouse(t, func(h *house) {
				h.waits(4 * watchEvery)
				if n := len(p.looks()); n < 4 {
					t.Errorf("%d looks", n)
				}
				if age := scraped(h)["servicelink_check_last_seconds shop"]; age > watchEvery.Seconds()+1 {
					t.Errorf("the latest look is %v seconds old", age)
				}
				if got := h.faults(); !slices.Equal(got, c.unwell) || h.logged("secret") != 0 {
					t.Errorf("not well: %v", got)
				}
			}, withPatient(p))
		})
	}
}

// TestWatchEndsWithItsChannel: a look that is under way does not hold up a reload,
// and what it found is not the next one's.
func TestWatchEndsWithItsChannel(t *testing.T) {
	p := &patient{checks: []connectors.Check{wrongToken}, examine: func(ctx context.Context) { <-ctx.Done() }}
	inHouse(t, func(h *house) {
		h.waits(firstLook + firstLookSpread)
		if len(p.looks()) != 1 {
			t.Fatalf("%d looks", len(p.looks()))
		}
		began := time.Now()
		h.reload(otherCulture)
		if took := time.Since(began); took > time.Second {
			t.Errorf("the reload took %v", took)
		}
		if got := h.faults(); len(got) != 0 {
			t.Errorf("not well: %v", got)
		}
		p.mu.Lock()
		p.examine = nil
		p.mu.Unlock()
		h.waits(time.Minute)
		if got := h.faults(); !slices.Equal(got, []string{"wrong_token"}) {
			t.Errorf("not well: %v", got)
		}
	}, withPatient(p))
}

// otherCulture changes the channel, so that another takes its place.
func otherCulture(c *config.Config) {
	c.Channels[0].Culture = map[string]string{"en": "de", "de": "en"}[c.Channels[0].Culture]
}

// TestWatchSaysItOnce: a channel whose credentials are refused has one line, which
// says what an examination knows of it.
func TestWatchSaysItOnce(t *testing.T) {
	silent := connectors.Check{Name: connectors.CheckTraffic, State: connectors.CheckWarning, Fault: connectors.FaultSilent, Found: "silent", Cure: "write"}
	ends := connectors.Check{Name: connectors.CheckToken, State: connectors.CheckWarning, Fault: connectors.FaultExpiredToken, Found: "ends", Cure: "renew"}
	p := &patient{checks: []connectors.Check{wrongToken, ends, silent}}
	inHouse(t, func(h *house) {
		h.gw.channel(testChannel).limits.refuse(sendErr(connectors.NotSent, connectors.ReasonAuth))
		h.waits(time.Minute)
		unwell := h.unwell()
		if got := h.faults(); !slices.Equal(got, []string{statePaused, "expired_token"}) || unwell[0].Hint != "the token is not known: get another" {
			t.Errorf("%+v", unwell)
		}
		faults, _ := h.gw.ChannelFault(testChannel)
		if len(faults) != 1 {
			t.Errorf("%+v", faults)
		}
		s, err := h.gw.Status(h.Context())
		if err != nil {
			t.Fatal(err)
		}
		if c := s.Channels[0].Checks; c == nil || c.State != connectors.CheckFailed || c.Fault != connectors.FaultWrongToken || c.At.IsZero() {
			t.Errorf("%+v", c)
		}
		p.set(subscribed, silent)
		h.waits(watchEvery)
		h.gw.channel(testChannel).limits.accept()
		if got := h.faults(); !slices.Equal(got, []string{"unusual_silence"}) {
			t.Errorf("silent, and nothing else: %v", got)
		}
	}, withPatient(p))
}

// TestWatchLooksAtItself: what is no channel's is looked at as well, and what an
// operator's examination finds is the latest there is.
func TestWatchLooksAtItself(t *testing.T) {
	p := &patient{checks: []connectors.Check{subscribed}}
	inHouse(t, func(h *house) {
		h.waits(time.Minute)
		d := h.gw.diagnosis()
		for _, want := range []connectors.CheckName{connectors.CheckCore, connectors.CheckJournal} {
			if !slices.ContainsFunc(d.Checks, func(e Examined) bool { return e.Name == want && e.Channel == "" }) {
				t.Errorf("nothing of %s: %+v", want, d.Checks)
			}
		}
		if got, ok := scraped(h)["servicelink_check_failed - core"]; !ok || got != 0 {
			t.Errorf("core: %v, %t", got, ok)
		}
		wantFaults(t, "all is well", h.gw.Unwell())
		h.free.Store(9 << 30) // of 100
		h.waits(watchEvery)
		wantFaults(t, "the disk is nearly full", h.gw.Unwell(), ":journal_full")
		if f := h.gw.Unwell(); len(f) != 1 || !strings.Contains(f[0].Hint, "9216 MiB (9 %) are free") {
			t.Errorf("%+v", f)
		}
		h.free.Store(50 << 30)
		p.set(wrongToken)
		if d := h.gw.Examine(h.Context()); !d.Failed() || h.gw.diagnosis().At.IsZero() {
			t.Errorf("%+v", d)
		}
		if got := h.faults(); !slices.Equal(got, []string{"wrong_token"}) || scraped(h)["servicelink_check_failed shop credentials"] != 1 {
			t.Errorf("not well: %v", got)
		}
		if d := h.gw.Examine(h.Context()); !slices.ContainsFunc(d.Checks, func(e Examined) bool { return e.Name == connectors.CheckTraffic }) {
			t.Error("nothing of its traffic")
		}
	}, withPatient(p))
}

func TestWatchMetrics(t *testing.T) {
	ends := time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)
	p := &patient{checks: []connectors.Check{
		wrongToken, subscribed,
		{Name: connectors.CheckToken, State: connectors.CheckWarning, Fault: connectors.FaultExpiredToken, Found: "ends", Cure: "renew", Ends: ends},
	}}
	inHouse(t, func(h *house) {
		h.writes("ada", 1)
		wrote := time.Now()
		before := scraped(h)
		for name, want := range map[string]float64{
			"servicelink_mended_total shop subscription": 0, "servicelink_mended_total shop webhook": 0,
			"servicelink_check_last_seconds shop": 0, "servicelink_check_last_seconds -": 0,
			"servicelink_check_every_seconds":                         watchEvery.Seconds(),
			"servicelink_channel_silence_expected shop":               0,
			"servicelink_channel_last_inbound_timestamp_seconds shop": unixSeconds(wrote),
		} {
			if got, ok := before[name]; !ok || got != want {
				t.Errorf("from the start %s is %v, %t, want %v", name, got, ok, want)
			}
		}
		h.waits(time.Minute)
		after := scraped(h)
		maps.DeleteFunc(after, func(name string, _ float64) bool { _, was := before[name]; return was })
		want := map[string]float64{
			"servicelink_check_failed shop credentials": 1, "servicelink_check_warning shop credentials": 0,
			"servicelink_check_failed shop subscription": 0, "servicelink_check_warning shop subscription": 0,
			"servicelink_check_failed shop port": 0, "servicelink_check_warning shop port": 0,
			"servicelink_check_failed shop token": 0, "servicelink_check_warning shop token": 1,
			"servicelink_token_expires_timestamp_seconds shop": float64(ends.Unix()),
		}
		for name, v := range want {
			if got, ok := after[name]; !ok || got != v {
				t.Errorf("%s is %v, %t, want %v", name, got, ok, v)
			}
		}
		for name := range after {
			if _, ok := want[name]; !ok && strings.Contains(name, " shop ") {
				t.Errorf("there is %s", name)
			}
		}
	}, withPatient(p))
}

// scraped gives the watch's series by name, channel and check.
func scraped(h *house) map[string]float64 {
	h.Helper()
	reg := prometheus.NewRegistry()
	reg.MustRegister(newWatchCollector(h.gw))
	families, err := reg.Gather()
	if err != nil {
		h.Fatal(err)
	}
	values := map[string]float64{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			name := f.GetName()
			for _, want := range []string{"channel", "check"} {
				for _, l := range m.GetLabel() {
					if l.GetName() == want {
						name += " " + l.GetValue()
					}
				}
			}
			values[name] = m.GetGauge().GetValue() + m.GetCounter().GetValue()
		}
	}
	return values
}
