package facebook

import (
	"encoding/json"
	"strings"
	"time"

	"servicelink/connectors"
)

// edit reads that a message was changed. num_edit counts the changes.
func (it *item) edit(raw json.RawMessage) []connectors.Event {
	m := object(raw)
	mid := string(decode[word](m["mid"]))
	if !isMid(mid) {
		return nil
	}
	number := string(decode[word](m["num_edit"]))
	if number == "" {
		number = string(it.at)
	}
	id := it.eventID("edit", mid, number)
	text := decode[string](m["text"])
	if it.fromPage {
		return it.service(id, "An answer given elsewhere was changed to: "+text)
	}
	ev := it.event(connectors.KindEdit, id)
	ev.NetworkID, ev.RefID, ev.Text = mid, mid, it.note(text)
	return []connectors.Event{ev}
}

// postback reads the press of a button, which may have been that of a link.
func (it *item) postback(raw json.RawMessage) []connectors.Event {
	m := object(raw)
	if m == nil {
		return nil
	}
	title, payload := decode[string](m["title"]), string(decode[word](m["payload"]))
	key, revision := string(decode[word](m["mid"])), ""
	if key == "" {
		key, revision = it.psid, string(it.at)+"."+hash(payload)
	}
	ev := it.event(connectors.KindButton, it.eventID("postback", key, revision))
	if title == "" {
		title = payload
	}
	ev.Text = it.note(title)
	ev.Button = button(payload, title)
	events := []connectors.Event{ev}
	if ref := object(m["referral"]); ref != nil {
		if value := string(decode[word](ref["ref"])); returnChat(value) != "" {
			events[0].ReturnChatID = returnChat(value)
		} else {
			events = append(events, it.cameBy("referral", "The customer came by a link", value)...)
		}
	}
	return events
}

// reaction reads what the customer's reaction to a message is now.
func (it *item) reaction(raw json.RawMessage) []connectors.Event {
	m := object(raw)
	mid, action := string(decode[word](m["mid"])), decode[string](m["action"])
	if !isMid(mid) || action != "react" && action != "unreact" {
		return nil
	}
	id := it.eventID("reaction", mid, it.psid+"."+action+"."+string(it.at))
	shown := ""
	if action == "react" {
		if shown = decode[string](m["emoji"]); shown == "" {
			shown = "(" + strings.TrimSpace("reaction "+decode[string](m["reaction"])) + ")"
		}
	}
	if it.fromPage {
		return it.service(id, strings.TrimSpace("The page's reaction to a message is now: "+shown))
	}
	ev := it.event(connectors.KindReaction, id)
	ev.NetworkID, ev.RefID, ev.Text = mid, mid, shown
	return []connectors.Event{ev}
}

// delivery reads what the customer's device has: the messages named, else all up to
// the watermark. That is the time of the newest of them, by which a later watermark
// is compared; when it was told is of no use.
func (it *item) delivery(raw json.RawMessage) []connectors.Event {
	m := object(raw)
	upTo := decode[word](m["watermark"]).moment()
	var events []connectors.Event
	for _, named := range decode[[]json.RawMessage](m["mids"]) {
		if mid := string(decode[word](named)); isMid(mid) {
			ev := it.told("delivered", mid, time.Time{}, connectors.StatusDelivered)
			if !upTo.IsZero() {
				ev.SentAt = upTo
			}
			events = append(events, ev)
		}
	}
	if len(events) == 0 && !upTo.IsZero() {
		events = append(events, it.told("delivered", "", upTo, connectors.StatusDelivered))
	}
	return events
}

// seen reads what the customer has read.
func (it *item) seen(raw json.RawMessage) []connectors.Event {
	m := object(raw)
	if mid := string(decode[word](m["mid"])); isMid(mid) {
		return []connectors.Event{it.told("read", mid, time.Time{}, connectors.StatusRead)}
	}
	if upTo := decode[word](m["watermark"]).moment(); !upTo.IsZero() {
		return []connectors.Event{it.told("read", "", upTo, connectors.StatusRead)}
	}
	return nil
}

// told is a notice on one message, or on all up to a time.
func (it *item) told(kind, mid string, upTo time.Time, status connectors.DeliveryStatus) connectors.Event {
	id := it.eventID(kind, mid, "")
	notice := &connectors.Notice{UpTo: upTo, Status: status}
	if mid == "" {
		id = it.eventID(kind, it.psid, upTo.Format("20060102150405.000"))
	} else {
		notice.Finding = connectors.Finding{Fate: connectors.FateSent, NetworkID: mid}
	}
	ev := it.event(connectors.KindNotice, id)
	ev.Notice = notice
	return ev
}
