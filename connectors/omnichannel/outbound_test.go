package omnichannel

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"servicelink/config"
	"servicelink/connectors"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// sent is what a client's server got.
type sent struct {
	uri, auth, contentType, body string
}

// clientServer answers everything with status and shows what it got.
func clientServer(t *testing.T, status int) (base string, got *sent) {
	t.Helper()
	got = &sent{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		*got = sent{r.Method + " " + r.RequestURI, r.Header.Get("Authorization"), r.Header.Get("Content-Type"), string(body)}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, "not JSON")
	}))
	t.Cleanup(server.Close)
	return server.URL, got
}

// sender makes a connector with these settings that may reach loopback.
func sender(t *testing.T, settings string) connectors.Connector {
	t.Helper()
	c, err := build(settings)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.(*Connector).Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

func part(chat, id, text string, buttons ...connectors.Button) connectors.Part {
	return connectors.Part{ID: id, To: connectors.Address{TrackingID: chat + "|omnichannel"}, Text: text, Buttons: buttons}
}

func TestSend(t *testing.T) {
	for _, tc := range []struct {
		name, suffix, token string
		status              int
		part                connectors.Part
		want                sent
	}{
		{
			"text with a token", "", "out-token", 200, part("9007199254740993", "id-1", `<b> & "q" 😀`),
			sent{
				"POST /send_message", "Token out-token", "application/json",
				`{"chat_id":9007199254740993,"message":{"id":"id-1","kind":"operator","text":"<b> & \"q\" 😀"}}`,
			},
		},
		{
			"second part, no token, token in the path", "/hook/tok-1/", "", 204, part("-7", "id-1#2", "more"),
			sent{
				"POST /hook/tok-1/send_message", "", "application/json",
				`{"chat_id":-7,"message":{"id":"id-1#2","kind":"operator","text":"more"}}`,
			},
		},
		{
			"buttons, token in the query", "/x?key=tok-1", "", 201,
			part("7", "id-2", "choose", connectors.Button{ID: "y", Text: "Yes"}, connectors.Button{ID: "n", Text: "No"}),
			sent{
				"POST /x/send_message?key=tok-1", "", "application/json",
				`{"chat_id":7,"message":{"id":"id-2","kind":"operator","text":"choose","data":{"buttons":[{"id":"y","text":"Yes"},{"id":"n","text":"No"}]}}}`,
			},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			base, got := clientServer(t, tc.status)
			settings := "token: " + testToken + "\nwebhook_url: " + base + tc.suffix
			if tc.token != "" {
				settings += "\nwebhook_token: " + tc.token
			}
			receipt, err := sender(t, settings).Send(t.Context(), tc.part)
			if err != nil || receipt != (connectors.Receipt{}) {
				t.Fatalf("Send = %+v, %v", receipt, err)
			}
			if *got != tc.want {
				t.Errorf("sent\n%+v, want\n%+v", *got, tc.want)
			}
		})
	}
}

// TestSendAcceptedWithCutBody: the body of a success says nothing, so its loss
// must not make the fate of the message unknown.
func TestSendAcceptedWithCutBody(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "100")
		_, _ = io.WriteString(w, "cut")
	}))
	t.Cleanup(server.Close)
	c := sender(t, "token: "+testToken+"\nwebhook_url: "+server.URL)
	if _, err := c.Send(t.Context(), part("7", "id-1", "x")); err != nil {
		t.Errorf("Send: %v", err)
	}
}

func TestSendToNobody(t *testing.T) {
	c := sender(t, "token: "+testToken+"\nwebhook_url: http://127.0.0.1:9")
	for _, id := range []string{"", "7", "7|telegram", "x|omnichannel", "07|omnichannel", "7|8|omnichannel", "1.5|omnichannel", strings.Repeat("7", 101) + "|omnichannel"} {
		_, err := c.Send(t.Context(), connectors.Part{To: connectors.Address{TrackingID: id}})
		if se := connectors.AsSendError(err); err == nil || se.Outcome != connectors.Rejected || se.Reason != connectors.ReasonNotFound {
			t.Errorf("Send to %q: %v", id, err)
		}
		if addr, ok := c.(connectors.Addresser).Address(id); ok {
			t.Errorf("Address(%q) = %+v", id, addr)
		}
	}
	want := connectors.Address{TrackingID: "-7|omnichannel", RemoteAddress: "-7"}
	if addr, ok := c.(connectors.Addresser).Address("-7|omnichannel"); !ok || addr != want {
		t.Errorf("Address = %+v, %v", addr, ok)
	}
}

func build(settings string) (connectors.Connector, error) {
	s, err := config.ParseSettings(settings)
	if err != nil {
		return nil, err
	}
	return New(config.Channel{Name: "shop", Settings: s}, connectors.Dependencies{
		Log:    discard,
		Egress: config.Egress{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}},
	})
}

func TestSettings(t *testing.T) {
	for _, tc := range []struct {
		name, settings string
		want           []string // each in the error
	}{
		{"nothing", "", []string{"token", "webhook_url"}},
		{
			"all wrong at once", "token: 'a/b'\nwebhook_url: ftp://x\nwebhook_token: \"a\\nb\"\nmore: 1",
			[]string{"token: holds", "webhook_url: is not", "webhook_token: holds", "more"},
		},
		{"empty token", "token: ''\nwebhook_url: http://h", []string{"token"}},
		{"empty url", "token: abc\nwebhook_url: ''", []string{"webhook_url"}},
		{"no host", "token: abc\nwebhook_url: 'https:///x'", []string{"webhook_url: is not an http"}},
		{"relative", "token: abc\nwebhook_url: /x", []string{"webhook_url: is not an http"}},
		{"unreadable", "token: abc\nwebhook_url: 'http://[::1/marked-secret'", []string{"webhook_url: is not a URL"}},
		{"user in it", "token: abc\nwebhook_url: https://u:marked-secret@h", []string{"webhook_url: holds a user"}},
		{"fragment", "token: abc\nwebhook_url: https://h/#marked-secret", []string{"webhook_url: holds a fragment"}},
		{"an address nobody listed", "token: abc\nwebhook_url: http://10.0.0.1/marked-secret", []string{"webhook_url: is an address that is not public"}},
		{"an IPv6 address nobody listed", "token: abc\nwebhook_url: 'http://[::1]:8080/marked-secret'", []string{"webhook_url: is an address that is not public"}},
		{"space in the token", "token: 'marked-secret x'\nwebhook_url: https://h", []string{"token: holds"}},
		{"another letter in the token", "token: marked-secret-é\nwebhook_url: https://h", []string{"token: holds"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c, err := build(tc.settings)
			if err == nil || c != nil {
				t.Fatalf("New = %v, %v", c, err)
			}
			for _, want := range tc.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("error lacks %q:\n%v", want, err)
				}
			}
			if strings.Contains(err.Error(), "marked-secret") {
				t.Errorf("error gives a secret away:\n%v", err)
			}
		})
	}
}

// TestProblemHasAPosition: what New finds itself says where, like the decoder.
func TestProblemHasAPosition(t *testing.T) {
	_, err := build("token: abc\nwebhook_url: ftp://x")
	problems := config.Flatten(err)
	if len(problems) != 1 || problems[0].Line != 2 {
		t.Errorf("problems = %+v", problems)
	}
	_, err = build("token: abc\n\nwebhook_url: http://192.168.0.1")
	problems = config.Flatten(err)
	if len(problems) != 1 || problems[0].Line != 3 || !strings.Contains(problems[0].Hint, "egress.allow") {
		t.Errorf("problems = %+v", problems)
	}
}

// TestTargetsThatMayBeMeant: listed ranges, public addresses, and names, which
// are judged when they are dialled.
func TestTargetsThatMayBeMeant(t *testing.T) {
	for _, target := range []string{"http://127.0.0.9:1", "https://8.8.8.8/x", "http://localhost"} {
		sender(t, "token: "+testToken+"\nwebhook_url: "+target)
	}
}

func TestExclusive(t *testing.T) {
	c := sender(t, "token: "+testToken+"\nwebhook_url: https://h")
	if e, ok := c.(connectors.Exclusive); !ok || e.Exclusive() != testToken {
		t.Error("channels with one token would go unnoticed")
	}
}
