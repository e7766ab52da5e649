package twilio

import (
	"errors"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"servicelink/connectors"
)

// message1 is a webhook call with these fields over those of a plain text.
func message1(more url.Values) *connectors.Request {
	fields := url.Values{
		"MessageSid": {"SM1"}, "AccountSid": {testAccount}, "From": {"whatsapp:+420601234567"}, "To": {"whatsapp:" + testSender},
		"Body": {"hello"}, "NumMedia": {"0"}, "ProfileName": {" Jana "},
	}
	for name, values := range more {
		if fields[name] = values; values == nil {
			delete(fields, name)
		}
	}
	return &connectors.Request{
		Method: http.MethodPost, URL: &url.URL{Path: "/x"}, Header: http.Header{"Content-Type": {formType}}, Body: []byte(fields.Encode()),
	}
}

// kinds shows events in short.
func kinds(events []connectors.Event) (list []string) {
	for _, ev := range events {
		s := string(ev.Kind) + " " + ev.Text
		switch {
		case ev.File != nil:
			s += " " + ev.File.Type + " " + ev.File.ID
		case ev.Button != nil:
			s += " " + ev.Button.ID
		case ev.Location != nil:
			s += " " + ev.Location.Title
		}
		list = append(list, strings.TrimSpace(s))
	}
	return list
}

// TestFields: each group of fields, one by one.
func TestFields(t *testing.T) {
	const api = DefaultAPI + "/2010-04-01/Accounts/" + testAccount + "/"
	for name, tc := range map[string]struct {
		fields url.Values
		want   []string
	}{
		"text":                     {nil, []string{"text hello"}},
		"older names":              {url.Values{"MessageSid": nil, "SmsSid": {"SM1"}}, []string{"text hello"}},
		"a kind unknown, and text": {url.Values{"MessageType": {"hologram"}}, []string{"text hello"}},
		"a kind unknown":           {url.Values{"MessageType": {"hologram"}, "Body": {""}}, []string{`unsupported a message of kind "hologram"`}},
		"an odd kind":              {url.Values{"MessageType": {"<b>"}, "Body": nil}, []string{"unsupported a message of an unknown kind"}},
		"nothing":                  {url.Values{"Body": nil}, []string{"unsupported an empty message"}},
		"files": {
			url.Values{
				"NumMedia": {"3"}, "MediaUrl0": {api + "Messages/MM1/Media/ME1"}, "MediaContentType0": {"image/JPEG; q=1"},
				"MediaUrl1": {"https://files.example.com/1"}, "MediaContentType1": {"<b>"},
				"MediaUrl2": {api + "Messages/MM1/Media/ME3"}, "MediaContentType2": {"text/vcard"},
			},
			[]string{
				"file hello image/jpeg Messages/MM1/Media/ME1", "file  application/octet-stream https://files.example.com/1",
				"file  text/vcard Messages/MM1/Media/ME3",
			},
		},
		"a file nobody counted":    {url.Values{"NumMedia": {"x"}, "MediaUrl0": {"https://h/1"}, "Body": nil}, []string{"file  application/octet-stream https://h/1"}},
		"files that are not there": {url.Values{"NumMedia": {"7"}}, []string{"text hello"}},
		"button":                   {url.Values{"ButtonText": {"Yes"}, "ButtonPayload": {"y|1"}, "Body": {"Yes"}}, []string{"button Yes y|1"}},
		"button without a name":    {url.Values{"ButtonPayload": {"y"}, "Body": nil}, []string{"button y y"}},
		"list":                     {url.Values{"ListId": {"r1"}, "ListTitle": {"Row"}, "Body": {"Row"}}, []string{"button Row r1"}},
		"place":                    {url.Values{"Latitude": {"50.1"}, "Longitude": {"-14.5"}, "Label": {"Hall"}, "Address": {"Square 1"}, "Body": nil}, []string{"location  Hall, Square 1"}},
		"no place":                 {url.Values{"Latitude": {"NaN"}, "Longitude": {"0"}, "MessageType": {"location"}, "Body": nil}, []string{"unsupported a place that cannot be read"}},
		"beyond the pole":          {url.Values{"Latitude": {"90.5"}, "Longitude": {"0"}}, []string{"text hello"}},
		"forwarded":                {url.Values{"FrequentlyForwarded": {"true"}}, []string{"text Forwarded:\nhello"}},
		"stop":                     {url.Values{"OptOutType": {"STOP"}}, []string{"text hello", "stop The customer does not want any more messages."}},
		"start":                    {url.Values{"OptOutType": {"START"}}, []string{"text hello", "service The customer takes messages again."}},
		"help":                     {url.Values{"OptOutType": {"HELP"}}, []string{"text hello", "service The customer asked for help; Twilio has answered."}},
		"opted somehow":            {url.Values{"OptOutType": {"MAYBE"}}, []string{"text hello"}},
	} {
		result, err := open(t, settings("http://127.0.0.1:9")).parseMessage(message1(tc.fields))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if diff := cmp.Diff(tc.want, kinds(result.Events)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
		ids := map[string]bool{}
		for _, ev := range result.Events {
			if ids[ev.ID] {
				t.Errorf("%s: two events with the ID %s", name, ev.ID)
			}
			ids[ev.ID] = true
			if ev.TrackingID != testTo || ev.Customer.PartyName != "Jana" {
				t.Errorf("%s: %s by %q", name, ev.TrackingID, ev.Customer.PartyName)
			}
		}
		if !ids[connectors.EventID("wa", messageKind, "SM1", "")] {
			t.Errorf("%s: no event with the ID that a list of messages gives", name)
		}
	}
}

// TestWithoutNumber: a person without a number is one conversation, whose name is
// what stands in From.
func TestWithoutNumber(t *testing.T) {
	c := open(t, settings("http://127.0.0.1:9"))
	for want, fields := range map[string]url.Values{
		"ID.77":    {"From": {"whatsapp:ID.77"}, "ProfileName": nil},
		"CZ.8":     {"From": nil, "ExternalUserId": {"whatsapp:CZ.8"}, "ProfileName": nil},
		"+4206012": {"From": {"whatsapp:+4206012"}, "ExternalUserId": {"whatsapp:CZ.8"}, "ProfileName": {""}},
	} {
		result, err := c.parseMessage(message1(fields))
		if err != nil {
			t.Errorf("%s: %v", want, err)
			continue
		}
		ev := result.Events[0]
		if ev.Customer.RemoteAddress != want || ev.Customer.PartyName != "New contact shop-"+want {
			t.Errorf("%+v, want %s", ev.Customer, want)
		}
		if addr, ok := c.Address(ev.TrackingID); !ok || addr.RemoteAddress != want {
			t.Errorf("Address(%q) = %+v, %v", ev.TrackingID, addr, ok)
		}
	}
}

// TestAnothersCall: an account that stands elsewhere in a call is not whose call it is.
func TestAnothersCall(t *testing.T) {
	r := message1(url.Values{"AccountSid": {"AC00000000000000000000000000000002"}, "Body": {testAccount}})
	if err := open(t, settings("http://127.0.0.1:9")).verifyMessage(r); !errors.Is(err, connectors.ErrNotMine) {
		t.Errorf("%v", err)
	}
}

// TestRefused: what is no form, or over its bounds, is refused as a whole.
func TestRefused(t *testing.T) {
	c := open(t, settings("http://127.0.0.1:9"))
	for name, tc := range map[string]struct {
		body   string
		reason connectors.RequestReason
	}{
		"nothing":           {"", connectors.ReasonMissing},
		"no sid":            {"From=whatsapp:%2B4206012&Body=x", connectors.ReasonMissing},
		"no sender":         {"MessageSid=SM1&Body=x", connectors.ReasonMissing},
		"another network's": {"MessageSid=SM1&From=%2B4206012", connectors.ReasonMissing},
		"an odd sender":     {"MessageSid=SM1&From=whatsapp:%0A", connectors.ReasonMissing},
		"a bad escape":      {"MessageSid=SM1&From=whatsapp:%2B4206012&Body=%zz", connectors.ReasonSyntax},
		"a semicolon":       {"MessageSid=SM1;From=x", connectors.ReasonSyntax},
		"not UTF-8":         {"MessageSid=SM1&From=whatsapp:%2B4206012&Body=%ff", connectors.ReasonSyntax},
		"a name not UTF-8":  {"MessageSid=SM1&From=whatsapp:%2B4206012&%ff=1", connectors.ReasonSyntax},
		"too many fields":   {"MessageSid=SM1" + strings.Repeat("&a=1", maxFields), connectors.ReasonLimits},
		"a name too long":   {"MessageSid=SM1&" + strings.Repeat("a", maxName+1) + "=1", connectors.ReasonLimits},
		"a value too long":  {"MessageSid=SM1&a=" + strings.Repeat("a", maxValue+1), connectors.ReasonLimits},
	} {
		for what, parse := range map[string]func(*connectors.Request) (connectors.ParseResult, error){"message": c.parseMessage, "status": c.parseStatus} {
			if what == "status" && tc.reason == connectors.ReasonMissing && strings.Contains(tc.body, "SM1") {
				continue // a status names no sender of ours in From
			}
			r := message1(nil)
			r.Body = []byte(tc.body)
			result, err := parse(r)
			re, ok := err.(*connectors.RequestError) //nolint:errorlint // the contract: this very type
			if !ok || re.Reason != tc.reason || len(result.Events) > 0 {
				t.Errorf("%s: %s is %v, want %s", name, what, err, tc.reason)
			}
		}
	}
}

// TestStatus: every status, in words and as an error; what names no message of ours
// is counted.
func TestStatus(t *testing.T) {
	c := open(t, settings("http://127.0.0.1:9"))
	report := func(query string, fields url.Values) (connectors.ParseResult, error) {
		r := message1(nil)
		all := url.Values{"MessageSid": {"SM1"}, "To": {"whatsapp:+420601234567"}, "From": {"whatsapp:" + testSender}}
		maps.Copy(all, fields)
		r.URL.RawQuery, r.Body = query, []byte(all.Encode())
		return c.parseStatus(r)
	}
	for status, want := range map[string]connectors.DeliveryStatus{
		"accepted": connectors.StatusQueued, "scheduled": connectors.StatusQueued, "queued": connectors.StatusQueued, "sending": connectors.StatusQueued,
		"sent": connectors.StatusSent, "delivered": connectors.StatusDelivered, "read": connectors.StatusRead, "READ": connectors.StatusRead,
		"failed": connectors.StatusFailed, "undelivered": connectors.StatusFailed, "canceled": connectors.StatusFailed,
	} {
		result, err := report("ref=1z.id-1%232&x=1", url.Values{"MessageStatus": {status}, "ErrorCode": {"63016"}})
		if err != nil || len(result.Events) != 1 {
			t.Errorf("%s: %+v, %v", status, result, err)
			continue
		}
		ev := result.Events[0]
		n := ev.Notice
		if ev.TrackingID != testTo || n.Ref != "1z.id-1#2" || n.Status != want || n.NetworkID != "SM1" {
			t.Errorf("%s: %+v of %+v", status, n, ev)
		}
		failed := want == connectors.StatusFailed
		if failed != (n.Fate == connectors.FateFailed) || !failed && n.Fate != connectors.FateSent ||
			failed && (n.Failure == nil || n.Failure.Reason != connectors.ReasonWindow) {
			t.Errorf("%s: %+v", status, n.Finding)
		}
	}
	if result, _ := report("ref=r", url.Values{"MessageStatus": {"delivered"}, "EventType": {"READ"}}); result.Events[0].Notice.Status != connectors.StatusRead {
		t.Error("an event READ is not read")
	}
	for reason, try := range map[string]func() (connectors.ParseResult, error){
		"unknown_status": func() (connectors.ParseResult, error) {
			return report("ref=r", url.Values{"MessageStatus": {"receiving"}})
		},
		"no_ref": func() (connectors.ParseResult, error) { return report("", url.Values{"MessageStatus": {"sent"}}) },
		"no_customer": func() (connectors.ParseResult, error) {
			return report("ref=r", url.Values{"MessageStatus": {"sent"}, "To": {"+4206012"}})
		},
	} {
		if result, err := try(); err != nil || len(result.Events) > 0 || result.Ignored[reason] != 1 {
			t.Errorf("%s: %+v, %v", reason, result, err)
		}
	}
}

// FuzzForm: no body makes the parsers of forms panic, or say half.
func FuzzForm(f *testing.F) {
	c := open(f, settings("http://127.0.0.1:9"))
	f.Add([]byte("MessageSid=SM1&From=whatsapp%3A%2B420601234567&Body=x&MediaUrl0=https%3A%2F%2Fh%2F1&OptOutType=STOP"))
	f.Add([]byte("MessageSid=SM1&MessageStatus=failed&ErrorCode=63016&To=whatsapp%3A%2B420601234567"))
	f.Add([]byte("a=1&a=2;&%ff=%zz"))
	f.Fuzz(func(t *testing.T, body []byte) {
		r := message1(nil)
		r.Body, r.URL.RawQuery = body, "ref=r"
		for _, parse := range []func(*connectors.Request) (connectors.ParseResult, error){c.parseMessage, c.parseStatus} {
			result, err := parse(r)
			if (err != nil) == (len(result.Events)+len(result.Ignored) > 0) {
				t.Errorf("%+v, %v", result, err)
			}
			for _, ev := range result.Events {
				if _, ok := c.Address(ev.TrackingID); !ok || len(ev.ID) > connectors.MaxEventID {
					t.Errorf("event %q in %q", ev.ID, ev.TrackingID)
				}
			}
		}
		_ = c.verifyMessage(r) // whatever it says
	})
}
