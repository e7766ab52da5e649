package guide

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"servicelink/test/netsim/control"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	heading = "### Connect a real bot in five minutes"
	// patience bounds every step; building takes the longest.
	patience = 5 * time.Minute
	// What stands in the guide and is replaced.
	shownToken = "123456789:AAF0-the-token-that-BotFather-gave-you"
	shownAPI   = "https://api.telegram.org"
)

// block is one fenced block of the guide.
type block struct {
	language, text string
	file           string // where a block that is no command is saved
}

var (
	fence    = regexp.MustCompile("(?ms)^( *)```(\\w+)\n(.*?)^ *```$")
	saveAs   = regexp.MustCompile("Save this as `([^`]+)`")
	headings = regexp.MustCompile(`(?m)^##+ `)
)

// parse finds the blocks of the section below heading.
func parse(readme string) ([]block, error) {
	_, section, found := strings.Cut(readme, heading+"\n")
	if !found {
		return nil, fmt.Errorf("the README has no %q", heading)
	}
	if end := headings.FindStringIndex(section); end != nil {
		section = section[:end[0]]
	}
	var blocks []block
	at := 0
	for _, m := range fence.FindAllStringSubmatchIndex(section, -1) {
		b := block{language: section[m[4]:m[5]]}
		indent := section[m[2]:m[3]]
		for line := range strings.Lines(section[m[6]:m[7]]) {
			b.text += strings.TrimPrefix(line, indent)
		}
		if b.language != "sh" {
			name := saveAs.FindStringSubmatch(section[at:m[0]])
			if name == nil {
				return nil, fmt.Errorf("the guide does not say where this %s is saved:\n%s", b.language, b.text)
			}
			b.file = name[1]
		}
		at = m[1]
		blocks = append(blocks, b)
	}
	return blocks, nil
}

// replace exchanges what must differ. Each must be there to be replaced, or the
// guide does not say what this test believes.
func replace(blocks []block, with map[string]string) error {
	for from, to := range with {
		found := false
		for i := range blocks {
			found = found || strings.Contains(blocks[i].text, from)
			blocks[i].text = strings.ReplaceAll(blocks[i].text, from, to)
		}
		if !found {
			return fmt.Errorf("the guide does not have %q", from)
		}
	}
	return nil
}

// TestGuide does what the guide says, block after block, and writes to the bot
// where it says so.
func TestGuide(t *testing.T) {
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks, err := parse(string(readme))
	if err != nil {
		t.Fatal(err)
	}
	s := newStage(t)
	if err := replace(blocks, s.replacements()); err != nil {
		t.Fatal(err)
	}
	sh := startShell(t, copyTree(t))
	talked := false
	for _, b := range blocks {
		switch {
		case b.file != "":
			sh.save(b.file, b.text)
			continue
		case strings.HasPrefix(b.text, "curl") || strings.HasPrefix(b.text, "kill"):
			if !talked { // both are started, and the guide says: write
				s.talk(t)
				talked = true
			}
		}
		out := sh.run(b.text)
		switch {
		case strings.Contains(b.text, "servicelink check") && !strings.Contains(out, "channel my-bot"):
			t.Errorf("check says:\n%s", out)
		case strings.HasPrefix(b.text, "curl") && !strings.Contains(out, `"ready":true`):
			t.Errorf("the channel says:\n%s", out)
		}
	}
	if !talked {
		t.Error("nobody wrote to the bot")
	}
	if log := sh.log(); strings.Contains(log, s.token) || strings.Contains(log, "level=ERROR") {
		t.Errorf("the programs' output has the token, or an error:\n%s", log)
	}
}

// talk writes to the bot, answers as the agent, and waits for both to arrive.
func (s *stage) talk(t *testing.T) {
	t.Helper()
	ada := control.User{ID: "4711", FirstName: "Ada", LastName: "Lovelace", LanguageCode: "en"}
	if _, err := s.sim.Telegram().Act(s.token, control.Action{Do: "text", User: ada, Text: "Hello, bot"}); err != nil {
		t.Fatal(err)
	}
	var chats []struct {
		ID   string
		Name string `json:"party_name"`
		Last struct{ Text string }
	}
	for len(chats) == 0 || chats[0].Last.Text != "Hello, bot" {
		s.call(t, "GET", "/api/chats", nil, &chats)
	}
	if chats[0].Name != "Ada Lovelace" {
		t.Errorf("the agent sees %+v", chats)
	}
	s.call(t, "POST", "/api/say", map[string]string{"chat": chats[0].ID, "text": "Hello, Ada"}, nil)
	ctx, cancel := s.patience(t)
	defer cancel()
	for version := int64(-1); ; {
		c, err := s.sim.Telegram().Chat(ctx, s.token, "4711", version)
		if err != nil || ctx.Err() != nil {
			t.Fatalf("the answer did not come: %v %v", err, ctx.Err())
		}
		if n := len(c.Messages); n > 0 && c.Messages[n-1].Text == "Hello, Ada" {
			return
		}
		version = c.Version
	}
}

func TestParse(t *testing.T) {
	good := heading + "\n\n1. Do\n\n   ```sh\n   make\n     more\n   ```\n\n2. Save this as `a.yaml`:\n\n   ```yaml\n   a: 1\n   ```\n\n## Next\n\n```sh\nnot this\n```\n"
	blocks, err := parse(good)
	if err != nil || len(blocks) != 2 || blocks[0].text != "make\n  more\n" || blocks[1] != (block{"yaml", "a: 1\n", "a.yaml"}) {
		t.Errorf("%v %+v", err, blocks)
	}
	for name, text := range map[string]string{
		"no section": "# Readme\n", "no file name": heading + "\n```yaml\na: 1\n```\n",
	} {
		if blocks, err := parse(text); err == nil {
			t.Errorf("%s: %+v", name, blocks)
		}
	}
	if err := replace(blocks, map[string]string{"b: 2": ""}); err == nil {
		t.Error("something that is not there was replaced")
	}
}
