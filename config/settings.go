package config

import (
	"fmt"
	"io"
	"reflect"
	"strings"

	"github.com/goccy/go-yaml/ast"
)

// Settings is the part of a channel that only its connector understands: the
// undecoded YAML and where it stands. The zero value is "nothing written".
// It prints nothing of its content.
type Settings struct {
	src  *source
	node ast.Node // nil = nothing written
	path string   // "channels[0].settings"; empty from ParseSettings
}

// Decode fills v, a pointer to a struct with yaml tags, and reports every
// mistake at once as Problems with positions. What the file leaves out keeps
// the value it has in v, so defaults are set before the call; a field tagged
// `yaml:"name,required"` must be there. Decode is strict: an unknown key is a
// problem. It reads the environment and secret files. A secret written out in
// the file is added to the Warnings of the Config the settings came from, so
// Decode must not run beside a reader of those; the tag option "open" keeps it
// silent for a field that is a secret only sometimes, such as a URL.
//
// Fields may be string, bool, integers, float64, time.Duration, Bytes, Secret,
// netip.Prefix or any encoding.TextUnmarshaler, structs, pointers, slices and
// maps with string keys of these.
func (s Settings) Decode(v any) error {
	target := reflect.ValueOf(v)
	if target.Kind() != reflect.Pointer || target.Elem().Kind() != reflect.Struct {
		return fmt.Errorf("config: Decode needs a pointer to a struct, not %T", v)
	}
	src := s.src
	if src == nil {
		src = &source{}
	}
	d := decoder{src: src}
	d.structure(s.node, target.Elem(), s.path)
	return d.problems.Err()
}

// Problem makes a Problem at a key of the settings, for what a connector finds
// itself. An empty key means the settings as a whole.
func (s Settings) Problem(key, message, hint string) Problem {
	return s.src.problem(join(s.path, key), message, hint)
}

// Warn adds what a connector finds doubtful at a key to the Warnings of the
// Config the settings came from. Once is enough: a repeat is not added.
func (s Settings) Warn(key, message, hint string) {
	if s.src != nil && s.src.warn != nil {
		s.src.warn(s.Problem(key, message, hint))
	}
}

// Problem makes a Problem at a key of the channel, such as "network".
func (c Channel) Problem(key, message, hint string) Problem {
	return c.Settings.src.problem(join(strings.TrimSuffix(c.Settings.path, ".settings"), key), message, hint)
}

// Format prints a fixed word: the content may hold secrets.
func (s Settings) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "[settings]") }

// MarshalText is Format for JSON and YAML.
func (s Settings) MarshalText() ([]byte, error) { return []byte("[settings]"), nil }

// ParseSettings makes Settings from YAML text, for tests of connectors.
func ParseSettings(yamlText string) (Settings, error) {
	src := &source{}
	if strings.TrimSpace(yamlText) == "" {
		return Settings{src: src}, nil
	}
	root, err := parseYAML([]byte(yamlText), src)
	if err != nil {
		return Settings{}, err
	}
	src.root = root
	return Settings{src: src, node: root}, nil
}

// join appends a key to a path.
func join(path, key string) string {
	if path == "" || key == "" {
		return path + key
	}
	return path + "." + key
}
