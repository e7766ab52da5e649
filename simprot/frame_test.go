package simprot

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"runtime"
	"testing"
	"testing/iotest"
)

// framed puts a length before a body.
func framed(body []byte) []byte {
	return append(binary.BigEndian.AppendUint32(nil, uint32(len(body))), body...)
}

func TestFramesOfEverySize(t *testing.T) {
	const limit = 3 << 20
	var stream []byte
	sizes := []int{1, 2, 300, readBuffer - 5, readBuffer - 4, readBuffer - 1, readBuffer, readBuffer + 1, 7, 1 << 20, 2<<20 + 1, 9, limit}
	for i, size := range sizes {
		stream = append(stream, framed(bytes.Repeat([]byte{byte(i)}, size))...)
	}
	for name, r := range map[string]io.Reader{
		"at once":   bytes.NewReader(stream),
		"in halves": iotest.HalfReader(bytes.NewReader(stream)),
		"with eof":  iotest.DataErrReader(bytes.NewReader(stream)),
	} {
		t.Run(name, func(t *testing.T) {
			f := NewFrameReader(r, limit)
			for i, size := range sizes {
				body, err := f.Next()
				if err != nil {
					t.Fatalf("frame %d: %v", i, err)
				}
				if len(body) != size || !bytes.Equal(body, bytes.Repeat([]byte{byte(i)}, size)) {
					t.Fatalf("frame %d: %d bytes, want %d", i, len(body), size)
				}
			}
			if _, err := f.Next(); !errors.Is(err, io.EOF) {
				t.Errorf("at the end: %v", err)
			}
		})
	}
}

func TestFramesByteByByte(t *testing.T) {
	f := NewFrameReader(iotest.OneByteReader(bytes.NewReader(append(framed([]byte("one")), framed([]byte("two"))...))), 0)
	for _, want := range []string{"one", "two"} {
		if body, err := f.Next(); err != nil || string(body) != want {
			t.Fatalf("%q, %v", body, err)
		}
	}
}

func TestOversizeFramesAreSkipped(t *testing.T) {
	const limit = 1000
	stream := framed(make([]byte, limit+1))
	stream = append(stream, framed(make([]byte, 10*readBuffer))...)
	stream = append(stream, framed([]byte("next"))...)
	f := NewFrameReader(bytes.NewReader(stream), limit)
	for _, size := range []int64{limit + 1, 10 * readBuffer} {
		_, err := f.Next()
		var over *OversizeError
		if !errors.As(err, &over) || over.Size != size || !errors.Is(err, ErrFrameTooLong) {
			t.Fatalf("%v, want a frame of %d bytes that is too long", err, size)
		}
	}
	if body, err := f.Next(); err != nil || string(body) != "next" {
		t.Errorf("behind them: %q, %v", body, err)
	}
}

// zeros is an endless stream of nothing, to read long frames from.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func TestLimitsOfTheLength(t *testing.T) {
	head := func(size uint32) []byte { return binary.BigEndian.AppendUint32(nil, size) }
	t.Run("largest that is skipped", func(t *testing.T) {
		_, err := NewFrameReader(io.MultiReader(bytes.NewReader(head(MaxReadFrame)), zeros{}), 0).Next()
		if !errors.Is(err, ErrFrameTooLong) {
			t.Error(err)
		}
	})
	for name, size := range map[string]uint32{"one more": MaxReadFrame + 1, "most": 1<<32 - 1, "none": 0} {
		t.Run(name, func(t *testing.T) {
			_, err := NewFrameReader(io.MultiReader(bytes.NewReader(head(size)), zeros{}), 0).Next()
			if _, ok := errors.AsType[*FrameError](err); !ok {
				t.Error(err)
			}
		})
	}
}

func TestStreamsThatEndInside(t *testing.T) {
	small, large := framed(make([]byte, 100)), framed(make([]byte, 3*readBuffer))
	over := framed(make([]byte, DefaultMaxFrame+100))
	for name, stream := range map[string][]byte{
		"head":      small[:3],
		"body":      small[:50],
		"no body":   small[:4],
		"large":     large[:2*readBuffer],
		"thrown":    over[:DefaultMaxFrame],
		"no thrown": over[:4],
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := NewFrameReader(bytes.NewReader(stream), 0).Next(); !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Errorf("%v, want an unexpected end", err)
			}
		})
	}
	broken := errors.New("broken cable")
	if _, err := NewFrameReader(iotest.ErrReader(broken), 0).Next(); !errors.Is(err, broken) {
		t.Errorf("%v, want %v", err, broken)
	}
}

// TestAnnouncedBytesCostNothing: memory follows what arrives, not what is
// announced.
func TestAnnouncedBytesCostNothing(t *testing.T) {
	const readers = 16
	stream := append(binary.BigEndian.AppendUint32(nil, DefaultMaxFrame), make([]byte, 100)...)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range readers {
		if _, err := NewFrameReader(bytes.NewReader(stream), 0).Next(); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Fatal(err)
		}
	}
	runtime.ReadMemStats(&after)
	if each := (after.TotalAlloc - before.TotalAlloc) / readers; each > 4*readBuffer {
		t.Errorf("%d bytes allocated for 100 that came", each)
	}
}

func TestUsualFramesAreNotCopied(t *testing.T) {
	stream := bytes.Repeat(framed(make([]byte, 300)), 1000)
	r := bytes.NewReader(stream)
	f := NewFrameReader(r, 0)
	allocations := testing.AllocsPerRun(500, func() {
		if _, err := f.Next(); err != nil {
			t.Fatal(err)
		}
	})
	if allocations > 0 {
		t.Errorf("%v allocations per frame", allocations)
	}
}
