package simprot

// The codes of MessagePack that this package writes. What is read is told by
// shapes.
const (
	mpFixMap   = 0x80 // to 0x8f, with the number of members
	mpFixArray = 0x90 // to 0x9f, with the number of items
	mpFixStr   = 0xa0 // to 0xbf, with the length
	mpNil      = 0xc0 // the first one that stands in shapes
	mpFalse    = 0xc2
	mpTrue     = 0xc3
	mpExt8     = 0xc7
	mpUint8    = 0xcc
	mpUint16   = 0xcd
	mpUint32   = 0xce
	mpUint64   = 0xcf
	mpInt8     = 0xd0
	mpInt16    = 0xd1
	mpInt32    = 0xd2
	mpInt64    = 0xd3
	mpFixExt4  = 0xd6
	mpFixExt8  = 0xd7
	mpStr8     = 0xd9
	mpStr16    = 0xda
	mpStr32    = 0xdb
	mpArray16  = 0xdc
	mpArray32  = 0xdd
	mpMap16    = 0xde
	mpNegative = 0xe0 // to 0xff: -32 to -1

	maxFixMap   = 0x0f
	maxFixArray = 0x0f
	maxFixStr   = 0x1f
)

// isArray reports whether a value that begins with c is an array.
func isArray(c byte) bool {
	return c >= mpFixArray && c < mpFixStr || c == mpArray16 || c == mpArray32
}

// shape tells what follows a code from 0xc0 to 0xdf: a length or count of
// lengthBytes; then, for containers, perItem values for each of the count,
// else the length and plus more bytes.
type shape struct {
	kind        kind
	defined     bool
	lengthBytes uint8
	plus        uint8
	perItem     uint8
}

var shapes = [mpNegative - mpNil]shape{
	0xc0 - mpNil: {kind: kindNull, defined: true},
	0xc2 - mpNil: {kind: kindBool, defined: true},
	0xc3 - mpNil: {kind: kindBool, defined: true},
	0xc4 - mpNil: {kind: kindBytes, defined: true, lengthBytes: 1},
	0xc5 - mpNil: {kind: kindBytes, defined: true, lengthBytes: 2},
	0xc6 - mpNil: {kind: kindBytes, defined: true, lengthBytes: 4},
	0xc7 - mpNil: {kind: kindExt, defined: true, lengthBytes: 1, plus: 1}, // ext 8: length, type, data
	0xc8 - mpNil: {kind: kindExt, defined: true, lengthBytes: 2, plus: 1}, // ext 16
	0xc9 - mpNil: {kind: kindExt, defined: true, lengthBytes: 4, plus: 1}, // ext 32
	0xca - mpNil: {kind: kindFloat, defined: true, plus: 4},
	0xcb - mpNil: {kind: kindFloat, defined: true, plus: 8},
	0xcc - mpNil: {kind: kindInt, defined: true, plus: 1}, // unsigned
	0xcd - mpNil: {kind: kindInt, defined: true, plus: 2},
	0xce - mpNil: {kind: kindInt, defined: true, plus: 4},
	0xcf - mpNil: {kind: kindInt, defined: true, plus: 8},
	0xd0 - mpNil: {kind: kindInt, defined: true, plus: 1}, // signed
	0xd1 - mpNil: {kind: kindInt, defined: true, plus: 2},
	0xd2 - mpNil: {kind: kindInt, defined: true, plus: 4},
	0xd3 - mpNil: {kind: kindInt, defined: true, plus: 8},
	0xd4 - mpNil: {kind: kindExt, defined: true, plus: 2}, // fixext 1: type, data
	0xd5 - mpNil: {kind: kindExt, defined: true, plus: 3},
	0xd6 - mpNil: {kind: kindExt, defined: true, plus: 5},
	0xd7 - mpNil: {kind: kindExt, defined: true, plus: 9},
	0xd8 - mpNil: {kind: kindExt, defined: true, plus: 17}, // fixext 16
	0xd9 - mpNil: {kind: kindText, defined: true, lengthBytes: 1},
	0xda - mpNil: {kind: kindText, defined: true, lengthBytes: 2},
	0xdb - mpNil: {kind: kindText, defined: true, lengthBytes: 4},
	0xdc - mpNil: {kind: kindList, defined: true, lengthBytes: 2, perItem: 1},
	0xdd - mpNil: {kind: kindList, defined: true, lengthBytes: 4, perItem: 1},
	0xde - mpNil: {kind: kindMap, defined: true, lengthBytes: 2, perItem: 2},
	0xdf - mpNil: {kind: kindMap, defined: true, lengthBytes: 4, perItem: 2},
}
