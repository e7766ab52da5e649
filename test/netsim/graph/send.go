package graph

import (
	"net/http"
	"time"

	"servicelink/test/netsim/control"
)

// Ways of messaging (https://developers.facebook.com/docs/messenger-platform/send-messages).
const (
	typeResponse = "RESPONSE"
	typeUpdate   = "UPDATE"
	typeTagged   = "MESSAGE_TAG"
	tagHuman     = "HUMAN_AGENT"
)

// retired are the tags that are refused since April 2026.
var retired = map[string]bool{"CONFIRMED_EVENT_UPDATE": true, "ACCOUNT_UPDATE": true, "POST_PURCHASE_UPDATE": true}

// prepare reads what is to be sent, and gets its file.
func (c *call) prepare() error {
	switch action := c.params.text("sender_action"); action {
	case "":
	case "typing_on", "typing_off", "mark_seen":
		if len(c.params["message"]) > 0 {
			return fault100("Only one of message and sender_action can be sent")
		}
		return nil
	default:
		return fault100("Param sender_action must be one of {mark_seen, typing_on, typing_off}")
	}
	out, err := c.content()
	if err != nil {
		return err
	}
	c.out = out
	return c.get(out)
}

// send takes a client's message or action.
func (c *call) send() (control.Answer, error) {
	p, err := c.pageOf()
	if err != nil {
		return control.Answer{}, err
	}
	if err := c.token.may(scopeMessaging); err != nil {
		return control.Answer{}, err
	}
	who, err := c.recipient(p)
	switch {
	case err != nil:
		return control.Answer{}, err
	case who.blocked:
		return control.Answer{}, errAway
	case who.refuses:
		return control.Answer{}, coded(10, 2018300)
	case c.out == nil:
		return c.act(p, who)
	case !p.rate.take(c.s.settings.PerSecond, time.Now()):
		return control.Answer{}, coded(613, 0)
	}
	if err := c.allowed(p, who); err != nil {
		return control.Answer{}, err
	}
	return c.accept(p, who)
}

// recipient finds the customer.
func (c *call) recipient(p *page) (*person, error) {
	if len(c.params["recipient"]) == 0 {
		return nil, fault100("The parameter recipient is required.")
	}
	var to struct {
		ID control.ID `json:"id"`
	}
	if err := c.params.read("recipient", &to); err != nil {
		return nil, err
	}
	if to.ID == "" {
		return nil, fault100("Param recipient[id] must be a valid ID string (e.g., \"123\")")
	}
	if who := p.people[to.ID]; who != nil {
		return who, nil
	}
	return nil, errNobody
}

// act does a sender action.
func (c *call) act(p *page, who *person) (control.Answer, error) {
	account := p.Account.Account
	var err error
	switch c.params.text("sender_action") {
	case "typing_on":
		err = c.s.TypingFor(account, who.id, typingLasts)
	case "typing_off":
		err = c.s.TypingFor(account, who.id, 0)
	default:
		err = c.s.Change(account, who.id, func(on *control.Conversation) {
			for i := range on.Messages {
				on.Messages[i].Read = on.Messages[i].Read || on.Messages[i].From == control.FromCustomer
			}
		})
	}
	return reply(http.StatusOK, map[string]any{"recipient_id": who.id}), err
}

// allowed says whether a message of its kind may go to a customer now.
func (c *call) allowed(p *page, who *person) error {
	kind, tag := c.params.text("messaging_type"), c.params.text("tag")
	switch kind {
	case typeResponse, typeUpdate:
		if tag != "" {
			return fault100("Param tag is only for messaging_type MESSAGE_TAG")
		}
	case typeTagged:
		switch {
		case retired[tag]:
			return coded(100, 1893061)
		case tag != tagHuman:
			return fault100("Param tag must be one of {HUMAN_AGENT} - got %q.", tag)
		case !p.HumanAgent:
			return coded(100, 2018276)
		}
	default:
		return fault100("Param messaging_type must be one of {RESPONSE, UPDATE, MESSAGE_TAG} - got %q.", kind)
	}
	if !c.s.open(p, who, kind == typeTagged, time.Now()) {
		return errWindow
	}
	return nil
}

// accept makes a message that can be sent one that is.
func (c *call) accept(p *page, who *person) (control.Answer, error) {
	s, out := c.s, c.out
	if len(c.params["reply_to"]) > 0 {
		var to struct {
			MID string `json:"mid"`
		}
		if err := c.params.read("reply_to", &to); err != nil {
			return control.Answer{}, err
		}
		if other := p.byID[to.MID]; other == nil || other.chat != who.id {
			return control.Answer{}, fault100("Param reply_to[mid] is no message of this conversation")
		}
		out.replyTo = to.MID
	}
	var attached *file
	if out.known != "" {
		if attached = s.reusable(p, out.known); attached == nil {
			return control.Answer{}, fault100("Invalid attachment_id %s", out.known)
		}
		out.file = &attached.File
	} else if out.file != nil {
		attached = s.keepFile(p, *out.file, out.reusable)
	}
	m := &message{mid: s.mid(), page: p, chat: who.id, mine: true, created: time.Now(), text: out.text, app: p.app.id, metadata: out.metadata, out: out, state: stateSent}
	if attached != nil {
		m.files = []*file{attached}
	}
	if err := s.show(m, who, m.shown()); err != nil {
		return control.Answer{}, err
	}
	p.keep(m)
	answer := map[string]any{"recipient_id": who.id, "message_id": m.mid}
	if attached != nil && attached.attachment != "" {
		answer["attachment_id"] = attached.attachment
	}
	c.wait = s.goOn(m, who)
	return reply(http.StatusOK, answer), nil
}

// prepareUpload reads a file that is sent later.
func (c *call) prepareUpload() error {
	var m struct {
		Attachment *attachmentParam `json:"attachment"`
	}
	if err := c.params.read("message", &m); err != nil {
		return err
	}
	if m.Attachment == nil || m.Attachment.Type == "template" {
		return fault100("Param message[attachment] must be a file")
	}
	c.out = &outgoing{}
	if err := c.attachment(c.out, *m.Attachment); err != nil {
		return err
	}
	return c.get(c.out)
}

// upload keeps it.
func (c *call) upload() (control.Answer, error) {
	p, err := c.pageOf()
	if err != nil {
		return control.Answer{}, err
	}
	if err := c.token.may(scopeMessaging); err != nil {
		return control.Answer{}, err
	}
	if c.out.file == nil { // its URL is not fetched
		c.out.file = &control.File{Name: fileName(c.out.url), URL: c.out.url}
	}
	return reply(http.StatusOK, map[string]string{"attachment_id": c.s.keepFile(p, *c.out.file, true).attachment}), nil
}
