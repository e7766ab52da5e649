package twilio

import (
	"errors"
	"net/url"
	"slices"
	"strings"
	"testing"

	"servicelink/test/netsim/control"
)

// TestActs: what each act brings to the gateway, and shows on the phone.
func TestActs(t *testing.T) {
	png := &control.File{Name: "a.png", Data: []byte("\x89PNG\r\n\x1a\n")}
	for name, tc := range map[string]struct {
		network string
		act     control.Action
		want    url.Values // fields; an empty list: it is not there
		shown   func(control.Message) bool
	}{
		"text": {
			"whatsapp",
			control.Action{Do: "text", Text: " hé😀 "},
			url.Values{
				"Body": {" hé😀 "}, "MessageType": {"text"}, "NumSegments": {"1"}, "ReferralNumMedia": {"0"}, "FromCity": nil,
				"ChannelMetadata": {`{"data":{"context":{"ProfileName":"Ann Lee","WaId":"420601234567"}},"type":"whatsapp"}`},
			},
			func(m control.Message) bool { return m.Text == " hé😀 " && m.Kind == "text" },
		},
		"sms": {
			"sms",
			control.Action{Do: "text", Text: strings.Repeat("ů", 71)},
			url.Values{
				"From": {ann}, "To": {ours}, "NumSegments": {"2"}, "FromCountry": {"CZ"}, "FromCity": {""}, "ToCountry": {"CZ"},
				"ProfileName": nil, "WaId": nil, "MessageType": nil, "OptOutType": nil,
			},
			func(m control.Message) bool { return m.From == control.FromCustomer },
		},
		"sms from afar": {
			"sms",
			control.Action{Do: "text", Chat: "14155551234", Text: "x"},
			url.Values{"From": {"+14155551234"}, "FromCountry": {"US"}, "FromCity": {"SAN FRANCISCO"}},
			nil,
		},
		"no number": {
			"whatsapp",
			control.Action{Do: "text", Chat: "CZ.1349120865530274", Text: "x"},
			url.Values{"From": {"whatsapp:CZ.1349120865530274"}, "WaId": {"CZ.1349120865530274"}},
			nil,
		},
		"photo": {
			"whatsapp",
			control.Action{Do: "photo", File: png, Caption: "see"},
			url.Values{"Body": {"see"}, "NumMedia": {"1"}, "MediaContentType0": {"image/png"}, "MessageType": {"image"}},
			func(m control.Message) bool { return m.Kind == "photo" && m.Caption == "see" && m.File.Name == "a.png" },
		},
		"mms": {
			"sms",
			control.Action{Do: "photo", File: png},
			url.Values{"Body": {""}, "NumMedia": {"1"}, "MediaContentType0": {"image/png"}, "MessageType": nil},
			nil,
		},
		"document": {
			"whatsapp",
			control.Action{Do: "document", File: &control.File{Name: "../a b.pdf", Data: []byte("%PDF-")}},
			url.Values{"MediaContentType0": {"application/pdf"}, "MessageType": {"document"}},
			func(m control.Message) bool { return m.File.Name == "a b.pdf" && m.File.Size == 5 },
		},
		"voice":   {"whatsapp", control.Action{Do: "voice", File: &control.File{Data: []byte{1}}}, url.Values{"MediaContentType0": {"audio/ogg"}, "MessageType": {"audio"}}, nil},
		"sticker": {"whatsapp", control.Action{Do: "sticker", File: png}, url.Values{"MediaContentType0": {"image/webp"}, "MessageType": {"sticker"}}, nil},
		"video":   {"whatsapp", control.Action{Do: "video", File: &control.File{Data: []byte{1}}}, url.Values{"MediaContentType0": {"video/mp4"}, "MessageType": {"video"}}, nil},
		"location": {
			"whatsapp",
			control.Action{Do: "location", Lat: 50.08, Lon: -14.42},
			url.Values{"Latitude": {"50.08"}, "Longitude": {"-14.42"}, "MessageType": {"location"}, "Label": nil, "Body": {""}},
			func(m control.Message) bool { return m.Location != nil && m.Location.Lat == 50.08 },
		},
		"venue": {
			"whatsapp",
			control.Action{Do: "venue", Lat: 1, Lon: 2, Name: "N", Text: "S"},
			url.Values{"Latitude": {"1"}, "Label": {"N"}, "Address": {"S"}, "MessageType": {"location"}},
			nil,
		},
		"contact": {
			"whatsapp",
			control.Action{Do: "contact", Name: "Bo, Li", Phone: "+420777000111"},
			url.Values{"MediaContentType0": {"text/vcard"}, "MessageType": {"contacts"}, "NumMedia": {"1"}},
			func(m control.Message) bool { return m.Contact != nil && m.Contact.Name == "Bo, Li" && m.File == nil },
		},
	} {
		t.Run(name, func(t *testing.T) {
			g := newGateway(t)
			s := newServer(t, g)
			n := map[string]*Network{"whatsapp": s.WhatsApp(), "sms": s.SMS()}[tc.network]
			id := act(t, n, tc.act)
			got := g.got(t, 1)[0].form
			for field, want := range tc.want {
				if !slices.Equal(got[field], want) {
					t.Errorf("%s is %q, want %q", field, got[field], want)
				}
			}
			if file := got.Get("MediaUrl0"); (file != "") != (got.Get("NumMedia") == "1") || file != "" && !strings.HasPrefix(file, "http://127.0.0.1:7/twilio"+messages+"/"+string(id)+"/Media/ME") {
				t.Errorf("the file is at %q", file)
			}
			if tc.shown != nil {
				if list := when(t, n, lastIn(control.StateTaken)); !tc.shown(list[0]) {
					t.Errorf("shown %+v", list)
				}
			}
		})
	}
}

// TestRepliesAndButtons: what is about another message names it.
func TestRepliesAndButtons(t *testing.T) {
	g := newGateway(t)
	s := newServer(t, g)
	n := s.WhatsApp()
	first := act(t, n, control.Action{Do: "text", Text: "hello"})
	offer := control.ID(send(t, n, "ContentSid", DefaultTemplates[1].SID, "ContentVariables", `{"1":"a","2":"b"}`).JSON["sid"].(string))
	act(t, n, control.Action{Do: "press", Data: "go-on"})
	act(t, n, control.Action{Do: "press", Data: "no", Message: offer})
	act(t, n, control.Action{Do: "reply", Message: offer, Text: "well"})
	act(t, n, control.Action{Do: "reply", Message: first, Text: "I mean"})
	calls := g.got(t, 5)
	for i, want := range []map[string]string{
		{"ButtonText": "Yes, go on", "ButtonPayload": "go-on", "Body": "Yes, go on", "MessageType": "button", "OriginalRepliedMessageSid": string(offer), "OriginalRepliedMessageSender": "whatsapp:" + ours},
		{"ButtonText": "No, thank you", "ButtonPayload": "no", "OriginalRepliedMessageSid": string(offer)},
		{"ButtonText": "", "Body": "well", "OriginalRepliedMessageSid": string(offer), "OriginalRepliedMessageSender": "whatsapp:" + ours},
		{"Body": "I mean", "OriginalRepliedMessageSid": string(first), "OriginalRepliedMessageSender": "whatsapp:" + ann},
	} {
		for field, value := range want {
			if got := calls[i+1].form.Get(field); got != value {
				t.Errorf("call %d: %s is %q, want %q", i+1, field, got, value)
			}
		}
	}
	list := when(t, n, func(list []control.Message) bool { return len(list) == 6 })
	if list[2].ReplyTo != offer || list[5].ReplyTo != first {
		t.Errorf("shown %+v", list)
	}
}

// TestTyping: it shows that the agent writes, and that a message was read.
func TestTyping(t *testing.T) {
	s := newServer(t, nil)
	n := s.WhatsApp()
	id := act(t, n, control.Action{Do: "text", Text: "hello"})
	sent := send(t, n, "Body", "x").JSON["sid"].(string)
	sms := act(t, s.SMS(), control.Action{Do: "text", Text: "hello"})
	const path = "/messaging/v2/Indicators/Typing.json"
	for name, tc := range map[string]struct {
		id, channel string
		status      int
	}{
		"no channel": {string(id), "", 400}, "sms": {string(id), "sms", 400}, "no id": {"", "whatsapp", 400}, "unknown": {"SM00000000000000000000000000000001", "whatsapp", 404},
		"our own": {sent, "whatsapp", 404}, "an SMS": {string(sms), "whatsapp", 404},
	} {
		if a := ask(t, s, "POST", path, "messageId", tc.id, "channel", tc.channel); a.Status != tc.status {
			t.Errorf("%s: %d %s", name, a.Status, a.Body)
		}
	}
	c, err := n.Chat(t.Context(), ours, ann, -1)
	must(t, err)
	if c.Typing || c.Messages[0].Read {
		t.Fatalf("shown %+v", c)
	}
	if a := ask(t, s, "POST", path, "messageId", string(id), "channel", "whatsapp"); a.Status != 200 || a.JSON["success"] != true {
		t.Errorf("%d %s", a.Status, a.Body)
	}
	if c, _ = n.Chat(t.Context(), ours, ann, -1); !c.Typing || !c.Messages[0].Read {
		t.Errorf("shown %+v", c)
	}
	if got := n.Requests(control.Filter{Method: "typing"}); got[len(got)-1].Account != ours {
		t.Errorf("recorded %+v", got)
	}
}

func TestBlocked(t *testing.T) {
	for _, tc := range []struct {
		network string
		code    string
	}{{"whatsapp", "63033 "}, {"sms", "30004 "}} {
		s := newServer(t, newGateway(t))
		n := map[string]*Network{"whatsapp": s.WhatsApp(), "sms": s.SMS()}[tc.network]
		act(t, n, control.Action{Do: "text", Text: "hello"})
		act(t, n, control.Action{Do: "block"})
		send(t, n, "Body", "x")
		list := when(t, n, lastIn("failed"))
		if c, _ := n.Chat(t.Context(), ours, ann, -1); !c.Blocked || !strings.HasPrefix(list[1].Detail, tc.code) {
			t.Errorf("%s: %+v", tc.network, c)
		}
		act(t, n, control.Action{Do: "unblock"})
		send(t, n, "Body", "x")
		when(t, n, lastIn(map[string]string{"whatsapp": "read", "sms": "delivered"}[tc.network]))
	}
}

func TestRefusedActs(t *testing.T) {
	s := newServer(t, nil)
	for name, a := range map[string]control.Action{
		"unknown":    {Do: "react"},
		"no chat":    {Do: "text", Chat: "Ann", Text: "x"},
		"no text":    {Do: "text", Text: " "},
		"no UTF-8":   {Do: "text", Text: "\xff"},
		"no file":    {Do: "photo"},
		"no button":  {Do: "press", Data: "x"},
		"no place":   {Do: "location", Lat: 91},
		"no contact": {Do: "contact"},
	} {
		if a.Chat == "" {
			a.Chat = ann
		}
		if _, err := s.WhatsApp().Act(ours, a); !errors.Is(err, control.ErrAction) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, do := range []string{"reply", "press", "location", "venue", "contact", "sticker", "expire"} {
		if _, err := s.SMS().Act(ours, control.Action{Do: do, Chat: ann}); !errors.Is(err, control.ErrAction) {
			t.Errorf("SMS: %s: %v", do, err)
		}
	}
	if _, err := s.SMS().Act(ours, control.Action{Do: "text", Chat: "CZ.1349120865530274", Text: "x"}); !errors.Is(err, control.ErrAction) {
		t.Errorf("SMS from nobody: %v", err)
	}
	if _, err := s.WhatsApp().Act(ours, control.Action{Do: "reply", Chat: ann, Message: "SM1"}); !errors.Is(err, control.ErrUnknown) {
		t.Errorf("reply to nothing: %v", err)
	}
	if _, err := s.SMS().Act("+1", control.Action{Do: "text", Chat: ann, Text: "x"}); !errors.Is(err, control.ErrUnknownAccount) {
		t.Errorf("unknown account: %v", err)
	}
	for _, a := range []Account{
		{},
		{Account: "Shop", AccountSID: ac, AuthToken: "x"},
		{Account: ours, AuthToken: "x"},
		{Account: ours, AccountSID: ac},
		{Account: ours, AccountSID: ac, AuthToken: "x", APIKey: "SK1"},
		{Account: ours, AccountSID: ac, AuthToken: "x", APIKey: key},
		{Account: ours, AccountSID: ac, AuthToken: "x", Service: "MG"},
		{Account: ours, AccountSID: ac, AuthToken: "x", MessageURL: "ftp://x"},
	} {
		if err := s.SMS().AddAccount(a); !errors.Is(err, control.ErrAction) {
			t.Errorf("%+v: %v", a, err)
		}
	}
	for _, raw := range []string{"", "{", `{"status":"seen"}`, `{"window":"ajar"}`, `{"signed_port":"8"}`, `{"status_seconds":-1}`} {
		if err := s.SMS().Set([]byte(raw)); !errors.Is(err, control.ErrAction) {
			t.Errorf("settings %q: %v", raw, err)
		}
	}
}

// TestInject: fields as somebody wrote them.
func TestInject(t *testing.T) {
	g := newGateway(t)
	s := newServer(t, g)
	n := s.WhatsApp()
	must(t, n.Inject(ours, []byte(`{"From":"whatsapp:`+ann+`","Body":"hi","ProfileName":"Bob","WaId":null,"Forwarded":"true","Odd":["b","a"],"NumMedia":""}`)))
	call := g.got(t, 1)[0]
	for field, want := range (url.Values{
		"Body": {"hi"}, "ProfileName": {"Bob"}, "WaId": nil, "Forwarded": {"true"}, "Odd": {"b", "a"}, "NumMedia": {""}, "To": {"whatsapp:" + ours}, "AccountSid": {ac},
	}) {
		if !slices.Equal(call.form[field], want) {
			t.Errorf("%s is %q", field, call.form[field])
		}
	}
	if call.header.Get("X-Twilio-Signature") != Signature(token, call.url, call.form) {
		t.Error("wrongly signed")
	}
	if list := when(t, n, lastIn(control.StateTaken)); list[0].Text != "hi" || string(list[0].ID) != call.form.Get("MessageSid") {
		t.Errorf("shown %+v", list)
	}
	must(t, n.Set([]byte(`{"status":"queued"}`)))
	sid := send(t, n, "Body", "x", "StatusCallback", g.server.URL+"/cb").JSON["sid"].(string)
	must(t, n.Inject(ours, []byte(`{"MessageSid":"`+sid+`","MessageStatus":"delivered","ErrorCode":"1"}`)))
	call = g.got(t, 2)[1]
	if !strings.HasSuffix(call.url, "/cb") || call.form.Get("MessageStatus") != "delivered" || call.form.Get("ErrorCode") != "1" || call.form.Get("To") != "whatsapp:"+ann {
		t.Errorf("called %+v", call)
	}
	must(t, n.AddAccount(Account{Account: ours, AccountSID: ac, AuthToken: token, StatusURL: g.server.URL + "/other"}))
	must(t, n.Inject(ours, []byte(`{"MessageSid":"SM1","MessageStatus":"read"}`)))
	if call = g.got(t, 3)[2]; !strings.HasSuffix(call.url, "/other") {
		t.Errorf("called %+v", call)
	}
	for _, bad := range []string{"", "[]", "null", `{"Body":7}`} {
		if n.Inject(ours, []byte(bad)) == nil {
			t.Errorf("%q is taken", bad)
		}
	}
	if n.Inject("+1", []byte(`{}`)) == nil {
		t.Error("an unknown account takes it")
	}
}

// TestChats: a conversation is found however its number is written.
func TestChats(t *testing.T) {
	s := newServer(t, nil)
	n := s.WhatsApp()
	act(t, n, control.Action{Do: "text", Text: "hello"})
	list, err := n.Chats("whatsapp:" + ours)
	must(t, err)
	if len(list) != 1 || list[0].Chat != ann || list[0].Name != "Ann Lee" {
		t.Errorf("chats %+v", list)
	}
	for _, chat := range []control.ID{ann, control.ID(ann[1:]), "whatsapp:" + ann} {
		if c, err := n.Chat(t.Context(), ours[1:], chat, -1); err != nil || len(c.Messages) != 1 {
			t.Errorf("%s: %+v, %v", chat, c, err)
		}
	}
	if other, err := s.SMS().Chats(ours); err != nil || len(other) != 0 {
		t.Errorf("the other network has %+v, %v", other, err)
	}
}
