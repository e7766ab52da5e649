package twilio

import (
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"servicelink/test/netsim/control"
)

// Limits of a message (https://www.twilio.com/docs/messaging/api/message-resource#create-a-message-resource).
const (
	maxText  = 1600 // characters
	maxMedia = 10
)

// createMessage takes a client's message. That it can be delivered is another
// matter.
func (c *call) createMessage() (control.Answer, error) {
	to := c.form.Get("To")
	if to == "" {
		return control.Answer{}, bad(21604, "A 'To' phone number is required.")
	}
	chat := control.ID(strings.TrimPrefix(to, "whatsapp:"))
	if !e164.MatchString(string(chat)) && !(c.n.channel == "whatsapp" && scopedID.MatchString(string(chat))) {
		return control.Answer{}, bad(21211, "Invalid 'To' Phone Number: %s", to)
	}
	one, err := c.from()
	if err != nil {
		return control.Answer{}, err
	}
	if strings.HasPrefix(to, "whatsapp:") != (c.n.channel == "whatsapp") {
		return control.Answer{}, bad(21910, "Invalid From and To pair. From and To should be of the same channel")
	}
	if string(chat) == one.Account.Account {
		return control.Answer{}, &apiError{http.StatusBadRequest, 21266, "'To' and 'From' number cannot be the same: " + to}
	}
	m := &message{
		one: one, chat: chat, direction: outboundAPI, service: c.form.Get("MessagingServiceSid"), status: statusQueued,
		created: time.Now(),
	}
	m.updated = m.created
	if m.service != "" {
		m.status = statusAccepted
	}
	shown, fate, err := c.content(m)
	if err != nil {
		return control.Answer{}, err
	}
	return c.accept(m, shown, fate)
}

// accept makes a message that can be sent one that is.
func (c *call) accept(m *message, shown control.Message, fate int) (control.Answer, error) {
	if f, fails := c.n.TakeKind(control.Fail, m.one.Account.Account, c.method); fails {
		if fate = f.Code; fate == 0 {
			fate = c.n.unreachable()
		}
	}
	p, err := m.one.person(m.chat)
	switch {
	case err != nil:
		return control.Answer{}, err
	case p.optedOut:
		return control.Answer{}, errOptOut
	case fate == 0 && p.blocked:
		fate = c.n.blocked()
	case fate == 0 && c.n.channel == "whatsapp" && c.form.Get("ContentSid") == "" && !m.one.open(p, m.created):
		fate = 63016
	}
	callback := c.form.Get("StatusCallback")
	if !isURL(callback) {
		return control.Answer{}, bad(21609, "The 'StatusCallback' URL %s is not a valid URL.", callback)
	}
	if m.callback = (hook{callback, http.MethodPost}); callback == "" {
		m.callback = m.one.statusHook(m.service)
	}
	prefix := "SM"
	if m.numMedia > 0 {
		prefix = "MM"
	}
	m.sid = c.s.sid(prefix)
	shown.ID, shown.From, shown.State, shown.At, shown.Copies = control.ID(m.sid), control.FromAgent, statusQueued, m.created, 1
	if err := c.n.show(m, p, shown); err != nil {
		return control.Answer{}, err
	}
	m.one.tenant.keep(m)
	answer := reply(http.StatusCreated, m.json())
	c.n.goOn(m, fate, c.form["MediaUrl"])
	return answer, nil
}

// from finds the sender.
func (c *call) from() (*sender, error) {
	from, service := c.form.Get("From"), c.form.Get("MessagingServiceSid")
	if from == "" {
		switch sv := c.s.services[service]; {
		case service == "":
			return nil, bad(21603, "A 'From' phone number is required.")
		case sv == nil || sv.tenant != c.tenant:
			return nil, bad(21705, "The Messaging Service Sid %s is invalid.", service)
		}
		if one := c.tenant.member(service, c.n); one != nil {
			return one, nil
		}
		return nil, bad(21703, "The Messaging Service contains no phone numbers.")
	}
	one := c.n.senders[strings.TrimPrefix(from, "whatsapp:")]
	switch {
	case one != nil && one.tenant == c.tenant && from == one.name():
		return one, nil
	case c.n.channel == "whatsapp":
		return nil, coded(63007)
	}
	return nil, bad(21606, "The 'From' phone number provided (%s) is not a valid message-capable Twilio phone number for this destination/account", from)
}

// content reads what is to be said, into m and as the customer will see it. fate
// is the error by which it fails later, 0 = none.
func (c *call) content(m *message) (shown control.Message, fate int, err error) {
	urls := c.form["MediaUrl"]
	m.text, m.numMedia = c.form.Get("Body"), len(urls)
	if sid := c.form.Get("ContentSid"); sid != "" {
		shown, fate, err = c.fill(m, sid, c.form.Get("ContentVariables"))
		return shown, fate, err
	}
	place := c.form.Get("PersistentAction")
	switch {
	case m.text == "" && len(urls) == 0 && place == "":
		return shown, 0, bad(21602, "Message body is required.")
	case utf8.RuneCountInString(m.text) > maxText:
		return shown, 0, bad(21617, "The concatenated message body exceeds the 1600 character limit")
	case len(urls) > maxMedia:
		return shown, 0, bad(21623, "Number of media files exceeds allowed limit")
	}
	for _, u := range urls {
		if u == "" || !isURL(u) {
			return shown, 0, bad(21620, "Invalid media URL(s)")
		}
	}
	if smart, _ := strconv.ParseBool(c.form.Get("SmartEncoded")); smart {
		m.text = plainLetters(m.text)
	}
	m.segments = c.n.segments(m.text)
	shown = control.Message{Kind: "text", Text: m.text}
	shown.Location = geo(place)
	if shown.Location != nil {
		shown.Kind = "location"
	}
	attach(&shown, urls)
	return shown, 0, nil
}

// geo reads PersistentAction: "geo:37.78,-122.39|375 Beale St".
func geo(action string) *control.Location {
	point, title, _ := strings.Cut(strings.TrimPrefix(action, "geo:"), "|")
	lat, lon, found := strings.Cut(point, ",")
	x, err1 := strconv.ParseFloat(lat, 64)
	y, err2 := strconv.ParseFloat(lon, 64)
	if !found || err1 != nil || err2 != nil {
		return nil
	}
	return &control.Location{Lat: x, Lon: y, Title: title}
}

// show puts a message into the conversation, which may be new. Its caller has the
// server's mutex.
func (n *Network) show(m *message, p *person, shown control.Message) error {
	name := p.name
	if name == "" {
		name = string(m.chat)
	}
	if err := n.Open(m.one.Account.Account, control.ChatInfo{Chat: m.chat, Type: "private", Name: name}); err != nil {
		return err
	}
	return n.Add(m.one.Account.Account, m.chat, shown)
}

// unreachable is the error for somebody whom no message reaches, blocked for one
// who wants none.
func (n *Network) unreachable() int {
	if n.channel == "whatsapp" {
		return 63024
	}
	return 30003
}

func (n *Network) blocked() int {
	if n.channel == "whatsapp" {
		return 63033
	}
	return 30004
}
