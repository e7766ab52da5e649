package gateway

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"servicelink/config"
	"servicelink/connectors"
	"servicelink/simprot"
)

// TestFileText fixes what agents read of files that come and of replies.
func TestFileText(t *testing.T) {
	file := func(change func(*connectors.File)) *connectors.File {
		f := &connectors.File{Type: "video/mp4", ID: "f1", URL: "https://gw.example.com/media/x", Name: "holiday.mp4", Size: 54_900_000}
		change(f)
		return f
	}
	const quote = "> first\n"
	for name, tc := range map[string]struct {
		ev   connectors.Event
		text string
	}{
		"too big": {
			connectors.Event{Kind: connectors.KindFile, File: file(func(f *connectors.File) { f.TooBig = true })},
			"The customer sent a file that is too big to fetch: video/mp4, holiday.mp4, 52.4 MB.",
		},
		"too big, with a caption": {
			connectors.Event{Kind: connectors.KindFile, Text: "look", File: file(func(f *connectors.File) { f.TooBig, f.Name, f.Size = true, "", 900 })},
			"The customer sent a file that is too big to fetch: video/mp4, 1 KB.\nlook",
		},
		"too big, nothing told": {
			connectors.Event{Kind: connectors.KindFile, File: &connectors.File{TooBig: true}},
			"The customer sent a file that is too big to fetch.",
		},
		"no link": {
			connectors.Event{Kind: connectors.KindFile, File: file(func(f *connectors.File) { f.URL = "" })},
			"The customer sent a file that there is no link to: video/mp4, holiday.mp4, 52.4 MB.",
		},
		"fields that would be read as others": {
			connectors.Event{Kind: connectors.KindFile, File: file(func(f *connectors.File) { f.Type, f.ID = "a|b\n", "1|2" })},
			"file:a_b_|1_2|https://gw.example.com/media/x",
		},
		"reply":                 {connectors.Event{Kind: connectors.KindText, Text: "yes", Quote: "first"}, quote + "yes"},
		"reply with a file":     {connectors.Event{Kind: connectors.KindFile, File: file(func(*connectors.File) {}), Text: "see", Quote: "first"}, quote + "file:video/mp4|f1|https://gw.example.com/media/x\nsee"},
		"reply to three lines":  {connectors.Event{Kind: connectors.KindText, Text: "yes", Quote: "a\nb\r\nc\n"}, "> a\n> b\n> c\nyes"},
		"reply to more":         {connectors.Event{Kind: connectors.KindText, Text: "yes", Quote: "a\nb\nc\nd"}, "> a\n> b\n> c…\nyes"},
		"reply to a long line":  {connectors.Event{Kind: connectors.KindText, Text: "yes", Quote: strings.Repeat("x", 201)}, "> " + strings.Repeat("x", 200) + "…\nyes"},
		"reply to just so long": {connectors.Event{Kind: connectors.KindText, Text: "yes", Quote: strings.Repeat("ж", 200)}, "> " + strings.Repeat("ж", 200) + "\nyes"},
		"reply to a quote":      {connectors.Event{Kind: connectors.KindText, Text: "yes", Quote: "> old\nnew"}, "> > old\n> new\nyes"},
		"reply to nothing":      {connectors.Event{Kind: connectors.KindText, Text: "yes", Quote: " \n "}, "yes"},
		"reply without text":    {connectors.Event{Kind: connectors.KindText, Quote: "first"}, "> first"},
		"a note is no reply":    {connectors.Event{Kind: connectors.KindService, Text: "joined", Quote: "first"}, "joined"},
	} {
		t.Run(name, func(t *testing.T) {
			if text, _ := eventText(tc.ev); text != tc.text {
				t.Errorf("got %q, want %q", text, tc.text)
			}
		})
	}
}

func TestFilesToParts(t *testing.T) {
	can := connectors.Capabilities{TextLimit: 20, Files: true, Caption: 10, Replies: true, Buttons: 2}
	a := &connectors.OutFile{Type: "image/png", Name: "a.png", URL: "https://x.example/a.png"}
	b := &connectors.OutFile{Type: "document", URL: "http://x.example/b?k=v"}
	const lineA, lineB = "file:image/png|a.png|https://x.example/a.png", "file:document|17|http://x.example/b?k=v"
	yes := []connectors.Button{{ID: "y", Text: "Yes"}}
	part := func(text string, f *connectors.OutFile) connectors.Part { return connectors.Part{Text: text, File: f} }
	type parts = []connectors.Part
	for name, tc := range map[string]struct {
		text    string
		change  func(*connectors.Capabilities)
		want    parts
		changed []string
	}{
		"a file":                {lineA, nil, parts{part("", a)}, nil},
		"blanks around it":      {"\r\n  " + lineA + " \r\n", nil, parts{part("", a)}, nil},
		"a caption":             {lineA + "\nlook", nil, parts{part("look", a)}, nil},
		"text before":           {"look:\n" + lineA, nil, parts{part("look:", nil), part("", a)}, nil},
		"before and after":      {"look:\n\n" + lineA + "\n\nwell?", nil, parts{part("look:", nil), part("well?", a)}, nil},
		"too long a caption":    {lineA + "\nwords and words", nil, parts{part("", a), part("words and words", nil)}, nil},
		"no captions there":     {lineA + "\nlook", func(c *connectors.Capabilities) { c.Caption = 0 }, parts{part("", a), part("look", nil)}, nil},
		"a long text after":     {lineA + "\nwords and words and words", nil, parts{part("", a), part("words and words and", nil), part("words", nil)}, nil},
		"two files":             {lineA + "\n" + lineB, nil, parts{part("", a), part("", b)}, nil},
		"each its own text":     {"1\n" + lineA + "\n2\n" + lineB + "\n3", nil, parts{part("1", nil), part("2", a), part("3", b)}, nil},
		"two lines of caption":  {lineA + "\n1\n2", nil, parts{part("1\n2", a)}, nil},
		"an address is text":    {"https://x.example/a.png", nil, parts{part("https://x.example/a.", nil), part("png", nil)}, nil},
		"within a line":         {"see " + lineA[:12], nil, parts{part("see file:image/p", nil)}, nil},
		"no address":            {"file:a|b|c", nil, parts{part("file:a|b|c", nil)}, nil},
		"of this machine":       {"file:a|b|file:///x", nil, parts{part("file:a|b|file:///x", nil)}, nil},
		"a password":            {"file:||http://u:p@x", nil, parts{part("file:||http://u:p@x", nil)}, nil},
		"buttons":               {lineA + "\n[[Yes|y]]", nil, parts{{File: a, Buttons: yes}}, nil},
		"buttons after a text":  {lineA + "\nwords and words\n[[Yes|y]]", nil, parts{part("", a), {Text: "words and words", Buttons: yes}}, nil},
		"no files there":        {"1\n" + lineA + "\n2", func(c *connectors.Capabilities) { c.Files, c.TextLimit = false, 0 }, parts{part("1\nhttps://x.example/a.png\n2", nil)}, []string{changedFiles}},
		"reply":                 {"[[reply:77]]\nyes", nil, parts{{Text: "yes", ReplyTo: "77"}}, nil},
		"reply to an event":     {"[[reply:42|text|-100:77|3]]\nyes", nil, parts{{Text: "yes", ReplyTo: "42|text|-100:77|3"}}, nil},
		"reply, the first part": {" [[reply:77]] \r\nwords and words and words", nil, parts{{Text: "words and words and", ReplyTo: "77"}, part("words", nil)}, nil},
		"reply with a file":     {"[[reply:77]]\n" + lineA + "\nlook", nil, parts{{Text: "look", File: a, ReplyTo: "77"}}, nil},
		"reply with buttons":    {"[[reply:77]]\nwell?\n[[Yes|y]]", nil, parts{{Text: "well?", ReplyTo: "77", Buttons: yes}}, nil},
		"only a first line":     {"yes\n[[reply:77]]x", nil, parts{part("yes\n[[reply:77]]x", nil)}, nil},
		"no other form":         {"[[reply: 77]]\nyes", nil, parts{part("[[reply: 77]]\nyes", nil)}, nil},
		"no replies there":      {"[[reply:77]]\nyes", func(c *connectors.Capabilities) { c.Replies = false }, parts{part("yes", nil)}, []string{changedReply}},
		"nothing of it there":   {"[[reply:77]]\n" + lineA + "\n[[Yes|y]]", func(c *connectors.Capabilities) { *c = connectors.Capabilities{} }, parts{part("https://x.example/a.png\n- Yes", nil)}, []string{changedButtons, changedFiles, changedReply}},
	} {
		t.Run(name, func(t *testing.T) {
			caps := can
			if tc.change != nil {
				tc.change(&caps)
			}
			got, changed := toParts("id", tc.text, connectors.Address{TrackingID: "7|x"}, caps)
			for i := range tc.want {
				tc.want[i].ID, tc.want[i].To = partID("id", i), connectors.Address{TrackingID: "7|x"}
			}
			if diff := cmp.Diff(tc.want, got, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("parts (-want +got):\n%s", diff)
			}
			if !slices.Equal(changed, tc.changed) {
				t.Errorf("changed = %q, want %q", changed, tc.changed)
			}
		})
	}
}

// TestFilesOfAnEndlessList: a sentence does not make a network fetch thousands.
func TestFilesOfAnEndlessList(t *testing.T) {
	text := strings.Repeat("file:||https://x.example/a\n", 20_000)
	parts, _ := toParts("1", text, connectors.Address{}, connectors.Capabilities{Files: true})
	files := 0
	for _, p := range parts {
		if p.File != nil {
			files++
		}
	}
	if files != maxFiles || len(parts) != maxFiles+1 || strings.Count(parts[maxFiles].Text, "file:") != 20_000-maxFiles {
		t.Errorf("%d files in %d parts", files, len(parts))
	}
}

// FuzzToParts: whatever an agent writes, the parts are the same each time, keep
// the network's limits, and lose none of the words.
func FuzzToParts(f *testing.F) {
	f.Add("[[reply:7]]\nlook\nfile:image/png|a.png|https://x.example/a.png\ncaption\n[[Yes|y]]", uint8(0xff), 20, 10)
	f.Add("file:||http://x\nfile:||http://y", uint8(1), 0, 0)
	f.Add("[[reply:7]]\n[[a]]", uint8(0), 1, 1)
	f.Add("file:a|b|c\n\xff\n>", uint8(3), 3, 2)
	f.Fuzz(func(t *testing.T, text string, bits uint8, limit, caption int) {
		if len(text) > 4096 {
			t.Skip("longer texts say nothing more")
		}
		caps := connectors.Capabilities{
			Files: bits&1 > 0, Replies: bits&2 > 0, TextUnit: connectors.TextUnit(bits >> 4 % 3),
			TextLimit: max(limit%200, 0), Caption: max(caption%200, 0),
		}
		if bits&4 > 0 {
			caps.Buttons = 3
		}
		parts, changed := toParts("id", text, connectors.Address{}, caps)
		again, toldAgain := toParts("id", text, connectors.Address{}, caps)
		if diff := cmp.Diff(parts, again, cmpopts.EquateEmpty()); diff != "" || !slices.Equal(changed, toldAgain) {
			t.Fatalf("once, then otherwise:\n%s", diff)
		}
		for i, p := range parts {
			switch {
			case p.ID != partID("id", i), p.ReplyTo != "" && (i > 0 || !caps.Replies), len(p.Buttons) > 0 && i < len(parts)-1,
				p.File != nil && !caps.Files, p.File != nil && p.Text != "" && units(p.Text, caps.TextUnit) > caps.Caption:
				t.Errorf("part %d: %+v", i, p)
			case p.File != nil && !strings.Contains(text, p.File.URL):
				t.Errorf("a file nobody named: %q", p.File.URL)
			case p.File == nil && !slices.Contains(changed, changedButtons) && !strings.Contains(p.Text, "\n") && !strings.Contains(text, p.Text):
				t.Errorf("words nobody wrote: %q", p.Text)
			}
		}
		if len(parts) == 0 {
			t.Error("no part")
		}
	})
}

// TestPrepare: what a file of a sentence is read from.
func TestPrepare(t *testing.T) {
	r := newMediaRig(t, nil)
	var asked string
	r.open = func(ctx context.Context, f connectors.File, byteRange string) (*connectors.Media, error) {
		asked = f.ID
		return gives(onePNG)(ctx, f, byteRange)
	}
	omni := r.gw.channel("omni")
	own := r.link("tele", connectors.File{ID: "AgAC", Name: "cat.png"})
	parts := []connectors.Part{{Text: "x"}, {File: &connectors.OutFile{Type: "photo", URL: own}}}
	r.media.prepare(omni, parts)
	file := parts[1].File
	if file.URL != own || file.Name != "cat.png" {
		t.Errorf("the network hears of %+v", file)
	}
	for range 2 { // a network may have to read it again
		m, err := file.Open(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if m.Type != "image/png" || m.Size != int64(len(onePNG)) || asked != "AgAC" {
			t.Errorf("%+v of %q", m, asked)
		}
		if err := m.Body.Close(); err != nil {
			t.Error(err)
		}
	}
}

// TestReplyOfNothing: a sentence that names a message and says nothing about it is
// not shown.
func TestReplyOfNothing(t *testing.T) {
	for text, shown := range map[string]bool{"[[reply:77]]\n \n": false, "[[reply:77]]": false, "[[reply:77]]\nyes": true} {
		if passesOn(content{Text: text, Model: simprot.ModelSentence}, config.Channel{}) != shown {
			t.Errorf("%q: shown is not %v", text, shown)
		}
	}
}
