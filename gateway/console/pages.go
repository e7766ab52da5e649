package console

import (
	"context"
	"errors"
	"html/template"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"servicelink/connectors"
)

// Limits of a page.
const (
	pageTime = 10 * time.Second
	rowsPage = 50
)

func bounded(r *http.Request) (context.Context, context.CancelFunc) {
	return context.WithTimeout(r.Context(), pageTime)
}

// next is a query for the login that leads back to the page asked for.
func next(r *http.Request) string { return url.Values{"next": {r.URL.RequestURI()}}.Encode() }

// span is how far back the plots go.
func span(r *http.Request) time.Duration {
	if r.URL.Query().Get("hours") == "3" {
		return 3 * time.Hour
	}
	return time.Hour
}

// overviewData is the first page's.
type overviewData struct {
	Overview
	Verdict  verdict
	Examined time.Time
	Findings tally
	Plots    []plot
	Hours    int
	Dead     int64
}

func (c *console) overview(w http.ResponseWriter, r *http.Request, s *session) {
	ctx, cancel := bounded(r)
	defer cancel()
	o, err := c.opts.Source.Overview(ctx)
	if err != nil {
		c.fail(w, r, s, err)
		return
	}
	markUnwell(&o)
	found := c.opts.Source.Diagnosis()
	d := &overviewData{Overview: o, Verdict: judge(&o), Examined: found.At, Findings: count(found.Checks), Hours: int(span(r).Hours())}
	for _, ch := range o.Channels {
		d.Dead += ch.In.Dead + ch.Out.Dead
	}
	d.Plots = plots(c.opts.Source.Flow(""), o.At, span(r))
	c.render(w, r, http.StatusOK, "overview", &page{Title: "Overview", Nav: "overview", session: s, Data: d})
}

// channelData is a channel's page.
type channelData struct {
	Channel
	At       time.Time
	Faults   []Fault
	Examined time.Time
	Findings []Finding
	Plots    []plot
	Hours    int
	Hooks    []Hook
	Letters  []Letter
}

func (c *console) channel(w http.ResponseWriter, r *http.Request, s *session) {
	ctx, cancel := bounded(r)
	defer cancel()
	name := r.PathValue("channel")
	o, err := c.opts.Source.Overview(ctx)
	if err != nil {
		c.fail(w, r, s, err)
		return
	}
	markUnwell(&o)
	i := slices.IndexFunc(o.Channels, func(ch Channel) bool { return ch.Name == name })
	if i < 0 {
		c.fail(w, r, s, &Error{http.StatusNotFound, "There is no such channel."})
		return
	}
	d := &channelData{Channel: o.Channels[i], At: o.At, Hooks: c.opts.Source.Hooks(name), Hours: int(span(r).Hours())}
	for _, f := range o.Faults {
		if f.Channel == name {
			d.Faults = append(d.Faults, f)
		}
	}
	found := c.opts.Source.Diagnosis()
	d.Examined = found.At
	for _, f := range found.Checks {
		if f.Channel == name {
			f.Channel = "" // the page says whose it is
			d.Findings = append(d.Findings, f)
		}
	}
	worstFirst(d.Findings)
	if d.Letters, err = c.opts.Source.Dead(ctx, name, 0, rowsPage); err != nil {
		c.fail(w, r, s, err)
		return
	}
	d.Plots = plots(c.opts.Source.Flow(name), o.At, span(r))
	c.render(w, r, http.StatusOK, "channel", &page{Title: "Channel " + name, Nav: "overview", session: s, Data: d})
}

// lettersData is a page of messages to decide about.
type lettersData struct {
	Tab      string // dead, suspects, stranded
	At       time.Time
	Channel  string // chosen; empty = all
	Channels []string
	Letters  []Letter
	Waiting  []Stranded
	Next     template.URL // the query of the next page, encoded; empty = there is none
	Paged    bool         // it is not the first
}

func (c *console) dead(w http.ResponseWriter, r *http.Request, s *session) {
	ctx, cancel := bounded(r)
	defer cancel()
	channel, before := r.URL.Query().Get("channel"), place(r, "before")
	letters, err := c.opts.Source.Dead(ctx, channel, before, rowsPage)
	if err != nil {
		c.fail(w, r, s, err)
		return
	}
	o, err := c.opts.Source.Overview(ctx)
	if err != nil {
		c.fail(w, r, s, err)
		return
	}
	d := &lettersData{Tab: "dead", At: o.At, Channel: channel, Letters: letters, Paged: before > 0}
	for _, ch := range o.Channels {
		d.Channels = append(d.Channels, ch.Name)
	}
	if channel != "" && !slices.Contains(d.Channels, channel) {
		d.Channels = append(d.Channels, channel) // gone, its dead letters are not
	}
	d.next("before", letters)
	c.render(w, r, http.StatusOK, "letters", &page{Title: "Dead letters", Nav: "dead", session: s, Data: d})
}

func (c *console) suspects(w http.ResponseWriter, r *http.Request, s *session) {
	d := &lettersData{Tab: "suspects", At: time.Now(), Letters: c.opts.Source.Suspects()}
	c.render(w, r, http.StatusOK, "letters", &page{Title: "Suspects", Nav: "dead", session: s, Data: d})
}

func (c *console) stranded(w http.ResponseWriter, r *http.Request, s *session) {
	ctx, cancel := bounded(r)
	defer cancel()
	d := &lettersData{Tab: "stranded", At: time.Now(), Channel: r.URL.Query().Get("channel"), Paged: place(r, "after") > 0}
	var err error
	if d.Channel == "" {
		d.Waiting, err = c.opts.Source.Stranded(ctx)
	} else {
		d.Letters, err = c.opts.Source.StrandedRows(ctx, d.Channel, place(r, "after"), rowsPage)
	}
	if err != nil {
		c.fail(w, r, s, err)
		return
	}
	d.next("after", d.Letters)
	c.render(w, r, http.StatusOK, "letters", &page{Title: "Stranded messages", Nav: "dead", session: s, Data: d})
}

// next names the page behind a full one.
func (d *lettersData) next(from string, letters []Letter) {
	if len(letters) < rowsPage {
		return
	}
	q := url.Values{from: {strconv.FormatInt(letters[len(letters)-1].Seq, 10)}}
	if d.Channel != "" {
		q.Set("channel", d.Channel)
	}
	d.Next = template.URL(q.Encode()) //nolint:gosec // encoded
}

// place is where a page begins; what is no number is the beginning.
func place(r *http.Request, name string) int64 {
	at, err := strconv.ParseInt(r.URL.Query().Get(name), 10, 64)
	if err != nil {
		return 0
	}
	return max(0, at)
}

// traceData is the page of a trace.
type traceData struct {
	At       time.Time
	Query    Query
	Asked    bool
	Missing  string // why there is nothing
	Trace    Trace
	Channels []string
}

func (c *console) trace(w http.ResponseWriter, r *http.Request, s *session) {
	q := r.URL.Query()
	c.showTrace(w, r, s, Query{Text: strings.TrimSpace(q.Get("q")), By: q.Get("by"), Channel: q.Get("channel")})
}

// search looks for what was typed. It may be a customer's address, or hold one,
// which has no place in an address bar: an id goes there as pages show it, or else
// its conversation's hash.
func (c *console) search(w http.ResponseWriter, r *http.Request, s *session) {
	q := Query{Text: strings.TrimSpace(r.PostFormValue("q")), By: r.PostFormValue("by"), Channel: r.PostFormValue("channel")}
	if q.Text == "" {
		http.Redirect(w, r, Path+"trace", http.StatusSeeOther)
		return
	}
	ctx, cancel := bounded(r)
	defer cancel()
	t, err := c.opts.Source.Trace(ctx, q)
	shown := func(m Message) bool { return m.ID == q.Text }
	switch {
	case err == nil && t.By == "id" && slices.ContainsFunc(t.Messages, shown):
		http.Redirect(w, r, Path+"trace?"+permalink(q.Text, "id", q.Channel), http.StatusSeeOther)
	case err == nil && len(t.Conversations) == 1:
		conv := t.Conversations[0]
		http.Redirect(w, r, Path+"trace?"+permalink(conv.Hash, "hash", conv.Channel), http.StatusSeeOther)
	default:
		c.showTrace(w, r, s, q)
	}
}

func permalink(text, by, channel string) string {
	q := url.Values{"q": {text}, "by": {by}}
	if channel != "" {
		q.Set("channel", channel)
	}
	return q.Encode()
}

func (c *console) showTrace(w http.ResponseWriter, r *http.Request, s *session, q Query) {
	ctx, cancel := bounded(r)
	defer cancel()
	d := &traceData{At: time.Now(), Query: q, Asked: q.Text != ""}
	if !slices.Contains([]string{"", "tracking", "id", "hash", "address"}, q.By) {
		c.fail(w, r, s, &Error{http.StatusBadRequest, "What is looked for can be a TrackingId, an id, a hash or an address."})
		return
	}
	o, err := c.opts.Source.Overview(ctx)
	if err == nil && d.Asked {
		d.Trace, err = c.opts.Source.Trace(ctx, q)
		var refused *Error
		if errors.As(err, &refused) && refused.Status == http.StatusNotFound {
			d.Missing, err = refused.Text, nil
		}
	}
	if err != nil {
		c.fail(w, r, s, err)
		return
	}
	for _, ch := range o.Channels {
		d.Channels = append(d.Channels, ch.Name)
	}
	c.render(w, r, http.StatusOK, "trace", &page{Title: "Trace", Nav: "trace", session: s, Still: r.Method != http.MethodGet || !d.Asked, Data: d})
}

// doctorData is the page of what the doctor found.
type doctorData struct {
	At, Examined time.Time
	Tally        tally
	Findings     []Finding // faults first
	Fine         []Finding
}

func (c *console) doctor(w http.ResponseWriter, r *http.Request, s *session) {
	found := c.opts.Source.Diagnosis()
	d := &doctorData{At: time.Now(), Examined: found.At, Tally: count(found.Checks)}
	list := slices.Clone(found.Checks)
	worstFirst(list)
	for _, f := range list {
		if f.State == connectors.CheckOK {
			d.Fine = append(d.Fine, f)
		} else {
			d.Findings = append(d.Findings, f)
		}
	}
	c.render(w, r, http.StatusOK, "doctor", &page{Title: "Doctor", Nav: "doctor", session: s, Data: d})
}

// tally counts findings by their state.
type tally struct{ Failed, Warnings, Unknown, OK int }

// Warned says how many warnings there are.
func (t tally) Warned() string {
	if t.Warnings == 1 {
		return "1 warning"
	}
	return strconv.Itoa(t.Warnings) + " warnings"
}

func count(list []Finding) (t tally) {
	for _, f := range list {
		switch f.State {
		case connectors.CheckFailed:
			t.Failed++
		case connectors.CheckWarning:
			t.Warnings++
		case connectors.CheckOK:
			t.OK++
		default:
			t.Unknown++
		}
	}
	return t
}

// worstFirst sorts findings by how bad they are, and leaves them in the doctor's
// order among equals.
func worstFirst(list []Finding) {
	bad := []connectors.CheckState{connectors.CheckFailed, connectors.CheckWarning, connectors.CheckUnknown, connectors.CheckOK}
	slices.SortStableFunc(list, func(a, b Finding) int { return slices.Index(bad, a.State) - slices.Index(bad, b.State) })
}
