package gateway

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"servicelink/config"
	"servicelink/connectors"
	"servicelink/gateway/journal"
	"servicelink/simprot"
	"servicelink/simprot/refcore"
)

// TestReloadTouchesNoOther: one channel is changed, one added, one removed. The
// one beside them has messages in flight both ways, and does not notice.
func TestReloadTouchesNoOther(t *testing.T) {
	all, poll := &fakes{}, &poller{run: listens}
	inHouse(t, func(h *house) {
		h.opened()
		h.waits(5 * time.Second)
		shop, account := h.gw.channel(testChannel), mine(all.last(testChannel))
		resyncs := shop.port.resyncs()
		account.set(func() { account.block = make(chan struct{}) })
		h.says("anna", "in flight")
		h.late(simprot.CodeChatSentenceIn, 1, 5*time.Second)
		h.writes("anna", 2)
		h.waits(time.Second)
		hold := make(chan struct{})
		gone := mine(all.last("removed"))
		for _, a := range []*fakeAccount{account, gone} {
			a.set(func() { a.hold = hold })
		}
		calls := []<-chan int{h.callWebhook(testChannel), h.callWebhook("removed")}
		h.waits(time.Second)
		h.reload(func(c *config.Config) {
			c.Channels[1].Culture = "de"
			c.Channels = append(c.Channels[:3], named("added"))
		})
		close(hold)
		if n := len(poll.runs()); n != 1 || h.gw.channel("polls").state() != stateOK {
			t.Errorf("the poller's Run was called %d times, state %s", n, h.gw.channel("polls").state())
		}
		if now := h.gw.channel(testChannel); now != shop || now.port.resyncs() != resyncs || now.life.lanes.Err() != nil {
			t.Errorf("the channel was touched: %v, %d resyncs, want %d", now == shop, now.port.resyncs(), resyncs)
		}
		if _, n := all.last("changed"); n != 2 {
			t.Errorf("the changed channel was built %d times, want twice", n)
		}
		if !gone.closed.Load() || account.closed.Load() {
			t.Error("the connectors are not closed as they should be")
		}
		close(account.block)
		h.waits(10 * time.Second)
		for _, call := range calls {
			if status := <-call; status != http.StatusOK {
				t.Errorf("a webhook call under way was answered %d", status)
			}
		}
		h.wantShown("anna", 2)
		if got := all.sentBy(testChannel); !slices.Equal(got, []string{"in flight"}) {
			t.Errorf("the customer got %q", got)
		}
		if n := account.attempts(); n != 1 {
			t.Errorf("%d attempts, want 1", n)
		}
		for name, want := range map[string]int{testChannel: 200, "changed": 200, "added": 200, "removed": 404} {
			if status := <-h.callWebhook(name); status != want {
				t.Errorf("webhook of %s: %d, want %d", name, status, want)
			}
		}
		for _, name := range []string{"changed", "added"} {
			h.deliverTo(name, "carl")
		}
		h.waits(5 * time.Second)
		if n := h.pending(journal.In); n != 0 {
			t.Errorf("%d pending", n)
		}
		for _, line := range []string{"channel changed", "channel added", "channel removed"} {
			if h.logged(line) != 1 {
				t.Errorf("%q is not in the log once", line)
			}
		}
	}, all.into, withChannels("changed", "polls", "removed"), perPath, logInfo, func(h *house, _ *refcore.Options) {
		build := h.build
		h.build = func(c config.Channel) (connectors.Connector, error) {
			if c.Name == "polls" {
				return poll, nil
			}
			return build(c)
		}
	})
}

// TestReloadHandsOver: a channel is changed with messages in flight. The old
// connector ends what it began, the new one does what comes after, in order.
func TestReloadHandsOver(t *testing.T) {
	all := &fakes{}
	inHouse(t, func(h *house) {
		old := h.hangsOnOne(all)
		h.says("anna", "two")
		h.late(simprot.CodeChatSentenceIn, 1, 3*time.Second)
		h.writes("anna", 2)
		h.waits(time.Second)
		done := make(chan error, 1)
		go func() { done <- h.tryReload(func(c *config.Config) { c.Channels[0].Culture = "de" }) }()
		h.waits(time.Second)
		h.says("anna", "three") // comes while the old one ends
		h.writes("anna", 3)
		h.waits(5 * time.Second)
		if len(done) != 0 {
			t.Fatal("the new one did not wait for what was in flight")
		}
		close(old.block)
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		h.says("anna", "four")
		h.writes("anna", 4)
		h.waits(10 * time.Second)
		if got := old.got(); !slices.Equal(got, []string{"one"}) {
			t.Errorf("the old connector sent %q", got)
		}
		if got := mine(all.last(testChannel)).got(); !slices.Equal(got, []string{"two", "three", "four"}) {
			t.Errorf("the new connector sent %q", got)
		}
		h.wantShown("anna", 4)
		if n := h.pending(journal.In) + h.pending(journal.Out); n != 0 {
			t.Errorf("%d pending", n)
		}
	}, all.into)
}

// TestReloadGivesUpInTime: what does not end within limits.stop is in doubt.
func TestReloadGivesUpInTime(t *testing.T) {
	all := &fakes{}
	inHouse(t, func(h *house) {
		h.hangsOnOne(all)
		h.waits(time.Second)
		began := time.Now()
		h.reload(func(c *config.Config) { c.Channels[0].Culture = "de" })
		if took := time.Since(began); took != h.cfg.Limits.Stop {
			t.Errorf("it took %v, want %v", took, h.cfg.Limits.Stop)
		}
		h.waits(time.Minute)
		if got := all.sentBy(testChannel); !slices.Equal(got, []string{"one"}) { // unknown: resend
			t.Errorf("sent %q", got)
		}
	}, all.into)
}

// TestReloadUnderTraffic: customers and agents go on writing while channels
// change again and again. Everything arrives once and in order.
func TestReloadUnderTraffic(t *testing.T) {
	all := &fakes{}
	inHouse(t, func(h *house) {
		customers := []string{"anna", "berta", "carl"}
		for _, c := range customers {
			h.writes(c, 1)
		}
		h.waits(5 * time.Second)
		const rounds = 40
		var writing sync.WaitGroup
		for i, c := range customers {
			writing.Go(func() {
				for n := 2; n <= rounds; n++ {
					h.writes(c, n)
					h.says(c, fmt.Sprint(c, " ", n))
					time.Sleep(time.Duration(100+7*i) * time.Millisecond)
				}
			})
		}
		for i := range 12 {
			h.waits(270 * time.Millisecond)
			h.reload(func(c *config.Config) { c.Channels[0].Culture = []string{"de", "en"}[i%2] })
		}
		writing.Wait()
		h.waits(time.Minute)
		sent := all.sentBy(testChannel)
		for _, c := range customers {
			h.wantShown(c, rounds)
			mine := slices.DeleteFunc(slices.Clone(sent), func(text string) bool { return !strings.HasPrefix(text, c) })
			for n := 2; n <= rounds; n++ {
				if want := fmt.Sprint(c, " ", n); len(mine) != rounds-1 || mine[n-2] != want {
					t.Fatalf("%s got %q", c, mine)
				}
			}
		}
		if n := h.pending(journal.In) + h.pending(journal.Out); n != 0 {
			t.Errorf("%d pending", n)
		}
		for _, gauge := range []string{"lanes", "lanes_behind", "lane_messages"} {
			for _, dir := range []string{"in", "out"} {
				if want := fmt.Sprintf("servicelink_%s{channel=%q,direction=%q,network=\"fake\"} 0\n", gauge, testChannel, dir); !strings.Contains(h.scrape(), want) {
					t.Errorf("not %s", want)
				}
			}
		}
	}, all.into)
}

// TestReloadTakesUpABacklog: more is pending than a lane holds, and a message
// that comes with the change does not overtake it.
func TestReloadTakesUpABacklog(t *testing.T) {
	inHouse(t, func(h *house) {
		h.door.away.Store(true)
		h.door.breakAll()
		const backlog = 3 * inLaneLimit
		for n := 1; n <= backlog; n++ {
			h.writes("anna", n)
		}
		h.reload(func(c *config.Config) { c.Channels = nil })
		h.door.away.Store(false)
		h.waits(2 * time.Minute)
		wrote := make(chan struct{})
		go func() {
			defer close(wrote)
			for h.gw.channel(testChannel) == nil {
				time.Sleep(time.Microsecond)
			}
			h.writes("anna", backlog+1)
		}()
		h.reload(func(c *config.Config) { c.Channels = h.cfg.Channels })
		<-wrote
		h.waits(time.Minute)
		h.wantShown("anna", backlog+1)
	})
}

// TestReloadRefusesMistakes: nothing changes, and all mistakes come at once.
func TestReloadRefusesMistakes(t *testing.T) {
	all := &fakes{}
	inHouse(t, func(h *house) {
		before := h.gw.now()
		all.refuse = "bad"
		err := h.tryReload(func(c *config.Config) {
			c.Channels[0].Culture = "de"
			bad, stray := named("bad"), named("stray")
			stray.Network = "pigeon"
			c.Channels = append(c.Channels, bad, stray)
		})
		if problems := config.Flatten(err); len(problems) != 2 {
			t.Errorf("problems %v", problems)
		}
		if h.gw.now() != before {
			t.Error("something changed")
		}
		if a, n := all.last(testChannel); n != 2 || !a.closed.Load() {
			t.Error("the connector made on trial is not closed")
		}
		h.writes("anna", 1)
		h.waits(5 * time.Second)
		h.wantShown("anna", 1)
	}, all.into)
}

// TestReloadWithoutNews changes nothing at all.
func TestReloadWithoutNews(t *testing.T) {
	inHouse(t, func(h *house) {
		shop := h.gw.channel(testChannel)
		h.reload(func(*config.Config) {})
		if h.gw.channel(testChannel) != shop {
			t.Error("the channel was built anew")
		}
		h.reload(func(c *config.Config) { c.Egress.Proxy = "http://proxy:3128" })
		if h.gw.channel(testChannel) == shop {
			t.Error("the channel goes on by the old egress")
		}
	})
}

// TestReloadMovesPorts: two channels exchange their Ports, and a third one is
// renamed. No sentence is taken for a Port that nobody serves.
func TestReloadMovesPorts(t *testing.T) {
	all := &fakes{}
	inHouse(t, func(h *house) {
		h.deliverTo("a", "anna")
		h.deliverTo("b", "berta")
		h.deliverTo("c", "carl")
		h.waits(5 * time.Second)
		h.reload(func(c *config.Config) {
			c.Channels[1].Port, c.Channels[2].Port = "b", "a"
			c.Channels[3].Name = "d"
		})
		for _, say := range []struct{ port, customer, text string }{
			{"a", "anna", "to b"}, {"b", "berta", "to a"}, {"c", "carl", "to d"},
		} {
			chat, err := h.core.Find(refcore.Address{Peer: testPeer, Port: say.port, TrackingID: say.customer + "|fake"})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := h.core.Say(chat.ID, say.text); err != nil {
				t.Fatal(err)
			}
		}
		h.waits(10 * time.Second)
		for name, want := range map[string][]string{"a": {"to a"}, "b": {"to b"}, "c": nil, "d": {"to d"}} {
			if got := all.sentBy(name); !slices.Equal(got, want) {
				t.Errorf("%s sent %q, want %q", name, got, want)
			}
		}
		if len(h.dead()) != 0 {
			t.Errorf("dead letters %v", h.dead())
		}
	}, all.into, withChannels("a", "b", "c"))
}

// TestReloadDuringAReconnection: the core comes and goes while channels change;
// every Port is claimed on the session that is there in the end.
func TestReloadDuringAReconnection(t *testing.T) {
	inHouse(t, func(h *house) {
		for i := range 10 {
			go h.door.breakAll()
			h.reload(func(c *config.Config) { c.Channels[0].Culture = []string{"de", "en"}[i%2] })
			h.waits(time.Duration(i*37) * time.Millisecond)
		}
		h.waits(time.Minute)
		if s := h.gw.channel(testChannel).port.current(); s == nil || s != h.gw.link.Session() {
			t.Error("the Port is not claimed on the present session")
		}
		h.writes("anna", 1)
		h.waits(5 * time.Second)
		h.wantShown("anna", 1)
	})
}

// TestReloadTellsWhatNeedsARestart, and takes over the rest.
func TestReloadTellsWhatNeedsARestart(t *testing.T) {
	inHouse(t, func(h *house) {
		h.reload(func(c *config.Config) {
			c.Core.Secret = config.NewSecret("PLANTED")
			c.Core.Window = 7
			c.Public.Listen = "127.0.0.1:1"
			c.Journal.MaxBytes = 5
			c.Log.Format = "json"
			c.Texts.Closed = map[string]string{"en": "gone fishing"}
			c.Limits.Deadline = time.Hour
		})
		for _, key := range []string{"core.secret", "core.window", "public.listen", "journal.max_bytes", "log.format"} {
			if h.logged("not used before a restart", "key="+key) != 1 {
				t.Errorf("%s is not reported", key)
			}
		}
		if n := h.logged("not used before a restart"); n != 5 || h.logged("PLANTED") != 0 {
			t.Errorf("%d lines", n)
		}
		now := h.gw.config()
		if now.Core.Window != 256 || now.Limits.Deadline != time.Hour || now.Texts.Closed["en"] != "gone fishing" {
			t.Errorf("in force: window %d, deadline %v, texts %v", now.Core.Window, now.Limits.Deadline, now.Texts.Closed)
		}
	})
}

// TestReloadWhileStopping: the stop goes first, and leaves nothing behind.
func TestReloadWhileStopping(t *testing.T) {
	all := &fakes{}
	inHouse(t, func(h *house) {
		old := h.hangsOnOne(all)
		h.waits(time.Second)
		gw, done := h.gw, make(chan error, 1)
		go func() {
			done <- h.tryReload(func(c *config.Config) {
				c.Channels[0].Culture = "de"
				c.Channels = append(c.Channels, named("late"))
			})
		}()
		h.waits(time.Second)
		go func() { time.Sleep(time.Second); close(old.block) }()
		h.stop()
		if err := <-done; !errors.Is(err, ErrStopping) {
			t.Errorf("reload: %v", err)
		}
		if err := gw.Reload(h.Context(), h.cfg); !errors.Is(err, ErrStopping) {
			t.Errorf("reload after the stop: %v", err)
		}
		for _, name := range []string{testChannel, "late"} {
			if a := mine(all.last(name)); !a.closed.Load() {
				t.Errorf("%s is left open", name)
			}
		}
	}, all.into)
}

// TestReloadBeforeTheStart waits for it, or for its own end.
func TestReloadBeforeTheStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, err := New(&config.Config{}, Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer g.life.stopHard()
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		if err := g.Reload(ctx, &config.Config{}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("reload = %v", err)
		}
	})
}

// TestReloadWaitsOnACoreWithoutFence: what another gateway wrote for a Port that
// is taken over may still be on its way. What was ours is ours at once.
func TestReloadWaitsOnACoreWithoutFence(t *testing.T) {
	inHouse(t, func(h *house) {
		h.waits(5 * time.Second)
		claimed := func(name string) time.Duration {
			began := time.Now()
			if _, err := h.gw.channel(name).port.claimed(h.Context()); err != nil {
				t.Error(err)
			}
			return time.Since(began)
		}
		h.reload(func(c *config.Config) {
			c.Channels[0].Culture = "de"
			c.Channels = append(c.Channels, named("added"))
		})
		if d := claimed(testChannel); d >= time.Second {
			t.Errorf("the Port that was ours is claimed after %v", d)
		}
		if d := claimed("added"); d < h.cfg.Core.Settle {
			t.Errorf("the new Port is claimed after %v, want %v", d, h.cfg.Core.Settle)
		}
	}, plainCore)
}
