package refcore

import (
	"bytes"
	"embed"
	"html/template"
	"net"
	"net/http"
	"slices"

	"servicelink/simprot"
)

//go:embed web
var web embed.FS

var page = template.Must(template.ParseFS(web, "web/console.html"))

// policy lets the console load its own files, pictures of the origins named in
// Options, and nothing else.
func (o *Options) policy() string {
	images, frames := "", "'none'"
	for _, origin := range o.ConsoleImages {
		images += " " + origin
	}
	if o.ConsoleFramed {
		frames = "'self'"
	}
	return "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'" + images + "; connect-src 'self'; " +
		"form-action 'none'; base-uri 'none'; frame-ancestors " + frames
}

// Console is the agent's desk in the browser, and beside it the HTTP interface
// that README.md documents. It asks for no password: serve it on loopback
// only. Pages of other origins are refused. It may be mounted below a path
// with http.StripPrefix.
func (c *Core) Console() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", c.consolePage)
	file := func(path, name, kind string) {
		mux.HandleFunc("GET "+path, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", kind)
			http.ServeFileFS(w, r, web, "web/"+name)
		})
	}
	file("/messages", "messages.html", "text/html; charset=utf-8")
	for name, kind := range map[string]string{
		"console.js": "text/javascript; charset=utf-8", "console.css": "text/css; charset=utf-8", "icon.svg": "image/svg+xml",
		"messages.js": "text/javascript; charset=utf-8", "messages.css": "text/css; charset=utf-8",
	} {
		file("/"+name, name, kind)
	}
	mux.HandleFunc("GET /events", c.stream)
	c.api(mux)
	return c.guard(http.NewCrossOriginProtection().Handler(mux))
}

// guard refuses foreign host names, which a page elsewhere could have made to
// resolve to this machine, and sets the headers every answer has.
func (c *Core) guard(next http.Handler) http.Handler {
	policy := c.opts.policy()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cache-Control", "no-store")
		if !c.ownHost(r.Host) {
			reply(w, nil, &apiError{http.StatusForbidden, "unknown host name"})
			return
		}
		next.ServeHTTP(w, r)
	})
}

func (c *Core) ownHost(hostport string) bool {
	host, _, err := net.SplitHostPort(hostport)
	if err != nil {
		host = hostport
	}
	return host == "localhost" || net.ParseIP(host) != nil || slices.Contains(c.opts.ConsoleHosts, host)
}

func (c *Core) consolePage(w http.ResponseWriter, _ *http.Request) {
	var b bytes.Buffer
	err := page.Execute(&b, struct {
		Agent   string
		Peer    string
		Signals []simprot.Signal
	}{c.opts.AgentName, c.opts.Peer, []simprot.Signal{
		simprot.SignalFree, simprot.SignalBusy, simprot.SignalClosed, simprot.SignalHidden,
	}})
	if err != nil {
		reply(w, nil, err)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = w.Write(b.Bytes()) // the browser is gone
}
