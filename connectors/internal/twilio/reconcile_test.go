package twilio

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"servicelink/connectors"
)

// row is a message in the list, by what is special about it.
func row(sid string, at time.Time, more string) string {
	return fmt.Sprintf(`{"direction":"outbound-api","body":"hello","num_media":"0","status":"sent","error_code":null,"date_sent":null,`+
		`"date_created":%q,"sid":%q%s}`, at.UTC().Format(time.RFC1123Z), sid, more)
}

func listOf(next string, rows ...string) string {
	return `{"messages":[` + strings.Join(rows, ",") + `],"next_page_uri":` + next + `}`
}

// reconciled asks at a moment after the attempt, of a list that is made then.
func reconciled(t *testing.T, after time.Duration, change func(*connectors.Attempt), list func(began time.Time) []string) (f connectors.Finding, err error) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		pages := list(began)
		asked := 0
		c := through(t, func(r *http.Request) *http.Response {
			if r.URL.Query().Get("To") != "whatsapp:+420601234567" || r.URL.Query().Get("From") != "whatsapp:"+testSender {
				t.Errorf("asked for %s", r.URL)
			}
			if asked++; asked > 1 && r.URL.Query().Get("PageToken") == "" {
				t.Errorf("page %d is asked for as %s", asked, r.URL)
			}
			return response(http.StatusOK, nil, pages[min(asked, len(pages))-1])
		})
		a := connectors.Attempt{Part: part(), Began: began, Ended: began.Add(time.Second)}
		if change != nil {
			change(&a)
		}
		time.Sleep(after)
		f, err = c.Reconcile(t.Context(), a)
	})
	return f, err
}

func TestReconcile(t *testing.T) {
	const next = `"/2010-04-01/Accounts/x/Messages.json?Page=1&PageToken=PA1"`
	one := func(more string) func(time.Time) []string {
		return func(began time.Time) []string { return []string{listOf("null", row("SM1", began, more))} }
	}
	template := func(a *connectors.Attempt) { a.Part.Text, a.Part.Template = "", &connectors.Template{ID: "HX1"} }
	for name, tc := range map[string]struct {
		after  time.Duration
		change func(*connectors.Attempt)
		list   func(began time.Time) []string
		want   string
	}{
		"found":               {time.Hour, nil, one(""), "sent SM1"},
		"found at once":       {0, nil, one(""), "sent SM1"},
		"failed there":        {time.Hour, nil, one(`,"status":"undelivered","error_code":63016`), "failed SM1 window"},
		"another text":        {time.Hour, nil, one(`,"body":"hello!"`), "not_sent "},
		"a trial account":     {time.Hour, nil, one(`,"body":"Sent from your Twilio trial account - hello"`), "sent SM1"},
		"with a file":         {time.Hour, nil, one(`,"num_media":1`), "not_sent "},
		"the customer's":      {time.Hour, nil, one(`,"direction":"inbound"`), "not_sent "},
		"known to be another": {time.Hour, func(a *connectors.Attempt) { a.Taken = []string{"SM1"} }, one(""), "not_sent "},
		"not there yet":       {time.Minute, nil, func(time.Time) []string { return []string{listOf("null")} }, "unknown  again in 1m1s"},
		"not there":           {settled + time.Second, nil, func(time.Time) []string { return []string{listOf("null")} }, "not_sent "},
		"before it": {time.Hour, nil, func(began time.Time) []string {
			return []string{listOf("null", row("SM1", began.Add(-skew-time.Second), ""))}
		}, "not_sent "},
		"long after it": {time.Hour, nil, func(began time.Time) []string {
			return []string{listOf("null", row("SM1", began.Add(settled+skew+2*time.Second), ""))}
		}, "not_sent "},
		"the first of two": {time.Hour, nil, func(began time.Time) []string {
			return []string{listOf("null", row("SM2", began.Add(time.Second), ""), row("SM1", began, ""))}
		}, "sent SM1"},
		"on the second page": {time.Hour, nil, func(began time.Time) []string {
			return []string{listOf(next, row("SM2", began, `,"body":"x"`)), listOf("null", row("SM1", began, ""))}
		}, "sent SM1"},
		"not beyond what is older": {time.Hour, nil, func(began time.Time) []string {
			return []string{listOf(next, row("SM2", began.Add(-time.Hour), "")), listOf("null", row("SM1", began, ""))}
		}, "not_sent "},
		"pages without end": {time.Hour, nil, func(began time.Time) []string {
			return []string{listOf(next, row("SM2", began, `,"body":"x"`))}
		}, "unknown "},
		"a template that is told":     {time.Hour, template, one(`,"content_sid":"HX1","body":"said"`), "sent SM1"},
		"another template":            {time.Hour, template, one(`,"content_sid":"HX2"`), "not_sent "},
		"a template that is not told": {time.Hour, template, one(`,"body":"said"`), "unknown "},
	} {
		f, err := reconciled(t, tc.after, tc.change, tc.list)
		got := f.Fate.String() + " " + f.NetworkID
		if f.Failure != nil {
			got += " " + string(f.Failure.Reason)
		}
		if f.AskAgain != 0 {
			got += " again in " + f.AskAgain.String()
		}
		if err != nil || got != tc.want {
			t.Errorf("%s: %q, %v; want %q", name, got, err, tc.want)
		}
	}
}

// TestNoList: an answer without a list says nothing, least of all that the message is
// not there.
func TestNoList(t *testing.T) {
	for _, body := range []string{`{}`, `{"messages":null}`, `{"messages":{}}`, `<html>`, ``} {
		f, err := reconciled(t, time.Hour, nil, func(time.Time) []string { return []string{body} })
		if err == nil || f.Fate != connectors.FateUnknown {
			t.Errorf("%s: %+v, %v", body, f, err)
		}
	}
}

// TestWords: members are read whichever type they have.
func TestWords(t *testing.T) {
	for raw, want := range map[string]string{`"a"`: "a", `5`: "5", `-1.5`: "-1.5", `null`: "", `true`: "", `{}`: "", `[1]`: "", `""`: ""} {
		var w word
		if err := json.Unmarshal([]byte(raw), &w); err != nil || string(w) != want {
			t.Errorf("%s is %q, %v", raw, w, err)
		}
	}
}
