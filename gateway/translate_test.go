package gateway

import (
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"servicelink/config"
	"servicelink/connectors"
	"servicelink/gateway/journal"
	"servicelink/simprot"
)

// longRef is as long as Messenger's.
var longRef = "m_" + strings.Repeat("abcdefghij", 10)

func TestEventText(t *testing.T) {
	file := &connectors.File{Type: "image/png", ID: "f1", URL: "https://files.example/f1"}
	for name, tc := range map[string]struct {
		ev    connectors.Event
		text  string
		model simprot.Model
	}{
		"text":                {connectors.Event{Kind: connectors.KindText, Text: "hello"}, "hello", simprot.ModelSentence},
		"file":                {connectors.Event{Kind: connectors.KindFile, File: file}, "file:image/png|f1|https://files.example/f1", simprot.ModelSentence},
		"file with a caption": {connectors.Event{Kind: connectors.KindFile, File: file, Text: "look"}, "file:image/png|f1|https://files.example/f1\nlook", simprot.ModelSentence},
		"file without a file": {connectors.Event{Kind: connectors.KindFile, Text: "look"}, "look", simprot.ModelSentence},
		"location": {
			connectors.Event{Kind: connectors.KindLocation, Location: &connectors.Location{Latitude: 50.0875, Longitude: -14.5}},
			"geo:50.0875,-14.5\nhttps://www.openstreetmap.org/?mlat=50.0875&mlon=-14.5", simprot.ModelSentence,
		},
		"location near zero is not written with an exponent": {
			connectors.Event{Kind: connectors.KindLocation, Location: &connectors.Location{Latitude: 0.0000001}},
			"geo:0.0000001,0\nhttps://www.openstreetmap.org/?mlat=0.0000001&mlon=0", simprot.ModelSentence,
		},
		"location with a title and a caption": {
			connectors.Event{Kind: connectors.KindLocation, Text: "here", Location: &connectors.Location{Latitude: 1, Longitude: 2, Title: "Café"}},
			"Café\ngeo:1,2\nhttps://www.openstreetmap.org/?mlat=1&mlon=2\nhere", simprot.ModelSentence,
		},
		"location without a location": {connectors.Event{Kind: connectors.KindLocation, Text: "here"}, "here", simprot.ModelSentence},
		"contact": {
			connectors.Event{Kind: connectors.KindContact, Contact: &connectors.Contact{Name: "Jan", Numbers: []string{"+1", "+2"}}},
			"Jan, +1, +2", simprot.ModelSentence,
		},
		"contact without a contact": {connectors.Event{Kind: connectors.KindContact, Text: "x"}, "x", simprot.ModelSentence},
		"button":                    {connectors.Event{Kind: connectors.KindButton, Text: "Yes", Button: &connectors.Button{ID: "y", Text: "Oui"}}, "Yes", simprot.ModelSentence},
		"button without text":       {connectors.Event{Kind: connectors.KindButton, Button: &connectors.Button{ID: "y", Text: "Yes"}}, "Yes", simprot.ModelSentence},
		"edit":                      {connectors.Event{Kind: connectors.KindEdit, RefID: "m7", Text: "new"}, "The customer changed message m7 to: new", simprot.ModelTechNote},
		"delete":                    {connectors.Event{Kind: connectors.KindDelete, RefID: "m7"}, "The customer took message m7 back.", simprot.ModelTechNote},
		"reaction":                  {connectors.Event{Kind: connectors.KindReaction, RefID: "m7", Text: "👍"}, "The customer reacted to message m7: 👍", simprot.ModelTechNote},
		"reaction removed":          {connectors.Event{Kind: connectors.KindReaction, RefID: "m7"}, "The customer removed the reaction to message m7.", simprot.ModelTechNote},
		"edit, long id":             {connectors.Event{Kind: connectors.KindEdit, RefID: longRef, Text: "new"}, "The customer changed message m_abcdef… to: new", simprot.ModelTechNote},
		"delete, long id":           {connectors.Event{Kind: connectors.KindDelete, RefID: longRef}, "The customer took message m_abcdef… back.", simprot.ModelTechNote},
		"reaction, long id":         {connectors.Event{Kind: connectors.KindReaction, RefID: longRef, Text: "❤"}, "The customer reacted to message m_abcdef…: ❤", simprot.ModelTechNote},
		"reaction removed, long id": {connectors.Event{Kind: connectors.KindReaction, RefID: longRef}, "The customer removed the reaction to message m_abcdef….", simprot.ModelTechNote},
		"long id of wide letters":   {connectors.Event{Kind: connectors.KindDelete, RefID: strings.Repeat("ž", 25)}, "The customer took message žžžžžžžž… back.", simprot.ModelTechNote},
		"the longest shown whole":   {connectors.Event{Kind: connectors.KindDelete, RefID: strings.Repeat("ž", 24)}, "The customer took message žžžžžžžžžžžžžžžžžžžžžžžž back.", simprot.ModelTechNote},
		"service":                   {connectors.Event{Kind: connectors.KindService, Text: "joined"}, "joined", simprot.ModelTechNote},
		"stop":                      {connectors.Event{Kind: connectors.KindStop, Text: "left"}, "", simprot.ModelTechNote},
		"unsupported":               {connectors.Event{Kind: connectors.KindUnsupported, Text: "a sticker"}, "The customer sent something this channel cannot show: a sticker", simprot.ModelTechNote},
		"unsupported, nameless":     {connectors.Event{Kind: connectors.KindUnsupported}, "The customer sent something this channel cannot show.", simprot.ModelTechNote},
		"a kind nobody knows":       {connectors.Event{Kind: "dance"}, "The customer sent something this channel cannot show.", simprot.ModelTechNote},
	} {
		t.Run(name, func(t *testing.T) {
			if text, model := eventText(tc.ev); text != tc.text || model != tc.model {
				t.Errorf("got %q, model %d; want %q, model %d", text, model, tc.text, tc.model)
			}
		})
	}
}

func TestSplitButtons(t *testing.T) {
	type buttons = []connectors.Button
	for name, tc := range map[string]struct {
		text, body string
		buttons    buttons
	}{
		"none":                          {"hello", "hello", nil},
		"none, the end stays as it is":  {"hello\n\n", "hello\n\n", nil},
		"empty":                         {"", "", nil},
		"one":                           {"choose\n[[Yes|y]]", "choose", buttons{{ID: "y", Text: "Yes"}}},
		"in their order":                {"choose\n[[A|1]]\n[[B|2]]\n[[C|3]]", "choose", buttons{{ID: "1", Text: "A"}, {ID: "2", Text: "B"}, {ID: "3", Text: "C"}}},
		"without payload":               {"[[Yes]]", "", buttons{{ID: "Yes", Text: "Yes"}}},
		"with an empty payload":         {"[[Yes|]]", "", buttons{{ID: "Yes", Text: "Yes"}}},
		"payload with a bar":            {"[[Yes|a|b]]", "", buttons{{ID: "a|b", Text: "Yes"}}},
		"spaces around":                 {"x\n  [[ Yes | y ]]  ", "x", buttons{{ID: " y ", Text: "Yes"}}},
		"carriage returns":              {"x\r\n[[A|1]]\r\n[[B|2]]\r\n", "x", buttons{{ID: "1", Text: "A"}, {ID: "2", Text: "B"}}},
		"blank lines before and after":  {"x\n\n[[A|1]]\n \n", "x", buttons{{ID: "1", Text: "A"}}},
		"blank lines among them":        {"x\n[[A|1]]\n\n[[B|2]]", "x", buttons{{ID: "1", Text: "A"}, {ID: "2", Text: "B"}}},
		"not at the end":                {"[[A|1]]\nx", "[[A|1]]\nx", nil},
		"only those at the end":         {"[[A|1]]\nx\n[[B|2]]", "[[A|1]]\nx", buttons{{ID: "2", Text: "B"}}},
		"within a line":                 {"see [[A|1]]", "see [[A|1]]", nil},
		"no title":                      {"[[|1]]", "[[|1]]", nil},
		"a title of spaces":             {"[[  |1]]", "[[  |1]]", nil},
		"a bracket in the title":        {"[[a]b|1]]", "[[a]b|1]]", nil},
		"a third bracket":               {"[[a|1]]]", "[[a|1]]]", nil},
		"an opening bracket is a title": {"[[[a|1]]", "", buttons{{ID: "1", Text: "[a"}}},
		"not closed":                    {"[[a|1]", "[[a|1]", nil},
		"nothing at all":                {"[[]]", "[[]]", nil},
	} {
		t.Run(name, func(t *testing.T) {
			body, got := splitButtons(tc.text)
			if body != tc.body || !slices.Equal(got, tc.buttons) {
				t.Errorf("got %q %v, want %q %v", body, got, tc.body, tc.buttons)
			}
		})
	}
}

// TestSplitButtonsOfAnEndlessList: a core can send megabytes of them, and a
// lane must not hang on it.
func TestSplitButtonsOfAnEndlessList(t *testing.T) {
	const n = 20_000
	text := "choose\n" + strings.Repeat("[[a|b]]\n", n)
	if body, buttons := splitButtons(text); body != "choose" || len(buttons) != n {
		t.Errorf("%q and %d buttons", body, len(buttons))
	}
	parts, changed := toParts("1", text, connectors.Address{}, connectors.Capabilities{Buttons: 3})
	if len(parts) != 1 || strings.Count(parts[0].Text, "\n- a") != n || len(changed) != 1 {
		t.Errorf("%d parts, changed %q", len(parts), changed)
	}
}

func TestToParts(t *testing.T) {
	to := connectors.Address{TrackingID: "7|x", RemoteAddress: "seven"}
	two := []connectors.Button{{ID: "1", Text: "One"}, {ID: "2", Text: "Two"}}
	part := func(id, text string, b ...connectors.Button) connectors.Part {
		return connectors.Part{ID: id, To: to, Text: text, Buttons: b}
	}
	const text = "choose\n[[One|1]]\n[[Two|2]]"
	for name, tc := range map[string]struct {
		text    string
		caps    connectors.Capabilities
		want    []connectors.Part
		changed bool
	}{
		"text":                  {"hello", connectors.Capabilities{}, []connectors.Part{part("id", "hello")}, false},
		"empty text":            {"", connectors.Capabilities{TextLimit: 5}, []connectors.Part{part("id", "")}, false},
		"buttons":               {text, connectors.Capabilities{Buttons: 2, ButtonTitle: 3}, []connectors.Part{part("id", "choose", two...)}, false},
		"no buttons there":      {text, connectors.Capabilities{}, []connectors.Part{part("id", "choose\n- One\n- Two")}, true},
		"too many buttons":      {text, connectors.Capabilities{Buttons: 1}, []connectors.Part{part("id", "choose\n- One\n- Two")}, true},
		"too long a title":      {text, connectors.Capabilities{Buttons: 2, ButtonTitle: 2}, []connectors.Part{part("id", "choose\n- One\n- Two")}, true},
		"too long a payload":    {"x\n[[A|éé]]", connectors.Capabilities{Buttons: 2, ButtonPayload: 3}, []connectors.Part{part("id", "x\n- A")}, true},
		"payloads count bytes":  {"x\n[[A|éé]]", connectors.Capabilities{Buttons: 2, ButtonPayload: 4}, []connectors.Part{part("id", "x", connectors.Button{ID: "éé", Text: "A"})}, false},
		"titles have no limit":  {text, connectors.Capabilities{Buttons: 2}, []connectors.Part{part("id", "choose", two...)}, false},
		"titles count in runes": {"x\n[[ééé]]", connectors.Capabilities{Buttons: 2, ButtonTitle: 3}, []connectors.Part{part("id", "x", connectors.Button{ID: "ééé", Text: "ééé"})}, false},
		"nothing but buttons":   {"[[One|1]]", connectors.Capabilities{}, []connectors.Part{part("id", "- One")}, true},
		"parts":                 {"one two three", connectors.Capabilities{TextLimit: 7}, []connectors.Part{part("id", "one two"), part("id#2", "three")}, false},
		"buttons on the last part": {
			"one two three\n[[One|1]]",
			connectors.Capabilities{TextLimit: 7, Buttons: 1},
			[]connectors.Part{part("id", "one two"), part("id#2", "three", two[0])},
			false,
		},
	} {
		t.Run(name, func(t *testing.T) {
			got, changed := toParts("id", tc.text, to, tc.caps)
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("parts (-want +got):\n%s", diff)
			}
			if (len(changed) > 0) != tc.changed {
				t.Errorf("changed = %q", changed)
			}
		})
	}
}

func TestToEntry(t *testing.T) {
	ch := &channel{cfg: config.Channel{Name: "shop", Culture: "cs"}}
	event := func(change func(*connectors.Event)) connectors.Event {
		ev := connectors.Event{ID: "e:1", Kind: connectors.KindText, TrackingID: "7|x", Text: "hello"}
		change(&ev)
		return ev
	}
	fill := func(n int) string { return strings.Repeat("a", n) }
	for name, tc := range map[string]struct {
		change func(*connectors.Event)
		dead   bool
	}{
		"ordinary":                        {func(*connectors.Event) {}, false},
		"TrackingId of 128":               {func(ev *connectors.Event) { ev.TrackingID = fill(128) }, false},
		"TrackingId of 129":               {func(ev *connectors.Event) { ev.TrackingID = fill(129) }, true},
		"no TrackingId":                   {func(ev *connectors.Event) { ev.TrackingID = "" }, true},
		"ID of 64":                        {func(ev *connectors.Event) { ev.ID = fill(64) }, false},
		"ID of 65":                        {func(ev *connectors.Event) { ev.ID = fill(65) }, true},
		"no ID":                           {func(ev *connectors.Event) { ev.ID = "" }, true},
		"RemoteAddress of 250":            {func(ev *connectors.Event) { ev.Customer.RemoteAddress = fill(250) }, false},
		"RemoteAddress of 250 characters": {func(ev *connectors.Event) { ev.Customer.RemoteAddress = strings.Repeat("ж", 250) }, false},
		"RemoteAddress of 251":            {func(ev *connectors.Event) { ev.Customer.RemoteAddress = fill(251) }, true},
	} {
		t.Run(name, func(t *testing.T) {
			ev := event(tc.change)
			e := ch.toEntry(ev)
			if dead := e.DeadReason == string(connectors.ReasonAddress); dead != tc.dead || !dead && e.DeadReason != "" {
				t.Fatalf("dead reason %q", e.DeadReason)
			}
			if len(e.Lane.TrackingID) > simprot.MaxTrackingID || len(e.ID) > simprot.MaxID {
				t.Errorf("a key of %d and %d characters", len(e.Lane.TrackingID), len(e.ID))
			}
			if !tc.dead && (e.Lane.TrackingID != ev.TrackingID || e.ID != ev.ID || e.Party.RemoteAddress != ev.Customer.RemoteAddress) {
				t.Errorf("changed: %+v", e)
			}
			if e.Lane.Channel != "shop" || e.Lane.Direction != journal.In {
				t.Errorf("lane %+v", e.Lane)
			}
		})
	}
	t.Run("different long keys stay different", func(t *testing.T) {
		a := ch.toEntry(event(func(ev *connectors.Event) { ev.ID = fill(65) }))
		b := ch.toEntry(event(func(ev *connectors.Event) { ev.ID = fill(66) }))
		if a.ID == b.ID {
			t.Errorf("both became %s", a.ID)
		}
	})
}

func TestToEntryFields(t *testing.T) {
	ch := &channel{cfg: config.Channel{Name: "shop", Culture: "cs"}}
	e := ch.toEntry(connectors.Event{
		ID: "e:1", Kind: connectors.KindButton, TrackingID: "7|x", Text: "bad \xff text",
		Button: &connectors.Button{ID: "payload", Text: "b"}, ReturnChatID: "r",
		Customer: connectors.Customer{
			PartyName:     strings.Repeat("ж", simprot.MaxPartyName) + "more",
			UserToken:     strings.Repeat("👍", simprot.MaxUserToken+1),
			RemoteAddress: "bad \xff address",
		},
	})
	c, err := decodeContent(e.Content)
	if err != nil {
		t.Fatal(err)
	}
	name := strings.Repeat("ж", simprot.MaxPartyName)
	want := content{Kind: "button", Text: "bad \uFFFD text", PartyName: name, ReturnChatID: "r", Payload: "payload"}
	if diff := cmp.Diff(want, c); diff != "" {
		t.Errorf("content (-want +got):\n%s", diff)
	}
	party := &journal.Party{
		RemoteAddress: "bad \uFFFD address", PartyName: name,
		UserToken: strings.Repeat("👍", simprot.MaxUserToken), Culture: "cs",
	}
	if diff := cmp.Diff(party, e.Party); diff != "" {
		t.Errorf("party (-want +got):\n%s", diff)
	}
	broken := ch.toEntry(connectors.Event{ID: "e:2", TrackingID: "7|x", Customer: connectors.Customer{
		PartyName: "\xd0", UserToken: "\xff", Culture: "en",
	}})
	if p := broken.Party; !utf8.ValidString(p.PartyName+p.UserToken) || p.Culture != "en" {
		t.Errorf("party %+q", p)
	}
}
