package gateway

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"servicelink/connectors"
	"servicelink/gateway/journal"
	"servicelink/simprot"
	"servicelink/simprot/refcore"
)

// forgets asks for it as the command does.
func (h *house) forgets(tracking, channel, pending string, status int) (answer Forgotten) {
	h.Helper()
	form := url.Values{"tracking": {tracking}}
	for name, value := range map[string]string{"channel": channel, "pending": pending} {
		if value != "" {
			form.Set(name, value)
		}
	}
	r := httptest.NewRequestWithContext(h.Context(), http.MethodPost, "/api/v1/forget", strings.NewReader(form.Encode()))
	r.Host = "localhost:9090"
	w := httptest.NewRecorder()
	h.gw.privateHandler().ServeHTTP(w, r)
	if w.Code != status {
		h.Fatalf("forget %s answers %d %s, want %d", tracking, w.Code, w.Body, status)
	}
	if status == http.StatusOK {
		if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil {
			h.Fatal(err)
		}
	}
	return answer
}

// wantNothingOfAnn checks that neither the journal nor the memory knows her.
func (h *house) wantNothingOfAnn() {
	h.Helper()
	const tracking = "ann|fake"
	rows, err := h.disk.mem.Trace(h.Context(), journal.TraceQuery{Channel: testChannel, TrackingID: tracking, Recent: 1000, Limit: 1000})
	if err != nil || len(rows) != 0 {
		h.Errorf("rows of %s: %d, %v", tracking, len(rows), err)
	}
	if c, ok, err := h.disk.mem.Conversation(h.Context(), testChannel, tracking); ok || err != nil {
		h.Errorf("conversation: %+v, %v", c, err)
	}
	ch := h.gw.channel(testChannel)
	if h.gw.convs.find(ch, tracking) != nil {
		h.Errorf("%s is in memory", tracking)
	}
	ch.port.owed.mu.Lock()
	defer ch.port.owed.mu.Unlock()
	if slices.ContainsFunc(ch.port.owed.list, func(c confirmation) bool { return c.tracking == tracking }) {
		h.Errorf("a confirmation of %s is owed", tracking)
	}
	ch.limits.mu.Lock()
	defer ch.limits.mu.Unlock()
	if _, known := ch.limits.recipients[tracking]; known {
		h.Errorf("the limits know %s", tracking)
	}
}

// TestForget: nothing is left, and nothing is said twice for it, by either side.
func TestForget(t *testing.T) {
	t.Parallel()
	inHouse(t, func(h *house) {
		h.writes("ann", 1)
		h.writes("bob", 1)
		h.waits(5 * time.Second)
		h.says("ann", "answer")
		h.waits(time.Second)
		h.net.fail = func(int, connectors.Part) error {
			return &connectors.SendError{Outcome: connectors.Rejected, Reason: connectors.ReasonBlocked}
		}
		h.says("ann", "dead")
		h.waits(2 * time.Minute) // confirmed for good
		h.net.fail = nil
		h.forgets("nobody", "", "", http.StatusNotFound)
		h.forgets("ann|fake", "nobody", "", http.StatusNotFound)
		answer := h.forgets("ann|fake", "", "", http.StatusOK)
		want := ForgottenIn{Channel: testChannel, Messages: 4, DeadLetters: 1, Clean: true, Open: true} // one is the note
		if len(answer.Channels) != 1 || answer.Channels[0] != want || answer.Conversation != simprot.LogID("ann|fake") {
			t.Errorf("%+v, want %+v", answer, want)
		}
		h.wantNothingOfAnn()
		h.forgets("ann|fake", testChannel, "", http.StatusNotFound)
		if h.logged("level=WARN", `msg="admin action"`, "action=forget", "channel=shop", "conversation="+simprot.LogID("ann|fake"),
			"rows=4", "dead_letters=1", "given_up=0", "clean=true", "remote=", "result=done") != 1 {
			t.Errorf("the audit: %s", h.logs)
		}
		if h.logged("action=forget", "channel=-", "result=\"nothing is known of this TrackingId\"") != 2 {
			t.Errorf("the refused ones: %s", h.logs)
		}
		h.writes("ann", 1) // the network repeats it
		h.waits(5 * time.Minute)
		h.writes("ann", 2)
		h.waits(5 * time.Second)
		h.wantShown("ann", 2)
		h.wantShown("bob", 1)
		if got := h.net.got(); !slices.Equal(got, []string{"answer"}) {
			t.Errorf("sent %q", got)
		}
		h.stop()
		h.start()
		h.says("ann", "after")
		h.waits(time.Minute)
		if got := h.net.got(); got[len(got)-1] != "after" || len(h.confirmed("ann")) != 2 {
			t.Errorf("sent %q, confirmed %v", got, h.confirmed("ann"))
		}
		h.wantShown("ann", 2)
	})
}

// TestForgetConfirms: an agent's sentence whose confirmation the core has not
// read is confirmed from what is left, and not sent again.
func TestForgetConfirms(t *testing.T) {
	t.Parallel()
	inHouse(t, func(h *house) {
		h.writes("ann", 1)
		h.waits(5 * time.Second)
		h.fault(refcore.FaultDrop, simprot.CodeChatConfirmIn, 1)
		id := h.says("ann", "answer")
		h.door.away.Store(true)
		h.waits(10 * time.Second)
		if len(h.confirmed("ann")) != 0 {
			t.Error("it is confirmed already")
		}
		h.forgets("ann|fake", "", "", http.StatusOK)
		h.wantNothingOfAnn()
		h.door.away.Store(false)
		h.waits(5 * time.Minute)
		if got := h.net.got(); !slices.Equal(got, []string{"answer"}) || !slices.Contains(h.confirmed("ann"), id) {
			t.Errorf("sent %q, confirmed %v", got, h.confirmed("ann"))
		}
	})
}

// TestForgetPending: what is pending is given up only when it is asked for; the
// channel goes on.
func TestForgetPending(t *testing.T) {
	t.Parallel()
	inHouse(t, func(h *house) {
		h.writes("ann", 1)
		h.writes("bob", 1)
		h.waits(5 * time.Second)
		h.asks(http.MethodPost, pauseShop, http.StatusOK, nil)
		h.says("ann", "one")
		h.says("ann", "two")
		h.says("bob", "kept")
		h.waits(time.Second)
		h.forgets("ann|fake", "", "", http.StatusConflict)
		h.forgets("ann|fake", "", "maybe", http.StatusBadRequest)
		if h.pending(journal.Out) != 3 {
			t.Errorf("%d pending", h.pending(journal.Out))
		}
		// The channel asks when it starts again, and the chat is still open.
		if err := h.core.AddFault(refcore.Fault{Kind: refcore.FaultLate, Code: simprot.CodeChatResync, Count: 1, Delay: time.Second}); err != nil {
			t.Fatal(err)
		}
		answer := h.forgets("ann|fake", "", "true", http.StatusOK)
		if c := answer.Channels[0]; c.Messages != 3 || c.GivenUp != 2 || !c.Clean {
			t.Errorf("%+v", answer)
		}
		h.wantNothingOfAnn()
		h.balanced()
		if h.pending(journal.Out) != 1 || len(h.dead()) != 0 {
			t.Errorf("%d pending, dead %v", h.pending(journal.Out), h.dead())
		}
		h.asks(http.MethodPost, resumeShop, http.StatusOK, nil)
		h.waits(5 * time.Minute)
		if got := h.net.got(); !slices.Equal(got, []string{"kept"}) {
			t.Errorf("sent %q", got)
		}
		h.writes("ann", 2)
		h.writes("bob", 2)
		h.waits(5 * time.Second)
		h.wantShown("ann", 2)
		h.wantShown("bob", 2)
		if !strings.Contains(h.scrape(), `servicelink_dead_total{channel="shop",direction="out",network="fake",reason="discarded"} 2`) {
			t.Error("the metrics do not count what was given up")
		}
	})
}

// TestForgetWhileCoreAway gives up what waits for a core that is away.
func TestForgetWhileCoreAway(t *testing.T) {
	t.Parallel()
	inHouse(t, func(h *house) {
		h.door.away.Store(true)
		h.door.breakAll()
		h.waits(time.Second)
		h.writes("ann", 1)
		h.writes("bob", 1)
		h.waits(time.Minute)
		h.forgets("ann|fake", "", "", http.StatusConflict)
		if c := h.forgets("ann|fake", "", "true", http.StatusOK).Channels[0]; c.Messages != 1 || c.GivenUp != 1 {
			t.Errorf("%+v", c)
		}
		h.wantNothingOfAnn()
		h.door.away.Store(false)
		h.waits(5 * time.Minute)
		h.wantShown("bob", 1)
		if ids, _ := h.shown("ann"); len(ids) != 0 {
			t.Errorf("shown %v", ids)
		}
	})
}

// TestForgetUnderTraffic forgets a customer again and again while both sides
// write: nothing is said twice, and nothing is stuck in the end.
func TestForgetUnderTraffic(t *testing.T) {
	t.Parallel()
	inHouse(t, func(h *house) {
		h.writes("ann", 1)
		h.waits(5 * time.Second)
		answers := make(map[int]int)
		for i := range 60 {
			h.writes("ann", i+2)
			if i%3 == 0 {
				h.writes("ann", i+1) // again
			}
			h.says("ann", fmt.Sprint("answer ", i))
			h.waits(time.Duration(i*i%17) * 100 * time.Millisecond)
			form := url.Values{"tracking": {"ann|fake"}, "pending": {fmt.Sprint(i%4 == 0)}}
			r := httptest.NewRequestWithContext(h.Context(), http.MethodPost, "/api/v1/forget", strings.NewReader(form.Encode()))
			r.Host = "localhost"
			w := httptest.NewRecorder()
			h.gw.privateHandler().ServeHTTP(w, r)
			answers[w.Code]++
			if i%20 == 19 {
				h.crash()
				h.start()
			}
		}
		h.waits(10 * time.Minute)
		if answers[http.StatusOK] < 30 || answers[http.StatusInternalServerError]+answers[http.StatusServiceUnavailable] > 0 {
			t.Errorf("answers %v", answers)
		}
		h.writes("ann", 100)
		last := h.says("ann", "the last")
		h.waits(time.Minute)
		ids, _ := h.shown("ann") // twice would fail
		if ids[len(ids)-1] != textEvent("ann", 100).ID || !slices.Contains(h.confirmed("ann"), last) {
			t.Errorf("stuck: shown %v", ids)
		}
		got := h.net.got()
		unique := slices.Clone(got)
		slices.Sort(unique)
		if unique = slices.Compact(unique); len(unique) != len(got) || got[len(got)-1] != "the last" {
			t.Errorf("sent %q", got)
		}
		if h.pending(journal.In)+h.pending(journal.Out) != 0 {
			t.Error("something is pending")
		}
	}, reportUnknown)
}

// TestForgetElsewhere: conversations of channels that are not served, and
// sentences for Ports nobody has.
func TestForgetElsewhere(t *testing.T) {
	t.Parallel()
	inHouse(t, func(h *house) {
		h.writes("ann", 1)
		h.waits(5 * time.Second)
		gone := journal.Lane{Channel: "gone", Direction: journal.Out, TrackingID: "ann|fake"}
		foreign := journal.Lane{Channel: unknownChannel, Direction: journal.Out, TrackingID: foreignID("port", "ann|fake")}
		other := journal.Lane{Channel: unknownChannel, Direction: journal.Out, TrackingID: foreignID("port", "joann|fake")}
		for _, e := range []journal.Entry{{Lane: gone, ID: "1"}, {Lane: foreign, ID: "2", DeadReason: "no_channel"}, {Lane: other, ID: "3", DeadReason: "no_channel"}} {
			if _, err := h.gw.journal.Accept(h.Context(), e); err != nil {
				t.Fatal(err)
			}
		}
		h.forgets("ann|fake", "", "", http.StatusConflict)
		answer := h.forgets("ann|fake", "", "true", http.StatusOK)
		want := []ForgottenIn{
			{Channel: unknownChannel, Messages: 1, DeadLetters: 1, Clean: true},
			{Channel: "gone", Messages: 1, GivenUp: 1, Clean: true},
			{Channel: testChannel, Messages: 1, Clean: true, Open: true},
		}
		if !slices.Equal(answer.Channels, want) {
			t.Errorf("%+v", answer.Channels)
		}
		if len(h.dead()) != 1 {
			t.Errorf("dead letters %v", h.dead())
		}
	})
}

func TestForgetForm(t *testing.T) {
	t.Parallel()
	inHouse(t, func(h *house) {
		for _, body := range []string{"", "tracking=", "tracking=a&tracking=b", "tracking=a&who=b", "%zz", "tracking=" + strings.Repeat("a", formMax)} {
			r := httptest.NewRequestWithContext(h.Context(), http.MethodPost, "/api/v1/forget?tracking=ann", strings.NewReader(body))
			r.Host = "localhost"
			w := httptest.NewRecorder()
			h.gw.privateHandler().ServeHTTP(w, r)
			if w.Code != http.StatusBadRequest {
				t.Errorf("%.30q answers %d %s", body, w.Code, w.Body)
			}
		}
	})
}
