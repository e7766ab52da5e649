package guide

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"servicelink/test/netsim/control"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience bounds every step; building takes the longest.
const patience = 5 * time.Minute

// guide is one section of the README.
type guide struct {
	heading, channel string
	stage            func(*testing.T, *stage)
}

var guides = []guide{
	{"### Connect a real bot in five minutes", "my-bot", onTelegram},
	{"### Connect WhatsApp in five minutes", "my-whatsapp", onWhatsApp},
	{"### Connect SMS in five minutes", "my-sms", onSMS},
	{"### Connect Messenger in five minutes", "my-page", onMessenger},
	{"### Connect a mailbox in five minutes", "6b8a2d34-5f0e-4b0c-9d52-0c1f6a7e2001", onMail},
}

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
func parse(readme, heading string) ([]block, error) {
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

// TestGuide does what each guide says, block after block, and writes to the
// network where it says so.
func TestGuide(t *testing.T) {
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	tree := copyTree(t)
	for _, g := range guides {
		t.Run(g.channel, func(t *testing.T) {
			blocks, err := parse(string(readme), g.heading)
			if err != nil {
				t.Fatal(err)
			}
			s := newStage(t)
			s.checked, s.examined, s.talk = "channel "+g.channel, "a call signed as the network's comes in through public.url", s.chat
			g.stage(t, s)
			if err := replace(blocks, s.replacements); err != nil {
				t.Fatal(err)
			}
			g.follow(t, s, startShell(t, tree), blocks)
		})
	}
}

// follow runs the blocks and looks at what is printed.
func (g guide) follow(t *testing.T, s *stage, sh *shell, blocks []block) {
	t.Helper()
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
		case strings.Contains(b.text, "servicelink check") && !strings.Contains(out, s.checked):
			t.Errorf("check says:\n%s", out)
		case strings.Contains(b.text, "servicelink urls") && !strings.Contains(out, s.hook):
			t.Errorf("urls does not say %s:\n%s", s.hook, out)
		case strings.Contains(b.text, "servicelink doctor") && !strings.Contains(out, s.examined):
			t.Errorf("doctor says:\n%s", out)
		case strings.HasPrefix(b.text, "curl") && !strings.Contains(out, `"ready":true`):
			t.Errorf("the channel says:\n%s", out)
		}
	}
	if !talked {
		t.Error("nobody wrote")
	}
	if log := sh.log(); strings.Contains(log, s.secret) || strings.Contains(log, "level=ERROR") {
		t.Errorf("the programs' output has the secret, or an error:\n%s", log)
	}
}

// chat writes to the channel, answers as the agent, and waits for both to arrive.
func (s *stage) chat(t *testing.T) {
	t.Helper()
	if _, err := s.network.Act(s.account, control.Action{Do: "text", User: s.customer, Text: "Hello, bot"}); err != nil {
		t.Fatal(err)
	}
	var chats []struct {
		ID   string
		Name string `json:"party_name"`
		Last struct{ Text string }
	}
	for deadline := time.Now().Add(patience); len(chats) == 0 || chats[0].Last.Text != "Hello, bot"; {
		if time.Now().After(deadline) {
			t.Fatalf("the agent sees %+v", chats)
		}
		s.call(t, "GET", "/api/chats", nil, &chats)
	}
	if !slices.Contains(s.shown, chats[0].Name) {
		t.Errorf("the agent sees %+v, want one of %q", chats, s.shown)
	}
	s.call(t, "POST", "/api/say", map[string]string{"chat": chats[0].ID, "text": "Hello, Ada"}, nil)
	ctx, cancel := s.patience(t)
	defer cancel()
	for version := int64(-1); ; {
		c, err := s.network.Chat(ctx, s.account, s.customer.ID, version)
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
	const heading = "### A guide"
	good := heading + "\n\n1. Do\n\n   ```sh\n   make\n     more\n   ```\n\n2. Save this as `a.yaml`:\n\n   ```yaml\n   a: 1\n   ```\n\n## Next\n\n```sh\nnot this\n```\n"
	blocks, err := parse(good, heading)
	if err != nil || len(blocks) != 2 || blocks[0].text != "make\n  more\n" || blocks[1] != (block{"yaml", "a: 1\n", "a.yaml"}) {
		t.Errorf("%v %+v", err, blocks)
	}
	for name, text := range map[string]string{
		"no section": "# Readme\n", "no file name": heading + "\n```yaml\na: 1\n```\n",
	} {
		if blocks, err := parse(text, heading); err == nil {
			t.Errorf("%s: %+v", name, blocks)
		}
	}
	if err := replace(blocks, map[string]string{"b: 2": ""}); err == nil {
		t.Error("something that is not there was replaced")
	}
}
