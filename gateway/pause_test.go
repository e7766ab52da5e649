package gateway

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"servicelink/config"
	"servicelink/connectors"
	"servicelink/gateway/journal"
	"servicelink/simprot/refcore"
)

const (
	pauseShop  = "/api/v1/channels/" + testChannel + "/pause"
	resumeShop = "/api/v1/channels/" + testChannel + "/resume"
)

// TestPause: nothing is sent, what comes in is shown, and neither a restart nor
// a reload ends it.
func TestPause(t *testing.T) {
	t.Parallel()
	inHouse(t, func(h *house) {
		h.writes("ann", 1)
		h.waits(5 * time.Second)
		h.asks(http.MethodPost, resumeShop, http.StatusConflict, nil)
		h.asks(http.MethodPost, "/api/v1/channels/nobody/pause", http.StatusNotFound, nil)
		h.asks(http.MethodPost, pauseShop, http.StatusOK, nil)
		h.asks(http.MethodPost, pauseShop, http.StatusConflict, nil)
		wantPaused := func(when string) {
			t.Helper()
			h.waits(time.Minute)
			if len(h.net.got()) != 0 {
				t.Errorf("%s: sent %q", when, h.net.got())
			}
			if faults, _ := h.gw.ChannelFault(testChannel); len(faults) != 1 || faults[0].What != stateHeld || !strings.Contains(faults[0].Hint, "resume") {
				t.Errorf("%s: faults %+v", when, faults)
			}
			if !strings.Contains(h.scrape(), `servicelink_channel_state{channel="shop",network="fake",state="paused_by_operator"} 1`) {
				t.Errorf("%s: the metrics do not say so", when)
			}
		}
		h.says("ann", "one")
		h.says("ann", "two")
		wantPaused("paused")
		h.writes("ann", 2)
		h.waits(5 * time.Second)
		h.wantShown("ann", 2)
		h.stop()
		h.start()
		wantPaused("started again")
		h.reload(func(c *config.Config) { c.Channels[0].Culture = "de" })
		wantPaused("read again")
		if h.pending(journal.Out) != 2 {
			t.Errorf("%d pending", h.pending(journal.Out))
		}
		h.asks(http.MethodPost, resumeShop, http.StatusOK, nil)
		h.waits(5 * time.Second)
		if got := h.net.got(); !slices.Equal(got, []string{"one", "two"}) {
			t.Errorf("sent %q", got)
		}
		h.stop()
		h.start()
		h.waits(time.Second)
		if s := h.gw.channel(testChannel).state(); s != stateOK {
			t.Errorf("resumed and started again: %s", s)
		}
	})
}

// pollNet is a network that is polled.
type pollNet struct {
	fakeAddresser
	running atomic.Int32
}

func (p *pollNet) Run(ctx context.Context, _ connectors.Inbox) error {
	p.running.Add(1)
	defer p.running.Add(-1)
	<-ctx.Done()
	return ctx.Err()
}

// fakeAddresser is what the engine needs of any connector.
type fakeAddresser struct{}

func (fakeAddresser) Capabilities() connectors.Capabilities {
	return connectors.Capabilities{TextLimit: 100, Unknown: config.Report}
}

func (fakeAddresser) Send(context.Context, connectors.Part) (connectors.Receipt, error) {
	return connectors.Receipt{}, nil
}

// TestPauseRestsPollers: the Runner ends with the pause, stays ended over a
// restart, and begins again.
func TestPauseRestsPollers(t *testing.T) {
	t.Parallel()
	network := &pollNet{}
	inHouse(t, func(h *house) {
		want := func(n int32) {
			t.Helper()
			h.waits(time.Minute)
			if got := network.running.Load(); got != n {
				t.Errorf("%d Runners, want %d", got, n)
			}
		}
		want(1)
		h.asks(http.MethodPost, pauseShop, http.StatusOK, nil)
		want(0)
		h.stop()
		h.start()
		want(0)
		h.asks(http.MethodPost, resumeShop, http.StatusOK, nil)
		want(1)
	}, func(h *house, _ *refcore.Options) {
		h.build = func(config.Channel) (connectors.Connector, error) { return network, nil }
	})
}
