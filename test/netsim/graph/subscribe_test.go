package graph

import (
	"fmt"
	"maps"
	"net/http"
	"strings"
	"testing"
	"time"

	"servicelink/test/netsim/control"
)

// subscribed are the fields that the network tells for the page.
func (s *site) subscribed() string {
	s.t.Helper()
	data, _ := s.wants(0, 0, "GET", "/v25.0/"+shop+"/subscribed_apps", nil).in("data").([]any)
	if len(data) == 0 {
		return "none"
	}
	if dig(data, "x id") != appID {
		s.t.Errorf("subscribed is %v", data)
	}
	list, _ := dig(data, "x subscribed_fields").([]any)
	return strings.Trim(fmt.Sprint(list), "[]")
}

// TestSubscribedApps: what a page is subscribed to is what comes.
func TestSubscribedApps(t *testing.T) {
	on(t, func(t *testing.T, s *site) {
		if got := s.subscribed(); got != strings.Join(fields, " ") {
			t.Errorf("at first %s", got)
		}
		const path = "/v25.0/" + shop + "/subscribed_apps"
		s.wants(0, 0, "POST", path+"?subscribed_fields=messaging_postbacks,%20messages,messages", nil)
		if got := s.subscribed(); got != "messages messaging_postbacks" {
			t.Errorf("then %s", got)
		}
		s.act(control.Action{Do: "text", Text: "x"})
		mid := s.send(j{"text": "hi"})
		s.act(control.Action{Do: "react", Message: mid, Emoji: []string{"x"}})
		time.Sleep(time.Second)
		s.wantKinds("message")
		s.wants(0, 0, "POST", path, j{"subscribed_fields": []string{"messages", "message_echoes"}})
		s.send(j{"text": "hi"})
		time.Sleep(time.Second)
		s.wantKinds("message", "echo")
		s.act(control.Action{Do: "drop", Data: "messages"})
		id := s.act(control.Action{Do: "text", Text: "x"})
		if m := s.seen().Messages; m[3].ID != id || m[3].State != control.StateRefused || !strings.Contains(m[3].Detail, "messages") {
			t.Errorf("shown %+v", m[3])
		}
		s.act(control.Action{Do: "subscribe"})
		s.wants(0, 0, "DELETE", path, nil)
		if got := s.subscribed(); got != "none" {
			t.Errorf("after that %s", got)
		}
		s.wants(0, 0, "POST", path, j{"subscribed_fields": "messages"})
		s.act(control.Action{Do: "unsubscribe"})
		if got := s.subscribed(); got != "none" {
			t.Errorf("in the end %s", got)
		}
		s.wants(100, 0, "POST", path, j{"subscribed_fields": "message"})
		s.wants(100, 0, "POST", path, nil)
		s.wants(210, 0, "GET", path, nil, "Authorization", "Bearer user-"+appID)
		s.act(control.Action{Do: "scope", Data: scopeMessaging})
		s.wants(200, 0, "POST", path, j{"subscribed_fields": "messages"})
		s.act(control.Action{Do: "scope", Data: scopeMetadata})
		for _, method := range []string{"GET", "POST", "DELETE"} {
			s.wants(200, 0, method, path, nil)
		}
	})
}

// TestCallback: an app's callback is asked whether it is meant, and gets what its
// fields say.
func TestCallback(t *testing.T) {
	on(t, func(t *testing.T, s *site) {
		const path = "/v25.0/" + appID + "/subscriptions"
		app := []string{"Authorization", "Bearer " + appToken}
		asked := func(r *http.Request) (int, string) {
			q := r.URL.Query()
			if q.Get("hub.mode") != "subscribe" || q.Get("hub.verify_token") != "v1" || r.URL.Query().Get("x") != "y" {
				return 403, "no"
			}
			return 200, q.Get("hub.challenge")
		}
		s.shakes = asked
		body := j{"object": "page", "callback_url": "http://new/hook?x=y", "verify_token": "v1", "fields": "messages,message_echoes", "include_values": true}
		s.wants(0, 0, "POST", path, body, app...)
		v := s.wants(0, 0, "GET", path, nil, app...)
		if dig(v, "data x callback_url") != "http://new/hook?x=y" || dig(v, "data x active") != true || dig(v, "data x object") != "page" ||
			dig(v, "data x fields x name") != "message_echoes" {
			t.Errorf("subscriptions %v", v)
		}
		s.act(control.Action{Do: "text", Text: "x"})
		s.act(control.Action{Do: "start"})
		s.wantKinds("message")

		for name, shake := range map[string]func(*http.Request) (int, string){
			"refused":    func(*http.Request) (int, string) { return 403, "no" },
			"other word": func(*http.Request) (int, string) { return 200, "yes" },
			"created":    func(r *http.Request) (int, string) { return 201, r.URL.Query().Get("hub.challenge") },
		} {
			s.shakes = shake
			if v := s.wants(2200, 0, "POST", path, body, app...); !strings.Contains(fmt.Sprint(v.in("error", "message")), "Callback verification failed") {
				t.Errorf("%s: %v", name, v)
			}
		}
		s.shakes = asked
		for _, with := range []j{{"object": "user"}, {"callback_url": "x"}, {"verify_token": ""}, {"fields": "x"}, {"active": true}} {
			next := j{}
			maps.Copy(next, body)
			maps.Copy(next, with)
			s.wants(100, 0, "POST", path, next, app...)
		}
		s.wants(15, 0, "POST", path, body)
		s.wants(15, 0, "GET", path, nil)
		s.wants(15, 0, "DELETE", path, nil)
		s.wants(100, 33, "GET", "/v25.0/1/subscriptions", nil, app...)
		s.wants(190, 0, "GET", path, nil, "Authorization", "Bearer "+appID+"|wrong")
		s.wants(101, 0, "GET", path, nil, "Authorization", "Bearer 1|"+secret)

		s.wants(0, 0, "DELETE", path+"?object=user", nil, app...)
		s.wants(0, 0, "DELETE", path+"?object=page&fields=messages", nil, app...)
		if v := s.wants(0, 0, "GET", path, nil, app...); len(dig(v, "data x fields").([]any)) != 1 {
			t.Errorf("subscriptions %v", v)
		}
		s.wants(0, 0, "DELETE", path+"?object=page", nil, app...)
		if v := s.wants(0, 0, "GET", path, nil, app...); len(v.in("data").([]any)) != 0 {
			t.Errorf("subscriptions %v", v)
		}
		s.act(control.Action{Do: "text", Text: "x"})
		s.wantKinds("message")
		if err := s.Inject(shop, []byte(`{}`)); err == nil {
			t.Error("an event goes to no callback")
		}
	})
}

// TestInject: made-up events come as they are, whatever the page is subscribed to.
func TestInject(t *testing.T) {
	on(t, func(t *testing.T, s *site) {
		s.act(control.Action{Do: "unsubscribe"})
		must(t, s.Inject(shop, []byte(`{"sender":{"id":"77"},"new_kind":{"ü":1}}`)))
		if got := s.last(); got.in("new_kind", "ü") != 1.0 {
			t.Errorf("came %v", got)
		}
		s.wants(0, 0, "POST", sendPath, j{"recipient": j{"id": "77"}, "messaging_type": "RESPONSE", "message": j{"text": "x"}})
		s.set(`{"batch_seconds":1}`)
		must(t, s.Inject(shop, []byte(`{"standby":{"x":1}}`)))
		must(t, s.Inject(shop, []byte(`{"changes":{"field":"feed"}}`)))
		must(t, s.Inject(shop, []byte(`{"object":"instagram","entry":[]}`)))
		time.Sleep(3 * time.Second)
		posts := s.got()
		if all := posts[len(posts)-1].raw; all != `{"object":"instagram","entry":[]}` {
			t.Errorf("a whole body: %s", all)
		}
		if p := posts[len(posts)-2]; len(p.body.Entry) != 2 || len(p.body.Entry[0].Standby) != 1 || string(p.body.Entry[1].Changes[0]) != `{"field":"feed"}` {
			t.Errorf("came %s", p.raw)
		}
		for account, event := range map[string]string{"1": `{}`, shop: `[]`} {
			if err := s.Inject(account, []byte(event)); err == nil {
				t.Errorf("%s %s is taken", account, event)
			}
		}
		if err := s.Inject(shop, []byte(`null`)); err == nil {
			t.Error("null is taken")
		}
	})
}

// TestExtra: events can have what nobody knows yet.
func TestExtra(t *testing.T) {
	on(t, func(t *testing.T, s *site) {
		s.set(`{"extra":true}`)
		s.act(control.Action{Do: "photo", File: &control.File{Data: picture}})
		in := s.last()
		list, _ := in.in("message", "attachments").([]any)
		if len(list) != 2 || dig(list[1:], "x type") != "hologram" || in.in("message", "novelty") != true || in.in("novelty") == nil {
			t.Errorf("came %v", in)
		}
		s.act(control.Action{Do: "start"})
		if in := s.last(); in.in("postback", "novelty") != true || in.in("postback", "payload") != "GET_STARTED" {
			t.Errorf("came %v", in)
		}
	})
}

// TestAccounts: pages are added, changed and removed; settings are checked.
func TestAccounts(t *testing.T) {
	on(t, func(t *testing.T, s *site) {
		list, _ := s.Accounts().([]Account)
		if len(list) != 2 || list[0].Account != shop || list[1].Name != "Page "+other {
			t.Errorf("accounts %+v", list)
		}
		for _, wrong := range []string{
			`{`, `{"account":"x","app_id":"1","app_secret":"s","token":"t"}`, `{"account":"1","app_id":"x","app_secret":"s","token":"t"}`,
			`{"account":"1","app_id":"1","app_secret":"s","token":"t"}`, `{"account":"1","app_id":"2","token":"t"}`, `{"account":"1","app_id":"2","app_secret":"s"}`,
			`{"account":"1","app_id":"2","app_secret":"s","token":"t","callback_url":"x"}`, `{"account":"1","app_id":"2","app_secret":"s","token":"t","token_seconds":-1}`,
		} {
			if err := s.AddAccountJSON([]byte(wrong)); err == nil {
				t.Errorf("%s is taken", wrong)
			}
		}
		must(t, s.AddAccountJSON([]byte(`{"account":"`+shop+`","name":"New","token":"EAAnew","app_id":"5","app_secret":"s","subscribed":false}`)))
		s.wants(190, 0, "GET", "/v25.0/me", nil)
		if v := s.wants(0, 0, "GET", "/v25.0/me", nil, "Authorization", "Bearer EAAnew"); v.in("name") != "New" {
			t.Errorf("the page is %v", v)
		}
		for _, taken := range []string{"EAAother", "user-" + appID} {
			if s.AddAccount(Account{Account: "6", Token: taken, AppID: "5", AppSecret: "s"}) == nil {
				t.Errorf("the token %s is another one's", taken)
			}
		}
		s.act(control.Action{Do: "subscribe"})
		must(t, s.RemoveAccount(shop))
		s.wants(190, 0, "GET", "/v25.0/me", nil, "Authorization", "Bearer EAAnew")
		if s.RemoveAccount(shop) == nil {
			t.Error("it is removed twice")
		}
		if _, err := s.Chats(shop); err == nil {
			t.Error("it has chats")
		}
		if _, err := s.Chat(t.Context(), shop, ann, -1); err == nil {
			t.Error("it has a chat")
		}
		if _, err := s.File(shop, "1"); err == nil {
			t.Error("it has files")
		}
		for _, wrong := range []string{`{"status":"seen"}`, `{"window":"x"}`, `{"profile":"x"}`, `{"batch":0}`, `{"batch":1001}`, `{"posts":0}`, `{"compress":0.5}`, `{"link_seconds":0}`, `{"per_second":-1}`, `[]`} {
			if s.Set([]byte(wrong)) == nil {
				t.Errorf("%s is taken", wrong)
			}
		}
		if got := s.SettingsJSON(); got != defaults {
			t.Errorf("settings %+v", got)
		}
	})
}
