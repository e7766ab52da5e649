package gateway

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"servicelink/config"
	"servicelink/connectors"
	"servicelink/gateway/journal"
	"servicelink/simprot/refcore"
)

// listing is a network that lists what it received.
type listing struct {
	*fakeNetwork
	mu    sync.Mutex
	all   []connectors.Event // with SentAt
	looks []string           // the times each look asked for, since the start of the test
	fail  error
	began time.Time
	// stuck: the first message is delivered, then nothing more is heard.
	stuck bool
}

func (l *listing) Recover(ctx context.Context, since, until time.Time, in connectors.Inbox) error {
	l.mu.Lock()
	l.looks = append(l.looks, fmt.Sprintf("%v-%v", since.Sub(l.began).Round(time.Minute), until.Sub(l.began).Round(time.Minute)))
	fail, stuck := l.fail, l.stuck
	var found []connectors.Event
	for _, ev := range l.all {
		if !ev.SentAt.Before(since) && ev.SentAt.Before(until) {
			found = append(found, ev)
		}
	}
	l.mu.Unlock()
	if fail != nil {
		return fail
	}
	if len(found) == 0 {
		return nil
	}
	if stuck {
		if err := in.Deliver(ctx, found[:1]); err != nil {
			return err
		}
		<-ctx.Done()
		return ctx.Err()
	}
	return in.Deliver(ctx, found)
}

// set changes how the network behaves.
func (l *listing) set(change func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	change()
}

// looked is how often the network was asked.
func (l *listing) looked() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.looks)
}

// receives is a customer's message that the network received, whatever becomes of
// its webhook.
func (l *listing) receives(customer string, n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	ev := textEvent(customer, n)
	ev.SentAt = time.Now()
	l.all = append(l.all, ev)
}

// inListing runs a test with a network that lists what it received. The first
// message has come by a webhook.
func inListing(t *testing.T, test func(h *house, l *listing), options ...houseOption) {
	t.Helper()
	var l *listing
	inHouse(t, func(h *house) {
		h.opened()
		test(h, l)
	}, append(options, func(h *house, _ *refcore.Options) {
		l = &listing{fakeNetwork: h.net, began: time.Now()}
		h.cfg.Limits.RecoverAfter = 3 * time.Minute
		h.build = func(config.Channel) (connectors.Connector, error) { return l, nil }
	})...)
}

// TestLostWebhookIsRecovered: what the network received and no webhook brought is
// shown once, and a webhook that comes later is a repeat.
func TestLostWebhookIsRecovered(t *testing.T) {
	inListing(t, func(h *house, l *listing) {
		l.receives("anna", 2) // not lost
		h.writes("anna", 2)
		l.receives("anna", 3) // lost
		h.waits(2 * time.Minute)
		h.wantShown("anna", 2) // the webhook has its time
		h.waits(10 * time.Minute)
		l.receives("anna", 4)
		h.waits(10 * time.Minute)
		h.writes("anna", 3) // late
		h.waits(time.Hour)
		h.wantShown("anna", 4)
		if got := testutil.ToFloat64(h.gw.channel(testChannel).metrics.lost); got != 2 {
			t.Errorf("%v messages were recovered, want 2", got)
		}
		h.balanced()
	})
}

// TestRecoveryGoesOnAfterARestart: what came while nobody was there is found.
func TestRecoveryGoesOnAfterARestart(t *testing.T) {
	inListing(t, func(h *house, l *listing) {
		h.crash()
		<-time.After(2 * time.Hour)
		l.receives("anna", 2)
		<-time.After(2 * time.Hour)
		h.start()
		h.waits(10 * time.Minute)
		h.wantShown("anna", 2)
	}, oldJournal)
}

// TestRecoveryLeavesHistoryAlone: what was received before the journal was made, or
// before the channel took its first message here, is somebody else's.
func TestRecoveryLeavesHistoryAlone(t *testing.T) {
	for name, age := range map[string]houseOption{"new journal": nil, "old journal": oldJournal} {
		t.Run(name, func(t *testing.T) {
			var l *listing
			options := []houseOption{func(h *house, _ *refcore.Options) {
				l = &listing{fakeNetwork: h.net, began: time.Now()}
				l.receives("anna", 1)
				<-time.After(30 * time.Minute)
				h.cfg.Limits.RecoverAfter = 3 * time.Minute
				h.build = func(config.Channel) (connectors.Connector, error) { return l, nil }
			}}
			if age != nil {
				options = append(options, age)
			}
			inHouse(t, func(h *house) {
				h.waits(time.Hour)
				l.receives("bob", 1)
				h.waits(3 * time.Hour)
				ledger, err := h.disk.mem.Ledger(t.Context())
				key := journal.LedgerKey{Channel: testChannel, Direction: journal.In}
				if got := ledger[key].Accepted; err != nil || got != 1 {
					t.Errorf("%d messages were taken, %v, want Bob's alone", got, err)
				}
			}, options...)
		})
	}
}

// TestRecoveryAsksForLittle: a look overlaps the one before and goes no further
// back.
func TestRecoveryAsksForLittle(t *testing.T) {
	inListing(t, func(h *house, l *listing) {
		h.waits(3 * time.Hour)
		l.mu.Lock()
		last := l.looks[len(l.looks)-1]
		l.mu.Unlock()
		var since, until time.Duration
		from, to, _ := strings.Cut(last, "-")
		since, _ = time.ParseDuration(from)
		until, _ = time.ParseDuration(to)
		if got := until - since; got != time.Hour+3*time.Minute {
			t.Errorf("the last look asked for %v, %s", got, last)
		}
	})
}

// TestRecoveryThatFails: it is tried again, visibly, and loses nothing meanwhile.
func TestRecoveryThatFails(t *testing.T) {
	inListing(t, func(h *house, l *listing) {
		l.mu.Lock()
		l.fail = &connectors.SendError{Outcome: connectors.NotSent, Reason: connectors.ReasonServer, Code: "500"}
		l.mu.Unlock()
		l.receives("anna", 2)
		h.waits(2 * time.Hour)
		if faults := h.gw.channel(testChannel).faults(); !slices.ContainsFunc(faults, func(f Fault) bool { return f.What == stateDeaf }) {
			t.Errorf("faults %+v", faults)
		}
		l.mu.Lock()
		l.fail = nil
		l.mu.Unlock()
		h.waits(30 * time.Minute)
		h.wantShown("anna", 2)
		if faults := h.gw.channel(testChannel).faults(); len(faults) != 0 {
			t.Errorf("faults %+v", faults)
		}
	})
}

// TestRecoveryEndsInTheMiddle: a stop waits for no network, and what was not
// delivered is found by the next process; what was, is not shown again.
func TestRecoveryEndsInTheMiddle(t *testing.T) {
	inListing(t, func(h *house, l *listing) {
		l.set(func() { l.stuck = true })
		l.receives("anna", 2)
		l.receives("anna", 3)
		h.waits(10 * time.Minute)
		h.wantShown("anna", 2)
		began := time.Now()
		h.stop()
		if took := time.Since(began); took > 5*time.Second {
			t.Errorf("the stop took %v", took)
		}
		l.set(func() { l.stuck = false })
		h.start()
		h.waits(10 * time.Minute)
		h.wantShown("anna", 3)
	}, oldJournal)
}

// TestRecoveryRests: a network is not asked while its channel is paused, nor sooner
// than it wishes.
func TestRecoveryRests(t *testing.T) {
	inListing(t, func(h *house, l *listing) {
		h.waits(10 * time.Minute)
		h.asks(http.MethodPost, pauseShop, http.StatusOK, nil)
		paused := l.looked()
		if h.waits(time.Hour); paused == 0 || l.looked() != paused {
			t.Errorf("%d looks before the pause, %d after an hour of it", paused, l.looked())
		}
		l.receives("anna", 2)
		h.waits(10 * time.Minute)
		h.asks(http.MethodPost, resumeShop, http.StatusOK, nil)
		h.waits(10 * time.Minute)
		h.wantShown("anna", 2)

		l.set(func() {
			l.fail = &connectors.SendError{Outcome: connectors.NotSent, Reason: connectors.ReasonRate, RetryAfter: 40 * time.Minute}
		})
		h.waits(4 * time.Minute)
		asked := l.looked()
		if h.waits(35 * time.Minute); l.looked() != asked {
			t.Errorf("asked %d times before the network's time was over", l.looked()-asked)
		}
	})
}

// TestRecoveryGoesNoFurtherThanIDsAreKept: after a list that could not be had for
// days, what came meanwhile and was swept is not shown again.
func TestRecoveryGoesNoFurtherThanIDsAreKept(t *testing.T) {
	inListing(t, func(h *house, l *listing) {
		h.waits(10 * time.Minute)
		l.set(func() {
			l.fail = &connectors.SendError{Outcome: connectors.NotSent, Reason: connectors.ReasonServer, Code: "500"}
		})
		h.waits(2 * 24 * time.Hour)
		l.set(func() { l.fail, l.looks = nil, nil })
		h.waits(time.Hour)
		l.mu.Lock()
		first := l.looks[0]
		l.mu.Unlock()
		from, to, _ := strings.Cut(first, "-")
		since, _ := time.ParseDuration(from)
		until, _ := time.ParseDuration(to)
		if got := until - since; got > 12*time.Hour || got < 11*time.Hour {
			t.Errorf("the first look after days asked for %v, %s, want half of a day", got, first)
		}
	}, func(h *house, _ *refcore.Options) {
		h.cfg.Journal.KeepContent, h.cfg.Journal.KeepIDs = time.Hour, 24*time.Hour
	})
}

// TestRecoverNeedsWebhooks: there is nothing to recover without.
func TestRecoverNeedsWebhooks(t *testing.T) {
	if err := checkContract(struct {
		connectors.Connector
		connectors.Runner
		connectors.Recoverer
	}{Connector: &fakeNetwork{}}); err == nil || !strings.Contains(err.Error(), "recovers webhooks and has none") {
		t.Errorf("checkContract: %v", err)
	}
}
