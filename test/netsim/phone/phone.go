// Package phone serves pages that look like a customer's phone, one for each
// simulated network, for people and for browser tests. A page speaks to the
// networks' control API and to nothing else, so it shows what the network has,
// not what the gateway believes.
package phone

import (
	"bytes"
	"embed"
	"html/template"
	"net/http"
	"slices"
	"strings"
)

//go:embed web
var web embed.FS

var page = template.Must(template.ParseFS(web, "web/phone.html"))

// policy lets a page load this server's files, show pictures it is about to
// send, and nothing else. A page of the same server may show it in a frame.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; media-src 'self'; " +
	"connect-src 'self'; form-action 'none'; base-uri 'none'; frame-ancestors 'self'"

// network is what a page must know about its network.
type network struct {
	Name  string // as in the paths of the control API
	Title string // for people
	// Can is what customers and their phones can do there beside writing, in words
	// of the control API's "do".
	Can []string
	// Profiles: customers have a user name and a language. Numbers: they are known by
	// their telephone number.
	Profiles, Numbers bool
}

// networks is the list of pages.
var networks = []network{
	{"telegram", "Telegram", []string{"photo", "document", "location", "contact", "press", "edit", "react", "reply", "block", "start"}, true, false},
	{"omnichannel", "Omnichannel", []string{"photo", "document", "press"}, false, false},
	{"whatsapp", "WhatsApp", []string{"photo", "document", "location", "contact", "press", "reply", "block", "deliver", "read", "expire"}, false, true},
	{"sms", "SMS", []string{"photo", "document", "stop", "deliver"}, false, true},
}

// Able reports whether customers of the network can do it.
func (n network) Able(do string) bool { return slices.Contains(n.Can, do) }

// Handler serves GET /phone/{network} and what the pages load, below
// /phone/assets/. The control API is expected at /control/ of the same server.
func Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /phone/{network}", servePage)
	for name, kind := range map[string]string{
		"phone.js": "text/javascript; charset=utf-8", "control.js": "text/javascript; charset=utf-8",
		"message.js": "text/javascript; charset=utf-8", "switches.js": "text/javascript; charset=utf-8",
		"phone.css": "text/css; charset=utf-8", "icon.svg": "image/svg+xml",
	} {
		mux.HandleFunc("GET /phone/assets/"+name, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", kind)
			http.ServeFileFS(w, r, web, "web/"+name)
		})
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cache-Control", "no-store")
		mux.ServeHTTP(w, r)
	})
}

func servePage(w http.ResponseWriter, r *http.Request) {
	i := slices.IndexFunc(networks, func(n network) bool { return n.Name == r.PathValue("network") })
	if i < 0 {
		http.NotFound(w, r)
		return
	}
	n := networks[i]
	var b bytes.Buffer
	err := page.Execute(&b, struct {
		network
		Words string
	}{n, strings.Join(n.Can, " ")})
	if err != nil { // the template and its data are both ours
		http.Error(w, "the page cannot be made", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = w.Write(b.Bytes()) // the browser is gone
}
