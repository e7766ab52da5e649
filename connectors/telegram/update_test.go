package telegram

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"unicode/utf8"

	"servicelink/connectors"
)

// TestSchema: a message with every member, and every update, that the API's own
// types know gives an event of the right form. testdata/updates/README.md says
// how the file was made; these types are newer than the models.
func TestSchema(t *testing.T) {
	f, err := os.Open("testdata/updates/schema.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	kinds := map[connectors.Kind]int{}
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var sample struct {
			Name   string
			Update json.RawMessage
		}
		if err := json.Unmarshal(lines.Bytes(), &sample); err != nil {
			t.Fatal(err)
		}
		t.Run(sample.Name, func(t *testing.T) {
			events := testBot().newUpdate(sample.Update).events()
			if len(events) == 0 {
				t.Error("no event")
			}
			check(t, events)
			for _, ev := range events {
				kinds[ev.Kind]++
				if content, ok := strings.CutPrefix(sample.Name, "message."); ok && ev.Kind == connectors.KindUnsupported &&
					ev.Text != "a message with "+readable(content) {
					t.Errorf("said to be %s", ev.Text)
				}
			}
		})
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	for _, kind := range []connectors.Kind{
		connectors.KindText, connectors.KindFile, connectors.KindLocation, connectors.KindContact, connectors.KindButton,
		connectors.KindEdit, connectors.KindDelete, connectors.KindReaction, connectors.KindService, connectors.KindUnsupported,
	} {
		if kinds[kind] == 0 {
			t.Errorf("no sample became an event of kind %s", kind)
		}
	}
}

var (
	eventID    = regexp.MustCompile(`^[0-9a-z:_.|-]{1,64}$`)
	trackingID = regexp.MustCompile(`^-?[0-9]+(\|([0-9]+|-[0-9]+|d:-?[0-9]+|b:[0-9a-z:._|+@-]+))?\|telegram$`)
)

// check judges the form of events.
func check(t *testing.T, events []connectors.Event) {
	t.Helper()
	for _, ev := range events {
		if !eventID.MatchString(ev.ID) {
			t.Errorf("ID %q", ev.ID)
		}
		if !trackingID.MatchString(ev.TrackingID) {
			t.Errorf("TrackingID %q", ev.TrackingID)
		}
		if _, ok := conversationOf(ev.TrackingID); !ok {
			t.Errorf("TrackingID %q cannot be read back", ev.TrackingID)
		}
		if ev.Customer.RemoteAddress == "" || strings.TrimSpace(ev.Customer.PartyName) == "" {
			t.Errorf("customer %+v", ev.Customer)
		}
		if utf8.RuneCountInString(ev.Customer.UserToken) > connectors.MaxUserToken || !json.Valid([]byte(ev.Customer.UserToken)) {
			t.Errorf("UserToken %q", ev.Customer.UserToken)
		}
		for _, s := range []string{ev.Text, ev.Quote, ev.Customer.PartyName} {
			if !utf8.ValidString(s) {
				t.Errorf("not UTF-8: %q", s)
			}
		}
		whole := true
		switch ev.Kind {
		case connectors.KindText, connectors.KindService, connectors.KindUnsupported, connectors.KindStop:
			whole = ev.Text != ""
		case connectors.KindFile:
			whole = ev.File != nil && ev.File.ID != "" && ev.File.Type != "" && ev.File.URL == ""
		case connectors.KindLocation:
			whole = ev.Location != nil
		case connectors.KindContact:
			whole = ev.Contact != nil
		case connectors.KindButton:
			whole = ev.Button != nil
		case connectors.KindEdit, connectors.KindDelete, connectors.KindReaction:
			whole = ev.RefID != ""
		default:
			t.Errorf("kind %q", ev.Kind)
		}
		if !whole {
			t.Errorf("not whole: %+v", ev)
		}
	}
}

// TestUnknownTypes: the models refuse a whole update for one member with a type
// that is new to them. Here all else in it is kept.
func TestUnknownTypes(t *testing.T) {
	const message = `"message_id":7,"date":1763800000,"from":{"id":77,"first_name":"Jana"},"chat":{"id":77,"type":"private"}`
	const odd = `{"type":"planet","status":"planet","source":"planet"}`
	text := func(member string) string { return `{"message":{` + message + `,"text":"still here",` + member + `}}` }
	for name, tc := range map[string]struct {
		update string
		kind   connectors.Kind
		said   string
	}{
		"MessageOrigin":        {text(`"forward_origin":` + odd), connectors.KindText, "Forwarded from somebody:\nstill here"},
		"MessageOrigin quoted": {text(`"external_reply":{"origin":` + odd + `}`), connectors.KindText, "still here"},
		"reply": {
			text(`"reply_to_message":{` + message + `,"text":"before","forward_origin":` + odd + `}`),
			connectors.KindText, "still here",
		},
		"PaidMedia": {
			`{"message":{` + message + `,"paid_media":{"star_count":1,"paid_media":[` + odd + `]}}}`,
			connectors.KindUnsupported, "a message with paid media",
		},
		"BackgroundType": {
			`{"message":{` + message + `,"chat_background_set":{"type":` + odd + `}}}`,
			connectors.KindService, "Service message: chat background set",
		},
		"BackgroundFill": {
			`{"message":{` + message + `,"chat_background_set":{"type":{"type":"fill","fill":` + odd + `}}}}`,
			connectors.KindService, "Service message: chat background set",
		},
		"OwnedGift": {text(`"gift":` + odd + `,"unique_gift":[` + odd + `]`), connectors.KindText, "still here"},
		"ReactionType": {`{"message_reaction":{"chat":{"id":77},"message_id":5,"date":1,"user":{"id":77},"old_reaction":[` + odd +
			`],"new_reaction":[{"type":"emoji","emoji":"👍"},` + odd + `]}}`, connectors.KindReaction, "👍 (another reaction)"},
		"ChatMember": {`{"my_chat_member":{"chat":{"id":77},"from":{"id":77},"date":1,"old_chat_member":` + odd +
			`,"new_chat_member":` + odd + `}}`, connectors.KindUnsupported, "an update of kind my chat member"},
		"ChatMember before": {`{"my_chat_member":{"chat":{"id":77,"type":"private"},"from":{"id":77},"date":1,"old_chat_member":` + odd +
			`,"new_chat_member":{"status":"kicked","user":{"id":1}}}}`, connectors.KindStop, "The customer blocked the bot."},
		"ChatBoostSource": {
			`{"chat_boost":{"chat":{"id":-5},"boost":{"source":` + odd + `}}}`,
			connectors.KindUnsupported, "an update of kind chat boost",
		},
		"another type": {
			`{"message":{"message_id":"seven","date":{},"from":5,"chat":{"id":77},"text":"still here"}}`,
			connectors.KindText, "still here",
		},
		"another type of text": {
			`{"message":{` + message + `,"text":["still here"]}}`,
			connectors.KindUnsupported, "a message with text",
		},
	} {
		t.Run(name, func(t *testing.T) {
			events := testBot().newUpdate(json.RawMessage(`{"update_id":1,` + tc.update[1:])).events()
			check(t, events)
			if len(events) != 1 || events[0].Kind != tc.kind || events[0].Text != tc.said {
				t.Errorf("%+v", events)
			}
		})
	}
}

// TestPanic: a bug in reading one update costs that update its content, and
// nobody anything else. It is told.
func TestPanic(t *testing.T) {
	readers["bug"] = func(*update) ([]connectors.Event, bool) { panic("hush") }
	defer delete(readers, "bug")
	synctest.Test(t, func(t *testing.T) {
		f, in, log := newFake(), &fakeInbox{}, &syncBuffer{}
		f.add(`{"update_id":500,"bug":{"from":{"id":77}}}`, textUpdate("501", "7", "hush"))
		r := start(t, newTestBot(t, f, "", log), in)
		synctest.Wait()
		if got := in.texts(); !slices.Equal(got, []string{"an update of kind bug", "hush"}) || len(f.queue) != 0 {
			t.Errorf("delivered %q, not confirmed %q", got, f.queue)
		}
		if !strings.Contains(log.String(), "panicked") || strings.Contains(log.String(), "hush") {
			t.Error(log)
		}
		r.end(t)
	})
}

// TestIDs: what comes again has the ID it had; what differs has another.
func TestIDs(t *testing.T) {
	const edit = `{"update_id":%d,"edited_message":{"message_id":%d,"date":5,"edit_date":%d,"chat":{"id":%d},"text":%q}}`
	id := func(update, message, date, chat int, text string) string {
		events := testBot().newUpdate(json.RawMessage(fmt.Sprintf(edit, update, message, date, chat, text))).events()
		if len(events) != 1 {
			t.Fatalf("%+v", events)
		}
		return events[0].ID
	}
	first := id(1, 7, 9, 77, "a")
	if again := id(2, 7, 9, 77, "a"); again != first {
		t.Errorf("the same edit is %q and %q", first, again)
	}
	ids := []string{
		first, id(1, 7, 9, 77, "b"), id(1, 7, 10, 77, "a"), id(1, 8, 9, 77, "a"), id(1, 7, 9, -77, "a"),
		id(1, 7, 9, 9007199254740993, "a"), id(1, 7, 9, 9007199254740992, "a"),
	}
	slices.Sort(ids)
	if n := len(slices.Compact(slices.Clone(ids))); n != len(ids) {
		t.Errorf("two events share an ID: %q", ids)
	}
}

func TestReturnChat(t *testing.T) {
	const chat = "3f2504e0-4f89-41d3-9a0c-0305e82c3301"
	for text, want := range map[string]string{
		"/start " + chat: chat,
		"/start 3F2504E04F8941D39A0C0305E82C3301":     chat,
		"/start@shop_bot " + chat:                     chat,
		"/start":                                      "",
		"/start shoes":                                "",
		"/start {3f2504e0-4f89-41d3-9a0c-0305e82c33}": "",
		"/started " + chat:                            "",
		"x /start " + chat:                            "",
		chat:                                          "",
	} {
		if got := returnChat(text); got != want {
			t.Errorf("%q holds %q, want %q", text, got, want)
		}
	}
}

// TestLinks: offsets are in UTF-16 units, and those that lie outside of the text,
// or inside of a character, harm nothing.
func TestLinks(t *testing.T) {
	for _, tc := range []struct{ text, entities, want string }{
		{"a", `[]`, "a"},
		{"😀 here", `[{"type":"text_link","offset":3,"length":4,"url":"https://x.example"}]`, "😀 here (https://x.example)"},
		{"a b", `[{"type":"text_link","offset":2,"length":1,"url":"u:2"},{"type":"text_link","offset":0,"length":1,"url":"u:1"}]`, "a (u:1) b (u:2)"},
		{"x.example", `[{"type":"text_link","offset":0,"length":9,"url":"x.example/"}]`, "x.example"},
		{"😀", `[{"type":"text_link","offset":0,"length":1,"url":"u:1"}]`, "😀"},
		{"a", `[{"type":"text_link","offset":1,"length":5,"url":"u:1"}]`, "a"},
		{"a", `[{"type":"text_link","offset":9007199254740993,"length":9223372036854775807,"url":"u:1"}]`, "a"},
		{"a", `[{"type":"text_link","offset":-1,"length":2,"url":"u:1"}]`, "a"},
		{"a", `[{"type":"bold","offset":0,"length":1}]`, "a"},
	} {
		update := fmt.Sprintf(`{"update_id":1,"message":{"message_id":1,"chat":{"id":1},"text":%q,"entities":%s}}`, tc.text, tc.entities)
		events := testBot().newUpdate(json.RawMessage(update)).events()
		if len(events) != 1 || events[0].Text != tc.want {
			t.Errorf("%q with %s became %+v, want %q", tc.text, tc.entities, events, tc.want)
		}
	}
}

// TestUserToken: it never grows beyond its limit, and the id is in it first of all.
func TestUserToken(t *testing.T) {
	long := strings.Repeat(`ž"`, 200)
	for _, p := range []person{{id: 5}, {id: -5, login: "x", language: "cs", group: long}, {id: 5, login: long, language: "cs"}} {
		token := p.token()
		if !json.Valid([]byte(token)) || utf8.RuneCountInString(token) > connectors.MaxUserToken || !strings.Contains(token, `"id":"`+decimal(p.id)+`"`) {
			t.Errorf("%s", token)
		}
	}
	if got, want := (person{id: 5, login: "x", group: long}).token(), `{"id":"5","login":"x"}`; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func TestCulture(t *testing.T) {
	for tag, want := range map[string]string{"cs": "cs", "pt-br": "pt", "zh-hans": "zh", "EN": "en", "fil": "", "": "", "-": "", "čs": ""} {
		if got := culture(tag); got != want {
			t.Errorf("%q is %q, want %q", tag, got, want)
		}
	}
}

// FuzzUpdate: whatever an update is, it gives events of the right form, at least
// one unless the bot wrote it, and the same ones every time.
func FuzzUpdate(f *testing.F) {
	files, err := filepath.Glob("testdata/updates/*.json")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		var g golden
		if err := json.Unmarshal(raw, &g); err != nil {
			f.Fatal(err)
		}
		f.Add([]byte(g.Update))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		if !json.Valid(raw) {
			return // getUpdates' answer is decoded as a whole first
		}
		u := testBot().newUpdate(raw)
		events := u.events()
		check(t, events)
		if len(events) == 0 && !strings.Contains(string(raw), "123456") {
			t.Error("no event")
		}
		if again := testBot().newUpdate(raw).events(); fmt.Sprint(ids(again)) != fmt.Sprint(ids(events)) {
			t.Errorf("IDs %q, then %q", ids(events), ids(again))
		}
	})
}

func ids(events []connectors.Event) []string {
	var all []string
	for _, ev := range events {
		all = append(all, ev.TrackingID+" "+ev.ID)
	}
	return all
}

// TestAgainInOneSecond: what is done, undone and done again within one second is
// three events; each comes again under its own ID.
func TestAgainInOneSecond(t *testing.T) {
	const like, who = `{"type":"emoji","emoji":"👍"}`, `"user":{"id":123456,"is_bot":true,"first_name":"Shop"}`
	reaction := func(id int, now string) string {
		return fmt.Sprintf(`{"update_id":%d,"message_reaction":{"chat":{"id":7,"type":"private"},"message_id":9,"date":100,`+
			`"user":{"id":7,"first_name":"A"},"old_reaction":[],"new_reaction":[%s]}}`, id, now)
	}
	member := func(id int, now string) string {
		return fmt.Sprintf(`{"update_id":%d,"my_chat_member":{"chat":{"id":7,"type":"private","first_name":"A"},"date":100,`+
			`"from":{"id":7,"first_name":"A"},"old_chat_member":{"status":"left",%s},"new_chat_member":{"status":%q,%s}}}`, id, who, now, who)
	}
	seen := map[string]string{}
	for _, raw := range []string{
		reaction(1, like), reaction(2, ""), reaction(3, like), member(4, "kicked"), member(5, "member"), member(6, "kicked"),
	} {
		got := ids(testBot().newUpdate(json.RawMessage(raw)).events())
		again := ids(testBot().newUpdate(json.RawMessage(raw)).events())
		if len(got) != 1 || len(again) != 1 || got[0] != again[0] || strings.Contains(got[0], "unsupported") {
			t.Fatalf("IDs %q, then %q of %s", got, again, raw)
		}
		if other := seen[got[0]]; other != "" {
			t.Errorf("%s has the ID of %s", raw, other)
		}
		seen[got[0]] = raw
	}
}
