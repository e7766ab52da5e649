//go:build browser

package browser

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/chromedp/chromedp"
)

// tab is one page of the browser.
type tab struct {
	t    *testing.T
	ctx  context.Context
	name string
	dir  string // for screenshots
}

// startChromium starts a browser with a profile of its own; it ends with the
// test. The context is the parent of its tabs.
func startChromium(t *testing.T) context.Context {
	t.Helper()
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.UserDataDir(t.TempDir()),
		chromedp.NoSandbox, // CI runs as root
		chromedp.DisableGPU,
		chromedp.Flag("disable-quic", true),
		chromedp.Flag("disable-component-update", true),
		chromedp.Flag("disable-sync", true),
		chromedp.WindowSize(1280, 900),
	)
	if path := os.Getenv("CHROMIUM"); path != "" {
		options = append(options, chromedp.ExecPath(path))
	}
	allocator, stop := chromedp.NewExecAllocator(context.WithoutCancel(t.Context()), options...)
	browser, closeBrowser := chromedp.NewContext(allocator)
	t.Cleanup(func() {
		if err := chromedp.Cancel(browser); err != nil {
			t.Errorf("close the browser: %v", err)
		}
		closeBrowser()
		stop()
	})
	if err := chromedp.Do(browser); err != nil {
		t.Fatalf("chromium did not start: %v", err)
	}
	return browser
}

// open opens a page in a tab of its own.
func open(t *testing.T, browser context.Context, name, url string) *tab {
	t.Helper()
	ctx, cancel := chromedp.NewContext(browser)
	t.Cleanup(cancel)
	p := &tab{t: t, ctx: ctx, name: name, dir: artifacts(t)}
	if err := chromedp.Do(ctx); err != nil { // the tab lives as long as this context
		t.Fatalf("%s: %v", name, err)
	}
	p.do(chromedp.Navigate(url))
	return p
}

// do runs steps within the deadline; when they fail, the screenshot shows why.
func (p *tab) do(steps ...chromedp.Action[chromedp.Void]) {
	p.t.Helper()
	ctx, cancel := deadline(p.ctx)
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		p.shot("failed")
		p.t.Fatalf("%s: %v", p.name, err)
	}
}

// sees waits until a JavaScript condition about the page holds.
func (p *tab) sees(what, condition string) {
	p.t.Helper()
	ctx, cancel := deadline(p.ctx)
	defer cancel()
	if _, err := chromedp.Run(ctx, chromedp.Poll[bool](condition, chromedp.WithPollingTimeout(patience))); err != nil {
		p.shot("failed")
		p.t.Fatalf("%s does not see %s: %v", p.name, what, err)
	}
}

// count evaluates a JavaScript number.
func (p *tab) count(expression string) int {
	p.t.Helper()
	ctx, cancel := deadline(p.ctx)
	defer cancel()
	n, err := chromedp.Run(ctx, chromedp.Evaluate[int](expression))
	if err != nil {
		p.t.Fatalf("%s: %v", p.name, err)
	}
	return n
}

// shot leaves a picture of the page.
func (p *tab) shot(step string) {
	p.t.Helper()
	ctx, cancel := deadline(p.ctx)
	defer cancel()
	picture, err := chromedp.Run(ctx, chromedp.CaptureScreenshot())
	if err != nil {
		p.t.Errorf("%s: screenshot: %v", p.name, err)
		return
	}
	file := filepath.Join(p.dir, p.name+"-"+step+".png")
	if err := os.WriteFile(file, picture, 0o644); err != nil {
		p.t.Error(err)
	}
}
