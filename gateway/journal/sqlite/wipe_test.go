package sqlite

import (
	"slices"
	"testing"
)

// Middles gives what is in the unused middles of a file's pages.
func Middles(file []byte) (all []byte) {
	for page := range slices.Chunk(file, pageSize) {
		from, to := middle(page)
		all = append(all, page[from:to]...)
	}
	return all
}

// FuzzMiddle: whatever a page holds, what is overwritten lies within it and
// behind its header.
func FuzzMiddle(f *testing.F) {
	f.Add([]byte{0x0d, 0, 0, 0, 1, 0, 12, 0, 0, 12, 7, 7, 1})
	f.Add([]byte{0x05, 0, 0, 0xff, 0xff, 0, 1, 0})
	f.Add([]byte{0x0a, 0, 0, 0, 0, 0xff, 0xff, 0})
	f.Fuzz(func(t *testing.T, page []byte) {
		from, to := middle(page)
		if from == 0 && to == 0 {
			return
		}
		if from < 8+2*(int(page[3])<<8|int(page[4])) || from > to || to > len(page) {
			t.Errorf("from %d to %d of %d", from, to, len(page))
		}
	})
}

func TestMiddle(t *testing.T) {
	page := make([]byte, 32)
	copy(page, []byte{0x0d, 0, 0, 0, 2, 0, 20, 0})
	for kind, want := range map[byte][2]int{0x0d: {12, 20}, 0x0a: {12, 20}, 0x05: {16, 20}, 0x02: {16, 20}, 0x00: {}, 0x01: {}} {
		page[0] = kind
		if from, to := middle(page); [2]int{from, to} != want {
			t.Errorf("kind %#x: from %d to %d, want %v", kind, from, to, want)
		}
	}
}
