package telegram

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"servicelink/test/netsim/control"
)

// drain gives the updates there are, each as "kind JSON", and confirms them.
func drain(t *testing.T, n *Network) []string {
	t.Helper()
	var out []string
	forget := func() { // that the same offset was asked for a moment ago
		n.bots[token].mu.Lock()
		defer n.bots[token].mu.Unlock()
		n.bots[token].lastPoll = time.Time{}
	}
	forget()
	list := updates(t, n, nil)
	forget()
	for _, u := range list {
		for kind, raw := range u.Kinds {
			out = append(out, kind+" "+string(raw))
		}
	}
	if len(list) > 0 {
		updates(t, n, map[string]any{"offset": list[len(list)-1].UpdateID + 1})
	}
	return out
}

// TestActs: what each act brings to the bot.
func TestActs(t *testing.T) {
	file := &control.File{Name: "a.png", Data: picture(t, 100, 50)}
	for name, tc := range map[string]struct {
		act  control.Action
		want []string // the kind of update, then what is in it
	}{
		"text":    {control.Action{Do: "text", Text: " hello "}, []string{"message ", `"text":"hello"`, `"from":{"id":4503599627370001,"is_bot":false,"first_name":"Ann","last_name":"Lee","username":"ann","language_code":"de"}`, `"chat":{"id":4503599627370001,"type":"private"`}},
		"command": {control.Action{Do: "text", Text: "/hélp me"}, []string{"message ", `"entities":[{"type":"bot_command","offset":0,"length":5}]`}},
		"start":   {control.Action{Do: "start", Data: "c-1"}, []string{"message ", `"text":"/start c-1"`}},
		"photo":   {control.Action{Do: "photo", File: file, Caption: "see"}, []string{"message ", `"photo":[{"file_id":"AgAC`, `"width":90,"height":50},{"file_id"`, `"width":100,"height":50}]`, `"caption":"see"`}},
		"document": {
			control.Action{Do: "document", File: &control.File{Name: "a.pdf", Type: "application/pdf", Data: []byte("x")}},
			[]string{"message ", `"document":{"file_id":"`, `"file_name":"a.pdf","mime_type":"application/pdf"`},
		},
		"audio":      {control.Action{Do: "audio", File: file}, []string{"message ", `"audio":{"file_id"`, `"duration":0`}},
		"voice":      {control.Action{Do: "voice", File: file}, []string{"message ", `"voice":{"file_id"`, `"duration":0`}},
		"video":      {control.Action{Do: "video", File: file}, []string{"message ", `"video":{"file_id"`}},
		"video note": {control.Action{Do: "video_note", File: file, Caption: "none"}, []string{"message ", `"video_note":{"file_id"`, `"length":240`}},
		"animation":  {control.Action{Do: "animation", File: file}, []string{"message ", `"animation":{"file_id"`, `"document":{"file_id"`}},
		"sticker":    {control.Action{Do: "sticker", File: file, Emoji: []string{"😀"}}, []string{"message ", `"sticker":{"file_id"`, `"emoji":"😀"`, `"is_animated":false`}},
		"album":      {control.Action{Do: "photo", File: file, Album: "a1"}, []string{"message ", `"media_group_id":"a1"`}},
		"location":   {control.Action{Do: "location", Lat: 1.5, Lon: -2.5}, []string{"message ", `"location":{"latitude":1.5,"longitude":-2.5}`}},
		"venue":      {control.Action{Do: "venue", Lat: 1, Lon: 2, Name: "N", Text: "S"}, []string{"message ", `"venue":{"location":{"latitude":1,"longitude":2},"title":"N","address":"S"}`, `,"location":{`}},
		"contact":    {control.Action{Do: "contact", Name: "Bo Li", Phone: "+1"}, []string{"message ", `"contact":{"phone_number":"+1","first_name":"Bo","last_name":"Li"}`}},
		"group":      {control.Action{Do: "text", Text: "x", Chat: "-7", Title: "Team"}, []string{"message ", `"chat":{"id":-7,"type":"group","title":"Team"}`}},
		"topic":      {control.Action{Do: "text", Text: "x", Chat: "-1000000000007", ChatType: "supergroup", Thread: 9}, []string{"message ", `"is_forum":true`, `"message_thread_id":9`, `"is_topic_message":true`}},
		"channel":    {control.Action{Do: "text", Text: "x", Chat: "-1000000000008", ChatType: "channel", Title: "News"}, []string{"channel_post ", `"sender_chat":{"id":-1000000000008,"type":"channel","title":"News"}`}},
		"join":       {control.Action{Do: "join", Chat: "-7"}, []string{"message ", `"new_chat_members":[{"id":4503599627370001`}},
		"leave":      {control.Action{Do: "leave", Chat: "-7"}, []string{"message ", `"left_chat_member":{"id":4503599627370001`}},
		"title":      {control.Action{Do: "title", Chat: "-7", Text: "New"}, []string{"message ", `"title":"New"`, `"new_chat_title":"New"`}},
		"block":      {control.Action{Do: "block"}, []string{"my_chat_member ", `"old_chat_member":{"status":"member"`, `"new_chat_member":{"status":"kicked","user":{"id":123456`}},
		"business":   {control.Action{Do: "text", Text: "x", Business: "b1"}, []string{"business_connection ", `"id":"b1"`}},
	} {
		t.Run(name, func(t *testing.T) {
			n := newNetwork(t)
			does(t, n, tc.act)
			got := drain(t, n)
			if len(got) == 0 || !strings.HasPrefix(got[0], tc.want[0]) {
				t.Fatalf("got %v", got)
			}
			for _, want := range tc.want {
				if !strings.Contains(got[0], want) {
					t.Errorf("lacks %s:\n%s", want, got[0])
				}
			}
		})
	}
}

func TestRefusedActs(t *testing.T) {
	n := newNetwork(t)
	id := says(t, n, "hi")
	for name, a := range map[string]control.Action{
		"unknown":               {Do: "dance"},
		"no user":               {Do: "text", Text: "x", User: control.User{ID: "0"}},
		"id too large":          {Do: "text", Text: "x", User: control.User{ID: "4503599627370496"}},
		"id no number":          {Do: "text", Text: "x", User: control.User{ID: "x"}},
		"no text":               {Do: "text"},
		"long text":             {Do: "text", Text: strings.Repeat("x", 4097)},
		"no file":               {Do: "photo"},
		"long caption":          {Do: "photo", File: &control.File{Data: []byte("x")}, Caption: strings.Repeat("x", 1025)},
		"no place":              {Do: "location", Lat: 91},
		"no phone":              {Do: "contact"},
		"unknown message":       {Do: "edit", Message: "99999", Text: "x"},
		"edit to nothing":       {Do: "edit", Message: id},
		"reply with nothing":    {Do: "reply", Message: id},
		"reply with quote":      {Do: "reply", Message: id, Text: "x", Quote: "not there"},
		"no button":             {Do: "press", Message: id, Data: "x"},
		"migrate a person":      {Do: "migrate"},
		"title of a person":     {Do: "title", Text: "x"},
		"person as a group":     {Do: "text", Text: "x", Chat: "5", ChatType: "group"},
		"unknown type":          {Do: "text", Text: "x", Chat: "-5", ChatType: "club"},
		"business in a group":   {Do: "text", Text: "x", Chat: "-6", Business: "b"},
		"a private chat's type": {Do: "text", Text: "x", Chat: ann.ID, ChatType: "channel"},
	} {
		if a.User.ID == "" {
			a.User = ann
		}
		if _, err := n.Act(token, a); !errors.Is(err, control.ErrAction) && !errors.Is(err, control.ErrUnknown) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if got := drain(t, n); len(got) != 1 {
		t.Errorf("the bot heard of it: %v", got[1:])
	}
	if _, err := n.Act("nobody", control.Action{Do: "text"}); !errors.Is(err, control.ErrUnknownAccount) {
		t.Errorf("unknown account: %v", err)
	}
}

func TestEditReplyReact(t *testing.T) {
	n := newNetwork(t)
	ask(t, n, "getUpdates", map[string]any{"allowed_updates": []string{"message", "edited_message", "message_reaction"}})
	id := says(t, n, "one two")
	does(t, n, control.Action{Do: "edit", Message: id, Text: "three four"})
	does(t, n, control.Action{Do: "reply", Message: id, Text: "and?", Quote: "four"})
	does(t, n, control.Action{Do: "react", Message: id, Emoji: []string{"👍"}})
	does(t, n, control.Action{Do: "react", Message: id})
	does(t, n, control.Action{Do: "delete", Message: id})
	got := drain(t, n)
	for i, want := range []string{
		`message {"message_id":` + string(id), `edited_message {"message_id":` + string(id), `"quote":{"text":"four","position":6,"is_manual":true}`,
		`"old_reaction":[],"new_reaction":[{"type":"emoji","emoji":"👍"}]`, `"old_reaction":[{"type":"emoji","emoji":"👍"}],"new_reaction":[]`,
	} {
		if i >= len(got) || !strings.Contains(got[i], want) {
			t.Fatalf("update %d lacks %s:\n%v", i, want, got)
		}
	}
	if len(got) != 5 {
		t.Errorf("a deletion in a normal chat is told: %v", got[5:])
	}
	if !strings.Contains(got[1], `"edit_date":`) || !strings.Contains(got[2], `"reply_to_message":{"message_id":`+string(id)) {
		t.Errorf("updates %v", got)
	}
}

func TestBusiness(t *testing.T) {
	n := newNetwork(t)
	id := does(t, n, control.Action{Do: "text", Text: "hi", Business: "b1"})
	does(t, n, control.Action{Do: "edit", Message: id, Text: "hello", Business: "b1"})
	does(t, n, control.Action{Do: "delete", Message: id, Business: "b1"})
	got := drain(t, n)
	for i, want := range []string{"business_connection ", "business_message ", "edited_business_message ", "deleted_business_messages "} {
		if !strings.HasPrefix(got[i], want) {
			t.Errorf("update %d is %s", i, got[i])
		}
	}
	var m message
	ask(t, n, "sendMessage", map[string]any{"chat_id": annID, "text": "x", "business_connection_id": "b1"}).into(t, &m)
	if m.SenderBusinessBot == nil || m.From.FirstName != "Owner" || m.BusinessConnectionID != "b1" {
		t.Errorf("sent %+v", m)
	}
	var c businessConnection
	ask(t, n, "getBusinessConnection", map[string]any{"business_connection_id": "b1"}).into(t, &c)
	if !c.IsEnabled || c.ID != "b1" {
		t.Errorf("connection %+v", c)
	}
	p := map[string]any{"business_connection_id": "b1", "chat_id": annID, "message_id": m.MessageID}
	if got := ask(t, n, "readBusinessMessage", p); !got.OK {
		t.Errorf("read: %v", got)
	}
}

func TestBlock(t *testing.T) {
	n := newNetwork(t)
	says(t, n, "hi")
	does(t, n, control.Action{Do: "block"})
	does(t, n, control.Action{Do: "block"})
	send := func() reply { return ask(t, n, "sendMessage", map[string]any{"chat_id": annID, "text": "x"}) }
	if got := send(); got.Status != 403 || got.Description != "Forbidden: bot was blocked by the user" {
		t.Errorf("blocked: %v", got)
	}
	if !chatOf(t, n, ann.ID).Blocked {
		t.Error("the page does not say so")
	}
	says(t, n, "back")
	if got := send(); !got.OK {
		t.Errorf("unblocked: %v", got)
	}
	got := drain(t, n)
	if len(got) != 4 || !strings.Contains(got[2], `"old_chat_member":{"status":"kicked"`) || !strings.HasPrefix(got[3], "message ") {
		t.Errorf("updates %v", got)
	}
	does(t, n, control.Action{Do: "text", Chat: "-7", Text: "x"})
	does(t, n, control.Action{Do: "block", Chat: "-7"})
	if got := ask(t, n, "sendMessage", map[string]any{"chat_id": -7, "text": "x"}); got.Description != "Forbidden: bot was kicked from the group chat" {
		t.Errorf("kicked: %v", got)
	}
}

func TestMigration(t *testing.T) {
	n := newNetwork(t)
	does(t, n, control.Action{Do: "text", Chat: "-7", Text: "x"})
	does(t, n, control.Action{Do: "migrate", Chat: "-7"})
	got := ask(t, n, "sendMessage", map[string]any{"chat_id": -7, "text": "x"})
	next := got.Parameters.MigrateTo
	if got.Status != 400 || got.Description != "Bad Request: group chat was upgraded to a supergroup chat" || next > -1_000_000_000_000 {
		t.Fatalf("got %v %+v", got, got.Parameters)
	}
	if got := ask(t, n, "sendMessage", map[string]any{"chat_id": next, "text": "x"}); !got.OK {
		t.Errorf("the new chat: %v", got)
	}
	list := drain(t, n)
	if len(list) != 3 || !strings.Contains(list[1], fmt.Sprintf(`"migrate_to_chat_id":%d`, next)) ||
		!strings.Contains(list[2], `"migrate_from_chat_id":-7`) || !strings.Contains(list[2], `"type":"supergroup"`) {
		t.Errorf("updates %v", list)
	}
	if _, err := n.Act(token, control.Action{Do: "text", Chat: "-7", Text: "x", User: ann}); !errors.Is(err, control.ErrAction) {
		t.Errorf("somebody writes into the old group: %v", err)
	}
}

func TestTopics(t *testing.T) {
	n := newNetwork(t)
	does(t, n, control.Action{Do: "text", Chat: "-1000000000007", ChatType: "supergroup", Text: "x", Thread: 9})
	for thread, want := range map[int]string{9: "", 10: "Bad Request: message thread not found"} {
		got := ask(t, n, "sendMessage", map[string]any{"chat_id": -1000000000007, "text": "x", "message_thread_id": thread})
		if got.Description != want {
			t.Errorf("thread %d: %v", thread, got)
		}
	}
	if c := chatOf(t, n, "-1000000000007"); c.Messages[1].Thread != 9 {
		t.Errorf("shown %+v", c.Messages)
	}
}

func TestPress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		says(t, n, "hi")
		var m message
		ask(t, n, "sendMessage", map[string]any{"chat_id": annID, "text": "x", "reply_markup": `{"inline_keyboard":[[{"text":"A","callback_data":"a"}]]}`}).into(t, &m)
		drain(t, n)
		press := func() string {
			does(t, n, control.Action{Do: "press", Message: chatID(m.MessageID), Data: "a"})
			kind, raw, _ := strings.Cut(drain(t, n)[0], " ")
			var q callbackQuery
			must(t, json.Unmarshal([]byte(raw), &q))
			if kind != "callback_query" || q.Data != "a" || q.From.ID != annID || q.Message.MessageID != m.MessageID || q.ID == "" {
				t.Errorf("%s %s", kind, raw)
			}
			return q.ID
		}
		answer := func(id string) reply {
			return ask(t, n, "answerCallbackQuery", map[string]any{"callback_query_id": id, "text": "done"})
		}
		if got := answer(press()); !got.OK || chatOf(t, n, ann.ID).Notice != "done" {
			t.Errorf("in time: %v", got)
		}
		id := press()
		time.Sleep(callbackLife + time.Second)
		for name, id := range map[string]string{"late": id, "unknown": "77"} {
			if got := answer(id); got.Status != 400 || got.Description != errQueryID.text {
				t.Errorf("%s: %v", name, got)
			}
		}
		must(t, n.Set([]byte(`{"callback_seconds":1}`)))
		id = press()
		time.Sleep(2 * time.Second)
		if got := answer(id); got.OK {
			t.Errorf("later than was set: %v", got)
		}
	})
}

func TestProfile(t *testing.T) {
	n := newNetwork(t)
	says(t, n, "hi")
	must(t, n.SetPhoto(token, ann.ID, picture(t, 20, 20)))
	var me struct {
		ID       int64
		Username string
		IsBot    bool `json:"is_bot"`
	}
	ask(t, n, "getMe", nil).into(t, &me)
	if me.ID != 123456 || me.Username != "shop_bot" || !me.IsBot {
		t.Errorf("me %+v", me)
	}
	var chat chatJSON
	ask(t, n, "getChat", map[string]any{"chat_id": annID}).into(t, &chat)
	if chat.FirstName != "Ann" || chat.Type != private {
		t.Errorf("chat %+v", chat)
	}
	var photos struct {
		Total  int          `json:"total_count"`
		Photos [][]fileJSON `json:"photos"`
	}
	ask(t, n, "getUserProfilePhotos", map[string]any{"user_id": annID}).into(t, &photos)
	if photos.Total != 1 || len(photos.Photos[0]) != 2 {
		t.Errorf("photos %+v", photos)
	}
	if got := ask(t, n, "getUserProfilePhotos", map[string]any{"user_id": 17}); got.Description != "Bad Request: user not found" {
		t.Errorf("a stranger's: %v", got)
	}
}
