package console

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestForms: what changes something wants the token of this session's pages, and
// to come from them.
func TestForms(t *testing.T) {
	t.Parallel()
	stranger := newDesk(t, full(), "").csrf()
	for _, path := range []string{"act", "doctor", "trace"} {
		for _, tc := range []struct {
			name   string
			csrf   string // "" = the right one
			header []string
			status int
		}{
			{"right", "", nil, 303},
			{"without a token", "-", nil, 403},
			{"with a wrong token", "wrong", nil, 403},
			{"with another session's token", stranger, nil, 403},
			{"another origin", "", []string{"Origin", "http://evil.example"}, 403},
			{"another port", "", []string{"Origin", "http://localhost:3000"}, 403},
			{"opaque origin", "", []string{"Origin", "null"}, 403},
			{"browser says cross-site", "", []string{"Sec-Fetch-Site", "cross-site"}, 403},
			{"browser says same-site", "", []string{"Sec-Fetch-Site", "same-site"}, 403},
			{"without its cookie", "", []string{"Cookie", ""}, 403},
			{"not a form", "", []string{"Content-Type", "text/plain"}, 403},
		} {
			source := full()
			d := newDesk(t, source, "")
			form := url.Values{"csrf": {d.csrf()}, "verb": {"requeue"}, "seq": {"7"}, "q": {"m1"}}
			if tc.csrf != "" {
				form.Set("csrf", tc.csrf)
			}
			if len(tc.header) > 0 && tc.header[0] == "Cookie" {
				d.cookies = nil
			}
			asked := len(source.asked)
			res := d.post(Path+path, form, tc.header...)
			if res.StatusCode != tc.status {
				t.Errorf("%s, %s: status %d, want %d", path, tc.name, res.StatusCode, tc.status)
			}
			if tc.status == 403 && len(source.acts)+source.looked+len(source.asked)-asked > 0 {
				t.Errorf("%s, %s: it was done", path, tc.name)
			}
		}
	}
}

// TestGetDoesNothing: a link never changes anything.
func TestGetDoesNothing(t *testing.T) {
	t.Parallel()
	source := full()
	d := newDesk(t, source, "")
	csrf := d.csrf()
	for _, path := range []string{"act?verb=requeue&seq=7&csrf=" + csrf, "logout?csrf=" + csrf} {
		if status, _ := d.get(Path + path); status != http.StatusMethodNotAllowed && status != http.StatusNotFound {
			t.Errorf("GET %s: %d", path, status)
		}
	}
	if len(source.acts) > 0 {
		t.Errorf("done: %v", source.acts)
	}
}

func TestActions(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name string
		form string
		sure bool // the page asks once more
		acts []Action
		said string
	}{
		{"beside a message", "verb=&one=requeue+7&seq=9", false, []Action{{Verb: Requeue, Seq: 7}}, "1 message requeued."},
		{"ticked ones", "verb=requeue&seq=9&seq=7", false, []Action{{Verb: Requeue, Seq: 9}, {Verb: Requeue, Seq: 7}}, "2 messages requeued."},
		{"one of them is gone", "verb=requeue&seq=404&seq=7", false, []Action{{Verb: Requeue, Seq: 404}, {Verb: Requeue, Seq: 7}}, "1 message requeued. 1 not; message 404: no such row."},
		{"none ticked", "verb=requeue", false, nil, "Nothing was chosen: tick the messages first."},
		{"discard", "verb=discard&seq=9&seq=7", true, []Action{{Verb: Discard, Seq: 9}, {Verb: Discard, Seq: 7}}, "2 messages discarded."},
		{"discard one", "one=discard+9", true, []Action{{Verb: Discard, Seq: 9}}, "1 message discarded."},
		{"a suspect again", "one=requeue_suspect+5", false, []Action{{Verb: RequeueSuspect, Seq: 5}}, "1 message sent once more."},
		{"a suspect no more", "one=discard_suspect+5", true, []Action{{Verb: DiscardSuspect, Seq: 5}}, "1 message made a dead letter."},
		{"a stranded one", "one=discard_stranded+3", true, []Action{{Verb: DiscardStranded, Seq: 3}}, "1 message given up."},
		{"a channel's", "verb=discard_channel&channel=gone", true, []Action{{Verb: DiscardChannel, Channel: "gone"}}, "1 message given up."},
		{"pause", "verb=pause&channel=shop", false, []Action{{Verb: Pause, Channel: "shop"}}, "Channel shop is paused."},
		{"resume", "verb=resume&channel=shop", false, []Action{{Verb: Resume, Channel: "shop"}}, "Channel shop is resumed."},
	} {
		source := full()
		source.refuse = map[int64]error{404: &Error{http.StatusNotFound, "no such row"}}
		d := newDesk(t, source, "")
		form, err := url.ParseQuery(tc.form)
		if err != nil {
			t.Fatal(err)
		}
		form.Set("csrf", d.csrf())
		form.Set("back", Path+"dead?channel=shop")
		if tc.sure {
			res := d.post(Path+"act", form)
			body := res.Body
			if res.StatusCode != http.StatusOK || len(source.acts) > 0 || !strings.Contains(body, "Leave as it is") {
				t.Errorf("%s: not asked for once more: %d, %v", tc.name, res.StatusCode, source.acts)
			}
			checkPage(t, tc.name, body)
			form = formOf(t, body)
		}
		res := d.post(Path+"act", form)
		if res.StatusCode != http.StatusSeeOther || res.Header.Get("Location") != Path+"dead?channel=shop" {
			t.Errorf("%s: %d to %s", tc.name, res.StatusCode, res.Header.Get("Location"))
		}
		for i := range source.acts {
			if source.acts[i].Remote == "" {
				t.Errorf("%s: nobody did it", tc.name)
			}
			source.acts[i].Remote = ""
		}
		if diff := cmp.Diff(tc.acts, source.acts); diff != "" {
			t.Errorf("%s: %s", tc.name, diff)
		}
		if _, body := d.get(Path); !strings.Contains(plainText(t, body), tc.said) {
			t.Errorf("%s: not said: %s", tc.name, tc.said)
		}
	}
}

// formOf fills in the confirmation's form as its button would.
func formOf(t *testing.T, body string) url.Values {
	t.Helper()
	form := url.Values{}
	for _, n := range nodes(t, body) {
		name, _ := attribute(n, "name")
		value, _ := attribute(n, "value")
		if n.Data == "input" || n.Data == "button" && name != "" {
			form.Add(name, value)
		}
	}
	return form
}

func TestBadForms(t *testing.T) {
	t.Parallel()
	many := "verb=requeue" + strings.Repeat("&seq=1", rowsPage+1)
	for _, form := range []string{
		"", "verb=explode&seq=1", "one=explode+1", "one=requeue+x", "verb=requeue&seq=-1", "verb=requeue&seq=0", "verb=requeue&seq=7x",
		"verb=pause", "verb=discard_channel", many, "one=requeue+7+8", "pad=" + strings.Repeat("x", formMax),
	} {
		source := full()
		d := newDesk(t, source, "")
		values, err := url.ParseQuery(form)
		if err != nil {
			t.Fatal(err)
		}
		values.Set("csrf", d.csrf())
		if res := d.post(Path+"act", values); res.StatusCode != http.StatusBadRequest || len(source.acts) > 0 {
			t.Errorf("%.40q: status %d, done %v", form, res.StatusCode, source.acts)
		}
	}
}
