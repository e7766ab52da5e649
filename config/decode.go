package config

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"
)

// decoder walks the YAML beside the Go types and collects every mistake. The
// library's own strict decoder stops at the first one.
type decoder struct {
	src      *source
	problems Problems
	// open is true below a field whose secret may be written out.
	open bool
}

var settingsType = reflect.TypeFor[Settings]()

// fail records a mistake at a node.
func (d *decoder) fail(n ast.Node, path, message, hint string) {
	d.problems = append(d.problems, d.src.at(start(n), path, message, hint))
}

// value decodes one node into v. An empty value leaves v as it is.
func (d *decoder) value(n ast.Node, v reflect.Value, path string) {
	if v.Type() == settingsType {
		d.settings(n, v, path)
		return
	}
	if isNull(n) {
		return
	}
	if decode := scalarDecoder(v); decode != nil {
		d.scalar(n, path, decode)
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() {
			v.Set(reflect.New(v.Type().Elem()))
		}
		d.value(n, v.Elem(), path)
	case reflect.Struct:
		d.structure(n, v, path)
	case reflect.Slice:
		d.list(n, v, path)
	case reflect.Map:
		d.dictionary(n, v, path)
	default:
		d.fail(n, path, "cannot be decoded into a Go "+v.Type().String(), "")
	}
}

// settings keeps the node for the connector.
func (d *decoder) settings(n ast.Node, v reflect.Value, path string) {
	s := Settings{src: d.src, path: path}
	if _, ok := entries(n); ok {
		s.node = n
	} else if !isNull(n) {
		d.fail(n, path, "must be a map of keys", "")
	}
	v.Set(reflect.ValueOf(s))
}

// structure decodes a map into the fields of a struct. A nil n is an empty map.
func (d *decoder) structure(n ast.Node, v reflect.Value, path string) {
	pairs, ok := d.pairs(n, path)
	if !ok {
		return
	}
	fields := fieldsOf(v.Type())
	written := map[string]bool{}
	for _, pair := range pairs {
		key := keyText(pair)
		written[key] = true
		i := slices.IndexFunc(fields, func(f field) bool { return f.key == key })
		if i < 0 {
			d.fail(pair.Key, join(path, shorten(key)), "is not a known key", suggest(key, fields))
			continue
		}
		d.open = fields[i].open
		d.value(pair.Value, v.FieldByIndex(fields[i].index), join(path, key))
		d.open = false
	}
	for _, f := range fields {
		if f.required && v.FieldByIndex(f.index).IsZero() && !d.reported(join(path, f.key)) {
			d.problems = append(d.problems, d.src.problem(join(path, f.key), "is missing", ""))
		}
		// Settings that are not written still know where they belong.
		if v.FieldByIndex(f.index).Type() == settingsType && !written[f.key] {
			d.settings(nil, v.FieldByIndex(f.index), join(path, f.key))
		}
	}
}

func (d *decoder) reported(path string) bool {
	return slices.ContainsFunc(d.problems, func(p Problem) bool { return p.Path == path })
}

// list decodes a sequence; it replaces what v holds.
func (d *decoder) list(n ast.Node, v reflect.Value, path string) {
	sequence, ok := n.(*ast.SequenceNode)
	if !ok {
		d.fail(n, path, "must be a list", `write "- value" lines, or [value, value]`)
		return
	}
	out := reflect.MakeSlice(v.Type(), len(sequence.Values), len(sequence.Values))
	for i, entry := range sequence.Values {
		at := fmt.Sprintf("%s[%d]", path, i)
		if isNull(entry) {
			d.fail(entry, at, "is empty", "")
			continue
		}
		if item, ok := reflect.TypeAssert[interface{ setDefaults() }](out.Index(i).Addr()); ok {
			item.setDefaults()
		}
		d.value(entry, out.Index(i), at)
	}
	v.Set(out)
}

// dictionary decodes a map with free keys; it replaces what v holds.
func (d *decoder) dictionary(n ast.Node, v reflect.Value, path string) {
	if v.Type().Key().Kind() != reflect.String {
		d.fail(n, path, "cannot be decoded into a Go "+v.Type().String(), "")
		return
	}
	pairs, _ := d.pairs(n, path)
	out := reflect.MakeMap(v.Type())
	for _, pair := range pairs {
		key := keyText(pair)
		item := reflect.New(v.Type().Elem()).Elem()
		d.value(pair.Value, item, join(path, shorten(key)))
		out.SetMapIndex(reflect.ValueOf(key).Convert(v.Type().Key()), item)
	}
	v.Set(out)
}

// pairs lists a map's pairs without the repeated keys, which it reports. ok is
// false when n is no map, which it reports too.
func (d *decoder) pairs(n ast.Node, path string) (pairs []*ast.MappingValueNode, ok bool) {
	if isNull(n) {
		return nil, true
	}
	all, ok := entries(n)
	if !ok {
		d.fail(n, path, "must be a map of keys", "")
		return nil, false
	}
	first := map[string]int{}
	for _, pair := range all {
		key := keyText(pair)
		if _, plain := scalarText(pair.Key); !plain {
			d.fail(pair.Key, path, "has a key that is not plain text", "")
			continue
		}
		if line, again := first[key]; again {
			d.fail(pair.Key, join(path, shorten(key)), "is there twice", fmt.Sprintf("the first one is in line %d", line))
			continue
		}
		first[key] = pair.Key.GetToken().Position.Line
		pairs = append(pairs, pair)
	}
	return pairs, true
}

// shorten keeps a key that is a mistake from flooding the message.
func shorten(key string) string {
	const limit = 40
	if runes := []rune(key); len(runes) > limit {
		return string(runes[:limit]) + "..."
	}
	return key
}

// suggest names the key that was probably meant, else all there are.
func suggest(key string, fields []field) string {
	best, distance := "", 3
	known := make([]string, len(fields))
	for i, f := range fields {
		known[i] = f.key
		if d := editDistance(shorten(key), f.key); d < distance && d < len(f.key) {
			best, distance = f.key, d
		}
	}
	if best != "" {
		return "did you mean " + best + "?"
	}
	return "known here: " + strings.Join(known, ", ")
}

// editDistance counts the letters to change, add or drop to get from a to b.
func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			substitute := diagonal
			if a[i] != b[j] {
				substitute++
			}
			diagonal = row[j+1]
			row[j+1] = min(substitute, row[j]+1, diagonal+1)
		}
	}
	return row[len(b)]
}

// field is one key a struct knows.
type field struct {
	key      string
	index    []int
	required bool
	open     bool
}

// fieldsOf lists the yaml tags of a struct, those of embedded structs as its own; a
// field without one is not decoded.
func fieldsOf(t reflect.Type) []field {
	var fields []field
	for _, f := range reflect.VisibleFields(t) {
		key, list, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		if key == "" || key == "-" || !f.IsExported() {
			continue
		}
		options := strings.Split(list, ",")
		fields = append(fields, field{
			key: key, index: f.Index,
			required: slices.Contains(options, "required"), open: slices.Contains(options, "open"),
		})
	}
	return fields
}
