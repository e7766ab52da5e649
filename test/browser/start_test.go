//go:build browser

package browser

import (
	"fmt"
	"testing"

	"github.com/chromedp/chromedp"
)

// TestStartPage: a phone can be chosen for each network. One that is not shown is
// not there, and shows what it missed when it is again.
func TestStartPage(t *testing.T) {
	play := startPlayground(t)
	browser := startChromium(t)
	desk := agent{open(t, browser, "agent-start", play[console])}
	start := panel(t, open(t, browser, "start-phones", play[startPage]))
	start.sees("five channels and the mailbox that are well",
		`[...document.querySelectorAll(".ledger")].filter(l => l.textContent.endsWith("channel ok")).length === 6`)
	start.sees("two phones", shown("telegram", "omnichannel"))

	view := func(network string) { start.do(chromedp.Click(fmt.Sprintf(".views [data-view=%q]", network))) }
	view("whatsapp")
	start.sees("it in the place of one of them", shown("telegram", "whatsapp"))
	start.sees("the phone ready", phone("whatsapp")+`?.querySelector("#business")?.textContent === "+420800123456"`)
	start.sees("a customer who has written", fmt.Sprintf(`(d => {
		if (!d?.querySelector("#messages")) return false;
		if (!d.body.dataset.written && !d.querySelector("#send").disabled) {
			d.body.dataset.written = "yes";
			d.querySelector("#text").value = "Hello";
			d.querySelector("#writer").requestSubmit();
		}
		if (!d.querySelector("#people").hidden) {
			d.querySelector("#name").value = "Ada Lovelace";
			d.querySelector("#newcomer").requestSubmit();
		}
		return Boolean(d.querySelector("#messages li[data-state=taken]"));
	})(%s)`, phone("whatsapp")))
	view("sms")
	view("omnichannel")
	start.sees("the others alone", shown("sms", "omnichannel")+` && document.querySelectorAll("iframe.phone").length === 2`)
	desk.opens("Ada Lovelace")
	desk.says("Good day")
	desk.sees("its answer delivered", line("Good day", "mine", "delivered"))
	view("whatsapp")
	start.sees("the answer", phone("whatsapp")+`?.querySelector("#messages .message:not(.mine) .text")?.textContent === "Good day"`)
	start.shot("whatsapp")

	start.do(chromedp.EmulateViewport(1280, 900))
	start.sees("one phone where there is room for one", shown("whatsapp"))
	start.shot("narrow")
	start.do(chromedp.EmulateViewport(800, 900), chromedp.Click(`.views [data-view="console"]`))
	start.sees("the console alone", shown("console"))
	start.shot("console")
	desk.offences()
}

// phone is the document of a phone on the start page.
func phone(network string) string {
	return fmt.Sprintf(`document.querySelector("#phone-%s")?.contentDocument`, network)
}

// shown is a JavaScript condition: the start page shows these and marks them.
func shown(views ...string) string {
	return fmt.Sprintf(`JSON.stringify([...document.querySelectorAll(".views button[aria-pressed=true]")]
		.filter(b => b.dataset.view !== "console" || b.getClientRects().length > 0).map(b => b.dataset.view).sort()) ===
		JSON.stringify(%s.sort())`, list(views))
}
