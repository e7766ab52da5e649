package telegram

import (
	"bytes"
	"encoding/json"
	"fmt"
	"image"
	"image/png"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"servicelink/test/netsim/control"
)

// picture is a PNG of this size.
func picture(t *testing.T, width, height int) []byte {
	t.Helper()
	var out bytes.Buffer
	must(t, png.Encode(&out, image.NewGray(image.Rect(0, 0, width, height))))
	return out.Bytes()
}

// send uploads files with a method.
func send(t *testing.T, n *Network, method string, values map[string]string, files map[string][]byte) reply {
	t.Helper()
	contentType, body := form(t, values, files)
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/bot"+token+"/"+method, body)
	r.Header.Set("Content-Type", contentType)
	return serve(t, n, r)
}

func TestText(t *testing.T) {
	n := newNetwork(t)
	first := says(t, n, "what is new?")
	keyboard := func(data string) string {
		return `{"inline_keyboard":[[{"text":"A","callback_data":"` + data + `","copy_text":{"text":""}}]]}`
	}
	for name, tc := range map[string]struct {
		p    map[string]any
		want string // description, or part of the result
	}{
		"plain":                  {map[string]any{"text": "hi"}, `"text":"hi"`},
		"4096 units":             {map[string]any{"text": strings.Repeat("😀", 2048)}, `"text":"😀`},
		"4097 units":             {map[string]any{"text": strings.Repeat("😀", 2048) + "x"}, "Bad Request: message is too long"},
		"too many bytes":         {map[string]any{"text": strings.Repeat("é", 16385)}, "Bad Request: text is too long"},
		"long before parsing":    {map[string]any{"text": strings.Repeat("<b>x</b>", 4000), "parse_mode": "HTML"}, `"text":"xxxx`},
		"no text":                {map[string]any{}, "Bad Request: message text is empty"},
		"blank":                  {map[string]any{"text": " \n"}, "Bad Request: text must be non-empty"},
		"trimmed":                {map[string]any{"text": " hi\n"}, `"text":"hi"`},
		"unknown mode":           {map[string]any{"text": "x", "parse_mode": "BBCode"}, "Bad Request: unsupported parse_mode"},
		"broken HTML":            {map[string]any{"text": "<b>x", "parse_mode": "HTML"}, `Bad Request: can't parse entities: Can't find end tag corresponding to start tag "b"`},
		"no chat_id":             {map[string]any{"text": "x", "chat_id": nil}, "Bad Request: chat_id is empty"},
		"unknown chat":           {map[string]any{"text": "x", "chat_id": 17}, "Bad Request: chat not found"},
		"unknown name":           {map[string]any{"text": "x", "chat_id": "@nobody"}, "Bad Request: chat not found"},
		"reply":                  {map[string]any{"text": "x", "reply_parameters": map[string]any{"message_id": json.Number(first)}}, `"reply_to_message":{"message_id":` + string(first)},
		"reply, former way":      {map[string]any{"text": "x", "reply_to_message_id": string(first)}, `"reply_to_message":{"message_id":` + string(first)},
		"reply with quote":       {map[string]any{"text": "x", "reply_parameters": map[string]any{"message_id": json.Number(first), "quote": "new"}}, `"quote":{"text":"new","position":8`},
		"reply with false quote": {map[string]any{"text": "x", "reply_parameters": map[string]any{"message_id": json.Number(first), "quote": "old"}}, "Bad Request: QUOTE_TEXT_INVALID"},
		"reply to nothing":       {map[string]any{"text": "x", "reply_parameters": map[string]any{"message_id": 99999}}, "Bad Request: message to be replied not found"},
		"reply to nothing, let":  {map[string]any{"text": "x", "reply_parameters": map[string]any{"message_id": 99999, "allow_sending_without_reply": true}}, `"text":"x"`},
		"reply, broken":          {map[string]any{"text": "x", "reply_parameters": "{"}, "Bad Request: can't parse reply parameters JSON object"},
		"topic in private chat":  {map[string]any{"text": "x", "message_thread_id": 5}, "Bad Request: message thread not found"},
		"business unknown":       {map[string]any{"text": "x", "business_connection_id": "b"}, "Bad Request: business connection not found"},
		"64 bytes of data":       {map[string]any{"text": "x", "reply_markup": keyboard(strings.Repeat("é", 32))}, `"callback_data":"é`},
		"65 bytes of data":       {map[string]any{"text": "x", "reply_markup": keyboard(strings.Repeat("é", 32) + "x")}, "Bad Request: BUTTON_DATA_INVALID"},
		"markup broken":          {map[string]any{"text": "x", "reply_markup": "{"}, "Bad Request: can't parse reply keyboard markup JSON object"},
		"markup no object":       {map[string]any{"text": "x", "reply_markup": "[]"}, "Bad Request: object expected as reply markup"},
		"markup no rows":         {map[string]any{"text": "x", "reply_markup": `{"inline_keyboard":[{}]}`}, `Bad Request: field "inline_keyboard" of the InlineKeyboardMarkup must be an Array of Arrays`},
		"button that is none":    {map[string]any{"text": "x", "reply_markup": `{"inline_keyboard":[["A"]]}`}, "Bad Request: can't parse inline keyboard button: InlineKeyboardButton must be an Object"},
		"button without text":    {map[string]any{"text": "x", "reply_markup": `{"inline_keyboard":[[{"callback_data":"x"}]]}`}, "Bad Request: can't parse inline keyboard button: Text must be non-empty"},
		"button without use":     {map[string]any{"text": "x", "reply_markup": `{"inline_keyboard":[[{"text":"x"}]]}`}, "Bad Request: can't parse inline keyboard button: Text buttons are unallowed in the inline keyboard"},
		"markup too long":        {map[string]any{"text": "x", "reply_markup": keyboard(strings.Repeat("x", 10001))}, "Bad Request: reply markup is too long"},
		"reply keyboard":         {map[string]any{"text": "x", "reply_markup": `{"keyboard":[["A",{"text":"B","request_contact":true}]]}`}, `"text":"x"`},
		"reply keyboard, broken": {map[string]any{"text": "x", "reply_markup": `{"keyboard":[[7]]}`}, `Bad Request: can't parse keyboard button: KeyboardButton must be a String or an Object`},
	} {
		t.Run(name, func(t *testing.T) {
			p := map[string]any{"chat_id": annID}
			maps.Copy(p, tc.p)
			if p["chat_id"] == nil {
				delete(p, "chat_id")
			}
			got := ask(t, n, "sendMessage", p)
			if got.OK && !strings.Contains(string(got.Result), tc.want) || !got.OK && (got.Description != tc.want || got.Status != 400) {
				t.Errorf("got %v, want %s", got, tc.want)
			}
		})
	}
	c := chatOf(t, n, ann.ID)
	if last := c.Messages[len(c.Messages)-1]; c.Version < 10 || last.From != control.FromAgent {
		t.Errorf("the customer sees %+v", last)
	}
}

// TestReplyKeyboard: it is no part of the message but shown below it.
func TestReplyKeyboard(t *testing.T) {
	n := newNetwork(t)
	says(t, n, "hi")
	ask(t, n, "sendMessage", map[string]any{"chat_id": annID, "text": "x", "reply_markup": `{"keyboard":[["A","B"]]}`}).into(t, &message{})
	rows := chatOf(t, n, ann.ID).Messages[1].Buttons
	if len(rows) != 1 || rows[0][1] != (control.Button{Text: "B", Says: true}) {
		t.Errorf("shown %v", rows)
	}
}

func TestFilesOut(t *testing.T) {
	n := newNetwork(t)
	says(t, n, "hi")
	chat := fmt.Sprint(int64(annID))
	for _, method := range []string{"Photo", "Document", "Audio", "Voice", "Video", "VideoNote", "Animation", "Sticker"} {
		t.Run(method, func(t *testing.T) {
			field := strings.ToLower(strings.Replace(method, "N", "_n", 1))
			got := send(t, n, "send"+method, map[string]string{"chat_id": chat, "caption": "see"}, map[string][]byte{field: picture(t, 8, 9)})
			var m message
			got.into(t, &m)
			id := m.fileID()
			if id == "" || m.kind() != field || (m.Caption == "see") == (method == "VideoNote" || method == "Sticker") {
				t.Fatalf("result %s", got.Result)
			}
			again := ask(t, n, "send"+method, map[string]any{"chat_id": chat, field: id})
			if !again.OK {
				t.Errorf("by file_id: %v", again)
			}
			if got := send(t, n, "send"+method, map[string]string{"chat_id": chat, field: "attach://x"}, map[string][]byte{"x": picture(t, 1, 1)}); !got.OK {
				t.Errorf("attach: %v", got)
			}
			shown := chatOf(t, n, ann.ID).Messages
			f := shown[len(shown)-1].File
			if f == nil || f.URL == "" {
				t.Fatalf("shown %+v", shown[len(shown)-1])
			}
			if file, err := n.File(token, f.URL[strings.LastIndexByte(f.URL, '/')+1:]); err != nil || !bytes.Equal(file.Data, picture(t, 1, 1)) {
				t.Errorf("the page gets %v, %v", file, err)
			}
		})
	}
}

func TestFileErrors(t *testing.T) {
	n := newNetwork(t)
	says(t, n, "hi")
	chat := fmt.Sprint(int64(annID))
	var m message
	send(t, n, "sendDocument", map[string]string{"chat_id": chat}, map[string][]byte{"document": []byte("text")}).into(t, &m)
	big := append(picture(t, 1, 1), make([]byte, maxPhoto)...)
	for name, tc := range map[string]struct {
		method string
		values map[string]string
		files  map[string][]byte
		want   string
	}{
		"nothing":          {"sendPhoto", nil, nil, "there is no photo in the request"},
		"nothing attached": {"sendVideoNote", map[string]string{"video_note": "attach://y"}, nil, "there is no video note in the request"},
		"empty":            {"sendDocument", nil, map[string][]byte{"document": {}}, "file must be non-empty"},
		"no picture":       {"sendPhoto", nil, map[string][]byte{"photo": []byte("text")}, "IMAGE_PROCESS_FAILED"},
		"long picture":     {"sendPhoto", nil, map[string][]byte{"photo": picture(t, 2, 50)}, "PHOTO_INVALID_DIMENSIONS"},
		"big picture":      {"sendPhoto", nil, map[string][]byte{"photo": big}, "file is too big"},
		"unknown id":       {"sendPhoto", map[string]string{"photo": "AgACx"}, nil, "wrong file identifier/HTTP URL specified"},
		"other kind's id":  {"sendPhoto", map[string]string{"photo": m.Document.FileID}, nil, "can't use file of type Document as Photo"},
		"URL":              {"sendPhoto", map[string]string{"photo": "https://example.org/a.png"}, nil, "failed to get HTTP URL content"},
		"URL without host": {"sendPhoto", map[string]string{"photo": "https:///a.png"}, nil, "wrong HTTP URL specified"},
		"caption":          {"sendPhoto", map[string]string{"caption": strings.Repeat("😀", 513)}, map[string][]byte{"photo": picture(t, 1, 1)}, "message caption is too long"},
		"album of one":     {"sendMediaGroup", map[string]string{"media": `[{"type":"photo","media":"x"}]`}, nil, "wrong number of media items in the album; expected 2-10 items"},
		"album of mixture": {"sendMediaGroup", map[string]string{"media": `[{"type":"photo","media":"x"},{"type":"document","media":"x"}]`}, nil, "document can't be mixed with other media types"},
		"album of stickers": {
			"sendMediaGroup",
			map[string]string{"media": `[{"type":"sticker","media":"x"},{"type":"sticker","media":"x"}]`},
			nil, "can't parse InputMedia: Type must be one of photo, video, document or audio",
		},
		"album broken":  {"sendMediaGroup", map[string]string{"media": `[`}, nil, "can't parse media JSON object"},
		"album missing": {"sendMediaGroup", nil, nil, `parameter "media" is required`},
		"album's second": {
			"sendMediaGroup",
			map[string]string{"media": `[{"type":"document","media":"` + m.Document.FileID + `"},{"type":"document","media":"x"}]`},
			nil, `failed to send message #2 with the error message "wrong file identifier/HTTP URL specified"`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			values := map[string]string{"chat_id": chat}
			maps.Copy(values, tc.values)
			if got := send(t, n, tc.method, values, tc.files); got.Description != "Bad Request: "+tc.want || got.Status != 400 {
				t.Errorf("got %v", got)
			}
		})
	}
	if shown := chatOf(t, n, ann.ID).Messages; len(shown) != 2 {
		t.Errorf("%d messages are shown, want 2", len(shown))
	}
}

func TestTooLargeUpload(t *testing.T) {
	n := newNetwork(t)
	got := send(t, n, "sendDocument", nil, map[string][]byte{"document": make([]byte, maxUpload+1)})
	if got.Status != 413 || got.Description != "Request Entity Too Large" {
		t.Errorf("got %v", got)
	}
}

func TestByURL(t *testing.T) {
	n := newNetwork(t)
	must(t, n.Set([]byte(`{"fetch_urls":true}`)))
	says(t, n, "hi")
	site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/a.png":
			w.Header().Set("Content-Type", "image/png")
			_, _ = w.Write(picture(t, 3, 3))
		case "/a.pdf":
			w.Header().Set("Content-Type", "application/pdf")
			_, _ = w.Write([]byte("%PDF-"))
		case "/big.png":
			w.Header().Set("Content-Type", "image/png")
			_, _ = w.Write(make([]byte, maxPhotoURL+1))
		case "/page":
			_, _ = w.Write([]byte("<html>"))
		default:
			http.NotFound(w, r)
		}
	}))
	defer site.Close()
	for _, tc := range []struct{ method, path, want string }{
		{"photo", "/a.png", ""},
		{"document", "/a.pdf", ""},
		{"photo", "/page", "Bad Request: wrong type of the web page content"},
		{"document", "/page", "Bad Request: wrong type of the web page content"},
		{"photo", "/none", "Bad Request: failed to get HTTP URL content"},
		{"photo", "/big.png", "Bad Request: failed to get HTTP URL content"},
	} {
		got := ask(t, n, "send"+tc.method, map[string]any{"chat_id": annID, tc.method: site.URL + tc.path})
		if got.Description != tc.want || got.OK != (tc.want == "") {
			t.Errorf("%s %s: %v", tc.method, tc.path, got)
		}
	}
	media := fmt.Sprintf(`[{"type":"photo","media":"%s/a.png","caption":"*a*","parse_mode":"MarkdownV2"},{"type":"photo","media":"%[1]s/a.png"}]`, site.URL)
	var album []message
	ask(t, n, "sendMediaGroup", map[string]any{"chat_id": annID, "media": media}).into(t, &album)
	if len(album) != 2 || album[0].MediaGroupID == "" || album[0].MediaGroupID != album[1].MediaGroupID || album[0].Caption != "a" {
		t.Errorf("album %+v", album)
	}
}

func TestPlaces(t *testing.T) {
	n := newNetwork(t)
	says(t, n, "hi")
	for _, tc := range []struct {
		method string
		p      map[string]any
		want   string
	}{
		{"sendLocation", map[string]any{"latitude": 1.5, "longitude": "2.5"}, `"location":{"latitude":1.5,"longitude":2.5}`},
		{"sendLocation", map[string]any{"latitude": 1.5}, "Bad Request: longitude is empty"},
		{"sendLocation", map[string]any{"longitude": 1.5}, "Bad Request: latitude is empty"},
		{"sendLocation", map[string]any{"latitude": 91, "longitude": 0}, "Bad Request: wrong latitude or longitude specified"},
		{"sendVenue", map[string]any{"latitude": 1, "longitude": 2, "title": "T", "address": "A"}, `"venue":{"location":{"latitude":1,"longitude":2},"title":"T","address":"A"}`},
		{"sendVenue", map[string]any{"latitude": 1, "longitude": 2, "title": "T"}, `Bad Request: parameter "address" is required`},
		{"sendContact", map[string]any{"phone_number": "+1", "first_name": "B"}, `"contact":{"phone_number":"+1","first_name":"B"}`},
		{"sendContact", map[string]any{"phone_number": "+1"}, `Bad Request: parameter "first_name" is required`},
		{"sendChatAction", map[string]any{"action": "typing"}, "true"},
		{"sendChatAction", map[string]any{"action": "sleeping"}, "Bad Request: wrong parameter action in request"},
	} {
		tc.p["chat_id"] = annID
		got := ask(t, n, tc.method, tc.p)
		if got.OK && !strings.Contains(string(got.Result), tc.want) || !got.OK && got.Description != tc.want {
			t.Errorf("%s %v: %v", tc.method, tc.p, got)
		}
	}
	kinds := ""
	for _, m := range chatOf(t, n, ann.ID).Messages {
		kinds += m.Kind + " "
	}
	if kinds != "text location venue contact " {
		t.Errorf("shown: %s", kinds)
	}
}

func TestTypingEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		says(t, n, "hi")
		typing := func() bool { return chatOf(t, n, ann.ID).Typing }
		ask(t, n, "sendChatAction", map[string]any{"chat_id": annID, "action": "typing"})
		if !typing() {
			t.Error("nobody types")
		}
		time.Sleep(5 * time.Second)
		if typing() {
			t.Error("it does not end by itself")
		}
		ask(t, n, "sendChatAction", map[string]any{"chat_id": annID, "action": "typing"})
		ask(t, n, "sendMessage", map[string]any{"chat_id": annID, "text": "x"})
		if typing() {
			t.Error("it does not end with the message")
		}
	})
}

func TestLimits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		says(t, n, "hi")
		does(t, n, control.Action{Do: "text", Text: "x", Chat: "-5"})
		burst := func(chat int64, count int) (sent, wait int) {
			for range count {
				got := ask(t, n, "sendMessage", map[string]any{"chat_id": chat, "text": "x"})
				if got.OK {
					sent++
				} else if got.Code == 429 && got.Header.Get("Retry-After") == fmt.Sprint(got.Parameters.RetryAfter) {
					wait = max(wait, got.Parameters.RetryAfter)
				}
			}
			return sent, wait
		}
		if sent, _ := burst(annID, 60); sent != 60 {
			t.Errorf("without limits %d were sent", sent)
		}
		must(t, n.Set([]byte(`{"limits":true}`)))
		if sent, wait := burst(annID, 10); sent != 3 || wait != 1 {
			t.Errorf("to a person at once: %d sent, wait %d", sent, wait)
		}
		time.Sleep(time.Minute)
		if sent, wait := burst(-5, 25); sent != 20 || wait != 3 {
			t.Errorf("to a group at once: %d sent, wait %d", sent, wait)
		}
		time.Sleep(time.Minute)
		for i := range 40 {
			does(t, n, control.Action{Do: "text", Text: "x", User: control.User{ID: control.ID(fmt.Sprint(i + 1))}})
		}
		total := 0
		for i := range 40 {
			sent, _ := burst(int64(i+1), 1)
			total += sent
		}
		if total != 30 {
			t.Errorf("to many at once: %d sent", total)
		}
		if got := ask(t, n, "getMe", nil); !got.OK {
			t.Errorf("what sends nothing is limited: %v", got)
		}
	})
}

// TestManyTokens: a server sees only so many new tokens a minute.
func TestManyTokens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		must(t, n.Set([]byte(`{"limits":true}`)))
		limited := 0
		for i := range 50 {
			must(t, n.AddAccount(Account{Token: fmt.Sprintf("%d:x", i+1)}))
			got := serve(t, n, httptest.NewRequestWithContext(t.Context(), "POST", fmt.Sprintf("/bot%d:x/getMe", i+1), nil))
			if got.Code == 429 {
				limited++
			}
		}
		if limited != 30 {
			t.Errorf("%d of 50 were put off, want 30", limited)
		}
	})
}

func TestFaults(t *testing.T) {
	n := newNetwork(t)
	says(t, n, "hi")
	send := func() reply { return ask(t, n, "sendMessage", map[string]any{"chat_id": annID, "text": "x"}) }
	for kind, want := range map[control.Kind]string{
		control.Rate:         "429 Too Many Requests: retry after 7",
		control.Server:       "500 Internal Server Error",
		control.Unauthorized: "401 Unauthorized",
		control.Conflict:     "409 " + textOtherPoll,
		control.Blocked:      "403 Forbidden: bot was blocked by the user",
	} {
		must(t, n.Fault(control.Fault{Kind: kind, Method: "SENDMESSAGE", Account: "123456", Times: 1, RetryAfter: 7}))
		if got := ask(t, n, "getMe", nil); !got.OK {
			t.Errorf("%s concerns another method: %v", kind, got)
		}
		got := send()
		if s := fmt.Sprintf("%d %s", got.Status, got.Description); s != want {
			t.Errorf("%s: %s, want %s", kind, s, want)
		}
		if kind == control.Rate && (got.Parameters.RetryAfter != 7 || got.Header.Get("Retry-After") != "7") {
			t.Errorf("429 with %+v, %v", got.Parameters, got.Header)
		}
		if got := send(); !got.OK {
			t.Errorf("%s happened twice: %v", kind, got)
		}
	}
	if shown := len(chatOf(t, n, ann.ID).Messages); shown != 6 {
		t.Errorf("%d messages, want 6: what was refused is not shown", shown)
	}
}

func TestChange(t *testing.T) {
	n := newNetwork(t)
	theirs := says(t, n, "hi")
	var m message
	ask(t, n, "sendMessage", map[string]any{"chat_id": annID, "text": "one", "reply_markup": `{"inline_keyboard":[[{"text":"A","callback_data":"a"}]]}`}).into(t, &m)
	for _, tc := range []struct {
		method string
		p      map[string]any
		want   string
	}{
		{"editMessageText", map[string]any{"text": "two"}, `"text":"two"`},
		{"editMessageText", map[string]any{"text": "two"}, errNotModified.text},
		{"editMessageText", map[string]any{"text": ""}, "Bad Request: message text is empty"},
		{"editMessageText", map[string]any{"text": strings.Repeat("x", 4097)}, "Bad Request: message is too long"},
		{"editMessageText", map[string]any{"text": "x", "message_id": 99999}, "Bad Request: message to edit not found"},
		{"editMessageText", map[string]any{"text": "x", "message_id": json.Number(theirs)}, "Bad Request: message can't be edited"},
		{"editMessageReplyMarkup", map[string]any{"reply_markup": `{"inline_keyboard":[[{"text":"B","callback_data":"b"}]]}`}, `"callback_data":"b"`},
		{"editMessageCaption", map[string]any{"caption": "c", "reply_markup": `{"inline_keyboard":[[{"text":"B","callback_data":"b"}]]}`}, `"caption":"c"`},
		{"setMessageReaction", map[string]any{"message_id": json.Number(theirs), "reaction": `[{"type":"emoji","emoji":"👍"}]`}, "true"},
		{"setMessageReaction", map[string]any{"message_id": 99999}, "Bad Request: message to react not found"},
		{"deleteMessage", map[string]any{}, "true"},
		{"deleteMessage", map[string]any{}, "Bad Request: message to delete not found"},
		{"deleteMessage", map[string]any{"message_id": json.Number(theirs)}, "true"},
	} {
		p := map[string]any{"chat_id": annID, "message_id": m.MessageID}
		maps.Copy(p, tc.p)
		got := ask(t, n, tc.method, p)
		if got.OK && !strings.Contains(string(got.Result), tc.want) || !got.OK && got.Description != tc.want {
			t.Errorf("%s %v: %v, want %s", tc.method, tc.p, got, tc.want)
		}
	}
	shown := chatOf(t, n, ann.ID).Messages
	if !shown[0].Deleted || shown[0].Reactions[0] != "👍" || !shown[1].Deleted || !shown[1].Edited || shown[1].Text != "two" {
		t.Errorf("shown %+v", shown)
	}
}

func TestLateDelete(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		id := says(t, n, "hi")
		time.Sleep(49 * time.Hour)
		got := ask(t, n, "deleteMessage", map[string]any{"chat_id": annID, "message_id": json.Number(id)})
		if got.Description != "Bad Request: message can't be deleted" {
			t.Errorf("got %v", got)
		}
	})
}

func TestDownload(t *testing.T) {
	n := newNetwork(t)
	data := bytes.Repeat([]byte("0123456789"), 10)
	does(t, n, control.Action{Do: "document", File: &control.File{Name: "a.txt", Data: data}})
	does(t, n, control.Action{Do: "video", File: &control.File{Name: "a.mp4", Data: data, Size: maxDownload + 1}})
	list := updates(t, n, nil)
	var document, video message
	must(t, json.Unmarshal(list[0].Kinds["message"], &document))
	must(t, json.Unmarshal(list[1].Kinds["message"], &video))
	if video.Video.FileSize != maxDownload+1 {
		t.Errorf("size %d", video.Video.FileSize)
	}
	for id, want := range map[string]string{
		"":                      "Bad Request: file_id not specified",
		"x":                     "Bad Request: wrong file_id or the file is temporarily unavailable",
		video.Video.FileID:      "Bad Request: file is too big",
		document.fileID():       "",
		document.fileID() + " ": "Bad Request: wrong file_id or the file is temporarily unavailable",
	} {
		if got := ask(t, n, "getFile", map[string]any{"file_id": id}); got.Description != want {
			t.Errorf("%q: %v", id, got)
		}
	}
	var f struct {
		Path string `json:"file_path"`
		Size int64  `json:"file_size"`
	}
	ask(t, n, "getFile", map[string]any{"file_id": document.fileID()}).into(t, &f)
	if f.Size != 100 || !strings.HasPrefix(f.Path, "documents/file_") || !strings.HasSuffix(f.Path, ".txt") {
		t.Errorf("file %+v", f)
	}
	for header, want := range map[string]string{"": "200 100", "bytes=10-19": "206 10", "bytes=-5": "206 5", "bytes=200-": "416 "} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/file/bot"+token+"/"+f.Path, nil)
		r.Header.Set("Range", header)
		w := httptest.NewRecorder()
		n.API().ServeHTTP(w, r)
		got := fmt.Sprintf("%d %d", w.Code, w.Body.Len())
		if !strings.HasPrefix(got, want) {
			t.Errorf("range %q: %s", header, got)
		}
	}
	if asked := n.Requests(control.Filter{Method: "file", Account: "shop_bot"}); len(asked) != 4 || asked[0].Params["file_path"] != f.Path {
		t.Errorf("recorded %+v", asked)
	}
}
