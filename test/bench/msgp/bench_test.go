package msgp

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/tinylib/msgp/msgp"
)

// packet is what the generator made.
type packet interface {
	MarshalMsg([]byte) ([]byte, error)
	UnmarshalMsg([]byte) ([]byte, error)
}

// hot are the packets of every sentence: vectors of chat.json, in the order of
// simprot's benchmarks.
var hot = []struct {
	vector string
	fresh  func() packet
}{
	{"sentence-everything", func() packet { return new(Sentence) }},
	{"sentence-echo", func() packet { return new(Sentence) }},
	{"confirm-in", func() packet { return new(Command) }},
	{"status-answer", func() packet { return new(Status) }},
}

// load returns a vector as a packet, and the payload in its frame.
func load(t testing.TB, name string, p packet) (packet, []byte) {
	t.Helper()
	text, err := os.ReadFile("../../../simprot/testdata/vectors/chat.json")
	if err != nil {
		t.Fatal(err)
	}
	var vectors []struct {
		Name, Code, Msgpack string
		Fields              json.RawMessage
	}
	if err := json.Unmarshal(text, &vectors); err != nil {
		t.Fatal(err)
	}
	for _, v := range vectors {
		if v.Name != name {
			continue
		}
		if err := json.Unmarshal(v.Fields, p); err != nil {
			t.Fatal(err)
		}
		frame, err := hex.DecodeString(v.Msgpack)
		if err != nil {
			t.Fatal(err)
		}
		_, payload, found := bytes.Cut(frame, []byte(v.Code))
		if !found {
			t.Fatalf("%s has no Code in its frame", name)
		}
		return p, payload
	}
	t.Fatalf("there is no vector %s", name)
	return nil, nil
}

// TestSameWork: the generated code writes what simprot writes, and reads it.
func TestSameWork(t *testing.T) {
	for _, h := range hot {
		p, want := load(t, h.vector, h.fresh())
		got, err := p.MarshalMsg(nil)
		if err != nil || !strings.HasPrefix(asJSON(t, want), asJSON(t, got)) {
			t.Errorf("%s: %v\n%s\n%s", h.vector, err, asJSON(t, got), asJSON(t, want))
		}
		again := h.fresh()
		if _, err := again.UnmarshalMsg(want); err != nil {
			t.Errorf("%s: %v", h.vector, err)
		}
		if diff := cmp.Diff(p, again); diff != "" {
			t.Errorf("%s:\n%s", h.vector, diff)
		}
	}
}

// asJSON makes the first value of b readable; extras may stand behind it.
func asJSON(t *testing.T, b []byte) string {
	t.Helper()
	var text bytes.Buffer
	if _, err := msgp.UnmarshalAsJSON(&text, b); err != nil {
		t.Fatal(err)
	}
	return text.String()
}

func BenchmarkEncode(b *testing.B) {
	for _, h := range hot {
		p, _ := load(b, h.vector, h.fresh())
		b.Run(h.vector, func(b *testing.B) {
			b.ReportAllocs()
			var buf []byte
			for b.Loop() {
				var err error
				if buf, err = p.MarshalMsg(buf[:0]); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkDecode(b *testing.B) {
	for _, h := range hot {
		_, payload := load(b, h.vector, h.fresh())
		b.Run(h.vector, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := h.fresh().UnmarshalMsg(payload); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
