package gateway

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"servicelink/config"
	"servicelink/connectors"
	"servicelink/simprot/refcore"
)

// markingNetwork takes replies and read marks.
type markingNetwork struct {
	*fakeNetwork
	mu    sync.Mutex
	marks []string
}

func (n *markingNetwork) Capabilities() connectors.Capabilities {
	caps := n.fakeNetwork.Capabilities()
	caps.Replies, caps.ReadMark = true, true
	return caps
}

func (n *markingNetwork) MarkRead(_ context.Context, _ connectors.Address, id string) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.marks = append(n.marks, id)
	return nil
}

// longID is as a network may name a message; an event's ID has only its hash.
var longID = "$Ev/" + strings.Repeat("aB", 98)

// comes brings a message of ann's that the network calls id, and gives its event's ID.
func (h *house) comes(n int, id string) string {
	h.Helper()
	ev := textEvent("ann", n)
	ev.ID, ev.NetworkID = connectors.EventID("fake", "text", "m"+id, ""), id
	if err := (inbox{h.gw, h.gw.channel(testChannel)}).Deliver(h.Context(), []connectors.Event{ev}); err != nil {
		h.Fatal(err)
	}
	h.waits(time.Second)
	return ev.ID
}

// answered gives ReplyTo of the messages that were sent.
func (h *house) answered() (list []string) {
	h.net.mu.Lock()
	defer h.net.mu.Unlock()
	for _, p := range h.net.sent {
		list = append(list, p.Text+" -> "+p.ReplyTo)
	}
	return list
}

func inMarkingHouse(t *testing.T, test func(*house, *markingNetwork)) {
	n := &markingNetwork{}
	inHouse(t, func(h *house) { test(h, n) }, func(h *house, _ *refcore.Options) {
		n.fakeNetwork = h.net
		h.build = func(config.Channel) (connectors.Connector, error) { return n, nil }
	})
}

// TestReplyByEvent: an agent names the event, the network gets its own id of the
// message, whatever that looks like; also after a crash.
func TestReplyByEvent(t *testing.T) {
	inMarkingHouse(t, func(h *house, n *markingNetwork) {
		hashed, plain := h.comes(1, longID), h.comes(2, "5:77")
		if !strings.HasPrefix(hashed, "h:") || plain != "fake|text|m5:77" {
			h.Fatalf("the events are called %s and %s", hashed, plain)
		}
		h.says("ann", "[[reply:"+hashed+"]]\none")
		h.waits(time.Second)
		h.crash()
		h.start()
		h.waits(time.Minute)
		h.says("ann", "[[reply:"+plain+"]]\ntwo")
		h.says("ann", "[[reply:"+longID+"]]\nthree")
		h.waits(time.Second)
		want := "one -> " + longID + ", two -> 5:77, three -> " + longID
		if got := strings.Join(h.answered(), ", "); got != want {
			h.Errorf("sent %s, want %s", got, want)
		}
		if _, notes := h.shown("ann"); len(notes) != 0 {
			h.Errorf("notes %q", notes)
		}
		if err := h.core.Read(h.chat("ann").ID); err != nil {
			h.Fatal(err)
		}
		h.waits(time.Second)
		n.mu.Lock()
		defer n.mu.Unlock()
		slices.Sort(n.marks)
		if !slices.Equal(n.marks, []string{longID, "5:77"}) {
			h.Errorf("marked %q", n.marks)
		}
	})
}

// TestReplyToWhatIsNotKnown: it goes as a plain message, and the agent is told once
// for each.
func TestReplyToWhatIsNotKnown(t *testing.T) {
	inMarkingHouse(t, func(h *house, n *markingNetwork) {
		old, nameless := h.comes(1, longID), h.comes(2, "")
		h.waits(49 * time.Hour) // keep_content has passed for both
		fresh, tooLong := h.comes(3, "A1"), h.comes(4, strings.Repeat("x", connectors.MaxNetworkID+1))
		h.writes("ann", 5)
		h.waits(time.Second)
		var ids []string
		for _, event := range []string{old, nameless, tooLong, textEvent("ann", 5).ID, "h:" + strings.Repeat("0", 62), "fake|text|zz"} {
			ids = append(ids, h.says("ann", "[[reply:"+event+"]]\nyes"))
		}
		h.says("ann", "[[reply:"+fresh+"]]\nno")
		h.waits(time.Minute)
		if got, want := strings.Join(h.answered(), ", "), strings.Repeat("yes -> , ", len(ids))+"no -> A1"; got != want {
			h.Errorf("sent %s, want %s", got, want)
		}
		_, notes := h.shown("ann")
		if len(notes) != len(ids) {
			h.Fatalf("notes %q", notes)
		}
		for i, id := range ids {
			if notes[i] != unquotedNote(id) {
				h.Errorf("note %q, want %q", notes[i], unquotedNote(id))
			}
		}
	})
}

// TestReplyIsToldOnce: a retry, or a process that goes on with it, says no more.
func TestReplyIsToldOnce(t *testing.T) {
	inMarkingHouse(t, func(h *house, _ *markingNetwork) {
		h.comes(1, "A1")
		h.net.fail = func(n int, _ connectors.Part) error {
			if n <= 2 {
				return &connectors.SendError{Outcome: connectors.NotSent, Reason: connectors.ReasonServer}
			}
			return nil
		}
		h.says("ann", "[[reply:h:"+strings.Repeat("0", 62)+"]]\nyes")
		h.waits(100 * time.Millisecond)
		h.crash()
		h.start()
		h.waits(10 * time.Minute)
		if got := strings.Join(h.answered(), ", "); got != "yes -> " {
			h.Errorf("sent %s", got)
		}
		if _, notes := h.shown("ann"); len(notes) != 1 {
			h.Errorf("notes %q", notes)
		}
	})
}
