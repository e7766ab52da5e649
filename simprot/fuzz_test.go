package simprot

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"runtime"
	"testing"
	"testing/iotest"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/vmihailenco/msgpack/v5"
)

// everyFrame returns the frames of all vectors, as seeds.
func everyFrame(t testing.TB) [][]byte {
	t.Helper()
	var frames [][]byte
	for _, file := range packetFiles {
		for _, v := range readVectors[packetVector](t, file) {
			frames = append(frames, unhex(t, v.Msgpack), unhex(t, v.JSON))
		}
	}
	for _, v := range readVectors[tolerantVector](t, "tolerant.json") {
		frames = append(frames, unhex(t, v.Frame))
	}
	for _, v := range readVectors[hostileVector](t, "hostile.json") {
		frames = append(frames, unhex(t, v.Frame))
	}
	return frames
}

// FuzzFrameReader compares the reader with one that has the whole stream in
// memory.
func FuzzFrameReader(f *testing.F) {
	for _, frame := range everyFrame(f) {
		f.Add(append(bytes.Clone(frame), frame...), uint16(300))
	}
	f.Fuzz(func(t *testing.T, stream []byte, limit uint16) {
		maxFrame := max(int(limit), 1)
		r := NewFrameReader(iotest.HalfReader(bytes.NewReader(stream)), maxFrame)
		for rest := stream; ; {
			body, err := r.Next()
			want, after, wantErr := firstFrame(rest, maxFrame)
			if !bytes.Equal(body, want) || !sameError(err, wantErr) {
				t.Fatalf("%x, %v; want %x, %v", body, err, want, wantErr)
			}
			if err != nil && !errors.Is(err, ErrFrameTooLong) {
				return
			}
			rest = after
		}
	})
}

// firstFrame is the rule of frames said once more, for a stream in memory.
func firstFrame(stream []byte, limit int) (body, rest []byte, err error) {
	if len(stream) == 0 {
		return nil, nil, io.EOF
	}
	if len(stream) < lengthSize {
		return nil, nil, io.ErrUnexpectedEOF
	}
	size := int64(binary.BigEndian.Uint32(stream))
	stream = stream[lengthSize:]
	switch {
	case size == 0 || size > MaxReadFrame:
		return nil, nil, &FrameError{}
	case size > int64(len(stream)):
		return nil, nil, io.ErrUnexpectedEOF
	case size > int64(limit):
		return nil, stream[size:], &OversizeError{}
	}
	return stream[:size], stream[size:], nil
}

func sameError(a, b error) bool {
	_, brokenA := errors.AsType[*FrameError](a)
	_, brokenB := errors.AsType[*FrameError](b)
	if brokenA || brokenB {
		return brokenA && brokenB
	}
	for _, kind := range []error{nil, io.EOF, io.ErrUnexpectedEOF, ErrFrameTooLong} {
		if errors.Is(a, kind) != errors.Is(b, kind) {
			return false
		}
	}
	return true
}

// FuzzScan: what Scan accepts, the library reads to the last byte, and
// DecodePacket neither panics nor takes memory out of proportion.
func FuzzScan(f *testing.F) {
	for _, frame := range everyFrame(f) {
		if len(frame) > lengthSize {
			f.Add(frame[lengthSize:])
		}
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		if Scan(body) != nil {
			_, err := DecodePacket(body)
			if _, ok := errors.AsType[*FrameError](err); !ok {
				t.Fatalf("refused by Scan, and decoded with %v", err)
			}
			return
		}
		in := bytes.NewReader(body)
		if err := msgpack.NewDecoder(in).Skip(); err != nil || in.Len() > 0 {
			t.Fatalf("the library leaves %d bytes: %v", in.Len(), err)
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := DecodePacket(body)
		runtime.ReadMemStats(&after)
		if took, most := after.TotalAlloc-before.TotalAlloc, uint64(1<<20+1000*len(body)); took > most {
			t.Fatalf("%d bytes took %d of memory", len(body), took)
		}
		if _, ok := errors.AsType[*FrameError](err); ok {
			t.Fatalf("accepted by Scan, and then: %v", err)
		}
	})
}

// FuzzJSON compares the reader of JSON with encoding/json.
func FuzzJSON(f *testing.F) {
	for _, seed := range []string{`{"a":[1,-0.5e+7,true,false,null,{}],"\u00e9\ud83d\ude00":"\n\/\\"}`, ` [ ] `, `"\ud83d"`, `01`, `1.`, `[1,]`, `{"a":1,}`, "\"\x01\"", "\"\xff\"", `""`, ``, `nul`, `"\u12G4"`} {
		f.Add([]byte(seed))
	}
	for _, frame := range everyFrame(f) {
		if at := bytes.IndexByte(frame, '{'); at >= 0 {
			f.Add(frame[at:])
		}
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		var s jsonSource
		s.reset(text)
		err := s.skip()
		if err == nil {
			err = s.end()
		}
		if errors.Is(err, errDepth) {
			return
		}
		if valid := json.Valid(text); valid != (err == nil) {
			t.Fatalf("%q: %v, encoding/json says %v", text, err, valid)
		}
		checkString(t, text)
	})
}

// checkString compares what a string means.
func checkString(t *testing.T, text []byte) {
	t.Helper()
	var want string
	if json.Unmarshal(text, &want) != nil || !utf8.Valid(text) {
		return
	}
	var s jsonSource
	s.reset(text)
	got, err := s.next()
	if err == nil && got.kind == kindNull {
		return
	}
	if err != nil || string(got.b) != want {
		t.Fatalf("%q: %q, %v, want %q", text, got.b, err, want)
	}
}

// FuzzDecodeChat and FuzzDecodeSession feed payloads in both encodings to the
// packets of one family; forms, registers and internal chat stand with chat.
func FuzzDecodeChat(f *testing.F) {
	fuzzDecode(f, []string{"chat.json", "forms.json", "registers.json", "internal.json"}, []Code{
		CodeChatRequest, CodeChatResponse, CodeChatStart, CodeChatStop, CodeChatStatus, CodeChatStatusAsk,
		CodeChatSentenceIn, CodeChatSentence, CodeChatTyping, CodeChatConfirm, CodeChatResync, CodeChatList,
		CodeScenarioLoad, CodeScenarioModel, CodeScenarioSave, CodeRoutingAsk, CodeRouting, CodeLiteralsAsk,
		CodeLiterals, CodeAgentAlert, CodeAgentStatus, CodeAgentAnswer, CodeAgentSentence, CodeAgentList,
	})
}

// FuzzDecodeMessages is the same for messages.
func FuzzDecodeMessages(f *testing.F) {
	fuzzDecode(f, []string{"messages.json"}, []Code{
		CodeGatewaysAsk, CodeGateways, CodeMessageIn, CodeMessageInDone, CodeMessageOut, CodeMessageOutDone,
	})
}

func FuzzDecodeSession(f *testing.F) {
	fuzzDecode(f, []string{"session.json"}, []Code{CodeLogin, CodeWelcome, CodeRefused, CodePing, CodePong, CodeBye})
}

func fuzzDecode(f *testing.F, files []string, codes []Code) {
	for _, file := range files {
		for _, v := range readVectors[packetVector](f, file) {
			for i, code := range codes {
				if code == v.Code {
					f.Add(uint8(i), []byte(v.Fields), true)
					f.Add(uint8(i), payloadBytes(f, unhex(f, v.Msgpack)), false)
				}
			}
		}
	}
	f.Fuzz(func(t *testing.T, index uint8, payload []byte, asJSON bool) {
		body := appendTextHeader([]byte{0x92}, len(codes[int(index)%len(codes)]))
		body = append(body, codes[int(index)%len(codes)]...)
		start := len(body)
		body = append(body, payload...)
		if asJSON {
			body = insertTextHeader(body, start)
		}
		p, err := DecodePacket(body)
		if err != nil {
			return
		}
		for _, enc := range encodings {
			checkStable(t, p, enc)
		}
	})
}

// payloadBytes cuts the second element out of a frame of two or three.
func payloadBytes(t testing.TB, frame []byte) []byte {
	t.Helper()
	d := msgpack.NewDecoder(bytes.NewReader(frame[lengthSize:]))
	if _, err := d.DecodeArrayLen(); err != nil {
		t.Fatal(err)
	}
	if err := d.Skip(); err != nil {
		t.Fatal(err)
	}
	raw, err := d.DecodeRaw()
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// checkStable: what was decoded can be written, and what was written decodes
// to the same and is written the same.
func checkStable(t *testing.T, p Packet, enc Encoding) {
	t.Helper()
	first, err := AppendFrame(nil, p, enc)
	if err != nil {
		t.Fatalf("%v: %v", enc, err)
	}
	again, err := DecodePacket(first[lengthSize:])
	if err != nil {
		t.Fatalf("%v: %x: %v", enc, first, err)
	}
	if enc == EncodingMsgpack { // JSON rounds times to ticks
		if diff := cmp.Diff(p, again); diff != "" {
			t.Fatalf("(-first +second):\n%s", diff)
		}
	}
	second, err := AppendFrame(nil, again, enc)
	if err != nil || !bytes.Equal(first, second) {
		t.Fatalf("%v:\n%x\n%x\n%v", enc, first, second, err)
	}
}
