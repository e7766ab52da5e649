package main

import (
	"crypto/rand"
	"fmt"
)

// welcome is what a newcomer reads first. The browser test reads its
// addresses, so the labels are fixed.
func (h *house) welcome() string {
	return fmt.Sprintf(`
servicelink playground %s

  Customers' page   http://%s/
  Agent's console   http://%s/
  Metrics           http://%s/metrics
  Readiness         http://%s/readyz
  SimProt           %s
  Journal           %s

Open the first two side by side: write as a customer, answer as the agent.
A line "[[text|payload]]" at the end of an answer becomes a button.

Or post a message as the customer's server does; the answer shows up on the
customers' page:

  curl -H 'Content-Type: application/json' -d '{"event":"new_message","chat_id":4711,"visitor":{"id":"ada","fields":{"name":"Ada"}},"message":{"id":"%s","kind":"visitor","text":"Hello, is anybody there?"}}' %s

The same line again is answered with success and shown once: the id is known.
Another id is a new message.

The journal outlives this process, killed or stopped: what the gateway has
taken and not yet passed on is passed on after the next start. The reference
core and the customers' page keep theirs in memory. Ctrl-C ends everything.
`, version, h.page.Addr(), h.console.Addr(), h.private, h.private, h.core.Addr(), h.data, firstID(), h.webhookURL())
}

// firstID is the id of the message in the printed line. It differs from start
// to start: the journal remembers those of earlier ones.
func firstID() string { return "first-" + rand.Text()[:8] }
