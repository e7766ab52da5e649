package twilio

import (
	"fmt"
	"maps"
	"strconv"
	"strings"
	"time"

	"servicelink/test/netsim/control"
)

// customer is one Act: who does something, and the message that comes of it.
type customer struct {
	control.Action
	n      *Network
	one    *sender
	person *person
	now    time.Time
	fields map[string]string // of the webhook, beside what is usual
	shown  control.Message
	media  []*media
	made   *injected // instead of fields; nil = a usual message
}

// Act implements control.Network: text, start, stop; photo, document, audio, voice,
// video and sticker; of WhatsApp also reply, press, location, venue and contact.
// Chat is the customer's address, with or without "+", or such as "CZ.12ab";
// empty = User.ID.
//
// deliver, read and fail concern a message of the client and bring it on (Data is
// the error's code); block and unblock decide whether messages arrive; expire
// ends the reply window.
func (n *Network) Act(account string, a control.Action) (control.ID, error) {
	one, err := n.sender(account)
	if err != nil {
		return "", err
	}
	if a.Chat == "" {
		a.Chat = a.User.ID
	}
	a.Chat = address(a.Chat)
	if !e164.MatchString(string(a.Chat)) && !(n.channel == "whatsapp" && scopedID.MatchString(string(a.Chat))) {
		return "", fmt.Errorf("%w: chat is a number such as +420601234567", control.ErrAction)
	}
	if a.Do == "deliver" || a.Do == "read" || a.Do == "fail" {
		return a.Message, n.bringOn(one, a)
	}
	cu := &customer{Action: a, n: n, one: one, now: time.Now(), fields: map[string]string{}}
	do := acts[a.Do]
	if do == nil || n.channel == "sms" && whatsappOnly[a.Do] {
		return "", fmt.Errorf("%w: this network has no %q", control.ErrAction, a.Do)
	}
	n.server.mu.Lock()
	defer n.server.mu.Unlock()
	if cu.person, err = one.person(a.Chat); err != nil {
		return "", err
	}
	cu.learn()
	sends, err := do(cu)
	if err != nil || !sends {
		return "", err
	}
	return cu.say()
}

// acts are what a customer can do; they say whether it is a message. They run with
// the server's mutex.
var acts = map[string]func(*customer) (bool, error){
	"text": (*customer).text, "reply": (*customer).reply, "press": (*customer).press, "location": (*customer).location,
	"venue": (*customer).location, "contact": (*customer).contact,
	"start": func(cu *customer) (bool, error) { cu.Text = "START"; return cu.text() },
	"stop":  func(cu *customer) (bool, error) { cu.Text = "STOP"; return cu.text() },
	"photo": (*customer).file, "document": (*customer).file, "audio": (*customer).file, "voice": (*customer).file,
	"video": (*customer).file, "sticker": (*customer).file,
	"block":   func(cu *customer) (bool, error) { cu.person.blocked = true; return false, cu.note() },
	"unblock": func(cu *customer) (bool, error) { cu.person.blocked = false; return false, cu.note() },
	"expire":  func(cu *customer) (bool, error) { cu.person.wrote = time.Time{}; return false, nil },
}

var whatsappOnly = map[string]bool{
	"reply": true, "press": true, "location": true, "venue": true, "contact": true, "sticker": true, "expire": true,
}

// note shows in the conversation that the customer takes no messages.
func (cu *customer) note() error {
	return cu.n.Change(cu.one.Account.Account, cu.Chat, func(c *control.Conversation) { c.Blocked = cu.person.blocked })
}

// learn takes the customer's name over.
func (cu *customer) learn() {
	name := strings.TrimSpace(cu.User.FirstName + " " + cu.User.LastName)
	if name == "" {
		name = cu.User.Username
	}
	if name != "" {
		cu.person.name = name
	}
	if cu.person.name == "" {
		cu.person.name = "Customer " + string(cu.Chat)
	}
}

// say keeps, shows and brings a message that is ready.
func (cu *customer) say() (control.ID, error) {
	s, p := cu.n.server, cu.person
	prefix := "SM"
	if len(cu.media) > 0 {
		prefix = "MM"
	}
	sid := s.sid(prefix)
	if given := cu.fields["MessageSid"]; given != "" {
		sid = given
	}
	m := &message{
		sid: sid, one: cu.one, chat: cu.Chat, direction: inbound, text: cu.fields["Body"], media: cu.media, numMedia: len(cu.media),
		service: cu.one.Service, segments: cu.n.segments(cu.fields["Body"]), status: statusReceived, created: cu.now, updated: cu.now,
		sent: cu.now,
	}
	cu.optOut(m.text)
	p.wrote, p.blocked = cu.now, false
	cu.shown.ID, cu.shown.From, cu.shown.At, cu.shown.State = control.ID(sid), control.FromCustomer, cu.now, control.StateSending
	if err := cu.n.show(m, p, cu.shown); err != nil {
		return "", err
	}
	cu.one.tenant.keep(m)
	fields := cu.usual(m)
	maps.Copy(fields, cu.fields)
	for i, f := range cu.media {
		s.keepMedia(f)
		at := strconv.Itoa(i)
		fields["MediaUrl"+at], fields["MediaContentType"+at] = s.base()+m.uri()+"/Media/"+f.sid, f.Type
	}
	body := []byte(form(fields).Encode())
	if cu.made != nil {
		body = cu.made.over(fields)
	}
	cu.n.post(hookMessage, cu.n.messages, control.Call{
		Account: cu.one.Account.Account, Chat: cu.Chat, Message: control.ID(sid), Body: body,
	}, cu.one.inboundHook())
	return control.ID(sid), nil
}

// bringOn is what the customer's phone does with a client's message.
func (n *Network) bringOn(one *sender, a control.Action) error {
	n.server.mu.Lock()
	m := one.tenant.byID[string(a.Message)]
	n.server.mu.Unlock()
	if m == nil || m.direction == inbound || m.one != one || m.chat != a.Chat {
		return fmt.Errorf("message %q: %w", a.Message, control.ErrUnknown)
	}
	switch a.Do {
	case "fail":
		code := n.unreachable()
		if a.Data != "" {
			var err error
			if code, err = strconv.Atoi(a.Data); err != nil || code <= 0 {
				return fmt.Errorf("%w: data is an error's code", control.ErrAction)
			}
		}
		n.reach(m, failing(code), code)
		return nil
	case "read":
		if n.channel == "sms" {
			return fmt.Errorf("%w: nobody hears that an SMS was read", control.ErrAction)
		}
	}
	for _, status := range progress[1:] {
		n.reach(m, status, 0)
		if status == map[string]string{"deliver": statusDelivered, "read": statusRead}[a.Do] {
			break
		}
	}
	return nil
}
