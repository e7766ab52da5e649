package graph

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"servicelink/test/netsim/control"
)

// buttons are a message with every kind of choice.
func (s *site) buttons() (quick, template control.ID) {
	quick = s.send(j{"text": "How many?", "quick_replies": []j{{"content_type": "text", "title": "One", "payload": "P1"}}})
	template = s.send(j{"attachment": j{"type": "template", "payload": j{
		"template_type": "button", "text": "Sure?", "buttons": []j{{"type": "postback", "title": "Yes", "payload": "PY"}, {"type": "web_url", "title": "W", "url": "http://x/"}},
	}}})
	return quick, template
}

// TestSays: what customers say, as the event has it and as the conversation shows it.
func TestSays(t *testing.T) {
	file := &control.File{Name: "a b.pdf", Type: "application/pdf", Data: []byte("%PDF")}
	for _, tc := range []struct {
		do    control.Action
		path  string // in the item
		want  any
		kind  string
		shown string
	}{
		{control.Action{Do: "text", Text: "hi"}, "message text", "hi", "text", "hi"},
		{control.Action{Do: "photo", File: &control.File{Data: picture}}, "message attachments 0 type", "image", "photo", ""},
		{control.Action{Do: "photo", File: &control.File{Name: "x.txt", Data: []byte("x")}}, "message attachments 0 type", "image", "photo", ""},
		{control.Action{Do: "document", File: file}, "message attachments 0 type", "file", "document", ""},
		{control.Action{Do: "document", File: &control.File{Name: "x.png", Data: picture}}, "message attachments 0 type", "file", "document", ""},
		{control.Action{Do: "audio", File: file}, "message attachments 0 type", "audio", "audio", ""},
		{control.Action{Do: "voice", File: file}, "message attachments 0 type", "audio", "voice", ""},
		{control.Action{Do: "video", File: file}, "message attachments 0 type", "video", "video", ""},
		{control.Action{Do: "sticker"}, "message attachments 0 payload sticker_id", 369239263222822.0, "sticker", ""},
		{control.Action{Do: "sticker", Data: "12"}, "message attachments 0 payload sticker_id", 12.0, "sticker", ""},
		{control.Action{Do: "location", Lat: 50.5, Lon: -14}, "message attachments 0 payload coordinates long", -14.0, "location", ""},
		{control.Action{Do: "location", Lat: 50.5, Data: "fallback", Name: "Home"}, "message attachments 0 payload title", "Home", "location", ""},
		{control.Action{Do: "location", Data: "fallback"}, "message attachments 0 type", "fallback", "location", ""},
		{control.Action{Do: "share", Text: "https://shop.example/1", Name: "One"}, "message attachments 0 payload url", "https://shop.example/1", "text", "https://shop.example/1"},
		{control.Action{Do: "unsupported"}, "message is_unsupported", true, "service", "(something apps are not told)"},
		{control.Action{Do: "press", Data: "P1"}, "message quick_reply payload", "P1", "text", "One"},
		{control.Action{Do: "press", Data: "PY"}, "postback payload", "PY", "text", "Yes"},
		{control.Action{Do: "start"}, "postback payload", "GET_STARTED", "text", "Get Started"},
		{control.Action{Do: "start", Data: "r1"}, "postback referral ref", "r1", "text", "Get Started"},
	} {
		t.Run(tc.do.Do, func(t *testing.T) {
			on(t, func(t *testing.T, s *site) {
				s.act(control.Action{Do: "text", Text: "first"})
				s.buttons()
				time.Sleep(time.Second)
				id := s.act(tc.do)
				in := s.last()
				if got := dig(in, tc.path); got != tc.want {
					t.Errorf("%s is %v in %v", tc.path, got, in)
				}
				mid := in.in("message", "mid")
				if mid == nil {
					mid = in.in("postback", "mid")
				}
				c := s.seen().Messages
				if m := c[len(c)-1]; mid != string(id) || m.ID != id || m.Kind != tc.kind || m.Text != tc.shown || m.State != control.StateTaken {
					t.Errorf("%s: mid %v, shown %+v", id, mid, m)
				}
			})
		})
	}
}

// dig gives a member of nested objects and lists.
func dig(v any, path string) any {
	if i, ok := v.(item); ok {
		v = map[string]any(i)
	}
	for name := range strings.FieldsSeq(path) {
		switch in := v.(type) {
		case map[string]any:
			v = in[name]
		case []any:
			v = in[0]
		}
	}
	return v
}

// TestCaption: the app sends the text beside a file as a message of its own.
func TestCaption(t *testing.T) {
	on(t, func(t *testing.T, s *site) {
		s.act(control.Action{Do: "photo", File: &control.File{Data: picture}, Caption: "this one"})
		list := s.items()
		if len(list) != 2 || list[0].in("message", "text") != nil || list[1].in("message", "text") != "this one" {
			t.Errorf("came %v", list)
		}
	})
}

// TestChanges: what customers do to messages.
func TestChanges(t *testing.T) {
	on(t, func(t *testing.T, s *site) {
		mid := s.act(control.Action{Do: "text", Text: "one"})
		ours := s.send(j{"text": "hi"})
		time.Sleep(time.Second)
		check := func(path string, want any) {
			t.Helper()
			if got := dig(s.last(), path); got != want {
				t.Errorf("%s is %v in %v", path, got, s.last())
			}
		}
		for i := range 3 {
			s.act(control.Action{Do: "edit", Message: mid, Text: fmt.Sprint("v", i+1)})
			check("message_edit mid", string(mid))
			check("message_edit text", fmt.Sprint("v", i+1))
			check("message_edit num_edit", []any{1.0, "2", 3.0}[i])
		}
		s.act(control.Action{Do: "reply", Message: ours, Text: "why?"})
		check("message reply_to mid", string(ours))
		s.act(control.Action{Do: "react", Message: ours, Emoji: []string{"❤"}})
		check("reaction reaction", "love")
		check("reaction emoji", "❤")
		check("reaction action", "react")
		check("reaction mid", string(ours))
		s.act(control.Action{Do: "react", Message: mid, Emoji: []string{"🦊"}})
		check("reaction reaction", "other")
		s.act(control.Action{Do: "react", Message: mid})
		check("reaction action", "unreact")
		s.act(control.Action{Do: "unreact", Message: ours})
		check("reaction mid", string(ours))
		if r := dig(s.last(), "reaction"); len(r.(map[string]any)) != 2 {
			t.Errorf("a reaction that was taken away: %v", r)
		}
		s.act(control.Action{Do: "unsend", Message: mid})
		check("message mid", string(mid))
		check("message is_deleted", true)
		m := s.seen().Messages
		if !m[0].Deleted || !m[0].Edited || m[0].Text != "v3" || len(m[1].Reactions) != 0 || m[2].ReplyTo != ours {
			t.Errorf("seen %+v", m)
		}
		s.act(control.Action{Do: "referral", Data: "shop-7"})
		check("referral ref", "shop-7")
		check("referral source", "SHORTLINK")
		s.act(control.Action{Do: "optin", Data: "r"})
		check("optin ref", "r")
		s.act(control.Action{Do: "policy", Data: "block", Text: "spam"})
		check("policy_enforcement action", "block")
		check("policy_enforcement reason", "spam")
		check("sender", nil)
	})
}

// TestPressed: of two messages with the same button the one that is named, or else the
// latest, is meant.
func TestPressed(t *testing.T) {
	on(t, func(t *testing.T, s *site) {
		s.act(control.Action{Do: "text", Text: "first"})
		quick, template := s.buttons()
		s.act(control.Action{Do: "press", Data: "P1", Message: quick})
		if s.last().in("message", "text") != "One" {
			t.Errorf("came %v", s.last())
		}
		for _, a := range []control.Action{{Do: "press", Data: "P1", Message: template}, {Do: "press", Data: "P2"}, {Do: "press"}} {
			if _, err := s.Act(shop, control.Action{Do: a.Do, Chat: ann, Data: a.Data, Message: a.Message}); !errors.Is(err, control.ErrAction) {
				t.Errorf("%+v: %v", a, err)
			}
		}
	})
}

// TestActMistakes: what cannot be done is said, and nothing comes.
func TestActMistakes(t *testing.T) {
	on(t, func(t *testing.T, s *site) {
		mid := s.act(control.Action{Do: "text", Text: "x"})
		ours := s.send(j{"text": "x"})
		gone := s.act(control.Action{Do: "text", Text: "x"})
		s.act(control.Action{Do: "unsend", Message: gone})
		time.Sleep(time.Second)
		before := len(s.items())
		for _, a := range []control.Action{
			{Do: "text"},
			{Do: "text", Text: "\xff"},
			{Do: "reply", Message: "m_x", Text: "x"},
			{Do: "reply", Message: mid},
			{Do: "photo"},
			{Do: "sticker", Data: "x"},
			{Do: "location", Lat: 91},
			{Do: "share", Text: "x"},
			{Do: "edit", Message: ours, Text: "x"},
			{Do: "edit", Message: mid},
			{Do: "edit", Message: gone, Text: "x"},
			{Do: "unsend", Message: gone},
			{Do: "unsend", Message: "m_x"},
			{Do: "react", Message: "m_x", Emoji: []string{"x"}},
			{Do: "unreact", Message: mid},
			{Do: "unreact", Message: "m_x"},
			{Do: "referral"},
			{Do: "delete", Message: mid},
			{Do: "deliver", Message: "m_x"},
			{Do: "stand"},
			{Do: "inbox"},
			{Do: "inbox", Text: "x", Data: "x"},
			{Do: "profile", Data: "x"},
			{Do: "drop", Data: "feed"},
			{Do: "token", Data: "1"},
			{Do: "token", Data: "0"},
			{Do: "scope", Data: "x"},
			{Do: "policy", Data: "x"},
			{Do: "text", Text: "x", Chat: "ann"},
		} {
			if a.Chat == "" {
				a.Chat = ann
			}
			if _, err := s.Act(shop, a); !errors.Is(err, control.ErrAction) && !errors.Is(err, control.ErrUnknown) {
				t.Errorf("%+v: %v", a, err)
			}
		}
		if _, err := s.Act("1", control.Action{Do: "text", Text: "x", Chat: ann}); !errors.Is(err, control.ErrUnknownAccount) {
			t.Errorf("another page: %v", err)
		}
		time.Sleep(time.Second)
		if got := s.items()[before:]; len(got) > 0 {
			t.Errorf("came %v", got)
		}
	})
}
