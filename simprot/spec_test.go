package simprot

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"
)

// specFrame is the packet that SPEC.md shows byte by byte.
var specFrame = Packet{Code: CodeChatSentenceIn, Payload: &ChatSentenceInfo{
	Peer: "@servicelink", Port: "shop", TrackingId: "telegram:42", ID: "telegram:1:7",
	PartyName: "Jana", Text: "Dobrý den!", TimeSent: time.Date(2026, 11, 22, 7, 36, 41, 0, time.UTC),
}}

func readSpec(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("SPEC.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// block returns the first fenced block of a language behind a mark.
func block(t *testing.T, spec, mark, language string) string {
	t.Helper()
	_, after, found := strings.Cut(spec, mark)
	_, after, fenced := strings.Cut(after, "```"+language+"\n")
	text, _, closed := strings.Cut(after, "```")
	if !found || !fenced || !closed {
		t.Fatalf("SPEC.md has no %s block behind %q", language, mark)
	}
	return text
}

var dumpLine = regexp.MustCompile(`^([0-9a-f]{4})  ((?:[0-9a-f]{2} )*[0-9a-f]{2})  `)

func TestSpecShowsRealBytes(t *testing.T) {
	dump := block(t, readSpec(t), "<!-- frame:", "text")
	var got []byte
	for line := range strings.Lines(dump) {
		m := dumpLine.FindStringSubmatch(line)
		if m == nil {
			t.Fatalf("no line of a dump: %q", line)
		}
		if want := fmt.Sprintf("%04x", len(got)); m[1] != want {
			t.Errorf("offset %s, want %s", m[1], want)
		}
		got = append(got, unhex(t, strings.ReplaceAll(m[2], " ", ""))...)
	}
	want, err := AppendFrame(nil, specFrame, EncodingMsgpack)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("SPEC.md shows\n%x, the encoder writes\n%x", got, want)
	}
}

func TestSpecShowsRealJSON(t *testing.T) {
	spec := readSpec(t)
	var text bytes.Buffer
	if err := json.Compact(&text, []byte(block(t, spec, "<!-- frame:", "json"))); err != nil {
		t.Fatal(err)
	}
	frame, err := AppendFrame(nil, specFrame, EncodingJSON)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.HasSuffix(frame, text.Bytes()) {
		t.Errorf("SPEC.md shows\n%s, the encoder writes\n%q", &text, frame)
	}
	head := frame[len(frame)-text.Len()-2 : len(frame)-text.Len()]
	for _, shown := range []string{
		fmt.Sprintf("`% x`", frame[:lengthSize]), fmt.Sprintf("`% x`, %d bytes", head, text.Len()),
	} {
		if !strings.Contains(spec, shown) {
			t.Errorf("SPEC.md does not show %s", shown)
		}
	}
}

// TestSpecNamesEverything: each code and each member of each class.
func TestSpecNamesEverything(t *testing.T) {
	spec := readSpec(t)
	for _, code := range codeConstants(t) {
		if !strings.Contains(spec, "\n| `"+string(code)+"` |") {
			t.Errorf("no row for %s", code)
		}
		typ := reflect.TypeOf(emptyPayload(code))
		if typ.Kind() == reflect.Pointer {
			typ = typ.Elem()
		}
		namesMembers(t, spec, typ, map[reflect.Type]bool{})
	}
	for _, inText := range []reflect.Type{reflect.TypeFor[MessageRouting](), reflect.TypeFor[MessageFields]()} {
		namesMembers(t, spec, inText, map[reflect.Type]bool{})
	}
	for _, auto := range []string{AutoReply, AutoReport, AutoList, AutoLoop} {
		if !strings.Contains(spec, "`"+auto+"`") {
			t.Errorf("Auto %s is not named", auto)
		}
	}
}

func namesMembers(t *testing.T, spec string, typ reflect.Type, seen map[reflect.Type]bool) {
	t.Helper()
	for typ.Kind() == reflect.Pointer || typ.Kind() == reflect.Slice {
		typ = typ.Elem()
	}
	if typ.Kind() != reflect.Struct || typ.PkgPath() != reflect.TypeFor[Packet]().PkgPath() || seen[typ] {
		return
	}
	seen[typ] = true
	if !strings.Contains(spec, typ.Name()) {
		t.Errorf("%s is not named", typ.Name())
	}
	for field := range typ.Fields() {
		if !strings.Contains(spec, "`"+field.Name+"`") {
			t.Errorf("%s.%s is not named", typ.Name(), field.Name)
		}
		namesMembers(t, spec, field.Type, seen)
	}
}

func TestSpecHasTheLimits(t *testing.T) {
	spec := readSpec(t)
	for _, row := range []string{
		fmt.Sprintf("| ID | %d characters |", MaxID),
		fmt.Sprintf("| TrackingId | %d characters |", MaxTrackingID),
		fmt.Sprintf("| PartyName | %d characters |", MaxPartyName),
		fmt.Sprintf("| RemoteAddress | %d characters |", MaxRemoteAddress),
		fmt.Sprintf("| UserToken | %d characters |", MaxUserToken),
		fmt.Sprintf("| DeliverySystemId, InReplyToId | %d characters |", MaxDeliverySystemID),
		fmt.Sprintf("| FromField | %d characters |", MaxFromField),
		fmt.Sprintf("| ToField, ToCcField, ToBccField | %d characters |", MaxAddressField),
		fmt.Sprintf("| SubjectField | %d characters |", MaxSubjectField),
		fmt.Sprintf("| nesting | %d |", MaxDepth),
		fmt.Sprintf("| objects in a frame | %d,%d |", MaxObjects/1000, MaxObjects%1000),
		fmt.Sprintf("%d MiB by default |", DefaultMaxFrame>>20),
		fmt.Sprintf("| above %d MiB | closes the connection |", MaxReadFrame>>20),
		fmt.Sprintf("version is **%d**", Version),
	} {
		if !strings.Contains(spec, row) {
			t.Errorf("SPEC.md lacks %q", row)
		}
	}
}

// TestSpecPlace: the section numbers it refers to are there.
func TestSpecPlace(t *testing.T) {
	spec := readSpec(t)
	for _, ref := range regexp.MustCompile(`\((?:setting )?(\d+(?:\.\d+)?)(?:, (\d+\.\d+))?\)`).FindAllStringSubmatch(spec, -1) {
		for _, number := range ref[1:] {
			heading := regexp.MustCompile(`(?m)^#+ ` + regexp.QuoteMeta(number) + `\.? `)
			if number != "" && !heading.MatchString(spec) {
				t.Errorf("there is no section %s", number)
			}
		}
	}
}
