//go:build browser

package browser

import (
	"fmt"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// everybody is a customer of each network, and how many of two buttons and one picture
// it shows as such: the others come as text, which the agent is told.
var everybody = []struct {
	network, name     string
	buttons, pictures int
	told              string
}{
	{"Telegram", "Ada Lovelace", 2, 1, ""},
	{"WhatsApp", "Grace Hopper", 0, 1, "buttons were written as text"},
	{"SMS", "Alan Turing", 0, 1, "buttons were written as text"},
	{"Messenger", "Mary Shelley", 2, 1, ""},
	{"Omnichannel", "George Boole", 2, 0, "files were written as their addresses"},
}

// TestAllNetworks has a conversation on every network at once, with one agent. Then a
// page's token is revoked: the gateway's console says so, and the others go on.
func TestAllNetworks(t *testing.T) {
	play := startPlayground(t)
	browser := startChromium(t)
	desk := agent{open(t, browser, "all-agent", play[console])}
	gateway := operator{open(t, browser, "all-gateway", play.private()+"/console/")}
	gateway.shows("Overview")
	var customers []customer
	for _, m := range everybody {
		// A browser has six connections to a host, and each phone and the console hold one.
		url := strings.Replace(play["Phone, "+m.network], "127.0.0.1", "localhost", 1)
		c := customer{open(t, browser, "all-phone-"+m.network, url), m.network, m.name}
		c.do(chromedp.EmulateViewport(430, 860))
		c.joins(m.name)
		customers = append(customers, c)
	}
	for _, c := range customers {
		c.writes("Hello from " + c.network)
	}
	picture := pictureServer(t)
	for i, c := range customers {
		desk.meets(c)
		desk.sees("its message", line("Hello from "+c.network, "theirs", ""))
		desk.says("Good day, " + c.network)
		desk.says("Shall I call you?\n[[Yes, please|call]]\n[[No|no]]")
		desk.says("file:image/png|map|" + picture + "\nThis is where it is")
		desk.sees("all three delivered", `[...document.querySelectorAll("#log .line.mine")].filter(l => l.dataset.mark?.startsWith("delivered")).length === 3`)
		desk.sees("what could not be shown, and nothing else", told(everybody[i].told))
		desk.shot(c.network)
	}
	for i, c := range customers {
		c.hears(everybody[i].buttons, everybody[i].pictures)
	}
	gateway.sees("five channels and four gateways that are well", `document.querySelectorAll("#live table.stack tbody tr .badge.ok").length === 9`)
	gateway.shot("well")
	revokes(desk, gateway, customers)
	desk.offences()
}

// hears looks whether each answer came once and in order, with so many buttons and
// pictures.
func (c customer) hears(buttons, pictures int) {
	c.t.Helper()
	c.sees("its answers in order", fmt.Sprintf(`(texts => ["Good day, %s", "Shall I call you?", "This is where it is"].every(
		(want, i, all) => texts.split(want).length === 2 && (i === 0 || texts.indexOf(want) > texts.indexOf(all[i - 1]))))(%s.join("\n"))`,
		c.network, agentTexts))
	c.sees("its buttons", fmt.Sprintf(`document.querySelectorAll("#messages .choice").length === %d`, buttons))
	c.sees("its pictures", fmt.Sprintf(`[...document.querySelectorAll("#messages .message:not(.mine) img.picture")].filter(i => i.complete && i.naturalWidth > 0).length === %d`, pictures))
	c.shot("conversation")
}

// told is a JavaScript condition: the agent reads that this could not be shown, and no
// other note; none at all where this is empty.
func told(what string) string {
	var want []string
	if what != "" {
		want = []string{"This channel cannot show everything: " + what + "."}
	}
	return same(`[...document.querySelectorAll("#log .line.note .text")].map(t => t.textContent)`, want)
}

// revokes lets the page's token be bad: the third answer that is refused pauses the
// channel, the operator reads why, and everybody else is answered.
func revokes(desk agent, gateway operator, customers []customer) {
	desk.t.Helper()
	for _, c := range customers {
		if c.network != "Messenger" {
			continue
		}
		c.lever("Revoked")
		desk.meets(c)
		desk.says("Are you there?")
		for _, name := range []string{"Percy Shelley", "Lord Byron"} {
			c.do(chromedp.Click("#owner"))
			c.joins(name)
			c.name = name
			c.writes("Hello from " + name)
			desk.meets(c)
			desk.sees("its message", line("Hello from "+name, "theirs", ""))
			desk.says("Are you there?")
			desk.sees("the answer wait", line("Are you there?", "mine", "on its way"))
		}
		desk.shot("revoked")
	}
	gateway.sees("that one channel is not well", `document.querySelectorAll("#live table.stack tbody tr .badge.ok").length === 8 &&
		document.querySelector("#live").textContent.includes("facebook")`)
	gateway.shot("revoked")
	for _, c := range customers {
		if c.network == "Messenger" {
			continue
		}
		c.writes("Still there?")
		desk.meets(c)
		desk.sees("its message", line("Still there?", "theirs", ""))
		desk.says("We are, " + c.network)
		c.sees("the answer", bubble("We are, "+c.network, false))
	}
	for _, c := range customers {
		if c.network == "Messenger" {
			c.lever("Valid")
			c.shot("revoked")
		}
	}
}
