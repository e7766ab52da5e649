package graph

import (
	"net/url"
	"strings"
	"testing"
	"time"

	"servicelink/test/netsim/control"
)

// TestCredentials: how a call says whose it is.
func TestCredentials(t *testing.T) {
	on(t, func(t *testing.T, s *site) {
		s.act(control.Action{Do: "text", Text: "x"})
		hi := toAnn(j{"text": "hi"})
		proof := Proof(pageToken, secret)
		bearer := []string{"Authorization", "Bearer " + pageToken}
		s.wants(0, 0, "POST", sendPath+"?access_token="+pageToken, hi, "X-None", "")
		s.wants(0, 0, "POST", sendPath, j{"access_token": pageToken, "recipient": j{"id": ann}, "messaging_type": "RESPONSE", "message": j{"text": "x"}}, "X-None", "")
		s.wants(0, 0, "POST", "/v25.0/"+shop+"/messages?appsecret_proof="+proof, hi, bearer...)
		s.wants(104, 0, "POST", sendPath, hi, "X-None", "")
		s.wants(190, 0, "POST", sendPath, hi, "Authorization", "Bearer EAAwrong")
		s.wants(100, 0, "POST", sendPath+"?appsecret_proof="+proof[1:], hi, bearer...)
		s.wants(100, 33, "POST", "/v25.0/"+other+"/messages", hi, bearer...)
		s.wants(210, 0, "POST", sendPath, hi, "Authorization", "Bearer user-"+appID)
		s.wants(2500, 0, "POST", "/v2.0/me/messages", hi, bearer...)
		s.wants(2500, 0, "POST", "/me/message", hi, bearer...)
		s.set(`{"require_proof":true}`)
		s.wants(100, 0, "POST", sendPath, hi, bearer...)
		s.wants(0, 0, "POST", sendPath+"?appsecret_proof="+proof, hi, bearer...)
	})
}

// TestForms: a form means what JSON means.
func TestForms(t *testing.T) {
	on(t, func(t *testing.T, s *site) {
		s.act(control.Action{Do: "text", Text: "x"})
		form := url.Values{"recipient": {`{"id":` + ann + `}`}, "messaging_type": {"RESPONSE"}, "message": {`{"text":"ä"}`}, "access_token": {pageToken}}
		answer := s.do("POST", sendPath, strings.NewReader(form.Encode()), "Content-Type", "application/x-www-form-urlencoded")
		if answer.StatusCode != 200 {
			t.Errorf("a form: %d", answer.StatusCode)
		}
		_ = answer.Body.Close()
		if m := s.seen().Messages; len(m) != 2 || m[1].Text != "ä" {
			t.Errorf("seen %+v", m)
		}
	})
}

// TestStrict: what a send must not be.
func TestStrict(t *testing.T) {
	on(t, func(t *testing.T, s *site) {
		s.act(control.Action{Do: "text", Text: "x"})
		long := strings.Repeat("ä", 2001)
		quick := func(n int, q j) j {
			list := make([]j, n)
			for i := range list {
				list[i] = q
			}
			return toAnn(j{"text": "x", "quick_replies": list})
		}
		for name, tc := range map[string]struct {
			subcode int
			body    j
		}{
			"no recipient":       {0, j{"messaging_type": "RESPONSE", "message": j{"text": "x"}}},
			"unknown recipient":  {2018001, j{"recipient": j{"id": "1"}, "messaging_type": "RESPONSE", "message": j{"text": "x"}}},
			"recipient's member": {0, j{"recipient": j{"ids": ann}, "messaging_type": "RESPONSE", "message": j{"text": "x"}}},
			"no type":            {0, j{"recipient": j{"id": ann}, "message": j{"text": "x"}}},
			"unknown type":       {0, j{"recipient": j{"id": ann}, "messaging_type": "ANSWER", "message": j{"text": "x"}}},
			"unknown parameter":  {0, j{"recipient": j{"id": ann}, "messaging_type": "RESPONSE", "message": j{"text": "x"}, "mesage": "x"}},
			"tag without type":   {0, j{"recipient": j{"id": ann}, "messaging_type": "RESPONSE", "tag": "HUMAN_AGENT", "message": j{"text": "x"}}},
			"unknown action":     {0, j{"recipient": j{"id": ann}, "sender_action": "typing"}},
			"action and message": {0, j{"recipient": j{"id": ann}, "sender_action": "typing_on", "message": j{"text": "x"}}},
			"reply to nothing":   {0, j{"recipient": j{"id": ann}, "messaging_type": "RESPONSE", "message": j{"text": "x"}, "reply_to": j{"mid": "m_x"}}},
			"nothing":            {2018034, j{"recipient": j{"id": ann}, "messaging_type": "RESPONSE"}},
			"empty":              {2018034, toAnn(j{"text": " "})},
			"long":               {0, toAnn(j{"text": long})},
			"a number":           {0, toAnn(j{"text": 7})},
			"unknown member":     {0, toAnn(j{"text": "x", "txt": "x"})},
			"no object":          {0, toAnn([]string{"x"})},
			"long metadata":      {0, toAnn(j{"text": "x", "metadata": long})},
			"both":               {0, toAnn(j{"text": "x", "attachment": j{"type": "image", "payload": j{"url": "http://x/y"}}})},
			"14 quick replies":   {0, quick(14, j{"content_type": "text", "title": "a", "payload": "b"})},
			"quick kind":         {0, quick(1, j{"content_type": "location", "title": "a", "payload": "b"})},
			"quick title":        {0, quick(1, j{"content_type": "text", "title": long[:42], "payload": "b"})},
			"no quick title":     {0, quick(1, j{"content_type": "text", "payload": "b"})},
			"quick payload":      {0, quick(1, j{"content_type": "text", "title": "a", "payload": long[:2002]})},
			"kind":               {0, toAnn(j{"attachment": j{"type": "picture", "payload": j{"url": "http://x/y"}}})},
			"no url":             {0, toAnn(j{"attachment": j{"type": "image", "payload": j{}}})},
			"bad url":            {0, toAnn(j{"attachment": j{"type": "image", "payload": j{"url": "x"}}})},
			"reusable string":    {0, toAnn(j{"attachment": j{"type": "image", "payload": j{"url": "http://x/y", "is_reusable": "true"}}})},
			"unknown attachment": {0, toAnn(j{"attachment": j{"type": "image", "payload": j{"attachment_id": "7"}}})},
		} {
			s.t.Log(name)
			s.wants(100, tc.subcode, "POST", sendPath, tc.body)
		}
		if m := s.seen().Messages; len(m) != 1 {
			t.Errorf("something was sent: %+v", m)
		}
		s.send(j{"text": long[:4000], "metadata": long[:2000]})
		s.send(j{"text": "x", "quick_replies": []j{{"content_type": "user_email"}, {"content_type": "text", "title": long[:40], "payload": long[:2000]}}})
	})
}

// TestTemplates: what they must not be, and how they look.
func TestTemplates(t *testing.T) {
	on(t, func(t *testing.T, s *site) {
		s.act(control.Action{Do: "text", Text: "x"})
		template := func(payload j) j { return j{"attachment": j{"type": "template", "payload": payload}} }
		button := j{"type": "postback", "title": "Yes", "payload": "Y"}
		ask := func(text any, buttons ...j) j {
			return template(j{"template_type": "button", "text": text, "buttons": buttons})
		}
		cards := func(elements ...j) j { return template(j{"template_type": "generic", "elements": elements}) }
		for name, m := range map[string]j{
			"kind":              template(j{"template_type": "list"}),
			"no text":           ask("", button),
			"long":              ask(strings.Repeat("x", 641), button),
			"no button":         ask("x"),
			"4 buttons":         ask("x", button, button, button, button),
			"elements":          template(j{"template_type": "button", "text": "x", "buttons": []j{button}, "elements": []j{{"title": "x"}}}),
			"button kind":       ask("x", j{"type": "reply", "title": "a", "payload": "b"}),
			"button title":      ask("x", j{"type": "postback", "title": strings.Repeat("x", 21), "payload": "b"}),
			"no title":          ask("x", j{"type": "postback", "payload": "b"}),
			"no payload":        ask("x", j{"type": "postback", "title": "b"}),
			"long payload":      ask("x", j{"type": "postback", "title": "b", "payload": strings.Repeat("x", 1001)}),
			"no url":            ask("x", j{"type": "web_url", "title": "b"}),
			"unknown member":    ask("x", j{"type": "postback", "title": "b", "payload": "b", "data": "b"}),
			"no element":        cards(),
			"no element title":  cards(j{"subtitle": "x"}),
			"long subtitle":     cards(j{"title": "x", "subtitle": strings.Repeat("x", 81)}),
			"element's buttons": cards(j{"title": "x", "buttons": []j{button, button, button, button}}),
			"element's button":  cards(j{"title": "x", "buttons": []j{{"type": "postback"}}}),
			"generic text":      template(j{"template_type": "generic", "text": "x", "elements": []j{{"title": "x"}}}),
			"11 elements":       cards(make([]j, 11)...),
		} {
			s.t.Log(name)
			s.wants(100, 0, "POST", sendPath, toAnn(m))
		}
		mid := s.send(ask("Sure?", button, j{"type": "web_url", "title": "See", "url": "http://shop/"}, j{"type": "phone_number", "title": "Call", "payload": "+420"}))
		s.send(cards(j{"title": "One", "subtitle": "more", "buttons": []j{button}}, j{"title": "Two"}))
		m := s.seen().Messages[1:]
		if m[0].ID != mid || m[0].Text != "Sure?" || len(m[0].Buttons) != 3 || m[0].Buttons[0][0] != (control.Button{Text: "Yes", Data: "Y"}) ||
			m[0].Buttons[1][0].URL != "http://shop/" || m[0].Buttons[2][0].URL != "tel:+420" {
			t.Errorf("buttons %+v", m[0])
		}
		if m[1].Text != "One\nmore\n\nTwo" || len(m[1].Buttons) != 1 {
			t.Errorf("cards %+v", m[1])
		}
		time.Sleep(100 * time.Millisecond)
	})
}
