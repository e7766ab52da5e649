package console

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"
)

// everyPage is every page, and something that stands on it when there is something.
var everyPage = []struct{ path, full, empty string }{
	{"", "It is not well: there is no connection to the core.", "All is well."},
	{"?hours=3", "channel ill", "nothing yet"},
	{"?hours=24", ">not quite well</span>", ""},
	{"channel/shop", "https://gw.example/connector/***", ""},
	{"channel/held", "Resume", ""},
	{"channel/ill", "there is no connection", ""},
	{"channel/frail", "The channel is not quite well.", ""},
	{"?hours=1", "Support <mailbox>", ""},
	{"?hours=1", "email, ImapHost (from the customer)", ""},
	{"channel/6f9619ff-8b86-d011-b42d-00c04fc964ff", "Support <mailbox>", ""},
	{"channel/6f9619ff-8b86-d011-b42d-00c04fc964fe", "Correct it in the core's register.", ""},
	{"channel/gone", "What waits for it", ""},
	{"dead", "the customer has blocked the bot", "No dead letters."},
	{"dead?channel=shop&before=8", "Choose message 7", "Nothing more."},
	{"suspects", "Try now", "No message is suspected"},
	{"stranded", "Give up all", "Nothing waits for a channel"},
	{"stranded?channel=gone", "Give message 3 up", "Nothing waits for a channel"},
	{"trace", "Message or conversation", "Message or conversation"},
	{"trace?q=m1&by=id", `<a href="/console/trace?by=hash&amp;channel=shop&amp;q=c4fbd1f8#m9">`, "Not found: nothing of that name."},
	{"trace?q=m1&by=hash", "waits before the next attempt", "Not found: nothing of that name."},
	{"doctor", "run servicelink register shop", "The doctor has not looked at everything yet."},
}

func TestPages(t *testing.T) {
	t.Parallel()
	well := &fakeSource{overview: Overview{Ready: true, Core: "up", Journal: Journal{State: "ok"}, Balanced: true, At: now}}
	for _, p := range everyPage {
		for source, want := range map[*fakeSource]string{full(): p.full, well: p.empty} {
			if want == "" {
				continue
			}
			status, body := newDesk(t, source, "").get(Path + p.path)
			if status != http.StatusOK || !strings.Contains(plainText(t, body), want) && !strings.Contains(body, want) {
				t.Errorf("%s: status %d, lacks %q:\n%s", p.path, status, want, body)
			}
			checkPage(t, p.path, body)
		}
	}
}

// checkPage holds what every page promises to people who cannot see it, and to
// browsers that let nothing inline run.
func checkPage(t *testing.T, path, body string) {
	t.Helper()
	count, ids, labelled := map[string]int{}, map[string]bool{}, map[string]bool{}
	var fields []string
	for _, n := range nodes(t, body) {
		if n.Namespace == "" { // pictures have titles, too
			count[n.Data]++
		}
		if id, ok := attribute(n, "id"); ok {
			if ids[id] {
				t.Errorf("%s: id %s twice", path, id)
			}
			ids[id] = true
		}
		for _, a := range n.Attr {
			if a.Key == "style" || strings.HasPrefix(a.Key, "on") || strings.Contains(a.Val, "javascript:") {
				t.Errorf("%s: <%s %s=%q> is refused by the policy", path, n.Data, a.Key, a.Val)
			}
		}
		switch n.Data {
		case "style":
			t.Errorf("%s: has inline style", path)
		case "script":
			if _, outside := attribute(n, "src"); !outside {
				t.Errorf("%s: has inline script", path)
			}
		case "table":
			if first := firstElement(n); first == nil || first.Data != "caption" {
				t.Errorf("%s: a table has no caption", path)
			}
		case "th":
			if _, ok := attribute(n, "scope"); !ok {
				t.Errorf("%s: a th has no scope", path)
			}
		case "label":
			id, _ := attribute(n, "for")
			labelled[id] = true
		case "input", "select":
			kind, _ := attribute(n, "type")
			_, named := attribute(n, "aria-label")
			if id, _ := attribute(n, "id"); kind != "hidden" && !named {
				fields = append(fields, id)
			}
		}
	}
	for _, id := range fields {
		if !labelled[id] {
			t.Errorf("%s: the field %q has no label", path, id)
		}
	}
	for _, one := range []string{"h1", "main", "title", "header", "footer"} {
		if count[one] != 1 {
			t.Errorf("%s: %d times <%s>", path, count[one], one)
		}
	}
	if !strings.Contains(body, `class="skip" href="#main"`) || !strings.Contains(body, `<html lang="en">`) {
		t.Errorf("%s: no skip link, or no language", path)
	}
}

func firstElement(n *html.Node) *html.Node {
	for c := range n.ChildNodes() {
		if c.Type == html.ElementNode {
			return c
		}
	}
	return nil
}

// plainText is a page's text with single spaces.
func plainText(t *testing.T, body string) string {
	t.Helper()
	root, err := html.Parse(strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for n := range root.Descendants() {
		if n.Type == html.TextNode {
			b.WriteString(n.Data + " ")
		}
	}
	return strings.Join(strings.Fields(b.String()), " ")
}

// TestEscaped: whatever names, hints and ids hold, it is text on every page.
func TestEscaped(t *testing.T) {
	t.Parallel()
	const mark = `"'><script>evil()</script><img src=x onerror=evil()><b x='`
	source := full()
	marked(source, mark)
	d := newDesk(t, source, "")
	seen := 0
	for _, path := range []string{
		"", "dead", "dead?channel=" + url.QueryEscape(mark+"shop"), "suspects", "stranded", "stranded?channel=" + url.QueryEscape(mark),
		"trace?q=" + url.QueryEscape(mark), "trace?by=hash&q=" + url.QueryEscape(mark), "doctor", "channel/" + url.PathEscape(mark+"shop"),
	} {
		status, body := d.get(Path + path)
		if status != http.StatusOK {
			t.Errorf("%s: status %d", path, status)
		}
		seen += strings.Count(body, "evil()")
		for _, n := range nodes(t, body) {
			src, _ := attribute(n, "src")
			if n.Data == "b" || n.Data == "img" && src != "/console/icon.svg" || n.Data == "script" && src != "/console/console.js" {
				t.Errorf("%s: markup of the data became <%s> %v", path, n.Data, n.Attr)
			}
		}
		checkPage(t, path, body)
	}
	if seen < 50 {
		t.Errorf("the mark stands %d times on the pages: the test looks for the wrong thing", seen)
	}
}

func TestUnknownPages(t *testing.T) {
	t.Parallel()
	d := newDesk(t, full(), "")
	for path, want := range map[string]int{
		"nothing": 404, "channel/nobody": 404, "channel/": 404, "trace?q=a&by=name": 400, "login": 404, "web/console.html": 404, "..%2f..%2fetc/passwd": 404,
	} {
		status, body := d.get(Path + path)
		if status != want {
			t.Errorf("%s: status %d, want %d", path, status, want)
		}
		checkPage(t, path, body)
	}
}

// TestJournalAway: what a source cannot tell becomes its words, not a blank page.
func TestJournalAway(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"", "channel/shop", "dead", "stranded", "stranded?channel=x", "trace?q=a"} {
		source := full()
		source.err = &Error{http.StatusServiceUnavailable, "journal is not available"}
		if status, body := newDesk(t, source, "").get(Path + path); status != http.StatusServiceUnavailable || !strings.Contains(body, "Journal is not available.") {
			t.Errorf("%s: %d %s", path, status, body)
		}
		source.err = errors.New("PLANTED")
		if status, body := newDesk(t, source, "").get(Path + path); status != http.StatusInternalServerError || strings.Contains(body, "PLANTED") {
			t.Errorf("%s: %d %s", path, status, body)
		}
	}
}

// TestFragment: the script gets the fresh part alone, and a word that nobody has
// heard waits for a whole page.
func TestFragment(t *testing.T) {
	t.Parallel()
	d := newDesk(t, full(), "")
	d.post(Path+"act", url.Values{"csrf": {d.csrf()}, "verb": {"requeue"}, "seq": {"7"}})
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, Path, nil)
	r.Header.Set(fragmentHeader, "live")
	body := d.send(r).Body
	if !strings.Contains(body, `id="verdict"`) || strings.Contains(body, "<h1") || strings.Contains(body, "1 message requeued") {
		t.Errorf("fragment %s", body)
	}
	if _, body := d.get(Path); !strings.Contains(body, "1 message requeued.") {
		t.Error("what was done is not said")
	}
	if _, body := d.get(Path); strings.Contains(body, "1 message requeued.") {
		t.Error("what was done is said twice")
	}
}

func TestPaging(t *testing.T) {
	t.Parallel()
	source := full()
	source.dead = nil
	for seq := int64(120); seq > 0; seq-- {
		source.dead = append(source.dead, Letter{Seq: seq, Channel: "shop"})
	}
	d := newDesk(t, source, "")
	path, seen := "dead?channel=shop", 0
	for range 5 {
		_, body := d.get(Path + path)
		seen += strings.Count(body, `name="seq"`)
		_, rest, more := strings.Cut(body, `<a href="?before=`)
		if !more {
			break
		}
		next, _, _ := strings.Cut(rest, `"`)
		path = "dead?before=" + strings.ReplaceAll(next, "&amp;", "&")
	}
	if seen != 120 || path != "dead?before=21&channel=shop" {
		t.Errorf("%d letters seen, the last page is %s", seen, path)
	}
}

// TestSearch: what may hold an address is not written into the address bar.
func TestSearch(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, q, by string
		traced      func(*Trace)
		location    string // empty = the answer is the page
	}{
		{"an id as pages show it", "m1", "", func(*Trace) {}, Path + "trace?by=id&q=m1"},
		{"an id that holds a number", "491701234567/3", "", func(*Trace) {}, Path + "trace?by=hash&channel=shop&q=c4fbd1f8"},
		{"an address", "+491701234567", "address", func(t *Trace) { t.By = "address" }, Path + "trace?by=hash&channel=shop&q=c4fbd1f8"},
		{"an address on two channels", "+491701234567", "", func(t *Trace) {
			t.By, t.Conversations = "address", append(t.Conversations, Conversation{Channel: "other", Hash: "aaaa"})
		}, ""},
		{"nobody", "+491701234567", "", func(t *Trace) { t.Conversations = nil }, ""},
		{"nothing", " ", "", func(*Trace) {}, Path + "trace"},
	} {
		source := full()
		tc.traced(&source.traced)
		d := newDesk(t, source, "")
		res := d.post(Path+"trace", url.Values{"csrf": {d.csrf()}, "q": {tc.q}, "by": {tc.by}})
		body := res.Body
		if got := res.Header.Get("Location"); got != tc.location {
			t.Errorf("%s: leads to %q, want %q", tc.name, got, tc.location)
		}
		if tc.location == "" && (res.StatusCode != http.StatusOK || strings.Contains(body, "491701234567")) {
			t.Errorf("%s: %d %s", tc.name, res.StatusCode, body)
		}
	}
}

func TestDoctorOrder(t *testing.T) {
	t.Parallel()
	source := full()
	d := newDesk(t, source, "")
	_, body := d.get(Path + "doctor")
	at := []int{}
	for _, found := range []string{"another system is called", "it ends soon", "it does not tell its time", "it answers"} {
		at = append(at, strings.Index(body, found))
	}
	if !slices.IsSorted(at) || at[0] < 0 {
		t.Errorf("faults do not come first: %v", at)
	}
	res := d.post(Path+"doctor", url.Values{"csrf": {d.csrf()}, "back": {Path + "doctor"}})
	if res.StatusCode != http.StatusSeeOther || source.looked != 1 {
		t.Errorf("look again: %d, looked %d times", res.StatusCode, source.looked)
	}
	if _, body := d.get(Path + "doctor"); !strings.Contains(body, "The doctor has looked at everything now.") {
		t.Error("it is not said that the doctor has looked")
	}
}

func TestAge(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]string{
		-time.Second: "0 s", 59 * time.Second: "59 s", time.Minute: "1 min", 90 * time.Minute: "1 h 30 min", 49 * time.Hour: "2 days",
	} {
		if got := age(now, now.Add(-d)); got != want {
			t.Errorf("%v is %q, want %q", d, got, want)
		}
	}
	if got := age(now, time.Time{}); got != "-" {
		t.Errorf("never is %q", got)
	}
}
