package refcore

import (
	"sync"
	"sync/atomic"

	"github.com/google/uuid"

	"servicelink/simprot"
)

// EventKind says what happened.
type EventKind string

// The kinds of events.
const (
	EventChat       EventKind = "chat"       // opened, answered, closed, read
	EventSentence   EventKind = "sentence"   // taken or said
	EventConfirmed  EventKind = "confirmed"  // an outbound sentence
	EventTyping     EventKind = "typing"     // the customer
	EventOffence    EventKind = "offence"    //
	EventSignal     EventKind = "signal"     //
	EventConnection EventKind = "connection" // a gateway came or went
	EventReset      EventKind = "reset"      // the data was forgotten
	EventMessage    EventKind = "message"    // came, was written, was answered
	EventGateways   EventKind = "gateways"   // the register changed, or somebody else asked for it
)

// Event is one thing that happened. Chat is zero where none is meant.
type Event struct {
	Kind     EventKind
	Chat     uuid.UUID
	Sentence *simprot.ChatSentenceInfo // of EventSentence and EventConfirmed; must not be modified
	Offence  Offence                   // of EventOffence
	Message  uuid.UUID                 // of EventMessage
}

// Subscription is one listener to events.
type Subscription struct {
	C <-chan Event // closed by Cancel and by Core.Close

	hub  *hub
	send chan Event
	lost atomic.Bool
}

// Lost reports, once, whether events were dropped because C was full: the
// Core never waits for a listener.
func (s *Subscription) Lost() bool { return s.lost.Swap(false) }

// Cancel ends the subscription.
func (s *Subscription) Cancel() { s.hub.remove(s) }

// hub spreads events to subscribers.
type hub struct {
	some atomic.Bool // any subscriber: looked at without the lock
	mu   sync.Mutex
	subs map[*Subscription]struct{}
	done bool
}

func newHub() *hub { return &hub{subs: map[*Subscription]struct{}{}} }

func (h *hub) subscribe(buffer int) *Subscription {
	h.mu.Lock()
	defer h.mu.Unlock()
	ch := make(chan Event, max(buffer, 1))
	s := &Subscription{C: ch, send: ch, hub: h}
	if h.done {
		close(ch)
		return s
	}
	h.subs[s] = struct{}{}
	h.some.Store(true)
	return s
}

func (h *hub) remove(s *Subscription) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if _, ok := h.subs[s]; !ok {
		return
	}
	delete(h.subs, s)
	h.some.Store(len(h.subs) > 0)
	close(s.send)
}

func (h *hub) publish(e Event) {
	if !h.some.Load() {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for s := range h.subs {
		select {
		case s.send <- e:
		default:
			s.lost.Store(true)
		}
	}
}

func (h *hub) close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.done = true
	h.some.Store(false)
	for s := range h.subs {
		delete(h.subs, s)
		close(s.send)
	}
}
