//go:build browser

package browser

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/chromedp/chromedp"
)

// The templates that the simulated WhatsApp has approved, as the agent writes them.
const (
	noticeTemplate = "[[template:HX00000000000000000000000000000001|1=your parcel has come]]"
	goOnTemplate   = "[[template:HX00000000000000000000000000000002|1=Ada|2=your order]]"
)

// TestWhatsApp talks by text, picture and template, follows the ticks while the
// phone is off, on and looked at, and lets the 24-hour window close.
func TestWhatsApp(t *testing.T) {
	play := startPlayground(t)
	browser := startChromium(t)
	desk := agent{open(t, browser, "agent-whatsapp", play[console])}
	c := newCustomer(t, browser, play, "WhatsApp", "Ada Lovelace")

	c.writes("Where is my parcel?")
	desk.opens(c.name)
	desk.sees("the customer's message", line("Where is my parcel?", "theirs", ""))
	desk.sees("what WhatsApp shows, and until when it takes answers", limits("whatsapp shows files", "Answers are taken until"))
	desk.do(chromedp.SendKeys("#text", "O"))
	c.sees("that the agent is typing", `document.querySelector("#status").textContent.startsWith("typing")`)
	c.sees("that the message was read", tick("Where is my parcel?", true, "read"))

	c.phones("sent")
	desk.says("On its way.")
	c.sees("one tick while its phone is off", tick("On its way.", false, "sent"))
	desk.sees("that it has not arrived", line("On its way.", "mine", "on its way"))
	c.shot("off")
	c.phones("delivered")
	c.sees("two ticks when it is on", tick("On its way.", false, "delivered"))
	c.phones("read")
	c.sees("that it is read", tick("On its way.", false, "read"))
	desk.sees("the answer delivered", line("On its way.", "mine", "delivered"))

	c.sendsPicture(pictureFile(t), "It looks like this")
	desk.sees("the picture and its caption", has("It looks like this", "theirs")+" && "+picture("#log .theirs"))
	desk.says("file:image/png|map|" + pictureServer(t) + "\nThis is where it is now")
	c.sees("the agent's picture", picture(".message:not(.mine)")+" && "+bubble("This is where it is now", false))

	desk.says(goOnTemplate)
	const goOn = "Hello Ada, may we go on with your order?"
	c.sees("the template", bubble(goOn, false))
	c.do(chromedp.Click(`//*[@class="choice"][.="Yes, go on"]`))
	desk.sees("the quick reply", has("Yes, go on", "theirs"))
	c.sees("all of it settled", tick(goOn, false, "read")+" && "+tick("Yes, go on", true, "taken"))
	c.answers(goOn, "Thank you")
	desk.sees("the reply", has("Thank you", "theirs"))
	c.shot("conversation")
	desk.shot("conversation")

	windowCloses(c, desk)
	desk.offences()
}

// windowCloses lets a day pass on the phone. The network's refusal tells the agent
// of it and the gateway as well, which then sends nothing in vain; a template goes,
// and what the customer writes opens the window again.
func windowCloses(c customer, desk agent) {
	c.t.Helper()
	c.do(chromedp.Click("#window"))
	c.sees("the window closed", `document.querySelector("#window").ariaChecked === "false"`)
	desk.says("Are you still there?")
	c.sees("the network refuse it", tick("Are you still there?", false, "failed"))
	desk.sees("that it was not delivered", line("Are you still there?", "mine", "not delivered"))
	desk.sees("why, and the way out", has("24-hour window", "note")+" && "+has("[[template:", "note"))
	desk.sees("it where an answer is written", limits("The reply window is closed: send a template."))
	desk.says("Hello?")
	desk.sees("that this one was not delivered either", line("Hello?", "mine", "not delivered"))
	c.shot("closed")
	desk.shot("closed")

	desk.says(noticeTemplate)
	c.sees("the template", bubble("We have an answer for you: your parcel has come", false))
	if n := c.count(`[...document.querySelectorAll("#messages .text")].filter(e => e.textContent === "Hello?").length`); n != 0 {
		c.t.Error("what the gateway knew to be too late was sent")
	}
	c.writes("Yes, I am here")
	c.sees("the window open", `document.querySelector("#window").ariaChecked === "true"`)
	desk.sees("the customer's message", line("Yes, I am here", "theirs", ""))
	desk.says("Good.")
	c.sees("the answer read", tick("Good.", false, "read"))
	c.shot("open-again")
	desk.shot("open-again")
}

// phones sets how far messages come on the phones of a network.
func (c customer) phones(reach string) {
	c.t.Helper()
	c.sees("the switch", fmt.Sprintf(`(s => {
		if (s.dataset.chosen === %[1]q) return s.ariaBusy === "false" && s.value === %[1]q;
		s.dataset.chosen = s.value = %[1]q;
		s.dispatchEvent(new Event("change"));
	})(document.querySelector("#reach"))`, reach))
}

// answers replies to a message.
func (c customer) answers(message, text string) {
	c.t.Helper()
	said := fmt.Sprintf(`//*[@id="messages"]/li[.//*[@class="text"][.=%q]]`, message)
	c.do(chromedp.Click(said+`//button[contains(@class, "toggle")]`), chromedp.Click(said+`//button[.="Reply"]`))
	c.writes(text)
	c.sees("what it replied to", fmt.Sprintf(`document.querySelector("#messages li:last-child .quote")?.textContent === %q`, message))
}

// limits is a condition on the line that tells what the customer's network takes.
func limits(parts ...string) string {
	list, _ := json.Marshal(parts) // strings always marshal
	return fmt.Sprintf(`%s.every(part => document.querySelector("#limits").textContent.includes(part))`, list)
}
