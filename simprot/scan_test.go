package simprot

import (
	"bytes"
	"errors"
	"testing"

	"github.com/vmihailenco/msgpack/v5"
	"pgregory.net/rapid"
)

// TestScanKnowsEveryCode: for each of the 256 first bytes, a value with just
// enough bytes is taken and one byte less or more is refused.
func TestScanKnowsEveryCode(t *testing.T) {
	for c := range 256 {
		size, defined := sizeOfValue(byte(c))
		value := append([]byte{byte(c)}, make([]byte, size)...) // lengths and counts of nought
		if c >= 0x81 && c <= 0x9f && c != 0x90 {
			for i := range value[1:] {
				value[i+1] = 0x01
			}
		}
		body := append([]byte{0x91}, value...)
		err := Scan(body)
		if !defined {
			if err == nil {
				t.Errorf("0x%02x is taken", c)
			}
			continue
		}
		if err != nil {
			t.Errorf("0x%02x with %d bytes: %v", c, size, err)
		}
		if Scan(append(bytes.Clone(body), 0)) == nil {
			t.Errorf("0x%02x with a byte too many is taken", c)
		}
		if Scan(body[:len(body)-1]) == nil {
			t.Errorf("0x%02x with a byte too few is taken", c)
		}
	}
}

// sizeOfValue says how many bytes follow c when every length and count in
// them is nought, from MessagePack's specification.
func sizeOfValue(c byte) (int, bool) {
	switch {
	case c <= 0x7f || c >= 0xe0:
		return 0, true
	case c <= 0x8f:
		return 2 * int(c&0x0f), true
	case c <= 0x9f:
		return int(c & 0x0f), true
	case c <= 0xbf:
		return int(c & 0x1f), true
	}
	sizes := map[byte]int{
		0xc0: 0, 0xc2: 0, 0xc3: 0, 0xc4: 1, 0xc5: 2, 0xc6: 4, 0xc7: 2, 0xc8: 3, 0xc9: 5, 0xca: 4, 0xcb: 8,
		0xcc: 1, 0xcd: 2, 0xce: 4, 0xcf: 8, 0xd0: 1, 0xd1: 2, 0xd2: 4, 0xd3: 8,
		0xd4: 2, 0xd5: 3, 0xd6: 5, 0xd7: 9, 0xd8: 17, 0xd9: 1, 0xda: 2, 0xdb: 4, 0xdc: 2, 0xdd: 4, 0xde: 2, 0xdf: 4,
	}
	size, ok := sizes[c]
	return size, ok
}

func TestScanDepth(t *testing.T) {
	nested := func(levels int) []byte {
		return append(bytes.Repeat([]byte{0x91}, levels-1), 0x90)
	}
	if err := Scan(nested(MaxDepth)); err != nil {
		t.Errorf("%d levels: %v", MaxDepth, err)
	}
	for _, levels := range []int{MaxDepth + 1, 1 << 20} {
		var broken *FrameError
		if err := Scan(nested(levels)); !errors.As(err, &broken) || broken.Reason != reasonDepth {
			t.Errorf("%d levels: %v", levels, err)
		}
	}
}

// TestScanTakesWhatOthersWrite: any array the library encodes passes, and no
// proper part of it does.
func TestScanTakesWhatOthersWrite(t *testing.T) {
	values := rapid.SliceOfN(rapid.OneOf(
		rapid.Int64().AsAny(),
		rapid.Float64().AsAny(),
		rapid.String().AsAny(),
		rapid.SliceOf(rapid.Byte()).AsAny(),
		rapid.Bool().AsAny(),
		rapid.SliceOfN(rapid.Uint64(), 0, 40).AsAny(),
		rapid.MapOfN(rapid.String(), rapid.Int32(), 0, 20).AsAny(),
		rapid.Just[any](nil),
	), 0, 20)
	rapid.Check(t, func(t *rapid.T) {
		body, err := msgpack.Marshal(values.Draw(t, "values"))
		if err != nil {
			t.Fatal(err)
		}
		if err := Scan(body); err != nil {
			t.Fatalf("%x: %v", body, err)
		}
		cut := rapid.IntRange(0, len(body)-1).Draw(t, "cut")
		if Scan(body[:cut]) == nil {
			t.Fatalf("%x cut at %d is taken", body, cut)
		}
	})
}

func TestScanAllocatesNothing(t *testing.T) {
	frame, err := AppendFrame(nil, Packet{Code: CodeChatSentenceIn, Payload: benchSentence()}, EncodingMsgpack)
	if err != nil {
		t.Fatal(err)
	}
	if n := testing.AllocsPerRun(100, func() {
		if err := Scan(frame[lengthSize:]); err != nil {
			t.Fatal(err)
		}
	}); n > 0 {
		t.Errorf("%v allocations", n)
	}
}
