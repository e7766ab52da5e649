//go:build browser

package browser

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// networks and a customer of each.
var members = map[string]string{"Telegram": "Ada Lovelace", "Omnichannel": "Grace Hopper"}

// panel is the start page with its faults panel.
func panel(t *testing.T, p *tab) *tab {
	t.Helper()
	p.do(chromedp.EmulateViewport(1680, 1000), chromedp.WaitVisible("#core"))
	return p
}

// fault is a selector of a network's box on the panel.
func fault(network, what string) string {
	return fmt.Sprintf(`[data-network=%q] %s`, networkName(network), what)
}

// networkName is the network's in the configuration.
func networkName(title string) string {
	if title == "Messenger" {
		return "facebook"
	}
	return strings.ToLower(title)
}

// opens shows a chat in the console on the start page.
func opens(start *tab, name string) {
	start.t.Helper()
	start.sees("the chat of "+name, chosen(`document.querySelector("#console").contentDocument`, name))
}

// TestCoreAway switches the core off for 20 s while customers of both networks
// go on writing. Afterwards the agent has read everything, once and in order.
func TestCoreAway(t *testing.T) {
	play := startPlayground(t)
	browser := startChromium(t)
	desk := agent{open(t, browser, "agent-away", play[console])}
	customers, want := map[string]customer{}, map[string][]string{}
	for network, name := range members {
		c := newCustomer(t, browser, play, network, name)
		customers[network] = c
		c.writes("Before the core goes")
		want[name] = []string{"Before the core goes"}
		desk.opens(name)
		desk.sees("the message", line("Before the core goes", "theirs", ""))
		desk.says("I am here")
		c.sees("the answer", bubble("I am here", false))
	}
	start := panel(t, open(t, browser, "start", play[startPage]))
	opens(start, members["Telegram"])
	start.do(chromedp.Click(`#core [data-off="20"]`))
	off := time.Now()
	start.sees("the core off", `document.querySelector("#core").dataset.state === "bad"`)
	for n := 1; n <= 4; n++ {
		for network, c := range customers {
			text := fmt.Sprintf("Message %d while it is away", n)
			c.writes(text)
			want[members[network]] = append(want[members[network]], text)
		}
	}
	start.sees("what waits", `[...document.querySelectorAll(".ledger b.pending")].filter(b => b.textContent === ", 4 waiting").length === 2`)
	start.sees("the messages on both phones", `["telegram", "omnichannel"].every(n => document.querySelector("#phone-" + n)
		.contentDocument.querySelector("#messages")?.textContent.includes("Message 4 while it is away"))`)
	start.shot("core-off")
	start.sees("the core on again", `document.querySelector("#core").dataset.state === "on"`)
	if away := time.Since(off); away < 19*time.Second {
		t.Errorf("the core was away for %v, want 20 s", away)
	}
	for _, c := range customers {
		c.writes("After it came back")
		want[c.name] = append(want[c.name], "After it came back")
		desk.opens(c.name)
		desk.sees("every message once and in order", same(customerTexts, want[c.name]))
		desk.says("Now I have read it all")
		c.sees("the answer", bubble("Now I have read it all", false))
		c.shot("after-the-core-was-away")
	}
	start.sees("nothing waiting", `!document.querySelector(".ledger b")`)
	start.shot("core-back")
	desk.shot("end")
	desk.offences()
}

// TestRateStorm lets each network answer 429 for 20 s while the agent writes.
// The answers arrive afterwards, once and in order.
func TestRateStorm(t *testing.T) {
	play := startPlayground(t)
	browser := startChromium(t)
	desk := agent{open(t, browser, "agent-storm", play[console])}
	customers := map[string]customer{}
	for network, name := range members {
		c := newCustomer(t, browser, play, network, name)
		customers[network] = c
		c.writes("Are you there?")
		desk.opens(name)
		desk.sees("the message", line("Are you there?", "theirs", ""))
	}
	start := panel(t, open(t, browser, "start", play[startPage]))
	opens(start, members["Omnichannel"])
	for network := range members {
		start.do(chromedp.Click(fault(network, `[data-fault="rate"]`)))
		start.sees("the storm", fmt.Sprintf(`document.querySelector(%q).textContent === "answers 429"`, fault(network, ".state")))
	}
	answers := []string{"Yes", "I am looking it up", "Here it is"}
	for _, c := range customers {
		desk.opens(c.name)
		for _, text := range answers {
			desk.says(text)
			desk.sees("its answer on its way", line(text, "mine", "on its way"))
		}
	}
	start.sees("what waits", `[...document.querySelectorAll(".ledger b.pending")].filter(b => b.textContent === ", 3 waiting").length === 2`)
	start.shot("storm")
	for _, c := range customers {
		c.sees("every answer once and in order", same(agentTexts, answers))
		desk.opens(c.name)
		desk.sees("the last answer delivered", line(answers[2], "mine", "delivered"))
		c.shot("after-the-storm")
	}
	start.sees("no fault and nothing waiting", `!document.querySelector(".ledger b") && !document.querySelector(".fault[data-state=bad]")`)
	start.shot("storm-over")
	desk.offences()
}

// TestDown lets each network bring everything twice, then reset every
// connection. What customers wrote arrives once and in order. Of the answer that
// left into a reset connection nobody can know whether it arrived: Omnichannel
// is sent it again, as its receiver drops a repeated id; on Telegram the agent
// reads that its fate is unknown.
func TestDown(t *testing.T) {
	play := startPlayground(t)
	browser := startChromium(t)
	desk := agent{open(t, browser, "agent-down", play[console])}
	start := panel(t, open(t, browser, "start-down", play[startPage]))
	for network, name := range members {
		c := newCustomer(t, browser, play, network, name)
		shows := func(state string) {
			t.Helper()
			start.sees(state, fmt.Sprintf(`document.querySelector(%q).textContent === %q`, fault(network, ".state"), state))
		}
		start.do(chromedp.Click(fault(network, `[data-fault="duplicate"]`)))
		shows("brings everything twice")
		want := []string{"One", "Two", "Three"}
		for _, text := range want {
			c.writes(text)
		}
		desk.opens(name)
		desk.sees("every message once and in order", same(customerTexts, want))
		start.do(chromedp.Click(fault(network, "[data-clear]")))
		shows("no fault")

		start.do(chromedp.Click(fault(network, `[data-fault="outage"]`)))
		shows("down")
		desk.says("Can you hear me?")
		if network == "Telegram" {
			desk.sees("that the fate of its answer is unknown", line("Can you hear me?", "mine", "not delivered")+
				" && "+has("is not known whether", "note"))
		} else {
			desk.sees("its answer on its way", line("Can you hear me?", "mine", "on its way"))
		}
		c.writes("Four")
		start.shot("down-" + network)
		start.do(chromedp.Click(fault(network, "[data-clear]")))
		shows("no fault")
		desk.sees("what was written while it was down", same(customerTexts, append(want, "Four")))
		if network == "Omnichannel" {
			c.sees("the late answer", bubble("Can you hear me?", false))
			desk.sees("the late answer delivered", line("Can you hear me?", "mine", "delivered"))
		}
		desk.says("And now?")
		c.sees("the next answer", bubble("And now?", false))
		desk.sees("it delivered", line("And now?", "mine", "delivered"))
		desk.shot(network)
	}
	desk.offences()
}

// TestTwilioFaults lets WhatsApp bring everything twice and then ask for patience.
// What the customer wrote is shown once, and the answer arrives afterwards, once.
func TestTwilioFaults(t *testing.T) {
	play := startPlayground(t)
	browser := startChromium(t)
	desk := agent{open(t, browser, "agent-twilio", play[console])}
	start := panel(t, open(t, browser, "start-twilio", play[startPage]))
	c := newCustomer(t, browser, play, "WhatsApp", "Alan Turing")
	shows := func(state string) {
		t.Helper()
		start.sees(state, fmt.Sprintf(`document.querySelector(%q).textContent === %q`, fault("WhatsApp", ".state"), state))
	}
	start.do(chromedp.Click(fault("WhatsApp", `[data-fault="duplicate"]`)))
	shows("brings everything twice")
	for _, text := range []string{"One", "Two"} {
		c.writes(text)
		c.sees("it taken", tick(text, true, "taken"))
	}
	desk.opens(c.name)
	desk.sees("every message once", `JSON.stringify(`+customerTexts+`.sort()) === '["One","Two"]'`)
	start.do(chromedp.Click(fault("WhatsApp", "[data-clear]")))
	shows("no fault")

	start.do(chromedp.Click(fault("WhatsApp", `[data-fault="rate"]`)))
	shows("answers 429")
	desk.says("I am looking it up")
	desk.sees("its answer on its way", line("I am looking it up", "mine", "on its way"))
	start.sees("what waits", fmt.Sprintf(`document.querySelector(%q)?.textContent === ", 1 waiting"`, fault("WhatsApp", ".ledger b.pending")))
	start.shot("storm")
	start.do(chromedp.Click(fault("WhatsApp", "[data-clear]")))
	c.sees("the answer", tick("I am looking it up", false, "read"))
	c.sees("it once", same(agentTexts, []string{"I am looking it up"}))
	desk.sees("it delivered", line("I am looking it up", "mine", "delivered"))
	desk.offences()
}
