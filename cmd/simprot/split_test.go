package main

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"servicelink/simprot"
)

// cut feeds a stream in chunks of n bytes and returns what came of it.
func cut(stream []byte, n, maxFrame int) (pieces []piece) {
	s := splitter{maxFrame: maxFrame, emit: func(p piece) {
		p.raw = bytes.Clone(p.raw)
		pieces = append(pieces, p)
	}}
	for len(stream) > 0 {
		n := min(n, len(stream))
		s.feed(time.Time{}, stream[:n])
		stream = stream[n:]
	}
	s.end(time.Time{})
	return pieces
}

func describe(pieces []piece) string {
	var b strings.Builder
	for _, p := range pieces {
		fmt.Fprintf(&b, "%d+%d %s %v\n", p.offset, p.size, p.packet.Code, p.err)
	}
	return b.String()
}

func ping(t testing.TB, token string) []byte {
	t.Helper()
	frame, err := simprot.AppendFrame(nil, simprot.Packet{Code: simprot.CodePing, Payload: &simprot.Ping{Token: token}}, simprot.EncodingMsgpack)
	if err != nil {
		t.Fatal(err)
	}
	return frame
}

// TestHostile: behind every frame that is refused the next one is found, and
// both are told with their places.
func TestHostile(t *testing.T) {
	for _, v := range vectors(t, "hostile.json") {
		t.Run(v.Name, func(t *testing.T) {
			bad, good := unhex(t, v.Frame), ping(t, "next")
			pieces := cut(append(bytes.Clone(bad), good...), 7, simprot.DefaultMaxFrame)
			last := pieces[len(pieces)-1]
			if last.packet.Code != simprot.CodePing || last.offset != int64(len(bad)) {
				t.Errorf("not found again:\n%s", describe(pieces))
			}
			if pieces[0].err == nil || pieces[0].offset != 0 {
				t.Errorf("not told:\n%s", describe(pieces))
			}
		})
	}
}

func TestLargeFrames(t *testing.T) {
	large := binary.BigEndian.AppendUint32(nil, 200_000)
	large = append(large, 0x92, 0xa7)
	large = append(large, "SP_PING\xda"...)
	large = append(large, make([]byte, 200_000+lengthSize-len(large))...)
	stream := append(bytes.Clone(large), ping(t, "a")...)
	for _, n := range []int{1, 100, len(stream)} {
		pieces := cut(stream, n, 100_000)
		if len(pieces) != 2 || !errors.Is(pieces[0].err, simprot.ErrFrameTooLong) || pieces[1].packet.Code != simprot.CodePing {
			t.Errorf("by %d:\n%s", n, describe(pieces))
		}
	}
	// The same length with something else behind it is none.
	copy(large[lengthSize:], "nonsense")
	pieces := cut(append(large, ping(t, "a")...), 1000, 100_000)
	if last := pieces[len(pieces)-1]; len(pieces) != 3 || last.packet.Code != simprot.CodePing {
		t.Errorf("no frame:\n%s", describe(pieces))
	}
}

func TestTLSIsSaid(t *testing.T) {
	hello := append([]byte{0x16, 3, 1, 2, 0}, make([]byte, 600)...)
	out := dumpFine(t, hello)
	if strings.Count(out, "\n") != 1 || !strings.Contains(out, "--tls-cert") {
		t.Errorf("says %q", out)
	}
}

func TestGap(t *testing.T) {
	var pieces []piece
	s := splitter{maxFrame: 1 << 20, emit: func(p piece) { pieces = append(pieces, p) }}
	frame := ping(t, "a")
	s.feed(time.Time{}, frame[:10])
	s.gap(time.Time{}, 100)
	s.feed(time.Time{}, frame[5:]) // the end of a frame whose beginning is missing
	s.feed(time.Time{}, frame)
	var got []string
	for _, p := range pieces {
		got = append(got, fmt.Sprintf("%d+%d", p.offset, p.size))
	}
	n := len(frame)
	want := []string{"0+10", "10+100", fmt.Sprintf("110+%d", n-5), fmt.Sprintf("%d+%d", 105+n, n)}
	if strings.Join(got, " ") != strings.Join(want, " ") || pieces[3].packet.Code != simprot.CodePing {
		t.Errorf("got %v, want %v", got, want)
	}
}

// FuzzSplitter: every byte is accounted for, and how a stream is chopped up
// changes nothing.
func FuzzSplitter(f *testing.F) {
	for _, v := range vectors(f, "hostile.json") {
		f.Add(append(unhex(f, v.Frame), ping(f, "next")...), 1, 5)
	}
	f.Add(append(ping(f, "a")[9:], ping(f, "b")...), 3, 4)
	f.Fuzz(func(t *testing.T, stream []byte, a, b int) {
		const maxFrame = 300
		chop := func(n int) int { return 1 + int(uint(n)%64) }
		first, second := cut(stream, chop(a), maxFrame), cut(stream, chop(b), maxFrame)
		if isTLS(append(stream, 0, 0, 0)) {
			return // nothing behind its first bytes is told
		}
		at := int64(0)
		for i, p := range first {
			if p.offset != at || p.size <= 0 {
				t.Fatalf("piece %d is at %d, want %d:\n%s", i, p.offset, at, describe(first))
			}
			if p.raw != nil && !bytes.Equal(p.raw, stream[at:at+p.size]) {
				t.Fatalf("piece %d holds other bytes", i)
			}
			at += p.size
		}
		if at < int64(len(stream)) {
			t.Fatalf("%d of %d bytes told", at, len(stream))
		}
		if describe(first) != describe(second) {
			t.Fatalf("by %d:\n%sby %d:\n%s", chop(a), describe(first), chop(b), describe(second))
		}
	})
}
