package graph

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"servicelink/test/netsim/control"
)

// members are the names in an answer.
func members(v item) string {
	var list []string
	for name := range v {
		list = append(list, name)
	}
	slices.Sort(list)
	return strings.Join(list, " ")
}

func TestNodes(t *testing.T) {
	on(t, func(t *testing.T, s *site) {
		for path, want := range map[string]string{
			"me":                            "id name",
			shop:                            "id name",
			"me?fields=name":                "id name",
			"me?fields=access_token,link":   "access_token id link",
			shop + "?fields=category,%20id": "category id",
		} {
			if v := s.wants(0, 0, "GET", "/v25.0/"+path, nil); members(v) != want || v.in("id") != shop {
				t.Errorf("%s: %v", path, v)
			}
		}
		s.wants(100, 0, "GET", "/v25.0/me?fields=colour", nil)
		s.wants(100, 33, "GET", "/v25.0/"+other, nil)
		s.wants(100, 33, "GET", "/v25.0/m_x", nil)
		if v := s.wants(0, 0, "GET", "/v25.0/"+appID, nil, byApp...); v.in("name") != "App "+appID {
			t.Errorf("the app %v", v)
		}
		if v := s.wants(0, 0, "GET", "/v25.0/me", nil, "Authorization", "Bearer user-"+appID); members(v) != "id name" {
			t.Errorf("the user %v", v)
		}
		s.wants(100, 33, "GET", "/v25.0/"+shop, nil, byApp...)
		s.wants(2500, 0, "GET", "/v25.0/a/b/c", nil)
		s.wants(100, 0, "GET", "/v25.0/me?field=name", nil)
	})
}

// TestProfile: as much as the customer's setting allows.
func TestProfile(t *testing.T) {
	on(t, func(t *testing.T, s *site) {
		s.act(control.Action{Do: "text", Text: "x", User: control.User{FirstName: "Ann", LastName: "Lee", LanguageCode: "de_DE"}})
		const path = "/v25.0/" + ann + "?fields=name,first_name,last_name,profile_pic,locale"
		all := s.wants(0, 0, "GET", path, nil)
		if all.in("name") != "Ann Lee" || all.in("first_name") != "Ann" || all.in("last_name") != "Lee" || all.in("locale") != "de_DE" || all.in("id") != ann {
			t.Errorf("all is %v", all)
		}
		if status, kind, body := s.load(fmt.Sprint(all.in("profile_pic"))); status != 200 || kind != "image/png" || body != string(picture) {
			t.Errorf("the picture: %d %s", status, kind)
		}
		if v := s.wants(0, 0, "GET", "/v25.0/"+ann, nil); members(v) != "first_name id last_name profile_pic" {
			t.Errorf("the usual is %v", v)
		}
		for _, set := range []func(to string){
			func(to string) { s.act(control.Action{Do: "profile", Data: to}) },
			func(to string) { s.set(`{"profile":"` + to + `"}`) },
		} {
			set("name")
			if v := s.wants(0, 0, "GET", path, nil); members(v) != "id name" || v.in("name") != "Ann Lee" {
				t.Errorf("the name is %v", v)
			}
			set("consent")
			s.wants(230, 0, "GET", path, nil)
			set("hidden")
			s.wants(100, 33, "GET", path, nil)
			set("full")
			s.wants(0, 0, "GET", path, nil)
			s.people().profile = "" // as the settings say
		}
		s.wants(100, 0, "GET", "/v25.0/"+ann+"?fields=email", nil)
		s.wants(100, 33, "GET", "/v25.0/"+ann, nil, "Authorization", "Bearer EAAother")
		_, err := s.Act(other, control.Action{Do: "text", Text: "x", Chat: "42"})
		must(t, err)
		if v := s.wants(0, 0, "GET", "/v25.0/42?fields=name", nil, "Authorization", "Bearer EAAother"); v.in("name") != "Customer 42" {
			t.Errorf("nobody told the name: %v", v)
		}
	})
}

// people gives what is known of Ann.
func (s *site) people() *person {
	s.Server.mu.Lock()
	defer s.Server.mu.Unlock()
	return s.pages[shop].people[ann]
}
