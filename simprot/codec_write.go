package simprot

import (
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"
)

// output collects the bytes of a frame.
type output struct{ b []byte }

// format writes single values in one of the payload encodings.
type format interface {
	openMap() (mark int)
	closeMap(mark, members int)
	key(name string, position int)
	openList(n int)
	item(position int)
	closeList()
	text(s string) // valid UTF-8
	integer(n int64)
	truth(v bool)
	moment(t time.Time) // of the years 1 to 9999
	guid(u uuid.UUID)
}

// encoder writes the members of payload classes. Members without a value are
// left out.
type encoder struct {
	out     output
	msgpack msgpackFormat
	json    jsonFormat
	format  format // the one in use
	count   int    // members written to the map that is open
	extras  Extras // here, so that no packet has to leave its stack
	err     error  // the first value that has no place in the protocol
}

func newEncoder() *encoder {
	e := new(encoder)
	e.msgpack = msgpackFormat{out: &e.out}
	e.json = jsonFormat{out: &e.out}
	return e
}

// release lets go of the caller's buffer and gives the encoder back.
func (e *encoder) release() {
	e.out.b, e.extras, e.err = nil, Extras{}, nil
	encoders.Put(e)
}

// packet writes the body: the array of code, payload and, when set, extras.
func (e *encoder) packet(p Packet, enc Encoding) {
	e.format = &e.msgpack
	elements := 2
	if p.Extras != (Extras{}) {
		elements++
	}
	e.format.openList(elements)
	e.format.text(valid(string(p.Code)))
	e.payload(p.Payload, enc)
	e.format = &e.msgpack
	if elements > 2 {
		e.extras = p.Extras
		e.object(&e.extras)
	}
}

// payload writes the second element. JSON text goes straight to the output
// and gets its string header afterwards, when its length is known.
func (e *encoder) payload(p Payload, enc Encoding) {
	if p == nil {
		e.msgpack.null()
		return
	}
	if text, ok := p.(Text); ok {
		e.msgpack.text(valid(string(text)))
		return
	}
	start := len(e.out.b)
	if enc == EncodingJSON {
		e.format = &e.json
	}
	switch v := p.(type) {
	case ChatStatusList:
		encodeList(e, v)
	case WebSiteRoutingList:
		encodeList(e, v)
	case LiteralLookupList:
		encodeList(e, v)
	case GatewayList:
		encodeList(e, v)
	case object:
		e.object(v)
	}
	if enc == EncodingJSON {
		e.out.b = insertTextHeader(e.out.b, start)
	}
}

// object writes one object with the members that are set.
func (e *encoder) object(o object) {
	outer := e.count
	e.count = 0
	mark := e.format.openMap()
	o.members(e)
	e.format.closeMap(mark, e.count)
	e.count = outer
}

// key starts a member.
func (e *encoder) key(name string) {
	e.format.key(name, e.count)
	e.count++
}

func (e *encoder) text(name, v string) {
	if v == "" {
		return
	}
	e.key(name)
	e.format.text(valid(v))
}

func (e *encoder) integer(name string, v int64) {
	if v == 0 {
		return
	}
	e.key(name)
	e.format.integer(v)
}

func (e *encoder) optInteger(name string, v *int32) {
	if v == nil {
		return
	}
	e.key(name)
	e.format.integer(int64(*v))
}

func (e *encoder) optInt16(name string, v *int16) {
	if v == nil {
		return
	}
	e.key(name)
	e.format.integer(int64(*v))
}

func (e *encoder) truth(name string, v bool) {
	if !v {
		return
	}
	e.key(name)
	e.format.truth(true)
}

func (e *encoder) optTruth(name string, v *bool) {
	if v == nil {
		return
	}
	e.key(name)
	e.format.truth(*v)
}

func (e *encoder) guid(name string, v uuid.UUID) {
	if v != uuid.Nil {
		e.optGUID(name, &v)
	}
}

func (e *encoder) optGUID(name string, v *uuid.UUID) {
	if v == nil {
		return
	}
	e.key(name)
	e.format.guid(*v)
}

func (e *encoder) moment(name string, v time.Time) {
	if !v.IsZero() {
		e.optMoment(name, &v)
	}
}

func (e *encoder) optMoment(name string, v *time.Time) {
	if v == nil {
		return
	}
	utc := v.UTC()
	if !inEra(utc) {
		e.fail(errTime)
		return
	}
	e.key(name)
	e.format.moment(utc)
}

func (e *encoder) optDecimal(name string, v *Decimal) {
	if v == nil {
		return
	}
	if !isDecimal(string(*v)) {
		e.fail(errDecimal)
		return
	}
	e.key(name)
	e.format.text(string(*v))
}

// fail keeps the first fault.
func (e *encoder) fail(err error) {
	if e.err == nil {
		e.err = err
	}
}

// optObject writes an object member unless it is nil.
func optObject[T any, P interface {
	*T
	object
}](e *encoder, name string, v P) {
	if v == nil {
		return
	}
	e.key(name)
	e.object(v)
}

// optList writes a list member unless it is nil.
func optList[T any, P interface {
	*T
	object
}](e *encoder, name string, list []P) {
	if list == nil {
		return
	}
	e.key(name)
	encodeList[T](e, list)
}

// encodeList writes a list of objects. A nil in it is a defect of the caller.
func encodeList[T any, P interface {
	*T
	object
}](e *encoder, list []P) {
	e.format.openList(len(list))
	for i, v := range list {
		if v == nil {
			e.fail(errNilItem)
			return
		}
		e.format.item(i)
		e.object(v)
	}
	e.format.closeList()
}

// valid replaces what is not UTF-8 by U+FFFD: invalid strings are never
// written.
func valid(s string) string {
	if isASCII(s) || utf8.ValidString(s) {
		return s
	}
	return strings.ToValidUTF8(s, "\uFFFD")
}

// isASCII settles for most strings in two or three steps what ValidString goes
// through byte by byte: identifiers, names, addresses.
func isASCII(s string) bool {
	if len(s) < 8 {
		var all byte
		for i := range len(s) {
			all |= s[i]
		}
		return all < utf8.RuneSelf
	}
	i := 0
	for ; i < len(s)-8; i += 8 {
		if eight(s[i:])&highBits != 0 {
			return false
		}
	}
	return eight(s[len(s)-8:])&highBits == 0
}

const highBits = 0x8080808080808080

// eight returns the first eight bytes of s as one number, which the compiler
// reads at once.
func eight(s string) uint64 {
	_ = s[7]
	return uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 |
		uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56
}
