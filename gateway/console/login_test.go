package console

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// logIn gives the form of the login and returns the answer.
func (d *desk) logIn(private, next string, header ...string) answer {
	d.Helper()
	return d.post(Path+"login", url.Values{"token": {private}, "next": {next}}, header...)
}

func TestLogin(t *testing.T) {
	t.Parallel()
	source := full()
	d := newDesk(t, source, token)
	for _, p := range everyPage {
		res := d.send(httptest.NewRequestWithContext(t.Context(), http.MethodGet, Path+p.path, nil))
		want := Path + "login?" + url.Values{"next": {Path + p.path}}.Encode()
		if body := res.Body; res.StatusCode != http.StatusSeeOther || res.Header.Get("Location") != want || strings.Contains(body, p.full) {
			t.Errorf("%s without a login: %d to %s", p.path, res.StatusCode, res.Header.Get("Location"))
		}
	}
	for _, name := range []string{"console.css", "console.js", "icon.svg"} {
		if status, _ := d.get(Path + name); status != http.StatusOK {
			t.Errorf("%s: %d: the login needs it", name, status)
		}
	}
	status, body := d.get(Path + "login?next=" + url.QueryEscape(Path+"dead"))
	if status != http.StatusOK {
		t.Errorf("login: %d", status)
	}
	checkPage(t, "login", body)
	for _, wrong := range []string{"", "wrong", token + "x"} {
		res := d.logIn(wrong, "")
		if body := res.Body; res.StatusCode != http.StatusUnauthorized || len(d.cookies) > 0 || !strings.Contains(body, "That is not the token.") {
			t.Errorf("token %q: %d", wrong, res.StatusCode)
		}
	}
	res := d.logIn(token, Path+"dead?channel=shop")
	if res.StatusCode != http.StatusSeeOther || res.Header.Get("Location") != Path+"dead?channel=shop" || len(d.cookies) != 1 {
		t.Fatalf("log in: %d to %s", res.StatusCode, res.Header.Get("Location"))
	}
	if c := d.cookies[0]; !c.HttpOnly || c.SameSite != http.SameSiteStrictMode || c.Secure || c.Path != Path || c.MaxAge > 12*3600 || c.Name != "servicelink_console_9090" {
		t.Errorf("cookie %v", c)
	}
	if status, body := d.get(Path); status != http.StatusOK || !strings.Contains(body, "Log out") {
		t.Errorf("overview after the login: %d", status)
	}
	kept := slices.Clone(d.cookies)
	if res := d.post(Path+"logout", url.Values{"csrf": {d.csrf()}}); res.StatusCode != http.StatusSeeOther || len(d.cookies) != 0 {
		t.Errorf("log out: %d, cookies %v", res.StatusCode, d.cookies)
	}
	d.cookies = kept
	if status, _ := d.get(Path); status != http.StatusSeeOther {
		t.Errorf("with the cookie of a session that was ended: %d", status)
	}
	if log := d.log.String(); strings.Contains(log, "PLANTED") || strings.Contains(log, kept[0].Value) ||
		strings.Count(log, `action="log in"`) != 4 || strings.Count(log, `result="wrong token"`) != 3 {
		t.Errorf("log: %s", log)
	}
}

// TestLoginCookieOverTLS: a cookie that was given over TLS never leaves without.
func TestLoginCookieOverTLS(t *testing.T) {
	t.Parallel()
	d := newDesk(t, full(), token)
	d.logIn(token, "", "Origin", "https://localhost:9090")
	if len(d.cookies) != 1 || !d.cookies[0].Secure {
		t.Errorf("cookies %v", d.cookies)
	}
}

// TestLoginIsNotForced: another site cannot log its visitor in.
func TestLoginIsNotForced(t *testing.T) {
	t.Parallel()
	d := newDesk(t, full(), token)
	if res := d.logIn(token, "", "Origin", "https://evil.example"); res.StatusCode != http.StatusForbidden || len(d.cookies) > 0 {
		t.Errorf("login from another site: %d", res.StatusCode)
	}
}

// TestActionsNeedLogin: without one nothing is done, whatever the form holds.
func TestActionsNeedLogin(t *testing.T) {
	t.Parallel()
	source := full()
	d := newDesk(t, source, token)
	for _, path := range []string{"act", "doctor", "trace", "logout"} {
		if res := d.post(Path+path, url.Values{"csrf": {""}, "verb": {"requeue"}, "seq": {"7"}, "q": {"m1"}}); res.Header.Get("Location") != Path+"login" {
			t.Errorf("%s: %d to %q", path, res.StatusCode, res.Header.Get("Location"))
		}
	}
	if len(source.acts)+source.looked+len(source.asked) > 0 {
		t.Error("something was done")
	}
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, Path, nil)
	r.Header.Set(fragmentHeader, "live")
	if res := d.send(r); res.StatusCode != http.StatusUnauthorized {
		t.Errorf("fragment without a login: %d", res.StatusCode)
	}
}

func TestSessionEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, full(), token)
		d.logIn(token, "")
		csrf := d.csrf()
		time.Sleep(sessionLife - time.Second)
		if status, _ := d.get(Path); status != http.StatusOK {
			t.Errorf("a second before its end: %d", status)
		}
		time.Sleep(time.Second)
		if status, _ := d.get(Path); status != http.StatusSeeOther {
			t.Errorf("after 12 hours: %d", status)
		}
		if res := d.post(Path+"act", url.Values{"csrf": {csrf}, "verb": {"requeue"}, "seq": {"7"}}); res.Header.Get("Location") != Path+"login" {
			t.Errorf("an action after 12 hours: %d", res.StatusCode)
		}
	})
}

// TestWrongTriesAreSlow: whoever guesses waits longer and longer, others do not.
func TestWrongTriesAreSlow(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, full(), token)
		guesses, began := 0, time.Now()
		for time.Since(began) < 10*time.Minute {
			res := d.logIn("guess", "")
			if res.StatusCode == http.StatusUnauthorized {
				guesses++
				continue
			}
			if res.StatusCode != http.StatusTooManyRequests || res.Header.Get("Retry-After") == "" {
				t.Fatalf("status %d", res.StatusCode)
			}
			if right := d.logIn(token, ""); right.StatusCode != http.StatusTooManyRequests {
				t.Errorf("the right token in between: %d: a guess could be told by it", right.StatusCode)
			}
			time.Sleep(time.Second)
		}
		if guesses < 10 || guesses > 40 {
			t.Errorf("%d guesses in ten minutes", guesses)
		}
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, Path+"login", strings.NewReader("token="+token))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.RemoteAddr = "198.51.100.7:1234"
		if res := d.send(r); res.StatusCode != http.StatusSeeOther {
			t.Errorf("somebody else logs in meanwhile: %d", res.StatusCode)
		}
		time.Sleep(maxWait)
		if res := d.logIn(token, ""); res.StatusCode != http.StatusSeeOther {
			t.Errorf("the right token after the wait: %d", res.StatusCode)
		}
	})
}

// TestBounds: neither visitors without cookies nor guesses from everywhere fill
// the memory.
func TestBounds(t *testing.T) {
	t.Parallel()
	var s sessions
	first := s.begin()
	for range maxSessions {
		s.begin()
	}
	if len(s.all) != maxSessions || s.all[first.id] != nil {
		t.Errorf("%d sessions; the oldest is there: %v", len(s.all), s.all[first.id] != nil)
	}
	var tr tries
	for i := range 3 * maxCallers {
		tr.wrong(fmt.Sprint(i))
	}
	if len(tr.all) > maxCallers {
		t.Errorf("%d callers are remembered", len(tr.all))
	}
}

func TestHeaders(t *testing.T) {
	t.Parallel()
	d := newDesk(t, full(), token)
	for _, path := range []string{"", "login", "console.css", "console.js", "nothing"} {
		h := d.send(httptest.NewRequestWithContext(t.Context(), http.MethodGet, Path+path, nil)).Header
		for name, want := range map[string]string{
			"Content-Security-Policy": policy, "X-Content-Type-Options": "nosniff", "Cache-Control": "no-store",
			"Referrer-Policy": "same-origin", "X-Frame-Options": "DENY", "Cross-Origin-Opener-Policy": "same-origin",
		} {
			if h.Get(name) != want {
				t.Errorf("%s: %s is %q", path, name, h.Get(name))
			}
		}
	}
	for _, part := range []string{"default-src 'none'", "frame-ancestors 'none'", "form-action 'self'", "base-uri 'none'"} {
		if !strings.Contains(policy, part) || strings.Contains(policy, "unsafe") {
			t.Errorf("the policy lacks %s, or allows what is unsafe", part)
		}
	}
}

// FuzzOwnPath: whatever a form says, the browser stays in the console.
func FuzzOwnPath(f *testing.F) {
	for _, s := range []string{
		Path, Path + "dead?channel=a", "//evil.example/console/", "/console//evil.example", `/console/\evil`, "https://evil.example/console/",
		"/console/../api/v1/dead", "/console/%2e%2e/x", "javascript:alert(1)", "/console/\r\nX: y", "", "/console/?q=//x", "/console/%5cevil", `/console/?\`,
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, next string) {
		got := ownPath(next)
		base := &url.URL{Scheme: "http", Host: "gateway", Path: "/console/login"}
		u, err := base.Parse(got)
		if err != nil || u.Host != "gateway" || u.Scheme != "http" || !strings.HasPrefix(u.Path, Path) || strings.ContainsAny(got, "\r\n\\") || strings.HasPrefix(got, "//") {
			t.Errorf("%q leads to %q", next, got)
		}
	})
}
