package config

import (
	"encoding"
	"math"
	"net/netip"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"
)

// mistake is why a text does not fit its place.
type mistake struct{ message, hint string }

// input is a scalar on its way into a Go value.
type input struct {
	text string
	env  bool // it came from ${NAME}
	// written is called when the text itself turns out to be a secret.
	written func()
	// secret resolves what a Secret's text stands for, where that is not the file's
	// way; nil = it is.
	secret func(text string) (string, *mistake)
}

// scalarText is a scalar as it is written: 007 stays 007, no stays no. ok is
// false for maps, lists and null.
func scalarText(n ast.Node) (text string, ok bool) {
	switch n := n.(type) {
	case *ast.StringNode:
		return n.Value, true
	case *ast.LiteralNode:
		return n.Value.Value, true
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.InfinityNode, *ast.NanNode:
		return n.GetToken().Value, true
	default:
		return "", false
	}
}

// isNull reports whether nothing is written: no node, nothing after the colon,
// ~ or null.
func isNull(n ast.Node) bool {
	if n == nil {
		return true
	}
	_, null := n.(*ast.NullNode)
	return null
}

// scalar decodes one scalar: ${NAME} first, then by the type of its place.
func (d *decoder) scalar(n ast.Node, path string, decode func(input) *mistake) {
	text, ok := scalarText(n)
	if !ok {
		d.fail(n, path, "must be a single value", "")
		return
	}
	in, wrong := d.src.expand(text)
	if wrong == nil {
		in.written = func() {
			if d.src.warn == nil || d.open {
				return
			}
			message, hint := "a secret is written out in the file", `use "${NAME}" or "file:/path"`
			if d.src.shared {
				message, hint = "a secret is written out in a file that others can read", hint+"; chmod 600 until then"
			}
			d.src.warn(d.src.at(start(n), path, message, hint))
		}
		wrong = decode(in)
	}
	if wrong != nil {
		d.fail(n, path, wrong.message, wrong.hint)
	}
}

var (
	wholeReference   = regexp.MustCompile(`^\$\{([A-Za-z_][A-Za-z0-9_]*)\}$`)
	partialReference = regexp.MustCompile(`\$\{[A-Za-z_]`)
)

// expand is the function of that name, for a source that is the operator's. What
// the core writes is taken as it is.
func (s *source) expand(text string) (input, *mistake) {
	if !s.registered {
		return expand(text)
	}
	return input{text: text, secret: func(text string) (string, *mistake) {
		return registeredSecret(text, s.secretsDir)
	}}, nil
}

// expand replaces a text that is ${NAME} as a whole by the environment's value,
// which is then taken as it is.
func expand(text string) (input, *mistake) {
	if name := wholeReference.FindStringSubmatch(text); name != nil {
		value, set := os.LookupEnv(name[1])
		if !set {
			return input{}, &mistake{"needs the environment variable " + name[1] + ", which is not set", ""}
		}
		return input{text: value, env: true}, nil
	}
	if partialReference.MatchString(text) {
		return input{}, &mistake{
			"only a whole value can come from the environment",
			`write "${NAME}" alone and put all of the value into the variable`,
		}
	}
	return input{text: text}, nil
}

// scalarDecoder chooses how a text becomes v; nil when v is no scalar.
func scalarDecoder(v reflect.Value) func(input) *mistake {
	switch p := v.Addr().Interface().(type) {
	case *Secret:
		return p.decode
	case *time.Duration:
		return func(in input) *mistake {
			return parse(p, in, time.ParseDuration, `a duration`, `such as "2s", "15m" or "48h"`)
		}
	case *Bytes:
		return func(in input) *mistake {
			return parse(p, in, parseBytes, "a size", `such as "10GiB", "512MiB" or "64KiB"`)
		}
	case *netip.Prefix:
		return func(in input) *mistake { return parse(p, in, parsePrefix, "an address range", `such as "10.0.0.0/8"`) }
	case encoding.TextUnmarshaler:
		return func(in input) *mistake {
			if p.UnmarshalText([]byte(in.text)) != nil {
				return &mistake{"is not valid", ""}
			}
			return nil
		}
	}
	return kindDecoder(v)
}

func kindDecoder(v reflect.Value) func(input) *mistake {
	switch {
	case v.Kind() == reflect.String:
		return func(in input) *mistake { v.SetString(in.text); return nil }
	case v.Kind() == reflect.Bool:
		return func(in input) *mistake { return decodeBool(v, in.text) }
	case v.CanInt():
		return func(in input) *mistake {
			n, err := strconv.ParseInt(in.text, 10, 64)
			if err != nil || v.OverflowInt(n) {
				return &mistake{"must be a whole number that fits", ""}
			}
			v.SetInt(n)
			return nil
		}
	case v.CanUint():
		return func(in input) *mistake {
			n, err := strconv.ParseUint(in.text, 10, 64)
			if err != nil || v.OverflowUint(n) {
				return &mistake{"must be a whole number from 0 that fits", ""}
			}
			v.SetUint(n)
			return nil
		}
	case v.CanFloat():
		return func(in input) *mistake {
			n, err := strconv.ParseFloat(in.text, 64)
			if err != nil || math.IsNaN(n) || math.IsInf(n, 0) {
				return &mistake{"must be a number", ""}
			}
			v.SetFloat(n)
			return nil
		}
	}
	return nil
}

func decodeBool(v reflect.Value, text string) *mistake {
	switch text {
	case "true", "True", "TRUE":
		v.SetBool(true)
	case "false", "False", "FALSE":
		v.SetBool(false)
	default:
		return &mistake{"must be true or false", ""}
	}
	return nil
}

// parse stores what read makes of the text. The error of read may quote the
// text and is dropped.
func parse[T any](p *T, in input, read func(string) (T, error), what, hint string) *mistake {
	value, err := read(in.text)
	if err != nil {
		return &mistake{"must be " + what, hint}
	}
	*p = value
	return nil
}

var byteUnits = []struct {
	suffix string
	factor int64
}{{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"TiB", 1 << 40}}

func parseBytes(text string) (Bytes, error) {
	factor := int64(1)
	for _, unit := range byteUnits {
		if number, ok := strings.CutSuffix(text, unit.suffix); ok {
			text, factor = strings.TrimSuffix(number, " "), unit.factor
			break
		}
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return 0, err
	}
	if n < 0 || n > math.MaxInt64/factor {
		return 0, strconv.ErrRange
	}
	return Bytes(n * factor), nil
}

// String writes a size in the largest unit that fits exactly: 10GiB.
func (b Bytes) String() string {
	for _, unit := range slices.Backward(byteUnits) {
		if b != 0 && int64(b)%unit.factor == 0 {
			return strconv.FormatInt(int64(b)/unit.factor, 10) + unit.suffix
		}
	}
	return strconv.FormatInt(int64(b), 10)
}

// parsePrefix reads a range; a single address is a range of one.
func parsePrefix(text string) (netip.Prefix, error) {
	if address, err := netip.ParseAddr(text); err == nil && address.Zone() == "" {
		return netip.PrefixFrom(address, address.BitLen()), nil
	}
	return netip.ParsePrefix(text)
}

// decode resolves a secret: ${NAME}, file:/path, or the text itself.
func (s *Secret) decode(in input) *mistake {
	value := in.text
	if in.secret != nil {
		var wrong *mistake
		if value, wrong = in.secret(in.text); wrong != nil {
			return wrong
		}
	} else if path, ok := strings.CutPrefix(in.text, "file:"); ok && !in.env {
		var wrong *mistake
		if value, wrong = readSecret(path); wrong != nil {
			return wrong
		}
	} else if !in.env && value != "" {
		in.written()
	}
	if value == "" && (in.env || in.text != "") {
		return &mistake{"the secret it names is empty", ""}
	}
	*s = NewSecret(value)
	return nil
}
