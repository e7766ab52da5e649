package graph

import (
	"encoding/json"
	"maps"
	"slices"
	"time"

	"servicelink/test/netsim/control"
)

// Kinds of events, for faults.
const (
	kindMessage  = "message"
	kindEdit     = "message_edit"
	kindPostback = "postback"
	kindReaction = "reaction"
	kindReferral = "referral"
	kindOptin    = "optin"
	kindEcho     = "echo"
	kindDelivery = "delivery"
	kindRead     = "read"
	kindHandover = "handover"
	kindPolicy   = "policy_enforcement"
	kindInjected = "injected"
)

// fields are those a page can be subscribed to that concern messages
// (https://developers.facebook.com/docs/messenger-platform/webhooks#events).
var fields = []string{
	"messages", "messaging_postbacks", "message_reactions", "message_reads", "message_deliveries", "message_echoes", "message_edits",
	"messaging_referrals", "messaging_optins", "messaging_policy_enforcement", "messaging_handovers", "standby",
}

// otherFields are some of the rest, which nothing comes of here.
var otherFields = []string{
	"feed", "mention", "messaging_account_linking", "messaging_customer_information", "messaging_feedback", "messaging_game_plays",
	"messaging_payments", "messaging_pre_checkouts", "message_context", "message_template_status_update", "name", "picture",
	"inbox_labels", "response_feedback", "send_cart", "leadgen", "conversations", "ratings",
}

// news is what an event is made of.
type news struct {
	kind, field string
	at          time.Time
	fromPage    bool           // sender and recipient are swapped
	members     map[string]any // of the item
	shows       control.ID     // the message whose state the event's is
}

// event is one item on its way to the callback.
type event struct {
	page  *page
	kind  string
	array string          // messaging, standby or changes
	item  json.RawMessage // or, without an array, the whole body
	chat  control.ID
	shows control.ID
	twice bool
	done  chan struct{} // closed once it was tried
}

// emit tells an app what happened to a page; nil = it does not hear of it. who may be
// nil. Its caller has the server's mutex.
func (s *Server) emit(p *page, who *person, n news) *event {
	e := &event{page: p, kind: n.kind, array: "messaging", shows: n.shows, done: make(chan struct{})}
	from, to := map[string]any{}, map[string]any{"id": p.Account.Account}
	item := map[string]any{"recipient": to, "timestamp": n.at.UnixMilli()}
	if who != nil {
		e.chat = who.id
		from["id"] = who.id
		item["sender"] = from
	}
	if n.fromPage {
		item["sender"], item["recipient"] = to, from
	}
	field := n.field
	maps.Copy(item, n.members)
	if who != nil && who.standby && n.kind != kindHandover {
		e.array, field = "standby", "standby"
		withoutPayload(item)
	}
	if s.settings.Extra {
		addExtra(item)
	}
	e.item = encode(item)
	if !slices.Contains(p.fields, field) || !slices.Contains(p.app.fields, field) || p.app.callback == "" {
		s.lost(e, "the page is not subscribed to "+field)
		return nil
	}
	return s.bringOut(e)
}

// addExtra adds what the network may add any day.
func addExtra(item map[string]any) {
	item["novelty"] = map[string]any{"is": []any{1, nil, "ñ"}}
	for _, member := range item {
		if v, ok := member.(map[string]any); ok && v["mid"] != nil {
			v["novelty"] = true
			if list, ok := v["attachments"].([]map[string]any); ok {
				v["attachments"] = append(list, map[string]any{"type": "hologram", "payload": map[string]any{"depth": 3}})
			}
		}
	}
}

// withoutPayload: an app that only stands by does not learn what a button means.
func withoutPayload(item map[string]any) {
	if v, ok := item["postback"].(map[string]any); ok {
		v = maps.Clone(v)
		delete(v, "payload")
		item["postback"] = v
	}
}

// bringOut puts an event in line, as the faults have it; nil = it was lost.
func (s *Server) bringOut(e *event) *event {
	account, a := e.page.Account.Account, e.page.app
	if _, lose := s.TakeKind(control.Lose, account, e.kind); lose {
		s.lost(e, "the event was lost")
		return nil
	}
	_, e.twice = s.TakeKind(control.Duplicate, account, e.kind)
	if f, late := s.TakeKind(control.Late, account, e.kind); late {
		s.later(f.Duration(3*time.Second), func() { s.locked(func() { s.enqueue(a, e) }) })
		return e
	}
	if _, after := s.TakeKind(control.Reorder, account, e.kind); after && a.held == nil {
		a.held = e
		s.later(time.Second, func() { s.locked(func() { s.release(a, e) }) })
		return e
	}
	s.enqueue(a, e)
	return e
}

// release puts the event that was held back in line.
func (s *Server) release(a *app, e *event) {
	if a.held == e && e != nil {
		a.held = nil
		s.enqueue(a, e)
	}
}

// enqueue puts an event at the end of its app's line.
func (s *Server) enqueue(a *app, e *event) {
	if a.pending >= maxPending {
		s.lost(e, "too many events wait")
		return
	}
	a.pending++
	a.fresh = append(a.fresh, e)
	if a.posts < s.settings.Posts {
		a.posts++
		s.start(func() { s.run(a) })
	}
	s.release(a, a.held)
}

// lost shows that an event goes nowhere.
func (s *Server) lost(e *event, why string) {
	s.state(e, control.StateRefused, why)
	close(e.done)
}

func (s *Server) state(e *event, state, detail string) {
	if e.shows == "" {
		return
	}
	_ = s.ChangeMessage(e.page.Account.Account, e.chat, e.shows, func(m *control.Message) { // it may be forgotten
		m.State, m.Detail = state, detail
	})
}

// entries puts items together as a body: neighbours of one page in one entry.
func entries(list []*event, now time.Time) []byte {
	if len(list) == 1 && list[0].array == "" {
		return escape(list[0].item)
	}
	var all []map[string]any
	var last *event
	for _, e := range list {
		if last == nil || last.page != e.page || last.array != e.array {
			all = append(all, map[string]any{"id": e.page.Account.Account, "time": now.UnixMilli(), e.array: []json.RawMessage{}})
		}
		entry := all[len(all)-1]
		items, _ := entry[e.array].([]json.RawMessage)
		entry[e.array] = append(items, e.item)
		last = e
	}
	return escape(encode(map[string]any{"object": "page", "entry": all}))
}
