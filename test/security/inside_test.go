package security

import (
	"net/http"
	"strconv"
	"strings"
	"testing"

	"servicelink/simprot"
	"servicelink/simprot/refcore"
	"servicelink/test/netsim/control"
)

// inward are addresses that lead inside in every way of writing them. PORT is
// where somebody listens inside, on every address of this machine; OUT is the
// address that is allowed.
var inward = []string{
	"http://127.0.0.1:PORT/f.png", "http://127.0.0.3:PORT/f.png", "http://0.0.0.0:PORT/f.png", "http://[::1]:PORT/f.png", "http://[::]:PORT/f.png",
	"http://[::ffff:127.0.0.1]:PORT/f.png", "http://[::ffff:7f00:1]:PORT/f.png", "http://[0:0:0:0:0:ffff:127.0.0.1]:PORT/f.png",
	"http://[64:ff9b::7f00:1]:PORT/f.png", "http://[2002:7f00:1::]:PORT/f.png", "http://[::127.0.0.1]:PORT/f.png", "http://[fe80::1%25lo]:PORT/f.png",
	"http://127.1:PORT/f.png", "http://2130706433:PORT/f.png", "http://0x7f000001:PORT/f.png", "http://0177.0.0.1:PORT/f.png", "http://017700000001:PORT/f.png",
	"http://127.0.0.1.:PORT/f.png", "http://0:PORT/f.png", "http://localhost:PORT/f.png", "http://LOCALHOST.:PORT/f.png", "http://x.localhost:PORT/f.png",
	"http://\uff11\uff12\uff17.0.0.1:PORT/f.png", "http://127\u30020\u30020\u30021:PORT/f.png", "http://\u2460\u2461\u2466.0.0.1:PORT/f.png",
	"http://%31%32%37.0.0.1:PORT/f.png", "http://127.0.0.1%00.example.com:PORT/f.png",
	"http://169.254.169.254/latest/meta-data/", "http://100.64.0.1:PORT/f.png", "http://10.0.0.1:PORT/f.png", "http://192.168.0.1:PORT/f.png",
	"http://OUT@127.0.0.1:PORT/f.png", "http://127.0.0.1:PORT#@OUT/f.png", "http://127.0.0.1:PORT\\@OUT/f.png", "http://OUT\\@127.0.0.1:PORT/f.png",
	"http:127.0.0.1:PORT/f.png", "http:///127.0.0.1:PORT/f.png", "//127.0.0.1:PORT/f.png", "http://OUT:PORT@127.0.0.1:PORT/f.png",
	"file:///etc/passwd", "gopher://127.0.0.1:PORT/f.png", "ftp://127.0.0.1:PORT/f.png", "unix:/var/run/x.sock", "ws://127.0.0.1:PORT/f.png",
	"http://OUT/redirect?to=http%3A%2F%2F127.0.0.1%3APORT%2Ff.png", "http://OUT/redirect?to=%2F%2F127.0.0.1%3APORT%2Ff.png",
	"http://OUT/redirect?to=http%3A%2F%2F%5B%3A%3Affff%3A127.0.0.1%5D%3APORT%2F", "http://OUT/redirect?to=http%3A%2F%2F2130706433%3APORT%2F",
	"http://OUT/redirect?to=file%3A%2F%2F%2Fetc%2Fpasswd", "http://OUT/redirect?to=http%3A%2F%2Flocalhost%3APORT%2F",
	"http://OUT/redirect?to=http%3A%2F%2FOUT%2Fredirect%3Fto%3Dhttp%253A%252F%252F127.0.0.1%253APORT%252F",
}

func (s *stage) inward(address string) string {
	out := strings.TrimPrefix(s.outside.URL, "http://")
	return strings.ReplaceAll(strings.ReplaceAll(address, "PORT", s.insidePort()), "OUT", out)
}

// TestCustomersFilesReachNothingInside: a network, or somebody in its name, tells
// addresses of files; whoever follows the link to one reaches nothing inside.
func TestCustomersFilesReachNothingInside(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	link := s.fileLink(1, s.outside.URL+"/file")
	if got, err := s.do(http.MethodGet, link, "", nil); err != nil || got.status != http.StatusOK || got.body != picture {
		t.Fatalf("a file from outside: %+v, %v", got, err)
	}
	asked := 0
	for i, address := range inward {
		link := s.fileLink(100+i, s.inward(address))
		if link == "" {
			continue // announced without a link: nobody can follow it
		}
		asked++
		got, err := s.do(http.MethodGet, link, "", nil)
		if err != nil {
			t.Fatal(err)
		}
		if got.status < 400 || strings.Contains(got.body, "inside") || strings.Contains(got.body, "root:") {
			t.Errorf("%s: %d %.80q", address, got.status, got.body)
		}
		for _, told := range []string{"127.0.0", s.insidePort(), "egress"} {
			if strings.Contains(got.body, told) {
				t.Errorf("%s: the answer tells of %q: %.80q", address, told, got.body)
			}
		}
	}
	if n := s.reached.Load(); n != 0 {
		t.Errorf("%d connections reached the inside", n)
	}
	if asked < len(inward)/2 {
		t.Errorf("only %d of %d addresses became links", asked, len(inward))
	}
}

// fileLink has a customer send a file that lies at address, and gives the link
// the core was told of, on the public listener; empty for none.
func (s *stage) fileLink(chat int, address string) string {
	s.Helper()
	if status := s.hook(s.message(chat, "file_visitor", "", `,"data":{"state":"ready","url":`+quoted(address)+`,"type":"image/png"}`)); status != http.StatusOK {
		return "" // not taken at all
	}
	// What comes after it in the conversation shows that it has been told.
	if status := s.hook(s.message(chat, "visitor", "the file is told", "")); status != http.StatusOK {
		s.Fatalf("status %d", status)
	}
	s.until("the file at the core", func() bool { return s.shown(chat, "the file is told") })
	for _, sentence := range s.sentences("shop", strconv.Itoa(chat)+"|omnichannel") {
		if _, opaque, ok := strings.Cut(sentence.Text, publicURL); ok {
			opaque, _, _ = strings.Cut(opaque, "\n")
			return "http://" + s.public + opaque
		}
	}
	return ""
}

// TestAgentsFilesReachNothingInside: so does a file that an agent, or somebody in
// the core, names. Each goes to a customer of its own, as the pace of sending to
// one is bounded.
func TestAgentsFilesReachNothingInside(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	files := append([]string{s.outside.URL + "/file"}, inward...)
	for i, file := range files {
		customer := itoa(1000 + i)
		_, err := s.sim.Telegram().Act(botToken, control.Action{Do: "text", User: control.User{ID: control.ID(customer), FirstName: "Customer"}, Text: "hello"})
		if err != nil {
			t.Fatal(err)
		}
		var chat refcore.ChatState
		s.until("the customer at the core", func() bool {
			chat, err = s.core.Find(refcore.Address{Peer: peer, Port: "bot", TrackingID: customer + "|telegram"})
			return err == nil
		})
		if _, err := s.core.Say(chat.ID, "file:image|f.png|"+s.inward(file)); err != nil {
			t.Fatal(err)
		}
	}
	given, told := 0, 0
	for i := range files {
		customer := itoa(1000 + i)
		s.until("what became of "+files[i], func() bool {
			c, err := s.sim.Telegram().Chat(t.Context(), botToken, control.ID(customer), -1)
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range c.Messages {
				if m.File != nil {
					given++
				}
				if m.From == "agent" { // a file, or the words as they are when they name none
					return true
				}
			}
			for _, sentence := range s.sentences("bot", customer+"|telegram") {
				if sentence.Model == simprot.ModelTechNote {
					told++
					return true
				}
			}
			return false
		})
	}
	if n := s.reached.Load(); n != 0 {
		t.Errorf("%d connections reached the inside", n)
	}
	if given != 1 || told < len(inward)/2 {
		t.Errorf("%d files at the network, want the one from outside; %d notes for the agent", given, told)
	}
}

func quoted(s string) string {
	return `"` + strings.ReplaceAll(strings.ReplaceAll(s, `\`, `\\`), `"`, `\"`) + `"`
}
