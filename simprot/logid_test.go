package simprot

import (
	"strings"
	"testing"
)

func TestLogEventID(t *testing.T) {
	for _, tc := range []struct{ tracking, id, want string }{
		{"770055113399|telegram", "990011|text|770055113399:6", "990011|text|HASH:6"},
		{"-100770055113399:12|telegram", "990011|text|-100770055113399:6", "990011|text|-HASH:6"},
		{"business:770055113399|telegram", "990011|edit|770055113399:6|1", "990011|edit|HASH:6|1"},
		{"+420601777888|sms", "ac1|text|420601777888", "ac1|text|HASH"},
		{"17|omnichannel", "omni|text|m-17", "omni|text|m-17"},
		{"770055113399|telegram", "8c6e3f62-0000-4000-8000-000000000000", "8c6e3f62-0000-4000-8000-000000000000"},
		{"", "omni|text|m-1", "omni|text|m-1"},
		// What begins both with a colon after it names the network (SPEC.md 8.2).
		{"telegram:42", "telegram:1:7", "telegram:1:7"},
		{"telegram:770055113399", "telegram:770055113399:7", "telegram:HASH:7"},
		{"whatsapp:_49_44.770055", "whatsapp:770055.7", "whatsapp:HASH.7"},
		{"alicesmith|web", "alicesmith:7", "HASH:7"},
		{"alicesmith@example.org|email", "alicesmith:7", "HASH:7"},
		{"@alicesmith:example.org", "alicesmith:7", "HASH:7"},
		{"alicesmith:home", "web|alicesmith:7", "web|HASH:7"},
		{"770055113399:12|telegram", "770055113399:6", "HASH:6"},
	} {
		want := strings.ReplaceAll(tc.want, "HASH", LogID(tc.tracking))
		if got := LogEventID(tc.tracking, tc.id); got != want {
			t.Errorf("%s in %s: %s, want %s", tc.id, tc.tracking, got, want)
		}
	}
}
