package console

import (
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"
)

func overTLS(origin string) bool { return strings.HasPrefix(origin, "https://") }

// loginPage shows the form.
func (c *console) loginPage(w http.ResponseWriter, r *http.Request) {
	if c.sessions.of(r) != nil {
		http.Redirect(w, r, Path, http.StatusSeeOther)
		return
	}
	c.showLogin(w, r, http.StatusOK, "")
}

func (c *console) showLogin(w http.ResponseWriter, r *http.Request, status int, problem string) {
	c.render(w, r, status, "login", &page{Title: "Log in", Problem: problem, Data: ownPath(r.FormValue("next"))})
}

// login takes the token for a session. Foreign pages cannot come here (guard), so
// that nobody is logged in by another.
func (c *console) login(w http.ResponseWriter, r *http.Request) {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		host = r.RemoteAddr
	}
	if wait := c.tries.wait(host); wait > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int(wait.Seconds())+1))
		c.showLogin(w, r, http.StatusTooManyRequests, "Too many wrong tries. Wait "+strconv.Itoa(int(wait.Seconds())+1)+" s, then try again.")
		return
	}
	if !c.opts.Token.Equal(r.PostFormValue("token")) {
		c.tries.wrong(host)
		c.opts.Log.LogAttrs(r.Context(), slog.LevelWarn, "admin action", slog.String("action", "log in"),
			slog.String("remote", r.RemoteAddr), slog.String("result", "wrong token"))
		c.showLogin(w, r, http.StatusUnauthorized, "That is not the token. It is private.token of the configuration.")
		return
	}
	c.tries.right(host)
	c.opts.Log.LogAttrs(r.Context(), slog.LevelInfo, "admin action", slog.String("action", "log in"),
		slog.String("remote", r.RemoteAddr), slog.String("result", "done"))
	give(w, r, c.sessions.begin())
	http.Redirect(w, r, ownPath(r.PostFormValue("next")), http.StatusSeeOther) //nolint:gosec // ownPath stays in the console
}

func (c *console) logout(w http.ResponseWriter, r *http.Request, s *session) {
	c.sessions.end(s)
	give(w, r, nil)
	http.Redirect(w, r, Path, http.StatusSeeOther)
}

// ownPath is where to go on, if that is a page of the console; else the first.
func ownPath(next string) string {
	u, err := url.Parse(next)
	if err != nil || u.Scheme != "" || u.Host != "" || u.User != nil || !strings.HasPrefix(u.Path, Path) ||
		strings.ContainsAny(next+u.Path, "\\\r\n") || strings.Contains(u.Path, "/..") || strings.Contains(u.Path, "//") {
		return Path
	}
	return (&url.URL{Path: u.Path, RawQuery: u.RawQuery}).String()
}

// Wrong tries are slowed down, for each caller: the token is long, so this is
// against a short one.
const (
	freeTries  = 3 // wrong ones that cost no time
	maxWait    = 30 * time.Second
	maxCallers = 1000 // that are remembered
)

// tries are the callers who gave a wrong token.
type tries struct {
	mu  sync.Mutex
	all map[string]try
}

type try struct {
	wrong int
	until time.Time // no other try before
}

// wait is how long a caller has to wait before the next try.
func (t *tries) wait(caller string) time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	return time.Until(t.all[caller].until)
}

func (t *tries) wrong(caller string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.all) >= maxCallers {
		for other, it := range t.all { // whoever need not wait is forgotten
			if time.Until(it.until) <= 0 {
				delete(t.all, other)
			}
		}
	}
	if t.all == nil || len(t.all) >= maxCallers {
		t.all = make(map[string]try)
	}
	it := t.all[caller]
	if it.wrong++; it.wrong > freeTries {
		it.until = time.Now().Add(min(time.Second<<min(it.wrong-freeTries-1, 10), maxWait))
	}
	t.all[caller] = it
}

func (t *tries) right(caller string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.all, caller)
}
