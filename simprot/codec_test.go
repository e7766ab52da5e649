package simprot

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestFirst(t *testing.T) {
	p := Packet{Code: CodeChatSentence, Payload: &ChatSentenceInfo{Peer: "@servicelink", ID: "1", Text: "ahoj \"x\" \n č", TimeSent: time.Date(2026, 1, 2, 3, 4, 5, 600, time.UTC), Counter: 7}, Extras: Extras{Ask: "a-1"}}
	for _, enc := range []Encoding{EncodingMsgpack, EncodingJSON} {
		b, err := AppendFrame(nil, p, enc)
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%q", b)
		got, err := DecodePacket(b[4:])
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(p, got); d != "" {
			t.Error(d)
		}
	}
}
