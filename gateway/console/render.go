package console

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"html/template"
	"net/http"
	"slices"
	"strings"
	"time"
)

// page is what every template is given.
type page struct {
	Title   string
	Nav     string // which of the navigation's entries it belongs to
	Still   bool   // it is not kept fresh
	Problem string
	Data    any

	session *session
	Said    []string // results of what was done before
	CSRF    string
	Login   bool // somebody is logged in, and can log out
	Here    string
}

// fragmentHeader marks a call of the script, which wants the fresh part alone.
const fragmentHeader = "X-Fragment"

func isFragment(r *http.Request) bool { return r.Header.Get(fragmentHeader) != "" }

// pages are the templates, each with the frame around it.
var pages = parse("overview", "channel", "letters", "trace", "doctor", "confirm", "login", "error")

func parse(names ...string) map[string]*template.Template {
	all := make(map[string]*template.Template, len(names))
	frame := template.Must(template.New("frame").Funcs(funcs).ParseFS(web, "web/frame.html", "web/parts.html"))
	for _, name := range names {
		all[name] = template.Must(template.Must(frame.Clone()).ParseFS(web, "web/"+name+".html"))
	}
	return all
}

// render answers with a page, or with its fresh part.
func (c *console) render(w http.ResponseWriter, r *http.Request, status int, name string, p *page) {
	part := "frame"
	if isFragment(r) {
		part = "live"
	}
	p.Here = r.URL.RequestURI()
	if r.Method != http.MethodGet {
		p.Here = r.URL.Path
	}
	if p.session != nil {
		p.CSRF, p.Login = p.session.token, !c.opts.Token.IsZero()
		if part == "frame" {
			p.Said = p.session.hear()
		}
	}
	var b bytes.Buffer
	if err := pages[name].ExecuteTemplate(&b, part, p); err != nil {
		c.opts.Log.Error("a page of the console cannot be made", "error", err)
		http.Error(w, "failed", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(b.Bytes()) // the browser may be gone
}

// fail answers with what the operator may know of err.
func (c *console) fail(w http.ResponseWriter, r *http.Request, s *session, err error) {
	refused := &Error{http.StatusInternalServerError, "This failed; the gateway's log says why."}
	_ = errors.As(err, &refused)
	text := refused.Text
	if !strings.HasSuffix(text, ".") {
		text = strings.ToUpper(text[:1]) + text[1:] + "."
	}
	c.render(w, r, refused.Status, "error", &page{Title: "This did not work", session: s, Still: true, Problem: text})
}

// verdict is how the gateway is, in words.
type verdict struct {
	Well  bool
	Words string
	Lines []line
}

// line is one thing that has to be well; Ill is the verdict when it is not.
type line struct {
	Well             bool
	Name, Words, Ill string
}

// judge says in words whether all is well.
func judge(o *Overview) verdict {
	v := verdict{Lines: []line{
		{o.Ready, "Gateway", either(o.Ready, "ready: it takes messages", "not ready: it takes nothing now"), "the gateway is not ready and takes nothing"},
		{o.Core == "up", "Core", either(o.Core == "up", "connected", "not connected: "+plain(o.Core)), "there is no connection to the core"},
		{o.Journal.State == "ok", "Journal", either(o.Journal.State == "ok", "takes messages", plain(o.Journal.State)) + ", " + used(o.Journal), "the journal takes nothing"},
		{o.Balanced, "Ledger", either(o.Balanced, "in balance: every message is accounted for", "NOT in balance: please report this with the log"), "the ledger is not in balance"},
	}}
	var ill []string
	for _, l := range v.Lines {
		if !l.Well {
			ill = append(ill, l.Ill)
		}
	}
	switch n := len(o.Faults); {
	case len(ill) > 0:
		v.Words = "It is not well: " + strings.Join(ill, "; ") + "."
	case n == 0:
		v.Well, v.Words = true, "All is well."
	case n == 1:
		v.Words = "It works, and 1 thing is not well."
	default:
		v.Words = fmt.Sprintf("It works, and %d things are not well.", n)
	}
	return v
}

func used(j Journal) string {
	text := size(j.Bytes) + " used"
	if j.MaxBytes > 0 {
		text += " of " + size(j.MaxBytes)
	}
	if j.Volatile {
		text += ", in memory alone: nothing survives the process"
	}
	return text
}

func either(is bool, yes, no string) string {
	if is {
		return yes
	}
	return no
}

// stateUnwell is what the console calls a channel that works, and with which something
// is wrong: "well" beside a fault of that channel would not be believed.
const stateUnwell = "unwell"

// markUnwell enters that state.
func markUnwell(o *Overview) {
	for i, ch := range o.Channels {
		if ch.State == "ok" && slices.ContainsFunc(o.Faults, func(f Fault) bool { return f.Channel == ch.Name }) {
			o.Channels[i].State = stateUnwell
		}
	}
}

// stateWords are the states of channels for people.
var stateWords = map[string]string{
	"ok": "well", stateUnwell: "not quite well", "disabled": "switched off", "paused_by_operator": "paused by an operator",
	"paused": "paused: the network refuses", "conflict": "somebody else reads it", "deaf": "cannot be read",
	"starting": "starting", "no_answer": "the core does not answer", "closed": "the core takes no chats",
	"removed": "not configured any more", "broken": "cannot be served as it is registered",
	"awaits_register": "the core has not told of it yet",
}

// stateClass is how a state looks; its words say the same.
func stateClass(state string) string {
	switch state {
	case "ok":
		return "ok"
	case "disabled", "removed":
		return "off"
	case "starting", "closed", "paused_by_operator", "awaits_register", stateUnwell:
		return "wait"
	default:
		return "bad"
	}
}

// plain makes words of a word.
func plain(word string) string { return strings.ReplaceAll(word, "_", " ") }

const clock = "2006-01-02 15:04:05"

var funcs = template.FuncMap{
	"plain": plain, "age": age, "messages": func(n int64) string { return messages(int(n)) },
	"state":      func(s string) string { return cmp.Or(stateWords[s], plain(s)) },
	"stateClass": stateClass,
	// Encoded already, by net/url; as a string it would be once more.
	"permalink": func(text, by, channel string) template.URL { return template.URL(permalink(text, by, channel)) }, //nolint:gosec // encoded
	"stamp": func(t time.Time) string {
		if t.IsZero() {
			return "-"
		}
		return t.UTC().Format(clock)
	},
	"exact": func(t time.Time) string {
		if t.IsZero() {
			return "not recorded"
		}
		return t.UTC().Format(clock + ".000")
	},
	"iso":  func(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) },
	"size": func(n int) string { return size(int64(n)) },
	"way": func(direction string) string {
		return either(direction == "in", "from the customer", "to the customer")
	},
	"dash": func(s string) string { return cmp.Or(s, "-") },
	"list": func(p *page, letters []Letter, tab string, at time.Time) listData {
		return listData{p, letters, tab, at}
	},
	"back": func(path string) string { return ownPath(path) },
}

// listData is a list of messages with its buttons.
type listData struct {
	Page    *page
	Letters []Letter
	Tab     string
	At      time.Time
}

// age is how long ago something was, in one or two units.
func age(now, then time.Time) string {
	if then.IsZero() {
		return "-"
	}
	d := max(0, now.Sub(then))
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%d s", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%d min", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h %d min", int(d.Hours()), int(d.Minutes())%60)
	default:
		return fmt.Sprintf("%d days", int(d.Hours())/24)
	}
}

func size(n int64) string {
	switch {
	case n < 1<<10:
		return fmt.Sprintf("%d B", n)
	case n < 1<<20:
		return fmt.Sprintf("%d KiB", n>>10)
	case n < 1<<30:
		return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
	default:
		return fmt.Sprintf("%.1f GiB", float64(n)/(1<<30))
	}
}
