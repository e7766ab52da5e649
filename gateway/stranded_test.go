package gateway

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"servicelink/config"
	"servicelink/gateway/journal"
	"servicelink/simprot"
)

// fakeStranded knows of one channel, "gone", with the rows 3 and 4.
type fakeStranded struct {
	fail      error
	discarded []int64
}

func (f *fakeStranded) List(context.Context) ([]strandedLanes, error) {
	return []strandedLanes{{"gone", "removed", "in", 2, time.Unix(100, 0).UTC()}}, f.fail
}

func (f *fakeStranded) Page(_ context.Context, channel string, after int64, limit int) ([]journal.Row, error) {
	if channel != "gone" {
		return nil, errServed
	}
	var rows []journal.Row
	for seq := max(after+1, 3); seq <= 4 && len(rows) < limit; seq++ {
		rows = append(rows, journal.Row{Seq: seq, State: journal.Accepted, Entry: journal.Entry{
			Lane: journal.Lane{Channel: "gone", Direction: journal.In, TrackingID: "tracking-PLANTED"},
			ID:   fmt.Sprint("m", seq), Content: []byte("text-PLANTED"),
		}})
	}
	return rows, f.fail
}

func (f *fakeStranded) Discard(_ context.Context, seq int64) error {
	f.discarded = append(f.discarded, seq)
	return f.fail
}

func (f *fakeStranded) DiscardAll(context.Context, string) (int, error) { return 2, f.fail }

func TestStrandedAPI(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		method, target string
		fail           error
		status         int
		body           string
	}{
		{"GET", "/api/v1/stranded", nil, 200, `{"channels":[{"channel":"gone","state":"removed","direction":"in","pending":2,"oldest":"1970-01-01T00:01:40Z"}]}`},
		{"GET", "/api/v1/stranded?channel=gone&limit=1", nil, 200, `"next_after":3}`},
		{"GET", "/api/v1/stranded?channel=gone&after=3", nil, 200, `"id":"m4"`},
		{"GET", "/api/v1/stranded?channel=shop", nil, 409, `{"error":"its channel is served"}`},
		{"GET", "/api/v1/stranded?limit=5", nil, 400, "bad query"},
		{"GET", "/api/v1/stranded?channel=gone&after=0", nil, 400, "bad query"},
		{"GET", "/api/v1/stranded?chanel=gone", nil, 400, "bad query"},
		{"GET", "/api/v1/stranded", journal.ErrAway, 503, "journal is not available"},
		{"POST", "/api/v1/stranded/3/discard", nil, 200, `"seq":3`},
		{"POST", "/api/v1/stranded/3/discard", errServed, 409, "its channel is served"},
		{"POST", "/api/v1/stranded/3/discard", errNotWaits, 409, "not pending"},
		{"POST", "/api/v1/stranded/3/discard", errReloading, 409, "try again"},
		{"POST", "/api/v1/stranded/x/discard", nil, 400, "seq must be"},
		{"POST", "/api/v1/stranded/discard?channel=gone", nil, 200, `{"discarded":2,"done":true}`},
		{"POST", "/api/v1/stranded/discard", nil, 400, "bad query"},
		{"POST", "/api/v1/stranded/discard?channel=gone", errServed, 409, "its channel is served"},
		{"GET", "/api/v1/stranded/3/discard", nil, 405, "method"},
	} {
		rig := newPrivateRig("")
		rig.waiting.fail = tc.fail
		w := rig.call(tc.method, tc.target)
		if w.Code != tc.status || !strings.Contains(w.Body.String(), tc.body) {
			t.Errorf("%s %s (%v): %d %s, want %d %s", tc.method, tc.target, tc.fail, w.Code, w.Body, tc.status, tc.body)
		}
		if shown := w.Body.String() + rig.logs.String(); strings.Contains(shown, "PLANTED") {
			t.Errorf("%s shows content: %s", tc.target, shown)
		}
		if tc.method == http.MethodPost && tc.status != 400 && !strings.Contains(rig.logs.String(), "admin action") {
			t.Errorf("%s leaves no line: %s", tc.target, rig.logs)
		}
	}
}

// TestRemovedChannelStrandsItsRows: what is pending stays where it is, an
// operator may discard it, and what is left is taken up when the channel is
// back, in order.
func TestRemovedChannelStrandsItsRows(t *testing.T) {
	inHouse(t, func(h *house) {
		h.core.SetSignal(testChannel, simprot.SignalClosed)
		for n := 1; n <= 4; n++ {
			h.writes("anna", n)
		}
		h.writes("berta", 1)
		h.waits(time.Second)
		all := stranded{h.gw}
		if list, err := all.List(h.Context()); err != nil || len(list) != 0 {
			t.Errorf("stranded while served: %v, %v", list, err)
		}
		h.reload(func(c *config.Config) { c.Channels = nil })
		list, err := all.List(h.Context())
		if err != nil || len(list) != 1 || list[0].Pending != 5 || list[0].State != "removed" || list[0].Channel != testChannel {
			t.Fatalf("stranded: %+v, %v", list, err)
		}
		if series := h.scrape(); strings.Contains(series, `channel="shop"`) || !strings.Contains(series, `servicelink_ledger{channel="-",direction="in",network="-",state="pending"} 5`) {
			t.Error("the series of a removed channel, or not its ledger under -")
		}
		rows, err := all.Page(h.Context(), testChannel, 0, 10)
		if err != nil || len(rows) != 5 {
			t.Fatalf("rows: %d, %v", len(rows), err)
		}
		if err := all.Discard(h.Context(), rows[4].Seq); err != nil {
			t.Error(err)
		}
		if err := all.Discard(h.Context(), rows[4].Seq); !errors.Is(err, errNotWaits) {
			t.Errorf("discarded again: %v", err)
		}
		if len(h.dead()) != 0 {
			t.Errorf("dead letters %v", h.dead())
		}
		h.core.SetSignal(testChannel, simprot.SignalFree)
		h.waits(time.Minute)
		h.reload(func(c *config.Config) { c.Channels = h.cfg.Channels })
		if err := all.Discard(h.Context(), rows[0].Seq); !errors.Is(err, errServed) {
			t.Errorf("discarded although it is served: %v", err)
		}
		h.waits(time.Minute)
		h.wantShown("anna", 4)
		if series := h.scrape(); !strings.Contains(series, `servicelink_channel_state{channel="shop",network="fake",state="ok"} 1`) {
			t.Error("no series of the channel that is back")
		}
	})
}

// TestDiscardAll gives up what waits for a channel that is switched off.
func TestDiscardAll(t *testing.T) {
	inHouse(t, func(h *house) {
		h.door.away.Store(true)
		synctest.Wait() // a connection that was being made is there now
		h.door.breakAll()
		const many = discardAtOnce + 10
		for n := range many {
			h.writes(fmt.Sprint("customer", n), 1)
		}
		h.reload(func(c *config.Config) { c.Channels[0].Enabled = false })
		all := stranded{h.gw}
		if list, err := all.List(h.Context()); err != nil || len(list) != 1 || list[0].State != stateDisabled {
			t.Errorf("stranded: %+v, %v", list, err)
		}
		if n, err := all.DiscardAll(h.Context(), testChannel); n != many || err != nil {
			t.Errorf("discarded %d, %v", n, err)
		}
		if n := h.pending(journal.In); n != 0 {
			t.Errorf("%d pending", n)
		}
		h.door.away.Store(false)
	})
}
