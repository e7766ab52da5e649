//go:build browser

package browser

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/chromedp/chromedp"
)

// mailbox is the page of a person's mails, clerk the core's page of messages.
type (
	mailbox struct{ *tab }
	clerk   struct{ *tab }
)

// TestMail writes a mail as alice, reads it at the core, answers it there and finds the
// answer in alice's mailbox, in its thread and as text and HTML, which runs nothing.
// The next ones go while the mail host breaks, and one to somebody who has no mailbox.
func TestMail(t *testing.T) {
	play := startPlayground(t)
	browser := startChromium(t)
	alice := mailbox{open(t, browser, "mailbox-alice", play["Mailbox"])}
	alice.do(chromedp.EmulateViewport(430, 860))
	alice.sees("whose mailbox it is, without mails", `document.querySelector("#owner-name").textContent === "alice@example.test" && document.querySelector("#status").textContent === "0 mails"`)
	core := clerk{open(t, browser, "messages", play[console])}
	core.sees("the way to the messages", `document.querySelector(".top a")?.href === location.href + "messages"`)
	core.do(chromedp.Navigate(play[console] + "messages"))
	core.sees("the register", `document.querySelectorAll("#gateways .badge").length === 4 && [...document.querySelectorAll("#gateways .badge")].every(b => b.textContent === "asked for")`)

	note := filepath.Join(t.TempDir(), "order.txt")
	if err := os.WriteFile(note, []byte("4711"), 0o600); err != nil {
		t.Fatal(err)
	}
	alice.writes("Where is my parcel?", "It should have come on Monday.", chromedp.SetUploadFiles("#file", []string{note}))
	alice.sees("the mail in the list", `document.querySelector(".thread")?.textContent.includes("Where is my parcel?")`)
	core.opens("Where is my parcel?")
	core.sees("its text, and its file", said("theirs", "It should have come on Monday.")+" && "+said("theirs", "order.txt"))
	core.shot("mail")

	core.answers("On its way.", `<p>On its <b>way</b>.</p><script>parent.document.title = "broken"</script><img src="http://127.0.0.1:1/seen.png">`)
	core.sees("that it was sent", state("On its way.", "sent"))
	core.shot("answered")
	alice.sees("one thread with the answer, unread", `document.querySelectorAll(".thread.unread").length === 1 && document.querySelector(".thread .count").textContent === "2"`)
	alice.shot("list")
	alice.do(chromedp.Click(".thread"))
	alice.sees("the answer behind its own mail", `(m => m.length === 2 && m[0].classList.contains("mine") && m[1].textContent.includes("On its way."))(document.querySelectorAll("#mails .mail"))`)
	alice.do(chromedp.Click(`//*[@class="ways"]/button[.="HTML"]`))
	alice.sees("the HTML in a frame without rights, which runs nothing", `(f => f && f.getAttribute("sandbox") === "" && f.srcdoc.includes("<b>way</b>") && f.contentDocument === null && document.title === "Mailbox")(document.querySelector("#mails iframe"))`)
	alice.shot("thread")

	// The mail host breaks in every way once, and the customer goes on.
	alice.breaks("Cut in a mail", "New UIDs")
	alice.do(chromedp.Click(`//*[@id="mails"]//button[.="Reply"]`), chromedp.WaitVisible("#letter"), chromedp.SendKeys("#text", "Thank you."), chromedp.Click("#send"))
	alice.sees("its own answer", `document.querySelector("#mails .mail:last-child")?.textContent.includes("Thank you.")`)
	core.sees("it in the same thread", said("theirs", "Thank you.")+` && document.querySelectorAll("#threads .item").length === 1`)
	alice.breaks("Not now, once")
	core.answers("You are welcome.", "")
	core.sees("that it was sent all the same", state("You are welcome.", "sent"))
	alice.sees("it in the thread", `document.querySelector("#mails .mail:last-child")?.textContent.includes("You are welcome.")`)

	core.do(chromedp.Click("#new"), chromedp.WaitVisible("#letter"),
		chromedp.SetValue("#gateway", mailOut), chromedp.SendKeys("#to", "nobody@example.test"),
		chromedp.SendKeys("#subject", "To nobody"), chromedp.SendKeys("#text", "Hello?"), chromedp.Click("#send"))
	core.sees("that nobody has this mailbox", state("Hello?", "failed")+` && document.querySelector(".facts .bad").textContent.includes("refused")`)
	core.shot("refused")
	for _, p := range []*tab{alice.tab, core.tab} {
		p.do(chromedp.EmulateViewport(360, 740))
		p.sees("nothing beside the screen", `document.documentElement.scrollWidth <= 360`)
		p.shot("narrow")
		p.do(chromedp.EmulateViewport(900, 860), colours("dark"))
		p.shot("dark")
	}
	core.sees("no offence", `document.querySelector("#n-offences").textContent === "0"`)
}

// mailOut is the register's gateway for mails to customers.
const mailOut = "6b8a2d34-5f0e-4b0c-9d52-0c1f6a7e1002"

// TestRegister adds a gateway in the core's register, which the list then has, and
// takes it out.
func TestRegister(t *testing.T) {
	play := startPlayground(t)
	core := clerk{open(t, startChromium(t), "register", play[console]+"messages")}
	core.sees("the register", `document.querySelectorAll("#gateways .entry").length === 4`)
	core.do(chromedp.Click("#add"),
		chromedp.SendKeys("#gateways .entry:last-child [data-key=DisplayName]", "Invoices"),
		chromedp.SendKeys("#gateways .entry:last-child [data-key=Device]", `ImapHost {"Host": "127.0.0.1", "User": "x", "Password": "env:NONE"}`),
		chromedp.Click("#save"))
	core.sees("it saved", `document.querySelector("#save").disabled && document.querySelector("#gateways .entry:last-child .title").textContent === "Invoices"`)
	core.do(chromedp.Reload())
	core.sees("it still there", `document.querySelectorAll("#gateways .entry").length === 5`)
	core.do(chromedp.Click("#gateways .entry:last-child summary"))
	core.shot("entry")
	core.do(chromedp.Click("#gateways .entry:last-child .danger"), chromedp.Click("#save"))
	core.sees("it gone", `document.querySelector("#save").disabled && document.querySelectorAll("#gateways .entry").length === 4`)
}

// writes sends a mail to the business.
func (m mailbox) writes(subject, text string, more ...chromedp.Action[chromedp.Void]) {
	m.t.Helper()
	m.do(chromedp.Click("#write"), chromedp.WaitVisible("#letter"), chromedp.SendKeys("#subject", subject), chromedp.SendKeys("#text", text))
	m.do(append(more, chromedp.Click("#send"))...)
	m.sees("the letter gone", `document.querySelector("#letter").hidden`)
}

// breaks presses what the mail host is to do.
func (m mailbox) breaks(names ...string) {
	m.t.Helper()
	m.do(chromedp.Click("#levers summary"), chromedp.WaitVisible("#levers dl"))
	for _, name := range names {
		m.do(chromedp.Click(fmt.Sprintf(`//*[@id="levers"]//button[.=%q]`, name)))
		m.sees("that it is done", fmt.Sprintf(`document.querySelector("#alert").textContent === %q`, name+": done."))
	}
	m.do(chromedp.Click("#levers summary"))
}

// opens shows the thread of this subject.
func (d clerk) opens(subject string) {
	d.t.Helper()
	thread := fmt.Sprintf(`//*[@id="threads"]//button[contains(., %q)]`, subject)
	d.do(chromedp.WaitVisible(thread), chromedp.Click(thread))
	d.sees("the thread", fmt.Sprintf(`document.querySelector("#subject-shown").textContent === %q`, subject))
}

// answers replies to the latest message of a customer in the thread.
func (d clerk) answers(text, html string) {
	d.t.Helper()
	d.do(chromedp.Click(`(//*[@id="log"]//button[.="Reply"])[last()]`), chromedp.WaitVisible("#letter"), chromedp.SendKeys("#text", text))
	if html != "" {
		d.do(chromedp.Click("#letter summary"), chromedp.WaitVisible("#html"), chromedp.SendKeys("#html", html))
	}
	d.do(chromedp.Click("#send"))
}

// said is a JavaScript condition: a message on this side holds the text.
func said(side, text string) string {
	return fmt.Sprintf(`[...document.querySelectorAll("#log .line.%s .text")].some(t => t.textContent.includes(%q))`, side, text)
}

// state is a JavaScript condition: the answer with this text is so far.
func state(text, want string) string {
	return fmt.Sprintf(`[...document.querySelectorAll("#log .line.mine[data-state=%s] .text")].some(t => t.textContent.includes(%q))`, want, text)
}
