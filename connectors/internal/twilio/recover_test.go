package twilio

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"servicelink/connectors"
)

// inbox keeps what is delivered.
type inbox struct {
	batches [][]connectors.Event
	err     error
}

func (in *inbox) Deliver(_ context.Context, events []connectors.Event) error {
	if in.err == nil {
		in.batches = append(in.batches, events)
	}
	return in.err
}
func (in *inbox) Typing(string, bool) {}
func (in *inbox) Working()            {}

func (in *inbox) events() (all []connectors.Event) {
	for _, batch := range in.batches {
		all = append(all, batch...)
	}
	return all
}

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

func came(sid, body string, seconds int, more string) string {
	return fmt.Sprintf(`{"direction":"inbound","from":"whatsapp:+420601234567","to":"whatsapp:%s","body":%q,"num_media":"0",`+
		`"date_sent":%q,"sid":%q%s}`, testSender, body, noon.Add(time.Duration(seconds)*time.Second).Format(time.RFC1123Z), sid, more)
}

// TestRecover: what came in the time that was asked for, page by page, the oldest
// first, with its files; under the IDs of the webhook.
func TestRecover(t *testing.T) {
	const next = `"/2010-04-01/Accounts/x/Messages.json?PageToken=PA1&Page=1"`
	var asked []string
	f := newFake(t, func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, strings.TrimPrefix(r.URL.Path, "/twilio/2010-04-01/Accounts/"+testAccount))
		body := listOf(next,
			came("SM9", "too late", 60, ""), came("SM4", "fourth", 40, ""), came("SM0", "to another", 35, `,"to":"whatsapp:+420"`),
			came("SM0", "ours", 35, `,"direction":"outbound-api"`), came("MM3", "third", 30, `,"num_media":2`))
		switch {
		case strings.HasSuffix(r.URL.Path, "/Media.json"):
			body = `{"media_list":[{"sid":"ME1","content_type":"image/png"},{"sid":"../x","content_type":"a/b"},{"sid":"ME2"}]}`
		case r.URL.Query().Get("PageToken") == "PA1":
			body = listOf("null", came("SM2", "", 20, ""), came("SM1b", "in the same second", 10, ""), came("SM1", "first", 10, ""), came("SM0", "nobody's", 5, `,"from":"+420"`), came("SM0", "too early", -1, ""))
		}
		says(http.StatusOK, body)(w, r)
	})
	in := &inbox{}
	c := open(t, settings(f.URL))
	if err := c.Recover(t.Context(), noon, noon.Add(time.Minute), in); err != nil {
		t.Fatal(err)
	}
	want := []string{
		"text first", "text in the same second", "unsupported a message without text, such as a place, of which Twilio does not tell any more",
		"file third image/png Messages/MM3/Media/ME1", "file  application/octet-stream Messages/MM3/Media/ME2", "text fourth",
	}
	if diff := cmp.Diff(want, kinds(in.events())); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"/Messages.json", "/Messages.json", "/Messages/MM3/Media.json"}, asked); diff != "" {
		t.Errorf("asked (-want +got):\n%s", diff)
	}
	// A second look asks for the messages again, and for no message's files.
	again := &inbox{}
	asked = nil
	if err := c.Recover(t.Context(), noon, noon.Add(time.Minute), again); err != nil || len(asked) != 2 {
		t.Errorf("again: asked %q, %v", asked, err)
	}
	if diff := cmp.Diff(in.events(), again.events()); diff != "" {
		t.Errorf("again (-first +second):\n%s", diff)
	}
	hooked, err := c.parseMessage(message1(map[string][]string{"MessageSid": {"SM1"}, "ButtonPayload": {"x"}}))
	if err != nil || hooked.Events[0].ID != in.events()[0].ID {
		t.Errorf("by the webhook SM1 is %+v, %v", hooked.Events, err)
	}
}

// TestRecoverBatches: many are handed over in pieces, and a failure ends it.
func TestRecoverBatches(t *testing.T) {
	var rows []string
	for i := range 250 {
		rows = append(rows, came(fmt.Sprintf("SM%03d", i), "x", 59, ""))
	}
	f := newFake(t, says(http.StatusOK, listOf("null", rows...)))
	in := &inbox{}
	c := open(t, settings(f.URL))
	if err := c.Recover(t.Context(), noon, noon.Add(time.Minute), in); err != nil || len(in.batches) != 3 || len(in.events()) != 250 {
		t.Errorf("%d events in %d batches, %v", len(in.events()), len(in.batches), err)
	}
	in = &inbox{err: connectors.ErrUnavailable}
	err := c.Recover(t.Context(), noon, noon.Add(time.Minute), in)
	if !errors.Is(err, connectors.ErrUnavailable) || connectors.AsSendError(err).Outcome != connectors.NotSent {
		t.Errorf("an engine that takes nothing: %v", err)
	}
}

// TestRecoverService: a service has many numbers; its own name counts.
func TestRecoverService(t *testing.T) {
	f := newFake(t, says(http.StatusOK, listOf("null",
		came("SM2", "another's", 20, ""), came("SM1", "ours", 10, `,"to":"whatsapp:+1","messaging_service_sid":"`+testService+`"`))))
	s := settings(f.URL)
	s.From, s.Service = "", testService
	in := &inbox{}
	if err := open(t, s).Recover(t.Context(), noon, noon.Add(time.Minute), in); err != nil {
		t.Fatal(err)
	}
	if got := kinds(in.events()); len(got) != 1 || got[0] != "text ours" {
		t.Errorf("%q", got)
	}
	if uri := f.requests()[0].uri; strings.Contains(uri, "To=") {
		t.Errorf("asked for %s", uri)
	}
}
