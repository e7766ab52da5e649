package sqlite

import (
	"encoding/binary"
	"math/bits"
)

const (
	filterBitsPerRow = 12
	blockWords       = 8 // a block is one cache line
	blockBits        = blockWords * 64
)

// filter says of most hashes that are not in a partition that they are not:
// a blocked Bloom filter, wrong about one in a hundred. It saves the look into
// the B-tree that every new id would otherwise cost in every partition. The
// zero filter knows nothing, so it rules nothing out.
type filter []uint64

func newFilter(rows int) filter {
	return make(filter, (rows*filterBitsPerRow/blockBits+1)*blockWords)
}

// place gives a hash's block, and in it four bits of nine digits each.
func (f filter) place(hash int64) (block []uint64, where uint64) {
	m := uint64(hash) * 0x9e3779b97f4a7c15
	m = (m ^ m>>29) * 0xbf58476d1ce4e5b9
	m ^= m >> 32
	n, _ := bits.Mul64(m*0x94d049bb133111eb, uint64(len(f)/blockWords))
	return f[n*blockWords : (n+1)*blockWords], m
}

func (f filter) add(hash int64) {
	if len(f) == 0 {
		return
	}
	block, where := f.place(hash)
	for range 4 {
		bit := where % blockBits
		block[bit/64] |= 1 << (bit % 64)
		where >>= 9
	}
}

// may is false when the hash was certainly not added.
func (f filter) may(hash int64) bool {
	if len(f) == 0 {
		return true
	}
	block, where := f.place(hash)
	for range 4 {
		bit := where % blockBits
		if block[bit/64]&(1<<(bit%64)) == 0 {
			return false
		}
		where >>= 9
	}
	return true
}

func (f filter) bytes() []byte {
	b := make([]byte, 0, 8*len(f))
	for _, w := range f {
		b = binary.LittleEndian.AppendUint64(b, w)
	}
	return b
}

// filterOf reads back what bytes gave; anything else becomes the zero filter.
func filterOf(b []byte, rows int) filter {
	f := newFilter(rows)
	if len(b) != 8*len(f) {
		return nil
	}
	for i := range f {
		f[i] = binary.LittleEndian.Uint64(b[8*i:])
	}
	return f
}
