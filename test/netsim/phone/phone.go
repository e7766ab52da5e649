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
	// Seen is the network's word for a message that was read; empty = read.
	Seen string
	// Levers are what the network does, beside the customer: with the conversation and
	// with the business' account.
	Levers []levers
}

// levers are the acts of one kind, as a page offers them.
type levers struct {
	Title string
	Acts  []lever
}

// lever is one act: Do and Data are the control API's.
type lever struct{ Title, Do, Data string }

// networks is the list of pages.
var networks = []network{
	{
		Name: "telegram", Title: "Telegram", Profiles: true,
		Can: []string{"photo", "document", "location", "contact", "press", "edit", "react", "reply", "block", "start"},
	},
	{Name: "omnichannel", Title: "Omnichannel", Can: []string{"photo", "document", "press"}},
	{
		Name: "whatsapp", Title: "WhatsApp", Numbers: true,
		Can: []string{"photo", "document", "location", "contact", "press", "reply", "block", "deliver", "read", "expire"},
	},
	{Name: "sms", Title: "SMS", Numbers: true, Can: []string{"photo", "document", "stop", "deliver"}},
	{
		Name: "facebook", Title: "Messenger", Seen: "seen", Levers: messengerLevers,
		Can: []string{
			"photo", "document", "location", "sticker", "press", "edit", "unsend", "react", "reply", "block", "referral",
			"deliver", "read", "expire", "inbox",
		},
	},
}

// messengerLevers break what an app needs of Messenger, and mend it.
var messengerLevers = []levers{
	{"Conversation", []lever{{"To another app", "stand", "by"}, {"Back to us", "stand", "main"}, {"Seven days pass", "expire", "late"}}},
	{"Profile", []lever{{"Full", "profile", "full"}, {"Name only", "profile", "name"}, {"No consent", "profile", "consent"}, {"Hidden", "profile", "hidden"}}},
	{"Page", []lever{{"Unsubscribe", "unsubscribe", ""}, {"Subscribe", "subscribe", ""}}},
	{"Token", []lever{{"Expired", "token", "463"}, {"Revoked", "token", "460"}, {"Valid", "token", ""}}},
}

// Able reports whether customers of the network can do it.
func (n network) Able(do string) bool { return slices.Contains(n.Can, do) }

// Handler serves GET /phone/{network}, a person's mailbox at GET /phone/mail, and what
// the pages load, below /phone/assets/. The control API is expected at /control/ of the same server.
func Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /phone/{network}", servePage)
	mux.HandleFunc("GET /phone/mail", serveFile("mail.html", "text/html; charset=utf-8"))
	for name, kind := range map[string]string{
		"phone.js": "text/javascript; charset=utf-8", "control.js": "text/javascript; charset=utf-8",
		"message.js": "text/javascript; charset=utf-8", "switches.js": "text/javascript; charset=utf-8",
		"phone.css": "text/css; charset=utf-8", "icon.svg": "image/svg+xml",
		"mail.js": "text/javascript; charset=utf-8", "mail.css": "text/css; charset=utf-8",
	} {
		mux.HandleFunc("GET /phone/assets/"+name, serveFile(name, kind))
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

func serveFile(name, kind string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", kind)
		http.ServeFileFS(w, r, web, "web/"+name)
	}
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
