package connectors_test

import (
	"regexp"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"servicelink/connectors"
)

func TestEventID(t *testing.T) {
	for _, tc := range []struct {
		name                       string
		account, kind, id, version string
		want                       string
	}{
		{"plain", "omni", "text", "42", "", "omni|text|42"},
		{"revision", "omni", "edit", "42", "1700000000", "omni|edit|42|1700000000"},
		{"whole alphabet", "omni", "text", "a:b_c.d-9", "", "omni|text|a:b_c.d-9"},
		{"upper case is hashed", "omni", "text", "A1", "", "h:46f54af0ec43f5afab43c17c4929af4e74f00d46873a0e17189bd67a7c9cb9"},
		{"64 characters stay", "omni", "text", strings.Repeat("7", 54), "", "omni|text|" + strings.Repeat("7", 54)},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := connectors.EventID(tc.account, tc.kind, tc.id, tc.version); got != tc.want {
				t.Errorf("EventID = %q, want %q", got, tc.want)
			}
		})
	}
}

// TestEventIDKeepsApart: two events never share an ID, whatever the network
// puts into its ids.
func TestEventIDKeepsApart(t *testing.T) {
	ids := map[string][4]string{}
	for _, in := range [][4]string{
		{"omni", "text", "1", ""},
		{"omni", "file", "1", ""},
		{"tele", "text", "1", ""},
		{"omni", "text", "1", "2"},
		{"omni", "text", "1|2", ""},
		{"omni", "text", "|1", "2"},
		{"omni", "text", "a", ""},
		{"omni", "text", "A", ""},
		{"omni", "text", "", ""},
		{"omni", "text", "", "1"},
		{"omni", "text", "1 ", ""},
		{"omni", "text", "ü", ""},
		{"omni", "text", "A", "b"},
		{"omni", "text", "Ab", ""},
		{"omni", "textA", "b", ""},
		{"omni", "text", strings.Repeat("7", 55), ""},
		{"omni", "text", strings.Repeat("7", 56), ""},
	} {
		id := connectors.EventID(in[0], in[1], in[2], in[3])
		if other, taken := ids[id]; taken {
			t.Errorf("%q and %q share %q", in, other, id)
		}
		ids[id] = in
	}
}

var (
	eventIDForm    = regexp.MustCompile(`^[0-9a-z:_.|-]{1,64}$`)
	trackingIDForm = regexp.MustCompile(`^[0-9a-z:_.|+@-]*$`)
)

func TestIDsStayInTheirAlphabets(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := rapid.String().Draw(t, "a"), rapid.String().Draw(t, "b")
		if id := connectors.EventID("omni", "text", a, b); !eventIDForm.MatchString(id) {
			t.Errorf("EventID of %q, %q = %q", a, b, id)
		}
		id := connectors.TrackingID(a, b)
		if !trackingIDForm.MatchString(id) {
			t.Errorf("TrackingID of %q, %q = %q", a, b, id)
		}
		if back, ok := connectors.UnescapeID(id); !ok || back != a+"|"+b {
			t.Errorf("UnescapeID(%q) = %q, %v; want %q", id, back, ok, a+"|"+b)
		}
	})
}

func TestTrackingID(t *testing.T) {
	for _, tc := range []struct {
		parts []string
		want  string
	}{
		{[]string{"12345678901234567890", "omnichannel"}, "12345678901234567890|omnichannel"},
		{[]string{"whatsapp:ID.7"}, "whatsapp:_49_44.7"},
		{[]string{"a|b", "c"}, "a|b|c"},
		{[]string{"a_b"}, "a_5fb"},
		{[]string{"ü@x+y"}, "_c3_bc@x+y"},
	} {
		if got := connectors.TrackingID(tc.parts...); got != tc.want {
			t.Errorf("TrackingID(%q) = %q, want %q", tc.parts, got, tc.want)
		}
	}
}

// TestUnescapeIDIsStrict: one conversation has one name.
func TestUnescapeIDIsStrict(t *testing.T) {
	for _, id := range []string{"_4", "_", "a_zz", "_61", "_4F", "_7c", "A", "a b", "ü"} {
		if part, ok := connectors.UnescapeID(id); ok {
			t.Errorf("UnescapeID(%q) = %q, want none", id, part)
		}
	}
}
