package main

import (
	"crypto/rand"
	"fmt"
)

// welcome is what a newcomer reads first. The browser test reads its
// addresses, so the labels are fixed.
func (h *house) welcome() string {
	bot := "TELEGRAM_TOKEN is not set: no real bot takes part."
	if h.real {
		bot = "TELEGRAM_TOKEN is set: channel " + channelReal + " serves that bot at the real Telegram."
	}
	return fmt.Sprintf(`
servicelink playground %s

  Start page           %s/
  Phone, Telegram      %s/phone/telegram
  Phone, Omnichannel   %s/phone/omnichannel
  Phone, WhatsApp      %s/phone/whatsapp
  Phone, SMS           %s/phone/sms
  Phone, Messenger     %s/phone/facebook
  Mailbox              %s/phone/mail
  Agent's console      %s/console/
  Gateway's console    http://%s/console/
  Doctor               http://%s/console/doctor
  Metrics              http://%s/metrics
  Readiness            http://%s/readyz
  SimProt              %s
  Journal              %s

Open the start page: write as a customer on a phone, answer as the agent, and
break things on the panel above them.
A line "[[text|payload]]" at the end of an answer becomes a button. On WhatsApp
the agent may write freely for 24 hours; later only a template, such as
[[template:HX00000000000000000000000000000001|1=Your parcel has come]]
Messenger's phone also does what the network does: it revokes the token or
unsubscribes the page, and the gateway's console and doctor say what is wrong.
Mails come to support@example.test and are messages, not chats: the agent's console
has a page of its own for them. Short messages to %s are, too.
%s

Or post a message as a customer's server does. That customer's phone is
%s/phone/omnichannel#chat=4711

  curl -H 'Content-Type: application/json' -d '{"event":"new_message","chat_id":4711,"visitor":{"id":"ada","fields":{"name":"Ada"}},"message":{"id":"%s","kind":"visitor","text":"Hello, is anybody there?"}}' %s

The same line again is answered with success and shown once: the id is known.
Another id is a new message.

The journal outlives this process, killed or stopped: what the gateway has
taken and not yet passed on is passed on after the next start. The reference
core and the simulated networks keep theirs in memory. Ctrl-C ends everything.
`, version, h.url(), h.url(), h.url(), h.url(), h.url(), h.url(), h.url(), h.url(), h.private, h.private, h.private, h.private, h.core.Addr(), h.data, textNumber, bot, h.url(), firstID(), h.webhookURL())
}

// firstID is the id of the message in the printed line. It differs from start
// to start: the journal remembers those of earlier ones.
func firstID() string { return "first-" + rand.Text()[:8] }
