package omnichannel

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"servicelink/config"
	"servicelink/connectors"
)

var update = flag.Bool("update", false, "write the golden files anew")

var discard = slog.New(slog.DiscardHandler)

const testToken = "in-token-0123456789"

// open makes the connector of channel "shop" with the usual settings.
func open(t testing.TB) *Connector {
	t.Helper()
	settings, err := config.ParseSettings("token: " + testToken + "\nwebhook_url: https://client.example.com/hook")
	if err != nil {
		t.Fatal(err)
	}
	c, err := New(config.Channel{Name: "shop", Settings: settings}, connectors.Dependencies{Log: discard})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.(*Connector).Close(); err != nil {
			t.Error(err)
		}
	})
	return c.(*Connector)
}

func request(body string) *connectors.Request {
	return &connectors.Request{
		Method: http.MethodPost,
		Values: map[string]string{"token": testToken},
		Header: http.Header{},
		Body:   []byte(body),
	}
}

// TestGolden: every payload in testdata gives exactly the events beside it.
func TestGolden(t *testing.T) {
	payloads, err := filepath.Glob("testdata/*.in.json")
	if err != nil || len(payloads) < 10 {
		t.Fatalf("%d payloads, %v", len(payloads), err)
	}
	c := open(t)
	for _, file := range payloads {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".in.json"), func(t *testing.T) {
			body, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			result, err := c.parse(request(string(body)))
			if err != nil {
				t.Fatal(err)
			}
			var got bytes.Buffer
			enc := json.NewEncoder(&got)
			enc.SetEscapeHTML(false)
			enc.SetIndent("", "  ")
			if err := enc.Encode(result); err != nil {
				t.Fatal(err)
			}
			golden := strings.TrimSuffix(file, ".in.json") + ".events.json"
			if *update {
				if err := os.WriteFile(golden, got.Bytes(), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got.String()); diff != "" {
				t.Errorf("events differ (-want +got):\n%s", diff)
			}
		})
	}
}

// message is a genuine text message with one member replaced.
func message(old, replacement string) string {
	const body = `{"event":"new_message","chat_id":7,"visitor":{"id":"v1","fields":{"name":"Ann"}},` +
		`"message":{"id":"m1","kind":"visitor","text":"hi","data":{}}}`
	return strings.Replace(body, old, replacement, 1)
}

func TestRefused(t *testing.T) {
	file := func(data string) string {
		return message(`"kind":"visitor","text":"hi","data":{}`, `"kind":"file_visitor","data":`+data)
	}
	button := func(data string) string {
		return message(`"kind":"visitor","text":"hi","data":{}`, `"kind":"keyboard_response","data":`+data)
	}
	const missing, syntax, limits = connectors.ReasonMissing, connectors.ReasonSyntax, connectors.ReasonLimits
	for _, tc := range []struct {
		name, body string
		reason     connectors.RequestReason
		detail     string // its beginning
	}{
		{"no event", message(`"event":"new_message",`, ``), missing, "event"},
		{"null event", message(`"new_message"`, `null`), missing, "event"},
		{"empty event", message(`"new_message"`, `""`), missing, "event"},
		{"name in another case", message(`"event"`, `"Event"`), missing, "event"},
		{"no chat_id", message(`"chat_id":7,`, ``), missing, "chat_id"},
		{"null chat_id", message(`7`, `null`), missing, "chat_id"},
		{"chat_id is a string", message(`7`, `"7"`), syntax, "chat_id"},
		{"chat_id is a fraction", message(`7`, `7.0`), syntax, "chat_id"},
		{"chat_id has an exponent", message(`7`, `7e3`), syntax, "chat_id"},
		{"chat_id is minus zero", message(`7`, `-0`), syntax, "chat_id"},
		{"chat_id of 101 digits", message(`7`, strings.Repeat("7", 101)), syntax, "chat_id"},
		{"no message", message(`"message"`, `"x"`), missing, "message"},
		{"message is a list", message(`"message":{"id":"m1","kind":"visitor","text":"hi","data":{}}`, `"message":[]`), syntax, "message"},
		{"no message.id", message(`"id":"m1",`, ``), missing, "message.id"},
		{"message.id is a number", message(`"m1"`, `1`), syntax, "message.id"},
		{"no kind", message(`"kind":"visitor",`, ``), missing, "message.kind"},
		{"no text", message(`"text":"hi",`, ``), missing, "message.text"},
		{"empty text", message(`"hi"`, `""`), missing, "message.text"},
		{"text is an object", message(`"hi"`, `{}`), syntax, "message.text"},
		{"no visitor", message(`"visitor":{"id":"v1","fields":{"name":"Ann"}},`, ``), missing, "visitor"},
		{"visitor is a string", message(`{"id":"v1","fields":{"name":"Ann"}}`, `"v1"`), syntax, "visitor"},
		{"no visitor.id", message(`"id":"v1",`, ``), missing, "visitor.id"},
		{"blank visitor.id", message(`"v1"`, `" "`), missing, "visitor.id"},
		{"fields is a list", message(`{"name":"Ann"}`, `[]`), syntax, "visitor.fields"},
		{"name is a number", message(`"Ann"`, `1`), syntax, "visitor.fields.name"},
		{"file without data", message(`"visitor","text":"hi","data":{}`, `"file_visitor"`), missing, "message.data"},
		{"file without state", file(`{"url":"https://x/y"}`), missing, "message.data.state"},
		{"file without url", file(`{"state":"ready"}`), missing, "message.data.url"},
		{"file with a script for a url", file(`{"state":"ready","url":"javascript:alert(1)"}`), syntax, "message.data.url"},
		{"file with half a size", file(`{"state":"ready","url":"https://x/y","size":0.5}`), syntax, "message.data.size"},
		{"file with a size as text", file(`{"state":"ready","url":"https://x/y","size":"5"}`), syntax, "message.data.size"},
		{"file with a negative size", file(`{"state":"ready","url":"https://x/y","size":-5}`), syntax, "message.data.size"},
		{"file with a huge size", file(`{"state":"ready","url":"https://x/y","size":99999999999999999999}`), syntax, "message.data.size"},
		{"button without data", button(`null`), missing, "message.data"},
		{"button without button", button(`{}`), missing, "message.data.button"},
		{"button without text", button(`{"button":{"id":"1"}}`), missing, "message.data.button.text"},
		{"unknown kind without chat", message(`"chat_id":7,"visitor":{"id":"v1","fields":{"name":"Ann"}},"message":{"id":"m1","kind":"visitor"`,
			`"message":{"id":"m1","kind":"sticker"`), missing, "chat_id"},
		{"empty body", ``, syntax, ""},
		{"not an object", `[]`, syntax, ""},
		{"cut", message(`}}`, ``), syntax, ""},
		{"more behind it", message(``, ``) + `{}`, syntax, ""},
		{"name twice", message(`"event"`, `"event":"x","event"`), syntax, "name appears twice"},
		{"name twice, escaped", message(`"event"`, `"\u0065vent":"x","event"`), syntax, "name appears twice"},
		{"not UTF-8", message(`hi`, "\xff"), syntax, ""},
		{"raw control character", message(`hi`, "\n"), syntax, ""},
		{"bad escape", message(`hi`, `\x`), syntax, ""},
		{"number with a leading zero", message(`{}`, `01`), syntax, ""},
		{"too deep", message(`{}`, strings.Repeat("[", 40)+strings.Repeat("]", 40)), limits, ""},
		{"too many values", message(`{}`, "[0"+strings.Repeat(",0", 5000)+"]"), limits, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			result, err := open(t).parse(request(tc.body))
			var re *connectors.RequestError
			if !errors.As(err, &re) {
				t.Fatalf("parse = %+v, %v; want a RequestError", result, err)
			}
			if re.Reason != tc.reason || !strings.HasPrefix(re.Detail, tc.detail) {
				t.Errorf("refused with %q %q, want %q %q", re.Reason, re.Detail, tc.reason, tc.detail)
			}
			if len(result.Events) != 0 || len(result.Ignored) != 0 {
				t.Errorf("a refused request left %+v", result)
			}
		})
	}
}

// TestNamesOfAnotherType: what is not known is answered 200, whatever it looks
// like.
func TestNamesOfAnotherType(t *testing.T) {
	for _, other := range []string{`5`, `true`, `[]`, `{}`} {
		got, err := open(t).parse(request(message(`"new_message"`, other)))
		if err != nil || len(got.Events) != 0 || got.Ignored["unknown_event"] != 1 {
			t.Errorf("event %s: %+v, %v; want it ignored as an unknown event", other, got, err)
		}
		got, err = open(t).parse(request(message(`"kind":"visitor"`, `"kind":`+other)))
		if err != nil || len(got.Events) != 1 || got.Events[0].Kind != connectors.KindUnsupported {
			t.Errorf("kind %s: %+v, %v; want an unsupported event", other, got, err)
		}
	}
}

func TestVerify(t *testing.T) {
	c := open(t)
	for token, want := range map[string]error{
		testToken:       nil,
		testToken + "x": connectors.ErrNotMine,
		testToken[:5]:   connectors.ErrNotMine,
		"":              connectors.ErrNotMine,
	} {
		r := request("{}")
		r.Values["token"] = token
		if err := c.verify(r); !errors.Is(err, want) {
			t.Errorf("verify with token %q = %v, want %v", token, err, want)
		}
	}
}

func TestReply(t *testing.T) {
	for _, tc := range []struct {
		name    string
		verdict connectors.Verdict
		want    connectors.Reply
	}{
		{"accepted", connectors.Verdict{Result: connectors.Accepted}, connectors.Reply{Status: 200}},
		{
			"refused",
			connectors.Verdict{Result: connectors.Refused},
			connectors.Reply{Status: 400, ContentType: "application/json", Body: `{"error":"There is no active channel for received event."}`},
		},
		{"too large", connectors.Verdict{Result: connectors.TooLarge}, connectors.Reply{Status: 413}},
		{
			"missing",
			connectors.Verdict{Result: connectors.Malformed, Err: &connectors.RequestError{Reason: connectors.ReasonMissing, Detail: "chat_id"}},
			connectors.Reply{Status: 400, ContentType: "application/json", Body: `{"error":"Required parameter is missing: chat_id."}`},
		},
		{"broken", connectors.Verdict{Result: connectors.Malformed, Err: &connectors.RequestError{Reason: connectors.ReasonSyntax}}, connectors.Reply{Status: 500}},
		{"ours", connectors.Verdict{Result: connectors.Malformed, Err: errors.New("x")}, connectors.Reply{Status: 500}},
		{"journal away", connectors.Verdict{Result: connectors.Unavailable}, connectors.Reply{Status: 500}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, reply(tc.verdict)); diff != "" {
				t.Errorf("reply (-want +got):\n%s", diff)
			}
		})
	}
}

// TestUserToken: a long site never costs the phone number.
func TestUserToken(t *testing.T) {
	v := visitor{id: "1", login: "l", phone: "p", email: "e", site: "s"}
	if got, want := v.token(), `{"id":"1","login":"l","phone":"p","email":"e","site":"s"}`; got != want {
		t.Errorf("token = %s, want %s", got, want)
	}
	v.site = strings.Repeat("ж", connectors.MaxUserToken)
	if got, want := v.token(), `{"id":"1","login":"l","phone":"p","email":"e"}`; got != want {
		t.Errorf("token = %s, want %s", got, want)
	}
}

// payload is an ordinary message of about 500 bytes.
const payload = `{"event":"new_message","chat_id":9007199254740993,"visitor":{"id":"visitor-0000000001","fields":{` +
	`"name":"Jana Nováková","login":"jana.novakova","phone":"+420601234567","email":"jana.novakova@example.com","site":"https://shop.example.com/cart"}},` +
	`"message":{"id":"5f1c9a34-9c6e-4e0b-8a57-8a0a6b1f2c3d","kind":"visitor","text":"Dobrý den, chtěla bych se zeptat, kdy dorazí moje objednávka ` +
	`číslo 20261122-0815. Podle sledování zásilky je už tři dny na depu a nic se neděje. Můžete mi prosím zjistit víc? Děkuji, Jana."}}`

func BenchmarkParse(b *testing.B) {
	c := open(b)
	r := request(payload)
	b.SetBytes(int64(len(payload)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := c.parse(r); err != nil {
			b.Fatal(err)
		}
	}
}
