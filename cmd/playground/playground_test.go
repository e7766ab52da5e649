package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"servicelink/config"
	"servicelink/connectors"
	"servicelink/connectors/all"
	"servicelink/gateway"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// freePorts are flags that let every part choose a port.
func freePorts(data string) []string {
	args := []string{"--data", data, "--log", "error"}
	for _, name := range []string{"page", "public", "private", "core"} {
		args = append(args, "--"+name, "127.0.0.1:0")
	}
	return args
}

// printedCurl finds the body and the address of the line to post.
var printedCurl = regexp.MustCompile(`^  curl .* -d '(.*)' (http://\S+)$`)

var printedAddress = regexp.MustCompile(`^  (\S.*?) {2,}(http://\S+)$`)

// patience bounds every wait for something that comes by itself.
const patience = time.Minute

// caller calls a running playground.
type caller struct {
	*testing.T
	client *http.Client
}

// call posts body as JSON, or gets when it is nil, and decodes the answer.
func (c caller) call(url string, body, answer any) {
	c.Helper()
	method, encoded := http.MethodGet, []byte(nil)
	if body != nil {
		method = http.MethodPost
		var err error
		if encoded, err = json.Marshal(body); err != nil {
			c.Fatal(err)
		}
	}
	req, err := http.NewRequestWithContext(c.Context(), method, url, bytes.NewReader(encoded))
	if err != nil {
		c.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := c.client.Do(req)
	if err != nil {
		c.Fatal(err)
	}
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode/100 != 2 {
		c.Fatalf("%s %s: %d %s %v", method, url, resp.StatusCode, got, err)
	}
	if answer != nil {
		if err := json.Unmarshal(got, answer); err != nil {
			c.Fatalf("%s %s: %v", method, url, err)
		}
	}
}

// newClient makes the client of a caller, which ends with the test.
func newClient(t *testing.T) *http.Client {
	client := &http.Client{Transport: &http.Transport{}}
	t.Cleanup(client.CloseIdleConnections)
	return client
}

// conversation is what a customer sees, as far as these tests look at it.
type conversation struct {
	Version  int64
	Messages []struct {
		From, Text, State string
	}
}

// until follows a customer's conversation until seen says so.
func (c caller) until(chat, what string, seen func(conversation) bool) {
	c.Helper()
	conv := conversation{Version: -1}
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
		c.call(fmt.Sprintf("%s?after=%d&wait=5", chat, conv.Version), nil, &conv)
		if seen(conv) {
			return
		}
	}
	c.Fatalf("%s did not come: %+v", what, conv)
}

// texts lists what the core was told by a customer, in its order.
func (c caller) texts(console, chat string) (list []string) {
	c.Helper()
	var all struct {
		Sentences []struct {
			Outbound bool
			Text     string
		}
	}
	c.call(console+"/api/chats/"+chat, nil, &all)
	for _, s := range all.Sentences {
		if !s.Outbound {
			list = append(list, s.Text)
		}
	}
	return list
}

// chatOf waits for the agent's chat with a customer.
func (c caller) chatOf(console string, names ...string) string {
	c.Helper()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
		var chats []struct {
			ID   string
			Name string `json:"party_name"`
		}
		c.call(console+"/api/chats", nil, &chats)
		for _, chat := range chats {
			if slices.Contains(names, chat.Name) {
				return chat.ID
			}
		}
	}
	c.Fatalf("the agent has no chat with any of %q", names)
	return ""
}

// postTwice posts the printed body as it stands, again, and with another id:
// the conversation has two messages then.
func (c caller) postTwice(console, body, url string) {
	c.Helper()
	another := strings.Replace(body, `"id":"first-`, `"id":"second-`, 1)
	for _, body := range []string{body, body, another} {
		c.call(url, json.RawMessage(body), nil)
	}
	var shown []string
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
		var all []struct {
			ID         string `json:"id"`
			TrackingID string `json:"tracking_id"`
		}
		c.call(console+"/api/sentences", nil, &all)
		shown = nil
		for _, s := range all {
			if strings.HasPrefix(s.TrackingID, "4711|") {
				shown = append(shown, s.ID)
			}
		}
		if n := len(shown); n > 0 && shown[n-1] != shown[0] {
			break // the last one is there, and with it all before it
		}
	}
	if len(shown) != 2 {
		c.Errorf("the core has %q, want the first message once and the second", shown)
	}
}

// start runs the program and reads what it prints: its addresses by name, and
// the body and address of the line to post.
func start(t *testing.T) (addresses map[string]string, curl []string) {
	t.Helper()
	data := t.TempDir() // removed after the program has ended
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	printed, stdout := io.Pipe()
	ended := make(chan int, 1)
	go func() {
		ended <- run(ctx, freePorts(data), stdout, t.Output())
		_ = stdout.Close()
	}()
	t.Cleanup(func() {
		stop()
		if code := <-ended; code != 0 {
			t.Errorf("exit code %d, want 0", code)
		}
	})
	addresses = map[string]string{}
	for lines := bufio.NewScanner(printed); curl == nil && lines.Scan(); {
		if m := printedAddress.FindStringSubmatch(lines.Text()); m != nil {
			addresses[m[1]] = strings.TrimSuffix(m[2], "/")
		}
		curl = printedCurl.FindStringSubmatch(lines.Text())
	}
	go func() { _, _ = io.Copy(io.Discard, printed) }() // ends with stdout
	if curl == nil {
		t.Fatalf("no addresses were printed: %v", addresses)
	}
	return addresses, curl
}

// startsWell: the doctor finds nothing wrong with what the playground set up itself, so
// that a finding is of what somebody broke. How full the disk is, is the machine's.
func (c caller) startsWell(private string) {
	c.Helper()
	req, err := http.NewRequestWithContext(c.Context(), http.MethodPost, private+"/api/v1/doctor", http.NoBody)
	if err != nil {
		c.Fatal(err)
	}
	resp, err := c.client.Do(req)
	if err != nil {
		c.Fatal(err)
	}
	defer resp.Body.Close()
	var d gateway.Diagnosis
	if err := json.NewDecoder(resp.Body).Decode(&d); err != nil || len(d.Checks) == 0 {
		c.Fatalf("the doctor: status %d, %d checks, %v", resp.StatusCode, len(d.Checks), err)
	}
	for _, e := range d.Checks {
		if bad := e.State == connectors.CheckFailed || e.State == connectors.CheckWarning; bad && e.Name != connectors.CheckJournal {
			c.Errorf("not well from the start: %+v", e)
		}
	}
}

// TestPlay has a conversation through everything the program starts, on each
// network, with the core away in between.
func TestPlay(t *testing.T) {
	addresses, curl := start(t)
	page, console := addresses["Start page"], addresses["Agent's console"]
	c := caller{t, newClient(t)}
	c.startsWell(strings.TrimSuffix(addresses["Readiness"], "/readyz"))

	for network, with := range map[string]struct{ account, customer, name string }{
		"telegram": {botName, "815", "Ada telegram"}, "omnichannel": {account, "815", "Ada omnichannel"},
		"whatsapp": {whatsAppNumber, "+420601000815", "Ada whatsapp"},
		"sms":      {smsNumber, "+420601000815", "New contact sms-+420601000815"},   // nobody tells a name
		"facebook": {pageID, "6010008150815", "New contact facebook-6010008150815"}, // the name comes beside the message
	} {
		t.Run(network, func(t *testing.T) {
			c := caller{t, c.client}
			control := page + "/control/" + network
			user := map[string]string{"id": with.customer, "first_name": "Ada", "last_name": network}
			write := func(text string) {
				c.call(control+"/act/"+with.account, map[string]any{"do": "text", "chat": with.customer, "user": user, "text": text}, nil)
			}
			write("Hello")
			chat := c.chatOf(console, with.name, "Ada "+network)
			c.call(console+"/api/say", map[string]string{"chat": chat, "text": "Good day"}, nil)
			c.until(control+"/chat/"+with.account+"/"+with.customer, "the answer", func(conv conversation) bool {
				return slices.ContainsFunc(conv.Messages, func(m struct{ From, Text, State string }) bool {
					return m.From == "agent" && m.Text == "Good day"
				})
			})

			c.call(page+"/api/core", map[string]float64{"off_seconds": 60}, nil)
			write("Still there?")
			write("I go on.")
			var s state
			c.call(page+"/api/state", nil, &s)
			if s.Core.On || s.Core.BackMs <= 0 {
				t.Errorf("the core is said to be %+v, want off", s.Core)
			}
			c.call(page+"/api/core", map[string]float64{"off_seconds": 0}, nil)
			want := []string{"Hello", "Still there?", "I go on."}
			var got []string
			for deadline := time.Now().Add(patience); len(got) < len(want) && time.Now().Before(deadline); {
				got = c.texts(console, chat)
			}
			if !slices.Equal(got, want) {
				t.Errorf("the agent has read %q, want %q", got, want)
			}
			c.call(page+"/api/state", nil, &s)
			if !s.Core.On || s.Offences != 0 {
				t.Errorf("in the end: %+v", s)
			}
		})
	}
	c.postTwice(console, curl[1], curl[2])
}

func TestExitCodes(t *testing.T) {
	for name, tt := range map[string]struct {
		args []string
		code int
	}{
		"help":            {[]string{"--help"}, 0},
		"unknown flag":    {[]string{"--pages"}, 2},
		"argument":        {[]string{"pages"}, 2},
		"not on loopback": {[]string{"--page", "0.0.0.0:80"}, 2},
		"no folder":       {freePorts("playground.go"), 1},
	} {
		t.Run(name, func(t *testing.T) {
			if code := run(t.Context(), tt.args, t.Output(), t.Output()); code != tt.code {
				t.Errorf("exit code %d, want %d", code, tt.code)
			}
		})
	}
}

// TestRealBot: a token in the environment adds a channel at the real Telegram,
// and stands in nothing that is printed. (Nothing is started: tests never leave
// this machine.)
func TestRealBot(t *testing.T) {
	const token = "123456789:AAE-planted-planted-planted-planted"
	t.Setenv(realToken, token)
	h, err := open(t.Context(), &options{data: t.TempDir(), page: anyPort, public: anyPort, private: anyPort, core: anyPort})
	if err != nil {
		t.Fatal(err)
	}
	defer h.close()
	cfg, err := h.configuration()
	if err != nil {
		t.Fatal(err)
	}
	if err := gateway.Check(cfg, gateway.Options{Definitions: all.All(), Devices: all.Devices()}); err != nil {
		t.Error(err)
	}
	if n := len(cfg.Channels); n != len(channels) || cfg.Channels[n-1].Name != channelReal {
		t.Fatalf("channels: %+v", cfg.Channels)
	}
	var set struct {
		Token  config.Secret `yaml:"token"`
		APIURL string        `yaml:"api_url"`
	}
	if err := cfg.Channels[len(channels)-1].Settings.Decode(&set); err != nil || set.Token.Reveal() != token || set.APIURL != "" {
		t.Errorf("the real bot's channel: %+v %v", set, err)
	}
	if text := h.welcome(); strings.Contains(text, "planted") || !strings.Contains(text, channelReal) {
		t.Errorf("printed:\n%s", text)
	}

	t.Setenv(realToken, "planted, but no token")
	if cfg, err = h.configuration(); err == nil {
		err = gateway.Check(cfg, gateway.Options{Definitions: all.All(), Devices: all.Devices()})
	}
	if err == nil || strings.Contains(err.Error(), "planted") {
		t.Errorf("what is no token: %v, want a mistake that does not repeat it", err)
	}
}

// anyPort lets the system choose.
var anyPort = address{value: "127.0.0.1:0"}
