//go:build browser

package browser

import (
	"fmt"
	"testing"

	"github.com/chromedp/chromedp"
)

// TestMessenger has all that Messenger's customers and their phones do, an answer from
// the page's own inbox, and a reply window that closes.
func TestMessenger(t *testing.T) {
	play := startPlayground(t)
	browser := startChromium(t)
	desk := agent{open(t, browser, "agent-messenger", play[console])}
	c := newCustomer(t, browser, play, "Messenger", "Ada Lovelace")

	c.writes("Hello")
	desk.meets(c)
	c.writes("Where is my parcel? 📦")
	desk.sees("the name, which was asked for", `document.querySelector("#log .line.theirs:last-child")?.textContent.includes("Ada Lovelace")`)
	desk.sees("the customer's message", line("Where is my parcel? 📦", "theirs", ""))
	desk.sees("what Messenger shows, and until when it takes answers", limits("facebook shows files", "Answers are taken until"))
	desk.do(chromedp.SendKeys("#text", "O"))
	c.sees("that the agent is typing", `document.querySelector("#status").textContent.startsWith("typing")`)
	c.sees("that the message was seen", tick("Where is my parcel? 📦", true, "read"))

	c.phones("sent")
	desk.says("On its way 🚚")
	c.sees("one tick while its phone is off", tick("On its way 🚚", false, "sent"))
	c.shot("off")
	c.phones("read")
	c.sees("that it is seen", tick("On its way 🚚", false, "read"))
	desk.sees("the answer delivered", line("On its way 🚚", "mine", "delivered"))

	messengerFiles(c, desk)
	messengerButtons(c, desk)
	messengerChanges(c, desk)
	c.shot("conversation")
	desk.shot("conversation")
	messengerInbox(c, desk)
	messengerWindow(c, desk)
	desk.offences()
}

// meets shows the chat of a customer whose name the network tells later, or not at all.
func (a agent) meets(c customer) {
	a.t.Helper()
	ctx, cancel := deadline(c.ctx)
	defer cancel()
	chat, err := chromedp.Run(ctx, chromedp.Evaluate[string](`new URLSearchParams(location.hash.slice(1)).get("chat")`))
	if err != nil {
		a.t.Fatal(err)
	}
	a.sees("the chat of "+c.name, fmt.Sprintf(`(names => {
		const chat = [...document.querySelectorAll("#chats button")].find(b => names.some(n => b.textContent.includes(n)));
		if (chat && !chat.hasAttribute("aria-current")) chat.click();
		return names.includes(document.querySelector("#who")?.textContent);
	})(%s)`, list([]string{c.name, "New contact " + networkName(c.network) + "-" + chat})))
}

// messengerFiles sends what is no text, either way.
func messengerFiles(c customer, desk agent) {
	c.t.Helper()
	c.do(chromedp.Click("#attach"), chromedp.SetUploadFiles("#photo", []string{pictureFile(c.t)}),
		chromedp.WaitVisible("#context-picture"), chromedp.SendKeys("#text", "It looks like this"), chromedp.Click("#send"))
	c.sees("its picture, and the caption as a message", picture(".mine")+" && "+bubble("It looks like this", true))
	desk.sees("both", picture("#log .theirs")+" && "+line("It looks like this", "theirs", ""))
	c.do(chromedp.Click("#attach"), chromedp.Click("[data-do=sticker]"))
	c.sees("its sticker", `Boolean(document.querySelector("#messages [data-kind=sticker] img"))`)
	c.do(chromedp.Click("#attach"), chromedp.Click("#location"), chromedp.WaitVisible("#lat"), chromedp.Click("#location-form [type=submit]"))
	desk.sees("the location", has("geo:52.51", "theirs"))
	c.do(chromedp.Click("#attach"), chromedp.SetUploadFiles("#document", []string{billFile(c.t)}),
		chromedp.WaitVisible(`//*[@id="context-text"][.="bill.pdf"]`), chromedp.Click("#send"))
	c.sees("its document", `document.querySelector("#messages li:last-child")?.textContent.includes("bill.pdf")`)
	desk.sees("the document, to be opened", `[...document.querySelectorAll("#log .line.theirs .text")].some(t =>
		t.textContent.startsWith("file:document|") && t.querySelector("a[href^='http://127.0.0.1']"))`)
	desk.says("file:image/png|map|" + pictureServer(c.t) + "\nThis is where it is now")
	c.sees("the agent's picture", picture(".message:not(.mine)")+" && "+bubble("This is where it is now", false))
}

// messengerButtons presses a quick reply, and opens the conversation by a link.
func messengerButtons(c customer, desk agent) {
	c.t.Helper()
	desk.says("Shall I call you?\n[[Yes, please|call]]\n[[No|no]]")
	c.sees("both quick replies", `document.querySelectorAll("#messages .choice").length === 2`)
	c.shot("quick-replies")
	c.do(chromedp.Click(`//*[@class="choice"][.="Yes, please"]`))
	desk.sees("the pressed one", line("Yes, please", "theirs", ""))
	c.do(chromedp.Click("#attach"), chromedp.Click("[data-do=referral]"))
	desk.sees("the link it came by", has("poster", "note"))
}

// messengerChanges edits, reacts, replies and takes back.
func messengerChanges(c customer, desk agent) {
	c.t.Helper()
	tool := func(message, name string) {
		c.t.Helper()
		said := fmt.Sprintf(`//*[@id="messages"]/li[.//*[@class="text"][.=%q]]`, message)
		c.do(chromedp.Click(said+`//button[contains(@class, "toggle")]`), chromedp.Click(said+name))
	}
	tool("Where is my parcel? 📦", `//button[.="Edit"]`)
	c.do(chromedp.SetValue("#text", "Where is my big parcel?"), chromedp.Click("#send"))
	c.sees("the edited message", bubble("Where is my big parcel?", true))
	desk.sees("a note of the edit", has("Where is my big parcel?", "note"))

	tool("On its way 🚚", `//button[@aria-label="React with ❤"]`)
	c.sees("its reaction", `document.querySelector("#messages .reactions")?.textContent === "❤"`)
	desk.sees("a note of the reaction", has("❤", "note"))
	c.answers("On its way 🚚", "After five, please")
	desk.sees("the reply", has("After five, please", "theirs"))

	c.writes("Never mind")
	desk.sees("what it will take back", line("Never mind", "theirs", ""))
	c.sees("it settled", tick("Never mind", true, "read")) // drawn anew, its open menu is gone
	tool("Never mind", `//button[.="Unsend"]`)
	c.sees("it gone", `document.querySelector("#messages li:last-child .gone")?.textContent === "This message was deleted"`)
	desk.sees("a note that it was taken back", `[...document.querySelectorAll("#log .line.note .text")].some(t => /^The customer took message .* back/.test(t.textContent))`)
}

// messengerInbox lets somebody answer in the page's own inbox: the agent reads it as a
// note, and it is not an answer of this core.
func messengerInbox(c customer, desk agent) {
	c.t.Helper()
	c.do(chromedp.Click("#attach"), chromedp.Click("#inbox"), chromedp.WaitVisible("#inbox-text"), chromedp.Click("#inbox-form [type=submit]"))
	c.sees("the colleague's answer", bubble("A colleague answers from the inbox", false))
	desk.sees("that it was answered elsewhere", has("Answered elsewhere: A colleague answers from the inbox", "note"))
}

// messengerWindow lets a day pass: a person's late answer still arrives. After seven
// the network refuses it, which the agent is told.
func messengerWindow(c customer, desk agent) {
	c.t.Helper()
	c.do(chromedp.Click("#window"))
	c.sees("the window closed", `document.querySelector("#window").ariaChecked === "false"`)
	desk.says("Are you still there?")
	c.sees("the late answer of a person", tick("Are you still there?", false, "read"))
	desk.sees("it delivered", line("Are you still there?", "mine", "delivered"))
	c.shot("late")

	c.lever("Seven days pass")
	desk.says("Hello?")
	desk.sees("that this one was not delivered", line("Hello?", "mine", "not delivered"))
	desk.sees("why", has("window", "note"))
	desk.sees("it where an answer is written", limits("The reply window is closed", "until 7 days after"))
	desk.shot("closed")
	c.writes("Yes, I am here")
	c.sees("the window open", `document.querySelector("#window").ariaChecked === "true"`)
	desk.sees("the customer's message", line("Yes, I am here", "theirs", ""))
	desk.says("Good.")
	c.sees("the answer seen", tick("Good.", false, "read"))
	c.shot("open-again")
	desk.shot("open-again")
}

// lever does what the network does, by the button of that name.
func (c customer) lever(name string) {
	c.t.Helper()
	c.do(chromedp.Click("#levers summary"), chromedp.WaitVisible("#levers dl"), chromedp.Click(fmt.Sprintf(`//*[@id="levers"]//button[.=%q]`, name)))
	c.sees("that it is done", `document.querySelector("#alert").textContent.endsWith("done.")`)
	c.do(chromedp.Click("#levers summary"))
}
