package twilio

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"testing"

	"github.com/google/go-cmp/cmp"

	"servicelink/connectors"
)

const callback = testPublic + "/connector/whatsapp/status?ref=1z.id-1%232"

// TestForms: what each part is as Twilio's form.
func TestForms(t *testing.T) {
	file := &connectors.OutFile{Type: "image/png", URL: "https://files.example.com/p.png?a=b&c=d"}
	for name, tc := range map[string]struct {
		change  func(*connectors.Part)
		service bool
		want    url.Values
	}{
		"text":              {func(*connectors.Part) {}, false, url.Values{"Body": {"hello"}}},
		"text of a service": {func(*connectors.Part) {}, true, url.Values{"Body": {"hello"}}},
		"a text as it is":   {func(p *connectors.Part) { p.Text = " <b> & + % 😀\n" }, false, url.Values{"Body": {" <b> & + % 😀\n"}}},
		"file":              {func(p *connectors.Part) { p.File, p.Text = file, "" }, false, url.Values{"MediaUrl": {file.URL}}},
		"file with a text":  {func(p *connectors.Part) { p.File = file }, false, url.Values{"MediaUrl": {file.URL}, "Body": {"hello"}}},
		"template": {
			func(p *connectors.Part) {
				p.Text, p.Template = "", &connectors.Template{ID: "HX1", Variables: map[string]string{"2": "<&>", "10": "b", "1": "a\"b"}}
			},
			false,
			url.Values{"ContentSid": {"HX1"}, "ContentVariables": {`{"1":"a\"b","10":"b","2":"<&>"}`}},
		},
		"template without variables": {
			func(p *connectors.Part) { p.Text, p.Template = "", &connectors.Template{ID: "HX1"} }, false, url.Values{"ContentSid": {"HX1"}},
		},
	} {
		f := newFake(t, says(http.StatusCreated, created))
		s := settings(f.URL)
		tc.want.Set("To", "whatsapp:+420601234567")
		tc.want.Set("StatusCallback", callback)
		if tc.service {
			s.From, s.Service = "", testService
			tc.want.Set("MessagingServiceSid", testService)
		} else {
			tc.want.Set("From", "whatsapp:"+testSender)
		}
		p := part()
		tc.change(&p)
		if _, err := open(t, s).Send(t.Context(), p); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if diff := cmp.Diff(tc.want, f.requests()[0].form); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// TestNotAsked: what Twilio could not make anything of is refused without asking it.
func TestNotAsked(t *testing.T) {
	gone := errors.New("gone")
	for name, tc := range map[string]struct {
		change func(*connectors.Part)
		reason connectors.Reason
	}{
		"buttons":       {func(p *connectors.Part) { p.Buttons = []connectors.Button{{ID: "1", Text: "x"}} }, connectors.ReasonContent},
		"to nobody":     {func(p *connectors.Part) { p.To.TrackingID = "7|telegram" }, connectors.ReasonNotFound},
		"a local file":  {func(p *connectors.Part) { p.File = &connectors.OutFile{URL: "file:///etc/passwd"} }, connectors.ReasonContent},
		"no file there": {func(p *connectors.Part) { p.File = &connectors.OutFile{} }, connectors.ReasonContent},
		"a file that is gone": {func(p *connectors.Part) {
			p.File = &connectors.OutFile{Open: func(context.Context) (*connectors.Media, error) {
				return nil, &connectors.SendError{Outcome: connectors.Rejected, Reason: connectors.ReasonFile, Err: gone}
			}}
		}, connectors.ReasonFile},
	} {
		f := newFake(t, says(http.StatusCreated, created))
		p := part()
		tc.change(&p)
		_, err := open(t, settings(f.URL)).Send(t.Context(), p)
		expect(t, name, connectors.AsSendError(err), connectors.Rejected, tc.reason)
		if len(f.requests()) > 0 {
			t.Errorf("%s: Twilio was asked", name)
		}
	}
}
