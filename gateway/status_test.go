package gateway

import (
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"servicelink/config"
	"servicelink/connectors"
	"servicelink/gateway/journal"
)

// asks calls the private API of the running gateway.
func (h *house) asks(method, target string, status int, answer any) {
	h.Helper()
	r := httptest.NewRequestWithContext(h.Context(), method, target, nil)
	r.Host = "localhost:9090"
	w := httptest.NewRecorder()
	h.gw.privateHandler().ServeHTTP(w, r)
	if w.Code != status {
		h.Fatalf("%s %s answers %d %s, want %d", method, target, w.Code, w.Body, status)
	}
	if answer == nil {
		return
	}
	if err := json.Unmarshal(w.Body.Bytes(), answer); err != nil {
		h.Fatal(err)
	}
}

func TestStatus(t *testing.T) {
	t.Parallel()
	inHouse(t, func(h *house) {
		h.writes("ann", 1)
		h.waits(5 * time.Second)
		h.net.fail = func(int, connectors.Part) error {
			return &connectors.SendError{Outcome: connectors.Rejected, Reason: connectors.ReasonBlocked, Hint: "she has blocked the bot"}
		}
		h.says("ann", "hello")
		h.waits(5 * time.Second)
		var s Status
		h.asks(http.MethodGet, "/api/v1/status", http.StatusOK, &s)
		if !s.Ready || s.Core != "up" || s.Journal.State != "ok" || s.Journal.Volatile != h.gw.journal.Volatile() || !s.Balanced ||
			s.Uptime != 10 || len(s.Faults) != 0 || s.Suspects != 0 || len(s.Channels) != 1 {
			t.Fatalf("status %+v", s)
		}
		ch := s.Channels[0]
		if ch.Name != testChannel || ch.Network != "fake" || ch.State != stateOK || ch.In.Done == 0 || ch.Out.Dead != 1 {
			t.Errorf("channel %+v", ch)
		}
		if ch.LastError == nil || ch.LastError.Reason != "blocked" || ch.LastError.Hint != "she has blocked the bot" {
			t.Errorf("last error %+v", ch.LastError)
		}

		h.door.away.Store(true)
		h.door.breakAll()
		h.writes("ann", 2)
		h.waits(time.Minute)
		h.asks(http.MethodGet, "/api/v1/status", http.StatusOK, &s)
		if s.Core == "up" || len(s.Faults) == 0 || s.Channels[0].In.Pending != 1 || s.Channels[0].In.Oldest.IsZero() {
			t.Errorf("without a core: %+v", s)
		}
		h.door.away.Store(false)
		h.waits(time.Minute)
	})
}

func TestStatusSums(t *testing.T) {
	t.Parallel()
	s := Status{Balanced: true, Channels: []ChannelStatus{{Name: "shop"}}}
	s.fill(map[journal.LedgerKey]journal.LedgerEntry{
		{Channel: "shop", Direction: journal.In}:  {Counts: journal.Counts{Accepted: 3, Requeued: 1, Done: 2, Dead: 1, Pending: 1}},
		{Channel: "shop", Direction: journal.Out}: {Counts: journal.Counts{Accepted: 2, Done: 1}},
	}, []journal.Row{
		{Seq: 9, Reason: "new", Entry: journal.Entry{Lane: journal.Lane{Channel: "shop"}}},
		{Seq: 8, Reason: "old", Entry: journal.Entry{Lane: journal.Lane{Channel: "shop"}}},
	})
	if s.Balanced || s.Channels[0].In.Pending != 1 || s.Channels[0].Out.Accepted != 2 || s.Channels[0].LastError.Seq != 9 {
		t.Errorf("%+v", s)
	}
}

// TestAPICallsAreGuarded: none of them answers without the token.
func TestAPICallsAreGuarded(t *testing.T) {
	t.Parallel()
	calls := (&Gateway{}).apiCalls()
	for _, c := range calls {
		asked := false
		method, _, _ := strings.Cut(c.method, ",")
		rig := newPrivateRig(rigToken)
		c.handler = func(http.ResponseWriter, *http.Request) { asked = true }
		rig.handler = newPrivateHandler(config.Private{Token: config.NewSecret(rigToken)}, rigRegistry(), &rig.health,
			rig.journal, &rig.waiting, &rig.parked, slog.New(slog.DiscardHandler), redactRow, c)
		if res := rig.call(method, c.path); res.Code != http.StatusUnauthorized || asked {
			t.Errorf("%s %s answers %d without the token", c.method, c.path, res.Code)
		}
		if rig.call(method, c.path, "Authorization", "Bearer "+rigToken); !asked {
			t.Errorf("%s %s does not answer to the token", c.method, c.path)
		}
	}
}
