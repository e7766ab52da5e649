package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/google/uuid"

	"servicelink/simprot"
)

// member is one member of a payload, with what may be seen of its value: a
// string, a mask, a number, a bool, members (an object) or items (a list).
type member struct {
	name  string
	value any
}

type (
	members []member
	items   []any
)

// walker turns payloads into members. It knows no class, only types and names,
// so that a class which is added later is shown too.
type walker struct {
	unmask   bool
	tracking string // of what is being walked through
}

var (
	guidType = reflect.TypeFor[uuid.UUID]()
	timeType = reflect.TypeFor[time.Time]()
)

// object lists the members of a struct that are set.
func (w walker) object(v reflect.Value) members {
	list := members{}
	if id := textOf(v, "TrackingId"); id != "" {
		w.tracking = id
	}
	for i, field := range reflect.VisibleFields(v.Type()) {
		value := v.Field(i)
		if value.IsZero() || !field.IsExported() {
			continue
		}
		list = append(list, member{field.Name, w.value(field.Name, value)})
	}
	return list
}

// value is what may be seen of a value that is set.
func (w walker) value(name string, v reflect.Value) any {
	if secretMembers[name] {
		return mask("<secret>")
	}
	for v.Kind() == reflect.Pointer || v.Kind() == reflect.Interface {
		v = v.Elem()
	}
	switch {
	case !v.IsValid():
		return nil
	case answerMembers[name] && !w.unmask:
		return mask("<answer>")
	case v.Type() == guidType, v.Type() == timeType:
		text, err := json.Marshal(v.Interface())
		if err != nil { // a time of a year that JSON has no text for
			return mask("<time>")
		}
		return strings.Trim(string(text), `"`)
	}
	switch v.Kind() {
	case reflect.String:
		return w.text(name, v.String())
	case reflect.Struct:
		return w.object(v)
	case reflect.Slice, reflect.Array:
		list := items{}
		for i := range v.Len() {
			list = append(list, w.value(name, v.Index(i)))
		}
		return list
	case reflect.Map, reflect.Func, reflect.Chan:
		return mask("<not shown>")
	default:
		return v.Interface()
	}
}

func (w walker) text(name, text string) any {
	switch {
	case name == "ID" && !w.unmask:
		return simprot.LogEventID(w.tracking, text)
	case w.unmask || plainMembers[name]:
		return text
	case name == "TrackingId":
		return maskedTracking(text)
	default:
		return masked(text)
	}
}

// MarshalJSON keeps the order of the members.
func (m members) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, one := range m {
		if i > 0 {
			b.WriteByte(',')
		}
		value, err := jsonLine(one.value)
		if err != nil {
			return nil, err
		}
		b.WriteString(strconv.Quote(one.name) + ":") // a name of Go
		b.Write(value)
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// writeMember writes a value's lines, each indented.
func writeMember(b *strings.Builder, depth int, name string, value any) {
	b.WriteString(strings.Repeat("    ", depth))
	b.WriteString(name)
	switch v := value.(type) {
	case members:
		b.WriteByte('\n')
		for _, one := range v {
			writeMember(b, depth+1, one.name, one.value)
		}
	case items:
		b.WriteString(": " + strconv.Itoa(len(v)) + " items\n")
		for i, one := range v {
			writeMember(b, depth+1, strconv.Itoa(i), one)
		}
	case mask:
		b.WriteString(": " + string(v) + "\n")
	case string:
		b.WriteString(": " + shown(v) + "\n")
	default:
		text, err := jsonLine(v)
		if err != nil {
			text = []byte("<not shown>\n")
		}
		b.WriteString(": ")
		b.Write(text)
	}
}

// jsonLine is v as JSON with a line's end, "<" as it is, and escapes for all
// that a terminal could obey.
func jsonLine(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	line := b.Bytes()
	if !bytes.ContainsFunc(line, obeyed) {
		return line, nil
	}
	safe := make([]byte, 0, len(line)+16)
	for _, r := range string(line) {
		switch high, low := utf16.EncodeRune(r); {
		case !obeyed(r):
			safe = utf8.AppendRune(safe, r)
		case high != utf8.RuneError:
			safe = fmt.Appendf(safe, "\\u%04x\\u%04x", high, low)
		default:
			safe = fmt.Appendf(safe, "\\u%04x", r)
		}
	}
	return safe, nil
}

// obeyed reports whether a character of a line of JSON must be escaped. Those
// of ASCII are already.
func obeyed(r rune) bool { return r >= 0x7f && !strconv.IsPrint(r) }
