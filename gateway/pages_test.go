package gateway

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"servicelink/config"
	"servicelink/connectors"
	"servicelink/gateway/console"
	"servicelink/gateway/journal"
	"servicelink/simprot"
)

// operator is a browser in front of a gateway's private listener.
type operator struct {
	*house
	handler http.Handler
	cookie  *http.Cookie
	csrf    string
}

func newOperator(h *house) *operator {
	o := &operator{house: h, handler: h.gw.privateHandler()}
	_, rest, _ := strings.Cut(o.opens("trace"), `name="csrf" value="`)
	if o.csrf, _, _ = strings.Cut(rest, `"`); o.csrf == "" {
		h.Fatal("no form has a token")
	}
	return o
}

func (o *operator) send(r *http.Request) (status int, location, body string) {
	r.Host = "localhost:9090"
	if o.cookie != nil {
		r.AddCookie(o.cookie)
	}
	w := httptest.NewRecorder()
	o.handler.ServeHTTP(w, r)
	if c, err := http.ParseSetCookie(w.Header().Get("Set-Cookie")); err == nil {
		o.cookie = c
	}
	return w.Code, w.Header().Get("Location"), w.Body.String()
}

// opens reads a page.
func (o *operator) opens(page string) string {
	o.Helper()
	status, _, body := o.send(httptest.NewRequestWithContext(o.Context(), http.MethodGet, console.Path+page, nil))
	if status != http.StatusOK {
		o.Errorf("%s: %d %s", page, status, body)
	}
	return body
}

// does sends a form and reads the page that follows.
func (o *operator) does(form string) string {
	o.Helper()
	r := httptest.NewRequestWithContext(o.Context(), http.MethodPost, console.Path+"act",
		strings.NewReader(form+"&csrf="+o.csrf+"&back="+url.QueryEscape(console.Path+"dead")))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if status, location, _ := o.send(r); location != console.Path+"dead" {
		o.Errorf("%s: %d to %q", form, status, location)
	}
	return o.opens("dead")
}

// TestConsole: what an operator does in the browser is done, as by the API, and
// says so in the log; no page shows what customers and agents wrote, or who they are.
func TestConsole(t *testing.T) {
	t.Parallel()
	inHouse(t, func(h *house) {
		h.stop()
		h.chatty = true
		h.start()
		h.writes("491701234567", 1)
		h.waits(5 * time.Second)
		h.net.fail = func(int, connectors.Part) error {
			return &connectors.SendError{Outcome: connectors.Rejected, Reason: connectors.ReasonBlocked, Hint: "she has blocked the bot"}
		}
		h.says("491701234567", "planted text")
		h.waits(2 * time.Minute)
		o := newOperator(h)
		rows, err := h.gw.journal.Dead(h.Context(), journal.DeadQuery{})
		if err != nil || len(rows) != 1 {
			t.Fatalf("%d dead letters, %v", len(rows), err)
		}
		seq, hash := rows[0].Seq, simprot.LogID("491701234567|fake")
		for page, want := range map[string][]string{
			"":                                      {"All is well.", "blocked", "1 message"},
			"dead":                                  {fmt.Sprintf("requeue %d", seq), "she has blocked the bot", hash},
			"channel/" + testChannel:                {"The channel is well.", fmt.Sprintf("requeue %d", seq), "half within: "},
			"suspects":                              {"No message is suspected"},
			"stranded":                              {"Nothing waits"},
			"trace?q=in-491701234567-0001":          {"echoed by the core"},
			"trace?by=hash&q=" + hash:               {"dead (blocked", "accepted into the journal"},
			"trace?by=address&q=nobody-planted":     {"Not found"},
			"trace?by=tracking&q=491701234567|fake": {hash},
		} {
			body := o.opens(page)
			for _, w := range want {
				if !strings.Contains(body, w) {
					t.Errorf("%s lacks %q: %s", page, w, body)
				}
			}
			for _, secret := range []string{"planted", "491701234567", "message 1", "Customer 4917", testSecret} {
				if strings.Contains(body, secret) {
					t.Errorf("%s shows %q: %s", page, secret, body)
				}
			}
		}

		h.net.fail = nil
		if body := o.does(fmt.Sprintf("one=requeue+%d", seq)); !strings.Contains(body, "1 message requeued.") {
			t.Errorf("requeue: %s", body)
		}
		if h.logged(`msg="admin action"`, "action=requeue", fmt.Sprintf("seq=%d", seq), "remote=", "result=done") != 1 {
			t.Error("the requeue is not in the log")
		}
		h.waits(time.Minute)
		if left := h.dead(); len(left) != 0 {
			t.Errorf("left: %v", left)
		}
		if body := o.does(fmt.Sprintf("verb=requeue&seq=%d", seq)); !strings.Contains(body, "not a dead letter") {
			t.Errorf("requeued again: %s", body)
		}
		if body := o.does("verb=pause&channel=" + testChannel); !strings.Contains(body, "Channel shop is paused.") || !h.gw.pauses.has(testChannel) {
			t.Errorf("pause: %s", body)
		}
		if body := o.opens("channel/" + testChannel); !strings.Contains(body, "paused by an operator") {
			t.Errorf("while it is paused: %s", body)
		}
		o.does("verb=resume&channel=" + testChannel)
		if h.gw.pauses.has(testChannel) || h.logged("action=pause", "channel=shop", "result=done") != 1 || h.logged("action=resume", "channel=shop") != 1 {
			t.Error("pause and resume are not in the log, or it is still paused")
		}
		form := strings.NewReader("csrf=" + o.csrf + "&back=" + url.QueryEscape(console.Path+"doctor"))
		r := httptest.NewRequestWithContext(h.Context(), http.MethodPost, console.Path+"doctor", form)
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		if _, location, body := o.send(r); location != console.Path+"doctor" {
			t.Errorf("look again: %s", body)
		}
		if body := o.opens("doctor"); !strings.Contains(body, "The doctor has looked at everything now.") || !strings.Contains(body, "Looked at") ||
			strings.Contains(body, "planted") || h.logged("action=doctor", "remote=", "result=done") != 1 {
			t.Errorf("what the doctor found: %s", body)
		}
		for _, form := range []string{"verb=discard_channel&sure=yes&channel=" + testChannel, "verb=requeue_suspect&seq=1", "verb=discard_stranded&sure=yes&seq=1"} {
			if body := o.does(form); !strings.Contains(body, "not") {
				t.Errorf("%s: %s", form, body)
			}
		}
	})
}

// TestConsoleMounted: browsers find the console, and the door of the private
// listener stands before it too.
func TestConsoleMounted(t *testing.T) {
	t.Parallel()
	const browser = "text/html,application/xhtml+xml,*/*;q=0.8"
	for _, tc := range []struct {
		name, method, target, token string
		header                      []string
		status                      int
		location                    string
	}{
		{"a browser at the door", "GET", "/", "", []string{"Accept", browser}, 303, console.Path},
		{"a program at the door", "GET", "/", "", []string{"Accept", "application/json"}, 404, ""},
		{"posting to the door", "POST", "/", "", []string{"Accept", browser}, 404, ""},
		{"the console", "GET", console.Path, "", nil, 200, ""},
		{"by a name", "GET", console.Path, "", []string{"Host", "evil.example"}, 403, ""},
		{"in another site's frame", "GET", console.Path, "", []string{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Dest", "iframe"}, 403, ""},
		{"from another site's form", "POST", console.Path + "act", "", []string{"Origin", "http://evil.example"}, 403, ""},
		{"with a token, logged out", "GET", console.Path, rigToken, nil, 303, console.Path + "login?next=%2Fconsole%2F"},
		{"with a token, the API's", "GET", console.Path, rigToken, []string{"Authorization", "Bearer " + rigToken}, 303, console.Path + "login?next=%2Fconsole%2F"},
	} {
		rig := newPrivateRig(tc.token)
		pages := console.New(console.Options{Token: config.NewSecret(tc.token), Source: wellSource{}})
		rig.handler = newPrivateHandler(config.Private{Token: config.NewSecret(tc.token)}, rigRegistry(), &rig.health, rig.journal, &rig.waiting,
			&rig.parked, discardLog, redactRow, apiCall{path: console.Path, handler: pages.ServeHTTP})
		res := rig.call(tc.method, tc.target, tc.header...)
		if res.Code != tc.status || res.Header().Get("Location") != tc.location {
			t.Errorf("%s: %d to %q, want %d to %q", tc.name, res.Code, res.Header().Get("Location"), tc.status, tc.location)
		}
	}
}

// wellSource is a gateway of which nothing is to be said.
type wellSource struct{ console.Source }

func (wellSource) Overview(context.Context) (console.Overview, error) { return console.Overview{}, nil }
func (wellSource) Flow(string) []console.Minute                       { return nil }
func (wellSource) Diagnosis() console.Diagnosis                       { return console.Diagnosis{} }
