package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// freePorts are flags that let every part choose a port.
func freePorts(data string) []string {
	args := []string{"--data", data, "--log", "error"}
	for _, name := range []string{"page", "console", "public", "private", "core"} {
		args = append(args, "--"+name, "127.0.0.1:0")
	}
	return args
}

// printedCurl finds the body and the address of the line to post.
var printedCurl = regexp.MustCompile(`^  curl .* -d '(.*)' (http://\S+)$`)

var printedAddress = regexp.MustCompile(`^  (Customers' page|Agent's console) +(http://\S+)/`)

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

// until reads the page's events until one contains text.
func (c caller) until(page, text string) {
	c.Helper()
	ctx, cancel := context.WithTimeout(c.Context(), 20*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, page+"/events", nil)
	if err != nil {
		c.Fatal(err)
	}
	resp, err := c.client.Do(req)
	if err != nil {
		c.Fatal(err)
	}
	defer resp.Body.Close()
	events := bufio.NewReader(resp.Body)
	for {
		line, err := events.ReadString('\n')
		if strings.Contains(line, text) {
			return
		}
		if err != nil {
			c.Fatalf("%q did not come: %v", text, err)
		}
	}
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
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); {
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

// TestPlay has a conversation through everything the program starts.
func TestPlay(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	printed, stdout := io.Pipe()
	ended := make(chan int, 1)
	go func() {
		ended <- run(ctx, freePorts(t.TempDir()), stdout, t.Output())
		_ = stdout.Close()
	}()
	addresses := map[string]string{}
	var curl []string
	for lines := bufio.NewScanner(printed); curl == nil && lines.Scan(); {
		if m := printedAddress.FindStringSubmatch(lines.Text()); m != nil {
			addresses[m[1]] = m[2]
		}
		curl = printedCurl.FindStringSubmatch(lines.Text())
	}
	go func() { _, _ = io.Copy(io.Discard, printed) }() // ends with stdout
	page, console := addresses["Customers' page"], addresses["Agent's console"]
	if page == "" || console == "" || curl == nil {
		t.Fatalf("no addresses were printed; exit code %d", <-ended)
	}
	c := caller{t, &http.Client{Transport: &http.Transport{}}}
	defer c.client.CloseIdleConnections()

	var made struct{ ID int64 }
	c.call(page+"/chats", map[string]string{"name": "Ada"}, &made)
	c.call(page+"/messages", map[string]any{"chat": made.ID, "text": "Hello"}, nil)
	c.until(page, `"state":"taken"`)
	var chats []struct {
		ID   string
		Name string `json:"party_name"`
	}
	for deadline := time.Now().Add(20 * time.Second); len(chats) == 0 && time.Now().Before(deadline); {
		c.call(console+"/api/chats", nil, &chats)
	}
	if len(chats) != 1 || chats[0].Name != "Ada" {
		t.Fatalf("the agent sees %+v, want Ada's chat", chats)
	}
	c.call(console+"/api/say", map[string]string{"chat": chats[0].ID, "text": "Good morning"}, nil)
	c.until(page, `"text":"Good morning"`)
	c.postTwice(console, curl[1], curl[2])

	stop()
	if code := <-ended; code != 0 {
		t.Errorf("exit code %d, want 0", code)
	}
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
