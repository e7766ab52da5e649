//go:build browser

package browser

import (
	"bytes"
	"context"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// customer is a phone in somebody's hand.
type customer struct {
	*tab
	network, name string
}

// newCustomer takes a phone and says whose it is.
func newCustomer(t *testing.T, browser context.Context, play playground, network, name string) customer {
	t.Helper()
	c := customer{open(t, browser, "phone-"+network, play["Phone, "+network]), network, name}
	c.do(chromedp.EmulateViewport(430, 860))
	c.joins(name)
	return c
}

// joins adds a customer to the phone and chooses it.
func (c customer) joins(name string) {
	c.t.Helper()
	c.do(
		chromedp.WaitVisible("#name"),
		chromedp.SendKeys("#name", name+kb.Enter),
		chromedp.WaitEnabled("#text"),
		chromedp.WaitVisible(fmt.Sprintf(`//*[@id="owner-name"][.=%q]`, name)),
	)
}

func (c customer) writes(text string) {
	c.t.Helper()
	c.do(chromedp.WaitEnabled("#send"), chromedp.SendKeys("#text", text+kb.Enter))
	c.sees("its own message "+text, bubble(text, true))
}

// sendsPicture chooses a file as a picture, with a caption.
func (c customer) sendsPicture(file, caption string) {
	c.t.Helper()
	c.do(
		chromedp.Click("#attach"),
		chromedp.SetUploadFiles("#photo", []string{file}),
		chromedp.WaitVisible("#context-picture"),
		chromedp.SendKeys("#text", caption+kb.Enter),
	)
	c.sees("its own picture", bubble(caption, true)+" && "+picture(".mine"))
}

// bubble is a JavaScript condition: the phone shows text once, from the
// customer (mine) or the agent.
func bubble(text string, mine bool) string {
	return fmt.Sprintf(`[...document.querySelectorAll("#messages .message")].filter(m =>
		m.classList.contains("mine") === %t && m.querySelector(".text")?.textContent === %q).length === 1`, mine, text)
}

// tick is a JavaScript condition: the phone shows that a message has come so far.
func tick(text string, mine bool, state string) string {
	return fmt.Sprintf(`[...document.querySelectorAll("#messages .message")].some(m => m.classList.contains("mine") === %t &&
		m.querySelector(".text")?.textContent === %q && m.querySelector(".state.%s"))`, mine, text, state)
}

// picture is a JavaScript condition: a picture in what the selector finds has
// been loaded.
func picture(selector string) string {
	return fmt.Sprintf(`[...document.querySelectorAll(%q)].some(i => i.complete && i.naturalWidth > 0)`, selector+" img.picture")
}

// texts is a JavaScript array of the texts a phone shows from the agent.
const agentTexts = `[...document.querySelectorAll("#messages .message:not(.mine) .text")].map(e => e.textContent)`

// customerTexts is a JavaScript array of what the console shows of the customer.
const customerTexts = `[...document.querySelectorAll("#log .line.theirs .text")].map(e => e.textContent)`

// same is a JavaScript condition: the array is exactly this, in this order.
func same(array string, want []string) string {
	return fmt.Sprintf(`JSON.stringify(%s) === JSON.stringify(%s)`, array, list(want))
}

func list(texts []string) string {
	out := "["
	for _, t := range texts {
		out += fmt.Sprintf("%q,", t)
	}
	return out + "]"
}

// agent is the console.
type agent struct{ *tab }

// opens shows the chat of a customer.
func (a agent) opens(name string) {
	a.t.Helper()
	a.sees("the chat of "+name, chosen("document", name))
}

// chosen is a JavaScript condition: the console in a document shows a chat. It
// chooses it otherwise, in one go, as the list is drawn anew with every change.
func chosen(document, name string) string {
	return fmt.Sprintf(`(desk => {
		const chat = [...desk.querySelectorAll("#chats button")].find(b => b.textContent.includes(%[2]q));
		if (chat && !chat.hasAttribute("aria-current")) chat.click();
		return desk.querySelector("#who")?.textContent === %[2]q;
	})(%[1]s)`, document, name)
}

func (a agent) says(text string) {
	a.t.Helper()
	a.do(chromedp.SetValue("#text", text), chromedp.Click("#send"))
}

// line is a JavaScript condition: the agent's console shows text once, as kind
// "theirs" (the customer), "mine" (the agent) or "note", with a mark that
// begins so.
func line(text, kind, mark string) string {
	return fmt.Sprintf(`[...document.querySelectorAll("#log .line.%s")].filter(l =>
		l.querySelector(".text").textContent === %q && (l.dataset.mark || "").startsWith(%q)).length === 1`, kind, text, mark)
}

// has is a JavaScript condition: a line of the kind contains text.
func has(text, kind string) string {
	return fmt.Sprintf(`[...document.querySelectorAll("#log .line.%s .text")].some(t => t.textContent.includes(%q))`, kind, text)
}

// offences fails the test when the core has counted any.
func (a agent) offences() {
	a.t.Helper()
	if n := a.count(`Number(document.querySelector("#n-offences").textContent)`); n != 0 {
		a.shot("offences")
		a.t.Errorf("the reference core counted %d offences against the protocol", n)
	}
}

// drawing makes a PNG whose colours tell it from others.
func drawing(t *testing.T, shift uint8) []byte {
	t.Helper()
	img := image.NewRGBA(image.Rect(0, 0, 240, 150))
	for y := range 150 {
		for x := range 240 {
			c := color.RGBA{R: uint8(x) / 2, G: uint8(y) + shift/2, B: 200 - shift, A: 255}
			if (x/30+y/30)%2 == 0 {
				c.R, c.B = c.R/2+shift, c.B/2
			}
			img.SetRGBA(x, y, c)
		}
	}
	var out bytes.Buffer
	if err := png.Encode(&out, img); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// pictureFile is a picture on the customer's phone.
func pictureFile(t *testing.T) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "parcel.png")
	if err := os.WriteFile(file, drawing(t, 0), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// billFile is a document on the customer's phone.
func billFile(t *testing.T) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "bill.pdf")
	if err := os.WriteFile(file, []byte("%PDF-1.4\n%%EOF\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// pictureServer is where the agent's pictures lie.
func pictureServer(t *testing.T) (url string) {
	t.Helper()
	data := drawing(t, 120)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "image/png")
		_, _ = w.Write(data)
	}))
	t.Cleanup(s.Close)
	return s.URL + "/map.png"
}
