package console

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"servicelink/config"
	"servicelink/connectors"
)

// now is a time of the fakes.
var now = time.Date(2026, 11, 23, 12, 0, 30, 0, time.UTC)

// fakeSource is a gateway that says what a test wants.
type fakeSource struct {
	overview  Overview
	minutes   []Minute
	hooks     []Hook
	dead      []Letter
	parked    []Letter
	waiting   []Stranded
	rows      []Letter
	traced    Trace
	diagnosis Diagnosis

	err    error // of every question
	acts   []Action
	refuse map[int64]error
	asked  []Query
	looked int
}

func (f *fakeSource) Overview(context.Context) (Overview, error) { return f.overview, f.err }
func (f *fakeSource) Flow(string) []Minute                       { return f.minutes }
func (f *fakeSource) Hooks(string) []Hook                        { return f.hooks }
func (f *fakeSource) Suspects() []Letter                         { return f.parked }
func (f *fakeSource) Diagnosis() Diagnosis                       { return f.diagnosis }

func (f *fakeSource) Dead(_ context.Context, channel string, before int64, limit int) (list []Letter, err error) {
	for _, l := range f.dead {
		if (channel == "" || l.Channel == channel) && (before == 0 || l.Seq < before) && len(list) < limit {
			list = append(list, l)
		}
	}
	return list, f.err
}

func (f *fakeSource) Stranded(context.Context) ([]Stranded, error) { return f.waiting, f.err }
func (f *fakeSource) StrandedRows(context.Context, string, int64, int) ([]Letter, error) {
	return f.rows, f.err
}

func (f *fakeSource) Trace(_ context.Context, q Query) (Trace, error) {
	f.asked = append(f.asked, q)
	if len(f.traced.Conversations) == 0 {
		return Trace{}, &Error{http.StatusNotFound, "nothing of that name"}
	}
	return f.traced, f.err
}

func (f *fakeSource) Examine(context.Context, string) error { f.looked++; return f.err }

func (f *fakeSource) Act(_ context.Context, a Action) (int, error) {
	f.acts = append(f.acts, a)
	return 1, f.refuse[a.Seq]
}

// full gives everything at least once, in every state a page tells apart.
func full() *fakeSource {
	letter := func(seq int64) Letter {
		return Letter{
			Seq: seq, Channel: "shop", Direction: "out", Conversation: "c4fbd1f8", ID: "m1", Reason: "blocked", Hint: "the customer has blocked the bot",
			Attempts: 2, Bytes: 1200, Accepted: now.Add(-time.Hour), Ended: now.Add(-time.Minute), Risky: true,
		}
	}
	books := Books{Accepted: 9, Requeued: 1, Done: 5, Dead: 2, Pending: 3, Oldest: now.Add(-2 * time.Minute)}
	f := &fakeSource{
		overview: Overview{
			Version: "1.2.3", At: now, Started: now.Add(-50 * time.Hour), Ready: true, Core: "core_unreachable", Balanced: true, Suspects: 1,
			Journal: Journal{State: "ok", Bytes: 5 << 20, MaxBytes: 1 << 30, Volatile: true},
			Channels: []Channel{
				{Name: "shop", Network: "telegram", Port: "shop", State: "ok", In: books, Out: books, LastDead: &LastDead{7, "blocked", "a hint", now}},
				{Name: "held", Network: "sms", Port: "held", State: "paused_by_operator"},
				{Name: "ill", Network: "sms", Port: "ill", State: "deaf"},
				{Name: "frail", Network: "sms", Port: "frail", State: "ok"},
				{Name: "6f9619ff-8b86-d011-b42d-00c04fc964ff", Network: "email", State: "ok", Gateway: "Support <mailbox>", Device: "ImapHost", Direction: "in"},
				{Name: "6f9619ff-8b86-d011-b42d-00c04fc964fe", State: "broken", Gateway: "Fax"},
				{Name: "gone", State: "removed", In: books},
			},
			Faults: []Fault{
				{What: "core_unreachable", Hint: "the core cannot be reached"},
				{Channel: "frail", What: "refused", Hint: "get another token", Since: now},
				{Channel: "ill", What: "deaf", Hint: "there is no connection", Since: now.Add(-time.Hour)},
			},
		},
		hooks:  []Hook{{Where: "Webhook URL", Method: "POST", URL: "https://gw.example/connector/***", Register: true}},
		dead:   []Letter{letter(9), letter(7)},
		parked: []Letter{letter(5)},
		waiting: []Stranded{
			{Channel: "gone", State: "removed", Direction: "in", Pending: 3, Oldest: now.Add(-time.Hour)},
			{Channel: "off", State: "disabled", Direction: "out", Pending: 1, Oldest: now.Add(-time.Hour)},
		},
		rows: []Letter{letter(3)},
		traced: Trace{
			By: "id", Notes: []string{"a note"},
			Conversations: []Conversation{{
				Channel: "shop", Hash: "c4fbd1f8", ChatID: "11-22", Counter: 4, Started: now.Add(-time.Hour), LastSeen: now,
				Window: &Window{Open: true, End: now.Add(time.Hour), What: "by the customer's latest message"},
			}},
			Messages: []Message{
				{Seq: 8, Channel: "shop", Direction: "in", State: "done", Hash: "c4fbd1f8", ID: "m0", Counter: 3, Bytes: 12, Steps: []Step{
					{At: now, Kind: "accepted", What: "accepted into the journal"}, {Kind: "writes", What: "written to the core: 2 times"},
				}},
				{
					Seq: 9, Channel: "shop", Direction: "out", State: "delivering", Hash: "c4fbd1f8", ID: "m1",
					Now:   &Now{Waits: "waits before the next attempt", Hint: "a hint", Since: now.Add(-time.Minute), Until: now.Add(time.Minute), Behind: 8},
					Steps: []Step{{At: now, Until: now.Add(time.Minute), Kind: "wait_retry", What: "waits"}},
				},
			},
		},
		diagnosis: Diagnosis{At: now.Add(-3 * time.Minute), Checks: []Finding{
			{"shop", "telegram", "", connectors.Check{Name: connectors.CheckNetwork, State: connectors.CheckOK, Found: "it answers"}},
			{"shop", "telegram", "", connectors.Check{Name: connectors.CheckClock, State: connectors.CheckUnknown, Found: "it does not tell its time"}},
			{"shop", "telegram", "", connectors.Check{
				Name: connectors.CheckWebhook, State: connectors.CheckFailed, Fault: connectors.FaultForeignWebhook,
				Found: "another system is called", Cure: "run servicelink register shop", Code: "409", Mendable: true,
			}},
			{"", "", "", connectors.Check{
				Name: connectors.CheckToken, State: connectors.CheckWarning, Fault: connectors.FaultExpiredToken,
				Found: "it ends soon", Cure: "renew it", Ends: now.Add(24 * time.Hour),
			}},
		}},
	}
	for i := range 60 {
		m := Minute{At: now.Add(time.Duration(i-60) * time.Minute), In: float64(i % 7), Out: 2}
		if i%9 != 0 {
			m.ToCore = Latency{3 * time.Millisecond, time.Duration(20+i) * time.Millisecond}
			m.ToNetwork = Latency{120 * time.Millisecond, 2 * time.Second}
		}
		f.minutes = append(f.minutes, m)
	}
	return f
}

// marked replaces every string in what a source says, but not the words that
// pages choose by.
func marked(f *fakeSource, mark string) {
	for _, v := range []any{&f.overview, &f.hooks, &f.dead, &f.parked, &f.waiting, &f.rows, &f.traced, &f.diagnosis} {
		mangle(reflect.ValueOf(v).Elem(), mark)
	}
	f.traced.By = "id"
}

func mangle(v reflect.Value, mark string) {
	switch v.Kind() {
	case reflect.Pointer:
		mangle(v.Elem(), mark)
	case reflect.Slice:
		for i := range v.Len() {
			mangle(v.Index(i), mark)
		}
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			return
		}
		for _, field := range v.Fields() {
			mangle(field, mark)
		}
	case reflect.String:
		v.SetString(mark + v.String())
	}
}

// desk is a browser in front of the console.
type desk struct {
	*testing.T
	handler http.Handler
	cookies []*http.Cookie
	log     bytes.Buffer
}

const token = "operator-PLANTED-token"

func newDesk(t *testing.T, source Source, private string) *desk {
	d := &desk{T: t}
	d.handler = New(Options{Token: config.NewSecret(private), Source: source, Log: slog.New(slog.NewTextHandler(&d.log, nil))})
	return d
}

// answer is what the console answers.
type answer struct {
	StatusCode int
	Header     http.Header
	Body       string
}

// send sends a request with the cookies that are there, and keeps those it gets.
func (d *desk) send(r *http.Request) answer {
	d.Helper()
	r.Host = "localhost:9090"
	for _, c := range d.cookies {
		r.AddCookie(c)
	}
	w := httptest.NewRecorder()
	d.handler.ServeHTTP(w, r)
	for _, line := range w.Header().Values("Set-Cookie") {
		c, err := http.ParseSetCookie(line)
		if err != nil {
			d.Fatal(err)
		}
		d.cookies = slices.DeleteFunc(d.cookies, func(old *http.Cookie) bool { return old.Name == c.Name })
		if c.MaxAge >= 0 {
			d.cookies = append(d.cookies, c)
		}
	}
	return answer{w.Code, w.Header(), w.Body.String()}
}

func (d *desk) get(path string) (status int, body string) {
	d.Helper()
	res := d.send(httptest.NewRequestWithContext(d.Context(), http.MethodGet, path, nil))
	return res.StatusCode, res.Body
}

// post sends a form; header pairs follow.
func (d *desk) post(path string, form url.Values, header ...string) answer {
	d.Helper()
	r := httptest.NewRequestWithContext(d.Context(), http.MethodPost, path, strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Origin", "http://localhost:9090")
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	return d.send(r)
}

// csrf is the token of a page's forms.
func (d *desk) csrf() string {
	d.Helper()
	_, body := d.get(Path + "dead")
	_, rest, found := strings.Cut(body, `name="csrf" value="`)
	value, _, _ := strings.Cut(rest, `"`)
	if !found || value == "" {
		d.Fatalf("no form has a token: %s", body)
	}
	return value
}

// nodes parses a page and gives its elements in order.
func nodes(t *testing.T, body string) (list []*html.Node) {
	t.Helper()
	root, err := html.Parse(strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for n := range root.Descendants() {
		if n.Type == html.ElementNode {
			list = append(list, n)
		}
	}
	return list
}

// attribute gives an element's attribute; false = it has none.
func attribute(n *html.Node, name string) (string, bool) {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val, true
		}
	}
	return "", false
}
