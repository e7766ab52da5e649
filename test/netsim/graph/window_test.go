package graph

import (
	"testing"
	"time"

	"servicelink/test/netsim/control"
)

// tagged is a send to Ann under a tag.
func tagged(tag string) j {
	return j{"recipient": j{"id": ann}, "messaging_type": "MESSAGE_TAG", "tag": tag, "message": j{"text": "x"}}
}

// TestWindow: a day after the customer's last sign of life, and a week with the tag.
func TestWindow(t *testing.T) {
	on(t, func(t *testing.T, s *site) {
		hi := toAnn(j{"text": "hi"})
		mid := s.act(control.Action{Do: "text", Text: "x"})
		time.Sleep(24*time.Hour - time.Second)
		s.wants(0, 0, "POST", sendPath, hi)
		time.Sleep(time.Second)
		s.wants(10, 2018278, "POST", sendPath, hi)
		s.wants(100, 2018276, "POST", sendPath, tagged("HUMAN_AGENT"))
		for _, tag := range []string{"CONFIRMED_EVENT_UPDATE", "ACCOUNT_UPDATE", "POST_PURCHASE_UPDATE"} {
			s.wants(100, 1893061, "POST", sendPath, tagged(tag))
		}
		s.wants(100, 0, "POST", sendPath, tagged("NEWS"))
		for _, opens := range []control.Action{
			{Do: "react", Message: mid, Emoji: []string{"👍"}}, {Do: "referral", Data: "r"}, {Do: "start"}, {Do: "text", Text: "y"},
		} {
			s.act(control.Action{Do: "expire"})
			s.wants(10, 2018278, "POST", sendPath, hi)
			s.act(opens)
			s.wants(0, 0, "POST", sendPath, hi)
		}
		s.set(`{"window":"closed"}`)
		s.wants(10, 2018278, "POST", sendPath, hi)
		s.set(`{"window":"open"}`)
		time.Sleep(1000 * time.Hour)
		s.wants(0, 0, "POST", sendPath, hi)
	})
}

func TestHumanAgent(t *testing.T) {
	on(t, func(t *testing.T, s *site) {
		must(t, s.AddAccount(Account{Account: shop, Token: pageToken, AppID: appID, AppSecret: secret, Window: 60, HumanAgent: true}))
		s.act(control.Action{Do: "text", Text: "x"})
		s.wants(0, 0, "POST", sendPath, tagged("HUMAN_AGENT"))
		s.act(control.Action{Do: "expire"})
		s.wants(10, 2018278, "POST", sendPath, toAnn(j{"text": "x"}))
		s.wants(0, 0, "POST", sendPath, tagged("HUMAN_AGENT"))
		time.Sleep(7*24*time.Hour - 2*time.Minute)
		s.wants(0, 0, "POST", sendPath, tagged("HUMAN_AGENT"))
		time.Sleep(2 * time.Minute)
		s.wants(10, 2018278, "POST", sendPath, tagged("HUMAN_AGENT"))
		s.act(control.Action{Do: "text", Text: "x"})
		s.set(`{"window":"closed"}`)
		s.wants(0, 0, "POST", sendPath, tagged("HUMAN_AGENT"))
		s.act(control.Action{Do: "expire", Data: "late"})
		s.wants(10, 2018278, "POST", sendPath, tagged("HUMAN_AGENT"))
	})
}

// TestRefused: the customer, another app, and the page's permissions speak against it.
func TestRefused(t *testing.T) {
	on(t, func(t *testing.T, s *site) {
		hi := toAnn(j{"text": "hi"})
		s.act(control.Action{Do: "text", Text: "x"})
		s.act(control.Action{Do: "block"})
		s.wants(551, 1545041, "POST", sendPath, hi)
		if !s.seen().Blocked {
			t.Error("the conversation does not show the block")
		}
		s.act(control.Action{Do: "unblock"})
		s.wants(0, 0, "POST", sendPath, hi)
		for _, again := range []control.Action{{Do: "text", Text: "x"}, {Do: "start"}} {
			s.act(control.Action{Do: "block"})
			s.act(again)
			if s.seen().Blocked {
				t.Errorf("%s leaves the block", again.Do)
			}
			s.wants(0, 0, "POST", sendPath, hi)
		}
		s.act(control.Action{Do: "stand", Data: "refuse"})
		s.wants(10, 2018300, "POST", sendPath, hi)
		s.act(control.Action{Do: "stand", Data: "by"})
		s.wants(0, 0, "POST", sendPath, hi)
		s.act(control.Action{Do: "scope", Data: "pages_messaging"})
		s.wants(200, 0, "POST", sendPath, hi)
		s.wants(200, 0, "POST", "/v25.0/me/message_attachments", j{"message": j{"attachment": j{"type": "image", "payload": j{"url": "http://x/y"}}}})
		s.wants(200, 0, "GET", "/v25.0/"+ann, nil)
		s.act(control.Action{Do: "scope"})
		s.wants(0, 0, "POST", sendPath, hi)
		for _, subcode := range []string{"458", "459", "460", "463", "467"} {
			s.act(control.Action{Do: "token", Data: subcode})
			if v := s.wants(190, int(atoi(t, subcode)), "POST", sendPath, hi); v.in("error", "type") != "OAuthException" || v.in("error", "fbtrace_id") == nil {
				t.Errorf("refused %v", v)
			}
		}
		s.act(control.Action{Do: "token"})
		s.wants(0, 0, "POST", sendPath, hi)
	})
}

// TestActions: typing is shown and ends; what was written is marked as read.
func TestActions(t *testing.T) {
	on(t, func(t *testing.T, s *site) {
		action := func(what string) j { return j{"recipient": j{"id": ann}, "sender_action": what} }
		s.act(control.Action{Do: "text", Text: "x"})
		s.act(control.Action{Do: "expire"}) // they are no messages
		if v := s.wants(0, 0, "POST", sendPath, action("typing_on")); v.in("recipient_id") != ann || v.in("message_id") != nil {
			t.Errorf("answered %v", v)
		}
		if !s.seen().Typing {
			t.Error("nobody types")
		}
		s.wants(0, 0, "POST", sendPath, action("typing_off"))
		if s.seen().Typing {
			t.Error("somebody still types")
		}
		s.wants(0, 0, "POST", sendPath, action("typing_on"))
		time.Sleep(typingLasts)
		if c := s.seen(); c.Typing || c.Messages[0].Read {
			t.Errorf("typing goes on, or it is read: %+v", c)
		}
		s.wants(0, 0, "POST", sendPath, action("mark_seen"))
		if !s.seen().Messages[0].Read {
			t.Error("it is not read")
		}
		for _, method := range []string{"typing_on", "typing_off", "mark_seen"} {
			if got := s.Requests(control.Filter{Account: shop, Method: method}); len(got) == 0 {
				t.Errorf("no request %s", method)
			}
		}
		s.wants(100, 2018001, "POST", sendPath, j{"recipient": j{"id": "5"}, "sender_action": "typing_on"})
	})
}

// TestReplyTo: the page answers a message of the conversation.
func TestReplyTo(t *testing.T) {
	on(t, func(t *testing.T, s *site) {
		mid := s.act(control.Action{Do: "text", Text: "x"})
		body := toAnn(j{"text": "y"})
		body["reply_to"] = j{"mid": mid}
		s.wants(0, 0, "POST", sendPath, body)
		time.Sleep(statusPause)
		if m := s.seen().Messages[1]; m.ReplyTo != mid || s.last().in("message", "reply_to", "mid") != string(mid) {
			t.Errorf("%+v, echo %v", m, s.last())
		}
	})
}
