package twilio

import (
	"net/http"
	"regexp"

	"servicelink/test/netsim/control"
)

var messageSID = regexp.MustCompile(`^(SM|MM)[0-9a-fA-F]{32}$`)

func (c *call) placeTyping() {
	c.n = c.s.whatsapp
	if m := c.tenant.byID[c.form.Get("messageId")]; m != nil {
		c.one = m.one
	}
	if c.one == nil {
		c.placeWhatsApp()
	}
}

// typing shows that the agent is writing an answer to a message, and marks that
// message as read (https://www.twilio.com/docs/whatsapp/api/typing-indicators-resource).
func (c *call) typing() (control.Answer, error) {
	sid := c.form.Get("messageId")
	m := c.tenant.byID[sid]
	switch {
	case c.form.Get("channel") != "whatsapp":
		return control.Answer{}, bad(20001, "channel must be whatsapp")
	case !messageSID.MatchString(sid):
		return control.Answer{}, bad(20001, "messageId is invalid")
	case m == nil || m.one.net.channel != "whatsapp" || m.direction != inbound:
		return control.Answer{}, notFound(c.URL.Path)
	}
	account := m.one.Account.Account
	if err := c.n.TypingFor(account, m.chat, typingLasts); err != nil {
		return control.Answer{}, err
	}
	_ = c.n.ChangeMessage(account, m.chat, control.ID(sid), func(shown *control.Message) { shown.Read = true }) // it may be forgotten
	return reply(http.StatusOK, map[string]bool{"success": true}), nil
}
