package graph

import (
	"slices"
	"strconv"
	"time"

	"servicelink/test/netsim/control"
)

// States of a page's message.
const (
	stateSent      = "sent"
	stateDelivered = "delivered"
	stateRead      = "read"
)

var states = []string{stateSent, stateDelivered, stateRead}

// rank orders states: a message goes to a higher one only.
func rank(state string) int { return slices.Index(states, state) }

// goOn tells the message's echo and lets it come on by itself, as far as the settings
// say. Where the echo comes before the answer, it is brought when the channel is
// closed. Its caller has the server's mutex.
func (s *Server) goOn(m *message, who *person) <-chan struct{} {
	if who.waiting = append(who.waiting, m); len(who.waiting) > maxWaiting {
		who.waiting = slices.Delete(who.waiting, 0, 1)
	}
	var brought <-chan struct{}
	if first := s.settings.EchoFirst; first {
		if e := s.echo(m, who); e != nil {
			brought = e.done
		}
	} else {
		pace := seconds(s.settings.StatusSeconds)
		s.later(pace, func() { s.locked(func() { s.echo(m, who) }) })
	}
	s.start(func() {
		for _, state := range states {
			if !s.pause(s.pace()) || rank(state) > rank(s.Settings().Status) {
				return
			}
			if state != stateSent {
				s.locked(func() { s.reach(m.page, who, m.number, state) })
			}
		}
	})
	return brought
}

func (s *Server) locked(fn func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	fn()
}

// echo tells the app what the page sent; nil = it does not hear of it. Its caller has
// the server's mutex.
func (s *Server) echo(m *message, who *person) *event {
	v := map[string]any{"mid": m.mid, "is_echo": true}
	if id, err := strconv.ParseInt(m.app, 10, 64); err == nil {
		v["app_id"] = id
	}
	if m.metadata != "" {
		v["metadata"] = m.metadata
	}
	if m.text != "" {
		v["text"] = m.text
	}
	if m.out != nil && m.out.replyTo != "" {
		v["reply_to"] = map[string]string{"mid": m.out.replyTo}
	}
	if list := s.attachments(m); len(list) > 0 {
		v["attachments"] = list
	}
	return s.emit(m.page, who, news{
		kind: kindEcho, field: "message_echoes", at: m.created, fromPage: true, members: map[string]any{"message": v},
	})
}

// reach brings the page's messages to a customer, up to the one with this number, to a
// state, shows it and tells it in one event. What was read was delivered.
// Its caller has the server's mutex.
func (s *Server) reach(p *page, who *person, upTo int64, state string) {
	for _, step := range states[1 : rank(state)+1] {
		var mids []string
		var watermark time.Time
		for _, m := range who.waiting {
			if m.number <= upTo && rank(m.state) < rank(step) {
				m.state, watermark = step, m.created
				mids = append(mids, m.mid)
				_ = s.ChangeMessage(p.Account.Account, who.id, control.ID(m.mid), func(on *control.Message) { // it may be forgotten
					on.State = step
				})
			}
		}
		if len(mids) > 0 {
			s.tell(p, who, step, mids, watermark)
		}
	}
	who.waiting = slices.DeleteFunc(who.waiting, func(m *message) bool { return m.state == stateRead })
}

// tell makes the event of a state
// (https://developers.facebook.com/docs/messenger-platform/reference/webhook-events).
func (s *Server) tell(p *page, who *person, state string, mids []string, watermark time.Time) {
	n := news{kind: kindDelivery, field: "message_deliveries", at: time.Now()}
	v := map[string]any{"watermark": watermark.UnixMilli()}
	switch {
	case state == stateRead:
		n.kind, n.field = kindRead, "message_reads"
		n.members = map[string]any{"read": v}
	default:
		if !s.settings.NoMids {
			v["mids"] = mids
		}
		n.members = map[string]any{"delivery": v}
	}
	s.emit(p, who, n)
}
