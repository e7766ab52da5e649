package facebook

import (
	"encoding/json"
	"math"
	"strconv"
	"strings"

	"servicelink/connectors"
)

// message reads a message: the customer's, or the echo of one to the customer.
func (it *item) message(raw json.RawMessage) []connectors.Event {
	m := object(raw)
	mid := string(decode[word](m["mid"]))
	switch {
	case mid == "":
		return nil
	case decode[bool](m["is_echo"]) || it.fromPage:
		return it.echo(mid, m)
	case decode[bool](m["is_deleted"]):
		ev := it.event(connectors.KindDelete, it.eventID("message", mid, "deleted"))
		ev.RefID = mid
		return []connectors.Event{ev}
	case decode[bool](m["is_unsupported"]):
		ev := it.event(connectors.KindUnsupported, it.eventID("message", mid, ""))
		ev.NetworkID, ev.Text = networkID(mid), it.note("a message of a kind that Messenger does not give to apps")
		return []connectors.Event{ev}
	}
	events := it.contents(mid, m)
	if len(events) == 0 {
		ev := it.event(connectors.KindUnsupported, "")
		ev.Text = it.note("a message without anything that can be shown")
		events = []connectors.Event{ev}
	}
	it.finish(events, mid, m)
	return events
}

// networkID is what a message is named by when it is answered; empty = it cannot be.
func networkID(mid string) string {
	if isMid(mid) {
		return mid
	}
	return ""
}

// finish names the events of one message, and gives the first what is the message's.
func (it *item) finish(events []connectors.Event, mid string, m map[string]json.RawMessage) {
	for i := range events {
		revision := ""
		if i > 0 {
			revision = strconv.Itoa(i)
		}
		events[i].ID, events[i].NetworkID = it.eventID("message", mid, revision), networkID(mid)
	}
	first := &events[0]
	if to := object(m["reply_to"]); to != nil {
		first.Quote = "an earlier message"
		if has(to["story"]) {
			first.Quote = "a story"
		}
		if answered := string(decode[word](to["mid"])); isMid(answered) {
			first.RefID = answered
		}
	}
	if ref := object(m["referral"]); ref != nil {
		first.ReturnChatID = returnChat(string(decode[word](ref["ref"])))
		first.Customer.UserToken = connectors.UserToken([]connectors.Member{
			{Name: "psid", Value: it.psid},
			{Name: "page", Value: it.c.cfg.PageID},
			{Name: "ref", Value: string(decode[word](ref["ref"]))},
			{Name: "ad", Value: string(decode[word](ref["ad_id"]))},
		})
	}
}

// contents reads what a message shows, without IDs.
func (it *item) contents(mid string, m map[string]json.RawMessage) []connectors.Event {
	text := decode[string](m["text"])
	if quick := object(m["quick_reply"]); quick != nil {
		ev := it.event(connectors.KindButton, "")
		ev.Text = it.note(text)
		ev.Button = button(string(decode[word](quick["payload"])), text)
		return []connectors.Event{ev}
	}
	var events []connectors.Event
	stickers, number := map[string]bool{}, 0
	for _, raw := range decode[[]json.RawMessage](m["attachments"]) {
		a := readAttachment(raw)
		if a.sticker != "" && stickers[a.sticker] {
			continue
		}
		stickers[a.sticker] = true
		events = append(events, it.attachment(a, mid, number))
		if a.url != "" && a.fileType() != "" {
			number++
		}
	}
	if text == "" {
		return events
	}
	if len(events) > 0 && takesCaption(events[0]) {
		beside := "\n" + strings.TrimSpace(strings.TrimPrefix(events[0].Text, strings.TrimSpace(elsewhere)))
		beside = strings.TrimSuffix(beside, "\n"+text) // a link is told twice: as the text, and beside it
		events[0].Text = strings.TrimSpace(it.note(text) + beside)
		return events
	}
	ev := it.event(connectors.KindText, "")
	ev.Text = it.note(text)
	return append([]connectors.Event{ev}, events...)
}

// takesCaption: a file has its text beside it, a link behind what was written.
func takesCaption(ev connectors.Event) bool {
	return ev.Kind == connectors.KindFile || ev.Kind == connectors.KindText
}

// button is what was pressed. In standby its payload is not told.
func button(payload, title string) *connectors.Button {
	if payload == "" {
		payload = title
	}
	return &connectors.Button{ID: payload, Text: title}
}

// attachment is one of a message, as far as it can be read.
type attachment struct {
	kind, url, title, sticker string
	payload                   map[string]json.RawMessage
}

func readAttachment(raw json.RawMessage) attachment {
	m := object(raw)
	p := object(m["payload"])
	a := attachment{kind: decode[string](m["type"]), payload: p, url: decode[string](p["url"]), title: decode[string](p["title"])}
	if a.sticker = string(decode[word](p["sticker_id"])); a.sticker != "" {
		a.kind = "sticker"
	}
	if a.url == "" {
		a.url = decode[string](m["url"])
	}
	if a.title == "" {
		a.title = decode[string](m["title"])
	}
	return a
}

// fileType is what a file is called; empty = it is none.
func (a attachment) fileType() string {
	switch a.kind {
	case "image", "audio", "video", "sticker":
		return a.kind
	case "file":
		return "document"
	}
	return ""
}

// attachment makes an event without its ID. number counts the files of the message.
func (it *item) attachment(a attachment, mid string, number int) connectors.Event {
	ev := it.event(connectors.KindUnsupported, "")
	ev.Text = it.note("an attachment of a kind that cannot be shown")
	where, isPlace := place(a.payload["coordinates"])
	switch {
	case a.fileType() != "" && a.url != "":
		ev.Kind, ev.Text = connectors.KindFile, it.note("")
		ev.File = &connectors.File{Type: a.fileType(), ID: fileID(mid, number)}
	case a.kind == "sticker":
		ev.Kind, ev.Text = connectors.KindText, it.note("(a sticker)")
	case a.kind == "location" && isPlace:
		where.Title = a.title
		ev.Kind, ev.Text, ev.Location = connectors.KindLocation, it.note(""), &where
	case a.kind == "fallback" && (a.url != "" || a.title != ""):
		ev.Kind, ev.Text = connectors.KindText, it.note(strings.TrimSpace(a.title+"\n"+a.url))
	case a.kind == "template":
		ev.Text = it.note("a template")
	}
	return ev
}

// place reads coordinates. What is no place on earth is none: 0, 0 would be shown as
// the place where the customer is.
func place(raw json.RawMessage) (connectors.Location, bool) {
	m := object(raw)
	latitude, latErr := strconv.ParseFloat(string(decode[word](m["lat"])), 64)
	longitude, longErr := strconv.ParseFloat(string(decode[word](m["long"])), 64)
	good := latErr == nil && longErr == nil && math.Abs(latitude) <= 90 && math.Abs(longitude) <= 180
	return connectors.Location{Latitude: latitude, Longitude: longitude}, good
}

// echo reads a message to the customer: ours is a notice, another's a note.
func (it *item) echo(mid string, m map[string]json.RawMessage) []connectors.Event {
	id := it.eventID("echo", mid, "")
	if ref, ours := strings.CutPrefix(decode[string](m["metadata"]), refMark); ours && ref != "" && isMid(mid) && !decode[bool](m["is_deleted"]) {
		ev := it.event(connectors.KindNotice, id)
		ev.Notice = &connectors.Notice{
			Ref: ref, Finding: connectors.Finding{Fate: connectors.FateSent, NetworkID: mid}, Status: connectors.StatusSent,
		}
		return []connectors.Event{ev}
	}
	if decode[bool](m["is_deleted"]) {
		return it.service(it.eventID("echo", mid, "deleted"), "An answer given elsewhere was taken back.")
	}
	shown := []string{}
	if text := decode[string](m["text"]); text != "" {
		shown = append(shown, text)
	}
	for _, raw := range decode[[]json.RawMessage](m["attachments"]) {
		a := readAttachment(raw)
		switch {
		case a.kind == "fallback":
			shown = append(shown, strings.TrimSpace(a.title+" "+a.url))
		case a.fileType() != "":
			shown = append(shown, "("+a.fileType()+")")
		case a.kind == "template":
			shown = append(shown, "(template)")
		default:
			shown = append(shown, "(attachment)")
		}
	}
	if len(shown) == 0 {
		shown = append(shown, "(nothing that can be shown)")
	}
	ev := it.event(connectors.KindService, id)
	ev.NetworkID, ev.Text = networkID(mid), "Answered elsewhere: "+strings.Join(shown, " ")
	return []connectors.Event{ev}
}
