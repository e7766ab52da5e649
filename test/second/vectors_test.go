//go:build second

package second

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/google/go-cmp/cmp"

	"servicelink/simprot"
)

// vector is a vector of any family; which one it is, its members tell.
type vector struct {
	Name, Code, Direction, Note string
	Fields                      json.RawMessage
	Extras                      struct {
		Ask  string
		More bool
	}
	Msgpack, JSON   string // of a packet: its frame in both encodings
	Frame           string // of a frame that must be read, or refused
	Verdict, Member string // of one that must be refused
}

// family says what is to be done with a vector, "" when that is not known.
func (v vector) family() string {
	switch {
	case v.Msgpack != "" && v.JSON != "" && v.Fields != nil && v.Frame == "":
		return "packet"
	case v.Frame != "" && v.Fields != nil && v.Verdict == "":
		return "tolerant"
	case v.Frame != "" && v.Fields == nil && v.Verdict != "":
		return "hostile"
	}
	return ""
}

// frames are the vector's frames by their names.
func (v vector) frames() map[string]string {
	if v.Frame != "" {
		return map[string]string{"frame": v.Frame}
	}
	return map[string]string{"msgpack": v.Msgpack, "json": v.JSON}
}

// vectors reads every file there is. A vector of a family this test does not
// know fails it.
func vectors(t *testing.T) []vector {
	t.Helper()
	files, err := filepath.Glob("../../simprot/testdata/vectors/*")
	if err != nil || len(files) < 4 {
		t.Fatalf("%d files of vectors, %v", len(files), err)
	}
	var all []vector
	families := map[string]int{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		strict := json.NewDecoder(bytes.NewReader(text))
		strict.DisallowUnknownFields()
		var some []vector
		if err := strict.Decode(&some); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		for _, v := range some {
			family := v.family()
			if family == "" {
				t.Fatalf("%s: %s is of no family that is known here", file, v.Name)
			}
			families[family]++
		}
		all = append(all, some...)
	}
	if len(families) != 3 {
		t.Fatalf("vectors are missing: %v", families)
	}
	return all
}

// TestSecondReads: the second implementation reads the stated fields from every
// frame that must be read, and refuses every frame that must be refused.
func TestSecondReads(t *testing.T) {
	p := startPython(t)
	for _, v := range vectors(t) {
		for name, frame := range v.frames() {
			t.Run(v.Name+"/"+name, func(t *testing.T) {
				got := p.read(unhex(t, frame))
				if v.family() == "hostile" {
					if got.Verdict != v.Verdict || got.Member != v.Member || got.Behind != (v.Verdict == "skip") {
						t.Errorf("%s at %q, read on: %t; want %s at %q: %s",
							got.Verdict, got.Member, got.Behind, v.Verdict, v.Member, v.Note)
					}
					return
				}
				if got.Verdict != "taken" || !got.Behind {
					t.Fatalf("%s at %q", got.Verdict, got.Member)
				}
				if got.Code != v.Code || got.Ask != v.Extras.Ask || got.More != v.Extras.More {
					t.Errorf("%s, Ask %q, More %t", got.Code, got.Ask, got.More)
				}
				if diff := cmp.Diff(fields(t, v.Fields), fields(t, got.Payload), oneMark); diff != "" {
					t.Errorf("(-want +got):\n%s", diff)
				}
			})
		}
	}
}

// fields are a payload's members as JSON has them. Null reads as a payload
// without members or items.
func fields(t *testing.T, text json.RawMessage) any {
	t.Helper()
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	var v any
	if err := decoder.Decode(&v); err != nil {
		t.Fatal(err)
	}
	if list, ok := v.([]any); v == nil || ok && len(list) == 0 {
		return map[string]any{}
	}
	return v
}

// oneMark makes one U+FFFD of several: how many of them a run of bytes that are
// no UTF-8 becomes is left to each side.
var oneMark = cmp.Transformer("oneMark", func(s string) string { return marks.ReplaceAllString(s, "\uFFFD") })

var marks = regexp.MustCompile("\uFFFD+")

// TestSecondWrites: what the second implementation makes of the fields of a
// packet says to this project's reader what the vector's frame says. The bytes
// may differ, as SPEC fixes neither the order of members nor all that is left
// out.
func TestSecondWrites(t *testing.T) {
	p := startPython(t)
	packets := 0
	for _, v := range vectors(t) {
		if v.family() != "packet" {
			continue
		}
		packets++
		for name, frame := range v.frames() {
			t.Run(v.Name+"/"+name, func(t *testing.T) {
				want, got := goReads(unhex(t, frame)), goReads(p.write(v, name))
				if want.err != nil || got.err != nil {
					t.Fatalf("%v, %v", want.err, got.err)
				}
				if diff := cmp.Diff(want.packet, got.packet); diff != "" {
					t.Errorf("(-want +got):\n%s", diff)
				}
			})
		}
	}
	if packets < 40 {
		t.Errorf("%d packets", packets)
	}
}

// goReading is what this project's reader makes of a frame.
type goReading struct {
	packet simprot.Packet
	err    error
}

func goReads(frame []byte) goReading {
	body, err := simprot.NewFrameReader(bytes.NewReader(frame), 0).Next()
	if err != nil {
		return goReading{err: err}
	}
	p, err := simprot.DecodePacket(body)
	return goReading{p, err}
}
