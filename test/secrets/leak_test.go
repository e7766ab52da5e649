package secrets

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"servicelink/config"
	"servicelink/connectors/all"
	"servicelink/gateway"
	"servicelink/simprot"
	"servicelink/simprot/refcore"
)

// TestNothingLeaks lets everything happen that makes programs talk, and looks
// for marks in all that was said.
func TestNothingLeaks(t *testing.T) {
	s := newStage(t)
	wrong, stopWrong := s.run(mark["guessed token"]) // the core refuses it
	s.until("the core refuses the wrong secret", func() bool { return strings.Contains(s.text("the log"), "credentials") })
	s.gw = wrong
	s.admin(http.MethodGet, "/readyz", "")
	stopWrong()

	gw, stop := s.run(mark["core secret"])
	s.gw = gw
	s.customersWrite()
	s.strangersCall()
	s.agentsAnswer()
	s.filesBothWays()
	s.networksFail()
	s.botsFail()
	s.phonesTalk()
	s.pagesTalk()
	s.gatewaysFail()
	s.connectorsPanic()
	s.coresFail()
	s.operatorsLook()
	s.operatorsReload()
	stop()
	s.journalFills()
	s.saidEnough()
	s.clean(t)
	s.framesAreClean()
}

// message is a webhook with every field a customer can fill.
func message(n int, kind string) string {
	data := ""
	switch kind {
	case "file_visitor":
		data = fmt.Sprintf(`,"data":{"state":"ready","url":"https://files.example/%s","type":"image/png"}`, mark["file url"])
	case "keyboard_response":
		data = fmt.Sprintf(`,"data":{"button":{"id":"%s","text":"%s"}}`, mark["button text"], mark["button text"])
	}
	text := mark["customer text"]
	if kind == "file_visitor" {
		text = mark["caption"]
	}
	return fmt.Sprintf(`{"event":"new_message","chat_id":%s,"visitor":{"id":"%s","fields":{"name":"%s","login":"%s","phone":"%s","email":"%s","site":"%s"}},`+
		`"message":{"id":"m-%d","kind":"%s","text":"%s"%s}}`,
		mark["chat id"], mark["visitor id"], mark["name"], mark["login"], mark["phone"], mark["email"], mark["site"], n, kind, text, data)
}

func (s *stage) wants(what string, got, want int) {
	s.Helper()
	if got != want {
		s.Errorf("%s: status %d, want %d", what, got, want)
	}
}

func (s *stage) shopAddress() refcore.Address {
	return refcore.Address{Peer: peer, Port: "shop", TrackingID: mark["chat id"] + "|omnichannel"}
}

func (s *stage) shopChat() refcore.ChatState {
	s.Helper()
	c, err := s.core.Find(s.shopAddress())
	if err != nil {
		s.Fatalf("the chat: %v", err)
	}
	return c
}

// atCore waits until the core has seen n of the customer's messages.
func (s *stage) atCore(n int) {
	s.Helper()
	s.until(fmt.Sprint(n, " messages at the core"), func() bool {
		chats, err := s.core.Chats()
		if err != nil {
			s.Fatal(err)
		}
		shown := 0
		for _, c := range chats {
			if c.Address != s.shopAddress() {
				continue
			}
			seen, err := s.core.Shown(c.ID)
			if err != nil {
				s.Fatal(err)
			}
			shown += len(seen)
		}
		return shown >= n
	})
}

func (s *stage) customersWrite() {
	s.Helper()
	token := mark["webhook token"]
	for n, kind := range []string{"visitor", "file_visitor", "keyboard_response", "sticker", "visitor"} {
		s.wants(kind, s.hook(token, message(n, kind)), http.StatusOK)
	}
	s.wants("a repeat", s.hook(token, message(0, "visitor")), http.StatusOK)
	s.atCore(5)
}

func (s *stage) strangersCall() {
	s.Helper()
	token, bad := mark["webhook token"], mark["malformed body"]
	s.wants("wrong token", s.hook(mark["guessed token"], message(0, "visitor")), http.StatusBadRequest)
	s.wants("disabled channel", s.hook(mark["disabled token"], message(0, "visitor")), http.StatusBadRequest)
	s.wants("wrong path", s.post("/"+bad+"/"+token, message(0, "visitor")), http.StatusNotFound)
	s.wants("not JSON", s.hook(token, bad+message(0, "visitor")), http.StatusInternalServerError)
	s.wants("cut JSON", s.hook(token, `{"event":"new_message","`+bad), http.StatusInternalServerError)
	s.wants("wrong types", s.hook(token, `{"event":"new_message","chat_id":"`+bad+`"}`), http.StatusInternalServerError)
	s.wants("name twice", s.hook(token, `{"`+bad+`":1,"`+bad+`":2}`), http.StatusInternalServerError)
	s.wants("missing", s.hook(token, `{"event":"new_message","`+bad+`":"`+bad+`"}`), http.StatusBadRequest)
	s.wants("unknown event", s.hook(token, `{"event":"`+bad+`"}`), http.StatusOK)
	s.wants("too large", s.hook(token, strings.Repeat(bad, 1<<17)), http.StatusRequestEntityTooLarge)
	s.wants("wrong private token", s.admin(http.MethodGet, "/api/v1/dead", mark["guessed private"]), http.StatusUnauthorized)
	s.wants("no private token", s.admin(http.MethodGet, "/api/v1/dead", ""), http.StatusUnauthorized)
	s.wants("bad query", s.admin(http.MethodGet, "/api/v1/dead?limit="+bad, mark["private token"]), http.StatusBadRequest)
	s.wants("no such page", s.admin(http.MethodGet, "/"+bad, mark["private token"]), http.StatusNotFound)
}

func (s *stage) says(text string) {
	s.Helper()
	if _, err := s.core.Say(s.shopChat().ID, text); err != nil {
		s.Fatalf("say: %v", err)
	}
}

// accepted waits until the network has taken n answers.
func (s *stage) accepted(n int) {
	s.Helper()
	s.until(fmt.Sprint(n, " answers at the network"), func() bool { return s.network.accepted() >= n })
}

func (s *stage) agentsAnswer() {
	s.Helper()
	s.says(mark["agent text"])
	s.says("choose\n[[" + mark["button text"] + "|" + mark["button text"] + "]]")
	s.accepted(2)
	if err := s.core.Typing(s.shopChat().ID, true); err != nil {
		s.Error(err)
	}
	if err := s.core.Read(s.shopChat().ID); err != nil {
		s.Error(err)
	}
	// A Port nobody serves, an address that cannot be read.
	for _, a := range []refcore.Address{
		{Peer: peer, Port: "nobody", TrackingID: mark["chat id"] + "|elsewhere"},
		{Peer: peer, Port: "shop", TrackingID: mark["chat id"] + "|elsewhere"},
	} {
		s.begin(a)
	}
}

func (s *stage) begin(a refcore.Address) {
	s.Helper()
	chat, err := s.core.Begin(a, mark["name"])
	if err == nil {
		_, err = s.core.Say(chat, mark["agent text"])
	}
	if err != nil {
		s.Fatalf("begin: %v", err)
	}
}

// networksFail lets sends fail in every way, each in a chat of its own so that
// they wait for nothing.
func (s *stage) networksFail() {
	s.Helper()
	for i, answer := range []int{
		http.StatusInternalServerError, cutAnswer, cutBody, slowAnswer, http.StatusTooManyRequests,
		http.StatusTemporaryRedirect, http.StatusForbidden, http.StatusNotFound, http.StatusUnprocessableEntity,
	} {
		chat := mark["chat id"] + strconv.Itoa(i)
		s.network.answers(chat, answer)
		s.begin(refcore.Address{Peer: peer, Port: "shop", TrackingID: chat + "|omnichannel"})
		s.failedSend("conversation=" + simprot.LogID(chat+"|omnichannel"))
	}
	for port, network := range map[string]string{"locked": "omnichannel", "brittle": "brittle"} {
		s.begin(refcore.Address{Peer: peer, Port: port, TrackingID: mark["chat id"] + "|" + network})
		s.failedSend("channel=" + port)
	}
}

// failedSend waits until the log tells of a failed send.
func (s *stage) failedSend(with string) {
	s.Helper()
	s.until("a failed send, "+with, func() bool {
		for line := range strings.Lines(s.text("the log")) {
			if strings.Contains(line, "send failed") && strings.Contains(line, with) {
				return true
			}
		}
		return false
	})
}

func (s *stage) connectorsPanic() {
	s.Helper()
	for _, where := range brittleHooks {
		s.wants(where, s.post("/brittle/"+where, mark["panicking text"]), http.StatusServiceUnavailable)
	}
	if n := strings.Count(s.text("the log"), "connector panicked"); n < len(brittleHooks)-1 {
		s.Errorf("the log tells of %d panics", n)
	}
}

func (s *stage) coresFail() {
	s.Helper()
	token := mark["webhook token"]
	s.core.Drop()
	s.wants("while the core is gone", s.hook(token, message(10, "visitor")), http.StatusOK)
	s.atCore(6)
	for _, kind := range []refcore.FaultKind{refcore.FaultDropAfter, refcore.FaultTwice} {
		if err := s.core.AddFault(refcore.Fault{Kind: kind, Code: simprot.CodeChatSentenceIn, Count: 1}); err != nil {
			s.Fatal(err)
		}
	}
	s.hook(token, message(11, "visitor"))
	s.hook(token, message(12, "visitor"))
	s.atCore(8)
	s.core.SetSignal("", simprot.SignalClosed)
	if err := s.core.CloseChat(s.shopChat().ID); err != nil {
		s.Fatal(err)
	}
	before := s.network.accepted()
	s.hook(token, message(13, "visitor"))
	s.accepted(before + 1) // the closed text
}

func (s *stage) operatorsLook() {
	s.Helper()
	token := mark["private token"]
	for _, path := range []string{"/metrics", "/readyz", "/healthz", "/api/v1/dead", "/api/v1/dead?channel=shop", "/api/v1/status", s.tracePath()} {
		s.wants(path, s.admin(http.MethodGet, path, token), http.StatusOK)
	}
	var page struct {
		Dead []struct {
			Seq     int64
			Reason  string
			Channel string
		}
	}
	list := s.text("the answer of /api/v1/dead")
	if err := json.Unmarshal([]byte(list[strings.LastIndex(list, `{"dead"`):]), &page); err != nil {
		s.Fatalf("dead letters: %v", err)
	}
	reasons := map[string]bool{}
	for _, d := range page.Dead {
		reasons[d.Reason] = true
	}
	for _, want := range []string{"address", "no_channel", "content", "unknown"} {
		if !reasons[want] {
			s.Errorf("no dead letter for %q in %v", want, page.Dead)
		}
	}
	for i, action := range []string{"requeue", "discard"} {
		s.admin(http.MethodPost, fmt.Sprintf("/api/v1/dead/%d/%s", page.Dead[i].Seq, action), token)
	}
	s.admin(http.MethodPost, "/api/v1/dead/999999/requeue", token)
	s.wants("doctor", s.admin(http.MethodPost, "/api/v1/doctor", token), http.StatusOK)
	s.consoleShows()
}

// consoleShows logs in to the console with a wrong token and the right one, and looks
// at its pages.
func (s *stage) consoleShows() {
	s.Helper()
	base := "http://" + s.gw.PrivateAddr() + "/console/"
	var cookies []*http.Cookie
	ask := func(method, path string, form url.Values) int {
		req, err := http.NewRequestWithContext(s.Context(), method, base+path, strings.NewReader(form.Encode()))
		if err != nil {
			s.Fatal(err)
		}
		if form != nil {
			req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			req.Header.Set("Origin", "http://"+s.gw.PrivateAddr())
		}
		for _, c := range cookies {
			req.AddCookie(c)
		}
		resp, err := s.client.Transport.RoundTrip(req) // redirects are not followed
		if err != nil {
			s.Fatal(err)
		}
		defer resp.Body.Close()
		cookies = append(cookies, resp.Cookies()...)
		page, err := io.ReadAll(resp.Body)
		if err != nil {
			s.Fatal(err)
		}
		s.add("the console", []byte(resp.Status), fmt.Append(nil, resp.Header), page)
		return resp.StatusCode
	}
	s.wants("a stranger at the console", ask(http.MethodGet, "", nil), http.StatusSeeOther)
	s.wants("a wrong token", ask(http.MethodPost, "login", url.Values{"token": {mark["guessed private"]}}), http.StatusUnauthorized)
	s.wants("the token", ask(http.MethodPost, "login", url.Values{"token": {mark["private token"]}}), http.StatusSeeOther)
	for _, page := range []string{
		"", "dead", "suspects", "stranded", "doctor", "channel/shop", "channel/bot", "channel/wa", "channel/fb",
		"trace?q=" + simprot.LogID(s.shopAddress().TrackingID),
	} {
		s.wants("the console's page "+page, ask(http.MethodGet, page, nil), http.StatusOK)
	}
}

// tracePath asks for all of the shop's conversation by its hash.
func (s *stage) tracePath() string {
	return "/api/v1/trace?q=" + simprot.LogID(s.shopAddress().TrackingID)
}

// saidEnough checks that there was something to find marks in.
func (s *stage) saidEnough() {
	s.Helper()
	logged := s.text("the log")
	for _, want := range []string{
		"send failed", "reason=server", "reason=cut", "reason=auth", "reason=egress", "file not given out", "channel changed",
		"connector panicked",
		"webhook not taken", "dead letter", "core link down", "admin action", "credentials", "gateway has stopped",
		"conversation=" + simprot.LogID(s.shopAddress().TrackingID), // the hash, not the TrackingId
	} {
		if !strings.Contains(logged, want) {
			s.Errorf("the log says nothing of %q", want)
		}
	}
	for where, want := range map[string]string{
		"the answer of /metrics":         "servicelink_accepted_total",
		"the answer of /readyz":          "the core takes no chats now",
		"the answer of /api/v1/dead":     simprot.LogID(mark["chat id"] + "|elsewhere"),
		"the answer of " + s.tracePath(): `"kind":"written"`,
		"answers to webhooks":            "Required parameter is missing",
		"configuration warnings":         "secret",
		"the answer of /api/v1/doctor":   "unreachable_public_url",
		"the console":                    "<h1",
		"the standard logger":            "",
		"traces":                         "servicelink",
	} {
		if !strings.Contains(s.text(where), want) {
			s.Errorf("%s: no %q in\n%s", where, want, s.text(where))
		}
	}
}

// TestConfigurationDoesNotPrintSecrets: somebody will print it one day.
func TestConfigurationDoesNotPrintSecrets(t *testing.T) {
	cfg := newStage(t).config(mark["core secret"])
	encoded, err := json.Marshal(cfg)
	if err != nil {
		encoded = []byte(err.Error())
	}
	said := fmt.Sprintf("%v\n%+v\n%#v\n%s\n%v\n%+v\n", cfg, cfg, cfg, encoded, *cfg, cfg.Channels)
	for _, l := range leaks("what is printed", []byte(said)) {
		if l.what != "closed text" { // it is for everybody to read
			t.Errorf("the %s: %s", l.what, l.around)
		}
	}
}

// TestMistakesDoNotLeak plants secrets in the wrong places of a configuration:
// what is said about the mistakes must not repeat them.
func TestMistakesDoNotLeak(t *testing.T) {
	secret := mark["core secret"]
	channel := func(settings string) string {
		return `core: { address: "127.0.0.1:1", secret: "` + secret + `" }
channels:
  - { name: one, network: omnichannel, settings: ` + settings + " }\n"
	}
	const fine = "0123456789abcdef"
	for name, text := range map[string]string{
		"characters in the token":    channel(`{ token: "` + secret + ` /?", webhook_url: "https://a.example" }`),
		"characters in the header":   channel(`{ token: ` + fine + `, webhook_url: "https://a.example", webhook_token: "` + secret + `\n" }`),
		"another scheme":             channel(`{ token: ` + fine + `, webhook_url: "ftp://a.example/` + secret + `" }`),
		"a user in the URL":          channel(`{ token: ` + fine + `, webhook_url: "https://` + secret + `:` + secret + `@a.example" }`),
		"a password alone":           channel(`{ token: ` + fine + `, webhook_url: "https://:` + secret + `@a.example" }`),
		"a private address":          channel(`{ token: ` + fine + `, webhook_url: "http://10.0.0.1/` + secret + `" }`),
		"not a URL":                  channel(`{ token: ` + fine + `, webhook_url: "https://[` + secret + `" }`),
		"a bad escape":               channel(`{ token: ` + fine + `, webhook_url: "https://a.example/%zz` + secret + `" }`),
		"a bad port":                 channel(`{ token: ` + fine + `, webhook_url: "https://a.example:` + secret + `/" }`),
		"a fragment":                 channel(`{ token: ` + fine + `, webhook_url: "https://a.example/#` + secret + `" }`),
		"a list for a token":         channel(`{ token: ["` + secret + `"], webhook_url: "https://a.example" }`),
		"settings as text":           channel(`"` + secret + `"`),
		"an unset variable":          channel(`{ token: "${` + "NOT_SET_ANYWHERE" + `}", webhook_url: "` + secret + `" }`),
		"no such secret file":        channel(`{ token: "file:/does/not/exist", webhook_url: "` + secret + `" }`),
		"an unknown key's value":     channel(`{ token: ` + fine + `, webhook_url: "https://a.example", tokn: ` + secret + ` }`),
		"a secret for a network":     "core: { address: \"a:1\", login: false }\nchannels: [ { name: one, network: \"" + secret + "\" } ]\n",
		"a secret for a number":      "core: { address: \"a:1\", secret: x, window: " + secret + " }\n",
		"a secret for a duration":    "core: { address: \"a:1\", secret: x, settle: " + secret + " }\n",
		"a secret for a switch":      "core: { address: \"a:1\", secret: x, login: " + secret + " }\n",
		"a secret for an address":    "core: { address: \"" + secret + "\", secret: x }\n",
		"a secret for an encoding":   "core: { address: \"a:1\", secret: x, encoding: " + secret + " }\n",
		"a secret for a proxy":       "core: { address: \"a:1\", secret: x }\negress: { proxy: \"http://u:" + secret + "@p:1:1\" }\n",
		"a secret for a prefix":      "core: { address: \"a:1\", secret: x }\negress: { allow: [\"" + secret + "\"] }\n",
		"a secret for a driver":      "core: { address: \"a:1\", secret: x }\njournal: { driver: " + secret + " }\n",
		"a secret for a size":        "core: { address: \"a:1\", secret: x }\njournal: { max_bytes: " + secret + " }\n",
		"a secret for a listener":    "core: { address: \"a:1\", secret: x }\npublic: { listen: \"" + secret + "\" }\n",
		"no YAML":                    "core: { secret: \"" + secret + "\n",
		"a tab":                      "core:\n\tsecret: " + secret + "\n",
		"an anchor":                  "core: { address: \"a:1\", secret: &" + secret + " x }\n",
		"a token without a listener": "core: { address: \"a:1\", secret: x }\nprivate: { listen: \"0.0.0.0:1\", token: { a: \"" + secret + "\" } }\n",
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "gw.yaml")
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			var said strings.Builder
			cfg, err := config.Load(path)
			mistakes := err
			if cfg != nil {
				mistakes = errors.Join(err, gateway.Check(cfg, gateway.Options{Definitions: all.All(), Devices: all.Devices()}))
				for _, w := range cfg.Warnings {
					fmt.Fprintln(&said, w)
				}
			}
			if mistakes == nil {
				t.Fatal("no mistake was found")
			}
			fmt.Fprintf(&said, "%v\n%+v\n%#v\n", mistakes, mistakes, mistakes)
			for _, l := range leaks("what is said", []byte(said.String())) {
				t.Errorf("the %s: %s", l.what, l.around)
			}
		})
	}
}
