package simprot

import (
	"time"

	"github.com/google/uuid"
)

// kind is what a value is on the wire.
type kind uint8

const (
	kindNull   kind = iota
	kindBool        // n: 0 or 1
	kindInt         // n
	kindFloat       // f
	kindNumber      // b: decimal text of a number that is no int64
	kindText        // b
	kindBytes       // b
	kindExt         // n: type, b: data
	kindList        // n: items, 0 where the encoding does not tell
	kindMap
)

// token is one scalar, or the head of a list or map. b is valid until the
// next read.
type token struct {
	kind kind
	n    int64
	f    float64
	b    []byte
}

// source reads single values from one of the payload encodings.
type source interface {
	// next reads one scalar or enters a list or map.
	next() (token, error)
	// nextKey and nextItem step through the map or list entered last and leave
	// it at its end, where ok is false. A key that is no string comes as nil.
	nextKey() (key []byte, ok bool, err error)
	nextItem() (ok bool, err error)
	// skip passes over one value.
	skip() error
}

// decoder reads the members of payload classes.
type decoder struct {
	msgpack msgpackSource
	json    jsonSource
	src     source // the one in use
	objects int
	found   Extras // here, so that none has to be allocated
}

// release lets go of the caller's buffer and gives the decoder back.
func (d *decoder) release() {
	d.msgpack.reset(nil)
	d.json.reset(nil)
	decoders.Put(d)
}

// packet reads a body that Scan has accepted.
func (d *decoder) packet(body []byte) (Packet, error) {
	d.msgpack.reset(body)
	d.src = &d.msgpack
	d.objects = 0
	head, err := d.src.next()
	if err != nil {
		return Packet{}, &FrameError{Reason: reasonShort}
	}
	elements := head.n
	code := token{}
	if elements > 0 {
		code, err = d.src.next()
	}
	if err != nil || code.kind != kindText {
		return Packet{}, &DecodeError{Err: errCode}
	}
	known, ok := classes[string(code.b)]
	if !ok {
		return Packet{}, &UnknownCodeError{Code: Code(Truncate(validText(code.b), MaxID))}
	}
	p := Packet{Code: known.code}
	if p.Payload, err = d.payload(known, elements > 1); err == nil && elements > 2 {
		p.Extras, err = d.extras()
	}
	if err != nil {
		return Packet{}, decodeError(known.code, err)
	}
	return p, nil
}

func decodeError(code Code, err error) error {
	if at, ok := err.(*memberError); ok { //nolint:errorlint // made here, never wrapped
		return &DecodeError{Code: code, Member: at.path, Err: at.err}
	}
	return &DecodeError{Code: code, Err: err}
}

// payload reads the second element: a map or list, or the JSON text of one;
// where the class is Text, the string itself.
func (d *decoder) payload(c *class, present bool) (Payload, error) {
	head := token{}
	if present {
		var err error
		if head, err = d.src.next(); err != nil {
			return nil, err
		}
	}
	if head.kind != kindText || c.plain {
		return c.read(d, head)
	}
	d.json.reset(head.b)
	d.src = &d.json
	defer func() { d.src = &d.msgpack }()
	head, err := d.src.next()
	if err != nil {
		return nil, err
	}
	p, err := c.read(d, head)
	if err == nil {
		err = d.json.end()
	}
	return p, err
}

// extras reads the third element. What is no map is one of the things to come
// that are ignored.
func (d *decoder) extras() (Extras, error) {
	d.found = Extras{}
	head, err := d.src.next()
	if err == nil && head.kind == kindMap {
		err = within("extras", d.object(&d.found, head))
	}
	return d.found, err
}

// object reads the members of one object, whose head is given.
func (d *decoder) object(o object, head token) error {
	if head.kind != kindMap {
		return fault(errKind)
	}
	if d.objects++; d.objects > MaxObjects {
		return fault(errObjects)
	}
	for {
		key, ok, err := d.src.nextKey()
		if err != nil || !ok {
			return err
		}
		if err := o.member(d, key); err != nil {
			return within(string(key), err)
		}
	}
}

// optionalObject reads an object member; null makes it nil.
func optionalObject[T any, P interface {
	*T
	object
}](d *decoder, dst *P) error {
	head, err := d.src.next()
	if err != nil {
		return err
	}
	*dst = nil
	if head.kind == kindNull {
		return nil
	}
	o := P(new(T))
	*dst = o
	return d.object(o, head)
}

// optionalList reads a list member; null makes it nil, an empty list stays a
// list.
func optionalList[T any, P interface {
	*T
	object
}](d *decoder, dst *[]P) error {
	head, err := d.src.next()
	if err != nil {
		return err
	}
	*dst = nil
	if head.kind == kindNull {
		return nil
	}
	return decodeList[T](d, dst, head)
}

// maxPrepared bounds what is allocated for a list before its items are there.
const maxPrepared = 256

// decodeList reads the objects of a list, whose head is given; nulls in it
// are left out.
func decodeList[T any, P interface {
	*T
	object
}](d *decoder, dst *[]P, head token) error {
	if head.kind != kindList {
		return fault(errKind)
	}
	list := make([]P, 0, min(head.n, maxPrepared))
	for {
		ok, err := d.src.nextItem()
		if err != nil {
			return err
		}
		if !ok {
			*dst = list
			return nil
		}
		item, err := d.src.next()
		if err != nil {
			return err
		}
		if item.kind == kindNull {
			continue
		}
		o := P(new(T))
		if err := d.object(o, item); err != nil {
			return err
		}
		list = append(list, o)
	}
}

// skip passes over the value of a member that is not known.
func (d *decoder) skip() error { return d.src.skip() }

// read hands the next value to convert and stores what comes out. Null makes
// the zero value.
func read[T any](d *decoder, dst *T, convert func(token) (T, error)) error {
	t, err := d.src.next()
	if err != nil {
		return err
	}
	var v T
	if t.kind != kindNull {
		if v, err = convert(t); err != nil {
			return fault(err)
		}
	}
	*dst = v
	return nil
}

// text is read with toText, by hand: most members are texts.
func (d *decoder) text(dst *string) error {
	t, err := d.src.next()
	switch {
	case err != nil:
		return err
	case t.kind == kindText:
		*dst = validText(t.b)
	case t.kind == kindNull:
		*dst = ""
	default:
		return fault(errKind)
	}
	return nil
}

// readOptional is read for members where absent is not the zero value.
func readOptional[T any](d *decoder, dst **T, convert func(token) (T, error)) error {
	t, err := d.src.next()
	if err != nil {
		return err
	}
	*dst = nil
	if t.kind == kindNull {
		return nil
	}
	v, err := convert(t)
	if err != nil {
		return fault(err)
	}
	*dst = &v
	return nil
}

func (d *decoder) truth(dst *bool) error           { return read(d, dst, toBool) }
func (d *decoder) int16(dst *int16) error          { return read(d, dst, toInt16) }
func (d *decoder) int32(dst *int32) error          { return read(d, dst, toInt32) }
func (d *decoder) int64(dst *int64) error          { return read(d, dst, toInt64) }
func (d *decoder) guid(dst *uuid.UUID) error       { return read(d, dst, toGUID) }
func (d *decoder) moment(dst *time.Time) error     { return read(d, dst, toTime) }
func (d *decoder) optTruth(dst **bool) error       { return readOptional(d, dst, toBool) }
func (d *decoder) optInt32(dst **int32) error      { return readOptional(d, dst, toInt32) }
func (d *decoder) optInt16(dst **int16) error      { return readOptional(d, dst, toInt16) }
func (d *decoder) optGUID(dst **uuid.UUID) error   { return readOptional(d, dst, toGUID) }
func (d *decoder) optMoment(dst **time.Time) error { return readOptional(d, dst, toTime) }
func (d *decoder) optDecimal(dst **Decimal) error  { return readOptional(d, dst, toDecimal) }

// loose reads a text that some write as another value: a truth, say.
func (d *decoder) loose(dst *string) error { return read(d, dst, toLoose) }

// readEnum reads an enumeration that is kept as the other side's text.
func readEnum[T ~string](d *decoder, dst *T) error { return read(d, dst, toEnum[T]) }

// validText makes a string of bytes from outside: what is not UTF-8 becomes
// U+FFFD, so that nothing behind this package meets an invalid string.
func validText(b []byte) string {
	return valid(string(b))
}
