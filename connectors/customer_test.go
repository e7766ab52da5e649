package connectors_test

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"

	"servicelink/connectors"
)

func TestUserToken(t *testing.T) {
	long := strings.Repeat("ж", 300)
	type members = []connectors.Member
	for _, tc := range []struct {
		name string
		in   members
		want string
	}{
		{"in order", members{{"id", "1"}, {"login", "l"}, {"phone", "p"}}, `{"id":"1","login":"l","phone":"p"}`},
		{"escaped", members{{"id", "a\"\\\n<ж"}}, `{"id":"a\"\\\u000a<ж"}`},
		{"not UTF-8", members{{"id", "a\xffb"}}, "{\"id\":\"a\uFFFDb\"}"},
		{"a long one is dropped", members{{"id", "1"}, {"phone", "p"}, {"site", long + long}}, `{"id":"1","phone":"p"}`},
		{"and costs no later one", members{{"id", "1"}, {"login", long + long}, {"phone", "p"}}, `{"id":"1","phone":"p"}`},
		{"characters count, not bytes", members{{"id", long}}, `{"id":"` + long + `"}`},
		{"an empty one is left out", members{{"id", ""}, {"phone", "p"}}, `{"phone":"p"}`},
		{"nothing", nil, `{}`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := connectors.UserToken(tc.in); got != tc.want {
				t.Errorf("token = %s, want %s", got, tc.want)
			}
		})
	}
	exact := strings.Repeat("x", connectors.MaxUserToken-len(`{"id":""}`))
	if got := connectors.UserToken([]connectors.Member{{Name: "id", Value: exact}}); len(got) != connectors.MaxUserToken {
		t.Errorf("a token of exactly %d characters became %d", connectors.MaxUserToken, len(got))
	}
}

// TestUserTokenForm: whatever is known, it is JSON within the limit, and says what
// was put in.
func TestUserTokenForm(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		value := string(rapid.SliceOf(rapid.Byte()).Draw(t, "value"))
		token := connectors.UserToken([]connectors.Member{{Name: "a", Value: value}, {Name: "b", Value: value}})
		var back struct{ A, B string }
		if err := json.Unmarshal([]byte(token), &back); err != nil || utf8.RuneCountInString(token) > connectors.MaxUserToken {
			t.Fatalf("%s: %v", token, err)
		}
		if want := strings.ToValidUTF8(value, "\uFFFD"); back.A != want && back.A != "" {
			t.Fatalf("%q came back as %q", want, back.A)
		}
	})
}
