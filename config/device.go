package config

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"
)

// deviceFile is what stands for the file in a Device's problems.
const deviceFile = "Device"

// Limits of a Device.
const (
	maxDeviceBytes  = 64 << 10
	maxDeviceValues = 1000
)

var deviceType = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9]{0,63}`)

// ParseDevice reads a GatewayInfo.Device: the name of a type and, for a type that
// has settings, a JSON object: `SmtpHost { "Host": "mail.example.org" }`. It is
// strict. The Settings decode as those of the file do, with the same tags; of a
// Secret the text is the secret itself, "env:NAME" or "file:NAME", a file below
// secretsDir, out of which no name leads. With an empty secretsDir there are no
// such files.
//
// The error is Problems; they stand in the file "Device" and hold nothing of the
// settings' values.
func ParseDevice(device, secretsDir string) (typeName string, s Settings, err error) {
	src := &source{file: deviceFile, registered: true, secretsDir: secretsDir}
	fail := func(format string, args ...any) (string, Settings, error) {
		return "", Settings{}, Problems{{File: deviceFile, Message: fmt.Sprintf(format, args...)}}
	}
	if len(device) > maxDeviceBytes {
		return fail("is longer than %d KiB", maxDeviceBytes>>10)
	}
	if !utf8.ValidString(device) {
		return fail("is not UTF-8")
	}
	text := strings.TrimSpace(device)
	typeName = deviceType.FindString(text)
	rest := text[len(typeName):]
	if body := strings.TrimSpace(rest); typeName == "" || body != "" && body[0] != '{' {
		return fail(`must be the name of a type and a JSON object, such as: SmtpHost { "Host": "mail.example.org" }`)
	} else if body == "" {
		return typeName, Settings{src: src}, nil
	}
	p := jsonParser{text: device, began: strings.Index(device, "{"), src: src}
	if src.root, err = p.parse(); err != nil {
		return "", Settings{}, err
	}
	return typeName, Settings{src: src, node: src.root}, nil
}

// jsonParser makes of a JSON object what the YAML library would: the decoder then
// serves both. JSON is not read as YAML, which differs in a dozen small things.
type jsonParser struct {
	text  string
	began int // offset of the object in text
	src   *source
	dec   *json.Decoder
	read  int // values so far
}

// parse reads the one object that the text ends with. The error is Problems.
func (p *jsonParser) parse() (ast.Node, error) {
	for line := range strings.SplitSeq(p.text, "\n") {
		p.src.width = append(p.src.width, utf8.RuneCountInString(line))
	}
	body := []byte(p.text[p.began:])
	p.dec = json.NewDecoder(bytes.NewReader(body))
	p.dec.UseNumber()
	node, err := p.value(0)
	if err == nil {
		if _, more := p.dec.Token(); !errors.Is(more, io.EOF) {
			err = p.problem(p.next(), "there is more than one JSON object")
		}
	}
	if err == nil {
		return node, nil
	}
	if problem, ok := errors.AsType[Problem](err); ok {
		return nil, Problems{problem}
	}
	return nil, Problems{p.problem(p.next(), "JSON: "+syntaxWords(err))}
}

// syntaxWords says what is wrong without repeating any of the text.
func syntaxWords(err error) string {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return "the object does not end"
	}
	return "there is a mistake near here: a comma, a colon or a quote is missing or too many"
}

// value reads one value, whatever it is.
func (p *jsonParser) value(depth int) (ast.Node, error) {
	at := p.next()
	if depth > maxNesting {
		return nil, p.problem(at, "is nested too deeply")
	}
	if p.read++; p.read > maxDeviceValues {
		return nil, p.problem(at, fmt.Sprintf("there are more than %d values", maxDeviceValues))
	}
	tk, err := p.dec.Token()
	if err != nil {
		return nil, err
	}
	switch v := tk.(type) {
	case json.Delim:
		if v == '{' {
			return p.object(at, depth)
		}
		return p.list(at, depth)
	case string:
		return p.scalar(at, v)
	case json.Number:
		return p.scalar(at, v.String())
	case bool:
		return p.scalar(at, fmt.Sprint(v))
	default:
		return ast.Null(p.token(at, "null")), nil
	}
}

func (p *jsonParser) object(at, depth int) (ast.Node, error) {
	node := ast.Mapping(p.token(at, "{"), true)
	for p.dec.More() {
		at := p.next()
		tk, err := p.dec.Token()
		if err != nil {
			return nil, err
		}
		name, ok := tk.(string)
		if !ok {
			return nil, errors.New("a name is no text")
		}
		key, err := p.scalar(at, name)
		if err != nil {
			return nil, err
		}
		value, err := p.value(depth + 1)
		if err != nil {
			return nil, err
		}
		node.Values = append(node.Values, ast.MappingValue(p.token(at, ":"), key, value))
	}
	_, err := p.dec.Token()
	return node, err
}

func (p *jsonParser) list(at, depth int) (ast.Node, error) {
	node := ast.Sequence(p.token(at, "["), true)
	for p.dec.More() {
		value, err := p.value(depth + 1)
		if err != nil {
			return nil, err
		}
		node.Values = append(node.Values, value)
	}
	_, err := p.dec.Token()
	return node, err
}

// scalar keeps a value as it is written; its place decides what it has to be.
func (p *jsonParser) scalar(at int, text string) (*ast.StringNode, error) {
	if strings.ContainsFunc(text, func(r rune) bool { return unicode.IsControl(r) || r == utf8.RuneError }) {
		return nil, p.problem(at, "there is a control character or half a character in this text")
	}
	return ast.String(p.token(at, text)), nil
}

// next is the offset where the next token begins, or nearly so.
func (p *jsonParser) next() int {
	at := p.began + int(p.dec.InputOffset())
	for at < len(p.text) && strings.IndexByte(" \t\r\n,:", p.text[at]) >= 0 {
		at++
	}
	return at
}

func (p *jsonParser) token(at int, value string) *token.Token {
	before := p.text[:at]
	line := strings.LastIndexByte(before, '\n') + 1
	return &token.Token{Value: value, Position: &token.Position{
		Line: strings.Count(before, "\n") + 1, Column: utf8.RuneCountInString(before[line:]) + 1,
	}}
}

func (p *jsonParser) problem(at int, message string) Problem {
	return p.src.at(p.token(at, ""), "", message, "")
}
