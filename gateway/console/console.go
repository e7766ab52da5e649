package console

import (
	"embed"
	"log/slog"
	"net/http"

	"servicelink/config"
)

// Path is where the console is mounted.
const Path = "/console/"

// formMax bounds a form, in bytes.
const formMax = 64 << 10

//go:embed web
var web embed.FS

// policy lets pages load the console's own files and nothing else.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// Options is what the console is made with.
type Options struct {
	Token  config.Secret // asked for at the login; not set = nobody is asked
	Source Source
	Log    *slog.Logger
}

// console is the pages and who looks at them.
type console struct {
	opts     Options
	sessions sessions
	tries    tries
	sites    *http.CrossOriginProtection
}

// New makes the handler of everything below Path. Its caller sees to it that,
// without a token, nobody from outside can reach it.
func New(opts Options) http.Handler {
	c := &console{opts: opts, sites: http.NewCrossOriginProtection()}
	mux := http.NewServeMux()
	for name, kind := range map[string]string{
		"console.js": "text/javascript; charset=utf-8", "console.css": "text/css; charset=utf-8", "icon.svg": "image/svg+xml",
	} {
		mux.HandleFunc("GET "+Path+name, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", kind)
			http.ServeFileFS(w, r, web, "web/"+name)
		})
	}
	if !opts.Token.IsZero() {
		mux.HandleFunc("GET "+Path+"login", c.loginPage)
		mux.HandleFunc("POST "+Path+"login", c.login)
		mux.HandleFunc("POST "+Path+"logout", c.form(c.logout))
	}
	for path, show := range map[string]func(http.ResponseWriter, *http.Request, *session){
		"{$}": c.overview, "channel/{channel}": c.channel, "dead": c.dead, "suspects": c.suspects,
		"stranded": c.stranded, "trace": c.trace, "doctor": c.doctor,
	} {
		mux.HandleFunc("GET "+Path+path, c.seen(show))
	}
	mux.HandleFunc("POST "+Path+"act", c.form(c.act))
	mux.HandleFunc("POST "+Path+"trace", c.form(c.search))
	mux.HandleFunc("POST "+Path+"doctor", c.form(c.examine))
	mux.HandleFunc(Path, c.seen(func(w http.ResponseWriter, r *http.Request, s *session) {
		c.fail(w, r, s, &Error{http.StatusNotFound, "There is no such page."})
	}))
	return c.guard(mux)
}

// guard sets the headers every answer has, bounds what comes in, and refuses what
// another site's page asks for. Origins are compared, so they must be sent: a
// stricter Referrer-Policy would have browsers send "null" instead.
func (c *console) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Referrer-Policy", "same-origin")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cache-Control", "no-store")
		if c.sites.Check(r) != nil {
			http.Error(w, "cross-site request", http.StatusForbidden)
			return
		}
		r.Body = http.MaxBytesReader(w, r.Body, formMax)
		next.ServeHTTP(w, r)
	})
}

// seen is for who is logged in. Whoever is not is sent to the login, which leads
// back; where no token is asked for, everybody gets a session, for its forms.
func (c *console) seen(show func(http.ResponseWriter, *http.Request, *session)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		s := c.sessions.of(r)
		switch {
		case s != nil:
		case c.opts.Token.IsZero():
			s = c.sessions.begin()
			give(w, r, s)
		case isFragment(r):
			http.Error(w, "logged out", http.StatusUnauthorized)
			return
		default:
			http.Redirect(w, r, Path+"login?"+next(r), http.StatusSeeOther)
			return
		}
		show(w, r, s)
	}
}

// form is for what changes something: it asks for a session and for the token of
// its pages.
func (c *console) form(do func(http.ResponseWriter, *http.Request, *session)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		s := c.sessions.of(r)
		switch {
		case r.ParseForm() != nil:
			c.fail(w, r, s, &Error{http.StatusBadRequest, "The form cannot be read."})
		case s == nil && !c.opts.Token.IsZero():
			http.Redirect(w, r, Path+"login", http.StatusSeeOther)
		case s == nil || !s.proves(r.PostFormValue("csrf")):
			c.fail(w, r, s, &Error{http.StatusForbidden, "This form is too old. Load its page again; nothing was done."})
		default:
			do(w, r, s)
		}
	}
}
