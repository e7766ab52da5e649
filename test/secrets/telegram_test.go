package secrets

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"

	"servicelink/config"
	"servicelink/simprot/refcore"
	"servicelink/test/netsim"
	"servicelink/test/netsim/control"
	"servicelink/test/netsim/telegram"
)

// telegramSide is the simulated Telegram with one bot.
type telegramSide struct {
	*httptest.Server
	sim *netsim.Sim
}

func newTelegram(s *stage) *telegramSide {
	s.Helper()
	side := &telegramSide{sim: netsim.New(netsim.Options{Seed: 1})}
	if err := side.sim.Telegram().AddAccount(telegram.Account{Token: mark["bot token"], Username: "canary_bot"}); err != nil {
		s.Fatal(err)
	}
	seen := s.writer("requests to networks")
	side.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		noteRequest(seen, r)
		side.sim.Handler().ServeHTTP(w, r)
	}))
	s.Cleanup(func() { side.sim.Close(); side.Close() })
	return side
}

// noteRequest writes down where a request goes and with which header, but for
// the credentials that belong there.
func noteRequest(w io.Writer, r *http.Request) {
	header := r.Header.Clone()
	header.Del("Authorization")
	text := fmt.Sprintln(r.Method, r.URL, header)
	for _, own := range []string{"bot token", "token in webhook_url", "agent's address"} {
		text = strings.ReplaceAll(text, mark[own], "")
	}
	fmt.Fprint(w, text)
}

func (s *stage) botAddress() refcore.Address {
	return refcore.Address{Peer: peer, Port: "bot", TrackingID: mark["bot's customer"] + "|telegram"}
}

func (s *stage) act(a control.Action) {
	s.Helper()
	a.User = control.User{
		ID: control.ID(mark["bot's customer"]), FirstName: mark["first name"], LastName: mark["last name"], Username: mark["user name"], Phone: mark["phone"],
	}
	if _, err := s.telegram.sim.Telegram().Act(mark["bot token"], a); err != nil {
		s.Fatalf("%s: %v", a.Do, err)
	}
}

// botHeard waits until the core has a sentence of the bot's customer with text.
func (s *stage) botHeard(text string) (sentence string) {
	s.Helper()
	s.until("at the core: "+text, func() bool {
		chat, err := s.core.Find(s.botAddress())
		if err != nil {
			return false
		}
		_, sentences, err := s.core.Chat(chat.ID)
		if err != nil {
			s.Fatal(err)
		}
		for _, sn := range sentences {
			if strings.Contains(sn.Text, text) {
				sentence = sn.Text
				return true
			}
		}
		return false
	})
	return sentence
}

// filesBothWays: a customer's file is polled, announced and given out; an agent's
// is fetched and uploaded; some of either cannot be had.
func (s *stage) filesBothWays() {
	s.Helper()
	file := &control.File{Name: mark["file name"] + ".txt", Type: "text/plain", Data: []byte(mark["file content"])}
	s.act(control.Action{Do: "text", Text: mark["customer text"]})
	s.act(control.Action{Do: "document", File: file, Caption: mark["caption"]})
	s.act(control.Action{Do: "contact", Name: mark["name"], Phone: mark["phone"]})
	s.act(control.Action{Do: "location", Lat: 1, Lon: 2})
	s.botHeard("geo:")
	_, link, _ := strings.Cut(s.botHeard("https://gw.example.com/media/"), "https://gw.example.com")
	link, _, _ = strings.Cut(link, "\n")

	get := func(path string) (status int, body string) {
		req, err := http.NewRequestWithContext(s.Context(), http.MethodGet, "http://"+s.gw.PublicAddr()+path, nil)
		if err != nil {
			s.Fatal(err)
		}
		resp, err := s.client.Do(req)
		if err != nil {
			s.Fatal(err)
		}
		defer resp.Body.Close()
		text, _ := io.ReadAll(resp.Body)
		if resp.StatusCode == http.StatusOK {
			resp.Header.Del("Content-Disposition") // the name to save it under
		} else {
			s.add("answers about files", text)
		}
		s.add("answers about files", fmt.Append(nil, resp.StatusCode, resp.Header))
		return resp.StatusCode, string(text)
	}
	if status, body := get(link); status != http.StatusOK || body != mark["file content"] {
		s.Errorf("the customer's file: %d, %q", status, body)
	}
	get(link[:len(link)-1])
	get("/media/" + mark["file url"])
	for _, kind := range []control.Kind{control.HTML, control.Server, control.Cut, control.Unauthorized} {
		s.fault(control.Fault{Kind: kind, Method: "getFile", Times: 1})
		if status, _ := get(link); status == http.StatusOK {
			s.Logf("a file in spite of %s", kind) // asked for again by itself
		}
	}

	chat, err := s.core.Find(s.botAddress())
	if err != nil {
		s.Fatal(err)
	}
	for _, address := range []string{s.network.URL + "/files/" + mark["agent's address"], "http://10.0.0.1/" + mark["agent's address"]} {
		if _, err := s.core.Say(chat.ID, "file:document|"+mark["agent's name"]+".txt|"+address+"\n"+mark["caption"]); err != nil {
			s.Fatal(err)
		}
	}
	s.until("the agent's file at the network", func() bool {
		c, err := s.telegram.sim.Telegram().Chat(s.Context(), mark["bot token"], control.ID(mark["bot's customer"]), -1)
		if err != nil {
			s.Fatal(err)
		}
		for _, m := range c.Messages {
			if m.From == control.FromAgent && m.File != nil {
				return true
			}
		}
		return false
	})
	s.failedSend("reason=egress")
}

func (s *stage) fault(f control.Fault) {
	s.Helper()
	if err := s.telegram.sim.Telegram().Fault(f); err != nil {
		s.Fatal(err)
	}
}

// botsFail: polls and sends that end in every way.
func (s *stage) botsFail() {
	s.Helper()
	chat, err := s.core.Find(s.botAddress())
	if err != nil {
		s.Fatal(err)
	}
	for _, kind := range []control.Kind{control.HTML, control.Truncated, control.Cut, control.Blocked} {
		s.fault(control.Fault{Kind: kind, Method: "getUpdates", Times: 1})
		s.fault(control.Fault{Kind: kind, Method: "sendMessage", Times: 1})
		before := strings.Count(s.text("the log"), "send failed")
		if _, err := s.core.Say(chat.ID, mark["agent text"]); err != nil {
			s.Fatal(err)
		}
		s.until(string(kind)+" to be logged", func() bool { return strings.Count(s.text("the log"), "send failed") > before })
	}
	s.fault(control.Fault{Kind: control.Unauthorized, Method: "getUpdates", Times: 1})
	s.telegram.sim.Telegram().Inject(mark["bot token"], []byte(`{"update_id":1,"message":{"text":"`+mark["malformed body"]+`","chat":"`+mark["malformed body"]+`"}}`)) //nolint:errcheck // it may be refused: then there is nothing to poll
}

// operatorsReload: other secrets, a channel more and less, and a file that is wrong.
func (s *stage) operatorsReload() {
	s.Helper()
	old := mark["webhook token"]
	path := filepath.Join(s.dir, "gateway.yaml")
	cfg, err := config.Load(path)
	if err != nil {
		s.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		s.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(strings.Replace(string(text), old, mark["new token"], 1)), 0o600); err != nil {
		s.Fatal(err)
	}
	changed, err := config.Load(path)
	if err != nil {
		s.Fatal(err)
	}
	for _, next := range []*config.Config{changed, cfg} {
		if err := s.gw.Reload(s.Context(), next); err != nil {
			s.add("errors of a reload", []byte(err.Error()))
		}
	}
	broken := *cfg
	broken.Channels = append(append([]config.Channel(nil), cfg.Channels...), cfg.Channels[0])
	if err := s.gw.Reload(s.Context(), &broken); err == nil {
		s.Error("two channels of one name were taken")
	} else {
		s.add("errors of a reload", []byte(err.Error()))
	}
	s.hook(old, message(20, "visitor"))
	s.hook(mark["new token"], message(21, "visitor"))
	s.filesAreClean()
}

// journalFills: a journal that takes nothing more, with the core away.
func (s *stage) journalFills() {
	s.Helper()
	cfg := s.config(mark["core secret"])
	cfg.Journal.MaxBytes = 1 << 20
	cfg.Core.Address = "127.0.0.1:1"
	gw, stop := s.start(cfg)
	s.gw = gw
	full := false
	for n := range 200 {
		long := strings.Replace(message(100+n, "visitor"), mark["customer text"], strings.Repeat(mark["journal filler"]+" ", 2000), 1)
		if full = s.hook(mark["webhook token"], long) != http.StatusOK; full {
			break
		}
	}
	if !full {
		s.Error("the journal did not fill up")
	}
	for _, path := range []string{"/readyz", "/metrics"} {
		s.admin(http.MethodGet, path, mark["private token"])
	}
	s.filesAreClean()
	stop()
}
