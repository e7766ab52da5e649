package graph

import (
	"fmt"
	"testing"
	"time"

	"servicelink/test/netsim/control"
)

const debugPath = "/v25.0/debug_token?input_token="

var byApp = []string{"Authorization", "Bearer " + appToken}

// debugged is what the network tells of a token.
func (s *site) debugged(token string) item {
	s.t.Helper()
	data, _ := s.wants(0, 0, "GET", debugPath+token, nil, byApp...).in("data").(map[string]any)
	return data
}

func TestDebugToken(t *testing.T) {
	on(t, func(t *testing.T, s *site) {
		d := s.debugged(pageToken)
		if d.in("is_valid") != true || d.in("app_id") != appID || d.in("type") != "PAGE" || d.in("expires_at") != 0.0 || d.in("profile_id") != shop ||
			d.in("data_access_expires_at") != float64(time.Now().Add(dataLife).Unix()) || len(d.in("scopes").([]any)) != len(allScopes) ||
			dig(d, "granular_scopes x target_ids x") != shop {
			t.Errorf("a good one: %v", d)
		}
		s.act(control.Action{Do: "scope", Data: scopeMessaging})
		if got := fmt.Sprint(s.debugged(pageToken).in("scopes")); got != "[pages_show_list pages_read_engagement pages_manage_metadata public_profile]" {
			t.Errorf("less scopes: %s", got)
		}
		s.act(control.Action{Do: "token", Data: "460"})
		if d := s.debugged(pageToken); d.in("is_valid") != false || d.in("error", "code") != 190.0 || d.in("error", "subcode") != 460.0 || d.in("scopes") == nil {
			t.Errorf("a bad one: %v", d)
		}
		if d := s.debugged("EAAunknown"); d.in("is_valid") != false || d.in("error", "code") != 190.0 {
			t.Errorf("an unknown one: %v", d)
		}
		if d := s.debugged(appID + "%7C" + secret); d.in("type") != "APP" || d.in("is_valid") != true {
			t.Errorf("the app's: %v", d)
		}
		if d := s.debugged("user-" + appID); d.in("type") != "USER" || d.in("expires_at") != float64(time.Now().Add(shortUser).Unix()) {
			t.Errorf("a user's: %v", d)
		}
		must(t, s.AddAccount(Account{Account: "9", Token: "EAA9", AppID: "8", AppSecret: "s"}))
		s.wants(100, 0, "GET", debugPath+"EAA9", nil, byApp...)
		s.wants(100, 0, "GET", debugPath+"EAAother", nil, "Authorization", "Bearer EAA9")
		s.wants(0, 0, "GET", debugPath+"EAA9", nil, "Authorization", "Bearer EAA9")
		s.wants(100, 0, "GET", "/v25.0/debug_token", nil, byApp...)
		s.wants(190, 0, "GET", debugPath+pageToken, nil, "Authorization", "Bearer "+appID+"|x")
		s.wants(101, 0, "GET", debugPath+pageToken, nil, "Authorization", "Bearer 12|"+secret)
		s.wants(104, 0, "GET", debugPath+pageToken, nil, "X-None", "")
	})
}

// TestExpiry: a token that expires is refused from then on, until it is mended.
func TestExpiry(t *testing.T) {
	on(t, func(t *testing.T, s *site) {
		must(t, s.AddAccount(Account{Account: shop, Token: pageToken, AppID: appID, AppSecret: secret, TokenSeconds: 3600, DataSeconds: 7200, Scopes: []string{scopeMessaging}}))
		d := s.debugged(pageToken)
		if d.in("expires_at") != float64(time.Now().Add(time.Hour).Unix()) || d.in("data_access_expires_at") != float64(time.Now().Add(2*time.Hour).Unix()) ||
			fmt.Sprint(d.in("scopes")) != "[pages_messaging]" {
			t.Errorf("it is %v", d)
		}
		time.Sleep(time.Hour - time.Second)
		s.wants(0, 0, "GET", "/v25.0/me", nil)
		time.Sleep(time.Second)
		s.wants(190, 463, "GET", "/v25.0/me", nil)
		if d := s.debugged(pageToken); d.in("is_valid") != false || d.in("error", "subcode") != 463.0 {
			t.Errorf("it is %v", d)
		}
		s.act(control.Action{Do: "token"})
		s.wants(0, 0, "GET", "/v25.0/me", nil)
	})
}

// TestExchange: a long-lived user's token, and pages' tokens by it, which do not
// expire; those by a short-lived one do.
func TestExchange(t *testing.T) {
	on(t, func(t *testing.T, s *site) {
		exchange := func(secret, token string) string {
			return "/v25.0/oauth/access_token?grant_type=fb_exchange_token&client_id=" + appID + "&client_secret=" + secret + "&fb_exchange_token=" + token
		}
		pages := func(token string) string {
			v := s.wants(0, 0, "GET", "/v25.0/me/accounts", nil, "Authorization", "Bearer "+token)
			if list, _ := v.in("data").([]any); len(list) != 2 || dig(v, "data x id") != shop || dig(v, "data x name") != "Page "+shop {
				t.Errorf("pages %v", v)
			}
			of, _ := dig(v, "data x access_token").(string)
			return of
		}
		user := "user-" + appID
		short := pages(user)
		if short == pageToken {
			t.Error("a short-lived token gives the page's own")
		}
		s.wants(0, 0, "GET", "/v25.0/me", nil, "Authorization", "Bearer "+short)
		v := s.wants(0, 0, "GET", exchange(secret, user), nil, "X-None", "")
		long, _ := v.in("access_token").(string)
		if v.in("expires_in") != longUser.Seconds() || v.in("token_type") != "bearer" {
			t.Errorf("exchanged %v", v)
		}
		if got := pages(long); got != pageToken {
			t.Errorf("a long-lived token gives %s", got)
		}
		if v := s.wants(0, 0, "GET", exchange(secret, pageToken), nil, "X-None", ""); v.in("access_token") != pageToken {
			t.Errorf("a page's token became %v", v)
		}
		s.wants(1, 0, "GET", exchange("x", user), nil, "X-None", "")
		s.wants(190, 0, "GET", exchange(secret, "x"), nil, "X-None", "")
		s.wants(101, 0, "GET", "/v25.0/oauth/access_token?grant_type=fb_exchange_token&client_id=1", nil, "X-None", "")
		s.wants(100, 0, "GET", "/v25.0/oauth/access_token?grant_type=password", nil, "X-None", "")
		time.Sleep(shortUser)
		s.wants(190, 463, "GET", exchange(secret, user), nil, "X-None", "")
		s.wants(190, 463, "GET", "/v25.0/me/accounts", nil, "Authorization", "Bearer "+user)
		s.wants(190, 463, "GET", "/v25.0/me", nil, "Authorization", "Bearer "+short)
		pages(long)
		time.Sleep(longUser)
		s.wants(190, 463, "GET", "/v25.0/me/accounts", nil, "Authorization", "Bearer "+long)
		s.wants(0, 0, "GET", "/v25.0/me", nil)
		s.wants(100, 0, "GET", "/v25.0/me/accounts", nil)
	})
}

// TestForgotten: tokens that were handed out are not kept without end.
func TestForgotten(t *testing.T) {
	on(t, func(t *testing.T, s *site) {
		s.locked(func() {
			first := s.mint(token{kind: kindUser})
			for range maxTokens {
				s.mint(token{kind: kindUser})
			}
			if s.tokens[first.value] != nil || len(s.minted) != maxTokens || len(s.tokens) > maxTokens+10 {
				t.Errorf("%d tokens", len(s.tokens))
			}
		})
	})
}
