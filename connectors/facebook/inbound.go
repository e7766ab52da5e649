package facebook

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"strings"

	"github.com/google/uuid"

	"servicelink/connectors"
)

// parse turns this page's entries into events, in the order in which they stand. What
// one item holds costs no other anything.
func (c *Connector) parse(r *connectors.Request) (connectors.ParseResult, error) {
	p, ok := readPayload(r.Body)
	if !ok {
		return connectors.ParseResult{}, &connectors.RequestError{Reason: connectors.ReasonSyntax}
	}
	out := connectors.ParseResult{Ignored: map[string]int{}}
	for _, e := range p.Entry {
		switch {
		case p.Object != "page" || string(e.ID) != c.cfg.PageID:
			continue
		case e.Broken:
			out.Ignored["broken_entry"]++
		}
		for _, raw := range e.Messaging {
			c.readItem(raw, false, &out)
		}
		for _, raw := range e.Standby {
			c.readItem(raw, true, &out)
		}
		if len(e.Changes) > 0 {
			out.Ignored["changes"] += len(e.Changes)
		}
	}
	if len(out.Events) == 0 && len(out.Ignored) == 0 {
		out.Ignored["empty"] = 1
	}
	return out, nil
}

// item is one thing that happened.
type item struct {
	c        *Connector
	raw      json.RawMessage
	members  map[string]json.RawMessage
	psid     string
	fromPage bool // the page is its sender
	at       word // milliseconds
	standby  bool // another app has the thread
}

// readers are the members that say what an item is.
var readers = []struct {
	member string
	read   func(*item, json.RawMessage) []connectors.Event
}{
	{"message", (*item).message},
	{"message_edit", (*item).edit},
	{"postback", (*item).postback},
	{"reaction", (*item).reaction},
	{"delivery", (*item).delivery},
	{"read", (*item).seen},
	{"referral", (*item).referral},
	{"optin", (*item).optin},
	{"pass_thread_control", (*item).handover},
	{"take_thread_control", (*item).handover},
	{"request_thread_control", (*item).handover},
}

// nobodys are members of what concerns no customer, and why it is not shown.
var nobodys = []string{"policy_enforcement", "app_roles", "policy-enforcement"}

func (c *Connector) readItem(raw json.RawMessage, standby bool, out *connectors.ParseResult) {
	it := &item{c: c, raw: raw, members: object(raw), standby: standby}
	for _, member := range nobodys {
		if has(it.members[member]) {
			out.Ignored[strings.ReplaceAll(member, "-", "_")]++
			return
		}
	}
	it.people()
	for _, r := range readers {
		if member := it.members[r.member]; has(member) {
			if events := r.read(it, member); len(events) > 0 {
				out.Events = append(out.Events, events...)
				return
			}
			break
		}
	}
	out.Events = append(out.Events, it.unsupported())
}

// people finds the customer: the one of both who is not the page. What names none
// stands in the conversation of the page's own id, where nobody writes.
func (it *item) people() {
	id := func(member string) string {
		return string(decode[word](object(it.members[member])["id"]))
	}
	it.at = decode[word](it.members["timestamp"])
	it.psid, it.fromPage = id("sender"), false
	if it.psid == it.c.cfg.PageID {
		it.psid, it.fromPage = id("recipient"), true
	}
	if !isPSID(it.psid) {
		it.psid = it.c.cfg.PageID
	}
}

func (it *item) eventID(kind, id, revision string) string {
	return connectors.EventID("fb"+it.c.cfg.PageID, kind, id, revision)
}

// event begins an event of the item.
func (it *item) event(kind connectors.Kind, id string) connectors.Event {
	return connectors.Event{
		ID: id, Kind: kind, TrackingID: it.c.trackingID(it.psid), SentAt: it.at.moment(),
		Customer: connectors.Customer{
			RemoteAddress: it.psid,
			PartyName:     "New contact " + it.c.channel + "-" + it.psid,
			UserToken:     connectors.UserToken([]connectors.Member{{Name: "psid", Value: it.psid}, {Name: "page", Value: it.c.cfg.PageID}}),
		},
	}
}

// service is a note on something that has no message.
func (it *item) service(id, text string) []connectors.Event {
	ev := it.event(connectors.KindService, id)
	ev.Text = text
	return []connectors.Event{ev}
}

// unsupported says that there was something.
func (it *item) unsupported() connectors.Event {
	ev := it.event(connectors.KindUnsupported, it.eventID("unknown", hash(string(it.raw)), ""))
	ev.Text = "something Messenger sends that cannot be shown"
	return ev
}

func hash(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:16])
}

// elsewhere stands in front of what another app is to answer.
const elsewhere = "(another app answers) "

// note is text as an agent is to read it.
func (it *item) note(text string) string {
	if it.standby {
		return strings.TrimSpace(elsewhere + text)
	}
	return text
}

// returnChat finds a ChatId in a link's parameter.
func returnChat(ref string) string {
	if len(ref) != 32 && len(ref) != 36 {
		return ""
	}
	id, err := uuid.Parse(ref)
	if err != nil {
		return ""
	}
	return id.String()
}

// longestRef is the longest parameter of a link that is shown, in bytes.
const longestRef = 250

func shortRef(ref string) string {
	if len(ref) > longestRef {
		return strings.ToValidUTF8(ref[:longestRef], "") + "..."
	}
	return ref
}

// cameBy is the event of a link with a parameter.
func (it *item) cameBy(kind, what, ref string) []connectors.Event {
	chat := returnChat(ref)
	if chat == "" && ref != "" {
		what += ": " + shortRef(ref)
	}
	events := it.service(it.eventID(kind, it.psid, string(it.at)+"."+hash(ref)), what)
	events[0].ReturnChatID = chat
	return events
}

func (it *item) referral(raw json.RawMessage) []connectors.Event {
	m := object(raw)
	if m == nil {
		return nil
	}
	return it.cameBy("referral", "The customer came by a link", string(decode[word](m["ref"])))
}

func (it *item) optin(raw json.RawMessage) []connectors.Event {
	m := object(raw)
	if m == nil {
		return nil
	}
	return it.cameBy("optin", "The customer opted in", string(decode[word](m["ref"])))
}

// handover tells who answers now. The network's members name apps by number.
func (it *item) handover(raw json.RawMessage) []connectors.Event {
	text := "Another app has taken over this conversation; answers from here may be refused."
	kind := "take"
	switch {
	case has(it.members["request_thread_control"]):
		kind, text = "request", "Another app asks for this conversation."
	case has(it.members["pass_thread_control"]):
		kind = "pass"
		if decode[word](object(raw)["new_owner_app_id"]) == word(it.c.cfg.AppID) {
			text = "This conversation is answered here again."
		}
	}
	return it.service(it.eventID(kind, it.psid, string(it.at)), text)
}
