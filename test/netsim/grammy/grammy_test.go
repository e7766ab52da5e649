//go:build grammy

package grammy

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"servicelink/test/netsim/control"
)

const (
	token   = "110201543:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw"
	patient = 60 * time.Second // for one thing to be seen
)

var ann = control.User{ID: "4503599627370001", FirstName: "Ann", LanguageCode: "de"}

// TestGrammY has a conversation with the bot and looks at it from both ends.
func TestGrammY(t *testing.T) {
	sim := startNetsim(t)
	sim.post("accounts", map[string]string{"token": token, "username": "grammy_bot"})
	bot := startBot(t, sim.url)
	bot.sees(`{"saw":"started","username":"grammy_bot"}`)

	sim.act(control.Action{Do: "start", Data: "from a link"})
	menu := sim.sees("the menu", func(m control.Message) bool { return m.Text == "welcome from a link" && len(m.Buttons) == 1 })
	sim.act(control.Action{Do: "press", Message: menu.ID, Data: "answer:yes"})
	sim.sees("the menu's change", func(m control.Message) bool {
		return m.ID == menu.ID && m.Text == "you chose answer:yes" && m.Edited && len(m.Buttons) == 0
	})
	if notice := sim.chat(-1).Notice; notice != "pressed answer:yes" {
		t.Errorf("the press was answered by %q", notice)
	}

	text := sim.act(control.Action{Do: "text", Text: "häll<o & 😀"})
	sim.sees("the echo", said("echo häll<o & 😀"))
	sim.act(control.Action{Do: "edit", Message: text, Text: "hello"})
	sim.sees("the answer to the edit", said("edited: hello"))
	sim.act(control.Action{Do: "react", Message: text, Emoji: []string{"👍"}})
	bot.sees(`{"saw":"reaction","emoji":["👍"]}`)

	photo := sim.act(control.Action{Do: "photo", File: &control.File{Name: "a.png", Data: bytes.Repeat([]byte("x"), 12345)}})
	sim.sees("the photo's size", func(m control.Message) bool { return m.Text == "photo of 12345 bytes" && m.ReplyTo == photo })
	sim.act(control.Action{Do: "text", Text: "/file"})
	document := sim.sees("the document", func(m control.Message) bool { return m.Kind == "document" && m.Caption == "your file" })
	if got := sim.get(document.File.URL); document.File.Name != "letter.txt" || string(got) != "a document, ünïcode" {
		t.Errorf("%s holds %q", document.File.Name, got)
	}
	sim.act(control.Action{Do: "text", Text: "/album"})
	sim.sees("the album", func(m control.Message) bool { return m.Kind == "photo" && m.Caption == "picture 2" })
	sim.act(control.Action{Do: "location", Lat: 1.5, Lon: 2.5})
	sim.sees("the location", func(m control.Message) bool {
		return m.From == control.FromAgent && m.Location != nil && m.Location.Lat == 1.5
	})
	sim.act(control.Action{Do: "contact", Name: "Bo", Phone: "+1"})
	sim.sees("the contact", said("Bo +1"))
	sim.act(control.Action{Do: "text", Text: "/broken"})
	sim.sees("the error", said(`400: Bad Request: can't parse entities: Can't find end tag corresponding to start tag "b"`))

	for _, f := range []control.Fault{
		{Kind: control.Rate, Method: "sendMessage", RetryAfter: 1, Times: 2},
		{Kind: control.Rate, Method: "getUpdates", RetryAfter: 1, Times: 1},
		{Kind: control.Server, Method: "getUpdates", Times: 1},
	} {
		sim.post("faults", f)
	}
	sim.act(control.Action{Do: "text", Text: "after the storm"})
	sim.sees("the echo after 429s", said("echo after the storm"))
	bot.sees(`{"saw":"429","method":"sendMessage","after":1}`)

	sim.act(control.Action{Do: "block"})
	bot.sees(`{"saw":"member","status":"kicked"}`)
	bot.stop()
	sim.confirmed()
}

func said(text string) func(control.Message) bool {
	return func(m control.Message) bool { return m.From == control.FromAgent && m.Text == text }
}

// simulator is cmd/netsim with one customer.
type simulator struct {
	t   *testing.T
	url string
}

// startNetsim starts bin/netsim; it ends with the test.
func startNetsim(t *testing.T) *simulator {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), filepath.Join("..", "..", "..", "bin", "netsim"), "-listen", "127.0.0.1:0")
	lines := start(t, cmd)
	var said struct{ URL string }
	if err := json.Unmarshal([]byte(next(t, lines)), &said); err != nil || said.URL == "" {
		t.Fatalf("netsim said no address: %v", err)
	}
	return &simulator{t, said.URL}
}

func (s *simulator) do(method, path string, body any) []byte {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), patient)
	defer cancel()
	raw, err := json.Marshal(body)
	if err != nil {
		s.t.Fatal(err)
	}
	r, err := http.NewRequestWithContext(ctx, method, s.url+path, bytes.NewReader(raw))
	if err != nil {
		s.t.Fatal(err)
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	answer, err := client.Do(r)
	if err != nil {
		s.t.Fatal(err)
	}
	defer answer.Body.Close()
	got, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode >= 300 {
		s.t.Fatalf("%s %s: %s %q %v", method, path, answer.Status, got, err)
	}
	return got
}

func (s *simulator) get(path string) []byte { s.t.Helper(); return s.do(http.MethodGet, path, nil) }

func (s *simulator) post(what string, body any) {
	s.t.Helper()
	s.do(http.MethodPost, "/control/telegram/"+what, body)
}

// act lets Ann do something and returns the message's id.
func (s *simulator) act(a control.Action) control.ID {
	s.t.Helper()
	a.User = ann
	var got struct{ Message control.ID }
	if err := json.Unmarshal(s.do(http.MethodPost, "/control/telegram/act/grammy_bot", a), &got); err != nil {
		s.t.Fatal(err)
	}
	return got.Message
}

func (s *simulator) chat(after int64) control.Conversation {
	s.t.Helper()
	var c control.Conversation
	path := fmt.Sprintf("/control/telegram/chat/grammy_bot/%s?after=%d&wait=5", ann.ID, after)
	if err := json.Unmarshal(s.get(path), &c); err != nil {
		s.t.Fatal(err)
	}
	return c
}

// sees waits until the customer sees a message that is meant.
func (s *simulator) sees(what string, meant func(control.Message) bool) control.Message {
	s.t.Helper()
	deadline := time.Now().Add(patient)
	for version := int64(-1); ; {
		c := s.chat(version)
		if i := slices.IndexFunc(c.Messages, meant); i >= 0 {
			return c.Messages[i]
		}
		if time.Now().After(deadline) {
			s.t.Fatalf("the customer does not see %s:\n%+v", what, c.Messages)
		}
		version = c.Version
	}
}

// confirmed checks that the bot left nothing behind in its queue.
func (s *simulator) confirmed() {
	s.t.Helper()
	var got struct {
		Result struct {
			Pending int `json:"pending_update_count"`
		}
	}
	if err := json.Unmarshal(s.get("/telegram/bot"+token+"/getWebhookInfo"), &got); err != nil || got.Result.Pending != 0 {
		s.t.Errorf("%d updates are left, %v", got.Result.Pending, err)
	}
}

// grammyBot is the bot's process.
type grammyBot struct {
	t     *testing.T
	cmd   *exec.Cmd
	lines <-chan string
	seen  []string
}

func startBot(t *testing.T, url string) *grammyBot {
	t.Helper()
	dir := os.Getenv("GRAMMY")
	if dir == "" {
		t.Fatal("GRAMMY names no folder: use make grammy")
	}
	cmd := exec.CommandContext(t.Context(), "node", "bot.mjs", url+"/telegram", token)
	cmd.Dir = dir
	return &grammyBot{t: t, cmd: cmd, lines: start(t, cmd)}
}

// sees waits until the bot said line.
func (b *grammyBot) sees(line string) {
	b.t.Helper()
	for !slices.Contains(b.seen, line) {
		got := next(b.t, b.lines)
		if strings.Contains(got, `"saw":"error"`) {
			b.t.Fatalf("the bot failed: %s", got)
		}
		b.seen = append(b.seen, got)
	}
}

// stop asks the bot to end, which confirms what it has handled.
func (b *grammyBot) stop() {
	b.t.Helper()
	if err := b.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		b.t.Fatal(err)
	}
	b.sees(`{"saw":"stopped"}`)
}

// start runs cmd until the test ends and gives the lines it writes.
func start(t *testing.T, cmd *exec.Cmd) <-chan string {
	t.Helper()
	cmd.Stderr = os.Stderr
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 10 * time.Second
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := make(chan string, 1000)
	var reading sync.WaitGroup
	reading.Go(func() {
		defer close(lines)
		for in := bufio.NewScanner(out); in.Scan(); {
			lines <- in.Text()
		}
	})
	t.Cleanup(func() { // t.Context has ended, so cmd was told to
		reading.Wait()
		_ = cmd.Wait()
	})
	return lines
}

func next(t *testing.T, lines <-chan string) string {
	t.Helper()
	select {
	case line, open := <-lines:
		if !open {
			t.Fatal("the program ended")
		}
		return line
	case <-time.After(patient):
		t.Fatal("the program says nothing")
	}
	return ""
}
