package graph

import (
	"fmt"
	"time"

	"servicelink/test/netsim/control"
)

// customer is one Act: who does something with which page.
type customer struct {
	control.Action
	s   *Server
	p   *page
	who *person
	now time.Time
}

// Act implements control.Network. Chat is the customer's page-scoped id; empty =
// User.ID. Customers
//
//	text reply share sticker location      say something
//	photo document audio video voice       send a file; its caption is a message of its own
//	press start referral optin             press a button (Data is its payload), open by m.me (Data: ref)
//	edit unsend react unreact              change Message
//	unsupported block unblock
//
// deliver and read bring the page's messages on, up to Message. expire ends the reply
// window (Data "late": that of HUMAN_AGENT as well); stand gives the thread to another
// app (Data "by", or "refuse" when we cannot send then) and back ("main"); inbox lets
// somebody answer in the page's inbox, or the app Data; profile says what may be known
// of the customer.
//
// The page is unsubscribed by unsubscribe, subscribed by subscribe, and loses a field by
// drop (Data). token breaks its token (Data: subcode of error 190; empty = mends it),
// scope takes a permission away (Data; empty = gives all back), policy enforces one.
func (s *Server) Act(account string, a control.Action) (control.ID, error) {
	p, err := s.page(account)
	if err != nil {
		return "", err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if do := pageActs[a.Do]; do != nil {
		return "", do(s, p, a)
	}
	do := acts[a.Do]
	if do == nil {
		return "", fmt.Errorf("%w: this network has no %q", control.ErrAction, a.Do)
	}
	if a.Chat == "" {
		a.Chat = a.User.ID
	}
	who, err := p.person(a.Chat)
	if err != nil {
		return "", err
	}
	who.learn(a.User)
	return do(&customer{Action: a, s: s, p: p, who: who, now: time.Now()})
}

// acts are what a customer does, or the network with one conversation. They run with
// the server's mutex.
var acts = map[string]func(*customer) (control.ID, error){
	"text": (*customer).text, "reply": (*customer).reply, "share": (*customer).share, "sticker": (*customer).sticker,
	"location": (*customer).location, "unsupported": (*customer).unsupported,
	"photo": (*customer).file, "document": (*customer).file, "audio": (*customer).file, "video": (*customer).file, "voice": (*customer).file,
	"press": (*customer).press, "start": (*customer).start, "referral": (*customer).referral, "optin": (*customer).optin,
	"edit": (*customer).edit, "unsend": (*customer).unsend, "react": (*customer).react, "unreact": (*customer).unreact,
	"block": (*customer).block, "unblock": (*customer).block, "deliver": (*customer).bringOn, "read": (*customer).bringOn,
	"expire": (*customer).expire, "stand": (*customer).stand, "inbox": (*customer).inbox, "profile": (*customer).profile,
}

// news begins an event of the customer.
func (cu *customer) news(kind, field, member string, v map[string]any) news {
	return news{kind: kind, field: field, at: cu.now, members: map[string]any{member: v}}
}

// say keeps, shows and brings a message of the customer: v is the event's message,
// but for its mid.
func (cu *customer) say(v map[string]any, shown control.Message, files ...*file) (control.ID, error) {
	m := &message{mid: cu.s.mid(), page: cu.p, chat: cu.who.id, created: cu.now, text: shown.Text, files: files}
	shown.From, shown.State = control.FromCustomer, control.StateSending
	if err := cu.s.show(m, cu.who, shown); err != nil {
		return "", err
	}
	if err := cu.wrote(m); err != nil {
		return "", err
	}
	if len(files) > 0 {
		v["attachments"] = cu.s.attachments(m)
	}
	v["mid"] = m.mid
	n := cu.news(kindMessage, "messages", "message", v)
	n.shows = control.ID(m.mid)
	cu.s.emit(cu.p, cu.who, n)
	return n.shows, nil
}

// wrote keeps what the customer said, which opens the reply window. Who writes to a
// page he had blocked has unblocked it.
func (cu *customer) wrote(m *message) error {
	cu.p.keep(m)
	cu.who.wrote = cu.now
	if !cu.who.blocked {
		return nil
	}
	cu.who.blocked = false
	return cu.s.Change(cu.p.Account.Account, cu.who.id, func(c *control.Conversation) { c.Blocked = false })
}

// meant is the message that the action is about.
func (cu *customer) meant() (*message, error) {
	if m := cu.p.byID[string(cu.Message)]; m != nil && m.chat == cu.who.id {
		return m, nil
	}
	return nil, fmt.Errorf("message %q: %w", cu.Message, control.ErrUnknown)
}

// block decides whether the page can write to the customer.
func (cu *customer) block() (control.ID, error) {
	cu.who.blocked = cu.Do == "block"
	return "", cu.s.Change(cu.p.Account.Account, cu.who.id, func(c *control.Conversation) { c.Blocked = cu.who.blocked })
}

// bringOn is what the customer's phone does with the page's messages.
func (cu *customer) bringOn() (control.ID, error) {
	m, err := cu.meant()
	if err != nil {
		return "", err
	}
	state := stateRead
	if cu.Do == "deliver" {
		state = stateDelivered
	}
	cu.s.reach(cu.p, cu.who, m.number, state)
	return cu.Message, nil
}
