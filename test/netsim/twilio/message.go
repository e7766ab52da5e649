package twilio

import (
	"slices"
	"strconv"
	"time"

	"servicelink/test/netsim/control"
)

// Statuses of a message (https://www.twilio.com/docs/messaging/api/message-resource#message-status-values).
const (
	statusAccepted    = "accepted"
	statusQueued      = "queued"
	statusSent        = "sent"
	statusDelivered   = "delivered"
	statusRead        = "read"
	statusUndelivered = "undelivered"
	statusFailed      = "failed"
	statusReceived    = "received"
)

// Directions of a message.
const (
	inbound       = "inbound"
	outboundAPI   = "outbound-api"
	outboundReply = "outbound-reply" // what a webhook answered
)

// progress is the way of a message that arrives.
var progress = []string{statusQueued, statusSent, statusDelivered, statusRead}

// message is a Message resource. The server's mutex guards it.
type message struct {
	sid       string
	one       *sender
	chat      control.ID // the customer
	direction string
	text      string
	media     []*media // a customer's
	numMedia  int
	service   string // it was sent by
	segments  int
	status    string
	code      int // why it failed
	callback  hook
	created   time.Time
	updated   time.Time
	sent      time.Time // or received; zero = not yet
}

// date is how the 2010-04-01 API writes times.
func date(t time.Time) string { return t.UTC().Format(time.RFC1123Z) }

func maybe(s string) any {
	if s == "" {
		return nil
	}
	return s
}

func (m *message) uri() string {
	return "/2010-04-01/Accounts/" + m.one.tenant.sid + "/Messages/" + m.sid
}

// customer is the customer as in From and To.
func (m *message) customer() string { return m.one.net.prefix() + string(m.chat) }

// ends are From and To.
func (m *message) ends() (from, to string) {
	if m.direction == inbound {
		return m.customer(), m.one.name()
	}
	return m.one.name(), m.customer()
}

// json is the resource as the API shows it: numbers are strings, but for the
// error's code.
func (m *message) json() map[string]any {
	from, to := m.ends()
	v := map[string]any{
		"account_sid": m.one.tenant.sid, "api_version": "2010-04-01", "body": m.text, "date_created": date(m.created),
		"date_sent": nil, "date_updated": date(m.updated), "direction": m.direction, "error_code": nil, "error_message": nil,
		"from": from, "messaging_service_sid": maybe(m.service), "num_media": strconv.Itoa(m.numMedia),
		"num_segments": strconv.Itoa(m.segments), "price": nil, "price_unit": "USD", "sid": m.sid, "status": m.status,
		"subresource_uris": map[string]string{"media": m.uri() + "/Media.json"}, "to": to, "uri": m.uri() + ".json",
	}
	if !m.sent.IsZero() {
		v["date_sent"] = date(m.sent)
	}
	if m.status == statusAccepted { // no sender is chosen yet
		v["from"], v["num_segments"] = nil, "0"
	}
	if m.code != 0 {
		v["error_code"], v["error_message"] = m.code, maybe(texts[m.code])
	}
	return v
}

// keep makes the message known.
func (t *tenant) keep(m *message) {
	t.messages = append(t.messages, m)
	t.byID[m.sid] = m
	if len(t.messages) > maxMessages {
		delete(t.byID, t.messages[0].sid)
		t.messages = slices.Delete(t.messages, 0, 1)
	}
}
