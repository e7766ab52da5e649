//go:build second

package second

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/vmihailenco/msgpack/v5"
)

// place is where a value may stand in a packet: the payload itself, or a member
// of it, however deep.
type place struct {
	code string
	path []step // outermost first
}

// step leads into a member, or with no name into the first item of a list.
type step struct{ name string }

func (at place) String() string {
	names := make([]string, 0, 1+len(at.path))
	names = append(names, at.code)
	for _, s := range at.path {
		names = append(names, s.name)
	}
	return strings.Join(names, ".")
}

// places are all that the vectors show, those of one payload class once.
func places(t *testing.T) []place {
	t.Helper()
	var all []place
	seen := map[string]bool{}
	for _, v := range vectors(t) {
		if v.family() != "packet" {
			continue
		}
		read := goReads(unhex(t, v.Msgpack))
		if read.err != nil {
			t.Fatal(read.err)
		}
		var payload any
		if err := json.Unmarshal(v.Fields, &payload); err != nil {
			t.Fatal(err)
		}
		for _, path := range paths(payload) {
			key := fmt.Sprintf("%T %v", read.packet.Payload, path)
			if n := len(path); n > 2 { // the same class in another payload
				key = fmt.Sprint(path[n-3:])
			}
			if !seen[key] {
				seen[key] = true
				all = append(all, place{v.Code, path})
			}
		}
	}
	if len(all) < 100 {
		t.Fatalf("only %d places", len(all))
	}
	return all
}

// paths lists the ways to v and into it.
func paths(v any) [][]step {
	all := [][]step{nil}
	into := func(s step, v any) {
		for _, rest := range paths(v) {
			all = append(all, append([]step{s}, rest...))
		}
	}
	switch v := v.(type) {
	case map[string]any:
		for name, member := range v {
			into(step{name}, member)
		}
	case []any:
		for _, item := range v {
			into(step{}, item)
		}
	}
	return all
}

// msgpack is a frame with the encoded value at the place, and nothing else.
func (at place) msgpack(t *testing.T, value []byte) []byte {
	t.Helper()
	var payload []byte
	for _, s := range at.path {
		if s.name == "" {
			payload = append(payload, 0x91)
			continue
		}
		name, err := msgpack.Marshal(s.name)
		if err != nil {
			t.Fatal(err)
		}
		payload = append(append(payload, 0x81), name...)
	}
	return framed(t, at.code, append(payload, value...))
}

// json is the same with the payload as JSON text, well formed or not.
func (at place) json(t *testing.T, value string) []byte {
	t.Helper()
	text := value
	for _, s := range slices.Backward(at.path) {
		if s.name == "" {
			text = "[" + text + "]"
		} else {
			text = fmt.Sprintf("{%q:%s}", s.name, text)
		}
	}
	payload, err := msgpack.Marshal(text)
	if err != nil {
		t.Fatal(err)
	}
	return framed(t, at.code, payload)
}

func framed(t *testing.T, code string, payload []byte) []byte {
	t.Helper()
	name, err := msgpack.Marshal(code)
	if err != nil {
		t.Fatal(err)
	}
	body := append(append([]byte{0x92}, name...), payload...)
	return append(binary.BigEndian.AppendUint32(nil, uint32(len(body))), body...)
}
