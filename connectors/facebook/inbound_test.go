package facebook

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"servicelink/connectors"
)

const linkChat = "0e8f1b0e-4c44-4f7f-9b9f-0d7f8f1d2c3b"

// from7 is an item of the customer 7.
func from7(member string) string {
	return `{"sender":{"id":"7"},"recipient":{"id":"1001"},"timestamp":1700000000000,` + member + `}`
}

func message(members string) string { return from7(`"message":{"mid":"m_1",` + members + `}`) }

func attached(members string) string { return message(`"attachments":[` + members + `]`) }

func echoed(members string) string {
	return `{"sender":{"id":"1001"},"recipient":{"id":"7"},"timestamp":1700000000000,"message":{"mid":"m_9","is_echo":true,` + members + `}}`
}

func parse(t *testing.T, body string) connectors.ParseResult {
	t.Helper()
	got, err := open(t, settings).parse(&connectors.Request{Body: []byte(body), Header: http.Header{}})
	if err != nil {
		t.Fatalf("%s: %v", body, err)
	}
	return got
}

// short is an event in one line.
func short(ev connectors.Event) string {
	s := fmt.Sprintf("%s %s %q", strings.TrimPrefix(ev.ID, "fb1001|"), ev.Kind, ev.Text)
	if ev.TrackingID != "7|1001|facebook" {
		s += " in " + ev.TrackingID
	}
	if ev.RefID != "" {
		s += " of " + ev.RefID
	}
	if ev.Quote != "" {
		s += " answers " + ev.Quote
	}
	if ev.File != nil {
		s += " " + ev.File.Type + " " + ev.File.ID
	}
	if ev.Location != nil {
		s += fmt.Sprintf(" at %v,%v %s", ev.Location.Latitude, ev.Location.Longitude, ev.Location.Title)
	}
	if ev.Button != nil {
		s += " pressed " + ev.Button.ID
	}
	if ev.ReturnChatID != "" {
		s += " to " + ev.ReturnChatID
	}
	if n := ev.Notice; n != nil {
		s += fmt.Sprintf(" ref=%s id=%s status=%v", n.Ref, n.NetworkID, n.Status)
		if !n.UpTo.IsZero() {
			s += fmt.Sprint(" upto=", n.UpTo.UnixMilli())
		}
	}
	return s
}

// TestParse: every kind the network documents, and what it is to the agent.
func TestParse(t *testing.T) {
	const image = `{"type":"image","payload":{"url":"https://a.fbcdn.net/1"}}`
	for name, tc := range map[string]struct {
		items string
		want  []string
	}{
		"text":      {message(`"text":"a\u00e4"`), []string{`message|m_1 text "aä"`}},
		"file":      {attached(`{"type":"file","payload":{"url":"https://a.fbsbx.com/1"}}`), []string{`message|m_1 file "" document m_1:0`}},
		"two files": {message(`"text":"two","attachments":[` + image + `,` + image + `]`), []string{`message|m_1 file "two" image m_1:0`, `message|m_1|1 file "" image m_1:1`}},
		"sticker, as before": {
			attached(`{"type":"image","payload":{"url":"https://a/1","sticker_id":369}},{"type":"sticker","payload":{"url":"https://a/1","sticker_id":369}}`),
			[]string{`message|m_1 file "" sticker m_1:0`},
		},
		"sticker, since":      {attached(`{"type":"sticker","payload":{"sticker_id":369}}`), []string{`message|m_1 text "(a sticker)"`}},
		"location":            {attached(`{"type":"location","title":"Here","payload":{"coordinates":{"lat":50.5,"long":"14.25"}}}`), []string{`message|m_1 location "" at 50.5,14.25 Here`}},
		"no place":            {attached(`{"type":"location","payload":{"coordinates":{"lat":"x","long":14}}}`), []string{`message|m_1 unsupported "an attachment of a kind that cannot be shown"`}},
		"not on earth":        {attached(`{"type":"location","payload":{"coordinates":{"lat":500,"long":14}}}`), []string{`message|m_1 unsupported "an attachment of a kind that cannot be shown"`}},
		"link":                {attached(`{"type":"fallback","title":"Shop","url":"https://e.com/"}`), []string{`message|m_1 text "Shop\nhttps://e.com/"`}},
		"link, told twice":    {message(`"text":"https://e.com/","attachments":[{"type":"fallback","title":"Shop","url":"https://e.com/"}]`), []string{`message|m_1 text "https://e.com/\nShop"`}},
		"link ending as text": {message(`"text":"shop","attachments":[{"type":"fallback","title":"T","url":"https://e.com/shop"}]`), []string{`message|m_1 text "shop\nT\nhttps://e.com/shop"`}},
		"attachments unknown": {message(`"text":"x","attachments":[{"type":"weird"},null,5]`), []string{
			`message|m_1 text "x"`, `message|m_1|1 unsupported "an attachment of a kind that cannot be shown"`,
			`message|m_1|2 unsupported "an attachment of a kind that cannot be shown"`, `message|m_1|3 unsupported "an attachment of a kind that cannot be shown"`,
		}},
		"quick reply":          {message(`"text":"Yes","quick_reply":{"payload":"Y"}`), []string{`message|m_1 button "Yes" pressed Y`}},
		"reply":                {message(`"text":"x","reply_to":{"mid":"m_0"}`), []string{`message|m_1 text "x" of m_0 answers an earlier message`}},
		"deleted":              {message(`"is_deleted":true`), []string{`message|m_1|deleted delete "" of m_1`}},
		"unsupported":          {message(`"is_unsupported":true`), []string{`message|m_1 unsupported "a message of a kind that Messenger does not give to apps"`}},
		"edit, by number":      {from7(`"message_edit":{"mid":"m_1","text":"b","num_edit":2}`), []string{`edit|m_1|2 edit "b" of m_1`}},
		"edit, by string":      {from7(`"message_edit":{"mid":"m_1","text":"b","num_edit":"2"}`), []string{`edit|m_1|2 edit "b" of m_1`}},
		"postback":             {from7(`"postback":{"mid":"m_2","title":"Go","payload":"GO"}`), []string{`postback|m_2 button "Go" pressed GO`}},
		"postback without mid": {from7(`"postback":{"title":"Go","payload":"GO"}`), []string{`postback|7|1700000000000.` + hash("GO") + ` button "Go" pressed GO`}},
		"get started by a link": {
			from7(`"postback":{"mid":"m_2","title":"Go","payload":"GO","referral":{"ref":"` + linkChat + `"}}`),
			[]string{`postback|m_2 button "Go" pressed GO to ` + linkChat},
		},
		"reaction":        {from7(`"reaction":{"mid":"m_0","action":"react","emoji":"❤"}`), []string{connectors.EventID("fb1001", "reaction", "m_0", "7.react.1700000000000") + ` reaction "❤" of m_0`}},
		"reaction gone":   {from7(`"reaction":{"mid":"m_0","action":"unreact"}`), []string{`reaction|m_0|7.unreact.1700000000000 reaction "" of m_0`}},
		"delivered":       {from7(`"delivery":{"mids":["m_8","m_9"],"watermark":5000}`), []string{`delivered|m_8 notice "" ref= id=m_8 status=delivered`, `delivered|m_9 notice "" ref= id=m_9 status=delivered`}},
		"delivered up to": {from7(`"delivery":{"watermark":5000}`), []string{`delivered|7|19700101000005.000 notice "" ref= id= status=delivered upto=5000`}},
		"read":            {from7(`"read":{"watermark":5000}`), []string{`read|7|19700101000005.000 notice "" ref= id= status=read upto=5000`}},
		"own echo":        {echoed(`"app_id":2002,"metadata":"sl1:REF","text":"x"`), []string{`echo|m_9 notice "" ref=REF id=m_9 status=sent`}},
		"other's echo":    {echoed(`"app_id":3,"text":"x","attachments":[` + image + `]`), []string{`echo|m_9 service "Answered elsewhere: x (image)"`}},
		"link to a chat":  {from7(`"referral":{"ref":"` + linkChat + `"}`), []string{connectors.EventID("fb1001", "referral", "7", "1700000000000."+hash(linkChat)) + ` service "The customer came by a link" to ` + linkChat}},
		"link to no chat": {from7(`"referral":{"ref":"spring"}`), []string{connectors.EventID("fb1001", "referral", "7", "1700000000000."+hash("spring")) + ` service "The customer came by a link: spring"`}},
		"unknown":         {from7(`"hologram":{}`), []string{`unknown|` + hash(from7(`"hologram":{}`)) + ` unsupported "something Messenger sends that cannot be shown"`}},
		"broken between": {`7,` + message(`"text":"x"`) + `,{"message":[]}`, []string{
			`unknown|` + hash(`7`) + ` unsupported "something Messenger sends that cannot be shown" in 1001|1001|facebook`,
			`message|m_1 text "x"`,
			`unknown|` + hash(`{"message":[]}`) + ` unsupported "something Messenger sends that cannot be shown" in 1001|1001|facebook`,
		}},
	} {
		got := []string{}
		for _, ev := range parse(t, `{"object":"page","entry":[{"id":"1001","messaging":[`+tc.items+`]}]}`).Events {
			got = append(got, short(ev))
		}
		for i := range tc.want {
			tc.want[i] = strings.TrimPrefix(tc.want[i], "fb1001|")
		}
		if strings.Join(got, "\n") != strings.Join(tc.want, "\n") {
			t.Errorf("%s:\n%s\nwant\n%s", name, strings.Join(got, "\n"), strings.Join(tc.want, "\n"))
		}
	}
}

// TestParseEntries: other pages' entries are others', standby is shown as such, and
// what concerns no customer is counted.
func TestParseEntries(t *testing.T) {
	got := parse(t, `{"object":"page","entry":[
		{"id":"9","messaging":[`+message(`"text":"another's"`)+`]},
		{"id":1001,"messaging":[`+message(`"text":"ours"`)+`,`+from7(`"policy_enforcement":{"action":"warning"}`)+`],"changes":[{},{}]},
		7,
		{"id":"1001","messaging":{},"standby":[`+message(`"text":"theirs"`)+`,`+from7(`"postback":{"mid":"m_2","title":"Go"}`)+`]}]}`)
	shown := []string{}
	for _, ev := range got.Events {
		shown = append(shown, short(ev))
	}
	const want = `message|m_1 text "ours"
message|m_1 text "(another app answers) theirs"
postback|m_2 button "(another app answers) Go" pressed Go`
	if strings.Join(shown, "\n") != want {
		t.Errorf("%s", strings.Join(shown, "\n"))
	}
	if counted := fmt.Sprint(got.Ignored); counted != "map[broken_entry:1 changes:2 policy_enforcement:1]" {
		t.Errorf("ignored %s", counted)
	}
	if counted := fmt.Sprint(parse(t, `{"object":"page","entry":[]}`).Ignored); counted != "map[empty:1]" {
		t.Errorf("of nothing %s", counted)
	}
	var re *connectors.RequestError
	for _, body := range []string{``, `[]`, `{"entry":`, `{"entry":7}`} {
		if _, err := open(t, settings).parse(&connectors.Request{Body: []byte(body)}); !errors.As(err, &re) {
			t.Errorf("%q: %v", body, err)
		}
	}
}
