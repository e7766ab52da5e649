package gateway

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestContentGoldenBytes(t *testing.T) {
	// These bytes are in journals: a change here makes them unreadable.
	tests := []struct {
		bytes string
		want  content
	}{
		{"", content{}},
		{"k\x04textt\x05hellon\x03Ada", content{Kind: "text", Text: "hello", PartyName: "Ada"}},
		{"k\x06buttont\x03yesr\x01rp\x01y", content{Kind: "button", Text: "yes", ReturnChatID: "r", Payload: "y"}},
		{"k\x04textt\x02hiw\x02$A", content{Kind: "text", Text: "hi", NetworkID: "$A"}},
		{"t\x06closedm\x012i\x02ida\x011", content{Text: "closed", Model: 2, ID: "id", Auto: true}},
	}
	for _, tt := range tests {
		if got := string(tt.want.encode()); got != tt.bytes {
			t.Errorf("%+v encodes to %q, want %q", tt.want, got, tt.bytes)
		}
		got, err := decodeContent([]byte(tt.bytes))
		if err != nil || !cmp.Equal(got, tt.want) {
			t.Errorf("%q decodes to %+v, %v", tt.bytes, got, err)
		}
	}
}

func TestContentOfALaterProgram(t *testing.T) {
	got, err := decodeContent([]byte("t\x02hiZ\x03abcm\x014"))
	if want := (content{Text: "hi", Model: 4}); err != nil || !cmp.Equal(got, want) {
		t.Errorf("got %+v, %v", got, err)
	}
}

func FuzzDecodeContent(f *testing.F) {
	for _, seed := range []string{"", "t", "t\x05hel", "t\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", "m\x01x", "t\x02hi"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := decodeContent(b)
		if err != nil {
			return
		}
		again, err := decodeContent(c.encode())
		if err != nil || !cmp.Equal(c, again) {
			t.Errorf("%+v came back as %+v, %v", c, again, err)
		}
	})
}
