// Package strictjson reads JSON that comes from outside: one pass that checks
// everything and allocates next to nothing, then look-ups by exact name.
//
// encoding/json serves badly there: it takes the last of two equal names,
// matches names without regard to case, puts a replacement for bytes that are
// no UTF-8, and fails as a whole when one member nobody asked for has another
// type than expected. Here the document is checked first (RFC 8259, UTF-8, no
// name twice in one object, bounded depth and size), and each member is judged
// when it is looked up.
package strictjson

import (
	"errors"
	"fmt"
)

// Limits of a document beside its length, which the caller bounds.
const (
	MaxDepth  = 32   // arrays and objects inside each other
	MaxValues = 4096 // values in all
	MaxNames  = 128  // members of one object
)

// What Parse returns, wrapped with the position.
var (
	ErrSyntax = errors.New("not valid JSON")
	ErrLimit  = errors.New("JSON is too deep or has too many values")
	ErrTwice  = errors.New("name appears twice in one object")
)

// Kind is the type of a value.
type Kind uint8

// The kinds. Absent is what looking up a name that is not there gives.
const (
	Absent Kind = iota
	Null
	Bool
	Number
	String
	Array
	Object
)

// Value is a value of a document. The zero Value is Absent.
type Value struct {
	doc  *document
	node int
}

// document is the body and its values in order: a container is followed by its
// children, a name of an object stands before its value.
type document struct {
	body  []byte
	nodes []node
	// first is room for the nodes of an ordinary message without allocating.
	first [48]node
}

type node struct {
	start, end int32 // in the body; a string's without its quotes
	next       int32 // the node after this value and all inside it
	kind       Kind
	escaped    bool // a string with backslashes
}

// Parse checks body, which must not change while the Value is in use. One byte
// order mark in front is skipped.
func Parse(body []byte) (Value, error) {
	doc := &document{body: body}
	doc.nodes = doc.first[:0]
	s := scanner{doc: doc, data: body}
	if len(body) >= 3 && body[0] == 0xEF && body[1] == 0xBB && body[2] == 0xBF {
		s.at = 3
	}
	err := s.value(0)
	if err == nil {
		s.space()
		if s.at < len(s.data) {
			err = ErrSyntax
		}
	}
	if err != nil {
		return Value{}, fmt.Errorf("%w at byte %d", err, s.at)
	}
	return Value{doc: doc}, nil
}

// Kind returns the value's type.
func (v Value) Kind() Kind {
	if v.doc == nil {
		return Absent
	}
	return v.doc.nodes[v.node].kind
}

// Member returns the member of an object with exactly this name. It is Absent
// when there is none, and when v is no object.
func (v Value) Member(name string) Value {
	if v.Kind() != Object {
		return Value{}
	}
	nodes := v.doc.nodes
	for i, end := v.node+1, int(nodes[v.node].next); i < end; i = int(nodes[i+1].next) {
		if v.doc.named(nodes[i], name) {
			return Value{doc: v.doc, node: i + 1}
		}
	}
	return Value{}
}

// Text returns the characters of a string; "" for any other kind. An escaped
// half of a surrogate pair, which some senders leave when they cut a text,
// becomes U+FFFD.
func (v Value) Text() string {
	if v.Kind() != String {
		return ""
	}
	n := v.doc.nodes[v.node]
	raw := v.doc.body[n.start:n.end]
	if n.escaped {
		return string(unescape(raw))
	}
	return string(raw)
}

// Raw returns the bytes of the value as they stand in the body; a string's
// without its quotes. They must not be changed.
func (v Value) Raw() []byte {
	if v.doc == nil {
		return nil
	}
	n := v.doc.nodes[v.node]
	return v.doc.body[n.start:n.end]
}

// named reports whether n, a name, reads as name.
func (d *document) named(n node, name string) bool {
	raw := d.body[n.start:n.end]
	if n.escaped {
		raw = unescape(raw)
	}
	return string(raw) == name
}
