//go:build browser

package browser

import (
	"fmt"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// TestSMS has texts of several short messages, a picture, and a customer who wants
// no more and then does.
func TestSMS(t *testing.T) {
	play := startPlayground(t)
	browser := startChromium(t)
	desk := agent{open(t, browser, "agent-sms", play[console])}
	const unnamed = "New contact sms-+420601234567" // nobody tells a name
	c := customer{open(t, browser, "phone-SMS", play["Phone, SMS"]), "SMS", "Grace Hopper"}
	c.do(chromedp.EmulateViewport(430, 860), chromedp.WaitVisible("#number"), chromedp.SendKeys("#number", "+420601234567"))
	c.joins(c.name)

	long := strings.TrimSpace(strings.Repeat("My parcel has not come. ", 20)) // 479 characters: 4 short messages
	c.writes(long)
	desk.opens(unnamed)
	desk.sees("the long message as one", line(long, "theirs", ""))
	answer := strings.TrimSpace(strings.Repeat("It is on its way, and will be there. ", 60)) // more than one message may have
	desk.says(answer)
	desk.sees("the answer delivered", line(answer, "mine", "delivered"))
	c.sees("the long answer in two messages", agentTexts+`.length === 2 && `+agentTexts+fmt.Sprintf(`.join(" ") === %q`, answer))
	c.sees("both delivered", `document.querySelectorAll("#messages .message:not(.mine)[data-state=delivered]").length === 2`)

	c.sendsPicture(pictureFile(t), "It looks like this")
	desk.sees("the picture and its caption", has("It looks like this", "theirs")+" && "+picture("#log .theirs"))
	desk.says("file:image/png|map|" + pictureServer(t) + "\nThis is where it is now")
	c.sees("the agent's picture", picture(".message:not(.mine)")+" && "+bubble("This is where it is now", false))
	c.shot("conversation")
	desk.shot("conversation")

	c.do(chromedp.Click("#attach"), chromedp.Click("[data-do=stop]"))
	desk.sees("STOP, which ends the chat", line("STOP", "theirs", "")+` && document.querySelector("#status").textContent === "Closed by customer"`)
	desk.shot("stop")
	c.writes("Where is it?")
	desk.sees("a new chat", openChat(unnamed)+" && "+line("Where is it?", "theirs", ""))
	desk.says("Wait, please")
	desk.sees("that nothing is delivered any more", line("Wait, please", "mine", "not delivered"))
	desk.sees("why", has("cannot be reached", "note"))
	desk.shot("refused")
	c.do(chromedp.Click("#attach"), chromedp.Click("[data-do=start]"))
	desk.sees("START", line("START", "theirs", ""))
	desk.says("Welcome back")
	c.sees("the answer", tick("Welcome back", false, "delivered"))
	c.shot("started")
	desk.shot("started")
	desk.offences()
}

// openChat is a JavaScript condition: the console shows a chat that is not closed,
// which it chooses otherwise.
func openChat(name string) string {
	return fmt.Sprintf(`(chat => {
		if (chat && !chat.hasAttribute("aria-current")) chat.click();
		return Boolean(chat) && !document.querySelector("#composer").hidden;
	})([...document.querySelectorAll("#chats button:not(.closed)")].find(b => b.textContent.includes(%q)))`, name)
}
