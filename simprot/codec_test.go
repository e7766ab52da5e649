package simprot

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/vmihailenco/msgpack/v5"
	"pgregory.net/rapid"
)

var encodings = []Encoding{EncodingMsgpack, EncodingJSON}

// TestEveryMemberTravels fills every member of every class by reflection, so
// that a member added to packets.go and forgotten in the codec is found.
func TestEveryMemberTravels(t *testing.T) {
	for _, code := range codeConstants(t) {
		empty := reflect.ValueOf(emptyPayload(code))
		slot := reflect.New(empty.Type()).Elem() // lists and texts are no pointers
		slot.Set(empty)
		n := 0
		fill(t, slot, &n)
		want := Packet{Code: code, Payload: slot.Interface().(Payload), Extras: Extras{Ask: "k3-1", More: true}}
		for _, enc := range encodings {
			frame, err := AppendFrame(nil, want, enc)
			if err != nil {
				t.Fatalf("%s %v: %v", code, enc, err)
			}
			got, err := DecodePacket(frame[lengthSize:])
			if err != nil {
				t.Fatalf("%s %v: %v", code, enc, err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s %v (-want +got):\n%s", code, enc, diff)
			}
		}
	}
}

// fill gives every field below v a value of its own that is not zero.
func fill(t *testing.T, v reflect.Value, n *int) {
	t.Helper()
	*n++
	switch v.Interface().(type) {
	case time.Time:
		at := time.Date(2026, 11, 22, 7, 36, 41, *n*int(tick), time.UTC)
		v.Set(reflect.ValueOf(at))
		return
	case uuid.UUID:
		v.Set(reflect.ValueOf(uuid.UUID{0: byte(*n), 15: 1}))
		return
	case *Decimal:
		d := Decimal(strings.Repeat("9", *n%20+1) + ".50")
		v.Set(reflect.ValueOf(&d))
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() {
			v.Set(reflect.New(v.Type().Elem()))
		}
		fill(t, v.Elem(), n)
	case reflect.Slice:
		if v.Len() == 0 {
			v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		}
		for i := range v.Len() {
			fill(t, v.Index(i), n)
		}
	case reflect.Struct:
		for _, field := range v.Fields() {
			fill(t, field, n)
		}
	case reflect.String:
		v.SetString("text č " + strings.Repeat("x", *n))
	case reflect.Int16, reflect.Int32, reflect.Int64:
		v.SetInt(int64(*n))
	case reflect.Bool:
		v.SetBool(true)
	default:
		t.Fatalf("a member of kind %v is new to this test", v.Kind())
	}
}

// TestSentencesTravel: whatever a customer writes comes out as it went in.
func TestSentencesTravel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := &ChatSentenceInfo{
			ID:        rapid.String().Draw(t, "id"),
			Text:      rapid.String().Draw(t, "text"),
			PartyName: rapid.StringN(0, 400, 2000).Draw(t, "name"),
			Counter:   rapid.Int32().Draw(t, "counter"),
			Model:     Model(rapid.Int32().Draw(t, "model")),
		}
		ticks := rapid.Int64Range(0, 9999*365*24*3600).Draw(t, "seconds")
		want.TimeSent = time.Unix(firstSecond+ticks, 0).UTC().Add(time.Duration(rapid.Int64Range(0, 9_999_999).Draw(t, "ticks")) * tick)
		enc := Encoding(rapid.IntRange(0, 1).Draw(t, "encoding"))
		frame, err := AppendFrame(nil, Packet{Code: CodeChatSentence, Payload: want}, enc)
		if err != nil {
			t.Fatal(err)
		}
		got, err := DecodePacket(frame[lengthSize:])
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(Payload(want), got.Payload); diff != "" {
			t.Fatal(diff)
		}
	})
}

func TestStringsThatAreNoUTF8(t *testing.T) {
	for _, enc := range encodings {
		frame, err := AppendFrame(nil, Packet{Code: CodePing, Payload: &Ping{Token: "a\xff\xfeb\xc3"}}, enc)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Contains(frame, []byte("a\uFFFDb\uFFFD")) {
			t.Errorf("%v: written as %q", enc, frame)
		}
		p, err := DecodePacket(frame[lengthSize:])
		if err != nil {
			t.Fatal(err)
		}
		if got, want := p.Payload.(*Ping).Token, "a\uFFFDb\uFFFD"; got != want {
			t.Errorf("%v: %q, want %q", enc, got, want)
		}
	}
}

// TestTimesKeepWhatTheEncodingHolds: nanoseconds in MessagePack, ticks in JSON.
func TestTimesKeepWhatTheEncodingHolds(t *testing.T) {
	zone := time.FixedZone("", 3600)
	sent := time.Date(2026, 11, 22, 8, 36, 41, 123456789, zone)
	for enc, want := range map[Encoding]time.Time{
		EncodingMsgpack: time.Date(2026, 11, 22, 7, 36, 41, 123456789, time.UTC),
		EncodingJSON:    time.Date(2026, 11, 22, 7, 36, 41, 123456700, time.UTC),
	} {
		frame, err := AppendFrame(nil, Packet{Code: CodeChatSentence, Payload: &ChatSentenceInfo{TimeSent: sent}}, enc)
		if err != nil {
			t.Fatal(err)
		}
		p, err := DecodePacket(frame[lengthSize:])
		if err != nil {
			t.Fatal(err)
		}
		if got := p.Payload.(*ChatSentenceInfo).TimeSent; got != want {
			t.Errorf("%v: %v, want %v", enc, got, want)
		}
	}
}

func TestPacketsThatMustNotBeWritten(t *testing.T) {
	late := time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)
	comma := Decimal("12,5")
	decimal := &ScenarioResultInfo{Values: []*ScenarioResultValueInfo{{ResultNumeric: &comma}}}
	for name, test := range map[string]struct {
		packet Packet
		want   error
	}{
		"class of another code":      {Packet{Code: CodePing, Payload: new(Bye)}, errClass},
		"object for a list":          {Packet{Code: CodeChatList, Payload: new(ChatStatusInfo)}, errClass},
		"list for an object":         {Packet{Code: CodeChatStatus, Payload: ChatStatusList{}}, errClass},
		"nil pointer":                {Packet{Code: CodePing, Payload: (*Ping)(nil)}, errClass},
		"nil pointer, unknown code":  {Packet{Code: "XX_NEW", Payload: (*Ping)(nil)}, errClass},
		"nil in a list":              {Packet{Code: CodeChatList, Payload: ChatStatusList{nil}}, errNilItem},
		"nil in Sentences":           {Packet{Code: CodeChatStatus, Payload: &ChatStatusInfo{Sentences: []*ChatSentenceInfo{nil}}}, errNilItem},
		"year 10000":                 {Packet{Code: CodeChatSentence, Payload: &ChatSentenceInfo{TimeSent: late}}, errTime},
		"decimal that is no decimal": {Packet{Code: CodeChatStart, Payload: &ChatServiceInfo{ResultModel: decimal}}, errDecimal},
	} {
		t.Run(name, func(t *testing.T) {
			for _, enc := range encodings {
				before := []byte("before")
				after, err := AppendFrame(before, test.packet, enc)
				var encode *EncodeError
				if !errors.As(err, &encode) || encode.Code != test.packet.Code || !errors.Is(err, test.want) {
					t.Errorf("%v: %v, want %v", enc, err, test.want)
				}
				if string(after) != "before" {
					t.Errorf("%v: left %q behind", enc, after)
				}
			}
		})
	}
}

// TestAfterAFault: an encoder that met a fault works on.
func TestAfterAFault(t *testing.T) {
	bad := Packet{Code: CodeChatList, Payload: ChatStatusList{nil}}
	good := Packet{Code: CodePing, Payload: &Ping{Token: "1"}}
	want, err := AppendFrame(nil, good, EncodingMsgpack)
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if _, err := AppendFrame(nil, bad, EncodingJSON); err == nil {
			t.Fatal("no error")
		}
		got, err := AppendFrame(nil, good, EncodingMsgpack)
		if err != nil || string(got) != string(want) {
			t.Fatalf("%x, %v", got, err)
		}
	}
}

func TestUnknownCodes(t *testing.T) {
	frame, err := AppendFrame(nil, Packet{Code: "XX_NEW", Payload: &Ping{Token: "1"}}, EncodingMsgpack)
	if err != nil {
		t.Fatal(err)
	}
	_, err = DecodePacket(frame[lengthSize:])
	var unknown *UnknownCodeError
	if !errors.As(err, &unknown) || unknown.Code != "XX_NEW" {
		t.Errorf("error %v", err)
	}
	long := Code("\xff" + strings.Repeat("č", 1000))
	if frame, err = AppendFrame(nil, Packet{Code: long}, EncodingMsgpack); err != nil {
		t.Fatal(err)
	}
	_, err = DecodePacket(frame[lengthSize:])
	if !errors.As(err, &unknown) || unknown.Code != "\uFFFD"+Code(strings.Repeat("č", MaxID-1)) {
		t.Errorf("a long code is kept as %q", unknown.Code)
	}
}

// TestErrorsHoldNoContent: nothing a customer wrote gets into a log by way of
// an error.
func TestErrorsHoldNoContent(t *testing.T) {
	const secret = "hunter2"
	quoted, err := json.Marshal(secret)
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{
		`{"Counter":` + string(quoted) + `}`, `{"TimeSent":` + string(quoted) + `}`, `{"ChatId":` + string(quoted) + `}`,
		`{"IsOutbound":` + string(quoted) + `}`, `{"` + secret + `":[}`, `{"Text":"` + secret, secret,
	} {
		body := insertTextHeader([]byte("\x92\xb0SE_CHAT_SENTENCE"+text), len("\x92\xb0SE_CHAT_SENTENCE"))
		_, err := DecodePacket(body)
		if _, ok := errors.AsType[*DecodeError](err); !ok {
			t.Fatalf("%s: %v", text, err)
		}
		if strings.Contains(err.Error(), secret) {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// TestObjectsAreBounded: one byte on the wire must not become hundreds in
// memory without end.
func TestObjectsAreBounded(t *testing.T) {
	body := []byte("\x92\xacSE_CHAT_LIST\xdd\x00\x01\x00\x00")
	body = append(body, strings.Repeat("\x80", MaxObjects)...)
	p, err := DecodePacket(body)
	if err != nil {
		t.Fatal(err)
	}
	if n := len(p.Payload.(ChatStatusList)); n != MaxObjects {
		t.Fatalf("%d items", n)
	}
	nulls := bytes.ReplaceAll(body, []byte{0x80}, []byte{0xc0})
	if p, err = DecodePacket(nulls); err != nil || cap(p.Payload.(ChatStatusList)) > maxPrepared {
		t.Errorf("room for %d items was made for a list of nulls: %v", cap(p.Payload.(ChatStatusList)), err)
	}
	body[len("\x92\xacSE_CHAT_LIST\xdd\x00\x01\x00\x00")-1] = 1
	if _, err = DecodePacket(append(body, '\x80')); !errors.Is(err, errObjects) {
		t.Errorf("one more: %v", err)
	}
}

// TestAccepted: only a clear word is an answer.
func TestAccepted(t *testing.T) {
	for data, want := range map[string][2]bool{
		"true": {true, true}, "True": {true, true}, "TRUE": {true, true},
		"false": {false, true}, "False": {false, true},
		"": {}, "1": {}, "0": {}, "t": {}, " true": {}, "yes": {}, "null": {},
	} {
		accepted, ok := (&CommandInfo{Data: data}).Accepted()
		if got := [2]bool{accepted, ok}; got != want {
			t.Errorf("%q: %v, want %v", data, got, want)
		}
	}
}

// TestDecodedOwnsItsMemory: the body may be overwritten after decoding.
func TestDecodedOwnsItsMemory(t *testing.T) {
	for _, enc := range encodings {
		want := Packet{Code: CodeChatSentence, Payload: benchSentence(), Extras: Extras{Ask: "k3-1"}}
		frame, err := AppendFrame(nil, want, enc)
		if err != nil {
			t.Fatal(err)
		}
		got, err := DecodePacket(frame[lengthSize:])
		if err != nil {
			t.Fatal(err)
		}
		for i := range frame {
			frame[i] = 'x'
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%v (-want +got):\n%s", enc, diff)
		}
	}
}

// TestEncodeAllocatesNothing holds for the packets of every sentence: a
// payload in memory, a buffer in use.
func TestEncodeAllocatesNothing(t *testing.T) {
	typing := true
	now := time.Date(2026, 11, 22, 7, 36, 41, 0, time.UTC)
	for _, p := range []Packet{
		{Code: CodeChatSentenceIn, Payload: benchSentence()},
		{Code: CodeChatSentence, Payload: benchSentence()},
		{Code: CodeChatStatus, Payload: &ChatStatusInfo{TrackingId: "a", Sentences: []*ChatSentenceInfo{benchSentence(), benchSentence()}}},
		{Code: CodeChatRequest, Payload: &ChatServiceInfo{Peer: "@servicelink", PartyName: "Jana"}, Extras: Extras{Ask: "k3-1"}},
		{Code: CodeChatConfirmIn, Payload: &ChatCommandInfo{ID: "1", TimeStamp: &now}},
		{Code: CodeChatTypingIn, Payload: &ChatCommandInfo{IsTyping: &typing}},
		{Code: CodePing, Payload: &Ping{Token: "k3-1"}},
		{Code: CodeMessageIn, Payload: benchMessage()},
	} {
		for _, enc := range encodings {
			buf := make([]byte, 0, 128<<10)
			allocations := testing.AllocsPerRun(200, func() {
				if _, err := AppendFrame(buf, p, enc); err != nil {
					t.Fatal(err)
				}
			})
			if allocations > 0 && !raceEnabled {
				t.Errorf("%s %v: %v allocations", p.Code, enc, allocations)
			}
		}
	}
}

func TestParseEncoding(t *testing.T) {
	for name, want := range map[string]Encoding{"": EncodingMsgpack, "msgpack": EncodingMsgpack, "json": EncodingJSON} {
		got, err := ParseEncoding(name)
		if err != nil || got != want {
			t.Errorf("%q: %v, %v", name, got, err)
		}
		if name != "" && got.String() != name {
			t.Errorf("%q prints as %q", name, got)
		}
	}
	if _, err := ParseEncoding("xml"); err == nil {
		t.Error("xml is taken for an encoding")
	}
}

// TestTextHeads: the head of a string is the library's, at each of its sizes.
func TestTextHeads(t *testing.T) {
	for _, size := range []int{0, 1, 31, 32, 255, 256, 65535, 65536} {
		text := strings.Repeat("x", size)
		want, err := msgpack.Marshal(text)
		if err != nil {
			t.Fatal(err)
		}
		if got := append(appendTextHeader(nil, size), text...); !bytes.Equal(got, want) {
			t.Errorf("%d bytes begin with % x, want % x", size, got[:5], want[:5])
		}
		if got := insertTextHeader([]byte("before"+text), len("before")); string(got) != "before"+string(want) {
			t.Errorf("%d bytes: the head is not inserted well", size)
		}
	}
}

// TestScalarsLikeTheLibrary: another implementation reads what is written here,
// in the same form, and is read here in each of its forms.
func TestScalarsLikeTheLibrary(t *testing.T) {
	ints := []int64{0, 1, -1, math.MinInt64, math.MaxInt64}
	for bits := range 63 {
		ints = append(ints, 1<<bits-1, 1<<bits, -1<<bits, -1<<bits-1, -1<<bits+1)
	}
	for _, n := range ints {
		wantWritten(t, appendInt(nil, n), n)
		wantRead(t, n, token{kind: kindInt, n: n}) // in eight bytes
		wantRead(t, int32(n), token{kind: kindInt, n: int64(int32(n))})
		wantRead(t, int16(n), token{kind: kindInt, n: int64(int16(n))})
		wantRead(t, int8(n), token{kind: kindInt, n: int64(int8(n))})
		wantRead(t, uint32(n), token{kind: kindInt, n: int64(uint32(n))})
		wantRead(t, uint16(n), token{kind: kindInt, n: int64(uint16(n))})
		wantRead(t, float64(n), token{kind: kindFloat, f: float64(n)})
		wantRead(t, float32(n), token{kind: kindFloat, f: float64(float32(n))})
		for _, at := range []time.Time{time.Unix(n%lastSecond, 0), time.Unix(n%lastSecond, 1), time.Unix(n%lastSecond, maxNanosecond)} {
			var out output
			(&msgpackFormat{out: &out}).moment(at)
			wantWritten(t, out.b, at)
		}
	}
	wantRead(t, uint64(math.MaxUint64), token{kind: kindNumber, b: []byte("18446744073709551615")})
	wantRead(t, true, token{kind: kindBool, n: 1})
	wantRead(t, false, token{kind: kindBool})
	wantRead(t, nil, token{kind: kindNull})
	for _, size := range []int{0, 1, 31, 32, 255, 256, 65535, 65536} {
		text := strings.Repeat("x", size)
		wantRead(t, text, token{kind: kindText, b: []byte(text)})
		wantRead(t, []byte(text), token{kind: kindBytes, b: []byte(text)})
		wantRead(t, make([]struct{}, size), token{kind: kindList, n: int64(size)})
		wantWritten(t, append(appendListHeader(nil, size), bytes.Repeat([]byte{mpNil}, size)...), make([]any, size))
	}
}

// wantWritten compares with what the library writes.
func wantWritten(t *testing.T, got []byte, v any) {
	t.Helper()
	var want bytes.Buffer
	e := msgpack.NewEncoder(&want)
	e.UseCompactInts(true)
	if err := e.Encode(v); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want.Bytes()) {
		t.Errorf("%v is written % x, want % x", v, got[:min(len(got), 20)], want.Bytes()[:min(want.Len(), 20)])
	}
}

// wantRead reads what the library writes.
func wantRead(t *testing.T, v any, want token) {
	t.Helper()
	b, err := msgpack.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	var s msgpackSource
	s.reset(b)
	got, err := s.next()
	same := got.kind == want.kind && got.n == want.n && got.f == want.f && bytes.Equal(got.b, want.b)
	if err != nil || !same || want.kind != kindList && s.pos != len(b) {
		t.Errorf("% x is read as %+v, %v, want %+v", b[:min(len(b), 20)], got, err, want)
	}
}

// TestASCII: the short way never takes a text that the long way would not.
func TestASCII(t *testing.T) {
	for size := range 40 {
		text := bytes.Repeat([]byte{'x'}, size)
		if !isASCII(string(text)) {
			t.Errorf("%d characters are not taken", size)
		}
		for at := range text {
			text[at] = 0x80
			if isASCII(string(text)) {
				t.Errorf("byte %d of %d is overlooked", at, size)
			}
			text[at] = 'x'
		}
	}
}

// TestWholeNumbers: numbers that a float holds exactly, and no others.
func TestWholeNumbers(t *testing.T) {
	for _, test := range []struct {
		token token
		want  int64
		err   error
	}{
		{token{kind: kindFloat, f: 1 << 53}, 1 << 53, nil},
		{token{kind: kindFloat, f: -(1 << 53)}, -(1 << 53), nil},
		{token{kind: kindFloat, f: 1<<53 + 2}, 0, errRange},
		{token{kind: kindFloat, f: math.Inf(-1)}, 0, errRange},
		{token{kind: kindNumber, b: []byte("1.5e1")}, 15, nil},
		{token{kind: kindNumber, b: []byte("1e999")}, 0, errRange},
		{token{kind: kindInt, n: math.MinInt64}, math.MinInt64, nil},
		{token{kind: kindBool, n: 1}, 0, errKind},
	} {
		if got, err := toInt64(test.token); got != test.want || !errors.Is(err, test.err) {
			t.Errorf("%+v: %d, %v; want %d, %v", test.token, got, err, test.want, test.err)
		}
	}
}

func TestDecimals(t *testing.T) {
	for text, want := range map[string]bool{
		"0": true, "-0": true, "+1": true, "12.50": true, ".5": true, "5.": true, "1e3": true, "1.5E-7": true,
		"": false, "-": false, ".": false, "1,5": false, "1e": false, "1e+": false, "0x10": false, "1 ": false, "NaN": false,
		strings.Repeat("1", maxDecimal): true, strings.Repeat("1", maxDecimal+1): false,
	} {
		if isDecimal(text) != want {
			t.Errorf("%q: want %v", text, want)
		}
	}
	if _, err := toDecimal(token{kind: kindFloat, f: math.MaxFloat64}); err == nil {
		t.Error("a float of 309 digits is taken for a decimal")
	}
}
