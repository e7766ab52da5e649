package sqlite

import (
	"math/rand/v2"
	"testing"
)

func TestFilter(t *testing.T) {
	const rows = 10_000
	f := newFilter(rows)
	added := make(map[int64]bool, rows)
	for len(added) < rows {
		h := rand.Int64N(1 << hashBits) //nolint:gosec // not a secret
		f.add(h)
		added[h] = true
	}
	f = filterOf(f.bytes(), rows)
	for h := range added {
		if !f.may(h) {
			t.Fatalf("%x was added and is ruled out", h)
		}
	}
	wrong := 0
	for range rows {
		if h := rand.Int64N(1 << hashBits); !added[h] && f.may(h) { //nolint:gosec // not a secret
			wrong++
		}
	}
	if wrong > rows/40 {
		t.Errorf("%d of %d strangers pass", wrong, rows)
	}
	if none := filterOf([]byte("short"), rows); none != nil || !none.may(1) {
		t.Error("a filter that cannot be read rules something out")
	}
}
