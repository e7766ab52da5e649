//go:build browser

package browser

import (
	"fmt"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// bubble is a JavaScript condition: the customer's page shows text, from the
// customer (mine) or the agent.
func bubble(text string, mine bool) string {
	return fmt.Sprintf(`[...document.querySelectorAll("#messages .message")].some(m =>
		m.classList.contains("mine") === %t && m.querySelector(".bubble").textContent === %q)`, mine, text)
}

// line is a JavaScript condition: the agent's console shows text once, as kind
// "theirs" (the customer) or "mine" (the agent), with a mark that begins so.
func line(text, kind, mark string) string {
	return fmt.Sprintf(`[...document.querySelectorAll("#log .line.%s")].filter(l =>
		l.querySelector(".text").textContent === %q && (l.dataset.mark || "").startsWith(%q)).length === 1`, kind, text, mark)
}

func TestConversation(t *testing.T) {
	play := startPlayground(t)
	browser := startChromium(t)
	customer := open(t, browser, "customer", play.page)
	agent := open(t, browser, "agent", play.console)

	customer.do(
		chromedp.WaitVisible("#name"),
		chromedp.SendKeys("#name", "Ada Lovelace"+kb.Enter),
		chromedp.WaitEnabled("#text"),
		chromedp.SendKeys("#text", "Where is my parcel?"+kb.Enter),
	)
	customer.sees("its message taken by the gateway",
		bubble("Where is my parcel?", true)+` && document.querySelector("#messages [data-state=taken]") !== null`)

	agent.do(chromedp.WaitVisible("#chats button"), chromedp.Click("#chats button"))
	agent.sees("the customer's message", line("Where is my parcel?", "theirs", ""))
	agent.do(chromedp.SetValue("#text", "On its way. Shall I call you?\n[[Yes, please|call]]\n[[No|no]]"), chromedp.Click("#send"))

	customer.sees("the agent's answer", bubble("On its way. Shall I call you?", false))
	customer.sees("both buttons", `document.querySelectorAll("#messages .choices button").length === 2`)
	agent.sees("its answer delivered",
		line("On its way. Shall I call you?\n[[Yes, please|call]]\n[[No|no]]", "mine", "delivered"))
	customer.shot("answered")
	agent.shot("answered")

	customer.do(chromedp.Click(`#messages .choices button:first-child`))
	agent.sees("the pressed button", line("Yes, please", "theirs", ""))

	t.Run("a repeated webhook is shown once", func(t *testing.T) {
		customer.do(chromedp.Click(`#messages .facts button`)) // of the first message
		customer.do(chromedp.SendKeys("#text", "after the repeat"+kb.Enter))
		agent.sees("the message after the repeat", line("after the repeat", "theirs", ""))
		agent.sees("the first message once", line("Where is my parcel?", "theirs", ""))
	})

	t.Run("an answer survives a network that is down", func(t *testing.T) {
		customer.do(chromedp.Click("#offline"))
		agent.do(chromedp.SendKeys("#text", "Are you there?"), chromedp.Click("#send"))
		agent.sees("its answer on its way", line("Are you there?", "mine", "on its way"))
		customer.do(chromedp.Click("#offline"))
		customer.sees("the late answer", bubble("Are you there?", false))
		agent.sees("the late answer delivered", line("Are you there?", "mine", "delivered"))
	})

	t.Run("two customers do not mix", func(t *testing.T) {
		customer.do(
			chromedp.SendKeys("#name", "Grace Hopper"+kb.Enter),
			chromedp.WaitVisible(`//h2[.="Grace Hopper"]`),
			chromedp.SendKeys("#text", "Hello from another customer"+kb.Enter),
		)
		agent.sees("a second chat", `document.querySelectorAll("#chats button").length === 2`)
		agent.do(chromedp.Click(`//ul[@id="chats"]//button[contains(., "Grace Hopper")]`))
		agent.sees("the second customer's message only", line("Hello from another customer", "theirs", "")+
			` && document.querySelectorAll("#log .line").length === 1`)
	})
	if n := agent.count(`Number(document.querySelector("#n-offences").textContent)`); n != 0 {
		t.Errorf("the reference core counted %d protocol offences", n)
	}
	customer.shot("end")
	agent.shot("end")
}
