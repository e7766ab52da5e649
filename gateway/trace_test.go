package gateway

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"servicelink/connectors"
	"servicelink/gateway/journal"
	"servicelink/simprot"
)

// TestTrace: every name of a message or its conversation finds it, without
// content unless that is asked for.
func TestTrace(t *testing.T) {
	t.Parallel()
	inHouse(t, func(h *house) {
		h.writes("ann", 1)
		h.writes("bob", 1)
		h.waits(5 * time.Second)
		sentence := h.says("ann", "planted text")
		h.waits(5 * time.Second)
		hash := simprot.LogID("ann|fake")
		for _, c := range []struct {
			q, by    string // by = how it must be understood
			messages int
		}{
			{"ann|fake", byTracking, 2},
			{"in-ann-0001", byID, 1},
			{sentence, byID, 1},
			{h.chat("ann").ID.String(), byID, 1},
			{"net-1", byID, 1},
			{hash, byHash, 2},
			{"ann", byAddress, 2},
		} {
			for _, by := range []string{"", c.by} {
				var answer Trace
				h.asks(http.MethodGet, "/api/v1/trace?"+url.Values{"q": {c.q}, "by": {by}}.Encode(), http.StatusOK, &answer)
				if answer.By != c.by || len(answer.Messages) != c.messages || len(answer.Conversations) != 1 ||
					answer.Conversations[0].Conversation != hash || len(answer.Notes) == 0 {
					t.Errorf("%s by %q: %+v", c.q, by, answer)
				}
				if text, _ := json.Marshal(answer); strings.Contains(string(text), "planted") || strings.Contains(string(text), "ann|fake") || strings.Contains(string(text), "Customer ann") {
					t.Errorf("%s: content is shown: %s", c.q, text)
				}
			}
		}
		h.asks(http.MethodGet, "/api/v1/trace?q=nobody", http.StatusNotFound, nil)
		h.asks(http.MethodGet, "/api/v1/trace?q=ann&channel=other", http.StatusNotFound, nil)
		h.asks(http.MethodGet, "/api/v1/trace?q=ann&by=id", http.StatusNotFound, nil)
		for _, bad := range []string{"", "?q=", "?q=a&by=name", "?q=a&content=yes", "?query=a", "?q=a&q=b"} {
			h.asks(http.MethodGet, "/api/v1/trace"+bad, http.StatusBadRequest, nil)
		}
	})
}

func TestTraceContentIsAudited(t *testing.T) {
	t.Parallel()
	inHouse(t, func(h *house) {
		h.stop()
		h.chatty = true
		h.start()
		h.writes("ann", 1)
		h.waits(5 * time.Second)
		line := []string{`action="trace content"`, "conversation=" + simprot.LogID("ann|fake"), "result=done"}
		var answer Trace
		h.asks(http.MethodGet, "/api/v1/trace?q=in-ann-0001", http.StatusOK, &answer)
		if h.logged(line...) != 0 {
			t.Error("a trace without content is in the log")
		}
		h.asks(http.MethodGet, "/api/v1/trace?q=in-ann-0001&content=true", http.StatusOK, &answer)
		if m, c := answer.Messages[0], answer.Conversations[0]; m.Text != "message 1" || c.TrackingID != "ann|fake" || c.PartyName != "Customer ann" {
			t.Errorf("%+v of %+v", m, c)
		}
		if h.logged(line...) != 1 {
			t.Errorf("%d lines of who has read content, want 1", h.logged(line...))
		}
	})
}

// TestTraceNames: both directions are found by every name they have: those a
// network gives to an event and to each part of a send, the core's, however long,
// and the address of one who never wrote.
func TestTraceNames(t *testing.T) {
	t.Parallel()
	inHouse(t, func(h *house) {
		ev := textEvent("ann", 1)
		ev.ID = connectors.EventID("77", "text", "-5:12", "")
		if err := (inbox{h.gw, h.gw.channel(testChannel)}).Deliver(h.Context(), []connectors.Event{ev}); err != nil {
			t.Fatal(err)
		}
		h.waits(5 * time.Second)
		hashed := h.comes(2, longID)
		// The same bytes, said by a customer: no name of that message.
		said := textEvent("dora", 1)
		said.Text = string((&content{NetworkID: longID}).encode())
		if err := (inbox{h.gw, h.gw.channel(testChannel)}).Deliver(h.Context(), []connectors.Event{said}); err != nil {
			t.Fatal(err)
		}
		h.waits(5 * time.Second)
		long := strings.Repeat("Core-", 20)
		for id, customer := range map[string]string{long: "ann", "to-eve": "eve"} {
			h.gw.fromCore(&simprot.ChatSentenceInfo{
				Port: testChannel, TrackingId: customer + "|fake", ID: id, IsOutbound: true,
				Text: strings.Repeat("planted ", 20), Model: simprot.ModelSentence,
			})
			h.waits(time.Second)
		}
		for _, c := range []struct{ q, by, id string }{
			{"-5:12", byID, ev.ID},
			{ev.ID, byID, ev.ID},
			{hashed, byID, hashed},
			{longID, byID, hashed},
			{long, byID, simprot.ShortenID(long, simprot.MaxID)},
			{h.partName("ann|fake", 0), byID, simprot.ShortenID(long, simprot.MaxID)},
			{h.partName("ann|fake", 1), byID, simprot.ShortenID(long, simprot.MaxID)},
			{h.partName("eve|fake", 1), byID, "to-eve"},
			{"to-eve", byID, "to-eve"},
			{"eve", byAddress, "to-eve"},
			{"eve|fake", byTracking, "to-eve"},
			{simprot.LogID("eve|fake"), byHash, "to-eve"},
		} {
			var answer Trace
			h.asks(http.MethodGet, "/api/v1/trace?"+url.Values{"q": {c.q}}.Encode(), http.StatusOK, &answer)
			if answer.By != c.by || len(answer.Messages) != 1 || answer.Messages[0].ID != c.id || len(answer.Conversations) != 1 {
				t.Errorf("%s: by %s %+v", c.q, answer.By, answer.Messages)
			}
		}
		for _, none := range []string{"77", "text", "5:12", "-5:1"} {
			h.asks(http.MethodGet, "/api/v1/trace?"+url.Values{"q": {none}}.Encode(), http.StatusNotFound, nil)
		}
	})
}

// partName is what the network called a part of the customer's first sentence.
func (h *house) partName(tracking string, part int) string {
	h.Helper()
	rows, err := h.disk.mem.Trace(h.Context(), journal.TraceQuery{Channel: testChannel, TrackingID: tracking, Recent: 100, Limit: 100})
	if err != nil {
		h.Fatal(err)
	}
	for _, row := range rows {
		if row.Lane.Direction == journal.Out && len(row.Parts) > part && row.Parts[part].NetworkID != "" {
			return row.Parts[part].NetworkID
		}
	}
	h.Fatalf("no part %d was sent to %s: %+v", part, tracking, rows)
	return ""
}

// TestTraceUnknown: an unknown outcome is told as such.
func TestTraceUnknown(t *testing.T) {
	t.Parallel()
	inHouse(t, func(h *house) {
		h.writes("ann", 1)
		h.waits(5 * time.Second)
		h.net.fail = func(int, connectors.Part) error {
			return &connectors.SendError{Outcome: connectors.Unknown, Reason: connectors.ReasonTimeout}
		}
		sentence := h.says("ann", "hello")
		h.waits(time.Minute)
		var answer Trace
		h.asks(http.MethodGet, "/api/v1/trace?q="+sentence, http.StatusOK, &answer)
		var what []string
		for _, s := range answer.Messages[0].Steps {
			what = append(what, s.What)
		}
		if answer.Messages[0].State != "dead" || !slices.Contains(what, "part 1 of 1: may have reached the customer: the network never said (timeout)") {
			t.Errorf("%s: %q", answer.Messages[0].State, what)
		}
	}, reportUnknown)
}

// TestHashedHint: only who may have named an event by its id at the network is
// told why it may be there all the same.
func TestHashedHint(t *testing.T) {
	for q, want := range map[traceQuery]bool{
		{text: "4711"}:                false,
		{text: "wamid.A1"}:            true,
		{text: "A1", by: byID}:        true,
		{text: "Ann", by: byAddress}:  false,
		{text: "a|b", by: byTracking}: false,
	} {
		if got := hashedHint(q) != ""; got != want {
			t.Errorf("%+v: a hint %t, want %t", q, got, want)
		}
	}
}
