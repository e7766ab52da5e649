package twilio

import (
	"math"
	"regexp"
	"strconv"
	"strings"

	"servicelink/connectors"
)

// messageKind is what event IDs call a customer's message, whatever it holds.
const messageKind = "message"

// maxMedia is the most files of one message that are looked for; Twilio has 10.
const maxMedia = 32

// typesOf are the MessageTypes that are known. They are looked at only where a
// message holds nothing that is understood.
var typesOf = map[string]string{
	"text": "an empty message", "image": "a picture that cannot be fetched", "video": "a video that cannot be fetched",
	"audio": "a sound that cannot be fetched", "document": "a file that cannot be fetched",
	"sticker": "a sticker that cannot be fetched", "contacts": "a contact that cannot be fetched",
	"location": "a place that cannot be read", "button": "the press of an unknown button",
	"interactive": "the press of an unknown button", "": "an empty message",
}

// parseMessage turns a customer's message into events.
func (c *Channel) parseMessage(r *connectors.Request) (connectors.ParseResult, error) {
	if isJSON(r) {
		return ignored("not_a_form"), nil
	}
	f, bad := parseForm(r.Body)
	if bad != nil {
		return connectors.ParseResult{}, bad
	}
	if f.get(probeField) != "" {
		return ignored("probe"), nil
	}
	sid := f.first("MessageSid", "SmsMessageSid", "SmsSid")
	if sid == "" {
		return connectors.ParseResult{}, missing("MessageSid")
	}
	from, ok := c.customerAddress(f)
	if !ok {
		return connectors.ParseResult{}, missing("From")
	}
	m := message{
		sid: sid, address: from, body: f.get("Body"), media: f.media(), customer: c.customerOf(f, from),
		reply: f.get("OriginalRepliedMessageSid"), forwarded: f.forwarded(), optOut: f.get("OptOutType"),
	}
	m.button = f.button()
	m.location = f.location()
	if m.empty() {
		m.other = describe(f.get("MessageType"))
	}
	return connectors.ParseResult{Events: c.events(m)}, nil
}

func ignored(reason string) connectors.ParseResult {
	return connectors.ParseResult{Ignored: map[string]int{reason: 1}}
}

func missing(name string) error {
	return &connectors.RequestError{Reason: connectors.ReasonMissing, Detail: name}
}

// message is a customer's message as a webhook tells it, or a list.
type message struct {
	sid      string
	address  string // the customer's, without the prefix
	customer connectors.Customer
	body     string
	media    []connectors.File
	button   *connectors.Button
	location *connectors.Location
	// other says what an empty message was; empty = it is not empty.
	other     string
	reply     string // the sid it answers
	forwarded bool
	optOut    string
}

func (m message) empty() bool {
	return m.body == "" && len(m.media) == 0 && m.button == nil && m.location == nil
}

// events makes the events of one message. The ID of the first holds the sid alone:
// a list of messages does not tell a press from a text.
func (c *Channel) events(m message) []connectors.Event {
	first := connectors.Event{
		ID:         c.eventID(messageKind, m.sid, ""),
		NetworkID:  m.sid,
		TrackingID: c.trackingID(m.address),
		Customer:   m.customer,
		Text:       m.body,
	}
	if len(m.sid) > connectors.MaxNetworkID {
		first.NetworkID = ""
	}
	if m.forwarded {
		first.Text = strings.TrimSpace("Forwarded:\n" + m.body)
	}
	if m.reply != "" {
		// What it said is not told.
		first.RefID, first.Quote = m.reply, "an earlier message"
	}
	var events []connectors.Event
	switch {
	case len(m.media) > 0:
		events = c.fileEvents(first, m)
	case m.button != nil:
		first.Kind, first.Button, first.Text, first.Quote = connectors.KindButton, m.button, m.button.Text, ""
		events = append(events, first)
	case m.location != nil:
		first.Kind, first.Location = connectors.KindLocation, m.location
		events = append(events, first)
	case m.body != "":
		first.Kind = connectors.KindText
		events = append(events, first)
	default:
		first.Kind, first.Text = connectors.KindUnsupported, m.other
		events = append(events, first)
	}
	return append(events, c.optedOut(first, m)...)
}

func (c *Channel) eventID(kind, sid, revision string) string {
	return connectors.EventID(c.traits.Account, kind, sid, revision)
}

// fileEvents is one event for each file, the text beside the first.
func (c *Channel) fileEvents(first connectors.Event, m message) []connectors.Event {
	var events []connectors.Event
	for i := range m.media {
		ev := first
		ev.Kind, ev.File = connectors.KindFile, &m.media[i]
		if i > 0 {
			ev.ID = c.eventID(messageKind, m.sid, strconv.Itoa(i))
			ev.Text, ev.Quote, ev.RefID = "", "", ""
		}
		events = append(events, ev)
	}
	return events
}

// optedOut follows the words that Twilio itself acts on: after STOP it refuses
// everything to this customer (21610) until START.
func (c *Channel) optedOut(first connectors.Event, m message) []connectors.Event {
	ev := connectors.Event{TrackingID: first.TrackingID, Customer: first.Customer}
	switch m.optOut {
	case "":
		return nil
	case "STOP":
		ev.Kind, ev.Text = connectors.KindStop, "The customer does not want any more messages."
	case "START":
		ev.Kind, ev.Text = connectors.KindService, "The customer takes messages again."
	case "HELP":
		ev.Kind, ev.Text = connectors.KindService, "The customer asked for help; Twilio has answered."
	default:
		return nil
	}
	ev.ID = c.eventID(string(ev.Kind), m.sid, "")
	return []connectors.Event{ev}
}

// customerAddress is who wrote: a number, or what stands in its place for a user
// without one.
func (c *Channel) customerAddress(f form) (string, bool) {
	for _, name := range []string{"From", "ExternalUserId"} {
		value := f.get(name)
		if address, ok := strings.CutPrefix(value, c.traits.Prefix); ok && addressForm.MatchString(address) {
			return address, true
		}
	}
	return "", false
}

func (c *Channel) customerOf(f form, address string) connectors.Customer {
	known := []connectors.Member{{Name: "id", Value: address}}
	return c.customer(address, f.get("ProfileName"), append(known, c.traits.Known(f.get)...))
}

func (c *Channel) customer(address, name string, known []connectors.Member) connectors.Customer {
	name = strings.TrimSpace(name)
	switch {
	case name != "":
	case c.traits.Plain:
		name = address
	default:
		name = "New contact " + c.name + "-" + address
	}
	return connectors.Customer{RemoteAddress: address, PartyName: name, UserToken: connectors.UserToken(known)}
}

// media lists the files. NumMedia is not needed: what has an address is there.
func (f form) media() (files []connectors.File) {
	for i := range maxMedia {
		n := strconv.Itoa(i)
		address := f.get("MediaUrl" + n)
		if address == "" {
			break
		}
		files = append(files, connectors.File{Type: mimeType(f.get("MediaContentType" + n)), ID: fileID(address)})
	}
	return files
}

// mimeForm is a MIME type without parameters.
var mimeForm = regexp.MustCompile(`^[a-z0-9.+_-]{1,60}/[a-z0-9.+_-]{1,60}$`)

func mimeType(s string) string {
	kind, _, _ := strings.Cut(s, ";")
	kind = strings.ToLower(strings.TrimSpace(kind))
	if !mimeForm.MatchString(kind) {
		return "application/octet-stream"
	}
	return kind
}

// button is a quick reply, or the choice from a list.
func (f form) button() *connectors.Button {
	if id, text := f.get("ButtonPayload"), f.first("ButtonText", "Body"); id != "" || f.get("ButtonText") != "" {
		return press(id, text)
	}
	if id := f.get("ListId"); id != "" {
		return press(id, f.first("ListTitle", "Body"))
	}
	return nil
}

func press(id, text string) *connectors.Button {
	if text == "" {
		text = id
	}
	return &connectors.Button{ID: id, Text: text}
}

func (f form) location() *connectors.Location {
	latitude, err := strconv.ParseFloat(f.get("Latitude"), 64)
	longitude, err2 := strconv.ParseFloat(f.get("Longitude"), 64)
	// Written so that what is no number fails as well.
	if err != nil || err2 != nil || !(math.Abs(latitude) <= 90) || !(math.Abs(longitude) <= 180) {
		return nil
	}
	title := strings.Trim(f.get("Label")+", "+f.get("Address"), ", ")
	return &connectors.Location{Latitude: latitude, Longitude: longitude, Title: title}
}

func (f form) forwarded() bool {
	return f.get("Forwarded") == "true" || f.get("FrequentlyForwarded") == "true"
}

// describe names what an empty message was.
func describe(messageType string) string {
	if what, ok := typesOf[messageType]; ok {
		return what
	}
	if len(messageType) > 40 || strings.Trim(messageType, "abcdefghijklmnopqrstuvwxyz_") != "" {
		return "a message of an unknown kind"
	}
	return "a message of kind " + strconv.Quote(messageType)
}
