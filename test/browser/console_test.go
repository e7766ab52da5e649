//go:build browser

package browser

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"servicelink/test/ports"
)

// operator is the gateway's console, used with the keyboard alone.
type operator struct{ *tab }

// shows waits for a page by its h1.
func (o operator) shows(title string) {
	o.t.Helper()
	o.sees("the page "+title, fmt.Sprintf(`document.querySelector("h1")?.textContent === %q && document.readyState === "complete"`, title))
}

// sees waits as a tab does, also while one page takes the place of another.
func (o operator) sees(what, condition string) {
	o.t.Helper()
	ctx, cancel := deadline(o.ctx)
	defer cancel()
	for {
		_, err := chromedp.Run(ctx, chromedp.Poll[bool](condition, chromedp.WithPollingTimeout(patience)))
		if err == nil {
			return
		}
		if ctx.Err() != nil || !strings.Contains(err.Error(), "navigated") && !strings.Contains(err.Error(), "context") {
			o.shot("failed")
			o.t.Fatalf("%s does not see %s: %v", o.name, what, err)
		}
	}
}

// tabs moves the focus with the Tab key to what the selector finds.
func (o operator) tabs(selector string) {
	o.t.Helper()
	for range 80 {
		o.do(chromedp.KeyEvent(kb.Tab))
		if o.count(fmt.Sprintf(`Number(document.activeElement?.matches(%q))`, selector)) == 1 {
			if o.count(`Number(getComputedStyle(document.activeElement).outlineStyle !== "none")`) != 1 {
				o.t.Errorf("%s: the focus on %s is not seen", o.name, selector)
			}
			return
		}
	}
	o.shot("failed")
	o.t.Fatalf("%s: the Tab key does not lead to %s", o.name, selector)
}

// presses moves to something and presses Enter.
func (o operator) presses(selector string) {
	o.t.Helper()
	o.tabs(selector)
	o.do(chromedp.KeyEvent(kb.Enter))
}

// pictures takes the whole page, light on a desk and dark on a small phone, where
// nothing may stick out; nor on a smaller one.
func (o operator) pictures(step string) {
	o.t.Helper()
	for _, view := range []struct {
		scheme string
		width  int64
	}{{"light", 1280}, {"dark", 360}, {"dark", 320}} {
		o.do(chromedp.EmulateViewport(view.width, 800), colours(view.scheme))
		if n := o.count(`document.documentElement.scrollWidth - document.documentElement.clientWidth`); n > 0 {
			o.t.Errorf("%s, %s, %d px: the page is %d px too wide", o.name, step, view.width, n)
		}
		if view.width == 320 {
			continue
		}
		ctx, cancel := deadline(o.ctx)
		picture, err := chromedp.Run(ctx, chromedp.FullScreenshot(100))
		cancel()
		if err != nil {
			o.t.Fatal(err)
		}
		file := filepath.Join(o.dir, fmt.Sprintf("%s-%s-%s-%d.png", o.name, step, view.scheme, view.width))
		if err := os.WriteFile(file, picture, 0o644); err != nil {
			o.t.Fatal(err)
		}
	}
	o.do(chromedp.EmulateViewport(1280, 900), colours("light"))
}

// colours has pages believe that the system is light or dark.
func colours(scheme string) chromedp.Action[chromedp.Void] {
	return chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
		})
		return err
	})
}

// private is the address of the playground's private listener.
func (p playground) private() string { return strings.TrimSuffix(p[lastLine], "/readyz") }

// TestConsole: an answer that a network's outage made a dead letter is found,
// requeued and traced with the keyboard alone, and arrives.
func TestConsole(t *testing.T) {
	play := startPlayground(t)
	browser := startChromium(t)
	desk := agent{open(t, browser, "agent-console", play[console])}
	c := newCustomer(t, browser, play, "Telegram", "Ada Lovelace")
	c.writes("Where is my parcel?")
	desk.opens(c.name)
	desk.sees("the message", line("Where is my parcel?", "theirs", ""))
	desk.says("Let me look")
	c.sees("the answer", bubble("Let me look", false))
	start := panel(t, open(t, browser, "start-console", play[startPage]))
	start.do(chromedp.Click(fault("Telegram", `[data-fault="outage"]`)))
	start.sees("it down", fmt.Sprintf(`document.querySelector(%q).textContent === "down"`, fault("Telegram", ".state")))
	desk.says("It comes today")
	desk.sees("that it was not delivered", line("It comes today", "mine", "not delivered"))

	o := operator{open(t, browser, "console", play.private()+"/")}
	o.shows("Overview")
	o.sees("the dead letter", `document.querySelector("#live").textContent.includes("1 message")`)
	o.sees("it kept fresh", `document.querySelector("#fresh").textContent.startsWith("As of ")`)
	o.pictures("overview")
	o.presses(`a.skip`)
	o.presses(`#live a[href="/console/dead"]`)
	o.shows("Dead letters")
	o.sees("why", `document.querySelector("#live").textContent.includes("The customer may have it already.")`)
	o.pictures("dead")
	start.do(chromedp.Click(fault("Telegram", "[data-clear]")))
	start.sees("no fault", fmt.Sprintf(`document.querySelector(%q).textContent === "no fault"`, fault("Telegram", ".state")))
	if n := o.count(`Number(document.body.textContent.includes("It comes today") || document.body.textContent.includes("Lovelace"))`); n != 0 {
		t.Error("the console shows what the agent wrote, or to whom")
	}
	o.tabs(`input[type=checkbox][name=seq]`)
	o.do(chromedp.KeyEvent(" "))
	o.presses(`button[name=verb][value=discard]`)
	o.shows("Are you sure?")
	o.pictures("sure")
	o.presses(`main a.button`)
	o.shows("Dead letters")
	o.presses(`button[value^="requeue "]`)
	o.sees("what was done", `document.querySelector("#said").textContent === "1 message requeued."`)
	o.sees("no dead letter", `document.querySelector("#live").textContent.includes("No dead letters.")`)
	c.sees("the answer at last", bubble("It comes today", false))

	o.do(chromedp.Navigate(play.private() + "/console/channel/telegram"))
	o.shows("Channel telegram")
	o.pictures("channel")
	o.presses(`button[value=pause]`)
	o.sees("it paused", `document.querySelector("#verdict").textContent.includes("paused by an operator")`)
	o.pictures("paused")
	o.presses(`button[value=resume]`)
	o.sees("it well again", `document.querySelector("#verdict").textContent === "The channel is well."`)

	o.presses(`nav a[href="/console/trace"]`)
	o.shows("Trace")
	o.tabs("#q")
	o.do(chromedp.KeyEvent(chatID(desk) + kb.Enter))
	o.sees("the timeline", `[...document.querySelectorAll(".steps li")].some(l => l.textContent.includes("accepted into the journal"))`)
	o.sees("both answers", `document.querySelectorAll("article.message").length >= 3`)
	o.pictures("trace")
	o.presses(`nav a[href="/console/doctor"]`)
	o.shows("Doctor")
	o.presses(`main form button`)
	o.sees("what the doctor found", `document.querySelector("#said").textContent === "The doctor has looked at everything now."`)
	o.pictures("doctor")
	desk.offences()
}

// chatID is the chat's that the agent's desk shows.
func chatID(desk agent) string {
	desk.t.Helper()
	ctx, cancel := deadline(desk.ctx)
	defer cancel()
	id, err := chromedp.Run(ctx, chromedp.Evaluate[string](`fetch("api/chats").then(r => r.json()).then(l => (l.chats ?? l)[0].id)`, chromedp.EvalAwaitPromise))
	if err != nil {
		desk.t.Fatal(err)
	}
	return id
}

// TestConsoleLogin: with a token of the private listener an operator logs in with
// it, once, and reads first what is not well.
func TestConsoleLogin(t *testing.T) {
	const token = "the-operators-token-of-this-test"
	address := startAlone(t, token)
	o := operator{open(t, startChromium(t), "console-login", "http://"+address+"/console/doctor")}
	o.shows("Log in")
	o.pictures("login")
	o.do(chromedp.KeyEvent("wrong" + kb.Enter)) // the field has the focus
	o.sees("that it is wrong", `document.querySelector("[role=alert]")?.textContent.startsWith("That is not the token.")`)
	o.do(chromedp.KeyEvent(token + kb.Enter))
	o.shows("Doctor")
	o.presses(`nav a[href="/console/"]`)
	o.sees("what is not well", `document.querySelector("#verdict")?.textContent.startsWith("It is not well: there is no connection to the core")`)
	o.pictures("unwell")
	if n := o.count(`Number(document.cookie.length)`); n != 0 {
		t.Error("a script can read the session")
	}
	o.presses(`form[action$=logout] button`)
	o.shows("Log in")
}

// startAlone starts bin/servicelink with a token, and no core to be found; it gives
// the private listener's address once that answers.
func startAlone(t *testing.T, token string) (address string) {
	t.Helper()
	program, err := filepath.Abs("../../bin/servicelink")
	if err != nil {
		t.Fatal(err)
	}
	address = ports.For(t)
	dir := t.TempDir()
	file := filepath.Join(dir, "gateway.yaml")
	text := fmt.Sprintf(`core: { address: %q, secret: "a secret of the core" }
journal: { path: %q }
public: { listen: %q }
private: { listen: %q, token: %q }
channels:
  - { name: shop, network: omnichannel, settings: { token: "a-token-of-the-network", webhook_url: "https://client.example.com" } }
`, ports.For(t), filepath.Join(dir, "journal.db"), ports.For(t), address, token)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), program, "run", "--config", file)
	cmd.Stderr = os.Stderr
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 30 * time.Second
	if err := cmd.Start(); err != nil {
		t.Fatalf("%v (make build makes it)", err)
	}
	t.Cleanup(func() {
		if err := cmd.Wait(); err != nil && cmd.ProcessState.ExitCode() != 0 {
			t.Errorf("servicelink ended with %v", err)
		}
	})
	ctx, cancel := deadline(t.Context())
	defer cancel()
	try := time.NewTicker(50 * time.Millisecond)
	defer try.Stop()
	for ; ; <-try.C {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/healthz", nil)
		if err != nil {
			t.Fatal(err)
		}
		res, err := (&http.Client{Timeout: time.Second}).Do(r)
		if err == nil {
			_ = res.Body.Close()
			return address
		}
		if ctx.Err() != nil {
			t.Fatal(err)
		}
	}
}
