package simprot

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"go/ast"
	"go/parser"
	gotoken "go/token"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/vmihailenco/msgpack/v5"
)

var update = flag.Bool("update", false, "write the hex of the packets in testdata/vectors from their fields")

// packetVector is one packet: what it says and how its frame looks.
type packetVector struct {
	Name      string          `json:"name"`
	Code      Code            `json:"code"`
	Direction string          `json:"direction"`
	Note      string          `json:"note"`
	Fields    json.RawMessage `json:"fields"`
	Extras    *vectorExtras   `json:"extras,omitempty"`
	Msgpack   string          `json:"msgpack"`
	JSON      string          `json:"json"`
}

type vectorExtras struct {
	Ask  string `json:",omitempty"`
	More bool   `json:",omitempty"`

	TraceParent string `json:"traceparent,omitempty"`
}

// tolerantVector is a frame that this package would not write and reads.
type tolerantVector struct {
	Name   string          `json:"name"`
	Code   Code            `json:"code"`
	Note   string          `json:"note"`
	Frame  string          `json:"frame"`
	Fields json.RawMessage `json:"fields"`
	Extras *vectorExtras   `json:"extras,omitempty"`
}

// hostileVector is a frame that is refused: "close" ends the connection,
// "skip" costs one packet.
type hostileVector struct {
	Name    string `json:"name"`
	Verdict string `json:"verdict"`
	Note    string `json:"note"`
	Frame   string `json:"frame"`
	Member  string `json:"member,omitempty"`
}

const vectorFolder = "testdata/vectors"

var packetFiles = []string{"chat.json", "session.json", "forms.json", "registers.json", "internal.json", "messages.json"}

func TestVectorsEncode(t *testing.T) {
	for _, file := range packetFiles {
		vectors := readVectors[packetVector](t, file)
		for i := range vectors {
			v := &vectors[i]
			t.Run(v.Name, func(t *testing.T) {
				p := packetOf(t, v.Code, v.Fields, v.Extras)
				check := func(enc Encoding, want *string) {
					frame, err := AppendFrame([]byte("before"), p, enc)
					if err != nil {
						t.Fatal(err)
					}
					got := hex.EncodeToString(frame[len("before"):])
					if *update {
						*want = got
					}
					if got != *want {
						t.Errorf("%v:\n got %s\nwant %s", enc, got, *want)
					}
				}
				check(EncodingMsgpack, &v.Msgpack)
				check(EncodingJSON, &v.JSON)
			})
		}
		if *update {
			writeVectors(t, file, vectors)
		}
	}
}

func TestVectorsDecode(t *testing.T) {
	for _, file := range packetFiles {
		for _, v := range readVectors[packetVector](t, file) {
			want := packetOf(t, v.Code, v.Fields, v.Extras)
			if want.Payload == nil { // nil reads as a payload without members
				want.Payload = emptyPayload(v.Code)
			}
			for enc, frame := range map[string]string{"msgpack": v.Msgpack, "json": v.JSON} {
				t.Run(v.Name+"/"+enc, func(t *testing.T) { checkDecodes(t, frame, want) })
			}
		}
	}
}

// TestVectorsElsewhere reads the vectors with the library alone, by
// reflection, so that a fault which the encoder and the decoder of this
// package share would show.
func TestVectorsElsewhere(t *testing.T) {
	for _, file := range packetFiles {
		for _, v := range readVectors[packetVector](t, file) {
			t.Run(v.Name, func(t *testing.T) {
				var want any
				if err := json.Unmarshal(v.Fields, &want); err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(want, libraryPayload(t, v.Msgpack)); diff != "" {
					t.Errorf("msgpack (-want +got):\n%s", diff)
				}
				got := libraryPayload(t, v.JSON)
				if text, ok := got.(string); ok && !classes[string(v.Code)].plain {
					got = nil
					if err := json.Unmarshal([]byte(text), &got); err != nil {
						t.Fatal(err)
					}
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("json (-want +got):\n%s", diff)
				}
			})
		}
	}
}

// libraryPayload decodes the payload of a frame and makes it look like
// decoded JSON.
func libraryPayload(t *testing.T, frame string) any {
	t.Helper()
	var body []any
	if err := msgpack.Unmarshal(unhex(t, frame)[lengthSize:], &body); err != nil {
		t.Fatal(err)
	}
	return jsonLike(t, body[1])
}

func jsonLike(t *testing.T, v any) any {
	t.Helper()
	switch v := v.(type) {
	case map[string]any:
		for key, member := range v {
			v[key] = jsonLike(t, member)
		}
	case []any:
		for i, item := range v {
			v[i] = jsonLike(t, item)
		}
	case time.Time:
		return v.UTC().Format(time.RFC3339Nano)
	case int8, int16, int32, int64, uint8, uint16, uint32, uint64:
		text, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		n, err := strconv.ParseFloat(string(text), 64)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	return v
}

func TestTolerantVectors(t *testing.T) {
	for _, v := range readVectors[tolerantVector](t, "tolerant.json") {
		t.Run(v.Name, func(t *testing.T) {
			checkDecodes(t, v.Frame, packetOf(t, v.Code, v.Fields, v.Extras))
		})
	}
}

func TestHostileVectors(t *testing.T) {
	ping, err := AppendFrame(nil, Packet{Code: CodePing, Payload: &Ping{Token: "next"}}, EncodingMsgpack)
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range readVectors[hostileVector](t, "hostile.json") {
		t.Run(v.Name, func(t *testing.T) {
			reader := NewFrameReader(bytes.NewReader(append(unhex(t, v.Frame), ping...)), 0)
			body, err := reader.Next()
			if err == nil {
				_, err = DecodePacket(body)
			}
			checkVerdict(t, v, err)
			if v.Verdict != "skip" {
				return
			}
			if body, err = reader.Next(); err != nil {
				t.Fatalf("the frame behind it: %v", err)
			}
			if p, err := DecodePacket(body); err != nil || p.Code != CodePing {
				t.Fatalf("the packet behind it: %v, %v", p.Code, err)
			}
		})
	}
}

func checkVerdict(t *testing.T, v hostileVector, err error) {
	t.Helper()
	var frame *FrameError
	var unknown *UnknownCodeError
	var decode *DecodeError
	verdict, member := "taken", ""
	switch {
	case errors.As(err, &frame):
		verdict = "close"
	case errors.As(err, &unknown):
		verdict = "skip"
	case errors.As(err, &decode):
		verdict, member = "skip", decode.Member
	}
	if verdict != v.Verdict || member != v.Member {
		t.Errorf("%s at %q, want %s at %q (error: %v)", verdict, member, v.Verdict, v.Member, err)
	}
}

// TestEveryCodeHasVectors reads the constants from the source, so that a new
// code cannot be forgotten.
func TestEveryCodeHasVectors(t *testing.T) {
	have := map[Code]bool{}
	for _, file := range packetFiles {
		for _, v := range readVectors[packetVector](t, file) {
			have[v.Code] = true
		}
	}
	codes := codeConstants(t)
	if len(codes) < 20 {
		t.Fatalf("found only %d codes in packets.go", len(codes))
	}
	for _, code := range codes {
		if !have[code] {
			t.Errorf("%s has no vector", code)
		}
		if _, known := classes[string(code)]; !known {
			t.Errorf("%s cannot be decoded", code)
		}
	}
	if len(classes) != len(codes)+len([]string{misprint}) {
		t.Errorf("%d codes are decoded, %d declared", len(classes), len(codes))
	}
}

// sourceNames are the packets of the source, as it spells them, by the file of
// their family.
var sourceNames = map[string][]string{
	"chat.json": {
		"ES_CHAT_REQUEST", "SE_CHAT_RESPONSE", "ES_CHAT_START", "SE_CHAT_STATUS", "ES_CHAT_STOP", "ES_CHAT_TYPING",
		"ES_CHAT_SENTENCE", "SE_CHAT_SENTENCE", "SE_CHAT_CONFIRM", "SE_CHAT_TYPING", "ES_CHAT_CONFIRM",
		"ES_CHAT_RESYNC", "SE_CHAT_LIST", "ES_CHAT_STATUS",
	},
	"forms.json":     {"ES_SCENARIO_LOAD", "SE_SCENARIO_MODEL", "ES_SCENARIO_SAVE"},
	"registers.json": {"ES_WS_ROUTING", "SE_WS_ROUTING", "ES_WS_LITERALS_GET", "SE_WS_LITERALS_INFO"},
	"internal.json": {
		"SC_CHAT_ALERT", "CS_CHAT_ANSWER", "SC_CHAT_ALERT_END", "CS_CHAT_HANGUP", "SC_CHAT_STATUS", "SC_CHAT_TYPING",
		"SC_CHAT_SENTENCE", "CS_CHAT_CONFIRM", "CS_CHAT_TYPING", "CS_CHAT_SENTENCE", "SC_CHAT_LIST", "CS_CHAT_STATUS",
	},
	"tolerant.json": {"CS_CHAT_RESNYC"},
	"messages.json": {
		"ES_SL_GETGATEWAYS", "SE_SL_MSGGATEWAYS", "ES_MESSAGE_RECEIVING", "SE_MESSAGE_RECEIVED", "SE_MESSAGE_SENDING",
		"ES_MESSAGE_SENT",
	},
}

// TestEveryNameOfTheSource: each packet the source names has a frame with that
// name in the file of its family, which decodes.
func TestEveryNameOfTheSource(t *testing.T) {
	for file, names := range sourceNames {
		for _, name := range names {
			if _, known := classes[name]; !known {
				t.Errorf("%s is not known", name)
			}
			text, err := os.ReadFile(filepath.Join(vectorFolder, file))
			if err != nil {
				t.Fatal(err)
			}
			if frame := hex.EncodeToString(appendTextHeader(nil, len(name))) + hex.EncodeToString([]byte(name)); !bytes.Contains(text, []byte(frame)) {
				t.Errorf("%s has no frame in %s", name, file)
			}
		}
	}
}

// codeConstants returns the values of the constants of type Code.
func codeConstants(t *testing.T) []Code {
	t.Helper()
	file, err := parser.ParseFile(gotoken.NewFileSet(), "packets.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var codes []Code
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		if name, ok := spec.Type.(*ast.Ident); !ok || name.Name != "Code" {
			return true
		}
		for _, value := range spec.Values {
			text, err := strconv.Unquote(value.(*ast.BasicLit).Value)
			if err != nil {
				t.Fatal(err)
			}
			codes = append(codes, Code(text))
		}
		return true
	})
	return codes
}

// packetOf makes the packet a vector describes, by way of encoding/json, which
// knows nothing of this package's codec.
func packetOf(t testing.TB, code Code, fields json.RawMessage, extras *vectorExtras) Packet {
	t.Helper()
	p := Packet{Code: code}
	if extras != nil {
		p.Extras = Extras(*extras)
	}
	if string(fields) == "null" {
		return p
	}
	target := emptyPayload(code)
	slot := reflect.New(reflect.TypeOf(target)) // lists and texts are no pointers
	slot.Elem().Set(reflect.ValueOf(target))
	strict := json.NewDecoder(bytes.NewReader(fields))
	strict.DisallowUnknownFields()
	if err := strict.Decode(slot.Interface()); err != nil {
		t.Fatalf("fields: %v", err)
	}
	p.Payload = slot.Elem().Interface().(Payload)
	return p
}

// emptyPayload is what a nil payload reads as.
func emptyPayload(code Code) Payload {
	payload, err := classes[string(code)].read(nil, token{})
	if err != nil {
		panic(err)
	}
	return payload
}

func checkDecodes(t *testing.T, frame string, want Packet) {
	t.Helper()
	body, err := NewFrameReader(bytes.NewReader(unhex(t, frame)), 0).Next()
	if err != nil {
		t.Fatal(err)
	}
	got, err := DecodePacket(body)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func unhex(t testing.TB, text string) []byte {
	t.Helper()
	b, err := hex.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func readVectors[T any](t testing.TB, file string) []T {
	t.Helper()
	text, err := fs.ReadFile(os.DirFS(vectorFolder), file)
	if err != nil {
		t.Fatal(err)
	}
	strict := json.NewDecoder(bytes.NewReader(text))
	strict.DisallowUnknownFields()
	var vectors []T
	if err := strict.Decode(&vectors); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	if len(vectors) == 0 {
		t.Fatalf("%s holds no vectors", file)
	}
	return vectors
}

func writeVectors(t *testing.T, file string, vectors []packetVector) {
	t.Helper()
	var text bytes.Buffer
	e := json.NewEncoder(&text)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(vectors); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(vectorFolder, file), text.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
}
