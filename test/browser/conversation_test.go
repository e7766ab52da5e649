//go:build browser

package browser

import (
	"fmt"
	"testing"

	"github.com/chromedp/chromedp"
)

// TestConversation talks on each network in both directions: text, picture and
// button, and what else the network has.
func TestConversation(t *testing.T) {
	play := startPlayground(t)
	browser := startChromium(t)
	pictures := pictureServer(t)
	desk := agent{open(t, browser, "agent", play[console])}

	for network, name := range map[string]string{"Telegram": "Ada Lovelace", "Omnichannel": "Grace Hopper"} {
		t.Run(network, func(t *testing.T) {
			c := newCustomer(t, browser, play, network, name)
			desk := agent{&tab{t: t, ctx: desk.ctx, name: "agent-" + network, dir: desk.dir}}

			c.writes("Where is my parcel?")
			desk.opens(name)
			desk.sees("the customer's message", line("Where is my parcel?", "theirs", ""))

			desk.do(chromedp.SendKeys("#text", "O"))
			if network == "Telegram" { // the other network has no such thing
				c.sees("that the agent is typing", `document.querySelector("#status").textContent.startsWith("typing")`)
			}
			desk.says("On its way. Shall I call you?\n[[Yes, please|call]]\n[[No|no]]")
			c.sees("the agent's answer", bubble("On its way. Shall I call you?", false))
			c.sees("both buttons", `document.querySelectorAll("#messages .choice").length === 2`)
			desk.sees("the answer delivered",
				line("On its way. Shall I call you?\n[[Yes, please|call]]\n[[No|no]]", "mine", "delivered"))
			c.do(chromedp.Click(`//*[@class="choice"][.="Yes, please"]`))
			desk.sees("the pressed button", line("Yes, please", "theirs", ""))

			c.sendsPicture(pictureFile(t), "It looks like this")
			desk.sees("the picture's caption", has("It looks like this", "theirs"))
			desk.sees("the picture", picture("#log .theirs"))

			desk.says("file:image/png|map|" + pictures + "\nThis is where it is now")
			c.sees("the agent's picture or its address", `document.querySelectorAll("#messages .message:not(.mine)").length === 2`)
			if network == "Telegram" {
				c.sees("the agent's picture", picture(".message:not(.mine)")+" && "+bubble("This is where it is now", false))
				telegramOnly(c, desk)
			}
			c.shot("conversation")
			desk.shot("conversation")
		})
	}
	t.Run("two customers of a network do not mix", func(t *testing.T) {
		c := customer{open(t, browser, "phone-second", play["Phone, Telegram"]), "Telegram", "Alan Turing"}
		c.do(chromedp.EmulateViewport(430, 860), chromedp.WaitEnabled("#text"), chromedp.Click("#owner"))
		c.joins("Alan Turing")
		c.writes("Hello from another customer")
		desk := agent{&tab{t: t, ctx: desk.ctx, name: "agent", dir: desk.dir}}
		desk.opens("Alan Turing")
		desk.sees("the second customer's message only", line("Hello from another customer", "theirs", "")+
			` && document.querySelectorAll("#log .line").length === 1`)
	})
	desk.offences()
}

// telegramOnly does what only that network's customers can do.
func telegramOnly(c customer, desk agent) {
	c.t.Helper()
	c.do(chromedp.Click("#attach"), chromedp.Click("#location"), chromedp.WaitVisible("#lat"), chromedp.Click("#location-form [type=submit]"))
	desk.sees("the location", has("geo:52.51", "theirs"))
	c.do(chromedp.Click("#attach"), chromedp.Click("#contact"), chromedp.WaitVisible("#contact-name"), chromedp.Click("#contact-form [type=submit]"))
	desk.sees("the contact", has("Grace Hopper", "theirs"))

	const last = `//*[@id="messages"]/li[.//*[@class="text"][.="Where is my parcel?"]]`
	c.do(chromedp.Click(last+`//button[contains(@class, "toggle")]`), chromedp.Click(last+`//button[.="Edit"]`),
		chromedp.SetValue("#text", "Where is my big parcel?"), chromedp.Click("#send"))
	c.sees("the edited message", bubble("Where is my big parcel?", true))
	desk.sees("a note of the edit", has("Where is my big parcel?", "note"))

	const answer = `//*[@id="messages"]/li[.//*[@class="text"][.="On its way. Shall I call you?"]]`
	c.do(chromedp.Click(answer+`//button[contains(@class, "toggle")]`), chromedp.Click(answer+`//button[@aria-label="React with 👍"]`))
	c.sees("its reaction", `document.querySelector("#messages .reactions")?.textContent === "👍"`)
	c.do(chromedp.Click(answer+`//button[contains(@class, "toggle")]`), chromedp.Click(answer+`//button[.="Reply"]`))
	c.writes("After five, please")
	c.sees("what it replied to", `document.querySelector("#messages .quote")?.textContent.startsWith("On its way")`)
	desk.sees("the reply", has("After five, please", "theirs"))
	id := c.count(`Number(document.querySelector("#messages li:last-child").dataset.id)`)
	desk.says(fmt.Sprintf("[[reply:%d]]\nNoted", id))
	c.sees("what the agent replied to", bubble("Noted", false)+
		` && document.querySelector("#messages li:last-child .quote")?.textContent === "After five, please"`)
}
